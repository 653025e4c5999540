package causes

import (
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
	"github.com/postiljon/postiljon/internal/settings"
)

// What causes of the account, of signing in, of the mail program's settings and of limits share.

// nearlyAsSure is how much of the weight of a reply's first meaning another one
// must have to be taken for what is meant.
const nearlyAsSure = 0.85

// worthTelling is the weight below which a meaning is a guess from a bare code.
const worthTelling = 0.45

// means reports whether a reply mostly means one of the kinds: what it could mean besides does not count.
//
// Many servers say of every refused sign-in that name or password is wrong, so where that
// comes first, what else it could be is not said.
func means(r dialect.Reading, kinds ...dialect.Kind) bool {
	first := r.First()
	if first.Kind == dialect.CredentialsRefused {
		return slices.Contains(kinds, first.Kind)
	}
	return slices.ContainsFunc(kinds, func(k dialect.Kind) bool {
		return r.Weight(k) >= max(worthTelling, nearlyAsSure*first.Weight)
	})
}

// isSet is whether something that may not be known has a value.
func isSet[T comparable](p *T, value T) infer.Truth {
	if p == nil {
		return infer.Unknown
	}
	return infer.Is(*p == value)
}

// shown is what the mail program shows; empty if nothing is known of it.
func shown(e *evidence.Evidence) evidence.ClientState {
	if e.Complaint.Client == nil {
		return evidence.ClientState{}
	}
	return *e.Complaint.Client
}

// shownAccount is the account as the mail program has it.
func shownAccount(e *evidence.Evidence) evidence.ClientAccount {
	if a := shown(e).Account; a != nil {
		return *a
	}
	return evidence.ClientAccount{}
}

// fromInside is what the server that hosts the account knows; false if no such server was asked.
func fromInside(e *evidence.Evidence) (*evidence.Inside, bool) {
	i, ok := evidence.First[*evidence.Inside](e)
	return i, ok && i != nil && i.Exists
}

// insideReason is whether the server says that the account's state has this cause.
func insideReason(e *evidence.Evidence, id string) infer.Truth {
	i, ok := fromInside(e)
	if !ok {
		return infer.Unknown
	}
	return infer.Is(i.Reason == id)
}

// refusedSignIns are the sign-ins, with name and password in whatever form, that a server answered with a no.
func refusedSignIns(e *evidence.Evidence) []evidence.SignIn {
	return evidence.Where(e, func(s evidence.SignIn) bool { return s.Outcome == evidence.OK && !s.Accepted })
}

// sideRefusals are the sign-ins that were refused while another protocol took the same name and password.
func sideRefusals(e *evidence.Evidence) []evidence.SignIn {
	if _, ok := evidence.Find(e, func(s evidence.SignIn) bool { return s.Accepted && s.Form == evidence.AsGiven }); !ok {
		return nil
	}
	return slices.DeleteFunc(refusedSignIns(e), func(s evidence.SignIn) bool { return s.Form != evidence.AsGiven })
}

// signsIn reports whether a protocol took name and password from here.
func signsIn(e *evidence.Evidence, p evidence.Protocol) bool {
	_, ok := evidence.Find(e, func(s evidence.SignIn) bool { return s.Accepted && s.Endpoint.Protocol == p })
	return ok
}

// anyAccepted is whether a sign-in succeeded.
func anyAccepted(e *evidence.Evidence) infer.Truth {
	return anyOf(evidence.Where(e, func(s evidence.SignIn) bool { return s.Outcome == evidence.OK }), func(s evidence.SignIn) bool { return s.Accepted })
}

// signInMeans is whether a refused sign-in mostly means one of the kinds.
func signInMeans(e *evidence.Evidence, kinds ...dialect.Kind) infer.Truth {
	return anyOf(evidence.Where(e, func(s evidence.SignIn) bool { return s.Outcome == evidence.OK }), func(s evidence.SignIn) bool {
		return !s.Accepted && means(s.Reading, kinds...)
	})
}

