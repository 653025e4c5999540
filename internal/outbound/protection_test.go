package outbound

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/lab/ca"
	"github.com/postiljon/postiljon/internal/lab/names"
	"github.com/postiljon/postiljon/internal/outbound/mtasts"
	"github.com/postiljon/postiljon/internal/outbound/smtpc"
	"github.com/postiljon/postiljon/internal/outbound/tlsrpt"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/resolver"
	"github.com/postiljon/postiljon/internal/store"
)

// secured is a world with real names, an authority, and a domain far.test whose server
// has a certificate.
type secured struct {
	*world
	zone      *names.Zone
	in        *names.Internet
	authority *ca.Authority
	cert      tls.Certificate
	newest    uint16   // version of TLS that the server knows; 0 for all
	suites    []uint16 // nil for the usual
	far       *peer
	policies  fixedPolicies
	reports   *noted
}

// fixedPolicies are the MTA-STS policies of all domains.
type fixedPolicies struct{ found *mtasts.Found }

func (p fixedPolicies) Find(context.Context, string) mtasts.Found { return *p.found }

// noted keeps what would be reported.
type noted struct {
	mu   sync.Mutex
	list []string
}

func (n *noted) Note(s tlsrpt.Session) {
	n.mu.Lock()
	defer n.mu.Unlock()
	result := "ok"
	if s.Failure != nil {
		result = string(s.Failure.Result)
	}
	n.list = append(n.list, string(s.Policy.Type)+" "+result)
}

