package service

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postiljon/postiljon/test/harness"
)

// needle is a word that every message of the corpus has where search must see
// it, unless it says otherwise.
const needle = "nyckelharpa"

// hostile is a message made to break what reads it.
type hostile struct {
	name    string
	text    []byte
	binary  bool // bare CR or LF, or NUL: only BDAT with BODY=BINARYMIME may carry it
	unfound bool // the needle is not in the text as a reader sees it
}

// head is an ordinary header.
const head = "From: Evil <evil@sender.test>\r\nTo: user0@demo.test\r\nSubject: hostile\r\nMIME-Version: 1.0\r\n"

// plain is a small text part's body.
const plain = "The " + needle + " is here.\r\n"

// corpus is made anew for each run; sizes are such that every limit of the
// parser is passed.
func corpus() []hostile {
	random := make([]byte, 3<<20)
	source := rand.NewChaCha8([32]byte{1})
	source.Read(random)
	return append([]hostile{
		{name: "multiparts nested 1000 deep", text: nested(1000)},
		{name: "messages nested 600 deep", text: bytes.Join([][]byte{bytes.Repeat([]byte(head+"Content-Type: message/rfc822\r\n\r\n"), 600), []byte(head + "\r\n" + plain)}, nil), unfound: true},
		{name: "10,000 parts", text: multipart(10_000, "Content-Type: text/plain\r\n\r\n"+plain)},
		{name: "10,000 messages as parts", text: multipart(10_000, "Content-Type: message/rfc822\r\n\r\n"+head+"\r\n"+plain)},
		{name: "a header field of 30 MB, folded", text: field("X-Long: ", " "+strings.Repeat("x", 70)+"\r\n", 30<<20)},
		{name: "a Subject of 5 MB, folded", text: field("Subject: ", " "+strings.Repeat("å", 35)+"\r\n", 5<<20)},
		{name: "200,000 header fields", text: many(200_000, "X-Field-%d: value\r\n")},
		{name: "20,000 Received fields of one letter", text: many(20_000, "Comments: %d\r\n")},
		{name: "50,000 addresses", text: []byte("To: " + strings.Repeat("\"Someone, Å.\" <a@b.test>,\r\n ", 50_000) + "z@b.test\r\n" + head + "\r\n" + plain)},
		{name: "groups in groups", text: []byte("To: " + strings.Repeat("g:\r\n ", 20_000) + strings.Repeat(";\r\n ", 20_000) + "\r\n" + head + "\r\n" + plain)},
		{name: "comments nested 100,000 deep", text: []byte("Cc: " + strings.Repeat("((((((((((\r\n ", 10_000) + "x@b.test\r\nContent-Type: text/plain " + strings.Repeat("((((((((((\r\n ", 10_000) + "\r\n" + head + "\r\n" + plain)},
		{name: "encoded words by the ten thousand", text: []byte("Subject: " + strings.Repeat("=?utf-8?q?=C3=A5?=\r\n =?utf-7?b?K0FPVS0=?=\r\n =?no-such?x?y?=\r\n =?iso-2022-jp?b?GyRC?=\r\n ", 10_000) + "end\r\n" + strings.Replace(head, "Subject: hostile\r\n", "", 1) + "\r\n" + plain)},
		{name: "an encoded word of 2 MB", text: field("Subject: =?utf-8?b?", strings.Repeat("QUFB", 19)+"\r\n ", 2<<20)},
		{name: "10,000 pieces of a parameter", text: pieces(10_000)},
		{name: "an unknown charset", text: []byte(head + "Content-Type: text/plain; charset=\"klingon-8\\\"\"\r\n\r\n" + plain + "\xff\xfe\x80\r\n")},
		{name: "8-bit in every place", text: []byte("From: \xe5\xe4\xf6 <\xe5@\xf6.test>\r\nTo: \xff\r\nSubject: \xc3\r\nContent-Type: text/\xe5; charset=\xe4\r\nX-\xe5: \xe4\r\n\r\n" + plain)},
		{name: "no boundary", text: []byte(head + "Content-Type: multipart/mixed\r\n\r\n--x\r\n\r\n" + plain + "--x--\r\n"), unfound: true},
		{name: "an empty boundary", text: []byte(head + "Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\n\r\n" + plain + "----\r\n"), unfound: true},
		{name: "a boundary that never ends", text: []byte(head + "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\n" + plain)},
		{name: "a boundary that never comes", text: []byte(head + "Content-Type: multipart/mixed; boundary=x\r\n\r\n" + plain), unfound: true},
		{name: "a boundary of 100,000 octets", text: []byte(head + "Content-Type: multipart/mixed;\r\n boundary=\"" + strings.Repeat("b", 900) + "\"\r\n\r\n--" + strings.Repeat("b", 900) + "\r\n\r\n" + plain)},
		{name: "boundaries that begin alike", unfound: true, text: []byte(head + "Content-Type: multipart/mixed; boundary=a\r\n\r\n" + strings.Repeat("--aa\r\n--a\t\r\n--a-\r\n-- a\r\n", 20_000) + "--a\r\n\r\n" + plain)},
		{name: "no header", text: []byte("\r\n" + plain)},
		{name: "no body", text: []byte("Subject: " + needle + "\r\n")},
		{name: "no colon anywhere", text: []byte(plain + plain)},
		{name: "one line end", text: []byte("\r\n"), unfound: true},
		{name: "one dot", text: []byte("."), unfound: true},
		{name: "dots", text: []byte(head + "\r\n" + strings.Repeat(".\r\n..\r\n", 10_000) + plain)},
		{name: "base64 with rubbish in it", text: []byte(head + "Content-Transfer-Encoding: base64\r\n\r\n!!" + folded(base64.StdEncoding.EncodeToString([]byte("The "+needle+" again"))) + "\r\n====\r\n*&^%\r\n"), unfound: true},
		{name: "quoted-printable with rubbish in it", text: []byte(head + "Content-Transfer-Encoding: quoted-printable\r\n\r\nThe nyckel=\r\nharpa =ZZ =\r\n=C3=\r\n=A5 = = =3\r\n")},
		{name: "random octets in base64", text: []byte(head + "Content-Type: application/zip; name=\"b.zip\"\r\nContent-Transfer-Encoding: base64\r\n\r\n" + folded(base64.StdEncoding.EncodeToString(random))), unfound: true},
		{name: "HTML nested 200,000 deep", text: []byte(head + "Content-Type: text/html\r\n\r\n" + strings.Repeat("<div><b><table>\r\n", 70_000) + plain)},
		{name: "HTML that never closes", text: []byte(head + "Content-Type: text/html\r\n\r\n" + plain + strings.Repeat("<a href=\"<!--<![CDATA[<script\r\n", 20_000))},
		{name: "a date of nowhere", text: []byte("Date: Fri, 99 Foo 99999999999999999999 99:99:99 +99999999\r\nMessage-ID: <" + strings.Repeat("m", 900) + "\r\nReferences: " + strings.Repeat("<r@r>\r\n ", 20_000) + "\r\n" + head + "\r\n" + plain)},
		{name: "NUL and bare line ends", binary: true, text: []byte(head + "Content-Transfer-Encoding: binary\r\n\r\nThe " + needle + "\nnext\rlast\x00\x00\r\n\r")},
		{name: "an end of data that is none, and a smuggled message", binary: true, text: []byte(head + "\r\n" + plain + "\n.\r\nMAIL FROM:<a@b.test>\r\n\r\n.\nRCPT TO:<user0@demo.test>\r\n\r.\rDATA\r\n")},
		{name: "bare LF only", binary: true, text: []byte(strings.ReplaceAll(head+"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\n"+plain+"--x--\r\n", "\r", ""))},
		{name: "random octets", binary: true, text: append([]byte(head+"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n"), random...), unfound: true},
		{name: "random octets from the first on", binary: true, text: random, unfound: true},
	}, truncated()...)
}

