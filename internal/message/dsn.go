package message

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime/quotedprintable"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/message/address"
)

// DeliveryStatus is what a delivery status notification says to programs (RFC 3464 section 2).
type DeliveryStatus struct {
	// EnvelopeID is the ENVID of the sender, decoded from xtext; empty where none was given.
	EnvelopeID string
	// ReportingMTA is the name of the host that reports, ReceivedFrom that of the host the message
	// came from, empty where it is not told.
	ReportingMTA, ReceivedFrom string
	// Arrival is when the message came to the reporting host; zero where it is not told.
	Arrival time.Time
	// Recipients holds at least one recipient.
	Recipients []RecipientStatus
}

// RecipientStatus is the outcome for one recipient (RFC 3464 section 2.3).
type RecipientStatus struct {
	// Original is the address of ORCPT, without its type and decoded; empty where none was given.
	Original string
	// Final is the address as it was in RCPT.
	Final string
	// Action is what became of the message.
	Action Action
	// Status is the enhanced status code, such as "5.1.1" (RFC 3463).
	Status string
	// RemoteMTA is the host that refused, Diagnostic its reply, such as "550 5.1.1 no such user";
	// both are empty where the reporting host itself decided.
	RemoteMTA, Diagnostic string
	// LastAttempt is when delivery was last tried, RetryUntil when it will be given up; zero where
	// it is not told.
	LastAttempt, RetryUntil time.Time
	// LogID is the trace id of the attempt.
	LogID string
}

// Action is the outcome for a recipient (RFC 3464 section 2.3.3).
type Action string

// The actions of RFC 3464.
const (
	ActionFailed    Action = "failed"
	ActionDelayed   Action = "delayed"
	ActionDelivered Action = "delivered"
	ActionRelayed   Action = "relayed"
	ActionExpanded  Action = "expanded"
)

// DSN is a delivery status notification to be written: a multipart/report with a text for people,
// a DeliveryStatus for programs and what was sent (RFC 3461, RFC 3462, RFC 3464, and RFC 6533
// where addresses or headers go beyond ASCII).
type DSN struct {
	DeliveryStatus
	// From is the sender of the report as people see it; its envelope sender is null.
	From Address
	// To is the envelope sender of the message that is reported on.
	To address.Address
	// Subject and Text are for people, in Language (RFC 5646; empty is not told). Text has lines
	// that end in LF or CRLF.
	Subject, Text, Language string
	// MessageID is that of the report, without angle brackets; see NewMessageID.
	MessageID string
	// Date is when the report is made.
	Date time.Time
	// InReplyTo is the message identifier of the message that is reported on, if it has one.
	InReplyTo string
	// Original is the message that is reported on, or only its header where FullMessage is false
	// (RET of RFC 3461 section 4.3). It is read to its end; nil returns nothing.
	Original io.Reader
	// FullMessage tells that Original is to be returned whole.
	FullMessage bool
	// OriginalEightBit and OriginalUTF8 are Summary.EightBit and Summary.HeaderEightBit of it.
	OriginalEightBit, OriginalUTF8 bool
	// UTF8 tells that the report may use SMTPUTF8, as the message did.
	UTF8 bool
}

// ErrNoRecipients is returned for a DSN without recipients.
var ErrNoRecipients = errors.New("message: report without recipients")

// WriteTo writes the report as a message. Its errors are those of w and of Original, and
// ErrNoRecipients.
func (d *DSN) WriteTo(w io.Writer) (int64, error) {
	if len(d.Recipients) == 0 {
		return 0, ErrNoRecipients
	}
	out := &countingWriter{w: bufio.NewWriter(w)}
	boundary := NewBoundary()
	out.bytes(d.header(boundary))
	out.text("\r\n--" + boundary + "\r\n")
	d.writeText(out)
	out.text("\r\n--" + boundary + "\r\n")
	d.writeStatus(out)
	if d.Original != nil {
		out.text("\r\n--" + boundary + "\r\n")
		d.writeOriginal(out)
	}
	out.text("\r\n--" + boundary + "--\r\n")
	if err := out.flush(); err != nil {
		return out.n, fmt.Errorf("message: write report: %w", err)
	}
	return out.n, nil
}

var _ io.WriterTo = (*DSN)(nil)

// NeedsUTF8 tells whether the report can be sent only with SMTPUTF8.
func (d *DSN) NeedsUTF8() bool {
	return d.UTF8 && (d.global() || d.To.NeedsUTF8() || !isASCIIText(d.From.Email))
}

// global tells whether the status goes beyond ASCII, so that it is written by RFC 6533.
func (d *DSN) global() bool {
	if !d.UTF8 {
		return false
	}
	for i := range d.Recipients {
		if r := &d.Recipients[i]; !isASCIIText(r.Final) || !isASCIIText(r.Original) || !isASCIIText(r.Diagnostic) {
			return true
		}
	}
	return d.OriginalUTF8 && d.Original != nil
}

func (d *DSN) header(boundary string) []byte {
	h := Header{UTF8: d.NeedsUTF8()}
	h.AddAddresses("From", []Address{d.From})
	h.AddAddresses("To", []Address{{Email: d.To.String()}})
	h.AddText("Subject", d.Subject)
	h.AddDate("Date", d.Date)
	h.AddMessageIDs("Message-ID", d.MessageID)
	if d.InReplyTo != "" {
		h.AddMessageIDs("In-Reply-To", d.InReplyTo)
		h.AddMessageIDs("References", d.InReplyTo)
	}
	h.AddStructured("Auto-Submitted", "auto-replied") // RFC 3834 section 5
	h.AddStructured("MIME-Version", "1.0")
	h.AddParams("Content-Type", "multipart/report", "report-type", "delivery-status", "boundary", boundary)
	if d.OriginalEightBit || d.global() {
		h.AddStructured("Content-Transfer-Encoding", "8bit")
	}
	return h.Bytes()
}

