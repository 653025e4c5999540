package lab

import (
	"bytes"
	"crypto/tls"
	"net"
	"testing"

	"pgregory.net/rapid"
)

// TestFiltersCount cuts a stream into pieces at random: exactly so many octets pass,
// whatever the pieces.
func TestFiltersCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stream := rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "stream")
		n := rapid.IntRange(0, 400).Draw(t, "n")
		want := stream[:min(n, len(stream))]
		f := CutAfter(n, Up).up()
		var got []byte
		ended := false
		for rest := stream; len(rest) > 0 && !ended; {
			size := rapid.IntRange(1, len(rest)).Draw(t, "piece")
			p, v := f(rest[:size])
			got, rest, ended = append(got, p...), rest[size:], v == end
		}
		if !bytes.Equal(got, want) || ended != (len(stream) >= n) {
			t.Fatalf("of %d octets %d pass, ended %v; the cut is after %d", len(stream), len(got), ended, n)
		}
	})
}

// clientHello is what Go's client begins with.
func clientHello(name string) []byte {
	near, far := net.Pipe()
	defer near.Close()
	go func() {
		tls.Client(far, &tls.Config{ServerName: name, InsecureSkipVerify: name == ""}).Handshake()
		far.Close()
	}()
	var all []byte
	buf := make([]byte, 4096)
	for {
		n, err := near.Read(buf)
		all = append(all, buf[:n]...)
		if _, whole := serverName(all); whole || err != nil {
			return all
		}
	}
}

func TestServerName(t *testing.T) {
	for _, want := range []string{"imap.north.example", "a.b.c.d.example", ""} {
		hello := clientHello(want)
		if got, whole := serverName(hello); got != want || !whole {
			t.Errorf("a hello to %q: %q, whole %v", want, got, whole)
		}
		for i := range len(hello) - 1 {
			if got, whole := serverName(hello[:i]); whole && i > 0 {
				t.Errorf("%d of %d octets are a whole hello to %q", i, len(hello), got)
			}
		}
	}
}

func FuzzServerName(f *testing.F) {
	f.Add(clientHello("imap.north.example"))
	f.Add([]byte("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"))
	f.Add([]byte("EHLO x\r\n"))
	f.Fuzz(func(t *testing.T, p []byte) {
		if name, whole := serverName(p); name != "" && !whole {
			t.Errorf("a name, %q, in a hello that is not whole", name)
		}
	})
}
