// Package index makes search fast and leaves it exact. It keeps for each account which emails have
// which three octets of folded text next to each other, so that a search for a text of three
// octets or more looks only at emails that have all of them. Whether such an email matches is
// decided by its text (Texts), as it is without an index: postings narrow, the text decides, and
// what is not indexed yet is looked at. Of common words it also keeps which emails have them, which
// decides at once about those.
//
// The index is made after the mail is acknowledged, by one worker, in batches. All of it derives
// from the emails: what a crash takes, or what is found damaged, is made again.
package index

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"slices"
	"sync"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/postiljon/postiljon/internal/store"
)

// formatVersion changes with the form of the postings, with what Texts visits and how Fold folds:
// TestFormat tells.
const formatVersion = 5

// format is that of the postings; an index of another format is made anew. It also changes with
// the tables of Unicode that the program is built with.
var format = func() uint64 {
	h := fnv.New64a()
	fmt.Fprint(h, formatVersion, norm.Version, unicode.Version)
	return h.Sum64() | 1
}()

// Options are what an index is made of. Store must be given.
type Options struct {
	Store *store.Store
	// Delay is how long a change waits for others before it is looked at; 0 means a second.
	Delay time.Duration
	// Least is how many new emails are worth a run; fewer are looked at one by one. 0 means 32.
	Least int
	// Sweep is how often deleted emails are taken out; 0 means a day.
	Sweep time.Duration
	Log   *slog.Logger // nil: slog.Default
}

// Index narrows searches. It is safe for concurrent use.
type Index struct {
	Options
	writing sync.Mutex // held by who changes an index
	work    worker
	// How many emails apart the first and last of a run can be that is merged from small ones and
	// from such, and how much of one is written at a time, in octets.
	leaf, big store.EmailID
	part      int
}

// New returns the index of a store. It can be asked at once; Start keeps it up to date.
func New(o Options) *Index {
	if o.Delay == 0 {
		o.Delay = time.Second
	}
	if o.Least == 0 {
		o.Least = 32
	}
	if o.Sweep == 0 {
		o.Sweep = 24 * time.Hour
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	x := &Index{Options: o, leaf: maxSpan, big: bigSpan, part: mergeWrite}
	x.work.init()
	return x
}

// Fields is a set of places in messages.
type Fields uint8

// In returns the set of the given places.
func In(list ...Field) (set Fields) {
	for _, f := range list {
		set |= 1 << f
	}
	return set
}

// Everywhere is all places in a message.
const Everywhere Fields = 1<<fields - 1

// Matches tells which emails of an account may have a text.
type Matches struct {
	// Next is the first email that the index does not know.
	Next store.EmailID
	runs []matches
}

type matches struct {
	first, end store.EmailID
	emails     span
	certain    span // of them
}

// MayHave reports whether an email may have the text; false is certain.
func (m *Matches) MayHave(e store.EmailID) bool {
	r := m.run(e)
	if r == nil {
		return true // of no run, which no email is before Next; better looked at than missed
	}
	return r.emails != nil && r.emails.has(uint32(e-r.first))
}

// MustHave reports whether an email has the text; true is certain.
func (m *Matches) MustHave(e store.EmailID) bool {
	r := m.run(e)
	return r != nil && r.certain != nil && r.certain.has(uint32(e-r.first))
}

// run returns the run that has an email, nil for none.
func (m *Matches) run(e store.EmailID) *matches {
	if e >= m.Next {
		return nil
	}
	i, found := slices.BinarySearchFunc(m.runs, e, func(r matches, e store.EmailID) int {
		switch {
		case r.end <= e:
			return -1
		case r.first > e:
			return 1
		}
		return 0
	})
	if !found {
		return nil
	}
	return &m.runs[i]
}

// Count returns how many emails before Next may have the text.
func (m *Matches) Count() (n int) {
	for i := range m.runs {
		if m.runs[i].emails != nil {
			n += m.runs[i].emails.count()
		}
	}
	return n
}

// May returns which of 64 emails may have the text, from first on, the least bit first; a bit that
// is not set is certain.
func (m *Matches) May(first store.EmailID) (set uint64) {
	set = ^uint64(0) // of no run, which no email is before Next; better looked at than missed
	for i := m.runAt(first); i < len(m.runs) && m.runs[i].first < min(first+64, m.Next); i++ {
		r := &m.runs[i]
		set = set&^r.covers(first) | r.emails.from(r, first)
	}
	return set
}

// Must returns which of 64 emails have the text, from first on; a bit that is set is certain.
func (m *Matches) Must(first store.EmailID) (set uint64) {
	for i := m.runAt(first); i < len(m.runs) && m.runs[i].first < min(first+64, m.Next); i++ {
		r := &m.runs[i]
		set |= r.certain.from(r, first)
	}
	return set
}

// runAt returns the place of the first run that ends behind an email.
func (m *Matches) runAt(e store.EmailID) int {
	i, _ := slices.BinarySearchFunc(m.runs, e, func(r matches, e store.EmailID) int {
		if r.end <= e {
			return -1
		}
		return 1
	})
	return i
}

// covers returns which of 64 emails a run tells of.
func (r *matches) covers(first store.EmailID) uint64 {
	set := ^uint64(0)
	if first < r.first {
		set <<= r.first - first
	}
	if end := r.end - first; end < 64 {
		set &= 1<<end - 1
	}
	return set
}

// from returns which of 64 emails are in a set of a run.
func (s span) from(r *matches, first store.EmailID) (set uint64) {
	if s == nil {
		return 0
	}
	if first < r.first {
		return s[0] << (r.first - first)
	}
	n := uint(first - r.first)
	set = s[n/64] >> (n % 64)
	if n%64 > 0 && n/64+1 < uint(len(s)) {
		set |= s[n/64+1] << (64 - n%64)
	}
	return set
}

// Find returns which emails of an account may have a text in one of the given places; nil if the
// index cannot tell, because the text is too short or there is no index. An index that is damaged
// is made anew. The error is that of a context that ended.
func (x *Index) Find(ctx context.Context, a store.AccountID, where Fields, n Needle) (*Matches, error) {
	if n.Len() < gramSize {
		return nil, nil
	}
	var m *Matches
	err := x.Store.Postings(ctx, a, func(p *store.PostingReader) error {
		if p.End-min(p.Next, p.End) >= muchBehind {
			x.work.missed.Add(1)
		}
		if p.Format != format {
			return nil
		}
		m = &Matches{Next: p.Next, runs: make([]matches, 0, len(p.Runs))}
		order := gramOrder(n)
		for i := range p.Runs {
			found, err := findInRun(p, &p.Runs[i], where, n, order)
			if err != nil {
				return err
			}
			m.runs = append(m.runs, found)
		}
		return ctx.Err()
	})
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		x.complain(a, err)
		return nil, nil
	}
	return m, nil
}

