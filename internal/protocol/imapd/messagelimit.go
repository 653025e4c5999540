package imapd

import (
	"errors"
	"slices"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// MESSAGELIMIT (RFC 9738): where it is set, a command that is made of many small ones works on the
// messages with the highest UIDs, from the highest to the lowest, and tells how far it came; one that
// is all or nothing, or whose result is about all messages, is refused.

// errLimited is that a command would have to work on more messages than one can.
var errLimited = errors.New("imapd: more messages than one command works on")

// newest returns those of a set of UIDs that one command works on, and notes for the answer whether
// that is not all.
func (s *session) newest(set uid.Set) uid.Set {
	limit := s.server.options.Limits.Messages
	if limit == 0 {
		return set
	}
	set = s.selected.view.UIDs.Intersect(set)
	n := set.Len()
	if n <= limit {
		return set
	}
	set = cut(set, n-limit, n)
	s.lowest = set[0].First
	return set
}

// steps cuts a set into what is worked on in one go: at most n messages each, the highest first if the
// limit left some out.
func (s *session) steps(set uid.Set, n int) (steps []uid.Set) {
	for rest := set; !rest.Empty(); {
		var step uid.Set
		step, rest = s.selected.split(rest, n)
		steps = append(steps, step)
	}
	if s.lowest != 0 {
		slices.Reverse(steps)
	}
	return steps
}

// down writes the responses for a set from the highest UID to the lowest.
func (w *fetchWriter) down(set uid.Set) error {
	for _, r := range slices.Backward(set) {
		for u := r.Last; u >= r.First; u-- {
			if err := w.up(uid.Of(u)); err != nil {
				return err
			}
			if w.s.flushIfFull(); w.s.err != nil {
				return errBroken
			}
		}
	}
	return nil
}

// isTooMany reports whether a set of UIDs has more messages than one command works on.
func (m *selected) isTooMany(set uid.Set, limit int) bool {
	return limit > 0 && m.view.UIDs.Intersect(set).Len() > limit
}

// tooMany refuses a command that cannot be done in part.
func (s *session) tooMany() outcome {
	limit := s.server.options.Limits.Messages
	o := refuse(cause.Refuse(cause.LimitRequest, cause.Count("limit", int64(limit))).As("messages"))
	o.code = string(appendUint([]byte("MESSAGELIMIT "), limit))
	return o
}

// tooManyOf is tooMany for a command that a client can do again in parts: it tells which would have
// been the first.
func (s *session) tooManyOf(set uid.Set) outcome {
	o := s.tooMany()
	if part := s.newest(set); !part.Empty() {
		o.code = string(appendUint([]byte(o.code+" "), uint32(part[0].First)))
	}
	return o
}

// withLimit adds to an outcome how far the command came. If it has a response code already, such as
// EXPUNGEISSUED, that is said before (RFC 9738 section 3.1). What was refused for another reason has
// not come so far.
func (s *session) withLimit(o outcome) outcome {
	if s.lowest == 0 || o.refused != nil && o.refused.Cause != cause.MessageNotFound {
		s.lowest = 0
		return o
	}
	limited := s.tooMany()
	limited.code = string(appendUint([]byte(limited.code+" "), uint32(s.lowest)))
	s.lowest = 0
	if o.code == "" && !o.silent && o.refused == nil {
		o.code = limited.code
		return o
	}
	s.refused("", "NO", limited)
	return o
}

// deletedNewest returns those of a set of UIDs that UID EXPUNGE works on: the limit is about the
// messages that have \Deleted, for only they are touched.
func (s *session) deletedNewest(set uid.Set) (uid.Set, error) {
	if !s.selected.isTooMany(set, s.server.options.Limits.Messages) {
		return set, nil
	}
	var deleted uid.Set
	err := s.store.Placements(s.ctx, s.selected.account, s.selected.id, set, func(p *store.Placement) error {
		if p.Flags.Has(store.FlagDeleted) {
			deleted = deleted.Add(p.UID)
		}
		return nil
	})
	return s.newest(deleted), err
}

// searched returns the messages that a search looks at, which its sequence sets narrow if they stand
// where all keys must match. SORT cannot be done in part.
func (q *query) searched(c *searchCommand) (uid.Set, error) {
	set, limit := q.sel.known(), q.s.server.options.Limits.Messages
	if limit == 0 {
		return set, nil
	}
	set = c.key.within(set)
	switch {
	case !q.sel.isTooMany(set, limit):
		return set, nil
	case c.order != nil, c.from != nil && !c.from.onlySelected():
		return nil, errLimited
	}
	return q.s.newest(set), nil
}

// within cuts a set to what a key that was prepared can match, as far as sequence sets tell.
func (k *searchKey) within(set uid.Set) uid.Set {
	switch k.op {
	case opSeq, opUID:
		return set.Intersect(k.uids)
	case opAnd:
		for i := range k.keys {
			set = k.keys[i].within(set)
		}
	}
	return set
}
