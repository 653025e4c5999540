package popd

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postiljon/postiljon/internal/cause/causelint"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
	"github.com/postiljon/postiljon/internal/store/uid"
)

func TestParseCommand(t *testing.T) {
	for _, tt := range []struct {
		line string
		want command
		ok   bool
	}{
		{"STAT", command{"STAT", ""}, true},
		{"stat", command{"STAT", ""}, true},
		{"PASS  with spaces ", command{"PASS", " with spaces "}, true},
		{"USER räka", command{"USER", "räka"}, true},
		{"UTF8", command{"UTF8", ""}, true},
		{"", command{}, false}, {" STAT", command{}, false}, {"ST-AT", command{}, false},
		{"STAT\t1", command{}, false}, {"USER a\x00b", command{}, false}, {"USER \xff", command{}, false}, {"STÄT", command{}, false},
	} {
		if got, ok := parseCommand(tt.line); ok != tt.ok || ok && got != tt.want {
			t.Errorf("%q: %+v, %t", tt.line, got, ok)
		}
	}
}

func TestNoRefusalWithoutCause(t *testing.T) { causelint.Test(t, ".") }

func FuzzParseCommand(f *testing.F) {
	for _, line := range []string{"STAT", "TOP 1 10", "PASS a b", "LIST -1", "retr 00001", "\xff", " ", "UIDL +1"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		c, ok := parseCommand(line)
		if !ok {
			return
		}
		if strings.ContainsAny(c.verb+c.rest, "\r\n\x00") || c.verb == "" || c.verb != strings.ToUpper(c.verb) {
			t.Errorf("%q gives %+v", line, c)
		}
		for n := range 3 {
			values, ok := numbers(c.rest, n)
			if ok && len(values) != n {
				t.Errorf("%q gives %v", c.rest, values)
			}
			for _, v := range values {
				if v < 0 {
					t.Errorf("%q gives %v", c.rest, values)
				}
			}
		}
	})
}

// received reads a multi-line response as a client does (RFC 1939 section 3).
func received(t interface{ Fatalf(string, ...any) }, response string) string {
	var content strings.Builder
	for rest := response; ; {
		line, after, ok := strings.Cut(rest, "\r\n")
		if !ok {
			t.Fatalf("%q does not end", response)
		}
		if line == "." {
			if after != "" {
				t.Fatalf("%q goes on after its end", response)
			}
			return content.String()
		}
		content.WriteString(strings.TrimPrefix(line, ".") + "\r\n")
		rest = after
	}
}

// inLines is a message with CRLF at the end of every line.
func inLines(message string) string {
	message = strings.ReplaceAll(strings.ReplaceAll(message, "\r\n", "\n"), "\n", "\r\n")
	switch {
	case message == "" || strings.HasSuffix(message, "\n"):
		return message
	case strings.HasSuffix(message, "\r"):
		return message + "\n"
	}
	return message + "\r\n"
}

// topOf is the header of a message in lines and so many lines of its body.
func topOf(message string, lines int) string {
	header, body := message, ""
	if strings.HasPrefix(message, "\r\n") {
		header, body = "\r\n", message[2:]
	} else if i := strings.Index(message, "\r\n\r\n"); i >= 0 {
		header, body = message[:i+4], message[i+4:]
	}
	for range lines {
		i := strings.Index(body, "\r\n")
		if i < 0 {
			break
		}
		header, body = header+body[:i+2], body[i+2:]
	}
	return header
}

// checkMultiline writes a message in pieces and reads it back.
func checkMultiline(t interface{ Fatalf(string, ...any) }, message string, pieces []int, limit int) {
	var b bytes.Buffer
	out := bufio.NewWriterSize(&b, 16)
	m := multiline{out: out, limit: limit}
	rest := []byte(message)
	var err error
	for _, n := range append(pieces, len(message)) {
		n = min(n, len(rest))
		if _, err = m.Write(rest[:n]); err != nil {
			break
		}
		rest = rest[n:]
	}
	if err != nil && !errors.Is(err, errEnough) {
		t.Fatalf("%v", err)
	}
	if err := errors.Join(m.end(), out.Flush()); err != nil {
		t.Fatalf("%v", err)
	}
	want := inLines(message)
	if limit >= 0 {
		want = topOf(want, limit)
	}
	if got := received(t, b.String()); got != want {
		t.Fatalf("%q in pieces %v, limit %d: %q, not %q", message, pieces, limit, got, want)
	}
}

