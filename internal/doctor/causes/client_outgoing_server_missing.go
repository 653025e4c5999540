package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
	"github.com/postiljon/postiljon/internal/settings"
)

// client.outgoing-server-missing: the mail program has no server to send through for
// this account, or none is selected; messages wait in its outbox without having been tried.
// An outbox alone can have many reasons.
var clientOutgoingServerMissing = &infer.Cause{
	ID:       cause.ClientOutgoingServerMissing,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{noOutgoingServer},
	Explains: []infer.Link{{Sign: waitsUntried, P: infer.Usually}},
	Proof:    []*infer.Sign{noOutgoingServer},
	Params: func(e *evidence.Evidence) []cause.Param {
		if p, ok := evidence.First[*evidence.Provider](e); ok {
			if choice, found := p.Result.Server(settings.SMTP); found {
				return []cause.Param{cause.Text("suggestion", choice.Host)}
			}
		}
		return nil
	},
}

var noOutgoingServer = &infer.Sign{Name: "no-outgoing-server", Of: func(e *evidence.Evidence) infer.Truth {
	return isSet(shownAccount(e).OutgoingSelected, false)
}}

// waitsUntried: a message waits in the program's outbox, and no try to send it left an error.
var waitsUntried = &infer.Sign{Name: "waits-untried", Leak: 0.05, Of: func(e *evidence.Evidence) infer.Truth {
	if e.Complaint.Client == nil {
		return infer.Unknown
	}
	for _, m := range shown(e).Outbox {
		if m.LastError == "" && m.Tries == 0 {
			return infer.Yes
		}
	}
	return infer.No
}}
