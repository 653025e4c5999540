package smtpd

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/smtp"
	"strings"
	"testing"
	"time"

	gosasl "github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"
	"github.com/xdg-go/scram"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/certs/certstest"
	"github.com/postiljon/postiljon/internal/sasl"
)

// talker is a client that sends lines and reads replies.
type talker struct {
	testing.TB
	net.Conn
	r *bufio.Reader
}

func (f *fixture) talk(t testing.TB) *talker {
	c := f.dial(t)
	k := &talker{t, c, bufio.NewReader(c)}
	k.hear("220")
	return k
}

func (k *talker) say(text string) {
	k.Helper()
	if _, err := io.WriteString(k.Conn, text); err != nil {
		k.Fatal(err)
	}
}

// hear reads one reply, which begins with code, and returns its last line.
func (k *talker) hear(code string) string {
	k.Helper()
	for {
		line, err := k.r.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, code) {
			k.Fatalf("want %s, have %q, %v", code, line, err)
		}
		if line[3] == ' ' {
			return strings.TrimSuffix(line, "\r\n")
		}
	}
}

func (k *talker) hearEnd() {
	k.Helper()
	if n, err := k.r.Read(make([]byte, 1)); n > 0 || err == nil {
		k.Fatal("the connection is open")
	}
}

// upTo354 begins a message.
func (k *talker) upTo354() {
	k.Helper()
	k.say("HELO client.example.net\r\nMAIL FROM:<bo@example.net>\r\nRCPT TO:<anna@example.org>\r\nDATA\r\n")
	k.hear("250")
	k.hear("250")
	k.hear("250")
	k.hear("354")
}

func TestNewWantsWhatItNeeds(t *testing.T) {
	catalogue, err := loadCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	good := Options{Hostname: hostname, Replies: catalogue, Backend: sink{}}
	for name, break_ := range map[string]func(o *Options){
		"host name":  func(o *Options) { o.Hostname = "" },
		"replies":    func(o *Options) { o.Replies = nil },
		"backend":    func(o *Options) { o.Backend = nil },
		"recipients": func(o *Options) { o.Limits.Recipients = 99 },
	} {
		o := good
		if break_(&o); func() bool { _, err := New(o); return err == nil }() {
			t.Errorf("without %s it works", name)
		}
	}
	s, err := New(good)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if s.Serve(t.Context(), l, ListenerOptions{ImplicitTLS: true}) == nil {
		t.Error("implicit TLS without a config works")
	}
}

func TestShutdownIdle(t *testing.T) {
	f := newFixture(t, &backend{}, Options{}, ListenerOptions{Name: "test"}, false)
	idle, begun := f.talk(t), f.talk(t)
	begun.say("HELO client.example.net\r\nMAIL FROM:<bo@example.net>\r\n")
	begun.hear("250")
	begun.hear("250")
	if err := f.server.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, k := range []*talker{idle, begun} {
		k.hear("421 4.3.2")
		k.hearEnd()
	}
	if c, err := net.Dial("tcp", f.address); err == nil {
		c.Close()
		t.Error("the listener is open")
	}
}

// TestShutdownFinishes: a message whose end has come is answered, and one on its way may come.
func TestShutdownFinishes(t *testing.T) {
	b := &backend{inside: make(chan struct{}), commit: make(chan struct{})}
	f := newFixture(t, b, Options{}, ListenerOptions{Name: "test"}, false)
	ended, underWay := f.talk(t), f.talk(t)
	ended.upTo354()
	underWay.upTo354()
	ended.say("one\r\n.\r\nNOOP\r\n")
	<-b.inside
	underWay.say("half\r\n")
	stopped := make(chan error)
	go func() { stopped <- f.server.Shutdown(context.Background()) }()
	<-f.server.conns.Stopping()
	b.commit <- struct{}{}
	ended.hear("250 2.0.0 Ok: kept as t1")
	ended.hear("250 2.0.0 Ok") // it was sent before the stop was told
	ended.hear("421 4.3.2")
	underWay.say("two\r\n.\r\n")
	<-b.inside
	b.commit <- struct{}{}
	underWay.hear("250 2.0.0 Ok: kept as t1")
	underWay.hear("421 4.3.2")
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
}

