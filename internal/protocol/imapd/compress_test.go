package imapd

import (
	"bufio"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/protocol/imapd/deflate"
)

// TestUnauthenticateIsTold holds that the Backend hears of every account that leaves a connection.
func TestUnauthenticateIsTold(t *testing.T) {
	w := newWorld(t, settings{plaintext: true})
	c := w.plainClient()
	c.ok("UNAUTHENTICATE")
	c.ok("LOGIN " + testAddress + ` "` + testPassword + `"`)
	c.ok("UNAUTHENTICATE")
	w.backend.mu.Lock()
	defer w.backend.mu.Unlock()
	if w.backend.signedOut != 2 || w.backend.closed != 0 {
		t.Errorf("told of %d that left, and of %d ends", w.backend.signedOut, w.backend.closed)
	}
}

// TestUnauthenticateBeginsAnew holds that the time to sign in counts from UNAUTHENTICATE.
func TestUnauthenticateBeginsAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{plaintext: true, timeouts: Timeouts{SignIn: 2 * time.Second}})
	c := w.plainClient()
	time.Sleep(2100 * time.Millisecond) // longer than a connection may wait to sign in
	c.ok("UNAUTHENTICATE")
	c.ok("LOGIN " + testAddress + ` "` + testPassword + `"`)
}

// TestCompressTakesWhatCameEarly holds that what a hasty client compresses before it has the answer
// is read.
func TestCompressTakesWhatCameEarly(t *testing.T) {
	w := newWorld(t, settings{plaintext: true})
	c := w.plainClient()
	var early strings.Builder
	io.WriteString(&early, "a1 COMPRESS DEFLATE\r\n")
	packed := deflate.New(writeConn{w: &early}, &deflate.Pool{}, nil)
	io.WriteString(packed, "a2 NOOP\r\n")
	c.send(early.String())
	if line := c.line(); line != "a1 OK DEFLATE begins" {
		t.Fatal(line)
	}
	c.r = bufio.NewReader(deflate.NewReader(c.r, nil))
	if line := c.line(); line != "a2 OK NOOP completed" {
		t.Fatal(line)
	}
}
