package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// account.suspended-unpaid: the account is suspended because an invoice is unpaid.
// The server says so after the right password, or the account page does. An
// account that only may not send is locked for abuse instead.
var accountSuspendedUnpaid = &infer.Cause{
	ID:       cause.AccountSuspendedUnpaid,
	Requires: []*infer.Sign{suspended},
	Explains: append(refusesSignIns(infer.Usually), infer.Link{Sign: invoiceUnpaid, P: infer.Usually}, infer.Link{Sign: ownAddressRefused, P: infer.Sometimes}),
	Excludes: []*infer.Sign{suspendedForAbuse},
	Proof:    []*infer.Sign{suspended},
	Params: func(e *evidence.Evidence) []cause.Param {
		params := []cause.Param{cause.Text("domain", e.Complaint.Domain())}
		if b := shown(e).Billing; b != nil && b.Due != nil {
			params = append(params, cause.Time("since", *b.Due))
		}
		return params
	},
}

// suspended: the server refuses the sign-in because the account is suspended, or tells that it is.
var suspended = &infer.Sign{Name: "suspended", Of: func(e *evidence.Evidence) infer.Truth {
	told := []infer.Truth{signInMeans(e, dialect.AccountSuspended), clientMeans(e, dialect.AccountSuspended), insideReason(e, string(cause.AccountSuspendedUnpaid))}
	if invoiceUnpaid.Of(e) == infer.Yes && anyAccepted(e) == infer.No {
		told = append(told, signInMeans(e, dialect.AccountDisabled, dialect.AccountSuspended))
	}
	return either(told...)
}}

// invoiceUnpaid: the account page says that an invoice is not paid.
var invoiceUnpaid = &infer.Sign{Name: "invoice-unpaid", Leak: 0.01, Of: func(e *evidence.Evidence) infer.Truth {
	b := shown(e).Billing
	if b == nil || b.State == "" {
		return infer.Unknown
	}
	return infer.Is(b.State == "unpaid")
}}
