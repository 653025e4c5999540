package causes

import (
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// tls.name-mismatch: a good certificate, for other names than the one that was
// asked for. That the resolver leads elsewhere, or that a guest network answers for
// everybody, looks alike and explains it.
var tlsNameMismatch = &infer.Cause{
	ID:       cause.TLSNameMismatch,
	Requires: []*infer.Sign{certWrongName},
	Excludes: []*infer.Sign{oldServer, addressForged, wrongNameEverywhere},
	Proof:    []*infer.Sign{certWrongName},
	Params: func(e *evidence.Evidence) []cause.Param {
		h, ok := firstShown(e, wrongName)
		if !ok {
			return nil
		}
		params := []cause.Param{cause.Text("host", h.Endpoint.Host)}
		for _, name := range h.Chain[0].Names {
			if !strings.HasPrefix(name, "*") {
				return append(params, cause.Text("suggestion", name))
			}
		}
		return params
	},
}

func wrongName(h evidence.Handshake) bool { return h.Trust == evidence.WrongName }

// wrongNameEverywhere: others' servers show a certificate for another name too.
var wrongNameEverywhere = &infer.Sign{Name: "certificate-for-another-name-everywhere", Leak: 0.01, Normal: true, Of: func(e *evidence.Evidence) infer.Truth {
	return anyOf(referenceHandshakes(e), wrongName)
}}