// maxAsked bounds how many grams of a long needle are asked for.
const maxAsked = 24

// gramOrder returns which grams of a needle are asked for: those that share no octet first, since
// they tell the most.
func gramOrder(n Needle) (order []int) {
	last := n.Len() - gramSize
	for from := range gramSize {
		for i := from; i <= last && len(order) < maxAsked; i += gramSize {
			order = append(order, i)
		}
	}
	return order
}

// findInRun asks one run.
func findInRun(p *store.PostingReader, run *store.PostingRun, where Fields, n Needle, order []int) (matches, error) {
	m := matches{first: run.First, end: run.End}
	if run.End <= run.First || run.End-run.First > bigSpan {
		return m, errDamaged
	}
	for f := range fields {
		if where&In(f) == 0 {
			continue
		}
		may, must, err := findInField(p, run, f, n, order)
		if err != nil {
			return m, err
		}
		m.emails, m.certain = m.emails.with(may), m.certain.with(must)
	}
	for _, e := range run.Always {
		if e < run.First || e >= run.End {
			return m, errDamaged
		}
		if m.emails == nil {
			m.emails = newSpan(run.First, run.End)
		}
		m.emails.add(uint32(e - run.First))
	}
	return m, nil
}

// findInField returns the emails of a run that have all grams of a needle in a field, and those of them
// that have the needle there for certain; nil for none.
func findInField(p *store.PostingReader, run *store.PostingRun, f Field, n Needle, order []int) (may, must span, err error) {
	for i, at := range order {
		set, err := lookUp(p, run, gramAt(f, n.folded[at:]))
		if err != nil || set == nil {
			return nil, nil, err
		}
		if may == nil {
			may = set
		} else if !may.and(set) {
			return nil, nil, nil
		}
		if i == 0 && n.wordsOf(In(f)) != 0 {
			if must, err = findWords(p, run, f, n); err != nil {
				return nil, nil, err
			}
		}
		if must != nil && slices.Equal(may, must) { // other grams leave no fewer
			break
		}
	}
	return may, must, nil
}

// lookUp returns the emails of a run that have a gram, nil for none.
func lookUp(p *store.PostingReader, run *store.PostingRun, g gram) (span, error) {
	b, err := p.Block(run.ID, uint32(g))
	if err != nil {
		return nil, err
	}
	e := readBlock(b)
	for e.next() {
		if e.gram < g {
			continue
		}
		if e.gram > g {
			return nil, nil
		}
		set := newSpan(run.First, run.End)
		return set, e.emails(set)
	}
	if e.bad {
		return nil, errDamaged
	}
	return nil, nil
}

