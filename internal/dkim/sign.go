// Package dkim signs what goes out (RFC 6376, RFC 8463) and keeps the keys for it.
//
// Each domain has a pair of keys, RSA-2048 and Ed25519, and each message gets a signature of both:
// who does not know Ed25519 passes over that one. Keys are changed without a gap: a new pair is
// published first, signs once the DNS shows it, and the old one stays published until all that it
// signed has arrived.
package dkim

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/message"
)

// Signer is a key that signs for a domain.
type Signer struct {
	Domain   string // in A-labels
	Selector string
	Key      crypto.Signer // *rsa.PrivateKey or ed25519.PrivateKey
}

// Algorithm is the name that the signer's kind of key has in signatures (RFC 6376 section 3.3, RFC
// 8463 section 3); "" for any other kind.
func (s *Signer) Algorithm() string {
	switch s.Key.(type) {
	case *rsa.PrivateKey:
		return "rsa-sha256"
	case ed25519.PrivateKey:
		return "ed25519-sha256"
	}
	return ""
}

// maxHeader is the longest header that is signed, in octets.
const maxHeader = 1 << 20

// ErrHeader is returned for a message whose header is too long, or that has no From.
var ErrHeader = errors.New("dkim: header has no From or is too long")

// Sign returns the DKIM-Signature fields of all signers for a message, to be put in front of it.
// The message is read once, whatever the number of signers. It must have CR LF line ends.
func Sign(r io.ReaderAt, size int64, now time.Time, signers ...Signer) ([]byte, error) {
	header, body, err := split(r, size)
	if err != nil {
		return nil, err
	}
	fields, names := choose(header)
	if len(fields) == 0 {
		return nil, ErrHeader
	}
	bodyHash, err := hashBody(io.NewSectionReader(r, body, size-body))
	if err != nil {
		return nil, fmt.Errorf("dkim: read message: %w", err)
	}
	var out []byte
	for i := range signers {
		if out, err = signers[i].append(out, fields, names, bodyHash, now); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// split returns the header, without the empty line after it, and where the body begins.
func split(r io.ReaderAt, size int64) (header []byte, body int64, err error) {
	for want := int64(16 << 10); ; want *= 4 {
		want = min(want, size, maxHeader)
		header = make([]byte, want)
		if n, err := r.ReadAt(header, 0); n < len(header) {
			return nil, 0, fmt.Errorf("dkim: read header: %w", err)
		}
		if end := bytes.Index(header, []byte("\r\n\r\n")); end >= 0 {
			return header[:end+2], int64(end) + 4, nil
		}
		switch {
		case bytes.HasPrefix(header, []byte("\r\n")):
			return nil, 2, nil
		case want == size:
			return header, size, nil
		case want == maxHeader:
			return nil, 0, ErrHeader
		}
	}
}

// oversigned are the fields that a signature covers once more than they are there, so that nobody
// can add another (RFC 6376 section 8.15). The others are covered as often as they are there: a
// mailing list may add them.
var oversigned = []string{
	"From", "Reply-To", "To", "Cc", "Subject", "Date", "Message-ID",
	"MIME-Version", "Content-Type", "Content-Transfer-Encoding",
}

var signedToo = []string{
	"Sender", "In-Reply-To", "References", "Content-ID", "Content-Description", "Content-Language",
	"Resent-Date", "Resent-From", "Resent-Sender", "Resent-To", "Resent-Cc", "Resent-Message-ID",
	"List-Id", "List-Help", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Subscribe", "List-Post",
	"List-Owner", "List-Archive", "Auto-Submitted", "Autocrypt",
}

// choose returns the fields that are signed, canonical and in the order of signing, and the value
// of h= (RFC 6376 section 5.4). Of several with one name the last comes first (section 5.4.2).
// Without exactly one From there is nothing to sign.
func choose(header []byte) (canonical []byte, names []string) {
	byName := map[string][][]byte{}
	for f := range message.HeaderFields(header) {
		if len(f.Name) > 0 {
			name := strings.ToLower(string(f.Name))
			byName[name] = append(byName[name], f.Raw)
		}
	}
	if len(byName["from"]) != 1 {
		return nil, nil
	}
	for i, name := range slices.Concat(oversigned, signedToo) {
		there := byName[strings.ToLower(name)]
		for n := len(there) - 1; n >= 0; n-- {
			canonical = appendRelaxed(canonical, there[n])
			names = append(names, name)
		}
		if i < len(oversigned) {
			names = append(names, name) // one that is not there is signed as nothing
		}
	}
	return canonical, names
}

// appendRelaxed appends a field in the relaxed form, with its line end (RFC 6376 section 3.4.2).
func appendRelaxed(dst, raw []byte) []byte {
	name, value, _ := bytes.Cut(raw, []byte(":"))
	dst = append(dst, bytes.ToLower(bytes.TrimRight(name, " \t"))...)
	dst = append(dst, ':')
	space, begun := false, false
	for _, c := range value {
		switch c {
		case ' ', '\t', '\r', '\n':
			space = true
			continue
		}
		if space && begun {
			dst = append(dst, ' ')
		}
		space, begun = false, true
		dst = append(dst, c)
	}
	return append(dst, "\r\n"...)
}

// append appends a signature field.
func (s *Signer) append(dst, fields []byte, names []string, bodyHash []byte, now time.Time) ([]byte, error) {
	algorithm := s.Algorithm()
	if algorithm == "" {
		return nil, fmt.Errorf("dkim: selector %s of %s: no key to sign with", s.Selector, s.Domain)
	}
	field := fold("DKIM-Signature: v=1; a=" + algorithm + "; c=relaxed/relaxed; d=" + s.Domain + "; s=" + s.Selector +
		"; t=" + strconv.FormatInt(now.Unix(), 10) + "; bh=" + base64.StdEncoding.EncodeToString(bodyHash) +
		"; h=" + strings.Join(names, ": ") + "; b=")
	h := sha256.New()
	h.Write(fields)
	// The field itself comes last, with b= empty and without a line end (section 3.7).
	h.Write(bytes.TrimSuffix(appendRelaxed(nil, field), []byte("\r\n")))
	digest := h.Sum(nil)
	opts := crypto.SignerOpts(crypto.SHA256)
	if algorithm == "ed25519-sha256" { // PureEdDSA over the hash (RFC 8463 section 3)
		opts = crypto.Hash(0)
	}
	signature, err := s.Key.Sign(rand.Reader, digest, opts)
	if err != nil {
		return nil, fmt.Errorf("dkim: sign for %s: %w", s.Domain, err)
	}
	return append(foldSignature(append(dst, field...), signature), "\r\n"...), nil
}

const maxColumns = 76

// fold breaks a field at its spaces. A colon of h= keeps its space only where a line breaks.
func fold(text string) []byte {
	var out []byte
	column := 0
	for i, word := range strings.SplitAfter(text, " ") {
		bare := strings.TrimSuffix(word, " ")
		switch {
		case i == 0:
		case column+1+len(bare) > maxColumns:
			out = append(out, "\r\n\t"...)
			column = 8
		case out[len(out)-1] == ':' && i > 1: // within h=
		default:
			out = append(out, ' ')
			column++
		}
		out = append(out, bare...)
		column += len(bare)
	}
	return out
}

// foldSignature appends the value of b= over as many lines as it needs.
func foldSignature(dst, signature []byte) []byte {
	text := base64.StdEncoding.EncodeToString(signature)
	for len(text) > 0 {
		n := min(len(text), maxColumns-8)
		dst = append(dst, "\r\n\t"...)
		dst = append(dst, text[:n]...)
		text = text[n:]
	}
	return dst
}
