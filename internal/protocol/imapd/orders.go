package imapd

import (
	"fmt"
	"slices"
	"sync"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// orders keeps what SORT and THREAD made of mailboxes. What they look at of a message never
// changes: an order is good for any of its messages, also after others came, which are put between
// them; threads are good for the same messages.
type orders struct {
	mu   sync.Mutex
	of   map[orderKey]*ordering
	size int
}

// orderKey is a mailbox and the criteria.
type orderKey struct {
	account  store.AccountID
	mailbox  store.MailboxID
	validity uint32
	criteria string
}

// ordering is messages in their order, or as a forest.
type ordering struct {
	uids   *uid.Index
	rows   []sortRow
	forest *forest
	roots  []int32
}

// Bounds of what is kept, in octets: of all, and of one order.
const (
	maxOrders = 48 << 20
	maxOrder  = maxOrders / 2
)

func (o *orders) get(k orderKey) *ordering {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.of[k]
}

func (o *orders) put(k orderKey, v *ordering) {
	size := v.footprint()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.drop(k)
	if size > maxOrder {
		return
	}
	for other := range o.of {
		if o.size+size <= maxOrders {
			break
		}
		o.drop(other)
	}
	if o.of == nil {
		o.of = map[orderKey]*ordering{}
	}
	o.of[k] = v
	o.size += size
}

func (o *orders) drop(k orderKey) {
	if old := o.of[k]; old != nil {
		o.size -= old.footprint()
		delete(o.of, k)
	}
}

func (v *ordering) footprint() int {
	n := 256 + v.uids.Footprint() + 48*len(v.rows) + 4*len(v.roots)
	for i := range v.rows {
		n += len(v.rows[i].key)
	}
	if v.forest != nil {
		n += 64 * len(v.forest.nodes)
	}
	return n
}

// orderKey names an order of the mailbox that is searched.
func (q *query) orderKey(criteria ...any) orderKey {
	return orderKey{q.sel.account, q.sel.id, q.sel.view.Mailbox.UIDValidity, fmt.Sprint(criteria...)}
}

// isMost reports whether so many messages are half of the mailbox: then their order is kept.
func (q *query) isMost(n int) bool { return 2*n >= q.sel.view.UIDs.Len() }

// sort brings messages into an order. Messages that are gone meanwhile are left out. The rows may
// be others' too.
func (q *query) sort(hits uid.Set, by []sortKey) ([]sortRow, error) {
	if !q.isMost(hits.Len()) {
		return q.read(hits, by)
	}
	in := q.sel.view.UIDs.Within(hits)
	key := q.orderKey(by)
	kept := q.s.server.orders.get(key)
	if kept == nil || kept.uids.AndNot(in).Len() > in.Len() { // most of it is of no use any more
		kept = &ordering{uids: uid.NewIndex(nil)}
	}
	if more := in.AndNot(kept.uids); more.Len() > 0 {
		rows, err := q.read(more.Set(), by)
		if err != nil {
			return nil, err
		}
		kept = &ordering{uids: kept.uids.Or(more.Within(uidsOf(rows))), rows: mergeRows(kept.rows, rows)}
		q.s.server.orders.put(key, kept)
	}
	if kept.uids.AndNot(in).Len() == 0 {
		return kept.rows, nil
	}
	rows := make([]sortRow, 0, in.Len())
	for _, r := range kept.rows {
		if in.Contains(r.uid) {
			rows = append(rows, r)
		}
	}
	return rows, nil
}

func uidsOf(rows []sortRow) uid.Set {
	uids := make([]uid.UID, len(rows))
	for i := range rows {
		uids[i] = rows[i].uid
	}
	return uid.Of(uids...)
}

// mergeRows puts two lists in order together.
func mergeRows(a, b []sortRow) []sortRow {
	if len(a) == 0 {
		return b
	}
	rows := make([]sortRow, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if a[0].compare(&b[0]) < 0 {
			rows, a = append(rows, a[0]), a[1:]
		} else {
			rows, b = append(rows, b[0]), b[1:]
		}
	}
	return append(append(rows, a...), b...)
}

// threads threads messages. It returns the heads of the threads in their order.
func (q *query) threads(hits uid.Set, references bool) (*forest, []int32, error) {
	in := q.sel.view.UIDs.Within(hits)
	key := q.orderKey("threads", references)
	if kept := q.s.server.orders.get(key); kept != nil && slices.Equal(kept.uids.Set(), in.Set()) {
		return kept.forest, kept.roots, nil
	}
	f := newForest(hits.Len())
	roots, err := q.grow(f, hits, references)
	if err != nil {
		return nil, nil, err
	}
	if f.ids = nil; q.isMost(hits.Len()) {
		q.s.server.orders.put(key, &ordering{uids: in, forest: f, roots: roots})
	}
	return f, roots, nil
}