func newSecured(t *testing.T, change ...func(*Options)) *secured {
	t.Helper()
	in, err := names.New(time.Now, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(in.Close)
	server, err := names.Serve(in.Resolver("r"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &secured{in: in, zone: in.Zone("far.test"), policies: fixedPolicies{new(mtasts.Found)}, reports: new(noted)}
	if s.authority, err = ca.New("Test", time.Now); err != nil {
		t.Fatal(err)
	}
	if s.cert, err = s.authority.Issue([]string{"mx1.far.test"}); err != nil {
		t.Fatal(err)
	}
	ask, err := resolver.New(resolver.Options{Servers: []string{server.UDP}, Timeout: time.Second, Now: func() time.Time { return s.clock.Now() }})
	if err != nil {
		t.Fatal(err)
	}
	s.world = newWorld(t, append([]func(*Options){func(o *Options) {
		o.Resolver, o.Policies, o.Reports = ask, s.policies, s.reports
		o.TLSConfig = &tls.Config{RootCAs: s.authority.Pool()}
	}}, change...)...)
	s.zone.Add("@ 1 MX 10 mx1", "mx1 1 A 10.0.0.1")
	s.far = s.serve("far.test", &peer{offers: []string{"STARTTLS", "REQUIRETLS"}, tls: s.handshake})
	return s
}

// alone waits until nobody is connected.
func (p *peer) alone() {
	for open := 1; open > 0; time.Sleep(time.Millisecond) {
		p.mu.Lock()
		open = p.open
		p.mu.Unlock()
	}
}

// handshake is the server's side of TLS.
func (s *secured) handshake(conn net.Conn) (net.Conn, bool) {
	secure := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{s.cert}, MinVersion: tls.VersionTLS10, MaxVersion: s.newest, CipherSuites: s.suites})
	return secure, secure.Handshake() == nil
}

// tlsa is a record that names a certificate's key.
func tlsa(t testing.TB, usage int, der []byte) string {
	t.Helper()
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("_25._tcp.mx1 1 TLSA %d 1 1 %x", usage, sha256.Sum256(c.RawSubjectPublicKeyInfo))
}

func sts(mode mtasts.Mode, mx string) mtasts.Found {
	return mtasts.Found{Policy: &mtasts.Policy{Mode: mode, MX: []string{mx}, MaxAge: time.Hour}}
}

// used tells of the last event of the message: its policy, TLS, version and trouble.
func (s *secured) used() (used, trouble string) {
	s.t.Helper()
	err := s.store.Events(s.t.Context(), s.account.ID, time.Time{}, time.Time{}, func(e *store.Event) error {
		if e.Field("to") == "you@far.test" {
			used = strings.TrimSpace(e.Field("policy") + " " + e.Field("tls") + " " + e.Field("tls-version"))
			trouble = e.Field("trouble")
		}
		return nil
	})
	if err != nil {
		s.t.Error(err)
	}
	return used, trouble
}

const (
	relayed  = "message.relayed you@far.test"
	mismatch = "message.deferred you@far.test tls.policy-mismatch"
	required = "message.bounced you@far.test tls.required-by-sender"
)

// TestProtection goes through what domains, servers and senders can want of a connection,
// and what they get.
func TestProtection(t *testing.T) {
	other := func(s *secured) {
		var err error
		if s.cert, err = s.authority.Issue([]string{"other.test"}); err != nil {
			s.t.Fatal(err)
		}
	}
	ranOut := func(s *secured) {
		var err error
		if s.cert, err = s.authority.Issue([]string{"mx1.far.test"}, ca.Expired(time.Hour)); err != nil {
			s.t.Fatal(err)
		}
	}
	untrusted := func(s *secured) {
		var err error
		if s.cert, err = s.authority.Issue([]string{"mx1.far.test"}, ca.SelfSigned()); err != nil {
			s.t.Fatal(err)
		}
	}
	clear := func(s *secured) { s.far.offers = nil }
	old := func(s *secured) { s.newest = tls.VersionTLS10 }
	oldCiphers := func(s *secured) {
		key, err := ca.NewRSAKey()
		if err == nil {
			s.cert, err = s.authority.Issue([]string{"mx1.far.test"}, ca.WithKey(key))
		}
		if err != nil {
			s.t.Fatal(err)
		}
		s.newest, s.suites = tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}
	}
	broken := func(s *secured) { s.far.tls = func(net.Conn) (net.Conn, bool) { return nil, false } }
	signed := func(s *secured) { s.zone.Sign(names.Good) }
	withKey := func(s *secured) { s.zone.Add(tlsa(s.t, 3, s.cert.Certificate[0])).Sign(names.Good) }
	withWrongKey := func(s *secured) { s.zone.Add(tlsa(s.t, 3, s.authority.Root().Raw)).Sign(names.Good) }
	withAnchor := func(s *secured) { s.zone.Add(tlsa(s.t, 2, s.cert.Certificate[1])).Sign(names.Good) }
	enforce := func(s *secured) { *s.policies.found = sts(mtasts.Enforce, "mx1.far.test") }
	testing1 := func(s *secured) { *s.policies.found = sts(mtasts.Testing, "*.far.test") }
	none := func(s *secured) {
		*s.policies.found = mtasts.Found{Policy: &mtasts.Policy{Mode: mtasts.None, MaxAge: time.Hour}}
	}
	type prepare = []func(*secured)
	tests := []struct {
		name    string
		prepare prepare
		require bool   // REQUIRETLS
		event   string // the first
		used    string
		trouble string // part of it
		report  string
	}{
		{"a certificate for the name", nil, false, relayed, "opportunistic verified 1.3", "", "no-policy-found ok"},
		{"a certificate for another name", prepare{other}, false, relayed, "opportunistic unverified 1.3", "", "no-policy-found ok"},
		{"no STARTTLS", prepare{clear}, false, relayed, "opportunistic none", "", "no-policy-found starttls-not-supported"},
		{"broken STARTTLS", prepare{broken}, false, relayed, "opportunistic none", "", "no-policy-found validation-failure"},

		{"old ciphers", prepare{oldCiphers}, false, relayed, "opportunistic verified 1.2", "", "no-policy-found ok"},
		{"old TLS", prepare{old}, false, relayed, "opportunistic verified 1.0", "", "no-policy-found ok"},

		{"DANE", prepare{withKey}, false, relayed, "dane verified 1.3", "", "tlsa ok"},
		{"DANE, whatever the name", prepare{other, withKey}, false, relayed, "dane verified 1.3", "", "tlsa ok"},
		{"DANE with an anchor", prepare{withAnchor}, false, relayed, "dane verified 1.3", "", "tlsa ok"},
		{"DANE with an anchor, for another name", prepare{other, withAnchor}, false, mismatch, "dane", "it is not for mx1.far.test", "tlsa validation-failure"},
		{"DANE with another key", prepare{withWrongKey}, false, mismatch, "dane", "not the one that the domain publishes", "tlsa validation-failure"},
		{"DANE and no STARTTLS", prepare{withKey, clear}, false, mismatch, "dane", "does not begin TLS", "tlsa starttls-not-supported"},
		{"DANE and broken STARTTLS", prepare{withKey, broken}, false, mismatch, "dane", "EOF", "tlsa validation-failure"},
		{"DANE in a zone that is not signed", prepare{withWrongKey, func(s *secured) { s.zone.Sign(names.Unsigned) }}, false, relayed,
			"opportunistic verified 1.3", "", "no-policy-found ok"},
		{"DANE with nothing usable", prepare{untrusted, func(s *secured) { s.zone.Add("_25._tcp.mx1 1 TLSA 1 1 1 " + strings.Repeat("0", 64)); signed(s) }}, false, relayed,
			"dane unverified 1.3", "", "tlsa ok"},
		{"DANE with nothing usable and no STARTTLS", prepare{clear, func(s *secured) { s.zone.Add("_25._tcp.mx1 1 TLSA 1 1 1 " + strings.Repeat("0", 64)); signed(s) }}, false, mismatch,
			"dane", "does not begin TLS", "tlsa starttls-not-supported"},
		{"DANE before MTA-STS", prepare{withWrongKey, enforce}, false, mismatch, "dane", "publishes", "tlsa validation-failure"},
		{"signed, without keys", prepare{signed}, false, relayed, "opportunistic verified 1.3", "", "no-policy-found ok"},
		{"the keys cannot be found out", prepare{withKey, func(s *secured) { s.in.Resolver("r").Fail("_25._tcp.mx1.far.test", 2) }}, false,
			"message.deferred you@far.test dns.resolver-dead", "opportunistic", "", "tlsa dnssec-invalid"},
		{"forged names", prepare{func(s *secured) { s.zone.Sign(names.Broken) }}, false, "message.deferred you@far.test dns.dnssec-bogus", "", "", ""},

		{"MTA-STS", prepare{enforce}, false, relayed, "mta-sts verified 1.3", "", "sts ok"},
		{"MTA-STS and another name", prepare{enforce, other}, false, mismatch, "mta-sts", "valid for other.test", "sts certificate-host-mismatch"},
		{"MTA-STS and a certificate that ran out", prepare{enforce, ranOut}, false, mismatch, "mta-sts", "expired", "sts certificate-expired"},
		{"MTA-STS and nobody's certificate", prepare{enforce, untrusted}, false, mismatch, "mta-sts", "unknown authority", "sts certificate-not-trusted"},
		{"MTA-STS and no STARTTLS", prepare{enforce, clear}, false, mismatch, "mta-sts", "does not begin TLS", "sts starttls-not-supported"},
		{"MTA-STS and another server", prepare{func(s *secured) { *s.policies.found = sts(mtasts.Enforce, "mx2.far.test") }}, false, mismatch,
			"mta-sts", "does not name this server", "sts validation-failure"},
		{"MTA-STS and old TLS", prepare{enforce, old}, false, mismatch, "mta-sts", "protocol version", "sts validation-failure"},
		{"MTA-STS as a test", prepare{testing1}, false, relayed, "mta-sts-testing verified 1.3", "", "sts ok"},
		{"MTA-STS as a test and another name", prepare{testing1, other}, false, relayed, "mta-sts-testing unverified 1.3", "", "sts certificate-host-mismatch"},
		{"MTA-STS as a test and another server", prepare{func(s *secured) { *s.policies.found = sts(mtasts.Testing, "mx2.far.test") }}, false, relayed,
			"mta-sts-testing verified 1.3", "", "sts validation-failure,no-policy-found ok"},
		{"MTA-STS taken back", prepare{none, other}, false, relayed, "opportunistic unverified 1.3", "", "no-policy-found ok"},
		{"MTA-STS that cannot be fetched", prepare{func(s *secured) { s.policies.found.Err = mtasts.ErrCertificate }}, false, relayed,
			"opportunistic verified 1.3", "", "sts sts-webpki-invalid,no-policy-found ok"},

		{"REQUIRETLS with DANE", prepare{withKey}, true, relayed, "dane verified 1.3", "", "tlsa ok"},
		{"REQUIRETLS with signed names", prepare{signed}, true, relayed, "opportunistic verified 1.3", "", "no-policy-found ok"},
		{"REQUIRETLS with MTA-STS", prepare{enforce}, true, relayed, "mta-sts verified 1.3", "", "sts ok"},
		{"REQUIRETLS with names that anybody can forge", nil, true, required, "opportunistic", "neither DNSSEC nor MTA-STS", ""},
		{"REQUIRETLS and another name", prepare{signed, other}, true, required, "opportunistic", "valid for other.test", "no-policy-found certificate-host-mismatch"},
		{"REQUIRETLS that the server does not know", prepare{signed, func(s *secured) { s.far.offers = []string{"STARTTLS"} }}, true, required,
			"opportunistic verified 1.3", "", "no-policy-found ok"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newSecured(t)
			for _, p := range test.prepare {
				p(s)
			}
			s.submit([]string{"you@far.test"}, func(sub *store.Submission) { sub.RequireTLS = test.require })
			s.settle()
			if got := s.events(); len(got) == 0 || got[0] != test.event {
				t.Errorf("events %q", got)
			}
			used, trouble := s.used()
			if used != test.used || !strings.Contains(trouble, test.trouble) || (trouble == "") != (test.trouble == "") {
				t.Errorf("used %q, trouble %q", used, trouble)
			}
			if got := strings.Join(s.reports.list, ","); got != test.report {
				t.Errorf("reported %q", got)
			}
			if kept := len(s.far.letters()); (kept == 1) != (test.event == relayed) {
				t.Errorf("%d letters arrived", kept)
			}
		})
	}
}

