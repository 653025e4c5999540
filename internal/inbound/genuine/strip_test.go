package genuine_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/postiljon/postiljon/internal/inbound/genuine"
)

// claims are fields, and whether they claim to be of mx.demo.test.
var claims = []struct {
	field string
	ours  bool
}{
	{"Authentication-Results: mx.demo.test; spf=pass\r\n", true},
	{"authentication-RESULTS : MX.Demo.Test; spf=pass\r\n", true},
	{"Authentication-Results:\r\n\t(we) mx.demo.test\r\n 1; spf=pass\r\n", true},
	{"Authentication-Results: \"mx.demo.test\"; spf=pass\r\n", true},
	{"Authentication-Results: mx.demo.test.; spf=pass\r\n", true},
	{"Authentication-Results: mx.demo.test(x); spf=pass\r\n", true},
	{"Authentication-Results: ; spf=pass\r\n", true}, // of nobody
	{"Authentication-Results: mx.else.test; spf=pass\r\n", false},
	{"Authentication-Results: xmx.demo.test; spf=pass\r\n\tmx.demo.test\r\n", false},
	{"Authentication-Results-Old: mx.demo.test; spf=pass\r\n", false},
	{"X-Authentication-Results: mx.demo.test; spf=pass\r\n", false},
	{"ARC-Authentication-Results: i=1; mx.demo.test; spf=pass\r\n", false},
	{"Subject: Authentication-Results:\r\n Authentication-Results: mx.demo.test\r\n", false},
	{"From: a@b.test\r\n", false},
}

func strip(message string, cut func(rest string) int) string {
	var out bytes.Buffer
	s := genuine.NewStripper(&out, "mx.demo.test")
	for message != "" {
		n := cut(message)
		_, _ = s.Write([]byte(message[:n]))
		message = message[n:]
	}
	_ = s.Close()
	return out.String()
}

// TestStripper: what claims to be ours goes, all else stays as it is, however the message is cut.
func TestStripper(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var message, want strings.Builder
		for _, c := range rapid.SliceOfN(rapid.SampledFrom(claims), 0, 8).Draw(t, "fields") {
			message.WriteString(c.field)
			if !c.ours {
				want.WriteString(c.field)
			}
		}
		rest := rapid.SampledFrom([]string{"", "\r\n", "\r\nAuthentication-Results: mx.demo.test; spf=pass\r\n\r\nbody"}).Draw(t, "rest")
		got := strip(message.String()+rest, func(rest string) int { return rapid.IntRange(1, len(rest)).Draw(t, "n") })
		if got != want.String()+rest {
			t.Fatalf("%q becomes %q, not %q", message.String()+rest, got, want.String()+rest)
		}
	})
}

func TestStripperLong(t *testing.T) {
	all := func(rest string) int { return len(rest) }
	if got := strip("Authentication-Results: else.test;"+strings.Repeat(" x=y;\r\n", 20000)+"A: b\r\n\r\n", all); got != "A: b\r\n\r\n" {
		t.Errorf("a field of 140 kB: %.80q", got)
	}
	long := "X: " + strings.Repeat("y", 1<<20) + "\r\n\r\n"
	if got := strip(long, all); got != long {
		t.Error("a long field was changed")
	}
	if got := strip("Authentication-Results: mx.demo.test", all); got != "" {
		t.Errorf("without line end: %q", got)
	}
	if got := strip("Authentication-Res", all); got != "Authentication-Res" {
		t.Errorf("cut off: %q", got)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("full") }

func TestStripperTrouble(t *testing.T) {
	s := genuine.NewStripper(full{})
	if _, err := s.Write([]byte("A: b\r\n")); err == nil {
		t.Error("the error is lost")
	}
	s = genuine.NewStripper(full{})
	_, _ = s.Write([]byte("A"))
	if err := s.Close(); err == nil {
		t.Error("the error is lost at the end")
	}
}

func TestReadResults(t *testing.T) {
	for _, c := range []struct{ value, want string }{
		{" mx.a.test; spf=pass smtp.mailfrom=x@y.test;\r\n dkim=fail (bad) reason=\"no; not\" header.d=y.test", "mx.a.test spf:pass[x@y.test] dkim:fail[]"},
		{"a.test 1; none", "a.test"},
		{"a.test;", "a.test"},
		{"a.test; dmarc/1=pass (p=none (x) \\) y) header.from=Z.test", "a.test dmarc:pass[]"},
		{"a.test; spf=pass smtp.mailfrom=a smtp.mailfrom=b", "a.test spf:pass[a]"},
		{"a.test; spf = pass smtp.mailfrom = a", "a.test spf:pass[a]"},
		{"", "error"}, {"(only)", "error"}, {"a.test; spf pass", "a.test error"}, {"a.test; =pass", "a.test :pass[] "},
	} {
		id, stated, err := genuine.ReadResults(c.value)
		got := []string{}
		if id != "" {
			got = append(got, id)
		}
		for _, s := range stated {
			got = append(got, s.Method+":"+string(s.Outcome)+"["+s.Properties["smtp.mailfrom"]+"]")
		}
		if err != nil {
			got = append(got, "error")
		}
		if text := strings.Join(got, " "); text != strings.TrimSpace(c.want) {
			t.Errorf("%q: %s", c.value, text)
		}
	}
}

func FuzzReadResults(f *testing.F) {
	for _, c := range claims {
		f.Add(c.field)
	}
	f.Add("a.test; dmarc/1=pass (p=none (x) \\) y) header.from=\"Z.test\"; x=y a.b=c")
	f.Fuzz(func(t *testing.T, value string) {
		_, stated, _ := genuine.ReadResults(value)
		if len(stated) > 100 {
			t.Errorf("%d results", len(stated))
		}
		whole := strip("A: b\r\n"+value, func(rest string) int { return len(rest) })
		if cut := strip("A: b\r\n"+value, func(string) int { return 1 }); cut != whole {
			t.Errorf("%q, and in pieces %q", whole, cut)
		}
	})
}
