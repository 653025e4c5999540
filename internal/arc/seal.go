package arc

import (
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/signature"
)

// ErrClosed tells that nothing is to be added to a chain: a server before us sealed it as failed, it has
// as many sets as there may be, or its keys could not be looked up now, so that the next server finds out
// more than we could say.
var ErrClosed = errors.New("arc: the chain takes no more sets")

// Key is what we seal with.
type Key struct {
	Domain   string // d=
	Selector string // s=: the public key is at SELECTOR._domainkey.DOMAIN
	Private  crypto.Signer
}

// Arrived is what was found out about a message when it came.
type Arrived struct {
	// Results is the value of our Authentication-Results field: the authserv-id and what follows,
	// folded or not.
	Results string
	// Chain is what the chain was worth that it came with.
	Chain Result
	// Time is when it is sealed.
	Time time.Time
}

// names are the fields that a signature of ours is over, as far as they are there. Received and what we
// put in front is left out: the next server may add to it.
var names = []string{
	"from", "sender", "reply-to", "subject", "date", "message-id", "to", "cc", "in-reply-to", "references",
	"mime-version", "content-type", "content-transfer-encoding", "content-id", "content-description",
	"list-id", "list-help", "list-unsubscribe", "list-unsubscribe-post", "list-subscribe", "list-post", "list-owner", "list-archive",
	"dkim-signature",
}

// Seal returns the three fields that a server puts in front of a message of size octets which it forwards
// (RFC 8617 section 5.1). It reads the body once. Header and body must go out as they are here; fields in
// front of them do no harm.
//
// The error is ErrClosed where nothing may be added, and otherwise that of reading or signing.
func Seal(message io.ReaderAt, size int64, a Arrived, k Key) ([]byte, error) {
	if a.Chain.Closed || a.Chain.Instance >= signature.MaxInstances || a.Chain.Outcome == signature.TempError {
		return nil, ErrClosed
	}
	h, start, err := signature.ReadHeader(message, size)
	if err != nil {
		return nil, fmt.Errorf("arc: seal: %w", err)
	}
	body := signature.NewBody(signature.Relaxed, -1)
	if _, err := io.CopyBuffer(struct{ io.Writer }{body}, io.NewSectionReader(message, start, size-start), make([]byte, 64<<10)); err != nil {
		return nil, fmt.Errorf("arc: seal: read body: %w", err)
	}
	s := set{instance: a.Chain.Instance + 1}
	s.results = fmt.Appendf(nil, "ARC-Authentication-Results: i=%d; %s\r\n", s.instance, strings.Trim(a.Results, " \t\r\n"))
	if s.message, err = signMessage(h, body, s.instance, a, k); err != nil {
		return nil, fmt.Errorf("arc: seal: %w", err)
	}
	if s.seal, err = seal(h, s, a, k); err != nil {
		return nil, fmt.Errorf("arc: seal: %w", err)
	}
	return append(append(s.seal, s.message...), s.results...), nil
}

// signMessage makes the signature over header and body.
func signMessage(h *signature.Header, body *signature.Body, instance int, a Arrived, k Key) ([]byte, error) {
	var signed []string
	for _, name := range names {
		for range h.All(name) {
			signed = append(signed, name)
		}
	}
	field := fmt.Appendf(nil, "ARC-Message-Signature: i=%d; a=%s; c=relaxed/relaxed;\r\n\td=%s; s=%s; t=%d;\r\n\th=%s;\r\n\tbh=%s;\r\n\tb=",
		instance, signature.AlgorithmOf(k.Private), k.Domain, k.Selector, a.Time.Unix(),
		foldList(signed), base64.StdEncoding.EncodeToString(body.Sum()))
	b, err := signature.Sign(k.Private, signature.SignedData(h, signed, signature.Relaxed, append(field, "\r\n"...)))
	return append(append(field, foldBase64(b)...), "\r\n"...), err
}

// seal makes the seal over the chain with the new set. Over a chain that failed it is over the new set
// alone (RFC 8617 section 5.1.2).
func seal(h *signature.Header, s set, a Arrived, k Key) ([]byte, error) {
	cv := "pass"
	var sets []set
	switch a.Chain.Outcome {
	case signature.None, "":
		cv = "none"
	case signature.Pass:
		sets = Read(h).sets
	default:
		cv = "fail"
	}
	field := fmt.Appendf(nil, "ARC-Seal: i=%d; a=%s; cv=%s;\r\n\td=%s; s=%s; t=%d;\r\n\tb=",
		s.instance, signature.AlgorithmOf(k.Private), cv, k.Domain, k.Selector, a.Time.Unix())
	s.seal = append(field, "\r\n"...)
	b, err := signature.Sign(k.Private, sealedData(append(sets, s)))
	return append(append(field, foldBase64(b)...), "\r\n"...), err
}

// foldList writes names with colons between them, some on a line.
func foldList(names []string) string {
	var b strings.Builder
	column := 0
	for i, name := range names {
		if i > 0 {
			b.WriteByte(':')
		}
		if column+len(name) > 70 {
			b.WriteString("\r\n\t ")
			column = 0
		}
		b.WriteString(name)
		column += len(name) + 1
	}
	return b.String()
}

func foldBase64(text string) string {
	var b strings.Builder
	for len(text) > 72 {
		b.WriteString(text[:72] + "\r\n\t ")
		text = text[72:]
	}
	b.WriteString(text)
	return b.String()
}
