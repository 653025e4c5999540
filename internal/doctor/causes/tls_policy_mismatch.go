package causes

import (
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
	"github.com/postiljon/postiljon/internal/doctor/probe"
)

// tls.policy-mismatch: the domain promises by MTA-STS (RFC 8461) or DANE (RFC 7672)
// what its server for incoming mail does not keep, or a bounce says so of another
// domain. Mail programs do not care, and work.
var tlsPolicyMismatch = &infer.Cause{
	ID:       cause.TLSPolicyMismatch,
	About:    []evidence.Symptom{evidence.Send, evidence.Receive, evidence.OneMessage},
	Requires: []*infer.Sign{promiseBroken},
	Explains: []infer.Link{{Sign: messageRefused, P: 0.3}},
	Proof:    []*infer.Sign{promiseBroken},
	Params: func(e *evidence.Evidence) []cause.Param {
		params := aboutDomain(e)
		if l, ok := mxRecords(e); ok && len(probe.MXHosts(l)) > 0 {
			params = append(params, cause.Text("host", probe.MXHosts(l)[0]))
		}
		return params
	},
}

var promiseBroken = &infer.Sign{Name: "promise-of-encryption-broken", Of: func(e *evidence.Evidence) infer.Truth {
	return either(stsBroken(e), daneBroken(e), policyBounced(e))
}}

// policyBounced: a report says that a policy was not fulfilled, as 5.7.322 and 5.7.323 do.
func policyBounced(e *evidence.Evidence) infer.Truth {
	return anyOf(bounces(e), func(r dialect.Reading) bool { return r.First().Kind == dialect.PolicyTLS && !requiresTLS(r) })
}

// bounces returns what reports say of failed recipients.
func bounces(e *evidence.Evidence) []dialect.Reading {
	var all []dialect.Reading
	for _, b := range evidence.All[evidence.Bounced](e) {
		for _, r := range b.Recipients {
			all = append(all, r.Reading)
		}
	}
	return all
}

// exchangerShows returns what the domain's MX hosts showed of encryption: the
// handshakes, and those that offer none.
func exchangerShows(e *evidence.Evidence) (shakes []evidence.Handshake, plain []string) {
	shakes = evidence.Where(e, func(h evidence.Handshake) bool {
		return h.Endpoint.Origin == evidence.MX && h.Outcome == evidence.OK && !(distrusted(h) && sameIssuerElsewhere(e, h))
	})
	if clockOff.Of(e) == infer.Yes {
		shakes = nil
	}
	for _, c := range evidence.All[evidence.Capabilities](e) {
		if c.Endpoint.Origin == evidence.MX && !c.Encrypted && len(c.List) > 0 && !c.Has("STARTTLS") {
			plain = append(plain, c.Endpoint.Host)
		}
	}
	return shakes, plain
}

// stsBroken holds the MTA-STS policy against the MX hosts and what they show (RFC 8461 section 4).
func stsBroken(e *evidence.Evidence) infer.Truth {
	p, ok := evidence.Find(e, func(p evidence.Policy) bool { return p.Kind == probe.MTASTSPolicy })
	if !ok || p.State != "ok" {
		return infer.Unknown
	}
	mode, patterns := readSTS(p.Record)
	if mode != "enforce" {
		return infer.No
	}
	l, asked := mxRecords(e)
	hosts := probe.MXHosts(l)
	if !asked || len(hosts) == 0 {
		return infer.Unknown
	}
	if !slices.ContainsFunc(hosts, func(h string) bool { return covered(h, patterns) }) {
		return infer.Yes
	}
	shakes, plain := exchangerShows(e)
	if len(plain) > 0 {
		return infer.Yes
	}
	return anyOf(shakes, func(h evidence.Handshake) bool { return h.Trust != evidence.Trusted })
}

func readSTS(policy string) (mode string, patterns []string) {
	for line := range strings.Lines(policy) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch value = strings.ToLower(strings.TrimSpace(value)); strings.TrimSpace(key) {
		case "mode":
			mode = value
		case "mx":
			patterns = append(patterns, value)
		}
	}
	return mode, patterns
}

// covered matches a host against patterns, of which "*." stands for one label (RFC 8461 section 4.1).
func covered(host string, patterns []string) bool {
	_, above, _ := strings.Cut(host, ".")
	return slices.Contains(patterns, host) || slices.Contains(patterns, "*."+above)
}

// daneBroken holds TLSA records against the certificates (RFC 7672 section 3.1): usage 3 names
// the server's own, usage 2 one of its chain.
func daneBroken(e *evidence.Evidence) infer.Truth {
	truths := []infer.Truth{}
	shakes, plain := exchangerShows(e)
	for _, p := range evidence.All[evidence.Policy](e) {
		if p.Kind != "dane" || p.State != "ok" || p.Record == "" {
			continue
		}
		if slices.Contains(plain, p.Domain) {
			return infer.Yes
		}
		truths = append(truths, anyOf(slices.DeleteFunc(slices.Clone(shakes), func(h evidence.Handshake) bool { return h.Endpoint.Host != p.Domain }),
			func(h evidence.Handshake) bool { return !matchesTLSA(h, p.Record) }))
	}
	return either(truths...)
}

// matchesTLSA compares SHA-256 digests; a record of another kind is taken to match.
func matchesTLSA(h evidence.Handshake, records string) bool {
	for record := range strings.Lines(strings.ToLower(records)) {
		f := strings.Fields(record)
		if len(f) < 4 || f[2] != "1" {
			return true
		}
		chain := h.Chain[:min(len(h.Chain), 1)]
		if f[0] == "2" || f[0] == "0" {
			chain = h.Chain
		}
		digest := strings.Join(f[3:], "")
		if slices.ContainsFunc(chain, func(c evidence.Certificate) bool {
			return f[1] == "0" && c.Fingerprint == digest || f[1] == "1" && c.KeySHA256 == digest
		}) {
			return true
		}
	}
	return false
}
