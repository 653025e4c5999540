package jmapd

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/index"
)

// sortOptions are what Email/query can sort by (RFC 8621 section 4.4.2).
func sortOptions() []string {
	return []string{
		"receivedAt", "sentAt", "size", "from", "to", "subject", "hasKeyword", "allInThreadHaveKeyword", "someInThreadHaveKeyword",
	}
}

// search is an Email/query that runs. Its first error ends it.
type search struct {
	ctx   context.Context
	c     *call
	p     *picture
	by    []comparator
	texts index.Texts
	err   error

	keep    func(*store.Located) bool
	keyOf   []func(*store.Located) sortKey // of each comparator
	compare func(a, b row) int
	read    *readKeys
	// What the results depend on beside what never changes of emails.
	placeBound, flagBound, threadBound bool
	reads                              bool // emails are read to decide
}

// emailQuery is Email/query (RFC 8621 section 4.4).
func emailQuery(ctx context.Context, c *call) (any, error) {
	q, err := c.query("collapseThreads")
	if err != nil {
		return nil, err
	}
	if answer, ok, err := c.some(ctx, &q); ok || err != nil {
		return answer, err
	}
	f, err := c.find(ctx, q.sort)
	if err != nil {
		return nil, err
	}
	answer, err := q.answer(c, f.results(), f.p.emailState())
	if err != nil {
		return nil, err
	}
	answer["collapseThreads"] = f.collapse
	return answer, nil
}

// emailQueryChanges is Email/queryChanges (RFC 8621 section 4.5). Whatever was touched since is told to be removed, and added
// at its position if it is found now: what was not touched lies in the order in which it lay, so a client that takes out
// the ones and puts in the others has the results as they are.
func emailQueryChanges(ctx context.Context, c *call) (any, error) {
	q, err := c.queryChange("collapseThreads")
	if err != nil {
		return nil, err
	}
	f, err := c.find(ctx, q.sort)
	if err != nil {
		return nil, err
	}
	since, next, ok := parseEmailState(q.since)
	var touches []touch
	if ok {
		touches, ok, err = c.server.touches(ctx, f.p, since, next)
	}
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, errCannotCalculate
	}
	removed, added := f.changes(touches)
	if q.upTo != nil && !f.collapse && !f.placeBound && !f.flagBound {
		if last, there := f.results().find(*q.upTo); there {
			added = slices.DeleteFunc(added, func(one addedItem) bool { return one.Index > last })
		}
	}
	answer, err := q.answer(c, removed, added, f.p.emailState(), f.list().Len())
	if o, ok := answer.(object); ok {
		o["collapseThreads"] = f.collapse
	}
	return answer, err
}

// changes are the ids that may have been in the results and may not lie there any more, and those that came or may
// have moved.
func (f *emailsFound) changes(touches []touch) (removed []string, added []addedItem) {
	was := map[store.EmailID]bool{} // of all that can be meant: it was visible before
	for _, t := range touches {
		if !t.filed && !f.flagBound {
			continue
		}
		if f.collapse || f.threadBound {
			for _, l := range f.p.thread(t.thread) {
				if _, known := was[l.ID]; !known {
					was[l.ID] = true
				}
			}
		}
	}
	for _, t := range touches {
		if _, known := was[t.id]; known || t.filed || f.flagBound {
			was[t.id] = t.was
		}
	}
	list := f.list()
	for id, visible := range was {
		if visible {
			removed = append(removed, f.p.sight.emailID(id))
		}
		if l, ok := f.p.email(id); ok {
			if at, there := list.Find(f.row(l)); there {
				added = append(added, addedItem{f.p.sight.emailID(id), at})
			}
		}
	}
	return removed, added
}

// at is the same search in another picture.
func (s *search) at(p *picture) *search {
	other := &search{ctx: s.ctx, c: s.c, p: p, by: s.by, read: s.read}
	other.err = other.parse()
	return other
}

// parse reads the filter and the sort.
func (s *search) parse() (err error) {
	if s.keep, err = parseFilter(s.c.args["filter"], s.condition); err != nil {
		return err
	}
	return s.order()
}

