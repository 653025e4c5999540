package jmapd

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/ordered"
)

// queries are the results of the latest queries of an account. Each is carried on by what changed since it was looked at
// last, so that a page of a list, wherever in it, costs no more than the page.
type queries struct {
	mu   sync.Mutex
	of   map[string]*result
	used uint64
}

// Bounds of what is kept of an account.
const (
	maxResults    = 24
	maxResultSize = 32 << 20 // octets, about
)

// result is what a query found.
type result struct {
	used uint64 // under the lock of queries

	mu    sync.Mutex
	p     *picture // of which it is; nil: nothing was found out yet
	rows  ordered.List[row]
	heads ordered.List[row] // the first of each conversation; empty if conversations are not collapsed
	read  readKeys
	size  atomic.Int64 // octets, about
}

// readKeys are sort keys that do not change and for which emails are read, by email.
type readKeys struct {
	mu sync.Mutex
	of map[store.EmailID]sortKeys
}

func (k *readKeys) get(id store.EmailID) sortKeys {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.of[id]
}

func (k *readKeys) put(id store.EmailID, keys sortKeys) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.of == nil {
		k.of = map[store.EmailID]sortKeys{}
	}
	k.of[id] = keys
}

func (k *readKeys) len() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.of)
}

// row is an email at its place. What the email has changed in the meantime may be missing in it.
type row struct {
	l    *store.Located
	keys *sortKeys // nil if the email itself says all
}

// sortKeys are one for each comparator.
type sortKeys []sortKey

// result returns that of a query, if only that nothing is known.
func (q *queries) result(key string) *result {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.of == nil {
		q.of = map[string]*result{}
	}
	r := q.of[key]
	if r == nil {
		r = &result{}
		q.of[key] = r
	}
	q.used++
	r.used = q.used
	q.drop(r)
	return r
}

// drop forgets the results that were used least lately as far as there is too much. One stays.
func (q *queries) drop(stays *result) {
	size := int64(0)
	for _, r := range q.of {
		size += r.size.Load()
	}
	for len(q.of) > 1 && (len(q.of) > maxResults || size > maxResultSize) {
		oldest, found := "", (*result)(nil)
		for key, r := range q.of {
			if r != stays && (found == nil || r.used < found.used) {
				oldest, found = key, r
			}
		}
		size -= found.size.Load()
		delete(q.of, oldest)
	}
}

func (q *queries) footprint() (n int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, r := range q.of {
		n += r.size.Load()
	}
	return n
}

// emailsFound is an Email/query with what it found.
type emailsFound struct {
	*search
	p        *picture
	rows     ordered.List[row]
	heads    ordered.List[row]
	collapse bool
}

// list is what the client asked for.
func (f *emailsFound) list() ordered.List[row] {
	if f.collapse {
		return f.heads
	}
	return f.rows
}

// place is the position of an email among the rows.
func (f *emailsFound) place(l *store.Located) (int, bool) { return f.list().Find(f.row(l)) }

func (f *emailsFound) results() results {
	list := f.list()
	return results{list.Len(), func(at int) string { return f.p.sight.emailID(list.At(at).l.ID) }, func(id string) (int, bool) {
		l, ok := f.p.located(id)
		if !ok {
			return 0, false
		}
		return f.place(l)
	}}
}

// find runs a query, or carries on what it found the last time.
func (c *call) find(ctx context.Context, by []comparator) (*emailsFound, error) {
	var collapse bool
	if err := c.args.read("collapseThreads", &collapse); err != nil {
		return nil, err
	}
	a := c.server.accountOf(c.sight())
	p, err := c.picture(ctx)
	if err != nil {
		return nil, err
	}
	s := &search{ctx: ctx, c: c, p: p, by: by}
	if err := s.parse(); err != nil {
		return nil, err
	}
	r := a.queries.result(c.queryKey(by, collapse))
	r.mu.Lock()
	defer r.mu.Unlock()
	s.read = &r.read
	switch {
	case r.p == p:
	case r.p != nil && r.p.mail.ModSeq >= p.mail.ModSeq:
		s = s.at(r.p) // somebody was faster: what is newer is right, too
	default:
		if err := r.next(s, p, collapse); err != nil {
			return nil, err
		}
		c.server.accounts.weigh(a, c.server.options.Memory)
	}
	return &emailsFound{search: s, p: r.p, rows: r.rows, heads: r.heads, collapse: collapse}, nil
}

