package netserve

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// TestPatient holds that a client which takes its time gets all of an answer, however short that of the server is, and that one sees where an answer
// was broken off.
func TestPatient(t *testing.T) {
	text := bytes.Repeat([]byte("0123456789abcdef"), 1<<18) // more than the buffers of a connection
	const timeout = 400 * time.Millisecond
	for n := range 4 {
		abort, two := n%2 > 0, n/2 > 0
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p := Patiently(w, time.Minute)
			if _, err := p.Write([]byte("x")); err != nil {
				t.Error(err)
			}
			time.Sleep(timeout * 3 / 2)
			if n, err := p.Write(text); err != nil || n != len(text) || p.Err() != nil {
				t.Errorf("%d octets went out: %v", n, err)
			}
			if abort {
				p.Abort()
			}
		}))
		s.Config.WriteTimeout, s.EnableHTTP2 = timeout, two
		s.StartTLS()
		answer, err := s.Client().Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
		got, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if abort != (err != nil) || !abort && len(got) != 1+len(text) {
			t.Errorf("over %s %d octets came: %v", answer.Proto, len(got), err)
		}
		s.Close()
	}
}
