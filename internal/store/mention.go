package store

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"math"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/postiljon/postiljon/internal/store/kv"
)

// Who asks for a message by its Message-ID does not know whose it is, and no account's records tell of another. So the service's
// key space has a table of what events name: a Message-ID, the day, the account. It is derived. What putEvents sees waits in
// memory, KeepMentions writes it, many at once, since a transaction of the service for each delivery would cost more than the delivery's
// own events; what a crash takes is made anew from the events since the time up to which the table says that it is whole.
// There can be one mention too many, which costs a look, and after KeepMentions never one too few.

// mention is a key of the table: events of an account and a day name what has this hash.
type mention struct {
	day     uint32 // since 1970, in UTC
	hash    uint64
	account AccountID
}

const daySeconds = 24 * 60 * 60

func dayOf(t time.Time) uint32 { return uint32(max(t.Unix(), 0) / daySeconds) }

func (m mention) start() time.Time { return time.Unix(int64(m.day)*daySeconds, 0) }

func (m mention) key() key {
	return table(tableMention).day(m.day).number(m.hash).number(uint64(m.account))
}

func readMention(k []byte) (m mention, err error) {
	if len(k) != len(mention{}.key()) {
		return m, errDamaged
	}
	return mention{binary.BigEndian.Uint32(k[1:]), binary.BigEndian.Uint64(k[5:]), AccountID(binary.BigEndian.Uint64(k[13:]))}, nil
}

// compareMentions orders mentions as their keys are.
func compareMentions(a, b mention) int {
	return cmp.Or(cmp.Compare(a.day, b.day), cmp.Compare(a.hash, b.hash), cmp.Compare(a.account, b.account))
}

// mentionField is the field of events by which they are found.
const mentionField = "message-id"

// mentionHash is the hash of a Message-ID. Its brackets and case make no difference, nor does what events cut off.
func mentionHash(messageID string) uint64 {
	const kept = maxFieldSize - 1 - utf8.UTFMax // what an event certainly has of one, without its bracket
	id := strings.Trim(messageID, "<> ")
	h := fnv.New64a()
	h.Write([]byte(strings.ToLower(id[:min(len(id), kept)])))
	return h.Sum64()
}

// mentionsOf adds what an event of an account mentions.
func mentionsOf(list []mention, a AccountID, e *Event) []mention {
	for i := range e.Fields {
		if f := &e.Fields[i]; f.Name == mentionField && f.Value != "" {
			list = append(list, mention{dayOf(e.Time), mentionHash(f.Value), a})
		}
	}
	return list
}

// mentions are those that wait to be written.
type mentions struct {
	mu      sync.Mutex
	waiting []mention
	whole   bool // the table has all that do not wait here
	dropped bool // some did not get there since the table was last made whole

	keeping sync.Mutex // held by who writes
}

// maxWaitingMentions bounds what waits in memory: beyond that, the table is made whole from the events.
const maxWaitingMentions = 1 << 20

func (m *mentions) add(list []mention) {
	if len(list) == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.waiting)+len(list) > maxWaitingMentions {
		m.waiting, m.whole, m.dropped = nil, false, true
		return
	}
	m.waiting = append(m.waiting, list...)
}

// take returns what waits, and whether the table is whole once that is written.
func (m *mentions) take() (list []mention, whole bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	list, m.waiting = m.waiting, nil
	return list, m.whole
}

// forget takes out those of an account.
func (m *mentions) forget(a AccountID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waiting = slices.DeleteFunc(m.waiting, func(one mention) bool { return one.account == a })
}

// drop notes that some were not written.
func (m *mentions) drop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.whole, m.dropped = false, true
}

// KeepMentions writes what was mentioned since the last call. The first call, and one after a failure, reads the events since
// the table was whole: in a store that was made before there was the table, all. Call it every second or so.
func (s *Store) KeepMentions(ctx context.Context) error {
	m := &s.mentions
	m.keeping.Lock()
	defer m.keeping.Unlock()
	whole, err := s.flushMentions(ctx, false)
	if err != nil || whole {
		return wrap("keep mentions", err)
	}
	m.mu.Lock()
	m.dropped = false
	m.mu.Unlock()
	if err := s.fillMentions(ctx); err != nil {
		return wrap("keep mentions", err)
	}
	m.mu.Lock()
	m.whole = !m.dropped
	m.mu.Unlock()
	_, err = s.flushMentions(ctx, true)
	return wrap("keep mentions", err)
}

// flushMentions writes what waits, and up to when the table is whole: with mark also where nothing waits. It returns whether the
// table is whole. keeping is held.
func (s *Store) flushMentions(ctx context.Context, mark bool) (whole bool, err error) {
	now := s.now()
	list, whole := s.mentions.take()
	if len(list) == 0 && !mark {
		return whole, nil
	}
	if !whole {
		now = time.Time{}
	}
	if err := s.writeMentions(ctx, list, now); err != nil {
		s.mentions.drop()
		return false, err
	}
	return whole, nil
}

// writeMentions adds to the table, and says up to when it is whole if that is known.
func (s *Store) writeMentions(ctx context.Context, list []mention, whole time.Time) error {
	slices.SortFunc(list, compareMentions)
	list = slices.Compact(list)
	return s.records.Write(ctx, kv.System, func(tx kv.Tx) error {
		for _, m := range list {
			if err := tx.Set(m.key(), nil); err != nil {
				return err
			}
		}
		if whole.IsZero() {
			return nil
		}
		return tx.Set(mentionMark(), binary.BigEndian.AppendUint64(nil, uint64(max(whole.UnixMicro(), 0))))
	})
}

