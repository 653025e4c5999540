package smtpc

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dialogue plays a server by a script: it expects its C: lines and sends its S:
// lines. "C: ..." in a script takes any line, "X:" ends the connection.
func dialogue(t *testing.T, script string) net.Conn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			err = errors.Join(play(conn, script), conn.Close())
		}
		done <- err
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(conn.Close(), l.Close()); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Errorf("server: %v", err)
		}
	})
	return conn
}

func play(conn net.Conn, script string) error {
	in := bufio.NewReader(conn)
	for line := range strings.SplitSeq(strings.TrimSpace(script), "\n") {
		side, text, _ := strings.Cut(strings.TrimSpace(line), ":")
		text = strings.TrimPrefix(text, " ")
		if side == "X" {
			return nil
		}
		if side == "S" {
			if _, err := conn.Write([]byte(text + "\r\n")); err != nil {
				return err
			}
			continue
		}
		got, err := in.ReadString('\n')
		if err != nil {
			return fmt.Errorf("client went before %q: %w", text, err)
		}
		if text != "..." && got != text+"\r\n" {
			return fmt.Errorf("client said %q instead of %q", got, text)
		}
	}
	rest, err := io.ReadAll(in)
	if err != nil || len(rest) > 0 {
		return fmt.Errorf("after the script came %q, %w", rest, err)
	}
	return nil
}

func text(s string) (int64, io.ReaderAt) { return int64(len(s)), strings.NewReader(s) }

