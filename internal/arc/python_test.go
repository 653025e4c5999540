package arc_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postiljon/postiljon/internal/arc"
	"github.com/postiljon/postiljon/internal/signature"
)

// program verifies a message, adds a set, and prints both: with the library that Debian has as python3-dkim.
const program = `
import dkim, sys
records = dict(line.split("\t") for line in open(sys.argv[2]).read().splitlines())
def txt(name, timeout=5):
    return records[(name.decode() if isinstance(name, bytes) else name).rstrip(".")].encode()
message = open(sys.argv[1], "rb").read()
print(dkim.arc_verify(message, dnsfunc=txt)[0].decode())
fields = dkim.arc_sign(message, b"a", b"list3.test", open(sys.argv[3], "rb").read(), b"mx.list3.test", timestamp=1795348800)
open(sys.argv[1], "wb").write(b"".join(fields) + message)
`

// TestPython: another implementation finds our chain valid, and we the chain that it goes on with.
func TestPython(t *testing.T) {
	w := newWorld(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	w.keys = []arc.Key{{Domain: "list1.test", Selector: "a", Private: key}, {Domain: "list2.test", Selector: "a", Private: key}}
	var records strings.Builder
	for i := range 3 {
		name := fmt.Sprintf("a._domainkey.list%d.test", i+1)
		w.zone.Texts[name] = []string{record(t, key)}
		fmt.Fprintf(&records, "%s\t%s\n", name, record(t, key))
	}
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	// It adds results only where the message has some of its own to tell of.
	ours := "Authentication-Results: mx.list3.test; arc=pass; spf=pass smtp.mailfrom=demo.test\r\n" + w.forward(t, plain, 0, 1)
	message := write("message", []byte(ours))
	private := write("key", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	out, err := exec.Command("/usr/bin/python3", "-c", program, message, write("records", []byte(records.String())), private).CombinedOutput()
	if err != nil || string(out) != "pass\n" {
		t.Fatalf("%v: %s", err, out)
	}
	three, err := os.ReadFile(message)
	if err != nil {
		t.Fatal(err)
	}
	if r := w.verify(t, string(three)); r.Outcome != signature.Pass || r.Instance != 3 {
		t.Errorf("%s: %s of\n%s", r.Outcome, r.Reason, three)
	}
}
