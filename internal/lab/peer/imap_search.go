package peer

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// search runs SEARCH (RFC 3501 section 6.4.4) with the keys that programs use.
func (x *imapSession) search(cmd *imapCommand, byUID bool) {
	args := cmd.args
	if strings.EqualFold(cmd.arg(0), "CHARSET") && len(args) > 1 {
		args = args[2:]
	}
	x.s.Mail.mu.Lock()
	hits, err := x.hits(args, byUID)
	x.s.Mail.mu.Unlock()
	if err != nil {
		x.bad("Malformed or unknown search key")
		return
	}
	x.data(hits)
	x.ok("done")
}

// hits is the answer. Mail.mu is held.
func (x *imapSession) hits(keys []token, byUID bool) (string, error) {
	line := "* SEARCH"
	if len(keys) == 0 {
		return "", errSyntaxIMAP
	}
	for i, uid := range x.shown {
		m := x.box.byUID(uid)
		if m == nil {
			continue
		}
		q := query{m: m, number: uint32(i + 1), last: uint32(len(x.shown)), lastUID: x.box.Next - 1, keys: keys}
		fits, err := q.all()
		if err != nil {
			return "", err
		}
		n := q.number
		if byUID {
			n = uid
		}
		if fits {
			line += " " + strconv.Itoa(int(n))
		}
	}
	return line, nil
}

// query is what is left of the keys for one message.
type query struct {
	m             *Message
	number        uint32
	last, lastUID uint32
	keys          []token
}

// all tells whether the message fits all keys; each is read even if one before does not.
func (q *query) all() (bool, error) {
	fits := true
	for len(q.keys) > 0 {
		one, err := q.key()
		if err != nil {
			return false, err
		}
		fits = fits && one
	}
	return fits, nil
}

// next takes one argument.
func (q *query) next() (token, error) {
	if len(q.keys) == 0 {
		return token{}, errSyntaxIMAP
	}
	t := q.keys[0]
	q.keys = q.keys[1:]
	return t, nil
}

func (q *query) key() (bool, error) {
	t, err := q.next()
	if err != nil {
		return false, err
	}
	if t.isList {
		inner := *q
		inner.keys = t.list
		return inner.all()
	}
	switch name := strings.ToUpper(t.text); name {
	case "ALL":
		return true, nil
	case "SEEN", "DELETED", "FLAGGED", "ANSWERED", "DRAFT":
		return q.m.has(`\` + name), nil
	case "UNSEEN", "UNDELETED", "UNFLAGGED", "UNANSWERED", "UNDRAFT":
		return !q.m.has(`\` + strings.TrimPrefix(name, "UN")), nil
	case "NOT":
		fits, err := q.key()
		return !fits, err
	case "OR":
		a, err := q.key()
		if err != nil {
			return false, err
		}
		b, err := q.key()
		return a || b, err
	case "HEADER":
		field, err := q.next()
		if err != nil {
			return false, err
		}
		return q.with(func(v string) bool { return contains(q.m.header(field.text), v) })
	default:
		return q.valued(name)
	}
}

// with tests the next argument.
func (q *query) with(test func(string) bool) (bool, error) {
	t, err := q.next()
	return err == nil && test(t.text), err
}

// valued are the keys with one argument, and sets.
func (q *query) valued(name string) (bool, error) {
	switch name {
	case "SUBJECT", "FROM", "TO", "CC", "BCC":
		return q.with(func(v string) bool { return contains(q.m.header(name), v) })
	case "TEXT":
		return q.with(func(v string) bool { return contains(string(q.m.Data), v) })
	case "BODY":
		return q.with(func(v string) bool { return contains(string(q.m.section("[TEXT]")), v) })
	case "KEYWORD":
		return q.with(q.m.has)
	case "LARGER", "SMALLER":
		return q.with(func(v string) bool {
			n, err := strconv.Atoi(v)
			return err == nil && (name == "LARGER") == (len(q.m.Data) > n) && len(q.m.Data) != n
		})
	case "SINCE", "BEFORE", "ON", "SENTSINCE", "SENTBEFORE", "SENTON":
		return q.with(func(v string) bool { return onDay(q.m.Date, strings.TrimPrefix(name, "SENT"), v) })
	case "UID":
		set, err := q.next()
		if err != nil {
			return false, err
		}
		has, err := numbers(set.text, q.lastUID)
		return err == nil && has(q.m.UID), err
	}
	has, err := numbers(name, q.last)
	return err == nil && has(q.number), err
}

func contains(in, what string) bool {
	return strings.Contains(strings.ToLower(in), strings.ToLower(what))
}

// onDay compares days and forgets the time of day (RFC 3501 section 6.4.4).
func onDay(date time.Time, how, day string) bool {
	want, err := time.Parse("2-Jan-2006", day)
	if err != nil {
		return false
	}
	have := time.Date(date.Year(), date.Month(), date.Day(), 0, 0, 0, 0, time.UTC)
	allowed := map[string][]int{"SINCE": {0, 1}, "BEFORE": {-1}, "ON": {0}}[how]
	return slices.Contains(allowed, have.Compare(want))
}
