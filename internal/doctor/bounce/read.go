package bounce

import (
	"strings"

	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/message"
)

// Read reads a report out of a whole message, its diagnostics through the book. The only error is
// ErrNoBounce.
func Read(book *dialect.Book, eml []byte) (*Bounce, error) {
	report, err := message.ReadDSN(eml)
	if err != nil {
		return nil, ErrNoBounce
	}
	b := &Bounce{Form: FormDSN, Reporter: report.ReportingMTA, Provider: book.ProviderOf(report.ReportingMTA), Text: report.Text}
	if date, ok := message.DecodedField(eml, "Date"); ok {
		b.Date, _ = message.ParseDate(date)
	}
	for i := range min(len(report.Recipients), MaxRecipients) {
		b.Recipients = append(b.Recipients, readRecipient(book, b, &report.Recipients[i]))
	}
	b.Original.header(report.OriginalHeader)
	return b, nil
}

// readRecipient takes a recipient out of the part for programs.
func readRecipient(book *dialect.Book, b *Bounce, s *message.RecipientStatus) Recipient {
	r := Recipient{
		Address: s.Final, Original: s.Original, Action: s.Action, Status: s.Status,
		Diagnostic: s.Diagnostic, RemoteMTA: s.RemoteMTA, Stage: dialect.StageOther,
		LastAttempt: s.LastAttempt, RetryUntil: s.RetryUntil,
	}
	if r.Address == "" {
		r.Address = s.Original
	}
	if strings.EqualFold(r.Address, r.Original) {
		r.Original = ""
	}
	r.Provider = book.ProviderOf(r.RemoteMTA)
	reply := r.Diagnostic
	if reply == "" {
		reply = r.Status
	}
	provider := r.Provider
	if r.RemoteMTA == "" {
		provider = b.Provider
	}
	r.Reading = book.Read(provider, dialect.SMTP, r.Stage, reply)
	return r
}

// header reads what a header tells of the message it belongs to.
func (o *Original) header(header []byte) {
	if len(header) == 0 {
		return
	}
	sum := message.Summarize(header)
	o.MessageID, o.From, o.To, o.Subject, o.Date = sum.MessageID, sum.From, sum.To, sum.Subject, sum.Date
}