// TestShutdownIsBounded: who does not come to an end is cut off.
func TestShutdownIsBounded(t *testing.T) {
	f := newFixture(t, &backend{}, Options{}, ListenerOptions{Name: "test"}, false)
	k := f.talk(t)
	k.upTo354()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := f.server.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v", err)
	}
	k.hearEnd()
	if events := f.backend.take(); events[len(events)-1] != "close lost" {
		t.Errorf("%q", events)
	}
}

func TestServeEndsWithContext(t *testing.T) {
	f := newFixture(t, &backend{}, Options{}, ListenerOptions{Name: "test"}, false)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- f.server.Serve(ctx, l, ListenerOptions{Name: "second"}) }()
	f.address = l.Addr().String()
	k := f.talk(t)
	cancel()
	if err := <-served; err != nil {
		t.Fatal(err)
	}
	k.say("NOOP\r\n") // sessions go on
	k.hear("250")
}

func TestTimeouts(t *testing.T) {
	f := newFixture(t, &backend{}, Options{Timeouts: Timeouts{Command: 20 * time.Millisecond, Block: 20 * time.Millisecond}}, ListenerOptions{Name: "test"}, false)
	silent := f.talk(t)
	silent.hear("421 4.4.2")
	silent.hearEnd()

	// Drops do not keep a connection: a command has so long, however many parts it comes in. The
	// write may fail once the server has gone.
	slow := f.talk(t)
	go func() {
		for range 1000 {
			if _, err := io.WriteString(slow.Conn, "N"); err != nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	slow.hear("421 4.4.2")
	slow.Close()

	stuck := f.talk(t)
	stuck.upTo354()
	stuck.say("half\r\n")
	stuck.hear("421 4.4.2")
	stuck.hearEnd()
}

func TestTooManyConnections(t *testing.T) {
	f := newFixture(t, &backend{}, Options{Limits: Limits{Connections: 1}}, ListenerOptions{Name: "test"}, false)
	k := f.talk(t)
	c := f.dial(t)
	second := &talker{t, c, bufio.NewReader(c)}
	second.hear("421 4.4.5")
	second.hearEnd()
	k.say("QUIT\r\n")
	k.hear("221")
}

// opener is a backend that tells how many connections are open from the client.
type opener struct {
	sink
	open chan int
}

func (o opener) NewSession(ctx context.Context, c *Conn) (Session, cause.Decision) {
	o.open <- c.Open
	return o.sink.NewSession(ctx, c)
}

func TestOpenIsCounted(t *testing.T) {
	o := opener{open: make(chan int, 10)}
	f := newFixture(t, nil, Options{Backend: o}, ListenerOptions{Name: "test"}, false)
	one := f.talk(t)
	f.talk(t)
	if a, b := <-o.open, <-o.open; a != 1 || b != 2 {
		t.Errorf("%d and %d open", a, b)
	}
	one.say("QUIT\r\n")
	one.hear("221")
	for range 200 { // until the server has noticed
		f.talk(t).Close()
		if n := <-o.open; n == 2 {
			return
		}
		time.Sleep(10 * time.Millisecond) // on a machine that is busy, those of this loop would add up
	}
	t.Error("a connection that ended is still counted")
}

func TestClientPrefix(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.7":           "192.0.2.7",
		"2001:db8:1:2:3::4":   "2001:db8:1:2::",
		"fe80::1%lo":          "fe80::",
		"2001:db8:1:2:ffff::": "2001:db8:1:2::",
	} {
		if got := clientOf(netip.MustParseAddr(address)); got.String() != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}

func TestSetTLS(t *testing.T) {
	f := newFixture(t, &backend{}, Options{}, ListenerOptions{Name: "test"}, false)
	before := f.talk(t)
	server, client := certstest.TLS(t, "localhost")
	f.server.SetTLS(server)
	before.say("EHLO client.example.net\r\nSTARTTLS\r\n")
	before.hear("250")
	before.hear("220")
	c := tls.Client(before.Conn, client) // which trusts the new certificate alone
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
}

// TestEarlyTalkIsSeen: without waiting for it, too.
func TestEarlyTalkIsSeen(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if readable(server) {
		t.Error("readable before anything was sent")
	}
	io.WriteString(client, "EHLO")
	for range 500 {
		if readable(server) {
			got := make([]byte, 4)
			if _, err := io.ReadFull(server, got); err != nil || string(got) != "EHLO" {
				t.Errorf("%q, %v", got, err)
			}
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("not readable")
}

func TestScram(t *testing.T) {
	secret, err := sasl.NewScramSecret(password, 4096)
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, &backend{auth: true, secret: secret}, Options{}, ListenerOptions{Name: "test", ImplicitTLS: true}, false)
	tests := []struct{ mechanism, user, password, want string }{
		{sasl.ScramSHA256, "anna", password, "235"},
		{sasl.ScramSHA256Plus, "anna", password, "235"},
		{sasl.ScramSHA256Plus, "anna", "fel", "535 5.7.8"},
		{sasl.ScramSHA256, "nobody", password, "535 5.7.8"},
	}
	for _, tt := range tests {
		c := tls.Client(f.dial(t), f.client)
		k := &talker{t, c, bufio.NewReader(c)}
		k.hear("220")
		k.say("EHLO client.example.net\r\n")
		k.hear("250")
		client, err := scram.SHA256.NewClient(tt.user, tt.password, "")
		if err != nil {
			t.Fatal(err)
		}
		conversation := client.NewConversation()
		if tt.mechanism == sasl.ScramSHA256Plus {
			state := c.ConnectionState()
			binding, err := scram.NewTLSExporterBinding(&state)
			if err != nil {
				t.Fatal(err)
			}
			conversation = client.NewConversationWithChannelBinding(binding)
		}
		response, err := conversation.Step("")
		if err != nil {
			t.Fatal(err)
		}
		k.say("AUTH " + tt.mechanism + " " + encode(response) + "\r\n")
		response, err = conversation.Step(decode(t, k.hear("334")))
		if err != nil {
			t.Fatal(err)
		}
		k.say(encode(response) + "\r\n")
		if tt.want == "235" {
			if _, err = conversation.Step(decode(t, k.hear("334"))); err != nil || !conversation.Valid() {
				t.Errorf("%v: the client does not trust the server: %v", tt, err)
			}
			k.say("\r\n")
		}
		k.hear(tt.want)
	}
}

func encode(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func decode(t *testing.T, line string) string {
	_, text, _ := strings.Cut(line, " ")
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestNetSMTP(t *testing.T) {
	f := newFixture(t, &backend{auth: true}, Options{}, ListenerOptions{Name: "test", Submission: true, RequireAuth: true}, false)
	c, err := smtp.NewClient(f.dial(t), "localhost")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := errors.Join(
		c.StartTLS(f.client),
		c.Auth(smtp.PlainAuth("", "anna", password, "localhost")),
		c.Mail("anna@example.org"),
		c.Rcpt("someone@example.com"),
	); err != nil {
		t.Fatal(err)
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(w, "Subject: hej\n\n.dot\n")
	if err := errors.Join(w.Close(), c.Quit()); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(f.backend.take(), "\n"); !strings.Contains(got, `commit "Subject: hej\r\n\r\n.dot\r\n"`) {
		t.Error(got)
	}
}

func TestGoSMTP(t *testing.T) {
	f := newFixture(t, &backend{auth: true}, Options{}, ListenerOptions{Name: "test", Submission: true, RequireAuth: true, ImplicitTLS: true}, false)
	c := gosmtp.NewClient(tls.Client(f.dial(t), f.client))
	defer c.Close()
	if err := c.Auth(gosasl.NewPlainClient("", "anna", password)); err != nil {
		t.Fatal(err)
	}
	if size, ok := c.MaxMessageSize(); !ok || size != 50<<20 {
		t.Errorf("SIZE %d, %v", size, ok)
	}
	big := strings.Repeat(strings.Repeat("x", 70)+"\r\n", 20000)
	options := &gosmtp.MailOptions{UTF8: true, Body: gosmtp.Body8BitMIME, RequireTLS: true, Return: gosmtp.DSNReturnHeaders, EnvelopeID: "a+b", Size: int64(len(big))}
	if err := c.Mail("åsa@example.org", options); err != nil {
		t.Fatal(err)
	}
	if err := c.Rcpt("someone@example.com", &gosmtp.RcptOptions{Notify: []gosmtp.DSNNotify{gosmtp.DSNNotifySuccess}, OriginalRecipientType: gosmtp.DSNAddressTypeUTF8, OriginalRecipient: "ö@example.com"}); err != nil {
		t.Fatal(err)
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, big); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close(), c.Quit()); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(f.backend.take(), "\n")
	for _, want := range []string{
		fmt.Sprintf("mail <åsa@example.org> with UTF8SMTPSA size=%d 8bit requiretls ret=HDRS envid=a+b", len(big)),
		"rcpt <someone@example.com> notify=2 orcpt=UTF-8;ö@example.com",
		fmt.Sprintf("commit %q", big),
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %.100q in %.500q", want, got)
		}
	}
}

// counter is a Metrics that writes down what it is told.
type counter struct{ told chan string }

func (c counter) Opened(l string)               { c.told <- "opened " + l }
func (c counter) Closed(l string, r Reason)     { c.told <- "closed " + l + " " + string(r) }
func (c counter) Accepted(l string, n int64)    { c.told <- fmt.Sprintf("accepted %s %d", l, n) }
func (c counter) Refused(l string, id cause.ID) { c.told <- "refused " + l + " " + string(id) }

func TestMetrics(t *testing.T) {
	m := counter{make(chan string, 10)}
	f := newFixture(t, &backend{}, Options{Metrics: m}, ListenerOptions{Name: "mx"}, false)
	k := f.talk(t)
	k.upTo354()
	k.say("12345678\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<disabled@example.org>\r\nQUIT\r\n")
	k.hear("250")
	k.hear("250")
	k.hear("550")
	k.hear("221")
	for _, want := range []string{"opened mx", "accepted mx 10", "refused mx account.mail-disabled", "closed mx quit"} {
		if got := <-m.told; got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	}
}

// TestLargeMessageIsNotKept: the server hands on what comes, in parts no larger than its buffer.
func TestLargeMessageIsNotKept(t *testing.T) {
	p := &parts{}
	f := newFixture(t, nil, Options{Backend: p, Limits: Limits{Line: 64 << 20}}, ListenerOptions{Name: "test"}, false)
	for _, how := range []string{"DATA", "BDAT"} {
		p.largest, p.total = 0, 0
		k := f.talk(t)
		k.say("EHLO client.example.net\r\nMAIL FROM:<>\r\nRCPT TO:<anna@example.org>\r\n")
		k.hear("250")
		k.hear("250")
		k.hear("250")
		const size = 8 << 20
		line := strings.Repeat("x", size-2) + "\r\n" // one line
		if how == "DATA" {
			k.say("DATA\r\n")
			k.hear("354")
			k.say(line + ".\r\n")
		} else {
			k.say(fmt.Sprintf("BDAT %d LAST\r\n%s", size, line))
		}
		k.hear("250")
		if p.total != size || p.largest > largeInput {
			t.Errorf("%s: %d octets, up to %d at once", how, p.total, p.largest)
		}
	}
}

// parts is a backend that measures what it is given at once. The client waits for each reply, so
// that no lock is needed.
type parts struct {
	sink
	largest, total int
}

func (p *parts) NewSession(context.Context, *Conn) (Session, cause.Decision) {
	return p, cause.Allow()
}
func (p *parts) Data(context.Context) (Message, cause.Decision) { return p, cause.Allow() }
func (p *parts) Write(b []byte) (int, error) {
	p.largest, p.total = max(p.largest, len(b)), p.total+len(b)
	return len(b), nil
}
