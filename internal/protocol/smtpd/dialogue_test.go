package smtpd

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
)

// TestDialogues plays the dialogues of testdata/*.txt over TCP. A file begins with settings:
//
//	listener: submission require-auth implicit-tls no-tls plaintext-auth auth tokens early refuse=CAUSE wait=CAUSE
//	limits: message=N line=N recipients=N messages=N errors=N idle=N swallow=N
//
// and goes on with the dialogue:
//
//	C: text    the client sends text and CRLF; lines of C next to each other go out in one write.
//	           <CR>, <LF>, <NUL> and <FF> are octets, <B64:text> base64 with <NUL> and <SOH>,
//	           <X*N> is N times X, and a final <-> leaves out the CRLF.
//	S: text    the server says text; * stands for anything.
//	B: text    the backend was told this. In each run of B lines, all that was told since the last.
//	EHLO       the client says EHLO and the server lists its extensions
//	TLS        the client begins TLS
//	EOF        the server closes the connection
//	CLOSE      the client does
func TestDialogues(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no dialogues", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		// A line "== title" begins another dialogue with the same settings.
		head, rest, _ := strings.Cut(string(text), "\n== ")
		for part := range strings.SplitSeq(rest, "\n== ") {
			title, lines, _ := strings.Cut(part, "\n")
			t.Run(filepath.Base(file)+"/"+title, func(t *testing.T) {
				t.Parallel()
				play(t, head, strings.Split(lines, "\n"))
			})
		}
	}
}

// player is the client of one dialogue.
type player struct {
	*testing.T
	f      *fixture
	conn   net.Conn
	reader *bufio.Reader
	told   []string // lines of B not yet compared
}

func play(t *testing.T, head string, lines []string) {
	f, early := settings(t, head)
	p := &player{T: t, f: f}
	for i := 0; i < len(lines); i++ {
		word, text, _ := strings.Cut(lines[i], ": ")
		switch {
		case word == "C":
			var send strings.Builder
			for ; i < len(lines) && strings.HasPrefix(lines[i], "C:"); i++ {
				send.WriteString(octets(strings.TrimPrefix(strings.TrimPrefix(lines[i], "C:"), " ")))
			}
			i--
			p.connect(early, send.String())
		case word == "S":
			p.connect(false, "")
			p.expect(i, text)
		case word == "B":
			var want []string
			for ; i < len(lines) && strings.HasPrefix(lines[i], "B: "); i++ {
				want = append(want, lines[i][3:])
			}
			i--
			p.expectTold(i, want)
		case word == "EHLO":
			p.connect(false, "EHLO client.example.net\r\n")
			for open := true; open; {
				line, err := p.reader.ReadString('\n')
				if err != nil || !strings.HasPrefix(line, "250") {
					t.Fatalf("line %d: %q, %v", i, line, err)
				}
				open = line[3] == '-'
			}
		case word == "TLS":
			c := tls.Client(p.conn, f.client)
			p.conn, p.reader = c, bufio.NewReader(c)
		case word == "EOF":
			p.connect(false, "")
			if rest, err := io.ReadAll(p.reader); len(rest) > 0 {
				t.Fatalf("line %d: %q instead of the end (%v)", i, rest, err)
			}
		case word == "CLOSE":
			p.conn.Close()
		case word != "" && !strings.HasPrefix(word, "#"):
			t.Fatalf("line %d: what is %q?", i, lines[i])
		}
	}
}

// connect connects, unless that is done, and sends something.
func (p *player) connect(early bool, send string) {
	if p.conn == nil {
		p.conn = p.f.dial(p)
		if early {
			fmt.Fprint(p.conn, send)
			send = ""
		}
		if p.f.implicit {
			p.conn = tls.Client(p.conn, p.f.client)
		}
		p.reader = bufio.NewReader(p.conn)
	}
	if send != "" {
		// The server may have closed the connection; what it said is still there to be read.
		io.WriteString(p.conn, send)
	}
}

