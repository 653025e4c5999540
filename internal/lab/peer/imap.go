package peer

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
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
	if c.instead != nil && strings.HasPrefix(c.instead[len(c.instead)-1], "* PREAUTH") {
		c.account = s.Mail.account(c.user)
	}
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
	case "CREATE", "DELETE", "SUBSCRIBE", "UNSUBSCRIBE":
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

func (x *imapSession) list(cmd *imapCommand) {
	pattern := strings.ToUpper(cmd.arg(0) + cmd.arg(1))
	x.s.Mail.mu.Lock()
	var lines []string
	for _, b := range x.account.boxes {
		if cmd.verb == "LSUB" && !b.Subscribed || !glob(pattern, strings.ToUpper(b.Name)) {
			continue
		}
		lines = append(lines, fmt.Sprintf(`* %s (\HasNoChildren%s) "/" %q`, cmd.verb, strings.TrimRight(" "+b.Role, " "), b.Name))
	}
	x.s.Mail.mu.Unlock()
	x.data(lines...)
	x.ok("done")
}

// glob matches LIST patterns, in which * and % stand for anything here.
func glob(pattern, name string) bool {
	before, after, wild := strings.Cut(strings.ReplaceAll(pattern, "%", "*"), "*")
	if !wild {
		return pattern == name
	}
	rest, ok := strings.CutPrefix(name, before)
	if !ok {
		return false
	}
	for i := 0; i <= len(rest); i++ {
		if glob(after, rest[i:]) {
			return true
		}
	}
	return false
}

func (x *imapSession) status(cmd *imapCommand) {
	x.s.Mail.mu.Lock()
	b := x.account.Mailbox(cmd.arg(0))
	var items []string
	if b != nil && len(cmd.args) > 1 {
		for _, item := range cmd.args[1].list {
			if n, known := b.counted(strings.ToUpper(item.text)); known {
				items = append(items, fmt.Sprintf("%s %d", strings.ToUpper(item.text), n))
			}
		}
	}
	x.s.Mail.mu.Unlock()
	if b == nil {
		x.no("no-mailbox")
		return
	}
	x.data(fmt.Sprintf("* STATUS %q (%s)", b.Name, strings.Join(items, " ")))
	x.ok("done")
}

func (b *Mailbox) counted(item string) (uint32, bool) {
	switch item {
	case "MESSAGES":
		return uint32(len(b.Messages)), true
	case "UIDNEXT":
		return b.Next, true
	case "UIDVALIDITY":
		return b.Validity, true
	case "UNSEEN":
		n := uint32(0)
		for _, m := range b.Messages {
			if !m.has(`\Seen`) {
				n++
			}
		}
		return n, true
	case "RECENT":
		return 0, true
	}
	return 0, false
}

func (m *Message) has(flag string) bool {
	return slices.ContainsFunc(m.Flags, func(f string) bool { return strings.EqualFold(f, flag) })
}

func (x *imapSession) selectBox(cmd *imapCommand) {
	x.s.Mail.mu.Lock()
	b := x.account.Mailbox(cmd.arg(0))
	x.box, x.shown = b, nil
	var lines []string
	if b != nil {
		for _, m := range b.Messages {
			x.shown = append(x.shown, m.UID)
		}
		lines = []string{
			`* FLAGS (\Answered \Flagged \Deleted \Seen \Draft)`,
			fmt.Sprintf("* %d EXISTS", len(b.Messages)), "* 0 RECENT",
			fmt.Sprintf("* OK [UIDVALIDITY %d] valid", b.Validity), fmt.Sprintf("* OK [UIDNEXT %d] next", b.Next),
			`* OK [PERMANENTFLAGS (\Answered \Flagged \Deleted \Seen \Draft \*)] kept`,
		}
	}
	x.s.Mail.mu.Unlock()
	if b == nil {
		x.no("no-mailbox")
		return
	}
	x.data(lines...)
	x.readOnly = cmd.verb == "EXAMINE"
	if x.readOnly {
		x.ok("[READ-ONLY] done")
		return
	}
	x.ok("[READ-WRITE] done")
}

