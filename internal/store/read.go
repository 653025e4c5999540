package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"

	"github.com/postiljon/postiljon/internal/store/blob"
	"github.com/postiljon/postiljon/internal/store/kv"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// View is a mailbox at one moment: immutable, and shared by all that look at
// the same state of the mailbox.
type View struct {
	Mailbox  Mailbox
	UIDs     *uid.Index
	Keywords *Keywords
}

// Message is a placement with its email.
type Message struct {
	Placement
	Email Email
}

// viewCache keeps the latest view of mailboxes that are looked at, and which mailbox a name led to.
type viewCache struct {
	mu    sync.Mutex
	views map[viewKey]cachedView
	names map[nameKey]cachedName
}

type viewKey struct {
	account AccountID
	mailbox MailboxID
}

// cachedView is a view, and what an index is carried on from. at is the account's count of changes
// before the look: while it is the same, the view is still so.
type cachedView struct {
	at         uint64
	view       *View // nil: only the index was needed
	uidsModSeq ModSeq
	uidNext    uid.UID
	uids       *uid.Index
	keywords   *Keywords
}

type nameKey struct {
	account AccountID
	name    string
}

type cachedName struct {
	at uint64
	id MailboxID
}

// maxCachedViews bounds each map; what is dropped at random is read again.
const maxCachedViews = 4096

func (c *viewCache) init() {
	c.views, c.names = map[viewKey]cachedView{}, map[nameKey]cachedName{}
}

func (c *viewCache) get(k viewKey) cachedView {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.views[k]
}

// named returns the view of the mailbox with a name if it is still so at a count of changes, else nil.
func (c *viewCache) named(k nameKey, at uint64) *View {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, ok := c.names[k]
	v := c.views[viewKey{k.account, n.id}]
	if !ok || n.at != at || v.at != at {
		return nil
	}
	return v.view
}

func (c *viewCache) put(k viewKey, v cachedView) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.views[k].uidsModSeq <= v.uidsModSeq {
		makeRoom(c.views)
		c.views[k] = v
	}
}

func (c *viewCache) putName(k nameKey, n cachedName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	makeRoom(c.names)
	c.names[k] = n
}

// makeRoom drops an entry if the map is full.
func makeRoom[K comparable, V any](m map[K]V) {
	if len(m) < maxCachedViews {
		return
	}
	for old := range m {
		delete(m, old)
		return
	}
}

// View returns a mailbox as it is now. It costs nothing while the account does not change, else a few
// look-ups, and one more for every 4096 UIDs that came since the last call for that mailbox.
func (s *Store) View(ctx context.Context, a AccountID, id MailboxID) (*View, error) {
	at := s.Changes(a)
	if c := s.views.get(viewKey{a, id}); c.view != nil && c.at == at {
		return c.view, ctx.Err()
	}
	return s.readView(ctx, a, at, func(r kv.Reader) (*mailboxRecord, error) { return readMailbox(r, id) })
}

// ViewByName is View for the mailbox with a name, in any form that ParseMailboxName accepts.
func (s *Store) ViewByName(ctx context.Context, a AccountID, name string) (*View, error) {
	parsed, err := ParseMailboxName(name)
	if err != nil {
		return nil, &Error{Op: "open mailbox", Kind: KindNotFound, Err: err}
	}
	k, at := nameKey{a, parsed}, s.Changes(a)
	if v := s.views.named(k, at); v != nil {
		return v, ctx.Err()
	}
	v, err := s.readView(ctx, a, at, func(r kv.Reader) (*mailboxRecord, error) { return readByName(r, parsed) })
	if err == nil {
		s.views.putName(k, cachedName{at, v.Mailbox.ID})
	}
	return v, err
}

// readView reads the view of the mailbox that find finds; at is what the count of changes was before.
// It is kept once the transaction is over: then what it shows is durable.
func (s *Store) readView(ctx context.Context, a AccountID, at uint64, find func(kv.Reader) (*mailboxRecord, error)) (*View, error) {
	var c cachedView
	err := s.view(ctx, "open mailbox", a, func(r kv.Reader) error {
		m, err := find(r)
		if err != nil {
			return err
		}
		c = s.views.get(viewKey{a, m.id})
		c.at = at
		return c.read(r, m)
	})
	if err != nil {
		return nil, err
	}
	s.views.put(viewKey{a, c.view.Mailbox.ID}, c)
	return c.view, nil
}

// read carries a view on to what a transaction sees.
func (c *cachedView) read(r kv.Reader, m *mailboxRecord) error {
	mailbox, err := withSubscription(r, m)
	if err != nil {
		return err
	}
	if c.uids, err = c.index(r, m); err != nil {
		return err
	}
	c.uidsModSeq, c.uidNext = m.uidsModSeq, m.uidNext
	raw, _, err := r.Get([]byte{tableKeywords})
	if err != nil {
		return err
	}
	if c.keywords == nil || c.keywords.raw != string(raw) {
		if c.keywords, err = parseKeywords(raw); err != nil {
			return err
		}
	}
	c.view = &View{Mailbox: mailbox, UIDs: c.uids, Keywords: c.keywords}
	return nil
}

