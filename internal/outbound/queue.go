package outbound

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unique"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/outbound/mtasts"
	"github.com/postiljon/postiljon/internal/outbound/tlsrpt"
	"github.com/postiljon/postiljon/internal/store"
)

// Queue brings submissions to their recipients. It keeps in memory which
// deliveries come next; all it knows of them is in the store.
type Queue struct {
	opt   Options
	log   *slog.Logger
	texts *texts

	// life ends when running deliveries must give up.
	life context.Context
	end  context.CancelFunc
	work sync.WaitGroup

	settling   [64]sync.Mutex // by submission, see settle
	taken      sync.Map       // what store.Outbox holds: ids to sets of keys
	signatures signatures
	marks      marks
	total      total
	relays     atomic.Pointer[[]Relay]
	lastEvent  atomic.Int64  // time of the latest event in microseconds
	reopened   atomic.Uint64 // how often limits were opened or changed

	mu           sync.Mutex
	phase        phase
	known        map[deliveryKey]*delivery
	again        map[deliveryKey]time.Time // when those with a worker were asked for meanwhile
	waiting      deliveryHeap
	destinations map[string]*destination
	here         map[string]bool // domains that were found to be kept here
	lanes        map[laneKey]*lane
	proven       turns                   // lanes in line, of destinations that are known to take mail
	unproven     turns                   // and of others
	freed        []*destination          // that have parked lanes and room again, each once
	paused       pausedHeap              // that have parked lanes and shall be left alone for a moment
	squeezed     []*destination          // that get no more until fewer deliveries take long, each once
	picks        uint                    // how often a lane was taken out of the lines
	ready        int                     // deliveries in lanes
	readyOf      map[store.AccountID]int // and those of each account
	moreOf       map[store.AccountID]int // accounts of which the store has more that is due: how many are left when it is looked for
	active       int                     // deliveries with a worker that have one of all places
	slow         int                     // and those that lost theirs, since they take long
	running      []running               // deliveries with a worker, those that began first in front
	probing      int                     // those of them to destinations that are not proven
	idle         int                     // workers that keep a connection open
	swept        int                     // how many destinations make a sweep worth while
	horizon      time.Time               // what is due from then on is in the store alone; zero if nothing is
	forgotten    time.Time               // when the first comes of what is in the store alone; zero if nothing is
	scanning     bool                    // the store is being read for what was forgotten
	turn         store.AccountID         // whose queue is read first then
	timer        time.Time               // when it goes off
	stopTimer    func() bool
}

type phase uint8

const (
	phaseNew phase = iota
	phaseRunning
	phaseStopping
)

// New makes a queue that does nothing before Start. An error means that the
// options are incomplete or the embedded texts are wrong.
func New(o Options) (*Queue, error) {
	if o.Store == nil || o.Resolver == nil || o.Local == nil || o.Catalogue == nil || o.Hostname == "" {
		return nil, errors.New("outbound: options lack Store, Resolver, Local, Catalogue or Hostname")
	}
	o.setDefaults()
	t, err := loadTexts()
	if err != nil {
		return nil, err
	}
	q := &Queue{
		opt: o, log: o.Log, texts: t,
		known:        map[deliveryKey]*delivery{},
		again:        map[deliveryKey]time.Time{},
		destinations: map[string]*destination{},
		lanes:        map[laneKey]*lane{},
		readyOf:      map[store.AccountID]int{},
		marks:        marks{store: o.Store},
	}
	relays := slices.Clone(o.Relays)
	q.relays.Store(&relays)
	q.life, q.end = context.WithCancel(context.Background())
	o.Store.SetOutbox(outbox{q})
	return q, nil
}

