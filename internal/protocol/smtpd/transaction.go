package smtpd

import (
	"bytes"
	"context"
	"errors"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/message/address"
)

// transaction is one mail transaction (RFC 5321 section 3.3).
type transaction struct {
	open     bool // MAIL was allowed
	mail     Mail
	rcpt     Rcpt // the last one
	accepted int  // recipients
	refused  int  // recipients
	content  content
}

// abort drops content that has not been committed.
func (t *transaction) abort() {
	if t.content.message != nil {
		t.content.message.Abort(cause.Allow())
		t.content.message = nil
	}
}

// end ends the transaction, if there is one.
func (t *transaction) end(s Session) {
	if !t.open {
		return
	}
	t.abort()
	*t = transaction{}
	s.Reset()
}

// mail is MAIL, RFC 5321 section 4.1.1.2.
func (c *conn) mail(ctx context.Context, args []byte) {
	switch {
	case c.info.Helo == "" || c.tx.open:
		c.protocolError("sequence", "MAIL")
		return
	case c.listener.RequireAuth && c.info.SignedIn.Name == "":
		c.refuse(c.signInFirst())
		return
	case c.messages >= c.server.options.Limits.Messages: // RFC 9422 section 4
		c.refuse(later(cause.LimitRequest, cause.Count("limit", int64(c.messages))))
		return
	}
	path, ok := cutPrefixFold(args, "FROM:")
	if !ok {
		c.protocolError("syntax", "MAIL")
		return
	}
	m := &c.tx.mail
	*m = Mail{}
	// Whether the path may be beyond ASCII is known only after the parameters.
	from, rest, err := address.ParseReversePath(string(path), address.Options{UTF8: true, LongLocal: true})
	if err != nil {
		c.pathError(err, cause.SenderAddressInvalid, path, "MAIL")
		return
	}
	m.From = from
	if fault := m.parseParams(rest, c); fault != "" {
		c.protocolError(fault, "MAIL")
		return
	}
	if !m.SMTPUTF8 && !isASCII(path[:len(path)-len(rest)]) {
		c.pathError(address.ErrUTF8, cause.SenderAddressInvalid, path, "MAIL")
		return
	}
	if limit := c.server.options.Limits.Message; m.Size > limit { // RFC 1870 section 6.1
		c.refuse(tooLarge(m.Size, limit))
		return
	}
	if d := c.session.Mail(ctx, m); !d.Allowed() {
		c.refuseTraced(d, c.session.Trace())
		return
	}
	c.tx.open = true
	c.reply("250 2.1.0 Ok\r\n")
}

// signInFirst is the decision on MAIL without AUTH: RFC 4954 section 6, and RFC 3207 section 4
// where signing in needs TLS first.
func (c *conn) signInFirst() cause.Decision {
	if c.info.TLS == nil && len(c.mechanisms()) == 0 {
		return cause.Refuse(cause.AuthPlaintextRefused).As("starttls-first")
	}
	return cause.Refuse(cause.ClientSMTPAuthOff)
}

func tooLarge(size, limit int64) cause.Decision {
	return cause.Refuse(cause.ContentTooLargeOwn, cause.Size("size", size), cause.Size("limit", limit))
}

// rcpt is RCPT, RFC 5321 section 4.1.1.3.
func (c *conn) rcpt(ctx context.Context, args []byte) {
	limit := c.server.options.Limits.Recipients
	switch {
	case !c.tx.open || c.tx.content.begun:
		c.protocolError("sequence", "RCPT")
		return
	case c.tx.refused >= limit:
		c.tooManyErrors()
		return
	case c.tx.accepted >= limit: // RFC 5321 section 4.5.3.1.10
		c.tx.refused++
		c.refuse(later(cause.LimitRecipients, cause.Count("limit", int64(limit))))
		return
	}
	path, ok := cutPrefixFold(args, "TO:")
	if !ok {
		c.protocolError("syntax", "RCPT")
		return
	}
	r := &c.tx.rcpt
	*r = Rcpt{}
	to, rest, err := address.ParseForwardPath(string(path), address.Options{UTF8: c.tx.mail.SMTPUTF8, LongLocal: true})
	if err != nil {
		c.tx.refused++
		c.pathError(err, cause.RecipientAddressInvalid, path, "RCPT")
		return
	}
	r.To = to
	if fault := r.parseParams(rest, c); fault != "" {
		c.protocolError(fault, "RCPT")
		return
	}
	if d := c.session.Rcpt(ctx, r); !d.Allowed() {
		c.tx.refused++
		c.refuseTraced(d, c.session.Trace())
		return
	}
	c.tx.accepted++
	c.reply("250 2.1.5 Ok\r\n")
}

// pathError refuses a path that cannot be read. Only one that has not even the shape of a path
// counts as a protocol error: a wrong address is the user's, not the program's.
func (c *conn) pathError(err error, invalid cause.ID, path []byte, command string) {
	shown := cause.Text("address", string(path[:min(len(path), address.MaxPath)]))
	switch {
	case errors.Is(err, address.ErrSyntax):
		c.protocolError("syntax", command)
	case errors.Is(err, address.ErrUTF8):
		c.refuse(cause.Refuse(cause.ClientUTF8Required, shown))
	default:
		c.refuse(cause.Refuse(invalid, shown))
	}
}

// cutPrefixFold cuts an upper-case prefix in any case.
func cutPrefixFold(s []byte, prefix string) ([]byte, bool) {
	if len(s) < len(prefix) || !bytes.EqualFold(s[:len(prefix)], []byte(prefix)) {
		return nil, false
	}
	return s[len(prefix):], true
}

func isASCII[T string | []byte](s T) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
