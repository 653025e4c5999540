package jmapd

import (
	"cmp"
	"context"
	"slices"

	"github.com/postiljon/postiljon/internal/store"
)

// touch is what happened to an email between two moments.
type touch struct {
	id     store.EmailID
	thread store.ThreadID
	was    bool           // it was visible
	now    *store.Located // as it is afterwards; nil if it is not visible
	filed  bool           // it came, went, or lies in other mailboxes; else it has other keywords at most
	guess  bool           // was is likely, and filed is possible
}

// log is what happened to an account's emails lately. It is immutable.
type log struct {
	from  store.ModSeq // it tells of all that happened after this
	steps []step
	size  int
}

// step is what happened up to a value of the change counter, from that of the step before.
type step struct {
	to      store.ModSeq
	touches []touch
}

// maxLog bounds the touches of a log: some 50 octets each.
const maxLog = 10_000

// with is the log with one more step. Only the newest log may be continued, for they share their steps.
func (l log) with(to store.ModSeq, touches []touch) log {
	for i := range touches {
		touches[i].now = nil // the picture has it
	}
	next := log{from: l.from, steps: append(l.steps, step{to, touches}), size: l.size + len(touches) + 1}
	if next.size <= maxLog {
		return next
	}
	for next.size > maxLog/2 && len(next.steps) > 0 {
		first := &next.steps[0]
		next.from, next.size = first.to, next.size-len(first.touches)-1
		next.steps = next.steps[1:]
	}
	next.steps = slices.Clone(next.steps)
	return next
}

// touches tells what happened to emails since a value of the change counter, ascending by id. next is the first email
// that had not come then. ok is false if that cannot be known any more. It costs what happened lately; what happened
// before the picture was begun costs a look at all emails in memory.
func (s *Server) touches(ctx context.Context, p *picture, since store.ModSeq, next store.EmailID) (list []touch, ok bool, err error) {
	switch {
	case since > p.mail.ModSeq || next > p.mail.NextEmail:
		return nil, false, nil
	case since >= p.log.from:
		return p.since(since), true, nil
	case p.sight.isShared(): // which of the owner's emails could be seen then is not known any more
		return nil, false, nil
	}
	gone, complete, err := s.store.RemovedSince(ctx, p.sight.owner, since)
	if err != nil || !complete {
		return nil, false, err
	}
	for l := range p.mail.All() {
		if l.ModSeq() > since {
			list = append(list, touch{id: l.ID, thread: l.Thread})
		}
	}
	for _, g := range gone {
		if l, there := p.mail.Email(g.Email); there {
			list = append(list, touch{id: l.ID, thread: l.Thread})
		} else if g.Thread != 0 { // else what removed it altogether is told, too
			list = append(list, touch{id: g.Email, thread: g.Thread})
		}
	}
	list = inOrder(list)
	for i := range list {
		t := &list[i]
		t.now, _ = p.email(t.id)
		t.was, t.filed, t.guess = t.id < next, true, true
	}
	return list, true, nil
}

// since puts the steps of the log after a moment together.
func (p *picture) since(since store.ModSeq) (list []touch) {
	at, _ := slices.BinarySearchFunc(p.log.steps, since+1, func(s step, m store.ModSeq) int { return cmp.Compare(s.to, m) })
	for _, s := range p.log.steps[at:] {
		list = append(list, s.touches...)
	}
	list = inOrder(list)
	for i := range list {
		list[i].now, _ = p.email(list[i].id)
		list[i].filed = list[i].filed || list[i].was != (list[i].now != nil)
	}
	return list
}

// inOrder sorts touches by email and makes one of those of the same, which are in the order of time.
func inOrder(list []touch) []touch {
	slices.SortStableFunc(list, func(a, b touch) int { return cmp.Compare(a.id, b.id) })
	out := list[:0]
	for _, t := range list {
		if n := len(out); n > 0 && out[n-1].id == t.id {
			out[n-1].filed = out[n-1].filed || t.filed
			continue
		}
		out = append(out, t)
	}
	return out
}
