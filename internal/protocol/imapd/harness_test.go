package imapd

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/certs/certstest"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/sasl"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/blob/disk"
	"github.com/postiljon/postiljon/internal/store/kv/pebble"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// clock is where the store's clock of tests stands.
var clock = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

const (
	testAddress  = "alice@example.org"
	testPassword = "correct horse"
)

// world is a server over a store, with one account.
type world struct {
	t       testing.TB
	store   *store.Store
	account store.AccountID
	backend *testBackend
	server  *Server
	addr    string
	tlsAddr string
	client  *tls.Config
	// certificate is that of the server, in DER.
	certificate []byte
}

// settings change a world before it begins.
type settings struct {
	dir       string // "" keeps everything in memory
	limits    Limits
	timeouts  Timeouts
	plaintext bool
	noTLS     bool
	noReuse   bool
	tokens    bool
	jmap      string
	quota     int64
}

func newWorld(t testing.TB, set settings) *world {
	t.Helper()
	w := &world{t: t}
	w.openStore(set)
	w.backend = &testBackend{account: w.account, jmap: set.jmap}
	catalogue, err := cause.Load()
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		Hostname: "mail.example.org", Store: w.store, Catalogue: catalogue, Backend: w.backend,
		SASL:             sasl.New(sasl.Options{Plaintext: set.plaintext, Iterations: 4096, Offers: sasl.Offers{Tokens: set.tokens}}),
		NoUnauthenticate: set.noReuse, Limits: set.limits, Timeouts: set.timeouts, Log: slog.New(slog.DiscardHandler),
	}
	if !set.noTLS {
		o.TLSConfig, w.client = certstest.TLS(t, "mail.example.org")
		w.certificate = o.TLSConfig.Certificates[0].Certificate[0]
	}
	if w.server, err = New(o); err != nil {
		t.Fatal(err)
	}
	w.addr = w.listen(ListenerOptions{Name: "imap"})
	if !set.noTLS {
		w.tlsAddr = w.listen(ListenerOptions{Name: "imaps", ImplicitTLS: true})
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), wait)
		defer cancel()
		if err := w.server.Close(ctx); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return w
}

