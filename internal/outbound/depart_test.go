package outbound

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
)

// gate lets messages depart as a test wants.
type gate struct {
	mu    sync.Mutex
	w     *world
	why   cause.Decision
	asked int

	first     cause.Decision // the answer to the first question, if it does not allow
	meanwhile func()         // is called before that answer is given
}

func (g *gate) depart(ctx context.Context, sub *store.Submission) cause.Decision {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.asked++; !g.why.Allowed() {
		return g.why
	}
	if g.meanwhile != nil {
		g.meanwhile()
		return g.first
	}
	after := *sub
	_, err := g.w.store.Deliver(ctx, store.Delivery{Sender: sub.Account, Submission: &after, Departs: true})
	if err != nil {
		return cause.Wait(cause.ProviderBackendBroken, time.Time{})
	}
	return cause.Allow()
}

func (g *gate) say(d cause.Decision) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.why = d
}

func gated(t *testing.T) (*world, *gate) {
	g := &gate{}
	w := newWorld(t, func(o *Options) { o.Depart = g.depart })
	g.w = w
	return w, g
}

// schedule submits a letter that is to go after some time.
func (w *world) schedule(after time.Duration, to ...string) store.TraceID {
	return w.submit(to, func(sub *store.Submission) {
		sub.Scheduled = true
		sub.Created = w.clock.Now()
		for i := range sub.Recipients {
			sub.Recipients[i].Next = w.clock.Now().Add(after)
		}
	})
}

// TestDepartOnTime holds that what is scheduled goes when its time has come, not before, over a restart as well, and to all at once.
func TestDepartOnTime(t *testing.T) {
	w, g := gated(t)
	far, near := w.serve("far.test", &peer{}), w.serve("near.test", &peer{})
	id := w.schedule(time.Hour, "you@far.test", "too@near.test")
	w.settle()
	list := w.queued()
	if len(list) != 1 || !list[0].Waits() || g.asked != 0 {
		t.Fatalf("asked %d times, waits as %+v", g.asked, list)
	}
	w.stop()
	w.start()
	w.pass(50*time.Minute, 10*time.Minute)
	if g.asked != 0 || len(far.letters()) != 0 {
		t.Fatal("it goes too soon")
	}
	w.pass(20*time.Minute, 10*time.Minute)
	if g.asked != 1 || len(far.letters()) != 1 || len(near.letters()) != 1 || len(w.queued()) != 0 {
		t.Errorf("asked %d times; %d and %d letters; %d wait: %v", g.asked, len(far.letters()), len(near.letters()), len(w.queued()), id)
	}
}

