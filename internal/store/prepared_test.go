package store_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/kv"
	"github.com/postiljon/postiljon/internal/store/storetest"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// largeMailbox is an INBOX of more than one chunk, with all sorts of flags and dates.
type largeMailbox struct {
	t       *testing.T
	s       *store.Store
	records kv.DB
	a       store.AccountID
	rng     *rand.Rand
	n       int
	again   func() *store.Store
}

func newLargeMailbox(t *testing.T) *largeMailbox {
	s, records := storetest.OpenWithRecords(t, storetest.Dir(t))
	l := &largeMailbox{t: t, s: s, records: records, rng: rand.New(rand.NewPCG(1, 2)), a: storetest.Account(t, s, "anna@demo.test").ID}
	l.again = func() *store.Store {
		return must[*store.Store](t)(store.Open(t.Context(), store.Options{Records: records, Blobs: s.Blobs()}))
	}
	l.append(4500)
	return l
}

func (l *largeMailbox) append(n int) {
	l.t.Helper()
	dated := storetest.Email(l.t, l.s, "Subject: x\r\nDate: Mon, 2 Nov 2026 10:00:00 +0100\r\n\r\n")
	undated := storetest.Email(l.t, l.s, "Subject: y\r\n\r\n")
	flags := []store.Flags{{}, store.FlagSeen, store.FlagFlagged, store.FlagSeen.With(store.FlagDeleted)}
	for ; n > 0; n -= 500 {
		var list []store.NewEmail
		for range min(n, 500) {
			e := dated
			if l.rng.IntN(9) == 0 {
				e = undated
			}
			l.n++
			e.Flags, e.Received = flags[l.rng.IntN(len(flags))], time.Unix(int64(1_700_000_000+l.n*60), 0)
			if l.rng.IntN(50) == 0 {
				e.Received, e.Keywords = time.Unix(int64(l.rng.IntN(2_000_000_000)), 0), []string{"work"}
			}
			list = append(list, e)
		}
		must[store.Appended](l.t)(l.s.Append(l.t.Context(), l.a, store.InboxID, list))
	}
}

// compare holds what a store tells of flags and dates against the messages.
func (l *largeMailbox) compare(when string, s *store.Store) {
	l.t.Helper()
	ctx := l.t.Context()
	view := must[*store.View](l.t)(s.View(ctx, l.a, store.InboxID))
	flags := must[*store.FlagSets](l.t)(s.FlagSets(ctx, l.a, store.InboxID))
	dates := must[*store.Dates](l.t)(s.Dates(ctx, l.a, store.InboxID))
	of := map[uid.UID]store.MessageDates{}
	if err := s.Messages(ctx, l.a, store.InboxID, uid.All(), func(m *store.Message) error {
		of[m.UID] = store.DatesOf(&m.Email)
		return nil
	}); err != nil {
		l.t.Fatal(err)
	}
	l.comparePlaces(when, s, view.UIDs)
	const middle = 1_700_000_000 + 2500*60
	for _, w := range []store.DateWindow{{From: middle, Until: math.MaxInt64}, {From: math.MinInt64, Until: middle}, {From: middle, Until: middle + 86400},
		{Sent: true, From: middle, Until: math.MaxInt64}, {Sent: true, From: math.MinInt64, Until: math.MaxInt64}} {
		have, want := dates.Select(view.UIDs, w), 0
		for u, d := range of {
			if w.Has(d) {
				want++
			}
			if have.Contains(u) != w.Has(d) {
				l.t.Fatalf("%s: %+v has UID %d: %t", when, w, u, have.Contains(u))
			}
		}
		if have.Len() != want {
			l.t.Errorf("%s: %+v has %d messages, want %d", when, w, have.Len(), want)
		}
	}
	have := map[uid.UID]store.Flags{}
	if err := flags.Each(uid.All(), func(u uid.UID, f store.Flags) error { have[u] = f; return nil }); err != nil {
		l.t.Fatal(err)
	}
	if err := s.Placements(ctx, l.a, store.InboxID, uid.All(), func(p *store.Placement) error {
		if f, ok := have[p.UID]; !ok || f != p.Flags {
			return fmt.Errorf("UID %d has %v, want %v", p.UID, f, p.Flags)
		}
		delete(have, p.UID)
		return nil
	}); err != nil || len(have) > 0 {
		l.t.Errorf("%s: %v; %d too many", when, err, len(have))
	}
}

