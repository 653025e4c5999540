package service

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/test/harness"
)

// TestKillWhileMovingBetweenAccounts kills the service while one person moves messages out of
// another's mailbox and back. None is ever lost, the share stays, and all that is stored agrees.
func TestKillWhileMovingBetweenAccounts(t *testing.T) {
	s := harness.Start(t, harness.Options{Accounts: 2})
	owner, other := s.Accounts[0], s.Accounts[1]
	const messages = 600 // more than one transaction takes
	fillShared(t, s, owner, messages)
	if _, err := s.Command("share", "Work", "--of", owner.Address, "--with", other.Address, "--as", "write"); err != nil {
		t.Fatal(err)
	}
	shared := fmt.Sprintf(`"Other Users/%s/Work"`, strings.Split(owner.Address, "@")[0])
	twice := 0
	for round := 1; round <= 4; round++ {
		ended := make(chan int)
		go func() { ended <- moveToAndFro(s, other, shared) }()
		time.Sleep(time.Duration(100+rand.IntN(400)) * time.Millisecond)
		s.Kill()
		moves := <-ended
		s.Run()
		there := map[string]int{}
		for mailbox, a := range map[string]harness.Account{"Work": owner, "Archive": other} {
			for _, subject := range subjects(t, s, a, mailbox) {
				there[subject]++
			}
		}
		if len(there) != messages {
			t.Fatalf("%d of %d messages are there after %d moves", len(there), messages, moves)
		}
		twice = -messages
		for _, n := range there {
			twice += n
		}
		if twice > 50*round { // what one step of a move takes
			t.Fatalf("%d messages are there twice after %d crashes", twice, round)
		}
	}
	t.Logf("%d messages were left in both mailboxes", twice)
	if out, err := s.Command("verify"); err != nil || !strings.Contains(out, "Everything agrees") {
		t.Errorf("verify: %v\n%s", err, out)
	}
	if out, err := s.Command("share", "list", other.Address); err != nil || !strings.Contains(out, "write") {
		t.Errorf("share list: %v\n%s", err, out)
	}
}

// fillShared makes the mailbox Work with so many messages.
func fillShared(t *testing.T, s *harness.Service, a harness.Account, messages int) {
	t.Helper()
	c, err := s.DialIMAP(a)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Command("CREATE Work"); err != nil {
		t.Fatal(err)
	}
	const each = 100
	for i := 0; i < messages; i += each {
		var b strings.Builder
		for j := range each {
			text := fmt.Sprintf("Subject: letter %d\r\n\r\nHej\r\n", i+j)
			fmt.Fprintf(&b, " {%d+}\r\n%s", len(text), text)
		}
		if _, err := c.Command("APPEND Work" + b.String()); err != nil {
			t.Fatal(err)
		}
	}
}

// moveToAndFro moves all messages of a mailbox to Archive and back until the connection breaks, and
// returns how often.
func moveToAndFro(s *harness.Service, a harness.Account, mailbox string) (moves int) {
	c, err := s.DialIMAP(a)
	if err != nil {
		return 0
	}
	defer c.Close()
	for {
		for _, step := range [][2]string{{mailbox, "Archive"}, {"Archive", mailbox}} {
			if _, err := c.Command("SELECT " + step[0]); err != nil {
				return moves
			}
			if _, err := c.Command("UID MOVE 1:* " + step[1]); err != nil {
				return moves
			}
			moves++
		}
	}
}

// subjects returns the subjects of all messages of a mailbox.
func subjects(t *testing.T, s *harness.Service, a harness.Account, mailbox string) (all []string) {
	t.Helper()
	c, err := s.DialIMAP(a)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Command("EXAMINE " + mailbox); err != nil {
		t.Fatal(err)
	}
	lines, err := c.Command("FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
	if err != nil && !strings.Contains(err.Error(), "BAD") { // no message at all
		t.Fatal(err)
	}
	for _, line := range lines {
		if i := strings.Index(line, "Subject: "); i >= 0 {
			subject, _, _ := strings.Cut(line[i:], "\r\n")
			all = append(all, subject)
		}
	}
	return all
}
