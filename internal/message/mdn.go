package message

import (
	"errors"
	"strings"
)

// Disposition is a message disposition notification that was read: what a recipient's program did with a message, a read
// receipt as a rule (RFC 8098).
type Disposition struct {
	// Original is the address that the message was sent to, Final that of the mailbox where it was read; each is empty
	// where it is not told.
	Original, Final string
	// Type is displayed, deleted, dispatched or processed (RFC 8098 section 3.2.6.2), or another word, in lower case.
	Type string
	// Automatic tells that nobody was asked whether the receipt shall be sent.
	Automatic bool
	// UserAgent is the program, as it names itself.
	UserAgent string
	// OriginalMessageID is that of the message, without angle brackets; OriginalHeader its header, nil where it was
	// not returned.
	OriginalMessageID string
	OriginalHeader    []byte
}

// ErrNoDisposition is returned for a message that is no disposition notification.
var ErrNoDisposition = errors.New("message: not a disposition notification")

// Displayed is the Type of a message that was shown to somebody.
const Displayed = "displayed"

// maxDispositionWord bounds Disposition.Type, in octets.
const maxDispositionWord = 32

// ReadMDN reads a disposition notification out of a whole message. It needs no more than a message/disposition-notification part
// with a disposition, wherever that is. The only error is ErrNoDisposition.
func ReadMDN(message []byte) (*Disposition, error) {
	sum := Summarize(message)
	var d Disposition
	var original Report
	for i := range sum.Parts {
		p := &sum.Parts[i]
		switch {
		case IsDispositionPart(p) && d.Type == "":
			d.read(readLimited(message[p.BodyStart:p.End], p.Encoding, maxReportStatus))
		case d.Type != "" && original.OriginalHeader == nil:
			original.readOriginal(message, p)
		}
	}
	if d.Type == "" {
		return nil, ErrNoDisposition
	}
	d.OriginalHeader = original.OriginalHeader
	if d.OriginalMessageID == "" {
		d.OriginalMessageID = original.OriginalMessageID
	}
	return &d, nil
}

// IsDispositionPart tells whether a part is what programs read of a disposition notification (RFC 8098 section 3.1, RFC 6533
// section 6).
func IsDispositionPart(p *Part) bool {
	return p.Type == "message" && (p.Subtype == "disposition-notification" || p.Subtype == "global-disposition-notification")
}

// read takes the fields of the notification (RFC 8098 section 3.2). The first one of each counts.
func (d *Disposition) read(b []byte) {
	for field := range HeaderFields(b) {
		value := strings.TrimSpace(DecodeHeader(string(field.Value())))
		switch strings.ToLower(string(field.Name)) {
		case "reporting-ua":
			setFirst(&d.UserAgent, value)
		case "original-recipient":
			setFirst(&d.Original, reportedAddress(value))
		case "final-recipient":
			setFirst(&d.Final, reportedAddress(value))
		case "original-message-id":
			setFirst(&d.OriginalMessageID, string(firstMessageID([]byte(value))))
		case "disposition":
			if d.Type == "" {
				d.disposition(value)
			}
		}
	}
}

// disposition reads "manual-action/MDN-sent-manually; displayed/error": comments and modifiers tell nothing more.
func (d *Disposition) disposition(value string) {
	mode, kind, ok := strings.Cut(value, ";")
	if !ok {
		return
	}
	end := func(r rune) bool { return r != '-' && (r < 'a' || r > 'z') && (r < '0' || r > '9') }
	word := strings.TrimLeft(strings.ToLower(kind), " \t")
	if i := strings.IndexFunc(word, end); i >= 0 {
		word = word[:i]
	}
	if len(word) > maxDispositionWord {
		return
	}
	d.Type = word
	d.Automatic = strings.Contains(strings.ToLower(mode), "mdn-sent-automatically")
}
