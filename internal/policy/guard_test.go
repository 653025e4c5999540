package policy

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
)

func newTestGuard(t testing.TB, clock Clock, record Record, r Recorder) *Guard {
	t.Helper()
	g, err := NewGuard(context.Background(), GuardOptions{
		Limits: DefaultGuardLimits(), Clock: clock, Record: record, Notify: BanEvents(r),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return g
}

var (
	home     = netip.MustParseAddr("192.0.2.7")
	neighbor = netip.MustParseAddr("192.0.2.8")
	stranger = netip.MustParseAddr("198.51.100.9")
)

// attacker is the i-th address of an attacker who has many, each in a block of its own.
func attacker(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{203, byte(i >> 8), byte(i), 1})
}

func TestGuardDelaysThenBansAnAddress(t *testing.T) {
	clock, log := newFakeClock(), &events{}
	g := newTestGuard(t, clock, &memoryRecord{}, log)
	var delays []time.Duration
	for i := range 20 {
		before := clock.slept
		if _, d := g.Admit(t.Context(), stranger, fmt.Sprintf("user%d@example.org", i)); !d.Allowed() {
			t.Fatalf("attempt %d: %+v", i, d)
		}
		delays = append(delays, clock.slept-before)
		g.Failed(stranger, fmt.Sprintf("user%d@example.org", i))
	}
	const ms = time.Millisecond
	want := []time.Duration{0, 0, 0, 0, 250 * ms, 500 * ms, 1000 * ms, 2000 * ms, 4000 * ms, 4000 * ms}
	for i, w := range want {
		if delays[i] != w {
			t.Errorf("delay of attempt %d is %v, not %v", i, delays[i], w)
		}
	}
	if d := g.Connect(stranger); !d.Allowed() {
		t.Fatal("banned although a failure was forgotten meanwhile")
	}
	g.Failed(stranger, "user20@example.org")
	d := fits(t, g.Connect(stranger))
	if d.Action != cause.ActionWait || d.Cause != cause.NetworkClientBanned || !d.Until.Equal(clock.Now().Add(15*time.Minute)) {
		t.Fatalf("after 21 failures: %+v", d)
	}
	if _, d := g.Admit(t.Context(), stranger, "anna@example.org"); d.Cause != cause.NetworkClientBanned {
		t.Errorf("a banned address may try a password: %+v", d)
	}
	if d := g.Connect(home); !d.Allowed() {
		t.Errorf("another address is banned too: %+v", d)
	}
	if n := log.count(journal.BanSet); n != 1 {
		t.Errorf("%d events of a ban", n)
	}
	clock.advance(15 * time.Minute)
	if d := g.Connect(stranger); !d.Allowed() {
		t.Errorf("the ban does not end: %+v", d)
	}
}

func fail(g *Guard, a netip.Addr, account string, n int) {
	for range n {
		g.Failed(a, account)
	}
}

func TestGuardDoublesBans(t *testing.T) {
	clock := newFakeClock()
	g := newTestGuard(t, clock, &memoryRecord{}, &events{})
	for _, want := range []time.Duration{15, 30, 60, 120, 240, 480, 960, 1440, 1440} {
		fail(g, stranger, "x@example.org", 20)
		d := g.Connect(stranger)
		if got := d.Until.Sub(clock.Now()); got != want*time.Minute {
			t.Fatalf("ban of %v, not %v min", got, int(want))
		}
		clock.advance(want*time.Minute + time.Second)
	}
	clock.advance(24 * time.Hour)
	fail(g, stranger, "x@example.org", 20)
	if got := g.Connect(stranger).Until.Sub(clock.Now()); got != 15*time.Minute {
		t.Errorf("after a quiet day: ban of %v", got)
	}
}

func TestGuardBansABlock(t *testing.T) {
	tests := []struct {
		name    string
		address func(i int) netip.Addr
		outside netip.Addr
		key     string
	}{
		{"IPv4", func(i int) netip.Addr { return netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}) }, netip.MustParseAddr("198.51.101.1"), "198.51.100.0/24"},
		{"IPv6", func(i int) netip.Addr {
			return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 1, 0, byte(i), 15: 1})
		}, netip.MustParseAddr("2001:db8:2::1"), "2001:db8:1::/48"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newTestGuard(t, newFakeClock(), &memoryRecord{}, &events{})
			g.Succeeded(tt.address(200), "anna@example.org")
			for i := range 100 {
				g.Failed(tt.address(i), "x@example.org")
			}
			if d := g.Connect(tt.address(100)); d.Allowed() {
				t.Error("the block is not banned")
			}
			if d := g.Connect(tt.outside); !d.Allowed() {
				t.Error("another block is banned")
			}
			if d := g.Connect(tt.address(200)); !d.Allowed() {
				t.Error("a known address is banned with its block")
			}
			found := false
			for _, ban := range g.Bans(t.Context()) {
				found = found || ban.Key == tt.key
			}
			if !found {
				t.Errorf("bans are %+v", g.Bans(t.Context()))
			}
		})
	}
}