func (o *Options) setDefaults() {
	if o.Dialer == nil {
		o.Dialer = &net.Dialer{}
	}
	if o.Port == 0 {
		o.Port = 25
	}
	if o.Journal == nil {
		o.Journal = nowhere{}
	}
	if o.Metrics == nil {
		o.Metrics = nowhere{}
	}
	if o.Policies == nil {
		o.Policies = nowhere{}
	}
	if o.Reports == nil {
		o.Reports = nowhere{}
	}
	if o.Clock == nil {
		o.Clock = systemClock{}
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	o.Limits.setDefaults()
}

func (l *Limits) setDefaults() {
	for _, n := range []struct {
		value *int
		usual int
	}{
		{&l.Concurrency, 200}, {&l.PerDestination, 20}, {&l.PerConnection, 100},
		{&l.PerMessage, 100}, {&l.Hosts, 5}, {&l.Remembered, 100_000},
	} {
		if *n.value <= 0 {
			*n.value = n.usual
		}
	}
	for _, d := range []struct {
		value *time.Duration
		usual time.Duration
	}{
		{&l.DelayAfter, 4 * time.Hour}, {&l.Lifetime, 5 * 24 * time.Hour},
		{&l.Idle, 2 * time.Second}, {&l.Down, time.Minute}, {&l.Connect, 30 * time.Second},
		{&l.Command, 5 * time.Minute}, {&l.Data, 10 * time.Minute}, {&l.Stop, 30 * time.Second},
	} {
		if *d.value <= 0 {
			*d.value = d.usual
		}
	}
	if l.Jitter == 0 {
		l.Jitter = 0.1
	}
	if len(l.Schedule) == 0 {
		l.Schedule = []time.Duration{5 * time.Minute, 15 * time.Minute, 30 * time.Minute,
			time.Hour, 2 * time.Hour, 4 * time.Hour}
	}
}

var _ Journal = (*journal.Journal)(nil)

// nowhere is the Journal, Metrics, Policies and Reports of a queue that has none.
type nowhere struct{}

func (nowhere) Record(context.Context, store.Event) {}
func (nowhere) Recipient(Outcome, cause.ID)         {}
func (nowhere) Connection(TLSUse, error)            {}
func (nowhere) Report(ReportKind)                   {}
func (nowhere) Note(tlsrpt.Session)                 {}

func (nowhere) Find(context.Context, string) mtasts.Found { return mtasts.Found{} }

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }
func (systemClock) AfterFunc(d time.Duration, fn func()) func() bool {
	return time.AfterFunc(d, fn).Stop
}

// Start takes up what the store has queued and begins to deliver. ctx bounds
// the reading of the store only; Close ends the queue.
func (q *Queue) Start(ctx context.Context) error {
	// What a crash left half done comes first: reports that are owed are written
	// before a report that was written already can have left the queue, so that
	// none is sent twice.
	if err := q.unconfirmed(ctx); err != nil {
		return fmt.Errorf("outbound: start: %w", err)
	}
	q.mu.Lock()
	q.scanning = true
	q.mu.Unlock()
	err := q.load(ctx)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.scanning = false
	if err != nil {
		return fmt.Errorf("outbound: start: %w", err)
	}
	if q.phase == phaseNew {
		q.phase = phaseRunning
		q.schedule()
	}
	return nil
}

// load settles what a crash left between two commits, and takes up what comes soon.
func (q *Queue) load(ctx context.Context) error {
	if err := q.opt.Store.IndexDue(ctx); err != nil {
		return err
	}
	left, unshown, err := q.halfDone(ctx)
	if err != nil {
		return err
	}
	q.background(func(ctx context.Context) {
		for _, k := range unshown {
			if sub, err := q.opt.Store.Submission(ctx, k.account, k.id); err == nil {
				q.show(ctx, &sub)
			}
		}
	})
	for _, k := range left {
		if err := q.settle(ctx, k.account, k.id); err != nil {
			// A full volume must not keep the rest from going out.
			q.log.Error("outbound: report delivery", "trace", k.id, "error", err)
			q.mu.Lock()
			q.await(k, unique.Handle[string]{}, q.opt.Clock.Now().Add(retryStore))
			q.mu.Unlock()
		}
	}
	return q.read(ctx)
}

// maxUnshown bounds how many messages that wait are put into Outboxes at a start,
// where a crash kept them from it. The others come there with their next attempt.
const maxUnshown = 1000

