// Package stress does in less than a minute what many people do with their mail in a day, and looks
// whether the service is afterwards as it was before: nothing lost, nothing held.
package stress

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postiljon/postiljon/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// A day of people who live in their mail: a program that signs in anew every three quarters of an hour
// and meanwhile waits in IDLE, 96 messages that come, 16 that are written, a second program that polls
// by POP3 as often, and connections that break off.
const (
	people   = 100
	parts    = 4  // quarters of the day
	sessions = 8  // in a quarter
	arriving = 3  // messages in a session
	kept     = 40 // messages in a mailbox; what is older is thrown away
)

// TestDay is that day. After each quarter everybody goes away, and the service is looked at: from the
// second quarter to the last it must not have grown.
func TestDay(t *testing.T) {
	s := harness.Start(t, harness.Options{Accounts: people})
	var did tally
	var all []*person
	for _, a := range s.Accounts {
		p := &person{service: s, account: a, did: &did}
		if err := p.quarter(1); err != nil { // so that all is in use once
			t.Fatal(err)
		}
		all = append(all, p)
	}
	at := []vitals{settle(t, s)}
	t.Logf("at rest:       %v", at[0])
	for n := range parts {
		var wg sync.WaitGroup
		for _, p := range all {
			wg.Go(func() {
				if err := p.quarter(sessions); err != nil {
					t.Errorf("%s: %v", p.account.Address, err)
				}
			})
		}
		wg.Wait()
		if t.Failed() {
			t.FailNow()
		}
		at = append(at, settle(t, s))
		t.Logf("after %2d hours: %v; done so far: %v", 24/parts*(n+1), at[n+1], &did)
	}
	// What was used is given back when the service is calm, which what it does by itself afterwards can delay.
	for range 4 {
		if at[parts].rss <= at[2].rss+moreRSS {
			break
		}
		at[parts] = settle(t, s)
		t.Logf("a moment later: %v", at[parts])
	}
	at[parts].sameAs(t, &at[0], &at[2])
	for _, p := range all {
		p.check(t)
	}
	if out, err := s.Command("verify"); err != nil {
		t.Errorf("verify: %v\n%s", err, out)
	}
}

// tally counts what was done.
type tally struct {
	signIns, commands, deliveries, submissions, polls atomic.Int64
}

func (c *tally) String() string {
	return fmt.Sprintf("%d IMAP sessions, %d commands, %d deliveries, %d submissions, %d POP3 sessions",
		c.signIns.Load(), c.commands.Load(), c.deliveries.Load(), c.submissions.Load(), c.polls.Load())
}

// person is somebody with an account, alone in it.
type person struct {
	service *harness.Service
	account harness.Account
	did     *tally
	imap    *harness.IMAP
	began   int    // sessions
	arrived int    // messages in all
	inbox   int    // messages in the INBOX
	archive int    // messages in the archive
	known   string // of the INBOX: its UIDVALIDITY and the mod-sequence up to which it is known
}

// quarter is a part of the day.
func (p *person) quarter(sessions int) error {
	for range sessions {
		p.began++
		if err := p.session(); err != nil {
			return fmt.Errorf("session %d: %w", p.began, err)
		}
		if p.began%2 == 0 {
			if err := p.poll(); err != nil {
				return fmt.Errorf("POP3 after session %d: %w", p.began, err)
			}
			if err := p.submit(); err != nil {
				return fmt.Errorf("submission after session %d: %w", p.began, err)
			}
		}
	}
	return nil
}

// do sends commands that must succeed, and returns the responses to the last.
func (p *person) do(commands ...string) (lines []string, err error) {
	for _, c := range commands {
		p.did.commands.Add(1)
		if lines, err = p.imap.Command(c); err != nil {
			return nil, err
		}
	}
	return lines, nil
}

// session is half an hour: look what is new, wait, read what comes, do something that is seldom done, tidy up, go.
func (p *person) session() (err error) {
	p.did.signIns.Add(1)
	if p.imap, err = p.service.DialIMAP(p.account); err != nil {
		return err
	}
	defer p.imap.Close()
	if err := p.open(); err != nil {
		return err
	}
	for range arriving {
		if err := p.waitForOne(); err != nil {
			return err
		}
		if _, err := p.do("UID FETCH * (FLAGS ENVELOPE BODYSTRUCTURE)", "UID FETCH * (BODY[])"); err != nil {
			return err
		}
	}
	lines, err := p.do(fmt.Sprintf("SEARCH TEXT number.%d.", p.arrived))
	if err != nil {
		return err
	}
	if want := fmt.Sprintf("* SEARCH %d", p.inbox); !slices.Contains(lines, want) {
		return fmt.Errorf("%q, want %s", lines, want)
	}
	if _, err := p.do(seldom[p.began%len(seldom)]...); err != nil {
		return err
	}
	if err := p.tidy(); err != nil {
		return err
	}
	if p.began%5 == 0 { // out of reach of the network
		return nil
	}
	_, err = p.do("LOGOUT")
	return err
}

