package arc_test

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/arc"
	"github.com/postiljon/postiljon/internal/signature"
	"github.com/postiljon/postiljon/internal/signature/dnstest"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// world has three servers that forward, and their keys in DNS.
type world struct {
	zone *dnstest.Zone
	keys []arc.Key
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{zone: &dnstest.Zone{Texts: map[string][]string{}, Broken: map[string]bool{}}}
	long, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	_, short, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for i, key := range []crypto.Signer{long, short, long} {
		domain := fmt.Sprintf("list%d.test", i+1)
		w.keys = append(w.keys, arc.Key{Domain: domain, Selector: "a", Private: key})
		w.zone.Texts["a._domainkey."+domain] = []string{record(t, key)}
	}
	return w
}

func record(t testing.TB, key crypto.Signer) string {
	t.Helper()
	if public, ok := key.Public().(ed25519.PublicKey); ok {
		return "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der)
}

const plain = "Received: from a.test by b.test; Sun, 22 Nov 2026 12:00:00 +0000\r\nFrom: Anna <anna@demo.test>\r\nTo: list@list1.test\r\n" +
	"Subject: Hej\r\nDate: Sun, 22 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@demo.test>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nHello  you\r\n\r\n"

func (w *world) verify(t testing.TB, message string) arc.Result {
	t.Helper()
	h, start, err := signature.ReadHeader(strings.NewReader(message), int64(len(message)))
	if err != nil {
		t.Fatal(err)
	}
	c := arc.Read(h)
	var bodies signature.Bodies
	c.Need(&bodies)
	c.FindKeys(context.Background(), w.zone)
	_, _ = io.WriteString(&bodies, message[start:])
	return c.Verify(now)
}

// forward seals a message by some servers, one after the other, as each finds it.
func (w *world) forward(t testing.TB, message string, servers ...int) string {
	t.Helper()
	for _, i := range servers {
		found := arc.Arrived{Results: fmt.Sprintf("mx.%s;\r\n\tdmarc=pass header.from=demo.test", w.keys[i].Domain), Chain: w.verify(t, message), Time: now}
		set, err := arc.Seal(strings.NewReader(message), int64(len(message)), found, w.keys[i])
		if err != nil {
			t.Fatal(err)
		}
		message = "Received: from here by there; Sun, 22 Nov 2026 12:00:00 +0000\r\n" + string(set) + message
	}
	return message
}

func TestForwarded(t *testing.T) {
	w := newWorld(t)
	if r := w.verify(t, plain); r.Outcome != signature.None || r.Instance != 0 {
		t.Errorf("no chain: %+v", r)
	}
	r := w.verify(t, w.forward(t, plain, 0, 1, 2))
	if r.Outcome != signature.Pass || r.Instance != 3 || len(r.Links) != 3 {
		t.Fatalf("three servers: %+v", r)
	}
	for i, link := range r.Links {
		want := fmt.Sprintf("mx.list%d.test; dmarc=pass header.from=demo.test", i+1)
		if link.Instance != i+1 || link.Domain != fmt.Sprintf("list%d.test", i+1) || link.Results != want {
			t.Errorf("link %d: %+v", i, link)
		}
	}
}

func TestForged(t *testing.T) {
	w := newWorld(t)
	two := w.forward(t, plain, 0, 1)
	drop := func(field string) string {
		i := strings.Index(two, field)
		end := i + strings.Index(two[i:], "\r\n")
		for two[end+2] == '\t' || two[end+2] == ' ' {
			end += 2 + strings.Index(two[end+2:], "\r\n")
		}
		return two[:i] + two[end+2:]
	}
	change := func(old, to string) string {
		if !strings.Contains(two, old) {
			t.Fatalf("no %q in %s", old, two)
		}
		return strings.Replace(two, old, to, 1)
	}
	for _, c := range []struct{ name, message, reason string }{
		{"body", two + "more", "body was changed"},
		{"subject", change("Subject: Hej", "Subject: Nej"), "header was changed"},
		{"results of the newest", change("i=2; mx.list2.test", "i=2; mx.list3.test"), "seal of set 2"},
		{"results of the oldest", change("i=1; mx.list1.test", "i=1; mx.list3.test"), "seal of set 2"},
		{"no seal", drop("ARC-Seal: i=2"), "set 2 is not complete"},
		{"no signature", drop("ARC-Message-Signature: i=1"), "set 1 is not complete"},
		{"no first set", strings.ReplaceAll(two, " i=1;", " i=3;"), "set 1 is missing"},
		{"a set twice", change(" i=1;", " i=2;"), "two fields"},
		{"number 0", change(" i=1;", " i=0;"), "no number"},
		{"number 51", change(" i=2;", " i=51;"), "no number"},
		{"number with a sign", change(" i=2;", " i=+2;"), "no number"},
		{"first says pass", change("cv=none", "cv=pass"), "cv=pass"},
		{"second says none", change("cv=pass", "cv=none"), "cv=none"},
		{"second says fail", change("cv=pass", "cv=fail"), "says that the chain failed"},
		{"a list of fields in a seal", change("cv=pass;", "cv=pass; h=from;"), "seal has h="},
		{"another sealer", change("d=list2.test; s=a; t=", "d=list9.test; s=a; t="), "no key"},
		{"another algorithm", change("a=ed25519-sha256; cv=pass", "a=rsa-sha256; cv=pass"), "do not go together"},
		{"gibberish", change("ARC-Seal: i=2;", "ARC-Seal: i=2; what;"), "no tag"},
		{"a version", change("ARC-Message-Signature: i=2;", "ARC-Message-Signature: i=2; v=1;"), "version"},
	} {
		r := w.verify(t, c.message)
		if r.Outcome != signature.Fail || !strings.Contains(r.Reason, c.reason) {
			t.Errorf("%s: %s %q", c.name, r.Outcome, r.Reason)
		}
	}
	w.zone.Broken["a._domainkey.list1.test"] = true
	if r := w.verify(t, two); r.Outcome != signature.TempError {
		t.Errorf("no answer: %+v", r)
	}
}

// TestBrokenChain: who finds a broken chain says so, and nobody adds to it then.
func TestBrokenChain(t *testing.T) {
	w := newWorld(t)
	broken := w.forward(t, strings.Replace(w.forward(t, plain, 0), "Subject: Hej", "Subject: Nej", 1), 1)
	if !strings.Contains(broken, "ARC-Seal: i=2; a=ed25519-sha256; cv=fail;") {
		t.Error(broken)
	}
	r := w.verify(t, broken)
	if r.Outcome != signature.Fail || !r.Closed {
		t.Errorf("%+v", r)
	}
	for _, chain := range []arc.Result{r, {Outcome: signature.Pass, Instance: 50}, {Outcome: signature.TempError, Instance: 1}} {
		if _, err := arc.Seal(strings.NewReader(broken), int64(len(broken)), arc.Arrived{Chain: chain, Time: now}, w.keys[0]); !errors.Is(err, arc.ErrClosed) {
			t.Errorf("%+v: %v", chain, err)
		}
	}
}

func TestFullChain(t *testing.T) {
	w := newWorld(t)
	servers := make([]int, 50)
	for i := range servers {
		servers[i] = i % 3
	}
	if r := w.verify(t, w.forward(t, plain, servers...)); r.Outcome != signature.Pass || r.Instance != 50 {
		t.Errorf("%s: %s", r.Outcome, r.Reason)
	}
}

func TestSealTrouble(t *testing.T) {
	w := newWorld(t)
	if _, err := arc.Seal(strings.NewReader(plain[:20]), int64(len(plain)), arc.Arrived{Time: now}, w.keys[0]); err == nil {
		t.Error("a message that cannot be read is sealed")
	}
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	bad := arc.Key{Domain: "a.test", Selector: "a", Private: broken{key}}
	if _, err := arc.Seal(strings.NewReader(plain), int64(len(plain)), arc.Arrived{Time: now}, bad); err == nil {
		t.Error("a key that does not sign makes a seal")
	}
}

type broken struct{ crypto.Signer }

func (broken) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("no")
}

