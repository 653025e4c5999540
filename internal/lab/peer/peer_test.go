package peer

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// start serves on loopback until the test ends.
func start(t *testing.T, s interface {
	Serve(net.Listener, bool)
	Close() error
}) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Serve(l, false)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// play holds a dialogue: lines "C: " are sent, each line "S: " must be answered; one
// that ends in "…" needs only begin so. "S: (end)" is the end of the connection.
func play(t *testing.T, addr, dialogue string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	r := bufio.NewReader(c)
	for n, line := range strings.Split(strings.TrimSpace(dialogue), "\n") {
		line = strings.TrimSpace(line) + " "
		if say, ok := strings.CutPrefix(line, "C: "); ok {
			say = strings.TrimSpace(say)
			fmt.Fprintf(c, "%s\r\n", say)
			continue
		}
		want := strings.TrimSpace(strings.TrimPrefix(line, "S: "))
		got, err := r.ReadString('\n')
		if want == "(end)" && got == "" && errors.Is(err, io.EOF) {
			continue
		}
		got = strings.TrimRight(got, "\r\n")
		begin, loose := strings.CutSuffix(want, "…")
		if err != nil || got != want && !(loose && strings.HasPrefix(got, begin)) {
			t.Fatalf("line %d: got %q (%v), want %q", n+1, got, err, want)
		}
	}
}

func mail() *Mail {
	m := NewMail("north.example")
	m.Add("anna@north.example", "secret")
	m.Add("bo@north.example", "secret")
	return m
}

func TestSMTPDialogues(t *testing.T) {
	m := mail()
	s := NewSMTP("smtp.north.example", m, true)
	s.Configure(func(o *SMTPOptions) {
		o.PlainAuth, o.Size, o.Extensions, o.MaxRcpt = true, 1000, nil, 2
		o.Mechanisms = append(o.Mechanisms, "XOAUTH2")
	})
	m.Change("bo@north.example", func(a *Account) {
		a.Quota, a.Tokens, a.AppPasswords, a.NoPassword = 40, []string{"good"}, []string{"app-1"}, "app-password"
	})
	addr := start(t, s)
	for name, dialogue := range map[string]string{
		"order": `
			S: 220 smtp.north.example ESMTP ready
			C: MAIL FROM:<anna@north.example>
			S: 503 5.5.1 Send EHLO first
			C: EHLO me.test
			S: 250-smtp.north.example
			S: 250-SIZE 1000
			S: 250 AUTH PLAIN LOGIN XOAUTH2
			C: MAIL FROM:<anna@north.example>
			S: 530 5.7.0 Authentication required
			C: RCPT TO:<anna@north.example>
			S: 503 5.5.1 Need MAIL command
			C: DATA
			S: 503 5.5.1 Need RCPT command
			C: STARTTLS
			S: 502 5.5.1 Command not implemented
			C: FROB
			S: 500 5.5.2 Command not recognized
			C: QUIT
			S: 221 2.0.0 Bye
			S: (end)`,
		"sending": `
			S: 220 smtp.north.example ESMTP ready
			C: HELO me.test
			S: 250 smtp.north.example
			C: AUTH CRAM-MD5
			S: 504 5.5.4 Mechanism not supported
			C: AUTH PLAIN !
			S: 501 5.5.2 Sign-in cancelled
			C: AUTH LOGIN
			S: 334 VXNlcm5hbWU6
			C: *
			S: 501 5.5.2 Sign-in cancelled
			C: AUTH LOGIN
			S: 334 VXNlcm5hbWU6
			C: YW5uYUBub3J0aC5leGFtcGxl
			S: 334 UGFzc3dvcmQ6
			C: d3Jvbmc=
			S: 535 5.7.8 Authentication credentials invalid
			C: AUTH LOGIN YW5uYUBub3J0aC5leGFtcGxl
			S: 334 UGFzc3dvcmQ6
			C: c2VjcmV0
			S: 235 2.7.0 Authentication successful
			C: MAIL FROM:<bo@north.example>
			S: 553 5.7.1 Sender address not owned by user anna@north.example
			C: MAIL FROM:<anna@north.example> SIZE=1001
			S: 552 5.3.4 Message too large
			C: MAIL FROM:<anna@north.example> SIZE=500
			S: 250 2.1.0 Ok
			C: RCPT TO:<nobody@north.example>
			S: 550 5.1.1 No such user here
			C: RCPT TO:<anna@north.example>
			S: 250 2.1.5 Ok
			C: RCPT TO:<carl@elsewhere.example>
			S: 250 2.1.5 Ok
			C: RCPT TO:<dora@elsewhere.example>
			S: 452 4.5.3 Too many recipients
			C: DATA
			S: 354 End data with <CR><LF>.<CR><LF>
			C: Subject: dots
			C:
			C: ..leading
			C: .
			S: 250 2.0.0 Ok: queued as…
			C: MAIL FROM:<anna@north.example>
			S: 250 2.1.0 Ok
			C: RCPT TO:<bo@north.example>
			S: 250 2.1.5 Ok
			C: DATA
			S: 354 End data with <CR><LF>.<CR><LF>
			C: Subject: longer than what fits there
			C: .
			S: 250 2.0.0 Ok: queued as…
			C: MAIL FROM:<anna@north.example>
			S: 250 2.1.0 Ok
			C: RCPT TO:<bo@north.example>
			S: 250 2.1.5 Ok
			C: DATA
			S: 354 End data with <CR><LF>.<CR><LF>
			C: Subject: more
			C: .
			S: 552 5.2.2 Mailbox is full`,
		"passwords of several kinds": `
			S: 220 smtp.north.example ESMTP ready
			C: HELO me.test
			S: 250 smtp.north.example
			C: AUTH PLAIN AGJvQG5vcnRoLmV4YW1wbGUAc2VjcmV0
			S: 534 5.7.9 An application password is required
			C: AUTH XOAUTH2 dXNlcj1ib0Bub3J0aC5leGFtcGxlAWF1dGg9QmVhcmVyIGJhZAEB
			S: 334 eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIiwic2NvcGUiOiJtYWlsIn0=
			C:
			S: 535 5.7.8 Token not accepted
			C: AUTH XOAUTH2 dXNlcj1ib0Bub3J0aC5leGFtcGxlAWF1dGg9QmVhcmVyIGdvb2QBAQ==
			S: 235 2.7.0 Authentication successful`,
	} {
		t.Run(name, func(t *testing.T) { play(t, addr, dialogue) })
	}
	if got := m.Messages("anna@north.example", "INBOX"); len(got) != 1 || !strings.Contains(got[0], "\r\n.leading\r\n") {
		t.Errorf("delivered: %q", got)
	}
	if n := s.Counts(); n.SignIns != 2 || n.FailedSignIns != 3 || n.Messages != 2 {
		t.Errorf("counts: %+v", n)
	}
}

