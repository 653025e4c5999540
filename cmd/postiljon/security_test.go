package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/postiljon/postiljon/internal/control"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/notice"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/web/factor"
	"github.com/postiljon/postiljon/internal/web/factor/authenticator"
	"github.com/postiljon/postiljon/internal/web/security"
	websession "github.com/postiljon/postiljon/internal/web/session"
)

// api calls /api/security as a page does, and returns the status.
func (b *browser) api(method, path string, send, into any) int {
	b.Helper()
	return b.json(method, strings.TrimSuffix("/api/security/"+path, "/"), send, into, "X-CSRF-Token", b.header.Get("X-CSRF-Token"))
}

// page signs in and keeps the token, as a page does.
func (b *browser) page(fields ...string) *browser {
	b.Helper()
	b.header.Set("X-CSRF-Token", b.signIn(fields...).CSRF)
	return b
}

// overview is what the page shows.
func (b *browser) overview() (o security.Overview) {
	b.Helper()
	if code := b.api(http.MethodGet, "", nil, &o); code != http.StatusOK {
		b.Fatalf("overview: %d", code)
	}
	return o
}

type fields map[string]any

func TestSecurityPassword(t *testing.T) {
	h := hostAccount(t)
	open := webOf(t, h.service)
	var ahead atomic.Int64
	h.browsers.Now = func() time.Time { return h.store.Now().Add(time.Duration(ahead.Load())) }
	b, other := open().page(), open().page("remember", "yes")
	if o := b.overview(); len(o.Sessions) != 2 || !o.Sessions[0].Current || o.Sessions[0].Browser != "Firefox" || o.Sessions[1].Current || !o.Sessions[1].Remembered || o.PasswordChanged.IsZero() || !o.Notices.NewSignIn {
		t.Errorf("%+v", o)
	}
	const next = "korrekt batteri klammer"
	ahead.Store(int64(11 * time.Minute))
	var no websession.Refusal
	if code := b.api("POST", "password", fields{"password": next}, &no); code != http.StatusForbidden || !no.Reauthenticate || no.Cause != "auth.confirm-first" {
		t.Errorf("not fresh: %d %+v", code, no)
	}
	if code := b.api("POST", "confirm", fields{"password": "not it"}, &no); code != http.StatusForbidden || no.Cause != "auth.password-wrong" {
		t.Errorf("confirmed with a wrong password: %d %+v", code, no)
	}
	var sure struct{ FreshUntil time.Time }
	if code := b.api("POST", "confirm", fields{"password": hostedPassword}, &sure); code != http.StatusOK || !sure.FreshUntil.After(h.browsers.Now()) {
		t.Errorf("confirm: %d %+v", code, sure)
	}
	for password, reason := range map[string]string{"short": "short", "password12": "common", strings.Repeat("ab", 8): "repeated"} {
		no = websession.Refusal{}
		if code := b.api("POST", "password", fields{"password": password}, &no); code != http.StatusUnprocessableEntity || no.Reason != reason || no.Text == "" || strings.Contains(no.Text, "{") {
			t.Errorf("%s: %d %+v", password, code, no)
		}
	}
	var ended struct{ Ended int }
	if code := b.api("POST", "password", fields{"password": next}, &ended); code != http.StatusOK || ended.Ended != 1 {
		t.Errorf("new password: %d %+v", code, ended)
	}
	if b.out() || !other.out() {
		t.Error("others are signed in still, or this one is not")
	}
	if r, _ := other.form("/sign-in", "address", hostedAddress, "password", hostedPassword); r.StatusCode != http.StatusForbidden {
		t.Errorf("the old password: %s", r.Status)
	}
	if r, _ := other.form("/sign-in", "address", hostedAddress, "password", next); r.StatusCode != http.StatusSeeOther {
		t.Errorf("the new password: %s", r.Status)
	}
	if err := h.journal.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	o := b.overview()
	refused, confirmed := 0, 0
	for _, s := range o.SignIns {
		if s.Kind == "signin.refused" && s.Why != nil && s.Why.Title != "" && s.Protocol == "webmail" && s.Client == "Firefox, Windows" && s.Here {
			refused += s.Count
		}
		if s.Kind == "signin.confirmed" {
			confirmed++
		}
	}
	if refused != 2 || confirmed != 1 {
		t.Errorf("sign-ins: %+v", o.SignIns)
	}
	// A page of another session cannot end one.
	id := o.Sessions[1].ID
	b.header.Set("X-CSRF-Token", "x")
	if code := b.api("DELETE", "sessions/"+id, nil, nil); code != http.StatusUnauthorized || other.out() {
		t.Errorf("ended without the token: %d", code)
	}
	b.header.Set("X-CSRF-Token", b.info().CSRF)
	if code := b.api("DELETE", "sessions/"+id, nil, nil); code != http.StatusNoContent || !other.out() {
		t.Errorf("end one: %d", code)
	}
	if code := b.api("DELETE", "sessions/"+id, nil, nil); code != http.StatusNotFound {
		t.Errorf("end it again: %d", code)
	}
}

