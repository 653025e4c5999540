package imapd

import (
	"bytes"
	"math"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
)

// getMetadataCommand is GETMETADATA.
type getMetadataCommand struct {
	mailbox string // "": the server, which is the account here
	maxSize uint32 // longer values are not told
	depth   int    // levels below the entries
	entries []string
}

// setMetadataCommand is SETMETADATA.
type setMetadataCommand struct {
	mailbox string
	changes []store.Annotation
}

// annotated finds what annotations are asked of: a mailbox, or the account.
func (s *session) annotated(mailbox string) (place, outcome) {
	if mailbox == "" {
		return place{account: s.conn.Account, rights: store.AllRights, Mailbox: store.Mailbox{ID: store.AccountAnnotations}}, done()
	}
	p, o := s.reach(mailbox, store.RightLookup)
	if o.refused == nil && !p.mayReadMetadata() {
		o = noRight(mailbox, p.rights)
	}
	return p, o
}

// mayReadMetadata reports whether the client can have the annotations of a mailbox (RFC 5464
// section 3.3).
func (p *place) mayReadMetadata() bool {
	const one = store.RightRead | store.RightSeen | store.RightWrite | store.RightInsert | store.RightPost
	return p.rights.Has(store.RightLookup) && p.rights.Any(one)
}

// getMetadata is GETMETADATA (RFC 5464 section 4.2).
func (s *session) getMetadata(c *getMetadataCommand) outcome {
	p, o := s.annotated(c.mailbox)
	if o.refused != nil {
		return o
	}
	longest, err := s.tellMetadata(&p, c.mailbox, c)
	if err != nil {
		return s.failed(err, c.mailbox)
	}
	if longest > 0 {
		return doneWith(appendUint([]byte("METADATA LONGENTRIES "), longest))
	}
	return done()
}

// tellMetadata writes a METADATA response with the entries that are asked for. One that does not
// exist is NIL, unless those below were asked for as well. It returns the size of the longest value
// that was left out.
func (s *session) tellMetadata(p *place, name string, c *getMetadataCommand) (longest int, err error) {
	all, err := s.store.Annotations(s.ctx, p.account, p.ID)
	if err != nil {
		return 0, err
	}
	if p.isForeign() { // what is private is the owner's
		all = slices.DeleteFunc(all, func(a store.Annotation) bool { return strings.HasPrefix(a.Name, "/private/") })
	}
	if c.depth == 0 {
		for _, entry := range c.entries {
			if !slices.ContainsFunc(all, func(a store.Annotation) bool { return a.Name == entry }) {
				all = append(all, store.Annotation{Name: entry})
			}
		}
	}
	b := append(s.out, "* METADATA "...)
	if name == "" {
		b = append(b, `""`...)
	} else {
		b = s.appendMailbox(b, name)
	}
	sep := " ("
	for i := range all {
		a := &all[i]
		if !c.wants(a.Name) {
			continue
		}
		if uint64(len(a.Value)) > uint64(c.maxSize) {
			longest = max(longest, len(a.Value))
			continue
		}
		b = append(b, sep...)
		b = appendAString(b, []byte(a.Name))
		b = s.appendValue(append(b, ' '), a.Value)
		sep = " "
	}
	if sep == " " {
		s.out = append(b, ")\r\n"...)
	}
	return longest, nil
}

// wants reports whether an annotation is asked for.
func (c *getMetadataCommand) wants(name string) bool {
	return slices.ContainsFunc(c.entries, func(entry string) bool {
		below, ok := strings.CutPrefix(name, entry)
		return ok && (below == "" || below[0] == '/' && strings.Count(below, "/") <= c.depth)
	})
}

// appendValue writes a value: NIL, a string, or literal8 if there is a NUL in it.
func (s *session) appendValue(b, value []byte) []byte {
	switch {
	case value == nil:
		return append(b, "NIL"...)
	case bytes.IndexByte(value, 0) >= 0:
		return append(appendLiteralHead(append(b, '~'), int64(len(value))), value...)
	}
	return appendString(b, value, false)
}

