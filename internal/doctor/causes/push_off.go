package causes

import (
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// push.off: the device could have mail pushed and does not: push is off, or another account
// has it where only one may. A server without push, and a device that asks only by hand, are
// told apart by what the server offers and by the schedule.
var pushOff = &infer.Cause{
	ID:       cause.PushOff,
	About:    []evidence.Symptom{evidence.Push, evidence.Receive},
	Requires: []*infer.Sign{pushSwitchedOff},
	Excludes: []*infer.Sign{fetchesByHand, serverCannotPush},
	Proof:    []*infer.Sign{pushSwitchedOff},
}

// pushSwitchedOff: the device says that push is off, or on for another account only.
var pushSwitchedOff = &infer.Sign{Name: "push-switched-off", Of: func(e *evidence.Evidence) infer.Truth {
	f := shown(e).Fetch
	if f == nil {
		return infer.Unknown
	}
	other := infer.Unknown
	if f.PushAccount != "" {
		other = infer.Is(!strings.EqualFold(strings.TrimSpace(f.PushAccount), e.Complaint.Address))
	}
	scheduled := infer.Unknown
	if f.Push == nil && f.Mode != "" {
		scheduled = infer.Is(f.Mode == "fetch")
	}
	return either(isSet(f.Push, false), other, scheduled)
}}
