package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// push.fetch-manual: nothing is pushed to the device, and it asks only when somebody opens
// the program, or only while it charges on Wi-Fi. Push that is off with a schedule instead
// is another cause, for which mail comes late and does come.
var pushFetchManual = &infer.Cause{
	ID:       cause.PushFetchManual,
	About:    []evidence.Symptom{evidence.Push, evidence.Receive},
	Requires: []*infer.Sign{fetchesByHand},
	Explains: []infer.Link{{Sign: pushSwitchedOff, P: infer.Usually}},
	Proof:    []*infer.Sign{fetchesByHand},
}

// fetchesByHand: the device does not ask by itself: never, or not as it stands now.
// "automatic" asks only on a charger and on Wi-Fi.
var fetchesByHand = &infer.Sign{Name: "fetches-by-hand", Of: func(e *evidence.Evidence) infer.Truth {
	f := shown(e).Fetch
	switch {
	case f == nil || f.Mode == "":
		return infer.Unknown
	case f.Mode == "manual":
		return infer.Yes
	case f.Mode == "automatic":
		return either(isSet(f.Charging, false), isSet(f.WiFi, false))
	}
	return infer.No
}}