// update adds the next batch of an account's emails to its index. more tells whether it should be
// called again.
func (x *Index) update(ctx context.Context, a store.AccountID, b *builder, least int) (more bool, err error) {
	x.writing.Lock()
	defer x.writing.Unlock()
	state, err := x.state(ctx, a)
	if err != nil {
		return false, err
	}
	if state.Format != format && state.Format != 0 {
		if err := x.Store.DropPostings(ctx, a); err != nil {
			return false, err
		}
		return true, nil
	}
	if state.End-state.Next < store.EmailID(max(least, 1)) {
		return false, nil
	}
	next, err := x.build(ctx, a, b, state.Next, state.End)
	if err != nil {
		return false, err
	}
	run, blocks := b.finish()
	if err := x.Store.ReplacePostings(ctx, a, format, nil, next, run, blocks); err != nil {
		return false, err
	}
	more = next < state.End
	if err := x.compact(ctx, a, more); err != nil {
		return more, err
	}
	return more, x.compactBig(ctx, a)
}

func (x *Index) state(ctx context.Context, a store.AccountID) (state store.PostingState, err error) {
	err = x.Store.Postings(ctx, a, func(p *store.PostingReader) error {
		state = p.PostingState
		return nil
	})
	if store.KindOf(err) == store.KindCorrupt {
		err = fmt.Errorf("%w: %w", errDamaged, err)
	}
	return state, err
}

// build takes emails from first on into the builder, and returns the first that it did not look at.
func (x *Index) build(ctx context.Context, a store.AccountID, b *builder, first, end store.EmailID) (next store.EmailID, err error) {
	begun := false
	next = end
	err = x.Store.Emails(ctx, a, first, end, func(e *store.Email) error {
		if !begun {
			b.begin(e.ID)
			begun = true
		}
		if !b.fits(e) {
			next = e.ID
			return errFull
		}
		return b.add(ctx, e)
	})
	if !begun {
		b.begin(end)
	}
	if err != nil && !errors.Is(err, errFull) {
		return next, fmt.Errorf("%w: %w", errEmails, err)
	}
	return next, nil
}

var (
	errFull = errors.New("index: batch is full")
	// errEmails is about what is indexed, for which the index cannot help.
	errEmails = errors.New("index: read emails")
)

// compact merges the last runs of an index, so that it has few whatever the size of its batches.
// With more batches to come it waits until no other fits.
func (x *Index) compact(ctx context.Context, a store.AccountID, more bool) error {
	state, err := x.state(ctx, a)
	if err != nil || len(state.Runs) < 2 {
		return err
	}
	runs := state.Runs
	last := runs[len(runs)-1]
	from, emails := len(runs)-1, last.Emails
	for from > 0 && last.End-runs[from-1].First <= x.leaf && (more || runs[from-1].Emails <= 2*emails) {
		from--
		emails += runs[from].Emails
	}
	if len(runs)-from < 2 || more && last.End-runs[from].First+maxBatch <= x.leaf {
		return nil
	}
	return x.replace(ctx, a, &state, runs[from:], nil)
}

// compactBig merges runs that do not grow any more to one that is as long as can be, so that searches of a
// large account ask few runs. It merges at most one at a time.
func (x *Index) compactBig(ctx context.Context, a store.AccountID) error {
	state, err := x.state(ctx, a)
	if err != nil {
		return err
	}
	runs := state.Runs
	for first := 0; first < len(runs); first++ {
		end := first
		for end < len(runs) && runs[end].End-runs[end].First <= x.leaf && runs[end].End-runs[first].First <= x.big {
			end++
		}
		if end == len(runs) {
			return nil // the next run may fit, too
		}
		if end-first >= 2 {
			return x.replace(ctx, a, &state, runs[first:end], nil)
		}
	}
	return nil
}

// replace puts one run in the place of some, keeping only what lives if live is given.
func (x *Index) replace(ctx context.Context, a store.AccountID, state *store.PostingState, runs []store.PostingRun, live map[store.EmailID]bool) error {
	var run store.PostingRun
	var blocks []store.PostingBlock
	if live == nil || len(live) > 0 {
		var err error
		if run, blocks, err = x.merge(ctx, a, runs, live); err != nil {
			return err
		}
	}
	old := make([]uint64, len(runs))
	for i := range runs {
		old[i] = runs[i].ID
	}
	return x.Store.ReplacePostings(ctx, a, format, old, state.Next, run, blocks)
}

// sweep takes emails that are deleted out of an account's index, where a quarter of a run is.
func (x *Index) sweep(ctx context.Context, a store.AccountID) error {
	x.writing.Lock()
	defer x.writing.Unlock()
	state, err := x.state(ctx, a)
	if err != nil || state.Format != format {
		return err
	}
	for _, run := range state.Runs {
		ids, err := x.Store.EmailIDs(ctx, a, run.First, run.End)
		if err != nil {
			return err
		}
		if int64(len(ids)) > run.Emails*3/4 {
			continue
		}
		live := make(map[store.EmailID]bool, len(ids))
		for _, id := range ids {
			live[id] = true
		}
		if err := x.replace(ctx, a, &state, []store.PostingRun{run}, live); err != nil {
			return err
		}
	}
	return nil
}