// TestSecondDoor: a server that turns us away at its IPv6 address takes the message at
// its IPv4 address.
func TestSecondDoor(t *testing.T) {
	w := newWorld(t)
	w.serve("far.test", &peer{banner: "554 5.7.1 your address has no name"})
	far := w.serve("far.test", &peer{})
	six := netip.MustParseAddr("fd00::1")
	w.internet.hosts["mx1.far.test"] = append(w.internet.hosts["mx1.far.test"], six)
	w.internet.servers[netip.AddrPortFrom(six, 25)] = w.internet.servers[netip.MustParseAddrPort("10.0.0.1:25")]
	w.internet.servers[netip.MustParseAddrPort("10.0.0.1:25")] = w.internet.servers[netip.MustParseAddrPort("10.0.0.2:25")]
	w.internet.mx["far.test"] = w.internet.mx["far.test"][:1]
	w.submit([]string{"you@far.test"})
	w.settle()
	wantList(t, "events", w.events(), []string{relayed})
	if len(far.letters()) != 1 {
		t.Errorf("kept %+v", far.letters())
	}
}

// TestTLSNotRequired: who says that encryption does not matter is not kept waiting by it
// (RFC 8689 section 5), and others do not travel on the connection made for that.
func TestTLSNotRequired(t *testing.T) {
	s := newSecured(t, func(o *Options) { o.Limits.Idle = 10 * time.Second })
	*s.policies.found = sts(mtasts.Enforce, "mx2.far.test")
	loose := "TLS-Required: no\r\n" + letter
	ref, err := s.store.Blobs().Put(t.Context(), []byte(loose))
	if err != nil {
		t.Fatal(err)
	}
	s.submit([]string{"you@far.test"}, func(sub *store.Submission) { sub.Blob, sub.Size = ref, int64(len(loose)) })
	s.settle()
	if used, _ := s.used(); used != "none verified 1.3" {
		t.Errorf("used %q", used)
	}
	s.clock.advance(time.Second)
	s.submit([]string{"you@far.test"})
	s.settle()
	wantList(t, "events", s.events(), []string{relayed, mismatch})
	s.clock.advance(time.Second)
	s.submit([]string{"you@far.test"}, func(sub *store.Submission) { sub.Blob, sub.Size, sub.RequireTLS = ref, int64(len(loose)), true })
	s.settle()
	// REQUIRETLS goes before the field (RFC 8689 section 5).
	wantList(t, "events", s.events(), []string{relayed, mismatch, mismatch})
}

