package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// network.offline: the device has no connection. There is no default route, or
// the kernel says that there is no way to anybody, others included.
var networkOffline = &infer.Cause{
	ID:       cause.NetworkOffline,
	Requires: []*infer.Sign{noWayOut},
	Explains: []infer.Link{
		{Sign: imapUnreachable, P: infer.Always},
		{Sign: submissionUnreachable, P: infer.Always},
		{Sign: referenceUnreachable, P: infer.Always},
		{Sign: imapDead, P: infer.Always},
		{Sign: submissionDead, P: infer.Always},
		{Sign: noNames, P: infer.Always},
		{Sign: websiteDead, P: 0.15},
	},
	Proof: []*infer.Sign{noWayOut},
}

var noWayOut = &infer.Sign{Name: "no-way-out", Of: func(e *evidence.Evidence) infer.Truth {
	if i, ok := evidence.First[evidence.Interfaces](e); ok && i.RoutesKnown && !i.Default4 && !i.Default6 {
		return infer.Yes
	}
	if c := e.Complaint.Client; c != nil && c.Network != nil && c.Network.DefaultRoute != nil && !*c.Network.DefaultRoute {
		return infer.Yes
	}
	return noneOf(evidence.All[evidence.Connect](e), func(c evidence.Connect) bool { return c.Outcome != evidence.NoNetwork })
}}
