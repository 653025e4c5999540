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
	Explains: []infer.Link{{Sign: webmailMissing, P: infer.Sometimes}, {Sign: webmailKept, P: infer.Sometimes}},
	Upstream: []cause.ID{cause.NetworkCaptivePortal, cause.NetworkTLSInspected, cause.NetworkOffline},
	Excludes: []*infer.Sign{pageStale, browserOld, noWayOut, imapUnreachable},
	Proof:    []*infer.Sign{webPartBlocked},
	Params: func(e *evidence.Evidence) []cause.Param {
		if page, ok := evidence.First[evidence.WebLook](e); ok {
			if u, err := url.Parse(page.URL); err == nil {
				return textParam("host", u.Hostname())
			}
		}
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
	shows := infer.Unknown
	if w := shown(e).Web; w != nil && w.StaticOK != nil && w.APIOK != nil {
		shows = infer.Is(*w.StaticOK != *w.APIOK)
	}
	return either(shows, partKept(e), webmailKept.Of(e))
}}

// partKept: fetched from here, the page comes and a part of it is kept back.
func partKept(e *evidence.Evidence) infer.Truth {
	page, ok := evidence.Find(e, func(w evidence.WebLook) bool { return w.Part == evidence.WebPage })
	if !ok || !page.Came() {
		return infer.Unknown
	}
	return anyOf(evidence.Where(e, func(w evidence.WebLook) bool { return w.Part != evidence.WebPage }), evidence.WebLook.Kept)
}

// webmailKept: the whole page is kept back by somebody who answers in its place, while the account's mail
// servers greet: one that is only silent may be down.
var webmailKept = &infer.Sign{Name: "webmail-kept-back", Normal: true, Leak: 0.01, Of: func(e *evidence.Evidence) infer.Truth {
	page, ok := evidence.Find(e, func(w evidence.WebLook) bool { return w.Part == evidence.WebPage })
	if !ok || dead(e, evidence.IMAP, evidence.POP3, evidence.Submission) != infer.No {
		return infer.Unknown
	}
	return infer.Is(page.Kept() && page.Outcome != evidence.TimedOut)
}}

// webmailMissing: the page does not come, whatever the reason.
var webmailMissing = &infer.Sign{Name: "webmail-does-not-come", Leak: 0.02, Of: func(e *evidence.Evidence) infer.Truth {
	return noneOf(evidence.Where(e, func(w evidence.WebLook) bool { return w.Part == evidence.WebPage }), evidence.WebLook.Came)
}}
