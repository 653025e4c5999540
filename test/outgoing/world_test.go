// Package outgoing runs the real program between a DNS and another server of its own, and looks at what
// comes out of it.
package outgoing

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/smtp"
	"net/textproto"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/postiljon/postiljon/internal/lab/ca"
	"github.com/postiljon/postiljon/internal/lab/names"
	"github.com/postiljon/postiljon/internal/lab/real"
	"github.com/postiljon/postiljon/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

const password = "correct-horse-7"

// world is Postiljon for own.example, with anna@own.example, and a server of far.example.
type world struct {
	t      *testing.T
	in     *names.Internet
	dns    *names.Server
	p      *real.Postiljon
	smtp   string // where it takes mail
	submit string // where it takes submissions
	tls    *tls.Config
	far    *sink
}

// Addresses on loopback that stand for machines on the Internet.
const (
	ownAddress = "127.71.0.1"
	farAddress = "127.71.0.2"
)

func newWorld(t *testing.T) *world {
	t.Helper()
	in, err := names.New(time.Now, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(in.Close)
	w := &world{t: t, in: in}
	if w.dns, err = names.Serve(in.Resolver("r")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.dns.Close() })
	w.host("mx.own.example", ownAddress)
	w.host("mx.far.example", farAddress)
	in.Zone("far.example").Add("far.example. 60 IN MX 10 mx.far.example.", `far.example. 60 IN TXT "v=spf1 ip4:127.0.0.0/8 -all"`)
	w.far = newSink(t)
	w.start()
	return w
}

func (w *world) host(name, addr string) {
	w.t.Helper()
	if err := w.in.AddHost(name, netip.MustParseAddr(addr)); err != nil {
		w.t.Fatal(err)
	}
}

// start starts Postiljon; it sends to other servers at the port of the sink.
func (w *world) start() {
	w.t.Helper()
	authority, err := ca.New("Test", time.Now)
	if err != nil {
		w.t.Fatal(err)
	}
	cert, err := authority.Issue([]string{"mx.own.example"})
	if err != nil {
		w.t.Fatal(err)
	}
	w.tls = &tls.Config{RootCAs: authority.Pool(), ServerName: "mx.own.example"}
	sockets := map[string][]*net.TCPListener{}
	for _, service := range []string{"smtp", "submission"} {
		l, err := net.Listen("tcp", ownAddress+":0")
		if err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(func() { l.Close() })
		sockets[service] = []*net.TCPListener{l.(*net.TCPListener)}
	}
	w.smtp, w.submit = sockets["smtp"][0].Addr().String(), sockets["submission"][0].Addr().String()
	dir, err := os.MkdirTemp("", "out-")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { os.RemoveAll(dir) })
	w.p, err = real.StartPostiljon(real.PostiljonOptions{
		Binary: harness.Binary(w.t), Dir: dir, Domain: "own.example", Hostname: "mx.own.example", Certificate: cert,
		Sockets: sockets, Resolver: w.dns.UDP, Config: fmt.Sprintf("port = %d\n[inbound]\ntrusted = []\n[junk]\ngreylist_delay = \"0s\"\n", w.far.port()),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := w.p.Close(); err != nil {
			w.t.Error(err)
		}
		if w.t.Failed() {
			w.t.Log(w.p.Log())
		}
	})
	if err := w.p.AddAccount("anna@own.example", password); err != nil {
		w.t.Fatal(err)
	}
}

// command runs the command line, which must do well.
func (w *world) command(args ...string) string {
	w.t.Helper()
	out, err := w.p.Command(args...)
	if err != nil {
		w.t.Fatalf("%v\n%s", err, out)
	}
	return out
}

// publish puts the records that postiljon dns shows into the DNS.
func (w *world) publish(domain string) {
	w.t.Helper()
	var all []struct{ Name, Type, Value string }
	if err := json.Unmarshal([]byte(w.command("dns", domain, "--json")), &all); err != nil {
		w.t.Fatal(err)
	}
	for _, r := range all {
		value := r.Value
		if r.Type == "TXT" {
			value = ""
			for rest := r.Value; rest != ""; {
				n := min(len(rest), 255)
				value += ` "` + rest[:n] + `"`
				rest = rest[n:]
			}
		}
		w.in.Zone(domain).Add(r.Name + " 60 IN " + r.Type + " " + value)
	}
}