// mentionMark is the key whose value is the time up to which the table is whole.
func mentionMark() key { return table(tableMention) }

// mentionSlack is how much later than its time an event may be kept.
const mentionSlack = time.Hour

// mentionedUntil is the time up to which the table is whole, zero if it never was.
func (s *Store) mentionedUntil(ctx context.Context) (t time.Time, err error) {
	err = s.records.View(ctx, kv.System, func(r kv.Reader) error {
		b, ok, err := r.Get(mentionMark())
		if ok && len(b) == 8 {
			t = time.UnixMicro(int64(binary.BigEndian.Uint64(b))).Add(-mentionSlack)
		}
		return err
	})
	return t, err
}

// mentionBatch is how many mentions are written at once while the table is made whole.
const mentionBatch = 10_000

// fillMentions reads the events since the table was whole.
func (s *Store) fillMentions(ctx context.Context) error {
	from, err := s.mentionedUntil(ctx)
	if err != nil {
		return err
	}
	var list []mention
	err = s.records.Accounts(ctx, func(a kv.Account) error {
		err := s.Events(ctx, AccountID(a), from, time.Time{}, func(e *Event) error {
			list = mentionsOf(list, AccountID(a), e)
			return ctx.Err()
		})
		if err != nil || len(list) < mentionBatch {
			return err
		}
		err = s.writeMentions(ctx, list, time.Time{})
		list = list[:0]
		return err
	})
	if err != nil {
		return err
	}
	return s.writeMentions(ctx, list, time.Time{})
}

// MentionedIn is a part of an account's events.
type MentionedIn struct {
	Account  AccountID
	From, To time.Time // From <= time < To: a day
}

// maxMentionDays bounds how many days are looked at for one Message-ID.
const maxMentionDays = 400

// Mentioned finds where events name a Message-ID, with or without its brackets, in the days from from to to, in order of time. Some parts
// may have no such event. known is false as long as the table does not have all: then every account may have one.
func (s *Store) Mentioned(ctx context.Context, messageID string, from, to time.Time) (in []MentionedIn, known bool, err error) {
	s.mentions.mu.Lock()
	known = s.mentions.whole
	s.mentions.mu.Unlock()
	if !known {
		return nil, false, nil
	}
	s.mentions.keeping.Lock()
	known, err = s.flushMentions(ctx, false)
	s.mentions.keeping.Unlock()
	if err != nil || !known {
		return nil, false, wrap("find mentions", err)
	}
	hash := mentionHash(messageID)
	err = s.view(ctx, "find mentions", AccountID(kv.System), func(r kv.Reader) error {
		first, last, err := mentionDays(r, from, to)
		if err != nil {
			return err
		}
		for day := first; day <= last; day++ {
			prefix := table(tableMention).day(day).number(hash)
			err := scan(r, prefix, prefix.after(), func(k, _ []byte) error {
				m, err := readMention(k)
				in = append(in, MentionedIn{m.account, m.start(), mention{day: day + 1}.start()})
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return in, err == nil, err
}

// noMentions is after every day.
const noMentions = math.MaxUint32

// mentionDays are the days from from to to of which there are mentions; first is noMentions if there are none at all.
func mentionDays(r kv.Reader, from, to time.Time) (first, last uint32, err error) {
	it := r.Iterate(table(tableMention).day(0), table(tableMention).after())
	defer func() { err = errors.Join(err, it.Close()) }()
	if !it.Next() {
		return noMentions, 0, nil
	}
	oldest, err := readMention(it.Key())
	if err != nil {
		return 0, 0, err
	}
	it.SeekLT(table(tableMention).after())
	newest, err := readMention(it.Key())
	if err != nil {
		return 0, 0, err
	}
	first, last = oldest.day, newest.day
	if !from.IsZero() {
		first = max(first, dayOf(from))
	}
	if !to.IsZero() {
		last = min(last, dayOf(to))
	}
	if last > first && last-first > maxMentionDays {
		first = last - maxMentionDays
	}
	return first, last, nil
}

// trimMentions forgets what events from before a day mentioned, but for those that were kept.
func (s *Store) trimMentions(ctx context.Context, before time.Time, kept []mention) error {
	from, to := table(tableMention).day(0), table(tableMention).day(dayOf(before))
	return s.records.Write(ctx, kv.System, func(tx kv.Tx) error {
		if err := tx.DeleteRange(from, to); err != nil {
			return err
		}
		for _, m := range kept {
			if err := tx.Set(m.key(), nil); err != nil {
				return err
			}
		}
		return nil
	})
}

// forgetMentions takes out what the events of an account mention; the account is about to go.
func (s *Store) forgetMentions(ctx context.Context, a AccountID) error {
	s.mentions.forget(a)
	var list []mention
	if err := s.Events(ctx, a, time.Time{}, time.Time{}, func(e *Event) error { list = mentionsOf(list, a, e); return nil }); err != nil {
		return err
	}
	return s.records.Write(ctx, kv.System, func(tx kv.Tx) error {
		for _, m := range list {
			if err := tx.Delete(m.key()); err != nil {
				return err
			}
		}
		return nil
	})
}
