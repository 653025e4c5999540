package policy

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/message/address"
)

// SendingLimits are how much may be sent. A message counts once for each of its recipients,
// because that is how many messages leave.
type SendingLimits struct {
	AddressHourly int64 // messages an hour of one address
	DomainHourly  int64 // messages an hour of all addresses of one domain
	Recipients    int64 // recipients of one message
	MessageSize   int64 // octets of one message
}

// DefaultSendingLimits are those of an ordinary web host.
func DefaultSendingLimits() SendingLimits {
	return SendingLimits{AddressHourly: 300, DomainHourly: 2000, Recipients: 100, MessageSize: 50 << 20}
}

// The window of hourly limits.
const sendingWindow = time.Hour

// Sending counts what is sent, in windows that slide: in no hour, whenever it begins, is more sent
// than the limit. Its counts survive a restart but for those of the last seconds before a crash.
type Sending struct {
	limits SendingLimits
	clock  Clock
	saver  *saver

	mu        sync.Mutex
	addresses map[string]*window
	domains   map[string]*window
	swept     time.Time
}

// SendingOptions make a Sending.
type SendingOptions struct {
	Limits SendingLimits
	Clock  Clock        // SystemClock if nil
	Record Record       // the counts over a restart
	Log    *slog.Logger // for a record that cannot be saved; nil is silent
}

// NewSending makes a Sending with the counts of its record. Close it.
func NewSending(ctx context.Context, o SendingOptions) (*Sending, error) {
	if l := o.Limits; l.AddressHourly < 1 || l.DomainHourly < 1 || l.Recipients < 1 || l.MessageSize < 1 {
		return nil, fmt.Errorf("policy: sending limits below one: %+v", l)
	}
	s := &Sending{limits: o.Limits, clock: o.Clock, addresses: map[string]*window{}, domains: map[string]*window{}}
	if s.clock == nil {
		s.clock = SystemClock{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if err := s.load(ctx, o.Record); err != nil {
		return nil, err
	}
	s.saver = newSaver(o.Record, 10*time.Second, o.Log, s.snapshot)
	return s, nil
}

// Close saves the counts.
func (s *Sending) Close(ctx context.Context) error { return s.saver.close(ctx) }

// Message decides about the size of one message and how many recipients it has.
func (s *Sending) Message(size int64, recipients int) cause.Decision {
	switch {
	case int64(recipients) > s.limits.Recipients:
		return cause.Wait(cause.LimitRecipients, time.Time{}, cause.Count("limit", s.limits.Recipients))
	case size > s.limits.MessageSize:
		return cause.Refuse(cause.ContentTooLargeOwn, cause.Size("size", size), cause.Size("limit", s.limits.MessageSize))
	}
	return cause.Allow()
}

// Ask tells whether a message to so many recipients may be sent now, without counting it.
func (s *Sending) Ask(from string, recipients int) cause.Decision {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _, d := s.decide(from, int64(recipients))
	return d
}

// Take counts a message to so many recipients, if it may be sent now. Undo gives it back when it was
// not sent after all; it may be called once, and not at all.
func (s *Sending) Take(from string, recipients int) (undo func(), d cause.Decision) {
	n := int64(recipients)
	s.mu.Lock()
	defer s.mu.Unlock()
	own, domain, d := s.decide(from, n)
	if !d.Allowed() {
		return func() {}, d
	}
	now := second(s.clock.Now())
	own.add(now, n)
	domain.add(now, n)
	s.saver.touch()
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		own.remove(now, n)
		domain.remove(now, n)
	}, cause.Allow()
}

// Sent counts what was sent without asking, at a time of the past: that is how counts are rebuilt
// from the journal.
func (s *Sending) Sent(from string, recipients int, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	own, domain := s.windows(from)
	own.add(second(at), int64(recipients))
	domain.add(second(at), int64(recipients))
	s.saver.touch()
}

// Used is how much an address sent within the hour, for the meter in webmail, and its limit.
func (s *Sending) Used(from string) (used, limit int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used(s.addresses[normalize(from)]), s.limits.AddressHourly
}

// UsedByDomain is how much a domain sent within the hour, and its limit.
func (s *Sending) UsedByDomain(domain string) (used, limit int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used(s.domains[address.NormalizeDomain(domain)]), s.limits.DomainHourly
}

func (s *Sending) used(w *window) int64 {
	if w == nil {
		return 0
	}
	return w.total(second(s.clock.Now()))
}

// decide answers for n messages from an address. The address is told first: it is what its owner
// can do something about.
func (s *Sending) decide(from string, n int64) (own, domain *window, d cause.Decision) {
	own, domain = s.windows(from)
	name := normalize(from)
	now := second(s.clock.Now())
	for _, l := range []struct {
		window *window
		limit  int64
		id     cause.ID
		whose  cause.Param
	}{
		{own, s.limits.AddressHourly, cause.LimitAddressHourly, cause.Text("address", name)},
		{domain, s.limits.DomainHourly, cause.LimitDomainHourly, cause.Text("domain", domainOf(name))},
	} {
		if n > l.limit { // will never pass
			return own, domain, cause.Refuse(cause.LimitRecipients, cause.Count("limit", l.limit))
		}
		if open := l.window.opens(now, n, l.limit); open > now {
			return own, domain, cause.Wait(l.id, time.Unix(open, 0).UTC(), l.whose, cause.Count("limit", l.limit))
		}
	}
	return own, domain, cause.Allow()
}

// windows of an address and of its domain, made if there are none.
func (s *Sending) windows(from string) (own, domain *window) {
	name := normalize(from)
	s.sweep()
	return windowOf(s.addresses, name), windowOf(s.domains, domainOf(name))
}

func windowOf(all map[string]*window, name string) *window {
	w := all[name]
	if w == nil {
		w = &window{}
		all[name] = w
	}
	return w
}

// sweep drops windows in which nothing is left, now and then: only accounts send, so that their
// number is bounded by that of the accounts that sent lately.
func (s *Sending) sweep() {
	now := s.clock.Now()
	if now.Sub(s.swept) < time.Minute {
		return
	}
	s.swept = now
	for _, all := range []map[string]*window{s.addresses, s.domains} {
		for name, w := range all {
			if w.total(second(now)) == 0 {
				delete(all, name)
			}
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

// sendingRecord is what a Sending remembers over a restart: the counts of each address, as pairs
// of a second and a count. Those of the domains are their sums.
type sendingRecord struct {
	Addresses map[string][]int64 `json:"addresses"`
}

func (s *Sending) load(ctx context.Context, r Record) error {
	var doc sendingRecord
	if err := loadJSON(ctx, r, &doc); err != nil {
		return err
	}
	for name, pairs := range doc.Addresses {
		own, domain := windowOf(s.addresses, name), windowOf(s.domains, domainOf(name))
		for i := 0; i+1 < len(pairs); i += 2 {
			own.add(pairs[i], pairs[i+1])
			domain.add(pairs[i], pairs[i+1])
		}
	}
	return nil
}

// snapshot is the record, with the part of the addresses that sent most.
func (s *Sending) snapshot(part float64) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := second(s.clock.Now())
	type sender struct {
		name  string
		total int64
	}
	var senders []sender
	for name, w := range s.addresses {
		if n := w.total(now); n > 0 {
			senders = append(senders, sender{name, n})
		}
	}
	slices.SortFunc(senders, func(a, b sender) int { return int(b.total - a.total) })
	doc := sendingRecord{Addresses: map[string][]int64{}}
	for _, sender := range senders[:int(part*float64(len(senders)))] {
		doc.Addresses[sender.name] = s.addresses[sender.name].minutes()
	}
	return doc
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
