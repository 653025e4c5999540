package causes

import (
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// What a message from the account to itself shows, where the person agreed to one.

// testMissing: the server took the message, and it came to none of the account's mailboxes in time.
var testMissing = &infer.Sign{Name: "test-message-missing", Of: func(e *evidence.Evidence) infer.Truth {
	return anyOf(evidence.Where(e, func(t evidence.RoundTrip) bool { return t.Accepted && !t.Returned }), func(t evidence.RoundTrip) bool { return !t.Arrived })
}}

// testLies reports whether the message was found in a mailbox with a role.
func testLies(e *evidence.Evidence, role string) bool {
	_, found := evidence.Find(e, func(t evidence.RoundTrip) bool { return t.Arrived && t.Role == role })
	return found
}

// testMoved is the mailbox that is neither the inbox nor Junk in which the message was found.
func testMoved(e *evidence.Evidence) string {
	t, found := evidence.Find(e, func(t evidence.RoundTrip) bool { return t.Arrived && t.Role != "inbox" && t.Role != "junk" })
	if !found {
		return ""
	}
	return t.Mailbox
}

// testRefusals are the refusals of the message itself; those of its sender and recipient were met before. They
// are about no recipient: it is the account itself.
func testRefusals(e *evidence.Evidence) []refusal {
	var all []refusal
	for _, c := range evidence.All[evidence.Command](e) {
		if isContent(c) && c.Outcome == evidence.OK && !c.Positive {
			all = append(all, refusal{own: true, live: true, stage: c.Stage, reply: c.Reply, reading: c.Reading})
		}
	}
	return all
}

// isContent tells of an exchange about the content of a message that the account sends.
func isContent(c evidence.Command) bool {
	return c.Endpoint.Protocol == evidence.Submission && c.SignedIn && (c.Stage == dialect.StageData || c.Stage == dialect.StageEndOfData)
}

// idleRefused: the server offers to tell of new mail (RFC 2177) and does not let a client wait.
var idleRefused = &infer.Sign{Name: "idle-refused", Normal: true, Of: func(e *evidence.Evidence) infer.Truth {
	return noneOf(evidence.Where(e, func(i evidence.Idle) bool { return i.Outcome == evidence.OK }), func(i evidence.Idle) bool { return i.Accepted })
}}

// idleLost: a connection that waited was lost, or was not told of what came, while a new one works. A server
// that ends it with words does so itself.
func idleLost(e *evidence.Evidence) infer.Truth {
	lost := anyOf(evidence.Where(e, func(i evidence.Idle) bool { return i.Accepted && i.Held > 0 && !i.Bye }), func(i evidence.Idle) bool { return i.Outcome != evidence.OK })
	silent := anyOf(evidence.Where(e, func(t evidence.RoundTrip) bool { return t.Notice != "" }), func(t evidence.RoundTrip) bool { return t.Notice == evidence.NoticeSilent })
	return either(lost, silent)
}
