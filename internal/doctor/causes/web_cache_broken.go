package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// web.cache-broken: the browser shows an old copy of the webmail. The page's own version
// differs from the one that the server has, as the browser knows it or as it was fetched just now. An old page may not understand the new server,
// which looks as if something in between took part of it.
var webCacheBroken = &infer.Cause{
	ID:       cause.WebCacheBroken,
	About:    []evidence.Symptom{evidence.Webmail},
	Requires: []*infer.Sign{pageStale},
	Explains: []infer.Link{{Sign: webPartBlocked, P: infer.Sometimes}},
	Proof:    []*infer.Sign{pageStale},
}

var pageStale = &infer.Sign{Name: "page-stale", Of: func(e *evidence.Evidence) infer.Truth {
	w := shown(e).Web
	if w == nil || w.AssetsVersion == "" {
		return infer.Unknown
	}
	now := w.ServerVersion
	if page, ok := evidence.Find(e, func(w evidence.WebLook) bool { return w.Version != "" }); ok && now == "" {
		now = page.Version
	}
	if now == "" {
		return infer.Unknown
	}
	return infer.Is(w.AssetsVersion != now)
}}
