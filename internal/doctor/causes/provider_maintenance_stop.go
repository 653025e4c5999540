package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// provider.maintenance-stop: the server takes connections and says that it is
// being worked at or restarted, to everybody, before anybody signs in. An account that
// is being moved is told after the name.
var providerMaintenanceStop = &infer.Cause{
	ID:       cause.ProviderMaintenanceStop,
	Requires: []*infer.Sign{saysMaintenance},
	Explains: []infer.Link{
		{Sign: imapDead, P: 0.3},
		{Sign: submissionDead, P: 0.3},
		{Sign: providerDead, P: 0.3},
		{Sign: deadEverywhere, P: 0.4},
		{Sign: submissionDown, P: 0.3},
		{Sign: readingDown, P: 0.3},
		{Sign: turnedAway, P: 0.3},
		{Sign: overloaded, P: 0.3},
		{Sign: saysUnavailable, P: 0.3},
	},
	Proof: []*infer.Sign{saysMaintenance},
}

var saysMaintenance = &infer.Sign{Name: "says-maintenance", Of: func(e *evidence.Evidence) infer.Truth {
	return greetingSays(e, dialect.Maintenance)
}}
