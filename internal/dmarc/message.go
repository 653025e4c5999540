package dmarc

import (
	"bytes"
	"embed"
	"encoding/base64"
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

// mail is the message that takes a report to an address (RFC 7489 section 7.2.1.1).
func (r *Report) mail(file []byte, from, to string, now time.Time, speech *phrases.Set) ([]byte, error) {
	domain, submitter := r.Published.Domain, r.Metadata.Organization
	name := fmt.Sprintf("%s!%s!%d!%d.xml.gz", submitter, domain, r.Metadata.Begin, r.Metadata.End)
	boundary := message.NewBoundary()
	var h message.Header
	h.AddDate("Date", now)
	h.AddAddresses("From", []message.Address{{Email: from}})
	h.AddAddresses("To", []message.Address{{Email: to}})
	h.AddStructured("Subject", "Report Domain: "+domain+" Submitter: "+submitter+" Report-ID: <"+r.Metadata.ID+">")
	h.AddMessageIDs("Message-ID", r.Metadata.ID)
	h.AddStructured("Auto-Submitted", "auto-generated")
	h.AddStructured("MIME-Version", "1.0")
	h.AddParams("Content-Type", "multipart/mixed", "boundary", boundary)
	all, failed, _, _ := r.Total()
	text := speech.Say("mail.text", "domain", domain, "submitter", submitter, "day", r.Metadata.Begin.Time().Format(time.DateOnly),
		"all", strconv.FormatInt(all, 10), "failed", strconv.FormatInt(failed, 10))
	var part message.Header
	part.AddParams("Content-Type", "application/gzip", "name", name)
	part.AddStructured("Content-Transfer-Encoding", "base64")
	part.AddParams("Content-Disposition", "attachment", "filename", name)
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\r\n--%s\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n%s\r\n", h.Bytes(), boundary, text)
	fmt.Fprintf(&b, "--%s\r\n%s\r\n", boundary, part.Bytes())
	for encoded := base64.StdEncoding.EncodeToString(file); len(encoded) > 0; {
		n := min(len(encoded), 76)
		b.WriteString(encoded[:n] + "\r\n")
		encoded = encoded[n:]
	}
	fmt.Fprintf(&b, "--%s--\r\n", boundary)
	return b.Bytes(), nil
}
