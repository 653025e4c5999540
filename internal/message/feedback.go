package message

import (
	"errors"
	"net/netip"
	"strings"
	"time"
)

// Feedback is a report of somebody who got a message and did not want it (RFC 5965).
type Feedback struct {
	Type           string // abuse, fraud, virus, not-spam, other, in lower case
	UserAgent      string
	From           string // the return path of the message, "" where it is not told
	To             []string
	Source         netip.Addr // of the server that brought it, zero where it is not told
	Arrival        time.Time
	ReportedDomain string
	// OriginalHeader is the header of the message, nil where it was not returned.
	OriginalHeader    []byte
	OriginalMessageID string
}

// ErrNoFeedback is returned for a message that is no feedback report.
var ErrNoFeedback = errors.New("message: not a feedback report")

// maxFeedbackRecipients bounds Feedback.To.
const maxFeedbackRecipients = 100

// ReadFeedback reads a feedback report out of a whole message. It needs no more than a message/feedback-report part with a
// type, wherever that is. The only error is ErrNoFeedback.
func ReadFeedback(message []byte) (*Feedback, error) {
	sum := Summarize(message)
	var f Feedback
	var original Report
	for i := range sum.Parts {
		p := &sum.Parts[i]
		switch {
		case IsFeedbackPart(p) && f.Type == "":
			f.read(readLimited(message[p.BodyStart:p.End], p.Encoding, maxReportStatus))
		case f.Type != "" && original.OriginalHeader == nil:
			original.readOriginal(message, p)
		}
	}
	if f.Type == "" {
		return nil, ErrNoFeedback
	}
	f.OriginalHeader, f.OriginalMessageID = original.OriginalHeader, original.OriginalMessageID
	return &f, nil
}

// IsFeedbackPart tells whether a part is what programs read of a feedback report (RFC 5965 section 7.1).
func IsFeedbackPart(p *Part) bool { return p.Type == "message" && p.Subtype == "feedback-report" }

// read takes the fields of the report (RFC 5965 section 3). Of those that may stand once the first one counts.
func (f *Feedback) read(b []byte) {
	set := func(to *string, value string) {
		if *to == "" {
			*to = value
		}
	}
	for field := range HeaderFields(b) {
		value := strings.TrimSpace(DecodeHeader(string(field.Value())))
		switch strings.ToLower(string(field.Name)) {
		case "feedback-type":
			set(&f.Type, strings.ToLower(value))
		case "user-agent":
			set(&f.UserAgent, value)
		case "original-mail-from":
			set(&f.From, strings.Trim(value, "<>"))
		case "original-rcpt-to":
			if len(f.To) < maxFeedbackRecipients {
				f.To = append(f.To, strings.Trim(value, "<>"))
			}
		case "source-ip":
			if !f.Source.IsValid() {
				f.Source, _ = netip.ParseAddr(value)
			}
		case "arrival-date", "received-date":
			if f.Arrival.IsZero() {
				f.Arrival, _ = ParseDate(value)
			}
		case "reported-domain":
			set(&f.ReportedDomain, strings.ToLower(value))
		}
	}
}
