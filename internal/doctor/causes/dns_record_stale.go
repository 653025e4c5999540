package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// dns.record-stale: the device's resolver leads to another address than others
// do, where a mail server answers that shows another name: the one from before the
// move. A certificate for another name at the address that all agree on is no old record.
var dnsRecordStale = &infer.Cause{
	ID:       cause.DNSRecordStale,
	Requires: []*infer.Sign{oldServer},
	Explains: []infer.Link{
		{Sign: certWrongName, P: 0.5},
		{Sign: certUntrusted, P: 0.05},
		{Sign: imapDead, P: 0.05},
		{Sign: submissionDead, P: 0.05},
		{Sign: imapSignInRefused, P: 0.05},
		{Sign: submissionSignInRefused, P: 0.05},
		{Sign: followsAddress, P: 0.1},
	},
	Proof: []*infer.Sign{oldServer},
	Params: func(e *evidence.Evidence) []cause.Param {
		params := []cause.Param{cause.Text("domain", e.Complaint.Domain())}
		host, addrs, _ := misled(e)
		for _, h := range ownHandshakes(e) {
			if h.Endpoint.Host == host && len(addrs) > 0 && h.Addr == addrs[0] && len(h.Chain) > 0 && len(h.Chain[0].Names) > 0 {
				return append(params, cause.Text("host", h.Chain[0].Names[0]))
			}
		}
		return params
	},
}

var oldServer = &infer.Sign{Name: "old-server-answers", Of: func(e *evidence.Evidence) infer.Truth {
	if len(ownHosts(e)) == 0 {
		return infer.Unknown
	}
	host, addrs, ok := misled(e)
	if !ok {
		return infer.No
	}
	return strangerAt(e, host, addrs)
}}
