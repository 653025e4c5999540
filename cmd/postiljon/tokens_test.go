package main

import (
	"bufio"
	"encoding/base64"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/config"
	"github.com/postiljon/postiljon/internal/control"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/store"
)

// bearer signs in with a token and returns the last line of the answer, and the challenge before it.
func (v *served) bearer(name, mechanism, token string) (answer, challenge string) {
	v.Helper()
	for range 100 { // the lock of the session before goes with it, a moment after its end
		answer, challenge = v.bearerOnce(name, mechanism, token)
		if !strings.HasPrefix(answer, "-ERR [IN-USE]") {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	return answer, challenge
}

// bearerOnce does it once.
func (v *served) bearerOnce(name, mechanism, token string) (answer, challenge string) {
	v.Helper()
	c := v.dial(name)
	defer c.Close()
	u := user{v.T, bufio.NewReader(c), c}
	said := "n,a=anna@example.org,\x01host=localhost\x01auth=Bearer " + token + "\x01\x01"
	if mechanism == "XOAUTH2" {
		said = "user=anna@example.org\x01auth=Bearer " + token + "\x01\x01"
	}
	command := mechanism + " " + base64.StdEncoding.EncodeToString([]byte(said))
	switch name {
	case "submissions":
		u.ask("", "220 ")
		u.ask("EHLO x", "250 ")
		answer = u.ask("AUTH "+command, "")
	case "imaps":
		u.ask("", "* OK ")
		answer = u.ask("a AUTHENTICATE "+command, "")
	case "pop3s":
		u.ask("", "+OK ")
		answer = u.ask("AUTH "+command, "")
	}
	for _, mark := range []string{"334 ", "+ "} {
		if encoded, ok := strings.CutPrefix(answer, mark); ok {
			decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
			if err != nil {
				v.Fatal(err)
			}
			return u.ask("AQ==", ""), string(decoded)
		}
	}
	return answer, ""
}

// TestTokens: tokens sign in everywhere while they are switched on and good, and afterwards it is
// said why not.
func TestTokens(t *testing.T) {
	v := serveMail(t, func(c *config.Config) { c.Auth.Tokens = true })
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "socket")
	socket, err := control.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	go v.control.Serve(socket)
	client := control.NewClient(path)
	const address = "anna@example.org"
	if _, err := client.AddDomain(ctx, "example.org"); err != nil {
		t.Fatal(err)
	}
	if _, err := client.AddAccount(ctx, control.NewAccount{Address: address, Password: "the first password"}); err != nil {
		t.Fatal(err)
	}
	all, err := client.AddToken(ctx, control.NewToken{Address: address, Name: "tablet", Expires: time.Now().Add(time.Hour)})
	if err != nil || all.Off {
		t.Fatalf("%+v, %v", all, err)
	}
	only, err := client.AddToken(ctx, control.NewToken{Address: address, Name: "reader", Protocols: []string{"imap"}})
	if err != nil {
		t.Fatal(err)
	}
	good := map[string]string{"submissions": "235 ", "imaps": "a OK ", "pop3s": "+OK "}
	for name, want := range good {
		for _, mechanism := range []string{"OAUTHBEARER", "XOAUTH2"} {
			if answer, _ := v.bearer(name, mechanism, all.Token); !strings.HasPrefix(answer, want) {
				t.Errorf("%s, %s: %q", name, mechanism, answer)
			}
		}
	}
	answer, challenge := v.bearer("submissions", "OAUTHBEARER", only.Token)
	if !strings.HasPrefix(answer, "535 5.7.0 ") || challenge != `{"status":"insufficient_scope"}` {
		t.Errorf("for another protocol: %q, %q", answer, challenge)
	}
	if answer, challenge := v.bearer("imaps", "OAUTHBEARER", "x"+all.Token); challenge != `{"status":"invalid_token"}` ||
		!strings.HasPrefix(answer, "a NO [AUTHENTICATIONFAILED] The access token is not valid here") {
		t.Errorf("nobody's: %q, %q", answer, challenge)
	}
	if _, err := client.RevokeToken(ctx, control.AppPassword{Address: address, Which: "tablet"}); err != nil {
		t.Fatal(err)
	}
	refused := map[string]string{
		"submissions": "535 5.7.8 The access token is no longer valid", "imaps": "a NO [AUTHENTICATIONFAILED] The access token is no longer valid",
		"pop3s": "-ERR [AUTH] The access token is no longer valid",
	}
	for name, want := range refused {
		if answer, challenge := v.bearer(name, "OAUTHBEARER", all.Token); !strings.HasPrefix(answer, want) || challenge != `{"status":"invalid_token"}` {
			t.Errorf("%s: %q, %q", name, answer, challenge)
		}
		if answer, challenge := v.bearer(name, "XOAUTH2", all.Token); !strings.HasPrefix(answer, want) || challenge != `{"status":"401","schemes":"bearer"}` {
			t.Errorf("%s: %q, %q", name, answer, challenge)
		}
	}
	v.refusedFor(cause.AuthTokenRevoked, 6)

	off := v.config
	off.Auth.Tokens = false
	v.sasl.offer(&off)
	if answer, challenge := v.bearer("imaps", "OAUTHBEARER", only.Token); challenge != "" || !strings.HasPrefix(answer, "a NO ") {
		t.Errorf("switched off: %q, %q", answer, challenge)
	}
}

// refusedFor fails unless the journal has n refused sign-ins of anna for a cause.
func (v *served) refusedFor(id cause.ID, n int) {
	v.Helper()
	ctx := v.Context()
	a, err := v.store.AccountByAddress(ctx, "anna@example.org")
	if err != nil {
		v.Fatal(err)
	}
	if err := v.journal.Flush(ctx); err != nil {
		v.Fatal(err)
	}
	found := 0
	err = v.store.Events(ctx, a.ID, time.Time{}, v.store.Now().Add(time.Hour), func(e *store.Event) error {
		if e.Kind == journal.SignInRefused && e.Cause == id {
			found++
		}
		return nil
	})
	if err != nil || found != n {
		v.Errorf("%d events of %s, want %d; %v", found, id, n, err)
	}
}
