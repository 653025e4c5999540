package signature_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"
	"pgregory.net/rapid"

	"github.com/postiljon/postiljon/internal/signature"
	"github.com/postiljon/postiljon/internal/signature/dnstest"
)

// now is the clock's: the library that signs here for comparison goes by that.
var now = time.Now()

// failer is *testing.T and *rapid.T.
type failer interface {
	Helper()
	Fatal(args ...any)
}

// verify checks all DKIM signatures of a message, as a receiver does.
func verify(t failer, zone *dnstest.Zone, message string) []*signature.Failure {
	t.Helper()
	h, start, err := signature.ReadHeader(strings.NewReader(message), int64(len(message)))
	if err != nil {
		t.Fatal(err)
	}
	var failures []*signature.Failure
	for _, f := range h.All("dkim-signature") {
		failures = append(failures, verifyOne(zone, h, f.Raw, message[start:]))
	}
	return failures
}

func verifyOne(zone *dnstest.Zone, h *signature.Header, raw []byte, body string) *signature.Failure {
	s, failure := signature.Parse(signature.DKIM, raw)
	if failure != nil {
		return failure
	}
	var bodies signature.Bodies
	if failure := s.Need(&bodies); failure != nil {
		return failure
	}
	key, failure := s.FindKey(context.Background(), zone)
	if failure != nil {
		return failure
	}
	_, _ = io.WriteString(&bodies, body)
	return s.Verify(h, key, now)
}

// vectors are the message of RFC 8463 appendix A.3, signed with both algorithms.
const vectors = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n" +
	" d=football.example.com; i=@football.example.com;\r\n" +
	" q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n" +
	" subject : date : message-id : from : subject : date;\r\n" +
	" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n" +
	" b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n" +
	" Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\n" +
	"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n" +
	" d=football.example.com; i=@football.example.com;\r\n" +
	" q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n" +
	" date : message-id : from : subject : date;\r\n" +
	" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n" +
	" b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n" +
	" DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r\n" +
	" dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r\n" +
	"From: Joe SixPack <joe@football.example.com>\r\n" +
	"To: Suzie Q <suzie@shopping.example.net>\r\n" +
	"Subject: Is dinner ready?\r\n" +
	"Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n" +
	"Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n" +
	"\r\n" +
	"Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n"

var vectorZone = &dnstest.Zone{Texts: map[string][]string{
	"brisbane._domainkey.football.example.com": {"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="},
	"test._domainkey.football.example.com": {"v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWR" +
		"iGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/b" +
		"yYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKr" +
		"M3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K" +
		"4w3QIDAQAB"},
}}

func TestVectorsOfRFC8463(t *testing.T) {
	for i, failure := range verify(t, vectorZone, vectors) {
		if failure != nil {
			t.Errorf("signature %d: %+v", i, *failure)
		}
	}
	for _, change := range [][2]string{{"Hi.", "Ho."}, {"Subject: Is", "Subject: It"}, {"\r\nTo:", "\r\nFrom: b@c.example\r\nTo:"}, {"t=1528637909", "t=1528637908"}} {
		for i, failure := range verify(t, vectorZone, strings.Replace(vectors, change[0], change[1], -1)) {
			if failure == nil || failure.Outcome != signature.Fail {
				t.Errorf("%q for %q: signature %d: %+v", change[1], change[0], i, failure)
			}
		}
	}
}

// signer makes signatures with another implementation.
type signer struct {
	key  crypto.Signer
	zone *dnstest.Zone
}

func newSigner(t testing.TB, key crypto.Signer) *signer {
	t.Helper()
	der, kind := []byte(nil), "rsa"
	switch public := key.Public().(type) {
	case ed25519.PublicKey:
		der, kind = public, "ed25519"
	case *rsa.PublicKey:
		var err error
		if der, err = x509.MarshalPKIXPublicKey(public); err != nil {
			t.Fatal(err)
		}
	}
	record := fmt.Sprintf("v=DKIM1; k=%s; p=%s", kind, base64.StdEncoding.EncodeToString(der))
	return &signer{key, &dnstest.Zone{Texts: map[string][]string{"sel._domainkey.demo.test": {record}}}}
}

