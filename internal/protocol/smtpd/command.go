package smtpd

import (
	"bytes"
	"context"
	"strconv"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/message/address"
)

// verb is the first word of a command.
type verb uint8

const (
	verbUnknown verb = iota
	verbHelo
	verbEhlo
	verbMail
	verbRcpt
	verbData
	verbBdat
	verbRset
	verbNoop
	verbQuit
	verbVrfy
	verbExpn
	verbHelp
	verbAuth
	verbStarttls
)

// cutVerb splits a line into its verb, in any case, and its arguments without the space between
// them and without spaces at the end (RFC 5321 section 4.1.1).
func cutVerb(line []byte) (verb, []byte) {
	line = bytes.TrimRight(line, " \t")
	word, args, _ := bytes.Cut(line, []byte{' '})
	var upper [8]byte
	if len(word) > len(upper) {
		return verbUnknown, args
	}
	for i, b := range word {
		if 'a' <= b && b <= 'z' {
			b -= 'a' - 'A'
		}
		upper[i] = b
	}
	switch string(upper[:len(word)]) {
	case "HELO":
		return verbHelo, args
	case "EHLO":
		return verbEhlo, args
	case "MAIL":
		return verbMail, args
	case "RCPT":
		return verbRcpt, args
	case "DATA":
		return verbData, args
	case "BDAT":
		return verbBdat, args
	case "RSET":
		return verbRset, args
	case "NOOP":
		return verbNoop, args
	case "QUIT":
		return verbQuit, args
	case "VRFY":
		return verbVrfy, args
	case "EXPN":
		return verbExpn, args
	case "HELP":
		return verbHelp, args
	case "AUTH":
		return verbAuth, args
	case "STARTTLS":
		return verbStarttls, args
	}
	return verbUnknown, args
}

// command does what a line says and replies.
func (c *conn) command(ctx context.Context, line []byte) {
	verb, args := cutVerb(line)
	switch verb {
	case verbMail:
		c.mail(ctx, args)
	case verbRcpt:
		c.rcpt(ctx, args)
	case verbData:
		c.data(ctx, args)
	case verbBdat:
		c.bdat(ctx, args)
	case verbEhlo:
		c.ehlo(args)
	case verbAuth:
		c.auth(ctx, args)
	case verbStarttls:
		c.startTLS(args)
	case verbQuit:
		c.quit(args)
	case verbUnknown:
		word, _, _ := bytes.Cut(line, []byte{' '})
		c.protocolError("unknown-command", string(word[:min(len(word), 20)]))
	case verbExpn: // RFC 5321 section 3.5.3 lets a site refuse it
		c.protocolError("unimplemented", "EXPN")
	default:
		c.idleCommand(verb, args)
	}
}

// idleCommand does the commands that move no mail, of which a client has only so many.
func (c *conn) idleCommand(verb verb, args []byte) {
	if c.idle++; c.idle > c.server.options.Limits.Idle {
		c.tooManyErrors()
		return
	}
	switch verb {
	case verbHelo:
		c.helo(args)
	case verbRset: // RFC 5321 section 4.1.1.5
		if len(args) > 0 {
			c.protocolError("arguments", "RSET")
			return
		}
		c.tx.end(c.session)
		c.reply("250 2.0.0 Ok\r\n")
	case verbNoop: // section 4.1.1.9
		c.reply("250 2.0.0 Ok\r\n")
	case verbVrfy: // section 3.5.3: nobody is told who exists here
		if len(args) == 0 {
			c.protocolError("arguments", "VRFY")
			return
		}
		c.reply("252 2.5.0 Send mail to find out\r\n")
	case verbHelp: // section 4.1.1.8
		c.reply("214 2.0.0 RFC 5321 tells more: EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY QUIT AUTH STARTTLS HELP\r\n")
	}
}

// quit is QUIT, RFC 5321 section 4.1.1.10.
func (c *conn) quit(args []byte) {
	if len(args) > 0 {
		c.protocolError("arguments", "QUIT")
		return
	}
	c.reply("221 2.0.0 Bye\r\n")
	c.end = ReasonQuit
}

// helo is HELO, RFC 5321 section 4.1.1.1.
func (c *conn) helo(args []byte) {
	if !c.isHelloName(args) {
		c.protocolError("arguments", "HELO")
		return
	}
	c.tx.end(c.session)
	c.info.Helo, c.info.ESMTP = string(args), false
	c.reply("250 ", c.server.options.Hostname, "\r\n")
}

