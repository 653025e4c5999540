package sieved

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/cause/causelint"
	"github.com/postiljon/postiljon/internal/certs/certstest"
	"github.com/postiljon/postiljon/internal/sasl"
	"github.com/postiljon/postiljon/internal/sieve"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNoRefusalWithoutCause(t *testing.T) { causelint.Test(t, ".") }

const (
	testAddress  = "anna@example.org"
	testPassword = "correct horse"
)

// world is a server over a store, with one account.
type world struct {
	t        testing.TB
	store    *store.Store
	backend  *testBackend
	server   *Server
	addr     string
	client   *tls.Config
	sessions map[string]*peer
}

// settings change a world before it begins.
type settings struct {
	plaintext bool
	noTLS     bool
	timeouts  Timeouts
	refuse    cause.Decision
}

func newWorld(t testing.TB, set settings) *world {
	t.Helper()
	w := &world{t: t, store: storetest.Open(t), sessions: map[string]*peer{}}
	w.backend = &testBackend{account: storetest.Account(t, w.store, testAddress).ID, refuse: set.refuse}
	catalogue, err := cause.Load()
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		Store: w.store, Catalogue: catalogue, Backend: w.backend,
		SASL: sasl.New(sasl.Options{Plaintext: set.plaintext, Iterations: 4096}),
		Check: func(text string) error {
			_, err := sieve.Parse(text, sieve.Options{})
			return err
		},
		Extensions: []string{"fileinto", "vacation"}, Redirects: 10,
		Timeouts: set.timeouts, Log: slog.New(slog.DiscardHandler), Metrics: w.backend,
	}
	if !set.noTLS {
		o.TLSConfig, w.client = certstest.TLS(t, "mail.example.org")
	}
	if w.server, err = New(o); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.addr = l.Addr().String()
	go func() {
		if err := w.server.Serve(context.Background(), l, ListenerOptions{Name: "sieve"}); err != nil {
			t.Errorf("Serve: %v", err)
		}
	}()
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

// testBackend knows one account and one password.
type testBackend struct {
	account store.AccountID
	refuse  cause.Decision // answer to Connect

	mu      sync.Mutex
	changed []string
}

func (b *testBackend) Connect(context.Context, *Conn) cause.Decision { return b.refuse }
func (b *testBackend) Verifier(*Conn) sasl.Verifier                  { return testVerifier{} }
func (b *testBackend) SignedOut(*Conn)                               {}
func (b *testBackend) Closed(*Conn)                                  {}
func (b *testBackend) Sessions(int)                                  {}
func (b *testBackend) Command(string, bool, time.Duration)           {}

func (b *testBackend) SignedIn(_ context.Context, _ *Conn, who sasl.Identity) (store.AccountID, cause.Decision) {
	if who.Name != testAddress {
		return 0, cause.Wait(cause.LimitConnections, time.Time{})
	}
	return b.account, cause.Allow()
}

func (b *testBackend) Changed(_ *Conn, script string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.changed = append(b.changed, script)
}

type testVerifier struct{}

func (testVerifier) Password(_ context.Context, _, user, password string) (sasl.Identity, cause.Decision) {
	if user != testAddress && user != "busy@example.org" || password != testPassword {
		return sasl.Identity{}, cause.Refuse(cause.AuthPasswordWrong)
	}
	return sasl.Identity{Name: user}, cause.Allow()
}

