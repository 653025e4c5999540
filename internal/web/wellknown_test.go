package web

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestSecurityContact(t *testing.T) {
	for contact, want := range map[string]string{
		"": "Contact: mailto:postmaster@mail.example.org\r\n", "a@b.example": "Contact: mailto:a@b.example\r\n", "https://b.example/report": "Contact: https://b.example/report\r\n",
	} {
		s := server(t, func(o *Options) { o.SecurityContact = contact })
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/.well-known/security.txt", nil))
		_, rest, _ := strings.Cut(w.Body.String(), "Expires: ")
		stamp, _, _ := strings.Cut(rest, "\r\n")
		until, err := time.Parse(time.RFC3339, stamp)
		if !strings.HasPrefix(w.Body.String(), want) || err != nil || time.Until(until) < 100*24*time.Hour {
			t.Errorf("%q: %q, %v", contact, w.Body, err)
		}
	}
}

// The web without encryption leads to the other one.
func TestPlain(t *testing.T) {
	p := NewPlain(ToHTTPS("https://mail.example.org"), slog.New(slog.DiscardHandler))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- p.Serve(l) }()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := client.Get("http://" + l.Addr().String() + "/why/limit.address-hourly?lang=sv")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if to := r.Header.Get("Location"); r.StatusCode != 301 || to != "https://mail.example.org/why/limit.address-hourly?lang=sv" {
		t.Errorf("%d to %q", r.StatusCode, to)
	}
	if r, err = client.Post("http://"+l.Addr().String()+"/", "text/plain", strings.NewReader("x")); err != nil || r.StatusCode != 403 {
		t.Errorf("a form: %v, %v", r, err)
	} else {
		r.Body.Close()
	}
	client.CloseIdleConnections()
	if err := p.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestAutodiscoverJSON(t *testing.T) {
	s := server(t, func(*Options) {})
	for path, want := range map[string]string{
		"/autodiscover/autodiscover.json?Email=a%40example.org&Protocol=Autodiscoverv1": `{"Protocol":"AutodiscoverV1","Url":"https://mail.example.org/autodiscover/autodiscover.xml"}`,
		"/autodiscover/autodiscover.json/v1.0/a@example.org?Protocol=AutodiscoverV1":    `{"Protocol":"AutodiscoverV1","Url":"https://mail.example.org/autodiscover/autodiscover.xml"}`,
		"/autodiscover/autodiscover.json?Email=a%40example.org&Protocol=ActiveSync":     `{"ErrorCode":"InvalidProtocol"`,
		"/autodiscover/autodiscover.json?Email=a%40example.org":                         `{"ErrorCode":"MandatoryParameterMissing"`,
	} {
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if !strings.HasPrefix(w.Body.String(), want) || w.Header().Get("Content-Type") != "application/json; charset=utf-8" {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}
