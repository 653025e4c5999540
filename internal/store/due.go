package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/store/kv"
)

// What is to be done for submissions, and when, is found without reading them: each has an entry in an index of its
// account for each destination that waits, by the minute in which it comes. The index is written in the
// transactions that write submissions (putSubmission, dropSubmission).

// The second octet of keys of tableDue; the table's own key has the number of what waits.
const (
	dueWaits   = 'w' // minute destination 0 id: when it is due, in nanoseconds since 1970, and the sender's domain
	dueSettles = 's' // id: the destination of its first recipient; a report is owed, or nothing is left but to forget it
	dueShows   = 'o' // id: nothing; it waits and is not in its sender's Outbox yet
)

// Due is what waits of a submission for a destination.
type Due struct {
	ID          TraceID
	Destination string
	From        string    // the domain of the return path as Destination has it, "" for none
	At          time.Time // zero is at once
}

// DueStep says how EachDue goes on.
type DueStep uint8

// The steps.
const (
	DueNext DueStep = iota // to the next entry
	DueSkip                // past the rest of the destination in this minute
	DueStop                // not at all
)

// Destination names what a recipient's deliveries go to together: its domain in lower-case A-labels, "" for a bare
// postmaster. A submission that is scheduled has one alone.
func (s *Submission) Destination(r *SubmissionRecipient) string {
	if s.Scheduled {
		return ""
	}
	return destinationOf(r.Address)
}

// Sender is the domain of the return path as Destination has it, "" for none.
func (s *Submission) Sender() string { return destinationOf(s.From) }

func destinationOf(addr string) string {
	i := strings.LastIndexByte(addr, '@')
	if i < 0 {
		return ""
	}
	return address.NormalizeDomain(addr[i+1:])
}

// Owes reports whether a recipient is in another state than Queued and something is to be done for it.
func (s *Submission) Owes() bool {
	return slices.ContainsFunc(s.Recipients, func(r SubmissionRecipient) bool { return r.State != Queued && !r.Next.IsZero() })
}

// dueEntry is a record of the index.
type dueEntry struct{ key, value []byte }

// dueEntries are those of a submission as it is; waiting says how many of them are of what waits.
func (s *Submission) dueEntries() (list []dueEntry, waiting int) {
	var waits []Due
	for i := range s.Recipients {
		r := &s.Recipients[i]
		if r.State != Queued {
			continue
		}
		to := s.Destination(r)
		n := slices.IndexFunc(waits, func(d Due) bool { return d.Destination == to })
		switch {
		case n < 0:
			waits = append(waits, Due{ID: s.ID, Destination: to, At: r.Next})
		case r.Next.Before(waits[n].At):
			waits[n].At = r.Next
		}
	}
	for _, d := range waits {
		list = append(list, dueEntry{dueKey(d.At, d.Destination, s.ID), append(dueTime(d.At), s.Sender()...)})
	}
	waiting = len(list)
	if len(s.Recipients) > 0 && (s.Done() || s.Owes()) {
		list = append(list, dueEntry{append(duePart(dueSettles), s.ID[:]...), []byte(s.Destination(&s.Recipients[0]))})
	}
	if s.Account != 0 && s.Outbox == 0 && s.Skip == 0 && s.Waits() {
		list = append(list, dueEntry{append(duePart(dueShows), s.ID[:]...), nil})
	}
	return list, waiting
}

func duePart(part byte) key { return append(table(tableDue), part) }

func dueMinute(at time.Time) key {
	minute := min(max(at.Unix()/60, 0), math.MaxUint32) // before 1970, and zero, is at once
	return binary.BigEndian.AppendUint32(duePart(dueWaits), uint32(minute))
}

func dueKey(at time.Time, destination string, id TraceID) key {
	return append(append(dueMinute(at).text(destination), 0), id[:]...)
}

