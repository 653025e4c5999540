package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// client.account-offline: the account is switched off or taken offline in the mail
// program. The servers work, and nothing comes from the program. A device without a
// network looks alike in the program, but not from here.
var clientAccountOffline = &infer.Cause{
	ID:       cause.ClientAccountOffline,
	Requires: []*infer.Sign{accountOffline},
	Explains: []infer.Link{{Sign: waitsUntried, P: infer.Sometimes}},
	Excludes: []*infer.Sign{noWayOut},
	Proof:    []*infer.Sign{accountOffline},
}

var accountOffline = &infer.Sign{Name: "account-offline", Of: func(e *evidence.Evidence) infer.Truth {
	a := shownAccount(e)
	return either(isSet(a.Enabled, false), isSet(a.Online, false))
}}
