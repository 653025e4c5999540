package imapd

import (
	"bytes"
	"slices"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// watched is a search whose results the client follows (RFC 5267 section 4.3): with every change
// of the mailbox that is told, the client hears what comes into the results and what leaves them.
type watched struct {
	c    *searchCommand
	hits uid.Set
	rows []sortRow // the hits in their order, if the client sorts
}

// Bounds on what one session can follow. Others are refused with NOUPDATE.
const (
	maxWatched = 8
	maxRows    = 20_000 // results of a SORT
)

// isWatched reports whether the results of the command with a tag are followed.
func (m *selected) isWatched(tag string) bool {
	return slices.ContainsFunc(m.watched, func(w *watched) bool { return w.c.tag == tag })
}

// watch begins to follow the results of a search. What depends on the time of day changes without
// a change of the mailbox and is not followed.
func (s *session) watch(c *searchCommand, r *found) {
	sel := s.selected
	switch {
	case s.lowest != 0: // not all was searched
		s.noUpdate(c.tag, *s.tooMany().refused)
	case len(sel.watched) == maxWatched:
		s.noUpdate(c.tag, cause.Refuse(cause.LimitRequest, cause.Count("limit", maxWatched)))
	case len(r.rows) > maxRows:
		s.noUpdate(c.tag, cause.Refuse(cause.LimitRequest, cause.Count("limit", maxRows)))
	case c.key.has(opOlder), c.key.has(opYounger):
		s.noUpdate(c.tag, cause.Refuse(cause.ClientProtocolError).As("unimplemented"))
	default:
		rows, err := s.rowsAgain(c, r)
		if err == nil {
			sel.watched = append(sel.watched, &watched{c: c, hits: r.hits, rows: rows})
		} else if o := s.failedSearch(err, sel); o.refused != nil {
			s.noUpdate(c.tag, *o.refused)
		}
	}
}

// rowsAgain reads what results were sorted by. One that is gone meanwhile, which is told soon, stays
// where it was.
func (s *session) rowsAgain(c *searchCommand, r *found) ([]sortRow, error) {
	if c.order == nil {
		return nil, nil
	}
	q := s.query(r.sel, c.tag)
	q.progress = progress{}
	there, err := q.read(r.hits, c.order)
	if err != nil {
		return nil, err
	}
	of := make(map[uid.UID]*sortRow, len(there))
	for i := range there {
		of[there[i].uid] = &there[i]
	}
	rows := make([]sortRow, len(r.rows))
	var key []byte
	for i, u := range r.rows {
		if row := of[u]; row != nil {
			key = row.key
		}
		rows[i] = newSortRow(u, key)
	}
	return rows, nil
}

// alone copies a row out of the memory it shares with others.
func (r *sortRow) alone() sortRow { return newSortRow(r.uid, bytes.Clone(r.key)) }

// noUpdate tells that the results of a search are not followed, or no more (RFC 5267 section
// 4.3.1).
func (s *session) noUpdate(tag string, d cause.Decision) {
	s.refused("", "NO", outcome{refused: &d, code: "NOUPDATE " + quotedTag(tag)})
}

// cancelUpdate is CANCELUPDATE (RFC 5267 section 4.3.5). Tags of no search are passed over: its
// updates may have been refused before.
func (s *session) cancelUpdate(c *cancelCommand) outcome {
	s.selected.watched = slices.DeleteFunc(s.selected.watched, func(w *watched) bool {
		return slices.Contains(c.tags, w.c.tag)
	})
	return done()
}

// tellLeft tells that messages which are gone leave the results. It comes before they are told to
// be gone, while their numbers are still good (RFC 5267 section 4.3.4).
func (s *session) tellLeft(gone uid.Set) {
	for _, w := range s.selected.watched {
		s.tellUpdate(w, gone.Intersect(w.hits), nil, nil)
	}
}

// tellResults searches again among the messages that changed since a view, and tells what comes
// into the results that the client follows and what leaves them. New messages were told before, so
// that their numbers are good already (RFC 5267 section 4.3.3). An error ends what is followed:
// results that are half true are worth nothing. That may be one from before, which is returned.
func (s *session) tellResults(old *store.View, err error) error {
	sel := s.selected
	if len(sel.watched) == 0 || sel.view.Mailbox.HighestModSeq == old.Mailbox.HighestModSeq {
		return err
	}
	var changed uid.Set
	if err == nil {
		changed, err = s.changed(old.Mailbox.HighestModSeq, func(p *store.Placement) bool {
			return p.UID < sel.view.Mailbox.UIDNext
		})
	}
	for _, w := range slices.Clone(sel.watched) {
		var hits uid.Set
		var rows []sortRow
		again := changed
		if w.c.key.has(opUID) { // "*" may mean another message now
			again = again.Union(sel.view.UIDs.Intersect(lasts(old, sel.view)))
		}
		if err == nil {
			hits, rows, err = s.searchAgain(w, again)
		}
		came := hits.Minus(w.hits)
		if err == nil {
			err = s.describeNew(w.c.update, came, old)
		}
		if err != nil {
			if o := s.failedSearch(err, sel); o.refused != nil { // else the connection is broken
				s.noUpdate(w.c.tag, *o.refused)
			}
			s.cancelUpdate(&cancelCommand{[]string{w.c.tag}})
			continue
		}
		s.tellUpdate(w, again.Intersect(w.hits).Minus(hits), came, rows)
	}
	return err
}

// describeNew sends what the client wants to know of new messages that come into results (RFC 5465
// section 7), together with what NOTIFY asked for of each new message, and once.
func (s *session) describeNew(c *fetchCommand, came uid.Set, old *store.View) error {
	sel := s.selected
	if c == nil {
		return nil
	}
	came = came.Intersect(newSince(old, sel.view)).Minus(sel.described)
	if came.Empty() {
		return nil
	}
	w := s.fetchWriter(c.items | s.unasked())
	w.sections, w.upTo = c.sections, sel.view.Mailbox.HighestModSeq
	if n := s.notifier; n != nil && n.selected != nil && n.selected.fetch != nil {
		w.items |= n.selected.fetch.items
		w.sections = slices.Concat(c.sections, n.selected.fetch.sections)
		w.sections = withoutRepeats(w.sections)
	}
	sel.described = sel.described.Union(came)
	return w.all(came)
}

// newSince is the range of the UIDs that were given to messages since a view.
func newSince(old, view *store.View) uid.Set {
	if view.Mailbox.UIDNext == old.Mailbox.UIDNext {
		return nil
	}
	return uid.Set{{First: old.Mailbox.UIDNext, Last: view.Mailbox.UIDNext - 1}}
}

// withoutRepeats leaves out sections that are asked for twice.
func withoutRepeats(list []*section) []*section {
	seen := map[string]bool{}
	return slices.DeleteFunc(list, func(sec *section) bool {
		again := seen[string(sec.label)]
		seen[string(sec.label)] = true
		return again
	})
}

// lasts returns the last messages of two views.
func lasts(a, b *store.View) (set uid.Set) {
	for _, v := range []*store.View{a, b} {
		if last := v.UIDs.Max(); last > 0 {
			set = set.Union(uid.Of(last))
		}
	}
	return set
}

// searchAgain returns which of the messages that changed are results now.
func (s *session) searchAgain(w *watched, changed uid.Set) (hits uid.Set, rows []sortRow, err error) {
	q := s.query(s.selected, w.c.tag)
	q.progress = progress{}
	q.prepare(&w.c.key)
	if hits, err = q.run(&w.c.key, changed); err != nil || w.c.order == nil {
		return hits, nil, err
	}
	if rows, err = q.read(hits, w.c.order); err != nil {
		return nil, nil, err
	}
	hits = nil // without those that have gone meanwhile
	for i := range rows {
		hits = hits.Union(uid.Of(rows[i].uid))
	}
	return hits, rows, nil
}

// tellUpdate tells which messages leave the results and which come into them. rows has places in
// the order for those that come, and perhaps for others.
func (s *session) tellUpdate(w *watched, left, came uid.Set, rows []sortRow) {
	if left.Empty() && came.Empty() {
		return
	}
	s.raw("* ESEARCH ")
	s.out = s.appendCorrelator(s.out, w.c.tag, w.c.from != nil, s.selected)
	byUID := w.c.uid || s.uidOnly
	if byUID {
		s.raw(" UID")
	}
	r := &found{sel: s.selected, byUID: byUID}
	if !left.Empty() {
		s.raw(" REMOVEFROM (")
		if w.c.order == nil {
			s.out = r.appendUpdate(s.out, left)
		} else {
			s.out = w.remove(s.out, r, left)
		}
		s.raw(")")
	}
	if !came.Empty() {
		s.raw(" ADDTO (")
		if w.c.order == nil {
			s.out = r.appendUpdate(s.out, came)
		} else {
			s.out = w.insert(s.out, r, came, rows)
		}
		s.raw(")")
	}
	s.raw("\r\n")
	w.hits = w.hits.Minus(left).Union(came)
	s.flushIfFull()
}

// appendUpdate writes messages in the order of the mailbox, at the place 0, which stands for that
// order.
func (r *found) appendUpdate(b []byte, set uid.Set) []byte {
	r.hits = set
	return r.appendTo(append(b, "0 "...), 0, set.Len())
}

// remove takes messages out of the order and writes the place and the name of each.
func (w *watched) remove(b []byte, r *found, left uid.Set) []byte {
	sep := ""
	for i := 0; i < len(w.rows); {
		row := &w.rows[i]
		if !left.Contains(row.uid) {
			i++
			continue
		}
		b = appendUint(append(b, sep...), i+1)
		b = appendUint(append(b, ' '), r.name(row.uid))
		w.rows = slices.Delete(w.rows, i, i+1)
		sep = " "
	}
	return b
}

// insert puts messages where they belong in the order and writes the place and the name of each.
func (w *watched) insert(b []byte, r *found, came uid.Set, rows []sortRow) []byte {
	sep := ""
	for i := range rows {
		row := &rows[i]
		if !came.Contains(row.uid) {
			continue
		}
		at, _ := slices.BinarySearchFunc(w.rows, row, func(a sortRow, b *sortRow) int { return a.compare(b) })
		b = appendUint(append(b, sep...), at+1)
		b = appendUint(append(b, ' '), r.name(row.uid))
		w.rows = slices.Insert(w.rows, at, row.alone())
		sep = " "
	}
	return b
}