// open looks what is new: all flags the first time, then what changed. Some programs compress, some are notified.
func (p *person) open() error {
	if p.began%3 == 0 {
		if err := p.imap.Compress(); err != nil {
			return err
		}
	}
	if _, err := p.do("ENABLE QRESYNC", `LIST "" * RETURN (STATUS (MESSAGES UNSEEN))`); err != nil {
		return err
	}
	if p.began%4 == 1 {
		if _, err := p.do("NOTIFY SET (selected (MessageNew (UID FLAGS PREVIEW) MessageExpunge FlagChange)) (personal (MessageNew MessageExpunge MailboxName))"); err != nil {
			return err
		}
	}
	command := "SELECT INBOX"
	if p.known != "" {
		command += " (QRESYNC (" + p.known + "))"
	}
	lines, err := p.do(command)
	if err != nil {
		return err
	}
	if p.known == "" {
		_, err = p.do("UID FETCH 1:* (FLAGS)")
	}
	all := strings.Join(lines, " ")
	p.known = code(all, "UIDVALIDITY") + " " + code(all, "HIGHESTMODSEQ")
	return err
}

// code is what a response code says.
func code(text, name string) string {
	_, rest, _ := strings.Cut(text, "["+name+" ")
	value, _, _ := strings.Cut(rest, "]")
	return value
}

// seldom are what programs do now and then, one in each session. What is left open goes with the session.
var seldom = [][]string{
	{"SORT (REVERSE DATE) UTF-8 ALL", "UID THREAD REFERENCES UTF-8 ALL", "UID SEARCH RETURN (UPDATE ALL) UNSEEN", "UID SORT RETURN (UPDATE PARTIAL 1:20) (SUBJECT) UTF-8 ALL"},
	{"CREATE Projects/2026", "SUBSCRIBE Projects/2026", "COPY * Projects/2026", "RENAME Projects/2026 Projects/Old", "STATUS Projects/Old (MESSAGES SIZE UNSEEN)",
		"UNSUBSCRIBE Projects/Old", "DELETE Projects/Old", "DELETE Projects"},
	{`SETMETADATA INBOX (/private/comment "for friends")`, "GETMETADATA (DEPTH infinity) INBOX /private", "SETMETADATA INBOX (/private/comment NIL)", "GETQUOTAROOT INBOX",
		"NAMESPACE", `ID ("name" "Stress" "version" "1")`, "MYRIGHTS INBOX", "GETACL INBOX"},
	{"UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (DATE FROM TO CC SUBJECT MESSAGE-ID REFERENCES)])", "UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (X-Other RECEIVED)])",
		"FETCH * (EMAILID THREADID SAVEDATE PREVIEW BINARY.PEEK[1] BODY.PEEK[1.MIME])", "UID FETCH 1:* (UID FLAGS) (PARTIAL -1:-20)"},
	{`ESEARCH IN (mailboxes (INBOX Archive)) RETURN (COUNT MAX) FROM friend`, "SEARCH RETURN (SAVE) FLAGGED", "FETCH $ (UID)", `UID SEARCH OR SUBJECT letter BODY "no such words"`,
		`LIST (SUBSCRIBED) "" * RETURN (SPECIAL-USE CHILDREN)`, "CHECK", "UID FETCH * (FLAGS) (CHANGEDSINCE 1)"},
}

// waitForOne waits in IDLE until a message is delivered.
func (p *person) waitForOne() error {
	p.did.commands.Add(1)
	if err := p.imap.Idle(); err != nil {
		return err
	}
	if err := p.deliver(); err != nil {
		return err
	}
	p.inbox++
	want := fmt.Sprintf("* %d EXISTS", p.inbox)
	for {
		line, err := p.imap.Next()
		if err != nil {
			return err
		}
		if line == want {
			_, err := p.imap.Done()
			return err
		}
		if strings.HasSuffix(line, " EXISTS") {
			return fmt.Errorf("%s, want %s", line, want)
		}
	}
}

// deliver is another server that has a message.
func (p *person) deliver() error {
	c, err := harness.DialSMTP(p.service.SMTP)
	if err != nil {
		return err
	}
	defer c.Close()
	p.arrived++
	p.did.deliveries.Add(1)
	text := letter(p.arrived, 50*(1+p.arrived%40))
	if err := c.Send("friend@sender.test", []string{p.account.Address}, text); err != nil {
		return err
	}
	_, err = c.Command("QUIT", '2')
	return err
}

