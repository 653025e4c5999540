package imapd

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/cause/causelint"
	"github.com/postiljon/postiljon/internal/certs/certstest"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/blob"
)

// The farewell after LOGOUT refuses nothing.
func TestNoRefusalWithoutCause(t *testing.T) {
	causelint.Test(t, ".", "* BYE Signing out\r\n")
}

func TestConnectRefused(t *testing.T) {
	w := newWorld(t, settings{})
	w.backend.mu.Lock()
	w.backend.refuse = cause.Wait(cause.LimitConnections, time.Time{}, cause.Count("limit", 20))
	w.backend.mu.Unlock()
	for _, implicit := range []bool{false, true} {
		c := w.dial(implicit)
		if line := c.line(); !strings.HasPrefix(line, "* BYE [LIMIT] ") {
			t.Errorf("have %q", line)
		}
		if _, err := c.read(); err != io.EOF {
			t.Errorf("want the end, have %v", err)
		}
	}
}

func TestCloseSaysBye(t *testing.T) {
	w := newWorld(t, settings{})
	idle, waiting, new := w.signIn(), w.signIn(), w.dial(false)
	idle.ok("SELECT INBOX")
	idle.send("i IDLE\r\n")
	idle.line()
	new.line()
	if err := w.server.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*wire{idle, waiting, new} {
		if line := c.line(); !strings.HasPrefix(line, "* BYE [UNAVAILABLE] ") {
			t.Errorf("have %q", line)
		}
	}
	if _, err := w.server.options.Store.Account(context.Background(), w.account); err != nil {
		t.Error(err)
	}
}

