// Package dkim signs what goes out (RFC 6376, RFC 8463) and keeps the keys for it.
//
// Each domain has a pair of keys, RSA-2048 and Ed25519, and each message gets a signature of both:
// who does not know Ed25519 passes over that one. Keys are changed without a gap: a new pair is
// published first, signs once the DNS shows it, and the old one stays published until all that it
// signed has arrived.
package dkim

import (
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/signature"
)

// Signer is a key that signs for a domain.
type Signer struct {
	Domain   string // in A-labels
	Selector string
	Key      crypto.Signer // *rsa.PrivateKey or ed25519.PrivateKey
}

// ErrAuthor is returned for a message that has no From, or several.
var ErrAuthor = errors.New("dkim: the message has not one From")

// Sign returns the DKIM-Signature fields of all signers for a message, to be put in front of it.
// Its body is read once, whatever the number of signers. It must have CR LF line ends.
func Sign(r io.ReaderAt, size int64, now time.Time, signers ...Signer) ([]byte, error) {
	h, start, err := signature.ReadHeader(r, size)
	if err != nil {
		return nil, fmt.Errorf("dkim: %w", err)
	}
	if len(h.All("from")) != 1 {
		return nil, ErrAuthor
	}
	body := signature.NewBody(signature.Relaxed, -1)
	if _, err := io.CopyBuffer(struct{ io.Writer }{body}, io.NewSectionReader(r, start, size-start), make([]byte, min(32<<10, size-start+1))); err != nil {
		return nil, fmt.Errorf("dkim: read message: %w", err)
	}
	names, sum := choose(h), body.Sum()
	var out []byte
	for i := range signers {
		if out, err = signers[i].append(out, h, names, sum, now); err != nil {
			return nil, err
		}
	}
	return out, nil
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

// choose returns the names in h= (RFC 6376 section 5.4): those of fields that are not there, too.
func choose(h *signature.Header) (names []string) {
	for i, name := range slices.Concat(oversigned, signedToo) {
		for range h.All(strings.ToLower(name)) {
			names = append(names, name)
		}
		if i < len(oversigned) {
			names = append(names, name)
		}
	}
	return names
}

// append appends a signature field.
func (s *Signer) append(dst []byte, h *signature.Header, names []string, bodyHash []byte, now time.Time) ([]byte, error) {
	field := fold("DKIM-Signature: v=1; a=" + signature.AlgorithmOf(s.Key) + "; c=relaxed/relaxed; d=" + s.Domain + "; s=" + s.Selector +
		"; t=" + strconv.FormatInt(now.Unix(), 10) + "; bh=" + base64.StdEncoding.EncodeToString(bodyHash) +
		"; h=" + strings.Join(names, ": ") + "; b=")
	// The field itself is signed last, with b= empty (section 3.7).
	data := signature.SignedData(h, lowered(names), signature.Relaxed, append(slices.Clip(field), "\r\n"...))
	b, err := signature.Sign(s.Key, data)
	if err != nil {
		return nil, fmt.Errorf("dkim: sign for %s with %s: %w", s.Domain, s.Selector, err)
	}
	return append(foldValue(append(dst, field...), b), "\r\n"...), nil
}

func lowered(names []string) []string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = strings.ToLower(name)
	}
	return all
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

// foldValue appends the value of b= over as many lines as it needs.
func foldValue(dst []byte, text string) []byte {
	for len(text) > 0 {
		n := min(len(text), maxColumns-8)
		dst = append(dst, "\r\n\t"...)
		dst = append(dst, text[:n]...)
		text = text[n:]
	}
	return dst
}
