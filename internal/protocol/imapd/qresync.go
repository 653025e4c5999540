package imapd

import (
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// resync tells a client that knows an earlier state of the mailbox what changed since then (RFC
// 7162 section 3.2.5.2).
func (s *session) resync(q *qresyncParams) error {
	known := q.known
	if known == nil {
		known = uid.All()
	}
	gone, err := s.goneSince(q.modSeq, known, q)
	if err != nil {
		return err
	}
	s.tellEarlier(gone)
	changed, err := s.changed(q.modSeq, func(p *store.Placement) bool { return known.Contains(p.UID) })
	if err != nil {
		return err
	}
	return s.fetchWriter(fetchFlags | fetchUID | fetchModSeq).all(changed)
}

// goneSince returns the UIDs of a set that were expunged after a mod-sequence. Where the store
// does not remember so far back, these are all that are not in the mailbox; what the client tells
// of its message numbers (q, may be nil) then spares it those before the last that is right.
func (s *session) goneSince(since store.ModSeq, set uid.Set, q *qresyncParams) (uid.Set, error) {
	view := s.selected.view
	used := uid.Set{}
	if next := view.Mailbox.UIDNext; next > 1 {
		used = uid.Set{{First: 1, Last: next - 1}}
	}
	set = set.Intersect(used)
	gone, complete, err := s.store.VanishedSince(s.ctx, s.selected.account, s.selected.id, since)
	if err != nil {
		return nil, err
	}
	if complete {
		set = set.Intersect(gone)
	} else if q != nil {
		if last := q.lastMatch(view.UIDs); last > 0 {
			set = set.Minus(uid.Set{{First: 1, Last: last}})
		}
	}
	return set.Minus(view.UIDs.Intersect(set)), nil
}

// lastMatch returns the greatest UID whose message number the client has right: up to there it
// knows of every expunge (RFC 7162 section 3.2.5.2).
func (q *qresyncParams) lastMatch(x *uid.Index) (last uid.UID) {
	uids := make([]uid.UID, 0, q.uids.Len())
	for u := range q.uids.All() {
		uids = append(uids, u)
	}
	i := 0
	for seq := range q.seqs.All() {
		if i < len(uids) && x.UID(int(seq)) == uids[i] {
			last = uids[i]
		}
		i++
	}
	return last
}

// tellEarlier writes VANISHED (EARLIER), which changes no message number.
func (s *session) tellEarlier(gone uid.Set) {
	if gone.Empty() {
		return
	}
	s.raw("* VANISHED (EARLIER) ")
	s.out = gone.AppendTo(s.out)
	s.raw("\r\n")
}
