package store

import (
	"context"
	"errors"
	"hash/fnv"
	"math/rand/v2"

	"github.com/postiljon/postiljon/internal/store/kv"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// Order is messages of a mailbox in an order that does not change but by those that
// come: what SORT asks for. Package store does not know what makes it; it keeps orders
// of large mailboxes at a glance, so that the first SORT after a start need not read
// all messages.
type Order struct {
	UIDs []uid.UID  // some may be expunged
	Set  *uid.Index // the same
	// saved are those that are stored, in so many additions to what was stored whole; the last
	// record of them has the mark.
	saved     *uid.Index
	additions int
	mark      uint64
}

// NewOrder returns the order of some messages, of which Insert makes others.
func NewOrder(uids []uid.UID) *Order {
	o := &Order{UIDs: uids, saved: uid.NewIndex(nil)}
	o.Set, _ = setOf(uids, uid.Max)
	return o
}

// Insert returns the order with other messages in it, each before the one that is at a
// place of this order now; places are ascending.
func (o *Order) Insert(uids []uid.UID, places []int) *Order {
	all := make([]uid.UID, 0, len(o.UIDs)+len(uids))
	from := 0
	for i, u := range uids {
		all = append(append(all, o.UIDs[from:places[i]]...), u)
		from = places[i]
	}
	added, _ := setOf(uids, uid.Max)
	return &Order{UIDs: append(all, o.UIDs[from:]...), Set: o.Set.Or(added), saved: o.saved, additions: o.additions, mark: o.mark}
}

// setOf returns a list as a set; ok is false if it has a UID twice, or one that cannot be.
func setOf(list []uid.UID, last uid.UID) (set *uid.Index, ok bool) {
	most := uid.UID(0)
	for _, u := range list {
		most = max(most, u)
	}
	if most > last {
		return nil, false
	}
	ok = true
	words := make([]*uid.ChunkWords, uid.ChunkOf(most)+1)
	for _, u := range list {
		c := &words[uid.ChunkOf(u)]
		if *c == nil {
			*c = new(uid.ChunkWords)
		}
		low := u & (1<<uid.ChunkBits - 1)
		ok = ok && u > 0 && (*c)[low/64]>>(low%64)&1 == 0
		(*c)[low/64] |= 1 << (low % 64)
	}
	var chunks []uid.Chunk
	for number, w := range words {
		if w != nil {
			chunks = append(chunks, uid.ChunkOfWords(uint32(number), w))
		}
	}
	return uid.NewIndex(chunks), ok
}

// What is stored of an order: V mailbox o, a hash of what it is by, a number.
const (
	orderPiece    = 1 << 15 // UIDs in a record of what is stored whole, whose numbers begin at 0
	orderAddition = 1 << 31 // the first number of additions
	maxAdditions  = 16      // then the order is stored whole again
	maxOrders     = 8       // of a mailbox; with one more all others are dropped
	orderForm     = 2
)

// Additions are stored after so many messages, or that share of the order's.
const (
	fewAdded   = 256
	shareAdded = 1024
)

func orderKey(id MailboxID, part byte, by string) key {
	h := fnv.New32a()
	h.Write([]byte(by))
	return preparedKey(id, part).chunk(h.Sum32())
}

// StoredOrder returns what is stored of an order of a mailbox, nil for nothing. by names
// what it is by, and the version of that. Of a mailbox that was deleted nothing is stored.
func (s *Store) StoredOrder(ctx context.Context, a AccountID, id MailboxID, by string) (o *Order, err error) {
	err = s.view(ctx, "read order", a, func(r kv.Reader) error {
		m, err := readMailbox(r, id)
		if err != nil || m.messages < worthPreparing {
			return err
		}
		o, err = storedOrder(r, m, orderKey(id, preparedOrder, by), by)
		return err
	})
	return o, unlessDeleted(err)
}

// storedOrder reads an order; nil if it is not there, or not whole. Without by it is any.
func storedOrder(r kv.Reader, m *mailboxRecord, t key, by string) (*Order, error) {
	o := &Order{}
	total, pieces := uint64(0), uint32(0)
	err := scan(r, t, t.after(), func(k, b []byte) error {
		rec, number := record{b: b}, tail32(k)
		if !rec.hasForm(orderForm, m.uidValidity) {
			return errStepFull
		}
		if is := rec.text(); by != "" && is != by {
			return errStepFull
		}
		switch {
		case number == 0:
			total, o.mark = rec.uint(), rec.uint()
			fallthrough
		case number == pieces:
			pieces++
			last := int64(0)
			for len(rec.b) > 0 && uint64(len(o.UIDs)) < total {
				last += rec.int()
				o.UIDs = append(o.UIDs, uid.UID(last))
			}
		case number == orderAddition+uint32(o.additions) && uint64(len(o.UIDs)) == total:
			o.additions++
			o.mark = rec.uint()
			if !o.addStored(&rec) {
				return errStepFull
			}
			total = uint64(len(o.UIDs))
		default:
			return errStepFull
		}
		return rec.err()
	})
	if errors.Is(err, errStepFull) || errors.Is(err, errDamaged) {
		return nil, nil
	}
	if err != nil || len(o.UIDs) == 0 || uint64(len(o.UIDs)) != total {
		return nil, err
	}
	set, ok := setOf(o.UIDs, m.uidNext-1)
	if !ok {
		return nil, nil
	}
	o.Set, o.saved = set, set
	return o, nil
}

// addStored puts a stored addition into an order: gaps between the messages that were
// added, and their UIDs.
func (o *Order) addStored(rec *record) bool {
	all := make([]uid.UID, 0, len(o.UIDs)+len(rec.b)/2)
	rest, last := o.UIDs, int64(0)
	for len(rec.b) > 0 {
		gap := rec.uint()
		last += rec.int()
		if rec.bad || gap > uint64(len(rest)) {
			return false
		}
		all = append(append(all, rest[:gap]...), uid.UID(last))
		rest = rest[gap:]
	}
	o.UIDs = append(all, rest...)
	return true
}

// SaveOrder stores an order of all messages of a large mailbox, if there is much that is
// not stored. Nobody else may know o yet.
func (s *Store) SaveOrder(ctx context.Context, a AccountID, id MailboxID, validity uint32, by string, o *Order) {
	n := len(o.UIDs)
	added := o.Set.AndNot(o.saved).Len()
	if n < worthPreparing || added < max(fewAdded, n/shareAdded) {
		return
	}
	whole, mark := o.additions == maxAdditions || 4*added > n, rand.Uint64()
	if s.prepared(ctx, a, id, validity, func(tx kv.Tx) error {
		if !whole {
			last, err := o.isLast(tx, id, validity, by)
			if err != nil {
				return err
			}
			whole = !last
		}
		if whole {
			return o.write(tx, id, validity, by, mark)
		}
		return tx.Set(orderKey(id, preparedOrder, by).chunk(orderAddition+uint32(o.additions)), o.encodeAdded(validity, by, mark))
	}) {
		o.mark = mark
		if o.saved = o.Set; whole {
			o.additions = 0
		} else {
			o.additions++
		}
	}
}

// isLast reports whether what o knows to be stored is all that is: another session may have added to
// the same, or it may have been dropped.
func (o *Order) isLast(r kv.Reader, id MailboxID, validity uint32, by string) (bool, error) {
	at := uint32(0)
	if o.additions > 0 {
		at = orderAddition + uint32(o.additions-1)
	}
	b, ok, err := r.Get(orderKey(id, preparedOrder, by).chunk(at))
	if err != nil || !ok {
		return false, err
	}
	rec := record{b: b}
	if !rec.hasForm(orderForm, validity) || rec.text() != by {
		return false, nil
	}
	if at == 0 {
		rec.uint() // how many there are
	}
	if rec.uint() != o.mark || rec.bad {
		return false, nil
	}
	_, more, err := r.Get(orderKey(id, preparedOrder, by).chunk(orderAddition + uint32(o.additions)))
	return !more, err
}

// write stores an order whole.
func (o *Order) write(tx kv.Tx, id MailboxID, validity uint32, by string, mark uint64) error {
	if err := dropOrder(tx, id, preparedOrder, by); err != nil {
		return err
	}
	for from := 0; from < len(o.UIDs); from += orderPiece {
		var r record
		r.putForm(orderForm, validity)
		r.putText(by)
		if from == 0 {
			r.putUint(uint64(len(o.UIDs)))
			r.putUint(mark)
		}
		last := uid.UID(0)
		for _, u := range o.UIDs[from:min(from+orderPiece, len(o.UIDs))] {
			r.putInt(int64(u) - int64(last))
			last = u
		}
		if err := tx.Set(orderKey(id, preparedOrder, by).chunk(uint32(from/orderPiece)), r.b); err != nil {
			return err
		}
	}
	return nil
}

// dropOrder takes away what is stored by a name, and the others of its kind where they are too many.
func dropOrder(tx kv.Tx, id MailboxID, part byte, by string) error {
	t := orderKey(id, part, by)
	if err := tx.DeleteRange(t, t.after()); err != nil {
		return err
	}
	others, err := storedOrders(tx, id, part)
	if err != nil || len(others) < maxOrders {
		return err
	}
	all := key(preparedKey(id, part))
	return tx.DeleteRange(all, all.after())
}

// encodeAdded returns the messages that are not stored.
func (o *Order) encodeAdded(validity uint32, by string, mark uint64) []byte {
	var r record
	r.putForm(orderForm, validity)
	r.putText(by)
	r.putUint(mark)
	gap, last := 0, uid.UID(0)
	for _, u := range o.UIDs {
		if o.saved.Contains(u) {
			gap++
			continue
		}
		r.putUint(uint64(gap))
		r.putInt(int64(u) - int64(last))
		gap, last = 0, u
	}
	return r.b
}

// storedOrders returns where the orders of a mailbox are stored, or its answers.
func storedOrders(r kv.Reader, id MailboxID, part byte) (found []key, err error) {
	t := key(preparedKey(id, part))
	it := r.Iterate(t, t.after())
	for ok := it.Next(); ok; {
		k := it.Key()
		found = append(found, append(key(nil), k[:len(k)-4]...))
		ok = it.SeekGE(found[len(found)-1].after())
	}
	return found, it.Close()
}

// Look calls fn with what reads single messages of a mailbox, as they are at one moment;
// ok is false for one that is not there. What it returns is valid until it is called again.
func (s *Store) Look(ctx context.Context, a AccountID, id MailboxID, fn func(read func(u uid.UID) (m *Message, ok bool, err error)) error) error {
	return s.view(ctx, "read messages", a, func(r kv.Reader) error {
		var m Message
		return fn(func(u uid.UID) (*Message, bool, error) {
			b, ok, err := r.Get(table(tablePlacement).mailbox(id).uid(u))
			if err != nil || !ok {
				return nil, false, err
			}
			if err := m.Placement.decode(u, b); err != nil {
				return nil, false, err
			}
			if b, ok, err = r.Get(table(tableEmail).email(m.Placement.Email)); err != nil || !ok {
				return nil, false, err
			}
			return &m, true, m.Email.decode(m.Placement.Email, b)
		})
	})
}
