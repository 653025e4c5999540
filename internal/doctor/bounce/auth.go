package bounce

import (
	"regexp"
	"strings"

	"github.com/postiljon/postiljon/internal/message"
	"golang.org/x/net/publicsuffix"
)

// Bounds of what is kept.
const (
	maxAuth       = 50
	maxSignatures = 20
	maxMarkers    = 30
)

// authResults reads what receiving servers found out about the sender: Authentication-Results (RFC
// 8601) and Received-SPF (RFC 7208 section 9.1).
func (m *Message) authResults(header []byte) {
	for f := range message.HeaderFields(header) {
		value := message.DecodeHeader(string(f.Value()))
		switch strings.ToLower(string(f.Name)) {
		case "authentication-results":
			m.Auth = append(m.Auth, readAuth(value)...)
		case "received-spf":
			m.Auth = append(m.Auth, readReceivedSPF(value))
		}
		if len(m.Auth) >= maxAuth {
			m.Auth = m.Auth[:maxAuth]
			return
		}
	}
}

// readAuth reads one field: who says so, then results with their properties. Microsoft leaves out the first.
func readAuth(value string) []AuthResult {
	var list []AuthResult
	server := ""
	for i, part := range splitOutside(cut(value, 8<<10), ';') {
		words := splitOutside(strings.TrimSpace(part), ' ')
		if len(words) == 0 || words[0] == "" {
			continue
		}
		method, result, ok := strings.Cut(words[0], "=")
		if !ok {
			if i == 0 {
				server = words[0]
			}
			continue
		}
		method, _, _ = strings.Cut(strings.ToLower(method), "/")
		a := AuthResult{Server: server, Method: method, Result: strings.ToLower(result)}
		for _, word := range words[1:] {
			a.property(word)
		}
		list = append(list, a)
		if len(list) == maxAuth {
			break
		}
	}
	return list
}

// property takes "smtp.mailfrom=example.org", "reason=…" or a comment.
func (a *AuthResult) property(word string) {
	name, value, ok := strings.Cut(word, "=")
	value = strings.Trim(value, `"`)
	switch {
	case strings.HasPrefix(word, "("):
		if a.Reason == "" {
			a.Reason = strings.Trim(word, "()")
		}
	case !ok:
	case name == "reason":
		a.Reason = value
	case name == "header.d" || name == "header.from" || name == "smtp.mailfrom" || name == "header.i" && a.Domain == "" || name == "smtp.helo" && a.Domain == "":
		_, domain, at := strings.Cut(value, "@")
		if !at {
			domain = value
		}
		a.Domain = strings.ToLower(domain)
	}
}

var spfDomain = regexp.MustCompile(`(?i)domain of (?:transitioning )?\S*?@?([a-z0-9\-]+(?:\.[a-z0-9\-]+)+)|envelope-from="?<?[^"@\s]*@([a-z0-9.\-]+)`)

func readReceivedSPF(value string) AuthResult {
	result, rest, _ := strings.Cut(strings.TrimSpace(cut(value, 2<<10)), " ")
	a := AuthResult{Method: "spf", Result: strings.ToLower(result)}
	if strings.HasPrefix(rest, "(") {
		comment, _, _ := strings.Cut(rest[1:], ")")
		a.Reason = comment
		if server, _, ok := strings.Cut(comment, ":"); ok && !strings.Contains(server, " ") {
			a.Server = server
		}
	}
	if m := spfDomain.FindStringSubmatch(rest); m != nil {
		a.Domain = strings.ToLower(m[1] + m[2])
	}
	return a
}

// splitOutside splits at a character outside of comments and quotes.
func splitOutside(s string, sep byte) []string {
	var parts []string
	depth, start := 0, 0
	quoted := false
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' && depth == 0:
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case c == sep && depth == 0:
			if i > start || sep != ' ' {
				parts = append(parts, s[start:i])
			}
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

// signatures reads the DKIM-Signature fields (RFC 6376 section 3.5).
func (m *Message) signatures(header []byte) {
	for value := range message.DecodedFields(header, "DKIM-Signature") {
		var s Signature
		for tag := range strings.SplitSeq(cut(value, 8<<10), ";") {
			name, v, _ := strings.Cut(tag, "=")
			switch strings.TrimSpace(name) {
			case "d":
				s.Domain = strings.ToLower(strings.TrimSpace(v))
			case "s":
				s.Selector = strings.TrimSpace(v)
			}
		}
		if s.Domain != "" {
			m.Signatures = append(m.Signatures, s)
		}
		if len(m.Signatures) == maxSignatures {
			return
		}
	}
}

// align tells whether the From domain is that of the envelope sender or of a signature, in the relaxed
// sense of RFC 7489 section 3.1: below the same organisation's domain.
func (m *Message) align() {
	if len(m.From) != 1 {
		return
	}
	from := organisation(domainOf(m.From[0].Email))
	if from == "" {
		return
	}
	m.Aligned = organisation(domainOf(m.ReturnPath)) == from
	for _, s := range m.Signatures {
		m.Aligned = m.Aligned || organisation(s.Domain) == from
	}
}

func domainOf(address string) string {
	return strings.ToLower(strings.TrimSuffix(address[strings.LastIndexByte(address, '@')+1:], "."))
}

func organisation(domain string) string {
	org, err := publicsuffix.EffectiveTLDPlusOne(domain)
	if err != nil {
		return domain
	}
	return org
}
