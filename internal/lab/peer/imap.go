package peer

import (
	"cmp"
	"errors"
	"strings"
)

// IMAP is a server of IMAP4rev1 (RFC 3501) with what most have besides: IDLE, MOVE,
// UIDPLUS, QUOTA, SPECIAL-USE, ID, LITERAL+.
type IMAP struct {
	*Server
	options IMAPOptions
}

// IMAPOptions is what servers differ in.
type IMAPOptions struct {
	Mechanisms   []string // of AUTHENTICATE
	NoLogin      bool     // LOGIN is refused, LOGINDISABLED offered
	PlainAuth    bool     // sign-in without TLS is taken
	Capabilities []string // offered besides
	ID           string   // what ID answers, `"name" "north"`; "" is what the dialect says
	AppendLimit  int      // largest message, 0 for none
}

// NewIMAP returns a server for accounts.
func NewIMAP(name string, mail *Mail) *IMAP {
	s := &IMAP{Server: newServer(ProtoIMAP, name, mail), options: IMAPOptions{
		Mechanisms:   []string{"PLAIN", "LOGIN"},
		Capabilities: []string{"IDLE", "NAMESPACE", "UIDPLUS", "MOVE", "QUOTA", "SPECIAL-USE", "ID", "LITERAL+", "UNSELECT", "SASL-IR"},
	}}
	s.Server.session = s.run
	return s
}

// Configure changes the options for new commands.
func (s *IMAP) Configure(change func(*IMAPOptions)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.options)
}

func (s *IMAP) config() IMAPOptions {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.options
}

// imapSession is one session.
type imapSession struct {
	*conn
	s        *IMAP
	o        IMAPOptions
	box      *Mailbox // selected
	readOnly bool
	shown    []uint32 // UIDs in the order of their sequence numbers, as the client knows them
}

func (s *IMAP) run(c *conn) {
	x := &imapSession{conn: c, s: s, o: s.config()}
	c.caps = x.capabilities
	c.final(c.say("greeting")...)
	for {
		cmd, err := c.readCommand()
		if errors.Is(err, errSyntaxIMAP) {
			c.send(c.tag + " BAD Malformed command")
			continue
		}
		if err != nil {
			return
		}
		x.o = s.config()
		if cmd.verb == "LOGIN" {
			if !x.login(cmd) {
				return
			}
			continue
		}
		if cmd.verb != "AUTHENTICATE" {
			switch c.step(cmd.line) {
			case closed:
				return
			case handled:
				continue
			}
		}
		if !x.command(cmd) {
			return
		}
	}
}

// ok ends a command well.
func (x *imapSession) ok(text string) { x.final(x.tag + " OK " + text) }

// no ends a command with the words for an occasion.
func (x *imapSession) no(occasion string) { x.answerFinal(occasion) }

func (x *imapSession) bad(text string) { x.final(x.tag + " BAD " + text) }

// command runs a command of any state; false ends the session.
func (x *imapSession) command(cmd *imapCommand) bool {
	switch cmd.verb {
	case "CAPABILITY":
		x.data("* CAPABILITY " + x.capabilities())
		x.ok("done")
	case "NOOP", "CHECK":
		x.news()
		x.ok("done")
	case "ID":
		x.data("* ID (" + cmp.Or(x.o.ID, x.s.words().offers["imap-id"], `"name" "lab"`) + ")")
		x.ok("done")
	case "LOGOUT":
		x.data(x.say("bye")...)
		x.ok("done")
		return false
	case "STARTTLS":
		return x.starttls()
	case "AUTHENTICATE":
		return x.authenticate(cmd)
	default:
		if x.account == nil {
			x.bad("Command unknown or not allowed before sign-in")
			return true
		}
		return x.authenticated(cmd)
	}
	return true
}

func (x *imapSession) capabilities() string {
	words := []string{"IMAP4rev1"}
	words = append(words, x.o.Capabilities...)
	words = append(words, x.s.words().announces(ProtoIMAP)...)
	if x.offersSTARTTLS() {
		words = append(words, "STARTTLS")
	}
	if x.account == nil {
		if x.o.NoLogin || !x.allowed() {
			words = append(words, "LOGINDISABLED")
		}
		if x.allowed() {
			for _, m := range x.o.Mechanisms {
				words = append(words, "AUTH="+m)
			}
		}
	}
	return strings.Join(words, " ")
}

// allowed tells whether signing in is allowed on this connection.
func (x *imapSession) allowed() bool { return x.secure() || x.o.PlainAuth }

func (x *imapSession) starttls() bool {
	if !x.offersSTARTTLS() {
		x.bad("STARTTLS is not available")
		return true
	}
	x.ok("Begin TLS")
	return x.startTLS()
}

func (x *imapSession) login(cmd *imapCommand) bool {
	step := "LOGIN"
	switch {
	case len(cmd.args) != 2:
		x.bad("LOGIN wants a name and a password")
		return true
	case x.account != nil:
		x.bad("Already signed in")
		return true
	case !x.allowed():
		return x.refuse(step, "encryption-required")
	case x.o.NoLogin:
		return x.refuse(step, "oauth")
	}
	return x.conclude(step, "LOGIN", credentials{name: cmd.arg(0), secret: cmd.arg(1)}, nil, x.welcome)
}

func (x *imapSession) authenticate(cmd *imapCommand) bool {
	mechanism := strings.ToUpper(cmd.arg(0))
	step := "AUTHENTICATE " + mechanism
	if x.account != nil {
		x.bad("Already signed in")
		return true
	}
	if !x.allowed() {
		return x.refuse(step, "encryption-required")
	}
	creds, err := x.exchange(mechanism, cmd.arg(1), len(cmd.args) > 1, x.o.Mechanisms)
	return x.conclude(step, mechanism, creds, err, x.welcome)
}

func (x *imapSession) welcome() {
	if x.account == nil {
		x.no("bad-password")
		return
	}
	x.ok("[CAPABILITY " + x.capabilities() + "] Signed in")
}

// authenticated runs the commands that need an account.
func (x *imapSession) authenticated(cmd *imapCommand) bool {
	switch cmd.verb {
	case "ENABLE":
		x.data("* ENABLED")
		x.ok("done")
	case "NAMESPACE":
		x.data(`* NAMESPACE (("" "/")) NIL NIL`)
		x.ok("done")
	case "LIST", "LSUB":
		x.list(cmd)
	case "STATUS":
		x.status(cmd)
	case "SELECT", "EXAMINE":
		x.selectBox(cmd)
	case "CREATE", "DELETE", "RENAME", "SUBSCRIBE", "UNSUBSCRIBE":
		x.change(cmd)
	case "APPEND":
		x.appendMessage(cmd)
	case "GETQUOTA", "GETQUOTAROOT":
		x.quota(cmd)
	case "IDLE":
		return x.idle()
	default:
		if x.box == nil {
			x.bad("Command unknown, or no mailbox is selected")
			return true
		}
		x.selected(cmd)
	}
	return true
}
