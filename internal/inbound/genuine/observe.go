package genuine

import (
	"github.com/postiljon/postiljon/internal/dmarc"
	"github.com/postiljon/postiljon/internal/signature"
)

// Observation returns what the domain in From is told about the message in its report, and whether it is
// told at all: only a domain with a policy is, and only of what was found out.
func (r *Result) Observation() (dmarc.Observation, bool) {
	d := &r.DMARC
	if d.Policy == nil || d.Outcome != signature.Pass && d.Outcome != signature.Fail {
		return dmarc.Observation{}, false
	}
	o := dmarc.Observation{
		Policy: d.Policy, Source: r.Envelope.Remote.String(), Disposition: r.Disposition, SPF: d.SPF, DKIM: d.DKIM, From: d.From,
		Reason: r.reason(), Sender: dmarc.Sender{Domain: r.SPF.Domain, Scope: "mfrom", Result: string(r.SPF.Outcome)},
	}
	if o.Envelope = r.SPF.Domain; r.SPF.Sender == "" {
		o.Envelope, o.Sender.Scope = "", "helo"
	}
	for _, s := range r.DKIM {
		o.Signatures = append(o.Signatures, dmarc.Signature{Domain: s.Domain, Selector: s.Selector, Result: string(s.Outcome)})
	}
	return o, true
}

// reason says why something else is done than the policy wants (RFC 7489 section 7.2).
func (r *Result) reason() dmarc.Reason {
	d := &r.DMARC
	switch {
	case d.Outcome == signature.Pass || d.Policy.Apply == r.Disposition:
		return dmarc.Reason{}
	case d.Sealer != "":
		return dmarc.Reason{Type: "trusted_forwarder", Comment: "arc=pass, sealed by " + d.Sealer}
	case r.Allowed:
		return dmarc.Reason{Type: "local_policy", Comment: "its recipients let the sender through"}
	case d.Sampled:
		return dmarc.Reason{Type: "sampled_out"}
	}
	return dmarc.Reason{Type: "local_policy"}
}