// letter is a message with some lines of text.
func letter(n, lines int) string {
	return fmt.Sprintf("From: Friend %d <friend@sender.test>\r\nTo: you@demo.test\r\nSubject: Letter %d\r\nMessage-ID: <%d@sender.test>\r\n"+
		"Date: Sat, 21 Nov 2026 10:00:00 +0100\r\n\r\nThis is letter number.%d.\r\n%s", n%30, n, n, n, strings.Repeat("Some words that many letters have in them.\r\n", lines))
}

// tidy flags, files and throws away.
func (p *person) tidy() error {
	if _, err := p.do(fmt.Sprintf(`STORE %d +FLAGS (\Flagged $Work)`, p.inbox), "NOOP",
		fmt.Sprintf(`STORE %d -FLAGS.SILENT (\Flagged)`, p.inbox)); err != nil {
		return err
	}
	if _, err := p.do(fmt.Sprintf("MOVE %d Archive", p.inbox)); err != nil {
		return err
	}
	p.inbox, p.archive = p.inbox-1, p.archive+1
	p.did.commands.Add(1)
	if _, err := p.imap.Append(`Drafts (\Draft)`, letter(0, 20)); err != nil {
		return err
	}
	if p.inbox > kept {
		if _, err := p.do(fmt.Sprintf(`STORE 1:%d +FLAGS.SILENT (\Deleted)`, p.inbox-kept), "EXPUNGE"); err != nil {
			return err
		}
		p.inbox = kept
	}
	if _, err := p.do("SELECT Drafts", `STORE 1:* +FLAGS.SILENT (\Deleted)`, "CLOSE"); err != nil {
		return err
	}
	if p.archive <= kept {
		return nil
	}
	_, err := p.do("SELECT Archive", fmt.Sprintf(`STORE 1:%d +FLAGS.SILENT (\Deleted)`, p.archive-kept), "CLOSE")
	p.archive = kept
	return err
}

// submit writes to oneself.
func (p *person) submit() error {
	c, err := p.service.DialSubmissions(p.account)
	if err != nil {
		return err
	}
	defer c.Close()
	p.did.submissions.Add(1)
	p.arrived++
	p.inbox++
	text := strings.Replace(letter(p.arrived, 10), "friend@sender.test", p.account.Address, 1)
	if err := c.Send(p.account.Address, []string{p.account.Address}, text); err != nil {
		return err
	}
	return p.arrive()
}

// arrive waits until what was submitted is there.
func (p *person) arrive() error {
	c, err := p.service.DialIMAP(p.account)
	if err != nil {
		return err
	}
	defer c.Close()
	p.did.signIns.Add(1)
	want := fmt.Sprintf("MESSAGES %d)", p.inbox)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		p.did.commands.Add(1)
		lines, err := c.Command("STATUS INBOX (MESSAGES)")
		if err != nil {
			return err
		}
		if strings.Contains(lines[0], want) {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s, want %s", lines[0], want)
		}
	}
}

// poll fetches the newest message by POP3 and deletes the oldest.
func (p *person) poll() error {
	p.did.polls.Add(1)
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 30 * time.Second}, "tcp", p.service.POP3S, p.service.TLS)
	if err != nil {
		return err
	}
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	c := textproto.NewConn(conn)
	defer c.Close()
	if _, err := c.ReadLine(); err != nil {
		return err
	}
	for _, command := range []string{"USER " + p.account.Address, "PASS " + p.account.Password, "STAT",
		"UIDL", "RETR " + strconv.Itoa(p.inbox), "DELE 1", "QUIT"} {
		if err := c.PrintfLine("%s", command); err != nil {
			return err
		}
		line, err := c.ReadLine()
		if err != nil {
			return err
		}
		if !strings.HasPrefix(line, "+OK") {
			return fmt.Errorf("%s: %s", command, line)
		}
		if command == "UIDL" || strings.HasPrefix(command, "RETR") {
			if _, err := c.ReadDotBytes(); err != nil {
				return err
			}
		}
	}
	p.inbox--
	return nil
}

// check compares the mailboxes with what must be in them.
func (p *person) check(t *testing.T) {
	t.Helper()
	c, err := p.service.DialIMAP(p.account)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for mailbox, want := range map[string]int{"INBOX": p.inbox, "Archive": p.archive, "Drafts": 0} {
		lines, err := c.Command("STATUS " + mailbox + " (MESSAGES)")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(lines[0], fmt.Sprintf("(MESSAGES %d)", want)) {
			t.Errorf("%s: %s, want %d", p.account.Address, lines[0], want)
		}
	}
}
