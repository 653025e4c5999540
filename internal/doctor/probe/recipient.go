package probe

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
)

// maxRecipients is how many recipients of a case are looked at.
const maxRecipients = 3

// Recipients returns the addresses that the case is about: that of the
// complaint, those that a report names, and those of messages that wait.
func (r *Run) Recipients() []string {
	var all []string
	add := func(addresses ...string) {
		for _, a := range addresses {
			if a != "" && len(all) < maxRecipients && !slices.ContainsFunc(all, func(o string) bool { return strings.EqualFold(a, o) }) {
				all = append(all, a)
			}
		}
	}
	c := r.Evidence.Complaint
	add(c.Recipient)
	for _, b := range evidence.All[evidence.Bounced](r.Evidence) {
		for i := range b.Recipients {
			add(b.Recipients[i].Original, b.Recipients[i].Address)
		}
	}
	if c.Client != nil {
		for _, m := range c.Client.Outbox {
			if m.LastError != "" {
				add(m.To...)
			}
		}
	}
	return all
}

// Recipient returns the looks at where the mail for the recipients goes: the
// domains' records, and whether the servers would take mail for them. Nothing
// is sent: after RCPT the transaction is reset.
func (r *Run) Recipient() []Probe {
	var probes []Probe
	var domains []string
	all := r.Recipients()
	for _, address := range all {
		domain := evidence.DomainOf(address)
		if domain == "" || !askable(address) || slices.Contains(domains, domain) {
			continue
		}
		domains = append(domains, domain)
		theirs := slices.DeleteFunc(slices.Clone(all), func(a string) bool { return evidence.DomainOf(a) != domain || !askable(a) })
		probes = append(probes, Probe{Name: "recipient " + domain, Run: func(ctx context.Context) error {
			return r.recipientsAt(ctx, domain, theirs)
		}})
	}
	return probes
}

// askable tells whether an address can be put into a command.
func askable(address string) bool { return plain(address) && !strings.ContainsAny(address, " <>") }

// recipientsAt finds the server of a domain and asks it for addresses.
func (r *Run) recipientsAt(ctx context.Context, domain string, addresses []string) error {
	mx := r.Lookup(ctx, domain, "MX")
	hosts := MXHosts(mx)
	switch {
	case mx.Answer == evidence.NXDomain:
		if meant := r.Table.NearestDomain(domain); meant != "" {
			r.Evidence.Add(evidence.NearDomain{Domain: domain, Meant: meant}, "")
		}
		return fmt.Errorf("%s does not exist", domain)
	case mx.Answer == evidence.NoData:
		hosts = []string{domain} // RFC 5321 section 5.1
	case mx.Answer != evidence.Found:
		return fmt.Errorf("MX of %s: %s", domain, mx.Answer)
	case len(hosts) == 0:
		return nil // a null MX
	}
	return r.wouldTake(ctx, hosts[0], addresses)
}

// wouldTake asks a mail exchanger whether it takes mail for addresses, from
// nobody: so it decides by the recipient alone. Its address is only that of the device, so
// what it thinks of that is no evidence.
func (r *Run) wouldTake(ctx context.Context, host string, addresses []string) error {
	ep := evidence.Endpoint{Protocol: evidence.SMTP, Host: host, Port: 25, Security: evidence.Plain, Origin: evidence.RecipientMX}
	if err := r.connect(ctx, ep); err != nil {
		return err
	}
	t, err := r.sessions.get(ep)
	if err != nil {
		return err
	}
	if err := t.climb(ctx, t.addr); err != nil {
		return err
	}
	from, _, err := t.do(ctx, dialect.StageMail, "MAIL FROM:<>")
	if err != nil || !from.Positive {
		return err
	}
	for _, address := range addresses {
		if _, _, err := t.do(ctx, dialect.StageRcpt, "RCPT TO:<"+address+">"); err != nil {
			return err
		}
	}
	_, _, err = t.do(ctx, dialect.StageOther, "RSET")
	return err
}
