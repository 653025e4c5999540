package message

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
)

// Report is a delivery status notification that was read.
type Report struct {
	DeliveryStatus
	// Text is what the report says to people, at most 16 KiB of it.
	Text string
	// OriginalHeader is the header of the message that is reported on, nil where it was not
	// returned; OriginalMessageID is its message identifier without angle brackets.
	OriginalHeader    []byte
	OriginalMessageID string
}

// ErrNoReport is returned for a message that is no delivery status notification.
var ErrNoReport = errors.New("message: not a delivery status notification")

// Bounds of what is read of a report.
const (
	maxReportStatus     = 256 << 10 // octets of the status part
	maxReportText       = 16 << 10  // octets of the text
	maxReportRecipients = 1000
)

// ReadDSN reads a delivery status notification (RFC 3464, RFC 6533) out of a whole message. It
// needs no more than a message/delivery-status part that names a recipient, wherever that is; what
// is missing besides is empty in the Report. The only error is ErrNoReport.
func ReadDSN(message []byte) (*Report, error) {
	sum := Summarize(message)
	report := &Report{}
	for i := range sum.Parts {
		p := &sum.Parts[i]
		body := message[p.BodyStart:p.End]
		switch {
		case isStatusPart(p) && len(report.Recipients) == 0:
			report.readStatus(readLimited(body, p.Encoding, maxReportStatus))
		case p.Type == "text" && p.Subtype == "plain" && report.Text == "" && len(report.Recipients) == 0:
			report.Text = string(readLimitedText(body, p))
		case report.OriginalHeader == nil && len(report.Recipients) > 0:
			report.readOriginal(message, p)
		}
	}
	if len(report.Recipients) == 0 {
		return nil, ErrNoReport
	}
	return report, nil
}

func isStatusPart(p *Part) bool {
	return p.Type == "message" && (p.Subtype == "delivery-status" || p.Subtype == "global-delivery-status")
}

// readLimited decodes at most limit octets of a body. Reading from memory cannot fail.
func readLimited(body []byte, encoding string, limit int64) []byte {
	b, err := io.ReadAll(io.LimitReader(DecodeTransfer(bytes.NewReader(body), encoding), limit))
	if err != nil {
		return nil
	}
	return b
}

func readLimitedText(body []byte, p *Part) []byte {
	b, err := io.ReadAll(io.LimitReader(DecodeBody(bytes.NewReader(body), p.Encoding, p.Charset), maxReportText))
	if err != nil {
		return nil
	}
	return bytes.ToValidUTF8(bytes.TrimSpace(b), nil)
}

// readStatus reads the fields about the message and then, after each empty line, those about a
// recipient (RFC 3464 section 2.1). A block without recipient is passed over.
func (r *Report) readStatus(b []byte) {
	for len(b) > 0 && len(r.Recipients) < maxReportRecipients {
		var recipient RecipientStatus
		for f := range HeaderFields(b) {
			value := DecodeHeader(string(f.Value()))
			r.messageField(f.Name, value)
			recipient.field(f.Name, value)
		}
		if recipient.Final != "" || recipient.Original != "" {
			r.Recipients = append(r.Recipients, recipient)
		}
		b = b[max(blockLen(b), lineLen(b)):] // a block, or one empty line
	}
}

// blockLen returns the length of the fields at the start of b, up to an empty line.
func blockLen(b []byte) int {
	n := 0
	for n < len(b) && !isLineEnd(b[n:]) {
		n += fieldLen(b[n:])
	}
	return n
}

func lineLen(b []byte) int {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return i + 1
	}
	return len(b)
}

// setFirst takes the value of a field that counts where it stands first.
func setFirst(to *string, value string) {
	if *to == "" {
		*to = value
	}
}

// messageField takes a field about the message (RFC 3464 section 2.2). The first one counts.
func (r *Report) messageField(name []byte, value string) {
	switch strings.ToLower(string(name)) {
	case "original-envelope-id":
		setFirst(&r.EnvelopeID, value)
	case "reporting-mta":
		setFirst(&r.ReportingMTA, untyped(value))
	case "received-from-mta":
		setFirst(&r.ReceivedFrom, untyped(value))
	case "arrival-date":
		if r.Arrival.IsZero() {
			r.Arrival, _ = ParseDate(value)
		}
	}
}

// field takes a field about a recipient (RFC 3464 section 2.3).
func (s *RecipientStatus) field(name []byte, value string) {
	switch strings.ToLower(string(name)) {
	case "original-recipient":
		s.Original = reportedAddress(value)
	case "final-recipient":
		s.Final = reportedAddress(value)
	case "action":
		word, _, _ := strings.Cut(value, " ")
		s.Action = Action(strings.ToLower(word))
	case "status":
		s.Status, _, _ = strings.Cut(value, " ") // a comment may follow
	case "remote-mta":
		s.RemoteMTA = untyped(value)
	case "diagnostic-code":
		s.Diagnostic = untyped(value)
	case "last-attempt-date":
		s.LastAttempt, _ = ParseDate(value)
	case "will-retry-until":
		s.RetryUntil, _ = ParseDate(value)
	case "final-log-id":
		s.LogID = value
	}
}

// untyped takes the type off "type; value".
func untyped(value string) string {
	if _, rest, ok := strings.Cut(value, ";"); ok {
		return strings.TrimSpace(rest)
	}
	return value
}

// reportedAddress takes the type off an address, its brackets, and the escapes of RFC 6533.
func reportedAddress(value string) string {
	addr := untyped(value)
	if strings.HasPrefix(addr, "<") && strings.HasSuffix(addr, ">") {
		addr = addr[1 : len(addr)-1]
	}
	var b strings.Builder
	for addr != "" {
		before, rest, ok := strings.Cut(addr, `\x{`)
		b.WriteString(before)
		if !ok {
			break
		}
		digits, after, closed := strings.Cut(rest, "}")
		code, err := strconv.ParseUint(digits, 16, 32)
		if !closed || err != nil || code > 0x10ffff {
			b.WriteString(`\x{`)
			addr = rest
			continue
		}
		b.WriteRune(rune(code))
		addr = after
	}
	return b.String()
}

// readOriginal takes the header of the message that came back.
func (r *Report) readOriginal(message []byte, p *Part) {
	switch {
	case p.IsMessage():
		// Its header is that of the part that follows; here only its beginning is needed.
		body := message[p.BodyStart:p.End]
		r.OriginalHeader = body[:blockLen(body)]
	case p.Subtype == "rfc822-headers" || p.Type == "message" && p.Subtype == "global-headers":
		r.OriginalHeader = readLimited(message[p.BodyStart:p.End], p.Encoding, maxReportStatus)
	default:
		return
	}
	if id, ok := DecodedField(r.OriginalHeader, "Message-ID"); ok {
		r.OriginalMessageID = string(firstMessageID([]byte(id)))
	}
}
