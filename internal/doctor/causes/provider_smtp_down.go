package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// provider.smtp-down: no port for sending greets, or all turn away; reading works, and others'
// servers for sending do from here: so no network stops it.
var providerSMTPDown = &infer.Cause{
	ID:       cause.ProviderSMTPDown,
	About:    []evidence.Symptom{evidence.Send, evidence.SignsIn},
	Requires: []*infer.Sign{submissionDown},
	Explains: []infer.Link{
		{Sign: submissionDead, P: infer.Always},
		{Sign: submissionUnreachable, P: 0.3},
		{Sign: saysUnavailable, P: 0.15},
	},
	Excludes: []*infer.Sign{oddPortRefused, addressForged, oldServer, shutOut, saysMaintenance},
	Proof:    []*infer.Sign{submissionDown, submissionCompared},
	Upstream: []cause.ID{cause.NetworkLossy},
	Params:   aboutOutage,
}

// saysUnavailable: a greeting says that the server is not available; that it is busy is another matter.
var saysUnavailable = &infer.Sign{Name: "says-unavailable", Of: func(e *evidence.Evidence) infer.Truth {
	return greetingSays(e, dialect.ServerUnavailable)
}}
