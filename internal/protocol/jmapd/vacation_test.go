package jmapd

import (
	"testing"

	"github.com/postiljon/postiljon/internal/rules"
	"github.com/postiljon/postiljon/internal/store"
)

// TestUsualAbsence holds that who is away without a word is said to be so in the language that the account is written to in.
func TestUsualAbsence(t *testing.T) {
	w := newWorld(t)
	w.using = append(w.using, capabilityVacation)
	if _, err := w.store.UpdateAccount(t.Context(), w.anna.ID, func(a *store.Account) error { a.Language = ""; return nil }); err != nil {
		t.Fatal(err)
	}
	browser := store.WebSession{Language: "nb", LastUsed: w.store.Now()}
	if _, err := w.store.CreateWebSession(t.Context(), w.anna.ID, browser, func(*store.WebSession) bool { return false }); err != nil {
		t.Fatal(err)
	}
	w.calls(`[["VacationResponse/set",{"accountId":"a1","update":{"singleton":{"isEnabled":true}}},"0"]]`)
	now, err := rules.Load(t.Context(), w.store, w.anna.ID)
	if err != nil || now.Settings.Vacation == nil || now.Settings.Vacation.Text != "Jeg er borte og svarer når jeg er tilbake." {
		t.Errorf("%+v, %v", now.Settings.Vacation, err)
	}
}
