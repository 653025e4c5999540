package journal

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/postiljon/postiljon/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a Store of events in memory.
type memory struct {
	Store // what is not used by writing

	mu     sync.Mutex
	events []store.Event
	calls  int
	err    error
	gate   chan struct{} // RecordEvents waits for it, if there is one
}

func (m *memory) RecordEvents(_ context.Context, events []store.Event) error {
	if m.gate != nil {
		<-m.gate
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	if m.err == nil {
		m.events = append(m.events, events...)
	}
	return m.err
}

func (m *memory) KeepMentions(context.Context) error { return m.err }

func (m *memory) kept() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.events)
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func newJournal(t testing.TB, o Options) *Journal {
	t.Helper()
	o.Log = quiet()
	j, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	return j
}

func TestRecordKeepsInBatches(t *testing.T) {
	m := &memory{}
	j := newJournal(t, Options{Store: m, Delay: time.Hour, Batch: 100})
	for range 250 {
		j.Record(t.Context(), store.Event{Kind: SignInOK})
	}
	if err := j.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if m.kept() != 250 || m.calls > 3 {
		t.Errorf("%d events in %d batches", m.kept(), m.calls)
	}
	for _, e := range m.events {
		if e.Time.IsZero() {
			t.Fatal("an event without time")
		}
	}
}

func TestRecordKeepsFullBatches(t *testing.T) {
	m := &memory{gate: make(chan struct{})}
	j := newJournal(t, Options{Store: m, Delay: time.Hour, Batch: 5})
	for range 5 {
		j.Record(t.Context(), store.Event{Kind: SignInOK})
	}
	m.gate <- struct{}{} // nobody flushed, and no time passed
	if err := j.Flush(t.Context()); err != nil || m.kept() != 5 || m.calls != 1 {
		t.Errorf("%d events in %d batches, %v", m.kept(), m.calls, err)
	}
}

func TestRecordKeepsSoon(t *testing.T) {
	m := &memory{gate: make(chan struct{})}
	j := newJournal(t, Options{Store: m, Delay: time.Millisecond})
	j.Record(t.Context(), store.Event{Kind: SignInOK})
	m.gate <- struct{}{} // nobody flushed
	if err := j.Flush(t.Context()); err != nil || m.kept() != 1 {
		t.Errorf("%d events, %v", m.kept(), err)
	}
}

func TestCloseKeepsWhatWaits(t *testing.T) {
	m := &memory{}
	j := newJournal(t, Options{Store: m, Delay: time.Hour})
	for range 7 {
		j.Record(t.Context(), store.Event{Kind: SignInOK})
	}
	if err := j.Close(); err != nil || m.kept() != 7 {
		t.Errorf("%d events, %v", m.kept(), err)
	}
	j.Record(t.Context(), store.Event{Kind: SignInOK})
	if j.Dropped() != 1 || m.kept() != 7 {
		t.Errorf("after Close: %d dropped, %d kept", j.Dropped(), m.kept())
	}
	if err := errors.Join(j.Flush(t.Context()), j.Close()); err != nil {
		t.Error(err)
	}
}

