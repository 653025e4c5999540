package causes

import (
	"slices"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// network.tls-inspected: the servers of different providers all show
// certificates for their right names by the same issuer that nobody knows. A server with
// a bad certificate is alone with it; a guest network shows one certificate for all names.
var networkTLSInspected = &infer.Cause{
	ID:       cause.NetworkTLSInspected,
	Requires: []*infer.Sign{sameForeignIssuer},
	Explains: []infer.Link{
		{Sign: certUntrusted, P: 0.05},
		{Sign: websiteDead, P: 0.05},
	},
	Proof: []*infer.Sign{sameForeignIssuer},
	Params: func(e *evidence.Evidence) []cause.Param {
		for _, h := range slices.Concat(ownHandshakes(e), referenceHandshakes(e)) {
			if distrusted(h) && len(h.Chain) > 0 {
				return []cause.Param{cause.Text("issuer", commonName(h.Chain[0].Issuer))}
			}
		}
		return nil
	},
}

var sameForeignIssuer = &infer.Sign{Name: "same-unknown-issuer-everywhere", Of: func(e *evidence.Evidence) infer.Truth {
	theirs, own := referenceHandshakes(e), ownHandshakes(e)
	if len(own) == 0 {
		own = theirs // it is not known which servers are the account's
	}
	return anyOf(own, func(h evidence.Handshake) bool {
		return distrusted(h) && slices.ContainsFunc(theirs, func(o evidence.Handshake) bool {
			return distrusted(o) && o.Chain[0].Issuer == h.Chain[0].Issuer && o.Chain[0].Fingerprint != h.Chain[0].Fingerprint
		})
	})
}}

// distrusted: the issuer is not known.
func distrusted(h evidence.Handshake) bool {
	return len(h.Chain) > 0 && (h.Trust == evidence.UnknownIssuer || h.Trust == evidence.Incomplete)
}
