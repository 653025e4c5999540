package imapd

import (
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/index"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// worthAsking is of how many messages a search asks the index first; fewer are read at once.
const worthAsking = 8

// narrow returns which messages of a view a search must look at. sure tells that all of them
// match: then there is nothing to look at.
func (q *query) narrow(k *searchKey, in *uid.Index) (left *uid.Index, sure bool, err error) {
	if k.has(opFlag) || k.has(opKeyword) {
		q.flags, err = q.s.store.FlagSets(q.s.ctx, q.sel.account, q.sel.id)
		if store.KindOf(err) == store.KindNotFound { // deleted meanwhile, which sync tells
			return uid.NewIndex(nil), true, nil
		}
		if err != nil {
			return nil, false, err
		}
		in = in.And(q.flags.UIDs) // without what is gone
	}
	return q.among(k, in)
}

// among narrows messages to those that a key can match: by what it says of numbers and flags, and
// where the index leaves few emails, by where these are placed. sure tells that all of them match.
func (q *query) among(k *searchKey, in *uid.Index) (left *uid.Index, sure bool, err error) {
	switch k.op {
	case opAll:
		return in, true, nil
	case opNone:
		return uid.NewIndex(nil), true, nil
	case opSeq, opUID:
		return in.Within(k.uids), true, nil
	case opFlag:
		return q.flags.Among(in, k.flag), true, nil
	case opKeyword:
		if !k.resolved {
			return uid.NewIndex(nil), true, nil
		}
		return q.flags.Among(in, k.flag), true, nil
	case opOlder, opYounger, opBefore, opOn, opSince, opSentBefore, opSentOn, opSentSince:
		return q.dated(k, in)
	case opModSeq:
		left, err = q.changedSince(k, in)
		return left, false, err
	case opAnd:
		return q.amongAll(k.keys, in)
	case opOr:
		return q.amongEither(k.keys, in)
	case opNot:
		if left, sure, err = q.among(&k.keys[0], in); err == nil && sure {
			return in.AndNot(left), true, nil
		}
		return in, false, err
	case opHeader, opBody, opText:
		left, err = q.placed(k, in)
		return left, false, err
	}
	return in, false, nil
}

// amongAll narrows messages to those that all keys can match, the cheap ones first.
func (q *query) amongAll(keys []searchKey, in *uid.Index) (left *uid.Index, sure bool, err error) {
	left, sure = in, true
	for i := range keys {
		var one bool
		if left, one, err = q.among(&keys[i], left); err != nil {
			return nil, false, err
		}
		sure = sure && one
	}
	return left, sure, nil
}

// amongEither narrows messages to those that one of the keys can match.
func (q *query) amongEither(keys []searchKey, in *uid.Index) (left *uid.Index, sure bool, err error) {
	left, sure = uid.NewIndex(nil), true
	for i := range keys {
		one, certain, err := q.among(&keys[i], in)
		if err != nil {
			return nil, false, err
		}
		left, sure = left.Or(one), sure && certain
	}
	return left, sure, nil
}

// worthDates is of how many messages a search takes the dates of the whole mailbox; those of fewer
// are read.
const worthDates = 64

// dated narrows messages to those with the dates that a key asks for.
func (q *query) dated(k *searchKey, in *uid.Index) (left *uid.Index, sure bool, err error) {
	if in.Len() < worthDates {
		return in, false, nil
	}
	if q.dates == nil {
		q.dates, err = q.s.store.Dates(q.s.ctx, q.sel.account, q.sel.id)
		if store.KindOf(err) == store.KindNotFound { // deleted meanwhile, which sync tells
			return uid.NewIndex(nil), true, nil
		}
		if err != nil {
			return nil, false, err
		}
	}
	return q.dates.Select(in, k.dates(q.now)), true, nil
}

// fewChanges is up to which share of the messages, a fraction, those that changed are looked at
// alone.
const fewChanges = 8

// changedSince narrows messages to those that changed as lately as a key says, if these are few.
func (q *query) changedSince(k *searchKey, in *uid.Index) (*uid.Index, error) {
	if k.n == 0 {
		return in, nil
	}
	changed, few, err := q.s.store.ChangedUIDs(q.s.ctx, q.sel.account, q.sel.id, store.ModSeq(k.n-1), in.Len()/fewChanges)
	if err != nil || !few {
		return in, err
	}
	return in.Within(changed), nil
}

// ask asks the index about a key that looks for text. What it says narrows the search; the text
// decides.
func (q *query) ask(k *searchKey) (err error) {
	words := q.s.server.options.Index
	if words == nil {
		return nil
	}
	where := index.Everywhere
	switch k.op {
	case opHeader:
		where = index.In(index.FieldOf(k.field))
	case opBody:
		where = index.In(index.Body)
	}
	k.matches, err = words.Find(q.s.ctx, q.sel.account, where, k.needle)
	return err
}

// lookUpCost is how many placements are read in the time that it takes to find one of an email.
const lookUpCost = 8

// placed narrows messages to the placements of the emails that the index leaves to a key, if
// these are few.
func (q *query) placed(k *searchKey, in *uid.Index) (*uid.Index, error) {
	if in.Len() < worthAsking {
		return in, nil
	}
	if err := q.ask(k); err != nil {
		return nil, err
	}
	m := k.matches
	if m == nil || uint64(m.Count())*lookUpCost+uint64(m.End-min(m.Next, m.End)) >= uint64(in.Len()) {
		return in, nil
	}
	placed, err := q.s.store.Placed(q.s.ctx, q.sel.account, q.sel.id, m.Emails(), m.Next)
	return in.Within(placed), err
}
