package outbound

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/store"
)

// many makes more domains of the server of one.
func (w *world) many(of string, domains int) (list []string) {
	n := w.internet
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := range domains {
		domain := fmt.Sprintf("%d.%s", i, of)
		n.mx[domain] = n.mx[of]
		list = append(list, domain)
	}
	return list
}

// until waits for something that must come.
func (w *world) until(what string, done func() bool) {
	w.t.Helper()
	for begun := time.Now(); !done(); time.Sleep(time.Millisecond) {
		if time.Since(begun) > 30*time.Second {
			w.t.Fatalf("never came: %s; %+v", what, w.queue.Stats())
		}
	}
}

// TestHanging: domains whose servers never answer keep none of the others waiting,
// even if they are most of all and all messages are of one account.
func TestHanging(t *testing.T) {
	w := newWorld(t, func(o *Options) {
		o.Limits.Concurrency, o.Limits.Command, o.Limits.Stop = 40, time.Minute, time.Millisecond
	})
	hang := make(chan struct{})
	w.serve("dead.test", &peer{rcpt: func(string, int) string { <-hang; return "" }})
	t.Cleanup(func() { close(hang) })
	far := w.serve("far.test", &peer{})
	for _, domain := range w.many("dead.test", 60) {
		w.submit([]string{"you@" + domain})
	}
	w.until("the dead domains have their places", func() bool { return w.queue.Stats().Active == 20 })
	for _, domain := range w.many("far.test", 100) {
		w.submit([]string{"a@" + domain})
		w.submit([]string{"b@" + domain})
	}
	w.until("the others are sent", func() bool {
		w.clock.advance(patience / 50) // the dead ones lose their places
		return len(far.letters()) == 200
	})
	w.until("the dead ones are tried", func() bool {
		w.clock.advance(patience)
		s := w.queue.Stats()
		return s.Active == 60 && s.Ready == 0
	})
}

// TestThrottled: a server that says that it gets too much gets less, at intervals,
// and more again when it takes it.
func TestThrottled(t *testing.T) {
	w := newWorld(t)
	throttles := true
	far := w.serve("far.test", &peer{rcpt: func(string, int) string {
		if throttles {
			return "450 4.7.1 You send too fast, rate limit exceeded"
		}
		return ""
	}})
	for range 40 {
		w.submit([]string{"you@far.test"})
	}
	w.settle()
	asked := func() int {
		far.mu.Lock()
		defer far.mu.Unlock()
		return far.rcpts["you@far.test"]
	}
	if n := asked(); n > 3*firstWindow {
		t.Errorf("asked %d times before it was left alone", n)
	}
	before := asked()
	w.pass(4*time.Second, 500*time.Millisecond)
	if n := asked() - before; n < 1 || n > 4 {
		t.Errorf("asked %d times in the next seconds", n)
	}
	far.mu.Lock()
	throttles = false
	far.mu.Unlock()
	w.pass(10*time.Minute, 5*time.Second)
	if n := len(far.letters()); n != 40 {
		t.Errorf("%d of 40 came", n)
	}
	w.queue.mu.Lock()
	defer w.queue.mu.Unlock()
	if p := w.queue.destinations["far.test"].pace; p.gap != 0 || p.window < 2 {
		t.Errorf("pace %+v", p)
	}
}

// TestBulk: an account with a great many messages to a domain does not keep the
// message of another waiting.
func TestBulk(t *testing.T) {
	const bulk = 400
	w := newWorld(t)
	far := w.serve("far.test", &peer{final: func([]string, int) string { time.Sleep(time.Millisecond); return "" }})
	other, err := w.store.CreateAccount(t.Context(), store.Account{Address: "bo@here.test"})
	if err != nil {
		t.Fatal(err)
	}
	for range bulk {
		w.submit([]string{"you@far.test"})
	}
	before := len(far.letters())
	w.submit([]string{"single@far.test"}, func(s *store.Submission) { s.Account, s.From = other.ID, "bo@here.test" })
	w.settle()
	list := far.letters()
	at := slices.IndexFunc(list, func(l letterKept) bool { return l.rcpts[0] == "single@far.test" })
	// Those that were under way, and some in turn with it, may come first.
	if at > before+3*w.queue.opt.Limits.PerDestination || len(list) != bulk+1 {
		t.Errorf("it came as number %d of %d, submitted after %d", at, len(list), before)
	}
}
