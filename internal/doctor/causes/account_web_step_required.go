package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// account.web-step-required: the provider wants something confirmed on the web first,
// and says where.
var accountWebStepRequired = &infer.Cause{
	ID:       cause.AccountWebStepRequired,
	Requires: []*infer.Sign{webStepSaid},
	Explains: refusesSignIns(infer.Usually),
	Proof:    []*infer.Sign{webStepSaid},
	Params: func(e *evidence.Evidence) []cause.Param {
		for _, s := range refusedSignIns(e) {
			if s.Reading.URL != "" && means(s.Reading, dialect.WebStepNeeded) {
				return []cause.Param{cause.Text("link", s.Reading.URL)}
			}
		}
		return nil
	},
}

var webStepSaid = saidAtSignIn("web-step-said", dialect.WebStepNeeded)