func FuzzRead(f *testing.F) {
	f.Add("ARC-Seal: i=1; cv=none; a=rsa-sha256; d=a.test; s=b; b=\r\nARC-Message-Signature: i=1; a=rsa-sha256; d=a.test; s=b; h=from; bh=YQ==; b=YQ==\r\nARC-Authentication-Results: i=1; a.test; none\r\nFrom: a\r\n\r\n")
	f.Add("ARC-Authentication-Results: i=; \r\nARC-Seal: i=2; cv=fail; b=x\r\n\r\n")
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, message string) {
		if len(message) > 1<<16 {
			return
		}
		r := w.verify(t, message)
		if r.Outcome == signature.Pass {
			t.Error("a chain passes that nobody sealed")
		}
		if _, err := arc.Seal(strings.NewReader(message), int64(len(message)), arc.Arrived{Results: "a.test; none", Chain: r, Time: now}, w.keys[1]); err != nil && !errors.Is(err, arc.ErrClosed) {
			t.Error(err)
		}
	})
}

func BenchmarkSeal4K(b *testing.B) {
	w := newWorld(b)
	message := plain + strings.Repeat("A line of text as people write it, seventy octets long or so.\r\n", 60)
	for b.Loop() {
		if _, err := arc.Seal(strings.NewReader(message), int64(len(message)), arc.Arrived{Results: "a.test; none", Time: now}, w.keys[1]); err != nil {
			b.Fatal(err)
		}
	}
}
