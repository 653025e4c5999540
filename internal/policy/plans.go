package policy

import (
	"cmp"

	"github.com/postiljon/postiljon/internal/store"
)

// SendingLimits are how much may be sent.
type SendingLimits = store.SendingLimits

// Plans say how much may be sent, by plans that domains and accounts are on.
type Plans struct {
	Default SendingLimits // all above 0
	Named   map[string]SendingLimits
}

// DefaultSendingLimits are those of an ordinary web host.
func DefaultSendingLimits() SendingLimits {
	return SendingLimits{AddressHourly: 300, DomainHourly: 2000, RecipientsHourly: 3000}
}

// Limits returns what an account of a domain may send: what was set for the account itself holds before its plan, that
// before what was set for the domain, its plan, and the default.
func (p *Plans) Limits(a *store.Account, d *store.Domain) SendingLimits {
	l := p.OfDomain(d)
	own, plan := a.Sending, p.Named[a.Plan]
	l.AddressHourly = cmp.Or(own.AddressHourly, plan.AddressHourly, l.AddressHourly)
	l.RecipientsHourly = cmp.Or(own.RecipientsHourly, plan.RecipientsHourly, l.RecipientsHourly)
	return l
}

// OfDomain returns what a domain may send, and its accounts where nothing else was set for them.
func (p *Plans) OfDomain(d *store.Domain) SendingLimits {
	own, plan := d.Sending, p.Named[d.Plan]
	return SendingLimits{
		AddressHourly:    cmp.Or(own.AddressHourly, plan.AddressHourly, p.Default.AddressHourly),
		DomainHourly:     cmp.Or(own.DomainHourly, plan.DomainHourly, p.Default.DomainHourly),
		RecipientsHourly: cmp.Or(own.RecipientsHourly, plan.RecipientsHourly, p.Default.RecipientsHourly),
	}
}
