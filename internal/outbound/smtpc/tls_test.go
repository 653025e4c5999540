package smtpc

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/postiljon/postiljon/internal/certs/certstest"
)

// receiver is a server of another make.
type receiver struct {
	mu       sync.Mutex
	messages []received
}

type received struct {
	from string
	to   []string
	body []byte
	opts smtp.MailOptions
}

type receiverSession struct {
	r   *receiver
	now received
}

func (r *receiver) NewSession(*smtp.Conn) (smtp.Session, error) { return &receiverSession{r: r}, nil }
func (s *receiverSession) Trace() string                        { return "" }
func (s *receiverSession) Reset()                               { s.now = received{} }
func (s *receiverSession) Logout() error                        { return nil }
func (s *receiverSession) Mail(from string, o *smtp.MailOptions) error {
	s.now.from, s.now.opts = from, *o
	return nil
}

func (s *receiverSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if strings.HasPrefix(to, "nobody") {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
	}
	s.now.to = append(s.now.to, to)
	return nil
}

func (s *receiverSession) Data(r io.Reader) (err error) {
	s.now.body, err = io.ReadAll(r)
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	s.r.messages = append(s.r.messages, s.now)
	return err
}

func serve(t testing.TB, cert *tls.Certificate) (*receiver, string) {
	t.Helper()
	r := &receiver{}
	s := smtp.NewServer(r)
	s.Domain, s.EnableSMTPUTF8, s.EnableREQUIRETLS, s.EnableBINARYMIME, s.EnableDSN = "mx.example", true, true, true, true
	s.MaxMessageBytes = 10 << 20
	s.ErrorLog = quiet{}
	if cert != nil {
		s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*cert}}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }() // ends with an error by Close
	t.Cleanup(func() { _ = s.Close(); <-done })
	return r, l.Addr().String()
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

