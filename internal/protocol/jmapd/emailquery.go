package jmapd

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

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
	texts index.Texts
	err   error
}

// emailQuery is Email/query (RFC 8621 section 4.4).
func emailQuery(ctx context.Context, c *call) (any, error) {
	q, err := c.query("collapseThreads")
	if err != nil {
		return nil, err
	}
	var collapse bool
	if err := c.args.read("collapseThreads", &collapse); err != nil {
		return nil, err
	}
	s := &search{ctx: ctx, c: c}
	if s.p, err = c.server.picture(ctx, c.account.ID); err != nil {
		return nil, err
	}
	keep, err := parseFilter(c.args["filter"], s.condition)
	if err != nil {
		return nil, err
	}
	var found []*store.Located
	for i := range s.p.emails {
		if l := &s.p.emails[i]; s.err == nil && keep(l) {
			found = append(found, l)
		}
	}
	if s.err == nil {
		err = s.order(found, q.sort)
	}
	if err = cmp.Or(s.err, err); err != nil {
		return nil, err
	}
	answer, err := q.answer(c, ids(found, collapse), s.p.emailState())
	if o, ok := answer.(object); ok {
		o["collapseThreads"] = collapse
	}
	return answer, err
}

// ids are those of emails in order; with collapse, of the first of each conversation.
func ids(list []*store.Located, collapse bool) []string {
	out := make([]string, 0, len(list))
	seen := map[store.ThreadID]bool{}
	for _, l := range list {
		if collapse && seen[l.Thread] {
			continue
		}
		seen[l.Thread] = collapse
		out = append(out, emailID(l.ID))
	}
	return out
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
		m, ok := parseID[store.MailboxID]('F', s.c.named(id))
		return func(l *store.Located) bool { return ok && l.In(m) }, nil
	case "inMailboxOtherThan":
		var not []string
		if unmarshal(raw, &not) != nil {
			return nil, bad
		}
		return func(l *store.Located) bool {
			return slices.ContainsFunc(l.At, func(p store.PlacedIn) bool { return !slices.Contains(not, mailboxID(p.Mailbox)) })
		}, nil
	case "before", "after":
		var at time.Time
		if unmarshal(raw, &at) != nil {
			return nil, bad
		}
		return func(l *store.Located) bool { return l.Received.Before(at) == (name == "before") }, nil
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
		return s.reading(func(e *store.Email) bool { return e.Summary.HasAttachment() == want }), nil
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
	flag, known := keywordFlag(keyword, s.p.mail.Keywords)
	has := func(l *store.Located) bool { return known && l.Flags().Has(flag) }
	some := func(l *store.Located) bool { return slices.ContainsFunc(s.p.threads[l.Thread], has) }
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
		return !slices.ContainsFunc(s.p.threads[l.Thread], func(l *store.Located) bool { return !has(l) })
	}
}

// reading decides by the record of an email. What went since the picture was made is not found.
func (s *search) reading(decide func(*store.Email) bool) func(*store.Located) bool {
	return func(l *store.Located) (yes bool) {
		if s.err != nil {
			return false
		}
		err := s.c.server.store.Emails(s.ctx, s.c.account.ID, l.ID, l.ID+1, func(e *store.Email) error {
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
	where := index.In(index.Addresses)
	has, ok := summaryFields[name]
	switch name {
	case "text", "body":
		where, ok = index.Everywhere, true
		fields := []index.Field{index.Body}
		if name == "text" {
			fields = append(fields, index.Subject, index.Addresses)
		} else {
			where = index.In(index.Body)
		}
		has = func(e *store.Email, n index.Needle) bool { return s.says(e, n, fields) }
	case "subject":
		where = index.In(index.Subject)
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
		one, err := s.needle(index.NewNeedle(word), where, has)
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

// needle decides whether an email has a text; the index spares to read those that cannot have it.
func (s *search) needle(n index.Needle, where index.Fields, has func(*store.Email, index.Needle) bool) (func(*store.Located) bool, error) {
	read := s.reading(func(e *store.Email) bool { return has(e, n) })
	if s.c.server.options.Index == nil {
		return read, nil
	}
	m, err := s.c.server.options.Index.Find(s.ctx, s.c.account.ID, where, n)
	if err != nil || m == nil {
		return read, err
	}
	return func(l *store.Located) bool { return m.MayHave(l.ID) && read(l) }, nil
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

// words parts a text at spaces, phrases in single or double quotes excepted (RFC 8621 section 4.4.1).
func words(text string) (list []string) {
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		if q := text[0]; q == '"' || q == '\'' {
			if end := strings.IndexByte(text[1:], q); end >= 0 {
				list = append(list, strings.ReplaceAll(text[1:end+1], "\\", ""))
				text = text[end+2:]
				continue
			}
		}
		word, rest, _ := strings.Cut(text, " ")
		list, text = append(list, word), rest
	}
	return list
}

// sortKey is what an email is sorted by.
type sortKey struct {
	number int64
	text   []byte
}

// order sorts emails. Those that nothing tells apart are in the order of their ids, so that the order is always the same.
func (s *search) order(list []*store.Located, by []comparator) error {
	keys := make([]map[store.EmailID]sortKey, len(by))
	for i, c := range by {
		key, err := s.sortKey(c)
		if err != nil {
			return err
		}
		keys[i] = make(map[store.EmailID]sortKey, len(list))
		for _, l := range list {
			keys[i][l.ID] = key(l)
		}
	}
	slices.SortFunc(list, func(a, b *store.Located) int {
		for i, c := range by {
			x, y := keys[i][a.ID], keys[i][b.ID]
			if n := cmp.Or(cmp.Compare(x.number, y.number), bytes.Compare(x.text, y.text)); n != 0 {
				return c.turned(n)
			}
		}
		return cmp.Compare(a.ID, b.ID)
	})
	return s.err
}

func (s *search) sortKey(c comparator) (func(*store.Located) sortKey, error) {
	number := func(f func(*store.Located) int64) (func(*store.Located) sortKey, error) {
		return func(l *store.Located) sortKey { return sortKey{number: f(l)} }, nil
	}
	switch c.Property {
	case "receivedAt":
		return number(func(l *store.Located) int64 { return l.Received.Unix() })
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
	case "sentAt":
		return s.readKey(func(e *store.Email) (k sortKey) {
			k.number, _ = e.Summary.DateUnix()
			return k
		}), nil
	case "subject":
		return s.readKey(func(e *store.Email) sortKey {
			base, _ := message.BaseSubject(string(e.Summary.Subject()))
			return sortKey{text: index.Fold(nil, []byte(base))}
		}), nil
	case "from", "to":
		field := map[string]message.AddressField{"from": message.FieldFrom, "to": message.FieldTo}[c.Property]
		return s.readKey(func(e *store.Email) (k sortKey) {
			if list := e.Summary.Addresses(field); len(list) > 0 {
				k.text = index.Fold(nil, []byte(cmp.Or(list[0].Name, list[0].Email)))
			}
			return k
		}), nil
	}
	return nil, &methodError{Type: "unsupportedSort", Description: c.Property}
}

func (s *search) readKey(key func(*store.Email) sortKey) func(*store.Located) sortKey {
	return func(l *store.Located) (k sortKey) {
		s.reading(func(e *store.Email) bool {
			k = key(e)
			return true
		})(l)
		return k
	}
}
