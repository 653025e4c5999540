package policy

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
)

func newSending(t testing.TB, l SendingLimits, clock Clock, record Record) *Sending {
	t.Helper()
	s, err := NewSending(context.Background(), SendingOptions{Limits: l, Clock: clock, Record: record})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestSendingLimitOfAnAddress(t *testing.T) {
	clock := newFakeClock()
	s := newSending(t, DefaultSendingLimits(), clock, &memoryRecord{})
	start := clock.Now()
	for i := range 300 {
		if _, d := s.Take("Anna@example.org", 1); !d.Allowed() {
			t.Fatalf("message %d: %+v", i, d)
		}
		clock.advance(10 * time.Second)
	}
	d := fits(t, s.Ask(anna, 1))
	if d.Action != cause.ActionWait || d.Cause != cause.LimitAddressHourly {
		t.Fatalf("message 301: %+v", d)
	}
	if want := start.Add(time.Hour + time.Second); !d.Until.Equal(want) {
		t.Errorf("open again at %v, not %v", d.Until, want)
	}
	if d := s.Ask(anna, 3); !d.Until.Equal(start.Add(time.Hour + 21*time.Second)) {
		t.Errorf("for three: open again at %v", d.Until)
	}
	if used, limit := s.Used(anna); used != 300 || limit != 300 {
		t.Errorf("used %d of %d", used, limit)
	}
	if d := s.Ask("bo@example.org", 1); !d.Allowed() {
		t.Errorf("somebody else: %+v", d)
	}
	clock.advance(d.Until.Sub(clock.Now()) - time.Second)
	if _, d := s.Take(anna, 1); d.Allowed() {
		t.Error("open a second early")
	}
	clock.advance(time.Second)
	if _, d := s.Take(anna, 1); !d.Allowed() {
		t.Errorf("when it should be open: %+v", d)
	}
	if _, d := s.Take(anna, 1); d.Allowed() {
		t.Error("open for one more than one")
	}
}

func TestSendingLimitOfADomain(t *testing.T) {
	clock := newFakeClock()
	s := newSending(t, DefaultSendingLimits(), clock, &memoryRecord{})
	for i := range 20 {
		if _, d := s.Take(fmt.Sprintf("user%d@example.org", i), 100); !d.Allowed() {
			t.Fatalf("%d: %+v", i, d)
		}
	}
	d := fits(t, s.Ask("last@EXAMPLE.org", 1))
	if d.Cause != cause.LimitDomainHourly || !d.Until.Equal(clock.Now().Add(time.Hour+time.Second)) {
		t.Errorf("%+v", d)
	}
	if used, limit := s.UsedByDomain("example.org"); used != 2000 || limit != 2000 {
		t.Errorf("used %d of %d", used, limit)
	}
	if d := s.Ask("a@example.net", 100); !d.Allowed() {
		t.Errorf("another domain: %+v", d)
	}
}

func TestSendingUndo(t *testing.T) {
	s := newSending(t, DefaultSendingLimits(), newFakeClock(), &memoryRecord{})
	s.Sent(anna, 100, s.clock.Now().Add(-10*time.Minute))
	s.Sent(anna, 100, s.clock.Now().Add(-2*time.Hour))
	undo, d := s.Take(anna, 200)
	if !d.Allowed() {
		t.Fatal(d)
	}
	if d := s.Ask(anna, 1); d.Allowed() {
		t.Error("more than the limit")
	}
	undo()
	if used, _ := s.Used(anna); used != 100 {
		t.Errorf("%d used afterwards", used)
	}
	if used, _ := s.UsedByDomain("example.org"); used != 100 {
		t.Errorf("%d used by the domain", used)
	}
}

func TestSendingOfOneMessage(t *testing.T) {
	s := newSending(t, DefaultSendingLimits(), newFakeClock(), &memoryRecord{})
	for _, tt := range []struct {
		size       int64
		recipients int
		want       cause.ID
	}{
		{1, 1, ""}, {50 << 20, 100, ""}, {50<<20 + 1, 1, cause.ContentTooLargeOwn}, {1, 101, cause.LimitRecipients},
	} {
		if d := fits(t, s.Message(tt.size, tt.recipients)); d.Cause != tt.want {
			t.Errorf("%d octets to %d: %+v", tt.size, tt.recipients, d)
		}
	}
	if d := fits(t, s.Ask(anna, 301)); d.Action != cause.ActionRefuse || d.Cause != cause.LimitRecipients {
		t.Errorf("more than an hour allows: %+v", d)
	}
}

func TestSendingSurvivesRestart(t *testing.T) {
	clock, record := newFakeClock(), &memoryRecord{}
	s := newSending(t, DefaultSendingLimits(), clock, record)
	for range 150 {
		s.Take(anna, 2)
		clock.advance(7 * time.Second)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	again := newSending(t, DefaultSendingLimits(), clock, record)
	if used, _ := again.Used(anna); used != 300 {
		t.Errorf("%d used", used)
	}
	if used, _ := again.UsedByDomain("example.org"); used != 300 {
		t.Errorf("%d used by the domain", used)
	}
	before, after := s.Ask(anna, 1).Until, again.Ask(anna, 1).Until
	if late := after.Sub(before); late < 0 || late > time.Minute {
		t.Errorf("open again %v later than without the restart", late)
	}
}

func TestSendingForgetsWhoIsQuiet(t *testing.T) {
	clock := newFakeClock()
	s := newSending(t, DefaultSendingLimits(), clock, &memoryRecord{})
	for i := range 1000 {
		s.Take(fmt.Sprintf("user%d@d%d.example", i, i), 1)
	}
	clock.advance(2 * time.Hour)
	s.Take(anna, 1)
	if len(s.addresses) != 1 || len(s.domains) != 1 {
		t.Errorf("%d addresses, %d domains remembered", len(s.addresses), len(s.domains))
	}
}

func TestSendingRecordStaysSmall(t *testing.T) {
	clock, record := newFakeClock(), &memoryRecord{}
	limits := DefaultSendingLimits()
	limits.DomainHourly = 1 << 40
	s := newSending(t, limits, clock, record)
	name := strings.Repeat("long-", 10)
	for i := range 20_000 {
		s.Take(fmt.Sprintf("%s%d@example.org", name, i), 1+i/10_000)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(record.doc); n > MaxRecord || n < MaxRecord/4 {
		t.Errorf("%d octets", n)
	}
	if again := newSending(t, limits, clock, record); len(again.addresses) < 5000 {
		t.Errorf("%d addresses left", len(again.addresses))
	} else if used, _ := again.UsedByDomain("example.org"); used != 2*int64(len(again.addresses)) {
		t.Errorf("those who sent least were kept: %d by %d", used, len(again.addresses))
	}
}

// In no hour more is sent than the limits say; and who waits as long as he is told to may send.
func TestSendingProperties(t *testing.T) {
	limits := SendingLimits{AddressHourly: 10, DomainHourly: 15, Recipients: 10, MessageSize: 1}
	type sent struct {
		at      time.Time
		address string
		n       int64
	}
	rapid.Check(t, func(t *rapid.T) {
		clock, record := newFakeClock(), &memoryRecord{}
		s, err := NewSending(context.Background(), SendingOptions{Limits: limits, Clock: clock, Record: record})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close(context.Background()) }()
		var all []sent
		within := func(address string) (sum int64) {
			for _, m := range all {
				if clock.Now().Sub(m.at) < time.Hour && (address == "" || m.address == address) {
					sum += m.n
				}
			}
			return sum
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			clock.advance(time.Duration(rapid.Int64Range(0, int64(20*time.Minute)).Draw(t, "wait")))
			from := rapid.SampledFrom([]string{"a@example.org", "b@example.org", "c@example.org"}).Draw(t, "from")
			n := rapid.IntRange(1, 10).Draw(t, "n")
			asked := s.Ask(from, n)
			undo, d := s.Take(from, n)
			if asked.Allowed() != d.Allowed() {
				t.Fatalf("asked %+v, then %+v", asked, d)
			}
			switch {
			case !d.Allowed() && rapid.Bool().Draw(t, "be patient"):
				if d.Until.Sub(clock.Now()) > time.Hour+time.Second || !d.Until.After(clock.Now()) {
					t.Fatalf("wait until %v at %v", d.Until, clock.Now())
				}
				clock.advance(d.Until.Sub(clock.Now()))
				if d := s.Ask(from, n); !d.Allowed() && d.Cause != cause.LimitDomainHourly {
					t.Fatalf("was told to wait until now: %+v", d)
				}
			case d.Allowed() && rapid.IntRange(0, 4).Draw(t, "undo") == 0:
				undo()
			case d.Allowed():
				all = append(all, sent{clock.Now(), from, int64(n)})
			}
			if within(from) > limits.AddressHourly || within("") > limits.DomainHourly {
				t.Fatalf("%d of the address and %d of the domain within an hour", within(from), within(""))
			}
			if rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
				_ = s.Close(context.Background())
				if s, err = NewSending(context.Background(), SendingOptions{Limits: limits, Clock: clock, Record: record}); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

func TestSendingConcurrently(t *testing.T) {
	s := newSending(t, DefaultSendingLimits(), newFakeClock(), &memoryRecord{})
	var all sync.WaitGroup
	var mu sync.Mutex
	passed := 0
	for range 8 {
		all.Go(func() {
			for range 100 {
				if _, d := s.Take(anna, 1); d.Allowed() {
					mu.Lock()
					passed++
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	if passed != 300 {
		t.Errorf("%d of 800 passed", passed)
	}
}

func newConnections(t testing.TB, l ConnectionLimits, clock Clock) *Connections {
	t.Helper()
	c, err := NewConnections(l, clock)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestConnections(t *testing.T) {
	clock := newFakeClock()
	loopback := netip.MustParseAddr("127.0.0.1")
	c := newConnections(t, ConnectionLimits{
		Total: 6, PerAddress: 2, PerBlock: 3, PerMinute: 100, Sessions: 1,
		Exempt: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	}, clock)
	steps := []struct {
		remote netip.Addr
		want   cause.ID
	}{
		{home, ""}, {home, ""}, {home, cause.LimitConnections},
		{neighbor, ""}, {neighbor, cause.LimitConnections}, // the block is full
		{stranger, ""}, {loopback, ""}, {netip.MustParseAddr("::ffff:127.0.0.1"), ""},
		{loopback, cause.ProviderOverloaded}, {attacker(1), cause.ProviderOverloaded},
	}
	var releases []func()
	for i, step := range steps {
		release, d := c.Acquire(step.remote)
		if fits(t, d); d.Cause != step.want {
			t.Errorf("connection %d from %v: %+v", i, step.remote, d)
		}
		releases = append(releases, release)
	}
	if c.Open() != 6 {
		t.Errorf("%d open", c.Open())
	}
	for _, release := range append(releases, releases...) { // twice
		release()
	}
	if c.Open() != 0 || len(c.open) != 0 {
		t.Errorf("%d open, %v", c.Open(), c.open)
	}
}

func TestConnectionRate(t *testing.T) {
	clock := newFakeClock()
	c := newConnections(t, ConnectionLimits{Total: 100, PerAddress: 100, PerBlock: 100, PerMinute: 30, Sessions: 1}, clock)
	connect := func() cause.Decision {
		release, d := c.Acquire(home)
		release()
		return d
	}
	for i := range 30 {
		if d := connect(); !d.Allowed() {
			t.Fatalf("%d: %+v", i, d)
		}
	}
	d := fits(t, connect())
	if d.Cause != cause.LimitConnections || !d.Until.Equal(clock.Now().Add(2*time.Second)) {
		t.Fatalf("one too many: %+v", d)
	}
	clock.advance(2 * time.Second)
	if d := connect(); !d.Allowed() {
		t.Errorf("when told: %+v", d)
	}
	if d := connect(); d.Allowed() {
		t.Error("two at the time for one")
	}
}

func TestSessions(t *testing.T) {
	c := newConnections(t, ConnectionLimits{Total: 1, PerAddress: 1, PerBlock: 1, PerMinute: 1, Sessions: 2}, newFakeClock())
	first, d1 := c.Session(7, store.ProtocolIMAP)
	_, d2 := c.Session(7, store.ProtocolIMAP)
	_, d3 := c.Session(7, store.ProtocolIMAP)
	_, d4 := c.Session(7, store.ProtocolPOP3)
	_, d5 := c.Session(8, store.ProtocolIMAP)
	if !d1.Allowed() || !d2.Allowed() || fits(t, d3).Cause != cause.LimitConnections || !d4.Allowed() || !d5.Allowed() {
		t.Errorf("%+v, %+v, %+v, %+v, %+v", d1, d2, d3, d4, d5)
	}
	first()
	first()
	if _, d := c.Session(7, store.ProtocolIMAP); !d.Allowed() {
		t.Errorf("after one ended: %+v", d)
	}
	if _, d := c.Session(7, store.ProtocolIMAP); d.Allowed() {
		t.Error("one session ended twice")
	}
}

func TestLimitsMustBePositive(t *testing.T) {
	if _, err := NewConnections(ConnectionLimits{}, nil); err == nil {
		t.Error("connections")
	}
	if _, err := NewSending(t.Context(), SendingOptions{Record: &memoryRecord{}}); err == nil {
		t.Error("sending")
	}
	if _, err := NewGuard(t.Context(), GuardOptions{Record: &memoryRecord{}}); err == nil {
		t.Error("guard")
	}
	if _, err := NewConnections(DefaultConnectionLimits(), nil); err != nil {
		t.Error(err)
	}
}

func TestQuota(t *testing.T) {
	now := newFakeClock().Now()
	const gb = 1 << 30
	for _, tt := range []struct {
		used, quota, size int64
		fullFor           time.Duration
		action            cause.Action
		id                cause.ID
	}{
		{0, 0, gb, 0, cause.ActionAllow, ""},
		{gb - 10, gb, 10, 0, cause.ActionAllow, ""},
		{gb - 10, gb, 11, 0, cause.ActionWait, cause.QuotaMailboxFull},
		{gb - 10, gb, 11, QuotaGrace - 1, cause.ActionWait, cause.QuotaMailboxFull},
		{gb - 10, gb, 11, QuotaGrace, cause.ActionRefuse, cause.QuotaMailboxFull},
		{gb - 10, gb, 9, QuotaGrace, cause.ActionAllow, ""},
		{2 * gb, gb, 0, 0, cause.ActionWait, cause.QuotaMailboxFull}, // the quota was made smaller
		{0, gb, gb + 1, 0, cause.ActionRefuse, cause.ContentTooLargeRecipient},
	} {
		var since time.Time
		if tt.fullFor > 0 {
			since = now.Add(-tt.fullFor)
		}
		if d := fits(t, Quota(tt.used, tt.quota, tt.size, since, now)); d.Action != tt.action || d.Cause != tt.id {
			t.Errorf("%+v: %+v", tt, d)
		}
	}
}

func BenchmarkSendingTake(b *testing.B) {
	clock := newFakeClock()
	limits := DefaultSendingLimits()
	s := newSending(b, limits, clock, &memoryRecord{})
	for b.Loop() {
		clock.advance(13 * time.Second)
		if _, d := s.Take(anna, 1); !d.Allowed() {
			b.Fatal(d)
		}
	}
}

func BenchmarkConnectionsAcquire(b *testing.B) {
	limits := DefaultConnectionLimits()
	limits.PerMinute = 1 << 40
	c := newConnections(b, limits, SystemClock{})
	for b.Loop() {
		release, d := c.Acquire(home)
		if !d.Allowed() {
			b.Fatal(d)
		}
		release()
	}
}
