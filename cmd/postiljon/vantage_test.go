package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/postiljon/postiljon/internal/config"
	"github.com/postiljon/postiljon/internal/doctor/vantage"
)

// TestVantage: the service looks for others only where it is switched on, and
// never at what is private.
func TestVantage(t *testing.T) {
	for _, on := range []bool{false, true} {
		v := serveMail(t, func(c *config.Config) {
			if c.Doctor.Vantage {
				t.Error("it is on by default")
			}
			c.Doctor.Vantage = on
		})
		w := httptest.NewRecorder()
		body := `{"endpoints": [{"host": "127.0.0.1", "port": 25}]}`
		v.web.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/doctor/vantage", strings.NewReader(body)))
		if !on {
			if w.Code != http.StatusMethodNotAllowed {
				t.Errorf("switched off: %d", w.Code)
			}
			continue
		}
		var answer vantage.Answer
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatalf("%v\n%s", err, w.Body)
		}
		if answer.Place != "mail.example.org" || len(answer.Seen) != 1 || answer.Seen[0].Outcome != "failed" {
			t.Errorf("%+v", answer)
		}
	}
}
