package bounce

import (
	"bytes"
	"net/netip"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/message"
)

// Message is what a message, sent or received, tells of itself.
type Message struct {
	MessageID string            `json:"message_id,omitempty"`
	From      []message.Address `json:"from,omitempty"`
	Sender    []message.Address `json:"sender,omitempty"`
	ReplyTo   []message.Address `json:"reply_to,omitempty"`
	To        []message.Address `json:"to,omitempty"`
	Cc        []message.Address `json:"cc,omitempty"`
	// ReturnPath is the envelope sender as the last server wrote it, without brackets.
	ReturnPath string    `json:"return_path,omitempty"`
	Subject    string    `json:"subject,omitempty"`
	Date       time.Time `json:"date,omitzero"`
	// Program is the mail program that wrote it, as it calls itself in User-Agent or X-Mailer.
	Program string `json:"program,omitempty"`
	// Size is that of the whole message in octets, encoded as it travels.
	Size        int64        `json:"size"`
	Attachments []Attachment `json:"attachments,omitempty"`
	// Hops is the way it came, the first hop first, at most MaxHops of the last ones; HopCount is how many
	// there were. Loop tells that it came by the same host again and again.
	Hops     []Hop `json:"hops,omitempty"`
	HopCount int   `json:"hop_count"`
	Loop     bool  `json:"loop,omitempty"`
	// Auth are the results that receiving servers wrote, the last server's first. Only those of a server that
	// the reader trusts mean anything: whoever sent the message may have written others.
	Auth []AuthResult `json:"auth,omitempty"`
	// Signatures are its DKIM signatures, in the order of the header; they were not verified.
	Signatures []Signature `json:"signatures,omitempty"`
	// Aligned tells whether the From domain is that of the envelope sender or of a signature.
	Aligned bool     `json:"aligned"`
	Junk    []Marker `json:"junk,omitempty"`
	Broken  []Fault  `json:"broken,omitempty"`
	// List tells that a mailing list sent it, Auto that no person did.
	List bool `json:"list,omitempty"`
	Auto bool `json:"auto,omitempty"`
}

// Result returns what the last server says of a method ("spf", "dkim", "dmarc"); false where none does.
func (m *Message) Result(method string) (AuthResult, bool) {
	for _, a := range m.Auth {
		if a.Method == method {
			return a, true
		}
	}
	return AuthResult{}, false
}

// SaysJunk tells whether any filter on the way took the message for junk.
func (m *Message) SaysJunk() bool {
	for _, j := range m.Junk {
		if j.Junk {
			return true
		}
	}
	return false
}

// MaxHops is how many hops are kept.
const MaxHops = 100

// Hop is one Received field (RFC 5321 section 4.4).
type Hop struct {
	From     string     `json:"from,omitempty"` // the names of the two hosts
	By       string     `json:"by,omitempty"`
	IP       netip.Addr `json:"ip,omitzero"`
	Protocol string     `json:"protocol,omitempty"` // such as "ESMTPSA"
	TLS      bool       `json:"tls,omitempty"`
	For      string     `json:"for,omitempty"`
	Time     time.Time  `json:"time,omitzero"`
	// Delay is the time since the hop before; negative where clocks differ.
	Delay time.Duration `json:"delay_ns,omitempty"`
}

// AuthResult is one result of an Authentication-Results field (RFC 8601), or of Received-SPF.
type AuthResult struct {
	Server string `json:"server,omitempty"` // who says so
	Method string `json:"method"`           // "spf", "dkim", "dmarc" or another
	Result string `json:"result"`           // "pass", "fail", "softfail", "none", …
	Domain string `json:"domain,omitempty"` // whose policy or key it was
	Reason string `json:"reason,omitempty"` // what else is said
}

// Signature is a DKIM-Signature field (RFC 6376 section 3.5).
type Signature struct {
	Domain   string `json:"domain"`
	Selector string `json:"selector,omitempty"`
}

// Marker is what a filter wrote into the header about junk.
type Marker struct {
	Field string `json:"field"`
	Value string `json:"value"`
	// Junk tells that the filter took the message for junk, Score its score, where it has one.
	Junk  bool    `json:"junk,omitempty"`
	Score float64 `json:"score,omitempty"`
}

// Attachment is a part with a file name.
type Attachment struct {
	Name string `json:"name,omitempty"`
	Type string `json:"type"`
	Size int64  `json:"size"` // encoded
}

// Fault is one thing that is broken in a message.
type Fault string