func TestMXDialogue(t *testing.T) {
	s := NewSMTP("mx.north.example", mail(), false)
	play(t, start(t, s), `
		S: 220 mx.north.example ESMTP ready
		C: HELO remote.test
		S: 250 mx.north.example
		C: AUTH PLAIN AGE=
		S: 502 5.5.1 Command not implemented
		C: MAIL FROM:<>
		S: 250 2.1.0 Ok
		C: RCPT TO:<x@elsewhere.example>
		S: 554 5.7.1 Relay access denied
		C: RCPT TO:<anna@north.example>
		S: 250 2.1.5 Ok`)
}

func TestIMAPDialogues(t *testing.T) {
	m := mail()
	m.Put("anna@north.example", "INBOX", "From: bo@north.example\nSubject: one\n\nHello.\n")
	m.Put("anna@north.example", "INBOX", "Subject: two\n\nAgain.\n", `\Seen`)
	m.Change("anna@north.example", func(a *Account) { a.Quota = 100 })
	s := NewIMAP("imap.north.example", m)
	addr := start(t, s)
	play(t, addr, `
		S: * OK imap.north.example IMAP4rev1 ready
		C: a CAPABILITY
		S: * CAPABILITY IMAP4rev1 IDLE NAMESPACE UIDPLUS MOVE QUOTA SPECIAL-USE ID LITERAL+ UNSELECT SASL-IR LOGINDISABLED
		S: a OK done
		C: b LOGIN anna@north.example secret
		S: b NO [PRIVACYREQUIRED] Encryption is required
		C: c SELECT INBOX
		S: c BAD Command unknown or not allowed before sign-in
		C: d LOGIN "unclosed
		S: d BAD Malformed command
		C: e LOGOUT
		S: * BYE logging out
		S: e OK done
		S: (end)`)
	s.Configure(func(o *IMAPOptions) { o.PlainAuth, o.Capabilities = true, nil })
	play(t, addr, `
		S: * OK imap.north.example IMAP4rev1 ready
		C: a LOGIN anna@north.example wrong
		S: a NO [AUTHENTICATIONFAILED] Authentication failed
		C: b AUTHENTICATE PLAIN
		S: +…
		C: AGFubmFAbm9ydGguZXhhbXBsZQBzZWNyZXQ=
		S: b OK [CAPABILITY IMAP4rev1] Signed in
		C: c LIST "" %
		S: * LIST (\HasNoChildren) "/" "INBOX"
		S: * LIST (\HasNoChildren \Sent) "/" "Sent"
		S: * LIST (\HasNoChildren \Drafts) "/" "Drafts"
		S: * LIST (\HasNoChildren \Junk) "/" "Junk"
		S: * LIST (\HasNoChildren \Trash) "/" "Trash"
		S: * LIST (\HasNoChildren \Archive) "/" "Archive"
		S: c OK done
		C: d STATUS INBOX (MESSAGES UNSEEN UIDNEXT)
		S: * STATUS "INBOX" (MESSAGES 2 UNSEEN 1 UIDNEXT 3)
		S: d OK done
		C: e EXAMINE inbox
		S: * FLAGS…
		S: * 2 EXISTS
		S: * 0 RECENT
		S: * OK [UIDVALIDITY 1] valid
		S: * OK [UIDNEXT 3] next
		S: * OK [PERMANENTFLAGS…
		S: e OK [READ-ONLY] done
		C: f UID SEARCH UNSEEN
		S: * SEARCH 1
		S: f OK done
		C: g FETCH 1 (UID BODY.PEEK[HEADER.FIELDS (Subject)]<0.8>)
		S: * 1 FETCH (UID 1 BODY[HEADER.FIELDS (SUBJECT)]<0> {8}
		S: Subject:)
		S: g OK done
		C: h UID FETCH 1:* (FLAGS)
		S: * 1 FETCH (FLAGS () UID 1)
		S: * 2 FETCH (FLAGS (\Seen) UID 2)
		S: h OK done
		C: i APPEND Sent (\Seen) {10+}
		C: Subject: x
		S: i OK [APPENDUID 1 1] done
		C: j APPEND Sent {200}
		S: + Ready for literal data
		C: `+strings.Repeat("x", 200)+`
		S: j NO [OVERQUOTA] Mailbox is full
		C: k GETQUOTAROOT INBOX
		S: * QUOTAROOT "INBOX" ""
		S: * QUOTA "" (STORAGE 1 1)
		S: k OK done
		C: l SELECT Nowhere
		S: l NO [NONEXISTENT] No such mailbox
		C: m SELECT INBOX
		S: * FLAGS…
		S: * 2 EXISTS
		S: * 0 RECENT
		S: * OK…
		S: * OK…
		S: * OK…
		S: m OK [READ-WRITE] done
		C: n STORE 1 +FLAGS (\Deleted)
		S: * 1 FETCH (UID 1 FLAGS (\Deleted))
		S: n OK done
		C: o EXPUNGE
		S: * 1 EXPUNGE
		S: o OK done
		C: p UID MOVE 2 Archive
		S: * 1 EXPUNGE
		S: p OK done
		C: q FETCH 1 FLAGS
		S: q OK done
		C: r FETCH x FLAGS
		S: r BAD Malformed set`)
	if got := m.Messages("anna@north.example", "Archive"); len(got) != 1 {
		t.Errorf("in Archive: %q", got)
	}
}