// TestSecurityEndsDevices holds that streams and push subscriptions end with what they were made with (RFC 8620 section 7.2), and
// others do not.
// Whoever's password has run out chooses another where he signs in, after the second step if there is one, and goes on to where he wanted.
func TestExpiredPassword(t *testing.T) {
	h := hostAccount(t)
	open := webOf(t, h.service)
	const first, next = "the one of the operator", "korrekt batteri klammer"
	if _, err := h.SetPassword(t.Context(), control.SetPassword{Address: hostedAddress, Password: first, Change: true}); err != nil {
		t.Fatal(err)
	}
	b := open()
	if r, _ := b.get("/sign-in/password?lang=en"); r.Header.Get("Location") != "/sign-in?lang=en" {
		t.Errorf("without a password: %s to %q", r.Status, r.Header.Get("Location"))
	}
	r, _ := b.form("/sign-in?lang=en", "address", hostedAddress, "password", first, "next", "/mail/drafts")
	if r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/sign-in/password?lang=en" || !b.out() {
		t.Fatalf("%s to %q", r.Status, r.Header.Get("Location"))
	}
	if _, text := b.get("/sign-in/password?lang=en"); !strings.Contains(text, "Choose a new password") || !strings.Contains(text, hostedAddress) {
		t.Errorf("%s", text)
	}
	for password, want := range map[string]string{"short": "at least", first: "has run out", "password12": "tried first"} {
		if r, text := b.form("/sign-in/password?lang=en", "password", password); r.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(text, want) || !b.out() {
			t.Errorf("%q: %s %s", password, r.Status, text)
		}
	}
	if r, _ := open().form("/sign-in/password", "password", next); r.StatusCode != http.StatusForbidden {
		t.Errorf("a stranger chooses one: %s", r.Status)
	}
	if r, _ := b.form("/sign-in/password", "password", next); r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/mail/drafts" || b.out() {
		t.Errorf("chosen: %s to %q", r.Status, r.Header.Get("Location"))
	}
	if r, _ := b.form("/sign-in/password", "password", next+" again"); r.StatusCode != http.StatusForbidden {
		t.Errorf("chosen twice: %s", r.Status)
	}
	other := open()
	if r, _ := other.form("/sign-in", "address", hostedAddress, "password", next); r.StatusCode != http.StatusSeeOther || other.out() {
		t.Errorf("the new one: %s", r.Status)
	}

	// With a second step, that comes first.
	var setup factor.Setup
	var codes struct{ Recovery []string }
	b.header.Set("X-CSRF-Token", b.info().CSRF)
	b.api("POST", "two-step/begin", fields{}, &setup)
	code, err := totp.GenerateCode(strings.ReplaceAll(setup.Secret, " ", ""), time.Now())
	if err != nil || b.api("POST", "two-step/enable", fields{"code": code}, &codes) != http.StatusOK {
		t.Fatal(err, codes)
	}
	if _, err := h.SetPassword(t.Context(), control.SetPassword{Address: hostedAddress, Password: first, Change: true}); err != nil {
		t.Fatal(err)
	}
	if r, _ := other.form("/sign-in?lang=en", "address", hostedAddress, "password", first, "next", "/mail/drafts"); r.Header.Get("Location") != "/sign-in/code?lang=en" {
		t.Errorf("with a second step: %s to %q", r.Status, r.Header.Get("Location"))
	}
	if r, _ := other.form("/sign-in/password", "password", next); r.StatusCode != http.StatusForbidden || !other.out() {
		t.Errorf("the second step is passed by: %s", r.Status)
	}
	if r, _ := other.form("/sign-in/code?lang=en", "recovery", codes.Recovery[0]); r.Header.Get("Location") != "/sign-in/password?lang=en" || !other.out() {
		t.Errorf("after the second step: %s to %q", r.Status, r.Header.Get("Location"))
	}
	if r, _ := other.form("/sign-in/password", "password", next); r.Header.Get("Location") != "/mail/drafts" || other.out() {
		t.Errorf("chosen with a second step: %s to %q", r.Status, r.Header.Get("Location"))
	}
}

