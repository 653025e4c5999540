package certs

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func open(t *testing.T, o Options) *Keeper {
	t.Helper()
	k, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// handshake connects and returns what the client saw.
func handshake(t *testing.T, k *Keeper, client *tls.Config) error {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", k.ServerConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	over := make(chan struct{})
	go func() {
		defer close(over)
		if c, err := l.Accept(); err == nil {
			_ = c.(*tls.Conn).Handshake() // its failure is seen by the client
			c.Close()
		}
	}()
	c, err := tls.Dial("tcp", l.Addr().String(), client)
	if err == nil {
		err = c.Close()
	}
	<-over
	return err
}

func trust(t *testing.T, file string) *x509.CertPool {
	t.Helper()
	pem, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatal("no certificate in", file)
	}
	return pool
}

func TestPrivateAuthorityIsTrustedForEveryName(t *testing.T) {
	k := open(t, Options{Dir: t.TempDir(), Names: []string{"mail.example.org", "MAIL.example.org.", "example.org"}})
	pool := trust(t, k.CAFile())
	for _, name := range []string{"mail.example.org", "example.org", "localhost", "127.0.0.1", "::1"} {
		if err := handshake(t, k, &tls.Config{RootCAs: pool, ServerName: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := handshake(t, k, &tls.Config{RootCAs: pool, ServerName: "other.example.org"}); err == nil {
		t.Error("a name that is not in the certificate was trusted")
	}
	if err := handshake(t, k, &tls.Config{RootCAs: pool, ServerName: "localhost", MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 was accepted")
	}
	if got := k.Leaf().DNSNames; len(got) != 3 {
		t.Errorf("names %q", got)
	}
}

func TestKeysAreSecret(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	open(t, Options{Dir: dir, Names: []string{"mail.example.org"}})
	for file, mode := range map[string]os.FileMode{
		"": os.ModeDir | 0o700, authorityKeyFile: 0o600, serverKeyFile: 0o600, authorityFile: 0o644, serverFile: 0o644,
	} {
		info, err := os.Stat(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != mode {
			t.Errorf("%s has mode %v, not %v", file, info.Mode(), mode)
		}
	}
}

func TestRenewal(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	o := Options{Dir: t.TempDir(), Names: []string{"mail.example.org"}, Now: func() time.Time { return now }}
	k := open(t, o)
	first := k.Leaf()

	if again := open(t, o).Leaf(); !again.Equal(first) {
		t.Error("a second start issued a new certificate")
	}
	now = now.Add(serverValidity - renewBefore - 2*time.Hour)
	if err := k.Check(); err != nil || !k.Leaf().Equal(first) {
		t.Errorf("renewed too early (%v)", err)
	}
	now = now.Add(3 * time.Hour)
	if err := k.Check(); err != nil {
		t.Fatal(err)
	}
	if k.Leaf().Equal(first) || !k.Leaf().NotAfter.After(first.NotAfter) {
		t.Error("not renewed")
	}
	now = now.AddDate(authorityYears-1, 0, 0)
	if err := k.Check(); err != nil {
		t.Fatal(err)
	}
	pool := trust(t, k.CAFile())
	if _, err := k.Leaf().Verify(x509.VerifyOptions{Roots: pool, CurrentTime: now, DNSName: "mail.example.org"}); err != nil {
		t.Error(err)
	}
}

func TestReloadTakesNewNames(t *testing.T) {
	o := Options{Dir: t.TempDir(), Names: []string{"mail.example.org"}}
	k := open(t, o)
	authority, err := os.ReadFile(k.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	o.Names = []string{"mail.example.net"}
	if err := k.Reload(&o); err != nil {
		t.Fatal(err)
	}
	if err := k.Leaf().VerifyHostname("mail.example.net"); err != nil {
		t.Error(err)
	}
	after, err := os.ReadFile(k.CAFile())
	if err != nil || string(after) != string(authority) {
		t.Errorf("the authority changed (%v)", err)
	}
}

func TestFilesAreFollowed(t *testing.T) {
	one, two := open(t, Options{Dir: t.TempDir(), Names: []string{"one.example"}}), open(t, Options{Dir: t.TempDir(), Names: []string{"two.example"}})
	dir := t.TempDir()
	o := Options{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
	install := func(k *Keeper, at time.Time) {
		t.Helper()
		for from, to := range map[string]string{serverFile: o.CertFile, serverKeyFile: o.KeyFile} {
			b, err := os.ReadFile(filepath.Join(k.options.Dir, from))
			if err == nil {
				err = os.WriteFile(to, b, 0o600)
			}
			if err == nil {
				err = os.Chtimes(to, at, at)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	start := time.Now().Add(-time.Hour)
	install(one, start)
	k := open(t, o)
	if k.CAFile() != "" {
		t.Error("a private authority with files of somebody else")
	}

	install(two, start.Add(time.Minute))
	if err := k.Check(); err != nil {
		t.Fatal(err)
	}
	if err := k.Leaf().VerifyHostname("two.example"); err != nil {
		t.Error(err)
	}

	// A key that does not fit: the old certificate goes on.
	if err := os.WriteFile(o.KeyFile, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := k.Check(); err == nil {
		t.Error("a broken key was taken")
	}
	if err := k.Leaf().VerifyHostname("two.example"); err != nil {
		t.Error(err)
	}
	if err := k.Reload(&Options{CertFile: o.CertFile}); err == nil {
		t.Error("a certificate without key was taken")
	}
}
