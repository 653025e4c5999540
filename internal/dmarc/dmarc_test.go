package dmarc_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/postiljon/postiljon/internal/dmarc"
	"github.com/postiljon/postiljon/internal/resolver"
	"github.com/postiljon/postiljon/internal/signature/dnstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestParse(t *testing.T) {
	plain := dmarc.Record{Policy: "reject", Subdomains: "reject", Nonexistent: "reject", Percent: 100}
	with := func(change func(*dmarc.Record)) *dmarc.Record {
		r := plain
		change(&r)
		return &r
	}
	for _, c := range []struct {
		text string
		want *dmarc.Record
	}{
		{"v=DMARC1; p=reject", &plain},
		{"v = DMARC1 ;p = REJECT;", &plain},
		{"v=DMARC1; p=reject; x=unknown; ruf=mailto:a@b.test; fo=9; rf=odd; ri=-1", &plain},
		{"v=DMARC1; p=reject; pct=101", &plain}, {"v=DMARC1; p=reject; pct=x", &plain}, {"v=DMARC1; p=reject; sp=odd; adkim=odd", &plain},
		{"v=DMARC1; p=reject; pct=0", with(func(r *dmarc.Record) { r.Percent = 0 })},
		{"v=DMARC1; p=reject; sp=none", with(func(r *dmarc.Record) { r.Subdomains, r.Nonexistent = "none", "none" })},
		{"v=DMARC1; p=reject; np=none", with(func(r *dmarc.Record) { r.Nonexistent = "none" })},
		{"v=DMARC1; p=reject; adkim=s; aspf=S", with(func(r *dmarc.Record) { r.StrictDKIM, r.StrictSPF = true, true })},
		{"v=DMARC1; p=reject; rua=mailto:a@b.test!10m, https://x.test ,mailto:c%40@d.test,mailto:d@e.test!5x,mailto:nobody",
			with(func(r *dmarc.Record) {
				r.Reports = []dmarc.ReportURI{{Address: "a@b.test", Limit: 10 << 20}, {Address: "d@e.test"}}
			})},
		{"v=DMARC1; p=odd; rua=mailto:a@b.test", &dmarc.Record{Policy: "none", Subdomains: "none", Nonexistent: "none", Percent: 100, Reports: []dmarc.ReportURI{{Address: "a@b.test"}}}},
		{"v=DMARC1; p=odd", nil}, {"v=DMARC1", nil}, {"p=reject; v=DMARC1", nil}, {"v=DMARC2; p=reject", nil}, {"v=dmarc1; p=reject", nil},
		{"v=DMARC1; p=reject; p=none", nil}, {"v=DMARC1; reject", nil}, {"", nil},
	} {
		got, err := dmarc.Parse(c.text)
		if d := cmp.Diff(c.want, got); d != "" || (err == nil) != (c.want != nil) {
			t.Errorf("%q: %v %s", c.text, err, d)
		}
	}
}

func TestOrganizationalDomain(t *testing.T) {
	for domain, want := range map[string]string{
		"example.com": "example.com", "a.b.example.com": "example.com", "a.example.co.uk": "example.co.uk", "co.uk": "co.uk", "com": "com",
		"mail.kommun.se": "kommun.se", "a.b.oslo.no": "b.oslo.no", "x.demo.test": "demo.test", "a.github.io": "a.github.io", "b.a.github.io": "a.github.io",
		"a.xn--p1ai": "a.xn--p1ai", "test": "test",
	} {
		if got := dmarc.OrganizationalDomain(domain); got != want {
			t.Errorf("%s: %s, not %s", domain, got, want)
		}
	}
}

func TestAligned(t *testing.T) {
	for _, c := range []struct {
		domain, from    string
		relaxed, strict bool
	}{
		{"a.test", "a.test", true, true}, {"mail.a.test", "a.test", true, false}, {"a.test", "news.a.test", true, false}, {"x.a.test", "y.a.test", true, false},
		{"b.test", "a.test", false, false}, {"xa.test", "a.test", false, false}, {"a.co.uk", "b.co.uk", false, false}, {"co.uk", "a.co.uk", false, false},
		{"", "a.test", false, false},
	} {
		if r, s := dmarc.Aligned(c.domain, c.from, false), dmarc.Aligned(c.domain, c.from, true); r != c.relaxed || s != c.strict {
			t.Errorf("%q for %q: relaxed %v, strict %v", c.domain, c.from, r, s)
		}
	}
}

func TestDiscover(t *testing.T) {
	zone := &dnstest.Zone{
		Texts: map[string][]string{
			"_dmarc.a.test":      {"hello", "v=DMARC1; p=reject; sp=quarantine; np=none"},
			"_dmarc.own.a.test":  {"v=DMARC1; p=none"},
			"_dmarc.twice.test":  {"v=DMARC1; p=reject", "v=DMARC1; p=none"},
			"_dmarc.bad.test":    {"v=DMARC1; p=bad"},
			"_dmarc.other.test":  {"hello"},
			"_dmarc.plain.test":  {"v=DMARC1; p=quarantine"},
			"_dmarc.a.co.uk":     {"v=DMARC1; p=reject"},
			"_dmarc.x.deep.test": {"v=DMARC1; p=reject"},
		},
		Hosts:  map[string][]netip.Addr{"www.a.test": {netip.MustParseAddr("192.0.2.1")}},
		Mails:  map[string][]resolver.MX{"news.a.test": {{Host: "www.a.test"}}},
		Broken: map[string]bool{"_dmarc.broken.test": true, "unsure.a.test": true},
	}
	for from, want := range map[string]string{
		"a.test": "a.test reject", "www.a.test": "a.test quarantine", "news.a.test": "a.test quarantine", "gone.a.test": "a.test none", "unsure.a.test": "a.test quarantine",
		"own.a.test": "own.a.test none", "x.own.a.test": "a.test none", "sub.plain.test": "plain.test quarantine", "b.a.co.uk": "a.co.uk reject",
		"twice.test": "no policy", "other.test": "no policy", "none.test": "no policy", "y.x.deep.test": "no policy", "co.uk": "no policy",
		"bad.test": "error", "broken.test": "temporary", "x.broken.test": "temporary",
	} {
		p, err := dmarc.Discover(context.Background(), zone, from)
		got := "error"
		switch {
		case err == nil:
			got = p.Domain + " " + string(p.Apply)
		case errors.Is(err, dmarc.ErrNoPolicy):
			got = "no policy"
		case errors.Is(err, resolver.ErrTemporary):
			got = "temporary"
		}
		if got != want {
			t.Errorf("%s: %s (%v), not %s", from, got, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("v=DMARC1; p=reject; sp=none; rua=mailto:a@b.test!10m,mailto:%zz; pct=50")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := dmarc.Parse(text)
		if err == nil && (r.Policy == "" || r.Percent < 0 || r.Percent > 100 || len(r.Reports) > 10 || !strings.Contains(text, "DMARC1")) {
			t.Errorf("%q: %+v", text, r)
		}
	})
}