// setMetadata is SETMETADATA (RFC 5464 section 4.3). What is shared at the server would be everyone's:
// nobody can set that here.
func (s *session) setMetadata(c *setMetadataCommand) outcome {
	p, o := s.annotated(c.mailbox)
	if o.refused != nil {
		return o
	}
	if !p.rights.Has(store.RightWrite) { // everybody who shares the mailbox would see it
		return noRight(c.mailbox, p.rights)
	}
	for i := range c.changes {
		a := &c.changes[i]
		if len(a.Value) > store.MaxAnnotationSize {
			o := refuse(cause.Refuse(cause.MailboxLimit, cause.Count("limit", store.MaxAnnotationSize)).As("annotation-size"))
			o.code = string(appendUint([]byte("METADATA MAXSIZE "), store.MaxAnnotationSize))
			return o
		}
		if p.ID == store.AccountAnnotations && strings.HasPrefix(a.Name, "/shared/") {
			return refuse(cause.Refuse(cause.AccountAccessDenied))
		}
		if p.isForeign() && strings.HasPrefix(a.Name, "/private/") {
			o := refuse(cause.Refuse(cause.AccountAccessDenied, cause.Text("mailbox", c.mailbox)))
			o.code = "METADATA NOPRIVATE"
			return o
		}
	}
	err := s.store.Annotate(s.ctx, p.account, p.ID, c.changes)
	if store.KindOf(err) == store.KindLimit {
		return refuse(cause.Refuse(cause.MailboxLimit, cause.Count("limit", store.MaxAnnotations)).As("annotations"))
	}
	if err != nil {
		return s.failed(err, c.mailbox)
	}
	if s.notifier != nil {
		s.notifier.annotations.set(p.at(), c.changes) // the client knows what it did itself
	}
	return done()
}

// getMetadata reads GETMETADATA. Options stand before the mailbox in the grammar of RFC 5464 and
// behind it in its examples: both are taken.
func (p *parser) getMetadata() any {
	c := &getMetadataCommand{maxSize: math.MaxUint32}
	if p.peek() == '(' {
		p.metadataOptions(c)
		p.sp()
	}
	c.mailbox = p.mailbox()
	p.sp()
	if len(p.b) > 1 && p.b[0] == '(' && classes[p.b[1]|0x20]&isAtom != 0 && p.b[1] != '/' {
		p.metadataOptions(c)
		p.sp()
	}
	c.entries = p.metadataEntries()
	return c
}

func (p *parser) metadataOptions(c *getMetadataCommand) {
	p.list(func() {
		name := p.word()
		p.sp()
		switch name {
		case "MAXSIZE":
			c.maxSize = p.number()
		case "DEPTH":
			c.depth = p.metadataDepth()
		default:
			p.fail("GETMETADATA option %q", name)
		}
	})
}

func (p *parser) metadataDepth() int {
	switch depth := p.word(); depth {
	case "0":
		return 0
	case "1":
		return 1
	case "INFINITY":
		return store.MaxAnnotationName
	default:
		p.fail("DEPTH %q", depth)
		return 0
	}
}

// maxEntries is how many entries one command can name.
const maxEntries = 100

// metadataEntries reads one entry or a list of them.
func (p *parser) metadataEntries() (entries []string) {
	if p.peek() != '(' {
		return []string{p.metadataEntry(true)}
	}
	p.list(func() {
		if len(entries) == maxEntries {
			p.tooMany(maxEntries)
		}
		entries = append(entries, p.metadataEntry(true))
	})
	if len(entries) == 0 {
		p.fail("want entries")
	}
	return entries
}

// metadataEntry reads the name of an entry; tree says that it can be the root of all.
func (p *parser) metadataEntry(tree bool) string {
	name := strings.ToLower(string(p.astring()))
	if p.err != nil || tree && (name == "/private" || name == "/shared") {
		return name
	}
	if _, err := store.ParseAnnotationName(name); err != nil {
		p.fail("entry %q", name)
	}
	return name
}

// setMetadata reads SETMETADATA.
func (p *parser) setMetadata() any {
	c := &setMetadataCommand{mailbox: p.mailbox()}
	p.sp()
	p.list(func() {
		if len(c.changes) == maxEntries {
			p.tooMany(maxEntries)
		}
		a := store.Annotation{Name: p.metadataEntry(false)}
		p.sp()
		a.Value = p.metadataValue()
		c.changes = append(c.changes, a)
	})
	if len(c.changes) == 0 {
		p.fail("want entries")
	}
	return c
}

// metadataValue reads a string, literal8 or NIL, and copies it.
func (p *parser) metadataValue() []byte {
	if !p.accept('~') {
		value, ok := p.nstring()
		if !ok {
			return nil
		}
		return append([]byte{}, value...)
	}
	size, rest, ok := cutLiteralHead(p.b)
	if !ok || uint64(len(rest)) < size {
		p.fail("literal8")
		return nil
	}
	p.b = rest[size:]
	return append([]byte{}, rest[:size]...)
}
