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
	for _, address := range r.Recipients() {
		domain := evidence.DomainOf(address)
		if domain == "" || !plain(address) || strings.ContainsAny(address, " <>") {
			continue
		}
		probes = append(probes, Probe{Name: "recipient " + address, Timeout: 6 * r.Step, Run: func(ctx context.Context) error {
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
			return r.wouldTake(ctx, hosts[0], address)
		}})
	}
	return probes
}

// wouldTake asks a mail exchanger whether it takes mail for an address, from
// nobody: so it decides by the recipient alone. Its address is only that of the device, so
// what it thinks of that is no evidence.
func (r *Run) wouldTake(ctx context.Context, host, address string) error {
	ep := evidence.Endpoint{Protocol: evidence.SMTP, Host: host, Port: 25, Security: evidence.Plain, Origin: evidence.RecipientMX}
	t, _, err := r.open(ctx, ep)
	if err != nil {
		return err
	}
	defer t.close()
	from, _, err := t.do(ctx, dialect.StageMail, "MAIL FROM:<>")
	if err != nil || !from.Positive {
		return err
	}
	if _, _, err := t.do(ctx, dialect.StageRcpt, "RCPT TO:<"+address+">"); err != nil {
		return err
	}
	_, _, err = t.do(ctx, dialect.StageOther, "RSET")
	return err
}
