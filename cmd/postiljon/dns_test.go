package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
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
	"github.com/postiljon/postiljon/internal/lab/ca"
	"github.com/postiljon/postiljon/internal/lab/names"
	"github.com/postiljon/postiljon/internal/outbound/mtasts"
)

// zoneCheck looks at the records of example.org in a small DNS.
type zoneCheck struct {
	t    *testing.T
	zone *names.Zone
	web  *seenWeb
	dnsCheck
}

// seenWeb is all of the web that the check asks.
type seenWeb struct {
	authority *ca.Authority
	names     []string // of its certificate
	address   string
	policy    string // what it serves
	issuer    string // who the certificate authority says it is
}

// DialContext leads everywhere to the same server.
func (w *seenWeb) DialContext(ctx context.Context, network, _ string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, network, w.address)
}

func (w *seenWeb) ServeHTTP(to http.ResponseWriter, r *http.Request) {
	switch r.Host + r.URL.Path {
	case "mta-sts.example.org/.well-known/mta-sts.txt":
		if w.policy == "" {
			http.NotFound(to, r)
			return
		}
		to.Header().Set("Content-Type", "text/plain")
		io.WriteString(to, w.policy)
	case "acme.example/directory":
		if w.issuer == "" {
			fmt.Fprint(to, `{"meta":{}}`)
			return
		}
		fmt.Fprintf(to, `{"meta":{"caaIdentities":[%q]}}`, w.issuer)
	default:
		http.NotFound(to, r)
	}
}

func newWeb(t *testing.T) *seenWeb {
	t.Helper()
	authority, err := ca.New("test", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	policy, _ := mtasts.Publish(mtasts.Enforce, "mail.example.org")
	w := &seenWeb{authority: authority, names: []string{"mta-sts.example.org", "acme.example"}, policy: string(policy), issuer: "Issuer.example"}
	server := httptest.NewUnstartedServer(w)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		cert, err := authority.Issue(w.names)
		return &cert, err
	}}
	server.StartTLS()
	t.Cleanup(server.Close)
	w.address = server.Listener.Addr().String()
	return w
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
	conf.Web.MTASTS, conf.ACME.Directory, conf.ACME.Roots = "enforce", "https://acme.example/directory", ""
	w := newWeb(t)
	z := &zoneCheck{t: t, zone: in.Zone("example.org"), web: w, dnsCheck: dnsCheck{domain: "example.org", conf: &conf, dialer: w, roots: w.authority.Pool()}}
	if err := in.AddHost("acme.example", netip.MustParseAddr("192.0.2.26")); err != nil {
		t.Fatal(err)
	}
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
		change  func(*seenWeb)
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
		"a policy without us": {
			change: func(w *seenWeb) { w.policy = "version: STSv1\nmode: enforce\nmx: mx.other.example\nmax_age: 86400\n" }, suffers: true,
			says: []string{
				"differs  https://mta-sts.example.org/.well-known/mta-sts.txt policy", "others that heed it bring no mail here",
				"served there  version: STSv1, mode: enforce, mx: mx.other.example, max_age: 86400",
				"wanted        version: STSv1, mode: enforce, mx: mail.example.org, max_age: 604800", "to do         lead the name to this server",
			},
		},
		"another policy": {
			change: func(w *seenWeb) { w.policy = strings.Replace(w.policy, "enforce", "testing", 1) },
			says:   []string{"Another policy is served there than this server has."},
		},
		"no policy": {
			change: func(w *seenWeb) { w.policy = "" },
			says:   []string{"missing  https://mta-sts.example.org", "It cannot be fetched: mta-sts.example.org answers 404 Not Found."},
		},
		"no policy but a page": {
			change: func(w *seenWeb) { w.policy = "<html>" },
			says:   []string{"What is served there is no policy"},
		},
		"a certificate with another name": {
			change: func(w *seenWeb) { w.names = []string{"mail.example.org", "acme.example"} },
			says:   []string{"The certificate there is not valid for that name:", "to do         let [acme] of the configuration get a certificate for mta-sts.example.org"},
		},
		"a DMARC record that says nothing": {
			without: []string{"_dmarc"}, add: []string{`_dmarc.example.org. 60 IN TXT "v=DMARC1; p=maybe"`},
			says: []string{"It cannot be read, so it does not count."},
		},
		"DMARC reports to somebody else": {
			without: []string{"_dmarc"}, add: []string{`_dmarc.example.org. 60 IN TXT "v=DMARC1; p=none; rua=mailto:x@other.example"`},
			says: []string{"Nobody sends reports to x@other.example", `to do         have other.example publish  example.org._report._dmarc.other.example. IN TXT "v=DMARC1"`},
		},
		"TLS reports to nobody": {
			without: []string{"_smtp._tls"}, add: []string{`_smtp._tls.example.org. 60 IN TXT "v=TLSRPTv1; rua=fax:12"`},
			says: []string{"It names no place that reports can be sent to."},
		},
		"our authority among others": {
			add:  []string{`example.org. 60 IN CAA 0 issue "other.example"`, `example.org. 60 IN CAA 0 issue "issuer.example; validationmethods=dns-01,http-01"`},
			says: []string{"records are right."},
		},
		"another authority": {
			add: []string{`example.org. 60 IN CAA 0 issue "other.example"`}, suffers: true,
			says: []string{
				"differs  mail.example.org. CAA", "issuer.example, may not issue certificates for the name", `the DNS says  example.org CAA issue "other.example"`,
				`to do         add a record  example.org. IN CAA 0 issue "issuer.example"`,
			},
		},
		"our authority, by a way that it does not go": {
			add: []string{`mail.example.org. 60 IN CAA 0 issue "issuer.example; validationmethods=dns-01"`}, suffers: true,
			says: []string{"differs  mail.example.org. CAA"},
		},
		"a rule that nobody knows": {
			add: []string{`mail.example.org. 60 IN CAA 128 future "x"`}, suffers: true,
			says: []string{"differs  mail.example.org. CAA"},
		},
		"an authority that says of no record that it allows it, and no record": {
			change: func(w *seenWeb) { w.issuer = "" }, says: []string{"records are right."},
		},
		"an authority that says of no record that it allows it, and one": {
			add: []string{`example.org. 60 IN CAA 0 issue "other.example"`}, change: func(w *seenWeb) { w.issuer = "" },
			says: []string{"unknown  mail.example.org. CAA", "does not say which of them would allow it"},
		},
		"an authority without a name": {
			change: func(w *seenWeb) { w.names = w.names[:1] },
			says:   []string{"unknown  mail.example.org. CAA", "The authority does not say who it is:"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			z := newZoneCheck(t)
			z.publish(one.without...)
			for _, r := range one.add {
				z.zone.Add(r)
			}
			if one.change != nil {
				one.change(z.web)
			}
			text, suffers := z.report()
			if suffers != one.suffers {
				t.Errorf("suffers: %v\n%s", suffers, text)
			}
			unfolded := strings.Join(strings.Fields(text), " ")
			for _, says := range one.says {
				if !strings.Contains(unfolded, strings.Join(strings.Fields(says), " ")) {
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