// clientMeans is whether an error that the mail program shows mostly means one of the kinds.
func clientMeans(e *evidence.Evidence, kinds ...dialect.Kind) infer.Truth {
	return anyOf(evidence.All[evidence.ClientError](e), func(c evidence.ClientError) bool { return means(c.Reading, kinds...) })
}

// bounceMeans is whether a report that came back mostly means one of the kinds.
func bounceMeans(e *evidence.Evidence, kinds ...dialect.Kind) infer.Truth {
	b, ok := evidence.First[evidence.Bounced](e)
	if !ok {
		return infer.Unknown
	}
	for _, r := range b.Recipients {
		if means(r.Reading, kinds...) {
			return infer.Yes
		}
	}
	return infer.No
}

// commandMeans is whether a refused command of a protocol mostly means one of the kinds.
func commandMeans(e *evidence.Evidence, p evidence.Protocol, kinds ...dialect.Kind) infer.Truth {
	return anyOf(evidence.Where(e, func(c evidence.Command) bool { return c.Endpoint.Protocol == p && c.Outcome == evidence.OK }), func(c evidence.Command) bool {
		return !c.Positive && means(c.Reading, kinds...)
	})
}

// saidAtSignIn is the sign that a server refuses a sign-in for a reason that it tells, now
// or when the mail program tried.
func saidAtSignIn(name string, kinds ...dialect.Kind) *infer.Sign {
	return &infer.Sign{Name: name, Of: func(e *evidence.Evidence) infer.Truth {
		return either(signInMeans(e, kinds...), clientMeans(e, kinds...))
	}}
}

// refusesSignIns are the links of a cause for which sign-ins are refused.
func refusesSignIns(p float64) []infer.Link {
	return []infer.Link{
		{Sign: imapSignInRefused, P: p}, {Sign: submissionSignInRefused, P: p}, {Sign: pop3SignInRefused, P: p},
		{Sign: credentialsRefused, P: infer.Sometimes},
	}
}

// wrongSettings returns the settings of the mail program that are wrong for a reason.
func wrongSettings(e *evidence.Evidence, match func(evidence.GivenSetting) bool) []evidence.GivenSetting {
	return evidence.Where(e, func(g evidence.GivenSetting) bool { return g.Verdict == settings.Wrong && match(g) })
}

// settingWrong is whether a setting is wrong in a way that has this cause.
func settingWrong(e *evidence.Evidence, id string) infer.Truth {
	return anyOf(evidence.All[evidence.GivenSetting](e), func(g evidence.GivenSetting) bool {
		return g.Verdict == settings.Wrong && string(g.Cause) == id
	})
}

// ownFrom is how the server took the account's own address as the sender.
func ownFrom(e *evidence.Evidence) []evidence.Command {
	return evidence.Where(e, func(c evidence.Command) bool {
		return c.Endpoint.Protocol == evidence.Submission && c.SignedIn && c.Outcome == evidence.OK &&
			strings.EqualFold(c.Command, "MAIL FROM:<"+e.Complaint.Address+">")
	})
}

// ownRcpt is how servers took the account's own address as the recipient.
func ownRcpt(e *evidence.Evidence) []evidence.Command {
	return evidence.Where(e, func(c evidence.Command) bool {
		return (c.Endpoint.Protocol == evidence.SMTP || c.Endpoint.Protocol == evidence.Submission) && c.Outcome == evidence.OK &&
			strings.EqualFold(c.Command, "RCPT TO:<"+e.Complaint.Address+">")
	})
}

// counterFull is whether the server's counter for a cause has reached its limit.
func counterFull(e *evidence.Evidence, id string) infer.Truth {
	i, ok := fromInside(e)
	if !ok {
		return infer.Unknown
	}
	_, full := counter(i, id)
	return infer.Is(full)
}

func counter(i *evidence.Inside, id string) (evidence.Limit, bool) {
	for _, l := range i.Limits {
		if l.Cause == id && l.Max > 0 && l.Used >= l.Max {
			return l, true
		}
	}
	return evidence.Limit{}, false
}

// protocolName is how people write a protocol's name.
func protocolName(p evidence.Protocol) string {
	switch p {
	case evidence.Submission, evidence.SMTP:
		return "SMTP"
	}
	return strings.ToUpper(string(p))
}
