package imapd

import (
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/index"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// worthAsking is of how many messages a search asks the index first; fewer are read at once.
const worthAsking = 8

// narrowed is what can be told of the messages of a view without a look at them: which can match, and which of
// those match for certain. What is between both is looked at.
type narrowed struct{ may, must *uid.Index }

// certainly is an answer that leaves nothing open.
func certainly(set *uid.Index) narrowed { return narrowed{set, set} }

// perhaps is an answer that leaves all open.
func perhaps(set *uid.Index) narrowed { return narrowed{set, uid.NewIndex(nil)} }

func (n narrowed) left() *uid.Index { return n.may.AndNot(n.must) }

// narrow tells what a search need not look at.
func (q *query) narrow(k *searchKey, in *uid.Index) (n narrowed, err error) {
	if k.has(opFlag) || k.has(opKeyword) {
		q.flags, err = q.s.store.FlagSets(q.s.ctx, q.sel.account, q.sel.id)
		if store.KindOf(err) == store.KindNotFound { // deleted meanwhile, which sync tells
			return certainly(uid.NewIndex(nil)), nil
		}
		if err != nil {
			return n, err
		}
		in = in.And(q.flags.UIDs) // without what is gone
	}
	return q.among(k, in)
}

// among narrows messages to those that a key can match: by what it says of numbers, flags and dates, and by what
// the index knows of their texts.
func (q *query) among(k *searchKey, in *uid.Index) (n narrowed, err error) {
	switch k.op {
	case opAll:
		return certainly(in), nil
	case opNone:
		return certainly(uid.NewIndex(nil)), nil
	case opSeq, opUID:
		return certainly(in.Within(k.uids)), nil
	case opFlag:
		return certainly(q.flags.Among(in, k.flag)), nil
	case opKeyword:
		if !k.resolved {
			return certainly(uid.NewIndex(nil)), nil
		}
		return certainly(q.flags.Among(in, k.flag)), nil
	case opOlder, opYounger, opBefore, opOn, opSince, opSentBefore, opSentOn, opSentSince:
		return q.dated(k, in)
	case opModSeq:
		in, err = q.changedSince(k, in)
		return perhaps(in), err
	case opAnd:
		return q.amongAll(k.keys, in)
	case opOr:
		return q.amongEither(k.keys, in)
	case opNot:
		n, err = q.among(&k.keys[0], in)
		if err != nil {
			return n, err
		}
		return narrowed{may: in.AndNot(n.must), must: in.AndNot(n.may)}, nil
	case opHeader, opBody, opText:
		return q.said(k, in)
	}
	return perhaps(in), nil
}

// amongAll narrows messages to those that all keys can match, the cheap ones first.
func (q *query) amongAll(keys []searchKey, in *uid.Index) (n narrowed, err error) {
	n = certainly(in)
	for i := range keys {
		one, err := q.among(&keys[i], n.may)
		if err != nil {
			return n, err
		}
		n = narrowed{may: one.may, must: n.must.And(one.must)}
	}
	return n, nil
}

// amongEither narrows messages to those that one of the keys can match.
func (q *query) amongEither(keys []searchKey, in *uid.Index) (n narrowed, err error) {
	n = certainly(uid.NewIndex(nil))
	for i := range keys {
		one, err := q.among(&keys[i], in.AndNot(n.must))
		if err != nil {
			return n, err
		}
		n = narrowed{may: n.may.Or(one.may), must: n.must.Or(one.must)}
	}
	return n, nil
}

// worthDates is of how many messages a search takes the dates of the whole mailbox; those of fewer
// are read.
const worthDates = 64

// dated narrows messages to those with the dates that a key asks for.
func (q *query) dated(k *searchKey, in *uid.Index) (n narrowed, err error) {
	if in.Len() < worthDates {
		return perhaps(in), nil
	}
	if q.dates == nil {
		q.dates, err = q.s.store.Dates(q.s.ctx, q.sel.account, q.sel.id)
		if store.KindOf(err) == store.KindNotFound { // deleted meanwhile, which sync tells
			return certainly(uid.NewIndex(nil)), nil
		}
		if err != nil {
			return n, err
		}
	}
	return certainly(q.dates.Select(in, k.dates(q.now))), nil
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
	k.decisive = true
	switch k.op {
	case opHeader:
		field := index.FieldOf(k.field)
		where = index.In(field)
		k.decisive = field == index.Subject || field == index.From || field == index.To // no other field is there
	case opBody:
		where = index.In(index.Body)
	}
	k.matches, err = words.Find(q.s.ctx, q.sel.account, where, k.needle)
	return err
}

// said narrows messages to those that the index leaves to a key, and tells which of them have its text for certain.
func (q *query) said(k *searchKey, in *uid.Index) (n narrowed, err error) {
	if in.Len() < worthAsking {
		return perhaps(in), nil
	}
	if err := q.ask(k); err != nil || k.matches == nil {
		return perhaps(in), err
	}
	if q.places == nil {
		q.places, err = q.s.store.Places(q.s.ctx, q.sel.account, q.sel.id)
		if store.KindOf(err) == store.KindNotFound { // deleted meanwhile, which sync tells
			return certainly(uid.NewIndex(nil)), nil
		}
		if err != nil {
			return n, err
		}
	}
	if n = perhaps(q.places.Select(in, k.matches.May)); k.decisive {
		n.must = q.places.Select(n.may, k.matches.Must)
	}
	return n, nil
}
