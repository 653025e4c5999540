package causes

import (
	"strings"
	"testing"

	"github.com/postiljon/postiljon/internal/doctor/evidence"
)

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"imap", "imap", 0}, {"imap", "imp", 1}, {"imap", "iamp", 1}, {"smtp", "stmp", 1}, {"smtp", "smtps", 1},
		{"north", "south", 2}, {"", "abc", 3}, {"imap.north.example", "imap.nroth.exmaple", 2},
	} {
		if got := distance(c.a, c.b); got != c.want || got != distance(c.b, c.a) {
			t.Errorf("distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestPromises(t *testing.T) {
	mode, patterns := readSTS("version: STSv1\r\nmode: enforce\r\nmx: mx1.north.example\r\nmx: *.mail.north.example\r\nmax_age: 86400\r\n")
	if mode != "enforce" || len(patterns) != 2 {
		t.Fatalf("mode %q, patterns %q", mode, patterns)
	}
	for host, want := range map[string]bool{
		"mx1.north.example": true, "mx2.north.example": false, "a.mail.north.example": true, "a.b.mail.north.example": false, "mail.north.example": false,
	} {
		if covered(host, patterns) != want {
			t.Errorf("%s is covered: %v, want %v", host, !want, want)
		}
	}
	own, above := evidence.Certificate{Fingerprint: "aa", KeySHA256: "bb"}, evidence.Certificate{Fingerprint: "cc", KeySHA256: "dd"}
	h := evidence.Handshake{Chain: []evidence.Certificate{own, above}}
	for record, want := range map[string]bool{
		"3 1 1 bb": true, "3 1 1 dd": false, "2 1 1 dd": true, "2 0 1 cc": true, "3 0 1 aa": true, "3 1 1 ee": false,
		"3 1 1 ee\n3 1 1 BB": true, "3 1 2 ffff": true, "3 1 1 b b": true,
	} {
		if matchesTLSA(h, record) != want {
			t.Errorf("TLSA %q matches: %v, want %v", record, !want, want)
		}
	}
}

func TestOldVersions(t *testing.T) {
	for s, want := range map[string]bool{"TLS 1.0": true, "TLSv1": true, "TLSv1.1": true, "SSLv3": true, "TLSv1_1": true, "TLS 1.2": false, "starttls": false, "tls": false, "": false} {
		if oldVersion(s) != want {
			t.Errorf("%q is old: %v, want %v", s, !want, want)
		}
	}
}

func TestParked(t *testing.T) {
	for s, want := range map[string]bool{
		"ns1.sedoparking.com": true, "ns1.bodis.com": true, "dns1.expired.registrar.example": true,
		"ns1.dns-parking.com": false, // of a hosting company, for all its customers
		"ns1.north.example":   false,
	} {
		if parked(s) != want {
			t.Errorf("%s is parked: %v, want %v", s, !want, want)
		}
	}
	if name := commonName("CN=Lab Intermediate,O=Lab"); name != "Lab Intermediate" || commonName("O=Lab") != "O=Lab" || strings.Contains(name, "=") {
		t.Errorf("common name %q", name)
	}
}
