package outbound

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/store"
)

// TestSign: a message is signed once, and goes with the same signature to all
// domains and at each attempt, also after a restart.
func TestSign(t *testing.T) {
	signed := 0
	w := newWorld(t, func(o *Options) {
		o.Sign = func(_ context.Context, sub *store.Submission, content io.ReaderAt, size int64) ([]byte, error) {
			body := make([]byte, size)
			if n, err := content.ReadAt(body, 0); n != len(body) || string(body) != letter {
				t.Errorf("signs %q, %v", body[:n], err)
			}
			if signed++; signed == 1 {
				return nil, errors.New("the key is away")
			}
			return []byte("Signature: " + sub.ID.String() + strings.Repeat("x", signed) + "\r\n"), nil
		}
	})
	near := w.serve("near.test", &peer{})
	far := w.serve("far.test", &peer{rcpt: func(_ string, n int) string {
		if n <= 2 {
			return "451 4.3.0 later"
		}
		return ""
	}})
	id := w.submit([]string{"you@far.test", "you@near.test"})
	for range 3 {
		w.pass(10*time.Minute, time.Minute)
	}
	w.stop()
	w.start()
	w.pass(2*time.Hour, 10*time.Minute)
	want := "Signature: " + id.String() + "xx\r\n" + letter
	for name, p := range map[string]*peer{"near": near, "far": far} {
		if got := p.letters(); len(got) != 1 || got[0].body != want {
			t.Errorf("%s has %q, want %q", name, got, want)
		}
	}
	if signed > 3 {
		t.Errorf("signed %d times", signed)
	}
}
