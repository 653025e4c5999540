package main

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/config"
	"github.com/postiljon/postiljon/internal/control"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/store"
)

// TestManageSieve: a program changes rules, which leaves an event, and is signed out when the password
// of the account changes.
func TestManageSieve(t *testing.T) {
	v := serveMail(t, func(*config.Config) {})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	v.addresses["sieve"] = l.Addr().String()
	go v.serveListener(t.Context(), "sieve", l)
	socket, err := control.Listen(t.TempDir() + "/socket")
	if err != nil {
		t.Fatal(err)
	}
	go v.control.Serve(socket)
	client := control.NewClient(socket.Addr().String())
	const address = "anna@example.org"
	if _, err := client.AddDomain(t.Context(), "example.org"); err != nil {
		t.Fatal(err)
	}
	if _, err := client.AddAccount(t.Context(), control.NewAccount{Address: address, Password: "the first password"}); err != nil {
		t.Fatal(err)
	}

	c := v.dial("sieve")
	u := user{t, bufio.NewReader(c), c}
	u.ask("", "OK")
	u.ask("STARTTLS", "OK")
	secure := tls.Client(c, &tls.Config{InsecureSkipVerify: true}) // the certificate was made just now
	u = user{t, bufio.NewReader(secure), secure}
	u.ask("", "OK")
	u.ask(`AUTHENTICATE "PLAIN" "`+base64.StdEncoding.EncodeToString([]byte("\x00"+address+"\x00the first password"))+`"`, "OK")
	u.ask(`PUTSCRIPT "main" "keep;"`, "OK")
	u.ask(`SETACTIVE "main"`, "OK")

	a, err := v.store.AccountByAddress(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	if s := v.policies.sessions.of(a.ID); len(s) != 1 || s[0].Protocol != "sieve" {
		t.Errorf("sessions %+v", s)
	}
	if _, err := client.SetPassword(t.Context(), control.SetPassword{Address: address, Password: "the second password"}); err != nil {
		t.Fatal(err)
	}
	if said := u.gone(); !strings.HasPrefix(said, `BYE (TRYLATER) "The account was changed`) {
		t.Errorf("signed out with %q", said)
	}
	if err := v.journal.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	changed := ""
	err = v.store.Events(t.Context(), a.ID, time.Time{}, v.store.Now().Add(time.Hour), func(e *store.Event) error {
		if e.Kind == journal.RulesChanged {
			changed += e.Field("script") + " by " + e.Field("client")
		}
		return nil
	})
	if err != nil || changed != "main by ManageSieve" {
		t.Errorf("the journal tells of %q, %v", changed, err)
	}
}