// truncated are the beginnings of a message, cut at awkward places.
func truncated() (all []hostile) {
	whole := head + "Content-Type: multipart/mixed; boundary=\"x y\"\r\n\r\n--x y\r\nContent-Type: text/plain; charset*0=utf-\r\n\r\n" + plain + "--x y--\r\n"
	for _, n := range []int{1, 4, 5, 6, 20, 90, 120, 140, len(whole) - 20, len(whole) - 3} {
		all = append(all, hostile{name: fmt.Sprintf("cut after %d octets", n), text: []byte(whole[:n]), unfound: true})
	}
	return all
}

func nested(depth int) []byte {
	var b bytes.Buffer
	b.WriteString(head)
	for i := range depth {
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
		if i == 0 {
			b.WriteString("\r\n" + plain + "--b0\r\n")
		}
	}
	b.WriteString("\r\n" + plain)
	return b.Bytes()
}

func multipart(n int, part string) []byte {
	return []byte(head + "Content-Type: multipart/mixed; boundary=x\r\n\r\n" + strings.Repeat("--x\r\n"+part, n) + "--x--\r\n")
}

// field is a message with a field of some size, made of one line repeated.
func field(name, line string, size int) []byte {
	return []byte(name + strings.Repeat(line, size/len(line)) + "\r\n" + head + "\r\n" + plain)
}