// comparePlaces asks for sets of emails that the bits of a hash make.
func (l *largeMailbox) comparePlaces(when string, s *store.Store, all *uid.Index) {
	l.t.Helper()
	places := must[*store.Places](l.t)(s.Places(l.t.Context(), l.a, store.InboxID))
	for _, seed := range []uint64{0, 0x9e3779b97f4a7c15, 0xc2b2ae3d27d4eb4f} {
		has := func(e store.EmailID) bool { return seed == 0 || uint64(e)*seed>>63 == 1 }
		have := places.Select(all, func(first store.EmailID) (set uint64) {
			for i := range store.EmailID(64) {
				if has(first + i) {
					set |= 1 << i
				}
			}
			return set
		})
		want := uid.Set{}
		if err := s.Placements(l.t.Context(), l.a, store.InboxID, uid.All(), func(p *store.Placement) error {
			if has(p.Email) {
				want = want.Add(p.UID)
			}
			return nil
		}); err != nil || have.Set().String() != want.String() {
			l.t.Errorf("%s: emails of set %x: %v", when, seed, err)
		}
	}
}

// mix gives some messages new UIDs, so that they do not lie in the order of their arrival any more.
func (l *largeMailbox) mix() {
	l.t.Helper()
	for range 20 {
		first := uid.UID(1 + l.rng.IntN(4000))
		c := must[store.Copied](l.t)(l.s.Move(l.t.Context(), l.a, store.InboxID, uid.Set{{First: first, Last: first + uid.UID(l.rng.IntN(3))}}, store.InboxID))
		l.n += len(c.To)
	}
}

// prepared returns what is stored at a glance.
func (l *largeMailbox) prepared() (keys []string) {
	l.t.Helper()
	if err := l.records.View(l.t.Context(), kv.Account(l.a), func(r kv.Reader) error {
		it := r.Iterate([]byte{'V'}, []byte{'W'})
		for it.Next() {
			keys = append(keys, string(it.Key()))
		}
		return it.Close()
	}); err != nil {
		l.t.Fatal(err)
	}
	return keys
}

