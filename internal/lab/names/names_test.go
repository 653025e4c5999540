package names

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// internet is one with a domain north.example and a resolver at work.
func internet(t *testing.T) (*Internet, *Zone, *Server) {
	t.Helper()
	in, err := New(time.Now, func(err error) { t.Errorf("%v", err) })
	if err != nil {
		t.Fatal(err)
	}
	z := in.Zone("north.example").Add(
		"@ MX 10 mx", "mx A 192.0.2.25", "mx AAAA 2001:db8::25", `@ TXT "v=spf1 mx -all"`,
		"imap 60 A 192.0.2.10", "mail CNAME imap", "www CNAME web.hoster.example.",
		"_imaps._tcp SRV 0 1 993 imap", "*.wild A 192.0.2.77",
		"_25._tcp.mx TLSA 3 1 1 0000000000000000000000000000000000000000000000000000000000000000",
	)
	in.Zone("hoster.example").Add("web A 192.0.2.80")
	return in, z, serveNames(t, in.Resolver("r"))
}

func serveNames(t *testing.T, h Handler) *Server {
	t.Helper()
	s, err := Serve(h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func ask(t *testing.T, s *Server, name string, kind uint16, change ...func(*dns.Msg)) *dns.Msg {
	t.Helper()
	m := new(dns.Msg).SetQuestion(dns.Fqdn(name), kind)
	for _, c := range change {
		c(m)
	}
	reply, err := dns.Exchange(m, s.UDP)
	if err != nil {
		t.Fatalf("%s %s: %v", name, dns.TypeToString[kind], err)
	}
	return reply
}

func do(m *dns.Msg) { m.SetEdns0(1232, true) }
func cd(m *dns.Msg) { m.SetEdns0(1232, true).CheckingDisabled = true }

// values are the answers as text, without their headers.
func values(m *dns.Msg) (out []string) {
	for _, rr := range m.Answer {
		out = append(out, strings.TrimPrefix(rr.String(), rr.Header().String()))
	}
	return out
}

func TestRecords(t *testing.T) {
	_, _, s := internet(t)
	for _, tc := range []struct {
		name  string
		kind  uint16
		want  string
		rcode int
	}{
		{"north.example", dns.TypeMX, "10 mx.north.example.", dns.RcodeSuccess},
		{"NORTH.example", dns.TypeTXT, `"v=spf1 mx -all"`, dns.RcodeSuccess},
		{"mail.north.example", dns.TypeA, "imap.north.example. 192.0.2.10", dns.RcodeSuccess},
		{"www.north.example", dns.TypeA, "web.hoster.example. 192.0.2.80", dns.RcodeSuccess},
		{"x.wild.north.example", dns.TypeA, "192.0.2.77", dns.RcodeSuccess},
		{"_imaps._tcp.north.example", dns.TypeSRV, "0 1 993 imap.north.example.", dns.RcodeSuccess},
		{"imap.north.example", dns.TypeAAAA, "", dns.RcodeSuccess},
		{"_tcp.north.example", dns.TypeA, "", dns.RcodeSuccess}, // an empty non-terminal
		{"impa.north.example", dns.TypeA, "", dns.RcodeNameError},
		{"nobody.test", dns.TypeA, "", dns.RcodeNameError},
	} {
		m := ask(t, s, tc.name, tc.kind)
		if got := strings.Join(values(m), " "); got != tc.want || m.Rcode != tc.rcode {
			t.Errorf("%s %s: %q %s, want %q %s", tc.name, dns.TypeToString[tc.kind], got, dns.RcodeToString[m.Rcode], tc.want, dns.RcodeToString[tc.rcode])
		}
		if len(m.Answer) == 0 && (len(m.Ns) != 1 || m.Ns[0].Header().Rrtype != dns.TypeSOA) {
			t.Errorf("%s %s: authority is %v, want a SOA", tc.name, dns.TypeToString[tc.kind], m.Ns)
		}
		if !m.RecursionAvailable || m.AuthenticatedData {
			t.Errorf("%s: RA %v, AD %v", tc.name, m.RecursionAvailable, m.AuthenticatedData)
		}
	}
}

func TestValidation(t *testing.T) {
	for _, tc := range []struct {
		signing Signing
		rcode   int
		ad      bool
		ede     uint16
	}{
		{Unsigned, dns.RcodeSuccess, false, 0},
		{Good, dns.RcodeSuccess, true, 0},
		{Expired, dns.RcodeServerFailure, false, dns.ExtendedErrorCodeSignatureExpired},
		{NotYet, dns.RcodeServerFailure, false, dns.ExtendedErrorCodeSignatureNotYetValid},
		{Broken, dns.RcodeServerFailure, false, dns.ExtendedErrorCodeDNSBogus},
		{WrongDS, dns.RcodeServerFailure, false, dns.ExtendedErrorCodeDNSKEYMissing},
		{NoSignatures, dns.RcodeServerFailure, false, dns.ExtendedErrorCodeDNSKEYMissing},
	} {
		in, z, s := internet(t)
		z.Sign(tc.signing)
		for _, name := range []string{"imap.north.example", "absent.north.example", "x.wild.north.example"} {
			m := ask(t, s, name, dns.TypeA, do)
			want := tc.rcode
			if name == "absent.north.example" && want == dns.RcodeSuccess {
				want = dns.RcodeNameError
			}
			if m.Rcode != want || m.AuthenticatedData != tc.ad {
				t.Errorf("%d %s: %s AD %v, want %s AD %v", tc.signing, name, dns.RcodeToString[m.Rcode], m.AuthenticatedData, dns.RcodeToString[want], tc.ad)
			}
			if tc.ede != 0 && extended(m) != tc.ede {
				t.Errorf("%d %s: extended error %d, want %d", tc.signing, name, extended(m), tc.ede)
			}
		}
		if m := ask(t, s, "imap.north.example", dns.TypeA, cd); m.Rcode != dns.RcodeSuccess || len(m.Answer) == 0 {
			t.Errorf("%d with checking disabled: %v", tc.signing, m)
		}
		in.Resolver("r").SetValidate(false)
		if m := ask(t, s, "imap.north.example", dns.TypeA, do); m.Rcode != dns.RcodeSuccess || m.AuthenticatedData {
			t.Errorf("%d at a resolver that does not validate: %v", tc.signing, m)
		}
	}
}

func extended(m *dns.Msg) uint16 {
	if opt := m.IsEdns0(); opt != nil {
		for _, o := range opt.Option {
			if ede, ok := o.(*dns.EDNS0_EDE); ok {
				return ede.InfoCode
			}
		}
	}
	return 0
}

// TestChain checks a signed answer as a program that validates for itself would.
func TestChain(t *testing.T) {
	in, z, s := internet(t)
	z.Sign(Good)
	trusted := in.Anchor()
	for _, zone := range []string{".", "example.", "north.example."} {
		if zone != "." {
			m := ask(t, s, zone, dns.TypeDS, do)
			if len(m.Answer) == 0 {
				t.Fatalf("no DS of %s: %v", zone, m)
			}
			trusted = m.Answer[0].(*dns.DS)
		}
		m := ask(t, s, zone, dns.TypeDNSKEY, do)
		set := setsOf(m.Answer)[0]
		key := set.rrs[0].(*dns.DNSKEY)
		if key.ToDS(trusted.DigestType).Digest != trusted.Digest {
			t.Errorf("the key of %s is not what its parent names", zone)
		}
		if err := set.sigs[0].Verify(key, set.rrs); err != nil {
			t.Errorf("the key of %s: %v", zone, err)
		}
	}
	key := ask(t, s, "north.example", dns.TypeDNSKEY, do).Answer[0].(*dns.DNSKEY)
	for _, name := range []string{"imap.north.example", "a.wild.north.example", "absent.north.example"} {
		m := ask(t, s, name, dns.TypeA, do)
		for _, set := range setsOf(append(m.Answer, m.Ns...)) {
			if len(set.sigs) == 0 || set.sigs[0].Verify(key, set.rrs) != nil {
				t.Errorf("%s: %v is not signed well", name, set.rrs)
			}
		}
		if absent := name == "absent.north.example"; absent && !covers(m.Ns, name) {
			t.Errorf("%s: nothing denies it in %v", name, m.Ns)
		}
	}
}

func covers(section []dns.RR, name string) bool {
	return slices.ContainsFunc(section, func(rr dns.RR) bool {
		n, ok := rr.(*dns.NSEC)
		return ok && compareNames(n.Hdr.Name, name) < 0 && (compareNames(name, n.NextDomain) < 0 || n.NextDomain == "north.example.")
	})
}

func TestQuirks(t *testing.T) {
	in, z, s := internet(t)
	r := in.Resolver("r")
	const name = "imap.north.example"

	r.Lie(name, "0.0.0.0")
	if got := values(ask(t, s, name, dns.TypeA)); !slices.Equal(got, []string{"0.0.0.0"}) {
		t.Errorf("a lie: %v", got)
	}
	if m := ask(t, s, name, dns.TypeAAAA); m.Rcode != dns.RcodeSuccess || len(m.Answer) > 0 {
		t.Errorf("a lie of another family: %v", m)
	}
	r.Honest()
	if got := values(ask(t, s, name, dns.TypeA)); !slices.Equal(got, []string{"192.0.2.10"}) {
		t.Errorf("honest again: %v", got)
	}
	r.Fail("*.north.example", dns.RcodeServerFailure)
	if m := ask(t, s, name, dns.TypeA); m.Rcode != dns.RcodeServerFailure {
		t.Errorf("failing: %v", m)
	}
	r.Honest()
	r.Remember(name + ". 86400 IN A 198.51.100.9")
	z.Set("imap 60 A 192.0.2.11")
	if got := values(ask(t, s, name, dns.TypeA)); !slices.Equal(got, []string{"198.51.100.9"}) {
		t.Errorf("remembered: %v", got)
	}
	r.Honest()
	if got := values(ask(t, s, name, dns.TypeA)); !slices.Equal(got, []string{"192.0.2.11"}) {
		t.Errorf("changed: %v", got)
	}
	r.Truncate(name)
	if m := ask(t, s, name, dns.TypeA); !m.Truncated || len(m.Answer) > 0 {
		t.Errorf("truncated: %v", m)
	}
	m, _, err := (&dns.Client{Net: "tcp"}).Exchange(new(dns.Msg).SetQuestion(name+".", dns.TypeA), s.TCP)
	if err != nil || len(m.Answer) != 1 {
		t.Errorf("over TCP: %v, %v", m, err)
	}
	r.Silence("")
	_, _, err = (&dns.Client{Timeout: 50 * time.Millisecond}).Exchange(new(dns.Msg).SetQuestion(name+".", dns.TypeA), s.UDP)
	if e, ok := err.(net.Error); !ok || !e.Timeout() {
		t.Errorf("silent: %v", err)
	}
	if last := r.Queries()[len(r.Queries())-1]; last != (Query{Name: name, Type: "A"}) {
		t.Errorf("the last query was %v", last)
	}
}

func TestAuthorityAndDrop(t *testing.T) {
	in, _, resolver := internet(t)
	s := serveNames(t, in.Authority("north.example"))
	if m := ask(t, s, "imap.north.example", dns.TypeA); !m.Authoritative || len(m.Answer) != 1 {
		t.Errorf("its own name server: %v", m)
	}
	if m := ask(t, s, "web.hoster.example", dns.TypeA); m.Rcode != dns.RcodeRefused {
		t.Errorf("a foreign name: %v", m)
	}
	in.Drop("north.example")
	if m := ask(t, resolver, "imap.north.example", dns.TypeA); m.Rcode != dns.RcodeNameError {
		t.Errorf("an expired domain: %v", m)
	}
}

func TestAddHost(t *testing.T) {
	in, _, s := internet(t)
	for _, a := range []string{"192.0.2.99", "2001:db8::99"} {
		if err := in.AddHost("mail.east.example", netip.MustParseAddr(a)); err != nil {
			t.Fatal(err)
		}
		reverse, err := dns.ReverseAddr(a)
		if err != nil {
			t.Fatal(err)
		}
		if got := values(ask(t, s, reverse, dns.TypePTR)); !slices.Equal(got, []string{"mail.east.example."}) {
			t.Errorf("PTR of %s: %v", a, got)
		}
	}
	if got := values(ask(t, s, "mail.east.example", dns.TypeAAAA)); !slices.Equal(got, []string{"2001:db8::99"}) {
		t.Errorf("AAAA: %v", got)
	}
}

func TestBadRecords(t *testing.T) {
	var failures []error
	in, err := New(time.Now, func(err error) { failures = append(failures, err) })
	if err != nil {
		t.Fatal(err)
	}
	in.Zone("north.example").Add("imap A not-an-address", "imap.elsewhere.example. A 192.0.2.1", "")
	if len(failures) != 3 {
		t.Errorf("%d of 3 bad records are reported: %v", len(failures), failures)
	}
}
