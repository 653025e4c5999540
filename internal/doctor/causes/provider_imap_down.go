package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// provider.imap-down: IMAP does not greet, or says BYE; sending works.
var providerIMAPDown = &infer.Cause{
	ID:       cause.ProviderIMAPDown,
	About:    []evidence.Symptom{evidence.Receive, evidence.SignsIn, evidence.Push},
	Requires: []*infer.Sign{readingDown},
	Explains: []infer.Link{
		{Sign: imapDead, P: infer.Always},
		{Sign: imapUnreachable, P: 0.3},
		{Sign: saysUnavailable, P: 0.15},
	},
	Excludes: []*infer.Sign{oddPortRefused, addressForged, oldServer, shutOut, saysMaintenance},
	Proof:    []*infer.Sign{readingDown, readingCompared},
	Upstream: []cause.ID{cause.NetworkLossy},
	Params:   aboutOutage,
}
