package dkim

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	msgauth "github.com/emersion/go-msgauth/dkim"
	"pgregory.net/rapid"

	"github.com/postiljon/postiljon/internal/signature"
)

// testSigners are a pair of keys of example.org, and the TXT records that publish them.
func testSigners(t testing.TB) (signers []Signer, published map[string]string) {
	t.Helper()
	p, err := newPair("202611", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	published = map[string]string{}
	for _, k := range p.keys("example.org") {
		published[k.Name] = k.Record
	}
	return p.signers("example.org"), published
}

func lookup(published map[string]string) func(string) ([]string, error) {
	return func(name string) ([]string, error) {
		if r, ok := published[name]; ok {
			return []string{r}, nil
		}
		return nil, fmt.Errorf("no record at %s", name)
	}
}

// check verifies all signatures of a message with another implementation.
func check(signed []byte, published map[string]string) error {
	found, err := msgauth.VerifyWithOptions(bytes.NewReader(signed), &msgauth.VerifyOptions{LookupTXT: lookup(published)})
	if err != nil {
		return err
	}
	if len(found) != 2 {
		return fmt.Errorf("%d signatures", len(found))
	}
	for _, v := range found {
		if v.Err != nil {
			return v.Err
		}
	}
	return nil
}

const letter = "Received: from a by b; Mon, 2 Nov 2026 10:00:00 +0000\r\n" +
	"From: Anna  <anna@example.org>\r\nTo: bo@example.net\r\nSubject: Hej,\r\n\t folded   subject \r\n" +
	"Date: Mon, 2 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n\r\n" +
	"Hello  there \t\r\n\r\n and more\r\n\r\n\r\n"

func TestSignatureVerifies(t *testing.T) {
	signers, published := testSigners(t)
	for name, text := range map[string]string{
		"letter":            letter,
		"no body":           "From: a@example.org\r\n\r\n",
		"empty lines":       "From: a@example.org\r\n\r\n\r\n\r\n\r\n",
		"no final line end": "From: a@example.org\r\n\r\nabc",
		"white space alone": "From: a@example.org\r\n\r\n \t \r\n \r\n",
		"doubled fields":    "From: a@example.org\r\nTo: b@example.net\r\nTo: c@example.net\r\n\r\nx\r\n",
		"long lines":        "From: a@example.org\r\nSubject: " + strings.Repeat("word ", 300) + "\r\n\r\n" + strings.Repeat("y", 100_000) + "\r\n",
		"beyond ASCII":      "From: å@example.org\r\nSubject: räksmörgås\r\n\r\nså\r\n",
		"large": "From: a@example.org\r\nX-Long: " + strings.Repeat("z", 40_000) + "\r\n\r\n" +
			strings.Repeat("line of text  with spaces \r\n", 20_000),
	} {
		t.Run(name, func(t *testing.T) {
			fields, err := Sign(strings.NewReader(text), int64(len(text)), time.Now(), signers...)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.SplitSeq(strings.TrimSuffix(string(fields), "\r\n"), "\r\n") {
				if len(line) > 78 {
					t.Errorf("line of %d octets: %s", len(line), line)
				}
			}
			if err := check(append(fields, text...), published); err != nil {
				t.Errorf("%v\n%s", err, fields)
			}
		})
	}
}

func TestNotSigned(t *testing.T) {
	signers, _ := testSigners(t)
	for name, text := range map[string]string{
		"no From":         "To: a@example.org\r\n\r\nx\r\n",
		"two From":        "From: a@example.org\r\nFrom: b@example.org\r\n\r\nx\r\n",
		"endless header":  "From: a@example.org\r\nX: " + strings.Repeat("z", signature.MaxHeader) + "\r\n\r\nx\r\n",
		"only a body":     "\r\nFrom: a@example.org\r\n",
		"nothing at all":  "",
		"only white room": "\r\n\r\n",
	} {
		if fields, err := Sign(strings.NewReader(text), int64(len(text)), time.Now(), signers...); err == nil {
			t.Errorf("%s: signed: %s", name, fields)
		}
	}
	if _, err := Sign(strings.NewReader(letter), int64(len(letter)), time.Now(), Signer{Domain: "example.org", Selector: "x", Key: strange{}}); err == nil {
		t.Error("signed without a key")
	}
	if _, err := Sign(strings.NewReader(letter), int64(len(letter))+1, time.Now(), signers...); err == nil {
		t.Error("signed a message that is shorter than it should be")
	}
}

// TestTampered changes a signed message in every way that a signature is there to show.
func TestTampered(t *testing.T) {
	signers, published := testSigners(t)
	fields, err := Sign(strings.NewReader(letter), int64(len(letter)), time.Now(), signers...)
	if err != nil {
		t.Fatal(err)
	}
	signed := string(fields) + letter
	for name, changed := range map[string]string{
		"body":            strings.Replace(signed, "Hello", "Hallo", 1),
		"subject":         strings.Replace(signed, "folded", "forged", 1),
		"second From":     "From: boss@example.org\r\n" + signed,
		"second Subject":  "Subject: other\r\n" + signed,
		"added Cc":        "Cc: other@example.org\r\n" + signed,
		"added Reply-To":  "Reply-To: other@example.org\r\n" + signed,
		"other type":      "Content-Type: text/html\r\n" + signed,
		"line at the end": signed + "more\r\n",
	} {
		if check([]byte(changed), published) == nil {
			t.Errorf("%s: still verifies", name)
		}
	}
	for name, harmless := range map[string]string{
		"trace field":     "Received: from x by y; Mon, 2 Nov 2026 10:00:00 +0000\r\n" + signed,
		"list's Sender":   "Sender: list@example.com\r\n" + signed,
		"refolded":        strings.Replace(signed, "Hej,\r\n\t folded", "Hej, folded", 1),
		"space in a line": strings.Replace(signed, "Hello  there", "Hello there", 1),
	} {
		// Sender is covered as often as it was there, which is not at all.
		if err := check([]byte(harmless), published); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAnyMessage signs messages of all kinds of white space.
func TestAnyMessage(t *testing.T) {
	signers, published := testSigners(t)
	signers = signers[1:] // Ed25519 is faster, and the canonical form is the same
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.SampledFrom([]string{" ", "\t", "\r\n", "a", "bcd", "\r\n\r\n", "é", " \r\n"})
		body := strings.Join(rapid.SliceOfN(piece, 0, 60).Draw(t, "body"), "")
		value := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{" ", "\t", "\r\n ", "x", "yz", ":", ";"}), 0, 20).Draw(t, "subject"), "")
		text := "From: a@example.org\r\nSubject:" + value + "q\r\n\r\n" + body
		fields, err := Sign(strings.NewReader(text), int64(len(text)), time.Now(), signers...)
		if err != nil {
			t.Fatal(err)
		}
		found, err := msgauth.VerifyWithOptions(strings.NewReader(string(fields)+text), &msgauth.VerifyOptions{LookupTXT: lookup(published)})
		if err != nil || len(found) != 1 || found[0].Err != nil {
			t.Fatalf("%v %v\n%q", err, found, string(fields)+text)
		}
	})
}

