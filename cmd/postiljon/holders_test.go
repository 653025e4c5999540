package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/store"
)

// The holder of an account asks the web for his mail, his limits and what was turned away, with his password.
func TestHoldersAsk(t *testing.T) {
	h := hostAccount(t)
	c := textproto.NewConn(h.dial("smtp"))
	for _, step := range []struct {
		send string
		code int
	}{
		{"", 220}, {"EHLO mx.far.example", 250}, {"MAIL FROM:<bo@far.example>", 250}, {"RCPT TO:<" + hostedAddress + ">", 250}, {"DATA", 354},
		{"From: bo@far.example\r\nSubject: Summer house\r\nMessage-ID: <1@far.example>\r\n\r\nHej\r\n.", 250},
	} {
		if step.send != "" {
			if err := c.PrintfLine("%s", step.send); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := c.ReadResponse(step.code); err != nil {
			t.Fatalf("%q: %v", step.send, err)
		}
	}
	ask := func(path string, query url.Values, password string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, "https://mail.example.org"+path+"?"+query.Encode(), nil)
		r.SetBasicAuth(hostedAddress, password)
		w := httptest.NewRecorder()
		h.web.Handler().ServeHTTP(w, r)
		return w
	}
	for _, c := range []struct {
		path, query string
		code        int
		want        string
	}{
		{"/api/trace", "q=summer+house", 200, journal.MessageDelivered},
		{"/api/trace", "q=bo@far.example", 200, journal.MessageDelivered},
		{"/api/trace", "q=nobody@far.example", 200, `"visited":{"domain":"far.example"`},
		{"/api/trace", "q=%20", 400, "no address"},
		{"/api/trace", "since=yesterday", 400, "no time"},
		{"/api/limits", "", 200, `"limit":3`},
		{"/api/refused", "lang=sv", 200, "[]"},
	} {
		query, err := url.ParseQuery(c.query)
		if err != nil {
			t.Fatal(err)
		}
		w := ask(c.path, query, hostedPassword)
		if w.Code != c.code || !strings.Contains(w.Body.String(), c.want) || w.Code == 200 && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s?%s: %d %s", c.path, c.query, w.Code, w.Body)
		}
	}
	if w := ask("/api/trace", nil, "wrong"); w.Code != http.StatusUnauthorized {
		t.Errorf("with the wrong password: %d", w.Code)
	}
	// A password that is for sending alone, such as a printer's, tells nothing of what came; one that has expired tells nothing.
	now := h.store.Now()
	made, password, err := policy.CreateAppPassword(t.Context(), h.store, h.id, "printer", store.ProtocolSubmission, now)
	if err != nil {
		t.Fatal(err)
	}
	for path, code := range map[string]int{"/api/trace": 401, "/api/limits": 401, "/api/refused": 401, evidencePath: 200} {
		if w := ask(path, nil, password); w.Code != code {
			t.Errorf("%s with a password for sending: %d", path, w.Code)
		}
	}
	made.Protocols, made.Expires = store.AllProtocols, now.Add(-time.Hour)
	if err := h.store.PutCredential(t.Context(), h.id, made); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/api/trace", evidencePath} {
		if w := ask(path, nil, password); w.Code != http.StatusUnauthorized {
			t.Errorf("%s with a password that has expired: %d", path, w.Code)
		}
	}
}
