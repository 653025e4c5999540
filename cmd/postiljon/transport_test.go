package main

import (
	"bytes"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/config"
	"github.com/postiljon/postiljon/internal/lab/names"
	"github.com/postiljon/postiljon/internal/lab/peer"
	"github.com/postiljon/postiljon/internal/outbound"
	"github.com/postiljon/postiljon/internal/outbound/tlsrpt"
	"github.com/postiljon/postiljon/internal/store"
)

// TestRelays: those with the closest conditions come first, with their ports and passwords.
func TestRelays(t *testing.T) {
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("s3cret \r\nsecond line"), 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := config.Read("x", strings.NewReader(`
[relays.all]
host = "All.example.com"
[relays.from]
from = ["Bücher.example"]
host = "from.example.com"
tls = "tls"
user = "anna"
password_file = "`+password+`"
[relays.to]
to = ["b.example"]
host = "localhost"
tls = "plain"
port = 2525
[relays.both]
from = ["a.example"]
to = ["b.example"]
host = "both.example.com"
`))
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	list, err := relays(&c, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range list {
		got = append(got, r.Host)
	}
	if strings.Join(got, " ") != "both.example.com localhost from.example.com all.example.com" {
		t.Fatalf("order %q", got)
	}
	if r := list[2]; r.Port != 465 || r.TLS != outbound.RelayImplicit || r.Credentials.Password != "s3cret " || r.From[0] != "xn--bcher-kva.example" {
		t.Errorf("%+v", r)
	}
	if list[1].Port != 2525 || list[3].Port != 587 || list[3].TLS != outbound.RelayStartTLS || list[3].Credentials != nil {
		t.Errorf("%+v", list)
	}
	if said := log.String(); !strings.Contains(said, "others can read a password") || strings.Contains(said, "s3cret") {
		t.Errorf("log %q", said)
	}
	if err := os.WriteFile(password, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := relays(&c, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "relays.from.password_file") {
		t.Errorf("an empty file: %v", err)
	}
}

func TestRelayFaults(t *testing.T) {
	_, err := config.Read("x", strings.NewReader(`
[relays.bad]
from = ["a b"]
host = "192.0.2.1:25"
tls = "ssl"
user = "anna"
[relays.open]
host = "localhost"
tls = "plain"
user = "anna"
password_file = "p"
`))
	for _, want := range []string{"relays.bad.from", "relays.bad.host", "relays.bad.tls", "relays.bad.user", "relays.open.tls", "relays.open.password_file"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("nothing is said of %s: %v", want, err)
		}
	}
}

// TestTLSReportIsSent: what was counted yesterday goes, signed, to where the domain wants it.
func TestTLSReportIsSent(t *testing.T) {
	mail := peer.NewMail("far.example")
	mail.Add("tls@far.example", "secret")
	far := peer.NewSMTP("mx.far.example", mail, false)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); far.Serve(l, false) }()
	t.Cleanup(func() { far.Close(); <-done })
	in, err := names.New(time.Now, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(in.Close)
	in.Zone("far.example").Add("@ MX 10 mx", "mx A 127.0.0.1", "_smtp._tls TXT \"v=TLSRPTv1; rua=mailto:tls@far.example\"")
	dns, err := names.Serve(in.Resolver("r"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dns.Close() })
	v := serveMail(t, func(c *config.Config) {
		c.Queue.Resolver, c.Queue.AllowPrivate = dns.UDP, true
		c.Queue.Port = uint16(l.Addr().(*net.TCPAddr).Port)
	})
	if err := v.store.CreateDomain(t.Context(), store.Domain{Name: "example.org"}); err != nil {
		t.Fatal(err)
	}
	v.tlsReports.Note(tlsrpt.Session{Policy: tlsrpt.Policy{Type: tlsrpt.NoPolicy, Domain: "far.example"}})
	v.tlsReports.Send(t.Context(), time.Now().Add(48*time.Hour))
	var got []string
	for end := time.Now().Add(20 * time.Second); len(got) == 0; time.Sleep(10 * time.Millisecond) {
		if got = mail.Messages("tls@far.example", "INBOX"); time.Now().After(end) {
			t.Fatal("no report arrives")
		}
	}
	r, err := tlsrpt.Read(strings.NewReader(got[0]))
	if err != nil {
		t.Fatalf("%v in\n%s", err, got[0])
	}
	if r.Domain() != "far.example" || r.Total().Successful != 1 || r.Organization != "mail.example.org" {
		t.Errorf("%+v", r)
	}
	for _, want := range []string{"DKIM-Signature: ", "d=example.org;", "From: postmaster@example.org\r\n"} {
		if !strings.Contains(got[0], want) {
			t.Errorf("no %q in\n%s", want, got[0])
		}
	}
}