func TestIdle(t *testing.T) {
	m := mail()
	s := NewIMAP("imap.north.example", m)
	s.Configure(func(o *IMAPOptions) { o.PlainAuth = true })
	addr := start(t, s)
	waiting := make(chan struct{})
	s.On("IDLE", Do(func(*Exchange) *Action { close(waiting); return nil }))
	go func() {
		<-waiting
		m.Put("anna@north.example", "INBOX", "Subject: new\n\n")
	}()
	play(t, addr, `
		S: * OK…
		C: a LOGIN anna@north.example secret
		S: a OK…
		C: b SELECT INBOX
		S: * FLAGS…
		S: * 0 EXISTS
		S: * 0 RECENT
		S: * OK…
		S: * OK…
		S: * OK…
		S: b OK…
		C: c IDLE
		S: + idling
		S: * 1 EXISTS
		C: DONE
		S: c OK done`)
}

func TestPOP3Dialogues(t *testing.T) {
	m := mail()
	m.Put("anna@north.example", "INBOX", "Subject: one\n\n.dot\nlast\n")
	s := NewPOP3("pop.north.example", m)
	addr := start(t, s)
	play(t, addr, `
		S: +OK pop.north.example POP3 ready
		C: USER anna@north.example
		S: -ERR [AUTH] Encryption is required
		C: STAT
		S: -ERR sign in first`)
	s.Configure(func(o *POP3Options) { o.PlainAuth = true })
	play(t, addr, `
		S: +OK pop.north.example POP3 ready
		C: CAPA
		S: +OK
		S: TOP
		S: UIDL
		S: RESP-CODES
		S: PIPELINING
		S: USER
		S: SASL PLAIN
		S: .
		C: USER anna@north.example
		S: +OK
		C: PASS wrong
		S: -ERR [AUTH] Authentication failed
		C: AUTH PLAIN AGFubmFAbm9ydGguZXhhbXBsZQBzZWNyZXQ=
		S: +OK 1 messages
		C: STAT
		S: +OK 1 28
		C: UIDL 1
		S: +OK 1 u1
		C: RETR 2
		S: -ERR no such message
		C: RETR 1
		S: +OK
		S: Subject: one
		S:
		S: ..dot
		S: last
		S: .
		C: TOP 1 1
		S: +OK
		S: Subject: one
		S:
		S: ..dot
		S: .
		C: DELE 1
		S: +OK deleted
		C: LIST
		S: +OK
		S: .
		C: QUIT
		S: +OK bye
		S: (end)`)
	if got := m.Messages("anna@north.example", "INBOX"); len(got) != 0 {
		t.Errorf("left: %q", got)
	}
}

