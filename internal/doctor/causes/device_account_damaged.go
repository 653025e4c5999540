package causes

import (
	"slices"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
	"github.com/postiljon/postiljon/internal/settings"
)

// device.account-damaged: the account works from here and in another program, its settings
// on the device are right, and still the program fails, with words of its own and not a
// server's. All that could be wrong besides must be known to be well; so it is likely at best.
var deviceAccountDamaged = &infer.Cause{
	ID:       cause.DeviceAccountDamaged,
	About:    []evidence.Symptom{evidence.Receive, evidence.Send, evidence.SignsIn, evidence.Push},
	Requires: []*infer.Sign{onlyThisProgram},
	Excludes: []*infer.Sign{
		noWayOut, accountOffline, outgoingNotSet, programStuck, idleSilent, outboxWaits,
		imapUnreachable, submissionUnreachable, imapSignInRefused, submissionSignInRefused,
		tooOld, clockOff, certOutOfTime, certWrongName, certUntrusted,
	},
}

// onlyThisProgram: the program shows a failure of its own and holds no connection, while
// others of the account are at work and everything that it needs is in order. It shows
// nothing that is wrong by itself, so that it may stay unexplained.
var onlyThisProgram = &infer.Sign{Name: "only-this-program-fails", Normal: true, Of: func(e *evidence.Evidence) infer.Truth {
	accepted := func(s evidence.SignIn) bool { return s.Accepted }
	return both(failsByItself(e), settingsRight(e), othersAtWork(e),
		anyOf(signIns(e, evidence.IMAP), accepted), anyOf(signIns(e, evidence.Submission), accepted))
}}

// failsByItself: the last error is none that a server is known to say.
func failsByItself(e *evidence.Evidence) infer.Truth {
	if slices.ContainsFunc(shown(e).IMAPSessions, func(s evidence.ClientSession) bool { return s.State != "closed" }) {
		return infer.No
	}
	return anyOf(evidence.Where(e, func(c evidence.ClientError) bool { return c.Where == "last-error" }), func(c evidence.ClientError) bool {
		kind := c.Reading.First().Kind
		return c.Reading.Class != dialect.Temporary && c.Reading.Class != dialect.Permanent &&
			(kind == dialect.Unknown || kind == dialect.ServerUnavailable && c.Protocol == "") // "internal error" of the program
	})
}

// settingsRight: the program's settings are known, and none of them is wrong.
func settingsRight(e *evidence.Evidence) infer.Truth {
	return noneOf(evidence.All[evidence.GivenSetting](e), func(g evidence.GivenSetting) bool { return g.Verdict == settings.Wrong })
}

// othersAtWork: somebody uses the account now, in a browser or from another device.
func othersAtWork(e *evidence.Evidence) infer.Truth {
	elsewhere := infer.Unknown
	if i, ok := fromInside(e); ok {
		now := newestFact(e)
		elsewhere = anyOf(i.Sessions, func(s evidence.InsideSession) bool { return s.Open && now.Sub(s.LastIO) <= silence })
	}
	return either(isSet(shown(e).WebLoginOK, true), elsewhere)
}
