package imapd

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/index"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// search is SEARCH (RFC 9051 section 6.4.4, RFC 4731, RFC 5182), SORT (RFC 5256) with RETURN (RFC
// 5267), and their UID forms.
func (s *session) search(c *searchCommand) outcome {
	if c.charset && s.utf8 && !s.rev2 {
		return refuseProtocol("arguments") // RFC 6855 section 3
	}
	sel := s.selected
	if c.ret&returnUpdate != 0 && sel.isWatched(c.tag) {
		return refuseProtocol("arguments") // RFC 5267 section 4.3
	}
	if c.key.has(opModSeq) {
		s.enableCondstore() // RFC 7162 section 3.1
	}
	q := s.query(sel, c.tag)
	r, err := q.find(c)
	if err != nil {
		return s.failedSearch(err, sel)
	}
	if c.ret&returnSave != 0 {
		sel.saved = r.saved(c)
	}
	s.tellFound(c, sel, r)
	if c.ret&returnUpdate != 0 {
		s.watch(c, r)
	}
	return done()
}

// failedSearch maps an error of searching a mailbox.
func (s *session) failedSearch(err error, m *selected) outcome {
	if errors.Is(err, errLimited) {
		return s.tooMany()
	}
	if errors.Is(err, errTooMuch) {
		return refuse(cause.Refuse(cause.LimitRequest, cause.Count("limit", maxSortOctets)))
	}
	return s.failedRead(err, m.view.Mailbox.Name)
}

// query is one search over the messages of a view, and it is exact. What numbers and flags decide
// is decided by sets (narrow). What is left is looked at in two passes: what the placements and the
// index decide is decided from them, and only what is left open asks for emails and texts.
type query struct {
	s        *session
	sel      *selected // what is searched
	now      int64     // for OLDER and YOUNGER: one moment for all messages (RFC 5032 section 3)
	progress progress
	email    *store.Email // nil in the first pass
	texts    textReader
	flags    *store.FlagSets // of the mailbox now, if a key asks for flags
	dates    *store.Dates    // if a key asks for dates
	places   *store.Places   // if a key asks for text
	highest  store.ModSeq    // of the messages found
}

// query makes a search for the command with a tag.
func (s *session) query(m *selected, tag string) *query {
	return &query{s: s, sel: m, now: s.store.Now().Unix(), progress: s.progress(tag)}
}

// find searches for what a command asks.
func (q *query) find(c *searchCommand) (*found, error) {
	q.prepare(&c.key)
	all := q.sel.view.UIDs.Len()
	switch {
	case c.from != nil: // how many mailboxes are still to come is not known here
	case c.order != nil:
		q.progress.goal = 2 * all // each message is searched, then sorted
	default:
		q.progress.goal = all
	}
	set, err := q.searched(c)
	if err != nil {
		return nil, err
	}
	hits, err := q.run(&c.key, set)
	if err != nil {
		return nil, err
	}
	r := &found{sel: q.sel, byUID: c.uid, hits: hits, highest: q.highest}
	if c.order != nil {
		q.progress.done = 2*all - hits.Len()
		if r.rows, err = q.sort(hits, c.order); err != nil {
			return nil, err
		}
	}
	if only := r.onlyEnds(c); only != nil {
		q.highest = 0
		err = q.each(only, func(m *store.Message) error {
			q.highest = max(q.highest, m.ModSeq)
			return nil
		})
		r.highest = q.highest
	}
	return r, err
}

// answer of a key about a message.
type answer uint8

const (
	no answer = iota
	yes
	open // the placement alone does not tell
)

func answerOf(b bool) answer {
	if b {
		return yes
	}
	return no
}