func TestMultiline(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.SampledFrom([]string{".", "..", "\r\n", "\n", "\r", "a", "bc d", "\r\n.\r\n", "\n.\n"}), 0, 30).Draw(t, "parts")
		pieces := rapid.SliceOfN(rapid.IntRange(0, 5), 0, 40).Draw(t, "pieces")
		checkMultiline(t, strings.Join(parts, ""), pieces, rapid.IntRange(-1, 5).Draw(t, "limit"))
	})
}

func FuzzMultiline(f *testing.F) {
	f.Add("Subject: x\r\n\r\n.\r\n..\n.", 3, -1)
	f.Add("\n.\n", 1, 0)
	f.Fuzz(func(t *testing.T, message string, piece, limit int) {
		var pieces []int
		for n := len(message); piece > 0 && n > 0; n -= piece {
			pieces = append(pieces, piece)
		}
		checkMultiline(t, message, pieces, max(limit%10, -1))
	})
}

func TestLineTooLong(t *testing.T) {
	w := newWorld(t, settings{})
	p := w.dial("", false)
	if _, err := p.readLine(); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(p.conn, "USER %s\r\n", strings.Repeat("x", maxLine))
	if line, err := p.readLine(); err != nil || !strings.HasPrefix(line, "-ERR ") {
		t.Errorf("%q, %v", line, err)
	}
	if line, err := p.readLine(); err == nil {
		t.Errorf("it goes on: %q", line)
	}
}

func TestUIDLIsStable(t *testing.T) {
	w := newWorld(t, settings{plaintext: true})
	w.put(storetest.Text(1), storetest.Text(2))
	ids := func(name string) (ids []string) {
		p := w.signedIn(name)
		fmt.Fprintf(p.conn, "UIDL\r\nQUIT\r\n")
		for {
			line, err := p.readLine()
			if err != nil {
				return ids
			}
			if _, id, ok := strings.Cut(line, " "); ok && !strings.HasPrefix(line, "+OK") {
				ids = append(ids, id)
			}
		}
	}
	first := ids("1")
	w.put(storetest.Text(3))
	second := ids("2")
	if len(first) != 2 || len(second) != 3 || first[0] != second[0] || first[1] != second[1] || second[1] == second[2] {
		t.Errorf("%v, then %v", first, second)
	}
	for _, id := range second {
		if len(id) < 1 || len(id) > 70 || strings.ContainsFunc(id, func(r rune) bool { return r < '!' || r > '~' }) {
			t.Errorf("%q is no unique id", id)
		}
	}
}

func TestIdleSessionEnds(t *testing.T) {
	w := newWorld(t, settings{plaintext: true, timeouts: Timeouts{SignIn: 20 * time.Second, Idle: 20 * time.Millisecond}})
	w.put(storetest.Text(1))
	p := w.signedIn("1")
	fmt.Fprintf(p.conn, "DELE 1\r\n")
	if line, err := p.readLine(); line != "+OK" {
		t.Fatal(line, err)
	}
	if line, err := p.readLine(); !errors.Is(err, io.EOF) {
		t.Errorf("%q, %v", line, err)
	}
	q := w.signedIn("2") // the lock is gone, and nothing was deleted
	fmt.Fprintf(q.conn, "STAT\r\n")
	if line, err := q.readLine(); line != "+OK 1 167" {
		t.Errorf("%q, %v", line, err)
	}
}

func TestSilentClientEnds(t *testing.T) {
	w := newWorld(t, settings{timeouts: Timeouts{SignIn: 20 * time.Millisecond}})
	for name, implicit := range map[string]string{"plain": w.addr, "before TLS": w.tlsAddr} {
		conn, err := net.Dial("tcp", implicit)
		if err != nil {
			t.Fatal(err)
		}
		p := &peer{conn: conn, in: bufio.NewReader(conn)}
		for err == nil {
			_, err = p.readLine()
		}
		if !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", name, err)
		}
		conn.Close()
	}
}

