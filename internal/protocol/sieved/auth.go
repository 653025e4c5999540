package sieved

import (
	"encoding/base64"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/sasl"
	"github.com/postiljon/postiljon/internal/store"
)

// channel describes the connection to SASL.
func (s *session) channel() sasl.Channel { return sasl.ChannelOf(s.nc) }

// mechanisms are those that the client may use now, or could have used to sign in; none where passwords
// need TLS first.
func (s *session) mechanisms() []string { return s.server.options.SASL.Offer(s.channel()) }

// starttls is STARTTLS (RFC 5804 section 2.2). Behind it the capabilities are told again.
func (s *session) starttls(args []argument) cause.Decision {
	switch {
	case len(args) > 0:
		return protocolError("arguments")
	case s.conn.TLS() || s.conn.Account != 0:
		return protocolError("sequence")
	case !s.server.conns.HasTLS():
		return protocolError("unimplemented")
	}
	s.ok("Begin TLS")
	s.flush()
	// What came in the clear behind the command is dropped with the reader.
	if s.err == nil {
		s.note(s.startTLS())
	}
	if s.err == nil {
		s.capabilities()
		s.ok("")
	}
	return cause.Allow()
}

// authenticate is AUTHENTICATE (RFC 5804 section 2.1).
func (s *session) authenticate(args []argument) cause.Decision {
	if s.conn.Account != 0 {
		return protocolError("sequence")
	}
	if k := kinds(args); k != "t" && k != "tt" {
		return protocolError("arguments")
	}
	mechanism, err := s.server.options.SASL.Start(args[0].text, s.channel(), s.server.options.Backend.Verifier(&s.conn))
	if err != nil {
		return sasl.DecisionOf(err)
	}
	var response []byte
	if len(args) == 2 {
		if response, err = decode(args[1].text); err != nil {
			return protocolError("syntax")
		}
	}
	return s.exchange(mechanism, response)
}

func decode(text string) ([]byte, error) {
	if text == "" {
		return []byte{}, nil
	}
	return base64.StdEncoding.Strict().DecodeString(text)
}

// exchange carries challenges and responses until the client has signed in or not.
func (s *session) exchange(mechanism sasl.Mechanism, response []byte) cause.Decision {
	for {
		challenge, done, err := mechanism.Next(s.ctx, response)
		if err != nil {
			s.server.options.Log.Debug("sieved: sign-in refused", "conn", s.conn.ID, "err", err)
			return sasl.DecisionOf(err)
		}
		if done {
			return s.signIn(mechanism.Identity())
		}
		s.line(quote(base64.StdEncoding.EncodeToString(challenge)))
		text, d, ok := s.readResponse()
		if !ok {
			return d
		}
		if text == "*" {
			return cause.Refuse(cause.AuthMechanismMismatch).As("cancelled")
		}
		if response, err = decode(text); err != nil {
			return protocolError("syntax")
		}
	}
}

// readResponse reads the client's part of a sign-in: one string on a line.
func (s *session) readResponse() (text string, d cause.Decision, ok bool) {
	if !s.listen() {
		s.broken(s.broke())
		return "", cause.Allow(), false
	}
	line, err := s.in.line()
	if err != nil {
		s.broken(err)
		return "", cause.Allow(), false // nobody is there to be told
	}
	if line == "*" {
		return line, d, true
	}
	args, err := s.in.arguments(" " + line)
	if err != nil || kinds(args) != "t" {
		return "", protocolError("syntax"), false
	}
	return args[0].text, d, true
}

// signIn begins the session of who has proved to be whom.
func (s *session) signIn(who sasl.Identity) cause.Decision {
	account, d := s.server.options.Backend.SignedIn(s.ctx, &s.conn, who)
	if d.Allowed() && account == 0 {
		d = s.failed(&store.Error{Op: "sign in", Kind: store.KindOther}, "")
	}
	if !d.Allowed() {
		return d
	}
	s.conn.Account, s.conn.Name = account, who.Name
	s.ok("")
	return cause.Allow()
}

// unauthenticate is UNAUTHENTICATE (RFC 5804 section 2.14).
func (s *session) unauthenticate([]argument) cause.Decision {
	s.server.options.Backend.SignedOut(&s.conn)
	s.conn.Account, s.conn.Name = 0, ""
	s.conn.Began = time.Now() // it has the time to sign in once more
	s.ok("")
	return cause.Allow()
}