func TestRecordNeverBlocks(t *testing.T) {
	m := &memory{gate: make(chan struct{})}
	j := newJournal(t, Options{Store: m, Queue: 10, Batch: 5, Delay: time.Hour})
	for range 100 {
		j.Record(t.Context(), store.Event{Kind: SignInOK})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := j.Flush(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("flush of a stuck store: %v", err)
	}
	close(m.gate)
	if err := j.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if dropped, kept := int(j.Dropped()), m.kept(); kept < 10 || dropped == 0 || dropped+kept != 100 {
		t.Errorf("%d dropped, %d kept", dropped, kept)
	}
}

func TestLostEventsAreCounted(t *testing.T) {
	m := &memory{err: errors.New("no space")}
	j := newJournal(t, Options{Store: m})
	j.Record(t.Context(), store.Event{Kind: SignInOK})
	if err := j.Flush(t.Context()); !errors.Is(err, m.err) || j.Dropped() != 1 {
		t.Errorf("%v, %d dropped", err, j.Dropped())
	}
}

// However recording, flushing and closing come together, each event is kept once or counted.
func TestRecordProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &memory{}
		j, err := New(Options{
			Store: m, Log: quiet(), Queue: rapid.IntRange(1, 50).Draw(t, "queue"),
			Batch: rapid.IntRange(1, 20).Draw(t, "batch"), Delay: time.Millisecond,
		})
		if err != nil {
			t.Fatal(err)
		}
		writers, each := rapid.IntRange(1, 4).Draw(t, "writers"), rapid.IntRange(0, 60).Draw(t, "each")
		var all sync.WaitGroup
		for w := range writers {
			all.Go(func() {
				for i := range each {
					j.Record(context.Background(), store.Event{Kind: fmt.Sprint(w, "/", i)})
				}
			})
		}
		if rapid.Bool().Draw(t, "flush") {
			_ = j.Flush(context.Background())
		}
		if rapid.Bool().Draw(t, "wait") {
			all.Wait()
		}
		_ = j.Close()
		all.Wait()
		seen := map[string]bool{}
		for _, e := range m.events {
			if seen[e.Kind] {
				t.Fatalf("%s is kept twice", e.Kind)
			}
			seen[e.Kind] = true
		}
		if len(seen)+int(j.Dropped()) != writers*each {
			t.Fatalf("%d kept, %d dropped of %d", len(seen), j.Dropped(), writers*each)
		}
	})
}

// kinds reads the constants of kinds.go.
func kinds(t *testing.T) map[string]bool {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "kinds.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok {
			kind, err := strconv.Unquote(lit.Value)
			if err != nil || all[kind] {
				t.Errorf("kind %s twice, or %v", lit.Value, err)
			}
			all[kind] = true
		}
		return true
	})
	return all
}

func TestEveryKindIsSaidInEveryLanguage(t *testing.T) {
	all := kinds(t)
	if len(all) < 30 {
		t.Fatalf("%d kinds", len(all))
	}
	languages, err := loadTexts()
	if err != nil {
		t.Fatal(err)
	}
	for lang, l := range languages {
		for kind := range all {
			if len(l.events[kind]) == 0 {
				t.Errorf("%s does not say %s", lang, kind)
			}
		}
		for kind, p := range l.events {
			if !all[kind] {
				t.Errorf("%s says %s, which does not exist", lang, kind)
			}
			for _, s := range p {
				if s.name != "" && s.group == 0 {
					t.Errorf("%s: {%s} of %s is not in brackets", lang, s.name, kind)
				}
			}
		}
	}
}

func TestPhrase(t *testing.T) {
	values := map[string]string{"a": "A", "b": "B", "n": "1", "m": "21"}
	for _, tt := range []struct{ text, want string }{
		{"plain", "plain"},
		{"x[ from {a}][ to {none}] y", "x from A y"},
		{"{a}{b}", "AB"},
		{"[{a} and {none}]z", "z"},
		{"[{a} and {b}]z", "A and Bz"},
		{"{none}", ""},
		{"{n} {n:time|times}, {m} {m:time|times}", "1 time, 21 times"},
		{"x[ {none:time|times}]", "x"},
	} {
		p, err := parsePhrase(tt.text)
		if err != nil {
			t.Errorf("%q: %v", tt.text, err)
			continue
		}
		if got := p.fill(func(name string) string { return values[name] }); got != tt.want {
			t.Errorf("%q gives %q, not %q", tt.text, got, tt.want)
		}
	}
	for _, text := range []string{"", "[", "]", "{", "}", "{}", "[[x]]", "[{a}", "a]", "{a"} {
		if p, err := parsePhrase(text); err == nil {
			t.Errorf("%q is read as %+v", text, p)
		}
	}
}

func FuzzPhrase(f *testing.F) {
	f.Add("x[ from {a}][ to {none}] y")
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := parsePhrase(text); err == nil {
			p.fill(func(name string) string { return name })
		}
	})
}

func BenchmarkRecord(b *testing.B) {
	j := newJournal(b, Options{Store: &memory{err: errors.New("none is kept")}, Queue: 1 << 16})
	e := store.Event{Kind: SignInOK, Time: time.Now()}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			j.Record(context.Background(), e)
		}
	})
}
