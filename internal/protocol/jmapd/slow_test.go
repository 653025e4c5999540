package jmapd

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// slowly is a body that comes with a pause in its middle.
type slowly struct {
	first, rest io.Reader
	pause       time.Duration
}

func (s *slowly) Read(b []byte) (int, error) {
	if n, err := s.first.Read(b); err == nil {
		return n, nil
	}
	time.Sleep(s.pause)
	s.pause = 0
	return s.rest.Read(b)
}

// TestSlowLine holds that a request may take longer to come, and its answer to be made, than a page of the same server.
func TestSlowLine(t *testing.T) {
	const timeout = 300 * time.Millisecond
	w := newWorld(t)
	for _, two := range []bool{false, true} {
		s := httptest.NewUnstartedServer(w.server)
		s.Config.ReadTimeout, s.Config.WriteTimeout, s.EnableHTTP2 = timeout, timeout, two
		s.StartTLS()
		text := `{"using":["urn:ietf:params:jmap:core"],"methodCalls":[["Core/echo",{"a":1},"0"]]}`
		r, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/jmap/api", &slowly{strings.NewReader(text[:20]), strings.NewReader(text[20:]), 2 * timeout})
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth(w.anna.Address, "secret")
		r.Header.Set("Content-Type", "application/json")
		answer, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || !strings.Contains(string(got), `"a":1`) {
			t.Errorf("over %s: %s %v", answer.Proto, got, err)
		}
		s.Close()
	}
}
