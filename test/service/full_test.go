package service

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/postiljon/postiljon/test/harness"
)

// TestFullDisk fills the volume under the service: mail is refused for now with
// 452 4.3.1, nothing that was acknowledged is lost, reading and deleting go on,
// and mail is taken again by itself when there is room.
func TestFullDisk(t *testing.T) {
	dir := smallVolume(t, 320<<20)
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 120<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	s := harness.Start(t, harness.Options{Data: filepath.Join(dir, "data"), Accounts: 2})
	l := newLedger()
	to := s.Accounts[0].Address
	c, err := harness.DialSMTP(s.SMTP)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { c.Close() }()
	// It is refused again and again without harm. What is taken in between,
	// because there is a little room again, counts as taken.
	refused, taken := 0, 0
	for refused < 50 && taken < 4000 {
		id := l.id()
		err := c.Send("x@sender.test", []string{to}, letter(id, 150<<10))
		switch {
		case err == nil:
			l.ack(id, to)
			refused = 0
			taken++
		case refusedWith(err, "452 4.3.1"):
			refused++
		default:
			t.Fatalf("a full disk answered %v after %d messages", err, taken)
		}
	}
	if refused < 50 {
		t.Fatalf("%d messages were taken by a volume that cannot hold them", taken)
	}
	t.Logf("full after %d messages", taken)
	l.check(t, s, s.Accounts[0])

	m, err := s.DialIMAP(s.Accounts[0])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { m.Close() }()
	appendUntilFull(t, m, l, to)
	// A person can still make room.
	for _, command := range []string{"SELECT INBOX", `STORE 1 +FLAGS.SILENT (\Deleted)`, "EXPUNGE"} {
		if _, err := m.Command(command); err != nil {
			t.Errorf("on a full disk: %v", err)
		}
	}

	// Killed and started again while full.
	s.Kill()
	s.Run()
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for {
		c.Close()
		if c, err = harness.DialSMTP(s.SMTP); err != nil {
			t.Fatal(err)
		}
		id := l.id()
		if err = c.Send("x@sender.test", []string{to}, letter(id, 150<<10)); err == nil {
			l.ack(id, to)
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("there is room again, and mail is still refused: %v", err)
		}
		time.Sleep(200 * time.Millisecond)
	}
	delete(l.acked, "crash.1@test "+to) // it was expunged
	l.check(t, s, s.Accounts[0])
	if out, err := s.Command("verify"); err != nil {
		t.Errorf("verify: %v\n%s", err, out)
	}
}

// TestStartFull starts the service on a volume without one free octet: reading
// and deleting work, mail is refused for now, and taken again when there is room.
func TestStartFull(t *testing.T) {
	dir := smallVolume(t, 64<<20)
	s := harness.Start(t, harness.Options{Data: filepath.Join(dir, "data"), Accounts: 2})
	l := newLedger()
	to := s.Accounts[0].Address
	send := func(size int) error {
		c, err := harness.DialSMTP(s.SMTP)
		if err != nil {
			return err
		}
		defer c.Close()
		id := l.id()
		if err = c.Send("x@sender.test", []string{to}, letter(id, size)); err == nil {
			l.ack(id, to)
		}
		return err
	}
	for range 20 {
		if err := send(1000); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	filler := filepath.Join(dir, "filler")
	fill(t, filler)
	s.Run()
	l.check(t, s, s.Accounts[0])
	if err := send(1000); !refusedWith(err, "452 4.3.1") {
		t.Errorf("a full disk answered %v", err)
	}
	m := must[*harness.IMAP](t)(s.DialIMAP(s.Accounts[0]))
	defer m.Close()
	must[[]string](t)(m.Command("SELECT INBOX"))
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		err := send(1000)
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("there is room again, and mail is still refused: %v", err)
		}
	}
	l.check(t, s, s.Accounts[0])
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
}

// fill writes a file until its volume has no room at all.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
}

// appendUntilFull appends until that is refused, with its cause.
func appendUntilFull(t *testing.T, m *harness.IMAP, l *ledger, account string) {
	t.Helper()
	for range 200 {
		id := l.id()
		_, err := m.Append("INBOX", letter(id, 150<<10))
		if err == nil {
			l.ack(id, account)
			continue
		}
		if !strings.Contains(err.Error(), " NO [") || !strings.Contains(err.Error(), "/why/provider.storage-failed") {
			t.Errorf("APPEND to a full disk: %v", err)
		}
		return
	}
	t.Error("APPEND to a full disk was taken")
}

// smallVolume mounts a volume in memory. It needs root, as CI has it.
func smallVolume(t *testing.T, size int64) string {
	t.Helper()
	dir := t.TempDir()
	err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size))
	if err == unix.EPERM {
		t.Fatal("mounting a small volume needs root: unshare --map-root-user --mount go test ./test/service")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The service may still hold files for a moment after it was killed.
		for range 50 {
			if err = unix.Unmount(dir, 0); err == nil || !strings.Contains(err.Error(), "busy") {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}
