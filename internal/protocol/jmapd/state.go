package jmapd

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// A state is a value of the account's change counter and what tells new from changed: of emails and conversations the
// first email that had not come yet, of mailboxes which ones there were. "17.42" and "17.1:6" are such.
//
// A client that takes changes in parts (maxChanges, RFC 8620 section 5.2) goes through the ids in ascending order: all of
// that sweep is in the states between, "17.42-9-21.50": of ids up to 9 it knows what was at 21.50, when the sweep began, or
// later, of the others what was at 17.42. What changes behind it is told in the next sweep.

// sweep is how far a client is.
type sweep struct {
	base  string  // the state of what is not told yet
	done  *uint64 // the ids up to this one are told; nil: no sweep is under way
	begun string  // the state when it began
}

// sweepOf reads a state of a client; now is the state as it is.
func sweepOf(old, now string) (w sweep, ok bool) {
	parts := strings.Split(old, "-")
	if len(parts) == 1 {
		return sweep{base: old, begun: now}, true
	}
	if len(parts) != 3 {
		return w, false
	}
	done, err := strconv.ParseUint(parts[1], 10, 64)
	return sweep{base: parts[0], done: &done, begun: parts[2]}, err == nil
}

func parseEmailState(s string) (since store.ModSeq, next store.EmailID, ok bool) {
	a, b, _ := strings.Cut(s, ".")
	m, err1 := strconv.ParseUint(a, 10, 64)
	n, err2 := strconv.ParseUint(b, 10, 64)
	return store.ModSeq(m), store.EmailID(n), err1 == nil && err2 == nil
}

func parseMailboxState(s string) (since store.ModSeq, had uid.Set, ok bool) {
	a, b, _ := strings.Cut(s, ".")
	m, err1 := strconv.ParseUint(a, 10, 64)
	had, err2 := uid.Parse(b)
	return store.ModSeq(m), had, err1 == nil && err2 == nil
}

// emailState is the state of emails and of conversations.
func (p *picture) emailState() string { return fmt.Sprintf("%d.%d", p.mail.ModSeq, p.mail.NextEmail) }

// mailboxState is the state of mailboxes.
func (p *picture) mailboxState() string {
	ids := make([]uid.UID, 0, len(p.boxes))
	for id := range p.boxes {
		ids = append(ids, uid.UID(id))
	}
	return fmt.Sprintf("%d.%s", p.mail.ModSeq, uid.Of(ids...))
}

// change is one that a /changes tells.
type change struct {
	id   uint64
	kind changeKind
}

type changeKind uint8

const (
	created changeKind = iota
	updated
	destroyed
)

// changed is the answer of a /changes: all changes, or as many as are wanted of the rest of a sweep. now is the state as
// it is.
func (c *call) changed(old, now string, w sweep, most int, list []change, name func(id uint64) string) object {
	slices.SortFunc(list, func(a, b change) int { return cmp.Compare(a.id, b.id) })
	if w.done != nil {
		list = slices.DeleteFunc(list, func(one change) bool { return one.id <= *w.done })
	}
	state, more := w.begun, w.begun != now
	if most > 0 && len(list) > most {
		list = list[:most]
		state, more = fmt.Sprintf("%s-%d-%s", w.base, list[most-1].id, w.begun), true
	}
	ids := [3][]string{}
	for _, one := range list {
		ids[one.kind] = append(ids[one.kind], name(one.id))
	}
	return object{
		"accountId": accountID(c.account.ID), "oldState": old, "newState": state, "hasMoreChanges": more,
		"created": listed(ids[created]), "updated": listed(ids[updated]), "destroyed": listed(ids[destroyed]),
	}
}
