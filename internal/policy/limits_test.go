package policy

import (
	"net/netip"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
)

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
