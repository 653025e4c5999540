package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"

	"github.com/postiljon/postiljon/internal/lab/names"
)

// authorityServer is a real ACME server that comes back to the given ports of loopback.
func authorityServer(t *testing.T, httpPort, tlsPort int) *httptest.Server {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	in, err := names.New(time.Now, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	in.Zone("demo.test").Set("mail A 127.0.0.1", "mta-sts A 127.0.0.1")
	dns, err := names.Serve(in.Resolver("r"))
	if err != nil {
		t.Fatal(err)
	}
	quiet := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	authority := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {ValidityPeriod: 86400}})
	validation := va.New(quiet, httpPort, tlsPort, true, dns.TCP, store)
	front := wfe.New(quiet, store, validation, authority, nil, true, false, 1, 1)
	server := httptest.NewTLSServer(front.Handler())
	t.Cleanup(func() {
		server.Close()
		in.Close()
		if err := dns.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

func portOf(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }

// Certificates come from a real authority, proven over HTTP or over TLS; until then the private one is shown.
func TestACME(t *testing.T) {
	for _, way := range []string{"http", "tls"} {
		t.Run(way, func(t *testing.T) {
			web, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			plain, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			public := authorityServer(t, portOf(plain), portOf(web))
			roots := x509.NewCertPool()
			roots.AddCert(public.Certificate())
			o := &ACME{Directory: public.URL + wfe.DirectoryPath, Email: "postmaster@demo.test", Roots: roots, Allowed: func(_ context.Context, name string) error {
				if name != "mta-sts.demo.test" {
					return io.EOF
				}
				return nil
			}}
			if way == "http" {
				o.HTTPPort = portOf(plain)
			} else {
				o.TLSPort = portOf(web)
			}
			// The listeners are there before anybody comes; their handlers wait for the keeper.
			ready := make(chan *Keeper, 1)
			var k *Keeper
			serverConfig := &tls.Config{NextProtos: []string{ACMEProtocol}, GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
				k := <-ready
				ready <- k
				return k.GetCertificate(h)
			}}
			servers := []*http.Server{
				{Handler: http.NotFoundHandler(), TLSConfig: serverConfig, ErrorLog: log.New(io.Discard, "", 0)},
				{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					k := <-ready
					ready <- k
					k.HTTPChallenge(http.NotFoundHandler()).ServeHTTP(w, r)
				})},
			}
			go servers[0].ServeTLS(web, "", "")
			go servers[1].Serve(plain)
			defer servers[0].Close()
			defer servers[1].Close()
			k, err = Open(Options{Dir: t.TempDir(), Names: []string{"mail.demo.test"}, ACME: o, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			defer k.Close(context.Background())
			if k.CAFile() == "" && k.public() == nil {
				t.Error("nobody can trust the first certificate")
			}
			ready <- k
			deadline := time.Now().Add(30 * time.Second)
			for k.public() == nil {
				if time.Now().After(deadline) {
					t.Fatal("no certificate came")
				}
				time.Sleep(20 * time.Millisecond)
			}
			if leaf := k.Leaf(); leaf.VerifyHostname("mail.demo.test") != nil || k.CAFile() != "" {
				t.Errorf("%v, %q", leaf.DNSNames, k.CAFile())
			}
			for name, want := range map[string]string{"mail.demo.test": "mail.demo.test", "": "mail.demo.test", "mta-sts.demo.test": "mta-sts.demo.test", "other.demo.test": "localhost"} {
				conn, err := tls.Dial("tcp", web.Addr().String(), &tls.Config{ServerName: name, InsecureSkipVerify: true})
				if err != nil {
					t.Errorf("%q: %v", name, err)
					continue
				}
				if leaf := conn.ConnectionState().PeerCertificates[0]; leaf.VerifyHostname(want) != nil {
					t.Errorf("%q is shown the certificate of %v", name, leaf.DNSNames)
				}
				conn.Close()
			}
		})
	}
}
