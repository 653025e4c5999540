package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/store"
)

// TestJMAP holds that an account reaches its mail on the web, with a password or with a token where those are taken.
func TestJMAP(t *testing.T) {
	h := hostAccount(t)
	now := time.Now()
	credential, token := policy.NewToken(h.id, "web", store.AllProtocols, now, now.Add(time.Hour))
	if err := h.store.PutCredential(t.Context(), h.id, credential); err != nil {
		t.Fatal(err)
	}
	basic := func(password string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth(hostedAddress, password) }
	}
	bearer := func(token string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
	}
	for _, c := range []struct {
		name   string
		tokens bool
		sign   func(*http.Request)
		code   int
		want   string
	}{
		{"a password", false, basic(hostedPassword), http.StatusOK, `"username":"` + hostedAddress + `"`},
		{"a wrong password", false, basic("wrong"), http.StatusUnauthorized, "/why/auth.password-wrong"},
		{"nothing", false, func(*http.Request) {}, http.StatusUnauthorized, "/why/auth.password-wrong"},
		{"a token that is not taken", false, bearer(token), http.StatusUnauthorized, "/why/auth.password-wrong"},
		{"a token", true, bearer(token), http.StatusOK, `"username":"` + hostedAddress + `"`},
		{"a wrong token", true, bearer("x" + token), http.StatusUnauthorized, "/why/auth."},
	} {
		h.sasl.tokens.Store(c.tokens)
		r := httptest.NewRequest(http.MethodGet, "https://mail.example.org/.well-known/jmap", nil)
		c.sign(r)
		w := httptest.NewRecorder()
		h.web.Handler().ServeHTTP(w, r)
		if w.Code != c.code || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
		}
		bearers := strings.Contains(strings.Join(w.Header().Values("WWW-Authenticate"), ","), "Bearer")
		if bearers != (c.tokens && c.code == http.StatusUnauthorized) {
			t.Errorf("%s: the challenge is %q", c.name, w.Header().Values("WWW-Authenticate"))
		}
	}
}
