package signin

import (
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store/storetest"
	"github.com/postiljon/postiljon/internal/web/page"
	"github.com/postiljon/postiljon/internal/web/page/pagetest"
)

func TestTextsAreComplete(t *testing.T) {
	pagetest.Texts(t, files, "title", "missing_title", "missing_text", "web_off_title", "web_off_text", "web_off_next", "cookies_title", "cookies_text", "cookies_next", "wrong_title", "wrong_text", "wrong_next", "step_title", "out_title", "late_title", "late_text",
		"hint_app", "hint_caps", "hint_domain",
		"renew_title", "renew_refused", "renew_lead", "step_lead",
		"forgotten_title", "forgotten_lead", "forgotten_step", "forgotten_missing", "forgotten_often_title", "forgotten_often", "forgotten_often_day", "follow_gone_title", "follow_gone")
}

func TestCapitals(t *testing.T) {
	for password, want := range map[string]bool{"ABC12": true, "Abc": false, "12345": false, "A1234": false, "ÅÄ!": true} {
		if capitals(password) != want {
			t.Errorf("%q", password)
		}
	}
}

// TestBanSaysWhenItEnds: who is shut out after wrong passwords is told until when, and not that somebody else must act.
func TestBanSaysWhenItEnds(t *testing.T) {
	catalogue, err := cause.Load()
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Options: Options{Catalogue: catalogue, Store: storetest.Open(t)}}
	v := &view{Frame: page.Frame{Lang: cause.Swedish}, zone: time.UTC}
	until := s.Store.Now().UTC().Truncate(time.Minute).Add(15 * time.Minute)
	s.explain(v, cause.Wait(cause.NetworkClientBanned, until, cause.Time("until", until)))
	if p := v.Problem; p.Actor != "" || !strings.Contains(p.Text, until.Format("15:04")) {
		t.Errorf("told %+v", p)
	}
}
