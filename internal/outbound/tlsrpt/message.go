package tlsrpt

import (
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/phrases"
)

//go:embed texts
var textFiles embed.FS

// SpeechIn returns the texts about reports in a language.
func SpeechIn(lang cause.Lang) (*phrases.Set, error) { return phrases.Load(textFiles, lang) }

// compressed is the report as it is sent.
func (r *Report) compressed() ([]byte, error) {
	raw, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("tlsrpt: write report: %w", err)
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(raw); err != nil {
		return nil, fmt.Errorf("tlsrpt: write report: %w", err)
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("tlsrpt: write report: %w", err)
	}
	return b.Bytes(), nil
}

// filename is the name of the report as a file (RFC 8460 section 5.1).
func (r *Report) filename(submitter string) string {
	return submitter + "!" + r.Domain() + "!" + strconv.FormatInt(r.Range.Start.Unix(), 10) + "!" +
		strconv.FormatInt(r.Range.End.Unix(), 10) + ".json.gz"
}

// mail is the message that takes a report to an address (RFC 8460 section 5.3). It asks
// that broken encryption does not keep it from arriving (RFC 8689 section 5).
func (r *Report) mail(from, to, submitter string, now time.Time, speech *phrases.Set) ([]byte, error) {
	file, err := r.compressed()
	if err != nil {
		return nil, err
	}
	const boundary = "=_tlsrpt_report"
	var h message.Header
	h.AddDate("Date", now)
	h.AddAddresses("From", []message.Address{{Email: from}})
	h.AddAddresses("To", []message.Address{{Email: to}})
	h.AddStructured("Subject", "Report Domain: "+r.Domain()+" Submitter: "+submitter+" Report-ID: <"+r.ID+">")
	h.AddMessageIDs("Message-ID", r.ID)
	h.AddStructured("TLS-Report-Domain", r.Domain())
	h.AddStructured("TLS-Report-Submitter", submitter)
	h.AddStructured("TLS-Required", "No")
	h.AddStructured("Auto-Submitted", "auto-generated")
	h.AddStructured("MIME-Version", "1.0")
	h.AddStructured("Content-Type", `multipart/report; report-type="tlsrpt"; boundary="`+boundary+`"`)
	var b bytes.Buffer
	b.Write(h.Bytes())
	total := r.Total()
	text := speech.Say("mail.text", "domain", r.Domain(), "submitter", submitter, "day", r.Range.Start.UTC().Format(time.DateOnly),
		"good", strconv.FormatInt(total.Successful, 10), "bad", strconv.FormatInt(total.Failed, 10))
	fmt.Fprintf(&b, "\r\n--%s\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n%s\r\n", boundary, text)
	name := r.filename(submitter)
	fmt.Fprintf(&b, "--%s\r\nContent-Type: application/tlsrpt+gzip; name=%q\r\nContent-Transfer-Encoding: base64\r\n"+
		"Content-Disposition: attachment; filename=%q\r\n\r\n", boundary, name, name)
	encoded := base64.StdEncoding.EncodeToString(file)
	for len(encoded) > 0 {
		n := min(len(encoded), 76)
		b.WriteString(encoded[:n] + "\r\n")
		encoded = encoded[n:]
	}
	fmt.Fprintf(&b, "--%s--\r\n", boundary)
	return b.Bytes(), nil
}