// change alters the records at a glance whose key ends so.
func (l *largeMailbox) change(end string, alter func(v []byte) []byte) {
	l.t.Helper()
	if err := l.records.Update(l.t.Context(), kv.Account(l.a), func(tx kv.Tx) error {
		for _, k := range l.prepared() {
			if !strings.HasSuffix(k, end) {
				continue
			}
			v, _, err := tx.Get([]byte(k))
			if err != nil {
				return err
			}
			if err := tx.Set([]byte(k), alter(slices.Clone(v))); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		l.t.Fatal(err)
	}
}

// TestPrepared starts again and again with what was stored of a mailbox's flags and dates: up to date,
// behind, damaged, or dropped.
func TestPrepared(t *testing.T) {
	l := newLargeMailbox(t)
	ctx := t.Context()
	if keys := l.prepared(); len(keys) != 0 {
		t.Fatalf("%q before anybody asked", keys)
	}
	if err := l.s.Prepare(ctx, l.a); err != nil {
		t.Fatal(err)
	}
	if keys := l.prepared(); len(keys) != 3 { // flags, and dates and emails of one whole chunk
		t.Fatalf("%q", keys)
	}
	l.compare("carried on", l.s)
	l.compare("started again", l.again())

	must[store.Stored](t)(l.s.StoreFlags(ctx, l.a, store.InboxID, uid.Set{{First: 100, Last: 140}}, store.FlagChange{Op: store.FlagsReplace, System: store.FlagFlagged}, nil))
	if _, _, err := l.s.Expunge(ctx, l.a, store.InboxID, uid.Set{{First: 4000, Last: 4200}}, false); err != nil {
		t.Fatal(err)
	}
	l.append(50)
	l.mix()
	l.compare("behind", l.again())
	must[store.Stored](t)(l.s.StoreFlags(ctx, l.a, store.InboxID, uid.Set{{First: 1, Last: 1500}}, store.FlagChange{Op: store.FlagsAdd, System: store.FlagSeen}, nil))
	if !testing.Short() { // until another chunk is whole
		l.append(4000)
	}
	l.compare("far behind", l.again())
	if keys := l.prepared(); len(keys) != 1+2*(l.n>>uid.ChunkBits) {
		t.Fatalf("%q", keys)
	}
	verify(t, l.s, ctx)
	for _, damage := range []func(v []byte) []byte{
		func(v []byte) []byte { return nil },
		func(v []byte) []byte { return v[:len(v)/2] },
		func(v []byte) []byte { v[0]++; return v }, // another form
	} {
		l.change("", damage)
		l.compare("damaged", l.again())
		if err := l.again().Prepare(ctx, l.a); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.s.DropPostings(ctx, l.a); err != nil {
		t.Fatal(err)
	}
	if keys := l.prepared(); len(keys) != 0 {
		t.Fatalf("%q were not dropped", keys)
	}
	l.compare("dropped", l.s)
}

// TestPreparedIsUsedAndVerified changes what is stored so that it can still be read: then searches tell it,
// so that they do read it, and Verify finds it.
func TestPreparedIsUsedAndVerified(t *testing.T) {
	l := newLargeMailbox(t)
	ctx := t.Context()
	if err := l.s.Prepare(ctx, l.a); err != nil {
		t.Fatal(err)
	}
	flagged := must[*store.FlagSets](t)(l.s.FlagSets(ctx, l.a, store.InboxID)).With(store.FlagFlagged).Len()
	l.change("f", func(v []byte) []byte { v[len(v)-40] ^= 1; return v }) // in the bitmap of the last flag
	dates := must[*store.Dates](t)(l.s.Dates(ctx, l.a, store.InboxID))
	all := must[*store.View](t)(l.s.View(ctx, l.a, store.InboxID)).UIDs
	early := store.DateWindow{From: math.MinInt64, Until: 1_600_000_000}
	before := dates.Select(all, early).Len()
	l.change("d\x00\x00\x00\x00", func(v []byte) []byte { // the first message's INTERNALDATE becomes 1970
		from := 0
		for range 4 { // the form, UIDVALIDITY, the first UID, how many
			_, n := binary.Uvarint(v[from:])
			from += n
		}
		_, n := binary.Varint(v[from:])
		return slices.Concat(v[:from], []byte{0}, v[from+n:])
	})
	l.change("e\x00\x00\x00\x00", func(v []byte) []byte { v[len(v)-1] ^= 2; return v }) // the first message is another email

	s := l.again()
	sets := must[*store.FlagSets](t)(s.FlagSets(ctx, l.a, store.InboxID))
	k := must[*store.Keywords](t)(s.Keywords(ctx, l.a))
	work, _ := k.Lookup("work")
	have := must[*store.FlagSets](t)(l.s.FlagSets(ctx, l.a, store.InboxID)).With(work).Len()
	if sets.With(store.FlagFlagged).Len() == flagged && sets.With(work).Len() == have {
		t.Error("the flags that are stored are not used")
	}
	if must[*store.Dates](t)(s.Dates(ctx, l.a, store.InboxID)).Select(all, early).Len() == before {
		t.Error("the dates that are stored are not used")
	}
	first := func(e store.EmailID) uint64 { return uint64(1) >> (e - 1) }
	if must[*store.Places](t)(s.Places(ctx, l.a, store.InboxID)).Select(all, first).Contains(1) {
		t.Error("the emails that are stored are not used")
	}
	r, err := l.s.Verify(ctx, store.VerifyOptions{})
	if err != nil || r.Found != 1 || !strings.Contains(r.Problems[0].Text, "at a glance") {
		t.Errorf("verify found %v, %v", r.Problems, err)
	}
}

// TestPreparedGoes holds that nothing stays at a glance of a mailbox that is deleted.
func TestPreparedGoes(t *testing.T) {
	l := newLargeMailbox(t)
	ctx := t.Context()
	box := must[store.Mailbox](t)(l.s.CreateMailbox(ctx, l.a, "Large", store.RoleNone))
	must[store.Copied](t)(l.s.Move(ctx, l.a, store.InboxID, uid.All(), box.ID))
	if err := l.s.Prepare(ctx, l.a); err != nil {
		t.Fatal(err)
	}
	if keys := l.prepared(); len(keys) != 3 {
		t.Fatalf("%q", keys)
	}
	if err := l.s.DeleteMailbox(ctx, l.a, "Large"); err != nil {
		t.Fatal(err)
	}
	if keys := l.prepared(); len(keys) != 0 {
		t.Fatalf("%q are left", keys)
	}
}

// dropping is a context in which what is prepared of a mailbox is dropped while its messages are read.
type dropping struct {
	context.Context
	once sync.Once
	drop func()
}

func (d *dropping) Err() error {
	d.once.Do(d.drop)
	return d.Context.Err()
}

// TestPreparedDropped drops what is stored while somebody carries on what is in memory: what is stored later is whole.
func TestPreparedDropped(t *testing.T) {
	l := newLargeMailbox(t)
	read := func(ctx context.Context) {
		t.Helper()
		if _, err := l.s.Places(ctx, l.a, store.InboxID); err != nil {
			t.Fatal(err)
		}
		if _, err := l.s.Dates(ctx, l.a, store.InboxID); err != nil {
			t.Fatal(err)
		}
	}
	drop := func() {
		if err := l.s.DropPostings(t.Context(), l.a); err != nil {
			t.Error(err)
		}
	}
	for _, part := range []func(context.Context) error{
		func(ctx context.Context) error { _, err := l.s.Places(ctx, l.a, store.InboxID); return err },
		func(ctx context.Context) error { _, err := l.s.Dates(ctx, l.a, store.InboxID); return err },
	} {
		read(t.Context())
		l.append(1100)
		if err := part(&dropping{Context: t.Context(), drop: drop}); err != nil {
			t.Fatal(err)
		}
		l.append(4000)
		read(t.Context())
		l.compare("after a drop", l.again())
		verify(t, l.s, t.Context())
	}
}
