package dmarc

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"

	"golang.org/x/net/html/charset"
)

// Bounds of what is read. Reports are small, and who sends one may wish us ill.
const (
	maxMessage = 32 << 20
	maxXML     = 32 << 20 // uncompressed
	maxRecords = 100_000
	maxParts   = 100
	maxDepth   = 5
	maxFiles   = 100 // of a zip file
)

var (
	// ErrNoReport tells that a file holds no aggregate report.
	ErrNoReport = errors.New("dmarc: no DMARC aggregate report")
	// ErrTooLarge tells that a report is larger than any real one.
	ErrTooLarge = errors.New("dmarc: the report is too large")
)

// Read reads an aggregate report: XML, also in gzip or zip, or the message that it came in. Of more than
// 100,000 records the rest is left out.
func Read(r io.Reader) (*Report, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxMessage+1))
	if err != nil {
		return nil, fmt.Errorf("dmarc: read report: %w", err)
	}
	if len(raw) > maxMessage {
		return nil, ErrTooLarge
	}
	report, err := readFile(raw)
	if !errors.Is(err, ErrNoReport) {
		return report, err
	}
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return nil, ErrNoReport
	}
	parts := maxParts
	return readPart(m.Header.Get("Content-Type"), m.Header.Get("Content-Transfer-Encoding"), m.Body, maxDepth, &parts)
}

// readFile reads a file by its first octets, since names and types of attachments are often wrong.
func readFile(raw []byte) (*Report, error) {
	switch start := bytes.TrimLeft(bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf")), " \t\r\n"); {
	case bytes.HasPrefix(raw, []byte("\x1f\x8b")):
		z, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			return nil, fmt.Errorf("dmarc: uncompress report: %w", err)
		}
		return readXML(z)
	case bytes.HasPrefix(raw, []byte("PK\x03\x04")):
		return readZip(raw)
	case bytes.HasPrefix(start, []byte("<")):
		return readXML(bytes.NewReader(start))
	}
	return nil, ErrNoReport
}

func readZip(raw []byte) (*Report, error) {
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		return nil, fmt.Errorf("dmarc: uncompress report: %w", err)
	}
	for _, f := range z.File[:min(len(z.File), maxFiles)] {
		if !strings.HasSuffix(strings.ToLower(f.Name), ".xml") {
			continue
		}
		r, err := f.Open()
		if err != nil {
			return nil, fmt.Errorf("dmarc: uncompress report: %w", err)
		}
		report, err := readXML(r)
		return report, errors.Join(err, r.Close())
	}
	return nil, ErrNoReport
}

// readPart finds the report in a part of a message (RFC 7489 section 7.2.1.1).
func readPart(contentType, encoding string, body io.Reader, depth int, parts *int) (*Report, error) {
	kind, params, err := mime.ParseMediaType(contentType)
	if *parts--; err != nil || *parts < 0 || depth == 0 {
		return nil, ErrNoReport
	}
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	}
	if !strings.HasPrefix(kind, "multipart/") {
		if strings.HasPrefix(kind, "text/") && kind != "text/xml" {
			return nil, ErrNoReport
		}
		raw, err := io.ReadAll(body)
		if err != nil {
			return nil, fmt.Errorf("dmarc: read attachment: %w", err)
		}
		return readFile(raw)
	}
	for r := multipart.NewReader(body, params["boundary"]); ; {
		p, err := r.NextRawPart()
		if err != nil {
			return nil, ErrNoReport
		}
		report, err := readPart(p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), p, depth-1, parts)
		if err == nil || !errors.Is(err, ErrNoReport) {
			return report, err
		}
	}
}

// bounded fails where more is read than there may be.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, ErrTooLarge
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// readXML reads the report record by record, so that its size in memory is bounded.
func readXML(r io.Reader) (*Report, error) {
	d := xml.NewDecoder(bufio.NewReader(&bounded{r, maxXML}))
	d.CharsetReader = charset.NewReaderLabel
	d.Strict = false // some reports have a bare "&" in a name
	report := &Report{}
	found, closed := false, false
	for !closed {
		token, err := d.Token()
		if err != nil {
			if found && !errors.Is(err, ErrTooLarge) {
				return nil, fmt.Errorf("dmarc: read report: %w", noEOF(err))
			}
			return nil, errors.Join(ErrNoReport, err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			if !found {
				if found = t.Name.Local == "feedback"; !found {
					return nil, ErrNoReport
				}
				continue
			}
			if err := report.element(d, &t); err != nil {
				return nil, fmt.Errorf("dmarc: read report: %w", err)
			}
		case xml.EndElement:
			closed = true
		}
	}
	if report.Published.Domain == "" {
		return nil, fmt.Errorf("%w: it names no domain", ErrNoReport)
	}
	return report, nil
}

// noEOF turns the end of a report within it into what it is.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// element reads what stands right below the root.
func (r *Report) element(d *xml.Decoder, start *xml.StartElement) error {
	switch start.Name.Local {
	case "report_metadata":
		return d.DecodeElement(&r.Metadata, start)
	case "policy_published":
		return d.DecodeElement(&r.Published, start)
	case "record":
		if len(r.Records) == maxRecords {
			r.Truncated = true
			return d.Skip()
		}
		var row Row
		if err := d.DecodeElement(&row, start); err != nil {
			return err
		}
		row.Count = max(0, min(row.Count, 1e12))
		r.Records = append(r.Records, row)
		return nil
	}
	return d.Skip()
}
