package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// tls.untrusted: nobody known issued the certificate, or an intermediate one is
// missing, at this provider alone. The same issuer at everybody is an inspecting program.
var tlsUntrusted = &infer.Cause{
	ID:       cause.TLSUntrusted,
	Requires: []*infer.Sign{certUntrusted},
	Excludes: []*infer.Sign{addressForged, oldServer},
	Proof:    []*infer.Sign{certUntrusted},
	Params: func(e *evidence.Evidence) []cause.Param {
		h, ok := firstShown(e, distrusted)
		if !ok {
			return nil
		}
		return []cause.Param{cause.Text("host", h.Endpoint.Host), cause.Text("issuer", commonName(h.Chain[0].Issuer))}
	},
}
