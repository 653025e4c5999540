package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// push.notifications-off: mail reaches the device, which does not say so. Where no mail can
// reach it, because the sign-in or the way fails, its silence means nothing.
var pushNotificationsOff = &infer.Cause{
	ID:       cause.PushNotificationsOff,
	About:    []evidence.Symptom{evidence.Push, evidence.Receive},
	Requires: []*infer.Sign{deviceSilent},
	Excludes: []*infer.Sign{imapSignInRefused, imapUnreachable, noWayOut},
	Proof:    []*infer.Sign{deviceSilent},
}

// deviceSilent: the program may not notify, or has nothing to do it with.
var deviceSilent = &infer.Sign{Name: "device-silent", Normal: true, Of: func(e *evidence.Evidence) infer.Truth {
	n := shown(e).Notifications
	if n == nil {
		return infer.Unknown
	}
	if n.Sound != nil && n.Badge != nil {
		return either(isSet(n.Allowed, false), both(isSet(n.Sound, false), isSet(n.Badge, false)))
	}
	return isSet(n.Allowed, false)
}}
