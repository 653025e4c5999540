package inbound_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/inbound"
	"github.com/postiljon/postiljon/internal/protocol/smtpd"
	"github.com/postiljon/postiljon/internal/sasl"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// desk is a policy, journal, queue and reporter whose answers a test chooses
// and whose calls it sees.
type desk struct {
	visits    []string
	mu        sync.Mutex
	events    []store.Event
	queued    []*store.Submission
	reports   []*store.Submission
	sent      int
	sendLimit int // recipients
	full      store.AccountID
	forAWeek  bool // it is full so long that mail for it is not only delayed any more
	closed    bool
}

func (d *desk) Connect(context.Context, *smtpd.Conn) (func(), cause.Decision) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return func() {}, cause.Wait(cause.LimitConnections, time.Time{})
	}
	return func() {}, cause.Allow()
}

func (d *desk) Verifier(*smtpd.Conn) sasl.Verifier { return secret{} }

func (d *desk) Sending(_ context.Context, _ *store.Account, n int) cause.Decision {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.sendLimit > 0 && d.sent+n > d.sendLimit {
		return cause.Wait(cause.LimitAddressHourly, time.Now().Add(time.Hour), cause.Count("limit", int64(d.sendLimit)))
	}
	return cause.Allow()
}

func (d *desk) Send(ctx context.Context, a *store.Account, n int) (func(), cause.Decision) {
	if decision := d.Sending(ctx, a, n); !decision.Allowed() {
		return func() {}, decision
	}
	d.set(func() { d.sent += n })
	return func() { d.set(func() { d.sent -= n }) }, cause.Allow()
}

func (d *desk) Receiving(_ context.Context, a *store.Account, _ int64) cause.Decision {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case a.ID == d.full && d.forAWeek:
		return cause.Refuse(cause.QuotaMailboxFull)
	case a.ID == d.full:
		return cause.Wait(cause.QuotaMailboxFull, time.Time{})
	}
	return cause.Allow()
}

func (d *desk) Record(e store.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, e)
}

func (d *desk) Visit(remote, helo, domain string) {
	d.set(func() { d.visits = append(d.visits, helo+" "+domain) })
}

func (d *desk) Prepare(s *store.Submission) { s.Expires = s.Created.Add(time.Hour) }

func (d *desk) Notify(s *store.Submission) {
	d.set(func() { d.queued = append(d.queued, s) })
}

func (d *desk) Report(_ context.Context, s *store.Submission) error {
	d.set(func() { d.reports = append(d.reports, s) })
	return nil
}

func (d *desk) set(fn func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fn()
}

// secret signs everybody in whose password is "secret".
type secret struct{}

func (secret) Password(_ context.Context, _, user, password string) (sasl.Identity, cause.Decision) {
	if password != "secret" {
		return sasl.Identity{}, cause.Refuse(cause.AuthPasswordWrong)
	}
	return sasl.Identity{Name: user}, cause.Allow()
}

func (secret) Scram(context.Context, string) ([]sasl.ScramSecret, cause.Decision) {
	return nil, cause.Refuse(cause.AuthMechanismMismatch)
}

func (secret) ScramDone(context.Context, string, string, int) (sasl.Identity, cause.Decision) {
	return sasl.Identity{}, cause.Refuse(cause.AuthMechanismMismatch)
}

// service is a real SMTP server over a real store.
type service struct {
	*desk
	store            *store.Store
	backend          *inbound.Backend
	anna, bjorn      store.Account
	mail, submission string // addresses of the listeners
}

