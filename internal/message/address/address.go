// Package address holds the addresses of the SMTP envelope: the paths of MAIL and RCPT
// (RFC 5321 sections 4.1.2 and 4.1.3, RFC 6531 section 3.3), their canonical form for
// looking an account up, and sub-addresses (RFC 5233).
//
// Addresses of the message header are looser; package message reads those.
package address

import (
	"errors"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// The sizes of RFC 5321 section 4.5.3.1, in octets.
const (
	MaxLocal  = 64  // a local part, unquoted
	MaxDomain = 255 // a domain or an address literal
	MaxPath   = 256 // a path with its angle brackets, without source route
	maxLabel  = 63  // one label of a domain (RFC 1035 section 2.3.4)
	maxRoute  = 512 // a source route, which is read only to be dropped
)

// Errors of the parsers. Every error they return wraps exactly one of these.
var (
	ErrSyntax  = errors.New("address: syntax error")
	ErrLocal   = errors.New("address: malformed local part")
	ErrDomain  = errors.New("address: malformed domain")
	ErrTooLong = errors.New("address: too long")
	ErrUTF8    = errors.New("address: non-ASCII address without SMTPUTF8")
	ErrNull    = errors.New("address: null path not allowed here")
)

// Address is a mailbox of the envelope. The zero Address is the null reverse-path "<>".
//
// Two different Addresses may name the same mailbox; compare what Normalize returns.
type Address struct {
	// Local is the local part without quotes and escapes: `"a b"@example.org` has the local part `a b`.
	Local string
	// Domain is the domain as it was written, with ASCII letters, or UTF-8 under SMTPUTF8; or an
	// address literal in its brackets, "[192.0.2.1]". It is empty only for the null path and for
	// the bare <Postmaster> of RFC 5321 section 4.1.1.3.
	Domain string
}

// IsNull tells whether a is the null reverse-path "<>".
func (a Address) IsNull() bool { return a.Local == "" && a.Domain == "" }

// IsLiteral tells whether the domain is an address literal such as "[192.0.2.1]".
func (a Address) IsLiteral() bool { return strings.HasPrefix(a.Domain, "[") }

// NeedsUTF8 tells whether a can be sent only to a server with SMTPUTF8 (RFC 6531). A domain beyond
// ASCII alone does not need it, for it has an A-label form; see ASCIIDomain.
func (a Address) NeedsUTF8() bool { return !isASCII(a.Local) }

// String returns the address as it stands in a path without its brackets, the local part quoted
// only where it must be. The null path gives the empty string.
func (a Address) String() string {
	if a.IsNull() {
		return ""
	}
	var b strings.Builder
	b.Grow(len(a.Local) + len(a.Domain) + 3)
	if isDotString(a.Local) {
		b.WriteString(a.Local)
	} else {
		writeQuoted(&b, a.Local)
	}
	if a.Domain != "" {
		b.WriteByte('@')
		b.WriteString(a.Domain)
	}
	return b.String()
}

// Path returns the address in angle brackets as MAIL and RCPT carry it; "<>" for the null path.
func (a Address) Path() string { return "<" + a.String() + ">" }

// Normalize returns the form in which two spellings of one mailbox are equal: the local part in
// lower case and NFC, the domain in lower case with A-labels. It is idempotent. A domain that
// IDNA refuses is only put in lower case, so Normalize cannot fail.
//
// Local parts are in principle case-sensitive (RFC 5321 section 2.4); the host that owns them may
// fold them, and this one does. Do not normalize the address of a foreign recipient before sending.
func (a Address) Normalize() Address {
	return Address{Local: NormalizeLocal(a.Local), Domain: NormalizeDomain(a.Domain)}
}

// ASCIIDomain returns the domain with A-labels, in lower case, as DNS and servers without SMTPUTF8
// want it.
func (a Address) ASCIIDomain() string { return NormalizeDomain(a.Domain) }

// UnicodeDomain returns the domain with U-labels, for showing it to people. Labels that are not
// valid A-labels stay as they are.
func (a Address) UnicodeDomain() string {
	d := NormalizeDomain(a.Domain)
	if !strings.Contains(d, "xn--") {
		return d
	}
	if u, err := profile.ToUnicode(d); err == nil {
		return u
	}
	return d
}

// NormalizeLocal returns a local part in lower case and NFC.
func NormalizeLocal(local string) string {
	if isASCII(local) {
		return strings.ToLower(local)
	}
	return norm.NFC.String(strings.ToLower(norm.NFC.String(local)))
}

// NormalizeDomain returns a domain in lower case with A-labels, without a final dot. A domain that
// IDNA refuses is only put in lower case.
func NormalizeDomain(domain string) string {
	domain = strings.TrimSuffix(domain, ".")
	if isASCII(domain) {
		return strings.ToLower(domain)
	}
	if ascii, err := profile.ToASCII(domain); err == nil {
		return ascii
	}
	return strings.ToLower(domain)
}

// SplitSubaddress splits a local part at the first sep into user and detail (RFC 5233 section 4):
// "anna+lists" at "+" gives "anna", "lists" and true. Without a separator, with an empty one, or
// with one at the very start, it gives local, "" and false.
func SplitSubaddress(local, sep string) (user, detail string, ok bool) {
	if sep == "" {
		return local, "", false
	}
	if i := strings.Index(local, sep); i > 0 {
		return local[:i], local[i+len(sep):], true
	}
	return local, "", false
}

// profile maps and checks domains for lookup (RFC 5891 section 5). Host name rules are checked by
// this package itself, for DNS names with "_" do send mail.
var profile = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(false))

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// isDotString tells whether local needs no quotes (Dot-string, RFC 5321 section 4.1.2).
func isDotString(local string) bool {
	return dotStringLen(local) == len(local) && local != ""
}

func writeQuoted(b *strings.Builder, local string) {
	b.WriteByte('"')
	for i := 0; i < len(local); i++ {
		if c := local[i]; c == '"' || c == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(local[i])
	}
	b.WriteByte('"')
}
