package clients

import (
	"os"
	"strings"
	"testing"

	"github.com/postiljon/postiljon/test/harness"
)

// testSieveConnect edits rules with ManageSieve, and mail goes where they say.
func testSieveConnect(t *testing.T, d *desk) {
	anna, bo := d.people[0], d.people[1]
	d.file(t, "password", harness.Password)
	connect := func(t *testing.T, args string) (string, error) {
		t.Helper()
		return d.try(t, "sh", "-c", d.fill("exec sieve-connect --server localhost --port ${SIEVE} --user ${USER0} --tlscafile ${CA} --passwordfd 3 "+
			args+" 3<${HOME}/password", "${SIEVE}", port(d.Sieve)))
	}
	must := func(t *testing.T, args string) string {
		t.Helper()
		out, err := connect(t, args)
		if err != nil {
			t.Fatalf("sieve-connect %s: %v\n%s", args, err, tail(out))
		}
		return out
	}
	const script = `require ["fileinto", "mailbox", "imap4flags", "variables"];
if header :matches "Subject" "[*] *" {
    setflag "\\Flagged";
    fileinto :create "Lists/${1}";
}
`
	d.file(t, "good.sieve", script)
	d.step(t, "put a script and switch it on", func(t *testing.T) {
		must(t, "--localsieve good.sieve --remotesieve main --upload")
		must(t, "--remotesieve main --activate")
		contains(t, must(t, "--list"), `"main" ACTIVE`)
	})
	d.step(t, "get it back", func(t *testing.T) {
		must(t, "--remotesieve main --localsieve copy.sieve --download")
		if got, err := os.ReadFile(d.home + "/copy.sieve"); err != nil || strings.TrimRight(string(got), "\r\n") != strings.TrimRight(script, "\n") {
			t.Errorf("got %q, %v", got, err)
		}
	})
	d.step(t, "mail goes where it says", func(t *testing.T) {
		send(t, d, bo, anna, "[cats] food")
		send(t, d, bo, anna, "lunch")
		if m := d.one(t, anna, "Lists/cats", "[cats] food"); m.Flags != `\Flagged` {
			t.Errorf("flags are %s", m.Flags)
		}
		d.one(t, anna, "INBOX", "lunch")
	})
	d.step(t, "hear what is wrong with a script", func(t *testing.T) {
		d.file(t, "bad.sieve", "keep;\nfileinto \"x\";\n")
		out, err := connect(t, "--localsieve bad.sieve --checkscript")
		if err == nil {
			t.Error("a wrong script is right")
		}
		contains(t, out, "line 2, column 1", `require "fileinto";`)
	})
	d.step(t, "switch it off and remove it", func(t *testing.T) {
		must(t, "--deactivate")
		must(t, "--remotesieve main --delete")
		if out := must(t, "--list"); strings.Contains(out, "main") {
			t.Errorf("it is still there: %s", out)
		}
	})
}

// send sends a message from one person to another.
func send(t *testing.T, d *desk, from, to harness.Account, subject string) {
	t.Helper()
	m, err := d.DialSubmissions(from)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.Send(from.Address, []string{to.Address}, letter(from.Address, subject)); err != nil {
		t.Fatal(err)
	}
}
