package causes

import (
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// network.idle-dropped: the mail program waits on a connection that has been
// silent for longer than a server lets one be (RFC 9051 section 5.4), while a new sign-in works.
// A program that has signed out, or that cannot sign in, shows otherwise.
var networkIdleDropped = &infer.Cause{
	ID:       cause.NetworkIdleDropped,
	About:    []evidence.Symptom{evidence.Receive, evidence.Push},
	Requires: []*infer.Sign{idleSilent},
	Proof:    []*infer.Sign{idleSilent},
}

// silence is how long an idle connection is silent at most where nothing is wrong:
// programs begin IDLE anew before 29 minutes are over (RFC 2177).
const silence = 35 * time.Minute

// idleSilent: seen here, where a connection was held on trial or a test message came; else as the program shows it.
var idleSilent = &infer.Sign{Name: "idle-connection-silent", Of: func(e *evidence.Evidence) infer.Truth {
	if seen := idleLost(e); seen == infer.Yes {
		return both(seen, anyOf(signIns(e, evidence.IMAP), func(s evidence.SignIn) bool { return s.Accepted }))
	}
	if e.Complaint.Client == nil || len(e.Complaint.Client.IMAPSessions) == 0 {
		return infer.Unknown
	}
	now := time.Time{}
	for _, f := range e.Facts() {
		now = f.At
	}
	stale := anyOf(e.Complaint.Client.IMAPSessions, func(s evidence.ClientSession) bool {
		return s.Idle && (s.State == "half-open" || s.State != "closed" && s.LastIO != nil && now.Sub(*s.LastIO) > silence)
	})
	return both(stale, anyOf(signIns(e, evidence.IMAP), func(s evidence.SignIn) bool { return s.Accepted }))
}}
