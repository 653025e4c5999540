package doctor

import (
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/probe"
)

// Condition is how a part of the way of mail looks.
type Condition string

// The conditions. What could not be looked at is Unseen.
const (
	Fine    Condition = "fine"
	Trouble Condition = "trouble"
	Unseen  Condition = "unseen"
)

// Area is a part of the way of mail, such as "signin", and how it looked in a report.
type Area struct {
	// Name is the key of its words: "area." before it in the doctor's speech.
	Name      string
	Condition Condition
	// Where names servers or mailboxes at which there is trouble.
	Where []string
	// Why is the key of the reason for which it was not looked at: "unseen." before it.
	Why string
}

// Areas tells in the order of the way what was looked at, how it was, and what was not looked at and why. It is for
// people who get no cause told: it says less than the facts do, and nothing that they do not.
func (r *Report) Areas() []Area {
	s := sight{r}
	return slices.DeleteFunc([]Area{
		s.network(), s.names(), s.servers("reading", evidence.IMAP, evidence.POP3), s.servers("sending", evidence.Submission), s.encryption(),
		s.signIn(), s.mailbox(), s.submission(), s.incoming(), s.records(), s.webmail(), s.inside(), s.program(),
	}, func(a Area) bool { return a.Condition == "" })
}

// sight reads the facts of a report.
type sight struct{ *Report }

// seen returns the facts of a kind.
func seen[T evidence.Value](s sight) (all []T) {
	for _, f := range s.Facts {
		if v, ok := f.Value.(T); ok {
			all = append(all, v)
		}
	}
	return all
}

// judged is an area of which facts say whether they are fine.
func judged[T any](name string, facts []T, fine func(T) bool, where func(T) string, why string) Area {
	a := Area{Name: name, Condition: Fine}
	if len(facts) == 0 {
		return Area{Name: name, Condition: Unseen, Why: why}
	}
	for _, f := range facts {
		if fine(f) {
			continue
		}
		a.Condition = Trouble
		if w := where(f); w != "" && !slices.Contains(a.Where, w) {
			a.Where = append(a.Where, w)
		}
	}
	return a
}

// mine tells endpoints of the account from those of others.
func mine(ep evidence.Endpoint) bool {
	return ep.Origin == evidence.Given || ep.Origin == evidence.Right
}

// network: somebody else's servers, or a known page, are reached from here.
func (s sight) network() Area {
	var reached []bool
	for _, p := range s.Probes {
		if strings.HasPrefix(p.Name, "reference ") {
			reached = append(reached, p.State == probe.Done)
		}
	}
	for _, c := range seen[evidence.Canary](s) {
		reached = append(reached, c.Outcome == evidence.OK && !c.Altered)
	}
	return judged("network", reached, func(ok bool) bool { return ok }, func(bool) string { return "" }, "no-reference")
}

// names: the servers have addresses.
func (s sight) names() Area {
	a := Area{Name: "names", Condition: Unseen, Why: "no-settings"}
	for _, p := range s.Probes {
		host, ok := strings.CutPrefix(p.Name, "lookup ")
		switch {
		case !ok:
		case p.State == probe.Done && a.Condition == Unseen:
			a = Area{Name: "names", Condition: Fine}
		case p.State == probe.Failed || p.State == probe.Timeout:
			a = Area{Name: "names", Condition: Trouble, Where: append(a.Where, host)}
		}
	}
	slices.Sort(a.Where)
	return a
}

// servers: they greet at every port that the account uses, in one try at least.
func (s sight) servers(name string, protocols ...evidence.Protocol) Area {
	greets := map[evidence.Endpoint]bool{}
	var order []evidence.Endpoint
	at := func(ep evidence.Endpoint) bool {
		if !mine(ep) || !slices.Contains(protocols, ep.Protocol) {
			return false
		}
		if !slices.Contains(order, ep) {
			order = append(order, ep)
		}
		return true
	}
	for _, c := range seen[evidence.Connect](s) {
		at(c.Endpoint)
	}
	for _, g := range seen[evidence.Greeting](s) {
		if at(g.Endpoint) {
			greets[g.Endpoint] = greets[g.Endpoint] || g.Positive
		}
	}
	why := "no-settings"
	if s.names().Condition == Trouble {
		why = "no-address"
	}
	return judged(name, order, func(ep evidence.Endpoint) bool { return greets[ep] }, probe.PlaceOf, why)
}

// encryption: TLS came about, with a certificate that can be checked.
func (s sight) encryption() Area {
	var own []evidence.Handshake
	for _, h := range seen[evidence.Handshake](s) {
		if mine(h.Endpoint) {
			own = append(own, h)
		}
	}
	return judged("encryption", own, func(h evidence.Handshake) bool { return h.Outcome == evidence.OK && h.Trust == evidence.Trusted },
		func(h evidence.Handshake) string { return probe.PlaceOf(h.Endpoint) }, "not-reached")
}

func (s sight) signIn() Area {
	why := "not-reached"
	if s.blocked("sign-in imap", "no password was given") || s.blocked("sign-in submission", "no password was given") || s.blocked("sign-in pop3", "no password was given") {
		why = "no-password"
	}
	return judged("signin", seen[evidence.SignIn](s), func(i evidence.SignIn) bool { return i.Accepted },
		func(i evidence.SignIn) string { return probe.PlaceOf(i.Endpoint) }, why)
}

