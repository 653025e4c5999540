package causes

import (
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// dns.mx-null: the domain says that it takes no mail (RFC 7505 section 3). No MX at all says nothing of the kind.
var dnsMXNull = &infer.Cause{
	ID:       cause.DNSMXNull,
	About:    []evidence.Symptom{evidence.Receive, evidence.OneMessage},
	Requires: []*infer.Sign{mxNull},
	Proof:    []*infer.Sign{mxNull},
	Params:   aboutDomain,
}

var mxNull = &infer.Sign{Name: "mx-null", Of: func(e *evidence.Evidence) infer.Truth {
	l, asked := mxRecords(e)
	if !asked || unanswered(l) {
		return infer.Unknown
	}
	return infer.Is(len(l.Records) == 1 && strings.HasSuffix(l.Records[0], " ."))
}}
