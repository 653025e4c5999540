package imapd

import (
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// found is what a search found in a mailbox.
type found struct {
	sel     *selected
	byUID   bool // the client wants UIDs, not message numbers
	hits    uid.Set
	rows    []uid.UID    // the hits in the order of SORT, nil without one
	highest store.ModSeq // for the client, if it searched for MODSEQ
}

func (r *found) len() int {
	if r.rows != nil {
		return len(r.rows)
	}
	return r.hits.Len()
}

// set returns the results from start to before end as a set.
func (r *found) set(start, end int) uid.Set {
	if r.rows == nil {
		return cut(r.hits, start, end)
	}
	return uid.Of(r.rows[start:end]...)
}

// cut returns the UIDs of a set from the place start to before end.
func cut(set uid.Set, start, end int) (part uid.Set) {
	for _, r := range set {
		n := r.Len()
		if from, to := max(start, 0), min(end, n); from < to {
			part = append(part, uid.Range{First: r.First + uid.UID(from), Last: r.First + uid.UID(to-1)})
		}
		start, end = start-n, end-n
	}
	return part
}

// appendTo writes the results from start to before end, as the client names them, in their order.
func (r *found) appendTo(b []byte, start, end int) []byte {
	if r.rows == nil {
		set := cut(r.hits, start, end)
		if !r.byUID {
			set = r.sel.asNumbers(set)
		}
		return set.AppendTo(b)
	}
	return r.appendRows(b, r.rows[start:end])
}

// appendRows writes results that are sorted as a sequence set. It has ranges only where numbers
// ascend (RFC 5267 section 3.2).
func (r *found) appendRows(b []byte, rows []uid.UID) []byte {
	for i := 0; i < len(rows); {
		first := r.name(rows[i])
		last := first
		for i++; i < len(rows) && r.name(rows[i]) == last+1; i++ {
			last++
		}
		b = appendUint(b, first)
		if last > first {
			b = appendUint(append(b, ':'), last)
		}
		if i < len(rows) {
			b = append(b, ',')
		}
	}
	return b
}

// name is the number of a message for the client.
func (r *found) name(u uid.UID) uint32 {
	if r.byUID {
		return uint32(u)
	}
	seq, _ := r.sel.view.UIDs.Seq(u)
	return uint32(seq)
}

// returnParts are the return options that show a part of the results.
const returnParts = returnMin | returnMax | returnPartial

// parts returns what MIN, MAX and PARTIAL show.
func (r *found) parts(c *searchCommand) (set uid.Set) {
	n := r.len()
	if c.ret&returnMin != 0 && n > 0 {
		set = set.Union(r.set(0, 1))
	}
	if c.ret&returnMax != 0 && n > 0 {
		set = set.Union(r.set(n-1, n))
	}
	if c.ret&returnPartial != 0 {
		set = set.Union(r.set(c.partial.of(n)))
	}
	return set
}

// saved is what SAVE keeps for "$": all results, or only the parts that are shown if nothing is
// told of all (RFC 5182 section 2.1, RFC 9394 section 3.2).
func (r *found) saved(c *searchCommand) uid.Set {
	if c.ret&(returnAll|returnCount) != 0 || c.ret&returnParts == 0 {
		return r.hits
	}
	return r.parts(c)
}

// loseSaved empties "$" after a search that was to fill it and is answered with NO (RFC 5182
// section 2.1).
func (s *session) loseSaved(c *command) {
	if search, ok := c.args.(*searchCommand); ok && search.ret&returnSave != 0 && s.selected != nil {
		s.selected.saved = nil
	}
}

// onlyEnds returns the first and last results if the MODSEQ that is told is theirs and not that of
// all (RFC 4731 section 3.2), nil otherwise.
func (r *found) onlyEnds(c *searchCommand) uid.Set {
	if !c.key.has(opModSeq) || c.ret&(returnMin|returnMax) == 0 || c.ret&(returnAll|returnCount|returnPartial) != 0 {
		return nil
	}
	return r.parts(c)
}

// tellFound answers a search: with ESEARCH if the client asked for that or speaks IMAP4rev2, else
// with SEARCH or SORT.
func (s *session) tellFound(c *searchCommand, m *selected, r *found) {
	switch {
	case c.extended, s.rev2 && c.order == nil:
		s.tellExtended(c, m, r)
	case c.order != nil:
		s.tellNumbers("* SORT", c, r)
	default:
		s.tellNumbers("* SEARCH", c, r)
	}
}

// tellNumbers writes the SEARCH response of IMAP4rev1 or the SORT response of RFC 5256 section 4.
func (s *session) tellNumbers(head string, c *searchCommand, r *found) {
	s.raw(head)
	for _, hits := range r.hits {
		if r.rows != nil {
			break
		}
		n := r.name(hits.First)
		for range hits.Len() { // all of them are in the view, so that their numbers rise by one, too
			s.out = appendUint(append(s.out, ' '), n)
			s.flushIfFull()
			n++
		}
	}
	for i := range r.rows {
		s.out = appendUint(append(s.out, ' '), r.name(r.rows[i]))
		s.flushIfFull()
	}
	if c.key.has(opModSeq) && r.len() > 0 { // RFC 7162 section 3.1.6
		s.raw(" (MODSEQ ")
		s.out = appendUint(s.out, r.highest)
		s.raw(")")
	}
	s.raw("\r\n")
}

// tellExtended writes the ESEARCH response (RFC 9051 section 7.3.4, RFC 5267, RFC 9394).
func (s *session) tellExtended(c *searchCommand, m *selected, r *found) {
	ret := c.ret
	if !c.extended {
		ret = returnAll
	}
	if ret == returnSave { // RFC 5182 section 2.1
		return
	}
	s.raw("* ESEARCH ")
	b := s.appendCorrelator(s.out, c.tag, c.from != nil, m)
	if c.uid {
		b = append(b, " UID"...)
	}
	n := r.len()
	if ret&returnMin != 0 && n > 0 {
		b = r.appendTo(append(b, " MIN "...), 0, 1)
	}
	if ret&returnMax != 0 && n > 0 {
		b = r.appendTo(append(b, " MAX "...), n-1, n)
	}
	if ret&returnAll != 0 && n > 0 {
		b = r.appendTo(append(b, " ALL "...), 0, n)
	}
	if ret&returnPartial != 0 {
		b = append(append(b, " PARTIAL ("...), c.partial.text...)
		if start, end := c.partial.of(n); start < end {
			b = r.appendTo(append(b, ' '), start, end)
		} else {
			b = append(b, " NIL"...)
		}
		b = append(b, ')')
	}
	if ret&returnCount != 0 {
		b = appendUint(append(b, " COUNT "...), n)
	}
	if c.key.has(opModSeq) && n > 0 {
		b = appendUint(append(b, " MODSEQ "...), r.highest)
	}
	s.out = append(b, "\r\n"...)
}

// appendCorrelator writes the search-correlator that ties an ESEARCH response to its command, and
// for the ESEARCH command to the mailbox (RFC 7377 section 2.1).
func (s *session) appendCorrelator(b []byte, tag string, many bool, m *selected) []byte {
	b = append(append(b, "(TAG "...), quotedTag(tag)...)
	if many {
		b = s.appendMailbox(append(b, " MAILBOX "...), m.view.Mailbox.Name)
		b = appendUint(append(b, " UIDVALIDITY "...), m.view.Mailbox.UIDValidity)
	}
	return append(b, ')')
}