// halfDone returns the submissions that are to be settled, and some of those that
// are to be shown.
func (q *Queue) halfDone(ctx context.Context) (unsettled, unshown []deliveryKey, err error) {
	err = q.opt.Store.Queues(ctx, func(a store.AccountID) error {
		err := q.opt.Store.EachUnsettled(ctx, a, func(id store.TraceID, to string) error {
			unsettled = append(unsettled, deliveryKey{a, id, unique.Make(to)})
			return ctx.Err()
		})
		if err != nil || len(unshown) >= maxUnshown {
			return err
		}
		err = q.opt.Store.EachUnshown(ctx, a, func(id store.TraceID) error {
			if unshown = append(unshown, deliveryKey{account: a, id: id}); len(unshown) >= maxUnshown {
				return errEnough
			}
			return nil
		})
		if errors.Is(err, errEnough) {
			return nil
		}
		return err
	})
	return unsettled, unshown, err
}

// errEnough ends a walk.
var errEnough = errors.New("enough")

// Close stops the queue: running deliveries are finished, for at most
// Limits.Stop or until ctx ends, then broken off; they are tried again after
// the next Start. It returns when nothing runs any more.
func (q *Queue) Close(ctx context.Context) error {
	q.mu.Lock()
	q.phase = phaseStopping
	if q.stopTimer != nil {
		q.stopTimer()
	}
	for _, d := range q.destinations {
		q.dismissIdle(d)
	}
	q.mu.Unlock()

	ctx, cancel := context.WithTimeout(ctx, q.opt.Limits.Stop)
	defer cancel()
	stop := context.AfterFunc(ctx, q.end)
	q.work.Wait()
	stop()
	q.end()
	return nil
}

// Submit keeps a submission durably, with the events that tell of it, and
// begins to deliver it. What it leaves open is completed as by Prepare.
func (q *Queue) Submit(ctx context.Context, sub store.Submission, events ...store.Event) error {
	sub.Recipients = slices.Clone(sub.Recipients)
	q.Prepare(&sub)
	if err := q.opt.Store.CreateSubmission(ctx, sub, events...); err != nil {
		return fmt.Errorf("outbound: submit: %w", err)
	}
	q.Notify(&sub)
	return nil
}

// Prepare completes what a submission leaves open: ID, Created, Expires, and
// the State of its recipients. It is for those who commit it themselves, as
// with store.Delivery.
func (q *Queue) Prepare(sub *store.Submission) {
	if sub.Created.IsZero() {
		sub.Created = q.opt.Clock.Now()
	}
	if sub.ID.IsZero() {
		sub.ID = store.NewTraceID(sub.Created)
	}
	if sub.Expires.IsZero() {
		sub.Expires = sub.Created.Add(q.opt.Limits.Lifetime)
	}
	for i := range sub.Recipients {
		if sub.Recipients[i].State == "" {
			sub.Recipients[i].State = store.Queued
		}
	}
}

// Notify tells the queue of a submission that has just been committed, which
// Prepare had completed. The queue does not keep sub. It never blocks for long and never fails: what has
// no room in memory is read from the store later.
func (q *Queue) Notify(sub *store.Submission) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.remember(sub)
	q.schedule()
	if q.phase != phaseStopping && sub.Account != 0 && sub.Outbox == 0 && sub.Waits() { // for a limit, say
		shown := *sub
		q.work.Go(func() { q.show(q.life, &shown) })
	}
}

