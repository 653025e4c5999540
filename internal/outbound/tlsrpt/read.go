package tlsrpt

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
)

// Bounds of what is read.
const (
	maxMessage = 32 << 20
	maxJSON    = 16 << 20
	maxParts   = 100
	maxDepth   = 5
)

// ErrNoReport says that a file holds no report.
var ErrNoReport = errors.New("tlsrpt: no TLS report")

// Read reads a report: JSON, compressed or not, or the message it came in.
func Read(r io.Reader) (*Report, error) {
	in := bufio.NewReader(io.LimitReader(r, maxMessage))
	begin, err := in.Peek(2)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoReport, err)
	}
	switch {
	case begin[0] == 0x1f && begin[1] == 0x8b:
		return readGzip(in)
	case bytes.ContainsAny(begin, "{\xef"):
		return readJSON(in)
	}
	m, err := mail.ReadMessage(in)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoReport, err)
	}
	parts := maxParts
	return readPart(m.Header.Get("Content-Type"), m.Header.Get("Content-Transfer-Encoding"), m.Body, maxDepth, &parts)
}

// readPart finds the report in a part of a message (RFC 8460 section 5.3).
func readPart(contentType, encoding string, body io.Reader, depth int, parts *int) (*Report, error) {
	kind, params, err := mime.ParseMediaType(contentType)
	if *parts--; err != nil || *parts < 0 || depth == 0 {
		return nil, ErrNoReport
	}
	switch strings.ToLower(encoding) {
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	}
	switch {
	case kind == "application/tlsrpt+gzip", kind == "application/gzip":
		return readGzip(body)
	case kind == "application/tlsrpt+json", kind == "application/json":
		return readJSON(body)
	case !strings.HasPrefix(kind, "multipart/"):
		return nil, ErrNoReport
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

func readGzip(r io.Reader) (*Report, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("tlsrpt: uncompress report: %w", err)
	}
	return readJSON(z)
}

func readJSON(r io.Reader) (*Report, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxJSON+1))
	if err != nil {
		return nil, fmt.Errorf("tlsrpt: read report: %w", err)
	}
	if len(raw) > maxJSON {
		return nil, fmt.Errorf("tlsrpt: the report is larger than %d octets", maxJSON)
	}
	var report Report
	if err := json.Unmarshal(bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf")), &report); err != nil {
		return nil, fmt.Errorf("tlsrpt: read report: %w", err)
	}
	if len(report.Policies) == 0 {
		return nil, fmt.Errorf("%w: it has no policies", ErrNoReport)
	}
	return &report, nil
}