func (w *world) openStore(set settings) {
	t := w.t
	var fs vfs.FS = vfs.NewMem()
	dir := "/test"
	if set.dir != "" {
		fs, dir = vfs.Default, set.dir
	}
	quiet := slog.New(slog.DiscardHandler)
	records, err := pebble.Open(pebble.Options{Dir: dir + "/records", FS: fs, MemTableSize: 4 << 20, CacheSize: 32 << 20, Reserve: -1, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := disk.Open(disk.Options{Dir: dir + "/blobs", FS: fs, SegmentSize: 64 << 20, Reserve: -1, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	now := func() time.Time { return clock }
	if w.store, err = store.Open(ctx, store.Options{Records: records, Blobs: blobs, Now: now, Log: quiet}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		blobs.Close()
		records.Close()
	})
	if err := w.store.CreateDomain(ctx, store.Domain{Name: "example.org"}); err != nil {
		t.Fatal(err)
	}
	a, err := w.store.CreateAccount(ctx, store.Account{Address: testAddress, Protocols: store.AllProtocols, Quota: set.quota})
	if err != nil {
		t.Fatal(err)
	}
	w.account = a.ID
}

func (w *world) listen(o ListenerOptions) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	go func() {
		if err := w.server.Serve(context.Background(), l, o); err != nil {
			w.t.Errorf("Serve: %v", err)
		}
	}()
	return l.Addr().String()
}

// put places a message in a mailbox.
func (w *world) put(mailbox string, raw []byte, received time.Time, flags store.Flags, keywords ...string) uid.UID {
	w.t.Helper()
	ctx := context.Background()
	m, err := w.store.MailboxByName(ctx, w.account, mailbox)
	if err != nil {
		w.t.Fatal(err)
	}
	ref, err := w.store.Blobs().Put(ctx, raw)
	if err != nil {
		w.t.Fatal(err)
	}
	done, err := w.store.Append(ctx, w.account, m.ID, []store.NewEmail{{
		Blob: ref, Summary: message.Summarize(raw), Received: received, Flags: flags, Keywords: keywords}})
	if err != nil {
		w.t.Fatal(err)
	}
	return done.UIDs[0]
}

// fill puts so many messages into a mailbox at once.
func (w *world) fill(mailbox string, n int) {
	w.t.Helper()
	ctx := context.Background()
	m, err := w.store.MailboxByName(ctx, w.account, mailbox)
	if err != nil {
		w.t.Fatal(err)
	}
	raw := []byte("Subject: x\r\n\r\n")
	ref, err := w.store.Blobs().Put(ctx, raw)
	if err != nil {
		w.t.Fatal(err)
	}
	one := store.NewEmail{Blob: ref, Summary: message.Summarize(raw), Received: clock}
	if _, err := w.store.Append(ctx, w.account, m.ID, slices.Repeat([]store.NewEmail{one}, n)); err != nil {
		w.t.Fatal(err)
	}
}

// person makes another account, which signs in with the same password.
func (w *world) person(address string) store.AccountID {
	w.t.Helper()
	ctx := context.Background()
	domain := address[strings.LastIndexByte(address, '@')+1:]
	if err := w.store.CreateDomain(ctx, store.Domain{Name: domain}); err != nil && store.KindOf(err) != store.KindExists {
		w.t.Fatal(err)
	}
	a, err := w.store.CreateAccount(ctx, store.Account{Address: address, Protocols: store.AllProtocols})
	if err != nil {
		w.t.Fatal(err)
	}
	w.backend.others.Store(address, a.ID)
	return a.ID
}

// signInAs opens a connection and signs in as somebody.
func (w *world) signInAs(address string) *wire {
	w.t.Helper()
	c := w.dial(false)
	c.line()
	c.ok(fmt.Sprintf("LOGIN %q %q", address, testPassword))
	return c
}

// testBackend knows one account, those that a test adds, and one password.
type testBackend struct {
	account store.AccountID
	jmap    string   // where the account has its mail by JMAP, but nobody else
	others  sync.Map // address: store.AccountID; world.person adds to them
	mu      sync.Mutex
	events  []string
	refuse  cause.Decision // answer to Connect
	closed  int
	// signedOut counts UNAUTHENTICATE.
	signedOut int
}

func (b *testBackend) Connect(context.Context, *Conn) cause.Decision {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.refuse
}

func (b *testBackend) Verifier(*Conn) sasl.Verifier { return testVerifier{b} }

func (b *testBackend) SignedIn(_ context.Context, c *Conn, who sasl.Identity) (store.AccountID, cause.Decision) {
	if id, ok := b.others.Load(who.Name); ok {
		return id.(store.AccountID), cause.Allow()
	}
	c.JMAP = b.jmap
	return b.account, cause.Allow()
}

func (b *testBackend) Event(c *Conn, e Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	text := fmt.Sprintf("%d %s>%s %s %v", e.Kind, e.Mailbox, e.Target, e.UIDs, c.Client)
	if e.Owner != 0 {
		text += fmt.Sprintf(" of %d by %s", e.Owner, c.Name)
	}
	if e.With != "" {
		text += fmt.Sprintf(" with %s %s", e.With, e.Rights)
	}
	b.events = append(b.events, text)
}

func (b *testBackend) SignedOut(*Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.signedOut++
}

func (b *testBackend) Closed(*Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed++
}

type testVerifier struct{ backend *testBackend }

func (v testVerifier) Password(_ context.Context, authzid, user, password string) (sasl.Identity, cause.Decision) {
	_, known := v.backend.others.Load(user)
	if known = known || user == testAddress; authzid != "" && authzid != user || !known || password != testPassword {
		return sasl.Identity{}, cause.Refuse(cause.AuthPasswordWrong)
	}
	return sasl.Identity{Name: user}, cause.Allow()
}

// Token knows a token that is good, one that is revoked, and one that cannot be checked now.
func (testVerifier) Token(_ context.Context, authzid, token string) (sasl.Identity, cause.Decision) {
	switch {
	case authzid != "" && authzid != testAddress:
		return sasl.Identity{}, cause.Refuse(cause.AccountAccessDenied)
	case token == "good":
		return sasl.Identity{Name: testAddress}, cause.Allow()
	case token == "revoked":
		return sasl.Identity{}, cause.Refuse(cause.AuthTokenRevoked)
	case token == "later":
		return sasl.Identity{}, cause.Wait(cause.ProviderAuthBackendDown, time.Time{})
	}
	return sasl.Identity{}, cause.Refuse(cause.AuthPasswordWrong).As("token")
}

func (testVerifier) Scram(context.Context, string) ([]sasl.ScramSecret, cause.Decision) {
	return nil, cause.Refuse(cause.AuthPasswordWrong)
}

func (testVerifier) ScramDone(context.Context, string, string, int) (sasl.Identity, cause.Decision) {
	return sasl.Identity{}, cause.Refuse(cause.AuthPasswordWrong)
}

// wire is a client's connection, line by line.
type wire struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
	tag  int
}

// wait is how long what must come is waited for. Only a test that fails takes it: on a busy machine, with the race detector, an
// EXPUNGE of thousands is silent for more than ten seconds.
const wait = time.Minute

func (w *world) dial(implicitTLS bool) *wire {
	w.t.Helper()
	addr := w.addr
	if implicitTLS {
		addr = w.tlsAddr
	}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		w.t.Fatal(err)
	}
	if implicitTLS {
		conn = tls.Client(conn, w.client)
	}
	w.t.Cleanup(func() { conn.Close() })
	return &wire{t: w.t, conn: conn, r: bufio.NewReaderSize(conn, 64<<10)}
}