// TestAliases: keys are looked for where an alias leads to, and at the alias itself where
// that alone is signed (RFC 7672 section 2.2.2).
func TestAliases(t *testing.T) {
	s := newSecured(t)
	s.zone.Remove("mx1")
	s.zone.Set("@ 1 MX 10 mx").Add("mx 1 CNAME mx1.hoster.test.")
	hoster := s.in.Zone("hoster.test").Add("mx1 1 A 10.0.0.1", tlsa(t, 3, s.cert.Certificate[0]))
	hoster.Sign(names.Good)
	s.zone.Sign(names.Good)
	s.submit([]string{"you@far.test"})
	s.settle()
	if used, trouble := s.used(); used != "dane verified 1.3" {
		t.Errorf("where it leads to: used %q, %s", used, trouble)
	}
	hoster.Sign(names.Unsigned)
	s.zone.Add(strings.Replace(tlsa(t, 3, s.authority.Root().Raw), "mx1", "mx", 1))
	s.far.alone()
	s.clock.advance(time.Hour) // forgets what the DNS said
	s.submit([]string{"you@far.test"})
	s.settle()
	if used, trouble := s.used(); used != "dane" || trouble == "" {
		t.Errorf("the alias itself: used %q, %s", used, trouble)
	}
}

// TestPolicyOverTheWeb: all parts together, with a policy that is fetched.
func TestPolicyOverTheWeb(t *testing.T) {
	s := newSecured(t)
	s.stop()
	web := s.webServer("version: STSv1\nmode: enforce\nmx: mx9.far.test\nmax_age: 86400\n")
	s.zone.Add(`_mta-sts 1 TXT "v=STSv1; id=1;"`, "mta-sts 1 A 10.0.0.77")
	s.internet.servers[netip.MustParseAddrPort("10.0.0.77:443")] = web
	resolve := s.options.Resolver.(*resolver.Resolver)
	for _, private := range []bool{false, true} {
		client := NewWebClient(WebOptions{Resolver: resolve, Dialer: s.internet, AllowPrivate: private, TLSConfig: s.options.TLSConfig})
		keeper, err := mtasts.New(t.Context(), mtasts.Options{Resolver: resolve, Client: client, Record: policy.FileRecord(t.TempDir() + "/sts.json"), Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		s.options.Policies = keeper
		s.start()
		s.submit([]string{"you@far.test"})
		s.settle()
		s.stop()
		if err := keeper.Close(t.Context()); err != nil {
			t.Error(err)
		}
		s.clock.advance(time.Minute)
	}
	// Nobody makes us fetch from addresses beside us, unless that is allowed.
	wantList(t, "events", s.events(), []string{relayed, mismatch})
	if got := strings.Join(s.reports.list, ","); got != "sts sts-policy-fetch-error,no-policy-found ok,sts validation-failure" {
		t.Errorf("reported %q", got)
	}
}

// webServer serves a policy at mta-sts.far.test.
func (s *secured) webServer(text string) (listening string) {
	s.t.Helper()
	cert, err := s.authority.Issue([]string{"mta-sts.far.test"})
	if err != nil {
		s.t.Fatal(err)
	}
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = w.Write([]byte(text))
	}))
	web.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	web.StartTLS()
	s.t.Cleanup(web.Close)
	return web.Listener.Addr().String()
}

