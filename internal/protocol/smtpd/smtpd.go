// Package smtpd is the SMTP and submission server: what RFC 5321, RFC 6409 and the extensions say,
// line by line, and no policy. A Backend decides; every refusal goes out through the catalogue of
// causes.
//
// Extensions: PIPELINING (RFC 2920), SIZE (1870), 8BITMIME (6152), SMTPUTF8 (6531), CHUNKING and
// BINARYMIME (3030), DSN (3461), ENHANCEDSTATUSCODES (2034), STARTTLS (3207), REQUIRETLS (8689),
// LIMITS (9422), AUTH (4954).
package smtpd

import (
	"context"
	"crypto/tls"
	"io"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/netserve"
	"github.com/postiljon/postiljon/internal/sasl"
)

// Backend decides on connections.
type Backend interface {
	// NewSession decides on a connection before the greeting; with implicit TLS, after the
	// handshake. The Session is used only when the decision allows. The server keeps c current
	// until Session.Close returns; only methods of the Session may read it.
	NewSession(ctx context.Context, c *Conn) (Session, cause.Decision)
}

// Session is one connection as the backend sees it. One goroutine calls it. Its context ends when
// the server's patience with the connection does: when a stop has taken too long.
//
// A decision whose reply is 421 ends the connection.
type Session interface {
	// Verifier checks sign-ins; nil offers no AUTH on this connection.
	Verifier() sasl.Verifier
	// SignedIn tells that AUTH succeeded, and can still refuse it. Conn.SignedIn is set only after.
	SignedIn(ctx context.Context, id sasl.Identity) cause.Decision

	// Mail begins a transaction. When it allows, Reset ends the transaction.
	Mail(ctx context.Context, m *Mail) cause.Decision
	// Rcpt adds a recipient.
	Rcpt(ctx context.Context, r *Rcpt) cause.Decision
	// Data begins the content; at least one recipient has been allowed and no more will come.
	// When it allows, exactly one of Commit and Abort of the Message ends it.
	Data(ctx context.Context) (Message, cause.Decision)
	// Trace is the id of the transaction's trace, as in Receipt, from Mail on, also where that refuses: replies of refusals have it.
	// It may be empty.
	Trace() string
	// Reset ends the transaction: after the content, whatever became of it, and at RSET, EHLO,
	// HELO and STARTTLS.
	Reset()

	// Close tells that the connection is over, within a transaction or not. It is called once.
	Close(reason Reason)
}

// Message takes the content of one message, as it arrives. The server keeps nothing of it.
type Message interface {
	// Write takes content with dots unstuffed. Every line ends in CRLF, except that with BDAT the
	// last line may lack it, and that a message of BodyBinaryMIME is any octets. It must not keep
	// p. After an error the rest of the content is read and dropped and Abort is called; the client
	// is told the decision of a *Refused, or else provider.storage-failed.
	io.Writer
	// Commit takes responsibility for the message. It is durable when the decision allows; only
	// then the client is told. The Receipt's trace goes into the reply either way.
	Commit(ctx context.Context) (Receipt, cause.Decision)
	// Abort drops what was written. The decision is why the message is refused; it allows if the client
	// gave up.
	Abort(cause.Decision)
}

// Receipt is what Commit says besides its decision.
type Receipt struct {
	// Trace is the id of the message's trace, printable US-ASCII without spaces; may be empty.
	Trace string
}

// Refused is an error of Message.Write that carries its decision.
type Refused struct {
	Decision cause.Decision
	Err      error // private; may be nil
}

func (r *Refused) Error() string {
	if r.Err != nil {
		return "smtpd: " + string(r.Decision.Cause) + ": " + r.Err.Error()
	}
	return "smtpd: " + string(r.Decision.Cause)
}

func (r *Refused) Unwrap() error { return r.Err }

// Conn is what is known of a connection.
type Conn struct {
	netserve.Conn
	// Submission: the listener is for submission (RFC 6409), not for mail from other servers.
	Submission bool
	// Open counts the connections now open from the same client, this one included: the same IPv4
	// address, or the same /64 of IPv6.
	Open int
	// TLS is the state of TLS, nil without.
	TLS *tls.ConnectionState
	// Helo is the argument of the last EHLO or HELO, as it came; "" before.
	Helo string
	// ESMTP: it was EHLO.
	ESMTP bool
	// SignedIn is who signed in; the zero Identity if nobody did.
	SignedIn sasl.Identity
	// Mechanism is the SASL mechanism of the sign-in.
	Mechanism string
}

// Protocol names how the mail is transferred, as the "with" of a Received field says it (RFC 3848,
// RFC 6531 section 4.3).
func (c *Conn) Protocol(smtputf8 bool) string {
	return message.Protocol(c.ESMTP, c.TLS != nil, c.SignedIn.Name != "", smtputf8)
}

// Body is the BODY parameter of MAIL.
type Body uint8

const (
	Body7Bit       Body = iota // RFC 6152; also when not given
	Body8BitMIME               // RFC 6152
	BodyBinaryMIME             // RFC 3030: bare CR and LF are content
)

// Mail is a MAIL command. The server uses it again for the next one: a Session copies what it keeps.
type Mail struct {
	From       address.Address // the zero Address is the null reverse-path
	Size       int64           // RFC 1870; 0 if not given
	Body       Body
	SMTPUTF8   bool   // RFC 6531
	RequireTLS bool   // RFC 8689
	Ret        string // RFC 3461: "FULL", "HDRS" or ""
	EnvID      string // RFC 3461, decoded from xtext
	Auth       string // RFC 4954 section 5, decoded from xtext: "<>", an address, or "" if not given
}

// Notify is the NOTIFY parameter of RCPT (RFC 3461 section 4.1): a set. The zero value is the
// default: failures, and delays if the server likes.
type Notify uint8

const (
	NotifyNever Notify = 1 << iota // alone
	NotifySuccess
	NotifyFailure
	NotifyDelay
)

// Rcpt is a RCPT command. The server uses it again for the next one.
type Rcpt struct {
	To     address.Address // a bare "<Postmaster>" has no domain
	Notify Notify
	// ORcpt is the ORCPT parameter (RFC 3461 section 4.2): type, ";" and the address decoded from
	// xtext or, with type "utf-8", from RFC 6533; "" if not given.
	ORcpt string
}

// Reason says how a connection ended.
type Reason string

const (
	ReasonQuit    Reason = "quit"    // the client said QUIT
	ReasonLost    Reason = "lost"    // the client was gone
	ReasonTimeout Reason = "timeout" // the client was silent for too long
	ReasonRefused Reason = "refused" // a refusal ended it
	ReasonErrors  Reason = "errors"  // too many errors, or one that leaves no common ground
	ReasonTLS     Reason = "tls"     // a TLS handshake failed
	ReasonStop    Reason = "stop"    // the server stops
	ReasonFault   Reason = "fault"   // a fault of the server
)
