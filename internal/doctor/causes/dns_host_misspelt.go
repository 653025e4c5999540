package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// dns.host-misspelt: the name in the settings does not exist, and differs by a
// letter or two from one that is right. A name that is far from it is another
// provider's, or a guess; a right name that does not resolve is not the person's doing.
var dnsHostMisspelt = &infer.Cause{
	ID:       cause.DNSHostMisspelt,
	Requires: []*infer.Sign{hostMisspelt},
	Excludes: []*infer.Sign{noNames},
	Proof:    []*infer.Sign{hostMisspelt, nearNameKnown},
	Params: func(e *evidence.Evidence) []cause.Param {
		host, right := misspeltHost(e)
		return append(textParam("host", host), textParam("suggestion", right)...)
	},
}

var hostMisspelt = &infer.Sign{Name: "host-misspelt", Of: func(e *evidence.Evidence) infer.Truth {
	if len(e.Complaint.Given) == 0 {
		return infer.Unknown
	}
	host, _ := misspeltHost(e)
	return infer.Is(host != "")
}}

// nearNameKnown: it is known which name was meant.
var nearNameKnown = &infer.Sign{Name: "near-name-known", Normal: true, Leak: 0.05, Of: func(e *evidence.Evidence) infer.Truth {
	host, right := misspeltHost(e)
	if host == "" {
		return infer.Unknown
	}
	return infer.Is(right != "")
}}

// misspeltHost returns a given host that does not exist, and the right one that it is near to. Where no source
// knows the right one, it is a name near to it that is known otherwise, or none.
func misspeltHost(e *evidence.Evidence) (host, right string) {
	for _, g := range e.Complaint.Given {
		l, asked := lookup(e, 0, g.Host, "A")
		if !asked || l.Answer != evidence.NXDomain || foundElsewhere(e, g.Host, "A") == infer.Yes {
			continue
		}
		for _, known := range rightHosts(e, g.Protocol) {
			if known != g.Host && distance(known, g.Host) <= 3 {
				return g.Host, known
			}
		}
		if n, ok := evidence.Find(e, func(n evidence.NearHost) bool { return n.Host == g.Host }); ok && len(rightHosts(e, g.Protocol)) == 0 && (g.Protocol != evidence.POP3 || pop3Missing.Of(e) != infer.Yes) {
			return g.Host, n.Meant
		}
	}
	return "", ""
}

// distance is how many letters are to be added, left out, changed or swapped
// with their neighbour to make one word of another.
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
