package popd

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/certs/certstest"
	"github.com/postiljon/postiljon/internal/sasl"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
	"github.com/postiljon/postiljon/internal/store/uid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testAddress  = "anna@example.org"
	testPassword = "correct horse"
)

// world is a server over a store, with one account.
type world struct {
	t        testing.TB
	store    *store.Store
	account  store.AccountID
	inbox    store.MailboxID
	backend  *testBackend
	server   *Server
	addr     string
	tlsAddr  string
	client   *tls.Config
	sessions map[string]*peer
}

// settings change a world before it begins.
type settings struct {
	plaintext bool
	tokens    bool
	noTLS     bool
	timeouts  Timeouts
	refuse    cause.Decision
}

func newWorld(t testing.TB, set settings) *world {
	t.Helper()
	w := &world{t: t, store: storetest.Open(t), sessions: map[string]*peer{}}
	w.account = storetest.Account(t, w.store, testAddress).ID
	inbox, err := w.store.MailboxByRole(t.Context(), w.account, store.RoleInbox)
	if err != nil {
		t.Fatal(err)
	}
	w.inbox = inbox.ID
	w.backend = &testBackend{account: w.account, refuse: set.refuse}
	catalogue, err := cause.Load()
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		Hostname: "mail.example.org", Store: w.store, Catalogue: catalogue, Backend: w.backend,
		SASL:     sasl.New(sasl.Options{Plaintext: set.plaintext, Iterations: 4096, Offers: sasl.Offers{Tokens: set.tokens}}),
		Timeouts: set.timeouts, Log: slog.New(slog.DiscardHandler), Metrics: w.backend,
	}
	if !set.noTLS {
		o.TLSConfig, w.client = certstest.TLS(t, "mail.example.org")
	}
	if w.server, err = New(o); err != nil {
		t.Fatal(err)
	}
	w.addr = w.listen(ListenerOptions{Name: "pop3"})
	if !set.noTLS {
		w.tlsAddr = w.listen(ListenerOptions{Name: "pop3s", ImplicitTLS: true})
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := w.server.Close(ctx); err != nil {
			t.Errorf("Close: %v", err)
		}
		for _, p := range w.sessions {
			p.conn.Close()
		}
	})
	return w
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

// put places messages in the INBOX.
func (w *world) put(texts ...string) {
	w.t.Helper()
	for _, text := range texts {
		if _, err := w.store.Append(context.Background(), w.account, w.inbox, []store.NewEmail{storetest.Email(w.t, w.store, text)}); err != nil {
			w.t.Fatal(err)
		}
	}
}

// testBackend knows one account and one password.
type testBackend struct {
	account store.AccountID
	refuse  cause.Decision // answer to Connect

	mu       sync.Mutex
	events   []string
	closed   int
	sessions int
	commands int
}

func (b *testBackend) Connect(context.Context, *Conn) cause.Decision { return b.refuse }
func (b *testBackend) Verifier(*Conn) sasl.Verifier                  { return testVerifier{} }

func (b *testBackend) SignedIn(_ context.Context, _ *Conn, who sasl.Identity) (store.AccountID, cause.Decision) {
	if who.Name != testAddress {
		return 0, cause.Wait(cause.LimitConnections, time.Time{})
	}
	return b.account, cause.Allow()
}

func (b *testBackend) Event(_ *Conn, e Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	kind := map[EventKind]string{EventFetched: "fetched", EventDeleted: "deleted"}[e.Kind]
	b.events = append(b.events, fmt.Sprintf("%s %s %s", kind, e.Mailbox, e.UIDs))
}

func (b *testBackend) Closed(*Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed++
}

func (b *testBackend) Sessions(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sessions += n
}

func (b *testBackend) Command(string, bool, time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.commands++
}

type testVerifier struct{}

func (testVerifier) Password(_ context.Context, authzid, user, password string) (sasl.Identity, cause.Decision) {
	if authzid != "" && authzid != user || user != testAddress && user != "busy@example.org" || password != testPassword {
		return sasl.Identity{}, cause.Refuse(cause.AuthPasswordWrong)
	}
	return sasl.Identity{Name: user}, cause.Allow()
}

