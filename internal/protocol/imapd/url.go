package imapd

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/postiljon/postiljon/internal/store/uid"
)

// messageURL is an IMAP URL of a message or of a part of one (RFC 5092).
type messageURL struct {
	mailbox       string // "": the one that is selected
	uidValidity   uint32 // 0: not given
	uid           uid.UID
	section       *section
	offset, count int64 // of PARTIAL (RFC 5550 section 2.5); count 0: up to the end
}

// cut narrows octets to the part that is asked for.
func (u *messageURL) cut(start, end int64) (int64, int64) {
	start = min(start+u.offset, end)
	if u.count > 0 {
		end = min(end, start+u.count)
	}
	return start, end
}

// urlFields in the order in which a URL can have them.
var urlFields = [...]string{"UIDVALIDITY", "UID", "SECTION", "PARTIAL"}

// parseURL reads a URL of a message of the account that is signed in: absolute, or relative to
// this server or to the mailbox that is selected (RFC 5092 section 6).
func (s *session) parseURL(text string) (u messageURL, ok bool) {
	if text, ok = s.withoutAuthority(text); !ok {
		return u, false
	}
	mailbox, fields, ok := strings.Cut(text, ";")
	if !ok {
		return u, false
	}
	if rest, absolute := strings.CutPrefix(mailbox, "/"); absolute {
		rest, err := url.PathUnescape(strings.TrimSuffix(rest, "/"))
		if err != nil || rest == "" {
			return u, false
		}
		u.mailbox = canonicalInbox(rest)
	} else if mailbox != "" {
		return u, false
	}
	u.section = &section{}
	at := 0
	for _, field := range strings.Split(fields, "/;") {
		name, value, _ := strings.Cut(field, "=")
		for at < len(urlFields) && !strings.EqualFold(name, urlFields[at]) {
			at++
		}
		if at == len(urlFields) || !u.set(urlFields[at], value) {
			return u, false
		}
		at++
	}
	return u, u.uid != 0
}

// withoutAuthority strips "imap://user@host" if that is who is signed in here.
func (s *session) withoutAuthority(text string) (string, bool) {
	if strings.HasPrefix(text, "//") {
		return "", false
	}
	const scheme = "imap://"
	if len(text) < len(scheme) || !strings.EqualFold(text[:len(scheme)], scheme) {
		return text, true
	}
	authority, path, ok := strings.Cut(text[len(scheme):], "/")
	if !ok {
		return "", false
	}
	host := authority
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		user, _, _ := strings.Cut(authority[:i], ";") // ";AUTH=" does not matter here
		user, err := url.PathUnescape(user)
		if err != nil || !strings.EqualFold(user, s.conn.Name) {
			return "", false
		}
		host = authority[i+1:]
	}
	host, _, _ = strings.Cut(host, ":")
	return "/" + path, strings.EqualFold(host, s.server.options.Hostname)
}

// set reads one field of a URL.
func (u *messageURL) set(name, value string) bool {
	value, err := url.PathUnescape(value)
	if err != nil {
		return false
	}
	switch name {
	case "UIDVALIDITY":
		n, err := strconv.ParseUint(value, 10, 32)
		u.uidValidity = uint32(n)
		return err == nil && n > 0
	case "UID":
		n, err := strconv.ParseUint(value, 10, 32)
		u.uid = uid.UID(n)
		return err == nil && n > 0
	case "SECTION":
		p := parser{b: []byte(value + "]")}
		p.sectionSpec(u.section)
		p.expect(']')
		p.end()
		return p.err == nil && value != ""
	}
	return u.setPartial(value)
}

func (u *messageURL) setPartial(value string) bool {
	offset, count, bounded := strings.Cut(value, ".")
	from, err := strconv.ParseUint(offset, 10, 32)
	if err != nil {
		return false
	}
	u.offset = int64(from)
	if bounded {
		n, err := strconv.ParseUint(count, 10, 32)
		u.count = int64(n)
		return err == nil && n > 0
	}
	return true
}
