package sasl

import (
	"bytes"
	"context"
	"unicode/utf8"
)

// maxField is the most octets of an authorization identity, a user name or a password (RFC 4616
// section 2 says 255 characters of up to four octets).
const maxField = 4 * 255

// plain is PLAIN, RFC 4616: one response, authzid NUL user NUL password.
type plain struct {
	verifier Verifier
	identity Identity
}

func (*plain) Name() string         { return Plain }
func (p *plain) Identity() Identity { return p.identity }

func (p *plain) Next(ctx context.Context, response []byte) ([]byte, bool, error) {
	if response == nil {
		return []byte{}, false, nil
	}
	authzid, rest, ok1 := bytes.Cut(response, []byte{0})
	user, password, ok2 := bytes.Cut(rest, []byte{0})
	if !ok1 || !ok2 || bytes.IndexByte(password, 0) >= 0 {
		return nil, false, malformed("PLAIN response without its two NULs")
	}
	if len(user) == 0 || len(password) == 0 {
		return nil, false, malformed("PLAIN response without user or password")
	}
	for _, field := range [][]byte{authzid, user, password} {
		if len(field) > maxField || !utf8.Valid(field) {
			return nil, false, malformed("PLAIN field too long or not UTF-8")
		}
	}
	identity, d := p.verifier.Password(ctx, Prepare(string(authzid)), Prepare(string(user)), Prepare(string(password)))
	if !d.Allowed() {
		return nil, false, refused(d)
	}
	p.identity = identity
	return nil, true, nil
}

// login is LOGIN (draft-murchison-sasl-login): the user name and the password, each asked for.
// Clients wait for exactly these two prompts; some give the user name as initial response.
type login struct {
	verifier Verifier
	user     string
	asked    bool // for the user name
	named    bool
	identity Identity
}

func (*login) Name() string         { return Login }
func (l *login) Identity() Identity { return l.identity }

func (l *login) Next(ctx context.Context, response []byte) ([]byte, bool, error) {
	switch {
	case response == nil && !l.asked:
		l.asked = true
		return []byte("Username:"), false, nil
	case len(response) == 0 || len(response) > maxField || !utf8.Valid(response) || bytes.IndexByte(response, 0) >= 0:
		return nil, false, malformed("LOGIN response empty, too long or not text")
	case !l.named:
		l.user, l.asked, l.named = Prepare(string(response)), true, true
		return []byte("Password:"), false, nil
	}
	identity, d := l.verifier.Password(ctx, "", l.user, Prepare(string(response)))
	if !d.Allowed() {
		return nil, false, refused(d)
	}
	l.identity = identity
	return nil, true, nil
}
