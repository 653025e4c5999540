package address

import (
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"
)

// Options say how liberal the parsers are. The zero value is RFC 5321 to the letter.
type Options struct {
	// UTF8 allows addresses beyond ASCII (RFC 6531): the client gave SMTPUTF8.
	UTF8 bool
	// LongLocal allows local parts of more than MaxLocal octets, up to what MaxPath leaves.
	// Bounce addresses of mailing lists (VERP) and forwarders (SRS) are often that long, and
	// RFC 5321 section 4.5.3.1 asks to impose no limit that can be avoided.
	LongLocal bool
}

// ParseReversePath reads the path of a MAIL command at the start of s, which is what follows
// "FROM:", and returns it with the rest of s, which is empty or begins with a space. Spaces before
// the path are forgiven. A source route is dropped (RFC 5321 appendix C). "<>" gives the zero Address.
func ParseReversePath(s string, opts Options) (a Address, rest string, err error) {
	s = strings.TrimLeft(s, " ")
	if rest, ok := strings.CutPrefix(s, "<>"); ok {
		return Address{}, rest, checkRest(rest)
	}
	return parsePath(s, opts)
}

// ParseForwardPath reads the path of a RCPT command at the start of s, which is what follows
// "TO:", as ParseReversePath does. "<>" is ErrNull. A bare "<Postmaster>" in any case is allowed
// and has no domain (RFC 5321 section 4.1.1.3).
func ParseForwardPath(s string, opts Options) (a Address, rest string, err error) {
	const postmaster = "<postmaster>"
	s = strings.TrimLeft(s, " ")
	if strings.HasPrefix(s, "<>") {
		return Address{}, "", ErrNull
	}
	if len(s) >= len(postmaster) && strings.EqualFold(s[:len(postmaster)], postmaster) {
		rest = s[len(postmaster):]
		return Address{Local: s[1 : len(postmaster)-1]}, rest, checkRest(rest)
	}
	return parsePath(s, opts)
}

// Parse reads a whole address without brackets, "anna@example.org", as it stands in settings and
// in AUTH. Nothing may come before or after it.
func Parse(s string, opts Options) (Address, error) {
	if len(s) > MaxPath-2 {
		return Address{}, fmt.Errorf("%w: %d octets", ErrTooLong, len(s))
	}
	a, rest, err := parseMailbox(s, opts)
	if err != nil {
		return Address{}, err
	}
	if rest != "" {
		return Address{}, fmt.Errorf("%w: text after the address", ErrSyntax)
	}
	return a, nil
}

// ParseDomain checks that s is, as a whole, a domain or an address literal (RFC 5321 sections
// 4.1.2 and 4.1.3), as the argument of EHLO must be, and returns it unchanged.
func ParseDomain(s string, opts Options) (string, error) {
	domain, rest, err := parseDomain(s, opts)
	if err != nil {
		return "", err
	}
	if rest != "" {
		return "", fmt.Errorf("%w: unexpected character", ErrDomain)
	}
	return domain, nil
}

// parsePath reads Path = "<" [ A-d-l ":" ] Mailbox ">" (RFC 5321 section 4.1.2).
func parsePath(s string, opts Options) (Address, string, error) {
	body, ok := strings.CutPrefix(s, "<")
	if !ok {
		return Address{}, "", fmt.Errorf("%w: path does not begin with <", ErrSyntax)
	}
	body, err := skipRoute(body)
	if err != nil {
		return Address{}, "", err
	}
	a, rest, err := parseMailbox(body, opts)
	if err != nil {
		return Address{}, "", err
	}
	if !strings.HasPrefix(rest, ">") {
		return Address{}, "", fmt.Errorf("%w: path does not end with >", ErrSyntax)
	}
	if n := len(body) - len(rest) + 2; n > MaxPath {
		return Address{}, "", fmt.Errorf("%w: path of %d octets", ErrTooLong, n)
	}
	return a, rest[1:], checkRest(rest[1:])
}

// checkRest makes sure that a path is followed by a space or by nothing.
func checkRest(rest string) error {
	if rest == "" || rest[0] == ' ' {
		return nil
	}
	return fmt.Errorf("%w: text after the path", ErrSyntax)
}

// skipRoute drops a source route "@a.example,@b.example:". It must be accepted and should be
// ignored (RFC 5321 section 4.1.1.3); what it says is not looked at.
func skipRoute(s string) (string, error) {
	if !strings.HasPrefix(s, "@") {
		return s, nil
	}
	for i := 0; i < len(s) && i <= maxRoute; i++ {
		switch c := s[i]; {
		case c == ':' && !strings.HasPrefix(s[i:], ":@"):
			// Inside "[IPv6:...]" there are colons too; a route ends only outside brackets.
			if strings.Count(s[:i], "[") == strings.Count(s[:i], "]") {
				return s[i+1:], nil
			}
		case c <= ' ' || c == '>' || c == 0x7f:
			return "", fmt.Errorf("%w: malformed source route", ErrSyntax)
		}
	}
	return "", fmt.Errorf("%w: source route without end", ErrSyntax)
}

// parseMailbox reads Mailbox = Local-part "@" ( Domain / address-literal ).
func parseMailbox(s string, opts Options) (a Address, rest string, err error) {
	if a.Local, rest, err = parseLocal(s, opts); err != nil {
		return Address{}, "", err
	}
	rest, ok := strings.CutPrefix(rest, "@")
	if !ok {
		return Address{}, "", fmt.Errorf("%w: no @ after the local part", ErrSyntax)
	}
	if a.Domain, rest, err = parseDomain(rest, opts); err != nil {
		return Address{}, "", err
	}
	return a, rest, nil
}

