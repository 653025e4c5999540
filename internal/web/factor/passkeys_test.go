package factor

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
	"github.com/postiljon/postiljon/internal/web/factor/authenticator"
)

const home = "https://mail.demo.test"

// keyWorld is accounts with passkeys.
type keyWorld struct {
	*testing.T
	*Passkeys
	anna, bo store.Account
	now      time.Time
	device   *authenticator.Device
}

func newKeyWorld(t *testing.T) *keyWorld {
	s := storetest.Open(t)
	w := &keyWorld{T: t, now: time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC), device: &authenticator.Device{Origin: home}}
	w.anna, w.bo = storetest.Account(t, s, "anna@demo.test"), storetest.Account(t, s, "bo@demo.test")
	w.Passkeys = NewPasskeys(s, "Demo", []string{"mail.demo.test"}, func() time.Time { return w.now })
	return w
}

func (w *keyWorld) request() *http.Request {
	return httptest.NewRequest(http.MethodPost, home+"/", nil)
}

// created makes a passkey; between is what happens between question and answer.
func (w *keyWorld) created(a *store.Account, between func()) (store.Passkey, error) {
	w.Helper()
	options, err := w.BeginCreate(w.request(), a)
	if err != nil {
		return store.Passkey{}, err
	}
	answer, err := w.device.Create(w.json(options))
	if err != nil {
		w.Fatal(err)
	}
	if between != nil {
		between()
	}
	return w.Create(w.request(), a, "phone", answer)
}

func (w *keyWorld) json(v any) []byte {
	w.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		w.Fatal(err)
	}
	return b
}

func (w *keyWorld) ask() []byte {
	w.Helper()
	options, err := w.BeginUse(w.request())
	if err != nil {
		w.Fatal(err)
	}
	answer, err := w.device.Use(w.json(options))
	if err != nil {
		w.Fatal(err)
	}
	return answer
}

func TestPasskey(t *testing.T) {
	w := newKeyWorld(t)
	made, err := w.created(&w.anna, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(time.Hour)
	answer := w.ask()
	a, used, err := w.Use(w.request(), answer)
	if err != nil || a.ID != w.anna.ID || used.Name != "phone" || !used.LastUsed.Equal(w.now) {
		t.Fatal(a, used, err)
	}
	if _, _, err := w.Use(w.request(), answer); !errors.Is(err, ErrRefused) {
		t.Errorf("the same answer again: %v", err)
	}
	if err := w.Rename(t.Context(), a.ID, made.ID, " "); err != ErrName {
		t.Error(err)
	}
	if err := w.Rename(t.Context(), a.ID, made.ID, "old phone"); err != nil {
		t.Error(err)
	}
	if _, used, err := w.Use(w.request(), w.ask()); err != nil || used.Name != "old phone" {
		t.Error(used, err)
	}
	if err := w.Store.DeletePasskey(t.Context(), a.ID, made.ID); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.Use(w.request(), w.ask()); !errors.Is(err, ErrRefused) {
		t.Errorf("deleted: %v", err)
	}
}

// What is not right proves nothing.
func TestPasskeyRefused(t *testing.T) {
	for name, c := range map[string]struct {
		making bool
		wrong  func(w *keyWorld)
		late   func(w *keyWorld)
	}{
		"a page of others":                   {wrong: func(w *keyWorld) { w.device.Origin = "https://evil.test" }},
		"made on a page of others":           {making: true, wrong: func(w *keyWorld) { w.device.Origin = "https://evil.test" }},
		"a device that asks nobody":          {wrong: func(w *keyWorld) { w.device.Unverified = true }},
		"made by a device that asks nobody":  {making: true, wrong: func(w *keyWorld) { w.device.Unverified = true }},
		"too late":                           {late: func(w *keyWorld) { w.now = w.now.Add(challengeFor) }},
		"made too late":                      {making: true, late: func(w *keyWorld) { w.now = w.now.Add(challengeFor) }},
		"a copy":                             {wrong: func(w *keyWorld) { w.ask(); mustUse(w); w.device.Rewind() }},
		"made for another account meanwhile": {making: true, late: func(w *keyWorld) { w.anna = w.bo }},
		"of an account that is not there any more": {late: func(w *keyWorld) {
			if err := w.Store.DeleteAccount(w.Context(), w.anna.ID); err != nil {
				w.Fatal(err)
			}
		}},
	} {
		w := newKeyWorld(t)
		if !c.making {
			if _, err := w.created(&w.anna, nil); err != nil {
				t.Fatal(name, err)
			}
		}
		if c.wrong != nil {
			c.wrong(w)
		}
		var err error
		if c.making {
			_, err = w.created(&w.anna, func() {
				if c.late != nil {
					c.late(w)
				}
			})
		} else {
			answer := w.ask()
			if c.late != nil {
				c.late(w)
			}
			_, _, err = w.Use(w.request(), answer)
		}
		if !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func mustUse(w *keyWorld) {
	w.Helper()
	for range 3 {
		if _, _, err := w.Use(w.request(), w.ask()); err != nil {
			w.Fatal(err)
		}
	}
}

func TestPasskeyHosts(t *testing.T) {
	w := newKeyWorld(t)
	for target, want := range map[string]bool{
		home: true, "https://MAIL.demo.test:8443": true, "https://localhost:43443": true, "https://127.0.0.1": false, "https://[::1]:443": false, "https://evil.test": false, "https://x.mail.demo.test": false,
	} {
		if got := w.Available(httptest.NewRequest(http.MethodGet, target+"/", nil)); got != want {
			t.Errorf("%s: %v", target, got)
		}
	}
	for _, junk := range []string{"", "{}", "null", `{"id":"x"}`, "[]"} {
		if _, _, err := w.Use(w.request(), []byte(junk)); !errors.Is(err, ErrRefused) {
			t.Errorf("%q: %v", junk, err)
		}
		if _, err := w.Create(w.request(), &w.anna, "x", []byte(junk)); !errors.Is(err, ErrRefused) {
			t.Errorf("%q: %v", junk, err)
		}
	}
}
