package causes

import (
	"net/url"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// web.network-blocks: something between browser and server takes part of the webmail: its
// fixed files load and its data does not, or the reverse. Where nothing at all comes through,
// the network or the server fails; an old page or browser fails by itself.
var webNetworkBlocks = &infer.Cause{
	ID:       cause.WebNetworkBlocks,
	About:    []evidence.Symptom{evidence.Webmail},
	Requires: []*infer.Sign{webPartBlocked},
	Excludes: []*infer.Sign{pageStale, browserOld, noWayOut, imapUnreachable},
	Proof:    []*infer.Sign{webPartBlocked},
	Params: func(e *evidence.Evidence) []cause.Param {
		p, ok := evidence.First[*evidence.Provider](e)
		if !ok || p.Result == nil || p.Result.Provider == nil {
			return nil
		}
		u, err := url.Parse(p.Result.Provider.Webmail)
		if err != nil {
			return nil
		}
		return textParam("host", u.Hostname())
	},
}

// webPartBlocked: of the webmail's files and its data, one comes and the other does not.
var webPartBlocked = &infer.Sign{Name: "part-of-webmail-missing", Of: func(e *evidence.Evidence) infer.Truth {
	w := shown(e).Web
	if w == nil || w.StaticOK == nil || w.APIOK == nil {
		return infer.Unknown
	}
	return infer.Is(*w.StaticOK != *w.APIOK)
}}
