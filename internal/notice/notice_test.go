package notice

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
	"github.com/postiljon/postiljon/internal/store/uid"
)

func open(t *testing.T, st *store.Store) (*Sender, func()) {
	t.Helper()
	catalogue, err := cause.Load()
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Options{Store: st, Catalogue: catalogue, Hostname: "mail.demo.test", BaseURL: "https://mail.demo.test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return s, func() {
		t.Helper()
		if err := s.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}

func account(t *testing.T, st *store.Store, address, lang string, quota int64) *store.Account {
	t.Helper()
	if err := st.CreateDomain(t.Context(), store.Domain{Name: "demo.test"}); err != nil && store.KindOf(err) != store.KindExists {
		t.Fatal(err)
	}
	a, err := st.CreateAccount(t.Context(), store.Account{Address: address, Language: lang, Quota: quota})
	if err != nil {
		t.Fatal(err)
	}
	return &a
}

// subjects are those of the messages in an inbox; the messages are checked to be whole.
func subjects(t *testing.T, st *store.Store, a *store.Account) (all []string) {
	t.Helper()
	err := st.Messages(t.Context(), a.ID, store.InboxID, uid.All(), func(one *store.Message) error {
		b, err := st.ReadBody(t.Context(), nil, &one.Email, 0, one.Email.Size)
		if err != nil {
			return err
		}
		all = append(all, check(t, a, b))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// check reads one notice and returns its subject.
func check(t *testing.T, a *store.Account, raw []byte) string {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		t.Fatal(err)
	}
	if text := subject + string(body); strings.ContainsAny(text, "{}") || len(body) < 100 {
		t.Errorf("not filled in: %s", text)
	}
	if to := m.Header.Get("To"); to != a.Address || m.Header.Get("Auto-Submitted") != "auto-generated" {
		t.Errorf("to %s: %v", to, m.Header)
	}
	return subject
}

// Each level of storage is told of once, until there was room again.
func TestStorage(t *testing.T) {
	st := storetest.Open(t)
	a := account(t, st, "anna@demo.test", "sv", 1000<<20)
	s, done := open(t, st)
	for _, percent := range []int64{10, 79, 80, 85, 89, 91, 92, 100, 101, 100, 50, 82} {
		s.Storage(a, percent*a.Quota/100)
	}
	done()
	s, done = open(t, st) // what was told before a restart is not told again
	s.Storage(a, 81*a.Quota/100)
	s.Storage(a, 96*a.Quota/100)
	done()
	want := []string{
		"Ditt e-postutrymme är fullt till 80 %", "Ditt e-postutrymme är fullt till 90 %", "Ditt e-postutrymme är fullt: ny e-post får vänta",
		"Ditt e-postutrymme är fullt till 80 %", "Ditt e-postutrymme är fullt till 95 %",
	}
	if diff := cmp.Diff(want, subjects(t, st, a)); diff != "" {
		t.Error(diff)
	}
}

func TestLimit(t *testing.T) {
	st := storetest.Open(t)
	anna, bo := account(t, st, "anna@demo.test", "en", 0), account(t, st, "bo@demo.test", "nb", 0)
	s, done := open(t, st)
	s.Limit(policy.Meter{Counted: policy.MessagesOfAddress, Of: bo.Address, Used: 240, Limit: 300})
	s.Limit(policy.Meter{Counted: policy.RecipientsOfAddress, Of: bo.Address, Used: 2400, Limit: 3000})
	s.Limit(policy.Meter{Counted: policy.MessagesOfDomain, Of: "demo.test", Used: 1600, Limit: 2000})
	s.Limit(policy.Meter{Counted: policy.MessagesOfAddress, Of: "nobody@demo.test", Used: 1, Limit: 1})
	done()
	if diff := cmp.Diff([]string{"Du har sendt 240 av 300 meldinger denne timen", "Meldingene dine denne timen gikk til 2\u00a0400 mottakere; 3\u00a0000 er tillatt"}, subjects(t, st, bo)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"demo.test has sent 1,600 of 2,000 messages this hour"}, subjects(t, st, anna)); diff != "" {
		t.Error(diff)
	}
}

func TestLanguagesSayTheSame(t *testing.T) {
	s, done := open(t, storetest.Open(t))
	done()
	for lang, set := range s.texts {
		if diff := cmp.Diff(s.texts[cause.English].Keys(), set.Keys()); diff != "" {
			t.Errorf("%s: %s", lang, diff)
		}
	}
}

// Times are those of where the holder of the account is.
func TestZone(t *testing.T) {
	st := storetest.Open(t)
	s, done := open(t, st)
	defer done()
	at := cause.Time("at", time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC))
	for zone, want := range map[string]string{"Europe/Stockholm": "14:00", "America/New_York": "08:00"} {
		a := &store.Account{Address: "anna@demo.test", Zone: zone}
		_, text := s.compose(a, message.Address{Email: a.Address}, cause.English, "new-browser", store.NewTraceID(st.Now()), []cause.Param{at})
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("%s: no %s in %s", zone, want, text)
		}
	}
}

// TestSecurity: each message has all of its words, in the language of the account or else of the page.
func TestSecurity(t *testing.T) {
	for lang, want := range map[string]string{"": "Ny pålogging til e-posten din", "en": "New sign-in to your mail", "sv": "Ny inloggning i din e-post"} {
		st := storetest.Open(t)
		a := account(t, st, "anna@demo.test", lang, 0)
		s, done := open(t, st)
		w := Where{Browser: "Firefox", System: "Windows", Remote: "192.0.2.7", Language: cause.Norwegian}
		s.NewBrowser(*a, w, st.Now())
		s.NewBrowser(*a, Where{Language: cause.Norwegian}, st.Now())
		kinds := []string{PasswordChanged, SecondStepOn, SecondStepOff, RecoveryUsed, PasskeyCreated, AppPasswordCreated, RecoverySet, RecoveryRemoved}
		for _, kind := range kinds {
			s.Changed(*a, kind, w, st.Now())
		}
		done()
		got := subjects(t, st, a)
		if len(got) != 2+len(kinds) || got[0] != want {
			t.Errorf("%q: %q", lang, got)
		}
		for i, subject := range got[2:] {
			if subject == kinds[i]+".subject" {
				t.Errorf("%q: %s has no text", lang, kinds[i])
			}
		}
	}
}