func many(n int, format string) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	b.WriteString(head + "\r\n" + plain)
	return b.Bytes()
}

func pieces(n int) []byte {
	var b bytes.Buffer
	b.WriteString(head + "Content-Type: text/plain")
	for i := range n {
		fmt.Fprintf(&b, ";\r\n name*%d*=%%C3%%A5", i)
	}
	b.WriteString("\r\n\r\n" + plain)
	return b.Bytes()
}

// folded breaks a long line into those of RFC 2045.
func folded(s string) string {
	var b strings.Builder
	for ; len(s) > 76; s = s[76:] {
		b.WriteString(s[:76] + "\r\n")
	}
	return b.String() + s + "\r\n"
}

// memoryLimit is the most memory, in kB, that the service may ever have taken.
const memoryLimit = 400 << 10

// TestHostile sends messages that are broken on purpose, by DATA, BDAT and
// APPEND. What is taken is served byte for byte, what is not is refused with
// a cause; meanwhile others are served, and memory stays bounded.
func TestHostile(t *testing.T) {
	s := harness.Start(t, harness.Options{Accounts: 2})
	others := watchOthers(t, s)
	in, err := harness.DialSMTP(s.SMTP)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	m, err := s.DialIMAP(s.Accounts[0])
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	all := corpus()
	for i, h := range all {
		mailbox := fmt.Sprintf("H%d", i)
		if _, err := m.Command("CREATE " + mailbox); err != nil {
			t.Fatal(err)
		}
		t.Run(h.name, func(t *testing.T) { h.send(t, s, in, m, mailbox) })
	}
	t.Run("the largest, four at once", func(t *testing.T) { largest(t, s, m) })
	t.Run("too large", func(t *testing.T) { tooLarge(t, s, in, m) })
	others()
	peak := memoryPeak(t, s)
	t.Logf("%d messages in four ways; the service took at most %d MB", len(all), peak>>10)
	if peak > memoryLimit {
		t.Errorf("the service took %d kB of memory, more than %d", peak, memoryLimit)
	}
}