// index returns the UIDs of a mailbox as they are now. What came since the view
// lies behind its UIDNEXT, what went is noted: the other chunks are as they were.
func (c *cachedView) index(r kv.Reader, m *mailboxRecord) (*uid.Index, error) {
	if c.uids == nil || c.uidsModSeq > m.uidsModSeq {
		return readIndex(r, m.id)
	}
	if c.uidsModSeq == m.uidsModSeq {
		return c.uids, nil
	}
	h, err := readHead(r)
	if err != nil {
		return nil, err
	}
	if c.uidsModSeq < h.vanishedFrom {
		return readIndex(r, m.id)
	}
	gone, err := vanishedSince(r, m.id, c.uidsModSeq)
	if err != nil {
		return nil, err
	}
	first := uid.ChunkOf(c.uidNext)
	latest, err := readChunks(r, m.id, first)
	if err != nil {
		return nil, err
	}
	x := c.uids.Remove(gone).From(first, latest)
	if int64(x.Len()) != m.messages {
		return readIndex(r, m.id)
	}
	return x, nil
}

// currentIndex returns the UIDs of a mailbox as a transaction sees them.
func (s *Store) currentIndex(r kv.Reader, at viewKey, m *mailboxRecord) (*uid.Index, error) {
	cached := s.views.get(at)
	x, err := cached.index(r, m)
	if err == nil && x != cached.uids {
		cached.uids, cached.uidsModSeq, cached.uidNext = x, m.uidsModSeq, m.uidNext
		cached.view = nil
		s.views.put(at, cached)
	}
	return x, err
}

func readIndex(r kv.Reader, id MailboxID) (*uid.Index, error) {
	chunks, err := readChunks(r, id, 0)
	return uid.NewIndex(chunks), err
}

// readChunks returns which UIDs a mailbox has in the chunks from a number on.
func readChunks(r kv.Reader, id MailboxID, first uint32) (chunks []uid.Chunk, err error) {
	t := table(tableChunk).mailbox(id)
	err = scan(r, append(key(nil), t...).chunk(first), t.after(), func(k, v []byte) error {
		c, err := uid.ParseChunk(tail32(k), v)
		chunks = append(chunks, c)
		return err
	})
	return chunks, err
}

// Keywords returns the table of the account's keywords.
func (s *Store) Keywords(ctx context.Context, a AccountID) (k *Keywords, err error) {
	err = s.view(ctx, "read keywords", a, func(r kv.Reader) error {
		b, _, err := r.Get([]byte{tableKeywords})
		if err != nil {
			return err
		}
		k, err = parseKeywords(b)
		return err
	})
	return k, err
}

// Placements calls fn for the messages of a mailbox whose UIDs are in the set,
// in ascending order. fn gets the same Placement each time with other values.
func (s *Store) Placements(ctx context.Context, a AccountID, id MailboxID, set uid.Set, fn func(*Placement) error) error {
	return s.view(ctx, "read placements", a, func(r kv.Reader) error {
		return eachPlacement(ctx, r, id, set, fn)
	})
}

// eachPlacement walks the ranges of a set with one iterator.
func eachPlacement(ctx context.Context, r kv.Reader, id MailboxID, set uid.Set, fn func(*Placement) error) (err error) {
	if set.Empty() {
		return nil
	}
	t := table(tablePlacement).mailbox(id)
	low := append(key(nil), t...).uid(set[0].First)
	it := r.Iterate(low, t.after())
	defer func() {
		if e := it.Close(); err == nil {
			err = e
		}
	}()
	var p Placement
	n := 0
	for i, ok := 0, it.Next(); ok && i < len(set); {
		u := uid.UID(tail32(it.Key()))
		if u > set[i].Last {
			if i++; i < len(set) && u < set[i].First {
				ok = it.SeekGE(append(key(nil), t...).uid(set[i].First))
			}
			continue
		}
		v, err := it.Value()
		if err != nil {
			return err
		}
		if err := p.decode(u, v); err != nil {
			return err
		}
		if err := fn(&p); err != nil {
			return err
		}
		if n++; n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		ok = it.Next()
	}
	return nil
}

// Messages is Placements with what never changes of each message. What fn gets
// is valid during the call only.
func (s *Store) Messages(ctx context.Context, a AccountID, id MailboxID, set uid.Set, fn func(*Message) error) error {
	return s.view(ctx, "read messages", a, func(r kv.Reader) error { return eachMessage(ctx, r, id, set, fn) })
}

// MessageIDs returns the message identifiers of the first messages of a set, at most so many.
func (s *Store) MessageIDs(ctx context.Context, a AccountID, id MailboxID, set uid.Set, most int) (ids []string, err error) {
	err = s.Messages(ctx, a, id, set, func(m *Message) error {
		if len(ids) == most {
			return errStepFull
		}
		sum, err := m.Email.Summary.Summary()
		if err == nil && sum.MessageID != "" {
			ids = append(ids, strings.Clone(sum.MessageID))
		}
		return err
	})
	if errors.Is(err, errStepFull) {
		err = nil
	}
	return ids, err
}

