package causes

import (
	"slices"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// reputation.dnsbl-dead: the recipient's server asks a blocklist that no longer
// works: it has everybody, 127.0.0.1 too, or answers with its own error codes (RFC 5782 section 5). The
// sender has done nothing.
var reputationDNSBLDead = &infer.Cause{
	ID:       cause.ReputationDNSBLDead,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{listDead},
	Explains: []infer.Link{{Sign: toldListed, P: infer.Usually}, {Sign: messageRefused, P: infer.Usually}, {Sign: serverListed, P: infer.Usually}},
	Proof:    []*infer.Sign{listDead},
	Params: func(e *evidence.Evidence) []cause.Param {
		return textParam("list", deadList(e))
	},
}

// deadList is the list that a refusal names and that does not work.
func deadList(e *evidence.Evidence) string {
	for _, r := range refusals(e) {
		list := r.reading.List
		if !r.own && list != "" && slices.ContainsFunc(evidence.All[evidence.Listed](e), func(l evidence.Listed) bool { return l.List == list && l.Dead }) {
			return list
		}
	}
	return ""
}

var listDead = &infer.Sign{Name: "blocklist-dead", Of: func(e *evidence.Evidence) infer.Truth {
	if toldListed.Of(e) != infer.Yes || len(evidence.All[evidence.Listed](e)) == 0 {
		return infer.Unknown
	}
	return infer.Is(deadList(e) != "")
}}