// prepare resolves what needs the view and puts cheap keys first. It can be done again when the
// view moved on; message numbers and "$" keep the meaning that they had at first (RFC 5267 section
// 4.3).
func (q *query) prepare(k *searchKey) {
	switch k.op {
	case opSeq:
		if !k.resolved {
			k.uids, _ = q.sel.numbers(k.set)
		}
		k.resolved = true
	case opUID:
		if !k.resolved {
			k.uids = q.sel.uids(k.set)
			k.resolved = k.set.saved
		}
	case opKeyword:
		k.flag, k.resolved = q.sel.view.Keywords.Lookup(k.text)
	case opEmailID, opThreadID:
		k.n = q.parseID(k.text, k.op)
	case opHeader, opBody, opText:
		k.needle = index.NewNeedle(k.text)
	}
	for i := range k.keys {
		q.prepare(&k.keys[i])
	}
	if k.op == opAnd || k.op == opOr {
		slices.SortStableFunc(k.keys, func(a, b searchKey) int { return a.cost() - b.cost() })
	}
}

// parseID reads an identifier of something in the account whose mailbox is searched, as appendID
// writes it; 0 is none.
func (q *query) parseID(text string, op searchOp) uint64 {
	if q.sel.account == q.s.conn.Account || len(text) == 0 {
		return parseObjectID(text, op)
	}
	owner, n, ok := strings.Cut(text[1:], "-")
	if !ok || owner != strconv.FormatUint(uint64(q.sel.account), 10) {
		return 0
	}
	return parseObjectID(text[:1]+n, op)
}

// parseObjectID reads an identifier of RFC 8474 as we write them; 0 is none.
func parseObjectID(text string, op searchOp) uint64 {
	prefix := "M"
	if op == opThreadID {
		prefix = "T"
	}
	digits, ok := strings.CutPrefix(text, prefix)
	n, err := strconv.ParseUint(digits, 10, 64)
	if !ok || err != nil || strconv.FormatUint(n, 10) != digits {
		return 0
	}
	return n
}

// cost orders keys by what they read: the placement, the email, the header, the text.
func (k *searchKey) cost() int {
	switch k.op {
	case opAnd, opOr, opNot:
		most := 0
		for i := range k.keys {
			most = max(most, k.keys[i].cost())
		}
		return most
	case opThreadID, opOlder, opYounger, opBefore, opOn, opSince, opSentBefore, opSentOn, opSentSince:
		return 1
	case opHeader:
		return 2
	case opBody, opText:
		return 3
	}
	return 0
}