func ed25519Key(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (s *signer) sign(t testing.TB, message string, change func(*dkim.SignOptions)) string {
	t.Helper()
	o := &dkim.SignOptions{Domain: "demo.test", Selector: "sel", Signer: s.key, HeaderCanonicalization: "relaxed", BodyCanonicalization: "relaxed", Hash: crypto.SHA256}
	if change != nil {
		change(o)
	}
	var b bytes.Buffer
	if err := dkim.Sign(&b, strings.NewReader(message), o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

const plain = "From: Anna <anna@demo.test>\r\nTo: bo@else.test\r\nSubject: Hej  du\r\nX-Long: a\r\n\tb \r\n c\r\n\r\nHello  \t you\r\n \r\nline \r\n\r\n\r\n"

func TestOthersSignatures(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []crypto.Signer{key, ed25519Key(t)} {
		s := newSigner(t, key)
		for _, message := range []string{plain, "From: a@demo.test\r\n\r\n", "From: a@demo.test\r\n\r\n\r\n\r\n", "From: a@demo.test\r\n\r\nno end", "From: a@demo.test\r\n\r\n \r\n\t\r\n"} {
			for _, forms := range []string{"simple/simple", "simple/relaxed", "relaxed/simple", "relaxed/relaxed"} {
				header, body, _ := strings.Cut(forms, "/")
				signed := s.sign(t, message, func(o *dkim.SignOptions) {
					o.HeaderCanonicalization, o.BodyCanonicalization = dkim.Canonicalization(header), dkim.Canonicalization(body)
				})
				if failure := verify(t, s.zone, signed)[0]; failure != nil {
					t.Errorf("%s of %q: %+v", forms, message, *failure)
				}
			}
		}
	}
}

func TestForged(t *testing.T) {
	s := newSigner(t, ed25519Key(t))
	good := s.sign(t, plain, nil)
	over := s.sign(t, plain, func(o *dkim.SignOptions) { o.HeaderKeys = []string{"From", "From", "To", "Subject", "Subject"} })
	for _, c := range []struct {
		name, message string
		want          signature.Outcome
	}{
		{"whole", good, ""},
		{"body", good + "more", signature.Fail},
		{"subject", strings.Replace(good, "Hej", "Nej", 1), signature.Fail},
		{"second From above an oversigned one", "From: evil@else.test\r\n" + over, signature.Fail},
		{"second Subject above an oversigned one", "Subject: evil\r\n" + over, signature.Fail},
		{"an oversigned message", over, ""},
		{"another domain", strings.Replace(good, "d=demo.test", "d=else.test", 1), signature.PermError},
		{"another selector", strings.Replace(good, "s=sel", "s=sol", 1), signature.PermError},
		{"an empty signature", good[:strings.Index(good, " b=")] + " b=\r\n" + good[strings.Index(good, "From:"):], signature.PermError},
		{"an identity elsewhere", strings.Replace(good, "d=demo.test", "i=a@else.test; d=demo.test", 1), signature.PermError},
		{"a subdomain's lookalike", strings.Replace(good, "d=demo.test", "i=a@xdemo.test; d=demo.test", 1), signature.PermError},
		{"SHA-1", strings.Replace(good, "a=ed25519-sha256", "a=rsa-sha1", 1), signature.Policy},
		{"no From", strings.Replace(good, "h=From:", "h=", 1), signature.PermError},
		{"a tag twice", strings.Replace(good, "v=1;", "v=1; v=1;", 1), signature.PermError},
		{"another version", strings.Replace(good, "v=1;", "v=2;", 1), signature.PermError},
		{"an unknown form", strings.Replace(good, "relaxed/relaxed", "odd/relaxed", 1), signature.PermError},
	} {
		failure := verify(t, s.zone, c.message)[0]
		if c.want == "" && failure != nil || c.want != "" && (failure == nil || failure.Outcome != c.want) {
			t.Errorf("%s: %+v", c.name, failure)
		}
	}
}

// TestPartOfTheBody: l= lets others add what the reader sees.
func TestPartOfTheBody(t *testing.T) {
	key := ed25519Key(t)
	s := newSigner(t, key)
	whole := "signed text\r\n"
	for _, c := range []struct {
		body, length string
		want         signature.Outcome
	}{
		{whole, "13", ""},
		{whole + "added by others\r\n", "13", signature.Policy},
		{whole, "0", signature.Policy},
		{whole, "14", signature.PermError},
		{whole, "x", signature.PermError},
		{whole, "99999999999999999999999", signature.PermError},
	} {
		header := "From: a@demo.test\r\n"
		n := min(len(whole), map[string]int{"13": 13, "14": 13}[c.length])
		sum := sha256.Sum256([]byte(whole[:n]))
		field := "DKIM-Signature: v=1; a=ed25519-sha256; d=demo.test; s=sel; h=from; l=" + c.length + "; bh=" + base64.StdEncoding.EncodeToString(sum[:]) + "; b="
		b, err := signature.Sign(key, signature.SignedData(signature.ParseHeader([]byte(header)), []string{"from"}, signature.Simple, []byte(field+"\r\n")))
		if err != nil {
			t.Fatal(err)
		}
		failure := verify(t, s.zone, field+b+"\r\n"+header+"\r\n"+c.body)[0]
		if c.want == "" && failure != nil || c.want != "" && (failure == nil || failure.Outcome != c.want) {
			t.Errorf("l=%s of %q: %+v", c.length, c.body, failure)
		}
	}
}

func TestExpired(t *testing.T) {
	s := newSigner(t, ed25519Key(t))
	for at, want := range map[time.Time]bool{now.Add(time.Hour): true, now.Add(-time.Hour): false} {
		signed := s.sign(t, plain, func(o *dkim.SignOptions) { o.Expiration = at })
		if failure := verify(t, s.zone, signed)[0]; (failure == nil) != want {
			t.Errorf("until %v: %+v", at, failure)
		}
	}
}

func TestKeys(t *testing.T) {
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	pkcs1 := base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PublicKey(&short.PublicKey))
	// 512 bits, which nothing makes any more
	const weak = "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf9Cnzj4p4WGeKLs1Pt8QuKUpRKfFLfRYC9AIKjbJTWit+CqvjWYzvQwECAwEAAQ=="
	good := "p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
	for text, want := range map[string]string{
		"v=DKIM1; k=ed25519; " + good:           "",
		"k=ed25519; s=email; " + good:           "",
		"k=ed25519; s=*; h=sha256; " + good:     "",
		"k=rsa; p=" + pkcs1:                     "",
		"p=" + pkcs1[:40] + " " + pkcs1[40:]:    "",
		"k=ed25519; s=tlsrpt; " + good:          "not for mail",
		"v=DKIM2; k=ed25519; " + good:           "another version",
		"k=ed25519; v=DKIM1; " + good:           "another version",
		"v=DKIM1; k=ed25519; p=":                "revoked",
		"v=DKIM1; k=ed25519":                    "no key",
		"v=DKIM1; k=ed25519; p=YWJj":            "3 octets",
		"v=DKIM1; k=ed25519; p=!!":              "base64",
		"v=DKIM1; k=dsa; " + good:               "not known",
		"v=DKIM1; k=rsa; " + good:               "no RSA key",
		"v=DKIM1; k=rsa; p=" + weak:             "512 bits is too short",
		"v=DKIM1; k=ed25519; p=a; p=b; " + good: "twice",
		"gibberish":                             "no tag",
	} {
		_, err := signature.ParseKey(text)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestKeyLookup(t *testing.T) {
	s := newSigner(t, ed25519Key(t))
	signed := s.sign(t, plain, nil)
	const name = "sel._domainkey.demo.test"
	record := s.zone.Texts[name][0]
	for _, c := range []struct {
		name string
		zone *dnstest.Zone
		want signature.Outcome
	}{
		{"none", &dnstest.Zone{}, signature.PermError},
		{"no answer", &dnstest.Zone{Broken: map[string]bool{name: true}}, signature.TempError},
		{"revoked", &dnstest.Zone{Texts: map[string][]string{name: {"v=DKIM1; p="}}}, signature.PermError},
		{"another key", &dnstest.Zone{Texts: map[string][]string{name: {"k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="}}}, signature.Fail},
		{"beside other texts", &dnstest.Zone{Texts: map[string][]string{name: {"hello", record}}}, ""},
		{"not for SHA-256", &dnstest.Zone{Texts: map[string][]string{name: {record + "; h=sha1"}}}, signature.PermError},
	} {
		failure := verify(t, c.zone, signed)[0]
		if c.want == "" && failure != nil || c.want != "" && (failure == nil || failure.Outcome != c.want) {
			t.Errorf("%s: %+v", c.name, failure)
		}
	}
	strict := &dnstest.Zone{Texts: map[string][]string{name: {record + "; t=s:y"}}}
	sub := s.sign(t, plain, func(o *dkim.SignOptions) { o.Identifier = "@sub.demo.test" })
	if failure := verify(t, strict, sub)[0]; failure == nil || failure.Outcome != signature.PermError {
		t.Errorf("a subdomain with t=s: %+v", failure)
	}
	if failure := verify(t, s.zone, sub)[0]; failure != nil {
		t.Errorf("a subdomain: %+v", failure)
	}
}

// TestPieces: the hash of a body does not depend on how it was cut.
func TestPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		body := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"\r\n", "\r", "\n", " ", "\t", "a", "bc ", "\r\n\r\n"}), 0, 30).Draw(t, "body"), "")
		c := rapid.SampledFrom([]signature.Canon{signature.Simple, signature.Relaxed}).Draw(t, "form")
		limit := rapid.Int64Range(-1, 40).Draw(t, "limit")
		whole, cut := signature.NewBody(c, limit), signature.NewBody(c, limit)
		_, _ = io.WriteString(whole, body)
		for rest := body; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "n")
			_, _ = io.WriteString(cut, rest[:n])
			rest = rest[n:]
		}
		if !bytes.Equal(whole.Sum(), cut.Sum()) || whole.Size() != cut.Size() {
			t.Fatalf("%q differs when cut", body)
		}
	})
}

