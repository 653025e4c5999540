package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// account.blocked-abuse: the account signs in, but may not send: the server
// refuses its own address as the sender, for good. A limit refuses for a time, and
// another From address would be refused for not being owned.
var accountBlockedAbuse = &infer.Cause{
	ID:       cause.AccountBlockedAbuse,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{sendingBlocked},
	Explains: []infer.Link{{Sign: suspendedForAbuse, P: infer.Usually}, {Sign: ownFromRefused, P: infer.Usually}, {Sign: messageRefused, P: infer.Sometimes}},
	Proof:    []*infer.Sign{sendingBlocked},
}

// sendingBlocked: the server says that the account may not send because of abuse, or refuses its own address
// for good without a word of a limit.
var sendingBlocked = &infer.Sign{Name: "sending-blocked", Of: func(e *evidence.Evidence) infer.Truth {
	told := []infer.Truth{
		commandMeans(e, evidence.Submission, dialect.AbuseBlocked), clientMeans(e, dialect.AbuseBlocked), bounceMeans(e, dialect.AbuseBlocked),
		insideReason(e, string(cause.AccountBlockedAbuse)),
	}
	own := ownFrom(e)
	told = append(told, anyOf(own, func(c evidence.Command) bool {
		return !c.Positive && c.Reading.Class == dialect.Permanent && !means(c.Reading, sendingLimits...) &&
			!means(c.Reading, dialect.RateLimitedDomain, dialect.MailboxFull, dialect.MessageTooLarge, dialect.AccountSuspended)
	}))
	return either(told...)
}}

// ownFromRefused: signed in, the account's own address is refused as the sender.
var ownFromRefused = &infer.Sign{Name: "own-from-refused", Of: func(e *evidence.Evidence) infer.Truth {
	return anyOf(ownFrom(e), func(c evidence.Command) bool { return !c.Positive })
}}

// suspendedForAbuse: the server tells that the account is locked for abuse.
var suspendedForAbuse = &infer.Sign{Name: "suspended-for-abuse", Of: func(e *evidence.Evidence) infer.Truth {
	return insideReason(e, string(cause.AccountBlockedAbuse))
}}

// sendingLimits are the kinds of replies that tell of the sender's own limits.
var sendingLimits = []dialect.Kind{dialect.RateLimited, dialect.RateLimitedHourly, dialect.RateLimitedDaily}
