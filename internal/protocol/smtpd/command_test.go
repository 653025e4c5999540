package smtpd

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause/causelint"
	"github.com/postiljon/postiljon/internal/netserve"
	"github.com/postiljon/postiljon/internal/sasl"
)

func TestCutVerb(t *testing.T) {
	tests := []struct {
		line string
		verb verb
		args string
	}{
		{"MAIL FROM:<>", verbMail, "FROM:<>"},
		{"maIL  FROM:<>  ", verbMail, " FROM:<>"},
		{"STARTTLS", verbStarttls, ""},
		{"STARTTLSX", verbUnknown, ""},
		{"DATA\t", verbData, ""},
		{"", verbUnknown, ""},
		{" QUIT", verbUnknown, "QUIT"},
		{"QUIT\x00", verbUnknown, ""},
	}
	for _, tt := range tests {
		if v, args := cutVerb([]byte(tt.line)); v != tt.verb || string(args) != tt.args {
			t.Errorf("%q: %d %q", tt.line, v, args)
		}
	}
}

// TestNoHandWrittenRefusal: every refusal goes through the catalogue.
func TestNoHandWrittenRefusal(t *testing.T) {
	causelint.Test(t, ".")
}

// script is a net.Conn whose client says something and goes.
type script struct {
	in  *bytes.Reader
	out bytes.Buffer
}

func (s *script) Read(p []byte) (int, error) {
	if len(p) > 700 {
		p = p[:700] // so that lines and chunks are cut
	}
	return s.in.Read(p)
}
func (s *script) Write(p []byte) (int, error)      { return s.out.Write(p) }
func (s *script) Close() error                     { return nil }
func (s *script) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (s *script) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

// FuzzSession: whatever a client says, the server has no fault, every reply is well-formed, and
// every transaction and message is ended.
func FuzzSession(f *testing.F) {
	f.Add([]byte("EHLO a\r\nMAIL FROM:<b@c> SIZE=1 BODY=8BITMIME RET=FULL ENVID=a+2B SMTPUTF8\r\nRCPT TO:<anna@example.org> NOTIFY=NEVER ORCPT=rfc822;x\r\nDATA\r\nx\r\n..\r\n.\r\nQUIT\r\n"))
	f.Add([]byte("EHLO a\r\nMAIL FROM:<b@c> BODY=BINARYMIME AUTH=<>\r\nRCPT TO:<anna@example.org>\r\nBDAT 3\r\na\nbBDAT 0 LAST\r\nRSET\r\nNOOP\r\nHELP\r\nVRFY a\r\nEXPN a\r\n"))
	f.Add([]byte("EHLO a\r\nAUTH PLAIN AGFubmEAaGVtbGln\r\nAUTH LOGIN\r\n*\r\nAUTH SCRAM-SHA-256\r\nbiwsbj1hbm5hLHI9YQ==\r\nAAAA\r\n"))
	f.Add([]byte("HELO a\r\nMAIL FROM:<panic@c>\r\n\r\n" + strings.Repeat("x", 3000) + "\r\nNO\nOP\r\n"))
	catalogue, err := loadCatalogue()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		b := &backend{auth: true}
		s, err := New(Options{
			Hostname: hostname, Replies: catalogue, Backend: b, Log: slog.New(slog.DiscardHandler),
			SASL: sasl.New(sasl.Options{Plaintext: true}),
		})
		if err != nil {
			t.Fatal(err)
		}
		conn := &script{in: bytes.NewReader(said)}
		c := newConn(s, netserve.Conn{}, conn, ListenerOptions{})
		c.serve(context.Background())
		if c.end == ReasonFault && !bytes.Contains(said, []byte("panic")) {
			t.Fatal("a fault")
		}
		checkReplies(t, conn.out.Bytes())
		checkEvents(t, b.take())
	})
}

// checkReplies checks the form of replies: RFC 5321 section 4.2.
func checkReplies(t *testing.T, out []byte) {
	for line := range bytes.Lines(out) {
		text, ended := bytes.CutSuffix(line, []byte("\r\n"))
		if !ended || len(line) > 512 || len(text) < 4 || bytes.ContainsAny(text, "\r\n\x00") || !isASCII(text) ||
			!isDigits(string(text[:3])) || text[3] != ' ' && text[3] != '-' {
			t.Fatalf("malformed reply %q", line)
		}
	}
}

// checkEvents checks that transactions, messages and sessions begin and end in pairs.
func checkEvents(t *testing.T, events []string) {
	data, ended, closed := 0, 0, 0
	for _, e := range events {
		switch word, _, _ := strings.Cut(e, " "); word {
		case "data":
			data++
		case "commit", "abort":
			ended++
		case "close":
			closed++
		}
	}
	if data != ended || closed != 1 || !strings.HasPrefix(events[len(events)-1], "close ") {
		t.Fatalf("%d messages begun, %d ended, %d closes: %q", data, ended, closed, events)
	}
}