// SendNow lets all that waits of a submission be tried at once. Errors:
// store.KindNotFound, ErrNotQueued.
func (q *Queue) SendNow(ctx context.Context, account store.AccountID, id store.TraceID) error {
	now := q.opt.Clock.Now()
	sub, err := q.opt.Store.UpdateSubmission(ctx, account, id, func(s *store.Submission) error {
		waits := false
		for i := range s.Recipients {
			r := &s.Recipients[i]
			if waits = waits || r.State == store.Queued; r.State == store.Queued && r.Next.After(now) {
				r.Next = now
			}
		}
		if !waits { // held, or done
			return ErrNotQueued
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("outbound: send now: %w", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range sub.Recipients {
		to, _ := q.destinationName(sub.Sender(), domainOf(sub.Recipients[i].Address))
		if d := q.destinations[to]; d != nil {
			d.down = nil
		}
	}
	q.remember(&sub)
	q.schedule()
	return nil
}

// Reopened lets what accounts have waiting for a sending limit be tried at once: somebody opened sending, or changed the limit. It does not
// wait for that.
func (q *Queue) Reopened(accounts ...store.AccountID) {
	q.reopened.Add(1)
	q.background(func(ctx context.Context) { q.afterLimits(ctx, accounts) })
}

// LimitsChanged is Reopened for everybody.
func (q *Queue) LimitsChanged() {
	q.reopened.Add(1)
	q.background(func(ctx context.Context) {
		var all []store.AccountID
		err := q.opt.Store.Queues(ctx, func(a store.AccountID) error {
			all = append(all, a)
			return ctx.Err()
		})
		if err != nil && ctx.Err() == nil {
			q.log.Error("outbound: find what waited for limits", "error", err)
		}
		q.afterLimits(ctx, all)
	})
}

func (q *Queue) afterLimits(ctx context.Context, accounts []store.AccountID) {
	for _, a := range accounts {
		if err := q.afterLimit(ctx, a); err != nil && ctx.Err() == nil {
			q.log.Error("outbound: try what waited for a limit", "account", a, "error", err)
		}
	}
}

func (q *Queue) afterLimit(ctx context.Context, a store.AccountID) error {
	var waiting []store.TraceID
	room := math.MaxInt // what does not fit is not tried in vain: it keeps its time
	if q.opt.Room != nil {
		room = q.opt.Room(ctx, a)
	}
	err := q.opt.Store.Submissions(ctx, a, func(sub *store.Submission) error {
		limited := func(r store.SubmissionRecipient) bool {
			return r.State == store.Queued && strings.HasPrefix(string(r.Cause), "limit.")
		}
		if len(waiting) < room && sub.Scheduled && slices.ContainsFunc(sub.Recipients, limited) {
			waiting = append(waiting, sub.ID)
		}
		return ctx.Err()
	})
	for _, id := range waiting {
		if one := q.SendNow(ctx, a, id); one != nil && !errors.Is(one, ErrNotQueued) && store.KindOf(one) != store.KindNotFound {
			err = errors.Join(err, one)
		}
	}
	return err
}

// Cancel takes a submission back for one recipient, or for all that still wait
// if recipient is empty. Errors: store.KindNotFound, ErrNotQueued, ErrBusy
// while the message is being sent.
func (q *Queue) Cancel(ctx context.Context, account store.AccountID, id store.TraceID, recipient string) error {
	waits := func(r *store.SubmissionRecipient) bool { return !r.State.Final() && chosen(r, recipient) }
	err := q.change(ctx, account, id, journal.MessageCancelled, waits, func(r *store.SubmissionRecipient) {
		r.State, r.Next, r.Last = store.Cancelled, time.Time{}, q.opt.Clock.Now()
	})
	if err != nil {
		return fmt.Errorf("outbound: cancel: %w", err)
	}
	return q.settle(ctx, account, id)
}

// Undo takes a submission back that nobody has got yet. Errors as of Cancel; ErrNotQueued if somebody has.
func (q *Queue) Undo(ctx context.Context, account store.AccountID, id store.TraceID) error {
	waits := func(r *store.SubmissionRecipient) bool { return !r.State.Final() }
	nobody := func(s *store.Submission) bool {
		return !slices.ContainsFunc(s.Recipients, func(r store.SubmissionRecipient) bool { return r.State == store.Placed || r.State == store.Relayed })
	}
	err := q.changeIf(ctx, account, id, nobody, journal.MessageCancelled, waits, func(r *store.SubmissionRecipient) {
		r.State, r.Next, r.Last = store.Cancelled, time.Time{}, q.opt.Clock.Now()
	})
	if err != nil {
		return fmt.Errorf("outbound: undo: %w", err)
	}
	return q.settle(ctx, account, id)
}

// Redirect sends to another address what waits for a recipient. Errors as of Cancel.
func (q *Queue) Redirect(ctx context.Context, account store.AccountID, id store.TraceID, recipient, to string) error {
	waits := func(r *store.SubmissionRecipient) bool {
		return !r.State.Final() && strings.EqualFold(r.Address, recipient)
	}
	err := q.change(ctx, account, id, journal.MessageCorrected, waits, func(r *store.SubmissionRecipient) {
		now := q.opt.Clock.Now()
		next := r.Next
		if r.Cause != "" || r.State == store.Held || next.Before(now) { // else it is for later
			next = now
		}
		*r = store.SubmissionRecipient{Address: to, Notify: r.Notify, State: store.Queued, Next: next}
	})
	if err != nil {
		return fmt.Errorf("outbound: redirect: %w", err)
	}
	return nil
}

// Hold keeps a submission until Release or Cancel, for one recipient or for all
// that still wait. It is not given up meanwhile, and its sender is not told of a
// delay. Errors as of Cancel.
func (q *Queue) Hold(ctx context.Context, account store.AccountID, id store.TraceID, recipient string) error {
	waits := func(r *store.SubmissionRecipient) bool { return r.State == store.Queued && chosen(r, recipient) }
	err := q.change(ctx, account, id, journal.MessageHeld, waits, func(r *store.SubmissionRecipient) {
		r.State, r.Next, r.Due = store.Held, time.Time{}, r.Next
	})
	if err != nil {
		return fmt.Errorf("outbound: hold: %w", err)
	}
	return nil
}

// Release lets go what Hold keeps: it is tried at once, or when it was to go if that is later. Errors as of Cancel.
func (q *Queue) Release(ctx context.Context, account store.AccountID, id store.TraceID, recipient string) error {
	held := func(r *store.SubmissionRecipient) bool { return r.State == store.Held && chosen(r, recipient) }
	err := q.change(ctx, account, id, journal.MessageReleased, held, func(r *store.SubmissionRecipient) {
		next := q.opt.Clock.Now()
		if r.Cause == "" { // it waited for no trouble but for a time of its sender's choosing
			next = latest(next, r.Due)
		}
		r.State, r.Next, r.Due = store.Queued, next, time.Time{}
	})
	if err != nil {
		return fmt.Errorf("outbound: release: %w", err)
	}
	return nil
}

// change gives the recipients of a submission that match another state, with an
// event for each, while none of them is being sent to.
func (q *Queue) change(ctx context.Context, account store.AccountID, id store.TraceID, kind string,
	match func(*store.SubmissionRecipient) bool, set func(*store.SubmissionRecipient)) error {
	return q.changeIf(ctx, account, id, func(*store.Submission) bool { return true }, kind, match, set)
}

// changeIf is change of a submission that is as wanted.
func (q *Queue) changeIf(ctx context.Context, account store.AccountID, id store.TraceID, wanted func(*store.Submission) bool, kind string,
	match func(*store.SubmissionRecipient) bool, set func(*store.SubmissionRecipient)) error {
	sub, err := q.opt.Store.Submission(ctx, account, id)
	if err != nil {
		return err
	}
	keys := map[deliveryKey]bool{}
	for i := range sub.Recipients {
		if r := &sub.Recipients[i]; match(r) {
			keys[keyOf(&sub, r)] = true
		}
	}
	if len(keys) == 0 {
		return ErrNotQueued
	}
	if !q.hold(keys) {
		return ErrBusy
	}
	// What was read before hold may be over by now.
	updated, err := q.opt.Store.ChangeSubmission(ctx, account, id, func(s *store.Submission) (events []store.Event, err error) {
		if !wanted(s) {
			return nil, ErrNotQueued
		}
		for i := range s.Recipients {
			if r := &s.Recipients[i]; match(r) && keys[keyOf(s, r)] {
				about := r.Address
				set(r)
				e := q.event(s, kind, field("to", about))
				if r.Address == about {
					events = append(events, e)
				} else {
					e.Fields = append(e.Fields, field("address", r.Address))
					events = append(events, e, q.event(s, journal.MessageQueued, field("from", s.From), field("to", r.Address), field("message-id", s.MessageID)))
				}
			}
		}
		if len(events) == 0 {
			return nil, ErrNotQueued
		}
		return events, nil
	})
	if err == nil {
		sub = updated
	}
	q.release(keys, &sub)
	if err == nil {
		q.show(ctx, &sub)
	}
	return err
}

func chosen(r *store.SubmissionRecipient, recipient string) bool {
	return recipient == "" || strings.EqualFold(r.Address, recipient)
}

// List returns the submissions that a filter chooses, by account and age.
func (q *Queue) List(ctx context.Context, f Filter) ([]store.Submission, error) {
	const usual = 1000
	if f.Limit <= 0 {
		f.Limit = usual
	}
	domain := address.NormalizeDomain(f.Domain)
	var list []store.Submission
	full := errors.New("full")
	keep := func(sub *store.Submission) error {
		if domain != "" && !hasDomain(sub, domain) {
			return nil
		}
		if list = append(list, *sub); len(list) == f.Limit {
			return full
		}
		return nil
	}
	var err error
	if f.Account != nil {
		err = q.opt.Store.Submissions(ctx, *f.Account, keep)
	} else {
		err = q.opt.Store.AllSubmissions(ctx, keep)
	}
	if err != nil && !errors.Is(err, full) {
		return nil, fmt.Errorf("outbound: list: %w", err)
	}
	return list, nil
}

func hasDomain(sub *store.Submission, domain string) bool {
	for i := range sub.Recipients {
		if domainOf(sub.Recipients[i].Address) == domain {
			return true
		}
	}
	return false
}

// Progress is what people are told of a recipient's state.
type Progress string

// The states.
const (
	ProgressWaiting   Progress = "waiting" // for its first try
	ProgressSending   Progress = "sending"
	ProgressDelayed   Progress = "delayed" // tried, and to be tried again
	ProgressHeld      Progress = "held"
	ProgressDelivered Progress = "delivered" // in a mailbox here, or taken over by the next server
	ProgressBounced   Progress = "bounced"
	ProgressCancelled Progress = "cancelled"
)

// Progress tells how far a submission is for one of its recipients.
func (q *Queue) Progress(sub *store.Submission, r *store.SubmissionRecipient) Progress {
	switch r.State {
	case store.Held:
		return ProgressHeld
	case store.Placed, store.Relayed:
		return ProgressDelivered
	case store.Failed, store.Expired:
		return ProgressBounced
	case store.Cancelled:
		return ProgressCancelled
	}
	q.mu.Lock()
	d := q.known[keyOf(sub, r)]
	sending := d != nil && d.state == deliveryActive && !r.Next.After(q.opt.Clock.Now())
	q.mu.Unlock()
	switch {
	case sending:
		return ProgressSending
	case r.Cause != "":
		return ProgressDelayed
	}
	return ProgressWaiting
}

// Stats returns the size of the queue. What waits is counted in the store, at
// most every few seconds.
func (q *Queue) Stats() Stats {
	total := q.total.get(q)
	q.mu.Lock()
	defer q.mu.Unlock()
	under := q.ready + q.active + q.slow
	return Stats{Waiting: max(total-under, 0), Ready: q.ready, Active: q.active + q.slow}
}

// total is how much is queued, as it was a moment ago.
type total struct {
	mu    sync.Mutex
	n     int
	until time.Time
}

func (t *total) get(q *Queue) int {
	const fresh = 5 * time.Second
	t.mu.Lock()
	defer t.mu.Unlock()
	now := q.opt.Clock.Now()
	if now.Before(t.until) {
		return t.n
	}
	n, err := q.opt.Store.CountDue(q.life)
	if err != nil {
		q.log.Error("outbound: count the queue", "error", err)
		return t.n
	}
	t.n, t.until = int(n), now.Add(fresh)
	return t.n
}

// domainOf returns the domain of a recipient in the form that names its
// destination: lower-case A-labels, "" for a bare postmaster.
func domainOf(addr string) string {
	i := strings.LastIndexByte(addr, '@')
	if i < 0 {
		return ""
	}
	return address.NormalizeDomain(addr[i+1:])
}

func field(name, value string) store.Field { return store.Field{Name: name, Value: value} }

// event makes an event of a submission's trace. No two have the same time, which
// the store keeps to the microsecond, so that each keeps its place.
func (q *Queue) event(sub *store.Submission, kind string, fields ...store.Field) store.Event {
	now := q.opt.Clock.Now().UnixMicro()
	for {
		last := q.lastEvent.Load()
		if now <= last {
			now = last + 1
		}
		if q.lastEvent.CompareAndSwap(last, now) {
			break
		}
	}
	fields = slices.DeleteFunc(fields, func(f store.Field) bool { return f.Value == "" })
	return store.Event{Time: time.UnixMicro(now), Trace: sub.ID, Account: sub.Account, Kind: kind, Fields: fields}
}
