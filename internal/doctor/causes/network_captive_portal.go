package causes

import (
	"net/url"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// network.captive-portal: somebody else answers for a page that is known to the
// letter, and no mail server could prove who it is. Antivirus programs re-sign too,
// but leave the page alone; a proxy that only meddles with web pages lets mail through.
var networkCaptivePortal = &infer.Cause{
	ID:       cause.NetworkCaptivePortal,
	Requires: []*infer.Sign{canaryAltered},
	Explains: []infer.Link{
		{Sign: imapDead, P: 0.5},
		{Sign: submissionDead, P: 0.5},
		{Sign: imapUnreachable, P: 0.15},
		{Sign: submissionUnreachable, P: 0.15},
		{Sign: referenceUnreachable, P: 0.15},
		{Sign: providerDead, P: 0.3},
		{Sign: deadOnlyHere, P: 0.3},
		{Sign: helloKilled, P: 0.05},
		{Sign: noNames, P: 0.05},
		{Sign: certWrongName, P: 0.15},
		{Sign: certUntrusted, P: 0.15},
		{Sign: portBlocked, P: 0.15},
		{Sign: websiteDead, P: 0.15},
	},
	Excludes: []*infer.Sign{genuine},
	Proof:    []*infer.Sign{canaryAltered},
	Params: func(e *evidence.Evidence) []cause.Param {
		c, ok := evidence.Find(e, func(c evidence.Canary) bool { return c.Altered && c.Location != "" })
		if !ok {
			return nil
		}
		if u, err := url.Parse(c.Location); err == nil && u.Hostname() != "" {
			return []cause.Param{cause.Text("host", u.Hostname())}
		}
		return nil
	},
}

var canaryAltered = &infer.Sign{Name: "canary-altered", Normal: true, Of: func(e *evidence.Evidence) infer.Truth {
	return anyOf(evidence.Where(e, func(c evidence.Canary) bool { return c.Outcome == evidence.OK }), func(c evidence.Canary) bool { return c.Altered })
}}

// genuine: a mail server of the provider proved who it is, and greeted.
var genuine = &infer.Sign{Name: "genuine-server", Leak: 0.9, Normal: true, Of: func(e *evidence.Evidence) infer.Truth {
	shakes := ownHandshakes(e)
	return anyOf(ownGreetings(e), func(g evidence.Greeting) bool {
		if !g.Positive {
			return false
		}
		for _, h := range shakes {
			if h.Endpoint == g.Endpoint && h.Addr == g.Addr && h.Trust == evidence.Trusted {
				return true
			}
		}
		return false
	})
}}