func TestCloseEndsSessions(t *testing.T) {
	w := newWorld(t, settings{plaintext: true})
	idle, waiting := w.signedIn("1"), w.dial("2", false)
	if _, err := waiting.readLine(); err != nil {
		t.Fatal(err)
	}
	if err := w.server.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*peer{idle, waiting} {
		if line, err := p.readLine(); !errors.Is(err, io.EOF) {
			t.Errorf("%q, %v", line, err)
		}
	}
	if w.backend.closed != 2 || w.backend.sessions != 0 {
		t.Errorf("%d closed, %d left", w.backend.closed, w.backend.sessions)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.server.Serve(t.Context(), l, ListenerOptions{}); err != nil {
		t.Errorf("Serve after Close: %v", err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener is open after Close: %v", err)
	}
}

func TestCloseCutsOffWhoDoesNotRead(t *testing.T) {
	w := newWorld(t, settings{plaintext: true})
	w.put("Subject: big\r\n\r\n" + strings.Repeat(strings.Repeat("x", 70)+"\r\n", 300_000))
	p := w.signedIn("1")
	fmt.Fprintf(p.conn, "RETR 1\r\n")
	if line, err := p.readLine(); !strings.HasPrefix(line, "+OK") {
		t.Fatal(line, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.server.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Close: %v", err)
	}
}

func TestServeEndsWithItsContext(t *testing.T) {
	w := newWorld(t, settings{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- w.server.Serve(ctx, l, ListenerOptions{}) }()
	cancel()
	if err := <-done; err != nil {
		t.Errorf("%v", err)
	}
}

func TestNewChecksItsOptions(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("a server without store")
	}
}

// Many clients want one maildrop; never do two have it, and what each deletes is deleted once.
func TestLockConcurrently(t *testing.T) {
	w := newWorld(t, settings{plaintext: true})
	for i := range 20 {
		w.put(storetest.Text(i))
	}
	peers := make([]*peer, 8)
	for i := range peers {
		peers[i] = w.dial(fmt.Sprint(i), false)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	had, refused := 0, 0
	for _, p := range peers {
		all.Go(func() {
			fmt.Fprintf(p.conn, "USER %s\r\nPASS %s\r\nDELE 1\r\nQUIT\r\n", testAddress, testPassword)
			var lines []string
			for {
				line, err := p.readLine()
				if err != nil {
					break
				}
				lines = append(lines, line)
			}
			mu.Lock()
			defer mu.Unlock()
			switch {
			case len(lines) == 5 && lines[4] == "+OK bye":
				had++
			case len(lines) == 3 && strings.HasPrefix(lines[2], "-ERR [IN-USE]"):
				refused++
			default:
				t.Errorf("%q", lines)
			}
		})
	}
	all.Wait()
	view, err := w.store.View(t.Context(), w.account, w.inbox)
	if err != nil {
		t.Fatal(err)
	}
	if had == 0 || had+refused != len(peers) || view.UIDs.Len() != 20-had {
		t.Errorf("%d had it, %d did not, %d messages left", had, refused, view.UIDs.Len())
	}
}

// Sessions do anything in any order, while another program deletes messages and new ones come; a
// model of which messages there are says what the answers must be.
func TestMaildropModel(t *testing.T) {
	w := newWorld(t, settings{plaintext: true})
	there := map[int]bool{} // UIDs in the INBOX
	next, sessions := 1, 0
	rapid.Check(t, func(t *rapid.T) {
		for range rapid.IntRange(0, 4).Draw(t, "new") {
			w.put(storetest.Text(1))
			there[next] = true
			next++
		}
		numbers := slices.Sorted(maps.Keys(there)) // UIDs by message number less one
		marked := map[int]bool{}
		gone := map[int]bool{} // noticed by the session
		sessions++
		p := w.signedIn(fmt.Sprint(sessions))
		ask := func(command string) string {
			fmt.Fprintf(p.conn, "%s\r\n", command)
			line, err := p.readLine()
			if err != nil {
				t.Fatalf("%s: %v", command, err)
			}
			return line
		}
		for range rapid.IntRange(0, 15).Draw(t, "steps") {
			n := rapid.IntRange(0, len(numbers)+1).Draw(t, "n")
			id := 0
			if n >= 1 && n <= len(numbers) {
				id = numbers[n-1]
			}
			shown := id != 0 && !marked[id] && !gone[id]
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0, 1:
				if got := ask(fmt.Sprint("DELE ", n)); (got == "+OK") != shown {
					t.Fatalf("DELE %d: %s", n, got)
				}
				marked[id] = marked[id] || shown
			case 2:
				if got := ask("RSET"); got != "+OK" {
					t.Fatal(got)
				}
				clear(marked)
			case 3:
				got := ask(fmt.Sprint("TOP ", n, " 0"))
				if want := shown && there[id]; strings.HasPrefix(got, "+OK") != want {
					t.Fatalf("TOP %d: %s", n, got)
				}
				if strings.HasPrefix(got, "+OK") {
					if err := discardResponse(p.in); err != nil {
						t.Fatal(err)
					}
				}
				gone[id] = gone[id] || shown && !there[id]
			case 4: // elsewhere
				if there[id] {
					if _, _, err := w.store.Expunge(context.Background(), w.account, w.inbox, uid.Of(uid.UID(id)), false); err != nil {
						t.Fatal(err)
					}
					delete(there, id)
				}
			case 5:
				got := ask("STAT")
				var count, size int
				if _, err := fmt.Sscanf(got, "+OK %d %d", &count, &size); err != nil || size != 167*count {
					t.Fatalf("STAT: %s", got)
				}
				atMost, atLeast := 0, 0 // whether the session has noticed what is gone is its own matter
				for _, id := range numbers {
					if !marked[id] && !gone[id] {
						atMost++
						if there[id] {
							atLeast++
						}
					}
				}
				if count < atLeast || count > atMost {
					t.Fatalf("STAT: %s, not %d to %d", got, atLeast, atMost)
				}
				if count == atLeast { // it may have noticed all
					for _, id := range numbers {
						if !there[id] && count < atMost {
							gone[id] = true
						}
					}
				}
			}
		}
		if rapid.Bool().Draw(t, "quit") {
			if got := ask("QUIT"); got != "+OK bye" {
				t.Fatal(got)
			}
			for id := range marked {
				if marked[id] {
					delete(there, id)
				}
			}
		} else {
			p.conn.Close()
		}
		for held := true; held; time.Sleep(time.Millisecond / 10) { // until the lock is gone
			w.server.locks.mu.Lock()
			held = len(w.server.locks.held) > 0
			w.server.locks.mu.Unlock()
		}
		view, err := w.store.View(context.Background(), w.account, w.inbox)
		if err != nil {
			t.Fatal(err)
		}
		var left []int
		for u := range view.UIDs.Set().All() {
			left = append(left, int(u))
		}
		if want := slices.Sorted(maps.Keys(there)); !slices.Equal(left, want) {
			t.Fatalf("%v are left, not %v", left, want)
		}
	})
}

func TestDecisionsOfStoreErrors(t *testing.T) {
	w := newWorld(t, settings{})
	s := &session{server: w.server, ctx: t.Context()}
	for kind := store.KindOther; kind <= store.KindClosed; kind++ {
		d := s.failed(&store.Error{Op: "test", Kind: kind, Err: errors.New("behind it")})
		if d.Allowed() {
			t.Errorf("%s is no refusal", kind)
		}
		if err := w.server.options.Catalogue.Check(d); err != nil {
			t.Error(err)
		}
	}
}

func BenchmarkRetr(b *testing.B) {
	w := newWorld(b, settings{plaintext: true})
	message := "Subject: big\r\n\r\n" + strings.Repeat(strings.Repeat("x", 70)+"\r\n", 15_000)
	w.put(message)
	p := w.signedIn("1")
	b.SetBytes(int64(len(message)))
	for b.Loop() {
		fmt.Fprintf(p.conn, "RETR 1\r\n")
		if err := discardResponse(p.in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUIDL(b *testing.B) {
	w := newWorld(b, settings{plaintext: true})
	const messages = 5000
	batch := make([]store.NewEmail, messages)
	for i := range batch {
		batch[i] = storetest.Email(b, w.store, storetest.Text(1))
	}
	if _, err := w.store.Append(b.Context(), w.account, w.inbox, batch); err != nil {
		b.Fatal(err)
	}
	p := w.signedIn("1")
	for b.Loop() {
		fmt.Fprintf(p.conn, "UIDL\r\nLIST\r\n")
		for range 2 {
			if err := discardResponse(p.in); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.N)*2*messages/b.Elapsed().Seconds(), "lines/s")
}

func BenchmarkRetrSmall(b *testing.B) {
	w := newWorld(b, settings{plaintext: true})
	w.put(storetest.Text(1))
	p := w.signedIn("1")
	const pipelined = 50
	commands := []byte(strings.Repeat("RETR 1\r\n", pipelined))
	for b.Loop() {
		if _, err := p.conn.Write(commands); err != nil {
			b.Fatal(err)
		}
		for range pipelined {
			if err := discardResponse(p.in); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.N)*pipelined/b.Elapsed().Seconds(), "messages/s")
}

func discardResponse(in *bufio.Reader) error {
	for {
		line, err := in.ReadSlice('\n')
		if err != nil || string(line) == ".\r\n" {
			return err
		}
	}
}
