package peer

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Override is a step of a server that goes otherwise than it would.
type Override struct {
	s       *Server
	step    string
	actions []Action

	// guarded by s.mu
	account string
	client  netip.Prefix
	port    int
	skip    int
	times   int
	seen    int
	hits    int
}

// Action is something that a server does at a step.
type Action struct {
	run func(c *conn) outcome
}

type outcome int

const (
	proceed outcome = iota // the server does what it would have done
	handled                // the step is over
	closed                 // the connection is over
)

// On lets the server do something else at a step. The step is the beginning of a
// command in any case, as far as it matters: "RCPT", "RCPT TO:<anna@north.example>",
// "UID FETCH", "AUTH PLAIN". Four have no command: "CONNECT" is the greeting, "TLS"
// the handshake, "MESSAGE" what follows the final dot of DATA, and "SIGN-IN" any
// sign-in of any protocol. Sign-ins come to their step when name and password are
// there; in IMAP they are "LOGIN" and "AUTHENTICATE PLAIN", in SMTP and POP3 "AUTH
// PLAIN", in POP3 also "PASS".
//
// Actions run in order until one of them answers. Where several overrides fit, the
// one made last counts.
func (s *Server) On(step string, actions ...Action) *Override {
	o := &Override{s: s, step: strings.ToUpper(step), actions: actions}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = append(s.script, o)
	return o
}

// Off forgets all overrides.
func (s *Server) Off() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = nil
}

func (o *Override) set(change func()) *Override {
	o.s.mu.Lock()
	defer o.s.mu.Unlock()
	change()
	return o
}

// For limits the override to sessions that sign in, or have, with a name.
func (o *Override) For(account string) *Override { return o.set(func() { o.account = account }) }

// From limits the override to clients of an address or network, "203.0.113.11" or
// "203.0.113.0/24".
func (o *Override) From(client string) *Override {
	p, err := netip.ParsePrefix(client)
	if err != nil {
		if a, addrErr := netip.ParseAddr(client); addrErr == nil {
			p = netip.PrefixFrom(a, a.BitLen())
		}
	}
	return o.set(func() { o.client = p })
}

// At limits the override to one port of the server.
func (o *Override) At(port int) *Override { return o.set(func() { o.port = port }) }

// Skip leaves the first n times alone.
func (o *Override) Skip(n int) *Override { return o.set(func() { o.skip = n }) }

// Times ends the override after n times.
func (o *Override) Times(n int) *Override { return o.set(func() { o.times = n }) }

// Remove ends the override.
func (o *Override) Remove() { o.set(func() { o.times, o.seen = -1, 0 }) }

// Hits returns how often the override was at work.
func (o *Override) Hits() int {
	o.s.mu.Lock()
	defer o.s.mu.Unlock()
	return o.hits
}

// applies tells whether the override is about this step of this session, and counts.
func (o *Override) applies(c *conn, step string) bool {
	if o.times < 0 || !o.at(step) || o.account != "" && !strings.EqualFold(o.account, c.user) {
		return false
	}
	if o.port != 0 && o.port != c.port || o.client.IsValid() && !o.client.Contains(c.client) {
		return false
	}
	o.seen++
	if o.seen <= o.skip || o.times > 0 && o.seen > o.skip+o.times {
		return false
	}
	o.hits++
	return true
}

// at tells whether the override is made for a step.
func (o *Override) at(step string) bool {
	if o.step == anySignIn {
		verb, _, _ := strings.Cut(step, " ")
		return slices.Contains([]string{"LOGIN", "AUTHENTICATE", "AUTH", "PASS"}, verb)
	}
	rest, ok := strings.CutPrefix(step, o.step)
	// "AUTH" is not the beginning of "AUTHENTICATE".
	return ok && (rest == "" || rest[0] == ' ' || strings.HasSuffix(o.step, ">"))
}

const anySignIn = "SIGN-IN"