// Token knows a token that is good.
func (testVerifier) Token(_ context.Context, _, token string) (sasl.Identity, cause.Decision) {
	if token != "good" {
		return sasl.Identity{}, cause.Refuse(cause.AuthTokenRevoked)
	}
	return sasl.Identity{Name: testAddress}, cause.Allow()
}

func (testVerifier) Scram(context.Context, string) ([]sasl.ScramSecret, cause.Decision) {
	return nil, cause.Refuse(cause.AuthPasswordWrong)
}

func (testVerifier) ScramDone(context.Context, string, string, int) (sasl.Identity, cause.Decision) {
	return sasl.Identity{}, cause.Refuse(cause.AuthPasswordWrong)
}

// peer is the client's end of a connection.
type peer struct {
	conn net.Conn
	in   *bufio.Reader
}

func (w *world) dial(name string, implicit bool) *peer {
	w.t.Helper()
	addr := w.addr
	if implicit {
		addr = w.tlsAddr
	}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		w.t.Fatal(err)
	}
	p := &peer{conn: conn, in: bufio.NewReader(conn)}
	if implicit {
		p.startTLS(w)
	}
	w.sessions[name] = p
	return p
}

func (p *peer) startTLS(w *world) {
	w.t.Helper()
	t := tls.Client(p.conn, w.client)
	if err := t.Handshake(); err != nil {
		w.t.Fatal(err)
	}
	p.conn, p.in = t, bufio.NewReader(t)
}

func (p *peer) readLine() (string, error) {
	if err := p.conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return "", err
	}
	line, err := p.in.ReadString('\n')
	return strings.TrimSuffix(line, "\r\n"), err
}

// TestDialogues runs the scripts of testdata. Their lines are
//
//	C: text     the client sends text and CRLF; "C2:" for the second connection
//	C+ text     the same, together with the next line of the client (pipelining)
//	S: text     the server answers so; "..." at the end stands for anything
//	! words     something else happens: see script.do
//	# words     a remark
//
// Connections are made when they are first named.
func TestDialogues(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no dialogues: ", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := &script{t: t, file: filepath.Base(file)}
			for i, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
				s.line = i + 1
				s.run(line)
			}
		})
	}
}

type script struct {
	t       *testing.T
	file    string
	line    int
	set     settings
	world   *world
	pending map[*peer]string
}

func (s *script) fatalf(format string, args ...any) {
	s.t.Helper()
	s.t.Fatalf("%s:%d: %s", s.file, s.line, fmt.Sprintf(format, args...))
}

func (s *script) run(line string) {
	if line == "" || line[0] == '#' {
		return
	}
	if words, ok := strings.CutPrefix(line, "! "); ok {
		s.do(strings.Fields(words))
		return
	}
	s.start()
	head, text, _ := strings.Cut(line, " ")
	if len(head) < 2 {
		s.fatalf("what is %q?", line)
	}
	name := head[1 : len(head)-1]
	p := s.world.sessions[name]
	if p == nil {
		p = s.world.dial(name, false)
	}
	switch head[0] {
	case 'C':
		s.pending[p] += strings.ReplaceAll(text, `\0`, "\x00") + "\r\n"
		if head[len(head)-1] == '+' {
			return
		}
		if _, err := p.conn.Write([]byte(s.pending[p])); err != nil {
			s.fatalf("%v", err)
		}
		delete(s.pending, p)
	case 'S':
		got, err := p.readLine()
		if err != nil {
			s.fatalf("%v after %q, not %q", err, got, text)
		}
		if prefix, any := strings.CutSuffix(text, "..."); any && strings.HasPrefix(got, prefix) || got == text {
			return
		}
		s.fatalf("got  %s\nwant %s", got, text)
	default:
		s.fatalf("what is %q?", line)
	}
}

func (s *script) start() {
	if s.world == nil {
		s.world = newWorld(s.t, s.set)
		s.pending = map[*peer]string{}
	}
}

