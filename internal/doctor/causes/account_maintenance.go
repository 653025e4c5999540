package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// account.maintenance: this one account is being moved or repaired. The server
// greets and works, and says so only when the account signs in or opens its
// mailbox; sign-ins that cannot be checked at all are the provider's trouble.
var accountMaintenance = &infer.Cause{
	ID:       cause.AccountMaintenance,
	Requires: []*infer.Sign{accountInWork},
	Explains: append(refusesSignIns(infer.Usually), infer.Link{Sign: ownAddressRefused, P: infer.Sometimes}),
	Proof:    []*infer.Sign{accountInWork},
	Params: func(e *evidence.Evidence) []cause.Param {
		if i, ok := fromInside(e); ok && i.Until != nil {
			return []cause.Param{cause.Time("until", *i.Until)}
		}
		return nil
	},
}

var accountInWork = &infer.Sign{Name: "account-in-work", Of: func(e *evidence.Evidence) infer.Truth {
	told := []infer.Truth{signInMeans(e, dialect.Maintenance), commandMeans(e, evidence.IMAP, dialect.Maintenance, dialect.LockedMailbox)}
	if i, ok := fromInside(e); ok {
		told = append(told, infer.Is(i.State == "maintenance"))
	}
	return either(told...)
}}