// blocked reports whether a probe did not look for a reason.
func (s sight) blocked(name, reason string) bool {
	return slices.ContainsFunc(s.Probes, func(p ProbeReport) bool {
		return p.Name == name && p.State == probe.Blocked && strings.HasPrefix(p.Why, reason)
	})
}

// mailbox: the inbox opens, and there is room.
func (s sight) mailbox() Area {
	if len(seen[evidence.Maildrop](s)) == 0 {
		return Area{Name: "mailbox", Condition: Unseen, Why: "not-signed-in"}
	}
	return judged("mailbox", append(seen[evidence.Quota](s), evidence.Quota{}), func(q evidence.Quota) bool { return q.Limit == 0 || q.Used < q.Limit },
		func(q evidence.Quota) string { return q.Resource }, "")
}

// submission: the server for sending takes sender and recipients.
func (s sight) submission() Area {
	var asked []evidence.Command
	for _, c := range seen[evidence.Command](s) {
		if c.Endpoint.Protocol == evidence.Submission && c.SignedIn {
			asked = append(asked, c)
		}
	}
	return judged("submission", asked, func(c evidence.Command) bool { return c.Positive },
		func(c evidence.Command) string { return c.Command }, "not-signed-in")
}

// incoming: a server for the domain's mail greets.
func (s sight) incoming() Area {
	greets := map[string]bool{}
	for _, g := range seen[evidence.Greeting](s) {
		if g.Endpoint.Origin == evidence.MX {
			greets[g.Endpoint.Host] = greets[g.Endpoint.Host] || g.Positive
		}
	}
	if len(greets) == 0 {
		why := "no-mx"
		for _, c := range seen[evidence.Connect](s) {
			if c.Endpoint.Origin == evidence.MX {
				why = "port-25"
			}
		}
		return Area{Name: "incoming", Condition: Unseen, Why: why}
	}
	a := Area{Name: "incoming", Condition: Fine}
	for host, ok := range greets {
		if !ok {
			a.Condition, a.Where = Trouble, append(a.Where, host)
		}
	}
	slices.Sort(a.Where)
	return a
}

// records: what the domain says of its mail in the DNS can be read.
func (s sight) records() Area {
	found := slices.DeleteFunc(seen[evidence.Policy](s), func(p evidence.Policy) bool { return p.State == "missing" })
	return judged("records", found, func(p evidence.Policy) bool { return p.State != "permerror" && p.State != "temperror" },
		func(p evidence.Policy) string { return p.Kind }, "no-records")
}

// webmail: its page and the parts of it come; it is looked at only where it is asked about.
func (s sight) webmail() Area {
	if s.Subject.Symptom != evidence.Webmail {
		return Area{}
	}
	return judged("webmail", seen[evidence.WebLook](s), evidence.WebLook.Came, func(w evidence.WebLook) string { return w.URL }, "no-webmail")
}

// inside: the service told what it knows.
func (s sight) inside() Area {
	if len(seen[*evidence.Inside](s)) == 0 {
		return Area{Name: "inside", Condition: Unseen, Why: "no-server"}
	}
	return Area{Name: "inside", Condition: Fine}
}

// program: it is known what the mail program shows.
func (s sight) program() Area {
	if len(seen[*evidence.ClientState](s)) == 0 {
		return Area{Name: "program", Condition: Unseen, Why: "no-client-state"}
	}
	return Area{Name: "program", Condition: Fine}
}

// Helps returns the flags that would tell more, in the order in which they help most with the symptom. Their
// words have "help." before them in the doctor's speech.
func (r *Report) Helps() []string {
	s := sight{r}
	var flags []string
	add := func(flag string, missing bool) {
		if missing && !slices.Contains(flags, flag) {
			flags = append(flags, flag)
		}
	}
	areas := map[string]Area{}
	for _, a := range r.Areas() {
		areas[a.Name] = a
	}
	about := func(symptoms ...evidence.Symptom) bool { return slices.Contains(symptoms, r.Subject.Symptom) }
	add("password-file", areas["signin"].Why == "no-password")
	add("symptom", about(evidence.AnySymptom))
	add("imap", areas["names"].Why == "no-settings")
	add("bounce", about(evidence.Send, evidence.OneMessage, evidence.AnySymptom) && len(seen[evidence.Bounced](s)) == 0)
	add("to", about(evidence.Send) && r.Subject.To == "")
	add("message", about(evidence.OneMessage, evidence.Receive) && len(seen[evidence.Letter](s)) == 0)
	add("client-state", areas["program"].Condition == Unseen)
	add("send-test", about(evidence.Send, evidence.Receive, evidence.Push, evidence.AnySymptom) && areas["signin"].Condition == Fine && len(seen[evidence.RoundTrip](s)) == 0)
	add("second-resolver", areas["names"].Condition == Trouble && !slices.ContainsFunc(seen[evidence.Lookup](s), func(l evidence.Lookup) bool { return l.Resolver == 1 }))
	add("vantage", (areas["reading"].Condition == Trouble || areas["sending"].Condition == Trouble) && len(seen[evidence.Vantage](s)) == 0)
	add("reference", areas["network"].Condition == Unseen)
	add("server", areas["inside"].Condition == Unseen)
	return flags
}
