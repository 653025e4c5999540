package outbound

import (
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
)

// TestReportWords: the first sentence says what happened, the second who acts and
// how, in each language.
func TestReportWords(t *testing.T) {
	w := newWorld(t)
	unknown := store.SubmissionRecipient{Address: "you@far.test", State: store.Failed, Cause: cause.RecipientUnknown, Host: "mx.far.test", Reply: "550 5.1.1 no"}
	full := store.SubmissionRecipient{Address: "two@far.test", State: store.Failed, Cause: cause.QuotaRecipientFull}
	slow := store.SubmissionRecipient{Address: "you@far.test", State: store.Queued, Cause: cause.LimitReceiverThrottles, Next: w.clock.Now().Add(time.Hour)}
	expired := store.SubmissionRecipient{Address: "you@far.test", State: store.Expired, Cause: cause.OutboxDeferred}
	relayed := store.SubmissionRecipient{Address: "you@far.test", State: store.Relayed, Host: "mx.far.test"}
	placed := store.SubmissionRecipient{Address: "you@far.test", State: store.Placed}
	tests := []struct {
		lang  cause.Lang
		kind  ReportKind
		title string
		to    []store.SubmissionRecipient
		begin string
	}{
		{cause.English, ReportFailed, "Hi", []store.SubmissionRecipient{unknown},
			"Your message “Hi” to you@far.test was not delivered: there is no such recipient. You can put this right: Compare"},
		{cause.Norwegian, ReportFailed, "Hi", []store.SubmissionRecipient{unknown},
			"Meldingen din «Hi» til you@far.test ble ikke levert: mottakeren finnes ikke. Du kan rette det opp selv: Sammenlign"},
		{cause.Swedish, ReportFailed, "", []store.SubmissionRecipient{unknown, full},
			"Ditt meddelande levererades inte till 2 mottagare.\n\nyou@far.test: mottagaren finns inte. Du kan själv rätta till det: Jämför"},
		{cause.English, ReportDelayed, "", []store.SubmissionRecipient{slow},
			"Your message to you@far.test has not arrived yet: the recipient's side takes mail slowly. The recipient's side must act. What you can do: "},
		{cause.English, ReportFailed, "", []store.SubmissionRecipient{expired},
			"Your message to you@far.test was not delivered: it could not be handed over in spite of many tries. The recipient's side must act. What"},
		{cause.Swedish, ReportRelayed, "Hej", []store.SubmissionRecipient{relayed},
			"Ditt meddelande ”Hej” till you@far.test har lämnats vidare till servern mx.far.test. Ingen behöver göra något. Servrarna där"},
		{cause.Norwegian, ReportDelivered, "", []store.SubmissionRecipient{placed},
			"Meldingen din til you@far.test ligger i mottakerens postboks. Ingen trenger å gjøre noe.\n\n-- \nE-posttjenesten"},
	}
	for _, tt := range tests {
		sub := &store.Submission{ID: store.NewTraceID(w.clock.Now()), From: "anna@here.test", Created: w.clock.Now(), Recipients: tt.to}
		var about []int
		for i := range tt.to {
			about = append(about, i)
		}
		_, text := w.queue.words(tt.lang, sub, tt.kind, about, tt.title)
		if !strings.HasPrefix(text, tt.begin) {
			t.Errorf("%s %s begins otherwise than %q:\n%s", tt.lang, tt.kind, tt.begin, text)
		}
		if strings.ContainsAny(text, "{}") {
			t.Errorf("a place is left:\n%s", text)
		}
	}
}

// TestReportLanguage: a report is in the language that an account chose, or else that of the browser it used last, whoever handed the
// message in; in English to people elsewhere.
func TestReportLanguage(t *testing.T) {
	w := newWorld(t)
	of := func(account store.AccountID, from string, want cause.Lang) {
		t.Helper()
		if got := w.queue.language(t.Context(), &store.Submission{Account: account, From: from}); got != want {
			t.Errorf("%d %s: %s, want %s", account, from, got, want)
		}
	}
	of(w.account.ID, "anna@here.test", cause.Swedish)
	of(0, "anna@here.test", cause.Swedish)
	of(0, "anna@far.test", cause.English)
	if _, err := w.store.UpdateAccount(t.Context(), w.account.ID, func(a *store.Account) error { a.Language = ""; return nil }); err != nil {
		t.Fatal(err)
	}
	of(w.account.ID, "anna@here.test", cause.English)
	for n, lang := range []string{"sv", "nb"} {
		session := store.WebSession{Hash: store.SessionHash{byte(n)}, Language: lang, LastUsed: w.clock.Now().Add(time.Duration(n) * time.Minute)}
		if _, err := w.store.CreateWebSession(t.Context(), w.account.ID, session, func(*store.WebSession) bool { return false }); err != nil {
			t.Fatal(err)
		}
	}
	of(w.account.ID, "anna@here.test", cause.Norwegian)
	of(0, "anna@here.test", cause.Norwegian)
}
