package address

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParseReversePath(t *testing.T) {
	utf := Options{UTF8: true}
	long := strings.Repeat("l", 65)
	domain255 := strings.Repeat("a.", 127) + "a"
	tests := []struct {
		in   string
		opts Options
		want Address
		rest string
		err  error
	}{
		{in: "<>", want: Address{}},
		{in: "<> BODY=8BITMIME", want: Address{}, rest: " BODY=8BITMIME"},
		{in: "<anna@example.org>", want: Address{"anna", "example.org"}},
		{in: " <anna@example.org> SIZE=3", want: Address{"anna", "example.org"}, rest: " SIZE=3"},
		{in: "<@a.example,@b.example:anna@example.org>", want: Address{"anna", "example.org"}},
		{in: "<@[IPv6:2001:db8::1]:anna@example.org>", want: Address{"anna", "example.org"}},
		{in: `<"anna b"@example.org>`, want: Address{"anna b", "example.org"}},
		{in: `<"a\"b\\c>@"@example.org>`, want: Address{`a"b\c>@`, "example.org"}},
		{in: `<""@example.org>`, want: Address{"", "example.org"}},
		{in: "<o'hara+x/y=z@x-1.example>", want: Address{"o'hara+x/y=z", "x-1.example"}},
		{in: "<root@my_host.example>", want: Address{"root", "my_host.example"}},
		{in: "<a@[192.0.2.1]>", want: Address{"a", "[192.0.2.1]"}},
		{in: "<a@[IPv6:2001:db8::1]>", want: Address{"a", "[IPv6:2001:db8::1]"}},
		{in: "<åsa@räksmörgås.example>", opts: utf, want: Address{"åsa", "räksmörgås.example"}},
		{in: "<" + long + "@e.org>", opts: Options{LongLocal: true}, want: Address{long, "e.org"}},

		{in: "anna@example.org", err: ErrSyntax},
		{in: "<anna@example.org", err: ErrSyntax},
		{in: "<anna>", err: ErrSyntax},
		{in: "<anna@example.org>x", err: ErrSyntax},
		{in: "<@a.example anna@example.org>", err: ErrSyntax},
		{in: "<@a.example>", err: ErrSyntax},
		{in: "", err: ErrSyntax},
		{in: "<@" + strings.Repeat("a", 600) + ":a@b>", err: ErrSyntax},
		{in: "<.a@e.org>", err: ErrLocal},
		{in: "<a.@e.org>", err: ErrLocal},
		{in: "<a..b@e.org>", err: ErrLocal},
		{in: "<a b@e.org>", err: ErrSyntax},
		{in: "<\"a\x00\"@e.org>", err: ErrLocal},
		{in: `<"a@e.org>`, err: ErrLocal},
		{in: `<"a\`, err: ErrLocal},
		{in: "<a@>", err: ErrDomain},
		{in: "<a@-e.org>", err: ErrDomain},
		{in: "<a@e-.org>", err: ErrDomain},
		{in: "<a@e..org>", err: ErrDomain},
		{in: "<a@e.org.>", err: ErrDomain},
		{in: "<a@[300.1.1.1]>", err: ErrDomain},
		{in: "<a@[2001:db8::1]>", err: ErrDomain},
		{in: "<a@[IPv6:192.0.2.1]>", err: ErrDomain},
		{in: "<a@[IPv6:fe80::1%eth0]>", err: ErrDomain},
		{in: "<a@[x:y]>", err: ErrDomain},
		{in: "<a@[192.0.2.1>", err: ErrDomain},
		{in: "<a@" + strings.Repeat("x", 64) + ".org>", err: ErrDomain},
		{in: "<" + long + "@e.org>", err: ErrTooLong},
		{in: "<abc@" + domain255 + ">", err: ErrTooLong},
		{in: "<a@" + domain255 + "a>", err: ErrTooLong},
		{in: "<åsa@example.org>", err: ErrUTF8},
		{in: "<a@räksmörgås.example>", err: ErrUTF8},
		{in: "<a\xff@e.org>", opts: utf, err: ErrLocal},
		{in: "<a@\xff.org>", opts: utf, err: ErrDomain},
	}
	for _, test := range tests {
		got, rest, err := ParseReversePath(test.in, test.opts)
		if !errors.Is(err, test.err) || (test.err == nil && (err != nil || got != test.want || rest != test.rest)) {
			t.Errorf("%q: got %+v, rest %q, error %v; want %+v, %q, %v", test.in, got, rest, err, test.want, test.rest, test.err)
		}
	}
}

func TestParseForwardPath(t *testing.T) {
	if _, _, err := ParseForwardPath("<>", Options{}); !errors.Is(err, ErrNull) {
		t.Errorf("null path: %v", err)
	}
	got, rest, err := ParseForwardPath("<PostMaster> NOTIFY=NEVER", Options{})
	if err != nil || got != (Address{Local: "PostMaster"}) || rest != " NOTIFY=NEVER" {
		t.Errorf("postmaster: %+v %q %v", got, rest, err)
	}
	if got.Path() != "<PostMaster>" {
		t.Errorf("postmaster path: %s", got.Path())
	}
	if got, _, err = ParseForwardPath("<bo@example.org>", Options{}); err != nil || got.Path() != "<bo@example.org>" {
		t.Errorf("plain: %+v %v", got, err)
	}
}

func TestParse(t *testing.T) {
	if a, err := Parse("anna@example.org", Options{}); err != nil || a != (Address{"anna", "example.org"}) {
		t.Errorf("plain: %+v %v", a, err)
	}
	for _, in := range []string{"", "anna", "anna@", "@example.org", "anna@example.org ", "<anna@example.org>", strings.Repeat("a", 300)} {
		if a, err := Parse(in, Options{}); err == nil {
			t.Errorf("%q: accepted as %+v", in, a)
		}
	}
}

func TestParseDomain(t *testing.T) {
	for _, in := range []string{"example.org", "localhost", "[127.0.0.1]", "[IPv6:::1]"} {
		if got, err := ParseDomain(in, Options{}); err != nil || got != in {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "a b", "a.", "[127.0.0.1]x", "[]", "a@b"} {
		if _, err := ParseDomain(in, Options{}); !errors.Is(err, ErrDomain) {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestNormalize(t *testing.T) {
	tests := []struct{ in, want Address }{
		{Address{"Anna", "Example.ORG"}, Address{"anna", "example.org"}},
		{Address{"Åsa", "RÄKSMÖRGÅS.example"}, Address{"åsa", "xn--rksmrgs-5wao1o.example"}},
		{Address{"A\u030asa", "xn--RKSMRGS-5wao1o.example"}, Address{"åsa", "xn--rksmrgs-5wao1o.example"}},
		{Address{"a", "[IPv6:2001:DB8::1]"}, Address{"a", "[ipv6:2001:db8::1]"}},
		{Address{"a", "my_host.Example."}, Address{"a", "my_host.example"}},
		{Address{}, Address{}},
	}
	for _, test := range tests {
		if got := test.in.Normalize(); got != test.want {
			t.Errorf("%+v: got %+v, want %+v", test.in, got, test.want)
		}
	}
	if got := (Address{"a", "xn--rksmrgs-5wao1o.example"}).UnicodeDomain(); got != "räksmörgås.example" {
		t.Errorf("U-label: %s", got)
	}
	if !(Address{"åsa", "example.org"}).NeedsUTF8() || (Address{"asa", "räksmörgås.example"}).NeedsUTF8() {
		t.Error("NeedsUTF8 must look at the local part alone")
	}
}

func TestLiteralIP(t *testing.T) {
	for literal, want := range map[string]string{"[192.0.2.1]": "192.0.2.1", "[IPv6:2001:db8::1]": "2001:db8::1"} {
		if ip, ok := (Address{"a", literal}).LiteralIP(); !ok || ip.String() != want {
			t.Errorf("%s: %v %v", literal, ip, ok)
		}
	}
	if _, ok := (Address{"a", "example.org"}).LiteralIP(); ok {
		t.Error("a domain has no IP address")
	}
}

func TestSplitSubaddress(t *testing.T) {
	tests := []struct {
		local, sep, user, detail string
		ok                       bool
	}{
		{"anna+lists", "+", "anna", "lists", true},
		{"anna+a+b", "+", "anna", "a+b", true},
		{"anna+", "+", "anna", "", true},
		{"anna", "+", "anna", "", false},
		{"+anna", "+", "+anna", "", false},
		{"anna--x", "--", "anna", "x", true},
		{"anna", "", "anna", "", false},
	}
	for _, test := range tests {
		user, detail, ok := SplitSubaddress(test.local, test.sep)
		if user != test.user || detail != test.detail || ok != test.ok {
			t.Errorf("%q at %q: %q %q %v", test.local, test.sep, user, detail, ok)
		}
	}
}

// Every local part that can be written can be read back, and normal forms stay as they are.
func TestStringRoundTrip(t *testing.T) {
	opts := Options{UTF8: true, LongLocal: true}
	rapid.Check(t, func(t *rapid.T) {
		a := Address{
			Local:  rapid.StringMatching(`[ -~åÄöé]{1,40}`).Draw(t, "local"),
			Domain: rapid.SampledFrom([]string{"example.org", "Ö.example", "[192.0.2.1]", "a.b.c"}).Draw(t, "domain"),
		}
		got, rest, err := ParseForwardPath(a.Path()+" X=1", opts)
		if err != nil || got != a || rest != " X=1" {
			t.Fatalf("%q: got %+v, %q, %v", a.Path(), got, rest, err)
		}
		if n := a.Normalize(); n.Normalize() != n {
			t.Fatalf("%+v: normal form %+v is not final", a, n)
		}
	})
}

func FuzzPath(f *testing.F) {
	for _, seed := range []string{"<>", "<a@b>", `<"a\"b"@[127.0.0.1]> X`, "<@a,@b:c@d>", "<postmaster>", "<å@ö.se>"} {
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, s string, utf bool) {
		opts := Options{UTF8: utf, LongLocal: true}
		a, rest, err := ParseForwardPath(s, opts)
		if err != nil {
			return
		}
		if !strings.HasSuffix(s, rest) {
			t.Fatalf("%q: rest %q is not its end", s, rest)
		}
		again, _, err := ParseForwardPath(a.Path(), opts)
		if err != nil || again != a {
			t.Fatalf("%q: %+v reads back as %+v, %v", s, a, again, err)
		}
		n := a.Normalize()
		if n.Normalize() != n {
			t.Fatalf("%q: normal form %+v is not final", s, n)
		}
	})
}

func BenchmarkParseForwardPath(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := ParseForwardPath("<anna.svensson@example.org> NOTIFY=NEVER", Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
