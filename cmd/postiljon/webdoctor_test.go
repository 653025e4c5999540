package main

import (
	"net/http"
	"net/smtp"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/web/account"
)

// TestWebDoctor is somebody with trouble: before the sign-in, in the tiles, a look that is followed, help from the postmaster.
func TestWebDoctor(t *testing.T) {
	h := hostAccount(t)
	b := webOf(t, h.service)()
	if _, text := b.get("/doctor?lang=en"); !strings.Contains(text, "What is wrong with your mail?") {
		t.Errorf("a stranger sees %s", text)
	}
	r, _ := b.form("/doctor?lang=en", "tile", "signin", "address", hostedAddress, "password", "a wrong one")
	if _, text := b.get(r.Header.Get("Location")); !strings.Contains(text, "Wrong user name or password") {
		t.Errorf("a wrong password is told as %s", text)
	}
	b.signIn()
	if _, err := h.store.UpdateAccount(t.Context(), h.id, func(a *store.Account) error { a.Quota = 1; return nil }); err != nil {
		t.Fatal(err)
	}
	if r, text := b.get("/doctor?lang=en"); r.StatusCode != http.StatusOK || !strings.Contains(text, "Phone or program") {
		t.Fatalf("tiles: %s %s", r.Status, text)
	}
	r, _ = b.form("/doctor?lang=en", "tile", "other")
	report := r.Header.Get("Location")
	r, text := b.get(report)
	if r.StatusCode != http.StatusOK || !strings.Contains(text, "What we checked") || !strings.Contains(text, "Test again") {
		t.Fatalf("a look: %s %s", r.Status, text)
	}
	if r, text := b.form(strings.Replace(report, "?", "/help?", 1), "words", "Please help"); r.StatusCode != http.StatusSeeOther {
		t.Fatalf("help: %s %s", r.Status, text)
	}
	reference := strings.TrimSuffix(strings.TrimPrefix(report, "/doctor/report/"), "?lang=en")
	if packed, err := h.DoctorReport(t.Context(), strings.ToUpper(reference)); err != nil || len(packed) == 0 {
		t.Errorf("support finds %d octets, %v", len(packed), err)
	}
	if r, _ := webOf(t, h.service)().get(report); r.StatusCode != http.StatusNotFound {
		t.Errorf("a stranger sees the report: %s", r.Status)
	}
}

// What the pages of settings ask comes with the session, and changes want its token; whom somebody writes to is suggested.
func TestWebAccount(t *testing.T) {
	h := hostAccount(t)
	b := webOf(t, h.service)()
	if code := b.json(http.MethodGet, "/api/account", nil, nil); code != http.StatusUnauthorized {
		t.Errorf("a stranger is told: %d", code)
	}
	info := b.signIn()
	zone := "Europe/Stockholm"
	change := account.ProfileChange{Zone: &zone}
	if code := b.json(http.MethodPut, "/api/account", change, nil); code == http.StatusOK {
		t.Error("a change without the token is taken")
	}
	var p account.Profile
	if code := b.json(http.MethodPut, "/api/account", change, &p, "X-CSRF-Token", info.CSRF); code != http.StatusOK || p.Zone != zone {
		t.Errorf("a change: %d %+v", code, p)
	}
	submit(t, h, "postmaster@example.org")
	var s account.Suggestions
	if code := b.json(http.MethodGet, "/api/contacts/suggest?q=postm", nil, &s); code != http.StatusOK || len(s.List) != 1 || s.List[0].Address != "postmaster@example.org" {
		t.Errorf("suggested: %d %+v", code, s)
	}
	var status account.Status
	if code := b.json(http.MethodGet, "/api/status", nil, &status); code != http.StatusOK || !strings.HasPrefix(status.TLS, "TLS 1.") || len(status.Limits.Sending) == 0 {
		t.Errorf("status: %d %+v", code, status)
	}
	if at, err := time.Parse(time.RFC3339, status.Time); err != nil || time.Since(at) > time.Minute {
		t.Errorf("the time is %q", status.Time)
	}
}

// submit sends a message of the hosted account.
func submit(t *testing.T, h *hostedAccount, to string) {
	t.Helper()
	c, err := smtp.NewClient(h.dial("submissions"), "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(c.Auth(smtp.PlainAuth("", hostedAddress, hostedPassword, "127.0.0.1")))
	must(c.Mail(hostedAddress))
	must(c.Rcpt(to))
	w, err := c.Data()
	must(err)
	_, err = w.Write([]byte("From: " + hostedAddress + "\r\nTo: " + to + "\r\nSubject: Hello\r\n\r\nHello.\r\n"))
	must(err)
	must(w.Close())
	must(c.Quit())
}