// TestLimitsChanged: what waits for a limit goes when limits are changed, what waits for something else does not.
func TestLimitsChanged(t *testing.T) {
	w, g := gated(t)
	far := w.serve("far.test", &peer{})
	g.say(cause.Wait(cause.LimitDomainHourly, w.clock.Now().Add(time.Hour)))
	w.schedule(0, "you@far.test")
	w.settle()
	g.say(cause.Allow())
	w.schedule(time.Hour, "later@far.test")
	w.settle()
	w.queue.LimitsChanged()
	for range 10_000 {
		if len(far.letters()) > 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	w.settle()
	if len(far.letters()) != 1 || len(w.queued()) != 1 {
		t.Errorf("%d letters went, %d wait", len(far.letters()), len(w.queued()))
	}
}

// TestLimitsChangedALittle: of what waits for a limit no more is tried than there is room for, those first that came first.
func TestLimitsChangedALittle(t *testing.T) {
	g := &gate{}
	w := newWorld(t, func(o *Options) {
		o.Depart = g.depart
		o.Room = func(context.Context, store.AccountID) int { return 2 }
	})
	g.w = w
	w.serve("far.test", &peer{})
	g.say(cause.Wait(cause.LimitAddressHourly, w.clock.Now().Add(time.Hour)))
	for range 4 {
		w.schedule(0, "you@far.test")
	}
	w.settle()
	left := w.queued()
	g.say(cause.Allow())
	w.queue.LimitsChanged()
	w.until("two go", func() bool { return len(w.queued()) == 2 })
	w.settle()
	g.mu.Lock()
	asked := g.asked
	g.mu.Unlock()
	if list := w.queued(); asked != 6 || len(left) != 4 || len(list) != 2 || list[0].ID != left[2].ID || list[1].ID != left[3].ID {
		t.Errorf("asked %d times, %d wait", asked, len(list))
	}
}

// TestLimitsChangedMeanwhile: limits that are changed between the answer of the policies and its record do not leave the message
// waiting for an hour.
func TestLimitsChangedMeanwhile(t *testing.T) {
	w, g := gated(t)
	far := w.serve("far.test", &peer{})
	g.meanwhile = func() {
		g.meanwhile = nil
		w.queue.LimitsChanged()
	}
	opens := w.clock.Now().Add(time.Hour)
	g.first = cause.Wait(cause.LimitAddressHourly, opens)
	w.schedule(0, "you@far.test")
	for range 10_000 {
		if len(far.letters()) > 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	w.settle()
	if len(far.letters()) != 1 || len(w.queued()) != 0 {
		t.Errorf("%d letters went, %d wait", len(far.letters()), len(w.queued()))
	}
}

// TestDepartWaits holds that a limit lets a message wait until it opens, that an account can be put in order, and that what is refused
// is told to its sender.
func TestDepartWaits(t *testing.T) {
	w, g := gated(t)
	far := w.serve("far.test", &peer{})
	opens := w.clock.Now().Add(40 * time.Minute)
	g.say(cause.Wait(cause.LimitAddressHourly, opens))
	w.schedule(0, "you@far.test")
	w.settle()
	list := w.queued()
	if len(list) != 1 || !list[0].Recipients[0].Next.Equal(opens) || list[0].Recipients[0].Cause != cause.LimitAddressHourly || list[0].Outbox == 0 {
		t.Fatalf("waits as %+v", list)
	}
	if d := w.queue.Why(&list[0], &list[0].Recipients[0]); d.Cause != cause.LimitAddressHourly || d.Params[0].Value != "anna@here.test" {
		t.Errorf("why: %+v", d)
	}
	g.say(cause.Refuse(cause.AccountBlockedAbuse))
	w.pass(45*time.Minute, 5*time.Minute)
	if list = w.queued(); len(list) != 1 || list[0].Recipients[0].Cause != cause.AccountBlockedAbuse {
		t.Fatalf("of a blocked account: %+v", list)
	}
	g.say(cause.Allow())
	w.pass(70*time.Minute, 10*time.Minute)
	if len(far.letters()) != 1 || len(w.queued()) != 0 {
		t.Fatalf("%d letters, %+v waits", len(far.letters()), w.queued())
	}
	g.say(cause.Refuse(cause.ClientFromNotOwned))
	w.schedule(0, "you@far.test")
	w.settle()
	if len(far.letters()) != 1 || len(w.queued()) != 0 || len(w.local.reports()) != 1 {
		t.Errorf("refused: %d letters, %+v waits, %d reports", len(far.letters()), w.queued(), len(w.local.reports()))
	}
}

// TestDepartExpires holds that what can never depart is given up in the end.
func TestDepartExpires(t *testing.T) {
	w, g := gated(t)
	g.say(cause.Wait(cause.LimitAddressHourly, time.Time{}))
	w.schedule(0, "you@far.test")
	w.pass(6*24*time.Hour, 2*time.Hour)
	if len(w.queued()) != 0 || len(w.local.reports()) != 1 {
		t.Errorf("%+v waits, %d reports", w.queued(), len(w.local.reports()))
	}
	wantList(t, "events", w.events(), []string{"message.deferred you@far.test limit.address-hourly", "message.expired you@far.test outbox.expired", "report.sent anna@here.test"})
}

// TestDepartTakenBack holds that what is scheduled can be taken back, held and sent to another address, whole and for some.
func TestDepartTakenBack(t *testing.T) {
	w, g := gated(t)
	far := w.serve("far.test", &peer{})
	ctx := t.Context()
	id := w.schedule(time.Hour, "you@far.test", "too@far.test")
	w.settle()
	if err := w.queue.Cancel(ctx, w.account.ID, id, "too@far.test"); err != nil {
		t.Fatal(err)
	}
	if err := w.queue.Redirect(ctx, w.account.ID, id, "YOU@far.test", "other@far.test"); err != nil {
		t.Fatal(err)
	}
	if err := w.queue.Redirect(ctx, w.account.ID, id, "you@far.test", "x@far.test"); !errors.Is(err, ErrNotQueued) {
		t.Errorf("redirected twice: %v", err)
	}
	if err := w.queue.SendNow(ctx, w.account.ID, id); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if got := far.letters(); len(got) != 1 || len(got[0].rcpts) != 1 || got[0].rcpts[0] != "other@far.test" || g.asked != 1 {
		t.Errorf("asked %d times, went as %+v", g.asked, got)
	}
	id = w.schedule(time.Hour, "you@far.test")
	if err := w.queue.Cancel(ctx, w.account.ID, id, ""); err != nil {
		t.Fatal(err)
	}
	w.pass(2*time.Hour, time.Hour)
	if g.asked != 1 || len(w.queued()) != 0 {
		t.Errorf("asked %d times, %+v waits", g.asked, w.queued())
	}
}

// TestUndo holds that what one recipient has cannot be undone for the others, and that what nobody has can.
func TestUndo(t *testing.T) {
	w := newWorld(t)
	w.serve("far.test", &peer{rcpt: func(to string, _ int) string {
		if to == "late@far.test" {
			return "451 4.3.0 later"
		}
		return ""
	}})
	ctx := t.Context()
	some := w.submit([]string{"you@far.test", "late@far.test"})
	none := w.submit([]string{"late@far.test"})
	w.settle()
	if err := w.queue.Undo(ctx, w.account.ID, some); !errors.Is(err, ErrNotQueued) {
		t.Errorf("undone although somebody has it: %v", err)
	}
	if err := w.queue.Undo(ctx, w.account.ID, none); err != nil {
		t.Error(err)
	}
	if list := w.queued(); len(list) != 1 || list[0].ID != some || list[0].Recipients[1].State != store.Queued {
		t.Errorf("queued %+v", list)
	}
}

// TestWhyIsAboutSender holds that what is wrong with the sender's domain is told of that, not of the recipient's.
func TestWhyIsAboutSender(t *testing.T) {
	w := newWorld(t)
	sub := store.Submission{From: "anna@here.test"}
	for id, want := range map[cause.ID]string{cause.SenderSPFFail: "here.test", cause.SenderNotAligned: "here.test", cause.RecipientServerUnreachable: "far.test"} {
		d := w.queue.Why(&sub, &store.SubmissionRecipient{Address: "you@far.test", State: store.Failed, Cause: id})
		if d.Cause != id || d.Text("domain") != want {
			t.Errorf("%s: %+v, want the domain %s", id, d, want)
		}
	}
}