func TestGuardLocksAnAccountForStrangersOnly(t *testing.T) {
	clock := newFakeClock()
	g := newTestGuard(t, clock, &memoryRecord{}, &events{})
	g.Succeeded(home, "anna@example.org")
	for i := range 40 {
		g.Failed(attacker(i), "anna@example.org")
	}
	known, d := g.Admit(t.Context(), home, "anna@example.org")
	if !d.Allowed() || !known.Known || !known.Lock.Allowed() || known.Unchecked {
		t.Errorf("known address: %+v, %+v", known, d)
	}
	if clock.slept != 0 {
		t.Errorf("a known address waits %v", clock.slept)
	}
	first, _ := g.Admit(t.Context(), stranger, "anna@example.org")
	if first.Known || first.Unchecked || fits(t, first.Lock).Cause != cause.AccountLockedOut || !first.Lock.Until.After(clock.Now()) {
		t.Errorf("stranger: %+v", first)
	}
	second, _ := g.Admit(t.Context(), stranger, "anna@example.org")
	if !second.Unchecked {
		t.Errorf("two passwords of strangers checked within %v", DefaultGuardLimits().LockedChecks)
	}
	other, _ := g.Admit(t.Context(), stranger, "bo@example.org")
	if !other.Lock.Allowed() || other.Unchecked {
		t.Errorf("another account is locked: %+v", other)
	}
	clock.advance(15 * time.Minute)
	if after, _ := g.Admit(t.Context(), stranger, "anna@example.org"); !after.Lock.Allowed() {
		t.Errorf("the lock does not end: %+v", after)
	}
}

func TestGuardForgivesAKnownAddress(t *testing.T) {
	g := newTestGuard(t, newFakeClock(), &memoryRecord{}, &events{})
	g.Succeeded(home, "anna@example.org")
	fail(g, home, "anna@example.org", 150)
	if bans := g.Bans(t.Context()); len(bans) != 0 {
		t.Errorf("an owner's forgotten device leads to %+v", bans)
	}
	fail(g, home, "bo@example.org", 10) // where it is not known
	if bans := g.Bans(t.Context()); len(bans) != 1 || bans[0].Key != home.String() {
		t.Errorf("guessing from a known address leads to %+v", bans)
	}
}

func TestGuardKeepsNamesAndAddressesApart(t *testing.T) {
	record := &memoryRecord{}
	g := newTestGuard(t, newFakeClock(), record, &events{})
	for i := range 40 {
		g.Failed(attacker(i), home.String()) // as user name
	}
	if err := g.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	again := newTestGuard(t, newFakeClock(), record, &events{})
	if d := again.Connect(home); !d.Allowed() {
		t.Errorf("a user name bans an address: %+v", d)
	}
	if bans := again.Bans(t.Context()); len(bans) != 1 || bans[0].Key != home.String()+"@" {
		t.Errorf("bans are %+v", bans)
	}
}

func TestGuardSurvivesRestart(t *testing.T) {
	clock, record := newFakeClock(), FileRecord(t.TempDir()+"/guard.json")
	g := newTestGuard(t, clock, record, &events{})
	g.Succeeded(home, "anna@example.org")
	fail(g, stranger, "anna@example.org", 20)
	for i := range 40 {
		g.Failed(attacker(i), "anna@example.org")
	}
	want := g.Bans(t.Context())
	if err := g.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	again := newTestGuard(t, clock, record, &events{})
	if got := again.Bans(t.Context()); len(got) != 2 || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("bans are %+v, were %+v", got, want)
	}
	if a, _ := again.Admit(t.Context(), home, "anna@example.org"); !a.Known || !a.Lock.Allowed() {
		t.Errorf("the known address is not known any more: %+v", a)
	}
	if d := again.Connect(stranger); d.Allowed() {
		t.Error("the banned address is not banned any more")
	}
}

func TestGuardRecordStaysSmall(t *testing.T) {
	record := &memoryRecord{}
	clock := newFakeClock()
	g := newTestGuard(t, clock, record, &events{})
	for i := range 20_000 {
		clock.advance(time.Millisecond)
		g.Succeeded(attacker(i), fmt.Sprintf("somebody-with-a-long-name-%d@department.example.org", i))
	}
	fail(g, stranger, "anna@example.org", 20)
	if err := g.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(record.doc); n > MaxRecord || n < MaxRecord/4 {
		t.Errorf("record of %d octets", n)
	}
	again := newTestGuard(t, clock, record, &events{})
	if a, _ := again.Admit(t.Context(), attacker(19_999), "somebody-with-a-long-name-19999@department.example.org"); !a.Known {
		t.Error("the address seen last was left out")
	}
}

