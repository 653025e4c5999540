// Package doctor_test lets the doctor look at real servers: Postiljon itself, and
// Debian's Dovecot and Postfix, with accounts in every state that they know.
package doctor_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/probe"
	"github.com/postiljon/postiljon/internal/lab"
	"github.com/postiljon/postiljon/internal/settings"
	"github.com/postiljon/postiljon/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

const (
	password = "tusen takk 17"
	step     = 3 * time.Second
	patience = 20 * time.Second // for one answer of a server
)

// scene is something that is wrong with an account at a real server.
type scene struct {
	name    string
	account string                                       // before the @
	make    func(t *testing.T, b *bench, c *doctor.Case) // may be nil
	want    []cause.ID
	state   doctor.State // "" is Proven, and Healthy where nothing is wanted
}

// bench is a world with a server and what looks at it.
type bench struct {
	world  *lab.World
	domain string
	env    probe.Env
	doctor *doctor.Doctor
}

// newBench looks from home at a domain; another provider is there to compare with.
func newBench(t *testing.T, w *lab.World, domain string) *bench {
	t.Helper()
	table, err := settings.Load()
	if err != nil {
		t.Fatal(err)
	}
	home := w.Home()
	book, err := dialect.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	catalogue, err := cause.Load()
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{world: w, domain: domain}
	b.env = probe.Env{
		Table: table, Book: book.WithClock(home.Now), Dialer: home, Roots: home.Roots(), Now: home.Now, Step: step,
		Resolvers: append(home.Resolvers()[:1:1], "192.0.2.4:53"),
		Interfaces: func() (evidence.Interfaces, error) {
			return evidence.Interfaces{Up: 1, RoutesKnown: true, Default4: true, Default6: true}, nil
		},
		Reference: []string{"imap.south.example:993", "smtp.south.example:587", "smtp.south.example:465", "imap.south.example:143"},
	}
	if b.doctor, err = doctor.New(b.env, catalogue); err != nil {
		t.Fatal(err)
	}
	return b
}

// look runs scenes, some at a time, and judges strictly: what is wanted and nothing else.
func (b *bench) look(t *testing.T, scenes []scene) {
	t.Helper()
	var wg sync.WaitGroup
	slots := make(chan struct{}, 4)
	for _, s := range scenes {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			b.judge(t, s)
		})
	}
	wg.Wait()
}