func (x *imapSession) change(cmd *imapCommand) {
	name := cmd.arg(0)
	x.s.Mail.mu.Lock()
	a := x.account
	b := a.Mailbox(name)
	done := true
	switch {
	case cmd.verb == "CREATE" && b == nil && name != "":
		a.AddMailbox(name, false)
	case cmd.verb == "DELETE" && b != nil && b.Name != "INBOX":
		a.boxes = slices.DeleteFunc(a.boxes, func(o *Mailbox) bool { return o == b })
	case strings.HasSuffix(cmd.verb, "SUBSCRIBE") && b != nil:
		b.Subscribed = cmd.verb == "SUBSCRIBE"
	default:
		done = false
	}
	x.s.Mail.mu.Unlock()
	if !done {
		x.final(x.tag + " NO Cannot " + strings.ToLower(cmd.verb) + " this mailbox")
		return
	}
	x.ok("done")
}

// appendMessage takes APPEND mailbox [flags] [date] literal (RFC 9051 section 6.3.12).
func (x *imapSession) appendMessage(cmd *imapCommand) {
	if len(cmd.args) < 2 {
		x.bad("APPEND wants a mailbox and a message")
		return
	}
	var flags []string
	for _, a := range cmd.args[1 : len(cmd.args)-1] {
		for _, f := range a.list {
			flags = append(flags, f.text)
		}
	}
	text := cmd.args[len(cmd.args)-1].text
	if x.o.AppendLimit > 0 && len(text) > x.o.AppendLimit {
		x.no("too-large")
		return
	}
	uid, validity, why := x.s.Mail.deliver(x.account, cmd.arg(0), []byte(text), flags, time.Now())
	switch why {
	case "":
		x.s.count(func(n *Counts) { n.Messages++ })
		x.ok(fmt.Sprintf("[APPENDUID %d %d] done", validity, uid))
	case "no-mailbox":
		x.final(x.tag + " NO [TRYCREATE] No such mailbox")
	default:
		x.no(why)
	}
}

// quota answers in units of 1024 octets (RFC 9208).
func (x *imapSession) quota(cmd *imapCommand) {
	x.s.Mail.mu.Lock()
	used, limit := x.account.used(), x.account.Quota
	x.s.Mail.mu.Unlock()
	var lines []string
	if cmd.verb == "GETQUOTAROOT" {
		lines = append(lines, fmt.Sprintf(`* QUOTAROOT %q ""`, cmd.arg(0)))
	}
	if limit > 0 {
		lines = append(lines, fmt.Sprintf(`* QUOTA "" (STORAGE %d %d)`, (used+1023)/1024, (limit+1023)/1024))
	}
	x.data(lines...)
	x.ok("done")
}

// idle tells what is new until the client has heard enough (RFC 2177).
func (x *imapSession) idle() bool {
	x.send("+ idling")
	type said struct {
		line string
		err  error
	}
	heard := make(chan said, 1)
	go func() {
		line, err := x.line(false)
		heard <- said{line, err}
	}()
	for {
		next := x.s.Mail.next()
		x.news()
		select {
		case <-next:
		case h := <-heard:
			if h.err != nil {
				return false
			}
			if !strings.EqualFold(h.line, "DONE") {
				x.bad("DONE expected")
				return true
			}
			x.ok("done")
			return true
		}
	}
}

// news tells what came and went since the client last heard.
func (x *imapSession) news() {
	if x.box == nil {
		return
	}
	x.s.Mail.mu.Lock()
	present := make(map[uint32]bool)
	for _, m := range x.box.Messages {
		present[m.UID] = true
	}
	var lines []string
	for i := len(x.shown) - 1; i >= 0; i-- {
		if !present[x.shown[i]] {
			lines = append(lines, fmt.Sprintf("* %d EXPUNGE", i+1))
			x.shown = slices.Delete(x.shown, i, i+1)
		}
	}
	before := len(x.shown)
	for _, m := range x.box.Messages {
		if !slices.Contains(x.shown, m.UID) {
			x.shown = append(x.shown, m.UID)
		}
	}
	x.s.Mail.mu.Unlock()
	if len(x.shown) > before {
		lines = append(lines, fmt.Sprintf("* %d EXISTS", len(x.shown)))
	}
	if len(lines) > 0 {
		x.data(lines...)
	}
}
