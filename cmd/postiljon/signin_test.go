package main

import (
	"context"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/postiljon/postiljon/internal/control"
	"github.com/postiljon/postiljon/internal/store"
	websession "github.com/postiljon/postiljon/internal/web/session"
)

// browser is one that talks to the web of a service.
type browser struct {
	*testing.T
	base   string
	client *http.Client
	header http.Header // of each request
}

// webOf serves the web of a service; browsers of it do not follow redirections.
func webOf(t *testing.T, s *service) func() *browser {
	t.Helper()
	server := httptest.NewTLSServer(s.web.Handler())
	t.Cleanup(server.Close)
	transport := server.Client().Transport.(*http.Transport).Clone()
	transport.TLSClientConfig.ServerName = "example.com" // that of the certificate, by whatever name it is called
	return func() *browser {
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		return &browser{t, server.URL, &http.Client{
			Jar: jar, Transport: transport, Timeout: 20 * time.Second,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}, http.Header{"User-Agent": {"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"}, "Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Mode": {"cors"}}}
	}
}

func (b *browser) do(method, path, kind, body string, header ...string) (*http.Response, string) {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), method, b.base+path, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	r.Header = b.header.Clone()
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := b.client.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.Fatal(err)
	}
	return resp, strings.ReplaceAll(string(text), "\u2060", "")
}

func (b *browser) get(path string, header ...string) (*http.Response, string) {
	b.Helper()
	return b.do(http.MethodGet, path, "", "", header...)
}

func (b *browser) form(path string, fields ...string) (*http.Response, string) {
	b.Helper()
	v := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		v.Set(fields[i], fields[i+1])
	}
	return b.do(http.MethodPost, path, "application/x-www-form-urlencoded", v.Encode())
}

// signIn signs in with the password of the hosted account, and returns what a page would know.
func (b *browser) signIn(fields ...string) websession.Info {
	b.Helper()
	r, text := b.form("/sign-in", append([]string{"address", hostedAddress, "password", hostedPassword}, fields...)...)
	if r.StatusCode != http.StatusSeeOther {
		b.Fatalf("sign in: %s %s", r.Status, text)
	}
	return b.info()
}

func (b *browser) info() (info websession.Info) {
	b.Helper()
	if code := b.json(http.MethodGet, "/api/session", nil, &info); code != http.StatusOK {
		b.Fatalf("session: %d", code)
	}
	return info
}

// json makes a request of the APIs.
func (b *browser) json(method, path string, send, into any, header ...string) int {
	b.Helper()
	body := ""
	if send != nil {
		text, err := json.Marshal(send)
		if err != nil {
			b.Fatal(err)
		}
		body = string(text)
	}
	r, text := b.do(method, path, "application/json", body, header...)
	if into != nil {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			b.Fatalf("%s %s: %s %q: %v", method, path, r.Status, text, err)
		}
	}
	return r.StatusCode
}

// out tells whether the browser is signed out.
func (b *browser) out() bool {
	b.Helper()
	return b.json(http.MethodGet, "/api/session", nil, nil) == http.StatusUnauthorized
}

