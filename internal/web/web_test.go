package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/web/page/pagetest"
)

func server(t *testing.T, change func(*Options)) *Server {
	t.Helper()
	catalogue, err := cause.Load()
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		Catalogue: catalogue, Hostname: "mail.example.org",
		Services: []Service{
			{Protocol: "IMAP", Port: "993", TLS: true},
			{Protocol: "SMTP", Port: "587", Outgoing: true},
		},
		Metrics:     http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "numbers\n") }),
		MetricsFrom: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	}
	if change != nil {
		change(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func get(s *Server, target string, header ...string) *http.Response {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(b), "\u2060", "")
}

// Every cause has a page in every language, with its title and step, no
// placeholder left, and no script.
func TestEveryCauseHasAPage(t *testing.T) {
	s := server(t, nil)
	for _, lang := range cause.Languages() {
		for _, c := range s.options.Catalogue.All() {
			target := "/why/" + string(c.ID) + "?lang=" + string(lang)
			r := get(s, target)
			text := body(t, r)
			why := s.options.Catalogue.Why(c.ID, lang)
			switch {
			case r.StatusCode != http.StatusOK:
				t.Errorf("%s: %s", target, r.Status)
			case !strings.Contains(text, `<html lang="`+string(lang)+`">`):
				t.Errorf("%s: another language", target)
			case !strings.Contains(text, html.EscapeString(why.Title)) && !strings.Contains(html.UnescapeString(text), why.Title):
				t.Errorf("%s lacks its title", target)
			case !strings.Contains(html.UnescapeString(text), why.NextStep):
				t.Errorf("%s lacks its step", target)
			case strings.Contains(text, "<script") || strings.Contains(text, "style="):
				t.Errorf("%s has script or inline style", target)
			case regexp.MustCompile(`[{}\[\]]`).MatchString(text):
				t.Errorf("%s shows a placeholder", target)
			}
		}
	}
}

func TestLanguage(t *testing.T) {
	s := server(t, nil)
	for _, c := range []struct{ target, accept, want string }{
		{"/why/limit.address-hourly", "sv-SE,sv;q=0.9,en;q=0.5", "sv"},
		{"/why/limit.address-hourly", "no", "nb"},
		{"/why/limit.address-hourly", "fi", "en"},
		{"/why/limit.address-hourly", "", "en"},
		{"/?lang=nb", "sv", "nb"},
		{"/why/", "sv", "sv"},
	} {
		if got := get(s, c.target, "Accept-Language", c.accept).Header.Get("Content-Language"); got != c.want {
			t.Errorf("%s with %q: %s", c.target, c.accept, got)
		}
	}
}

// A link to a page can be made by anyone: it must not put words into our mouth.
func TestNothingFromTheAddressIsShown(t *testing.T) {
	s := server(t, nil)
	for _, target := range []string{"/why/%3Cb%3Eevil?lang=%22%3E%3Cb%3Eevil", "/why/evil", "/evil", "/why/limit.address-hourly?address=evil&lang=sv"} {
		if text := body(t, get(s, target)); strings.Contains(text, "evil") {
			t.Errorf("%s is repeated in the page", target)
		}
	}
}

func TestMissing(t *testing.T) {
	s := server(t, nil)
	for _, target := range []string{"/nothing", "/why/no.such-cause", "/assets/nothing", "/assets/..%2fweb.go", "/ca.pem", "/templates/why.html"} {
		if r := get(s, target); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", target, r.Status)
		}
	}
}

func TestOnlyReading(t *testing.T) {
	s := server(t, nil)
	for _, method := range []string{"POST", "PUT", "DELETE", "TRACE", "OPTIONS"} {
		for _, target := range []string{"/", "/why/", "/metrics", "/nothing"} {
			w := httptest.NewRecorder()
			s.Handler().ServeHTTP(w, httptest.NewRequest(method, target, strings.NewReader("x")))
			if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: %d, Allow: %s", method, target, w.Code, w.Header().Get("Allow"))
			}
		}
	}
}