func TestSecurityEndsDevices(t *testing.T) {
	h := hostAccount(t)
	open := webOf(t, h.service)
	b, other, program := open().page(), open().page(), open()
	var made security.AppPassword
	if code := b.api("POST", "app-passwords", fields{"name": "phone"}, &made); code != http.StatusOK {
		t.Fatal(code)
	}
	program.header = http.Header{"Authorization": {basicField(hostedAddress, made.Password)}}
	for name, one := range map[string]*browser{"this": b, "other": other, "program": program} {
		subscribe := fields{"using": []string{"urn:ietf:params:jmap:core"}, "methodCalls": []any{[]any{"PushSubscription/set", fields{
			"create": fields{"d": fields{"deviceClientId": name, "url": "https://push.invalid/" + name}}}, "0"}}}
		if code := one.json("POST", "/jmap/api", subscribe, nil, "X-CSRF-Token", one.header.Get("X-CSRF-Token")); code != http.StatusOK {
			t.Fatalf("%s: %d", name, code)
		}
	}
	left := func(want string) {
		t.Helper()
		list, err := h.store.PushSubscriptions(t.Context(), h.id)
		names := []string{}
		for _, s := range list {
			names = append(names, s.Device)
		}
		slices.Sort(names)
		if got := strings.Join(names, " "); err != nil || got != want {
			t.Errorf("devices %q, want %q; %v", got, want, err)
		}
	}
	left("other program this")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, program.base+"/jmap/events?types=*&closeafter=no&ping=0", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = program.header
	stream, err := program.client.Do(r)
	if err != nil || stream.StatusCode != http.StatusOK {
		t.Fatal(stream, err)
	}
	defer stream.Body.Close()
	if code := b.api("DELETE", "app-passwords/"+made.ID, nil, nil); code != http.StatusNoContent {
		t.Errorf("revoke: %d", code)
	}
	if _, err := io.Copy(io.Discard, stream.Body); err != nil && strings.Contains(err.Error(), "Timeout") {
		t.Errorf("the stream did not end: %v", err)
	}
	left("other this")
	if code := b.api("POST", "password", fields{"password": "korrekt batteri klammer"}, nil); code != http.StatusOK {
		t.Errorf("new password: %d", code)
	}
	left("this")
	if r, _ := b.form("/sign-out", "csrf", b.header.Get("X-CSRF-Token")); r.StatusCode != http.StatusSeeOther {
		t.Error(r.Status)
	}
	left("")
}

