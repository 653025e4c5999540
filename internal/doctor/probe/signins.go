package probe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/settings"
)

// SignIns returns the sign-ins, one for each protocol of mail programs, at the
// endpoint that the program has, else at the right one.
//
// Only two of them may fail, so they are spent where they tell most. Where
// nothing is odd about name and password, the two main protocols are tried at
// once: that shows whether it is the account or one service. Where the name is of
// another form than the provider's, or something invisible is in it or in the password, the
// second try is one without that; the other protocols come after it.
func (r *Run) SignIns(endpoints []evidence.Endpoint) []Probe {
	var probes []Probe
	var before []string
	x := &experiment{form: r.otherForm()}
	for i, p := range r.signInOrder() {
		after := append(slices.Clone(before), CompareName)
		var eps []evidence.Endpoint
		for _, ep := range endpoints {
			if ep.Protocol == p {
				eps = append(eps, ep)
				after = append(after, OfferName(ep))
			}
		}
		if len(eps) == 0 {
			continue
		}
		name := SignInOf(p)
		probes = append(probes, Probe{Name: name, After: after, Timeout: 6 * r.Step, Run: func(ctx context.Context) error {
			return r.signInAtBest(ctx, eps, x)
		}})
		if i > 0 || x.form != "" { // the first two run side by side
			before = []string{SignInOf(r.signInOrder()[0]), name}
		}
	}
	return probes
}

// SignInOf names the probe that signs in by a protocol.
func SignInOf(p evidence.Protocol) string { return "sign-in " + string(p) }

// signInOrder puts first what the mail program uses.
func (r *Run) signInOrder() []evidence.Protocol {
	uses := func(p evidence.Protocol) bool {
		return slices.ContainsFunc(r.Evidence.Complaint.Given, func(ep evidence.Endpoint) bool { return ep.Protocol == p })
	}
	if uses(evidence.POP3) && !uses(evidence.IMAP) {
		return []evidence.Protocol{evidence.POP3, evidence.IMAP, evidence.Submission}
	}
	return []evidence.Protocol{evidence.IMAP, evidence.Submission, evidence.POP3}
}

// experiment is the other form of name and password that is tried once, and what came of it.
// Its probes run one after the other.
type experiment struct {
	form     evidence.NameForm // "" where nothing is odd
	done     bool
	accepted bool
}

// otherForm tells which other form of name or password is worth a try.
func (r *Run) otherForm() evidence.NameForm {
	c := r.Evidence.Complaint
	name := c.Username()
	if Visible(name) != name || Visible(c.Password) != c.Password {
		return evidence.Trimmed
	}
	if c.GivenUsername == "" {
		return ""
	}
	for _, right := range r.rightNames() {
		switch {
		case strings.EqualFold(right, name):
			return ""
		case strings.EqualFold(right, c.Address):
			return evidence.WholeAddress
		case strings.EqualFold(right, c.LocalPart()):
			return evidence.LocalPart
		}
	}
	if !strings.Contains(name, "@") {
		return evidence.WholeAddress
	}
	return ""
}

// rightNames returns the user names that the provider says are right.
func (r *Run) rightNames() []string {
	p, ok := evidence.First[*evidence.Provider](r.Evidence)
	if !ok {
		return nil
	}
	var names []string
	for _, choice := range p.Result.Chosen {
		for _, form := range choice.Usernames {
			names = append(names, form.For(r.Evidence.Complaint.Address))
		}
	}
	return names
}

// signInAtBest signs in at the first endpoint to which there is a connection fit for it.
func (r *Run) signInAtBest(ctx context.Context, eps []evidence.Endpoint, x *experiment) error {
	if r.Evidence.Complaint.Password == "" {
		return fmt.Errorf("no password was given: %w", ErrBlocked)
	}
	form := evidence.AsGiven
	if x.accepted {
		form = x.form
	}
	var last error = ErrBlocked
	for _, ep := range eps {
		o, err := r.sessions.get(ep)
		if err != nil || o.caps.List == nil && ep.Protocol != evidence.POP3 || r.foreign(ep) {
			continue
		}
		if last = o.signIn(ctx, form); errors.Is(last, ErrBlocked) {
			continue
		}
		if last != nil && x.form != "" && !x.done {
			return r.tryOtherForm(ctx, o, x)
		}
		return last
	}
	return last
}

// foreign reports whether an endpoint is another provider's: a password has no business there. A host
// of the address's own domain is none, whatever that domain publishes.
func (r *Run) foreign(ep evidence.Endpoint) bool {
	domain := r.Evidence.Complaint.Domain()
	if ep.Origin != evidence.Given || ep.Host == domain || strings.HasSuffix(ep.Host, "."+domain) {
		return false
	}
	p := settings.Protocol(ep.Protocol)
	if ep.Protocol == evidence.Submission {
		p = settings.SMTP
	}
	_, found := evidence.Find(r.Evidence, func(g evidence.GivenSetting) bool {
		return g.Protocol == p && g.Field == settings.FieldHost && g.Verdict == settings.Wrong
	})
	return found
}

// tryOtherForm signs in with the other form of name or password on a connection of its own, which
// replaces the first one when it works.
func (r *Run) tryOtherForm(ctx context.Context, o *opened, x *experiment) error {
	x.done = true
	t, ip, err := r.open(ctx, o.ep)
	if err != nil {
		return err
	}
	if err := t.signIn(ctx, x.form); err != nil {
		t.close()
		return err
	}
	x.accepted = true
	o.talk.close()
	r.sessions.put(o.ep, &opened{t, ip})
	return nil
}