// eachMessage walks placements, and emails beside them.
func eachMessage(ctx context.Context, r kv.Reader, id MailboxID, set uid.Set, fn func(*Message) error) (err error) {
	t := table(tableEmail)
	emails := r.Iterate(t, t.after())
	defer func() {
		if e := emails.Close(); err == nil {
			err = e
		}
	}()
	var m Message
	at, valid := EmailID(0), false
	seek := table(tableEmail)
	return eachPlacement(ctx, r, id, set, func(p *Placement) error {
		m.Placement = *p
		// Mail mostly lies in the order of its arrival: the next email is
		// one step away.
		if valid && p.Email == at+1 {
			valid = emails.Next()
		} else if !valid || p.Email != at {
			valid = emails.SeekGE(seek[:1].email(p.Email))
		}
		if !valid || string(emails.Key()) != string(seek[:1].email(p.Email)) {
			if valid = emails.SeekGE(seek[:1].email(p.Email)); !valid || string(emails.Key()) != string(seek[:1].email(p.Email)) {
				return fmt.Errorf("email %d of UID %d is missing: %w", p.Email, p.UID, errDamaged)
			}
		}
		at = p.Email
		v, err := emails.Value()
		if err != nil {
			return err
		}
		if err := m.Email.decode(p.Email, v); err != nil {
			return err
		}
		return fn(&m)
	})
}

// ChangedSince calls fn for the messages of a mailbox whose MODSEQ is greater
// than since, in ascending order of UID (RFC 7162 section 3.1.4.1). It costs
// what changed, not what the mailbox holds.
func (s *Store) ChangedSince(ctx context.Context, a AccountID, id MailboxID, since ModSeq, fn func(*Placement) error) error {
	return s.view(ctx, "read changes", a, func(r kv.Reader) error {
		changed, err := changedUIDs(r, id, since, math.MaxInt)
		if err != nil {
			return err
		}
		return eachPlacement(ctx, r, id, changed, fn)
	})
}

// ChangedUIDs returns the UIDs of what ChangedSince tells of; few is false, and
// the set of no use, if there are more than most.
func (s *Store) ChangedUIDs(ctx context.Context, a AccountID, id MailboxID, since ModSeq, most int) (set uid.Set, few bool, err error) {
	err = s.view(ctx, "read changes", a, func(r kv.Reader) (err error) {
		set, err = changedUIDs(r, id, since, most)
		return err
	})
	if errors.Is(err, errStepFull) {
		return nil, false, nil
	}
	return set, err == nil, err
}

// VanishedSince returns the UIDs that were expunged from a mailbox after since
// (RFC 7162 section 3.2.6). complete is false if expunges that far back are
// forgotten; then the caller must compare all UIDs.
func (s *Store) VanishedSince(ctx context.Context, a AccountID, id MailboxID, since ModSeq) (gone uid.Set, complete bool, err error) {
	err = s.view(ctx, "read expunged", a, func(r kv.Reader) error {
		h, err := readHead(r)
		if err != nil {
			return err
		}
		complete = since >= h.vanishedFrom
		gone, err = vanishedSince(r, id, since)
		return err
	})
	return gone, complete, err
}

func vanishedSince(r kv.Reader, id MailboxID, since ModSeq) (uid.Set, error) {
	t := table(tableVanished).mailbox(id)
	var ranges []uid.Range
	err := scan(r, append(key(nil), t...).modSeq(since+1), t.after(), func(_, v []byte) error {
		set, err := decodeSet(v)
		ranges = append(ranges, set...)
		return err
	})
	return uid.FromRanges(ranges), err
}

// encodeSet and decodeSet keep a set of UIDs as distances and lengths.
func encodeSet(s uid.Set) []byte {
	var r record
	last := uid.UID(0)
	for _, q := range s {
		r.putUint(uint64(q.First - last))
		r.putUint(uint64(q.Last - q.First))
		last = q.Last
	}
	return r.b
}

func decodeSet(b []byte) (s uid.Set, err error) {
	r := record{b: b}
	last := uint64(0)
	for len(r.b) > 0 {
		first := last + r.uint()
		last = first + r.uint()
		if r.bad || first == 0 || last > uint64(uid.Max) {
			return nil, errDamaged
		}
		s = s.AddRange(uid.UID(first), uid.UID(last))
	}
	return s, nil
}

// Body opens the bytes of a message.
func (s *Store) Body(ctx context.Context, e *Email) (blob.Blob, error) {
	b, err := s.blobs.Open(ctx, e.Blob)
	return b, wrap("open message", err)
}

// ReadBody appends the octets from off to off+n of a message to dst.
func (s *Store) ReadBody(ctx context.Context, dst []byte, e *Email, off, n int64) ([]byte, error) {
	dst, err := s.blobs.Read(ctx, dst, e.Blob, off, n)
	return dst, wrap("read message", err)
}