// TestWebSignIn is a day of a browser: signing in, what is wrong with what was typed, JMAP with the cookie, pages of others, signing out.
func TestWebSignIn(t *testing.T) {
	h := hostAccount(t)
	open := webOf(t, h.service)
	b := open()
	for path, want := range map[string]string{"/": "/sign-in", "/mail/inbox?x=1": "/sign-in?next=%2Fmail%2Finbox%3Fx%3D1", "/?lang=sv": "/sign-in?lang=sv"} {
		if r, _ := b.get(path); r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != want {
			t.Errorf("%s: %s to %q", path, r.Status, r.Header.Get("Location"))
		}
	}
	for _, c := range []struct{ address, password, want string }{
		{hostedAddress, "nosuch1", "do not belong together"},
		{hostedAddress, "WRONG42", "Caps Lock"},
		{"anna@exmaple.org", "nosuch1", hostedAddress},
		{"", "x", "Something is missing"},
		{hostedAddress, " " + hostedPassword, "unseen character"},
	} {
		r, text := b.form("/sign-in", "address", c.address, "password", c.password)
		if r.StatusCode/100 != 4 || !strings.Contains(text, c.want) || len(r.Cookies()) > 0 || c.password != "x" && strings.Contains(text, c.password) {
			t.Errorf("%q %q: %s %v\n%s", c.address, c.password, r.Status, r.Cookies(), text)
		}
	}
	// Another site cannot sign a browser in.
	if r, _ := b.do(http.MethodPost, "/sign-in", "application/x-www-form-urlencoded",
		url.Values{"address": {hostedAddress}, "password": {hostedPassword}}.Encode(), "Sec-Fetch-Site", "cross-site"); r.StatusCode != http.StatusForbidden || len(r.Cookies()) > 0 {
		t.Errorf("from another site: %s", r.Status)
	}
	r, _ := b.form("/sign-in?lang=nb", "address", strings.Split(hostedAddress, "@")[0], "password", hostedPassword, "next", "//evil.example/")
	if r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/mail/" {
		t.Fatalf("signed in: %s to %q", r.Status, r.Header.Get("Location"))
	}
	c := r.Cookies()[0]
	if c.Name != "__Host-postiljon" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" || c.MaxAge != 0 {
		t.Errorf("the cookie: %s", c)
	}
	info := b.info()
	if info.Address != hostedAddress || info.Lang != "nb" || info.Remembered || info.Browser != "Firefox" || info.System != "Windows" || info.CSRF == "" || !info.FreshUntil.After(time.Now()) {
		t.Errorf("the session: %+v", info)
	}
	for path, want := range map[string]string{"/": "/mail/", "/sign-in?next=/settings/security": "/settings/security"} {
		if r, _ := b.get(path); r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != want {
			t.Errorf("signed in, %s: %s to %q", path, r.Status, r.Header.Get("Location"))
		}
	}
	const echo = `{"using":["urn:ietf:params:jmap:core"],"methodCalls":[["Core/echo",{},"0"]]}`
	for _, c := range []struct {
		name string
		code int
		add  []string
	}{
		{"with the token", 200, []string{"X-CSRF-Token", info.CSRF}},
		{"without", 401, nil},
		{"with another", 401, []string{"X-CSRF-Token", "x" + info.CSRF}},
		{"from another site", 401, []string{"X-CSRF-Token", info.CSRF, "Sec-Fetch-Site", "cross-site"}},
		{"from another origin, by an old browser", 401, []string{"X-CSRF-Token", info.CSRF, "Sec-Fetch-Site", "", "Origin", "https://evil.example"}},
	} {
		r, text := b.do(http.MethodPost, "/jmap/api", "application/json", echo, c.add...)
		if r.StatusCode != c.code || strings.Contains(r.Header.Get("WWW-Authenticate"), "Basic") {
			t.Errorf("JMAP %s: %s %q %s", c.name, r.Status, r.Header.Get("WWW-Authenticate"), text)
		}
	}
	if r, text := b.get("/api/limits"); r.StatusCode != http.StatusOK || !strings.Contains(text, hostedAddress) {
		t.Errorf("what holders ask: %s %s", r.Status, text)
	}
	if r, _ := open().get("/api/limits"); r.StatusCode != http.StatusUnauthorized || r.Header.Get("WWW-Authenticate") != "" {
		t.Errorf("what holders ask, of a browser that is not signed in: %s %s", r.Status, r.Header)
	}
	if r, text := b.get("/sign-out"); r.StatusCode != http.StatusOK || !strings.Contains(text, info.CSRF) || b.out() {
		t.Errorf("asking to sign out: %s %s", r.Status, text)
	}
	for path, want := range map[string]string{"/.well-known/change-password": "", "/.well-known/passkey-endpoints": `"enroll":"https://mail.example.org/settings/security"`} {
		r, text := b.get(path)
		if !strings.Contains(text, want) || r.StatusCode/100 == 4 || want == "" && r.Header.Get("Location") != "/settings/security" {
			t.Errorf("%s: %s %s", path, r.Status, text)
		}
	}
	if r, _ := b.form("/sign-out"); r.StatusCode != http.StatusForbidden || b.out() {
		t.Errorf("signed out without the token: %s", r.Status)
	}
	if r, _ := b.form("/sign-out", "csrf", info.CSRF); r.StatusCode != http.StatusSeeOther || !b.out() || r.Header.Get("Clear-Site-Data") != `"cache", "storage"` {
		t.Errorf("signing out: %s", r.Status)
	}
	b.header.Set("Cookie", c.String())
	if !b.out() {
		t.Error("the old cookie is taken")
	}
}