func TestSecurityTwoStep(t *testing.T) {
	h := hostAccount(t)
	open := webOf(t, h.service)
	b, other := open().page(), open().page()
	basic := func(password string) (int, string) {
		program := open()
		program.header = http.Header{}
		r, text := program.do(http.MethodGet, "/.well-known/jmap", "", "", "Authorization", basicField(hostedAddress, password))
		return r.StatusCode, text
	}
	if code, _ := basic(hostedPassword); code != http.StatusOK {
		t.Fatalf("a program before: %d", code)
	}
	var setup factor.Setup
	if code := b.api("POST", "two-step/begin", fields{}, &setup); code != http.StatusOK || !strings.HasPrefix(setup.QR, "data:image/svg+xml,") {
		t.Fatalf("begin: %d %+v", code, setup)
	}
	app := func(ahead time.Duration) string {
		code, err := totp.GenerateCode(strings.ReplaceAll(setup.Secret, " ", ""), time.Now().Add(ahead))
		if err != nil {
			t.Fatal(err)
		}
		return code
	}
	var no websession.Refusal
	if code := b.api("POST", "two-step/enable", fields{"code": "1"}, &no); code != http.StatusForbidden || no.Cause != "auth.second-step" {
		t.Errorf("a wrong code: %d %+v", code, no)
	}
	var codes struct{ Recovery []string }
	if code := b.api("POST", "two-step/enable", fields{"code": app(-20 * time.Second)}, &codes); code != http.StatusOK || len(codes.Recovery) != 10 {
		t.Fatalf("enable: %d %+v", code, codes)
	}
	if o := b.overview(); !o.TwoStep.On || o.TwoStep.Recovery != 10 || !other.out() {
		t.Errorf("%+v", o.TwoStep)
	}
	if code, text := basic(hostedPassword); code != http.StatusUnauthorized || !strings.Contains(text, "auth.app-password-required") {
		t.Errorf("a program with the password of the account: %d %s", code, text)
	}
	var made security.AppPassword
	if code := b.api("POST", "app-passwords", fields{"name": "phone"}, &made); code != http.StatusOK || made.Password == "" || strings.Join(made.Protocols, " ") != "imap pop3 submission jmap" {
		t.Errorf("app password: %d %+v", code, made)
	}
	if code := b.api("POST", "app-passwords", fields{"name": "Phone"}, &no); code != http.StatusUnprocessableEntity || no.Reason != "taken" {
		t.Errorf("the same name: %d %+v", code, no)
	}
	if code, text := basic(made.Password); code != http.StatusOK {
		t.Errorf("a program with its password: %d %s", code, text)
	}
	if r, text := other.form("/sign-in", "address", hostedAddress, "password", made.Password); r.StatusCode != http.StatusForbidden || !strings.Contains(text, "app password") {
		t.Errorf("a browser with it: %s %s", r.Status, text)
	}
	half := func() {
		t.Helper()
		r, _ := other.form("/sign-in", "address", hostedAddress, "password", hostedPassword, "next", "/settings/security")
		if r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/sign-in/code?lang=en" || !other.out() {
			t.Fatalf("half done: %s %s", r.Status, r.Header.Get("Location"))
		}
	}
	half()
	if r, text := other.form("/sign-in/code", "code", "000000"); r.StatusCode != http.StatusForbidden || !strings.Contains(text, "The code is not right") || !other.out() {
		t.Errorf("a wrong code: %s %s", r.Status, text)
	}
	if r, text := other.form("/sign-in/code", "code", app(25*time.Second)); r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/settings/security" || other.out() {
		t.Errorf("the code: %s %s", r.Status, text)
	}
	if r, _ := other.form("/sign-out", "csrf", other.info().CSRF); r.StatusCode != http.StatusSeeOther {
		t.Error(r.Status)
	}
	half()
	if r, text := other.form("/sign-in/code", "recovery", codes.Recovery[2]); r.StatusCode != http.StatusSeeOther || other.out() {
		t.Errorf("a recovery code: %s %s", r.Status, text)
	}
	if o := b.overview(); o.TwoStep.Recovery != 9 {
		t.Errorf("%+v", o.TwoStep)
	}
	if r, _ := open().form("/sign-in/code", "recovery", codes.Recovery[3]); r.StatusCode != http.StatusForbidden {
		t.Errorf("a code without a password: %s", r.Status)
	}
	if code := b.api("DELETE", "app-passwords/"+made.ID, nil, nil); code != http.StatusNoContent {
		t.Errorf("revoke: %d", code)
	}
	if code, _ := basic(made.Password); code != http.StatusUnauthorized {
		t.Errorf("a program with a password that is gone: %d", code)
	}
	if r, _ := other.form("/sign-out", "csrf", other.info().CSRF); r.StatusCode != http.StatusSeeOther {
		t.Error(r.Status)
	}
	half() // and now the app is lost
	if shown, err := h.Account(t.Context(), hostedAddress); err != nil || !shown.TwoStep || shown.Browsers != 1 {
		t.Errorf("%+v, %v", shown, err)
	}
	if _, err := h.ChangeAccount(t.Context(), control.ChangeAccount{Address: hostedAddress, NoSecondStep: true}); err != nil {
		t.Fatal(err)
	}
	if o := b.overview(); o.TwoStep.On {
		t.Error("it is on still")
	}
	if r, _ := other.form("/sign-in", "address", hostedAddress, "password", hostedPassword); r.StatusCode != http.StatusSeeOther || other.out() {
		t.Errorf("without the second step: %s", r.Status)
	}
	if code := b.api("POST", "two-step/begin", fields{}, &setup); code != http.StatusOK {
		t.Errorf("begin again: %d", code)
	}
	if code := b.api("POST", "two-step/enable", fields{"code": app(0)}, &codes); code != http.StatusOK {
		t.Errorf("enable again: %d", code)
	}
	if code := b.api("DELETE", "two-step", nil, nil); code != http.StatusNoContent || b.overview().TwoStep.On {
		t.Errorf("off: %d", code)
	}
	if code, _ := basic(hostedPassword); code != http.StatusOK {
		t.Errorf("a program afterwards: %d", code)
	}
}

