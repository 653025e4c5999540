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
	defer clear(args) // the password may be in it
	server := c.server.options.SASL
	switch {
	case !c.info.ESMTP || c.info.SignedIn.Name != "" || c.tx.open:
		c.protocolError("sequence", "AUTH")
		return
	case server == nil || c.session.Verifier() == nil:
		c.protocolError("unimplemented", "AUTH")
		return
	}
	name, initial, given := bytes.Cut(args, []byte{' '})
	m, err := server.Start(string(name), c.channel(), c.session.Verifier())
	if err != nil {
		c.authFailed(sasl.DecisionOf(err))
		return
	}
	var response []byte
	switch {
	case given && string(initial) == "=": // section 4: an initial response of no octets
		response = []byte{}
	case given:
		var ok bool
		if response, ok = decodeResponse(initial); !ok || len(response) == 0 {
			c.protocolError("syntax", "AUTH")
			return
		}
	}
	c.exchange(ctx, m, response)
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
}