// What can be broken.
const (
	BareLF         Fault = "bare-lf" // lines end in LF alone
	BareCR         Fault = "bare-cr"
	LongLine       Fault = "long-line"   // over 998 octets (RFC 5322 section 2.1.1)
	EightBitHeader Fault = "8bit-header" // octets above 127 in the header (RFC 6532 needs SMTPUTF8)
	NULOctet       Fault = "nul"
	NoDate         Fault = "no-date"
	NoFrom         Fault = "no-from"
	ManyFrom       Fault = "many-from" // From stands more than once
	NoMessageID    Fault = "no-message-id"
	Structure      Fault = "structure" // MIME parts too many, too deep or not well formed
)

// maxProgram is how much of a program's name is kept.
const maxProgram = 200

// maxAttachments is how many attachments are kept.
const maxAttachments = 100

// ReadMessage reads a message, sent or received. Any octets are some message.
func ReadMessage(eml []byte) *Message {
	sum := message.Summarize(eml)
	header := eml[:min(sum.HeaderSize, 4*maxHeader, int64(len(eml)))]
	m := &Message{
		MessageID: sum.MessageID, From: sum.From, Sender: sum.Sender, To: sum.To, Cc: sum.Cc, ReplyTo: sum.ReplyTo,
		Subject: sum.Subject, Date: sum.Date, Size: sum.Size,
	}
	if path, ok := message.DecodedField(header, "Return-Path"); ok {
		m.ReturnPath = strings.Trim(strings.TrimSpace(path), "<>")
	}
	for _, field := range []string{"X-Mailer", "User-Agent"} {
		if program, ok := message.DecodedField(header, field); ok {
			m.Program = strings.ToValidUTF8(program[:min(len(program), maxProgram)], "")
		}
	}
	m.hops(header)
	m.deliveredTwice(header)
	m.authResults(header)
	m.signatures(header)
	m.align()
	m.junk(header)
	m.attachments(sum)
	m.faults(eml, header, sum)
	m.List, m.Auto = isList(header), isAuto(header)
	return m
}

func (m *Message) attachments(sum *message.Summary) {
	for i := range sum.Parts {
		p := &sum.Parts[i]
		if p.IsMultipart() || p.Title() == "" && p.Disposition != "attachment" || len(m.Attachments) == maxAttachments {
			continue
		}
		m.Attachments = append(m.Attachments, Attachment{Name: p.Title(), Type: p.Type + "/" + p.Subtype, Size: p.Size()})
	}
}

// faults lists what is broken. A message that was saved with bare line feeds throughout is not: programs
// save so.
func (m *Message) faults(eml, header []byte, sum *message.Summary) {
	from := 0
	has := make(map[string]bool)
	for f := range message.HeaderFields(header) {
		name := strings.ToLower(string(f.Name))
		has[name] = true
		if name == "from" {
			from++
		}
	}
	for _, c := range []struct {
		broken bool
		fault  Fault
	}{
		{sum.BareLF && bytes.Contains(eml, []byte("\r\n")), BareLF},
		{sum.BareCR, BareCR},
		{sum.MaxLine > 998, LongLine},
		{bytes.ContainsFunc(header, func(r rune) bool { return r > 127 }), EightBitHeader},
		{sum.NUL, NULOctet},
		{!has["date"] || sum.Date.IsZero(), NoDate},
		{from == 0, NoFrom},
		{from > 1 || len(sum.From) > 1, ManyFrom},
		{!has["message-id"], NoMessageID},
		{sum.Degraded, Structure},
	} {
		if c.broken {
			m.Broken = append(m.Broken, c.fault)
		}
	}
}

func isList(header []byte) bool {
	for _, name := range []string{"List-Id", "List-Unsubscribe", "List-Post"} {
		if _, ok := message.DecodedField(header, name); ok {
			return true
		}
	}
	precedence, _ := message.DecodedField(header, "Precedence")
	precedence = strings.ToLower(precedence)
	return precedence == "list" || precedence == "bulk"
}

// isAuto tells whether a program sent the message by itself (RFC 3834 section 5).
func isAuto(header []byte) bool {
	auto, ok := message.DecodedField(header, "Auto-Submitted")
	if ok && !strings.HasPrefix(strings.ToLower(auto), "no") {
		return true
	}
	for _, name := range []string{"X-Autoreply", "X-Autorespond", "X-Failed-Recipients"} {
		if _, ok := message.DecodedField(header, name); ok {
			return true
		}
	}
	precedence, _ := message.DecodedField(header, "Precedence")
	return strings.EqualFold(precedence, "auto_reply")
}