func TestDialogues(t *testing.T) {
	const hello = "S: 220 mx.example ESMTP\nC: EHLO us.example\n"
	one := []Recipient{{To: "a@example.org"}}
	two := []Recipient{{To: "a@example.org"}, {To: "b@example.org"}}
	tests := []struct {
		name    string
		script  string
		message Message
		content string
		want    string // answers, one a line
		err     string
		usable  bool
	}{{
		name: "plain server, step by step",
		script: hello + "S: 502 5.5.1 what?\nC: HELO us.example\nS: 250 mx.example\n" +
			"C: MAIL FROM:<s@us.example>\nS: 250 ok\nC: RCPT TO:<a@example.org>\nS: 250 ok\nC: DATA\nS: 354 go\n" +
			"C: Subject: x\nC: \nC: ..dot\nC: .\nS: 250 2.0.0 kept as 17",
		message: Message{From: "s@us.example", Recipients: one},
		content: "Subject: x\r\n\r\n.dot\r\n",
		want:    "accepted message 250 2.0.0 kept as 17", usable: true,
	}, {
		name: "pipelining with DATA, one recipient refused",
		script: hello + "S: 250-mx.example\nS: 250-PIPELINING\nS: 250 SIZE 1000\n" +
			"C: MAIL FROM:<> SIZE=7\nC: RCPT TO:<a@example.org>\nC: RCPT TO:<b@example.org>\nC: DATA\n" +
			"S: 250 ok\nS: 550-5.1.1 no\nS: 550 5.1.1 such user\nS: 250 ok\nS: 354 go\nC: hello\nC: .\nS: 250 done",
		message: Message{Recipients: two}, content: "hello\r\n",
		want: "refused rcpt 550 5.1.1 no such user\naccepted message 250 done", usable: true,
	}, {
		name: "pipelining with DATA, nobody accepted, server asks all the same",
		script: hello + "S: 250-mx.example\nS: 250 PIPELINING\n" +
			"C: MAIL FROM:<>\nC: RCPT TO:<a@example.org>\nC: DATA\n" +
			"S: 250 ok\nS: 450 4.2.0 greylisted\nS: 354 go\nC: .\nS: 554 no recipients",
		message: Message{Recipients: one}, content: "hello\r\n",
		want: "refused rcpt 450 4.2.0 greylisted", usable: true,
	}, {
		name: "pipelining with DATA, nobody accepted, the server holds on to the sender",
		script: hello + "S: 250-mx.example\nS: 250 PIPELINING\n" +
			"C: MAIL FROM:<>\nC: RCPT TO:<a@example.org>\nC: DATA\n" +
			"S: 250 ok\nS: 550 5.1.1 no such user\nS: 503 valid RCPT command must precede DATA\nC: RSET\nS: 250 ok",
		message: Message{Recipients: one}, content: "hello\r\n",
		want: "refused rcpt 550 5.1.1 no such user", usable: true,
	}, {
		name: "chunking, nobody accepted",
		script: hello + "S: 250-mx.example\nS: 250-PIPELINING\nS: 250 CHUNKING\n" +
			"C: MAIL FROM:<>\nC: RCPT TO:<a@example.org>\nC: BDAT 7 LAST\nC: hello\n" +
			"S: 250 ok\nS: 550 5.1.1 no such user\nS: 503 5.5.1 nobody to get it\nC: RSET\nS: 250 ok",
		message: Message{Recipients: one}, content: "hello\r\n",
		want: "refused rcpt 550 5.1.1 no such user", usable: true,
	}, {
		name: "chunking, message refused",
		script: hello + "S: 250-mx.example\nS: 250-PIPELINING\nS: 250 CHUNKING\n" +
			"C: MAIL FROM:<>\nC: RCPT TO:<a@example.org>\nC: BDAT 7 LAST\nC: hello\n" +
			"S: 250 ok\nS: 250 ok\nS: 554 5.7.1 spam\nC: RSET\nS: 250 ok",
		message: Message{Recipients: one}, content: "hello\r\n",
		want: "refused message 554 5.7.1 spam", usable: true,
	}, {
		name: "chunking, all in one go",
		script: hello + "S: 250-mx.example\nS: 250-PIPELINING\nS: 250-CHUNKING\nS: 250-8BITMIME\nS: 250 DSN\n" +
			"C: MAIL FROM:<s@us.example> BODY=8BITMIME RET=HDRS ENVID=a+2Bb+20c\n" +
			"C: RCPT TO:<a@example.org> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;x+3Dy@example.org\n" +
			"C: BDAT 8 LAST\nC: .hej \xc3\nS: 250 ok\nS: 250 ok\nS: 250 kept",
		message: Message{From: "s@us.example", EightBit: true, Ret: "HDRS", EnvID: "a+b c",
			Recipients: []Recipient{{To: "a@example.org", Notify: "SUCCESS,FAILURE", ORcpt: "rfc822;x=y@example.org"}}},
		content: ".hej \xc3\n",
		want:    "accepted message 250 kept", usable: true,
	}, {
		name: "MAIL refused",
		script: hello + "S: 250-mx.example\nS: 250 PIPELINING\nC: MAIL FROM:<>\nC: RCPT TO:<a@example.org>\nC: RCPT TO:<b@example.org>\nC: DATA\n" +
			"S: 550 5.7.1 not you\nS: 503 order\nS: 503 order\nS: 503 order",
		message: Message{Recipients: two}, content: "hello\r\n",
		want: "refused mail 550 5.7.1 not you\nrefused mail 550 5.7.1 not you", usable: true,
	}, {
		name: "421 between recipients",
		script: hello + "S: 250 mx.example\nC: MAIL FROM:<>\nS: 250 ok\nC: RCPT TO:<a@example.org>\nS: 250 ok\n" +
			"C: RCPT TO:<b@example.org>\nS: 421 4.3.2 stopping",
		message: Message{Recipients: two}, content: "hello\r\n",
		want: "refused  \nrefused rcpt 421 4.3.2 stopping", err: "421 4.3.2 stopping",
	}, {
		name: "DATA refused",
		script: hello + "S: 250 mx.example\nC: MAIL FROM:<>\nS: 250 ok\nC: RCPT TO:<a@example.org>\nS: 250 ok\n" +
			"C: DATA\nS: 452 4.3.1 full\nC: RSET\nS: 250 ok",
		message: Message{Recipients: one}, content: "hello\r\n",
		want: "refused data 452 4.3.1 full", usable: true,
	}, {
		name: "message refused",
		script: hello + "S: 250 mx.example\nC: MAIL FROM:<>\nS: 250 ok\nC: RCPT TO:<a@example.org>\nS: 250 ok\n" +
			"C: DATA\nS: 354 go\nC: hello\nC: .\nS: 554 5.7.1 spam",
		message: Message{Recipients: one}, content: "hello",
		want: "refused message 554 5.7.1 spam", usable: true,
	}, {
		name: "gone after the message",
		script: hello + "S: 250 mx.example\nC: MAIL FROM:<>\nS: 250 ok\nC: RCPT TO:<a@example.org>\nS: 250 ok\n" +
			"C: DATA\nS: 354 go\nC: hello\nC: .\nX:",
		message: Message{Recipients: one}, content: "hello\r\n",
		want: "refused  ", err: "smtpc: message: EOF",
	}, {
		name:    "too large",
		script:  hello + "S: 250-mx.example\nS: 250 SIZE 4",
		message: Message{Recipients: one}, content: "hello\r\n",
		want: "refused  ", err: "at most 4 octets", usable: true,
	}, {
		name:    "no SMTPUTF8",
		script:  hello + "S: 250 mx.example",
		message: Message{Recipients: []Recipient{{To: "å@example.org"}}, UTF8: true}, content: "x",
		want: "refused  ", err: ErrNeedsUTF8.Error(), usable: true,
	}, {
		name:    "no 8BITMIME",
		script:  hello + "S: 250 mx.example",
		message: Message{Recipients: one, EightBit: true}, content: "å",
		want: "refused  ", err: ErrNeedsEightBit.Error(), usable: true,
	}, {
		name:    "REQUIRETLS without TLS",
		script:  hello + "S: 250-mx.example\nS: 250 REQUIRETLS",
		message: Message{Recipients: one, RequireTLS: true}, content: "x",
		want: "refused  ", err: ErrNeedsRequireTLS.Error(), usable: true,
	}, {
		name: "SMTPUTF8",
		script: hello + "S: 250-mx.example\nS: 250-SMTPUTF8\nS: 250-8BITMIME\nS: 250 DSN\nC: MAIL FROM:<> SMTPUTF8\nS: 250 ok\n" +
			`C: RCPT TO:<å@example.org> ORCPT=utf-8;\x{E5}@example.org` + "\nS: 550 no\nC: RSET\nS: 250 ok",
		message: Message{Recipients: []Recipient{{To: "å@example.org", ORcpt: "utf-8;å@example.org"}}, UTF8: true}, content: "x",
		want: "refused rcpt 550 no", usable: true,
	}}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := New(t.Context(), dialogue(t, fixReset(test.script, test.usable)), Options{Hostname: "us.example"})
			if err != nil {
				t.Fatal(err)
			}
			test.message.Size, test.message.Content = text(test.content)
			answers, err := c.Send(t.Context(), &test.message)
			if got := describe(answers); got != test.want {
				t.Errorf("answers\n%s\ninstead of\n%s", got, test.want)
			}
			if (err != nil) != (test.err != "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("error %v instead of %q", err, test.err)
			}
			if c.Usable() != test.usable {
				t.Errorf("usable is %v", c.Usable())
			}
			c.Quit()
		})
	}
}

