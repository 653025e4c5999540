package dane

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/lab/ca"
	"github.com/postiljon/postiljon/internal/resolver"
)

// chain is what a server shows: its certificate, the intermediate; root is above.
type chain struct {
	all  []*x509.Certificate
	root *x509.Certificate
}

func issue(t testing.TB, names []string, options ...ca.Option) chain {
	t.Helper()
	authority, err := ca.New("Test", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := authority.Issue(names, options...)
	if err != nil {
		t.Fatal(err)
	}
	c := chain{root: authority.Root()}
	for _, der := range cert.Certificate {
		one, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		c.all = append(c.all, one)
	}
	return c
}

// record says that a certificate is meant.
func record(usage, selector, matching uint8, c *x509.Certificate) resolver.TLSA {
	data := c.Raw
	if selector == 1 {
		data = c.RawSubjectPublicKeyInfo
	}
	switch matching {
	case 1:
		sum := sha256.Sum256(data)
		data = sum[:]
	case 2:
		sum := sha512.Sum512(data)
		data = sum[:]
	}
	return resolver.TLSA{Usage: usage, Selector: selector, Matching: matching, Data: data}
}

func TestVerify(t *testing.T) {
	host, other := []string{"mx.north.example"}, []string{"mx.south.example"}
	good := issue(t, host)
	wild := issue(t, []string{"*.north.example"})
	expired := issue(t, host, ca.Expired(time.Hour))
	alone := issue(t, host, ca.WithoutChain())
	stranger := issue(t, host)
	leaf, mid := good.all[0], good.all[1]
	for _, test := range []struct {
		name    string
		records []resolver.TLSA
		shown   chain
		names   []string
		ok      bool
	}{
		{"3 1 1", []resolver.TLSA{record(3, 1, 1, leaf)}, good, host, true},
		{"3 0 1", []resolver.TLSA{record(3, 0, 1, leaf)}, good, host, true},
		{"3 1 2", []resolver.TLSA{record(3, 1, 2, leaf)}, good, host, true},
		{"3 0 0", []resolver.TLSA{record(3, 0, 0, leaf)}, good, host, true},
		{"3 1 0", []resolver.TLSA{record(3, 1, 0, leaf)}, good, host, true},
		{"3 1 1 whatever the name", []resolver.TLSA{record(3, 1, 1, leaf)}, good, other, true},
		{"3 1 1 whatever the date", []resolver.TLSA{record(3, 1, 1, expired.all[0])}, expired, host, true},
		{"3 1 1 of another key", []resolver.TLSA{record(3, 1, 1, stranger.all[0])}, good, host, false},
		{"one of two", []resolver.TLSA{record(3, 1, 1, stranger.all[0]), record(3, 1, 1, leaf)}, good, host, true},
		{"3 1 1 does not mean the intermediate", []resolver.TLSA{record(3, 1, 1, mid)}, good, host, false},
		{"2 1 1", []resolver.TLSA{record(2, 1, 1, mid)}, good, host, true},
		{"2 0 1", []resolver.TLSA{record(2, 0, 1, mid)}, good, host, true},
		{"2 1 1 for another name", []resolver.TLSA{record(2, 1, 1, mid)}, good, other, false},
		{"2 1 1 for the second name", []resolver.TLSA{record(2, 1, 1, mid)}, good, []string{"north.example", "mx.north.example"}, true},
		{"2 1 1 wildcard", []resolver.TLSA{record(2, 1, 1, wild.all[1])}, wild, host, true},
		{"2 1 1 expired", []resolver.TLSA{record(2, 1, 1, expired.all[1])}, expired, host, false},
		{"2 1 1 of a root that is not shown", []resolver.TLSA{record(2, 1, 1, good.root)}, good, host, false},
		{"2 0 0 of a root that is not shown", []resolver.TLSA{record(2, 0, 0, good.root)}, good, host, true},
		{"2 0 0 with a chain that is broken", []resolver.TLSA{record(2, 0, 0, alone.root)}, alone, host, false},
		{"2 1 1 of a stranger", []resolver.TLSA{record(2, 1, 1, stranger.all[1])}, good, host, false},
		{"no certificate", []resolver.TLSA{record(3, 1, 1, leaf)}, chain{}, host, false},
		{"no record", nil, good, host, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if usable := Usable(test.records); len(usable) != len(test.records) {
				t.Errorf("%d of %d records are usable", len(usable), len(test.records))
			}
			err := Verify(test.records, test.shown.all, test.names, time.Now())
			if (err == nil) != test.ok || err != nil && !errors.Is(err, ErrMismatch) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestUsable(t *testing.T) {
	leaf := issue(t, []string{"mx.north.example"}).all[0]
	short := record(3, 1, 1, leaf)
	short.Data = short.Data[:31]
	for _, r := range []resolver.TLSA{
		record(0, 1, 1, leaf), record(1, 1, 1, leaf), record(4, 1, 1, leaf), record(3, 2, 1, leaf), record(3, 1, 3, leaf), short,
		{Usage: 3, Selector: 0, Matching: 0, Data: []byte("no certificate")}, {Usage: 2, Selector: 1, Matching: 0},
		{Usage: 3, Selector: 1, Matching: 2, Data: make([]byte, 32)},
	} {
		if len(Usable([]resolver.TLSA{r})) > 0 {
			t.Errorf("%s is usable", String(r))
		}
	}
	if Name("mx.north.example", 25) != "_25._tcp.mx.north.example" {
		t.Error(Name("mx.north.example", 25))
	}
}

// FuzzVerify reads records of any content.
func FuzzVerify(f *testing.F) {
	f.Add(uint8(3), uint8(1), uint8(1), make([]byte, 32))
	f.Add(uint8(2), uint8(0), uint8(0), []byte{0x30, 0x03, 0x02, 0x01, 0x00})
	f.Add(uint8(2), uint8(1), uint8(0), []byte{})
	shown := issue(f, []string{"mx.north.example"})
	f.Fuzz(func(t *testing.T, usage, selector, matching uint8, data []byte) {
		r := resolver.TLSA{Usage: usage, Selector: selector, Matching: matching, Data: data}
		err := Verify(Usable([]resolver.TLSA{r}), shown.all, []string{"mx.north.example"}, time.Now())
		if err == nil && !matches(r, shown.all[0]) && !matches(r, shown.all[1]) && !matches(r, shown.root) {
			t.Errorf("%s is taken for the server's", String(r))
		}
	})
}
