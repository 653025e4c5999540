package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// rules.loop: forwards lead a message back to where it was. A server says so (5.4.6), or the
// message shows it: it came by the same host for the same address again and again. A long
// way over filters and lists has many stops and none of them twice.
var rulesLoop = &infer.Cause{
	ID:       cause.RulesLoop,
	About:    []evidence.Symptom{evidence.Send, evidence.Receive, evidence.OneMessage},
	Requires: []*infer.Sign{mailLoops},
	Explains: []infer.Link{
		{Sign: testMissing, P: infer.Sometimes},
		{Sign: messageRefused, P: infer.Usually}, {Sign: messageDeferred, P: infer.Seldom},
	},
	Proof: []*infer.Sign{mailLoops},
	Params: func(e *evidence.Evidence) []cause.Param {
		for _, l := range evidence.All[evidence.Letter](e) {
			if l.Loop {
				return []cause.Param{cause.Count("hops", int64(l.HopCount))}
			}
		}
		return nil
	},
}

var mailLoops = &infer.Sign{Name: "mail-loops", Of: func(e *evidence.Evidence) infer.Truth {
	return either(
		anyOf(refusals(e), func(r refusal) bool { return r.means(dialect.Loop) }),
		anyOf(evidence.All[evidence.Letter](e), func(l evidence.Letter) bool { return l.Loop }),
	)
}}