func (d *DSN) writeText(out *countingWriter) {
	var h Header
	h.AddParams("Content-Type", "text/plain", "charset", "utf-8")
	if d.Language != "" {
		h.AddStructured("Content-Language", d.Language)
	}
	text := strings.ReplaceAll(strings.ReplaceAll(d.Text, "\r\n", "\n"), "\n", "\r\n")
	if isShortASCII(text) {
		h.AddStructured("Content-Transfer-Encoding", "7bit")
		out.bytes(h.Bytes())
		out.text("\r\n" + text + "\r\n")
		return
	}
	h.AddStructured("Content-Transfer-Encoding", "quoted-printable")
	out.bytes(h.Bytes())
	out.text("\r\n")
	q := quotedprintable.NewWriter(out)
	_, err := q.Write([]byte(text))
	out.fail(errors.Join(err, q.Close()))
	out.text("\r\n")
}

// isShortASCII tells whether text can go as 7bit.
func isShortASCII(text string) bool {
	for line := range strings.SplitSeq(text, "\r\n") {
		if len(line) > maxColumns || !isASCIIText(line) || strings.IndexFunc(line, isControl) >= 0 || strings.HasSuffix(line, " ") {
			return false
		}
	}
	return true
}

// writeStatus writes the message/delivery-status part (RFC 3464 section 2.1), or its successor.
func (d *DSN) writeStatus(out *countingWriter) {
	h := Header{UTF8: true}
	if d.global() {
		h.AddStructured("Content-Type", "message/global-delivery-status")
		h.AddStructured("Content-Transfer-Encoding", "8bit")
	} else {
		h.AddStructured("Content-Type", "message/delivery-status")
	}
	h.end()
	field := func(name, value string) {
		if value != "" {
			h.AddStructured(name, value)
		}
	}
	if d.EnvelopeID != "" {
		field("Original-Envelope-Id", d.printable(d.EnvelopeID))
	}
	field("Reporting-MTA", "dns; "+address.NormalizeDomain(d.ReportingMTA))
	if d.ReceivedFrom != "" {
		field("Received-From-MTA", "dns; "+address.NormalizeDomain(d.ReceivedFrom))
	}
	field("Arrival-Date", dateOrNone(d.Arrival))
	for i := range d.Recipients {
		r := &d.Recipients[i]
		h.end()
		field("Original-Recipient", d.typed(r.Original))
		field("Final-Recipient", d.typed(r.Final))
		field("Action", string(r.Action))
		field("Status", r.Status)
		if r.RemoteMTA != "" {
			field("Remote-MTA", "dns; "+address.NormalizeDomain(r.RemoteMTA))
		}
		if r.Diagnostic != "" {
			field("Diagnostic-Code", "smtp; "+d.printable(r.Diagnostic))
		}
		field("Last-Attempt-Date", dateOrNone(r.LastAttempt))
		field("Final-Log-ID", d.printable(r.LogID))
		if r.Action == ActionDelayed {
			field("Will-Retry-Until", dateOrNone(r.RetryUntil))
		}
	}
	out.bytes(h.Bytes())
}

func dateOrNone(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return FormatDate(t)
}

// typed writes an address with its type (RFC 3464 section 2.1.2, RFC 6533 section 3).
func (d *DSN) typed(addr string) string {
	switch {
	case addr == "":
		return ""
	case isASCIIText(addr):
		return "rfc822; " + addr
	case d.global():
		return "utf-8; " + addr
	}
	return "utf-8; " + unicodeXtext(addr)
}

// unicodeXtext writes an address in ASCII as utf-8-addr-xtext (RFC 6533 section 3).
func unicodeXtext(addr string) string {
	var b strings.Builder
	for _, r := range addr {
		if r > ' ' && r < 0x7f && r != '\\' && r != '+' && r != '=' {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\x{%02X}`, r)
		}
	}
	return b.String()
}

// printable keeps text from a remote host within what the part may hold.
func (d *DSN) printable(text string) string {
	if d.global() {
		return text
	}
	return strings.Map(func(r rune) rune {
		if r >= 0x80 {
			return '?'
		}
		return r
	}, text)
}

// writeOriginal returns the message or its header (RFC 3462 section 2, RFC 6533 section 4).
func (d *DSN) writeOriginal(out *countingWriter) {
	mediaType := "text/rfc822-headers"
	switch {
	case d.FullMessage && d.global():
		mediaType = "message/global"
	case d.FullMessage:
		mediaType = "message/rfc822"
	case d.global():
		mediaType = "message/global-headers"
	}
	var h Header
	h.AddStructured("Content-Type", mediaType)
	if d.OriginalEightBit || d.OriginalUTF8 {
		h.AddStructured("Content-Transfer-Encoding", "8bit")
	}
	out.bytes(h.Bytes())
	out.text("\r\n")
	_, err := io.Copy(out, d.Original)
	out.fail(err)
}

// countingWriter counts what it writes and keeps the first error.
type countingWriter struct {
	w   *bufio.Writer
	n   int64
	err error
}

func (c *countingWriter) Write(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.w.Write(p)
	c.n += int64(n)
	c.err = err
	return n, err
}

func (c *countingWriter) bytes(b []byte) {
	_, err := c.Write(b)
	c.fail(err)
}

func (c *countingWriter) text(text string) { c.bytes([]byte(text)) }

func (c *countingWriter) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

func (c *countingWriter) flush() error {
	c.fail(c.w.Flush())
	return c.err
}

func encodeBase64(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