func TestPOP3Lock(t *testing.T) {
	s := NewPOP3("pop.north.example", mail())
	s.Configure(func(o *POP3Options) { o.PlainAuth = true })
	addr := start(t, s)
	first, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	first.SetDeadline(time.Now().Add(5 * time.Second))
	r := bufio.NewReader(first)
	fmt.Fprint(first, "USER anna@north.example\r\nPASS secret\r\n")
	for range 3 {
		if l, err := r.ReadString('\n'); err != nil || l[0] != '+' {
			t.Fatal(l, err)
		}
	}
	play(t, addr, `
		S: +OK…
		C: USER anna@north.example
		S: +OK
		C: PASS secret
		S: -ERR [IN-USE] The mailbox is locked by another session`)
}

// TestScript overrides steps in every way there is.
func TestScript(t *testing.T) {
	login := `
		S: * OK…
		C: a LOGIN anna@north.example secret
		S: `
	for name, tc := range map[string]struct {
		set      func(s *IMAP)
		dialogue string
	}{
		"a reply gets the tag": {
			func(s *IMAP) { s.On("login", Reply("* OK [ALERT] look", "NO [WEBALERT http://x] no")) },
			login + "* OK [ALERT] look\nS: a NO [WEBALERT http://x] no"},
		"words of a dialect": {
			func(s *IMAP) {
				d, _ := Speak("gmail")
				s.SetDialect(d)
				s.On("LOGIN", Say("app-password"))
			},
			login + "a NO [ALERT] Application-specific password required: https://support.google.com/accounts/answer/185833 (Failure)"},
		"once": {
			func(s *IMAP) { s.On("LOGIN", Reply("NO [UNAVAILABLE] later")).Times(1) },
			login + "a NO [UNAVAILABLE] later\nC: b LOGIN anna@north.example secret\nS: b OK…"},
		"not the first time": {
			func(s *IMAP) { s.On("NOOP", Reply("NO enough")).Skip(1) },
			"S: * OK…\nC: a NOOP\nS: a OK done\nC: b NOOP\nS: b NO enough\nC: c NOOP\nS: c NO enough"},
		"for another account": {
			func(s *IMAP) { s.On("LOGIN", Reply("NO no")).For("bo@north.example") }, login + "a OK…"},
		"for this account": {
			func(s *IMAP) { s.On("LOGIN", Reply("NO no")).For("Anna@North.example") }, login + "a NO no"},
		"from another network": {
			func(s *IMAP) { s.On("CONNECT", Reply("* BYE banned")).From("203.0.113.0/24") }, "S: * OK…"},
		"from this network": {
			func(s *IMAP) { s.On("CONNECT", Refuse("* BYE banned")).From("127.0.0.1") }, "S: * BYE banned\nS: (end)"},
		"also": {
			func(s *IMAP) { s.On("NOOP", Also("* OK [ALERT] look")) }, "S: * OK…\nC: a NOOP\nS: * OK [ALERT] look\nS: a OK done"},
		"agreeing in other words": {
			func(s *IMAP) { s.On("CAPABILITY", Reply("* CAPABILITY IMAP4rev1", "OK that is all")) },
			"S: * OK…\nC: a CAPABILITY\nS: * CAPABILITY IMAP4rev1\nS: a OK that is all"},
		"close": {
			func(s *IMAP) { s.On("NOOP", Close()) }, "S: * OK…\nC: a NOOP\nS: (end)"},
		"raw": {
			func(s *IMAP) { s.On("CONNECT", Raw("220 not imap\r\n")) }, "S: 220 not imap"},
		"any sign-in": {
			func(s *IMAP) { s.On("SIGN-IN", Say("locked")).Times(2) },
			login + `a NO [LIMIT] Too many failed sign-ins, try again later
			C: b AUTHENTICATE PLAIN AGFubmFAbm9ydGguZXhhbXBsZQBzZWNyZXQ=
			S: b NO [LIMIT] Too many failed sign-ins, try again later
			C: c LOGIN anna@north.example secret
			S: c OK…`},
		"not a longer word": {
			func(s *IMAP) { s.On("LOG", Reply("NO no")) }, login + "a OK…"},
		"removed": {
			func(s *IMAP) { s.On("LOGIN", Reply("NO no")).Remove() }, login + "a OK…"},
		"the last one counts": {
			func(s *IMAP) { s.On("NOOP", Reply("NO first")); s.On("NOOP", Reply("NO second")) },
			"S: * OK…\nC: a NOOP\nS: a NO second"},
		"wait": {
			func(s *IMAP) { s.On("NOOP", Wait(time.Millisecond), Reply("BAD slow")) }, "S: * OK…\nC: a NOOP\nS: a BAD slow"},
	} {
		t.Run(name, func(t *testing.T) {
			s := NewIMAP("imap.north.example", mail())
			s.Configure(func(o *IMAPOptions) { o.PlainAuth = true })
			tc.set(s)
			play(t, start(t, s), tc.dialogue)
		})
	}
}

