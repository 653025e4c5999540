package smtpd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/certs/certstest"
	"github.com/postiljon/postiljon/internal/sasl"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const hostname = "mail.example.org"

// backend is a Backend that decides by names and remembers what it was told.
type backend struct {
	mu     sync.Mutex
	events []string
	secret sasl.ScramSecret
	auth   bool           // sessions have a Verifier
	refuse cause.Decision // of every connection
	commit chan struct{}  // if not nil, Commit waits for it
	inside chan struct{}  // if not nil, Commit says that it waits
}

func (b *backend) log(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events = append(b.events, fmt.Sprintf(format, args...))
}

// take returns the events since the last call.
func (b *backend) take() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	events := b.events
	b.events = nil
	return events
}

func (b *backend) NewSession(_ context.Context, c *Conn) (Session, cause.Decision) {
	if !b.refuse.Allowed() {
		return nil, b.refuse
	}
	return &session{backend: b, conn: c}, cause.Allow()
}

type session struct {
	backend *backend
	conn    *Conn
}

func (s *session) Verifier() sasl.Verifier {
	if s.backend.auth {
		return s
	}
	return nil
}

func (s *session) SignedIn(_ context.Context, id sasl.Identity) cause.Decision {
	s.backend.log("signed in %s", id.Name)
	if id.Name == "unpaid" {
		return cause.Refuse(cause.AccountSuspendedUnpaid)
	}
	return cause.Allow()
}

const password = "hemlig"

func (s *session) Password(_ context.Context, _, user, given string) (sasl.Identity, cause.Decision) {
	if given != password {
		return sasl.Identity{}, cause.Refuse(cause.AuthPasswordWrong)
	}
	return sasl.Identity{Name: user}, cause.Allow()
}

// Token knows a token that is good.
func (s *session) Token(_ context.Context, _, token string) (sasl.Identity, cause.Decision) {
	if token != "good" {
		return sasl.Identity{}, cause.Refuse(cause.AuthTokenRevoked)
	}
	return sasl.Identity{Name: "anna"}, cause.Allow()
}

func (s *session) Scram(_ context.Context, user string) ([]sasl.ScramSecret, cause.Decision) {
	if user != "anna" {
		return nil, cause.Refuse(cause.AuthPasswordWrong)
	}
	return []sasl.ScramSecret{s.backend.secret}, cause.Allow()
}

func (s *session) ScramDone(_ context.Context, _, user string, proved int) (sasl.Identity, cause.Decision) {
	if proved == sasl.NotProved {
		return sasl.Identity{}, cause.Refuse(cause.AuthPasswordWrong)
	}
	return sasl.Identity{Name: user}, cause.Allow()
}

func (s *session) Mail(_ context.Context, m *Mail) cause.Decision {
	var b strings.Builder
	fmt.Fprintf(&b, "mail %s with %s", m.From.Path(), s.conn.Protocol(m.SMTPUTF8))
	for _, p := range []struct {
		on   bool
		text string
	}{
		{m.Size != 0, fmt.Sprintf("size=%d", m.Size)},
		{m.Body == Body8BitMIME, "8bit"},
		{m.Body == BodyBinaryMIME, "binary"},
		{m.RequireTLS, "requiretls"},
		{m.Ret != "", "ret=" + m.Ret},
		{m.EnvID != "", "envid=" + m.EnvID},
		{m.Auth != "", "auth=" + m.Auth},
	} {
		if p.on {
			b.WriteString(" " + p.text)
		}
	}
	s.backend.log("%s", b.String())
	switch m.From.Local {
	case "listed":
		return cause.Refuse(cause.ReputationIPListed)
	case "panic":
		panic("a fault of the test backend")
	}
	return cause.Allow()
}

func (s *session) Rcpt(_ context.Context, r *Rcpt) cause.Decision {
	text := "rcpt " + r.To.Path()
	if r.Notify != 0 {
		text += fmt.Sprintf(" notify=%d", r.Notify)
	}
	if r.ORcpt != "" {
		text += " orcpt=" + r.ORcpt
	}
	s.backend.log("%s", text)
	switch r.To.Local {
	case "unknown":
		return cause.Refuse(cause.RecipientUnknown)
	case "later":
		return cause.Wait(cause.ReputationGreylisted, time.Time{})
	case "disabled":
		return cause.Refuse(cause.AccountMailDisabled)
	case "overloaded":
		return cause.Wait(cause.ProviderOverloaded, time.Time{})
	case "anna", "nodata", "Postmaster", "postmaster", "Åsa":
	default:
		if s.conn.SignedIn.Name == "" {
			return cause.Refuse(cause.RecipientUnknown)
		}
	}
	if r.To.Local == "nodata" {
		s.backend.log("no data for this one")
	}
	return cause.Allow()
}

func (s *session) Data(context.Context) (Message, cause.Decision) {
	s.backend.log("data")
	return &incoming{backend: s.backend}, cause.Allow()
}

func (s *session) Trace() string       { return "t0" }
func (s *session) Reset()              { s.backend.log("reset") }
func (s *session) Close(reason Reason) { s.backend.log("close %s", reason) }

type incoming struct {
	backend *backend
	content []byte
}

func (m *incoming) Write(p []byte) (int, error) {
	m.content = append(m.content, p...)
	switch {
	case strings.Contains(string(m.content), "disk full"):
		return 0, errors.New("no space")
	case strings.Contains(string(m.content), "this is a virus"):
		return 0, &Refused{Decision: cause.Refuse(cause.ContentLooksLikeSpam)}
	}
	return len(p), nil
}

func (m *incoming) Commit(context.Context) (Receipt, cause.Decision) {
	if m.backend.inside != nil {
		m.backend.inside <- struct{}{}
		<-m.backend.commit
	}
	m.backend.log("commit %q", m.content)
	if strings.Contains(string(m.content), "refuse me") {
		return Receipt{Trace: "t2"}, cause.Refuse(cause.ContentLooksLikeSpam)
	}
	return Receipt{Trace: "t1"}, cause.Allow()
}

func (m *incoming) Abort(d cause.Decision) {
	if d.Allowed() {
		m.backend.log("abort")
		return
	}
	m.backend.log("abort %s", d.Cause)
}

// fixture is a server on loopback.
type fixture struct {
	server  *Server
	backend *backend
	address string
	client  *tls.Config
	// implicit: the client begins with TLS.
	implicit bool
	served   chan error
}

var loadCatalogue = sync.OnceValues(cause.Load)

func newFixture(t testing.TB, b *backend, o Options, lo ListenerOptions, plaintext bool) *fixture {
	t.Helper()
	catalogue, err := loadCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{backend: b, implicit: lo.ImplicitTLS, served: make(chan error, 1)}
	if o.TLS == nil && !strings.Contains(lo.Name, "no-tls") {
		o.TLS, f.client = certstest.TLS(t, "localhost")
	}
	o.Hostname, o.Replies, o.Log = hostname, catalogue, slog.New(slog.DiscardHandler)
	if o.Backend == nil {
		o.Backend = b
	}
	o.SASL = sasl.New(sasl.Options{Plaintext: plaintext, Offers: sasl.Offers{Tokens: strings.Contains(lo.Name, "tokens")}})
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.server, f.address = s, l.Addr().String()
	go func() { f.served <- s.Serve(context.Background(), l, lo) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := <-f.served; err != nil {
			t.Error(err)
		}
	})
	return f
}

func (f *fixture) dial(t testing.TB) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", f.address)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}
