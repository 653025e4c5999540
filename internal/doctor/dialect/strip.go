package dialect

import (
	"encoding/base64"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// MaxRaw bounds what Strip returns, in octets.
const MaxRaw = 4 << 10

const hidden = "***"

// Strip makes a raw reply, or a whole dialogue, fit to be kept and shown: secrets become "***", also
// where they are written in base64, in a URL or quoted; so do other credentials that have the form of some.
// Control characters are taken out but for line ends, and at most MaxRaw octets are returned.
func Strip(raw string, secrets ...string) string {
	forms := secretForms(secrets)
	longest := 0
	for _, f := range forms {
		longest = max(longest, len(f))
	}
	bound := 4*MaxRaw + longest
	end := 0 // octets that are read only to find secrets that begin before them
	if len(raw) > bound {
		raw, end = raw[:bound], longest
	}
	for _, f := range credentials {
		raw = f.ReplaceAllString(raw, "${1}"+hidden)
	}
	raw = hide(raw, forms, max(0, len(raw)-end))
	raw = strings.Map(printable, strings.ToValidUTF8(raw, "\uFFFD"))
	if len(raw) > MaxRaw {
		raw = cut(raw, MaxRaw-len(" …")) + " …"
	}
	return raw
}

// credentials are what signs in, in a dialogue: whoever it belongs to.
var credentials = []*regexp.Regexp{
	regexp.MustCompile(`(?i)(\bbearer\s+)[A-Za-z0-9._~+/\-=]{8,}`),
	regexp.MustCompile(`(?i)(\bAUTH(?:ENTICATE)?\s+[A-Z0-9\-]{3,20}\s+)[A-Za-z0-9+/=]{4,}`),
	regexp.MustCompile(`(?i)(\bPASS\s+)\S.*`),
	regexp.MustCompile(`(?i)(\bLOGIN\s+(?:"[^"\r\n]*"|[^\s"]+)\s+)(?:"(?:[^"\\\r\n]|\\.)*"|\S+)`),
	regexp.MustCompile(`(?i)("?\b(?:access_token|refresh_token|client_secret|password)"?\s*[=:]\s*"?)[^\s"&,;]{4,}`),
}

// secretForms returns how secrets can be written, the longest first.
func secretForms(secrets []string) []string {
	var forms []string
	add := func(s string) {
		if len(s) > 2 && !slices.Contains(forms, s) {
			forms = append(forms, s)
		}
	}
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		add(secret)
		add(url.QueryEscape(secret))
		add(url.PathEscape(secret))
		add(strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(secret))
		for offset := range 3 {
			add(base64At(secret, offset))
		}
	}
	slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) })
	return forms
}

// base64At returns the characters that stand for a secret in base64 when offset octets, modulo 3,
// come before it, as in PLAIN: without those that its neighbours share.
func base64At(secret string, offset int) string {
	encoded := base64.RawStdEncoding.EncodeToString(append(make([]byte, offset), secret...))
	start := (offset*8 + 5) / 6           // the first character of the secret alone
	end := (offset + len(secret)) * 8 / 6 // the first one after them that others share
	if end <= start {
		return ""
	}
	return encoded[start:end]
}

// hide replaces every form, the longest that fits at a place. Forms of two octets and fewer are
// not looked for: they would hide everything and nothing.
// What begins at end or later is left out.
func hide(raw string, forms []string, end int) string {
	var b strings.Builder
	for i := 0; i < end; {
		at := slices.IndexFunc(forms, func(f string) bool { return strings.HasPrefix(raw[i:], f) })
		if at < 0 {
			b.WriteByte(raw[i])
			i++
			continue
		}
		b.WriteString(hidden)
		i += len(forms[at])
	}
	return b.String()
}

func printable(r rune) rune {
	if r == '\n' || r == '\r' || r == '\t' || !unicode.IsControl(r) {
		return r
	}
	return ' '
}