// send sends a message in every way and looks at what was kept.
func (h *hostile) send(t *testing.T, s *harness.Service, in *harness.SMTP, m *harness.IMAP, mailbox string) {
	to := []string{s.Accounts[0].Address}
	carry := func(how, parameters string, put func() error, mustRefuse bool) {
		if err := in.Begin("evil@sender.test", parameters, to); err != nil {
			t.Fatalf("%s: %v", how, err)
		}
		err := put()
		switch {
		case mustRefuse:
			if !refusedWith(err, "5") || !strings.Contains(err.Error(), "/why/") {
				t.Errorf("%s: %v", how, err)
			}
			in.Command("RSET", '2')
		case err != nil:
			t.Fatalf("%s: %v", how, err)
		default:
			h.examine(t, m, how, "INBOX", true)
		}
	}
	carry("DATA", "", func() error { return in.Data(bytes.NewReader(h.text)) }, h.binary)
	carry("BDAT", "", func() error { return in.Chunks(bytes.NewReader(h.text), 300<<10) }, h.binary)
	carry("BDAT with BODY=BINARYMIME", " BODY=BINARYMIME", func() error { return in.Chunks(bytes.NewReader(h.text), 77777) }, false)

	if _, err := m.Append(mailbox, string(h.text)); err != nil {
		t.Fatalf("APPEND: %v", err)
	}
	h.examine(t, m, "APPEND", mailbox, false)
}

// examine fetches the last message of a mailbox in every way and compares it
// with what was sent.
func (h *hostile) examine(t *testing.T, m *harness.IMAP, how, mailbox string, trace bool) {
	t.Helper()
	fetch := func(item string) string {
		t.Helper()
		lines, err := m.Command("FETCH * (" + item + ")")
		if err != nil {
			t.Fatalf("%s: FETCH %s: %v", how, item, err)
		}
		for _, line := range lines {
			if strings.Contains(line[:min(len(line), 40)], " FETCH (") {
				if fault := wellFormed(line); fault != "" {
					t.Errorf("%s: FETCH %s: %s", how, item, fault)
				}
				return line
			}
		}
		t.Fatalf("%s: FETCH %s: no answer in %.200q", how, item, lines)
		return ""
	}
	if _, err := m.Command("SELECT " + mailbox); err != nil {
		t.Fatalf("%s: %v", how, err)
	}
	// A literal cannot hold NUL (RFC 9051 section 4.3): there it becomes a space,
	// and BINARY has the octets as they are.
	whole, exact := literal(fetch("BODY.PEEK[]")), literal(fetch("BINARY.PEEK[]"))
	if whole != strings.ReplaceAll(exact, "\x00", " ") {
		t.Errorf("%s: BODY[] and BINARY[] differ", how)
	}
	sent := string(h.text)
	if trace && !strings.HasSuffix(exact, sent) && !strings.HasSuffix(exact, sent+"\r\n") || !trace && exact != sent {
		t.Errorf("%s: %d octets were sent, and %d others are served", how, len(sent), len(exact))
	}
	if size := first(sizePattern, fetch("UID FLAGS INTERNALDATE RFC822.SIZE")); size != strconv.Itoa(len(whole)) {
		t.Errorf("%s: RFC822.SIZE is %s of %d", how, size, len(whole))
	}
	if header, text := literal(fetch("BODY.PEEK[HEADER]")), literal(fetch("BODY.PEEK[TEXT]")); header+text != whole {
		t.Errorf("%s: header (%d) and text (%d) are not the whole (%d)", how, len(header), len(text), len(whole))
	}
	if part := literal(fetch("BODY.PEEK[]<100.1000>")); part != whole[min(100, len(whole)):min(1100, len(whole))] {
		t.Errorf("%s: a part of %d octets is served", how, len(part))
	}
	for _, item := range []string{"ENVELOPE", "BODYSTRUCTURE", "BODY", "BODY.PEEK[1]", "BODY.PEEK[1.MIME]", "BODY.PEEK[1.1.1.1.1]",
		"BODY.PEEK[999999]", "BODY.PEEK[HEADER.FIELDS (SUBJECT TO CONTENT-TYPE)]", "BODY.PEEK[HEADER.FIELDS.NOT (RECEIVED)]", "PREVIEW"} {
		if part := literal(fetch(item)); strings.HasPrefix(item, "BODY.PEEK[1]") && !strings.Contains(whole, part) {
			t.Errorf("%s: %s is not in the message", how, item)
		}
	}
	h.search(t, m, how)
}