func TestGuardLift(t *testing.T) {
	log, record := &events{}, &memoryRecord{}
	g := newTestGuard(t, newFakeClock(), record, log)
	for _, key := range []string{"192.0.2.1", "nonsense", "anna@example.org", "192.0.2.0/24"} {
		if err := g.Lift(t.Context(), key); !errors.Is(err, ErrNoBan) {
			t.Errorf("%s: %v", key, err)
		}
	}
	fail(g, stranger, "anna@example.org", 20)
	if err := g.Lift(t.Context(), stranger.String()); err != nil {
		t.Fatal(err)
	}
	if d := g.Connect(stranger); !d.Allowed() {
		t.Errorf("%+v", d)
	}
	if log.count(journal.BanLifted) != 1 {
		t.Error("no event")
	}
	again := newTestGuard(t, newFakeClock(), record, log)
	if bans := again.Bans(t.Context()); len(bans) != 0 {
		t.Errorf("after a crash: %+v", bans)
	}
}

func TestGuardExempts(t *testing.T) {
	limits := DefaultGuardLimits()
	limits.Exempt = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	g, err := NewGuard(t.Context(), GuardOptions{Limits: limits, Clock: newFakeClock(), Record: &memoryRecord{}})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close(t.Context())
	fail(g, netip.MustParseAddr("::ffff:127.0.0.1"), "anna@example.org", 1000)
	if len(g.Bans(t.Context())) != 0 || !g.Connect(netip.MustParseAddr("127.0.0.1")).Allowed() {
		t.Error("loopback is not exempt")
	}
}

func TestGuardBoundsDelayedAttempts(t *testing.T) {
	limits := DefaultGuardLimits()
	limits.MaxDelayed = 1
	g, err := NewGuard(t.Context(), GuardOptions{Limits: limits, Record: &memoryRecord{}}) // a real clock: one attempt sleeps
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close(t.Context())
	fail(g, stranger, "anna@example.org", 10)
	ctx, cancel := context.WithCancel(t.Context())
	sleeper := make(chan cause.Decision)
	go func() {
		_, d := g.Admit(ctx, stranger, "anna@example.org")
		sleeper <- d
	}()
	for len(g.delayed) == 0 {
	}
	if _, d := g.Admit(t.Context(), stranger, "anna@example.org"); fits(t, d).Cause != cause.ProviderOverloaded {
		t.Errorf("one too many: %+v", d)
	}
	if _, d := g.Admit(t.Context(), home, "bo@example.org"); !d.Allowed() {
		t.Errorf("who need not wait: %+v", d)
	}
	cancel()
	if d := <-sleeper; fits(t, d).Cause != cause.ProviderAuthBackendDown {
		t.Errorf("who left: %+v", d)
	}
}

// Whatever happens, no ban is longer than it may be, all of them end, and the memory is bounded.
func TestGuardProperties(t *testing.T) {
	limits := DefaultGuardLimits()
	limits.Entries = 50
	rapid.Check(t, func(t *rapid.T) {
		clock, record := newFakeClock(), &memoryRecord{}
		g, err := NewGuard(context.Background(), GuardOptions{Limits: limits, Clock: clock, Record: record})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = g.Close(context.Background()) }()
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			a := attacker(rapid.IntRange(0, 100).Draw(t, "address"))
			account := fmt.Sprintf("a%d@example.org", rapid.IntRange(0, 100).Draw(t, "account"))
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0:
				clock.advance(time.Duration(rapid.IntRange(0, int(2*time.Hour)).Draw(t, "wait")))
			case 1:
				g.Succeeded(a, account)
			case 2:
				before := clock.slept
				g.Admit(context.Background(), a, account)
				if clock.slept-before > limits.MaxDelay {
					t.Fatalf("held for %v", clock.slept-before)
				}
			default:
				fail(g, a, account, rapid.IntRange(1, 30).Draw(t, "failures"))
			}
			for _, ban := range g.Bans(context.Background()) {
				if length := ban.Until.Sub(ban.Since); length > limits.MaxBan || length < limits.Ban {
					t.Fatalf("ban of %v: %+v", length, ban)
				}
			}
			if len(g.bans) > limits.Entries || g.failures.len() > 2*limits.Entries || g.known.len() > 2*limits.Entries {
				t.Fatalf("%d bans, %d failures, %d known", len(g.bans), g.failures.len(), g.known.len())
			}
		}
		clock.advance(limits.MaxBan)
		if bans := g.Bans(context.Background()); len(bans) != 0 {
			t.Fatalf("bans that do not end: %+v", bans)
		}
	})
}

func BenchmarkGuardAdmit(b *testing.B) {
	g := newTestGuard(b, SystemClock{}, &memoryRecord{}, &events{})
	g.Succeeded(home, "anna@example.org")
	for b.Loop() {
		if _, d := g.Admit(b.Context(), home, "anna@example.org"); !d.Allowed() {
			b.Fatal(d)
		}
	}
}
