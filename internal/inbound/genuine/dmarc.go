package genuine

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/dmarc"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/resolver"
	"github.com/postiljon/postiljon/internal/signature"
)

// DMARC is whether a message is aligned with the domain in From.
type DMARC struct {
	Outcome signature.Outcome // none, pass, fail, temperror, permerror
	Reason  string            // where it is neither pass nor none
	From    string            // the domain in From; of several the one that decided
	// Policy is what applies; nil where the domain has none or it could not be looked up.
	Policy *dmarc.Policy
	// SPF and DKIM tell what passed in alignment.
	SPF, DKIM bool
	// Sampled tells that the policy was applied more mildly as pct= wants it for a part of the mail.
	Sampled bool
	// Sealer is the trusted domain whose ARC seal says that the message passed on its way, where
	// that is why it is not refused.
	Sealer string
}

// fromField is what From says.
type fromField struct {
	domains []string // each once, in lower case with A-labels
	author  string   // the address, if there is exactly one
	fault   string   // why it is not one valid field
}

// maxFrom is how many different domains in From are looked at, of at most maxAddresses.
const (
	maxFrom      = 4
	maxAddresses = 100
)

// readFrom reads From (RFC 7489 section 6.6.1). A message with several such fields shows one to the reader
// and may prove another, so all are looked at and it cannot pass.
func readFrom(h *signature.Header) (f fromField) {
	fields := h.All("from")
	if len(fields) == 1 {
		if list := message.ParseAddressList(fields[0].Value()); len(list) == 1 {
			f.author = list[0].Email
		}
	} else {
		f.fault = "there are several From fields"
		if len(fields) == 0 {
			f.fault = "there is no From field"
		}
	}
	for _, field := range fields {
		list := message.ParseAddressList(field.Value())
		if len(list) > maxAddresses {
			f.fault = "From has too many addresses"
			list = list[:maxAddresses]
		}
		for _, a := range list {
			domain := address.NormalizeDomain(a.Email[strings.LastIndexByte(a.Email, '@')+1:])
			// A name with a comma and without quotes reads like an address more: it does no harm.
			if !strings.Contains(a.Email, "@") || !canExist(domain) || !isWritten(domain) || slices.Contains(f.domains, domain) {
				continue
			}
			if len(f.domains) == maxFrom {
				f.fault = "From has addresses of too many domains"
				return f
			}
			f.domains = append(f.domains, domain)
		}
	}
	if len(f.domains) == 0 && f.fault == "" {
		f.fault = "From has no address with a domain"
	}
	return f
}