func TestResetAndStall(t *testing.T) {
	s := NewSMTP("smtp.north.example", mail(), true)
	s.On("EHLO", Reset())
	s.On("NOOP", Stall())
	addr := start(t, s)
	for say, want := range map[string]error{"EHLO x\r\n": syscall.ECONNRESET, "NOOP\r\n": os.ErrDeadlineExceeded} {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		r := bufio.NewReader(c)
		if _, err := r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(100 * time.Millisecond))
		io.WriteString(c, say)
		if _, err := r.ReadString('\n'); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", say, err, want)
		}
		c.Close()
	}
	if !s.Said("ehlo") || s.On("RSET", Close()).Hits() != 0 {
		t.Error("the transcript lacks EHLO, or an override has hits that it cannot have")
	}
}

func TestStates(t *testing.T) {
	m := mail()
	m.Change("anna@north.example", func(a *Account) {
		a.Quota, a.OtherUsed = 2048, 2048
		a.Mailbox("Sent").Subscribed = false
		a.AddMailbox("Hidden", false)
	})
	s := NewIMAP("imap.north.example", m)
	s.SetTLS(&tls.Config{})
	s.Configure(func(o *IMAPOptions) { o.PlainAuth, o.Capabilities, o.Mechanisms = true, nil, nil })
	addr := start(t, s)
	play(t, addr, `
		S: * OK…
		C: a CAPABILITY
		S: * CAPABILITY IMAP4rev1 STARTTLS
		S: a OK done
		C: b LOGIN anna@north.example secret
		S: b OK…
		C: c APPEND INBOX {1+}
		C: x
		S: c NO [OVERQUOTA] Mailbox is full
		C: d GETQUOTA ""
		S: * QUOTA "" (STORAGE 2 2)
		S: d OK done
		C: e LIST "" *n
		S: * LIST (\HasNoChildren) "/" "Hidden"
		S: e OK done
		C: f LSUB "" *
		S: * LSUB…
		S: * LSUB (\HasNoChildren \Drafts)…`)
	s.SetSTARTTLS(false)
	play(t, addr, `
		S: * OK…
		C: a CAPABILITY
		S: * CAPABILITY IMAP4rev1
		S: a OK done
		C: b STARTTLS
		S: b BAD STARTTLS is not available`)
}