func (p *player) expect(i int, want string) {
	p.Helper()
	line, err := p.reader.ReadString('\n')
	if err != nil {
		p.Fatalf("line %d: want %q, have %q, %v", i, want, line, err)
	}
	if len(line) > 512 {
		p.Errorf("line %d: a reply of %d octets", i, len(line))
	}
	got, ended := strings.CutSuffix(line, "\r\n")
	prefix, suffix, open := strings.Cut(want, "*")
	if !ended || open && !(strings.HasPrefix(got, prefix) && strings.HasSuffix(got[len(prefix):], suffix)) || !open && got != want {
		p.Fatalf("line %d: want %q, have %q", i, want, line)
	}
}

// expectTold compares what the backend was told. The last of it can come a moment after the reply.
func (p *player) expectTold(i int, want []string) {
	p.Helper()
	for range 500 {
		if p.told = append(p.told, p.f.backend.take()...); len(p.told) >= len(want) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if !slices.Equal(p.told, want) {
		p.Fatalf("line %d: the backend was told\n%s\nwant\n%s", i, strings.Join(p.told, "\n"), strings.Join(want, "\n"))
	}
	p.told = nil
}

// octets turns a line of C into what is sent.
func octets(line string) string {
	line, open := strings.CutSuffix(line, "<->")
	for {
		before, rest, found := strings.Cut(line, "<B64:")
		if !found {
			break
		}
		text, after, _ := strings.Cut(rest, ">>")
		if more, ok := strings.CutPrefix(after, ">"); ok { // the text ended in <SOH>
			text, after = text+">", more
		}
		line = before + base64.StdEncoding.EncodeToString([]byte(strings.NewReplacer("<NUL>", "\x00", "<SOH>", "\x01").Replace(text))) + after
	}
	if before, rest, found := strings.Cut(line, "*N="); found { // x*N=5; is xxxxx
		count, after, _ := strings.Cut(rest, ";")
		n, _ := strconv.Atoi(count)
		line = before[:len(before)-1] + strings.Repeat(before[len(before)-1:], n) + after
	}
	line = strings.NewReplacer("<CR>", "\r", "<LF>", "\n", "<NUL>", "\x00", "<FF>", "\xff").Replace(line)
	if !open {
		line += "\r\n"
	}
	return line
}

// settings makes the server of a file.
func settings(t *testing.T, head string) (f *fixture, early bool) {
	b, lo, o, plaintext := &backend{}, ListenerOptions{Name: "test"}, Options{}, false
	for line := range strings.Lines(head) {
		what, words, _ := strings.Cut(strings.TrimSpace(line), ":")
		for word := range strings.FieldsSeq(words) {
			key, value, _ := strings.Cut(word, "=")
			n, _ := strconv.Atoi(value)
			switch what + " " + key {
			case "listener submission":
				lo.Submission = true
			case "listener require-auth":
				lo.RequireAuth = true
			case "listener implicit-tls":
				lo.ImplicitTLS = true
			case "listener no-tls":
				lo.Name = "no-tls"
			case "listener tokens":
				lo.Name = "tokens"
			case "listener plaintext-auth":
				plaintext = true
			case "listener auth":
				b.auth = true
			case "listener early":
				early = true
				o.Timeouts.Greeting = 5 * time.Second // early talk ends it
			case "listener refuse":
				b.refuse = cause.Refuse(cause.ID(value))
			case "listener wait":
				b.refuse = cause.Wait(cause.ID(value), time.Time{})
			case "limits message":
				o.Limits.Message = int64(n)
			case "limits line":
				o.Limits.Line = n
			case "limits recipients":
				o.Limits.Recipients = n
			case "limits messages":
				o.Limits.Messages = n
			case "limits errors":
				o.Limits.Errors = n
			case "limits idle":
				o.Limits.Idle = n
			case "limits swallow":
				o.Limits.Swallow = int64(n)
			default:
				if what == "listener" || what == "limits" {
					t.Fatalf("what is %q?", word)
				}
			}
		}
	}
	return newFixture(t, b, o, lo, plaintext), early
}
