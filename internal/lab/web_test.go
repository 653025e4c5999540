package lab

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/lab/peer"
)

// browser is an HTTP client of a device that follows no redirects.
func browser(t *testing.T, v *Vantage) *http.Client {
	t.Helper()
	tr := v.Transport()
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 5 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
}

func get(t *testing.T, c *http.Client, url string) (*http.Response, string) {
	t.Helper()
	r, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, string(b)
}

func TestProviderWeb(t *testing.T) {
	w, p := north(t)
	c := browser(t, w.Home())
	for url, want := range map[string]string{
		"https://autoconfig.north.example/mail/config-v1.1.xml":             "<hostname>imap.north.example</hostname>",
		"https://north.example/.well-known/autoconfig/mail/config-v1.1.xml": "<outgoingServer type=\"smtp\">",
		"https://mta-sts.north.example/.well-known/mta-sts.txt":             "mx: mx.north.example",
		"https://status.north.example" + StatusPath:                         `"indicator":"none"`,
		"https://webmail.north.example/mail/":                               "/assets/app-1.js",
		"http://www.north.example/assets/app-1.js":                          "use strict",
	} {
		if r, body := get(t, c, url); r.StatusCode != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %s %q", url, r.Status, body)
		}
	}
	if r, _ := get(t, c, "https://www.north.example/absent"); r.StatusCode != http.StatusNotFound {
		t.Errorf("an absent page: %s", r.Status)
	}
	for password, want := range map[string]int{"secret": http.StatusOK, "wrong": http.StatusUnauthorized} {
		r, err := c.Post("https://webmail.north.example/api/sign-in", "application/json", strings.NewReader(`{"Name":"anna@north.example","Password":"`+password+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != want {
			t.Errorf("sign-in with %q: %s", password, r.Status)
		}
	}
	p.Web.SkewDate(-48 * time.Hour)
	r, _ := get(t, c, "https://www.north.example/mail/")
	date, err := http.ParseTime(r.Header.Get("Date"))
	if ago := time.Since(date); err != nil || ago < 47*time.Hour || ago > 49*time.Hour {
		t.Errorf("Date is %q", r.Header.Get("Date"))
	}
}

func TestStatusFeeds(t *testing.T) {
	w, p := north(t)
	c := browser(t, w.Home())
	since := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	down := peer.Incident{Service: "Mail", Title: "Mail is slow", Impact: "major", Since: since}
	over := peer.Incident{Service: "Calendar", Title: "Calendar was away", Impact: "minor", Since: since, Until: since.Add(time.Hour)}
	for kind, want := range map[peer.StatusFeed]string{
		peer.FeedStatuspage: `"status":"partial_outage"`, peer.FeedApple: `"eventStatus":"ongoing"`,
		peer.FeedGoogle: `"external_desc":"Mail is slow"`, peer.FeedPlain: "Mail: Mail is slow",
	} {
		if err := p.Web.Status("/feed", kind, []string{"Mail", "Calendar"}, down, over); err != nil {
			t.Fatal(err)
		}
		_, body := get(t, c, "https://status.north.example/feed")
		if !strings.Contains(body, want) {
			t.Errorf("%s: %s", kind, body)
		}
		body = strings.TrimSuffix(strings.TrimPrefix(body, "jsonCallback("), ");")
		if kind != peer.FeedPlain && !json.Valid([]byte(body)) {
			t.Errorf("%s is not JSON: %s", kind, body)
		}
	}
}

func TestCaptivePortal(t *testing.T) {
	w, p := north(t)
	w.Canary("canary.example")
	hotel := w.Vantage("hotel")
	portal := peer.NewWeb("portal.hotel.example", w.Now)
	portal.Portal()
	portal.SetCertificate(w.Certificate([]string{"portal.hotel.example"}))
	h := w.Host("portal.hotel.example")
	w.check(h.Serve(80, portal), h.ServeTLS(443, portal))

	rules := hotel.CaptivePortal(h)
	if r, _ := get(t, browser(t, hotel), "http://canary.example/generate_204"); r.StatusCode != http.StatusFound || !strings.Contains(r.Header.Get("Location"), "portal") {
		t.Errorf("the canary answers %s", r.Status)
	}
	if _, err := browser(t, hotel).Get("https://www.north.example/mail/"); err == nil || !strings.Contains(err.Error(), "portal.hotel.example") {
		t.Errorf("TLS behind the portal: %v", err)
	}
	c, err := hotel.DialContext(soon(t, time.Second), "tcp", "imap.north.example:993")
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	RemoveAll(rules)
	if r, _ := get(t, browser(t, hotel), "http://canary.example/generate_204"); r.StatusCode != http.StatusNoContent {
		t.Errorf("signed in, the canary answers %s", r.Status)
	}
	if len(portal.Asked()) == 0 || len(p.Web.Asked()) > 0 {
		t.Errorf("the portal was asked %v, the provider %v", portal.Asked(), p.Web.Asked())
	}
}

func TestBrokenPages(t *testing.T) {
	w, p := north(t)
	c := browser(t, w.Home())
	c.Timeout = 100 * time.Millisecond
	p.Web.Page("/hang", peer.Hang())
	p.Web.Page("/abort", peer.Abort())
	p.Web.Page("/down", peer.Code(http.StatusServiceUnavailable))
	p.Web.Page("/slow", peer.After(time.Millisecond, peer.Text("text/plain", "here")))
	for _, path := range []string{"/hang", "/abort"} {
		if _, err := c.Get("http://www.north.example" + path); err == nil {
			t.Errorf("%s answers", path)
		}
	}
	c.Timeout = 5 * time.Second
	if r, _ := get(t, c, "http://www.north.example/down"); r.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("/down answers %s", r.Status)
	}
	if _, body := get(t, c, "http://www.north.example/slow"); body != "here" {
		t.Errorf("/slow answers %q", body)
	}
}

func BenchmarkWorld(b *testing.B) {
	for b.Loop() {
		w, err := Open()
		if err != nil {
			b.Fatal(err)
		}
		w.Provider("north.example").Account("anna@north.example", "secret")
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
