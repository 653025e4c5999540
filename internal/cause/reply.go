package cause

import "time"

// SMTPReply is a refusal as SMTP sends it (RFC 5321 section 4.2, RFC 3463).
type SMTPReply struct {
	Code     int    // 450
	Enhanced string // "4.7.1"
	Text     string // one line of US-ASCII, ends in the why-link
}

// IMAPReply is a refusal as IMAP sends it; the server chooses NO, BAD or BYE.
type IMAPReply struct {
	Code string // response code without brackets, such as "OVERQUOTA" (RFC 9051 section 7.1, RFC 5530), or ""
	Text string // as in SMTPReply
}

// POP3Reply is a refusal as POP3 sends it after "-ERR".
type POP3Reply struct {
	Code string // response code without brackets, such as "SYS/TEMP" (RFC 2449 section 8, RFC 3206), or ""
	Text string // as in SMTPReply
}

// Lengths in octets. A reply line has at most 512 with CRLF (RFC 5321 section
// 4.5.3.1.5, RFC 2449 section 4); maxReplyText leaves room for code, enhanced
// code, brackets and spaces in front of the text.
const (
	maxReplyText  = 480
	maxRemoteText = 200 // a remote text without its optional parts
	maxWhyBase    = 200
)

// form is one way a cause looks on the wire.
type form struct {
	wait, refuse smtpCode
	imap, pop3   string
	text         template
	plain        string // the text without parameters, with its link
}

type smtpCode struct {
	code     int
	enhanced string
}

// SMTP returns the reply to a decision that does not allow. A decision of an
// unknown cause, or one that allows, gets the reply of Unknown: the caller
// wanted to refuse, so the reply must.
func (c *Catalogue) SMTP(d Decision) SMTPReply {
	f, text := c.reply(&d)
	sc := f.wait
	if d.Action == ActionRefuse {
		sc = f.refuse
	}
	return SMTPReply{Code: sc.code, Enhanced: sc.enhanced, Text: text}
}

// IMAP returns the reply to a decision that does not allow.
func (c *Catalogue) IMAP(d Decision) IMAPReply {
	f, text := c.reply(&d)
	return IMAPReply{Code: f.imap, Text: text}
}

// POP3 returns the reply to a decision that does not allow.
func (c *Catalogue) POP3(d Decision) POP3Reply {
	f, text := c.reply(&d)
	return POP3Reply{Code: f.pop3, Text: text}
}

// reply finds the wire form of a decision and writes its text. It is on the
// path of refusal storms: without parameters it allocates nothing, with them
// only the text.
func (c *Catalogue) reply(d *Decision) (*form, string) {
	e := c.lookup(d.Cause)
	f := &e.usual
	if d.Variant != "" {
		if v, ok := e.variants[d.Variant]; ok {
			f = v
		}
	}
	if len(f.text.names) == 0 || (len(d.Params) == 0 && d.Until.IsZero()) {
		return f, f.plain
	}
	var room [maxReplyText]byte
	w := writer{speech: c.speech[English], zone: time.UTC, limit: maxReplyText - c.linkLen(e.ID)}
	line := f.text.append(room[:0], e.kinds, d, &w)
	return f, string(appendLink(line, c.link, e.ID))
}

func (c *Catalogue) linkLen(id ID) int {
	if c.link == "" {
		return 0
	}
	return len(" ") + len(c.link) + len(id)
}

// appendLink ends a text in the link to its why page, if there is one.
func appendLink(text []byte, link string, id ID) []byte {
	if link == "" {
		return text
	}
	text = append(text, ' ')
	text = append(text, link...)
	return append(text, id...)
}

// withLink returns the entry with the link in its plain texts.
func (e *entry) withLink(link string) *entry {
	linked := *e
	linked.usual = e.usual.withLink(link, e.ID)
	linked.variants = make(map[string]*form, len(e.variants))
	for name, f := range e.variants {
		v := f.withLink(link, e.ID)
		linked.variants[name] = &v
	}
	return &linked
}

func (f form) withLink(link string, id ID) form {
	f.plain = string(appendLink([]byte(f.text.plain()), link, id))
	return f
}

// whyLink returns the part of a link that is the same for all causes, or ""
// if url cannot stand in a reply.
func whyLink(url string) string {
	if url == "" || len(url) > maxWhyBase {
		return ""
	}
	for i := 0; i < len(url); i++ {
		if url[i] <= ' ' || url[i] > '~' {
			return ""
		}
	}
	for url[len(url)-1] == '/' && len(url) > 1 {
		url = url[:len(url)-1]
	}
	return url + "/why/"
}