// TestCloseFinishesCommand holds that a command that has begun is answered, and that one that does
// not end is cut off in the end.
func TestCloseFinishesCommand(t *testing.T) {
	w := newWorld(t, settings{})
	finishes, hangs := w.signIn(), w.signIn()
	for _, c := range []*wire{finishes, hangs} {
		c.send("a APPEND INBOX {4}\r\n")
		c.line()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	closed := make(chan error, 1)
	go func() { closed <- w.server.Close(ctx) }()
	finishes.send("text\r\n")
	if line := finishes.line(); !strings.HasPrefix(line, "a OK [APPENDUID ") {
		t.Errorf("have %q", line)
	}
	if line := finishes.line(); !strings.HasPrefix(line, "* BYE ") {
		t.Errorf("have %q", line)
	}
	if err := <-closed; err != context.DeadlineExceeded {
		t.Errorf("Close: %v", err)
	}
	if line, err := hangs.read(); err == nil {
		t.Errorf("a session that hangs hears %q", line)
	}
}

// TestReload changes the TLS configuration under a running session.
func TestReload(t *testing.T) {
	w := newWorld(t, settings{})
	old := w.signIn()
	server, client := certstest.TLS(t, "mail.example.org")
	w.server.SetTLS(server)
	w.client = client
	w.signIn().ok("NOOP")
	old.ok("NOOP")
	w.server.SetTLS(nil)
	c := w.dial(false)
	if line := c.line(); strings.Contains(line, "STARTTLS") {
		t.Errorf("STARTTLS is offered without TLS: %q", line)
	}
}

func TestEvents(t *testing.T) {
	w := newWorld(t, settings{})
	c := w.signIn()
	c.ok(`ID ("name" "Testclient")`)
	c.ok("APPEND INBOX (\\Deleted) {4+}\r\ntext")
	c.ok("APPEND INBOX {4+}\r\ntext")
	c.ok("SELECT INBOX")
	c.ok("EXPUNGE")
	c.ok("MOVE 1 Trash")
	c.ok("DELETE Trash")
	c.do("LOGOUT")
	c.read()
	w.backend.mu.Lock()
	defer w.backend.mu.Unlock()
	want := []string{"1 >  [[name Testclient]]", "2 INBOX> 1 [[name Testclient]]", "2 INBOX> 2 [[name Testclient]]",
		"3 INBOX> 1 [[name Testclient]]", "4 INBOX>Trash 2 [[name Testclient]]", "7 > 1 [[name Testclient]]", "5 Trash>  [[name Testclient]]"}
	if !slices.Equal(w.backend.events, want) {
		t.Errorf("events\n%s\nwant\n%s", strings.Join(w.backend.events, "\n"), strings.Join(want, "\n"))
	}
}

// literal fetches one item of message 1 and returns what is in its literal.
func (c *wire) literal(command string) []byte {
	c.t.Helper()
	c.send("L FETCH 1 " + command + "\r\n")
	head := c.line()
	i := strings.LastIndexByte(head, '{')
	n, err := strconv.Atoi(strings.Trim(head[i:], "{}"))
	if i < 0 || err != nil {
		c.t.Fatalf("%s: %q", command, head)
	}
	b := make([]byte, n)
	c.conn.SetReadDeadline(time.Now().Add(wait))
	if _, err := io.ReadFull(c.r, b); err != nil {
		c.t.Fatal(err)
	}
	if rest := c.line(); rest != ")" {
		c.t.Fatalf("%s: %q behind the literal", command, rest)
	}
	if end := c.line(); !strings.HasPrefix(end, "L OK") {
		c.t.Fatalf("%s: %q", command, end)
	}
	return b
}

// TestLargeMessage sends a message that no buffer holds, and reads it back whole, in parts and
// decoded.
func TestLargeMessage(t *testing.T) {
	w := newWorld(t, settings{})
	c := w.signIn()
	data := make([]byte, 1<<20)
	rng := rand.NewChaCha8([32]byte{1})
	rng.Read(data)
	var msg bytes.Buffer
	msg.WriteString("Subject: large\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nshort\r\n" +
		"--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n")
	text := base64.StdEncoding.EncodeToString(data)
	for ; len(text) > 76; text = text[76:] {
		msg.WriteString(text[:76] + "\r\n")
	}
	msg.WriteString(text + "\r\n--b--\r\n")
	c.ok(fmt.Sprintf("APPEND INBOX {%d+}\r\n%s", msg.Len(), msg.Bytes()))
	c.ok("SELECT INBOX")
	if got := c.literal("BODY.PEEK[]"); !bytes.Equal(got, msg.Bytes()) {
		t.Errorf("BODY[] has %d octets, other than the message's %d", len(got), msg.Len())
	}
	if got := c.literal("BODY.PEEK[]<700000.100>"); !bytes.Equal(got, msg.Bytes()[700000:700100]) {
		t.Errorf("a part of BODY[] differs")
	}
	if got := c.literal("BINARY.PEEK[2]"); !bytes.Equal(got, data) {
		t.Errorf("BINARY[2] has %d octets, other than the %d that were encoded", len(got), len(data))
	}
	if got := c.literal("BINARY.PEEK[2]<1000.500000>"); !bytes.Equal(got, data[1000:501000]) {
		t.Errorf("a part of BINARY[2] differs")
	}
	if got := string(c.literal("BODY.PEEK[1]")); got != "short" {
		t.Errorf("BODY[1] is %q", got)
	}
	if got := c.ok("SEARCH BODY short TEXT large NOT BODY shorter"); got[0] != "* SEARCH 1" {
		t.Errorf("have %q", got)
	}
}

// TestNUL holds that the octet which IMAP cannot carry becomes a space.
func TestNUL(t *testing.T) {
	w := newWorld(t, settings{})
	w.put("INBOX", []byte("Subject: a\x00b\r\n\r\nc\x00d\r\n"), clock, store.Flags{})
	c := w.signIn()
	c.ok("SELECT INBOX")
	if got := string(c.literal("BODY.PEEK[]")); got != "Subject: a b\r\n\r\nc d\r\n" {
		t.Errorf("BODY[] is %q", got)
	}
	if got := string(c.literal("BODY.PEEK[HEADER.FIELDS (SUBJECT)]")); got != "Subject: a b\r\n\r\n" {
		t.Errorf("HEADER.FIELDS is %q", got)
	}
}

// TestManyMessages goes beyond one transaction and one buffer.
func TestManyMessages(t *testing.T) {
	w := newWorld(t, settings{})
	ctx := context.Background()
	ref, err := w.store.Blobs().Put(ctx, []byte("Subject: x\r\n\r\ntext\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	const n = 9000
	list := make([]store.NewEmail, n)
	for i := range list {
		list[i] = store.NewEmail{Blob: ref, Summary: summaryOf("Subject: x\r\n\r\ntext\r\n"), Received: clock}
	}
	if _, err := w.store.Append(ctx, w.account, store.InboxID, list); err != nil {
		t.Fatal(err)
	}
	a, b := w.signIn(), w.signIn()
	a.ok("SELECT INBOX")
	b.ok("SELECT INBOX")
	if got := len(a.ok("FETCH 1:* (UID BODY[TEXT]<0.1>)")); got != 2*n+1 { // a literal has a line more
		t.Errorf("%d lines for %d messages", got, n)
	}
	if got := len(b.ok("NOOP")); got != n+1 {
		t.Errorf("the other session hears of %d changes", got-1)
	}
	if got := len(a.ok("STORE 1:* FLAGS (\\Deleted)")); got != n+1 {
		t.Errorf("STORE answers %d times", got-1)
	}
	if got := len(a.ok("NOOP")); got != 1 {
		t.Errorf("NOOP repeats %d changes of its own", got-1)
	}
	if got := len(a.ok("EXPUNGE")); got != n+1 {
		t.Errorf("EXPUNGE answers %d times", got-1)
	}
	if got := b.ok("SEARCH ALL"); got[0] != "* SEARCH" && !strings.HasPrefix(got[0], "* SEARCH 1 2 ") {
		t.Errorf("have %.60q", got)
	}
	b.ok("NOOP")
	if got := b.ok("UID FETCH 1:* FLAGS"); len(got) != 1 {
		t.Errorf("%d messages are left", len(got)-1)
	}
}

// TestLostText holds that a message whose text is lost is said to be damaged, and hides no other.
func TestLostText(t *testing.T) {
	w := newWorld(t, settings{})
	w.put("INBOX", []byte("Subject: a\r\n\r\nfirst\r\n"), clock, store.FlagSeen)
	ctx := context.Background()
	lost := store.NewEmail{Blob: blob.Ref(strings.Repeat("x", 44)), Summary: summaryOf("Subject: b\r\n\r\nlost\r\n"), Received: clock}
	if _, err := w.store.Append(ctx, w.account, store.InboxID, []store.NewEmail{lost}); err != nil {
		t.Fatal(err)
	}
	w.put("INBOX", []byte("Subject: c\r\n\r\nthird\r\n"), clock, store.FlagSeen)
	c := w.signIn()
	c.ok("SELECT INBOX")
	got := c.do("FETCH 1:* (UID BODY.PEEK[TEXT])")
	want := []string{"* 1 FETCH (UID 1 BODY[TEXT] {7}", "first", ")", "* 3 FETCH (UID 3 BODY[TEXT] {7}", "third", ")"}
	if !slices.Equal(got[:len(got)-1], want) || !strings.HasPrefix(got[len(got)-1], "NO [") || strings.Contains(got[len(got)-1], "NONEXISTENT") {
		t.Errorf("have %q", got)
	}
	if got := c.ok("FETCH 1:* (ENVELOPE)"); len(got) != 4 {
		t.Errorf("have %q", got)
	}
	if got := c.do("SEARCH BODY third"); !strings.HasPrefix(got[0], "NO [") || strings.Contains(got[0], "NONEXISTENT") {
		t.Errorf("have %q", got)
	}
}