func start(t *testing.T, change ...func(*inbound.Options)) *service {
	t.Helper()
	s := &service{desk: &desk{}, store: storetest.Open(t)}
	s.anna = storetest.Account(t, s.store, "anna@demo.test")
	s.bjorn = storetest.Account(t, s.store, "bjorn@demo.test")
	catalogue, err := cause.Load()
	if err != nil {
		t.Fatal(err)
	}
	o := inbound.Options{
		Store: s.store, Policy: s, Journal: s, Queue: s, Hostname: "mx.demo.test",
		MaxSize: 1 << 20, MaxRecipients: 3, MaxHops: 5, Log: slog.New(slog.DiscardHandler),
	}
	for _, fn := range change {
		fn(&o)
	}
	s.backend = inbound.New(o)
	server, err := smtpd.New(smtpd.Options{
		Hostname: "mx.demo.test", Replies: catalogue, Backend: s.backend, Log: slog.New(slog.DiscardHandler),
		SASL: sasl.New(sasl.Options{Plaintext: true}), Limits: smtpd.Limits{Message: 2 << 20},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.mail = listen(t, server, smtpd.ListenerOptions{Name: "smtp"})
	s.submission = listen(t, server, smtpd.ListenerOptions{Name: "submission", Submission: true, RequireAuth: true})
	return s
}

func listen(t *testing.T, server *smtpd.Server, o smtpd.ListenerOptions) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		server.Serve(context.Background(), l, o)
	}()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		server.Shutdown(ctx)
		<-done
	})
	return l.Addr().String()
}

// talk plays a dialogue: lines of the client, each followed by the beginning of
// the reply it expects.
func talk(t *testing.T, addr string, lines ...string) {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	r := bufio.NewReader(c)
	for i, line := range append([]string{"", "220", "EHLO client.test", "250"}, lines...) {
		if i%2 == 0 {
			if line != "" {
				io.WriteString(c, line+"\r\n")
			}
			continue
		}
		reply, err := r.ReadString('\n')
		for err == nil && len(reply) > 3 && reply[3] == '-' {
			reply, err = r.ReadString('\n')
		}
		if err != nil || !strings.HasPrefix(reply, line) {
			t.Fatalf("reply %q, %v; want %q", reply, err, line)
		}
	}
}

const letter = "From: Anna <anna@demo.test>\r\nTo: bjorn@demo.test\r\nSubject: Hej\r\nMessage-ID: <1@demo.test>\r\nDate: Mon, 2 Nov 2026 10:00:00 +0100\r\n\r\nHej\r\n."

// tooLong has a local part that nobody can have (RFC 5321 section 4.5.3.1.1).
var tooLong = strings.Repeat("n", 65) + "@demo.test"

// signIn is AUTH PLAIN of anna@demo.test with the password "secret".
const signIn = "AUTH PLAIN AGFubmFAZGVtby50ZXN0AHNlY3JldA=="

// inbox returns the messages in an account's INBOX.
func (s *service) inbox(t *testing.T, a store.Account) []string {
	t.Helper()
	return s.texts(t, a, store.InboxID)
}

