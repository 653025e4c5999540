package peer

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// defaultSize is the SIZE that SMTP servers offer at first.
const defaultSize = 25 << 20

// SMTP is a server for mail exchange and submission (RFC 5321, RFC 6409).
type SMTP struct {
	*Server
	options SMTPOptions
}

// SMTPOptions is what servers differ in.
type SMTPOptions struct {
	Submission bool     // takes mail only from who has signed in, for anywhere
	Size       int64    // largest message, 0 for no SIZE extension
	Mechanisms []string // of AUTH; none switches AUTH off
	PlainAuth  bool     // AUTH is offered without TLS too
	AnyFrom    bool     // the From address need not belong to the account
	Extensions []string // further lines of EHLO, "8BITMIME"
	MaxRcpt    int      // recipients of one message, 0 for no limit
	// Relay takes what goes to other domains, after it was acknowledged; nil loses it.
	Relay func(from, to string, data []byte)
}

// NewSMTP returns a server that relays for who has signed in, if it is for submission,
// or takes mail for its own accounts.
func NewSMTP(name string, mail *Mail, submission bool) *SMTP {
	s := &SMTP{Server: newServer(ProtoSMTP, name, mail), options: SMTPOptions{
		Submission: submission, Size: defaultSize,
		Extensions: []string{"PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "SMTPUTF8", "DSN"},
	}}
	if submission {
		s.options.Mechanisms = []string{"PLAIN", "LOGIN"}
	}
	s.Server.session = s.run
	return s
}

// Configure changes the options for new sessions and commands.
func (s *SMTP) Configure(change func(*SMTPOptions)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.options)
}

func (s *SMTP) config() SMTPOptions {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.options
}

// smtpSession is one session.
type smtpSession struct {
	*conn
	s       *SMTP
	o       SMTPOptions
	greeted bool
	from    *string
	to      []string
}

func (s *SMTP) run(c *conn) {
	x := &smtpSession{conn: c, s: s}
	c.final(c.say("greeting")...)
	for {
		line, err := c.line(false)
		if err != nil {
			return
		}
		x.o = s.config()
		verb, rest, _ := strings.Cut(line, " ")
		verb = strings.ToUpper(verb)
		if verb != "AUTH" {
			switch c.step(line) {
			case closed:
				return
			case handled:
				continue
			}
		}
		if !x.command(verb, rest) {
			return
		}
	}
}

// command does what a command asks; false ends the session.
func (x *smtpSession) command(verb, rest string) bool {
	switch verb {
	case "EHLO", "HELO":
		x.hello(verb)
	case "STARTTLS":
		return x.starttls()
	case "AUTH":
		return x.auth(rest)
	case "MAIL":
		x.mail(rest)
	case "RCPT":
		x.rcpt(rest)
	case "DATA":
		return x.data1()
	case "RSET":
		x.from, x.to = nil, nil
		x.final("250 2.0.0 Ok")
	case "NOOP":
		x.final("250 2.0.0 Ok")
	case "VRFY":
		x.final("252 2.0.0 Cannot verify")
	case "QUIT":
		x.final(x.say("bye")...)
		return false
	default:
		x.final("500 5.5.2 Command not recognized")
	}
	return true
}

// hello answers EHLO with what the options offer (RFC 5321 section 4.1.1.1).
func (x *smtpSession) hello(verb string) {
	x.greeted, x.from, x.to = true, nil, nil
	if verb == "HELO" {
		x.final("250 " + x.s.Name)
		return
	}
	lines := append([]string{x.s.Name}, x.o.Extensions...)
	lines = append(lines, x.s.words().announces(ProtoSMTP)...)
	if !x.s.words().Enhanced {
		lines = without(lines, "ENHANCEDSTATUSCODES")
	}
	if x.o.Size > 0 {
		lines = append(lines, fmt.Sprintf("SIZE %d", x.o.Size))
	}
	if x.offersSTARTTLS() {
		lines = append(lines, "STARTTLS")
	}
	if x.offersAuth() {
		lines = append(lines, "AUTH "+strings.Join(x.o.Mechanisms, " "))
	}
	for i, l := range lines {
		lines[i] = "250-" + l
	}
	lines[len(lines)-1] = "250 " + lines[len(lines)-1][4:]
	x.final(lines...)
}

func without(list []string, word string) []string {
	var out []string
	for _, l := range list {
		if l != word {
			out = append(out, l)
		}
	}
	return out
}

func (x *smtpSession) offersAuth() bool {
	return len(x.o.Mechanisms) > 0 && (x.secure() || x.o.PlainAuth)
}

func (x *smtpSession) starttls() bool {
	if !x.offersSTARTTLS() {
		x.final("502 5.5.1 Command not implemented")
		return true
	}
	x.final("220 2.0.0 Ready to start TLS")
	x.greeted, x.user, x.account = false, "", nil
	return x.startTLS()
}