// TestWhyNoSignIn holds that whoever is kept out is told why, and until when; and only after the right password what his account is like.
func TestWhyNoSignIn(t *testing.T) {
	h := hostAccount(t)
	b := webOf(t, h.service)()
	says := func(password, want string, status int) {
		t.Helper()
		r, text := b.form("/sign-in", "address", hostedAddress, "password", password)
		if text = html.UnescapeString(text); r.StatusCode != status || !strings.Contains(text, want) || len(r.Cookies()) > 0 {
			t.Errorf("%s, not %q: %s", r.Status, want, text)
		}
	}
	set := func(change func(*store.Account)) {
		t.Helper()
		if _, err := h.store.UpdateAccount(t.Context(), h.id, func(a *store.Account) error { change(a); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	set(func(a *store.Account) { a.Disabled = true })
	says("nosuch1", "do not belong together", http.StatusForbidden)
	says(hostedPassword, "Mail is switched off for your account", http.StatusForbidden)
	set(func(a *store.Account) { a.Disabled, a.Protocols = false, store.AllProtocols&^store.ProtocolWeb })
	says(hostedPassword, "Webmail is switched off for this account", http.StatusForbidden)
	set(func(a *store.Account) { a.Protocols = store.AllProtocols })
}

// TestLockedOut holds that the page says until when nobody gets in, though the password is right.
func TestLockedOut(t *testing.T) {
	h := hostAccount(t)
	b := webOf(t, h.service)()
	for i := 0; i < 60 && len(h.policies.guard.Bans(t.Context())) == 0; i++ { // from many places, so that the account is locked
		h.policies.guard.Failed(netip.AddrFrom4([4]byte{10, byte(i), 1, 1}), hostedAddress)
	}
	until := regexp.MustCompile(`until [^<]*[0-9]+:[0-9]{2}`)
	fields := url.Values{"address": {hostedAddress}, "password": {hostedPassword}}
	r, text := b.do(http.MethodPost, "/sign-in", "application/x-www-form-urlencoded", fields.Encode(), "Cookie", "zone=Asia%2FTokyo")
	if r.StatusCode != http.StatusTooManyRequests || !strings.Contains(text, "Too many wrong passwords") || !until.MatchString(text) {
		t.Errorf("locked: %s %s", r.Status, text)
	}
	ends := h.policies.guard.Bans(t.Context())[0].Until.In(time.FixedZone("", 9*3600)).Format("15:04") // the browser tells its zone
	if !strings.Contains(text, ends+",") || strings.Contains(text, "UTC") {
		t.Errorf("locked until %s: %s", ends, text)
	}
	for range 30 {
		h.policies.guard.Failed(netip.MustParseAddr("127.0.0.1"), hostedAddress)
	}
	r, text = b.form("/sign-in", "address", hostedAddress, "password", hostedPassword)
	if r.StatusCode != http.StatusTooManyRequests || !strings.Contains(text, "shut out") || !until.MatchString(text) {
		t.Errorf("banned: %s %s", r.Status, text)
	}
}

// TestBounce holds that a link on another site leads to the mail: the browser sends no cookie at first.
func TestBounce(t *testing.T) {
	b := webOf(t, hostAccount(t).service)()
	for _, path := range []string{"/mail/inbox?a=%22%3E%3Cb%3E", "/", "/sign-in?next=/mail/"} {
		r, text := b.get(path, "Sec-Fetch-Site", "cross-site")
		if r.StatusCode != http.StatusOK || !strings.Contains(text, `http-equiv="refresh"`) || strings.Contains(text, "<b>") {
			t.Errorf("%s: %s %s", path, r.Status, text)
		}
	}
	b.signIn()
	if r, text := b.get("/mail/", "Sec-Fetch-Site", "cross-site"); r.StatusCode != http.StatusOK || strings.Contains(text, "refresh") {
		t.Errorf("with the cookie: %s %s", r.Status, text)
	}
}

// TestSessionsEnd holds that what runs ends with the session it was begun with.
func TestSessionsEnd(t *testing.T) {
	h := hostAccount(t)
	open := webOf(t, h.service)
	for name, end := range map[string]func(ctx context.Context) error{
		"a new password": func(ctx context.Context) error {
			_, err := h.SetPassword(ctx, control.SetPassword{Address: hostedAddress, Password: hostedPassword})
			return err
		},
		"signed out by the operator": func(ctx context.Context) error { return h.SignOut(ctx, hostedAddress) },
		"switched off": func(ctx context.Context) error {
			off, on := true, false
			_, err := h.ChangeAccount(ctx, control.ChangeAccount{Address: hostedAddress, Disabled: &off})
			if err == nil {
				_, err = h.ChangeAccount(ctx, control.ChangeAccount{Address: hostedAddress, Disabled: &on})
			}
			return err
		},
	} {
		b := open()
		b.signIn()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.base+"/jmap/events?types=*&closeafter=no&ping=0", nil)
		if err != nil {
			t.Fatal(err)
		}
		stream, err := b.client.Do(r)
		if err != nil || stream.StatusCode != http.StatusOK {
			t.Fatal(stream, err)
		}
		socket, _, err := websocket.Dial(t.Context(), b.base+"/jmap/ws", &websocket.DialOptions{HTTPClient: &http.Client{Jar: b.client.Jar, Transport: b.client.Transport}, Subprotocols: []string{"jmap"}})
		if err != nil {
			t.Fatal(name, err)
		}
		if err := end(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		if _, _, err := socket.Read(ctx); err == nil || ctx.Err() != nil {
			t.Errorf("%s: the socket did not end: %v", name, err)
		}
		cancel()
		_ = socket.CloseNow() // it is closed already
		if _, err := io.Copy(io.Discard, stream.Body); err != nil && strings.Contains(err.Error(), "Timeout") {
			t.Errorf("%s: the stream did not end: %v", name, err)
		}
		stream.Body.Close()
		if !b.out() {
			t.Errorf("%s: still signed in", name)
		}
	}
	all, err := h.store.WebSessions(t.Context(), h.id)
	if err != nil || len(all) != 0 {
		t.Errorf("left: %+v, %v", all, err)
	}
	if _, err := h.store.WebSession(t.Context(), h.id, store.SessionHash{}); store.KindOf(err) != store.KindNotFound {
		t.Error(err)
	}
}
