// Package srs rewrites the senders of messages that are forwarded (the Sender Rewriting Scheme), so
// that SPF holds for the server that forwards, and leads what bounces back to them.
//
// anna@example.org, forwarded for example.net, becomes SRS0=hash=day=example.org=anna@example.net.
// What another forwarder has rewritten already is not made longer and longer: the second one becomes
// SRS1=hash=first.example==rest@example.net, and later ones only change the hash and their own domain. The hash keeps others
// from sending through such addresses, the day from doing so for ever.
package srs

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/message/address"
)

// Rewriter rewrites and leads back. It is immutable.
type Rewriter struct {
	key []byte
	now func() time.Time
}

// New returns a rewriter with a secret key, at least 16 octets; now may be nil for the clock.
func New(key []byte, now func() time.Time) (*Rewriter, error) {
	if len(key) < 16 {
		return nil, errors.New("srs: the key is too short")
	}
	if now == nil {
		now = time.Now
	}
	return &Rewriter{key: append([]byte(nil), key...), now: now}, nil
}

// Errors of Reverse.
var (
	// ErrForeign: the address is none that was rewritten.
	ErrForeign = errors.New("srs: not a rewritten address")
	// ErrForged: the address was not rewritten here, or it was changed since.
	ErrForged = errors.New("srs: the hash is wrong")
	// ErrExpired: the address was rewritten too long ago.
	ErrExpired = errors.New("srs: too old")
)

const (
	// maxAge is how old a rewritten address can be, in days: longer than any server tries to deliver.
	maxAge = 21
	// epochDays is when the count of days begins again.
	epochDays = 1024
	hashLen   = 6 // letters
)

// base32 in lower case: some servers do not keep the case of a local part.
var letters = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Forward returns the sender of a message that is forwarded by an address of domain. The null sender
// stays as it is.
func (r *Rewriter) Forward(from address.Address, domain string) address.Address {
	if from.IsNull() {
		return from
	}
	kind, rest := cut(from.Local)
	switch kind {
	case "srs0": // of another forwarder; rest begins with its separator
		return r.again(address.NormalizeDomain(from.Domain), rest, domain)
	case "srs1":
		if _, first, tail, ok := parts3(rest[1:]); ok && first != "" && tail != "" {
			return r.again(first, tail, domain)
		}
	}
	day := dayText(r.today())
	original := address.NormalizeDomain(from.Domain)
	local := strings.Join([]string{"SRS0", r.hash(day, original, from.Local), day, original, from.Local}, "=")
	return address.Address{Local: local, Domain: domain}
}

// again rewrites what the forwarder first has rewritten.
func (r *Rewriter) again(first, rest, domain string) address.Address {
	local := strings.Join([]string{"SRS1", r.hash(first, rest), first, rest}, "=")
	return address.Address{Local: local, Domain: domain}
}

// Reverse returns whom a bounce to a rewritten address is for. Errors: ErrForeign, ErrForged, ErrExpired.
func (r *Rewriter) Reverse(to address.Address) (address.Address, error) {
	kind, rest := cut(to.Local)
	switch kind {
	case "srs0":
		return r.reverse0(rest[1:])
	case "srs1":
		return r.reverse1(rest[1:])
	}
	return address.Address{}, ErrForeign
}

func (r *Rewriter) reverse0(rest string) (address.Address, error) {
	hash, day, tail, ok := parts3(rest)
	domain, local, ok2 := strings.Cut(tail, "=")
	if !ok || !ok2 || domain == "" || local == "" {
		return address.Address{}, ErrForged
	}
	if !r.is(hash, day, domain, local) {
		return address.Address{}, ErrForged
	}
	then, ok := dayOf(day)
	if !ok || (r.today()-then+epochDays)%epochDays > maxAge {
		return address.Address{}, ErrExpired
	}
	return address.Address{Local: local, Domain: domain}, nil
}

// reverse1 leads back to the first forwarder, who knows how old the address is.
func (r *Rewriter) reverse1(rest string) (address.Address, error) {
	hash, first, tail, ok := parts3(rest)
	if !ok || first == "" || tail == "" || !r.is(hash, first, tail) {
		return address.Address{}, ErrForged
	}
	return address.Address{Local: "SRS0" + tail, Domain: first}, nil
}

// cut returns which kind of rewritten address a local part is, srs0, srs1 or "", and what follows
// that, with the separator: "=", "+" or "-".
func cut(local string) (kind, rest string) {
	if len(local) < 6 || !strings.ContainsRune("=+-", rune(local[4])) {
		return "", ""
	}
	kind = strings.ToLower(local[:4])
	if kind != "srs0" && kind != "srs1" {
		return "", ""
	}
	return kind, local[4:]
}

// parts3 cuts a text at its first two "=".
func parts3(text string) (a, b, rest string, ok bool) {
	a, tail, ok1 := strings.Cut(text, "=")
	b, rest, ok2 := strings.Cut(tail, "=")
	return a, b, rest, ok1 && ok2
}

// hash proves that parts were written here. Their case does not matter.
func (r *Rewriter) hash(parts ...string) string {
	h := hmac.New(sha256.New, r.key)
	h.Write([]byte(strings.ToLower(strings.Join(parts, "="))))
	return letters.EncodeToString(h.Sum(nil))[:hashLen]
}

func (r *Rewriter) is(hash string, parts ...string) bool {
	return hmac.Equal([]byte(strings.ToLower(hash)), []byte(r.hash(parts...)))
}

func (r *Rewriter) today() int { return int(r.now().Unix()/86400) % epochDays }

const digits = "abcdefghijklmnopqrstuvwxyz234567"

// dayText writes a day in two letters.
func dayText(day int) string { return string([]byte{digits[day>>5], digits[day&31]}) }

func dayOf(text string) (int, bool) {
	if len(text) != 2 {
		return 0, false
	}
	text = strings.ToLower(text)
	high, low := strings.IndexByte(digits, text[0]), strings.IndexByte(digits, text[1])
	return high<<5 | low, high >= 0 && low >= 0
}
