package genuine

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/dmarc"
	"github.com/postiljon/postiljon/internal/signature"
)

// decide says whether a message is refused, and why.
func (c *Checker) decide(r *Result) cause.Decision {
	d := &r.DMARC
	switch {
	case errors.Is(r.unreadable, signature.ErrHeaderTooLarge):
		// Nobody writes such a header; From could be hidden anywhere in it.
		return cause.Refuse(cause.ContentMalformed, cause.Text("detail", "the header has more than 1 MiB or 10,000 fields")).As("header")
	case c.opt.RequirePTR && (r.IPRev.Outcome == signature.PermError || r.IPRev.Outcome == signature.Fail):
		return cause.Refuse(cause.SenderPTRMissing, r.client(), cause.Text("host", r.Envelope.HELO))
	case r.Disposition == dmarc.Reject:
		return r.refusal()
	case d.Outcome == signature.TempError && d.Policy != nil && d.Policy.Apply == dmarc.Reject && !c.opt.NeverWait && !c.opt.Lenient:
		return cause.Wait(cause.SenderNotAligned, time.Time{}, cause.Text("domain", d.From), r.client())
	case c.opt.RefuseSPFFail && r.SPF.Outcome == signature.Fail && d.Outcome == signature.None && !d.DKIM:
		return cause.Refuse(cause.SenderSPFFail, cause.Text("domain", r.SPF.Domain), r.client())
	}
	return cause.Allow()
}

// unproven are the causes of a refusal for want of proof.
var unproven = []cause.ID{
	cause.SenderNotAligned, cause.SenderDKIMBroken, cause.SenderSPFBroken, cause.SenderForwardingBreaksSPF, cause.SenderSPFFail,
}

// overrule lets a message through of which nothing proves that it comes from its author, if all who are to get it want that.
func (r *Result) overrule(ctx context.Context, allowed func(ctx context.Context, author string) bool) {
	suspect := r.Decision.Allowed() && r.Disposition == dmarc.Quarantine || slices.Contains(unproven, r.Decision.Cause)
	if allowed == nil || r.Author == "" || !suspect || !allowed(ctx, r.Author) {
		return
	}
	r.Allowed, r.Disposition, r.Decision = true, dmarc.None, cause.Allow()
}

func (r *Result) client() cause.Param { return cause.Text("client", r.Envelope.Remote.String()) }

// refusal finds the cause that helps whoever looks after the sender most: what kept the message from being
// proven, if it was meant to be.
func (r *Result) refusal() cause.Decision {
	d := &r.DMARC
	domain := cause.Text("domain", d.From)
	broken := r.brokenSignature()
	switch {
	case r.forwarded && r.SPF.Outcome != signature.Pass:
		return cause.Refuse(cause.SenderForwardingBreaksSPF, domain, cause.Text("host", r.forwarder()))
	case broken != nil:
		return cause.Refuse(cause.SenderDKIMBroken, domain, cause.Text("selector", broken.Selector))
	case r.SPF.Outcome == signature.PermError && dmarc.Aligned(r.SPF.Domain, d.From, d.Policy.StrictSPF):
		return cause.Refuse(cause.SenderSPFBroken, cause.Text("domain", r.SPF.Domain), cause.Text("detail", r.SPF.Reason))
	}
	return cause.Refuse(cause.SenderNotAligned, domain, r.client())
}

// brokenSignature is a signature of the domain in From that is not valid.
func (r *Result) brokenSignature() *DKIM {
	for i, s := range r.DKIM {
		if s.Outcome != signature.Pass && dmarc.Aligned(s.Domain, r.DMARC.From, r.DMARC.Policy.StrictDKIM) {
			return &r.DKIM[i]
		}
	}
	return nil
}

// forwarder names the server that a forwarded message came from.
func (r *Result) forwarder() string {
	if r.IPRev.Outcome == signature.Pass {
		return r.IPRev.Name
	}
	return r.Envelope.Remote.String()
}

// hasForwarder tells whether a header has fields that servers add when they pass a message on to another
// address.
func hasForwarder(h *signature.Header) bool {
	for _, name := range []string{"delivered-to", "x-forwarded-to", "x-forwarded-for", "x-forwarded-encrypted", "resent-from"} {
		if len(h.All(name)) > 0 {
			return true
		}
	}
	return false
}
