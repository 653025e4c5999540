package causes

import (
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
	"github.com/postiljon/postiljon/internal/settings"
)

// recipient.domain-typo: there is no such domain (NXDOMAIN). It is proven where
// one that reads nearly the same exists: a provider's, one of the person's contacts', or the own
// one. A domain that exists without taking mail is no misspelling.
var recipientDomainTypo = &infer.Cause{
	ID:       cause.RecipientDomainTypo,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{domainGone},
	Explains: []infer.Link{
		{Sign: domainMisspelt, P: infer.Usually},
		{Sign: toldNoDomain, P: infer.Usually},
		{Sign: toldUnknown, P: infer.Sometimes},
		{Sign: toldUnreachable, P: infer.Sometimes},
		{Sign: messageRefused, P: infer.Usually},
	},
	Proof: []*infer.Sign{domainMisspelt},
	Params: func(e *evidence.Evidence) []cause.Param {
		for _, to := range recipients(e) {
			if meant := misspelt(e, to); meant != "" {
				return []cause.Param{cause.Text("address", to), cause.Text("suggestion", to[:strings.LastIndexByte(to, '@')+1]+meant)}
			}
		}
		for _, to := range recipients(e) {
			if gone(e, to) {
				return textParam("address", to)
			}
		}
		return nil
	},
}

// recipients returns whom the case is about.
func recipients(e *evidence.Evidence) []string {
	var all []string
	add := func(to string) {
		if to != "" && !slices.Contains(all, to) {
			all = append(all, to)
		}
	}
	add(e.Complaint.Recipient)
	for _, r := range refusals(e) {
		add(r.original)
		add(r.to)
	}
	for _, t := range outboxMessages(e) {
		for _, to := range t.To {
			add(to)
		}
	}
	return all
}

// domainGone: the domain of a recipient does not exist.
var domainGone = &infer.Sign{Name: "recipient-domain-gone", Of: func(e *evidence.Evidence) infer.Truth {
	return anyOf(recipients(e), func(to string) bool { return gone(e, to) })
}}

func gone(e *evidence.Evidence, to string) bool {
	domain := evidence.DomainOf(to)
	return domain != "" && slices.ContainsFunc(evidence.All[evidence.Lookup](e), func(l evidence.Lookup) bool {
		return l.Name == domain && l.Answer == evidence.NXDomain && l.Resolver == 0
	})
}

var domainMisspelt = &infer.Sign{Name: "recipient-domain-misspelt", Of: func(e *evidence.Evidence) infer.Truth {
	return anyOf(recipients(e), func(to string) bool { return misspelt(e, to) != "" })
}}

// misspelt returns the domain that is likely meant by that of an address, if there is none of that name.
func misspelt(e *evidence.Evidence, to string) string {
	if !gone(e, to) {
		return ""
	}
	return settings.Nearest(evidence.DomainOf(to), knownDomains(e))
}

// knownDomains are those that the person writes to, the own one, and the providers'.
func knownDomains(e *evidence.Evidence) []string {
	all := []string{e.Complaint.Domain()}
	if c := e.Complaint.Client; c != nil {
		for _, contact := range c.Contacts {
			for _, a := range contact.Addresses {
				all = append(all, evidence.DomainOf(a))
			}
		}
		for _, m := range c.Sent {
			for _, a := range m.To {
				all = append(all, evidence.DomainOf(a))
			}
		}
	}
	for _, n := range evidence.All[evidence.NearDomain](e) {
		all = append(all, n.Meant)
	}
	return all
}
