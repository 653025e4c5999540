package causes

import (
	"net/netip"
	"slices"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
	"github.com/postiljon/postiljon/internal/doctor/probe"
)

// dns.mx-unusable: all servers that the domain names for its mail are aliases
// (RFC 5321 section 5.1, RFC 2181 section 10.3), have no address, or one that only their own
// network knows. As long as one of them is good, mail finds its way.
var dnsMXUnusable = &infer.Cause{
	ID:       cause.DNSMXUnusable,
	About:    []evidence.Symptom{evidence.Receive, evidence.OneMessage},
	Requires: []*infer.Sign{mxUnusable},
	Proof:    []*infer.Sign{mxUnusable},
	Params: func(e *evidence.Evidence) []cause.Param {
		params := aboutDomain(e)
		if l, ok := mxRecords(e); ok && len(probe.MXHosts(l)) > 0 {
			params = append(params, cause.Text("host", probe.MXHosts(l)[0]))
		}
		return params
	},
}

var mxUnusable = &infer.Sign{Name: "mx-unusable", Of: func(e *evidence.Evidence) infer.Truth {
	l, asked := mxRecords(e)
	if !asked || unanswered(l) {
		return infer.Unknown
	}
	hosts := probe.MXHosts(l)
	if len(hosts) == 0 {
		return infer.No
	}
	truths := make([]infer.Truth, 0, 2)
	for _, host := range hosts[:min(len(hosts), 2)] {
		truths = append(truths, unusable(e, host))
	}
	return both(truths...)
}}

// unusable judges one name of an MX record.
func unusable(e *evidence.Evidence, host string) infer.Truth {
	if _, err := netip.ParseAddr(host); err == nil {
		return infer.Yes // an address in place of a name
	}
	v4, asked4 := lookup(e, 0, host, "A")
	v6, asked6 := lookup(e, 0, host, "AAAA")
	if !asked4 || !asked6 || unanswered(v4) || unanswered(v6) {
		return infer.Unknown
	}
	if v4.Alias != "" || v6.Alias != "" {
		return infer.Yes
	}
	public := func(s string) bool {
		a, err := netip.ParseAddr(s)
		return err == nil && a.IsGlobalUnicast() && !a.IsPrivate()
	}
	return infer.Is(!slices.ContainsFunc(slices.Concat(v4.Records, v6.Records), public))
}