// TestRelays: mail of some goes to a relay, with a sign-in, over TLS that it must prove.
func TestRelays(t *testing.T) {
	relay := &Relay{From: []string{"here.test"}, Host: "relay.test", Port: 587, TLS: RelayStartTLS, Credentials: &smtpc.Credentials{User: "anna", Password: "secret"}}
	start := func(t *testing.T, offers ...string) (*secured, *peer) {
		s := newSecured(t, func(o *Options) {
			o.Relays = []Relay{{To: []string{"elsewhere.test"}, Host: "other.test", Port: 25, TLS: RelayPlain}, *relay}
		})
		s.in.Zone("relay.test").Add("@ A 10.0.0.9")
		var err error
		if s.cert, err = s.authority.Issue([]string{"relay.test"}); err != nil {
			t.Fatal(err)
		}
		p := s.serve("relay.test", &peer{offers: offers, tls: s.handshake})
		s.internet.servers[netip.MustParseAddrPort("10.0.0.9:587")] = s.internet.servers[netip.MustParseAddrPort("10.0.0.2:25")]
		return s, p
	}
	t.Run("signed in", func(t *testing.T) {
		s, p := start(t, "STARTTLS", "AUTH PLAIN")
		s.submit([]string{"you@far.test"})
		s.settle()
		wantList(t, "events", s.events(), []string{relayed})
		if used, _ := s.used(); used != "relay verified 1.3" || len(p.letters()) != 1 || len(s.far.letters()) != 0 {
			t.Errorf("used %q, %d and %d letters", used, len(p.letters()), len(s.far.letters()))
		}
		if !slices.Contains(p.said(), "AUTH PLAIN AGFubmEAc2VjcmV0") {
			t.Errorf("the relay heard %q", p.said())
		}
		if len(s.reports.list) > 0 {
			t.Errorf("reported %q", s.reports.list)
		}
	})
	t.Run("another sender", func(t *testing.T) {
		s, p := start(t, "STARTTLS", "AUTH PLAIN")
		s.submit([]string{"you@far.test"}, func(sub *store.Submission) { sub.From = "x@else.test" })
		s.settle()
		if len(p.letters()) != 0 || len(s.far.letters()) != 1 {
			t.Errorf("%d letters at the relay, %d at the domain", len(p.letters()), len(s.far.letters()))
		}
	})
	t.Run("no TLS", func(t *testing.T) {
		s, p := start(t, "AUTH PLAIN")
		s.submit([]string{"you@far.test"})
		s.settle()
		wantList(t, "events", s.events(), []string{"message.deferred you@far.test outbox.deferred"})
		if _, trouble := s.used(); !strings.Contains(trouble, "does not begin TLS") {
			t.Errorf("trouble %q", trouble)
		}
		if slices.ContainsFunc(p.said(), func(line string) bool { return strings.HasPrefix(line, "AUTH") }) {
			t.Errorf("the password went in the clear: %q", p.said())
		}
	})
	t.Run("no way to sign in", func(t *testing.T) {
		s, _ := start(t, "STARTTLS")
		s.submit([]string{"you@far.test"})
		s.settle()
		wantList(t, "events", s.events(), []string{"message.deferred you@far.test outbox.deferred"})
	})
	t.Run("replaced", func(t *testing.T) {
		s, p := start(t, "STARTTLS", "AUTH PLAIN")
		s.submit([]string{"you@far.test"})
		s.settle()
		s.queue.SetRelays(nil)
		s.submit([]string{"you@far.test"})
		s.settle()
		s.queue.SetRelays([]Relay{*relay})
		s.submit([]string{"you@far.test"})
		s.settle()
		if len(p.letters()) != 2 || len(s.far.letters()) != 1 || !s.queue.Relayed("here.test", "any.test") || s.queue.Relayed("", "any.test") {
			t.Errorf("%d letters at the relay, %d at the domain", len(p.letters()), len(s.far.letters()))
		}
	})
	t.Run("so many a minute", func(t *testing.T) {
		s, p := start(t, "STARTTLS", "AUTH PLAIN")
		slow := *relay
		slow.Name, slow.PerMinute, slow.Connections = "slow", 10, 2
		for range 5 {
			s.submit([]string{"you@far.test", "me@other.test", "anna@here.test"})
		}
		s.settle()
		before := len(p.letters())
		s.queue.SetRelays([]Relay{slow})
		for range 10 {
			s.submit([]string{"you@far.test", "me@other.test"})
		}
		s.settle()
		for n := range 20 {
			if got := len(p.letters()) - before; got != n+1 {
				t.Fatalf("%d letters after %d times 6 seconds", got, n)
			}
			s.pass(6*time.Second, 6*time.Second)
		}
		if len(s.queued()) != 0 {
			t.Errorf("%d are left", len(s.queued()))
		}
	})
	t.Run("gone", func(t *testing.T) {
		s, _ := start(t, "STARTTLS", "AUTH PLAIN")
		s.in.Drop("relay.test")
		s.submit([]string{"you@far.test"})
		s.settle()
		wantList(t, "events", s.events(), []string{"message.deferred you@far.test outbox.deferred"})
	})
}
