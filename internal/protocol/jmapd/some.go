package jmapd

import (
	"context"
	"slices"

	"github.com/postiljon/postiljon/internal/store"
)

// maxSome is up to which position some looks at emails one by one.
const maxSome = 2000

// some answers an Email/query whose emails must be read to decide, as words are searched for, when the client does not
// ask how many there are: emails are looked at in the order of the results until there are as many as are asked for, so
// that a common word is found as fast as a rare one. ok is false where that is no way to answer, or all results are
// known already.
func (c *call) some(ctx context.Context, q *query) (answer object, ok bool, err error) {
	if q.total || q.limit == nil || q.anchor != nil || q.position < 0 || *q.limit > min(maxSome-q.position, c.server.options.Limits.QueryResults) || slices.ContainsFunc(q.sort, sortReads) {
		return nil, false, nil
	}
	var collapse bool
	if err := c.args.read("collapseThreads", &collapse); err != nil {
		return nil, false, err
	}
	all := &call{server: c.server, account: c.account, user: c.user, request: c.request, args: arguments{}}
	base, err := all.find(ctx, q.sort)
	if err != nil {
		return nil, false, err
	}
	s := &search{ctx: ctx, c: c, p: base.p, by: q.sort}
	if err := s.parse(); err != nil {
		return nil, false, err
	}
	if !s.reads || c.server.accountOf(c.sight()).queries.has(c.queryKey(q.sort, collapse), base.p) {
		return nil, false, nil
	}
	ids := []string{}
	seen := map[store.ThreadID]bool{}
	skip := q.position
	for r := range base.rows.All() {
		if s.err != nil || len(ids) == *q.limit {
			break
		}
		l, ok := base.p.email(r.l.ID) // as it is now
		if !ok || collapse && seen[l.Thread] || !s.keep(l) {
			continue
		}
		seen[l.Thread] = collapse
		if skip--; skip < 0 {
			ids = append(ids, base.p.sight.emailID(l.ID))
		}
	}
	if s.err != nil {
		return nil, false, s.err
	}
	return object{
		"accountId": accountID(c.account.ID), "queryState": base.p.emailState(), "canCalculateChanges": false, "position": q.position, "ids": ids,
		"collapseThreads": collapse,
	}, true, nil
}

// sortReads tells comparators for which emails are read.
func sortReads(c comparator) bool {
	return c.Property != "receivedAt" && c.Property != "size" && c.Property != "hasKeyword"
}

// has reports whether the results of a query in a picture are known.
func (q *queries) has(key string, p *picture) bool {
	q.mu.Lock()
	r := q.of[key]
	q.mu.Unlock()
	if r == nil || !r.mu.TryLock() { // somebody is finding them out
		return false
	}
	defer r.mu.Unlock()
	return r.p == p
}
