package causes

import (
	"slices"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// account.locked-out: too many wrong passwords were tried, so that the right one
// fails, too, for a while. No server that answers says that the password is
// wrong: one that does was asked with a wrong one. That it is this address that
// is banned, and not the account, shows at the greeting already.
var accountLockedOut = &infer.Cause{
	ID:       cause.AccountLockedOut,
	Requires: []*infer.Sign{lockedOut},
	Explains: append(refusesSignIns(infer.Usually), infer.Link{Sign: volumeUsedUp, P: infer.Seldom}),
	Proof:    []*infer.Sign{lockedOut},
	Params: func(e *evidence.Evidence) []cause.Param {
		i, ok := fromInside(e)
		if !ok {
			return nil
		}
		var params []cause.Param
		if i.Until != nil {
			params = append(params, cause.Time("until", *i.Until))
		}
		for _, event := range slices.Backward(i.Events) {
			if client := event.Text["client"]; client != "" && event.Cause == string(cause.AuthPasswordWrong) {
				return append(params, cause.Text("client", client))
			}
		}
		return params
	},
}

var lockedOut = &infer.Sign{Name: "locked-out", Of: func(e *evidence.Evidence) infer.Truth {
	if i, ok := fromInside(e); ok && (i.Reason == string(cause.AccountLockedOut) || lastSignInEvent(i) == string(cause.AccountLockedOut)) {
		return infer.Yes
	}
	// A server that names its cause says so only after the right password; others are told "wrong" meanwhile.
	if _, named := evidence.Find(e, func(s evidence.SignIn) bool {
		return s.Reading.First().Kind == dialect.AccountLocked && s.Reading.First().Basis == dialect.BasisCause
	}); named {
		return infer.Yes
	}
	if signInMeans(e, dialect.CredentialsRefused) == infer.Yes || anyAccepted(e) == infer.Yes {
		return infer.No
	}
	return either(signInMeans(e, dialect.AccountLocked), clientMeans(e, dialect.AccountLocked))
}}

// lastSignInEvent is the cause of the newest sign-in in the journal; "" if it succeeded or there is none.
func lastSignInEvent(i *evidence.Inside) string {
	for _, event := range slices.Backward(i.Events) {
		if event.Kind == "sign-in" {
			return event.Cause
		}
	}
	return ""
}
