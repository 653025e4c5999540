package sanitize

import (
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html/atom"
	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// maxAddress is how long an address can be, in octets.
const maxAddress = 8 << 10

// Address is an address of the web as it is written here: the scheme http or https, a host that is one, no user and no
// password, and octets that mean the same to everybody.
type Address struct {
	Text string
	Host string // in A-labels, without port
}

// ParseAddress reads an address of the web as browsers do, which pass over much, and writes it anew.
func ParseAddress(raw string) (Address, bool) {
	scheme, rest, ok := cutScheme(clean(raw))
	if !ok && (strings.HasPrefix(rest, "//") || strings.HasPrefix(rest, `\\`)) {
		scheme, ok = "https", true
	}
	if !ok || scheme != "http" && scheme != "https" {
		return Address{}, false
	}
	rest = strings.TrimLeft(rest, `/\`)
	end := strings.IndexAny(rest, `/\?#`)
	if end < 0 {
		end = len(rest)
	}
	authority, rest := rest[:end], rest[end:]
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		authority = authority[at+1:]
	}
	host, port, ok := hostPort(authority)
	if !ok {
		return Address{}, false
	}
	b := append([]byte(scheme+"://"), host...)
	if port != "" {
		b = append(append(b, ':'), port...)
	}
	if rest == "" || rest[0] != '/' && rest[0] != '\\' {
		b = append(b, '/')
	}
	b = appendPath(b, rest)
	if len(b) > maxAddress {
		return Address{}, false
	}
	return Address{Text: string(b), Host: strings.Trim(host, "[]")}, true
}

// clean takes away what browsers pass over in an address: controls and spaces around it, tabs and line ends within.
func clean(raw string) string {
	raw = strings.TrimFunc(raw, func(r rune) bool { return r <= ' ' })
	if strings.ContainsAny(raw, "\t\r\n") {
		raw = strings.Map(func(r rune) rune {
			if r == '\t' || r == '\r' || r == '\n' {
				return -1
			}
			return r
		}, raw)
	}
	return raw
}

func cutScheme(raw string) (scheme, rest string, ok bool) {
	for i := range len(raw) {
		switch c := raw[i]; {
		case c == ':' && i > 0:
			return strings.ToLower(raw[:i]), raw[i+1:], true
		case !isAlnum(c) && c != '+' && c != '-' && c != '.':
			return "", raw, false
		}
	}
	return "", raw, false
}

// hostPort checks a host and a port. Names are brought into A-labels, so that nothing can look like something else.
func hostPort(authority string) (host, port string, ok bool) {
	host = authority
	if i := strings.LastIndexByte(authority, ':'); i >= 0 && !strings.HasSuffix(authority, "]") {
		host, port = authority[:i], authority[i+1:]
		if n, err := strconv.Atoi(port); port != "" && (err != nil || n < 1 || n > 65535) {
			return "", "", false
		}
	}
	if strings.HasPrefix(host, "[") {
		addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
		return "[" + addr.String() + "]", port, err == nil && addr.Is6() && addr.Zone() == ""
	}
	host, err := idna.Lookup.ToASCII(strings.TrimSuffix(unescape(host), "."))
	if err != nil { // names with underscores are met
		host = strings.ToLower(strings.TrimSuffix(authority[:len(authority)-len(portOf(authority))], "."))
	}
	return host, port, len(host) <= 253 && onlyOf(host, "-._") && !strings.HasPrefix(host, ".") && !strings.HasSuffix(host, ".") && !strings.Contains(host, "..")
}

func portOf(authority string) string {
	if i := strings.LastIndexByte(authority, ':'); i >= 0 {
		return authority[i:]
	}
	return ""
}

// unescape undoes percent signs of a host name, as browsers do.
func unescape(host string) string {
	if !strings.Contains(host, "%") {
		return host
	}
	var b []byte
	for i := 0; i < len(host); i++ {
		if host[i] == '%' && i+2 < len(host) {
			if n, err := strconv.ParseUint(host[i+1:i+3], 16, 8); err == nil {
				b = append(b, byte(n))
				i += 2
				continue
			}
		}
		b = append(b, host[i])
	}
	return string(b)
}

// appendPath appends path, query and fragment; whatever could end an attribute or mean something else is escaped.
func appendPath(b []byte, rest string) []byte {
	const hex = "0123456789ABCDEF"
	inPath := true
	for i := range len(rest) {
		c := rest[i]
		if c == '?' || c == '#' {
			inPath = false
		}
		switch {
		case c == '\\' && inPath:
			b = append(b, '/')
		case c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>`'\\{}|^", c) >= 0:
			b = append(b, '%', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
	}
	return b
}

// link is the <a> that is open.
type link struct {
	host string
	text []byte
}

// maxLinkText is how much of the text of a link is looked at, in octets.
const maxLinkText = 200

func (l *link) saw(text []byte) {
	if room := maxLinkText - len(l.text); room > 0 {
		l.text = append(l.text, text[:min(len(text), room)]...)
	}
}

// anchor writes where a link leads to. Links open a page of their own, which learns nothing of this one.
func (w *writer) anchor(t *tag) {
	w.link = &link{}
	if t.href == "" {
		return
	}
	if fragment, ok := strings.CutPrefix(clean(t.href), "#"); ok {
		if b := w.appendName(nil, fragment); len(b) > 0 {
			t.put("href", "#"+string(b))
		}
		return
	}
	target, host, ok := target(t.href)
	if !ok {
		return
	}
	w.link.host = host
	t.put("href", target)
	t.put("target", "_blank")
	t.put("rel", "noopener noreferrer")
}

// target is where a link leads to; a host for one that leads to the web.
func target(href string) (text, host string, ok bool) {
	if a, ok := ParseAddress(href); ok {
		return a.Text, a.Host, true
	}
	scheme, rest, ok := cutScheme(clean(href))
	switch {
	case !ok || len(rest) > maxAddress:
	case scheme == "mailto":
		return scheme + ":" + string(appendPath(nil, rest)), "", true
	case scheme == "tel":
		return scheme + ":" + string(appendPath(nil, rest)), "", len(rest) <= 64
	}
	return "", "", false
}

// closeLink closes an open link, of which there can be only one.
func (w *writer) closeLink() {
	if w.link == nil {
		return
	}
	for i := len(w.stack) - 1; i >= 0; i-- {
		if w.stack[i] == atom.A {
			w.close(atom.A)
			w.remove(i)
			return
		}
	}
}

// finishLink closes a link and says where it leads to if its text says something else.
func (w *writer) finishLink() {
	w.out = append(w.out, "</a>"...)
	l := w.link
	if w.link = nil; l == nil || l.host == "" {
		return
	}
	shown, ok := shownHost(string(l.text))
	if !ok || sameSite(shown, l.host) {
		return
	}
	w.disguised.add(l.host)
	if w.o.Hint == nil {
		return
	}
	w.out = append(w.out, `<span class="host-hint" style="`+hintStyle+`">`...)
	w.out = append(appendEscaped(w.out, w.o.Hint(l.host)), "</span>"...)
}

// hintStyle keeps what is said of a link in sight, whatever the style sheets of the message want.
const hintStyle = "display:inline!important;visibility:visible!important;opacity:1!important;font-size:12px!important;" +
	"color:#fff!important;background-color:#a33000!important;padding:1px 6px!important;margin:0 4px!important;text-indent:0!important;" +
	"float:none!important;max-width:none!important;max-height:none!important;width:auto!important;height:auto!important"

// shownHost is the host that the text of a link shows, if it looks like an address of the web.
func shownHost(text string) (string, bool) {
	text = strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0xa0 || r == 0xad || 0x200b <= r && r <= 0x200f || 0x202a <= r && r <= 0x202e || r == 0x2060 || r == 0xfeff || r == utf8.RuneError {
			return ' '
		}
		return r
	}, text)
	for word := range strings.FieldsSeq(text) {
		word = strings.Trim(word, `"'()<>[],;:!…`)
		if _, _, ok := cutScheme(word); !ok || !strings.Contains(word, "://") {
			name, _, _ := strings.Cut(word, "/")
			if strings.Contains(name, "@") || !looksLikeHost(name) {
				continue
			}
			word = "http://" + word
		}
		if a, ok := ParseAddress(word); ok {
			return a.Host, true
		}
	}
	return "", false
}

// looksLikeHost reports whether a word is the name of a host under a top level that there is.
func looksLikeHost(name string) bool {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if !strings.Contains(name, ".") {
		return false
	}
	a, err := idna.Lookup.ToASCII(name)
	if err != nil || !onlyOf(a, "-.") {
		return false
	}
	suffix, listed := publicsuffix.PublicSuffix(a)
	return listed && suffix != a && !strings.HasSuffix(a, ".py") && !strings.HasSuffix(a, ".md") && !strings.HasSuffix(a, ".sh")
}

// sameSite reports whether two hosts belong to the same registered domain.
func sameSite(a, b string) bool {
	if strings.EqualFold(a, b) {
		return true
	}
	x, err := publicsuffix.EffectiveTLDPlusOne(a)
	if err != nil {
		return false
	}
	y, err := publicsuffix.EffectiveTLDPlusOne(b)
	return err == nil && x == y
}
