package imapd

import (
	"cmp"
	"errors"
	"io"
	"math/bits"
	"slices"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/blob"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// needEmail are the items that lie with the email, not with the placement.
const needEmail = fetchInternalDate | fetchEnvelope | fetchBody | fetchBodyStructure | fetchThreadID | fetchPreview

// fetch is FETCH and UID FETCH (RFC 9051 section 6.4.5).
func (s *session) fetch(c *fetchCommand) outcome {
	if c.vanished && !s.qresync {
		return refuseProtocol("sequence") // RFC 7162 section 3.2.6
	}
	set, o := s.selected.messages(c.uid, c.set)
	if o.refused != nil {
		return o
	}
	if c.items&fetchModSeq != 0 {
		s.enableCondstore()
	}
	if c.partial != nil { // before CHANGEDSINCE (RFC 9394 section 3.4)
		set = s.selected.view.UIDs.Intersect(set)
		start, end := c.partial.of(set.Len())
		set = cut(set, start, end)
	}
	wanted := set
	if c.changedSince != nil {
		var err error
		if set, err = s.changedSince(c, set); err != nil {
			return s.failed(err, s.selected.view.Mailbox.Name)
		}
	}
	if c.partial != nil && s.selected.isTooMany(set, s.server.options.Limits.Messages) {
		return s.tooMany()
	}
	set = s.newest(set)
	o = s.fetchSet(c, set)
	s.noteFetched(c, set)
	if !c.uid && o.refused == nil {
		if gone, err := s.vanished(wanted); err != nil {
			return s.failed(err, s.selected.view.Mailbox.Name)
		} else if gone {
			return refuse(cause.Refuse(cause.MessageNotFound)) // RFC 5530: EXPUNGEISSUED
		}
	}
	return o
}

// changedSince narrows a set to the messages that changed, and tells which are gone if the client
// asked (RFC 7162 sections 3.1.4.1 and 3.2.6).
func (s *session) changedSince(c *fetchCommand, set uid.Set) (uid.Set, error) {
	if c.vanished {
		gone, err := s.goneSince(*c.changedSince, s.selected.asked(c.set), nil)
		if err != nil {
			return nil, err
		}
		s.tellEarlier(gone)
	}
	return s.changed(*c.changedSince, func(p *store.Placement) bool { return set.Contains(p.UID) })
}

// asked is the set of UIDs that the client wrote, whether it can know of them or not. "*" covers what
// is gone behind the last message, too: who asks for 1:* means all.
func (m *selected) asked(s seqSet) uid.Set {
	if s.saved {
		return m.saved
	}
	ranges := make([]uid.Range, 0, len(s.ranges))
	for _, r := range s.ranges {
		if from, to := r.resolve(uint32(max(m.view.Mailbox.UIDNext, 2) - 1)); from > 0 {
			ranges = append(ranges, uid.Range{First: uid.UID(from), Last: uid.UID(to)})
		}
	}
	return uid.FromRanges(ranges)
}

// seenStep is how many messages get \Seen in one change, before their text is sent.
const seenStep = 500

// fetchSet writes the items of a set of messages.
func (s *session) fetchSet(c *fetchCommand, set uid.Set) outcome {
	w := s.fetchWriter(c.items)
	w.sections = c.sections
	if !s.setsSeen(c) {
		return s.failedFetch(w.all(set))
	}
	w.withFlags = s.unasked()
	for _, step := range s.steps(set, seenStep) {
		var err error
		if w.flagsOf, err = s.markSeen(step); err != nil {
			return s.failed(err, s.selected.view.Mailbox.Name)
		}
		if o := s.failedFetch(w.all(step)); o.refused != nil || s.err != nil {
			return o
		}
	}
	return done()
}

// failedFetch maps an error of reading messages of the mailbox that is selected.
func (s *session) failedFetch(err error) outcome {
	return s.failedRead(err, s.selected.view.Mailbox.Name)
}

// failedRead maps an error of reading messages of a mailbox.
func (s *session) failedRead(err error, mailbox string) outcome {
	switch {
	case err == nil, s.err != nil:
		return done()
	case errors.Is(err, errEncoding):
		return refuse(cause.Refuse(cause.ContentUnreadable).As("cte"))
	case errors.Is(err, blob.ErrNotFound): // the record is there, the text is not
		s.server.options.Log.Error("imapd: text of a message is lost", "account", s.conn.Account, "err", err)
		return refuse(cause.Refuse(cause.ProviderStorageFailed).As("corruption"))
	}
	return s.failed(err, mailbox)
}

// setsSeen reports whether a FETCH sets \Seen.
func (s *session) setsSeen(c *fetchCommand) bool {
	if s.selected.readOnly || !s.selected.rights.Has(store.RightSeen) { // RFC 4314 section 4
		return false
	}
	for _, sec := range c.sections {
		if !sec.peek {
			return true
		}
	}
	return false
}

// split cuts a set after n messages of the view.
func (m *selected) split(set uid.Set, n int) (head, rest uid.Set) {
	for i, r := range set {
		first, _ := m.view.UIDs.Seq(r.First)
		after, ok := m.view.UIDs.Seq(r.Last)
		if ok {
			after++
		}
		if n -= after - first; n <= 0 {
			cut := m.view.UIDs.UID(after - 1 + n)
			if cut >= r.First && cut < r.Last {
				head = append(append(uid.Set{}, set[:i]...), uid.Range{First: r.First, Last: cut})
				return head, append(uid.Set{{First: cut + 1, Last: r.Last}}, set[i+1:]...)
			}
			return set[:i+1], set[i+1:]
		}
	}
	return set, nil
}

// markSeen sets \Seen where it is not set and returns for which messages.
func (s *session) markSeen(set uid.Set) (changed uid.Set, err error) {
	var unseen uid.Set
	err = s.store.Placements(s.ctx, s.selected.account, s.selected.id, set, func(p *store.Placement) error {
		if !p.Flags.Has(store.FlagSeen) {
			unseen = unseen.Add(p.UID)
		}
		return nil
	})
	if err != nil || unseen.Empty() {
		return nil, err
	}
	change := store.FlagChange{Op: store.FlagsAdd, System: store.FlagSeen}
	stored, err := s.store.StoreFlags(s.ctx, s.selected.account, s.selected.id, unseen, change, nil)
	if err != nil {
		return nil, err
	}
	s.selected.ownChanged(&stored)
	return stored.Changed, nil
}

// maxOwn bounds what is remembered of own changes; what is forgotten is told to the client again.
const maxOwn = 1000

// ownChanged notes a change of flags that the client makes itself.
func (m *selected) ownChanged(stored *store.Stored) {
	if stored.Changed.Empty() {
		return
	}
	if len(m.own) == maxOwn {
		m.own = slices.Delete(m.own, 0, 1)
	}
	m.own = append(m.own, ownChange{stored.ModSeq, stored.Changed})
}

// fetchWriter writes FETCH responses.
type fetchWriter struct {
	s        *session
	items    fetchItems
	sections []*section
	flagsOf  uid.Set // whose flags to tell although not asked for
	// withFlags are items that must come with those (RFC 7162 sections 3.1.1 and 3.2.4).
	withFlags fetchItems
	// upTo is the mod-sequence up to which the client is told everything, when it is told what changed;
	// else 0. It must not hear of a later one: it could take its copy for more complete than it is (RFC
	// 7162 section 3.2.9), when messages are gone that it was not told of.
	upTo store.ModSeq
	// changes are told only up to there: what is later comes again with the next ones.
	changes bool
	seq     int     // of the message before
	last    uid.UID // written
	scratch []byte
	failure error // of the first message that could not be read
}

func (s *session) fetchWriter(items fetchItems) *fetchWriter {
	return &fetchWriter{s: s, items: items}
}

// The reasons to interrupt a walk over messages.
var (
	errFull   = errors.New("imapd: output buffer is full")
	errLarge  = errors.New("imapd: message is too large to be written during a walk")
	errBroken = errors.New("imapd: connection is broken")
)

// all writes the responses for a set, in the order that MESSAGELIMIT wants.
func (w *fetchWriter) all(set uid.Set) error {
	if w.s.lowest != 0 {
		return w.down(set)
	}
	return w.up(set)
}

// up writes the responses for a set in ascending order. The store is read in stretches of what fits
// the output buffer, so that no slow client holds a snapshot of it.
func (w *fetchWriter) up(set uid.Set) error {
	s := w.s
	for !set.Empty() {
		var large *store.Message
		var err error
		if w.onlyFlags(set) {
			err = w.flags(set)
		} else if w.items&needEmail == 0 && len(w.sections) == 0 {
			err = s.store.Placements(s.ctx, s.selected.account, s.selected.id, set, func(p *store.Placement) error {
				w.placement(p)
				return w.full()
			})
		} else {
			err = s.store.Messages(s.ctx, s.selected.account, s.selected.id, set, func(m *store.Message) (err error) {
				if w.isLarge(m) {
					if large, err = cloneMessage(m); err == nil {
						err = errLarge
					}
					return err
				}
				w.message(m)
				return w.full()
			})
		}
		switch {
		case err == nil:
			return w.failure
		case large != nil:
			w.message(large)
		case !errors.Is(err, errFull):
			return err
		}
		s.flushIfFull()
		if s.err != nil {
			return errBroken
		}
		set = after(set, w.last)
	}
	return w.failure
}

// manyFlags is of how many messages, and of which share of the mailbox, a fraction, flags are told
// from the sets that searches use; those of fewer are read one by one.
const (
	manyFlags  = 64
	shareFlags = 8
)

// onlyFlags reports whether nothing but the flags of many messages is asked for.
func (w *fetchWriter) onlyFlags(set uid.Set) bool {
	n := set.Len()
	return w.items&^(fetchUID|fetchFlags) == 0 && len(w.sections) == 0 && len(w.flagsOf) == 0 &&
		n >= manyFlags && n >= w.s.selected.view.UIDs.Len()/shareFlags
}

// flags writes the responses for messages of which only the flags are asked for.
func (w *fetchWriter) flags(set uid.Set) error {
	s := w.s
	f, err := s.store.FlagSets(s.ctx, s.selected.account, s.selected.id)
	if store.KindOf(err) == store.KindNotFound {
		return nil // deleted meanwhile
	}
	if err != nil {
		return err
	}
	var p store.Placement
	return f.Each(set, func(u uid.UID, flags store.Flags) error {
		p.UID, p.Flags = u, flags
		w.placement(&p)
		return w.full()
	})
}

// after returns the part of a set that is greater than u.
func after(set uid.Set, u uid.UID) uid.Set {
	i, _ := slices.BinarySearchFunc(set, u, func(r uid.Range, u uid.UID) int { return cmp.Compare(r.Last, u+1) })
	if set = set[i:]; len(set) > 0 && set[0].First <= u {
		set = slices.Clone(set)
		set[0].First = u + 1
	}
	return set
}

// cloneMessage copies a message so that it outlives the walk that met it.
func cloneMessage(m *store.Message) (*store.Message, error) {
	sum, err := m.Email.Summary.Summary()
	if err != nil {
		return nil, err
	}
	c := *m
	c.Email.Summary, err = message.ViewSummary(sum.AppendBinary(nil))
	return &c, err
}

func (w *fetchWriter) full() error {
	if len(w.s.out) >= flushSize {
		return errFull
	}
	return nil
}

// begin writes the head of a response; false for a message that the client does not know yet.
func (w *fetchWriter) begin(u uid.UID) bool {
	w.last = u
	uids := w.s.selected.view.UIDs
	// Mostly the next message is the next number.
	if w.seq++; uids.UID(w.seq) != u {
		seq, ok := uids.Seq(u)
		w.seq = seq
		if !ok {
			return false
		}
	}
	w.s.claimOut()
	b := append(w.s.out, "* "...)
	if w.s.uidOnly { // RFC 9586 section 3
		w.s.out = append(appendUint(b, uint32(u)), " UIDFETCH ("...)
		return true
	}
	b = appendUint(b, w.seq)
	w.s.out = append(b, " FETCH ("...)
	return true
}

func (w *fetchWriter) end() {
	b := w.s.out
	if b[len(b)-1] == ' ' {
		b = b[:len(b)-1]
	}
	w.s.out = append(b, ")\r\n"...)
}

// placement writes a response for items that need no email.
func (w *fetchWriter) placement(p *store.Placement) {
	if w.changes && w.isLater(p) {
		w.last = p.UID
		return
	}
	if w.begin(p.UID) {
		w.placementItems(p)
		w.end()
	}
}

// isLater reports whether a message changed after what the client is told of.
func (w *fetchWriter) isLater(p *store.Placement) bool { return w.upTo > 0 && p.ModSeq > w.upTo }

// placementItems writes the items that lie with the placement, each with a space behind it.
func (w *fetchWriter) placementItems(p *store.Placement) {
	items := w.items
	if len(w.flagsOf) > 0 && w.flagsOf.Contains(p.UID) {
		items |= fetchFlags | w.withFlags
	}
	if items&fetchModSeq != 0 && w.isLater(p) {
		items = items&^fetchModSeq | fetchUID
	}
	b := w.s.out
	if w.s.uidOnly && (items != fetchUID || len(w.sections) > 0) {
		items &^= fetchUID // the response begins with it
	}
	if items&fetchUID != 0 {
		b = append(b, "UID "...)
		b = appendUint(b, uint32(p.UID))
		b = append(b, ' ')
	}
	if items&fetchFlags != 0 {
		b = append(b, "FLAGS "...)
		b = append(b, w.s.flagList(p.Flags)...)
		b = append(b, ' ')
	}
	if items&fetchModSeq != 0 {
		b = append(b, "MODSEQ ("...)
		b = appendUint(b, p.ModSeq)
		b = append(b, ") "...)
	}
	if items&fetchSize != 0 {
		b = append(b, "RFC822.SIZE "...)
		b = appendUint(b, p.Size)
		b = append(b, ' ')
	}
	if items&fetchEmailID != 0 {
		b = append(b, "EMAILID ("...)
		b = w.s.appendID(b, w.s.selected.account, 'M', uint64(p.Email))
		b = append(b, ") "...)
	}
	if items&fetchSaveDate != 0 {
		b = append(b, "SAVEDATE "...)
		b = appendDateTime(b, p.Saved)
		b = append(b, ' ')
	}
	w.s.out = b
}

// message writes a response. A message that cannot be read leaves nothing behind; the command
// fails in the end.
func (w *fetchWriter) message(m *store.Message) {
	start, flushes := len(w.s.out), w.s.flushes
	if !w.begin(m.UID) {
		return
	}
	w.placementItems(&m.Placement)
	w.emailItems(&m.Email)
	for _, sec := range w.sections {
		err := w.section(sec, &m.Email)
		if err == nil {
			w.s.out = append(w.s.out, ' ')
			continue
		}
		if w.failure == nil {
			w.failure = err
		}
		if w.s.flushes != flushes && w.s.err == nil {
			w.s.err = err // half a response is sent
		}
		w.s.out = w.s.out[:min(start, len(w.s.out))]
		return
	}
	w.end()
}

// emailItems writes the items that lie with the email, each with a space behind it. ENVELOPE and
// BODYSTRUCTURE are stored as they are sent.
func (w *fetchWriter) emailItems(e *store.Email) {
	items := w.items
	b := w.s.out
	if items&fetchInternalDate != 0 {
		b = append(b, "INTERNALDATE "...)
		b = appendDateTime(b, e.Received)
		b = append(b, ' ')
	}
	if items&fetchEnvelope != 0 {
		b = append(b, "ENVELOPE "...)
		b = append(b, e.Summary.Envelope()...)
		b = append(b, ' ')
	}
	if items&fetchBodyStructure != 0 {
		b = append(b, "BODYSTRUCTURE "...)
		b = append(b, e.Summary.BodyStructure()...)
		b = append(b, ' ')
	}
	if items&fetchBody != 0 {
		b = append(b, "BODY "...)
		b = message.AppendBody(b, e.Summary.BodyStructure())
		b = append(b, ' ')
	}
	if items&fetchThreadID != 0 {
		b = append(b, "THREADID ("...)
		b = w.s.appendID(b, w.s.selected.account, 'T', uint64(e.Thread))
		b = append(b, ") "...)
	}
	if items&fetchPreview != 0 {
		b = append(b, "PREVIEW "...)
		b = appendString(b, e.Summary.Preview(), w.s.utf8Names())
		b = append(b, ' ')
	}
	w.s.out = b
}

// maxFlagLists bounds the cache of lists of flags.
const maxFlagLists = 256

// flagList writes flags, mostly from a cache. A message may have a keyword that is newer than the
// view; then the table of keywords is read again.
func (s *session) flagList(f store.Flags) string {
	sel := s.selected
	if list, ok := sel.flags[f]; ok {
		return list
	}
	k := sel.view.Keywords
	if unknownKeyword(k, f) {
		if newer, err := s.store.Keywords(s.ctx, sel.account); err == nil {
			k = newer
		}
	}
	list := string(appendFlags(nil, f, k))
	if sel.flags == nil || len(sel.flags) >= maxFlagLists {
		sel.flags = map[store.Flags]string{}
	}
	sel.flags[f] = list
	return list
}

// unknownKeyword reports whether f has a keyword that is not in the table.
func unknownKeyword(k *store.Keywords, f store.Flags) bool {
	f = f.Without(store.SystemFlags)
	n := bits.OnesCount64(f[0]) + bits.OnesCount64(f[1])
	k.Each(f, func(string) { n-- })
	return n > 0
}

// streamFrom is the size from which text is sent in pieces rather than put into the buffer whole.
const streamFrom = 256 << 10

// isLarge reports whether text of the message is to be sent in pieces.
func (w *fetchWriter) isLarge(m *store.Message) bool {
	return len(w.sections) > 0 && m.Size >= streamFrom
}

// copyBlob sends the octets from start to end of a message.
func (w *fetchWriter) copyBlob(e *store.Email, start, end int64) error {
	s := w.s
	if end-start < streamFrom {
		from := len(s.out)
		out, err := s.store.ReadBody(s.ctx, s.out, e, start, end-start)
		if err != nil {
			return err
		}
		s.out = out
		if int64(len(out)-from) != end-start {
			return io.ErrUnexpectedEOF
		}
		if e.Summary.NUL() {
			maskNUL(out[from:])
		}
		return nil
	}
	body, err := s.store.Body(s.ctx, e)
	if err != nil {
		return err
	}
	defer body.Close()
	return w.copyReader(io.NewSectionReader(body, start, end-start), end-start, e.Summary.NUL())
}

// copyReader sends exactly n octets. Once some were sent a failure can only end the connection.
func (w *fetchWriter) copyReader(r io.Reader, n int64, mask bool) error {
	s := w.s
	for n > 0 {
		s.flushIfFull()
		if s.err != nil {
			return errBroken
		}
		from := len(s.out)
		piece := min(n, flushSize)
		s.out = append(s.out, make([]byte, piece)...)
		m, err := io.ReadFull(r, s.out[from:])
		if err != nil {
			s.out = s.out[:from+m]
			s.err = err
			return err
		}
		if mask {
			maskNUL(s.out[from:])
		}
		n -= piece
	}
	return nil
}
