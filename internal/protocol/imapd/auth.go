package imapd

import (
	"encoding/base64"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/sasl"
	"github.com/postiljon/postiljon/internal/store"
)

// channel describes the connection to SASL.
func (s *session) channel() sasl.Channel { return sasl.ChannelOf(s.nc) }

// mechanisms are those that the client may use now; none where passwords need TLS first.
func (s *session) mechanisms() []string { return s.server.options.SASL.Offer(s.channel()) }

// upgrade is STARTTLS (RFC 9051 section 6.2.1).
func (s *session) upgrade(c *command) outcome {
	switch {
	case s.conn.TLS():
		return refuseProtocol("sequence")
	case !s.server.conns.HasTLS():
		return refuseProtocol("unimplemented")
	}
	s.raw(c.tag)
	s.raw(" OK Begin TLS\r\n")
	s.flush()
	// What came in the clear behind the command must not be taken for commands.
	s.in.r, s.in.w = 0, 0
	s.in.release()
	if s.err == nil {
		s.err = s.startTLS()
	}
	s.conn.Client = nil
	return outcome{silent: true}
}

// login is LOGIN (RFC 9051 section 6.2.3).
func (s *session) login(c *loginCommand) outcome {
	if len(s.mechanisms()) == 0 {
		return privacyRequired()
	}
	verifier := s.server.options.Backend.Verifier(&s.conn)
	who, d := verifier.Password(s.ctx, "", sasl.Prepare(c.user), sasl.Prepare(c.password))
	if !d.Allowed() {
		return refuse(d)
	}
	return s.signIn(who)
}

// maxResponse is the longest line of a SASL exchange.
const maxResponse = 16 << 10

// authenticate is AUTHENTICATE (RFC 9051 section 6.2.2) with an initial response (RFC 4959).
func (s *session) authenticate(c *authenticateCommand) outcome {
	verifier := s.server.options.Backend.Verifier(&s.conn)
	mechanism, err := s.server.options.SASL.Start(c.mechanism, s.channel(), verifier)
	if err != nil {
		return refuse(sasl.DecisionOf(err))
	}
	var response []byte
	if c.initial != nil {
		if response, err = decodeResponse(c.initial); err != nil {
			return refuseProtocol("syntax")
		}
	}
	for {
		challenge, finished, err := mechanism.Next(s.ctx, response)
		if err != nil {
			s.server.options.Log.Debug("imapd: sign-in refused", "conn", s.conn.ID, "err", err)
			return refuse(sasl.DecisionOf(err))
		}
		if finished {
			return s.signIn(mechanism.Identity())
		}
		var o outcome
		if response, o = s.challenge(challenge); o.refused != nil || s.err != nil || s.over {
			return o
		}
	}
}

// challenge sends a challenge and reads the response.
func (s *session) challenge(challenge []byte) ([]byte, outcome) {
	s.raw("+ ")
	s.out = base64.StdEncoding.AppendEncode(s.out, challenge)
	s.raw("\r\n")
	s.flush()
	s.extend()
	line, err := s.in.line(maxResponse)
	switch {
	case err == errLineTooLong:
		s.err = err
		return nil, done()
	case err != nil:
		s.broken(err)
		return nil, outcome{silent: true}
	case string(line) == "*":
		return nil, refuse(cause.Refuse(cause.ClientProtocolError).As("sequence"))
	}
	response, err := base64.StdEncoding.Strict().DecodeString(string(line))
	if err != nil {
		return nil, refuseProtocol("syntax")
	}
	return response, done()
}

// decodeResponse reads an initial response: base64, or "=" for one that is empty.
func decodeResponse(initial []byte) ([]byte, error) {
	if string(initial) == "=" {
		return []byte{}, nil
	}
	return base64.StdEncoding.Strict().DecodeString(string(initial))
}

// signIn begins the session of an account.
func (s *session) signIn(who sasl.Identity) outcome {
	account, d := s.server.options.Backend.SignedIn(s.ctx, &s.conn, who)
	if !d.Allowed() {
		return refuse(d)
	}
	if account == 0 {
		return s.failed(&store.Error{Op: "sign in", Kind: store.KindOther}, "")
	}
	s.conn.Account, s.conn.Name = account, who.Name
	return doneWith(s.appendCapabilities([]byte("CAPABILITY ")))
}