func (b *bench) judge(t *testing.T, s scene) {
	c := doctor.Case{Complaint: evidence.Complaint{Symptom: evidence.AnySymptom, Address: b.at(s.account), Password: password}}
	c.Given = []evidence.Endpoint{
		{Protocol: evidence.IMAP, Host: "imap." + b.domain, Port: 993, Security: evidence.TLS, Origin: evidence.Given},
		{Protocol: evidence.Submission, Host: "smtp." + b.domain, Port: 465, Security: evidence.TLS, Origin: evidence.Given},
	}
	if s.make != nil {
		s.make(t, b, &c)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	r, err := b.doctor.Diagnose(ctx, c)
	if err != nil {
		t.Errorf("%s: %v", s.name, err)
		return
	}
	state := s.state
	switch {
	case state == "" && len(s.want) == 0:
		state = doctor.Healthy
	case state == "":
		state = doctor.Proven
	}
	var told []cause.ID
	for _, found := range slices.Concat(r.Verdict.Causes, r.Verdict.Also) {
		told = append(told, found.ID)
	}
	slices.Sort(told)
	slices.Sort(s.want)
	if r.Verdict.State != state || !slices.Equal(told, s.want) {
		t.Errorf("%s: %s %v, want %s %v; possible %v, unexplained %v", s.name, r.Verdict.State, told, state, s.want, r.Verdict.Possible, r.Verdict.Unexplained)
		for _, f := range r.Facts {
			if strings.HasPrefix(f.Name, "sign-in") || strings.HasPrefix(f.Name, "command") || strings.HasPrefix(f.Name, "quota") {
				t.Logf("%s: %s: %s", s.name, f.Name, f.Raw)
			}
		}
	}
	if r.SignInAttempts.Failed > probe.MaxFailingSignIns {
		t.Errorf("%s: %d sign-ins failed", s.name, r.SignInAttempts.Failed)
	}
}

// at is an address of the domain.
func (b *bench) at(account string) string { return account + "@" + b.domain }

// session is a conversation with a server that stays open until the world ends.
type session struct {
	c net.Conn
	r *bufio.Reader
}

// open connects to a port of the domain, with TLS.
func (b *bench) open(t *testing.T, host string, port int) *session {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	name := host + "." + b.domain
	at := b.world.Host("mail." + b.domain).V4() // the doctor's connections come from the same address
	c, err := b.world.Home().DialContext(ctx, "tcp", fmt.Sprintf("%s:%d", at, port))
	if err != nil {
		t.Fatal(err)
	}
	c = tls.Client(c, b.world.Home().TLS(name))
	b.world.Defer(c)
	return &session{c, bufio.NewReader(c)}
}

// say sends a line, or only listens, and returns what is answered up to a line that begins so.
func (s *session) say(t *testing.T, line string, until ...string) string {
	t.Helper()
	if err := s.c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if line != "" {
		if _, err := io.WriteString(s.c, line+"\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	all := ""
	for range 100 {
		got, err := s.r.ReadString('\n')
		all += got
		if err != nil {
			t.Fatalf("%q: heard %q: %v", line, all, err)
		}
		if slices.ContainsFunc(until, func(u string) bool { return strings.HasPrefix(got, u) }) {
			break
		}
	}
	return all
}

// reads signs an account in with IMAP.
func (b *bench) reads(t *testing.T, account string) *session {
	t.Helper()
	s := b.open(t, "imap", 993)
	s.say(t, "", "* OK")
	s.say(t, fmt.Sprintf("a LOGIN %s %q", b.at(account), password), "a OK")
	return s
}

// fetches signs an account in with POP3.
func (b *bench) fetches(t *testing.T, account string) *session {
	t.Helper()
	s := b.open(t, "pop", 995)
	s.say(t, "", "+OK")
	s.say(t, "USER "+b.at(account), "+OK")
	s.say(t, "PASS "+password, "+OK")
	return s
}

// put appends a message of so many octets to the inbox.
func (b *bench) put(t *testing.T, account string, size int) {
	t.Helper()
	s := b.reads(t, account)
	head := "Subject: pictures\r\n\r\n"
	s.say(t, fmt.Sprintf("b APPEND INBOX {%d}", size), "+")
	s.say(t, head+strings.Repeat("x", size-len(head)), "b OK")
	s.say(t, "c LOGOUT", "c OK")
}

// sends opens a session for sending and signs in.
func (b *bench) sends(t *testing.T, account string) *session {
	t.Helper()
	s := b.open(t, "smtp", 465)
	s.say(t, "", "220 ")
	s.say(t, "EHLO home.example", "250 ")
	s.say(t, "AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00"+b.at(account)+"\x00"+password)), "235")
	return s
}

// mail sends a message and returns the reply that ended it.
func (s *session) mail(t *testing.T, from, to string, header ...string) string {
	t.Helper()
	for _, line := range []string{"MAIL FROM:<" + from + ">", "RCPT TO:<" + to + ">", "DATA"} {
		if got := s.say(t, line, "2", "3", "4", "5"); got[0] > '3' {
			s.say(t, "RSET", "250")
			return strings.TrimSpace(got)
		}
	}
	lines := append(header, "From: <"+from+">", "To: <"+to+">", "Subject: Friday", "", "We meet at noon.", ".")
	return strings.TrimSpace(s.say(t, strings.Join(lines, "\r\n"), "2", "4", "5"))
}

// waits shows a message in the outbox with the error that a server gave.
func waits(c *doctor.Case, said string, to ...string) {
	since := time.Now().Add(-time.Hour)
	c.Client = &evidence.ClientState{Outbox: []evidence.OutboxMessage{{To: to, Subject: "Friday", Size: 4000, Since: &since, LastError: said, Tries: 1}}}
}

// eml is a message of so many octets.
func eml(from, to string, size int) []byte {
	return []byte("From: <" + from + ">\r\nTo: <" + to + ">\r\nSubject: Film\r\nMessage-ID: <1@home.example>\r\n\r\n" + strings.Repeat(strings.Repeat("x", 70)+"\r\n", size/72))
}
