package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// content.looks-like-spam: a filter took the message for spam or for a virus. It
// judges what is written; when the server that sends is to blame, the reply names its address or a list.
var contentLooksLikeSpam = &infer.Cause{
	ID:       cause.ContentLooksLikeSpam,
	About:    []evidence.Symptom{evidence.Send, evidence.OneMessage},
	Requires: []*infer.Sign{toldSpam},
	Explains: []infer.Link{{Sign: messageRefused, P: infer.Always}},
	Excludes: []*infer.Sign{toldListed},
	Proof:    []*infer.Sign{toldSpam},
	Params: func(e *evidence.Evidence) []cause.Param {
		r, _ := refusedAs(e, anybody, dialect.SpamRefused, dialect.VirusRefused)
		return textParam("reason", r.reading.Text)
	},
}
