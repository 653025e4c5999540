package causes

import (
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
	"github.com/postiljon/postiljon/internal/settings"
)

// Where a provider takes app passwords alone and says only that the password is wrong, its form tells
// whether it is none, or one that is wrong; where the form is not known, it is likely at best.
func TestAppPasswordByForm(t *testing.T) {
	table, err := settings.Load()
	if err != nil {
		t.Fatal(err)
	}
	book, err := dialect.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	model, err := infer.NewModel(All())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		provider, password string
		want               cause.ID
		certainty          infer.Certainty
	}{
		{"icloud", "Sommer2026", cause.AuthAppPasswordRequired, infer.Proven},
		{"icloud", "abcd-efgh-ijkl-mnop", cause.AuthPasswordWrong, infer.Proven},
		{"yahoo", "Sommer2026", cause.AuthAppPasswordRequired, infer.Proven},
		{"yahoo", "abcdefghijklmnop", cause.AuthPasswordWrong, infer.Proven},
		{"fastmail", "Sommer2026", cause.AuthAppPasswordRequired, infer.Likely},
	} {
		p := table.ByID(c.provider)
		e := evidence.New(evidence.Complaint{Address: "anna@" + p.Domains[0], Password: c.password}, time.Now)
		e.Add(&evidence.Provider{ID: p.ID, Result: &settings.Result{Provider: p}}, "")
		for _, protocol := range []evidence.Protocol{evidence.IMAP, evidence.Submission} {
			reply, kind := "NO [AUTHENTICATIONFAILED] Authentication failed", dialect.IMAP
			if protocol == evidence.Submission {
				reply, kind = "535 5.7.8 Error: authentication failed", dialect.Submission
			}
			ep := evidence.Endpoint{Protocol: protocol, Host: "mail.example", Origin: evidence.Right}
			e.Add(evidence.Greeting{Endpoint: ep, Positive: true, Speaks: protocol, Outcome: evidence.OK}, "")
			e.Add(evidence.SignIn{Endpoint: ep, Form: evidence.AsGiven, Outcome: evidence.OK, Reply: reply, Reading: book.Read("", kind, dialect.StageAuth, reply)}, "")
		}
		found := model.Infer(e).Findings
		if len(found) != 1 || found[0].ID != c.want || found[0].Certainty != c.certainty {
			t.Errorf("%s, %s: %+v, want %s %s", c.provider, c.password, found, c.want, c.certainty)
		}
	}
}