func dial(t testing.TB, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestSendToServer(t *testing.T) {
	cert, pool := certstest.New(t, "mx.example")
	r, addr := serve(t, &cert)
	c, err := New(t.Context(), dial(t, addr), Options{
		Hostname: "us.example", ServerName: "mx.example", TLSConfig: &tls.Config{RootCAs: pool},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Quit()
	if state, unproven := c.TLS(); state == nil || unproven != nil {
		t.Fatalf("TLS %v, %v", state, unproven)
	}
	large := bytes.Repeat([]byte("A line.\r\n.\r\n..\r\n"), 20_000)
	for _, content := range [][]byte{[]byte("Subject: hi\r\n\r\n.\r\n"), large, {}} {
		m := &Message{From: "s@us.example", Size: int64(len(content)), Content: bytes.NewReader(content), RequireTLS: true,
			Recipients: []Recipient{{To: "a@example.org"}, {To: "nobody@example.org"}, {To: "c@example.org"}}}
		answers, err := c.Send(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		if !answers[0].Accepted || answers[1].Reply.Code != 550 || !answers[2].Accepted {
			t.Fatalf("answers %s", describe(answers))
		}
		r.mu.Lock()
		got := r.messages[len(r.messages)-1]
		r.mu.Unlock()
		if !bytes.Equal(got.body, content) || len(got.to) != 2 || got.from != "s@us.example" || !got.opts.RequireTLS {
			t.Fatalf("received %d octets for %v", len(got.body), got.to)
		}
	}
}

func TestUnverified(t *testing.T) {
	cert, pool := certstest.New(t, "other.example")
	_, addr := serve(t, &cert)
	c, err := New(t.Context(), dial(t, addr), Options{
		Hostname: "us.example", ServerName: "mx.example", TLSConfig: &tls.Config{RootCAs: pool},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Quit()
	state, unproven := c.TLS()
	if state == nil || unproven == nil {
		t.Fatalf("TLS %v, %v", state, unproven)
	}
	m := &Message{Recipients: []Recipient{{To: "a@example.org"}}, RequireTLS: true}
	if _, err := c.Send(t.Context(), m); !errors.Is(err, ErrNeedsRequireTLS) {
		t.Fatalf("error %v", err)
	}
}

func TestStartTLSBroken(t *testing.T) {
	const start = "S: 220 hi\nC: ...\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\n"
	t.Run("refused", func(t *testing.T) {
		c, err := New(t.Context(), dialogue(t, start+"S: 454 4.7.0 no certificate\nC: QUIT\nS: 221 bye"), Options{Hostname: "us.example"})
		if err != nil {
			t.Fatal(err)
		}
		if state, _ := c.TLS(); state != nil {
			t.Error("TLS is on")
		}
		c.Quit()
	})
	t.Run("injection", func(t *testing.T) {
		server, client := net.Pipe()
		go func() {
			_ = play(server, strings.TrimSuffix(start, "\n"))
		}()
		// The answer and what follows it come in one piece.
		go func() {
			time.Sleep(20 * time.Millisecond)
			_, _ = server.Write([]byte("220 go\r\n250 injected\r\n"))
		}()
		_, err := New(t.Context(), client, Options{Hostname: "us.example"})
		if !errors.Is(err, errInjected) {
			t.Fatalf("error %v", err)
		}
		_ = server.Close()
	})
	t.Run("handshake", func(t *testing.T) {
		server, client := net.Pipe()
		go func() {
			_ = play(server, start+"S: 220 go\nC: ...")
			_ = server.Close()
		}()
		go func() { time.Sleep(50 * time.Millisecond); _ = server.Close() }()
		_, err := New(t.Context(), client, Options{Hostname: "us.example"})
		var e *Error
		if !errors.As(err, &e) || e.Stage != StageStartTLS || e.Reply.Code != 0 {
			t.Fatalf("error %v", err)
		}
	})
}

// BenchmarkSend gives small messages to a server that answers by rote.
func BenchmarkSend(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	content := bytes.Repeat([]byte("A line of a message as it is usually written, of 70 octets or so.....\r\n"), 57)
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		room := make([]byte, 64<<10)
		_, _ = conn.Write([]byte("220 hi\r\n"))
		_, _ = conn.Read(room)
		_, _ = conn.Write([]byte("250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n"))
		for got := 0; ; {
			n, err := conn.Read(room)
			if err != nil {
				return
			}
			// An exchange has a known length.
			if got += n; got >= len(content)+len("MAIL FROM:<s@us.example>\r\nRCPT TO:<a@example.org>\r\nBDAT 4047 LAST\r\n") {
				got = 0
				_, _ = conn.Write([]byte("250 ok\r\n250 ok\r\n250 kept\r\n"))
			}
		}
	}()
	c, err := New(b.Context(), dial(b, l.Addr().String()), Options{Hostname: "us.example"})
	if err != nil {
		b.Fatal(err)
	}
	m := &Message{From: "s@us.example", Recipients: []Recipient{{To: "a@example.org"}}, Size: int64(len(content)), Content: bytes.NewReader(content)}
	b.ReportAllocs()
	for b.Loop() {
		if answers, err := c.Send(b.Context(), m); err != nil || !answers[0].Accepted {
			b.Fatal(err)
		}
	}
	c.abandon()
	_ = l.Close()
	<-done
}

// TestPolicies: sessions that must be encrypted, or whose server must prove itself.
func TestPolicies(t *testing.T) {
	cert, pool := certstest.New(t, "mx.example")
	_, secure := serve(t, &cert)
	_, clear := serve(t, nil)
	refuse := errors.New("not to my taste")
	tests := []struct {
		name, addr string
		options    Options
		err        error
	}{
		{"proven", secure, Options{ServerName: "mx.example", Authenticate: true}, nil},
		{"encrypted", secure, Options{ServerName: "other.example", Encrypt: true}, nil},
		{"in the clear", clear, Options{ServerName: "mx.example"}, nil},
		{"another judge", secure, Options{ServerName: "other.example", Authenticate: true, Verify: func(*tls.ConnectionState) error { return nil }}, nil},
		{"another judge refuses", secure, Options{ServerName: "mx.example", Authenticate: true, Verify: func(*tls.ConnectionState) error { return refuse }}, refuse},
		{"another name", secure, Options{ServerName: "other.example", Authenticate: true}, x509.HostnameError{}},
		{"no STARTTLS", clear, Options{ServerName: "mx.example", Encrypt: true}, ErrNoStartTLS},
		{"no STARTTLS to prove with", clear, Options{ServerName: "mx.example", Authenticate: true}, ErrNoStartTLS},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.options.Hostname, test.options.TLSConfig = "us.example", &tls.Config{RootCAs: pool}
			c, err := New(t.Context(), dial(t, test.addr), test.options)
			if err == nil {
				c.Quit()
			}
			var host x509.HostnameError
			if _, wanted := test.err.(x509.HostnameError); wanted && errors.As(err, &host) {
				return
			}
			var e *Error
			if !errors.Is(err, test.err) || err != nil && (!errors.As(err, &e) || e.Stage != StageStartTLS) {
				t.Errorf("%v instead of %v", err, test.err)
			}
		})
	}
	t.Run("refused", func(t *testing.T) {
		const script = "S: 220 hi\nC: ...\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 454 4.7.0 no certificate"
		if _, err := New(t.Context(), dialogue(t, script), Options{Hostname: "us.example", Encrypt: true}); !errors.Is(err, ErrNoStartTLS) {
			t.Errorf("%v", err)
		}
	})
}
