package causes

import (
	"slices"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// pop3.locked: another device holds the POP3 mailbox, which only one may at a time (RFC 1939
// section 8, RFC 2449 section 8.1.2). By IMAP the same account opens.
var pop3Locked = &infer.Cause{
	ID:       cause.POP3Locked,
	About:    []evidence.Symptom{evidence.Receive, evidence.SignsIn},
	Requires: []*infer.Sign{pop3HeldOrSilent},
	Explains: []infer.Link{{Sign: signInUnanswered, P: infer.Usually}, {Sign: pop3SignInRefused, P: infer.Usually}, {Sign: accountInWork, P: infer.Seldom}},
	Proof:    []*infer.Sign{pop3Held},
	Params: func(e *evidence.Evidence) []cause.Param {
		if i, ok := fromInside(e); ok {
			for _, s := range i.Sessions {
				if s.Protocol == "pop3" && s.Open {
					return textParam("client", deviceName(s))
				}
			}
		}
		return nil
	},
}

// pop3HeldOrSilent: the server says so; or it is silent after the password while the same one is
// taken elsewhere, as servers are that wait for the other device to go.
var pop3HeldOrSilent = &infer.Sign{Name: "pop3-held-or-silent", Of: func(e *evidence.Evidence) infer.Truth {
	if pop3Held.Of(e) == infer.Yes {
		return infer.Yes
	}
	tried := evidence.Where(e, func(s evidence.SignIn) bool { return s.Endpoint.Protocol == evidence.POP3 })
	return both(anyAccepted(e), allOf(tried, func(s evidence.SignIn) bool { return s.Outcome == evidence.TimedOut }))
}}

var pop3Held = &infer.Sign{Name: "pop3-held", Normal: true, Of: func(e *evidence.Evidence) infer.Truth {
	tried := evidence.Where(e, func(s evidence.SignIn) bool { return s.Endpoint.Protocol == evidence.POP3 && s.Outcome == evidence.OK })
	shown := slices.ContainsFunc(evidence.All[evidence.ClientError](e), func(c evidence.ClientError) bool {
		return c.Protocol == evidence.POP3 && means(c.Reading, dialect.LockedMailbox)
	})
	if shown {
		return infer.Yes
	}
	return either(anyOf(tried, func(s evidence.SignIn) bool { return !s.Accepted && means(s.Reading, dialect.LockedMailbox) }),
		commandMeans(e, evidence.POP3, dialect.LockedMailbox))
}}

// signInUnanswered: a protocol's sign-ins are answered by silence alone, though the server greeted.
var signInUnanswered = &infer.Sign{Name: "sign-in-unanswered", Of: func(e *evidence.Evidence) infer.Truth {
	silent := []infer.Truth{}
	for _, p := range []evidence.Protocol{evidence.IMAP, evidence.Submission, evidence.POP3} {
		tried := evidence.Where(e, func(s evidence.SignIn) bool { return s.Endpoint.Protocol == p })
		silent = append(silent, allOf(tried, func(s evidence.SignIn) bool { return s.Outcome == evidence.TimedOut }))
	}
	return either(silent...)
}}