// isWritten tells whether a domain in A-labels is written as domains of mail are (RFC 5321 section 2.3.5; names with "_" are about).
func isWritten(domain string) bool {
	return !strings.ContainsFunc(domain, func(r rune) bool {
		return r != '-' && r != '.' && r != '_' && (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
}

// found is the policy of one domain, or why there is none.
type found struct {
	policy *dmarc.Policy
	err    error
}

// judge puts together what was found out.
func (c *Checker) judge(r *Result, from fromField, policies []found) {
	r.DMARC = DMARC{Outcome: signature.None}
	for i, domain := range from.domains {
		one := evaluate(r, domain, policies[i])
		if from.fault != "" {
			one.Outcome, one.Reason = signature.Fail, from.fault
		}
		if i == 0 || graver(one, r.DMARC) {
			r.DMARC = one
		}
	}
	switch {
	case r.unreadable != nil:
		r.DMARC.Outcome, r.DMARC.Reason = signature.TempError, r.unreadable.Error()
	case len(from.domains) == 0: // RFC 7489 section 6.6.1: nothing to apply a policy of
		r.DMARC.Outcome, r.DMARC.Reason = signature.PermError, from.fault
	case from.fault != "":
		r.Disposition = dmarc.Quarantine
	}
	c.apply(r)
	r.Decision = c.decide(r)
}

// graver tells whether a decides over b, of the domains of one message.
func graver(a, b DMARC) bool {
	order := []signature.Outcome{signature.Pass, signature.None, signature.PermError, signature.TempError, signature.Fail}
	x, y := slices.Index(order, a.Outcome), slices.Index(order, b.Outcome)
	if x != y {
		return x > y
	}
	return a.Policy != nil && (b.Policy == nil || a.Policy.Apply != b.Policy.Apply && dmarc.Stricter(a.Policy.Apply, b.Policy.Apply) == a.Policy.Apply)
}

// evaluate looks whether what passed is aligned with a domain in From (RFC 7489 section 6.6.2).
func evaluate(r *Result, from string, f found) DMARC {
	d := DMARC{From: from, Policy: f.policy, Outcome: signature.None}
	strictSPF, strictDKIM := false, false
	if f.policy != nil {
		strictSPF, strictDKIM = f.policy.StrictSPF, f.policy.StrictDKIM
	}
	unsure := r.SPF.Outcome == signature.TempError && dmarc.Aligned(r.SPF.Domain, from, strictSPF)
	d.SPF = r.SPF.Outcome == signature.Pass && dmarc.Aligned(r.SPF.Domain, from, strictSPF)
	for _, s := range r.DKIM {
		if dmarc.Aligned(s.Domain, from, strictDKIM) {
			d.DKIM = d.DKIM || s.Outcome == signature.Pass
			unsure = unsure || s.Outcome == signature.TempError
		}
	}
	switch {
	case errors.Is(f.err, dmarc.ErrNoPolicy):
	case f.policy == nil && isLasting(f.err):
		d.Outcome, d.Reason = signature.PermError, "the policy is not valid"
	case f.policy == nil:
		d.Outcome, d.Reason = signature.TempError, "the policy cannot be looked up now"
	case d.SPF || d.DKIM:
		d.Outcome = signature.Pass
	case unsure:
		d.Outcome, d.Reason = signature.TempError, "what could prove it cannot be looked up now"
	default:
		d.Outcome, d.Reason = signature.Fail, "neither SPF nor DKIM passes in alignment"
	}
	return d
}

// isLasting tells an invalid record from one that cannot be looked up now.
func isLasting(err error) bool {
	return !errors.Is(err, resolver.ErrTemporary) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

// apply finds the disposition (RFC 7489 section 6.6.4).
func (c *Checker) apply(r *Result) {
	d := &r.DMARC
	if d.Outcome != signature.Fail || d.Policy == nil {
		return
	}
	wanted := d.Policy.Apply
	if d.Policy.Percent < 100 && c.opt.Chance() >= d.Policy.Percent {
		d.Sampled = true
		wanted = milder(wanted)
	}
	if d.Sealer = c.vouchedFor(r); d.Sealer != "" {
		wanted = dmarc.None
	}
	if c.opt.Lenient && wanted == dmarc.Reject {
		wanted = dmarc.Quarantine
	}
	r.Disposition = dmarc.Stricter(r.Disposition, wanted)
}

func milder(d dmarc.Disposition) dmarc.Disposition {
	if d == dmarc.Reject {
		return dmarc.Quarantine
	}
	return dmarc.None
}

// vouchedFor returns the trusted sealer that found the message aligned with its From when it came there,
// if all who handled it since are trusted, too (RFC 8617 section 7.2).
func (c *Checker) vouchedFor(r *Result) string {
	if r.ARC.Outcome != signature.Pass {
		return ""
	}
	for i := len(r.ARC.Links) - 1; i >= 0; i-- {
		link := r.ARC.Links[i]
		if !slices.Contains(c.opt.TrustedSealers, link.Domain) {
			return ""
		}
		_, stated, err := ReadResults(link.Results)
		if err != nil {
			return ""
		}
		for _, s := range stated {
			if s.Method == "dmarc" && s.Outcome == signature.Pass && address.NormalizeDomain(s.Properties["header.from"]) == r.DMARC.From {
				return link.Domain
			}
		}
	}
	return ""
}