// TestCanonicalBodies are those of RFC 6376 section 3.4.5 and the edges.
func TestCanonicalBodies(t *testing.T) {
	for _, c := range []struct {
		form       signature.Canon
		body, want string
	}{
		{signature.Relaxed, " C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n"},
		{signature.Simple, " C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n"},
		{signature.Relaxed, "", ""}, {signature.Simple, "", "\r\n"},
		{signature.Relaxed, "\r\n\r\n", ""}, {signature.Simple, "\r\n\r\n", "\r\n"},
		{signature.Relaxed, " \r\n", ""}, {signature.Simple, " \r\n", " \r\n"},
		{signature.Relaxed, "a", "a\r\n"}, {signature.Simple, "a", "a\r\n"},
		{signature.Relaxed, "\r\n\r\na \r\n", "\r\n\r\na\r\n"},
		{signature.Simple, "a\r", "a\r\r\n"},
	} {
		b := signature.NewBody(c.form, -1)
		_, _ = io.WriteString(b, c.body)
		if want := sha256.Sum256([]byte(c.want)); !bytes.Equal(b.Sum(), want[:]) || b.Size() != int64(len(c.want)) {
			t.Errorf("%s of %q is not %q (%d octets)", c.form, c.body, c.want, b.Size())
		}
	}
}