// parseLocal reads Local-part = Dot-string / Quoted-string.
func parseLocal(s string, opts Options) (local, rest string, err error) {
	if strings.HasPrefix(s, `"`) {
		local, rest, err = parseQuoted(s)
	} else {
		n := dotStringLen(s)
		if n == 0 {
			return "", "", fmt.Errorf("%w: empty or misplaced dot", ErrLocal)
		}
		local, rest = s[:n], s[n:]
	}
	switch {
	case err != nil:
		return "", "", err
	case !opts.UTF8 && !isASCII(local):
		return "", "", fmt.Errorf("%w: local part", ErrUTF8)
	case !utf8.ValidString(local):
		return "", "", fmt.Errorf("%w: invalid UTF-8", ErrLocal)
	case len(local) > MaxLocal && !opts.LongLocal, len(local) > MaxPath-4:
		return "", "", fmt.Errorf("%w: local part of %d octets", ErrTooLong, len(local))
	}
	return local, rest, nil
}

// dotStringLen returns the length of the Dot-string at the start of s, 0 if there is none or if a
// dot stands where none may.
func dotStringLen(s string) int {
	i := 0
	for start := 0; i < len(s); i++ {
		switch {
		case s[i] == '.':
			if i == start {
				return 0
			}
			start = i + 1
		case !isAtext(s[i]):
			if i == start {
				return 0
			}
			return i
		}
	}
	if i == 0 || s[i-1] == '.' {
		return 0
	}
	return i
}

// parseQuoted reads Quoted-string = DQUOTE *QcontentSMTP DQUOTE and takes its escapes away.
func parseQuoted(s string) (local, rest string, err error) {
	var b strings.Builder
	for i := 1; i < len(s) && b.Len() <= MaxPath; i++ {
		c := s[i]
		if c == '"' {
			return b.String(), s[i+1:], nil
		}
		if c == '\\' {
			if i++; i == len(s) || s[i] >= utf8.RuneSelf {
				break
			}
			c = s[i]
		}
		if c < ' ' || c == 0x7f {
			return "", "", fmt.Errorf("%w: control character", ErrLocal)
		}
		b.WriteByte(c)
	}
	return "", "", fmt.Errorf("%w: quoted string without end", ErrLocal)
}

// parseDomain reads Domain or address-literal.
func parseDomain(s string, opts Options) (domain, rest string, err error) {
	if strings.HasPrefix(s, "[") {
		return parseLiteral(s)
	}
	n := 0
	for n < len(s) && isDomainByte(s[n]) {
		n++
	}
	domain, rest = s[:n], s[n:]
	if n > MaxDomain {
		return "", "", fmt.Errorf("%w: domain of %d octets", ErrTooLong, n)
	}
	ascii := domain
	if !isASCII(domain) {
		if !opts.UTF8 {
			return "", "", fmt.Errorf("%w: domain", ErrUTF8)
		}
		// RFC 6531 section 3.3: a U-label must be valid for IDNA.
		if ascii, err = profile.ToASCII(domain); err != nil || !utf8.ValidString(domain) {
			return "", "", fmt.Errorf("%w: not an internationalized domain name", ErrDomain)
		}
	}
	if len(ascii) > MaxDomain {
		return "", "", fmt.Errorf("%w: domain of %d octets", ErrTooLong, len(ascii))
	}
	for label := range strings.SplitSeq(ascii, ".") {
		if !isLabel(label) {
			return "", "", fmt.Errorf("%w: empty, overlong or malformed label", ErrDomain)
		}
	}
	return domain, rest, nil
}

// isLabel checks one sub-domain of RFC 5321 section 4.1.2; "_" is let through because host names
// with it exist and send mail.
func isLabel(label string) bool {
	if label == "" || len(label) > maxLabel || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	for i := 0; i < len(label); i++ {
		if c := label[i]; c >= utf8.RuneSelf || !isDomainByte(c) {
			return false
		}
	}
	return true
}

// parseLiteral reads "[" ( IPv4 / "IPv6:" IPv6 ) "]" (RFC 5321 section 4.1.3). No other tag has
// ever been standardized, so none is taken.
func parseLiteral(s string) (domain, rest string, err error) {
	end := strings.IndexByte(s, ']')
	if end < 0 || end > MaxDomain {
		return "", "", fmt.Errorf("%w: address literal without end", ErrDomain)
	}
	text, want6 := s[1:end], false
	if len(text) > 5 && strings.EqualFold(text[:5], "IPv6:") {
		text, want6 = text[5:], true
	}
	ip, err := netip.ParseAddr(text)
	if err != nil || ip.Zone() != "" || ip.Is4() == want6 {
		return "", "", fmt.Errorf("%w: malformed address literal", ErrDomain)
	}
	return s[:end+1], s[end+1:], nil
}

// LiteralIP returns the IP address of an address literal, and whether a has one.
func (a Address) LiteralIP() (netip.Addr, bool) {
	if !a.IsLiteral() || !strings.HasSuffix(a.Domain, "]") {
		return netip.Addr{}, false
	}
	text := a.Domain[1 : len(a.Domain)-1]
	if len(text) > 5 && strings.EqualFold(text[:5], "IPv6:") {
		text = text[5:]
	}
	ip, err := netip.ParseAddr(text)
	return ip, err == nil
}

// isAtext is atext of RFC 5322 section 3.2.3 with the UTF8-non-ascii of RFC 6531 section 3.3.
func isAtext(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c >= utf8.RuneSelf:
		return true
	}
	return strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}

func isDomainByte(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c >= utf8.RuneSelf:
		return true
	}
	return c == '-' || c == '.' || c == '_'
}
