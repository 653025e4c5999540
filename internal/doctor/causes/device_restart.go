package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// device.restart: the mail program holds a connection that is dead, or on which it has not
// moved for long, in the middle of its work, while a new sign-in works. A connection that
// waits for news in vain was forgotten by the network: that is another cause.
var deviceRestart = &infer.Cause{
	ID:       cause.DeviceRestart,
	About:    []evidence.Symptom{evidence.Receive, evidence.Push, evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{programStuck},
	Excludes: []*infer.Sign{noWayOut, accountOffline},
	Proof:    []*infer.Sign{programStuck},
}

// programStuck: a session at work has not moved for long, none of the program's others
// is alive, and the server is well.
var programStuck = &infer.Sign{Name: "program-stuck", Of: func(e *evidence.Evidence) infer.Truth {
	c := e.Complaint.Client
	if c == nil || len(c.IMAPSessions) == 0 {
		return infer.Unknown
	}
	now := newestFact(e)
	moves := func(s evidence.ClientSession) bool {
		return s.State == "open" && s.LastIO != nil && now.Sub(*s.LastIO) <= silence
	}
	stuck := func(s evidence.ClientSession) bool {
		return !s.Idle && (s.State == "half-open" || s.State == "open" && s.LastIO != nil && now.Sub(*s.LastIO) > silence)
	}
	return both(anyOf(c.IMAPSessions, stuck), noneOf(c.IMAPSessions, moves),
		anyOf(signIns(e, evidence.IMAP), func(s evidence.SignIn) bool { return s.Accepted }))
}}
