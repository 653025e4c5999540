package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// provider.outage: nothing of the provider greets, from other places neither, or
// its status page says so. That others are reached from here rules the network out; that
// another place sees the provider rules the outage out.
var providerOutage = &infer.Cause{
	ID:       cause.ProviderOutage,
	Prior:    0.03,
	Requires: []*infer.Sign{providerDead},
	Explains: []infer.Link{
		{Sign: imapDead, P: infer.Always},
		{Sign: submissionDead, P: infer.Always},
		{Sign: imapUnreachable, P: 0.3},
		{Sign: submissionUnreachable, P: 0.3},
		{Sign: deadEverywhere, P: infer.Always},
		{Sign: websiteDead, P: 0.4},
		{Sign: saysUnavailable, P: 0.3},
		{Sign: hostsRefuse, P: infer.Sometimes},
		{Sign: helloKilled, P: 0.02},
	},
	Excludes: []*infer.Sign{deadOnlyHere, shutOut, saysMaintenance, domainExpired, addressForged},
	Proof:    []*infer.Sign{providerDead, deadEverywhere},
	Params:   aboutOutage,
}

// aboutOutage names the provider, and since when its status page tells of trouble.
func aboutOutage(e *evidence.Evidence) []cause.Param {
	params := []cause.Param{cause.Text("provider", providerName(e))}
	if s, ok := evidence.Find(e, func(s evidence.Status) bool { return len(s.Down) > 0 && s.Since != nil }); ok {
		params = append(params, cause.Time("since", *s.Since))
	}
	return params
}
