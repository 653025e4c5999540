package imapd

import (
	"fmt"
	"math/bits"
	"slices"
	"sync"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// orders keeps what SORT and THREAD made of mailboxes. What they look at of a message never
// changes: an order is good for any of its messages, also after others came, which are put between
// them; threads are good for the same messages. Orders of large mailboxes are stored as well
// (store.Order).
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
	order  *store.Order
	uids   *uid.Index // of the forest
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
	if v.order != nil {
		return 256 + 2*v.order.Set.Footprint() + 4*len(v.order.UIDs)
	}
	return 256 + v.uids.Footprint() + 4*len(v.roots) + 64*len(v.forest.nodes)
}

// orderKey names an order of the mailbox that is searched.
func (q *query) orderKey(criteria ...any) orderKey {
	return orderKey{q.sel.account, q.sel.id, q.sel.view.Mailbox.UIDValidity, fmt.Sprint(criteria...)}
}

// isMost reports whether so many messages are half of the mailbox: then their order is kept.
func (q *query) isMost(n int) bool { return 2*n >= q.sel.view.UIDs.Len() }

// sort brings messages into an order. Messages that are gone meanwhile are left out. The list may
// be others' too.
func (q *query) sort(hits uid.Set, by []sortKey) ([]uid.UID, error) {
	if !q.isMost(hits.Len()) {
		rows, err := q.read(hits, by)
		return uidsOf(rows), err
	}
	in := q.sel.view.UIDs.Within(hits)
	o, err := q.ordered(in, by)
	if err != nil {
		return nil, err
	}
	if o.Set.AndNot(in).Len() == 0 {
		return o.UIDs, nil
	}
	uids := make([]uid.UID, 0, in.Len())
	for _, u := range o.UIDs {
		if in.Contains(u) {
			uids = append(uids, u)
		}
	}
	return uids, nil
}

// sortVersion changes with what criteria make of messages.
const sortVersion = 1

// ordered returns an order that has some messages and perhaps others. It is made of one that is kept
// or stored, where most of that is of use.
func (q *query) ordered(in *uid.Index, by []sortKey) (o *store.Order, err error) {
	key := q.orderKey("order ", sortVersion, unicode.Version, norm.Version, by)
	known := false
	if kept := q.s.server.orders.get(key); kept != nil {
		o, known = kept.order, true
	} else if o, err = q.s.store.StoredOrder(q.s.ctx, q.sel.account, q.sel.id, key.criteria); err != nil {
		return nil, err
	}
	if o == nil || o.Set.AndNot(in).Len() > in.Len() {
		o = store.NewOrder(nil)
	}
	more := in.AndNot(o.Set)
	if more.Len() == 0 && known {
		return o, nil
	}
	if more.Len() > 0 {
		if o, err = q.extend(o, more, by); err != nil {
			return nil, err
		}
		q.s.store.SaveOrder(q.s.ctx, q.sel.account, q.sel.id, key.validity, key.criteria, o)
	}
	q.s.server.orders.put(key, &ordering{order: o})
	return o, nil
}

// probeCost is how many messages are read in a row in the time that it takes to find and read one.
const probeCost = 3

// extend puts messages into an order that does not have them. Few are put between messages that are looked
// at; with many, all are read.
func (q *query) extend(o *store.Order, more *uid.Index, by []sortKey) (*store.Order, error) {
	n, k := len(o.UIDs), more.Len()
	if n > 0 && k*bits.Len(uint(n/k+1))*probeCost > n {
		o, more = store.NewOrder(nil), o.Set.And(q.sel.view.UIDs).Or(more)
	}
	rows, err := q.read(more.Set(), by)
	if err != nil {
		return nil, err
	}
	places := make([]int, len(rows))
	err = q.s.store.Look(q.s.ctx, q.sel.account, q.sel.id, func(read func(uid.UID) (*store.Message, bool, error)) error {
		p := prober{q: q, uids: o.UIDs, by: by, read: read, known: map[uid.UID]*sortRow{}}
		from := 0
		for i := range rows {
			if from, err = p.place(&rows[i], from); err != nil {
				return err
			}
			places[i] = from
		}
		return nil
	})
	return o.Insert(uidsOf(rows), places), err
}

// prober finds where messages belong in an order, from few of its messages.
type prober struct {
	q     *query
	uids  []uid.UID
	by    []sortKey
	read  func(uid.UID) (*store.Message, bool, error)
	known map[uid.UID]*sortRow // nil for one that is gone
}

// place returns before which of the messages from a place on a row belongs. Mail that comes mostly belongs
// to the end.
func (p *prober) place(row *sortRow, from int) (int, error) {
	for end, at := len(p.uids), len(p.uids)-1; from < end; at = (from + end) / 2 {
		live := at // the next that is there
		var other *sortRow
		for ; live < end && other == nil; live++ {
			var err error
			if other, err = p.row(p.uids[live]); err != nil {
				return 0, err
			}
		}
		if other != nil && other.compare(row) < 0 {
			from = live
		} else {
			end = at
		}
	}
	return from, p.q.s.ctx.Err()
}

// row returns the row of a message, nil if that is gone. The view may lie behind what others sorted: what is
// not in it has its place, too.
func (p *prober) row(u uid.UID) (*sortRow, error) {
	row, ok := p.known[u]
	if ok {
		return row, nil
	}
	m, ok, err := p.read(u)
	if err != nil {
		return nil, err
	}
	if ok {
		found := newSortRow(u, appendSortKeys(nil, m, p.by))
		row = &found
	}
	p.known[u] = row
	return row, nil
}

func uidsOf(rows []sortRow) []uid.UID {
	uids := make([]uid.UID, len(rows))
	for i := range rows {
		uids[i] = rows[i].uid
	}
	return uids
}

// threadVersion changes with what comes of threading.
const threadVersion = 1

// threads threads messages. It returns the heads of the threads in their order.
func (q *query) threads(hits uid.Set, references bool) (*forest, []int32, error) {
	in := q.sel.view.UIDs.Within(hits)
	key := q.orderKey("threads ", threadVersion, unicode.Version, norm.Version, references)
	kept, err := q.keptThreads(key, in)
	if err != nil {
		return nil, nil, err
	}
	if kept != nil {
		return kept.forest, kept.roots, nil
	}
	f := newForest(hits.Len())
	roots, err := q.grow(f, hits, references)
	if err != nil {
		return nil, nil, err
	}
	f.ids = nil
	if q.isMost(hits.Len()) {
		q.s.server.orders.put(key, &ordering{uids: in, forest: f, roots: roots})
	}
	if in.Len() == q.sel.view.UIDs.Len() {
		q.s.store.SaveAnswer(q.s.ctx, q.sel.account, q.sel.id, key.validity, in.Len(), key.criteria, f.encode(roots))
	}
	return f, roots, nil
}

// keptThreads returns the threads of the same messages, if they are kept in memory, or stored and not kept;
// nil otherwise.
func (q *query) keptThreads(key orderKey, in *uid.Index) (*ordering, error) {
	kept := q.s.server.orders.get(key)
	if kept == nil && in.Len() == q.sel.view.UIDs.Len() {
		stored, err := q.s.store.StoredAnswer(q.s.ctx, q.sel.account, q.sel.id, key.criteria)
		if err != nil {
			return nil, err
		}
		if kept = decodeThreads(stored); kept != nil {
			q.s.server.orders.put(key, kept)
		}
	}
	if kept == nil || !slices.Equal(kept.uids.Set(), in.Set()) {
		return nil, nil
	}
	return kept, nil
}
