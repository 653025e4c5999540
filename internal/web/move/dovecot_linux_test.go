package move

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/certs/certstest"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/transfer"
)

const dovecotConf = `base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/log
protocols = imap
listen = 127.0.0.1
ssl = required
ssl_cert = <{dir}/cert.pem
ssl_key = <{dir}/key.pem
auth_mechanisms = plain
auth_failure_delay = 0
passdb {
  driver = static
  args = password=secret
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home={dir}/mail/%u
}
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:~/Maildir
namespace inbox {
  inbox = yes
  separator = .
  prefix = INBOX.
  mailbox Skickat {
    special_use = \Sent
  }
  mailbox Allt {
    special_use = \All
  }
}
service imap-login {
  inet_listener imap {
    port = {plain}
  }
  inet_listener imaps {
    port = {port}
    ssl = yes
  }
}
`

// dovecot is Debian's, with a prefix before all names and mailboxes in Swedish.
type dovecot struct{ port, plain int }

func startDovecot(t *testing.T, letters []transfer.Item) (*world, *dovecot) {
	t.Helper()
	dir, err := os.MkdirTemp("", "dovecot") // nobody must get there
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	d := &dovecot{freePort(t), freePort(t)}
	cert, pool := certstest.New(t, "localhost")
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	conf := strings.NewReplacer("{dir}", dir, "{port}", fmt.Sprint(d.port), "{plain}", fmt.Sprint(d.plain)).Replace(dovecotConf)
	for name, text := range map[string][]byte{
		"cert.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}), "key.pem": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), "conf": []byte(conf),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fillMaildir(t, filepath.Join(dir, "mail", "anna", "Maildir"), letters)
	if out, err := exec.Command("sh", "-c", "chmod 755 "+dir+" && chown -R nobody:nogroup "+dir+"/mail").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cmd := exec.Command("dovecot", "-F", "-c", filepath.Join(dir, "conf"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait() // it says that it was interrupted
	})
	d.awaited(t, dir)
	return newWorldWith(t, func(w *world) { w.roots = pool }), d
}

func (d *dovecot) awaited(t *testing.T, dir string) {
	t.Helper()
	for range 500 {
		if c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", d.port)); err == nil {
			c.Close()
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	log, _ := os.ReadFile(filepath.Join(dir, "log"))
	t.Fatalf("Dovecot does not answer: %s", log)
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func fillMaildir(t *testing.T, dir string, letters []transfer.Item) {
	t.Helper()
	w, err := transfer.NewMaildirWriter(dir, when)
	if err != nil {
		t.Fatal(err)
	}
	for i := range letters {
		if err := w.Write(&letters[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// letter is a message for a mailbox.
func letter(mailbox string, n int, flags ...string) transfer.Item {
	text := fmt.Sprintf("From: bo@far.example\r\nSubject: Hälsning %d\r\nMessage-ID: <%d@far.example>\r\n\r\n%s\r\n", n, n, strings.Repeat("Hej på dig! ", n))
	return transfer.Item{Mailbox: mailbox, Flags: flags, Received: when.Add(time.Duration(n) * time.Minute), Size: int64(len(text)), Body: strings.NewReader(text)}
}

// TestFetchFromDovecot fetches from Debian's Dovecot, with each kind of encryption.
func TestFetchFromDovecot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("only root can run Dovecot for somebody else")
		return
	}
	var letters []transfer.Item
	for i := range 120 {
		letters = append(letters, letter("INBOX", i, `\Seen`, "$Forwarded"))
	}
	letters = append(letters, letter("Skickat", 200, `\Answered`), letter("Arbete/Åre", 201, `\Flagged`),
		letter("Allt", 5), letter("Allt", 300)) // of these, one is in the INBOX
	w, d := startDovecot(t, letters)
	for user, port := range map[string]string{
		"anna": fmt.Sprintf(`"port":%d`, d.port),
		"bo":   fmt.Sprintf(`"port":%d,"tls":"starttls"`, d.plain),
	} {
		body := fmt.Sprintf(`{"host":"localhost",%s,"user":"anna","password":"secret"}`, port)
		j := w.ended(user, w.begun(user, "/api/import/imap", body))
		if j.State != store.JobDone || j.Progress.Imported != 123 || j.Progress.Skipped != 1 || len(j.Failures) != 0 {
			t.Fatalf("the job ended as %+v, %+v", j, j.Refusal)
		}
		a := map[string]store.AccountID{"anna": w.anna.ID, "bo": w.bo.ID}[user]
		if got := fmt.Sprint(w.mailboxes(a)); got != "map[Arbete/Åre:1 Archive:1 INBOX:120 Sent:1]" {
			t.Errorf("%s has %s", user, got)
		}
		if got := w.holds(a); !slices.ContainsFunc(got, func(s string) bool {
			return strings.HasPrefix(s, `INBOX [$Forwarded \Seen] 2026-11-02 12:29:05 From: bo@far.example`)
		}) {
			t.Errorf("%s has no such message among %.300q", user, got)
		}
		if j = w.ended(user, w.begun(user, "/api/import/imap", body)); j.State != store.JobDone || j.Progress.Imported != 0 {
			t.Errorf("again, the job ended as %+v", j)
		}
	}
	j := w.ended("anna", w.begun("anna", "/api/import/imap", fmt.Sprintf(`{"host":"localhost","port":%d,"user":"anna","password":"secret"}`, d.plain)))
	if j.Refusal == nil || j.Refusal.Cause != "tls.mode-swapped" {
		t.Errorf("the job ended as %+v, %+v", j, j.Refusal)
	}
	j = w.ended("anna", w.begun("anna", "/api/import/imap", fmt.Sprintf(`{"host":"localhost","port":%d,"user":"anna","password":"wrong"}`, d.port)))
	if j.Refusal == nil || j.Refusal.Cause != "auth.password-wrong" || !strings.Contains(j.Detail, "AUTHENTICATIONFAILED") {
		t.Errorf("the job ended as %+v, %+v", j, j.Refusal)
	}
}
