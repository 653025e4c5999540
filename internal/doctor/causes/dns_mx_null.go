package causes

import (
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// dns.mx-null: the domain says that it takes no mail (RFC 7505 section 3): the own one, or the one of
// the recipient. No MX at all says nothing of the kind.
var dnsMXNull = &infer.Cause{
	ID:       cause.DNSMXNull,
	About:    []evidence.Symptom{evidence.Send, evidence.Receive, evidence.OneMessage},
	Requires: []*infer.Sign{mxNull},
	Explains: []infer.Link{
		{Sign: messageRefused, P: 0.05}, // it may be the own domain, which refuses nobody's mail to others
		{Sign: toldUnknown, P: 0.02},
		{Sign: toldNoDomain, P: 0.02},
	},
	Proof: []*infer.Sign{mxNull},
	Params: func(e *evidence.Evidence) []cause.Param {
		if domain := takesNoMail(e); domain != "" {
			return textParam("domain", domain)
		}
		return aboutDomain(e)
	},
}

// recipientNull: it is the recipient's domain that takes no mail.
var recipientNull = &infer.Sign{Name: "recipient-mx-null", Normal: true, Of: func(e *evidence.Evidence) infer.Truth {
	if takesNoMail(e) != "" {
		return infer.Yes
	}
	return infer.Unknown
}}

var mxNull = &infer.Sign{Name: "mx-null", Of: func(e *evidence.Evidence) infer.Truth {
	if takesNoMail(e) != "" {
		return infer.Yes
	}
	l, asked := mxRecords(e)
	if !asked || unanswered(l) {
		return infer.Unknown
	}
	return infer.Is(len(l.Records) == 1 && strings.HasSuffix(l.Records[0], " ."))
}}