func basicField(name, password string) string {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(name, password)
	return r.Header.Get("Authorization")
}

func TestSecurityPasskeys(t *testing.T) {
	h := hostAccount(t)
	b := webOf(t, h.service)().page()
	b.base = strings.Replace(b.base, "127.0.0.1", "localhost", 1)
	b.page() // under the name that passkeys work with
	device := &authenticator.Device{Origin: b.base}
	ask := func(path string, answer func([]byte) ([]byte, error)) json.RawMessage {
		t.Helper()
		var question json.RawMessage
		if code := b.api("POST", path, fields{}, &question); code != http.StatusOK {
			t.Fatalf("%s: %d %s", path, code, question)
		}
		credential, err := answer(question)
		if err != nil {
			t.Fatal(err)
		}
		return credential
	}
	var made security.Passkey
	if code := b.api("POST", "passkeys", fields{"name": "laptop", "credential": ask("passkeys/begin", device.Create)}, &made); code != http.StatusOK || made.Name != "laptop" {
		t.Fatalf("%d %+v", code, made)
	}
	var sure struct{ FreshUntil time.Time }
	if code := b.api("POST", "confirm", fields{"credential": ask("passkeys/use", device.Use)}, &sure); code != http.StatusOK || sure.FreshUntil.IsZero() {
		t.Errorf("confirm: %d", code)
	}
	if code := b.api("PATCH", "passkeys/"+made.ID, fields{"name": "old laptop"}, nil); code != http.StatusNoContent {
		t.Errorf("rename: %d", code)
	}
	if o := b.overview(); !o.PasskeysHere || len(o.Passkeys) != 1 || o.Passkeys[0].Name != "old laptop" || o.Passkeys[0].LastUsed.IsZero() {
		t.Errorf("%+v", o.Passkeys)
	}
	if code := b.api("DELETE", "passkeys/"+made.ID, nil, nil); code != http.StatusNoContent || len(b.overview().Passkeys) != 0 {
		t.Errorf("delete: %d", code)
	}
	var no websession.Refusal
	if code := b.api("POST", "confirm", fields{"credential": ask("passkeys/use", device.Use)}, &no); code != http.StatusForbidden || no.Cause != "auth.passkey" {
		t.Errorf("confirm with one that is gone: %d %+v", code, no)
	}
}

