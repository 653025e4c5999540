package popd

import (
	"encoding/base64"
	"errors"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/sasl"
	"github.com/postiljon/postiljon/internal/store"
)

// channel describes the connection to SASL.
func (s *session) channel() sasl.Channel { return sasl.ChannelOf(s.nc) }

// mechanisms are those that the client may use now; none where passwords need TLS first.
func (s *session) mechanisms() []string { return s.server.options.SASL.Offer(s.channel()) }

// stls is STLS (RFC 2595 section 4).
func (s *session) stls(rest string) cause.Decision {
	switch {
	case rest != "":
		return protocolError("arguments")
	case s.conn.TLS() || s.drop != nil:
		return protocolError("sequence")
	case !s.server.conns.HasTLS():
		return protocolError("unimplemented")
	}
	s.ok("Begin TLS")
	s.flush()
	// What came in the clear behind the command is dropped with the reader, and a user
	// name must be given again.
	s.user = ""
	if s.err == nil {
		s.note(s.startTLS())
	}
	return cause.Allow()
}

// userName is USER (RFC 1939 section 7). Whether there is such a user is not told.
func (s *session) userName(rest string) cause.Decision {
	switch {
	case s.drop != nil:
		return protocolError("sequence")
	case len(s.mechanisms()) == 0:
		return cause.Refuse(cause.AuthPlaintextRefused)
	case rest == "":
		return protocolError("arguments")
	}
	s.user = rest
	s.ok("")
	return cause.Allow()
}

// pass is PASS (RFC 1939 section 7): all that follows is the password, spaces too.
func (s *session) pass(rest string) cause.Decision {
	switch {
	case s.drop != nil || s.user == "":
		return protocolError("sequence")
	case rest == "":
		return protocolError("arguments")
	}
	user := s.user
	s.user = ""
	who, d := s.server.options.Backend.Verifier(&s.conn).Password(s.ctx, "", sasl.Prepare(user), sasl.Prepare(rest))
	if !d.Allowed() {
		return d
	}
	return s.signIn(who)
}

// auth is AUTH (RFC 5034). Without a mechanism it lists them, as clients from before it expect.
func (s *session) auth(rest string) cause.Decision {
	if s.drop != nil {
		return protocolError("sequence")
	}
	if rest == "" {
		s.ok("")
		for _, name := range s.mechanisms() {
			s.line(name)
		}
		s.line(".")
		return cause.Allow()
	}
	name, initial, given := strings.Cut(rest, " ")
	mechanism, err := s.server.options.SASL.Start(name, s.channel(), s.server.options.Backend.Verifier(&s.conn))
	if err != nil {
		return sasl.DecisionOf(err)
	}
	var response []byte
	if given {
		if response, err = decodeInitial(initial); err != nil {
			return protocolError("syntax")
		}
	}
	return s.exchange(mechanism, response)
}

// exchange carries challenges and responses until the client has signed in or not.
func (s *session) exchange(mechanism sasl.Mechanism, response []byte) cause.Decision {
	for {
		challenge, done, err := mechanism.Next(s.ctx, response)
		if err != nil {
			s.server.options.Log.Debug("popd: sign-in refused", "conn", s.conn.ID, "err", err)
			return sasl.DecisionOf(err)
		}
		if done {
			return s.signIn(mechanism.Identity())
		}
		s.line("+ " + base64.StdEncoding.EncodeToString(challenge))
		line, err := s.readLine()
		switch {
		case err != nil:
			s.broken(err)
			return cause.Allow() // nobody is there to be told
		case line == "*":
			return cause.Refuse(cause.AuthMechanismMismatch).As("cancelled")
		}
		if response, err = base64.StdEncoding.Strict().DecodeString(line); err != nil {
			return protocolError("syntax")
		}
	}
}

// decodeInitial reads an initial response: base64, or "=" for one that is empty (RFC 5034 section 4).
func decodeInitial(text string) ([]byte, error) {
	if text == "=" {
		return []byte{}, nil
	}
	if text == "" {
		return nil, errors.New("popd: empty initial response")
	}
	return base64.StdEncoding.Strict().DecodeString(text)
}

// signIn opens the maildrop of who has proved to be whom. If that fails the connection ends, for it
// has signed in but has nothing to work on (RFC 1939 section 4 lets the server close).
func (s *session) signIn(who sasl.Identity) cause.Decision {
	account, d := s.server.options.Backend.SignedIn(s.ctx, &s.conn, who)
	if d.Allowed() && account == 0 {
		d = s.failed(&store.Error{Op: "sign in", Kind: store.KindOther})
	}
	if d.Allowed() {
		d = s.server.locks.take(account, &s.conn)
	}
	if !d.Allowed() {
		s.over = true
		return d
	}
	s.conn.Account, s.conn.Name = account, who.Name
	drop, err := openMaildrop(s.ctx, s.server.options.Store, account)
	if err != nil {
		s.over = true
		return s.failed(err)
	}
	s.drop = drop
	s.ok(drop.summary())
	return cause.Allow()
}
