package policy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
)

// everyDomain finds any domain, with nothing set for it but for those it holds.
type everyDomain map[string]store.Domain

func (d everyDomain) Domain(_ context.Context, name string) (store.Domain, error) {
	known := d[name]
	known.Name = name
	return known, nil
}

func openSending(t testing.TB, o SendingOptions) *Sending {
	t.Helper()
	if o.Domains == nil {
		o.Domains = everyDomain{}
	}
	if o.Plans.Default == (SendingLimits{}) {
		o.Plans.Default = DefaultSendingLimits()
	}
	s, err := NewSending(context.Background(), o)
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

func newSending(t testing.TB, l SendingLimits, clock Clock, record Record) *Sending {
	t.Helper()
	return openSending(t, SendingOptions{Plans: Plans{Default: l}, Clock: clock, Record: record})
}

func by(address string) *store.Account { return &store.Account{Address: address} }

func (s *Sending) takeOne(address string, recipients int) cause.Decision {
	_, d := s.Take(context.Background(), by(address), recipients)
	return d
}

func (s *Sending) askOne(address string, recipients int) cause.Decision {
	return s.Ask(context.Background(), by(address), recipients)
}

func meterOf(t testing.TB, s *Sending, address string, counted Counted) Meter {
	t.Helper()
	all, err := s.Meters(context.Background(), by(address))
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(m Meter) bool { return m.Counted == counted })
	return all[i]
}

// A message counts once, however many recipients it has; the one too many closes for an hour from when it was tried.
func TestSendingLimitOfAnAddress(t *testing.T) {
	clock := newFakeClock()
	s := newSending(t, DefaultSendingLimits(), clock, &memoryRecord{})
	start := clock.Now()
	for i := range 300 {
		if d := s.takeOne(anna, 10); !d.Allowed() {
			t.Fatalf("message %d: %+v", i, d)
		}
		clock.advance(10 * time.Second)
	}
	d := fits(t, s.askOne(anna, 0))
	if d.Action != cause.ActionWait || d.Cause != cause.LimitAddressHourly {
		t.Fatalf("message 301: %+v", d)
	}
	if want := start.Add(time.Hour + time.Second); !d.Until.Equal(want) {
		t.Errorf("who did not try has room at %v, not %v", d.Until, want)
	}
	if m := meterOf(t, s, anna, MessagesOfAddress); m.Closed || m.Used != 300 || m.Limit != 300 || !m.Resets.Equal(d.Until) {
		t.Errorf("before anything was refused: %+v", m)
	}
	tried := clock.Now()
	d = fits(t, s.takeOne(anna, 1))
	if want := tried.Add(sendingPause); d.Cause != cause.LimitAddressHourly || !d.Until.Equal(want) {
		t.Fatalf("the one too many: %+v, not until %v", d, want)
	}
	clock.advance(30 * time.Minute)
	if again := s.takeOne(anna, 1); !again.Until.Equal(d.Until) {
		t.Errorf("trying again moved the time from %v to %v", d.Until, again.Until)
	}
	if m := meterOf(t, s, anna, MessagesOfAddress); !m.Closed || !m.Resets.Equal(d.Until) {
		t.Errorf("while it is closed: %+v", m)
	}
	if d := s.askOne("bo@example.org", 1); !d.Allowed() {
		t.Errorf("somebody else: %+v", d)
	}
	clock.advance(d.Until.Sub(clock.Now()) - time.Second)
	if d := s.takeOne(anna, 1); d.Allowed() {
		t.Error("open a second early")
	}
	clock.advance(time.Second)
	if d := s.takeOne(anna, 1); !d.Allowed() {
		t.Errorf("when it should be open: %+v", d)
	}
}