// condition is one condition of a FilterCondition (RFC 8621 section 4.4.1).
func (s *search) condition(name string, raw json.RawMessage) (func(*store.Located) bool, error) {
	bad := invalid("filter: %s has the wrong type", name)
	switch name {
	case "inMailbox":
		var id string
		if unmarshal(raw, &id) != nil {
			return nil, bad
		}
		s.placeBound = true
		m, ok := parseIn[store.MailboxID](s.p.sight, 'F', s.c.named(id))
		return func(l *store.Located) bool { return ok && l.In(m) }, nil
	case "inMailboxOtherThan":
		var not []string
		if unmarshal(raw, &not) != nil {
			return nil, bad
		}
		for i := range not {
			not[i] = s.c.named(not[i])
		}
		s.placeBound = true
		return func(l *store.Located) bool {
			return slices.ContainsFunc(l.At, func(p store.PlacedIn) bool { return !slices.Contains(not, s.p.sight.mailboxID(p.Mailbox)) })
		}, nil
	case "before", "after":
		var at time.Time
		if unmarshal(raw, &at) != nil {
			return nil, bad
		}
		return func(l *store.Located) bool { return time.Unix(l.Received, 0).Before(at) == (name == "before") }, nil
	case "minSize", "maxSize":
		var n int64
		if unmarshal(raw, &n) != nil || n < 0 {
			return nil, bad
		}
		return func(l *store.Located) bool { return (l.Size >= n) == (name == "minSize") }, nil
	case "hasAttachment":
		var want bool
		if unmarshal(raw, &want) != nil {
			return nil, bad
		}
		return func(l *store.Located) bool { return l.Attachment == want }, nil
	case "hasKeyword", "notKeyword", "allInThreadHaveKeyword", "someInThreadHaveKeyword", "noneInThreadHaveKeyword":
		var keyword string
		if unmarshal(raw, &keyword) != nil {
			return nil, bad
		}
		return s.keyword(name, keyword), nil
	}
	return s.textCondition(name, raw, bad)
}

// keyword decides by the keywords of emails and of their conversations.
func (s *search) keyword(name, keyword string) func(*store.Located) bool {
	s.flagBound = true
	s.threadBound = s.threadBound || strings.Contains(name, "Thread")
	flag, known := keywordFlag(keyword, s.p.mail.Keywords)
	has := func(l *store.Located) bool { return known && l.Flags().Has(flag) }
	some := func(l *store.Located) bool { return slices.ContainsFunc(s.p.thread(l.Thread), has) }
	switch name {
	case "hasKeyword":
		return has
	case "notKeyword":
		return func(l *store.Located) bool { return !has(l) }
	case "someInThreadHaveKeyword":
		return some
	case "noneInThreadHaveKeyword":
		return func(l *store.Located) bool { return !some(l) }
	}
	return func(l *store.Located) bool {
		return !slices.ContainsFunc(s.p.thread(l.Thread), func(l *store.Located) bool { return !has(l) })
	}
}

// reading decides by the record of an email. What went since the picture was made is not found.
func (s *search) reading(decide func(*store.Email) bool) func(*store.Located) bool {
	s.reads = true
	return func(l *store.Located) (yes bool) {
		if s.err != nil {
			return false
		}
		err := s.c.server.store.EmailsOf(s.ctx, s.c.account.ID, []store.EmailID{l.ID}, func(e *store.Email) error {
			yes = decide(e)
			return s.ctx.Err()
		})
		s.err = cmp.Or(s.err, err)
		return yes
	}
}

