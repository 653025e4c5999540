package probe

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/postiljon/postiljon/internal/doctor/bounce"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/settings"
)

// OutgoingName is the probe that finds out from where the account's mail is sent.
const OutgoingName = "outgoing"

// maxOutgoing is how many sending addresses are looked at.
const maxOutgoing = 3

// Outgoing finds the addresses that the account's mail is sent from: as the
// server that refused it told, as a message's trace tells, or else those of the
// server that takes it from the program.
func (r *Run) Outgoing() Probe {
	return Probe{Name: OutgoingName, Run: func(ctx context.Context) error {
		found := append(r.fromBounces(), r.fromLetters()...)
		direct := false
		for _, o := range found {
			direct = direct || !o.Forwarder
		}
		if !direct {
			found = append(found, r.fromSettings(ctx)...)
		}
		for _, o := range found[:min(len(found), maxOutgoing)] {
			r.Evidence.Add(o, "")
		}
		if len(found) == 0 {
			return errors.New("it is not known from where mail is sent")
		}
		return nil
	}}
}

// aboutSender are the refusals whose address is the sender's.
var aboutSender = []dialect.Kind{
	dialect.SPFRefused, dialect.DMARCRefused, dialect.DKIMRefused, dialect.IPListed, dialect.PTRMissing,
	dialect.HeloRefused, dialect.SpamRefused, dialect.ReceiverThrottles, dialect.Greylisted,
}

// fromBounces reads the address that a remote server says it refused.
func (r *Run) fromBounces() []evidence.Outgoing {
	var found []evidence.Outgoing
	for _, b := range evidence.All[evidence.Bounced](r.Evidence) {
		for i := range b.Recipients {
			to := &b.Recipients[i]
			if to.Reading.Address.IsValid() && slices.ContainsFunc(aboutSender, to.Reading.Says) && (to.RemoteMTA != "" || b.Form != bounce.FormDSN) {
				forwarded := to.Original != "" && organisation(evidence.DomainOf(to.Original)) != organisation(evidence.DomainOf(to.Address))
				found = append(found, evidence.Outgoing{Addr: to.Reading.Address, Source: "bounce", Forwarder: forwarded})
			}
		}
	}
	return found
}

// fromLetters reads where a message of the account left its own servers: the
// first server of another organisation notes who handed it over (RFC 5321 section
// 4.4). Whoever hands it over after that forwards. Where the last server found the
// sender in order, there is nothing to find out: it may have come over a filter's servers.
func (r *Run) fromLetters() []evidence.Outgoing {
	var found []evidence.Outgoing
	for _, letter := range evidence.All[evidence.Letter](r.Evidence) {
		if spf, ok := letter.Result("spf"); !r.own(letter) || ok && spf.Result == "pass" {
			continue
		}
		last := ""
		for i, hop := range letter.Hops {
			by := organisation(strings.ToLower(hop.By))
			if i > 0 && by != last && last != "" && hop.IP.IsValid() && !hop.IP.IsPrivate() && !hop.IP.IsLoopback() {
				found = append(found, evidence.Outgoing{Addr: hop.IP, Host: strings.ToLower(hop.From), Source: "letter", Forwarder: len(found) > 0})
			}
			if by != "" {
				last = by
			}
		}
	}
	return found
}

// own tells whether a message was sent by the account, under whatever address.
func (r *Run) own(letter evidence.Letter) bool {
	domain := r.Evidence.Complaint.Domain()
	if evidence.DomainOf(letter.ReturnPath) == domain {
		return true
	}
	for _, from := range letter.From {
		if evidence.DomainOf(from.Email) == domain {
			return true
		}
	}
	return false
}

// fromSettings guesses that the server for submission passes mail on by itself.
func (r *Run) fromSettings(ctx context.Context) []evidence.Outgoing {
	p, ok := evidence.First[*evidence.Provider](r.Evidence)
	if !ok || p.Result == nil {
		return nil
	}
	s, ok := p.Result.Server(settings.SMTP)
	if !ok {
		return nil
	}
	for _, addr := range r.Addresses(ctx, s.Server.Host) {
		if addr.Is4() {
			return []evidence.Outgoing{{Addr: addr, Host: s.Server.Host, Source: "submission"}}
		}
	}
	return nil
}

// eachOutgoing runs a look for every sending address, when they are known.
func (r *Run) eachOutgoing(ctx context.Context, look func(context.Context, evidence.Outgoing) error) error {
	var errs []error
	for _, o := range evidence.All[evidence.Outgoing](r.Evidence) {
		errs = append(errs, look(ctx, o))
	}
	return errors.Join(errs...)
}

// Reverse looks up the reverse names of the sending addresses, and whether they lead back (RFC 1912 section 2.1).
func (r *Run) Reverse() Probe {
	return Probe{Name: "reverse names", Needs: []string{OutgoingName}, Run: func(ctx context.Context) error {
		return r.eachOutgoing(ctx, func(ctx context.Context, o evidence.Outgoing) error {
			l := r.Lookup(ctx, reverseName(o.Addr), "PTR")
			if l.Answer != evidence.Found && l.Answer != evidence.NXDomain && l.Answer != evidence.NoData {
				return fmt.Errorf("%s: %s", l.Name, l.Answer)
			}
			fact := evidence.Reverse{Addr: o.Addr, Names: l.Records, Helo: o.Host, Assumed: o.Source == "submission"}
			for _, name := range l.Records[:min(len(l.Records), 3)] {
				leads, err := r.leadsTo(ctx, name, o.Addr)
				if err != nil {
					return err
				}
				fact.Matches = fact.Matches || leads
			}
			fact.HeloOK = true
			if o.Host != "" {
				leads, err := r.leadsTo(ctx, o.Host, o.Addr)
				fact.HeloOK = leads || err != nil // what could not be asked is not wrong
			}
			if !o.Forwarder {
				r.Evidence.Add(fact, "")
			}
			return nil
		})
	}}
}

// leadsTo tells whether a name has an address; an error, that it could not be asked.
func (r *Run) leadsTo(ctx context.Context, name string, addr netip.Addr) (bool, error) {
	kind := "A"
	if addr.Is6() {
		kind = "AAAA"
	}
	l := r.Lookup(ctx, name, kind)
	if !answered(l) {
		return false, fmt.Errorf("%s: %s", l.Name, l.Answer)
	}
	return slices.Contains(l.Records, addr.String()), nil
}

// reverseName is an address as the DNS looks for its name (RFC 1035 section 3.5, RFC 3596 section 2.5).
func reverseName(addr netip.Addr) string {
	if addr.Is4() {
		return reversed(addr) + ".in-addr.arpa"
	}
	return reversed(addr) + ".ip6.arpa"
}

// reversed writes an address backwards, in octets or in half octets.
func reversed(addr netip.Addr) string {
	var b strings.Builder
	octets := addr.AsSlice()
	for i := len(octets) - 1; i >= 0; i-- {
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		if addr.Is4() {
			fmt.Fprintf(&b, "%d", octets[i])
		} else {
			fmt.Fprintf(&b, "%x.%x", octets[i]&15, octets[i]>>4)
		}
	}
	return b.String()
}

// organisation is the domain of whoever registered a name.
func organisation(domain string) string {
	org, err := publicsuffix.EffectiveTLDPlusOne(domain)
	if err != nil {
		return domain
	}
	return org
}