func TestSendingLimitOfADomain(t *testing.T) {
	clock := newFakeClock()
	s := newSending(t, DefaultSendingLimits(), clock, &memoryRecord{})
	for i := range 2000 {
		if d := s.takeOne(fmt.Sprintf("user%d@example.org", i%20), 1); !d.Allowed() {
			t.Fatalf("%d: %+v", i, d)
		}
	}
	d := fits(t, s.takeOne("last@example.org", 1))
	if d.Cause != cause.LimitDomainHourly || !d.Until.Equal(clock.Now().Add(sendingPause)) {
		t.Errorf("%+v", d)
	}
	if m := s.DomainMeter(&store.Domain{Name: "example.org"}); m.Used != 2000 || m.Limit != 2000 || !m.Closed {
		t.Errorf("%+v", m)
	}
	if d := s.askOne("a@example.net", 100); !d.Allowed() {
		t.Errorf("another domain: %+v", d)
	}
	s.Reconsider("example.org")
	if d := s.askOne("last@example.org", 1); d.Cause != cause.LimitDomainHourly {
		t.Errorf("the same limit holds no longer: %+v", d)
	}
	p := Plans{Default: DefaultSendingLimits()}
	p.Default.DomainHourly++
	s.SetPlans(p)
	if d := s.askOne("last@example.org", 1); !d.Allowed() {
		t.Errorf("a limit that was raised: %+v", d)
	}
	s.SetPlans(Plans{Default: DefaultSendingLimits()})
	s.Reopen("example.org")
	if d := s.askOne("last@example.org", 1); !d.Allowed() {
		t.Errorf("reopened: %+v", d)
	}
}