// run returns the UIDs of the messages of a set that match.
func (q *query) run(k *searchKey, set uid.Set) (hits uid.Set, err error) {
	s := q.s
	n, err := q.narrow(k, q.sel.view.UIDs.Within(set))
	if err != nil {
		return nil, err
	}
	if k.has(opModSeq) {
		n = perhaps(n.may) // the highest MODSEQ of all is told, for which each is looked at
	}
	var unsure uid.Set
	q.email = nil
	err = s.store.Placements(s.ctx, q.sel.account, q.sel.id, n.left().Set(), func(p *store.Placement) error {
		switch q.match(k, p) {
		case yes:
			hits = q.hit(hits, p)
		case open:
			unsure = unsure.Add(p.UID)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	certain := n.must.Set().Union(hits)
	hits = nil
	q.progress.done += max(0, q.sel.view.UIDs.Len()-unsure.Len())
	err = q.each(unsure, func(m *store.Message) error {
		q.texts.reset(s, &m.Email)
		q.email = &m.Email
		if q.match(k, &m.Placement) == yes {
			hits = q.hit(hits, &m.Placement)
		}
		return q.texts.err
	})
	return certain.Union(hits), err
}

// each reads messages in pieces, and between them looks whether the client is still there.
func (q *query) each(set uid.Set, fn func(*store.Message) error) error {
	for !set.Empty() {
		var step uid.Set
		step, set = q.sel.split(set, searchStep)
		n := 0
		err := q.s.store.Messages(q.s.ctx, q.sel.account, q.sel.id, step, func(m *store.Message) error {
			n++
			return fn(m)
		})
		if err != nil {
			return err
		}
		if err := q.progress.add(n); err != nil {
			return err
		}
	}
	return nil
}

// searchStep is how many messages are read from one snapshot of the store.
const searchStep = 1000

// hit notes a message that matches.
func (q *query) hit(hits uid.Set, p *store.Placement) uid.Set {
	q.highest = max(q.highest, p.ModSeq)
	return hits.Add(p.UID)
}

// match asks a key about a message.
func (q *query) match(k *searchKey, p *store.Placement) answer {
	switch k.op {
	case opAnd:
		return q.matchAll(k, p, no)
	case opOr:
		return q.matchAll(k, p, yes)
	case opNot:
		switch q.match(&k.keys[0], p) {
		case yes:
			return no
		case no:
			return yes
		}
		return open
	}
	if k.matches != nil && !k.matches.MayHave(p.Email) {
		return no
	}
	if k.decisive && k.matches != nil && k.matches.MustHave(p.Email) {
		return yes
	}
	if k.cost() > 0 && q.email == nil {
		return open
	}
	return answerOf(q.matches(k, p))
}

// matchAll asks several keys until one answers with the answer that decides.
func (q *query) matchAll(k *searchKey, p *store.Placement, decides answer) answer {
	result := yes
	if decides == yes {
		result = no
	}
	for i := range k.keys {
		switch a := q.match(&k.keys[i], p); a {
		case decides:
			return a
		case open:
			result = open
		}
	}
	return result
}

// matches decides a key that is neither made of others nor too costly for the pass.
func (q *query) matches(k *searchKey, p *store.Placement) bool {
	switch k.op {
	case opAll:
		return true
	case opSeq, opUID:
		return k.uids.Contains(p.UID)
	case opFlag:
		return p.Flags.Has(k.flag)
	case opKeyword:
		return k.resolved && p.Flags.Has(k.flag)
	case opModSeq:
		return p.ModSeq >= store.ModSeq(k.n)
	case opEmailID:
		return k.n != 0 && uint64(p.Email) == k.n
	case opThreadID:
		return k.n != 0 && uint64(q.email.Thread) == k.n
	case opLarger:
		return uint64(p.Size) > k.n
	case opSmaller:
		return uint64(p.Size) < k.n
	case opSavedBefore, opSavedOn, opSavedSince:
		return k.dates(q.now).Has(store.MessageDates{Received: p.Saved.Unix()})
	case opOlder, opYounger, opBefore, opOn, opSince, opSentBefore, opSentOn, opSentSince:
		return k.dates(q.now).Has(store.DatesOf(q.email))
	case opHeader:
		return q.matchHeader(k)
	case opBody:
		return q.texts.bodyHas(k.needle, false)
	case opText:
		return q.texts.headerHas(k.needle) || q.texts.bodyHas(k.needle, true)
	}
	return false
}

const secondsOfDay = 24 * 60 * 60

// dates is the span of time that a key is about: before a day, on it, or since. The days of SAVEDBEFORE
// and its like are compared as those of INTERNALDATE.
func (k *searchKey) dates(now int64) store.DateWindow {
	w := store.DateWindow{Sent: k.op >= opSentBefore, From: math.MinInt64, Until: math.MaxInt64}
	day := k.day.Unix()
	switch k.op {
	case opOlder:
		w.Until = now - int64(k.n) + 1
	case opYounger:
		w.From = now - int64(k.n)
	case opBefore, opSavedBefore, opSentBefore:
		w.Until = day
	case opOn, opSavedOn, opSentOn:
		w.From, w.Until = day, day+secondsOfDay
	case opSince, opSavedSince, opSentSince:
		w.From = day
	}
	return w
}

// addressFields are the fields whose decoded addresses the summary holds. Searching them there
// spares reading the header.
var addressFields = map[string]message.AddressField{
	"from": message.FieldFrom, "to": message.FieldTo, "cc": message.FieldCc, "bcc": message.FieldBcc,
}

// matchHeader looks for text in a field of the header (RFC 9051 section 6.4.4, HEADER). A text of
// no length matches every message that has the field.
func (q *query) matchHeader(k *searchKey) bool {
	if k.field == "subject" && len(k.text) > 0 && k.needle.In(q.email.Summary.Subject()) {
		return true
	}
	if field, ok := addressFields[k.field]; ok && len(k.text) > 0 {
		for _, a := range q.email.Summary.Addresses(field) {
			if k.needle.In([]byte(a.Name)) || k.needle.In([]byte(a.Email)) {
				return true
			}
		}
	}
	return q.texts.fieldHas(k.field, k.needle)
}