// TestPython verifies with the verifier that Debian has as python3-dkim.
func TestPython(t *testing.T) {
	signers, published := testSigners(t)
	fields, err := Sign(strings.NewReader(letter), int64(len(letter)), time.Now(), signers...)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "letter")
	if err := os.WriteFile(file, append(fields, letter...), 0o600); err != nil {
		t.Fatal(err)
	}
	var records strings.Builder
	for name, record := range published {
		fmt.Fprintf(&records, "%q: %q,\n", name+".", record)
	}
	program := `
import dkim, sys
records = {` + records.String() + `}
def txt(name, timeout=5):
    return records[name.decode() if isinstance(name, bytes) else name].encode()
message = open(sys.argv[1], "rb").read()
for index in (0, 1):
    d = dkim.DKIM(message)
    print(d.verify(idx=index, dnsfunc=txt), d.signature_fields[b"a"].decode())
`
	out, err := exec.Command("/usr/bin/python3", "-c", program, file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got := string(out); got != "True rsa-sha256\nTrue ed25519-sha256\n" {
		t.Errorf("python3-dkim says\n%s", got)
	}
}

func BenchmarkSign(b *testing.B) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		b.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	text := strings.Replace(letter, "Hello", strings.Repeat("a line of text as people write them in mail\r\n", 85), 1)
	both := []Signer{{"example.org", "a", key}, {"example.org", "b", ed}}
	for name, signers := range map[string][]Signer{"both": both, "ed25519": both[1:], "none": nil} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Sign(strings.NewReader(text), int64(len(text)), time.Now(), signers...); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// FuzzSign signs whatever comes: every field is well formed, and so is the choice of who signs.
func FuzzSign(f *testing.F) {
	p, err := newPair("202611", time.Now())
	if err != nil {
		f.Fatal(err)
	}
	signers := p.signers("example.org")[1:]
	f.Add([]byte(letter))
	f.Add([]byte("From:a@b.example\r\nfrom : c\r\n d\r\n\r\n\r\n"))
	f.Add([]byte("From: <@x>, \"a\" <b@c>\nTo: \x00\r\n\r\n.\r \n"))
	f.Add([]byte("\r\n\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, size := bytes.NewReader(text), int64(len(text))
		if _, err := authorDomain(r, size); err != nil {
			t.Fatal(err)
		}
		fields, err := Sign(r, size, time.Now(), signers...)
		if err != nil {
			return
		}
		for line := range bytes.SplitSeq(bytes.TrimSuffix(fields, []byte("\r\n")), []byte("\r\n")) {
			if len(line) == 0 || len(line) > 998 || bytes.ContainsAny(line, "\r\n\x00") {
				t.Fatalf("%q", fields)
			}
		}
	})
}

// strange is a kind of key that DKIM does not know.
type strange struct{}

func (strange) Public() crypto.PublicKey { return nil }

func (strange) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return []byte("x"), nil }
