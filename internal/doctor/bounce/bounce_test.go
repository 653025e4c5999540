package bounce

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
)

func book(t testing.TB) *dialect.Book {
	t.Helper()
	b, err := dialect.Load(func() time.Time { return time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC) })
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func file(t testing.TB, path ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{"testdata"}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestBounces compares what is read of the reports in testdata with testdata/bounces.txt.
func TestBounces(t *testing.T) {
	dialects := book(t)
	var got, want []string
	seen := ""
	for line := range strings.Lines(string(file(t, "bounces.txt"))) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		want = append(want, line)
		name, _, _ := strings.Cut(line, " | ")
		if name == seen {
			continue
		}
		seen = name
		b, err := Read(dialects, file(t, "bounces", name+".eml"))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, r := range b.Recipients {
			got = append(got, strings.Join([]string{name, string(b.Form), or(r.owner(b)), r.Address, string(r.Action), or(r.Status), string(r.Stage),
				string(r.Reading.First().Kind), or(r.RemoteMTA), or(b.Original.MessageID)}, " | "))
		}
	}
	if len(want) < 45 {
		t.Errorf("only %d recipients", len(want))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(- want, + got)\n%s", diff)
	}
}

// owner is whose server refused: the remote one, or the one that reports.
func (r *Recipient) owner(b *Bounce) string {
	if r.RemoteMTA != "" {
		return r.Provider
	}
	return b.Provider
}

func or(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func TestNoBounces(t *testing.T) {
	dialects := book(t)
	for _, name := range []string{"plain", "microsoft-junk", "vacation", "from-postmaster", "postmaster-addresses", "broken", "loop"} {
		if b, err := Read(dialects, file(t, "messages", name+".eml")); !errors.Is(err, ErrNoBounce) {
			t.Errorf("%s: %v, %+v", name, err, b)
		}
	}
	for _, text := range []string{"", "\r\n", "From: mailer-daemon@example.org\r\n\r\n"} {
		if _, err := Read(dialects, []byte(text)); !errors.Is(err, ErrNoBounce) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
