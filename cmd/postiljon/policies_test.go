package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/config"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/store"
)

// served is the service with a listener for each of its mail services.
type served struct {
	*testing.T
	*service
	addresses map[string]string
}

func serveMail(t *testing.T, change func(c *config.Config)) *served {
	c, err := config.Default()
	if err != nil {
		t.Fatal(err)
	}
	c.Hostname, c.Data = "mail.example.org", t.TempDir()
	change(&c)
	s, err := openService(t.Context(), c, "", slog.New(slog.DiscardHandler), new(slog.LevelVar))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.close(ctx); err != nil {
			t.Error(err)
		}
	})
	v := &served{t, s, map[string]string{}}
	for _, name := range []string{"smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		v.addresses[name] = l.Addr().String()
		go s.serveListener(t.Context(), name, l)
	}
	return v
}

func (v *served) dial(name string) net.Conn {
	v.Helper()
	c, err := net.Dial("tcp", v.addresses[name])
	if err != nil {
		v.Fatal(err)
	}
	v.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		v.Fatal(err)
	}
	if strings.HasSuffix(name, "s") {
		return tls.Client(c, &tls.Config{InsecureSkipVerify: true}) // the certificate was made just now
	}
	return c
}

// greeting is the first line that a service says.
func (v *served) greeting(c net.Conn) string {
	v.Helper()
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		v.Fatalf("%q, %v", line, err)
	}
	return line
}

// cutOff fails unless the service ends a connection on which nobody says a thing.
func (v *served) cutOff(name string) {
	v.Helper()
	c := v.dial(name).(*tls.Conn).NetConn()
	if n, err := c.Read(make([]byte, 1)); n > 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		v.Errorf("%s: %d octets, %v", name, n, err)
	}
}

// oneEventOf fails unless the journal has, of all connections that were refused, one of each protocol.
func (v *served) oneEventOf(id cause.ID, protocols ...string) {
	v.Helper()
	if err := v.journal.Flush(v.Context()); err != nil {
		v.Fatal(err)
	}
	var got []string
	err := v.store.Events(v.Context(), 0, time.Time{}, v.store.Now().Add(time.Hour), func(e *store.Event) error {
		if e.Kind == journal.ConnectionRefused && e.Cause == id && e.Field("remote") == "127.0.0.1" {
			got = append(got, e.Field("protocol"))
		}
		return nil
	})
	slices.Sort(got)
	slices.Sort(protocols)
	if err != nil || !slices.Equal(got, protocols) {
		v.Errorf("events of %q, %v; want %q", got, err, protocols)
	}
}

// TestTooManyConnections: beyond the limit, who would have TLS first is cut off before the
// handshake, and the others hear why. Each connection counts once.
func TestTooManyConnections(t *testing.T) {
	v := serveMail(t, func(c *config.Config) { c.Limits.ConnectionsPerAddress = 6 })
	for i, name := range []string{"submission", "submissions", "imap", "imaps", "pop3", "pop3s"} {
		v.greeting(v.dial(name))
		if n := v.policies.connections.Open(); n != int64(i+1) {
			t.Errorf("with %s: %d connections, want %d", name, n, i+1)
		}
	}
	for name, want := range map[string]string{"smtp": "421 4.7.0 ", "submission": "421 4.7.0 ", "imap": "* BYE [LIMIT] ", "pop3": "-ERR [IN-USE] "} {
		if line := v.greeting(v.dial(name)); !strings.HasPrefix(line, want) {
			t.Errorf("%s: %q", name, line)
		}
	}
	for _, name := range []string{"submissions", "imaps", "pop3s"} {
		v.cutOff(name)
	}
	v.oneEventOf(cause.LimitConnections, "smtp", "submission", "imap", "pop3")
}

// TestPlacesAreGivenBack: also of handshakes that came to nothing.
func TestPlacesAreGivenBack(t *testing.T) {
	v := serveMail(t, func(*config.Config) {})
	for _, name := range []string{"submissions", "imaps", "pop3s"} {
		c := v.dial(name)
		v.greeting(c)
		c.Close()
		raw := v.dial(name).(*tls.Conn).NetConn()
		if _, err := raw.Write([]byte("this is no handshake")); err != nil {
			t.Fatal(err)
		}
		raw.Close()
	}
	for v.policies.connections.Open() > 0 { // until the server has noticed, or the test has run too long
		time.Sleep(time.Millisecond)
	}
}

// TestBannedAreCutOff: a banned address gets nothing from the services that people sign in to, and
// mail from there still comes in.
func TestBannedAreCutOff(t *testing.T) {
	v := serveMail(t, func(*config.Config) {})
	for range v.config.Guard.AddressFailures + 1 { // they are forgotten slowly
		v.policies.guard.Failed(netip.MustParseAddr("127.0.0.1"), "anna@example.org")
	}
	for _, name := range []string{"submissions", "imaps", "pop3s"} {
		v.cutOff(name)
	}
	for name, want := range map[string]string{"smtp": "220 ", "submission": "421 ", "imap": "* BYE ", "pop3": "-ERR "} {
		if line := v.greeting(v.dial(name)); !strings.HasPrefix(line, want) {
			t.Errorf("%s: %q", name, line)
		}
	}
	v.oneEventOf(cause.NetworkClientBanned, "submission", "imap", "pop3")
}