// queryKey names a query.
func (c *call) queryKey(by []comparator, collapse bool) string {
	var filter any
	if raw := c.args["filter"]; len(raw) > 0 && json.Unmarshal(raw, &filter) != nil {
		return "" // it was read before
	}
	key, err := json.Marshal([]any{c.resolved("", filter), by, collapse})
	if err != nil {
		return ""
	}
	return string(key)
}

// resolved is a filter with the ids of mailboxes in the place of references to them.
func (c *call) resolved(name string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			v[name] = c.resolved(name, member)
		}
	case []any:
		for i := range v {
			v[i] = c.resolved(name, v[i])
		}
	case string:
		if name == "inMailbox" || name == "inMailboxOtherThan" {
			return c.named(v)
		}
	}
	return v
}

// next brings the result to a picture.
func (r *result) next(s *search, p *picture, collapse bool) error {
	var touches []touch
	known := r.p != nil && r.p.mail.ModSeq >= p.log.from
	if known {
		touches = p.since(r.p.mail.ModSeq)
		known = len(touches) <= s.mostTouches(r.rows.Len())
	}
	var rows, heads ordered.List[row]
	var err error
	if known {
		rows, heads, err = r.carry(s, p, touches, collapse)
	} else {
		rows, heads, err = s.all(collapse)
	}
	if err != nil {
		return err
	}
	r.p, r.rows, r.heads = p, rows, heads
	r.size.Store(int64(rows.Len()+heads.Len())*rowWeight + int64(r.read.len())*keyWeight)
	return nil
}

// mostTouches is up to how many touched emails a result is carried on; beyond, all emails are better looked at in order.
func (s *search) mostTouches(rows int) int {
	if s.reads {
		return 256
	}
	return max(256, rows/8)
}

// all looks at all emails.
func (s *search) all(collapse bool) (rows, heads ordered.List[row], err error) {
	var found []*store.Located
	for l := range s.p.emails() {
		if s.err == nil && s.keep(l) {
			found = append(found, l)
		}
	}
	if len(found) > s.p.mail.Len()/8 {
		s.readAhead()
	}
	list := make([]row, 0, len(found))
	for _, l := range found {
		list = append(list, s.row(l))
	}
	if s.err != nil {
		return rows, heads, s.err
	}
	slices.SortFunc(list, s.compare)
	rows, heads = ordered.Build(s.compare, list), ordered.New(s.compare)
	if !collapse {
		return rows, heads, nil
	}
	seen := map[store.ThreadID]bool{}
	first := list[:0:0]
	for _, one := range list {
		t := one.l.Thread
		if store.EmailID(t) != one.l.ID || len(s.p.thread(t)) > 1 { // most conversations are of one email
			if seen[t] {
				continue
			}
			seen[t] = true
		}
		first = append(first, one)
	}
	return rows, ordered.Build(s.compare, first), nil
}

// carry goes from one picture to a later one by what was touched in between.
func (r *result) carry(s *search, p *picture, touches []touch, collapse bool) (rows, heads ordered.List[row], err error) {
	old := s.at(r.p)
	threads := map[store.ThreadID]bool{}
	emails := map[store.EmailID]bool{}
	for _, t := range touches {
		if !t.filed && !s.flagBound {
			continue
		}
		emails[t.id] = true
		if !threads[t.thread] && s.threadBound {
			for _, l := range slices.Concat(r.p.thread(t.thread), p.thread(t.thread)) {
				emails[l.ID] = true
			}
		}
		threads[t.thread] = true
	}
	edit := r.rows.Edit()
	for id := range emails {
		if before, ok := r.p.email(id); ok {
			edit.Delete(old.row(before))
		}
	}
	for id := range emails {
		if now, ok := p.email(id); ok && s.keep(now) {
			edit.Set(s.row(now))
		}
	}
	rows, heads = edit.List(), r.heads
	if collapse {
		change := r.heads.Edit()
		for t := range threads {
			if before, ok := old.head(r.rows, t); ok {
				change.Delete(before)
			}
			if now, ok := s.head(rows, t); ok {
				change.Set(now)
			}
		}
		heads = change.List()
	}
	return rows, heads, cmp.Or(s.err, old.err)
}

// head is the first row of a conversation.
func (s *search) head(rows ordered.List[row], t store.ThreadID) (first row, found bool) {
	for _, l := range s.p.thread(t) {
		one := s.row(l)
		if _, there := rows.Find(one); there && (!found || s.compare(one, first) < 0) {
			first, found = one, true
		}
	}
	return first, found
}
