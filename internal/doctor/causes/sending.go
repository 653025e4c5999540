package causes

import (
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/bounce"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
	"github.com/postiljon/postiljon/internal/message"
)

// policies returns what was found of the records of one kind.
func policies(e *evidence.Evidence, kind string) []evidence.Policy {
	return evidence.Where(e, func(p evidence.Policy) bool { return p.Kind == kind })
}

// organisation is the domain of whoever registered a name.
func organisation(domain string) string {
	org, err := publicsuffix.EffectiveTLDPlusOne(domain)
	if err != nil {
		return domain
	}
	return org
}

// fromAddress returns the address that the account's messages carry in From, if it is
// known: that of the message in question, or of the program's settings.
func fromAddress(e *evidence.Evidence) string {
	for _, l := range letters(e) {
		if len(l.From) > 0 {
			return l.From[0].Email
		}
	}
	for _, b := range evidence.All[evidence.Bounced](e) {
		if len(b.Original.From) > 0 {
			return b.Original.From[0].Email
		}
	}
	if c := e.Complaint.Client; c != nil && c.Account != nil {
		return c.Account.From
	}
	return ""
}

// letters returns the messages of the case that the account sent.
func letters(e *evidence.Evidence) []evidence.Letter {
	domain := e.Complaint.Domain()
	return evidence.Where(e, func(l evidence.Letter) bool {
		return evidence.DomainOf(l.ReturnPath) == domain || slices.ContainsFunc(l.From, func(a message.Address) bool { return evidence.DomainOf(a.Email) == domain }) ||
			l.ReturnPath == "" && l.HopCount == 0 // not sent yet
	})
}

// broken returns what is not well formed in a message of the account. What only
// a message that was not sent yet may lack, does not count.
func broken(e *evidence.Evidence) []bounce.Fault {
	var faults []bounce.Fault
	for _, l := range letters(e) {
		for _, f := range l.Broken {
			switch f {
			case bounce.BareLF, bounce.BareCR, bounce.LongLine, bounce.EightBitHeader, bounce.NULOctet, bounce.NoFrom, bounce.ManyFrom, bounce.Structure:
				faults = append(faults, f)
			}
		}
	}
	return faults
}

// largest is the size of the message that is asked about, in octets; 0 is not known.
func largest(e *evidence.Evidence) int64 {
	var size int64
	for _, l := range letters(e) {
		size = max(size, l.Size)
	}
	for _, b := range evidence.All[evidence.Bounced](e) {
		size = max(size, b.Original.Size)
	}
	if c := e.Complaint.Client; c != nil {
		for _, m := range c.Outbox {
			size = max(size, m.Size)
		}
	}
	return size
}

// outgoing returns the server that the account's mail comes from, as it is known.
func outgoing(e *evidence.Evidence) (evidence.Outgoing, bool) {
	return evidence.Find(e, func(o evidence.Outgoing) bool { return !o.Forwarder })
}

func sendingClient(e *evidence.Evidence) []cause.Param {
	if o, ok := outgoing(e); ok {
		return []cause.Param{cause.Text("client", o.Addr.String())}
	}
	return nil
}

// spfFails: the domain's SPF record does not allow the server that its mail really
// comes from. Where that is only guessed, a refusal must say so too.
var spfFails = &infer.Sign{Name: "spf-fails", Of: func(e *evidence.Evidence) infer.Truth {
	certain := toldSPF.Of(e) == infer.Yes || toldDMARC.Of(e) == infer.Yes
	return anyOf(evidence.Where(e, func(p evidence.Policy) bool {
		return p.Kind == "spf" && p.IP.IsValid() && !p.Forwarder && (!p.Assumed || certain)
	}), spfSaysNo)
}}

// spfFailsForwarded: it does not allow the server of a recipient who forwards.
var spfFailsForwarded = &infer.Sign{Name: "spf-fails-forwarded", Of: func(e *evidence.Evidence) infer.Truth {
	return anyOf(evidence.Where(e, func(p evidence.Policy) bool { return p.Kind == "spf" && p.IP.IsValid() && p.Forwarder }), spfSaysNo)
}}

func spfSaysNo(p evidence.Policy) bool { return p.Result == "fail" || p.Result == "softfail" }

// dmarcEnforced tells whether a domain asks others to refuse mail that is not its own.
func dmarcEnforced(e *evidence.Evidence, domain string) bool {
	return slices.ContainsFunc(policies(e, "dmarc"), func(p evidence.Policy) bool {
		return p.Domain == domain && (p.Result == "reject" || p.Result == "quarantine")
	})
}

// sameAddress compares addresses as people do.
func sameAddress(a, b string) bool {
	return strings.EqualFold(strings.TrimSpace(a), strings.TrimSpace(b))
}