// do makes something else happen.
func (s *script) do(words []string) {
	switch words[0] {
	case "plaintext": // passwords may pass without TLS
		s.set.plaintext = true
		return
	case "tokens": // bearer tokens are taken
		s.set.tokens = true
		return
	case "no-tls": // the server has no certificate
		s.set.noTLS = true
		return
	case "refuse-connections":
		s.set.refuse = cause.Wait(cause.LimitConnections, time.Time{}, cause.Count("limit", 3))
		return
	}
	s.start()
	name := "" // of a connection
	if len(words) > 1 {
		name = words[1]
	}
	switch w := s.world; words[0] {
	case "messages": // this many are in the INBOX
		n, err := strconv.Atoi(words[1])
		if err != nil {
			s.fatalf("%v", err)
		}
		for i := range n {
			w.put(storetest.Text(i + 1))
		}
	case "message": // from a file
		raw, err := os.ReadFile("testdata/" + words[1])
		if err != nil {
			s.fatalf("%v", err)
		}
		w.put(strings.ReplaceAll(string(raw), "\n", "\r\n"))
	case "connect-tls": // a connection with TLS from the first octet
		w.dial(name, true)
	case "tls": // TLS begins on a connection
		w.sessions[name].startTLS(w)
	case "expunge": // another session deletes UIDs
		set, err := uid.Parse(words[1])
		if err != nil {
			s.fatalf("%v", err)
		}
		if _, _, err := w.store.Expunge(s.t.Context(), w.account, w.inbox, set, false); err != nil {
			s.fatalf("%v", err)
		}
	case "closed": // the server has closed the connection
		if got, err := w.sessions[name].readLine(); err == nil {
			s.fatalf("not closed, but %q", got)
		}
	case "hang-up": // the client closes the connection; waits until the server has noticed
		w.sessions[name].conn.Close()
		delete(w.sessions, name)
		for w.backend.closedCount() == 0 {
			time.Sleep(time.Millisecond)
		}
	case "inbox": // these UIDs are in the INBOX, those behind "seen" are read
		s.inbox(words[1:])
	case "event": // this event was told
		s.event(strings.Join(words[1:], " "))
	default:
		s.fatalf("what is %q?", words[0])
	}
}

func (b *testBackend) closedCount() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}

func (s *script) inbox(words []string) {
	w := s.world
	view, err := w.store.View(s.t.Context(), w.account, w.inbox)
	if err != nil {
		s.fatalf("%v", err)
	}
	var seen uid.Set
	err = w.store.Placements(s.t.Context(), w.account, w.inbox, view.UIDs.Set(), func(p *store.Placement) error {
		if p.Flags.Has(store.FlagSeen) {
			seen = seen.Add(p.UID)
		}
		return nil
	})
	if err != nil {
		s.fatalf("%v", err)
	}
	if got, want := view.UIDs.Set().String()+" seen "+seen.String(), strings.Join(words, " "); strings.TrimSpace(got) != want {
		s.fatalf("the INBOX has %q, not %q", got, want)
	}
}

func (s *script) event(want string) {
	deadline := time.Now().Add(10 * time.Second)
	for {
		s.world.backend.mu.Lock()
		events := strings.Join(s.world.backend.events, "\n")
		s.world.backend.mu.Unlock()
		if strings.Contains(events, want) {
			return
		}
		if time.Now().After(deadline) {
			s.fatalf("events are %q", events)
		}
		time.Sleep(time.Millisecond)
	}
}

// signedIn returns a connection that has signed in, ready for commands.
func (w *world) signedIn(name string) *peer {
	w.t.Helper()
	p := w.dial(name, false)
	for _, step := range []string{"", "USER " + testAddress, "PASS " + testPassword} {
		if step != "" {
			fmt.Fprintf(p.conn, "%s\r\n", step)
		}
		if line, err := p.readLine(); err != nil || !strings.HasPrefix(line, "+OK") {
			w.t.Fatalf("%q: %q, %v", step, line, err)
		}
	}
	return p
}