// search finds the message by its text.
func (h *hostile) search(t *testing.T, m *harness.IMAP, how string) {
	t.Helper()
	for _, key := range []string{"TEXT " + needle, "BODY no-such-word-anywhere", "SUBJECT hostile FROM evil"} {
		lines, err := m.Command("SEARCH * " + key)
		if err != nil {
			t.Fatalf("%s: SEARCH %s: %v", how, key, err)
		}
		found := strings.TrimSpace(strings.TrimPrefix(lines[0], "* SEARCH")) != ""
		if strings.HasPrefix(key, "TEXT") && !h.unfound && !found || strings.HasPrefix(key, "BODY") && found {
			t.Errorf("%s: SEARCH %s answers %q", how, key, lines)
		}
	}
}

// literal is the last literal or string of a response.
func literal(line string) string {
	if text, rest, ok := strings.Cut(line, "}\r\n"); ok {
		n, err := strconv.Atoi(text[strings.LastIndexByte(text, '{')+1:])
		if err == nil && n <= len(rest) {
			return rest[:n]
		}
	}
	if i := strings.IndexByte(line, '"'); i >= 0 {
		return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(strings.TrimSuffix(line[i+1:], `")`))
	}
	return ""
}

// wellFormed says what is wrong with the parentheses and strings of a response.
func wellFormed(line string) string {
	depth := 0
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth < 0 {
				return fmt.Sprintf("a ) too many at %d", i)
			}
		case '"':
			for i++; i < len(line) && line[i] != '"'; i++ {
				if line[i] == '\\' {
					i++
				}
				if i < len(line) && (line[i] == 0 || line[i] == '\r' || line[i] == '\n') {
					return fmt.Sprintf("octet %#x in a quoted string at %d", line[i], i)
				}
			}
		case '{':
			end := strings.Index(line[i:], "}\r\n")
			if end < 0 {
				return fmt.Sprintf("no literal at %d", i)
			}
			n, err := strconv.Atoi(line[i+1 : i+end])
			if err != nil {
				return fmt.Sprintf("no literal at %d", i)
			}
			i += end + 2 + n
		case 0, '\r', '\n':
			return fmt.Sprintf("octet %#x at %d", line[i], i)
		}
	}
	if depth != 0 {
		return fmt.Sprintf("%d parentheses are not closed", depth)
	}
	return ""
}

