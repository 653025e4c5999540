package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// account.gone: the account does not exist. The domain's own server knows no such
// recipient, and no sign-in succeeds; after a wrong password it would know the address.
var accountGone = &infer.Cause{
	ID:       cause.AccountGone,
	Requires: []*infer.Sign{ownAddressUnknown},
	Explains: append(refusesSignIns(infer.Usually),
		infer.Link{Sign: credentialsRefused, P: infer.Usually},
		infer.Link{Sign: rightFormRefused, P: infer.Always},
		infer.Link{Sign: webRefuses, P: infer.Usually},
		infer.Link{Sign: ownAddressRefused, P: infer.Always}),
	Excludes: []*infer.Sign{webAccepts},
	Proof:    []*infer.Sign{ownAddressUnknown},
	Params: func(e *evidence.Evidence) []cause.Param {
		return []cause.Param{cause.Text("address", e.Complaint.Address)}
	},
}

// ownAddressUnknown: the domain's server says that there is no such address, and nobody signed in to it.
var ownAddressUnknown = &infer.Sign{Name: "own-address-unknown", Of: func(e *evidence.Evidence) infer.Truth {
	if anyAccepted(e) == infer.Yes {
		return infer.No
	}
	if i, ok := fromInside(e); ok {
		return infer.Is(i.State == "gone")
	}
	return either(
		anyOf(ownRcpt(e), func(c evidence.Command) bool { return !c.Positive && means(c.Reading, dialect.RecipientUnknown) }),
		signInMeans(e, dialect.AccountUnknown))
}}

// ownAddressRefused: the domain's server takes no mail for the address, whatever the reason.
var ownAddressRefused = &infer.Sign{Name: "own-address-refused", Leak: 0.05, Of: func(e *evidence.Evidence) infer.Truth {
	return anyOf(ownRcpt(e), func(c evidence.Command) bool { return !c.Positive && c.Reading.Class == dialect.Permanent })
}}
