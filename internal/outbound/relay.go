package outbound

import (
	"slices"
	"time"

	"github.com/postiljon/postiljon/internal/outbound/smtpc"
	"github.com/postiljon/postiljon/internal/resolver"
)

// Relay is a server that mail is handed to instead of the servers of its recipients.
type Relay struct {
	Name string // no other has it
	// From and To are domains of senders and of recipients whose mail it gets, in
	// A-labels; empty means all. Reports have no sender.
	From, To []string
	Host     string
	Port     uint16
	TLS      RelayTLS
	// Credentials sign in; nil for nobody.
	Credentials *smtpc.Credentials
	// PerMinute bounds the messages that it gets, Connections how many at once; 0 means no bound, and that of a
	// destination.
	PerMinute, Connections int
}

// RelayTLS is how a relay is talked to.
type RelayTLS string

// The ways. With TLS, the relay's certificate must be for its name.
const (
	RelayStartTLS RelayTLS = "starttls"
	RelayImplicit RelayTLS = "tls"
	RelayPlain    RelayTLS = "plain" // without TLS, for a server on this machine
)

// takes reports whether mail of a domain, "" for reports, to another goes to the relay.
func (r *Relay) takes(sender, domain string) bool {
	return (len(r.From) == 0 || slices.Contains(r.From, sender)) && (len(r.To) == 0 || slices.Contains(r.To, domain))
}

// relayFor returns the relay that mail of a domain to another goes to, nil for none: the first that fits.
func (q *Queue) relayFor(sender, domain string) *Relay {
	list := q.relays.Load()
	if list == nil {
		return nil
	}
	i := slices.IndexFunc(*list, func(r Relay) bool { return r.takes(sender, domain) })
	if i < 0 {
		return nil
	}
	return &(*list)[i]
}

// Relayed reports whether mail of a domain, "" for reports, to another goes to a relay.
func (q *Queue) Relayed(sender, domain string) bool { return q.relayFor(sender, domain) != nil }

// SetRelays replaces the relays. What is under way ends as it began; all else goes the new ways.
func (q *Queue) SetRelays(list []Relay) {
	list = slices.Clone(list)
	q.relays.Store(&list)
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, dest := range q.destinations {
		dest.down = nil
		if dest.relay == nil {
			continue
		}
		q.dismissIdle(dest)
		i := slices.IndexFunc(list, func(r Relay) bool { return r.Name == dest.relay.Name })
		if i >= 0 {
			dest.relay, dest.pace = &list[i], list[i].pace(&q.opt.Limits)
			q.keepPause(dest)
		}
	}
	var all []*delivery
	for _, l := range q.lanes {
		all = append(all, l.ready...)
		n := len(l.ready)
		l.ready = nil // it goes when its turn comes
		q.countReady(l, -n)
	}
	for _, d := range all {
		q.makeReady(d)
	}
	q.schedule()
}

// relayPrefix stands before the names of relays where they are destinations; it is in no domain.
const relayPrefix = "relay "

// destinationName is where a delivery stands in line: with others to its domain, or with all that its relay gets.
func (q *Queue) destinationName(sender, domain string) (name string, relay *Relay) {
	if domain == "" || q.here[domain] {
		return domain, nil
	}
	if relay = q.relayFor(sender, domain); relay == nil {
		return domain, nil
	}
	return relayPrefix + relay.Name, relay
}

// noteHere remembers that a domain is kept here, or that it is not: its mail goes to no relay.
func (q *Queue) noteHere(domain string, here bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case !here:
		delete(q.here, domain)
	case !q.here[domain]:
		if q.here == nil {
			q.here = map[string]bool{}
		}
		q.here[domain] = true
	}
}

// pace is how a relay is treated at first.
func (r *Relay) pace(l *Limits) pace {
	p := newPace(l)
	if r.Connections > 0 {
		p.limit = float64(r.Connections)
		p.window = min(p.window, p.limit)
	}
	if r.PerMinute > 0 {
		p.floor = time.Minute / time.Duration(r.PerMinute)
	}
	return p
}

// route is the way to the relay, whatever the domain.
func (r *Relay) route(domain string) *route {
	return &route{domain: domain, hosts: []resolver.MX{{Host: r.Host}}, relay: r}
}

// protection is what we want of the relay. Its name is our own word, so it is proven.
func (r *Relay) protection() protection {
	secure := r.TLS != RelayPlain
	return protection{
		policy: PolicyRelay, names: []string{r.Host}, bound: true,
		encrypt: secure, authenticate: secure, implicit: r.TLS == RelayImplicit, plain: !secure,
	}
}
