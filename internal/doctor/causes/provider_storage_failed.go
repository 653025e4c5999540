package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// provider.storage-failed: after a good sign-in, or for a stranger at the domain's own
// server, what must be read or written cannot be (452 4.3.1, [SERVERBUG], [CORRUPTION]). A full mailbox is the account's.
var providerStorageFailed = &infer.Cause{
	ID:       cause.ProviderStorageFailed,
	Requires: []*infer.Sign{storageFails},
	Explains: []infer.Link{{Sign: ownFromRefused, P: 0.15}},
	Proof:    []*infer.Sign{storageFails},
}

var storageFails = &infer.Sign{Name: "storage-fails", Of: func(e *evidence.Evidence) infer.Truth {
	commands := evidence.Where(e, func(c evidence.Command) bool { return own(e, c.Endpoint) || c.Endpoint.Origin == evidence.MX })
	return anyOf(commands, func(c evidence.Command) bool {
		kind := c.Reading.First().Kind
		inbox := c.Stage == dialect.StageSelect && kind == dialect.ServerUnavailable // an internal error at one's own inbox
		return c.Outcome == evidence.OK && !c.Positive && (kind == dialect.StorageFailed || inbox)
	})
}}
