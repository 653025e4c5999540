package imapd

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// BenchmarkIdle measures what an idle session over TLS costs the server. The clients are another
// process: the same test binary, which runs TestIdleClients.
func BenchmarkIdle(b *testing.B) {
	const sessions = 2000
	w := newWorld(b, settings{})
	w.put("INBOX", benchMail(1), clock, systemFlags["SEEN"])
	before := inUse()
	cmd := exec.Command(os.Args[0], "-test.run=^TestIdleClients$", "-test.v")
	cmd.Env = append(os.Environ(), "IMAPD_IDLE_ADDR="+w.tlsAddr, "IMAPD_IDLE_SESSIONS="+strconv.Itoa(sessions),
		"IMAPD_IDLE_CERT="+string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.certificate})))
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	text := make([]byte, 4096)
	for said := ""; !strings.Contains(said, "all idle"); {
		n, err := stdout.Read(text)
		if err != nil {
			b.Fatal(said, err)
		}
		said += string(text[:n])
	}
	for b.Loop() {
		runtime.GC()
	}
	b.ReportMetric(float64(inUse()-before)/sessions, "B/session")
	stdin.Close()
	go io.Copy(io.Discard, stdout)
	if err := cmd.Wait(); err != nil {
		b.Fatal(err)
	}
}

// inUse is the memory of heap and stacks after a collection.
func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// TestIdleClients is the other side of BenchmarkIdle; alone it does nothing.
func TestIdleClients(t *testing.T) {
	addr := os.Getenv("IMAPD_IDLE_ADDR")
	if addr == "" {
		return
	}
	n, err := strconv.Atoi(os.Getenv("IMAPD_IDLE_SESSIONS"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(os.Getenv("IMAPD_IDLE_CERT")))
	w := &world{t: t, tlsAddr: addr, client: &tls.Config{RootCAs: roots, ServerName: "mail.example.org"}}
	for range n {
		c := w.signIn()
		c.ok("SELECT INBOX")
		c.send("i IDLE\r\n")
		if line := c.line(); line != "+ Idling" {
			t.Fatal(line)
		}
	}
	fmt.Println("all idle")
	io.Copy(io.Discard, os.Stdin)
}
