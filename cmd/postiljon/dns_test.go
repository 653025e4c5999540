package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/config"
	"github.com/postiljon/postiljon/internal/control"
	"github.com/postiljon/postiljon/internal/dkim"
	"github.com/postiljon/postiljon/internal/lab/names"
)

// zoneCheck looks at the records of example.org in a small DNS.
type zoneCheck struct {
	t    *testing.T
	zone *names.Zone
	dnsCheck
}

func newZoneCheck(t *testing.T) *zoneCheck {
	t.Helper()
	in, err := names.New(time.Now, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(in.Close)
	server, err := names.Serve(in.Resolver("r"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	conf, err := config.Default()
	if err != nil {
		t.Fatal(err)
	}
	conf.Hostname, conf.Queue.Resolver = "mail.example.org", server.UDP
	z := &zoneCheck{t: t, zone: in.Zone("example.org"), dnsCheck: dnsCheck{domain: "example.org", conf: &conf}}
	public, err := testKey()
	if err != nil {
		t.Fatal(err)
	}
	z.records = append(records("example.org", &conf), keyRecords([]control.DKIMKey{{Key: dkim.Key{
		Selector: "202611-rsa", Algorithm: "rsa", State: dkim.Signing,
		Name: "202611-rsa._domainkey.example.org", Record: "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(public),
	}}})...)
	if err := in.AddHost("mail.example.org", netip.MustParseAddr("192.0.2.25")); err != nil {
		t.Fatal(err)
	}
	return z
}

// testKey is a public key, made once.
var testKey = sync.OnceValues(func() ([]byte, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	return x509.MarshalPKIXPublicKey(key.Public())
})

// publish publishes the records as they are shown, but for those whose name begins with one of
// without.
func (z *zoneCheck) publish(without ...string) {
	for i := range z.records {
		r := &z.records[i]
		left := false
		for _, prefix := range without {
			left = left || strings.HasPrefix(r.Name+" "+r.Kind, prefix)
		}
		if !left {
			z.zone.Add(r.Name + " 60 IN " + r.Kind + " " + r.data())
		}
	}
}

// report is what the check says, and whether it found that mail suffers.
func (z *zoneCheck) report() (text string, suffers bool) {
	z.t.Helper()
	out, err := os.Create(filepath.Join(z.t.TempDir(), "out"))
	if err != nil {
		z.t.Fatal(err)
	}
	defer out.Close()
	err = checkRecords(z.t.Context(), &streams{out: out}, &z.dnsCheck)
	if e, ok := errors.AsType[exitWith](err); ok && e.error == nil {
		suffers = true
	} else if err != nil {
		z.t.Fatal(err)
	}
	b, err := os.ReadFile(out.Name())
	if err != nil {
		z.t.Fatal(err)
	}
	return string(b), suffers
}

// TestPublishedRecords: what is shown, published as it is shown, is found right.
func TestPublishedRecords(t *testing.T) {
	z := newZoneCheck(t)
	z.publish()
	text, suffers := z.report()
	if suffers || !strings.Contains(text, "records are right.") {
		t.Errorf("the check says\n%s", text)
	}
}

// TestWrongRecords: each fault is told in words, and whether mail suffers from it.
func TestWrongRecords(t *testing.T) {
	for name, one := range map[string]struct {
		without []string
		add     []string
		says    []string
		suffers bool
	}{
		"nothing published": {
			without: []string{""}, suffers: true,
			says: []string{"missing  example.org. MX", `publish       "v=spf1 mx -all"`, "missing  202611-rsa._domainkey.example.org. TXT"},
		},
		"other servers": {
			without: []string{"example.org. MX"}, add: []string{"example.org. 60 IN MX 10 mx.other.example."}, suffers: true,
			says: []string{"Mail for the domain goes to other servers.", "the DNS says  10 mx.other.example."},
		},
		"another server too": {
			add:  []string{"example.org. 60 IN MX 20 mx.other.example."},
			says: []string{"Other servers take mail for the domain, too: 10 mail.example.org., 20 mx.other.example."},
		},
		"null MX": {
			without: []string{"example.org. MX"}, add: []string{"example.org. 60 IN MX 0 ."}, suffers: true,
			says: []string{"The domain says that it takes no mail."},
		},
		"SPF in other words": {
			without: []string{"example.org. TXT"}, add: []string{`example.org. 60 IN TXT "v=spf1 ip4:192.0.2.25 ?all"`},
			says: []string{"records are right."},
		},
		"SPF without us": {
			without: []string{"example.org. TXT"}, add: []string{`example.org. 60 IN TXT "v=spf1 ip4:192.0.2.26 -all"`}, suffers: true,
			says: []string{`It does not let this server send: for 192.0.2.25 the outcome is "fail".`},
		},
		"two SPF records": {
			add: []string{`example.org. 60 IN TXT "v=spf1 -all"`}, suffers: true,
			says: []string{"There are several, so none counts (RFC 7208 section 3.2)."},
		},
		"another key": {
			without: []string{"202611-rsa"}, add: []string{`202611-rsa._domainkey.example.org. 60 IN TXT "v=DKIM1; k=rsa; p=AAAA"`}, suffers: true,
			says: []string{"signatures made here cannot be verified"},
		},
		"own DMARC policy": {
			without: []string{"_dmarc"}, add: []string{`_dmarc.example.org. 60 IN TXT "v=DMARC1; p=reject"`},
			says: []string{"records are right."},
		},
		"SRV elsewhere": {
			without: []string{"_imaps"}, add: []string{`_imaps._tcp.example.org. 60 IN SRV 0 1 993 imap.other.example.`},
			says: []string{"differs  _imaps._tcp.example.org. SRV", "the DNS says  0 1 993 imap.other.example."},
		},
	} {
		t.Run(name, func(t *testing.T) {
			z := newZoneCheck(t)
			z.publish(one.without...)
			for _, r := range one.add {
				z.zone.Add(r)
			}
			text, suffers := z.report()
			if suffers != one.suffers {
				t.Errorf("suffers: %v\n%s", suffers, text)
			}
			for _, says := range one.says {
				if !strings.Contains(text, says) {
					t.Errorf("not said: %s\n%s", says, text)
				}
			}
		})
	}
}

// TestNoNameServer: where nobody answers, that is said once.
func TestNoNameServer(t *testing.T) {
	z := newZoneCheck(t)
	z.conf.Queue.Resolver = "127.0.0.1:1"
	text, suffers := z.report()
	if !suffers || !strings.Contains(text, "No name server answers") || strings.Contains(text, "unknown") {
		t.Errorf("the check says\n%s", text)
	}
}