func TestHome(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, []byte("certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := server(t, func(o *Options) { o.CAFile = func() string { return file } })
	text := body(t, get(s, "/?lang=en"))
	for _, want := range []string{"mail.example.org", "993", "587", "STARTTLS", "/ca.pem", "your whole mail address"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	if got := body(t, get(s, "/ca.pem")); got != "certificate" {
		t.Errorf("ca.pem: %q", got)
	}
}

// Every link of every kind of page leads somewhere; that to the doctor to the part that has its pages.
func TestLinks(t *testing.T) {
	s := server(t, func(o *Options) {
		o.Routes = map[string]http.Handler{"GET /doctor": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })}
	})
	link := regexp.MustCompile(`(?:href|src)="(/[^"]*)"`)
	seen := map[string]bool{}
	for _, start := range []string{"/", "/why/", "/why/quota.mailbox-full", "/nothing"} {
		for _, m := range link.FindAllStringSubmatch(body(t, get(s, start)), -1) {
			target := html.UnescapeString(m[1])
			if seen[target] {
				continue
			}
			seen[target] = true
			if r := get(s, target); r.StatusCode != http.StatusOK {
				t.Errorf("%s links to %s: %s", start, target, r.Status)
			}
		}
	}
	if len(seen) < 100 {
		t.Errorf("only %d links", len(seen))
	}
}

func TestHeaders(t *testing.T) {
	s := server(t, nil)
	for _, target := range []string{"/", "/why/healthy", "/assets/style.css", "/nothing"} {
		h := get(s, target).Header
		if !strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", target, h)
		}
	}
	if got := get(s, "/assets/style.css").Header.Get("Content-Type"); !strings.HasPrefix(got, "text/css") {
		t.Errorf("style sheet is %s", got)
	}
}

func TestHealth(t *testing.T) {
	var trouble error
	s := server(t, func(o *Options) { o.Ready = func(context.Context) error { return trouble } })
	if r := get(s, "/healthz"); r.StatusCode != http.StatusOK {
		t.Error(r.Status)
	}
	if r := get(s, "/readyz"); r.StatusCode != http.StatusOK {
		t.Error(r.Status)
	}
	trouble = errors.New("no room on /secret/path")
	r := get(s, "/readyz")
	if text := body(t, r); r.StatusCode != http.StatusServiceUnavailable || strings.Contains(text, "secret") {
		t.Errorf("%s %q", r.Status, text)
	}
}

func TestMetricsOnlyFromWhereTheyMay(t *testing.T) {
	s := server(t, nil)
	for remote, want := range map[string]int{
		"127.0.0.1:1": 200, "[::ffff:127.0.0.1]:1": 200, "192.0.2.1:1": 404, "[2001:db8::1]:1": 404, "nonsense": 404,
	} {
		r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		r.RemoteAddr = remote
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s: %d", remote, w.Code)
		}
	}
}

func TestVantageOnlyWhereItIsOffered(t *testing.T) {
	ask := func(s *Server) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/doctor/vantage", strings.NewReader("{}")))
		return w
	}
	if w := ask(server(t, nil)); w.Code != http.StatusMethodNotAllowed { // as any page that is none
		t.Errorf("not offered: %d", w.Code)
	}
	offered := server(t, func(o *Options) {
		o.Vantage = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "seen\n") })
	})
	if w := ask(offered); w.Code != http.StatusOK || w.Body.String() != "seen\n" {
		t.Errorf("offered: %d %q", w.Code, w.Body)
	}
}

func TestOnlyGet(t *testing.T) {
	s := server(t, nil)
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/healthz", strings.NewReader("x")))
	if w.Code == http.StatusOK {
		t.Error("POST was taken")
	}
}

func TestTextsAreComplete(t *testing.T) {
	pagetest.Texts(t, files, "home_title", "index_title", "missing_title")
}

// Browsers are told to come encrypted only where the certificate is one that they trust by themselves.
func TestStrictTransport(t *testing.T) {
	catalogue, err := cause.Load()
	if err != nil {
		t.Fatal(err)
	}
	authority := ""
	s, err := New(Options{Catalogue: catalogue, Hostname: "mail.example.org", HSTS: 180 * 24 * time.Hour, CAFile: func() string { return authority }})
	if err != nil {
		t.Fatal(err)
	}
	told := func() string {
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "https://mail.example.org/connect", nil))
		return w.Header().Get("Strict-Transport-Security")
	}
	if got := told(); got != "max-age=15552000" {
		t.Errorf("%q", got)
	}
	authority = "ca.pem"
	if got := told(); got != "" {
		t.Errorf("with the private authority: %q", got)
	}
}