// lookup answers as the DNS of the world does.
func (w *world) lookup(name string) ([]string, error) {
	var all []struct{ Name, Type, Value string }
	if err := json.Unmarshal([]byte(w.command("dns", "own.example", "--json")), &all); err != nil {
		return nil, err
	}
	for _, r := range all {
		if r.Type == "TXT" && strings.TrimSuffix(r.Name, ".") == strings.TrimSuffix(name, ".") {
			return []string{r.Value}, nil
		}
	}
	return nil, fmt.Errorf("no record at %s", name)
}

// submission is a session of anna, signed in.
func (w *world) submission() *smtp.Client {
	w.t.Helper()
	c, err := smtp.Dial(w.submit)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	if err := c.StartTLS(w.tls); err != nil {
		w.t.Fatal(err)
	}
	if err := c.Auth(smtp.PlainAuth("", "anna@own.example", password, ownAddress)); err != nil {
		w.t.Fatal(err)
	}
	return c
}

// incoming is a session of another server.
func (w *world) incoming() *smtp.Client {
	w.t.Helper()
	c, err := smtp.Dial(w.smtp)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	if err := c.Hello("mx.far.example"); err != nil {
		w.t.Fatal(err)
	}
	return c
}

// send gives a message to a session.
func (w *world) send(c *smtp.Client, from, to, text string) {
	w.t.Helper()
	err := c.Mail(from)
	if err == nil {
		err = c.Rcpt(to)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	d, err := c.Data()
	if err != nil {
		w.t.Fatal(err)
	}
	io.WriteString(d, text)
	if err := d.Close(); err != nil {
		w.t.Fatal(err)
	}
}

// refused asks for a recipient and returns the reply, which must refuse.
func (w *world) refused(from, to, params string) string {
	w.t.Helper()
	c := w.submission()
	id, err := c.Text.Cmd("MAIL FROM:<%s>%s", from, params)
	if err == nil {
		c.Text.StartResponse(id)
		_, _, err = c.Text.ReadResponse(250)
		c.Text.EndResponse(id)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	if err = c.Rcpt(to); err == nil {
		w.t.Fatalf("%s is taken", to)
	}
	return replyOf(err)
}

// replyOf is the reply that an error of a session holds.
func replyOf(err error) string {
	if e, ok := errors.AsType[*textproto.Error](err); ok {
		return fmt.Sprintf("%d %s", e.Code, e.Msg)
	}
	return fmt.Sprint(err)
}

// message is one that the sink got.
type message struct {
	from, to string
	text     []byte
}

// sink is the server of far.example. It takes messages up to sinkSize.
type sink struct {
	listener net.Listener
	got      chan message
}

const sinkSize = 20_000

func newSink(t *testing.T) *sink {
	t.Helper()
	l, err := net.Listen("tcp", farAddress+":0")
	if err != nil {
		t.Fatal(err)
	}
	s := &sink{listener: l, got: make(chan message, 100)}
	server := gosmtp.NewServer(gosmtp.BackendFunc(func(*gosmtp.Conn) (gosmtp.Session, error) { return &sinkSession{sink: s}, nil }))
	server.Domain, server.MaxMessageBytes, server.MaxLineLength = "mx.far.example", sinkSize, 4000
	var done sync.WaitGroup
	done.Go(func() { server.Serve(l) })
	t.Cleanup(func() {
		server.Close()
		done.Wait()
	})
	return s
}

func (s *sink) port() int { return s.listener.Addr().(*net.TCPAddr).Port }

// next is the next message that comes.
func (s *sink) next(t *testing.T) message {
	t.Helper()
	select {
	case m := <-s.got:
		return m
	case <-time.After(20 * time.Second):
		t.Fatal("no message came")
		return message{}
	}
}

type sinkSession struct {
	*sink
	message
}

func (s *sinkSession) Mail(from string, _ *gosmtp.MailOptions) error { s.from = from; return nil }
func (s *sinkSession) Rcpt(to string, _ *gosmtp.RcptOptions) error   { s.to = to; return nil }
func (s *sinkSession) Trace() string                                 { return "" }
func (s *sinkSession) Reset()                                        { s.message = message{} }
func (s *sinkSession) Logout() error                                 { return nil }
func (s *sinkSession) Data(r io.Reader) error {
	var b bytes.Buffer
	if _, err := io.Copy(&b, r); err != nil {
		return err
	}
	s.text = b.Bytes()
	s.got <- s.message
	return nil
}