// A limit that was raised closes nobody out who was closed out by the lower one, also over a restart; one that was not
// raised does.
func TestRaisedLimit(t *testing.T) {
	clock, record := newFakeClock(), &memoryRecord{}
	low, high := SendingLimits{AddressHourly: 1, DomainHourly: 100, RecipientsHourly: 100}, SendingLimits{AddressHourly: 2, DomainHourly: 100, RecipientsHourly: 100}
	s := newSending(t, low, clock, record)
	if !s.takeOne("anna@example.org", 1).Allowed() || s.takeOne("anna@example.org", 1).Allowed() {
		t.Fatal("the limit is not 1")
	}
	if s.SetPlans(Plans{Default: low}) {
		t.Error("the same limits are said to be others")
	}
	if s.askOne("anna@example.org", 1).Allowed() {
		t.Error("sending was opened by limits that are the same")
	}
	if !s.SetPlans(Plans{Default: high}) {
		t.Error("other limits are said to be the same")
	}
	if d := s.askOne("anna@example.org", 1); !d.Allowed() {
		t.Errorf("raised: %+v", d)
	}
	if s.SetPlans(Plans{Default: low}); s.askOne("anna@example.org", 1).Allowed() {
		t.Error("lowered again: the hour is not over")
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := newSending(t, high, clock, record).askOne("anna@example.org", 1); !d.Allowed() {
		t.Errorf("raised at a restart: %+v", d)
	}
	if newSending(t, low, clock, record).askOne("anna@example.org", 1).Allowed() {
		t.Error("a restart opened sending")
	}
}

func TestSendingLimitOfRecipients(t *testing.T) {
	clock := newFakeClock()
	s := newSending(t, DefaultSendingLimits(), clock, &memoryRecord{})
	for range 3 {
		if d := s.takeOne(anna, 1000); !d.Allowed() {
			t.Fatal(d)
		}
	}
	d := fits(t, s.takeOne(anna, 1))
	if d.Cause != cause.LimitRecipients || d.Action != cause.ActionWait || !d.Until.Equal(clock.Now().Add(sendingPause)) {
		t.Errorf("%+v", d)
	}
	if d := fits(t, s.askOne("bo@example.org", 3001)); d.Action != cause.ActionRefuse || d.Cause != cause.LimitRecipients {
		t.Errorf("more than an hour allows: %+v", d)
	}
}

func TestSendingUndo(t *testing.T) {
	s := newSending(t, SendingLimits{AddressHourly: 2, DomainHourly: 2, RecipientsHourly: 10}, newFakeClock(), &memoryRecord{})
	undo, d := s.Take(t.Context(), by(anna), 5)
	if !d.Allowed() {
		t.Fatal(d)
	}
	if d := s.takeOne(anna, 5); !d.Allowed() {
		t.Fatal(d)
	}
	if d := s.askOne(anna, 1); d.Allowed() {
		t.Error("more than the limit")
	}
	undo()
	for _, counted := range []Counted{MessagesOfAddress, MessagesOfDomain} {
		if m := meterOf(t, s, anna, counted); m.Used != 1 {
			t.Errorf("%+v", m)
		}
	}
	if m := meterOf(t, s, anna, RecipientsOfAddress); m.Used != 5 {
		t.Errorf("%+v", m)
	}
}

// Whose limits hold: the account's own, its plan's, the domain's, its plan's, those of all.
func TestPlans(t *testing.T) {
	p := Plans{Default: DefaultSendingLimits(), Named: map[string]SendingLimits{
		"news": {AddressHourly: 5000, RecipientsHourly: 50_000}, "small": {AddressHourly: 10, DomainHourly: 50},
	}}
	for _, tt := range []struct {
		name    string
		account store.Account
		domain  store.Domain
		want    SendingLimits
	}{
		{"nothing set", store.Account{}, store.Domain{}, SendingLimits{AddressHourly: 300, DomainHourly: 2000, RecipientsHourly: 3000}},
		{"plan of the domain", store.Account{}, store.Domain{Plan: "small"}, SendingLimits{AddressHourly: 10, DomainHourly: 50, RecipientsHourly: 3000}},
		{"domain before its plan", store.Account{}, store.Domain{Plan: "small", Sending: SendingLimits{AddressHourly: 20}}, SendingLimits{AddressHourly: 20, DomainHourly: 50, RecipientsHourly: 3000}},
		{"plan of the account", store.Account{Plan: "news"}, store.Domain{Plan: "small"}, SendingLimits{AddressHourly: 5000, DomainHourly: 50, RecipientsHourly: 50_000}},
		{"account before its plan", store.Account{Plan: "news", Sending: SendingLimits{AddressHourly: 7, DomainHourly: 9}}, store.Domain{}, SendingLimits{AddressHourly: 7, DomainHourly: 2000, RecipientsHourly: 50_000}},
		{"a plan that is gone", store.Account{Plan: "gone"}, store.Domain{}, DefaultSendingLimits()},
	} {
		if got := p.Limits(&tt.account, &tt.domain); got != tt.want {
			t.Errorf("%s: %+v, not %+v", tt.name, got, tt.want)
		}
	}
}

// New plans hold from then on, and what was sent counts.
func TestSendingPlansChange(t *testing.T) {
	s := newSending(t, SendingLimits{AddressHourly: 1, DomainHourly: 100, RecipientsHourly: 100}, newFakeClock(), &memoryRecord{})
	if d := s.takeOne(anna, 1); !d.Allowed() {
		t.Fatal(d)
	}
	if d := s.askOne(anna, 1); d.Allowed() {
		t.Error("the limit does not hold")
	}
	s.SetPlans(Plans{Default: SendingLimits{AddressHourly: 2, DomainHourly: 100, RecipientsHourly: 100}})
	if d := s.takeOne(anna, 1); !d.Allowed() {
		t.Errorf("the new limit does not hold: %+v", d)
	}
	if d := s.takeOne(anna, 1); d.Allowed() {
		t.Error("what was sent before is forgotten")
	}
}

// Who has used most of a limit hears of it, once until there is room again.
func TestSendingWarns(t *testing.T) {
	clock := newFakeClock()
	var warned []Meter
	s := openSending(t, SendingOptions{
		Plans: Plans{Default: SendingLimits{AddressHourly: 10, DomainHourly: 1000, RecipientsHourly: 1000}}, Clock: clock,
		Record: &memoryRecord{}, Warn: func(m Meter) { warned = append(warned, m) },
	})
	for range 10 {
		s.takeOne(anna, 1)
	}
	if len(warned) != 1 || warned[0].Counted != MessagesOfAddress || warned[0].Of != anna || warned[0].Used != 8 || warned[0].Limit != 10 {
		t.Fatalf("%+v", warned)
	}
	clock.advance(61 * time.Minute)
	for range 9 {
		s.takeOne(anna, 1)
	}
	if len(warned) != 2 {
		t.Errorf("%d warnings after another hour", len(warned))
	}
}

func TestSendingSurvivesRestart(t *testing.T) {
	clock, record := newFakeClock(), &memoryRecord{}
	s := newSending(t, DefaultSendingLimits(), clock, record)
	for range 300 {
		s.takeOne(anna, 2)
		clock.advance(7 * time.Second)
	}
	closed := s.takeOne(anna, 1).Until
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	again := newSending(t, DefaultSendingLimits(), clock, record)
	if m := meterOf(t, again, anna, MessagesOfAddress); m.Used != 300 || !m.Closed || !m.Resets.Equal(closed) {
		t.Errorf("%+v", m)
	}
	if m := meterOf(t, again, anna, RecipientsOfAddress); m.Used != 600 {
		t.Errorf("%+v", m)
	}
	if m := meterOf(t, again, anna, MessagesOfDomain); m.Used != 300 {
		t.Errorf("%+v", m)
	}
}

func TestSendingForgetsWhoIsQuiet(t *testing.T) {
	clock := newFakeClock()
	s := newSending(t, DefaultSendingLimits(), clock, &memoryRecord{})
	for i := range 1000 {
		s.takeOne(fmt.Sprintf("user%d@d%d.example", i, i), 1)
	}
	clock.advance(2 * time.Hour)
	s.takeOne(anna, 1)
	if len(s.tallies) != 3 {
		t.Errorf("%d remembered", len(s.tallies))
	}
}

func TestSendingRecordStaysSmall(t *testing.T) {
	clock, record := newFakeClock(), &memoryRecord{}
	limits := DefaultSendingLimits()
	limits.DomainHourly = 1 << 40
	s := newSending(t, limits, clock, record)
	name := strings.Repeat("long-", 10)
	for i := range 20_000 {
		for range 1 + i/10_000 {
			s.takeOne(fmt.Sprintf("%s%d@example.org", name, i), 1)
		}
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(record.doc); n > MaxRecord || n < MaxRecord/4 {
		t.Errorf("%d octets", n)
	}
	again := newSending(t, limits, clock, record)
	if len(again.tallies) < 3000 {
		t.Errorf("%d left", len(again.tallies))
	}
	for key, kept := range again.tallies {
		if key.counted != MessagesOfDomain && kept.sum < 2 {
			t.Fatalf("those who sent least were kept: %+v", key)
		}
	}
	if m := meterOf(t, again, anna, MessagesOfDomain); m.Used != 30_000 {
		t.Errorf("%+v", m)
	}
}

// In no hour more is sent than the limits say; and who waits as long as he is told to may send.
func TestSendingProperties(t *testing.T) {
	limits := SendingLimits{AddressHourly: 4, DomainHourly: 6, RecipientsHourly: 12}
	type sent struct {
		at         time.Time
		address    string
		recipients int64
	}
	rapid.Check(t, func(t *rapid.T) {
		clock, record := newFakeClock(), &memoryRecord{}
		open := func() *Sending {
			s, err := NewSending(context.Background(), SendingOptions{
				Domains: everyDomain{}, Plans: Plans{Default: limits}, Clock: clock, Record: record,
			})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		s := open()
		defer func() { _ = s.Close(context.Background()) }()
		var all []sent
		within := func(address string) (messages, recipients int64) {
			for _, m := range all {
				if clock.Now().Sub(m.at) < time.Hour && (address == "" || m.address == address) {
					messages++
					recipients += m.recipients
				}
			}
			return messages, recipients
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			clock.advance(time.Duration(rapid.Int64Range(0, int64(20*time.Minute)).Draw(t, "wait")))
			from := rapid.SampledFrom([]string{"a@example.org", "b@example.org", "c@example.org"}).Draw(t, "from")
			n := rapid.IntRange(1, 6).Draw(t, "n")
			asked := s.askOne(from, n)
			undo, d := s.Take(context.Background(), by(from), n)
			if asked.Allowed() != d.Allowed() {
				t.Fatalf("asked %+v, then %+v", asked, d)
			}
			switch {
			case !d.Allowed() && rapid.Bool().Draw(t, "be patient"):
				if d.Until.Sub(clock.Now()) > sendingPause || !d.Until.After(clock.Now()) {
					t.Fatalf("wait until %v at %v", d.Until, clock.Now())
				}
				clock.advance(d.Until.Sub(clock.Now()))
				if d := s.askOne(from, n); !d.Allowed() && d.Cause != cause.LimitDomainHourly {
					t.Fatalf("was told to wait until now: %+v", d)
				}
			case d.Allowed() && rapid.IntRange(0, 4).Draw(t, "undo") == 0:
				undo()
			case d.Allowed():
				all = append(all, sent{clock.Now(), from, int64(n)})
			}
			own, recipients := within(from)
			domain, _ := within("")
			if own > limits.AddressHourly || recipients > limits.RecipientsHourly || domain > limits.DomainHourly {
				t.Fatalf("%d of the address to %d, %d of the domain within an hour", own, recipients, domain)
			}
			if rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
				_ = s.Close(context.Background())
				s = open()
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
				if d := s.takeOne(anna, 1); d.Allowed() {
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

func BenchmarkSendingTake(b *testing.B) {
	clock := newFakeClock()
	s := newSending(b, DefaultSendingLimits(), clock, &memoryRecord{})
	a := by(anna)
	for b.Loop() {
		clock.advance(13 * time.Second)
		if _, d := s.Take(b.Context(), a, 1); !d.Allowed() {
			b.Fatal(d)
		}
	}
}
