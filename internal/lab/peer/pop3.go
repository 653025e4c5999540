package peer

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// POP3 is a server over the INBOX (RFC 1939, RFC 2449, RFC 2595, RFC 5034).
type POP3 struct {
	*Server
	options POP3Options
	locks   map[string]bool // accounts with an open session
}

// POP3Options is what servers differ in.
type POP3Options struct {
	Mechanisms []string // of AUTH
	PlainAuth  bool     // sign-in without TLS is taken
	NoLock     bool     // several sessions may have one mailbox
}

// NewPOP3 returns a server for accounts.
func NewPOP3(name string, mail *Mail) *POP3 {
	s := &POP3{Server: newServer(ProtoPOP3, name, mail), options: POP3Options{Mechanisms: []string{"PLAIN"}}, locks: make(map[string]bool)}
	s.Server.session = s.run
	return s
}

// Configure changes the options for new commands.
func (s *POP3) Configure(change func(*POP3Options)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.options)
}

func (s *POP3) config() POP3Options {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.options
}

// lock takes the mailbox of an account for one session.
func (s *POP3) lock(address string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.locks[address] && !s.options.NoLock {
		return false
	}
	s.locks[address] = true
	return true
}

func (s *POP3) unlock(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.locks, address)
}

// popSession is one session.
type popSession struct {
	*conn
	s       *POP3
	o       POP3Options
	name    string // of USER
	locked  string
	drop    []*Message
	deleted map[int]bool
}

func (s *POP3) run(c *conn) {
	x := &popSession{conn: c, s: s, deleted: make(map[int]bool)}
	defer func() {
		if x.locked != "" {
			s.unlock(x.locked)
		}
	}()
	c.final(c.say("greeting")...)
	for {
		line, err := c.line(false)
		if err != nil {
			return
		}
		x.o = s.config()
		verb, rest, _ := strings.Cut(line, " ")
		verb = strings.ToUpper(verb)
		if verb != "PASS" && verb != "AUTH" {
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
func (x *popSession) command(verb, rest string) bool {
	switch verb {
	case "CAPA":
		x.capa()
	case "QUIT":
		x.quit()
		return false
	case "STLS":
		if !x.offersSTARTTLS() {
			x.final("-ERR not available")
			return true
		}
		x.final("+OK begin TLS")
		return x.startTLS()
	case "USER":
		if !x.secure() && !x.o.PlainAuth {
			x.answerFinal("encryption-required")
			return true
		}
		x.name = rest
		x.final("+OK")
	case "PASS":
		return x.conclude("PASS", "USER", credentials{name: x.name, secret: rest}, nil, x.open)
	case "AUTH":
		return x.auth(rest)
	default:
		if x.account == nil {
			x.final("-ERR sign in first")
			return true
		}
		x.transaction(verb, rest)
	}
	return true
}

func (x *popSession) capa() {
	lines := append([]string{"+OK", "TOP", "UIDL", "RESP-CODES", "PIPELINING"}, x.s.words().announces(ProtoPOP3)...)
	if x.offersSTARTTLS() {
		lines = append(lines, "STLS")
	}
	if x.secure() || x.o.PlainAuth {
		lines = append(lines, "USER")
		if len(x.o.Mechanisms) > 0 {
			lines = append(lines, "SASL "+strings.Join(x.o.Mechanisms, " "))
		}
	}
	x.final(append(lines, ".")...)
}

func (x *popSession) auth(rest string) bool {
	mechanism, initial, has := strings.Cut(rest, " ")
	mechanism = strings.ToUpper(mechanism)
	if !x.secure() && !x.o.PlainAuth {
		return x.refuse("AUTH "+mechanism, "encryption-required")
	}
	creds, err := x.exchange(mechanism, initial, has, x.o.Mechanisms)
	return x.conclude("AUTH "+mechanism, mechanism, creds, err, x.open)
}

// open takes the mailbox after signing in.
func (x *popSession) open() {
	if x.account == nil {
		x.answerFinal("bad-password")
		return
	}
	if !x.s.lock(x.account.Address) {
		x.account = nil
		x.answerFinal("in-use")
		return
	}
	x.locked = x.account.Address
	x.s.Mail.mu.Lock()
	x.drop = slices.Clone(x.account.Mailbox("INBOX").Messages)
	x.s.Mail.mu.Unlock()
	x.final(fmt.Sprintf("+OK %d messages", len(x.drop)))
}

func (x *popSession) transaction(verb, rest string) {
	number, lines, _ := strings.Cut(rest, " ")
	switch verb {
	case "STAT":
		count, octets := x.sum()
		x.final(fmt.Sprintf("+OK %d %d", count, octets))
	case "NOOP":
		x.final("+OK")
	case "RSET":
		clear(x.deleted)
		x.final("+OK")
	case "LIST", "UIDL":
		x.listing(verb, number)
	case "RETR", "TOP":
		if m := x.message(number); m != nil {
			x.retrieve(m, verb == "TOP", lines)
		}
	case "DELE":
		if m := x.message(number); m != nil {
			i, _ := strconv.Atoi(number)
			x.deleted[i-1] = true
			x.final("+OK deleted")
		}
	default:
		x.final("-ERR unknown command")
	}
}

func (x *popSession) sum() (count, octets int) {
	for i, m := range x.drop {
		if !x.deleted[i] {
			count, octets = count+1, octets+len(m.Data)
		}
	}
	return count, octets
}

// message returns the message of a number, or answers that there is none.
func (x *popSession) message(number string) *Message {
	i, err := strconv.Atoi(number)
	if err != nil || i < 1 || i > len(x.drop) || x.deleted[i-1] {
		x.final("-ERR no such message")
		return nil
	}
	return x.drop[i-1]
}

func (x *popSession) listing(verb, number string) {
	row := func(i int) string {
		if verb == "UIDL" {
			return fmt.Sprintf("%d u%d", i+1, x.drop[i].UID)
		}
		return fmt.Sprintf("%d %d", i+1, len(x.drop[i].Data))
	}
	if number != "" {
		if x.message(number) != nil {
			i, _ := strconv.Atoi(number)
			x.final("+OK " + row(i-1))
		}
		return
	}
	lines := []string{"+OK"}
	for i := range x.drop {
		if !x.deleted[i] {
			lines = append(lines, row(i))
		}
	}
	x.final(append(lines, ".")...)
}

func (x *popSession) retrieve(m *Message, top bool, lines string) {
	octets := m.Data
	if top {
		n, _ := strconv.Atoi(lines)
		octets = m.section("[HEADER]")
		for _, l := range bytes.SplitAfter(m.section("[TEXT]"), []byte("\r\n")) {
			if n--; n < 0 {
				break
			}
			octets = append(bytes.Clone(octets), l...)
		}
	}
	out := []string{"+OK"}
	for _, l := range strings.Split(strings.TrimSuffix(string(octets), "\r\n"), "\r\n") {
		if strings.HasPrefix(l, ".") {
			l = "." + l // RFC 1939 section 3
		}
		out = append(out, l)
	}
	x.final(append(out, ".")...)
}

// quit removes what was deleted (RFC 1939 section 6).
func (x *popSession) quit() {
	if x.account != nil && len(x.deleted) > 0 {
		x.s.Mail.mu.Lock()
		inbox := x.account.Mailbox("INBOX")
		for i := range x.deleted {
			inbox.Messages = slices.DeleteFunc(inbox.Messages, func(m *Message) bool { return m == x.drop[i] })
		}
		x.s.Mail.tell()
		x.s.Mail.mu.Unlock()
	}
	x.final(x.say("bye")...)
}
