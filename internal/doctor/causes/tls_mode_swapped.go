package causes

import (
	"strconv"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// tls.mode-swapped: at the very port of the settings, the other way to begin
// encryption works: a greeting came where TLS was expected, or silence where a greeting was.
var tlsModeSwapped = &infer.Cause{
	ID:       cause.TLSModeSwapped,
	Requires: []*infer.Sign{otherModeWorks},
	Explains: []infer.Link{
		{Sign: imapDead, P: 0.15},
		{Sign: submissionDead, P: 0.05},
		{Sign: readingDown, P: 0.05},
		{Sign: submissionDown, P: 0.05},
		{Sign: providerDead, P: 0.05},
		{Sign: deadEverywhere, P: 0.05},
	},
	Proof: []*infer.Sign{otherModeWorks},
	Params: func(e *evidence.Evidence) []cause.Param {
		o, ok := evidence.Find(e, func(o evidence.OtherSecurity) bool { return o.Works })
		if !ok {
			return nil
		}
		name := map[evidence.Security]string{evidence.TLS: "SSL/TLS", evidence.STARTTLS: "STARTTLS"}[o.Endpoint.Security]
		return []cause.Param{cause.Text("port", strconv.Itoa(o.Endpoint.Port)), cause.Text("suggestion", name)}
	},
}

var otherModeWorks = &infer.Sign{Name: "other-encryption-works", Of: func(e *evidence.Evidence) infer.Truth {
	return anyOf(evidence.All[evidence.OtherSecurity](e), func(o evidence.OtherSecurity) bool { return o.Works })
}}