func dueTime(at time.Time) []byte {
	if at.Unix() <= 0 {
		return make([]byte, 8)
	}
	if at.Unix() > math.MaxInt64/int64(time.Second)-1 { // centuries from now
		return binary.BigEndian.AppendUint64(nil, math.MaxInt64)
	}
	return binary.BigEndian.AppendUint64(nil, uint64(at.UnixNano()))
}

func decodeDue(k, b []byte) (d Due, err error) {
	const before = 1 + 1 + 4
	if len(k) < before+1+len(d.ID) || len(b) < 8 {
		return d, errDamaged
	}
	end := len(k) - len(d.ID)
	d.ID, d.Destination, d.From = TraceID(k[end:]), string(k[before:end-1]), string(b[8:])
	if at := int64(binary.BigEndian.Uint64(b)); at != 0 {
		d.At = time.Unix(0, at)
	}
	return d, nil
}

// reindex replaces the entries that a submission had by those that it has.
func reindex(tx kv.Tx, had, has []dueEntry, more int) error {
	same := func(a dueEntry) func(dueEntry) bool {
		return func(b dueEntry) bool { return bytes.Equal(a.key, b.key) }
	}
	for _, e := range had {
		if !slices.ContainsFunc(has, same(e)) {
			if err := tx.Delete(e.key); err != nil {
				return err
			}
		}
	}
	for _, e := range has {
		i := slices.IndexFunc(had, same(e))
		if i < 0 || !bytes.Equal(had[i].value, e.value) {
			if err := tx.Set(e.key, e.value); err != nil {
				return err
			}
		}
	}
	if more == 0 {
		return nil
	}
	n, err := countDue(tx)
	if err != nil {
		return err
	}
	return tx.Set(table(tableDue), binary.AppendUvarint(nil, uint64(max(n+int64(more), 0))))
}

func countDue(r kv.Reader) (int64, error) {
	b, ok, err := r.Get(table(tableDue))
	if err != nil || !ok {
		return 0, err
	}
	n, k := binary.Uvarint(b)
	if k <= 0 {
		return 0, errDamaged
	}
	return int64(n), nil
}

// EachDue calls fn for what waits of an account, by the minute of its time and by destination, as it says.
func (s *Store) EachDue(ctx context.Context, a AccountID, fn func(d *Due) (DueStep, error)) error {
	return s.view(ctx, "read queue", a, func(r kv.Reader) (err error) {
		from := duePart(dueWaits)
		it := r.Iterate(from, from.after())
		defer func() { err = errors.Join(err, it.Close()) }()
		for more := it.Next(); more; {
			b, err := it.Value()
			if err != nil {
				return err
			}
			d, err := decodeDue(it.Key(), b)
			if err != nil {
				return err
			}
			step, err := fn(&d)
			if err != nil || step == DueStop {
				return err
			}
			if step == DueNext {
				more = it.Next()
				continue
			}
			rest := key(slices.Clone(it.Key()[:len(it.Key())-len(d.ID)]))
			more = it.SeekGE(rest.after())
		}
		return nil
	})
}

// EachUnsettled calls fn for the submissions of an account that owe a report, or of which nothing is left but to
// forget them, with the destination of their first recipient: they exist between two commits, and after a crash there.
func (s *Store) EachUnsettled(ctx context.Context, a AccountID, fn func(id TraceID, destination string) error) error {
	return s.eachDueID(ctx, a, dueSettles, fn)
}

// EachUnshown calls fn for the submissions of an account that wait and are not in its Outbox, as EachUnsettled.
func (s *Store) EachUnshown(ctx context.Context, a AccountID, fn func(id TraceID) error) error {
	return s.eachDueID(ctx, a, dueShows, func(id TraceID, _ string) error { return fn(id) })
}

func (s *Store) eachDueID(ctx context.Context, a AccountID, part byte, fn func(id TraceID, destination string) error) error {
	return s.view(ctx, "read queue", a, func(r kv.Reader) error {
		from := duePart(part)
		return scan(r, from, from.after(), func(k, b []byte) error {
			if len(k) != len(from)+len(TraceID{}) {
				return errDamaged
			}
			return fn(TraceID(k[len(from):]), string(b))
		})
	})
}