// auth runs an exchange (RFC 4954 section 4).
func (x *smtpSession) auth(rest string) bool {
	mechanism, initial, hasInitial := strings.Cut(rest, " ")
	mechanism = strings.ToUpper(mechanism)
	switch {
	case len(x.o.Mechanisms) == 0:
		x.final("502 5.5.1 Command not implemented")
		return true
	case !x.offersAuth():
		return x.refuse("AUTH "+mechanism, "encryption-required")
	case x.account != nil:
		x.final("503 5.5.1 Already authenticated")
		return true
	}
	creds, err := x.exchange(mechanism, initial, hasInitial, x.o.Mechanisms)
	return x.conclude("AUTH "+mechanism, mechanism, creds, err, func() { x.final("235 2.7.0 Authentication successful") })
}

// refuse answers a step with an occasion, unless the script has something else.
func (c *conn) refuse(step, occasion string) bool {
	switch c.step(step) {
	case closed:
		return false
	case proceed:
		c.answerFinal(occasion)
	}
	return true
}

// answerFinal replies with an occasion, tagged where the protocol is.
func (c *conn) answerFinal(occasion string) {
	lines := c.say(occasion)
	if c.s.proto == ProtoIMAP {
		lines = tagged(c.tag, lines)
	}
	c.final(lines...)
}

func (x *smtpSession) mail(rest string) {
	from, params, ok := path(rest, "FROM:")
	switch {
	case !ok:
		x.final("501 5.5.4 Syntax: MAIL FROM:<address>")
		return
	case !x.greeted:
		x.final("503 5.5.1 Send EHLO first")
		return
	case x.o.Submission && x.account == nil:
		x.final(x.say("auth-required")...)
		return
	case x.from != nil:
		x.final("503 5.5.1 Nested MAIL command")
		return
	case x.o.Submission && !x.o.AnyFrom && from != "" && !strings.EqualFold(from, x.account.Address):
		x.final(x.say("not-owned")...)
		return
	}
	for _, p := range strings.Fields(strings.ToUpper(params)) {
		if size, found := strings.CutPrefix(p, "SIZE="); found {
			if n, err := strconv.ParseInt(size, 10, 64); err == nil && x.o.Size > 0 && n > x.o.Size {
				x.final(x.say("too-large")...)
				return
			}
		}
	}
	x.from, x.to = &from, nil
	x.final("250 2.1.0 Ok")
}

func (x *smtpSession) rcpt(rest string) {
	to, _, ok := path(rest, "TO:")
	switch {
	case !ok || to == "":
		x.final("501 5.5.4 Syntax: RCPT TO:<address>")
	case x.from == nil:
		x.final("503 5.5.1 Need MAIL command")
	case x.o.MaxRcpt > 0 && len(x.to) >= x.o.MaxRcpt:
		x.final(x.say("too-many-recipients")...)
	case !x.s.Mail.local(to) && x.account == nil:
		x.final(x.say("relay-denied")...)
	case x.s.Mail.local(to) && x.s.Mail.account(to) == nil && x.instead == nil:
		x.final(x.say("no-such-user")...)
	default:
		x.to = append(x.to, to)
		x.final("250 2.1.5 Ok")
	}
}

// data1 takes a message (RFC 5321 section 4.1.1.4).
func (x *smtpSession) data1() bool {
	if len(x.to) == 0 {
		x.final("503 5.5.1 Need RCPT command")
		return true
	}
	x.final("354 End data with <CR><LF>.<CR><LF>")
	var b strings.Builder
	for {
		x.raw.SetReadDeadline(time.Now().Add(sessionTime))
		line, err := x.r.ReadString('\n')
		if err != nil || b.Len() > maxLiteral {
			return false
		}
		if line == ".\r\n" {
			break
		}
		b.WriteString(strings.TrimPrefix(line, "."))
	}
	x.s.note(x.conn, FromClient, fmt.Sprintf("(%d octets)", b.Len()))
	from, to, size := *x.from, x.to, int64(b.Len())
	x.from, x.to = nil, nil
	switch x.step("MESSAGE") {
	case closed:
		return false
	case handled:
		return true
	}
	if x.o.Size > 0 && size > x.o.Size {
		x.final(x.say("too-large")...)
		return true
	}
	x.accept(from, to, []byte(b.String()))
	return true
}

// accept delivers to the accounts there are, and relays what goes elsewhere.
func (x *smtpSession) accept(from string, to []string, data []byte) {
	var elsewhere []string
	for _, address := range to {
		a := x.s.Mail.account(address)
		if a == nil {
			elsewhere = append(elsewhere, address)
			continue
		}
		if _, _, why := x.s.Mail.deliver(a, "INBOX", data, nil, time.Now()); why != "" {
			x.final(x.say(why)...)
			return
		}
	}
	x.s.count(func(n *Counts) { n.Messages++ })
	x.final(fmt.Sprintf("250 2.0.0 Ok: queued as %X", 0x4000+x.id))
	if x.o.Relay == nil {
		return
	}
	for _, address := range elsewhere {
		x.s.wg.Go(func() { x.o.Relay(from, address, data) })
	}
}

// path reads "FROM:<address> parameters".
func path(s, prefix string) (address, params string, ok bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return "", "", false
	}
	s = strings.TrimSpace(s[len(prefix):])
	if !strings.HasPrefix(s, "<") {
		return "", "", false
	}
	address, params, ok = strings.Cut(s[1:], ">")
	return address, params, ok
}