// textCondition decides by what an email says. Texts are words apart, or phrases in quotes, all of which must be
// there, in any case and without accents, as package index compares.
func (s *search) textCondition(name string, raw json.RawMessage, bad error) (func(*store.Located) bool, error) {
	if name == "header" {
		return s.headerCondition(raw, bad)
	}
	where := index.In(index.FieldOf(name))
	has, ok := summaryFields[name]
	exact := true // whoever has the text in one of these places is meant
	switch fields := []index.Field{index.Body}; name {
	case "text":
		fields = append(fields, index.Subject, index.From, index.To, index.Copies)
		fallthrough
	case "body":
		where, ok = index.In(fields...), true
		has = func(e *store.Email, n index.Needle) bool { return s.says(e, n, fields) }
	case "cc", "bcc":
		exact = false // the index has them together
	}
	if !ok {
		return nil, &methodError{Type: "unsupportedFilter", Description: name}
	}
	var text string
	if unmarshal(raw, &text) != nil {
		return nil, bad
	}
	var all []func(*store.Located) bool
	for _, word := range words(text) {
		one, err := s.needle(index.NewNeedle(word), where, exact, has)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return combine("AND", all)
}

// summaryFields are conditions that the summary of an email decides.
var summaryFields = map[string]func(e *store.Email, n index.Needle) bool{
	"from":    addressHas(message.FieldFrom),
	"to":      addressHas(message.FieldTo),
	"cc":      addressHas(message.FieldCc),
	"bcc":     addressHas(message.FieldBcc),
	"subject": func(e *store.Email, n index.Needle) bool { return n.In(e.Summary.Subject()) },
}

func addressHas(f message.AddressField) func(*store.Email, index.Needle) bool {
	return func(e *store.Email, n index.Needle) bool {
		return slices.ContainsFunc(e.Summary.Addresses(f), func(a message.Address) bool {
			return n.In([]byte(a.Name + " <" + a.Email + ">"))
		})
	}
}

// fewEmails is up to how many emails are read without a look into the index.
const fewEmails = 32

// needle decides whether an email has a text; the index spares to read those that cannot have it, and, if that alone decides,
// those that have it for certain.
func (s *search) needle(n index.Needle, where index.Fields, exact bool, has func(*store.Email, index.Needle) bool) (func(*store.Located) bool, error) {
	read := s.reading(func(e *store.Email) bool { return has(e, n) })
	find := s.c.server.options.Index
	if find == nil {
		return read, nil
	}
	var narrowed func(l *store.Located) bool
	seen := 0
	return func(l *store.Located) bool {
		if seen++; seen < fewEmails { // those that came lately are read at once
			return read(l)
		}
		if narrowed == nil {
			narrowed = read
			m, err := find.Find(s.ctx, s.c.account.ID, where, n)
			if err != nil {
				s.err = cmp.Or(s.err, err)
			} else if m != nil {
				narrowed = func(l *store.Located) bool { return exact && m.MustHave(l.ID) || m.MayHave(l.ID) && read(l) }
			}
		}
		return narrowed(l)
	}, nil
}

// says reads what an email says in some places.
func (s *search) says(e *store.Email, n index.Needle, fields []index.Field) bool {
	body, err := s.c.server.store.Body(s.ctx, e)
	if err != nil {
		s.err = cmp.Or(s.err, err)
		return false
	}
	defer body.Close()
	found, err := s.texts.Message(&e.Summary, body, max(0, n.Len()-1), func(f index.Field, text []byte) bool {
		return slices.Contains(fields, f) && n.InFolded(text)
	})
	s.err = cmp.Or(s.err, err)
	return found
}

// headerCondition is ["name"] or ["name", "text"].
func (s *search) headerCondition(raw json.RawMessage, bad error) (func(*store.Located) bool, error) {
	var of []string
	if unmarshal(raw, &of) != nil || len(of) < 1 || len(of) > 2 || !isFieldName(of[0]) {
		return nil, bad
	}
	n := index.NewNeedle(of[len(of)-1])
	return s.reading(func(e *store.Email) bool {
		header, err := s.c.server.store.ReadBody(s.ctx, nil, e, 0, min(e.Summary.HeaderSize(), maxHeaderRead))
		s.err = cmp.Or(s.err, err)
		for text := range message.DecodedFields(header, of[0]) {
			if len(of) == 1 || n.In([]byte(text)) {
				return true
			}
		}
		return false
	}), nil
}

// words parts a text at white space, phrases in single or double quotes excepted, in which a backslash stands before what is meant as
// it is (RFC 8621 section 4.4.1).
func words(text string) (list []string) {
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		if phrase, rest, ok := cutPhrase(text); ok {
			if text = rest; strings.TrimSpace(phrase) != "" {
				list = append(list, phrase)
			}
			continue
		}
		end := strings.IndexFunc(text, unicode.IsSpace)
		if end < 0 {
			end = len(text)
		}
		list, text = append(list, text[:end]), text[end:]
	}
	return list
}

// cutPhrase reads the phrase that a text begins with; ok is false where it begins with none, or with one that does not end.
func cutPhrase(text string) (phrase, rest string, ok bool) {
	if text[0] != '"' && text[0] != '\'' {
		return "", "", false
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == text[0]:
			return b.String(), text[i+1:], true
		case text[i] == '\\' && i+1 < len(text):
			i++
		}
		b.WriteByte(text[i])
	}
	return "", "", false
}

// sortKey is what an email is sorted by.
type sortKey struct {
	number int64
	text   []byte
}

