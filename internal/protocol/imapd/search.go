package imapd

import (
	"slices"
	"strconv"
	"strings"

	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/index"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// search is SEARCH and UID SEARCH (RFC 9051 section 6.4.4, RFC 4731, RFC 5182).
func (s *session) search(c *searchCommand) outcome {
	if c.charset && s.utf8 && !s.rev2 {
		return refuseProtocol("arguments") // RFC 6855 section 3
	}
	if c.key.has(opModSeq) {
		s.enableCondstore() // RFC 7162 section 3.1
	}
	q := &query{s: s}
	q.prepare(&c.key)
	hits, err := q.run(&c.key)
	if err != nil {
		if c.ret&returnSave != 0 {
			s.selected.saved = nil // RFC 5182 section 2.1
		}
		return s.failedFetch(err)
	}
	s.saveResult(c, hits)
	if c.extended || s.rev2 {
		s.tellExtended(c, hits, q.highest)
	} else {
		s.tellSearch(c, hits, q.highest)
	}
	return done()
}

// saveResult keeps the result for "$": all of it, or with MIN and MAX alone these (RFC 5182
// section 2.1).
func (s *session) saveResult(c *searchCommand, hits uid.Set) {
	if c.ret&returnSave == 0 {
		return
	}
	s.selected.saved = hits
	if hits.Empty() || c.ret&(returnAll|returnCount) != 0 || c.ret&(returnMin|returnMax) == 0 {
		return
	}
	s.selected.saved = nil
	if c.ret&returnMin != 0 {
		s.selected.saved = s.selected.saved.Add(hits[0].First)
	}
	if c.ret&returnMax != 0 {
		s.selected.saved = s.selected.saved.Add(hits[len(hits)-1].Last)
	}
}

// tellSearch writes the SEARCH response of IMAP4rev1.
func (s *session) tellSearch(c *searchCommand, hits uid.Set, highest store.ModSeq) {
	s.raw("* SEARCH")
	for u := range hits.All() {
		n := uint32(u)
		if !c.uid {
			seq, _ := s.selected.view.UIDs.Seq(u)
			n = uint32(seq)
		}
		s.out = appendUint(append(s.out, ' '), n)
		s.flushIfFull()
	}
	if c.key.has(opModSeq) && !hits.Empty() {
		s.raw(" (MODSEQ ")
		s.out = appendUint(s.out, highest)
		s.raw(")")
	}
	s.raw("\r\n")
}

// tellExtended writes the ESEARCH response.
func (s *session) tellExtended(c *searchCommand, hits uid.Set, highest store.ModSeq) {
	ret := c.ret
	if !c.extended {
		ret = returnAll
	}
	if ret&^returnSave == 0 {
		return
	}
	if !c.uid {
		hits = s.selected.asNumbers(hits)
	}
	b := append(s.out, "* ESEARCH (TAG "...)
	b = append(appendString(b, c.tag, false), ')')
	if c.uid {
		b = append(b, " UID"...)
	}
	if n := hits.Len(); n > 0 {
		if ret&returnMin != 0 {
			b = appendUint(append(b, " MIN "...), uint32(hits[0].First))
		}
		if ret&returnMax != 0 {
			b = appendUint(append(b, " MAX "...), uint32(hits[len(hits)-1].Last))
		}
		if ret&returnAll != 0 {
			b = hits.AppendTo(append(b, " ALL "...))
		}
	}
	if ret&returnCount != 0 {
		b = appendUint(append(b, " COUNT "...), hits.Len())
	}
	if c.key.has(opModSeq) && !hits.Empty() {
		b = appendUint(append(b, " MODSEQ "...), highest)
	}
	s.out = append(b, "\r\n"...)
}

// query is one search over the messages of a view. It is an exact scan in two passes: what the
// placements decide is decided from them, and only what is left open asks for emails and texts.
type query struct {
	s       *session
	email   *store.Email // nil in the first pass
	texts   textReader
	highest store.ModSeq // of the messages found
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

// prepare resolves what needs the view and puts cheap keys first.
func (q *query) prepare(k *searchKey) {
	sel := q.s.selected
	switch k.op {
	case opSeq:
		k.uids, _ = sel.numbers(k.set)
	case opUID:
		k.uids = sel.uids(k.set)
	case opKeyword:
		flag, ok := sel.view.Keywords.Lookup(k.text)
		if k.op, k.flag = opFlag, flag; !ok {
			k.op = opNone
		}
	case opEmailID, opThreadID:
		k.n = parseObjectID(k.text, k.op)
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
	case opThreadID, opBefore, opOn, opSince, opSentBefore, opSentOn, opSentSince:
		return 1
	case opHeader:
		return 2
	case opBody, opText:
		return 3
	}
	return 0
}

// candidates narrows a set to the messages that a key can match: what it says of numbers at the
// top. This is where an index of words comes in.
func (k *searchKey) candidates(set uid.Set) uid.Set {
	switch k.op {
	case opSeq, opUID:
		return set.Intersect(k.uids)
	case opNone:
		return nil
	case opAnd:
		for i := range k.keys {
			set = k.keys[i].candidates(set)
		}
	}
	return set
}

// run returns the UIDs of the messages that match.
func (q *query) run(k *searchKey) (hits uid.Set, err error) {
	s := q.s
	set := k.candidates(s.selected.known())
	if k.op == opAll || k.op == opSeq || k.op == opUID {
		return s.selected.view.UIDs.Intersect(set), nil
	}
	var unsure uid.Set
	err = s.store.Placements(s.ctx, s.conn.Account, s.selected.id, set, func(p *store.Placement) error {
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
	sure := hits
	hits = nil
	for !unsure.Empty() && err == nil {
		var step uid.Set
		step, unsure = s.selected.split(unsure, searchStep)
		err = s.store.Messages(s.ctx, s.conn.Account, s.selected.id, step, func(m *store.Message) error {
			q.texts.reset(s, &m.Email)
			q.email = &m.Email
			if q.match(k, &m.Placement) == yes {
				hits = q.hit(hits, &m.Placement)
			}
			return q.texts.err
		})
	}
	return sure.Union(hits), err
}

// searchStep is how many messages are read from one snapshot of the store.
const searchStep = 1000

// hit notes a message that matches and that the client knows.
func (q *query) hit(hits uid.Set, p *store.Placement) uid.Set {
	if p.UID >= q.s.selected.view.Mailbox.UIDNext {
		return hits
	}
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
		return k.matchDay(p.Saved.Unix(), opSavedBefore)
	case opBefore, opOn, opSince:
		return k.matchDay(q.email.Received.Unix(), opBefore)
	case opSentBefore, opSentOn, opSentSince:
		return q.matchSent(k)
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

// matchDay compares the day of a time with that of the key. The operations stand in the order
// before, on, since, beginning at first.
func (k *searchKey) matchDay(unix int64, first searchOp) bool {
	day := k.day.Unix()
	switch k.op - first {
	case 0:
		return unix < day
	case 1:
		return unix >= day && unix < day+secondsOfDay
	}
	return unix >= day
}

// matchSent compares the day that the Date field names, in its own zone.
func (q *query) matchSent(k *searchKey) bool {
	date := q.email.Summary.Date()
	if date.IsZero() {
		return false
	}
	_, offset := date.Zone()
	return k.matchDay(date.Unix()+int64(offset), opSentBefore)
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