// ehlo is EHLO, RFC 5321 section 4.1.1.1: it lists the extensions.
func (c *conn) ehlo(args []byte) {
	if c.idle++; c.idle > c.server.options.Limits.Idle {
		c.tooManyErrors()
		return
	}
	if !c.isHelloName(args) {
		c.protocolError("arguments", "EHLO")
		return
	}
	c.tx.end(c.session)
	c.info.Helo, c.info.ESMTP = string(args), true

	limits := &c.server.options.Limits
	c.reply("250-", c.server.options.Hostname, "\r\n")
	c.reply("250-SIZE ", strconv.FormatInt(limits.Message, 10), "\r\n")
	switch {
	case c.info.TLS != nil:
		c.reply("250-REQUIRETLS\r\n") // RFC 8689 section 3: only over TLS
	case c.server.conns.HasTLS():
		c.reply("250-STARTTLS\r\n")
	}
	if mechanisms := c.mechanisms(); len(mechanisms) > 0 {
		c.reply("250-AUTH")
		for _, m := range mechanisms {
			c.reply(" ", m)
		}
		c.reply("\r\n")
	}
	c.reply("250-LIMITS RCPTMAX=", strconv.Itoa(limits.Recipients), " MAILMAX=", strconv.Itoa(limits.Messages), "\r\n")
	c.reply("250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n250-BINARYMIME\r\n250-DSN\r\n250 ENHANCEDSTATUSCODES\r\n")
}

// isHelloName checks the argument of EHLO and HELO: a domain or an address literal. Mail programs
// have no name worth checking and say what their computer is called, so on submission any word will do.
func (c *conn) isHelloName(name []byte) bool {
	if len(name) == 0 || len(name) > address.MaxDomain {
		return false
	}
	if c.listener.Submission {
		for _, b := range name {
			if b <= ' ' || b == 0x7f {
				return false
			}
		}
		return true
	}
	_, err := address.ParseDomain(string(name), address.Options{})
	return err == nil
}

// startTLS is STARTTLS, RFC 3207.
func (c *conn) startTLS(args []byte) {
	switch {
	case len(args) > 0:
		c.protocolError("arguments", "STARTTLS")
	case c.info.TLS != nil || !c.info.ESMTP || c.info.SignedIn.Name != "":
		c.protocolError("sequence", "STARTTLS")
	case !c.server.conns.HasTLS():
		c.protocolError("unimplemented", "STARTTLS")
	default:
		c.tx.end(c.session)
		c.reply("220 2.0.0 Ready for TLS\r\n")
		if c.flush() != nil {
			c.stopFor(ReasonLost)
			return
		}
		// Section 4.2: what the client said without TLS, it has not said.
		c.info.Helo, c.info.ESMTP = "", false
		c.handshake()
	}
}

// later is a wait of which the end is not known.
func later(id cause.ID, params ...cause.Param) cause.Decision {
	return cause.Wait(id, time.Time{}, params...)
}

// refuse says a refusal.
func (c *conn) refuse(d cause.Decision) { c.refuseTraced(d, "") }

// refuseTraced says the refusal of a message, with the id of its trace. To a client on which nobody
// has signed in it says only what a stranger may know.
func (c *conn) refuseTraced(d cause.Decision, trace string) {
	said := d
	if c.info.SignedIn.Name == "" {
		said = c.server.options.Replies.ToStranger(d)
	}
	c.say(said, trace)
	c.server.options.Metrics.Refused(c.listener.Name, d.Cause)
}

// maxReply is the longest reply line without its CRLF (RFC 5321 section 4.5.3.1.5).
const maxReply = 510

// say appends the reply of a refusal. A reply of 421 ends the session (RFC 5321 section 4.2.1).
func (c *conn) say(d cause.Decision, trace string) {
	r := c.server.options.Replies.SMTP(d)
	start := len(c.out)
	c.out = strconv.AppendInt(c.out, int64(r.Code), 10)
	c.out = append(c.out, ' ')
	c.out = append(c.out, r.Enhanced...)
	c.out = append(c.out, ' ')
	c.out = append(c.out, r.Text...)
	if trace != "" && len(c.out)-start+len(" trace ")+len(trace) <= maxReply {
		c.out = append(c.out, " trace "...)
		c.out = append(c.out, trace...)
	}
	c.reply("\r\n")
	if r.Code == 421 {
		c.stopFor(ReasonRefused)
	}
}

// protocolError refuses a command that breaks the rules; too many of them end the session.
func (c *conn) protocolError(variant, command string) {
	if c.errors++; c.errors > c.server.options.Limits.Errors {
		c.tooManyErrors()
		return
	}
	d := cause.Refuse(cause.ClientProtocolError).As(variant)
	if command != "" {
		d.Params = []cause.Param{cause.Text("command", command)}
	}
	c.refuse(d)
}

// tooManyErrors refuses the command and ends the session.
func (c *conn) tooManyErrors() {
	d := later(cause.ClientProtocolError).As("too-many-errors")
	c.stopFor(ReasonErrors)
	c.refuse(d)
}