func TestHideSecrets(t *testing.T) {
	for line, want := range map[string]string{
		"AUTH PLAIN AGE=":              "AUTH PLAIN ***",
		"auth xoauth2 dXNlcj0=":        "auth xoauth2 ***",
		"a1 LOGIN anna \"top secret\"": "a1 LOGIN ***",
		"a1 authenticate LOGIN YQ==":   "a1 authenticate LOGIN ***",
		"PASS with spaces in it":       "PASS ***",
		"AUTH PLAIN":                   "AUTH PLAIN",
		"a1 AUTHENTICATE PLAIN":        "a1 AUTHENTICATE PLAIN",
		"MAIL FROM:<a@b.example>":      "MAIL FROM:<a@b.example>",
	} {
		if got := hideSecrets(line); got != want {
			t.Errorf("%q becomes %q, want %q", line, got, want)
		}
	}
}

func TestIMAPSearchAndList(t *testing.T) {
	m := mail()
	m.Put("anna@north.example", "INBOX", "Subject: one\nX-Id: 7\n\nHello.\n")
	m.Put("anna@north.example", "INBOX", "Subject: two\n\nOne more, longer.\n", `\Seen`, "$Work")
	s := NewIMAP("imap.north.example", m)
	s.Configure(func(o *IMAPOptions) { o.PlainAuth, o.Capabilities = true, nil })
	addr := start(t, s)
	dialogue := `
		S: * OK…
		C: a LOGIN anna@north.example secret
		S: a OK…
		C: b LIST (SPECIAL-USE) "" "*"
		S: * LIST (\HasNoChildren \Sent) "/" "Sent"
		S: * LIST (\HasNoChildren \Drafts) "/" "Drafts"
		S: * LIST (\HasNoChildren \Junk) "/" "Junk"
		S: * LIST (\HasNoChildren \Trash) "/" "Trash"
		S: * LIST (\HasNoChildren \Archive) "/" "Archive"
		S: b OK done
		C: c LIST "" ""
		S: * LIST (\Noselect) "/" ""
		S: c OK done
		C: d RENAME Archive Old
		S: d OK done
		C: e RENAME INBOX Old
		S: e NO…
		C: f EXAMINE INBOX
		S: * FLAGS…
		S: * 2 EXISTS
		S: * 0 RECENT
		S: * OK…
		S: * OK…
		S: * OK…
		S: f OK…`
	for keys, want := range map[string]string{
		"ALL": " 1 2", "NOT SEEN": " 1", "OR SUBJECT one SUBJECT two": " 1 2", "(UNSEEN) ALL": " 1", "HEADER X-Id 7": " 1",
		"BODY one": " 2", "TEXT one": " 1 2", "KEYWORD $work": " 2", "LARGER 34": " 2", "SMALLER 34": " 1", "2": " 2", "UID 1": " 1",
		"SINCE 1-Jan-2020": " 1 2", "BEFORE 1-Jan-2020": "", "CHARSET UTF-8 TEXT hello": " 1", "SUBJECT one UNSEEN": " 1", "SINCE nonsense": "",
	} {
		dialogue += "\nC: g SEARCH " + keys + "\nS: * SEARCH" + want + "\nS: g OK done"
	}
	for _, keys := range []string{"FROBNICATE", "NOT", "HEADER x", "0", "OR SEEN"} {
		dialogue += "\nC: h SEARCH " + keys + "\nS: h BAD…"
	}
	play(t, addr, dialogue)
}
