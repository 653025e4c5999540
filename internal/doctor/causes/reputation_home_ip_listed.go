package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// reputation.home-ip-listed: the account's own server checks the address of the
// person's connection against a blocklist, though the person has signed in. Addresses of homes
// are on such lists by right. It is the own server that refuses, not the recipient's.
var reputationHomeIPListed = &infer.Cause{
	ID:       cause.ReputationHomeIPListed,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{toldOwnListed},
	Explains: []infer.Link{
		{Sign: messageRefused, P: infer.Usually},
		{Sign: toldSpam, P: infer.Sometimes},
	},
	Proof: []*infer.Sign{toldOwnListed},
	Params: func(e *evidence.Evidence) []cause.Param {
		r, ok := refusedAs(e, ownServer, dialect.IPListed, dialect.OwnIPListed)
		if !ok {
			return nil
		}
		all := textParam("list", r.reading.List)
		if r.reading.Address.IsValid() {
			all = append(all, cause.Text("client", r.reading.Address.String()))
		}
		return all
	},
}
