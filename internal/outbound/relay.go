package outbound

import (
	"slices"

	"github.com/postiljon/postiljon/internal/outbound/smtpc"
	"github.com/postiljon/postiljon/internal/resolver"
)

// Relay is a server that mail is handed to instead of the servers of its recipients.
type Relay struct {
	// From and To are domains of senders and of recipients whose mail it gets, in
	// A-labels; empty means all. Reports have no sender.
	From, To []string
	Host     string
	Port     uint16
	TLS      RelayTLS
	// Credentials sign in; nil for nobody.
	Credentials *smtpc.Credentials
}

// RelayTLS is how a relay is talked to.
type RelayTLS string

// The ways. With TLS, the relay's certificate must be for its name.
const (
	RelayStartTLS RelayTLS = "starttls"
	RelayImplicit RelayTLS = "tls"
	RelayPlain    RelayTLS = "plain" // without TLS, for a server on this machine
)

// relayFor returns the relay that a message goes to, nil for none: the first that fits.
func (q *Queue) relayFor(from, domain string) *Relay {
	sender := domainOf(from)
	for i := range q.opt.Relays {
		r := &q.opt.Relays[i]
		if (len(r.From) == 0 || slices.Contains(r.From, sender)) && (len(r.To) == 0 || slices.Contains(r.To, domain)) {
			return r
		}
	}
	return nil
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