func (testVerifier) Token(context.Context, string, string) (sasl.Identity, cause.Decision) {
	return sasl.Identity{}, cause.Refuse(cause.AuthTokenRevoked)
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

func (w *world) dial(name string) *peer {
	w.t.Helper()
	conn, err := net.Dial("tcp", w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	p := &peer{conn: conn, in: bufio.NewReader(conn)}
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
//	C+ text     the same, together with the next line of the client
//	S: text     the server answers so; "..." at the end stands for anything
//	S* text     the server answers anything up to a line like this
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
	name, mark := head[1:len(head)-1], head[len(head)-1]
	p := s.world.sessions[name]
	if p == nil {
		p = s.world.dial(name)
	}
	switch head[0] {
	case 'C':
		s.pending[p] += strings.NewReplacer(`\0`, "\x00", `\xff`, "\xff").Replace(text) + "\r\n"
		if mark == '+' {
			return
		}
		if _, err := p.conn.Write([]byte(s.pending[p])); err != nil {
			s.fatalf("%v", err)
		}
		delete(s.pending, p)
	case 'S':
		for {
			got, err := p.readLine()
			if err != nil {
				s.fatalf("%v after %q, not %q", err, got, text)
			}
			if prefix, any := strings.CutSuffix(text, "..."); any && strings.HasPrefix(got, prefix) || got == text {
				return
			}
			if mark != '*' {
				s.fatalf("got  %s\nwant %s", got, text)
			}
		}
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
	case "no-tls": // the server has no certificate
		s.set.noTLS = true
		return
	case "impatient": // clients must say something at once
		s.set.timeouts.SignIn = 20 * time.Millisecond
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
	case "tls": // TLS begins on a connection
		w.sessions[name].startTLS(w)
	case "sign-in": // a connection signs in
		fmt.Fprintf(w.sessions[name].conn, "AUTHENTICATE \"PLAIN\" \"AGFubmFAZXhhbXBsZS5vcmcAY29ycmVjdCBob3JzZQ==\"\r\n")
		if got, err := w.sessions[name].readLine(); err != nil || got != "OK" {
			s.fatalf("%q, %v", got, err)
		}
	case "long": // a line that is longer than lines may be
		fmt.Fprintf(w.sessions[name].conn, "NOOP \"%s\"\r\n", strings.Repeat("x", maxLine))
	case "large": // a script that is larger than scripts may be
		text := strings.Repeat("# large\r\n", store.MaxScriptSize/9+1)
		fmt.Fprintf(w.sessions[name].conn, "PUTSCRIPT \"large\" {%d+}\r\n%s\r\n", len(text), text)
	case "closed": // the server has closed the connection
		if got, err := w.sessions[name].readLine(); err == nil {
			s.fatalf("not closed, but %q", got)
		}
	case "stop": // the server ends
		go w.server.Close(context.Background())
	case "changed": // the backend was told of these scripts
		w.backend.mu.Lock()
		defer w.backend.mu.Unlock()
		if got := strings.Join(w.backend.changed, ","); got != strings.Join(words[1:], " ") {
			s.fatalf("told of %s", got)
		}
	default:
		s.fatalf("what is %q?", words[0])
	}
}

func FuzzCommand(f *testing.F) {
	for _, text := range []string{
		"NOOP\r\n", "PUTSCRIPT \"a\" {5+}\r\nkeep;\r\n", "HAVESPACE \"a\\\"b\" 99\r\n", "X {3+}\r\nabc {1+}\r\nd\r\n", "X \"a\"\"b\"\r\n", "{3}\r\n", "X a {2+}\r\nyz\r\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := reader{bufio.NewReader(strings.NewReader(text))}
		for range 100 {
			c, err := r.command()
			if len(c.args) > maxArgs {
				t.Errorf("%d arguments", len(c.args))
			}
			if err == nil {
				for _, a := range c.args {
					if len(a.text) > maxLiteral {
						t.Errorf("an argument of %d octets", len(a.text))
					}
				}
				continue
			}
			if err != errBadLine && err != errLarge {
				return
			}
		}
	})
}

// Every string that the server writes can be read as the argument of a client.
func FuzzQuote(f *testing.F) {
	f.Add("a\"b\\c")
	f.Add("two\r\nlines")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > maxLiteral {
			return
		}
		written := quote(text)
		if strings.HasPrefix(written, "{") {
			written = strings.Replace(written, "}", "+}", 1)
		}
		r := reader{bufio.NewReader(strings.NewReader("X " + written + "\r\n"))}
		c, err := r.command()
		if err != nil || len(c.args) != 1 || c.args[0].text != text {
			t.Errorf("%q is written %q and read %v, %v", text, written, c.args, err)
		}
	})
}

func TestNewChecksItsOptions(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("a server without store")
	}
}
