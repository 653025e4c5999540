// Package signature reads and checks the signatures that a header carries: DKIM-Signature (RFC 6376,
// RFC 8301, RFC 8463) and ARC-Message-Signature (RFC 8617 section 4.1.2), which have tags, keys,
// canonical forms and hashes in common.
//
// The body is read once, whatever the number of signatures: each asks Bodies for the hash that it
// needs, the body is written to Bodies, and then each is verified.
package signature

import (
	"context"
	"crypto/subtle"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Outcome is the result of a method of authentication, with the names of RFC 8601 section 2.7.
type Outcome string

// The outcomes. Not all methods have all of them.
const (
	None      Outcome = "none"
	Pass      Outcome = "pass"
	Fail      Outcome = "fail"
	SoftFail  Outcome = "softfail"
	Neutral   Outcome = "neutral"
	Policy    Outcome = "policy" // valid as such, and not good enough
	TempError Outcome = "temperror"
	PermError Outcome = "permerror"
)

// Failure says why a signature does not count.
type Failure struct {
	Outcome Outcome
	Reason  string // for people who know mail, in English
}

func permanent(format string, args ...any) *Failure {
	return &Failure{PermError, fmt.Sprintf(format, args...)}
}

// Kind tells the two signatures over header and body apart.
type Kind uint8

const (
	// DKIM is a DKIM-Signature.
	DKIM Kind = iota
	// ARC is an ARC-Message-Signature: no version, and an instance number in i=.
	ARC
)

// maxNames is how many fields h= may name.
const maxNames = 500

// Signature is what a signature field says.
type Signature struct {
	Domain    string // d=, in lower case
	Selector  string // s=
	Identity  string // i= of DKIM, or "@" and the domain
	Instance  int    // i= of ARC
	Algorithm string // a=
	Short     string // the first 8 octets of b= as text, which tell signatures apart (RFC 6008)
	Names     []string
	Time      time.Time // t=
	Expires   time.Time // x=
	Length    int64     // l=, -1 where it is not there

	header    Canon
	body      Canon
	raw       []byte
	bodySum   []byte
	signature []byte
	hash      *Body
}

// Parse reads a signature field, given whole.
func Parse(kind Kind, raw []byte) (*Signature, *Failure) {
	_, value, _ := strings.Cut(string(raw), ":")
	s := &Signature{raw: raw, Length: -1}
	tags, err := ParseTags(value)
	if err != nil {
		return s, permanent("signature cannot be read: %v", err)
	}
	s.Domain, s.Selector, s.Algorithm = strings.ToLower(tags.Compact("d")), tags.Compact("s"), strings.ToLower(tags.Compact("a"))
	s.Short = tags.Compact("b")
	s.Short = s.Short[:min(8, len(s.Short))]
	for _, name := range []string{"a", "b", "bh", "d", "h", "s"} {
		if v, _ := tags.Get(name); v == "" {
			return s, permanent("signature has no %s=", name)
		}
	}
	for _, step := range []func(Tags) error{
		func(t Tags) error { return s.readIdentity(kind, t) }, s.readNames, s.readTimes, s.readForms,
	} {
		if err := step(tags); err != nil {
			return s, permanent("%v", err)
		}
	}
	if s.Algorithm == "rsa-sha1" { // RFC 8301 section 3.1
		return s, &Failure{Policy, "SHA-1 no longer counts"}
	}
	if s.Algorithm != "rsa-sha256" && s.Algorithm != "ed25519-sha256" {
		return s, permanent("algorithm %.30q is not known", s.Algorithm)
	}
	return s, nil
}

func (s *Signature) readIdentity(kind Kind, tags Tags) (err error) {
	if !isName(s.Domain) || !isName(s.Selector) {
		return fmt.Errorf("signature has no valid domain and selector")
	}
	i := tags.Compact("i")
	if kind == ARC { // RFC 8617 section 4.1.2: no version, and this is a number
		if _, has := tags.Get("v"); has {
			return fmt.Errorf("signature of ARC has a version")
		}
		s.Instance, err = ParseInstance(i)
		return err
	}
	if v := tags.Compact("v"); v != "1" {
		return fmt.Errorf("signature has another version, %.10q", v)
	}
	if s.Identity = "@" + s.Domain; i != "" {
		s.Identity = i
		domain := strings.ToLower(i[strings.LastIndexByte(i, '@')+1:])
		if domain != s.Domain && !strings.HasSuffix(domain, "."+s.Domain) {
			return fmt.Errorf("i= is not of the domain in d=")
		}
	}
	return nil
}

// MaxInstances is how many sets an ARC chain may have (RFC 8617 section 4.2.1).
const MaxInstances = 50

// ParseInstance reads the number of an ARC set.
func ParseInstance(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > MaxInstances || text[0] == '+' {
		return 0, fmt.Errorf("%.10q is no number of an ARC set", text)
	}
	return n, nil
}

func (s *Signature) readNames(tags Tags) error {
	for _, name := range tags.List("h") {
		if len(s.Names) == maxNames {
			return fmt.Errorf("signature names too many fields")
		}
		s.Names = append(s.Names, strings.ToLower(name))
	}
	if !slices.Contains(s.Names, "from") { // RFC 6376 section 5.4
		return fmt.Errorf("the field From is not signed")
	}
	return nil
}

func (s *Signature) readTimes(tags Tags) error {
	for _, one := range []struct {
		name string
		to   *time.Time
	}{{"t", &s.Time}, {"x", &s.Expires}} {
		text := tags.Compact(one.name)
		if text == "" {
			continue
		}
		// RFC 6376 section 3.5: up to 12 digits; what is longer never comes.
		sec, err := strconv.ParseUint(text, 10, 63)
		if err != nil {
			return fmt.Errorf("%s= is no time", one.name)
		}
		*one.to = time.Unix(int64(min(sec, 999_999_999_999)), 0)
	}
	if !s.Time.IsZero() && !s.Expires.IsZero() && s.Expires.Before(s.Time) {
		return fmt.Errorf("signature expires before it is made")
	}
	return nil
}

func (s *Signature) readForms(tags Tags) (err error) {
	if s.header, s.body, err = parseCanon(tags.Compact("c")); err != nil {
		return err
	}
	if q := tags.List("q"); q != nil && !slices.Contains(q, "dns/txt") {
		return fmt.Errorf("keys are not in DNS")
	}
	if text := tags.Compact("l"); text != "" {
		n, err := strconv.ParseUint(text, 10, 63)
		if err != nil {
			return fmt.Errorf("l= is no number")
		}
		s.Length = int64(n)
	}
	if s.bodySum, err = tags.Base64("bh"); err != nil {
		return fmt.Errorf("bh= is not base64")
	}
	if s.signature, err = tags.Base64("b"); err != nil {
		return fmt.Errorf("b= is not base64")
	}
	return nil
}

// isName tells whether text can be part of a name to be looked up.
func isName(text string) bool {
	if text == "" || len(text) > 253 {
		return false
	}
	for label := range strings.SplitSeq(text, ".") {
		if label == "" || len(label) > 63 || strings.IndexFunc(label, isNoNameRune) >= 0 {
			return false
		}
	}
	return true
}

func isNoNameRune(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_' || r >= 0x80)
}

// Need asks for the hash of the body that the signature is over.
func (s *Signature) Need(b *Bodies) *Failure {
	if s.hash = b.Need(s.body, s.Length); s.hash == nil {
		return &Failure{Policy, "too many kinds of signatures"}
	}
	return nil
}

// FindKey looks up the key that the signature names.
func (s *Signature) FindKey(ctx context.Context, r Resolver) (*Key, *Failure) {
	return FindKey(ctx, r, s.Domain, s.Selector)
}

// Verify checks the signature (RFC 6376 section 6.1.3) once the body was written to the Bodies that
// Need got, and returns nil if it is valid. A signature over a part of the body alone is valid only if
// that is all there is: whoever added something below could show whatever he likes (RFC 6376 section 8.2).
func (s *Signature) Verify(h *Header, k *Key, now time.Time) *Failure {
	algorithm, hash, _ := strings.Cut(s.Algorithm, "-")
	switch {
	case k.Algorithm != algorithm:
		return permanent("the key is for %s", k.Algorithm)
	case k.Hashes != nil && !slices.Contains(k.Hashes, hash):
		return permanent("the key is not for %s", hash)
	case k.Strict && s.Identity != "" && !strings.EqualFold(s.Identity[strings.LastIndexByte(s.Identity, '@')+1:], s.Domain):
		return permanent("the key is not for subdomains")
	case !s.Expires.IsZero() && now.After(s.Expires):
		return &Failure{Fail, "signature has expired"}
	}
	sum := s.hash.Sum()
	if s.Length > s.hash.Size() {
		return permanent("l= is more than the body")
	}
	if subtle.ConstantTimeCompare(sum, s.bodySum) != 1 {
		return &Failure{Fail, "the body was changed"}
	}
	if !k.Verify(SignedData(h, s.Names, s.header, s.raw), s.signature) {
		return &Failure{Fail, "the header was changed or the key is another"}
	}
	if rest := s.hash.Size() - s.Length; s.Length >= 0 && rest > 0 {
		return &Failure{Policy, fmt.Sprintf("%d octets of the body are not signed (l=)", rest)}
	}
	return nil
}

// SignedData returns what a signature is over: the named fields, and the signature field itself without
// the value of its b= and without line end (RFC 6376 section 3.7).
func SignedData(h *Header, names []string, c Canon, field []byte) []byte {
	data := make([]byte, 0, 2048)
	p := picker{h: h, used: make(map[string]int, len(names))}
	for _, name := range names {
		if raw := p.pick(name); raw != nil {
			data = AppendField(data, raw, c)
		}
	}
	data = AppendField(data, WithoutB(field), c)
	return data[:len(data)-2]
}

// WithoutB returns a field of tags without the value of its b=.
func WithoutB(raw []byte) []byte {
	text := string(raw)
	start := strings.IndexByte(text, ':') + 1
	for start < len(text) {
		end := start + strings.IndexByte(text[start:]+";", ';')
		if name, _, ok := strings.Cut(text[start:end], "="); ok && trimSpace(name) == "b" {
			cut := start + len(name) + 1
			tail := text[end:]
			if end == len(text) { // the line end stays, for the simple form
				tail = text[len(strings.TrimRight(text, "\r\n")):]
			}
			return []byte(text[:cut] + tail)
		}
		start = end + 1
	}
	return raw
}
