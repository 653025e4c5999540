package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
	"github.com/postiljon/postiljon/internal/settings"
)

// client.wrong-host: the settings name another provider's server. A name that is
// only misspelt, or an older one of the same provider, is not meant.
var clientWrongHost = &infer.Cause{
	ID:       cause.ClientWrongHost,
	Requires: []*infer.Sign{foreignServer},
	Explains: []infer.Link{{Sign: foreignCertificate, P: infer.Sometimes}},
	Proof:    []*infer.Sign{foreignServer},
	Params: func(e *evidence.Evidence) []cause.Param {
		for _, g := range wrongSettings(e, func(g evidence.GivenSetting) bool { return foreignSetting(e, g) }) {
			return []cause.Param{cause.Text("host", g.Given), cause.Text("suggestion", g.Right)}
		}
		return nil
	},
}

// foreignServer: a server in the settings belongs to another provider.
var foreignServer = &infer.Sign{Name: "foreign-server", Of: func(e *evidence.Evidence) infer.Truth {
	return anyOf(evidence.All[evidence.GivenSetting](e), func(g evidence.GivenSetting) bool { return foreignSetting(e, g) })
}}

// foreignSetting reports whether a setting names another provider's server. A name that only looks like
// a misspelling of the right one does, too, if a mail server answers to it.
func foreignSetting(e *evidence.Evidence, g evidence.GivenSetting) bool {
	if g.Field != settings.FieldHost || g.Verdict != settings.Wrong {
		return false
	}
	if _, takes := evidence.Find(e, func(s evidence.SignIn) bool { return s.Accepted && s.Endpoint.Host == g.Given }); takes {
		return false
	}
	_, answers := evidence.Find(e, func(x evidence.Greeting) bool { return x.Endpoint.Host == g.Given && x.Positive })
	return g.Cause == cause.ClientWrongHost || answers
}

// foreignCertificate: the server in the settings shows a certificate of other names.
var foreignCertificate = &infer.Sign{Name: "foreign-certificate", Leak: 0.01, Of: func(e *evidence.Evidence) infer.Truth {
	return anyOf(evidence.Where(e, func(h evidence.Handshake) bool { return isGivenHost(e, h.Endpoint.Host) && h.Outcome == evidence.OK }),
		func(h evidence.Handshake) bool { return h.Trust == evidence.WrongName })
}}

// isGivenHost reports whether a host is in the settings and not the right one.
func isGivenHost(e *evidence.Evidence, host string) bool {
	_, found := evidence.Find(e, func(g evidence.GivenSetting) bool {
		return g.Field == settings.FieldHost && g.Given == host && g.Verdict == settings.Wrong
	})
	return found
}