// largest sends four messages of nearly the largest size at the same time.
func largest(t *testing.T, s *harness.Service, m *harness.IMAP) {
	const size = 49_900_000
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			c, err := harness.DialSMTP(s.SMTP)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			if err := c.Begin("evil@sender.test", "", []string{s.Accounts[0].Address}); err != nil {
				t.Error(err)
				return
			}
			text := io.MultiReader(strings.NewReader(head+"\r\nLarge.\r\n"), io.LimitReader(&fold{}, size))
			if i%2 == 0 {
				err = c.Data(text)
			} else {
				err = c.Chunks(text, 1<<20)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	if _, err := m.Command("SELECT INBOX"); err != nil {
		t.Fatal(err)
	}
	lines, err := m.Command("FETCH * (BODY.PEEK[TEXT])")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(io.MultiReader(strings.NewReader("Large.\r\n"), io.LimitReader(&fold{}, size)))
	if err != nil {
		t.Fatal(err)
	}
	if text := strings.TrimSuffix(literal(lines[0]), "\r\n"); text != strings.TrimSuffix(string(body), "\r\n") {
		t.Errorf("%d octets are served of %d", len(text), len(body))
	}
}

// tooLarge sends 100 MB, more than the service takes, in every way.
func tooLarge(t *testing.T, s *harness.Service, in *harness.SMTP, m *harness.IMAP) {
	const size = 100_000_000
	to := []string{s.Accounts[0].Address}
	header := func() io.Reader { return io.MultiReader(strings.NewReader("X-Long:"), io.LimitReader(&fold{}, size)) }
	tooLarge := func(how string, err error) {
		t.Helper()
		if !refusedWith(err, "552 5.3.4") || !strings.Contains(err.Error(), "/why/") {
			t.Errorf("%s: %v", how, err)
		}
	}
	tooLarge("SIZE", in.Begin("evil@sender.test", fmt.Sprintf(" SIZE=%d", size), to))
	for _, how := range []string{"DATA", "BDAT"} {
		c, err := harness.DialSMTP(s.SMTP)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Begin("evil@sender.test", "", to); err != nil {
			t.Fatal(err)
		}
		if how == "DATA" {
			tooLarge(how, c.Data(header()))
		} else {
			tooLarge(how, c.Chunks(header(), 1<<20))
		}
		c.Close()
	}
	if _, err := m.Command(fmt.Sprintf("APPEND INBOX {%d}", size)); err == nil || !strings.Contains(err.Error(), "NO [") || !strings.Contains(err.Error(), "/why/") {
		t.Errorf("APPEND: %v", err)
	}
	if _, err := m.Command("NOOP"); err != nil {
		t.Errorf("after a large APPEND was refused: %v", err)
	}
}

// fold is an endless header field, or a body: a line again and again.
type fold struct{ at int }

func (f *fold) Read(p []byte) (int, error) {
	const line = " xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n"
	for n := 0; n < len(p); {
		m := copy(p[n:], line[f.at:])
		n, f.at = n+m, (f.at+m)%len(line)
	}
	return len(p), nil
}

// watchOthers sends, reads and looks as another account until the returned
// function is called, which fails the test if that ever stood still.
func watchOthers(t *testing.T, s *harness.Service) (end func()) {
	t.Helper()
	const longest = 5 * time.Second // far above what is normal: only a standstill shall fail
	m, err := s.DialIMAP(s.Accounts[1])
	if err != nil {
		t.Fatal(err)
	}
	stop, ended := make(chan struct{}), make(chan struct{})
	var worst time.Duration
	var failed error
	rounds := 0
	once := func() error {
		c, err := harness.DialSMTP(s.SMTP)
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.Send("friend@sender.test", []string{s.Accounts[1].Address}, letter("other@test", 500)); err != nil {
			return err
		}
		for _, command := range []string{"SELECT INBOX", "FETCH * (FLAGS ENVELOPE BODY.PEEK[])", `STORE * +FLAGS.SILENT (\Deleted)`, "EXPUNGE"} {
			if _, err := m.Command(command); err != nil {
				return err
			}
		}
		return nil
	}
	go func() {
		defer close(ended)
		defer m.Close()
		for failed == nil {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
			begun := time.Now()
			failed = once()
			worst = max(worst, time.Since(begun))
			rounds++
		}
	}()
	return func() {
		t.Helper()
		close(stop)
		<-ended
		t.Logf("others were served %d times, the slowest in %v", rounds, worst.Round(time.Millisecond))
		if failed != nil || worst > longest || rounds == 0 {
			t.Errorf("others: %d rounds, the slowest took %v, %v", rounds, worst, failed)
		}
	}
}

// memoryPeak is the most memory, in kB, that the service has ever taken.
func memoryPeak(t *testing.T, s *harness.Service) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.PID))
	if err != nil {
		t.Fatal(err)
	}
	kB, err := strconv.Atoi(first(peakPattern, string(status)))
	if err != nil {
		t.Fatalf("no VmHWM in %s", status)
	}
	return kB
}
