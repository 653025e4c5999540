package web

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/postiljon/postiljon/internal/cause"
)

// TestMTASTS: the policy is told at the name of each domain here, and nowhere else.
func TestMTASTS(t *testing.T) {
	catalogue, err := cause.Load()
	if err != nil {
		t.Fatal(err)
	}
	policy := func(_ context.Context, domain string) []byte {
		if domain == "example.org" {
			return []byte("version: STSv1\r\n")
		}
		return nil
	}
	s, err := New(Options{Catalogue: catalogue, Hostname: "mail.example.org", MTASTS: policy})
	if err != nil {
		t.Fatal(err)
	}
	off, err := New(Options{Catalogue: catalogue, Hostname: "mail.example.org"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		server *Server
		host   string
		code   int
	}{
		{s, "mta-sts.example.org", 200}, {s, "MTA-STS.Example.org:443", 200}, {s, "mta-sts.example.net", 404},
		{s, "example.org", 404}, {s, "mail.example.org", 404}, {off, "mta-sts.example.org", 404},
	} {
		r := httptest.NewRequest(http.MethodGet, "https://"+c.host+"/.well-known/mta-sts.txt", nil)
		w := httptest.NewRecorder()
		c.server.Handler().ServeHTTP(w, r)
		told := strings.HasPrefix(w.Body.String(), "version: STSv1\r\n") && strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain")
		if w.Code != c.code || told != (c.code == 200) {
			t.Errorf("%s: %d %s", c.host, w.Code, w.Body)
		}
	}
}