// order makes compare. Emails that nothing tells apart are in the order of their ids, turned as the last comparator is, so
// that the order is always the same and of those that came in the same second the last is the newest.
func (s *search) order() error {
	last := func(n int) int { return n }
	plain := true
	for _, c := range s.by {
		key, err := s.sortKey(c)
		if err != nil {
			return err
		}
		s.keyOf = append(s.keyOf, key)
		last = c.turned
		plain = plain && (c.Property == "receivedAt" || c.Property == "size")
	}
	if plain {
		s.keyOf = nil
		s.compare = func(a, b row) int {
			for i := range s.by {
				c := &s.by[i]
				n := cmp.Compare(a.l.Received, b.l.Received)
				if c.Property == "size" {
					n = cmp.Compare(a.l.Size, b.l.Size)
				}
				if n != 0 {
					return c.turned(n)
				}
			}
			return last(cmp.Compare(a.l.ID, b.l.ID))
		}
		return nil
	}
	s.compare = func(a, b row) int {
		for i := range s.by {
			x, y := &(*a.keys)[i], &(*b.keys)[i]
			if n := cmp.Or(cmp.Compare(x.number, y.number), bytes.Compare(x.text, y.text)); n != 0 {
				return s.by[i].turned(n)
			}
		}
		return last(cmp.Compare(a.l.ID, b.l.ID))
	}
	return nil
}

// row is an email with what it is sorted by.
func (s *search) row(l *store.Located) row {
	if s.keyOf == nil {
		return row{l: l}
	}
	keys := make(sortKeys, len(s.keyOf))
	for i, key := range s.keyOf {
		keys[i] = key(l)
	}
	return row{l, &keys}
}

// readSorts are sorts for which emails are read.
var readSorts = []string{"sentAt", "subject", "from", "to"}

func (s *search) sortKey(c comparator) (func(*store.Located) sortKey, error) {
	number := func(f func(*store.Located) int64) (func(*store.Located) sortKey, error) {
		return func(l *store.Located) sortKey { return sortKey{number: f(l)} }, nil
	}
	switch c.Property {
	case "receivedAt":
		return number(func(l *store.Located) int64 { return l.Received })
	case "size":
		return number(func(l *store.Located) int64 { return l.Size })
	case "hasKeyword", "allInThreadHaveKeyword", "someInThreadHaveKeyword":
		if c.Keyword == "" {
			return nil, invalid("sort: keyword is missing")
		}
		has := s.keyword(c.Property, c.Keyword)
		return number(func(l *store.Located) int64 {
			if has(l) {
				return 1
			}
			return 0
		})
	}
	at := slices.Index(readSorts, c.Property)
	if at < 0 {
		return nil, &methodError{Type: "unsupportedSort", Description: c.Property}
	}
	return func(l *store.Located) sortKey { return s.readKey(l, at) }, nil
}

// readKey is what an email is sorted by and does not change; the email is read the first time.
func (s *search) readKey(l *store.Located, at int) (k sortKey) {
	if known := s.read.get(l.ID); known != nil {
		return known[at]
	}
	s.reading(func(e *store.Email) bool {
		keys := s.keysIn(e)
		s.read.put(l.ID, keys)
		k = keys[at]
		return true
	})(l)
	return k
}

// readAhead reads what all emails are sorted by in one go, in the order in which they lie.
func (s *search) readAhead() {
	if !slices.ContainsFunc(s.by, func(c comparator) bool { return slices.Contains(readSorts, c.Property) }) {
		return
	}
	err := s.c.server.store.Emails(s.ctx, s.c.account.ID, 0, s.p.mail.NextEmail, func(e *store.Email) error {
		if s.read.get(e.ID) == nil {
			s.read.put(e.ID, s.keysIn(e))
		}
		return s.ctx.Err()
	})
	s.err = cmp.Or(s.err, err)
}

// keysIn are the keys of the comparators for which emails are read.
func (s *search) keysIn(e *store.Email) sortKeys {
	keys := make(sortKeys, len(readSorts))
	for _, c := range s.by {
		if i := slices.Index(readSorts, c.Property); i >= 0 {
			keys[i] = keyIn(e, c.Property)
		}
	}
	return keys
}

func keyIn(e *store.Email, property string) (k sortKey) {
	switch property {
	case "sentAt":
		k.number, _ = e.Summary.DateUnix()
	case "subject":
		base, _ := message.BaseSubject(string(e.Summary.Subject()))
		k.text = index.Fold(nil, []byte(base))
	case "from", "to":
		field := map[string]message.AddressField{"from": message.FieldFrom, "to": message.FieldTo}[property]
		if list := e.Summary.Addresses(field); len(list) > 0 {
			k.text = index.Fold(nil, []byte(cmp.Or(list[0].Name, list[0].Email)))
		}
	}
	return k
}