// signIn opens a connection and signs in.
func (w *world) signIn() *wire {
	w.t.Helper()
	c := w.dial(!strings.Contains(w.tlsAddr, "none") && w.client != nil)
	c.line()
	c.ok("LOGIN " + testAddress + ` "` + testPassword + `"`)
	return c
}

func (c *wire) send(text string) {
	c.t.Helper()
	c.conn.SetWriteDeadline(time.Now().Add(wait))
	if _, err := io.WriteString(c.conn, text); err != nil {
		c.t.Fatalf("send %q: %v", text, err)
	}
}

// line reads one line, without its CRLF.
func (c *wire) line() string {
	c.t.Helper()
	line, err := c.read()
	if err != nil {
		c.t.Fatalf("read: %v", err)
	}
	return line
}

func (c *wire) read() (string, error) {
	c.conn.SetReadDeadline(time.Now().Add(wait))
	line, err := c.r.ReadString('\n')
	return strings.TrimSuffix(line, "\r\n"), err
}

// do runs a command and returns all lines of the answer, the tagged one last.
func (c *wire) do(command string) (lines []string) {
	c.t.Helper()
	c.tag++
	tag := fmt.Sprintf("t%d ", c.tag)
	c.send(tag + command + "\r\n")
	for {
		line := c.line()
		if rest, ok := strings.CutPrefix(line, tag); ok {
			return append(lines, rest)
		}
		lines = append(lines, line)
	}
}

// ok runs a command that must succeed.
func (c *wire) ok(command string) []string {
	c.t.Helper()
	lines := c.do(command)
	if !strings.HasPrefix(lines[len(lines)-1], "OK") {
		c.t.Fatalf("%s: %q", command, lines)
	}
	return lines
}

// selectedOf is a mailbox with an index only.
func selectedOf(x *uid.Index) *selected {
	return &selected{view: &store.View{Mailbox: store.Mailbox{UIDNext: x.Max() + 1}, UIDs: x}}
}

// readConn is a connection that can only be read.
type readConn struct {
	net.Conn
	r io.Reader
}

// writeConn is a connection that can only be written to.
type writeConn struct {
	net.Conn
	w io.Writer
}

func (c writeConn) Write(p []byte) (int, error) { return c.w.Write(p) }

func (c *readConn) Read(p []byte) (int, error) { return c.r.Read(p) }

func summaryOf(raw string) *message.Summary { return message.Summarize([]byte(raw)) }
