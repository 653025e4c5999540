package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// tls.expired: a certificate ran out, and the clock is right: others' certificates are in order.
var tlsExpired = &infer.Cause{
	ID:       cause.TLSExpired,
	Requires: []*infer.Sign{certExpired},
	Explains: []infer.Link{{Sign: certOutOfTime, P: infer.Always}},
	Excludes: []*infer.Sign{clockOff},
	Proof:    []*infer.Sign{certExpired},
	Params: func(e *evidence.Evidence) []cause.Param {
		h, ok := firstShown(e, expired)
		if !ok {
			return nil
		}
		return []cause.Param{cause.Text("host", h.Endpoint.Host), cause.Time("since", h.Chain[0].NotAfter)}
	},
}

func expired(h evidence.Handshake) bool { return h.Trust == evidence.Expired }

var certExpired = &infer.Sign{Name: "certificate-expired", Of: func(e *evidence.Evidence) infer.Truth {
	return both(anyOf(neededShakes(e), expired), infer.Is(clockOff.Of(e) != infer.Yes))
}}