func TestHeaderLimits(t *testing.T) {
	long := "From: a@b.test\r\nX: " + strings.Repeat("x", 2<<20)
	if _, _, err := signature.ReadHeader(strings.NewReader(long), int64(len(long))); err != signature.ErrHeaderTooLarge {
		t.Error(err)
	}
	h, body, err := signature.ReadHeader(strings.NewReader("A: 1\r\nB: 2\r\n"), 12)
	if err != nil || body != 12 || len(h.Fields) != 2 {
		t.Errorf("without a body: %d %v", body, err)
	}
	if _, body, _ := signature.ReadHeader(strings.NewReader("\r\nbody"), 6); body != 2 {
		t.Errorf("without a header: %d", body)
	}
	many := &signature.Bodies{}
	for i := range 17 {
		if b := many.Need(signature.Simple, int64(i)); (b == nil) != (i == 16) {
			t.Errorf("hash %d: %v", i, b)
		}
	}
}

func FuzzVerify(f *testing.F) {
	f.Add(vectors)
	f.Add("DKIM-Signature: v=1; a=rsa-sha256; c=; d=a.b; s=c; l=1; h=from; bh=; b=\r\nFrom: x\r\n\r\nb")
	f.Add("DKIM-Signature: b=\r\n\r\n")
	f.Fuzz(func(t *testing.T, message string) {
		if len(message) > 1<<16 {
			return
		}
		for _, failure := range verify(t, vectorZone, message) {
			if failure == nil && !strings.Contains(message, "football.example.com") {
				t.Error("a signature passes that nobody made")
			}
		}
	})
}

func BenchmarkVerify4K(b *testing.B) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	s := newSigner(b, key)
	signed := s.sign(b, plain+strings.Repeat("A line of text as people write it, seventy octets long or so.\r\n", 64), nil)
	b.SetBytes(int64(len(signed)))
	for b.Loop() {
		if failure := verify(b, s.zone, signed)[0]; failure != nil {
			b.Fatal(*failure)
		}
	}
}

func BenchmarkBody(b *testing.B) {
	text := []byte(strings.Repeat("A line of text as people write it, seventy octets long or so.\r\n", 1024))
	for _, c := range []signature.Canon{signature.Simple, signature.Relaxed} {
		b.Run(c.String(), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			body := signature.NewBody(c, -1)
			for b.Loop() {
				_, _ = body.Write(text)
			}
		})
	}
}
