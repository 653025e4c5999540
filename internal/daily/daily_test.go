package daily_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postiljon/postiljon/internal/daily"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a counter of numbers, whose record and domains do as a test wants.
type world struct {
	*daily.Counter[int]
	doc       []byte
	fail      error // of the record
	now       time.Time
	refuse    map[string]bool // domains that cannot be told
	told      []string
	forgotten int
}

func (w *world) Load(context.Context) ([]byte, error) { return w.doc, w.fail }

func (w *world) Save(_ context.Context, doc []byte) error {
	if w.fail == nil {
		w.doc = doc
	}
	return w.fail
}

func (w *world) start(t *testing.T) error {
	t.Helper()
	c, err := daily.New(t.Context(), daily.Options[int]{
		Name: "test", Record: w, Now: func() time.Time { return w.now }, Log: slog.New(slog.DiscardHandler),
		Encode: func(d daily.Days[int]) ([]byte, error) { return json.Marshal(d) },
		Decode: func(doc []byte) (d daily.Days[int], err error) { err = json.Unmarshal(doc, &d); return d, err },
		Report: func(_ context.Context, a daily.About) error {
			if w.refuse[a.Domain] {
				return errors.New("not now")
			}
			w.Look(a, func(n int) { w.told = append(w.told, a.Day.Format(time.DateOnly)+" "+a.Domain+" "+strconv.Itoa(n)) })
			return nil
		},
		Forgotten: func(n int) { w.forgotten += n },
	})
	w.Counter = c
	return err
}

func (w *world) note(domain string) bool {
	return w.Count(domain, func(n int) (int, bool) { return n + 1, true })
}

func TestDays(t *testing.T) {
	w := &world{now: time.Date(2026, 3, 1, 23, 0, 0, 0, time.UTC), refuse: map[string]bool{"deaf.example": true}}
	if err := w.start(t); err != nil {
		t.Fatal(err)
	}
	w.note("a.example")
	w.note("deaf.example")
	w.Count("b.example", func(n int) (int, bool) { return n + 1, false })
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.start(t); err != nil { // what was counted is kept
		t.Fatal(err)
	}
	w.note("a.example")
	w.Send(t.Context(), w.now)
	w.now = w.now.Add(2 * time.Hour)
	w.note("a.example")
	w.Send(t.Context(), w.now)
	w.Send(t.Context(), w.now)
	if want := []string{"2026-03-01 a.example 2"}; !slices.Equal(w.told, want) {
		t.Errorf("told %q", w.told)
	}
	w.Send(t.Context(), w.now.Add(3*24*time.Hour)) // the deaf one is given up
	left := 0
	w.All(func(d daily.Days[int]) {
		for _, domains := range d {
			left += len(domains)
		}
	})
	if want := []string{"2026-03-01 a.example 2", "2026-03-02 a.example 1"}; !slices.Equal(w.told, want) || left != 0 || w.forgotten != 4 {
		t.Errorf("told %q, %d left, %d forgotten", w.told, left, w.forgotten)
	}
	w.fail = errors.New("disk full")
	if err := w.Close(t.Context()); !errors.Is(err, w.fail) {
		t.Errorf("the error of saving is lost: %v", err)
	}
	if err := w.start(t); !errors.Is(err, w.fail) {
		t.Errorf("the error of loading is lost: %v", err)
	}
}

func TestRoom(t *testing.T) {
	w := &world{now: time.Now(), doc: []byte("null")}
	if err := w.start(t); err != nil {
		t.Fatal(err)
	}
	refused := 0
	for i := range 10_010 {
		if !w.note(strconv.Itoa(i) + ".example") {
			refused++
		}
	}
	if refused != 10 || !w.note("1.example") {
		t.Errorf("%d refused", refused)
	}
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.doc = []byte("{")
	if err := w.start(t); err == nil {
		t.Error("a damaged record is taken")
	}
}
