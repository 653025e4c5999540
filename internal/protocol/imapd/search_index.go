package imapd

import (
	"github.com/postiljon/postiljon/internal/store/index"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// worthAsking is of how many messages a search asks the index first; fewer are read at once.
const worthAsking = 8

// narrow returns which messages of a set a search must look at.
func (q *query) narrow(k *searchKey, set uid.Set) (uid.Set, error) {
	if set.Len() >= worthAsking {
		if err := q.ask(k); err != nil {
			return nil, err
		}
	}
	return q.candidates(k, set)
}

// ask asks the index about all keys that look for text. What it says narrows the search; the text
// decides.
func (q *query) ask(k *searchKey) (err error) {
	for i := range k.keys {
		if err := q.ask(&k.keys[i]); err != nil {
			return err
		}
	}
	words := q.s.server.options.Index
	if words == nil {
		return nil
	}
	switch k.op {
	case opHeader:
		k.matches, err = words.Find(q.s.ctx, q.s.conn.Account, index.In(index.FieldOf(k.field)), k.needle)
	case opBody:
		k.matches, err = words.Find(q.s.ctx, q.s.conn.Account, index.In(index.Body), k.needle)
	case opText:
		k.matches, err = words.Find(q.s.ctx, q.s.conn.Account, index.Everywhere, k.needle)
	}
	return err
}

// candidates narrows a set to the messages that a key can match: what it says of numbers, and
// where the index leaves few emails, where these are placed.
func (q *query) candidates(k *searchKey, set uid.Set) (uid.Set, error) {
	switch k.op {
	case opSeq, opUID:
		return set.Intersect(k.uids), nil
	case opNone:
		return nil, nil
	case opAnd:
		for i := range k.keys {
			var err error
			if set, err = q.candidates(&k.keys[i], set); err != nil {
				return nil, err
			}
		}
	case opOr:
		var either uid.Set
		for i := range k.keys {
			one, err := q.candidates(&k.keys[i], set)
			if err != nil {
				return nil, err
			}
			either = either.Union(one)
		}
		return either, nil
	case opHeader, opBody, opText:
		return q.placed(k.matches, set)
	}
	return set, nil
}

// lookUpCost is how many placements are read in the time that it takes to find one of an email.
const lookUpCost = 8

// placed narrows a set to the placements of the emails that the index leaves, if these are few.
func (q *query) placed(m *index.Matches, set uid.Set) (uid.Set, error) {
	if m == nil || uint64(m.Count())*lookUpCost+uint64(m.End-min(m.Next, m.End)) >= uint64(set.Len()) {
		return set, nil
	}
	placed, err := q.s.store.Placed(q.s.ctx, q.s.conn.Account, q.sel.id, m.Emails(), m.Next)
	return set.Intersect(placed), err
}
