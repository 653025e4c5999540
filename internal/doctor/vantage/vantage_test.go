package vantage_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postiljon/postiljon/internal/doctor/vantage"
	"github.com/postiljon/postiljon/internal/lab"
	"github.com/postiljon/postiljon/internal/lab/peer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestLooks asks from another place for endpoints in every state.
func TestLooks(t *testing.T) {
	w := lab.New(t)
	north := w.Provider("north.example")
	there := w.Vantage("there")
	there.Break(lab.Where{Host: north.POPHost.Name}, lab.Drop())
	north.Submission.On("CONNECT", peer.Refuse("421 4.3.2 Too busy")).At(587)
	north.IMAPHost.Shut(143)
	h := &vantage.Handler{
		Place: "there", Dial: there.DialContext, Roots: there.Roots(), Timeout: 300 * time.Millisecond,
		LookupNetIP: (&net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return there.DialContext(ctx, network, there.Resolvers()[0])
		}}).LookupNetIP,
	}
	answer := ask(t, h, vantage.Request{Endpoints: []vantage.Endpoint{
		{Host: "imap.north.example", Port: 993, TLS: true}, {Host: "imap.north.example", Port: 143}, {Host: "pop.north.example", Port: 110},
		{Host: "smtp.north.example", Port: 587}, {Host: "nobody.north.example", Port: 993, TLS: true}, {Host: "10.0.0.1", Port: 25}, {Host: "127.0.0.1", Port: 25},
	}})
	want := []vantage.Seen{
		{Outcome: "ok", Greeting: "* OK imap.north.example IMAP4rev1 ready"}, {Outcome: "refused"}, {Outcome: "timeout"},
		{Outcome: "ok", Greeting: "421 4.3.2 Too busy"}, {Outcome: "failed"}, {Outcome: "failed"}, {Outcome: "failed"},
	}
	if answer.Place != "there" || len(answer.Seen) != len(want) {
		t.Fatalf("answer %+v", answer)
	}
	for i, seen := range answer.Seen {
		if seen != want[i] {
			t.Errorf("endpoint %d: %+v, want %+v", i, seen, want[i])
		}
	}
}

func ask(t *testing.T, h *vantage.Handler, req vantage.Request) vantage.Answer {
	t.Helper()
	body, err := json.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/look", bytes.NewReader(body)))
	var answer vantage.Answer
	if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil {
		t.Fatalf("%d %s: %v", rec.Code, rec.Body, err)
	}
	return answer
}

// TestRefuses what is not a question about mail.
func TestRefuses(t *testing.T) {
	many := strings.Repeat(`{"host":"a.example","port":25},`, vantage.MaxEndpoints+1)
	for _, c := range []struct {
		method, body string
		code         int
	}{
		{http.MethodGet, "", http.StatusMethodNotAllowed},
		{http.MethodPost, "nonsense", http.StatusBadRequest},
		{http.MethodPost, `{"endpoints":[` + strings.TrimSuffix(many, ",") + `]}`, http.StatusBadRequest},
		{http.MethodPost, `{"endpoints":[{"host":"a.example","port":22}]}`, http.StatusForbidden},
		{http.MethodPost, `{"endpoints":[{"host":"","port":25}]}`, http.StatusForbidden},
		{http.MethodPost, `{"endpoints":[{"host":"` + strings.Repeat("a", 9000) + `","port":25}]}`, http.StatusBadRequest},
	} {
		rec := httptest.NewRecorder()
		(&vantage.Handler{}).ServeHTTP(rec, httptest.NewRequest(c.method, "/look", strings.NewReader(c.body)))
		if rec.Code != c.code {
			t.Errorf("%s %.60s: %d, want %d", c.method, c.body, rec.Code, c.code)
		}
	}
}
