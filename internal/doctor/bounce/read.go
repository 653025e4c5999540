package bounce

import (
	"bytes"
	"io"
	"strings"

	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/message"
)

// Bounds of what is read of a report.
const (
	maxText   = 16 << 10 // octets of the text for people
	maxHeader = 64 << 10 // octets of the header that came back
	maxReply  = 2 << 10  // octets of a diagnostic
)

// Read reads a report out of a whole message, its diagnostics through the book. The only error is
// ErrNoBounce.
func Read(book *dialect.Book, eml []byte) (*Bounce, error) {
	sum := message.Summarize(eml)
	b := &Bounce{Form: FormDSN, Date: sum.Date}
	b.Original.find(eml, sum)
	if report, err := message.ReadDSN(eml); err == nil {
		b.report(report)
	} else if !b.text(eml, sum) {
		return nil, ErrNoBounce
	}
	if b.Text == "" {
		b.Text = textOf(eml, sum)
	}
	b.Provider = book.ProviderOf(b.Reporter)
	for i := range b.Recipients {
		b.Recipients[i].read(book, b)
	}
	return b, nil
}

// report takes what the part for programs says (RFC 3464).
func (b *Bounce) report(report *message.Report) {
	b.Reporter, b.Text = report.ReportingMTA, report.Text
	for i := range min(len(report.Recipients), MaxRecipients) {
		s := &report.Recipients[i]
		r := Recipient{
			Address: s.Final, Original: s.Original, Action: s.Action, Status: s.Status,
			Diagnostic: cut(s.Diagnostic, maxReply), RemoteMTA: hostName(s.RemoteMTA),
			LastAttempt: s.LastAttempt, RetryUntil: s.RetryUntil,
		}
		if r.Address == "" {
			r.Address = r.Original
		}
		if strings.EqualFold(r.Address, r.Original) {
			r.Original = ""
		}
		b.Recipients = append(b.Recipients, r)
	}
}

// read completes a recipient: who refused, where in the dialogue, and what it means.
func (r *Recipient) read(book *dialect.Book, b *Bounce) {
	said := r.Diagnostic
	if said == "" || len(reply(said)) < len("550 5.1.1 no") {
		if near := passage(b.Text, r.Address); near != "" {
			said += "\n" + near
		}
	}
	if strings.TrimSpace(said) == "" {
		said = cut(b.Text, maxReply)
	}
	if r.Action == "" {
		r.Action = message.ActionFailed
	}
	if r.RemoteMTA == "" {
		r.RemoteMTA = remoteHost(said)
	}
	r.Stage = stageOf(said, passage(b.Text, r.Address))
	r.Provider = book.ProviderOf(r.RemoteMTA)
	provider := r.Provider
	if r.RemoteMTA == "" {
		provider = b.Provider
	}
	if r.Diagnostic == "" {
		r.Diagnostic = cut(strings.TrimSpace(said), maxReply)
	}
	r.Reading = book.Read(provider, dialect.SMTP, r.Stage, withStatus(reply(said), r.Status))
	if isVague(&r.Reading) && !b.standard() {
		// Some reports tell the reason before they name the recipient.
		whole := book.Read(provider, dialect.SMTP, r.Stage, withStatus(reply(b.Text), r.Status))
		if !isVague(&whole) {
			r.Reading = whole
		}
	}
	if r.Status == "" {
		r.Status = r.Reading.Enhanced
	}
}

// isVague tells whether a reading says hardly anything.
func isVague(r *dialect.Reading) bool {
	first := r.First()
	return first.Kind == dialect.Unknown || first.Weight < 0.5
}

// standard tells whether the report has a part for programs.
func (b *Bounce) standard() bool { return b.Form == FormDSN }

// withStatus adds the status code of the report to a reply that has none.
func withStatus(reply, status string) string {
	if status == "" || hasStatus(reply) {
		return reply
	}
	return strings.TrimSpace(reply + " (#" + status + ")")
}

// find finds the message that came back, or its header.
func (o *Original) find(eml []byte, sum *message.Summary) {
	for i := 1; i < len(sum.Parts); i++ {
		p := &sum.Parts[i]
		body := eml[p.BodyStart:p.End]
		switch {
		case p.IsMessage():
			o.header(body[:min(len(body), maxHeader)])
			o.Size, o.Returned = p.Size(), true
			return
		case p.Subtype == "rfc822-headers" || p.Subtype == "global-headers":
			o.header(decoded(body, p.Encoding, maxHeader))
			return
		}
	}
}

// header reads what a header tells of the message it belongs to.
func (o *Original) header(header []byte) {
	sum := message.Summarize(header)
	o.MessageID, o.From, o.To, o.Subject, o.Date = sum.MessageID, sum.From, sum.To, sum.Subject, sum.Date
}

// textOf returns the first text of a message for people, plain if there is one.
func textOf(eml []byte, sum *message.Summary) string {
	var html *message.Part
	for i := range sum.Parts {
		p := &sum.Parts[i]
		if i > 0 && p.IsMessage() {
			break // what follows belongs to the message that came back
		}
		if p.Type != "text" || p.Subtype == "rfc822-headers" {
			continue
		}
		if p.Subtype == "plain" {
			return clean(readAll(bodyOf(eml, p), maxText))
		}
		if p.Subtype == "html" && html == nil {
			html = p
		}
	}
	if html == nil {
		return ""
	}
	return clean([]byte(message.HTMLText(bodyOf(eml, html), maxText)))
}

func bodyOf(eml []byte, p *message.Part) io.Reader {
	return message.DecodeBody(bytes.NewReader(eml[p.BodyStart:p.End]), p.Encoding, p.Charset)
}

func clean(b []byte) string {
	return strings.ReplaceAll(string(bytes.ToValidUTF8(bytes.TrimSpace(b), nil)), "\r\n", "\n")
}

func decoded(body []byte, encoding string, limit int64) []byte {
	return readAll(message.DecodeTransfer(bytes.NewReader(body), encoding), limit)
}

// readAll reads at most limit octets. Reading from memory cannot fail.
func readAll(r io.Reader, limit int64) []byte {
	b, err := io.ReadAll(io.LimitReader(r, limit))
	if err != nil {
		return nil
	}
	return b
}

// cut shortens s to at most n octets, at the end of a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
