package causes

import (
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// tls.required-by-sender: the message itself asked to travel encrypted, and came
// back for that (RFC 8689 section 4.2.1: 5.7.30). A policy of the recipient's domain shows with other codes.
var tlsRequiredBySender = &infer.Cause{
	ID:       cause.TLSRequiredBySender,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{requiredTLS},
	Explains: []infer.Link{{Sign: messageRefused, P: 0.3}},
	Proof:    []*infer.Sign{requiredTLS},
	Params: func(e *evidence.Evidence) []cause.Param {
		for _, b := range evidence.All[evidence.Bounced](e) {
			for _, r := range b.Recipients {
				if requiresTLS(r.Reading) && r.RemoteMTA != "" {
					return []cause.Param{cause.Text("host", r.RemoteMTA)}
				}
			}
		}
		return nil
	},
}

var requiredTLS = &infer.Sign{Name: "encryption-was-required", Of: func(e *evidence.Evidence) infer.Truth {
	inside := infer.Unknown
	if in, ok := evidence.First[*evidence.Inside](e); ok {
		inside = anyOf(in.Queue, func(q evidence.Queued) bool { return q.Cause == string(cause.TLSRequiredBySender) })
	}
	return either(inside, anyOf(bounces(e), requiresTLS))
}}

// requiresTLS reads a reply about a message with the REQUIRETLS parameter.
func requiresTLS(r dialect.Reading) bool {
	return strings.HasSuffix(r.Enhanced, ".7.30") || r.Cause == cause.TLSRequiredBySender || strings.Contains(strings.ToUpper(r.Text), "REQUIRETLS")
}
