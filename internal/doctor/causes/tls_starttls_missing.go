package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// tls.starttls-missing: the server that the person needs does not offer STARTTLS,
// or says that it cannot (RFC 3207 section 4: 454). That others lack it too from here speaks for a middlebox.
var tlsStarttlsMissing = &infer.Cause{
	ID:       cause.TLSStarttlsMissing,
	Requires: []*infer.Sign{starttlsMissing},
	Explains: []infer.Link{
		{Sign: imapSignInRefused, P: 0.05},
	},
	Excludes: []*infer.Sign{smtpIntercepted},
	Proof:    []*infer.Sign{starttlsMissing},
	Params: func(e *evidence.Evidence) []cause.Param {
		s, ok := evidence.Find(e, func(s evidence.StartTLS) bool { return needed(e, s.Endpoint) && !s.Accepted })
		if !ok {
			return nil
		}
		return []cause.Param{cause.Text("host", s.Endpoint.Host)}
	},
}
