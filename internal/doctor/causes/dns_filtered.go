package causes

import (
	"net/netip"
	"slices"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// dns.filtered: the device's resolver gives another answer than others do, and
// what it gives is no mail server: no address at all, an address of nobody, or one
// where no mail is. An old record leads to a mail server still.
var dnsFiltered = &infer.Cause{
	ID:       cause.DNSFiltered,
	Requires: []*infer.Sign{addressForged},
	Explains: []infer.Link{
		{Sign: imapDead, P: 0.3},
		{Sign: submissionDead, P: 0.3},
		{Sign: imapUnreachable, P: 0.15},
		{Sign: submissionUnreachable, P: 0.15},
		{Sign: providerDead, P: 0.15},
		{Sign: deadOnlyHere, P: 0.15},
		{Sign: submissionDown, P: 0.05},
		{Sign: readingDown, P: 0.05},
		{Sign: certWrongName, P: 0.05},
		{Sign: certUntrusted, P: 0.05},
		{Sign: mxUnusable, P: 0.1},
		{Sign: websiteDead, P: 0.15},
		{Sign: hostMisspelt, P: 0.02},
		{Sign: followsAddress, P: 0.1},
	},
	Proof: []*infer.Sign{addressForged},
	Params: func(e *evidence.Evidence) []cause.Param {
		host, _, _ := misled(e)
		return []cause.Param{cause.Text("host", host)}
	},
}

var addressForged = &infer.Sign{Name: "address-forged", Of: func(e *evidence.Evidence) infer.Truth {
	if len(ownHosts(e)) == 0 {
		return infer.Unknown
	}
	host, addrs, ok := misled(e)
	if !ok {
		return infer.No
	}
	nobody := func(a netip.Addr) bool {
		return a.IsUnspecified() || a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast()
	}
	if len(addrs) == 0 || slices.ContainsFunc(addrs, nobody) {
		return infer.Yes
	}
	return strangerAt(e, host, addrs).Not()
}}
