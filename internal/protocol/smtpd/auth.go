package smtpd

import (
	"bytes"
	"context"
	"encoding/base64"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/sasl"
)

// maxSteps bounds the responses of one exchange; no mechanism needs so many.
const maxSteps = 8

// channel is the connection as the mechanisms see it.
func (c *conn) channel() sasl.Channel { return sasl.ChannelOf(c.link) }

// mechanisms lists what EHLO offers.
func (c *conn) mechanisms() []string {
	s := c.server.options.SASL
	if s == nil || c.session.Verifier() == nil {
		return nil
	}
	return s.Offer(c.channel())
}

// auth is AUTH, RFC 4954 section 4.
func (c *conn) auth(ctx context.Context, args []byte) {
	name, response, ok := parseAuth(args)
	clear(args) // the password may be in it
	server, verifier := c.server.options.SASL, c.session.Verifier()
	switch {
	case !c.info.ESMTP || c.info.SignedIn.Name != "" || c.tx.open:
		c.protocolError("sequence", "AUTH")
		return
	case server == nil || verifier == nil:
		c.protocolError("unimplemented", "AUTH")
		return
	case !ok:
		c.protocolError("syntax", "AUTH")
		return
	}
	m, err := server.Start(name, c.channel(), verifier)
	if err != nil {
		c.authFailed(sasl.DecisionOf(err))
		return
	}
	c.exchange(ctx, m, response)
}

// parseAuth reads the arguments of AUTH: a mechanism and perhaps an initial response, nil without.
func parseAuth(args []byte) (name string, response []byte, ok bool) {
	mechanism, initial, given := bytes.Cut(args, []byte{' '})
	name = string(mechanism)
	switch {
	case name == "":
		return "", nil, false
	case !given:
		return name, nil, true
	case string(initial) == "=": // an initial response of no octets
		return name, []byte{}, true
	}
	response, ok = decodeResponse(initial)
	return name, response, ok && len(response) > 0
}

// exchange carries the challenges and responses of a mechanism.
func (c *conn) exchange(ctx context.Context, m sasl.Mechanism, response []byte) {
	for range maxSteps {
		challenge, done, err := m.Next(ctx, response)
		clear(response)
		switch {
		case err != nil:
			c.authFailed(sasl.DecisionOf(err))
			return
		case done:
			c.signedIn(ctx, m)
			return
		}
		c.out = append(c.out, "334 "...)
		c.out = base64.StdEncoding.AppendEncode(c.out, challenge)
		c.reply("\r\n")

		line, err := c.readLine(maxAuthLine)
		switch {
		case err != nil:
			c.lineFailed(err)
			return
		case string(line) == "*":
			c.authFailed(cause.Refuse(cause.AuthMechanismMismatch).As("cancelled"))
			return
		}
		var ok bool
		response, ok = decodeResponse(line)
		clear(line)
		if !ok {
			c.protocolError("syntax", "AUTH")
			return
		}
	}
	c.protocolError("sequence", "AUTH")
}

// decodeResponse decodes base64 as RFC 4954 section 4 wants it: no other characters, with padding.
// The result is not nil.
func decodeResponse(text []byte) ([]byte, bool) {
	decoded, err := base64.StdEncoding.Strict().AppendDecode(make([]byte, 0, len(text)), text)
	return decoded, err == nil
}

// signedIn ends a successful exchange.
func (c *conn) signedIn(ctx context.Context, m sasl.Mechanism) {
	id := m.Identity()
	if d := c.session.SignedIn(ctx, id); !d.Allowed() {
		c.authFailed(d)
		return
	}
	c.info.SignedIn, c.info.Mechanism = id, m.Name()
	c.reply("235 2.7.0 Signed in\r\n")
}

// authFailed says why nobody is signed in. What a stranger may be told was decided by the verifier:
// only it knows whether the password was right.
func (c *conn) authFailed(d cause.Decision) {
	if c.errors++; c.errors > c.server.options.Limits.Errors {
		c.tooManyErrors()
		return
	}
	c.say(d, "")
	c.server.options.Metrics.Refused(c.listener.Name, d.Cause)
}