// Queues calls fn for the accounts that have records, the service itself included, in ascending order.
func (s *Store) Queues(ctx context.Context, fn func(a AccountID) error) error {
	return wrap("list queues", s.records.Accounts(ctx, func(a kv.Account) error { return fn(AccountID(a)) }))
}

// CountDue is how much waits in all accounts, at the cost of one look into each.
func (s *Store) CountDue(ctx context.Context) (total int64, err error) {
	err = s.records.Accounts(ctx, func(a kv.Account) error {
		return s.records.View(ctx, a, func(r kv.Reader) error {
			n, err := countDue(r)
			total += n
			return err
		})
	})
	return total, wrap("count queue", err)
}

// settingDue is set when the index is there; stores of before have none.
const settingDue = "queue/due"

// IndexDue makes the index in a store that has none yet. It is to be called before anything of the queue is changed.
func (s *Store) IndexDue(ctx context.Context) error {
	done, err := s.Setting(ctx, settingDue)
	if err != nil || len(done) > 0 {
		return err
	}
	ctx = kv.WithReserve(ctx)
	err = s.records.Accounts(ctx, func(a kv.Account) error {
		from, more := table(tableSubmission), true
		for more && err == nil {
			err = s.records.Write(ctx, a, func(tx kv.Tx) (err error) {
				from, more, err = indexSome(tx, AccountID(a), from)
				return err
			})
		}
		return err
	})
	if err != nil {
		return wrap("index queue", err)
	}
	return s.PutSetting(ctx, settingDue, []byte{1})
}

// indexSome makes the entries of some submissions from a key on.
func indexSome(tx kv.Tx, a AccountID, from key) (next key, more bool, err error) {
	const some = 1000
	var list []Submission
	err = scan(tx, from, table(tableSubmission).after(), func(k, b []byte) error {
		if len(list) == some {
			next, more = slices.Clone(k), true
			return errStepFull
		}
		sub, err := decodeSubmission(a, k, b)
		list = append(list, sub)
		return err
	})
	if err != nil && !errors.Is(err, errStepFull) {
		return next, false, err
	}
	if len(from) == 1 { // the first
		if err := tx.DeleteRange(table(tableDue), table(tableDue).after()); err != nil {
			return next, false, err
		}
	}
	for i := range list {
		has, waiting := list[i].dueEntries()
		if err := reindex(tx, nil, has, waiting); err != nil {
			return next, false, err
		}
	}
	return next, more, nil
}

// due compares the index with the submissions, if it was made.
func (v *verifier) due() error {
	if made, err := v.s.Setting(v.ctx, settingDue); err != nil || len(made) == 0 {
		return err
	}
	entries, waits := 0, int64(0)
	err := v.scan(duePart(dueWaits), func(k, b []byte) error {
		waits++
		entries++
		if _, err := decodeDue(k, b); err != nil {
			v.problem("entry %x of the queue: %v", k, err)
		}
		return nil
	})
	for _, part := range []byte{dueSettles, dueShows} {
		if err == nil {
			err = v.scan(duePart(part), func(_, _ []byte) error { entries++; return nil })
		}
	}
	if err != nil {
		return err
	}
	if n, err := countDue(v.r); err != nil || n != waits {
		v.problem("%d deliveries wait, not %d: %v", waits, n, err)
	}
	err = v.scan(table(tableSubmission), func(k, b []byte) error {
		sub, err := decodeSubmission(v.account, k, b)
		if err != nil {
			return nil // told by submissions
		}
		list, _ := sub.dueEntries()
		entries -= len(list)
		for _, e := range list {
			if b, ok, err := v.r.Get(e.key); err != nil || !ok || !bytes.Equal(b, e.value) {
				v.problem("submission %s is not in the queue as it waits: %v", sub.ID, err)
			}
		}
		return nil
	})
	if err == nil && entries != 0 {
		v.problem("%d entries of the queue belong to no submission", entries)
	}
	return err
}
