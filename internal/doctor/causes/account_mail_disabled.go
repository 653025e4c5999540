package causes

import (
	"slices"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// account.mail-disabled: mail is switched off in the account. The account page
// shows it, the server knows it, or every protocol refuses the sign-in for that
// reason; where one of them signs in, it is only a protocol that is off.
var accountMailDisabled = &infer.Cause{
	ID:       cause.AccountMailDisabled,
	Requires: []*infer.Sign{mailSwitchedOff},
	Explains: append(refusesSignIns(infer.Sometimes), infer.Link{Sign: ownAddressRefused, P: infer.Seldom}),
	Proof:    []*infer.Sign{mailSwitchedOff},
}

// mailSwitchedOff: mail as a whole is off, not one way to it.
var mailSwitchedOff = &infer.Sign{Name: "mail-switched-off", Of: func(e *evidence.Evidence) infer.Truth {
	told := []infer.Truth{isSet(shownAccount(e).MailSwitch, false)}
	if i, ok := fromInside(e); ok {
		told = append(told, infer.Is(i.MailOff))
	}
	return either(append(told, offEverywhere(e))...)
}}

// offEverywhere: every sign-in was refused because the account or the protocol is off.
func offEverywhere(e *evidence.Evidence) infer.Truth {
	if anyAccepted(e) == infer.Yes {
		return infer.No
	}
	no := refusedSignIns(e)
	if len(no) < 2 {
		return infer.Unknown
	}
	off := func(s evidence.SignIn) bool {
		first := s.Reading.First().Kind
		return first == dialect.AccountDisabled || first == dialect.ProtocolDisabled
	}
	// One that says it clearly is enough where the other says no more than "no".
	vague := func(s evidence.SignIn) bool {
		return off(s) || s.Reading.Says(dialect.ProtocolDisabled) || vagueRefusals(e)
	}
	return infer.Is(slices.ContainsFunc(no, off) && !slices.ContainsFunc(no, func(s evidence.SignIn) bool {
		return !vague(s) || means(s.Reading, dialect.AccountSuspended)
	}))
}
