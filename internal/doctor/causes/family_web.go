package causes

import "github.com/postiljon/postiljon/internal/doctor/infer"

func web() []*infer.Cause {
	return []*infer.Cause{webBrowserOutdated, webCacheBroken, webNetworkBlocks}
}
