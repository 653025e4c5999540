package causes

import (
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// tls.too-old: no version or cipher in common. A server shows it by a handshake
// that succeeds only with a version of old, or by its alert (RFC 8446 section 6.2); a device by the
// versions that it says it has.
var tlsTooOld = &infer.Cause{
	ID:       cause.TLSTooOld,
	Requires: []*infer.Sign{tooOld},
	Explains: []infer.Link{
		{Sign: imapDead, P: 0.3},
		{Sign: submissionDead, P: 0.3},
		{Sign: providerDead, P: 0.3},
		{Sign: submissionDown, P: 0.1},
		{Sign: readingDown, P: 0.1},
		{Sign: deadEverywhere, P: 0.1},
	},
	Proof: []*infer.Sign{tooOld},
	Params: func(e *evidence.Evidence) []cause.Param {
		if o, ok := evidence.Find(e, oldWorks); ok {
			return []cause.Param{cause.Text("version", o.Version)}
		}
		if c := e.Complaint.Client; c != nil && c.Account != nil && oldVersion(c.Account.TLS) {
			return []cause.Param{cause.Text("version", c.Account.TLS)}
		}
		return nil
	},
}

var tooOld = &infer.Sign{Name: "no-common-tls", Of: func(e *evidence.Evidence) infer.Truth {
	if c := e.Complaint.Client; c != nil && (c.Account != nil && oldVersion(c.Account.TLS) || oldError(c.LastError)) {
		return infer.Yes
	}
	alerts := anyOf(evidence.Where(e, func(h evidence.Handshake) bool { return needed(e, h.Endpoint) }), func(h evidence.Handshake) bool {
		return h.Alert == 40 || h.Alert == 70 || h.Alert == 71 // handshake_failure, protocol_version, insufficient_security
	})
	alone := evidence.Where(e, func(o evidence.OldTLS) bool { // where a new version works too, it was something else
		_, new := evidence.Find(e, func(h evidence.Handshake) bool {
			return placeOf(h.Endpoint) == placeOf(o.Endpoint) && h.Outcome == evidence.OK
		})
		return !new
	})
	return either(alerts, anyOf(alone, oldWorks))
}}

func oldWorks(o evidence.OldTLS) bool { return o.Works }

// oldVersion tells versions that are not to be used any more (RFC 8996).
func oldVersion(s string) bool {
	s = strings.ToLower(strings.NewReplacer(" ", "", "v", "", "_", ".").Replace(strings.ToLower(s)))
	return slices.Contains([]string{"ssl3", "ssl3.0", "tls1", "tls1.0", "tls1.1"}, s)
}

// oldError tells what programs say then.
func oldError(s string) bool {
	s = strings.ToLower(s)
	for _, words := range []string{"protocol_version", "protocol version", "handshake_failure", "handshake failure", "no cipher overlap", "unsupported_version", "inappropriate_fallback"} {
		if strings.Contains(s, words) {
			return true
		}
	}
	return false
}
