package causes

import (
	"slices"

	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// Signs that many causes share: trouble as it first meets the eye. A cause that
// brings one about says so, and so explains it away for the others.
var (
	// imapUnreachable: no connection to any of the account's IMAP servers that are right.
	imapUnreachable = &infer.Sign{Name: "imap-unreachable", Of: func(e *evidence.Evidence) infer.Truth { return unreachable(e, evidence.IMAP) }}
	// submissionUnreachable: no connection to the server for sending, on any port tried.
	submissionUnreachable = &infer.Sign{Name: "submission-unreachable", Of: func(e *evidence.Evidence) infer.Truth { return unreachable(e, evidence.Submission) }}
	// referenceUnreachable: what others offer cannot be reached from here either.
	referenceUnreachable = &infer.Sign{Name: "reference-unreachable", Of: func(e *evidence.Evidence) infer.Truth {
		return noneOf(evidence.Where(e, func(c evidence.Connect) bool { return c.Endpoint.Origin == evidence.Reference }), connected)
	}}
	// imapSignInRefused, submissionSignInRefused: the server answered the sign-in with a no, whatever its reason.
	imapSignInRefused       = &infer.Sign{Name: "imap-sign-in-refused", Of: func(e *evidence.Evidence) infer.Truth { return signInRefused(e, evidence.IMAP) }}
	submissionSignInRefused = &infer.Sign{Name: "submission-sign-in-refused", Of: func(e *evidence.Evidence) infer.Truth { return signInRefused(e, evidence.Submission) }}
	pop3SignInRefused       = &infer.Sign{Name: "pop3-sign-in-refused", Of: func(e *evidence.Evidence) infer.Truth { return signInRefused(e, evidence.POP3) }}
)

// unreachable is Yes when connections by a protocol to what is right were tried and none came about.
func unreachable(e *evidence.Evidence, p evidence.Protocol) infer.Truth {
	return noneOf(evidence.Where(e, func(c evidence.Connect) bool {
		return c.Endpoint.Protocol == p && own(e, c.Endpoint)
	}), connected)
}

func connected(c evidence.Connect) bool { return c.Outcome == evidence.OK }

// noneOf is Yes when there are facts and none of them is so, No when one is.
func noneOf[T any](facts []T, so func(T) bool) infer.Truth {
	if len(facts) == 0 {
		return infer.Unknown
	}
	return infer.Is(!slices.ContainsFunc(facts, so))
}

// anyOf is Yes when one of the facts is so, No when none is.
func anyOf[T any](facts []T, so func(T) bool) infer.Truth { return noneOf(facts, so).Not() }

// signIns returns the sign-ins by a protocol with name and password as given, to which the server replied.
func signIns(e *evidence.Evidence, p evidence.Protocol) []evidence.SignIn {
	return evidence.Where(e, func(s evidence.SignIn) bool {
		return s.Endpoint.Protocol == p && s.Form == evidence.AsGiven && s.Outcome == evidence.OK
	})
}

func signInRefused(e *evidence.Evidence, p evidence.Protocol) infer.Truth {
	return noneOf(signIns(e, p), func(s evidence.SignIn) bool { return s.Accepted })
}
