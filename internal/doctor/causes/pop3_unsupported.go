package causes

import (
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
	"github.com/postiljon/postiljon/internal/settings"
)

// pop3.unsupported: the mail program is set to POP3, which the provider does not have: it
// says so (RFC 6186 section 3.4), or names no POP3 server while it names one for IMAP, and
// nothing answers as one. A POP3 server that exists and fails is another matter.
var pop3Unsupported = &infer.Cause{
	ID:       cause.POP3Unsupported,
	About:    []evidence.Symptom{evidence.Receive, evidence.SignsIn},
	Requires: []*infer.Sign{pop3Missing},
	Explains: []infer.Link{{Sign: foreignServer, P: infer.Seldom}},
	Proof:    []*infer.Sign{pop3Missing},
}

var pop3Missing = &infer.Sign{Name: "pop3-missing", Of: func(e *evidence.Evidence) infer.Truth {
	wanted := strings.EqualFold(shownAccount(e).Protocol, "pop3") || slices.ContainsFunc(e.Complaint.Given, func(ep evidence.Endpoint) bool { return ep.Protocol == evidence.POP3 })
	p, ok := evidence.First[*evidence.Provider](e)
	if !ok || !wanted {
		return infer.Unknown
	}
	if answersPOP3(e) {
		return infer.No
	}
	_, has := p.Result.Server(settings.POP3)
	_, hasIMAP := p.Result.Server(settings.IMAP)
	never := p.Result.Provider != nil && p.Result.Provider.POP3 == settings.No
	return infer.Is(never || slices.Contains(p.Result.NotOffered, settings.POP3) || !has && hasIMAP)
}}

func answersPOP3(e *evidence.Evidence) bool {
	_, found := evidence.Find(e, func(g evidence.Greeting) bool {
		return g.Endpoint.Protocol == evidence.POP3 && g.Speaks == evidence.POP3
	})
	return found
}
