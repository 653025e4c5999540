package main

import (
	"bufio"
	"encoding/base64"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/config"
	"github.com/postiljon/postiljon/internal/control"
)

// user is a connection on which anna is signed in.
type user struct {
	*testing.T
	r *bufio.Reader
	w io.Writer
}

// ask says a line, if there is one, and returns the last line of the answer.
func (u user) ask(line, last string) string {
	u.Helper()
	if line != "" {
		if _, err := io.WriteString(u.w, line+"\r\n"); err != nil {
			u.Fatal(err)
		}
	}
	for {
		answer, err := u.r.ReadString('\n')
		if err != nil {
			u.Fatalf("%q, %v", answer, err)
		}
		if strings.HasPrefix(answer, last) {
			return answer
		}
	}
}

// gone fails unless the service ends the connection, and returns what it says before.
func (u user) gone() string {
	u.Helper()
	said, err := io.ReadAll(u.r)
	if err != nil {
		u.Error(err)
	}
	return string(said)
}

func (v *served) signIn(name, password string) user {
	v.Helper()
	c := v.dial(name)
	u := user{v.T, bufio.NewReader(c), c}
	response := base64.StdEncoding.EncodeToString([]byte("\x00anna@example.org\x00" + password))
	switch name {
	case "submissions":
		u.ask("", "220 ")
		u.ask("EHLO x", "250 ")
		u.ask("AUTH PLAIN "+response, "235 ")
	case "imaps":
		u.ask("", "* OK ")
		u.ask("a AUTHENTICATE PLAIN "+response, "a OK ")
	case "pop3s":
		u.ask("", "+OK ")
		u.ask("AUTH PLAIN "+response, "+OK ")
	}
	return u
}

// TestChangesEndSessions: who signed in with a password that is no more, or to an account that is
// switched off, does not go on.
func TestChangesEndSessions(t *testing.T) {
	v := serveMail(t, func(*config.Config) {})
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "socket")
	socket, err := control.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	go v.control.Serve(socket)
	client := control.NewClient(path)
	if _, err := client.AddDomain(ctx, "example.org"); err != nil {
		t.Fatal(err)
	}
	const address, first, second = "anna@example.org", "the first password", "the second password"
	if _, err := client.AddAccount(ctx, control.NewAccount{Address: address, Password: first}); err != nil {
		t.Fatal(err)
	}
	app, err := client.AddAppPassword(ctx, control.NewAppPassword{Address: address, Name: "phone"})
	if err != nil {
		t.Fatal(err)
	}
	yes := true
	suspended := cause.AccountBlockedAbuse
	for _, change := range []struct {
		name, password string
		do             func() error
	}{
		{"new password", first, func() error {
			_, err := client.SetPassword(ctx, control.SetPassword{Address: address, Password: second})
			return err
		}},
		{"app password removed", app.Password, func() error {
			_, err := client.RemoveAppPassword(ctx, control.AppPassword{Address: address, Which: "phone"})
			return err
		}},
		{"suspended", second, func() error {
			_, err := client.ChangeAccount(ctx, control.ChangeAccount{Address: address, Suspended: &suspended})
			return err
		}},
		{"switched off", second, func() error {
			_, err := client.ChangeAccount(ctx, control.ChangeAccount{Address: address, Disabled: &yes})
			return err
		}},
	} {
		t.Run(change.name, func(t *testing.T) {
			at := &served{t, v.service, v.addresses}
			smtp, imap, pop3 := at.signIn("submissions", change.password), at.signIn("imaps", change.password), at.signIn("pop3s", change.password)
			idle := at.signIn("imaps", change.password)
			idle.ask("b IDLE", "+ ")
			if err := change.do(); err != nil {
				t.Fatal(err)
			}
			for said, want := range map[string]string{smtp.gone(): "421 4.7.0 The account was changed", imap.gone(): "* BYE [UNAVAILABLE] The account was changed"} {
				if !strings.HasPrefix(said, want) {
					t.Errorf("%q, want %q", said, want)
				}
			}
			if said := idle.gone(); !strings.Contains(said, "* BYE [UNAVAILABLE] The account was changed") {
				t.Errorf("idle: %q", said)
			}
			pop3.gone()
		})
	}
	v.policies.sessions.mu.Lock()
	defer v.policies.sessions.mu.Unlock()
	if n := len(v.policies.sessions.conns); n > 0 {
		t.Errorf("%d sessions are not forgotten", n)
	}
}

// TestSessions: each connection belongs to the account that signed in last.
func TestSessions(t *testing.T) {
	stopped := 0
	s := newSessions()
	s.enter(1, "a", session{stop: func() { stopped++ }})
	s.enter(1, "b", session{stop: func() { stopped++ }})
	s.enter(2, "c", session{stop: func() { t.Error("another account") }})
	s.enter(2, "b", session{stop: func() { t.Error("signed in to another account since") }})
	s.end(1)
	s.leave("a")
	s.leave("nobody")
	s.end(1)
	if stopped != 1 || len(s.accounts) != 1 || len(s.conns) != 2 {
		t.Errorf("%d stopped, %v, %v", stopped, s.accounts, s.conns)
	}
}

// Who looks into an account sees which programs are connected, since when, when they last said something and which wait.
func TestSessionsTold(t *testing.T) {
	h := hostAccount(t)
	phone := h.signIn("imaps", hostedPassword)
	phone.ask(`b ID ("name" "Pocket Mail" "version" "7")`, "b OK")
	phone.ask("c SELECT INBOX", "c OK")
	phone.ask("d IDLE", "+ ")
	app, err := h.AddAppPassword(t.Context(), control.NewAppPassword{Address: hostedAddress, Name: "Tablet"})
	if err != nil {
		t.Fatal(err)
	}
	h.signIn("pop3s", app.Password)
	told, err := h.Evidence(t.Context(), hostedAddress)
	if err != nil {
		t.Fatal(err)
	}
	if len(told.Sessions) != 2 {
		t.Fatalf("%+v", told.Sessions)
	}
	imap, pop := told.Sessions[0], told.Sessions[1]
	if imap.Protocol != "imap" || !strings.Contains(imap.Program, "Pocket Mail") || !imap.Idle || imap.LastIO.Before(imap.Since) {
		t.Errorf("the phone: %+v", imap)
	}
	if pop.Protocol != "pop3" || pop.Program != "Tablet" || pop.Idle {
		t.Errorf("the tablet: %+v", pop)
	}
	phone.ask("DONE", "d OK")
	if told, err = h.Evidence(t.Context(), hostedAddress); err != nil || told.Sessions[0].Idle {
		t.Errorf("after DONE: %+v, %v", told.Sessions, err)
	}
}
