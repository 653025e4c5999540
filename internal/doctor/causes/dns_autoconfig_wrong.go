package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// dns.autoconfig-wrong: the same name and password that a server takes are
// refused by the one that the domain publishes, or that one is not there. With a wrong password, neither takes them.
var dnsAutoconfigWrong = &infer.Cause{
	ID:       cause.DNSAutoconfigWrong,
	Requires: []*infer.Sign{publishedWrong},
	Explains: []infer.Link{
		{Sign: imapSignInRefused, P: 0.05},
		{Sign: submissionSignInRefused, P: 0.05},
		{Sign: certWrongName, P: 0.05},
		{Sign: certUntrusted, P: 0.05},
	},
	Proof: []*infer.Sign{publishedWrong},
	Params: func(e *evidence.Evidence) []cause.Param {
		p, _ := wrongPublication(e)
		return []cause.Param{cause.Text("domain", e.Complaint.Domain()), cause.Text("host", p.Endpoint.Host)}
	},
}

var publishedWrong = &infer.Sign{Name: "published-settings-wrong", Of: func(e *evidence.Evidence) infer.Truth {
	all := evidence.All[evidence.Published](e)
	if len(all) == 0 {
		return infer.Unknown
	}
	_, wrong := wrongPublication(e)
	return infer.Is(wrong)
}}

func wrongPublication(e *evidence.Evidence) (evidence.Published, bool) {
	return evidence.Find(e, func(p evidence.Published) bool { return !p.Accepted })
}
