package main

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/control"
)

// The holder of an account hears on the web what the service knows of it, though it is suspended; nobody
// hears anything without the password, or without TLS.
func TestEvidenceForHolders(t *testing.T) {
	h := hostAccount(t)
	ask := func(name, password string, secure bool) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, evidencePath, nil)
		if r.RemoteAddr = "198.51.100.7:4711"; secure {
			r.TLS = &tls.ConnectionState{}
		}
		if name != "" {
			r.SetBasicAuth(name, password)
		}
		w := httptest.NewRecorder()
		h.web.Handler().ServeHTTP(w, r)
		return w
	}
	if w := ask(hostedAddress, hostedPassword, false); w.Code != http.StatusForbidden {
		t.Errorf("without TLS: %d", w.Code)
	}
	for _, who := range [][2]string{{"", ""}, {hostedAddress, "wrong"}, {"nobody@example.org", hostedPassword}} {
		if w := ask(who[0], who[1], true); w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") == "" {
			t.Errorf("%q: %d %s", who, w.Code, w.Body)
		}
	}
	told := func() (e control.Evidence) {
		t.Helper()
		w := ask(hostedAddress, hostedPassword, true)
		if w.Code != http.StatusOK || w.Header().Get("Cache-Control") != "no-store" {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		return e
	}
	if e := told(); e.Address != hostedAddress || e.State != "active" || len(e.Limits) == 0 {
		t.Errorf("%+v", e)
	}
	unpaid := cause.AccountSuspendedUnpaid
	h.change(t, control.ChangeAccount{Suspended: &unpaid})
	if e := told(); e.State != "suspended" || e.Reason != cause.AccountSuspendedUnpaid {
		t.Errorf("%+v", e)
	}
}
