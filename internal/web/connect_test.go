package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postiljon/postiljon/internal/settings"
)

// TestAutoconfig: what programs are told is what they can use, at both places.
func TestAutoconfig(t *testing.T) {
	s := server(t, nil)
	want := []settings.Server{
		{Protocol: settings.IMAP, Host: "mail.example.org", Port: 993, Security: settings.TLS, Usernames: []settings.Username{settings.WholeAddress}, Methods: []settings.Method{settings.Password}},
		{Protocol: settings.SMTP, Host: "mail.example.org", Port: 587, Security: settings.STARTTLS, Usernames: []settings.Username{settings.WholeAddress}, Methods: []settings.Method{settings.Password}},
	}
	for target, domain := range map[string]string{
		"https://autoconfig.example.net/mail/config-v1.1.xml?emailaddress=anna%40example.net": "example.net",
		"https://autoconfig.example.net:8443/mail/config-v1.1.xml":                            "example.net",
		"https://example.net/.well-known/autoconfig/mail/config-v1.1.xml":                     "example.net",
		"https://mail.example.org/mail/config-v1.1.xml?emailaddress=%3Cscript%3E":             "mail.example.org",
		"https://192.0.2.1/mail/config-v1.1.xml":                                              "mail.example.org",
	} {
		r := get(s, target)
		if kind := r.Header.Get("Content-Type"); r.StatusCode != http.StatusOK || kind != "text/xml; charset=utf-8" {
			t.Fatalf("%s: %s, %s", target, r.Status, kind)
		}
		c, err := settings.ParseConfig(r.Body, domain)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, c.Servers); d != "" || len(c.Domains) != 1 || c.Domains[0] != domain {
			t.Errorf("%s: %v %s", target, c.Domains, d)
		}
	}
}

func TestAutodiscover(t *testing.T) {
	s := server(t, nil)
	post := func(body string) *http.Response {
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/autodiscover/autodiscover.xml", strings.NewReader(body)))
		return w.Result()
	}
	r := post("<Autodiscover><Request><EMailAddress>anna@example.net</EMailAddress></Request></Autodiscover>")
	got := body(t, r)
	if r.StatusCode != http.StatusOK || !strings.Contains(got, "<LoginName>anna@example.net</LoginName>") || !strings.Contains(got, "<Server>mail.example.org</Server>") {
		t.Errorf("%s: %s", r.Status, got)
	}
	for _, bad := range []string{"", "<x/>", strings.Repeat(" ", maxRequest) + "<Autodiscover/>"} {
		if r := post(bad); r.StatusCode != http.StatusBadRequest {
			t.Errorf("%.20q: %s", bad, r.Status)
		}
	}
	if r := get(s, "/autodiscover/autodiscover.xml"); r.StatusCode != http.StatusNotFound && r.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: %s", r.Status)
	}
}

func TestProfile(t *testing.T) {
	s := server(t, nil)
	r := get(s, "/connect.mobileconfig?address=anna@example.net")
	if got := body(t, r); r.Header.Get("Content-Type") != "application/x-apple-aspen-config" || !strings.Contains(got, "<string>anna@example.net</string>") {
		t.Errorf("%v: %s", r.Header, got)
	}
	if got := body(t, get(s, "/connect.mobileconfig?address=nonsense")); strings.Contains(got, "nonsense") || !strings.Contains(got, "<string>mail.example.org</string>") {
		t.Error(got)
	}
	if home := body(t, get(s, "/")); !strings.Contains(home, `href="/connect.mobileconfig"`) {
		t.Error("the home page does not lead there")
	}
	// A service that cannot send has no profile, and no link to it.
	s = server(t, func(o *Options) { o.Services = o.Services[:1] })
	if r := get(s, "/connect.mobileconfig"); r.StatusCode != http.StatusNotFound {
		t.Error(r.Status)
	}
	if home := body(t, get(s, "/")); strings.Contains(home, "mobileconfig") {
		t.Error("the home page leads to nothing")
	}
}
