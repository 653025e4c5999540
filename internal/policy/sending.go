package policy

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/store"
)

// The window of hourly limits, and how long sending is closed once one of them was exceeded: until all that
// was sent before no longer counts, by the rule that a second counts until it is over.
const (
	sendingWindow = time.Hour
	sendingPause  = time.Hour + time.Second
)

// warnAt is the share of a limit, in percent, at which its owner is warned.
const warnAt = 80

// Sending counts what is sent, in windows that slide: in no hour, whenever it begins, is more sent
// than the limit. Who tries to send more is closed out for an hour from then on, so that the moment of reopening
// is known and does not move. Its counts survive a restart but for those of the last seconds before a crash.
type Sending struct {
	domains Domains
	plans   atomic.Pointer[Plans]
	clock   Clock
	warn    func(Meter)
	log     *slog.Logger
	saver   *saver

	mu      sync.Mutex
	tallies map[tallyKey]*tally
	swept   time.Time
}

// Counted is what a limit is of.
type Counted string

// What is counted.
const (
	MessagesOfAddress   Counted = "messages of an address"
	RecipientsOfAddress Counted = "recipients of an address"
	MessagesOfDomain    Counted = "messages of a domain"
)

// tallyKey is whose what is counted: an address or a domain, normalized.
type tallyKey struct {
	counted Counted
	of      string
}

// tally is what one address or domain sent.
type tally struct {
	window
	closed int64 // the second in which it opens again; past if it is open
	limit  int64 // that was exceeded then; one that was raised since closes nobody out
	warned bool  // since it was last below warnAt
}

// Meter is how much was sent of what may be.
type Meter struct {
	Counted Counted
	Of      string // the address or domain
	Used    int64
	Limit   int64
	// Closed tells that nothing may be sent until Resets. While it is open, Resets is when the first of what was
	// sent no longer counts, zero if nothing was.
	Closed bool
	Resets time.Time
}

// Domains finds a domain; *store.Store does.
type Domains interface {
	Domain(ctx context.Context, name string) (store.Domain, error)
}

// SendingOptions make a Sending.
type SendingOptions struct {
	Domains Domains
	Plans   Plans
	Clock   Clock        // SystemClock if nil
	Record  Record       // the counts over a restart
	Warn    func(Meter)  // hears of a limit of which most is used up, once; must not block; may be nil
	Log     *slog.Logger // for a record that cannot be saved; nil is silent
}

