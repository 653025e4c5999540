package main

import (
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/control"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/web/factor"
	websession "github.com/postiljon/postiljon/internal/web/session"
)

const friendAddress = "erik@example.net"

// friend is an account at another domain, whose inbox is read.
func (h *hostedAccount) friend(t *testing.T) store.Account {
	t.Helper()
	if _, err := h.AddDomain(t.Context(), "example.net"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.AddAccount(t.Context(), control.NewAccount{Address: friendAddress, Password: "the password of a friend"}); err != nil {
		t.Fatal(err)
	}
	a, err := h.store.AccountByAddress(t.Context(), friendAddress)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// arrives waits for the nth message of an inbox that has what is looked for, and returns its first group.
func arrives(t *testing.T, st *store.Store, a store.Account, n int, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		seen := 0
		for _, text := range inboxOf(t, st, a) {
			text = strings.NewReplacer("=\r\n", "", "=3D", "=").Replace(text)
			if m := re.FindStringSubmatch(text); m != nil {
				if seen++; seen == n {
					return m[1]
				}
			}
		}
	}
	t.Fatalf("%s: message %d with %s does not come", a.Address, n, pattern)
	return ""
}

const linkPattern = `/sign-in/new\?key=([A-Z2-7]+)`

// follow follows a link to a new password, and returns where it leads.
func (b *browser) follow(key string) string {
	b.Helper()
	for range 2 { // looking changes nothing
		if r, text := b.get("/sign-in/new?lang=en&key=" + key); r.StatusCode != http.StatusOK || !strings.Contains(text, hostedAddress) || !b.out() {
			b.Fatalf("the link: %s %s", r.Status, text)
		}
	}
	r, _ := b.form("/sign-in/new?lang=en", "key", key)
	return r.Header.Get("Location")
}

// TestForgottenPassword: an address elsewhere is given and proven, a link goes there, and with it another password is chosen.
func TestForgottenPassword(t *testing.T) {
	h := hostAccount(t)
	open, erik := webOf(t, h.service), h.friend(t)
	var ahead atomic.Int64
	h.browsers.Now = func() time.Time { return h.store.Now().Add(time.Duration(ahead.Load())) }
	b, stranger := open().page(), open()

	// Nothing goes anywhere before an address is given, and who asks is not told.
	_, none := stranger.form("/sign-in/forgotten?lang=en", "address", hostedAddress)
	_, nobody := stranger.form("/sign-in/forgotten?lang=en", "address", "nobody@example.org")
	if strings.ReplaceAll(none, "anna", "nobody") != nobody || strings.Contains(none, friendAddress) {
		t.Errorf("the page tells which accounts there are: %s\n%s", none, nobody)
	}

	for address, reason := range map[string]string{"erik": "address-wrong", "erik@localhost": "address-wrong", "a b@example.net": "address-wrong", hostedAddress: "own", "Anna+x@EXAMPLE.org": "own"} {
		var no websession.Refusal
		if code := b.api("POST", "recovery/begin", fields{"address": address}, &no); code != http.StatusUnprocessableEntity || no.Reason != reason || no.Text == "" {
			t.Errorf("%s: %d %+v", address, code, no)
		}
	}
	if code := b.api("POST", "recovery/begin", fields{"address": friendAddress}, nil); code != http.StatusOK {
		t.Fatal(code)
	}
	code := arrives(t, h.store, erik, 1, `The code is (\d{6})`)
	var no websession.Refusal
	if got := b.api("POST", "recovery", fields{"code": "12345x"}, &no); got != http.StatusUnprocessableEntity || no.Reason != "code" {
		t.Errorf("a wrong code: %d %+v", got, no)
	}
	if o := b.overview(); o.Recovery != nil {
		t.Errorf("taken before it is proven: %+v", o.Recovery)
	}
	if got := b.api("POST", "recovery", fields{"code": code[:3] + " " + code[3:]}, nil); got != http.StatusOK {
		t.Fatal(got)
	}
	if got := b.api("POST", "recovery", fields{"code": code}, &no); got != http.StatusUnprocessableEntity || no.Reason != "late" {
		t.Errorf("taken twice: %d %+v", got, no)
	}
	if o := b.overview(); o.Recovery == nil || o.Recovery.Address != friendAddress {
		t.Fatalf("%+v", o.Recovery)
	}

	// The link.
	if r, text := stranger.form("/sign-in/forgotten?lang=en", "address", " "+hostedAddress); r.StatusCode != http.StatusOK || strings.Contains(text, friendAddress) {
		t.Errorf("%s %s", r.Status, text)
	}
	key := arrives(t, h.store, erik, 1, linkPattern)
	if to := stranger.follow(key); to != "/sign-in/password?lang=en" {
		t.Fatalf("leads to %q", to)
	}
	if r, text := open().form("/sign-in/new?lang=en", "key", key); r.StatusCode != http.StatusNotFound || !strings.Contains(text, "not good any more") {
		t.Errorf("followed twice: %s", r.Status)
	}
	if r, text := stranger.form("/sign-in/password?lang=en", "password", "short"); r.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(text, "at least") {
		t.Errorf("a short one: %s %s", r.Status, text)
	}
	const next = "korrekt batteri klammer"
	if r, _ := stranger.form("/sign-in/password?lang=en", "password", next); r.StatusCode != http.StatusSeeOther || stranger.out() {
		t.Errorf("chosen: %s", r.Status)
	}
	if !b.out() {
		t.Error("who was signed in with the old one is signed in still")
	}
	if r, _ := open().form("/sign-in", "address", hostedAddress, "password", hostedPassword); r.StatusCode != http.StatusForbidden {
		t.Errorf("the old one: %s", r.Status)
	}
	anna, err := h.store.AccountByAddress(t.Context(), hostedAddress)
	if err != nil {
		t.Fatal(err)
	}
	arrives(t, h.store, anna, 1, `Subject: (The password of your mail was changed)`)

	// With a second step, that is in between; and a link ends with the password that was forgotten.
	b.header.Set("X-CSRF-Token", "")
	if r, _ := b.form("/sign-in", "address", hostedAddress, "password", next); r.StatusCode != http.StatusSeeOther {
		t.Fatal(r.Status)
	}
	b.header.Set("X-CSRF-Token", b.info().CSRF)
	open().form("/sign-in/forgotten?lang=en", "address", hostedAddress) // too early: the next goes after a minute, but to who was here before
	b.form("/sign-in/forgotten?lang=en", "address", hostedAddress)
	arrives(t, h.store, erik, 2, linkPattern)
	ahead.Store(int64(time.Minute))
	open().form("/sign-in/forgotten?lang=en", "address", hostedAddress)
	second, third := arrives(t, h.store, erik, 2, linkPattern), arrives(t, h.store, erik, 3, linkPattern)
	var setup factor.Setup
	var codes struct{ Recovery []string }
	b.api("POST", "two-step/begin", fields{}, &setup)
	totpCode, err := totp.GenerateCode(strings.ReplaceAll(setup.Secret, " ", ""), time.Now())
	if err != nil || b.api("POST", "two-step/enable", fields{"code": totpCode}, &codes) != http.StatusOK {
		t.Fatal(err, codes)
	}
	who, late := open(), open()
	if to := who.follow(second); to != "/sign-in/code?lang=en" {
		t.Fatalf("with a second step, leads to %q", to)
	}
	if r, _ := who.form("/sign-in/password?lang=en", "password", next+" 2"); r.StatusCode != http.StatusForbidden || !who.out() {
		t.Errorf("the second step is passed by: %s", r.Status)
	}
	if r, _ := who.form("/sign-in/code?lang=en", "recovery", codes.Recovery[0]); r.Header.Get("Location") != "/sign-in/password?lang=en" || !who.out() {
		t.Errorf("after the second step: %s to %q", r.Status, r.Header.Get("Location"))
	}
	late.follow(third)
	late.form("/sign-in/code?lang=en", "recovery", codes.Recovery[1])
	if r, _ := who.form("/sign-in/password?lang=en", "password", next+" 2"); r.StatusCode != http.StatusSeeOther || who.out() {
		t.Errorf("chosen with a second step: %s", r.Status)
	}
	if r, _ := late.form("/sign-in/password?lang=en", "password", next+" 3"); r.StatusCode != http.StatusForbidden || !late.out() {
		t.Errorf("a link outlives the password that was forgotten: %s", r.Status)
	}

	// No more than five in a day go out for strangers, and they wait longer each time; the address hears when it is not the one any more.
	links := func() (n int) {
		for _, text := range inboxOf(t, h.store, erik) {
			n += strings.Count(text, "/sign-in/new?key")
		}
		return n
	}
	ahead.Store(int64(70 * time.Second))
	open().form("/sign-in/forgotten?lang=en", "address", hostedAddress)
	ahead.Store(int64(12 * time.Minute))
	open().form("/sign-in/forgotten?lang=en", "address", hostedAddress)
	fourth := arrives(t, h.store, erik, 4, linkPattern)
	ahead.Store(0)
	who.header.Set("X-CSRF-Token", who.info().CSRF)
	if got := who.api("DELETE", "recovery", nil, nil); got != http.StatusNoContent {
		t.Errorf("removed: %d", got)
	}
	arrives(t, h.store, erik, 1, `Subject: (Mail about anna@example\.org does not come here any more)`)
	if o := who.overview(); o.Recovery != nil || links() != 4 {
		t.Errorf("%d links, %+v", links(), o.Recovery)
	}
	if r, _ := open().get("/sign-in/new?lang=en&key=" + fourth); r.StatusCode != http.StatusNotFound {
		t.Errorf("a link that went to an address which was removed since: %s", r.Status)
	}

	// Who asks often hears that, whatever he asks for.
	for i := range 10 {
		r, text := open().form("/sign-in/forgotten?lang=en", "address", "nobody@example.org")
		if r.StatusCode == http.StatusTooManyRequests && strings.Contains(text, "in an hour") {
			break
		}
		if i == 9 {
			t.Error("anybody may ask without end")
		}
	}
}

// TestForgottenAndSuspended: what is decided about an account while somebody chooses another password for it holds, and does not use up the link.
func TestForgottenAndSuspended(t *testing.T) {
	h := hostAccount(t)
	open, erik := webOf(t, h.service), h.friend(t)
	b, who := open().page(), open()
	b.api("POST", "recovery/begin", fields{"address": friendAddress}, nil)
	if got := b.api("POST", "recovery", fields{"code": arrives(t, h.store, erik, 1, `The code is (\d{6})`)}, nil); got != http.StatusOK {
		t.Fatal(got)
	}
	for _, address := range []string{"Erik@example.net", "ERIK@example.net"} {
		b.api("POST", "recovery/begin", fields{"address": address}, nil)
	}
	who.form("/sign-in/forgotten?lang=en", "address", hostedAddress)
	key := arrives(t, h.store, erik, 1, linkPattern)

	suspend := func(why cause.ID) { h.change(t, control.ChangeAccount{Suspended: &why}) }
	told := func(text string) bool { return strings.Contains(text, "an invoice is open") }
	suspend(cause.AccountSuspendedUnpaid)
	var no websession.Refusal
	if code := b.json(http.MethodGet, "/api/session", nil, &no); code != http.StatusForbidden || no.Cause != cause.AccountSuspendedUnpaid || no.Text == "" {
		t.Errorf("who was signed in is told %d %+v", code, no)
	}
	if r, text := who.form("/sign-in/new?lang=en", "key", key); r.StatusCode != http.StatusForbidden || !told(text) {
		t.Errorf("followed: %s %s", r.Status, text)
	}
	suspend("")
	if code := b.json(http.MethodGet, "/api/session", nil, nil); code != http.StatusUnauthorized {
		t.Errorf("a session that ended is there again: %d", code)
	}
	if to := who.follow(key); to != "/sign-in/password?lang=en" {
		t.Fatalf("leads to %q", to)
	}
	suspend(cause.AccountSuspendedUnpaid)
	if r, text := who.form("/sign-in/password?lang=en", "password", "korrekt batteri klammer"); r.StatusCode != http.StatusForbidden || !told(text) {
		t.Errorf("chosen: %s %s", r.Status, text)
	}
	suspend("")
	if r, _ := open().form("/sign-in", "address", hostedAddress, "password", hostedPassword); r.StatusCode != http.StatusSeeOther {
		t.Errorf("the password of an account that was suspended is another: %s", r.Status)
	}
}
