package store

import (
	"context"
	"errors"
	"math/bits"
	"slices"

	"github.com/postiljon/postiljon/internal/store/kv"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// FlagSets tells of each flag which messages of a mailbox have it, at one
// moment: immutable, and shared by all that look at the same state.
type FlagSets struct {
	// UIDs are all messages of the mailbox.
	UIDs        *uid.Index
	uidValidity uint32
	modSeq      ModSeq
	// sets are ascending by flag; a flag that is not there no message has. They
	// may have UIDs that are expunged.
	sets []flagSet
	// unsaved is how many changes are not in what is stored.
	unsaved int
}

type flagSet struct {
	bit  int
	uids *uid.Index
}

// With returns the messages that have all of the given flags.
func (f *FlagSets) With(flags Flags) *uid.Index { return f.Among(f.UIDs, flags) }

// Among returns which of some messages, all of them in UIDs, have all of the
// given flags.
func (f *FlagSets) Among(some *uid.Index, flags Flags) *uid.Index {
	flags.each(func(bit int) { some = some.And(f.of(bit)) })
	return some
}

// Each calls fn for the messages of a set in ascending order, with their flags.
func (f *FlagSets) Each(set uid.Set, fn func(u uid.UID, flags Flags) error) error {
	chunks := make([]uid.Chunk, len(f.sets))
	for _, c := range f.UIDs.Within(set).Chunks() {
		for i := range f.sets {
			chunks[i] = f.sets[i].uids.Chunk(c.Number())
		}
		for u := range c.Set().All() {
			var flags Flags
			for i := range chunks {
				if chunks[i].Contains(u) {
					bit := f.sets[i].bit
					flags[bit/64] |= 1 << (bit % 64)
				}
			}
			if err := fn(u, flags); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *FlagSets) of(bit int) *uid.Index {
	if i, ok := f.find(bit); ok {
		return f.sets[i].uids
	}
	return uid.NewIndex(nil)
}

func (f *FlagSets) find(bit int) (int, bool) {
	return slices.BinarySearchFunc(f.sets, bit, func(s flagSet, bit int) int { return s.bit - bit })
}

// each calls fn with the number of each flag.
func (f Flags) each(fn func(bit int)) {
	for w, word := range f {
		for ; word != 0; word &= word - 1 {
			fn(w*64 + bits.TrailingZeros64(word))
		}
	}
}

// FlagSets returns the flags of a mailbox as they are now. They derive from the
// placements: the first call for a mailbox reads all of them, or what was stored of
// a large one, later calls what changed since, and the mailbox's counters tell
// whether that is the same.
func (s *Store) FlagSets(ctx context.Context, a AccountID, id MailboxID) (f *FlagSets, err error) {
	at := viewKey{a, id}
	cached, _ := s.flags.get(at).(*FlagSets)
	err = s.view(ctx, "read flags", a, func(r kv.Reader) error {
		m, err := readMailbox(r, id)
		if err != nil {
			return err
		}
		if cached != nil && cached.modSeq == m.highestModSeq && cached.uidValidity == m.uidValidity {
			f = cached
			return nil
		}
		uids, err := s.currentIndex(r, at, m)
		if err != nil {
			return err
		}
		before := cached
		if before == nil {
			if before, err = storedFlagSets(r, m); err != nil {
				return err
			}
		}
		if f, err = before.next(ctx, r, m, uids); err == nil && f == nil {
			f, err = readFlagSets(ctx, r, m, uids)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if f != cached {
		s.saveFlagSets(ctx, at, f)
		s.flags.put(at, f)
	}
	return f, nil
}

// Flags are stored again after so many changes, or after that share of the
// messages, a fraction, if it is more: that many are read one by one after a start.
const (
	fewUnsaved   = 256
	shareUnsaved = 128
)

// saveFlagSets stores the flags of a large mailbox if much has changed. Nobody
// else knows f yet.
func (s *Store) saveFlagSets(ctx context.Context, at viewKey, f *FlagSets) {
	if f.UIDs.Len() < worthPreparing || f.unsaved < max(fewUnsaved, f.UIDs.Len()/shareUnsaved) {
		return
	}
	if s.prepared(ctx, at.account, at.mailbox, f.uidValidity, func(tx kv.Tx) error {
		return tx.Set(preparedKey(at.mailbox, preparedFlags), f.encode())
	}) {
		f.unsaved = 0
	}
}

func (f *FlagSets) encode() []byte {
	var r record
	r.putForm(preparedForm, f.uidValidity)
	r.putUint(uint64(f.modSeq))
	r.putUint(uint64(len(f.sets)))
	var b []byte
	for _, s := range f.sets {
		r.putUint(uint64(s.bit))
		chunks := s.uids.Chunks()
		r.putUint(uint64(len(chunks)))
		for _, c := range chunks {
			b = c.AppendBinary(b[:0])
			r.putUint(uint64(c.Number()))
			r.putText(string(b))
		}
	}
	return r.b
}

// storedFlagSets returns the flags of a mailbox as they were stored, without its
// UIDs; nil if there are none that can be read.
func storedFlagSets(r kv.Reader, m *mailboxRecord) (*FlagSets, error) {
	b, ok, err := r.Get(preparedKey(m.id, preparedFlags))
	if err != nil || !ok {
		return nil, err
	}
	rec := record{b: b}
	if !rec.hasForm(preparedForm, m.uidValidity) {
		return nil, nil
	}
	f := &FlagSets{uidValidity: m.uidValidity, modSeq: ModSeq(rec.uint())}
	for n := rec.uint(); n > 0 && !rec.bad; n-- {
		bit := int(rec.uint())
		if bit < 0 || bit >= 64*len(Flags{}) {
			return nil, nil
		}
		var chunks []uid.Chunk
		for k := rec.uint(); k > 0 && !rec.bad; k-- {
			number := uint32(rec.uint())
			c, err := uid.ParseChunk(number, rec.octets())
			if err != nil || len(chunks) > 0 && number <= chunks[len(chunks)-1].Number() {
				return nil, nil
			}
			chunks = append(chunks, c)
		}
		f.sets = append(f.sets, flagSet{bit, uid.NewIndex(chunks)})
	}
	ordered := slices.IsSortedFunc(f.sets, func(a, b flagSet) int { return a.bit - b.bit })
	if rec.bad || !ordered || f.modSeq > m.highestModSeq {
		return nil, nil
	}
	return f, nil
}

// readFlagSets goes through all placements.
func readFlagSets(ctx context.Context, r kv.Reader, m *mailboxRecord, uids *uid.Index) (*FlagSets, error) {
	builders := map[int]*uid.Builder{}
	err := eachPlacement(ctx, r, m.id, uid.All(), func(p *Placement) error {
		p.Flags.each(func(bit int) {
			b := builders[bit]
			if b == nil {
				b = &uid.Builder{}
				builders[bit] = b
			}
			b.Add(p.UID)
		})
		return nil
	})
	f := &FlagSets{UIDs: uids, uidValidity: m.uidValidity, modSeq: m.highestModSeq, unsaved: uids.Len()}
	for bit, b := range builders {
		f.sets = append(f.sets, flagSet{bit, b.Index()})
	}
	slices.SortFunc(f.sets, func(a, b flagSet) int { return a.bit - b.bit })
	return f, err
}

// manyChanges is up to which share of a mailbox's messages, a fraction, changes
// are read one by one; of more the whole mailbox is read, which lies in order.
const manyChanges = 8

// next returns the flags after the changes since, nil if it is better to read
// all.
func (f *FlagSets) next(ctx context.Context, r kv.Reader, m *mailboxRecord, uids *uid.Index) (*FlagSets, error) {
	if f == nil || f.uidValidity != m.uidValidity {
		return nil, nil
	}
	changed, err := changedUIDs(r, m.id, f.modSeq, max(64, int(m.messages)/manyChanges))
	if errors.Is(err, errStepFull) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	on, off := map[int]uid.Set{}, map[int]uid.Set{}
	err = eachPlacement(ctx, r, m.id, changed, func(p *Placement) error {
		for _, s := range f.sets {
			if !p.Flags.Has(flagBit(s.bit)) && s.uids.Contains(p.UID) {
				off[s.bit] = off[s.bit].Add(p.UID)
			}
		}
		p.Flags.each(func(bit int) { on[bit] = on[bit].Add(p.UID) })
		return nil
	})
	if err != nil {
		return nil, err
	}
	n := &FlagSets{UIDs: uids, uidValidity: m.uidValidity, modSeq: m.highestModSeq, sets: slices.Clone(f.sets), unsaved: f.unsaved + changed.Len()}
	for bit, set := range on {
		n.change(bit, func(x *uid.Index) *uid.Index { return x.Add(set) })
	}
	for bit, set := range off {
		n.change(bit, func(x *uid.Index) *uid.Index { return x.Remove(set) })
	}
	if !n.agrees(m) {
		return nil, nil
	}
	return n, nil
}

func (f *FlagSets) change(bit int, op func(*uid.Index) *uid.Index) {
	i, ok := f.find(bit)
	if !ok {
		f.sets = slices.Insert(f.sets, i, flagSet{bit, uid.NewIndex(nil)})
	}
	f.sets[i].uids = op(f.sets[i].uids)
}

// flagsOf returns the flags of one message.
func (f *FlagSets) flagsOf(u uid.UID) (flags Flags) {
	for _, s := range f.sets {
		if s.uids.Contains(u) {
			flags = flags.With(flagBit(s.bit))
		}
	}
	return flags
}

// agrees holds the sets against the mailbox's counters.
func (f *FlagSets) agrees(m *mailboxRecord) bool {
	return int64(f.UIDs.Len()) == m.messages && int64(f.With(FlagSeen).Len()) == m.messages-m.unseen &&
		int64(f.With(FlagDeleted).Len()) == m.deleted
}

// footprint is about how many octets of memory the sets take.
func (f *FlagSets) footprint() int {
	n := 96
	for _, s := range f.sets {
		n += 16 + s.uids.Footprint()
	}
	return n
}

func (f *FlagSets) newerThan(old keepable) bool {
	other, ok := old.(*FlagSets)
	return !ok || f.modSeq >= other.modSeq || f.uidValidity != other.uidValidity
}

// changedUIDs returns which messages of a mailbox changed after since;
// errStepFull if there are more than most.
func changedUIDs(r kv.Reader, id MailboxID, since ModSeq, most int) (uid.Set, error) {
	t := table(tableChange).mailbox(id)
	var uids []uid.UID
	err := scan(r, append(key(nil), t...).modSeq(since+1), t.after(), func(k, _ []byte) error {
		if len(uids) == most {
			return errStepFull
		}
		uids = append(uids, uid.UID(tail32(k)))
		return nil
	})
	return uid.Of(uids...), err
}