// NewSending makes a Sending with the counts of its record. Close it.
func NewSending(ctx context.Context, o SendingOptions) (*Sending, error) {
	if l := o.Plans.Default; l.AddressHourly < 1 || l.DomainHourly < 1 || l.RecipientsHourly < 1 {
		return nil, fmt.Errorf("policy: sending limits below one: %+v", l)
	}
	s := &Sending{domains: o.Domains, clock: o.Clock, warn: o.Warn, log: o.Log, tallies: map[tallyKey]*tally{}}
	s.plans.Store(&o.Plans)
	if s.clock == nil {
		s.clock = SystemClock{}
	}
	if s.warn == nil {
		s.warn = func(Meter) {}
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if err := s.load(ctx, o.Record); err != nil {
		return nil, err
	}
	s.saver = newSaver(o.Record, 10*time.Second, s.log, s.snapshot)
	return s, nil
}

// Close saves the counts.
func (s *Sending) Close(ctx context.Context) error { return s.saver.close(ctx) }

// SetPlans changes what may be sent from now on, and tells whether that is anything else than before. The counts stay; who was closed
// out by a limit that is higher now may send again.
func (s *Sending) SetPlans(p Plans) (changed bool) { return !reflect.DeepEqual(*s.plans.Swap(&p), p) }

// Plans are what may be sent.
func (s *Sending) Plans() Plans { return *s.plans.Load() }

// Ask tells whether an account could send a message to so many recipients now. Nothing is counted, and nobody closed out.
func (s *Sending) Ask(ctx context.Context, a *store.Account, recipients int) cause.Decision {
	return s.about(ctx, a, recipients, func(all []want) cause.Decision { return s.decide(all, false) })
}

// Try is Ask for somebody who is about to send: too much closes sending.
func (s *Sending) Try(ctx context.Context, a *store.Account, recipients int) cause.Decision {
	return s.about(ctx, a, recipients, func(all []want) cause.Decision { return s.decide(all, true) })
}

// Take is Try, and counts a message that may be sent. Undo, never nil, gives it back when it was
// not sent after all; it may be called once, and not at all.
func (s *Sending) Take(ctx context.Context, a *store.Account, recipients int) (undo func(), d cause.Decision) {
	undo = func() {}
	var warnings []Meter
	d = s.about(ctx, a, recipients, func(all []want) cause.Decision {
		d := s.decide(all, true)
		if d.Allowed() {
			warnings, undo = s.count(all)
		}
		return d
	})
	for _, m := range warnings {
		s.warn(m)
	}
	return undo, d
}

// about decides on what an account wants to send by its limits.
func (s *Sending) about(ctx context.Context, a *store.Account, recipients int, decide func([]want) cause.Decision) cause.Decision {
	limits, err := s.limits(ctx, a)
	if err != nil {
		s.log.Error("limits of an account not found", "account", a.Address, "error", err)
		return cause.Wait(cause.ProviderBackendBroken, time.Time{})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return decide(s.wanted(a.Address, int64(recipients), limits))
}

func (s *Sending) limits(ctx context.Context, a *store.Account) (SendingLimits, error) {
	d, err := s.domains.Domain(ctx, a.Domain())
	if err != nil {
		return SendingLimits{}, err
	}
	return s.plans.Load().Limits(a, &d), nil
}

// count adds a message to its tallies. s.mu is held.
func (s *Sending) count(all []want) (warnings []Meter, undo func()) {
	now := second(s.clock.Now())
	for _, w := range all {
		w.tally.add(now, w.n)
		most := w.tally.total(now)*100 >= w.limit*warnAt
		if most && !w.tally.warned {
			warnings = append(warnings, w.meter(now))
		}
		w.tally.warned = most
	}
	s.saver.touch()
	return warnings, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, w := range all {
			w.tally.remove(now, w.n)
		}
	}
}

// Meters tell how much of its limits and those of its domain an account used within the hour.
func (s *Sending) Meters(ctx context.Context, a *store.Account) ([]Meter, error) {
	limits, err := s.limits(ctx, a)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := second(s.clock.Now())
	var all []Meter
	for _, w := range s.wanted(a.Address, 0, limits) {
		all = append(all, w.meter(now))
	}
	return all, nil
}

// DomainMeter tells how much of its limit a domain used within the hour.
func (s *Sending) DomainMeter(d *store.Domain) Meter {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := tallyKey{MessagesOfDomain, d.Name}
	w := want{key: key, limit: s.plans.Load().OfDomain(d).DomainHourly, tally: s.tally(key)}
	return w.meter(second(s.clock.Now()))
}

// Reopen opens sending for an address or a domain that was closed out, and forgets what it sent within the hour.
func (s *Sending) Reopen(of string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.tallies {
		if key.of == of {
			delete(s.tallies, key)
		}
	}
	s.saver.touch()
}

// Reconsider opens sending for an address or a domain whose limits were changed, as far as what it sent within the hour fits the new ones.
func (s *Sending) Reconsider(of string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, t := range s.tallies {
		if key.of == of {
			t.closed = 0
		}
	}
	s.saver.touch()
}

// want is what one message asks of one limit.
type want struct {
	key   tallyKey
	cause cause.ID
	n     int64
	limit int64
	tally *tally
}

// wanted are the limits that a message meets. The address comes first: it is what its owner
// can do something about.
func (s *Sending) wanted(from string, recipients int64, l SendingLimits) []want {
	s.sweep()
	name := normalize(from)
	all := []want{
		{key: tallyKey{MessagesOfAddress, name}, cause: cause.LimitAddressHourly, n: 1, limit: l.AddressHourly},
		{key: tallyKey{RecipientsOfAddress, name}, cause: cause.LimitRecipients, n: recipients, limit: l.RecipientsHourly},
		{key: tallyKey{MessagesOfDomain, domainOf(name)}, cause: cause.LimitDomainHourly, n: 1, limit: l.DomainHourly},
	}
	for i := range all {
		all[i].tally = s.tally(all[i].key)
	}
	return all
}

func (s *Sending) tally(key tallyKey) *tally {
	t := s.tallies[key]
	if t == nil {
		t = &tally{}
		s.tallies[key] = t
	}
	return t
}

// decide answers by the first limit that a message does not fit. Closing, it closes out who tries.
func (s *Sending) decide(all []want, closing bool) cause.Decision {
	now := second(s.clock.Now())
	for _, w := range all {
		if w.n > w.limit { // will never pass
			return cause.Refuse(cause.LimitRecipients, cause.Count("limit", w.limit))
		}
		open := w.opens(now)
		if open <= now {
			continue
		}
		if closing && !w.shut(now) {
			w.tally.closed, w.tally.limit = now+int64(sendingPause/time.Second), w.limit
			open = w.tally.closed
			s.saver.touch()
		}
		return w.refusal(time.Unix(open, 0).UTC())
	}
	return cause.Allow()
}

// shut tells whether who wanted too much is still closed out.
func (w *want) shut(now int64) bool {
	return w.tally.closed > now && (w.tally.limit == 0 || w.limit <= w.tally.limit)
}

// opens is the second from which what is wanted fits; now or before if it does already.
func (w *want) opens(now int64) int64 {
	if w.shut(now) {
		return w.tally.closed
	}
	return w.tally.window.opens(now, w.n, w.limit)
}

func (w *want) refusal(until time.Time) cause.Decision {
	switch w.key.counted {
	case RecipientsOfAddress:
		return cause.Wait(w.cause, until, cause.Count("limit", w.limit)).As("hourly")
	case MessagesOfDomain:
		return cause.Wait(w.cause, until, cause.Text("domain", w.key.of), cause.Count("limit", w.limit))
	}
	return cause.Wait(w.cause, until, cause.Text("address", w.key.of), cause.Count("limit", w.limit))
}

func (w *want) meter(now int64) Meter {
	m := Meter{Counted: w.key.counted, Of: w.key.of, Used: w.tally.total(now), Limit: w.limit}
	switch {
	case w.shut(now):
		m.Closed, m.Resets = true, time.Unix(w.tally.closed, 0).UTC()
	case len(w.tally.entries) > 0:
		m.Resets = time.Unix(w.tally.entries[0].ends(), 0).UTC()
	}
	return m
}

// sweep drops tallies of which nothing is left, now and then: only accounts send, so that their
// number is bounded by that of the accounts that sent lately.
func (s *Sending) sweep() {
	now := s.clock.Now()
	if now.Sub(s.swept) < time.Minute {
		return
	}
	s.swept = now
	for key, t := range s.tallies {
		if t.total(second(now)) == 0 && t.closed <= second(now) {
			delete(s.tallies, key)
		}
	}
}

func domainOf(name string) string {
	_, domain, _ := cutLast(name, '@')
	return address.NormalizeDomain(domain)
}

func second(t time.Time) int64 { return t.Unix() }

// window counts in an hour that slides. What is counted in one second is one entry, so that there
// are never more entries than the limit nor than seconds in an hour; it is over when the whole
// second is, so that no hour has more than the limit.
type window struct {
	entries []entry // in order of time
	sum     int64
}

type entry struct{ second, n int64 }

// ends is the second in which an entry no longer counts.
func (e entry) ends() int64 { return e.second + int64(sendingWindow/time.Second) + 1 }

func (w *window) total(now int64) int64 {
	over := 0
	for over < len(w.entries) && w.entries[over].ends() <= now {
		w.sum -= w.entries[over].n
		over++
	}
	w.entries = w.entries[over:]
	return w.sum
}

// opens is the second from which n more fit below limit; now if they fit already. N is at most
// limit.
func (w *window) opens(now, n, limit int64) int64 {
	left := w.total(now)
	open := now
	for i := 0; left+n > limit && i < len(w.entries); i++ {
		left -= w.entries[i].n
		open = w.entries[i].ends()
	}
	return open
}

func (w *window) add(at, n int64) {
	w.sum += n
	i := len(w.entries)
	for i > 0 && w.entries[i-1].second > at { // times of the past come out of order
		i--
	}
	if i > 0 && w.entries[i-1].second == at {
		w.entries[i-1].n += n
		return
	}
	w.entries = slices.Insert(w.entries, i, entry{at, n})
}

// remove takes back what was added, if it still counts.
func (w *window) remove(at, n int64) {
	for i := range w.entries {
		if e := &w.entries[i]; e.second == at {
			w.sum -= n
			if e.n -= n; e.n == 0 {
				w.entries = slices.Delete(w.entries, i, i+1)
			}
			return
		}
	}
}

// sendingRecord is what a Sending remembers over a restart.
type sendingRecord struct {
	Tallies []tallyRecord `json:"tallies"`
}

// tallyRecord is a tally with its counts as pairs of a second and a count.
type tallyRecord struct {
	Counted Counted `json:"counted"`
	Of      string  `json:"of"`
	Counts  []int64 `json:"counts"`
	Closed  int64   `json:"closed,omitempty"`
	Limit   int64   `json:"limit,omitempty"`
	Warned  bool    `json:"warned,omitempty"`
}

func (s *Sending) load(ctx context.Context, r Record) error {
	var doc sendingRecord
	if err := loadJSON(ctx, r, &doc); err != nil {
		return err
	}
	for _, one := range doc.Tallies {
		t := s.tally(tallyKey{one.Counted, one.Of})
		t.closed, t.limit, t.warned = one.Closed, one.Limit, one.Warned
		for i := 0; i+1 < len(one.Counts); i += 2 {
			t.add(one.Counts[i], one.Counts[i+1])
		}
	}
	return nil
}

// snapshot is the record, with the part of the tallies that count most.
func (s *Sending) snapshot(part float64) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := second(s.clock.Now())
	var all []tallyRecord
	for key, t := range s.tallies {
		if t.total(now) > 0 || t.closed > now {
			all = append(all, tallyRecord{key.counted, key.of, t.minutes(), t.closed, t.limit, t.warned})
		}
	}
	slices.SortFunc(all, func(a, b tallyRecord) int {
		return cmp.Or(cmp.Compare(b.Closed, a.Closed), cmp.Compare(sum(b.Counts), sum(a.Counts)), cmp.Compare(a.Of, b.Of))
	})
	return sendingRecord{Tallies: all[:int(part*float64(len(all)))]}
}

// sum adds up the counts of pairs.
func sum(pairs []int64) (n int64) {
	for i := 1; i < len(pairs); i += 2 {
		n += pairs[i]
	}
	return n
}

// minutes are the entries of a window as pairs, one a minute, each at its last second: what is
// remembered counts a little longer rather than too short.
func (w *window) minutes() (pairs []int64) {
	for _, e := range w.entries {
		minute := e.second - e.second%60
		if n := len(pairs); n > 0 && pairs[n-2]-pairs[n-2]%60 == minute {
			pairs[n-2], pairs[n-1] = e.second, pairs[n-1]+e.n
			continue
		}
		pairs = append(pairs, e.second, e.n)
	}
	return pairs
}
