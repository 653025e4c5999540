package main

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/postiljon/postiljon/internal/config"
)

func TestOctets(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1 kB", 1234: "1.2 kB", 123_456: "123 kB", 5_000_000_000: "5 GB", 2e15: "2000 TB",
	} {
		if got := octets(n); got != want {
			t.Errorf("%d: %q, not %q", n, got, want)
		}
	}
}

// TestFolded holds that text for people fits a terminal of 80 columns, loses no word and breaks none.
func TestFolded(t *testing.T) {
	words := strings.Repeat("one thirteen-long ", 30) + strings.Repeat("x", 100) + " end"
	for _, margin := range []string{"", "  ", "; ", "  2. "} {
		lines := strings.Split(folded(words, margin), "\n")
		var back []string
		for i, line := range lines {
			if len(line) > lineWidth && !strings.Contains(line, strings.Repeat("x", 100)) {
				t.Errorf("%q is too long", line)
			}
			if want := strings.Repeat(" ", len(margin)); i > 0 && margin != "; " && !strings.HasPrefix(line, want) || margin == "; " && !strings.HasPrefix(line, margin) {
				t.Errorf("%q does not begin with the margin %q", line, margin)
			}
			back = append(back, strings.Fields(line[len(margin):])...)
		}
		if got := strings.Join(back, " "); got != words {
			t.Errorf("with margin %q it became %q", margin, got)
		}
	}
	if short := "as it was\n  indented"; foldedLines(short) != short {
		t.Errorf("short lines became %q", foldedLines(short))
	}
}

func TestQuote(t *testing.T) {
	for text, want := range map[string]string{
		"plain/path-1.pem": "plain/path-1.pem", "it's": `'it'\''s'`, "a b": "'a b'", "": "''", "$HOME": "'$HOME'", "user@demo.test:pass-1": "user@demo.test:pass-1",
	} {
		if got := quote(text); got != want {
			t.Errorf("%q: %s", text, got)
		}
	}
}

func TestResident(t *testing.T) {
	if n := resident(); n < 1<<20 || n > 1<<40 {
		t.Errorf("the test takes %d octets", n)
	}
}

func TestRecordsAnnounceOnlyWhatIsServed(t *testing.T) {
	c, err := config.Default()
	if err != nil {
		t.Fatal(err)
	}
	c.Hostname = "mail.example.org"
	c.Listen.IMAP = nil
	values := map[string]string{}
	for _, r := range records("example.org", &c) {
		values[r.Name+" "+r.Kind] = r.Value
	}
	for name, want := range map[string]string{
		"example.org. MX":                     "10 mail.example.org.",
		"_imaps._tcp.example.org. SRV":        "0 1 993 mail.example.org.",
		"_imap._tcp.example.org. SRV":         "0 0 0 .",
		"_submission._tcp.example.org. SRV":   "0 1 587 mail.example.org.",
		"_autodiscover._tcp.example.org. SRV": "0 1 443 mail.example.org.",
	} {
		if values[name] != want {
			t.Errorf("%s is %q, not %q", name, values[name], want)
		}
	}
	for name := range values {
		if strings.Contains(name, "domainkey") || strings.Contains(name, "mta-sts") {
			t.Errorf("%s is announced and not served", name)
		}
	}
	c.Web.MTASTS = "testing"
	values = map[string]string{}
	for _, r := range records("example.org", &c) {
		values[r.Name+" "+r.Kind] = r.Value
	}
	if !strings.HasPrefix(values["_mta-sts.example.org. TXT"], "v=STSv1; id=") || values["mta-sts.example.org. CNAME"] != "mail.example.org." {
		t.Errorf("MTA-STS is announced as %v", values)
	}
	c.Listen.HTTPS = []string{"127.0.0.1:8443"} // programs ask at 443 only
	for _, r := range records("example.org", &c) {
		if strings.Contains(r.Name, "autodiscover") {
			t.Errorf("%s is announced as %s", r.Name, r.Value)
		}
	}
}

func TestListenTroubleSaysWhatToDo(t *testing.T) {
	for err, want := range map[error]string{
		syscall.EADDRINUSE:    "ss -ltnp",
		syscall.EACCES:        "CAP_NET_BIND_SERVICE",
		syscall.EADDRNOTAVAIL: "ip address",
	} {
		got := listenTrouble("smtp", "192.0.2.1:25", &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", err)})
		a, ok := errors.AsType[advised](got)
		if !ok || !strings.Contains(a.NextStep(), want) || !errors.Is(got, err) {
			t.Errorf("%v: %v", err, got)
		}
	}
}

func TestRestartKeys(t *testing.T) {
	was, err := config.Default()
	if err != nil {
		t.Fatal(err)
	}
	is := was
	is.Log.Level = "debug"
	if got := restartKeys(was, is); len(got) != 0 {
		t.Errorf("%q", got)
	}
	is.Hostname, is.Limits.Recipients = "other.example", 500
	if got := strings.Join(restartKeys(was, is), " "); got != "hostname limits.recipients" {
		t.Errorf("%q", got)
	}
}

// A password comes from the first line, without its line end.
func TestReadPassword(t *testing.T) {
	dir := t.TempDir()
	s := &streams{err: io.Discard}
	for text, want := range map[string]string{"secret\n": "secret", "secret\r\nmore": "secret", "a b ": "a b ", "\n": "", "": ""} {
		file := filepath.Join(dir, "password")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := readPassword(s, file)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

// The file says which keys a reload takes, and they are those.
func TestLiveKeysAreDocumented(t *testing.T) {
	var b strings.Builder
	if err := config.Write(&b, "mail.example.org", "/var/lib/postiljon"); err != nil {
		t.Fatal(err)
	}
	var marked []string
	section, sectionMarked, mark, afterKey := "", false, false, false
	for line := range strings.Lines(b.String()) {
		line = strings.TrimSuffix(line, "\n")
		name, _, isKey := strings.Cut(line, " = ")
		switch {
		case strings.HasPrefix(line, "#"):
			mark = !afterKey && mark || strings.HasSuffix(line, "(reload)") // a comment after a key is of the next
		case strings.HasPrefix(line, "["):
			section, sectionMarked, mark = strings.Trim(line, "[]")+".", mark, false
			if whole := strings.Trim(line, "[]"); sectionMarked && slices.Contains(config.Keys(), whole) { // a table of tables
				marked = append(marked, whole)
			}
		case line == "":
			mark = false
		case isKey && (mark || sectionMarked):
			marked = append(marked, section+name)
		}
		afterKey = isKey && !strings.HasPrefix(line, "#")
	}
	slices.Sort(marked)
	want := slices.Sorted(slices.Values(live))
	if !slices.Equal(marked, want) {
		t.Errorf("marked: %q\ntaken: %q", marked, want)
	}
}
