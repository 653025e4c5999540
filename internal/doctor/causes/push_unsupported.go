package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// push.unsupported: the server offers no IDLE (RFC 2177) and nothing in its place, so that
// no device can be told of new mail. That is a fault only to somebody who expects push.
var pushUnsupported = &infer.Cause{
	ID:       cause.PushUnsupported,
	About:    []evidence.Symptom{evidence.Push, evidence.Receive},
	Requires: []*infer.Sign{serverCannotPush},
	Explains: []infer.Link{{Sign: pushSwitchedOff, P: infer.Usually}, {Sign: idleRefused, P: infer.Usually}},
	Proof:    []*infer.Sign{serverCannotPush},
}

// serverCannotPush: push is wanted, and what the server offers has none of the ways. Some
// servers name IDLE only after the sign-in: what was offered before counts for nothing then.
var serverCannotPush = &infer.Sign{Name: "server-cannot-push", Of: func(e *evidence.Evidence) infer.Truth {
	if e.Complaint.Symptom != evidence.Push && shown(e).Fetch == nil {
		return infer.Unknown
	}
	return noneOf(evidence.Where(e, func(c evidence.Capabilities) bool {
		return c.Endpoint.Protocol == evidence.IMAP && c.SignedIn && len(c.List) > 0
	}), func(c evidence.Capabilities) bool {
		return c.Has("IDLE") && idleRefused.Of(e) != infer.Yes || c.Has("NOTIFY") || c.Has("XAPPLEPUSHSERVICE")
	})
}}
