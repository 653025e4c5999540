package causes

import (
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// Signs of encryption that several causes share.
var (
	// certWrongName, certUntrusted: a server of the provider shows a certificate for others, or by nobody known.
	certWrongName = &infer.Sign{Name: "certificate-for-another-name", Of: func(e *evidence.Evidence) infer.Truth {
		return anyOf(neededShakes(e), func(h evidence.Handshake) bool { return h.Trust == evidence.WrongName })
	}}
	certUntrusted = &infer.Sign{Name: "certificate-untrusted", Of: func(e *evidence.Evidence) infer.Truth {
		return anyOf(neededShakes(e), func(h evidence.Handshake) bool { return distrusted(h) && !sameIssuerElsewhere(e, h) })
	}}
	// certOutOfTime: by the device's clock a certificate ran out or is not valid yet.
	certOutOfTime = &infer.Sign{Name: "certificate-out-of-time", Of: func(e *evidence.Evidence) infer.Truth {
		return anyOf(neededShakes(e), outOfTime)
	}}
	// clockOff: the device's clock is so wrong that certificates look wrong, everybody's.
	clockOff = &infer.Sign{Name: "clock-off", Of: func(e *evidence.Evidence) infer.Truth {
		skews := evidence.All[evidence.Clock](e)
		everybody := both(anyOf(referenceHandshakes(e), outOfTime), noneOf(referenceHandshakes(e), func(h evidence.Handshake) bool { return h.Trust == evidence.Trusted }))
		return either(everybody, anyOf(skews, func(c evidence.Clock) bool { return c.Skew.Abs() > clockTolerance }))
	}}
	// starttlsMissing: a server that the person needs does not change to TLS.
	starttlsMissing = &infer.Sign{Name: "starttls-missing", Of: func(e *evidence.Evidence) infer.Truth {
		return anyOf(evidence.Where(e, func(s evidence.StartTLS) bool { return needed(e, s.Endpoint) }), func(s evidence.StartTLS) bool {
			return !s.Accepted
		})
	}}
)

// clockTolerance is how wrong a clock may be: certificates live for weeks.
const clockTolerance = 24 * time.Hour

func outOfTime(h evidence.Handshake) bool {
	return h.Trust == evidence.Expired || h.Trust == evidence.NotYetValid
}

// neededShakes returns the handshakes at the provider and at what the mail program has, in which a certificate came.
func neededShakes(e *evidence.Evidence) []evidence.Handshake {
	return evidence.Where(e, func(h evidence.Handshake) bool {
		return h.Outcome == evidence.OK && needed(e, h.Endpoint)
	})
}

// needed: the endpoint is what the mail program has or, where that is not known,
// should have; not a spare one, which need not be in order.
func needed(e *evidence.Evidence, ep evidence.Endpoint) bool {
	switch ep.Origin {
	case evidence.Given:
		return true
	case evidence.Right:
		return isGiven(e, ep) || !slices.ContainsFunc(e.Complaint.Given, func(g evidence.Endpoint) bool { return g.Protocol == ep.Protocol })
	}
	return false
}

// isGiven tells whether the mail program has this very port of this host.
func isGiven(e *evidence.Evidence, ep evidence.Endpoint) bool {
	return slices.ContainsFunc(e.Complaint.Given, func(g evidence.Endpoint) bool { return placeOf(g) == placeOf(ep) })
}

func sameIssuerElsewhere(e *evidence.Evidence, h evidence.Handshake) bool {
	return slices.ContainsFunc(referenceHandshakes(e), func(o evidence.Handshake) bool {
		return distrusted(o) && o.Chain[0].Issuer == h.Chain[0].Issuer
	})
}

// commonName reads the CN of a name in the form of RFC 4514, else returns all of it.
func commonName(subject string) string {
	for part := range strings.SplitSeq(subject, ",") {
		if cn, ok := strings.CutPrefix(part, "CN="); ok {
			return cn
		}
	}
	return subject
}

// firstShown returns the first handshake that is so.
func firstShown(e *evidence.Evidence, so func(evidence.Handshake) bool) (evidence.Handshake, bool) {
	for _, h := range neededShakes(e) {
		if so(h) && len(h.Chain) > 0 {
			return h, true
		}
	}
	return evidence.Handshake{}, false
}
