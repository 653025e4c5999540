package policy

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeClock stands still until it is told to move; a sleeper moves it.
type fakeClock struct {
	mu    sync.Mutex
	now   time.Time
	slept time.Duration
}

func newFakeClock() *fakeClock {
	return &fakeClock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) Sleep(ctx context.Context, d time.Duration) error {
	c.advance(d)
	c.mu.Lock()
	c.slept += d
	c.mu.Unlock()
	return ctx.Err()
}

func (c *fakeClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// memoryRecord is a Record that a restart does not lose.
type memoryRecord struct {
	mu  sync.Mutex
	doc []byte
}

func (r *memoryRecord) Load(context.Context) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.doc, nil
}

func (r *memoryRecord) Save(_ context.Context, doc []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.doc = doc
	return nil
}

// events collects what is recorded.
type events struct {
	mu   sync.Mutex
	list []store.Event
}

func (e *events) Record(_ context.Context, event store.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, event)
}

func (e *events) count(kind string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for i := range e.list {
		if e.list[i].Kind == kind {
			n++
		}
	}
	return n
}

// fits fails the test when a decision does not fit the catalogue.
func fits(t testing.TB, d cause.Decision) cause.Decision {
	t.Helper()
	catalogue, err := cause.Load()
	if err != nil {
		t.Fatal(err)
	}
	if err := catalogue.Check(d); err != nil {
		t.Error(err)
	}
	return d
}

func TestFileRecord(t *testing.T) {
	r := FileRecord(filepath.Join(t.TempDir(), "bans.json"))
	if doc, err := r.Load(t.Context()); doc != nil || err != nil {
		t.Fatalf("before the first Save: %q, %v", doc, err)
	}
	for _, want := range []string{"first, and longer", "second"} {
		if err := r.Save(t.Context(), []byte(want)); err != nil {
			t.Fatal(err)
		}
		if doc, err := r.Load(t.Context()); string(doc) != want || err != nil {
			t.Fatalf("after Save of %q: %q, %v", want, doc, err)
		}
	}
	if left, _ := filepath.Glob(string(r) + ".*"); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := FileRecord(filepath.Join(t.TempDir(), "none", "x")).Save(t.Context(), nil); err == nil {
		t.Error("Save into a folder that does not exist succeeded")
	}
}

func TestRecentIsBounded(t *testing.T) {
	r := newRecent[int, int](100)
	for i := range 10_000 {
		r.put(i, i)
		r.get(7) // used all the time
		if n := r.len(); n > 200 {
			t.Fatalf("%d entries", n)
		}
	}
	if _, ok := r.get(7); !ok {
		t.Error("an entry that was used all the time is gone")
	}
	if v, ok := r.get(9_999); !ok || v != 9_999 {
		t.Error("the last entry is gone")
	}
	if _, ok := r.get(5_000); ok {
		t.Error("an old entry is still there")
	}
}
