package causelint

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// check runs Check on a package of one file with the given body.
func check(t *testing.T, body string, allowed ...string) []Finding {
	t.Helper()
	dir := t.TempDir()
	src := "package p\n\nimport \"example.org/internal/cause\"\n\n" + body + "\n"
	if err := os.WriteFile(filepath.Join(dir, "p.go"), []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	findings, err := Check(dir, allowed...)
	if err != nil {
		t.Fatal(err)
	}
	return findings
}

func TestFindsRefusals(t *testing.T) {
	for _, literal := range []string{
		`"550 5.1.1 No such user"`,
		`"554-5.7.1 first line"`,
		`"421 Service not available\r\n"`,
		`"250-SIZE\r\n500 Command not known"`,
		`"502 <command> unknown"`,
		"`451 4.3.0 Try again`",
		`"5.7.1"`,
		`"4.4.2 timeout"`,
		`" NO [OVERQUOTA] full"`,
		`"a1 NO wrong"`,
		`"* BYE Autologout"`,
		`"BAD Syntax error"`,
		`"-ERR no such message"`,
		`"-ERR [IN-USE] locked"`,
	} {
		if got := check(t, "const c = "+literal); len(got) != 1 {
			t.Errorf("%s: %d findings, want 1", literal, len(got))
		}
	}
}

func TestLetsPass(t *testing.T) {
	for _, literal := range []string{
		`"250 2.0.0 OK"`,
		`"354 Go on"`,
		`" NO ["`,
		`" BAD "`,
		`"-ERR ["`,
		`"-ERR %s"`,
		`"%d %s %s"`,
		`"2.1.0"`,
		`"IMAP4rev2 NOTIFY"`,
		`"BADCHARSET"`,
		`"450"`,
	} {
		if got := check(t, "const c = "+literal); len(got) != 0 {
			t.Errorf("%s: found %v", literal, got)
		}
	}
	if got := check(t, "// 550 5.1.1 stands in a comment\nvar r = cause.SMTPReply{}"); len(got) != 0 {
		t.Errorf("found %v", got)
	}
	if got := check(t, `const c = "5.0.0"`, "5.0.0"); len(got) != 0 {
		t.Errorf("an allowed literal is found: %v", got)
	}
}

func TestFindsRepliesFilledByHand(t *testing.T) {
	got := check(t, `var r = cause.IMAPReply{Text: "no"}`)
	if len(got) != 1 || !strings.Contains(got[0].String(), "p.go:5") {
		t.Errorf("findings %v", got)
	}
	if got := check(t, `var r = other.IMAPReply{Text: "no"}`); len(got) != 0 {
		t.Errorf("another package's reply is found: %v", got)
	}
}

func TestCheckErrors(t *testing.T) {
	if _, err := Check(t.TempDir()); err == nil {
		t.Error("a folder without Go files passes")
	}
	if _, err := Check(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a folder that does not exist passes")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "p.go"), []byte("pakage p"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Check(dir); err == nil {
		t.Error("a file that does not parse passes")
	}
}
