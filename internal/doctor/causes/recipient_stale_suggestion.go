package causes

import (
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// recipient.stale-suggestion: the address that was refused came from the
// program's suggestions, and the contacts have a newer one of the same person. An address
// that was typed wrong is in no contact's place.
var recipientStaleSuggestion = &infer.Cause{
	ID:       cause.RecipientStaleSuggestion,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{staleSuggestion},
	Explains: []infer.Link{
		{Sign: toldUnknown, P: infer.Usually},
		{Sign: toldMoved, P: infer.Sometimes},
		{Sign: toldNoDomain, P: infer.Sometimes},
		{Sign: toldRefuses, P: infer.Seldom},
		{Sign: domainGone, P: infer.Sometimes},
		{Sign: domainMisspelt, P: infer.Seldom},
		{Sign: messageRefused, P: infer.Usually},
	},
	Proof: []*infer.Sign{staleSuggestion},
	Params: func(e *evidence.Evidence) []cause.Param {
		for _, r := range refusals(e) {
			if newer := newerAddress(e, r.to); newer != "" {
				return []cause.Param{cause.Text("address", r.to), cause.Text("suggestion", newer)}
			}
		}
		return nil
	},
}

var staleSuggestion = &infer.Sign{Name: "stale-suggestion", Of: func(e *evidence.Evidence) infer.Truth {
	if e.Complaint.Client == nil || e.Complaint.Client.Recents == nil {
		return infer.Unknown
	}
	return anyOf(refusals(e), func(r refusal) bool { return r.to != "" && newerAddress(e, r.to) != "" })
}}

// newerAddress returns the address that the contacts have of the person whose
// address was suggested; empty if there is none, or the suggested one is in the contacts.
func newerAddress(e *evidence.Evidence, old string) string {
	c := e.Complaint.Client
	if c == nil || !isTo(c.Recents, old) {
		return ""
	}
	newer := ""
	for _, contact := range c.Contacts {
		if isTo(contact.Addresses, old) {
			return ""
		}
		for _, a := range contact.Addresses {
			if newer == "" && samePerson(old, a, contact.Name) {
				newer = a
			}
		}
	}
	return newer
}

// samePerson tells whether two addresses are likely one person's: the same before the
// "@", or the old one made of the contact's name.
func samePerson(old, now, name string) bool {
	local, _, _ := strings.Cut(strings.ToLower(old), "@")
	other, _, _ := strings.Cut(strings.ToLower(now), "@")
	if local == other {
		return true
	}
	words := strings.Fields(strings.ToLower(name))
	if len(words) < 2 {
		return false
	}
	given, family := words[0], words[len(words)-1]
	return local == given+"."+family || local == given+family || local == given[:1]+family || local == given[:1]+"."+family
}
