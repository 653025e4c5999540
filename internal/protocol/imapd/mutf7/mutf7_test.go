package mutf7

import (
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestTable(t *testing.T) {
	for _, c := range []struct{ name, wire string }{
		{"", ""},
		{"INBOX", "INBOX"},
		{"Skräp", "Skr&AOQ-p"},
		{"Räksmörgås", "R&AOQ-ksm&APY-rg&AOU-s"},
		{"A & B", "A &- B"},
		{"&", "&-"},
		{"台北/日本語", "&U,BTFw-/&ZeVnLIqe-"},
		{"📬 post", "&2D3c7A- post"},
		{"tab\there", "tab&AAk-here"},
	} {
		if got := Encode(c.name); got != c.wire {
			t.Errorf("Encode(%q) = %q, want %q", c.name, got, c.wire)
		}
		if got, err := Decode(c.wire); err != nil || got != c.name {
			t.Errorf("Decode(%q) = %q, %v, want %q", c.wire, got, err, c.name)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, wire := range []string{
		"Skräp",          // octets beyond ASCII
		"&",              // run without end
		"a&AOQ",          // run without end
		"&AOQ=-",         // padding
		"&AO/-",          // "/" where "," belongs
		"&AGE-",          // "a" stands for itself
		"&ACY-",          // so does "&", as "&-"
		"&AOQ-&APY-",     // two runs that should be one
		"&2D0-",          // half a surrogate pair
		"&3Kw-",          // the other half
		"&AOR-",          // stray bits
		"&A-",            // half a unit
		"tab\there",      // control
		"R&AOQ-ksm&AOQA", // odd
	} {
		if got, err := Decode(wire); err == nil {
			t.Errorf("Decode(%q) = %q, want an error", wire, got)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.String().Draw(t, "name")
		got, err := Decode(Encode(name))
		if err != nil || got != name {
			t.Fatalf("%q became %q (%v) by way of %q", name, got, err, Encode(name))
		}
	})
}

// FuzzDecode holds that what Decode accepts is exactly what Encode writes.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{"INBOX", "&-", "R&AOQ-ksm", "&2D3c7A-", "&AOQ-&APY-", "a&"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, wire string) {
		name, err := Decode(wire)
		if err != nil {
			return
		}
		if !utf8.ValidString(name) {
			t.Fatalf("Decode(%q) = %q is not UTF-8", wire, name)
		}
		if back := Encode(name); back != wire {
			t.Fatalf("Decode(%q) = %q, which encodes as %q", wire, name, back)
		}
	})
}
