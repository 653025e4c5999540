package srs

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postiljon/postiljon/internal/message/address"
)

var start = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func rewriter(t *testing.T, key string, now time.Time) *Rewriter {
	t.Helper()
	r, err := New([]byte(strings.Repeat(key, 16)), func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func parse(t *testing.T, text string) address.Address {
	t.Helper()
	a, err := address.Parse(text, address.Options{UTF8: true, LongLocal: true})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return a
}

// TestWay follows a sender through three forwarders, and a bounce back through the first.
func TestWay(t *testing.T) {
	one, two, three := rewriter(t, "1", start), rewriter(t, "2", start), rewriter(t, "3", start)
	anna := parse(t, "Anna.Ek@Example.org")
	first := one.Forward(anna, "one.example")
	if got := first.String(); !strings.HasPrefix(got, "SRS0=") || !strings.HasSuffix(got, "=example.org=Anna.Ek@one.example") {
		t.Fatalf("first: %s", got)
	}
	second := two.Forward(first, "two.example")
	if got := second.String(); !strings.HasPrefix(got, "SRS1=") || !strings.Contains(got, "=one.example==") || !strings.HasSuffix(got, "=example.org=Anna.Ek@two.example") {
		t.Fatalf("second: %s", got)
	}
	third := three.Forward(second, "three.example")
	if got := third.String(); !strings.Contains(got, "=one.example==") || len(got) > len(second.String())+2 {
		t.Fatalf("third: %s", got)
	}
	for _, step := range []struct {
		r    *Rewriter
		from address.Address
	}{{three, third}, {two, second}} {
		back, err := step.r.Reverse(step.from)
		if err != nil || back != first {
			t.Fatalf("%s leads back to %s, %v", step.from, back, err)
		}
	}
	if back, err := one.Reverse(first); err != nil || back != (address.Address{Local: "Anna.Ek", Domain: "example.org"}) {
		t.Fatalf("%s leads back to %s, %v", first, back, err)
	}
	if got := one.Forward(address.Address{}, "one.example"); !got.IsNull() {
		t.Errorf("the null sender became %s", got)
	}
}

func TestWrong(t *testing.T) {
	r := rewriter(t, "1", start)
	good := r.Forward(parse(t, "anna@example.org"), "one.example").Local
	for text, want := range map[string]error{
		"anna":                                 nil,
		"SRS0":                                 nil,
		"srs0xabc":                             nil,
		"SRS0=":                                nil,
		"SRS0=abc":                             ErrForged,
		"SRS0=abcdef=aa=example.org=":          ErrForged,
		"SRS0=abcdef=aa==anna":                 ErrForged,
		"SRS0=abcdef=aa=example.org=anna":      ErrForged,
		"SRS1=abcdef=one.example==x":           ErrForged,
		"SRS1=abcdef":                          ErrForged,
		strings.Replace(good, "anna", "bo", 1): ErrForged,
		strings.Replace(good, "org", "net", 1): ErrForged,
	} {
		if want == nil {
			want = ErrForeign
		}
		if back, err := r.Reverse(address.Address{Local: text, Domain: "one.example"}); !errors.Is(err, want) {
			t.Errorf("%s: %s, %v, want %v", text, back, err, want)
		}
	}
	if _, err := rewriter(t, "2", start).Reverse(address.Address{Local: good}); !errors.Is(err, ErrForged) {
		t.Errorf("with another key: %v", err)
	}
	if _, err := New([]byte("short"), nil); err == nil {
		t.Error("a short key is taken")
	}
}

func TestAge(t *testing.T) {
	made := rewriter(t, "1", start).Forward(parse(t, "anna@example.org"), "one.example")
	for days, want := range map[int]error{0: nil, 1: nil, maxAge: nil, maxAge + 1: ErrExpired, 500: ErrExpired, -2: ErrExpired, epochDays: nil} {
		later := rewriter(t, "1", start.AddDate(0, 0, days))
		if _, err := later.Reverse(made); !errors.Is(err, want) {
			t.Errorf("after %d days: %v, want %v", days, err, want)
		}
	}
}

// TestCase: servers may change the case of a local part.
func TestCase(t *testing.T) {
	r := rewriter(t, "1", start)
	made := r.Forward(parse(t, "anna@example.org"), "one.example")
	for _, local := range []string{strings.ToLower(made.Local), strings.ToUpper(made.Local)} {
		if back, err := r.Reverse(address.Address{Local: local, Domain: made.Domain}); err != nil || back.Normalize().String() != "anna@example.org" {
			t.Errorf("%s: %s, %v", local, back, err)
		}
	}
}

// TestHollow: what only looks as if others had rewritten it is a local part like any.
func TestHollow(t *testing.T) {
	for _, from := range []string{"SRS1+==@example.org", "SRS1=abcdef==x@example.org", "SRS1=abcdef=one.example=@example.org"} {
		r := rewriter(t, "1", start)
		if back, err := r.Reverse(r.Forward(parse(t, from), "here.example")); err != nil || back.String() != from {
			t.Errorf("%s: %s, %v", from, back, err)
		}
	}
}

// TestAnySender: whoever wrote gets the bounce, and a changed address leads nowhere.
func TestAnySender(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), 16, 32).Draw(t, "key")
		r, err := New(key, func() time.Time { return start })
		if err != nil {
			t.Fatal(err)
		}
		from := address.Address{
			Local:  rapid.StringMatching(`(SRS[01][=+-])?[A-Za-z0-9.=+'é -]{1,40}`).Draw(t, "local"),
			Domain: rapid.StringMatching(`[a-z0-9]{1,10}\.[a-z]{2,5}`).Draw(t, "domain"),
		}
		made := r.Forward(from, "here.example")
		parsed, err := address.Parse(made.String(), address.Options{UTF8: true, LongLocal: true})
		if err != nil || parsed != made {
			t.Fatalf("%s is read as %s: %v", made, parsed, err)
		}
		back, err := r.Reverse(made)
		kind, rest := cut(from.Local)
		switch {
		case kind == "srs1": // leads to the first forwarder, or is taken as any address
			if err != nil {
				t.Fatalf("%s: %v", made, err)
			}
		case kind == "srs0":
			if want := (address.Address{Local: "SRS0" + rest, Domain: from.Domain}); err != nil || back != want {
				t.Fatalf("%s leads to %s, not %s: %v", made, back, want, err)
			}
		case err != nil || back != from:
			t.Fatalf("%s leads to %s, not %s: %v", made, back, from, err)
		}
		at := rapid.IntRange(5, len(made.Local)-1).Draw(t, "at")
		changed := []byte(made.Local)
		changed[at] = rapid.SampledFrom([]byte("abcxyz=.0")).Draw(t, "octet")
		if strings.EqualFold(string(changed), made.Local) {
			return
		}
		if back, err := r.Reverse(address.Address{Local: string(changed), Domain: made.Domain}); err == nil {
			t.Fatalf("%s, changed to %s, leads to %s", made.Local, changed, back)
		}
	})
}

func FuzzReverse(f *testing.F) {
	r, err := New([]byte("0123456789abcdef"), func() time.Time { return start })
	if err != nil {
		f.Fatal(err)
	}
	f.Add("SRS0=abcdef=aa=example.org=anna")
	f.Add("SRS1=abcdef=one.example==abc=aa=example.org=anna")
	f.Add(r.Forward(address.Address{Local: "a", Domain: "b.example"}, "c.example").Local)
	f.Fuzz(func(t *testing.T, local string) {
		back, err := r.Reverse(address.Address{Local: local, Domain: "c.example"})
		if err == nil && (back.Local == "" || back.Domain == "") {
			t.Fatalf("%q leads to %q", local, back)
		}
		r.Forward(address.Address{Local: local, Domain: "b.example"}, "c.example")
	})
}