// fixReset completes a script by the end of the session.
func fixReset(script string, usable bool) string {
	if usable {
		return script + "\nC: QUIT\nS: 221 bye"
	}
	return script
}

func describe(answers []Answer) string {
	var lines []string
	for _, a := range answers {
		word := "refused"
		if a.Accepted {
			word = "accepted"
		}
		lines = append(lines, word+" "+string(a.Stage)+" "+a.Reply.String())
	}
	return strings.Join(lines, "\n")
}

func TestOpenErrors(t *testing.T) {
	tests := []struct{ name, script, err string }{
		{"refused at the door", "S: 554 5.7.1 go away", "banner: 554 5.7.1 go away"},
		{"no SMTP", "S: SSH-2.0-OpenSSH", "not an SMTP reply"},
		{"closed", "", "banner: EOF"},
		{"EHLO not now", "S: 220 hi\nC: ...\nS: 451 later", "hello: 451 later"},
		{"HELO refused", "S: 220 hi\nC: ...\nS: 500 no\nC: ...\nS: 550 no", "hello: 550 no"},
		{"codes differ", "S: 220-hi\nS: 250 there", "not an SMTP reply"},
		{"endless lines", strings.Repeat("S: 220-x\n", 200), "reply too long"},
		{"endless line", "S: 220 " + strings.Repeat("x", 5000), "reply too long"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server, client := net.Pipe()
			go func() {
				if test.script != "" {
					_ = play(server, test.script) // the client may be gone before the end
				}
				_ = server.Close()
			}()
			_, err := New(t.Context(), client, Options{Hostname: "us.example"})
			var e *Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), test.err) {
				t.Fatalf("error %v instead of %q", err, test.err)
			}
		})
	}
}

// TestSlow: a server that sends an octet now and then does not hold the client.
func TestSlow(t *testing.T) {
	server, client := net.Pipe()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			if _, err := server.Write([]byte("2")); err != nil {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	_, err := New(t.Context(), client, Options{Hostname: "us.example", Timeouts: Timeouts{Banner: 50 * time.Millisecond}})
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Fatalf("error %v is no timeout", err)
	}
	_ = server.Close()
	<-stopped
}

func TestCancelled(t *testing.T) {
	server, client := net.Pipe()
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, err := New(ctx, client, Options{Hostname: "us.example"}); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
}

func FuzzReply(f *testing.F) {
	for _, seed := range []string{
		"250 ok\r\n", "250-a\r\n250 b\r\n", "550 5.1.1 no\r\n", "250\r\n", "220-\r\n220 \r\n", "2500 x\r\n",
		"550-5.1.1 a\r\n550 4.1.1 b\r\n", "\x00\r\n", "999 x\r\n", "250 " + strings.Repeat("å", 600) + "\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := readReply(bufio.NewReader(bytes.NewReader(b)))
		s := r.String()
		if len(s) > maxReplyText {
			t.Errorf("%d octets", len(s))
		}
		if strings.ContainsFunc(s, func(c rune) bool { return c < ' ' }) {
			t.Errorf("control character in %q", s)
		}
		if err == nil && (r.Code < 200 || r.Code > 599 || len(r.Lines) == 0) {
			t.Errorf("%+v without error", r)
		}
	})
}
