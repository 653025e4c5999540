package ca

import (
	"crypto/x509"
	"testing"
	"time"
)

func TestIssue(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	a, err := New("Lab", func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := NewRSAKey()
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name    string
		options []Option
		at      time.Time
		chain   int
		valid   bool
	}{
		{"good", nil, now, 2, true},
		{"RSA", []Option{WithKey(rsaKey)}, now, 2, true},
		{"expired an hour ago", []Option{Expired(time.Hour)}, now, 2, false},
		{"expired, before it did", []Option{Expired(time.Hour)}, now.Add(-2 * time.Hour), 2, true},
		{"not yet", []Option{NotYet(time.Hour)}, now, 2, false},
		{"not yet, later", []Option{NotYet(time.Hour)}, now.Add(2 * time.Hour), 2, true},
		{"without the chain", []Option{WithoutChain()}, now, 1, false},
		{"self-signed", []Option{SelfSigned()}, now, 1, false},
	} {
		cert, err := a.Issue([]string{"imap.north.example", "192.0.2.1"}, tc.options...)
		if err != nil {
			t.Fatal(err)
		}
		if len(cert.Certificate) != tc.chain {
			t.Errorf("%s: %d certificates in the chain, want %d", tc.name, len(cert.Certificate), tc.chain)
		}
		between := x509.NewCertPool()
		for _, der := range cert.Certificate[1:] {
			c, err := x509.ParseCertificate(der)
			if err != nil {
				t.Fatal(err)
			}
			between.AddCert(c)
		}
		for _, name := range []string{"imap.north.example", "192.0.2.1"} {
			_, err := cert.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: a.Pool(), Intermediates: between, CurrentTime: tc.at})
			if (err == nil) != tc.valid {
				t.Errorf("%s, for %s: %v", tc.name, name, err)
			}
		}
		if err := cert.Leaf.VerifyHostname("smtp.north.example"); err == nil {
			t.Errorf("%s: valid for another name", tc.name)
		}
	}
}