// TestPasskeySignIn signs in without a password, also where a second step is asked for; what is not right does not.
func TestPasskeySignIn(t *testing.T) {
	h := hostAccount(t)
	open := webOf(t, h.service)
	b := open()
	b.base = strings.Replace(b.base, "127.0.0.1", "localhost", 1)
	b.page()
	device := &authenticator.Device{Origin: b.base}
	answerTo := func(path string, answer func([]byte) ([]byte, error)) json.RawMessage {
		t.Helper()
		var question json.RawMessage
		if code := b.json("POST", path, fields{}, &question, "X-CSRF-Token", b.header.Get("X-CSRF-Token")); code != http.StatusOK {
			t.Fatalf("%s: %d %s", path, code, question)
		}
		credential, err := answer(question)
		if err != nil {
			t.Fatal(err)
		}
		return credential
	}
	if code := b.api("POST", "passkeys", fields{"name": "laptop", "credential": answerTo("/api/security/passkeys/begin", device.Create)}, nil); code != http.StatusOK {
		t.Fatal(code)
	}
	if _, err := h.store.UpdateAccount(t.Context(), h.id, func(a *store.Account) error { a.TwoStep = true; return nil }); err != nil {
		t.Fatal(err)
	}
	out := func() { b.form("/sign-out", "csrf", b.header.Get("X-CSRF-Token")) }
	out()
	var done struct{ Next string }
	credential := answerTo("/sign-in/passkey/begin", device.Use)
	if code := b.json("POST", "/sign-in/passkey", fields{"credential": credential}, nil, "Sec-Fetch-Site", "cross-site"); code != http.StatusForbidden || !b.out() {
		t.Errorf("from another site: %d", code)
	}
	if code := b.json("POST", "/sign-in/passkey", fields{"credential": credential, "remember": true, "next": "/settings/x"}, &done); code != http.StatusOK || done.Next != "/settings/x" {
		t.Fatalf("%d %+v", code, done)
	}
	if info := b.info(); !info.Remembered || info.Address != hostedAddress {
		t.Errorf("%+v", info)
	}
	b.header.Set("X-CSRF-Token", b.info().CSRF)
	out()
	var no websession.Refusal
	if code := b.json("POST", "/sign-in/passkey", fields{"credential": credential}, &no); code != http.StatusForbidden || no.Cause != "auth.passkey" || !b.out() {
		t.Errorf("the same again: %d %+v", code, no)
	}
	if _, err := h.store.UpdateAccount(t.Context(), h.id, func(a *store.Account) error { a.Disabled = true; return nil }); err != nil {
		t.Fatal(err)
	}
	if code := b.json("POST", "/sign-in/passkey", fields{"credential": answerTo("/sign-in/passkey/begin", device.Use)}, &no); code != http.StatusForbidden || no.Cause != "account.mail-disabled" || !b.out() {
		t.Errorf("switched off: %d %+v", code, no)
	}
}

// TestNewBrowser holds that the holder of an account hears of a browser that signs in for the first time, from an address where
// nobody did before; and only then.
func TestNewBrowser(t *testing.T) {
	h := hostAccount(t)
	open := webOf(t, h.service)
	_, err := h.store.UpdateAccount(t.Context(), h.id, func(a *store.Account) error { a.Created = a.Created.Add(-48 * time.Hour); return nil })
	if err != nil {
		t.Fatal(err)
	}
	from := func(address string) *browser {
		b := open()
		transport := b.client.Transport.(*http.Transport).Clone()
		transport.DialContext = (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}).DialContext
		b.client.Transport = transport
		t.Cleanup(transport.CloseIdleConnections)
		return b
	}
	first := from("127.0.0.1").page()
	first.page("lang", "sv") // known
	from("127.0.0.1").page() // a known address
	second := from("127.0.0.2")
	second.page() // news
	if code := second.api("POST", "notices", fields{"newSignIn": false}, nil); code != http.StatusNoContent || second.overview().Notices.NewSignIn {
		t.Errorf("switched off: %d", code)
	}
	from("127.0.0.3").page() // not wanted
	known, err := h.store.WebSecurity(t.Context(), h.id)
	if err != nil || len(known.Browsers) != 4 {
		t.Errorf("%+v %v", known, err)
	}
	// They are written one after another: once the last is there, all are.
	account, err := h.store.Account(t.Context(), h.id)
	if err != nil {
		t.Fatal(err)
	}
	h.policies.notices.Changed(account, notice.SecondStepOff, notice.Where{Language: "en"}, time.Now())
	changed := make(chan struct{}, 1)
	defer h.store.Watch(h.id, func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	})()
	var subjects []string
	for len(subjects) == 0 || subjects[len(subjects)-1] != "The second step of your mail was switched off" {
		subjects = nil
		err = h.store.Events(t.Context(), h.id, time.Time{}, time.Time{}, func(e *store.Event) error {
			if e.Kind == journal.NoticeSent {
				subjects = append(subjects, e.Field("subject"))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-changed:
		case <-time.After(50 * time.Millisecond):
		}
	}
	if want := "New sign-in to your mail"; len(subjects) != 3 || subjects[0] != want || subjects[1] != want {
		t.Errorf("%q", subjects)
	}
}