// step lets the script have its say.
func (c *conn) step(command string) outcome {
	c.instead = nil
	command = strings.ToUpper(command)
	var actions []Action
	c.s.mu.Lock()
	for i := len(c.s.script) - 1; i >= 0 && actions == nil; i-- {
		if o := c.s.script[i]; o.applies(c, command) {
			actions = o.actions
		}
	}
	c.s.mu.Unlock()
	for _, a := range actions {
		if out := a.run(c); out != proceed {
			return out
		}
	}
	return proceed
}

// Reply answers with these lines. In IMAP a line that is not untagged ("*") or a
// continuation ("+") gets the tag. After a refusal the server does nothing of what was
// asked; a reply that agrees only stands in the place of the server's own.
func Reply(lines ...string) Action {
	return Action{func(c *conn) outcome { return c.answer(lines) }}
}

// Say answers in the words that the server's dialect has for an occasion, such as
// "app-password" (see Occasions).
func Say(occasion string) Action {
	return Action{func(c *conn) outcome { return c.answer(c.say(occasion)) }}
}

func (c *conn) answer(lines []string) outcome {
	if c.s.proto == ProtoIMAP {
		lines = tagged(c.tag, lines)
	}
	if agrees(lines) {
		c.instead = lines
		return proceed
	}
	c.send(lines...)
	return handled
}

func tagged(tag string, lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = l
		if !strings.HasPrefix(l, "*") && !strings.HasPrefix(l, "+") {
			out[i] = tag + " " + l
		}
	}
	return out
}

// agrees tells whether the last line of a reply lets things go on, in any of the three
// protocols.
func agrees(lines []string) bool {
	if len(lines) == 0 {
		return false
	}
	last := lines[len(lines)-1]
	if i := strings.Index(last, " OK"); i >= 0 && !strings.Contains(last[:i], " ") {
		return true
	}
	return strings.HasPrefix(last, "2") || strings.HasPrefix(last, "3") || strings.HasPrefix(last, "+") ||
		strings.HasPrefix(last, "* OK") || strings.HasPrefix(last, "* PREAUTH")
}

// Also says these lines, and goes on: an untagged alert before an answer.
func Also(lines ...string) Action {
	return Action{func(c *conn) outcome {
		c.send(lines...)
		return proceed
	}}
}

// Raw writes octets as they are and ends the step.
func Raw(octets string) Action {
	return Action{func(c *conn) outcome {
		c.nc.Write([]byte(octets))
		c.s.note(c, FromServer, octets)
		return handled
	}}
}

// Wait holds the step back, and goes on.
func Wait(d time.Duration) Action {
	return Action{func(c *conn) outcome {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
			return proceed
		case <-c.s.ending:
			return closed
		}
	}}
}

// Close ends the connection in an orderly way.
func Close() Action {
	return Action{func(c *conn) outcome {
		c.nc.Close()
		return closed
	}}
}

// Reset ends the connection with a RST.
func Reset() Action {
	return Action{func(c *conn) outcome {
		c.reset()
		return closed
	}}
}

// Stall does not answer until the client gives up.
func Stall() Action {
	return Action{func(c *conn) outcome {
		c.drain()
		return closed
	}}
}

// Refuse replies and ends the connection, as servers do that turn clients away.
func Refuse(lines ...string) Action {
	return Action{func(c *conn) outcome {
		if c.s.proto == ProtoIMAP {
			lines = tagged(c.tag, lines)
		}
		c.send(lines...)
		c.nc.Close()
		return closed
	}}
}

// Exchange is a session at a step, for Do.
type Exchange struct {
	User   string     // the name of the sign-in
	Client netip.Addr // who asks
	TLS    bool
	c      *conn
}

// Send writes lines.
func (x *Exchange) Send(lines ...string) { x.c.send(lines...) }

// Do decides by itself: an action that it returns is done, nil goes on.
func Do(decide func(x *Exchange) *Action) Action {
	return Action{func(c *conn) outcome {
		a := decide(&Exchange{User: c.user, Client: c.client, TLS: c.secure(), c: c})
		if a == nil {
			return proceed
		}
		return a.run(c)
	}}
}