// texts are the messages of a mailbox.
func (s *service) texts(t *testing.T, a store.Account, box store.MailboxID) (texts []string) {
	t.Helper()
	err := s.store.Messages(t.Context(), a.ID, box, uid.All(), func(m *store.Message) error {
		b, err := s.store.ReadBody(t.Context(), nil, &m.Email, 0, m.Email.Size)
		texts = append(texts, string(b))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

// noted returns the kinds and causes of the events, and checks each decision
// against the catalogue.
func (s *service) noted(t *testing.T) (out []string) {
	t.Helper()
	catalogue, err := cause.Load()
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		if err := catalogue.Check(e.Decision()); err != nil {
			t.Error(err)
		}
		out = append(out, fmt.Sprintf("%s %s %s", e.Kind, e.Cause, e.Field("to")))
	}
	return out
}

func want(t *testing.T, what string, got, want any) {
	t.Helper()
	if g, w := fmt.Sprintf("%q", got), fmt.Sprintf("%q", want); g != w {
		t.Errorf("%s: %s, want %s", what, g, w)
	}
}

func TestMailFromAnotherServer(t *testing.T) {
	s := start(t)
	talk(t, s.mail,
		"MAIL FROM:<x@sender.test>", "250",
		"RCPT TO:<Bjorn+list@demo.test>", "250",
		"DATA", "354", letter, "250")
	texts := s.inbox(t, s.bjorn)
	if len(texts) != 1 {
		t.Fatalf("%d messages", len(texts))
	}
	for _, part := range []string{"Return-Path: <x@sender.test>\r\n", "Received: from client.test ([127.0.0.1])", "by mx.demo.test with ESMTP", "for <Bjorn+list@demo.test>", "\r\nHej\r\n"} {
		if !strings.Contains(texts[0], part) {
			t.Errorf("message lacks %q:\n%s", part, texts[0])
		}
	}
}

// TestDomainSwitchedOff: its mail is neither taken nor sent elsewhere.
func TestDomainSwitchedOff(t *testing.T) {
	s := start(t)
	if err := s.store.CreateDomain(t.Context(), store.Domain{Name: "off.test", Disabled: true}); err != nil {
		t.Fatal(err)
	}
	talk(t, s.mail, "MAIL FROM:<x@sender.test>", "250", "RCPT TO:<x@off.test>", "550 ")
	talk(t, s.submission, signIn, "235", "MAIL FROM:<anna@demo.test>", "250", "RCPT TO:<x@OFF.test>", "525 5.7.13")
	want(t, "events", s.noted(t), []string{
		"recipient.refused account.mail-disabled x@off.test", "recipient.refused account.mail-disabled x@OFF.test",
	})
}

// TestContentWithoutHeader: what is no header stays text, and cannot go on the fields that we add.
func TestContentWithoutHeader(t *testing.T) {
	s := start(t)
	for _, tt := range []struct{ content, body string }{
		{"just text\r\nand more\r\n", "\r\n\r\njust text\r\nand more\r\n"},
		{" a folded line\r\n", "\r\n\r\n a folded line\r\n"},
		{strings.Repeat("long ", 300) + "\r\n", "\r\n\r\n" + strings.Repeat("long ", 300) + "\r\n"},
		{"\r\nafter an empty header\r\n", "\r\n\r\nafter an empty header\r\n"},
		{"Subject: x\r\n\r\ny\r\n", "\r\nSubject: x\r\n\r\ny\r\n"},
		{"From x Mon Nov  2 10:00:00 2026\r\nSubject: x\r\n\r\ny\r\n", "\r\nFrom x Mon Nov  2 10:00:00 2026\r\nSubject: x\r\n\r\ny\r\n"},
		{"", "\r\n"},
	} {
		before := len(s.inbox(t, s.bjorn))
		talk(t, s.mail, "MAIL FROM:<x@sender.test>", "250", "RCPT TO:<bjorn@demo.test>", "250", "DATA", "354", tt.content+".", "250")
		talk(t, s.submission, signIn, "235",
			"MAIL FROM:<anna@demo.test>", "250", "RCPT TO:<bjorn@demo.test>", "250", "DATA", "354", tt.content+".", "250")
		texts := s.inbox(t, s.bjorn)[before:]
		if len(texts) != 2 {
			t.Fatalf("%d messages", len(texts))
		}
		for _, text := range texts {
			if !strings.HasSuffix(text, tt.body) || strings.Count(text, "\r\n\r\n") > 1 {
				t.Errorf("%.20q became %q", tt.content, text)
			}
		}
	}
}

func TestRefusalsHaveCauses(t *testing.T) {
	s := start(t)
	s.set(func() { s.full = s.bjorn.ID })
	if _, err := s.store.UpdateAccount(t.Context(), s.anna.ID, func(a *store.Account) error { a.Disabled = true; return nil }); err != nil {
		t.Fatal(err)
	}
	talk(t, s.mail,
		"MAIL FROM:<x@sender.test> SIZE=3000000", "552 5.3.4",
		"MAIL FROM:<x@sender.test>", "250",
		"RCPT TO:<nobody@demo.test>", "550 5.1.1",
		"RCPT TO:<"+tooLong+">", "550 5.1.1",
		"RCPT TO:<x@other.test>", "554 5.7.1",
		"RCPT TO:<bjorn@demo.test>", "452 4.2.2",
		"RCPT TO:<anna@demo.test>", "5",
		"DATA", "5")
	want(t, "events", s.noted(t), []string{
		"recipient.refused recipient.unknown nobody@demo.test",
		"recipient.refused recipient.unknown " + tooLong,
		"recipient.refused client.smtp-auth-off x@other.test",
		"recipient.refused quota.mailbox-full bjorn@demo.test",
		"recipient.refused account.mail-disabled anna@demo.test",
	})
}

func TestLoopAndSizeEndTheContent(t *testing.T) {
	s := start(t)
	hops := strings.Repeat("Received: from a by b;\r\n date\r\nX: y\r\n", 6)
	talk(t, s.mail,
		"MAIL FROM:<x@sender.test>", "250", "RCPT TO:<bjorn@demo.test>", "250", "DATA", "354",
		hops+letter, "554 5.4.6",
		"MAIL FROM:<x@sender.test>", "250", "RCPT TO:<bjorn@demo.test>", "250", "DATA", "354",
		"A: b\r\n\r\n"+strings.Repeat(hops+strings.Repeat("0123456789abcdef", 16)+"\r\n", 4000)+".", "552 5.3.4",
		"MAIL FROM:<x@sender.test>", "250", "RCPT TO:<bjorn@demo.test>", "250", "DATA", "354",
		"A: b\r\n\r\n"+strings.Repeat(hops, 10)+".", "250",
		"MAIL FROM:<x@sender.test>", "250", "RCPT TO:<bjorn@demo.test>", "250", "DATA", "354",
		"A: b\n\r\nHej\r\n.", "554 5.6.0")
	if n := len(s.inbox(t, s.bjorn)); n != 1 {
		t.Errorf("%d messages", n)
	}
	want(t, "events", s.noted(t), []string{
		"message.refused rules.loop bjorn@demo.test",
		"message.refused content.too-large-own bjorn@demo.test",
		"message.refused content.malformed bjorn@demo.test",
	})
}

func TestSubmission(t *testing.T) {
	s := start(t)
	talk(t, s.submission,
		"MAIL FROM:<anna@demo.test>", "530",
		signIn, "235",
		"MAIL FROM:<bjorn@demo.test>", "553 5.7.1",
		"MAIL FROM:<anna+x@demo.test>", "250",
		"RCPT TO:<bjorn@demo.test> NOTIFY=SUCCESS", "250",
		"RCPT TO:<far@other.test>", "250",
		"RCPT TO:<nobody@demo.test>", "550 5.1.1",
		"RCPT TO:<all@[127.0.0.1]>", "553 5.1.3",
		"DATA", "354", "From: anna@demo.test\r\nSubject: x\r\n\r\nHej\r\n.", "250",
		"MAIL FROM:<anna@demo.test>", "250", "RCPT TO:<bjorn@demo.test>", "250", "DATA", "354",
		"From: bjorn@demo.test\r\n\r\nI am not Björn\r\n.", "553 5.7.1")
	texts := s.inbox(t, s.bjorn)
	if len(texts) != 1 || !strings.Contains(texts[0], "\r\nMessage-ID: <") || !strings.Contains(texts[0], "\r\nDate: ") || !strings.Contains(texts[0], "with ESMTPA") {
		t.Errorf("messages %q", texts)
	}
	if len(s.queued) != 1 || len(s.queued[0].Recipients) != 1 || s.queued[0].Recipients[0].Address != "far@other.test" || s.queued[0].Account != s.anna.ID {
		t.Errorf("queued %+v", s.queued)
	}
	if _, err := s.store.Submission(t.Context(), s.anna.ID, s.queued[0].ID); err != nil {
		t.Errorf("the submission is not durable: %v", err)
	}
	if len(s.reports) != 1 || s.reports[0].Recipients[0].Address != "bjorn@demo.test" || s.reports[0].Recipients[0].State != store.Placed {
		t.Errorf("reports %+v", s.reports)
	}
	want(t, "events", s.noted(t), []string{
		"sender.refused client.from-not-owned ", "recipient.refused recipient.unknown nobody@demo.test",
		"recipient.refused recipient.address-invalid all@[127.0.0.1]", "message.refused client.from-not-owned bjorn@demo.test",
	})
	if s.sent != 2 {
		t.Errorf("%d recipients counted as sent, want 2", s.sent)
	}
}

func TestLimits(t *testing.T) {
	s := start(t)
	s.set(func() { s.sendLimit = 2 })
	talk(t, s.submission, signIn, "235",
		"MAIL FROM:<anna@demo.test>", "250",
		"RCPT TO:<anna@demo.test>", "250", "RCPT TO:<bjorn@demo.test>", "250", "RCPT TO:<bjorn+x@demo.test>", "450 4.7.1",
		"DATA", "354", letter, "250",
		"MAIL FROM:<anna@demo.test>", "250", "RCPT TO:<bjorn@demo.test>", "450 4.7.1")
	s.set(func() { s.sendLimit = 0 })
	talk(t, s.mail,
		"MAIL FROM:<>", "250",
		"RCPT TO:<anna@demo.test>", "250", "RCPT TO:<bjorn@demo.test>", "250", "RCPT TO:<Postmaster>", "250", "RCPT TO:<anna+x@demo.test>", "452 4.5.3",
		"DATA", "354", letter, "250")
	if a, b := len(s.inbox(t, s.anna)), len(s.inbox(t, s.bjorn)); a != 2 || b != 2 {
		t.Errorf("anna has %d, bjorn %d; each account gets a message once", a, b)
	}
	s.set(func() { s.closed = true })
	c, err := net.Dial("tcp", s.mail)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.HasPrefix(line, "421 ") {
		t.Errorf("greeting %q, %v", line, err)
	}
}

// TestFullForAWeek holds that mail for a full account waits with its senders for a week, and then goes back to them.
func TestFullForAWeek(t *testing.T) {
	s := start(t)
	s.set(func() { s.full = s.bjorn.ID })
	talk(t, s.mail, "MAIL FROM:<x@sender.test>", "250", "RCPT TO:<bjorn@demo.test>", "452 4.2.2")
	s.set(func() { s.forAWeek = true })
	talk(t, s.mail, "MAIL FROM:<x@sender.test>", "250", "RCPT TO:<bjorn@demo.test>", "552 5.2.2")
}

// TestWhoLooksAfterTheServer can be written to by the name of the server, which is no domain of mail.
func TestWhoLooksAfterTheServer(t *testing.T) {
	s := start(t)
	before := len(s.inbox(t, s.anna)) + len(s.inbox(t, s.bjorn))
	talk(t, s.mail, "MAIL FROM:<>", "250", "RCPT TO:<anna@mx.demo.test>", "554 5.7.1", "RCPT TO:<postmaster@other.test>", "554 5.7.1",
		"RCPT TO:<Postmaster@MX.demo.test>", "250", "DATA", "354", letter, "250", "MAIL FROM:<>", "250", "RCPT TO:<abuse@mx.demo.test>", "250",
		"DATA", "354", letter, "250")
	if n := len(s.inbox(t, s.anna)) + len(s.inbox(t, s.bjorn)); n != before+2 {
		t.Errorf("%d messages came, not 2", n-before)
	}
}

func TestFullAccountAmongOthers(t *testing.T) {
	s := start(t)
	if _, err := s.store.CreateAccount(t.Context(), store.Account{Address: "small@demo.test", Quota: 100}); err != nil {
		t.Fatal(err)
	}
	// The account is found to be full only when the message is there; the
	// other recipient has it, so the sender is told by a report.
	talk(t, s.mail,
		"MAIL FROM:<x@sender.test> RET=HDRS ENVID=e1", "250",
		"RCPT TO:<small@demo.test> ORCPT=rfc822;small@demo.test", "250", "RCPT TO:<bjorn@demo.test>", "250",
		"DATA", "354", letter, "250",
		"MAIL FROM:<x@sender.test>", "250", "RCPT TO:<small@demo.test>", "250", "DATA", "354", letter, "452 4.2.2")
	if len(s.reports) != 1 || len(s.reports[0].Recipients) != 2 {
		t.Fatalf("reports %+v", s.reports)
	}
	r := s.reports[0]
	if r.Recipients[0].State != store.Failed || r.Recipients[0].Cause != cause.QuotaMailboxFull || r.Recipients[1].State != store.Placed || r.Ret != "HDRS" || r.EnvID != "e1" || r.From != "x@sender.test" {
		t.Errorf("report %+v", r)
	}
}
