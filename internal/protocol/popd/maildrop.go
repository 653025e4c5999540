package popd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// maildrop is the INBOX as it was at sign-in. Messages that come later are not in it; messages that
// another session deletes are gone from it when that is noticed.
type maildrop struct {
	store   *store.Store
	account store.AccountID
	view    *store.View

	sizes   []int64      // by message number less one; nil until they are asked for
	hidden  map[int]bool // marked by DELE, or gone
	gone    map[int]bool // deleted elsewhere
	fetched uid.Set      // whole, by RETR
	told    bool         // the backend knows of them
}

func openMaildrop(ctx context.Context, db *store.Store, a store.AccountID) (*maildrop, error) {
	inbox, err := db.MailboxByRole(ctx, a, store.RoleInbox)
	if err != nil {
		return nil, fmt.Errorf("popd: find the INBOX: %w", err)
	}
	view, err := db.View(ctx, a, inbox.ID)
	if err != nil {
		return nil, fmt.Errorf("popd: open the INBOX: %w", err)
	}
	return &maildrop{store: db, account: a, view: view, hidden: map[int]bool{}, gone: map[int]bool{}}, nil
}

// summary is the text of STAT: how many messages, how many octets. As long as nothing was deleted
// the mailbox knows both.
func (m *maildrop) summary() string {
	return strconv.Itoa(m.view.UIDs.Len()) + " " + strconv.FormatInt(m.view.Mailbox.Size, 10)
}

// there tells whether a message number means a message.
func (m *maildrop) there(n int) bool { return n >= 1 && n <= m.view.UIDs.Len() && !m.hidden[n] }

// load reads the sizes of all messages, once. What is not there any more is gone.
func (m *maildrop) load(ctx context.Context) error {
	if m.sizes != nil {
		return nil
	}
	sizes := make([]int64, m.view.UIDs.Len())
	found := make([]bool, len(sizes))
	err := m.store.Placements(ctx, m.account, m.view.Mailbox.ID, m.view.UIDs.Set(), func(p *store.Placement) error {
		if n, ok := m.view.UIDs.Seq(p.UID); ok {
			sizes[n-1], found[n-1] = p.Size, true
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("popd: read sizes: %w", err)
	}
	for i, ok := range found {
		if !ok {
			m.hidden[i+1], m.gone[i+1] = true, true
		}
	}
	m.sizes = sizes
	return nil
}

// appendID appends the unique id of a message (RFC 1939 section 7, UIDL): no other message of this mailbox
// will ever have it, whatever is deleted and however often the mailbox is made anew.
func (m *maildrop) appendID(b []byte, n int) []byte {
	b = strconv.AppendUint(b, uint64(m.view.Mailbox.UIDValidity), 10)
	b = append(b, '.')
	return strconv.AppendUint(b, uint64(m.view.UIDs.UID(n)), 10)
}

func (m *maildrop) appendSize(b []byte, n int) []byte { return strconv.AppendInt(b, m.sizes[n-1], 10) }

// email reads what is known of a message.
func (m *maildrop) email(ctx context.Context, n int) (e store.Email, err error) {
	found := false
	err = m.store.Messages(ctx, m.account, m.view.Mailbox.ID, uid.Of(m.view.UIDs.UID(n)), func(msg *store.Message) error {
		e, found = store.Email{ID: msg.Email.ID, Blob: msg.Email.Blob, Size: msg.Email.Size}, true
		return nil
	})
	if err == nil && !found {
		m.hidden[n], m.gone[n] = true, true
		err = &store.Error{Op: "read message", Kind: store.KindNotFound}
	}
	return e, err
}

// stat is STAT.
func (s *session) stat(rest string) cause.Decision {
	if rest != "" {
		return protocolError("arguments")
	}
	m := s.drop
	if len(m.hidden) == 0 {
		s.ok(m.summary())
		return cause.Allow()
	}
	if err := m.load(s.ctx); err != nil {
		return s.failed(err)
	}
	count, total := 0, int64(0)
	for i, size := range m.sizes {
		if !m.hidden[i+1] {
			count++
			total += size
		}
	}
	s.ok(strconv.Itoa(count) + " " + strconv.FormatInt(total, 10))
	return cause.Allow()
}

// list is LIST, of all messages or of one.
func (s *session) list(rest string) cause.Decision {
	if err := s.drop.load(s.ctx); err != nil {
		return s.failed(err)
	}
	return s.scan(rest, s.drop.appendSize)
}

// uidl is UIDL, of all messages or of one.
func (s *session) uidl(rest string) cause.Decision { return s.scan(rest, s.drop.appendID) }

// scan answers with a line for each message, or for one.
func (s *session) scan(rest string, about func(b []byte, n int) []byte) cause.Decision {
	if rest != "" {
		n, d := s.message(rest)
		if d.Allowed() {
			s.ok(string(about(append(strconv.AppendInt(nil, int64(n), 10), ' '), n)))
		}
		return d
	}
	s.ok("")
	out := s.writer()
	for n := 1; n <= s.drop.view.UIDs.Len() && s.err == nil; n++ {
		if s.drop.there(n) {
			b := append(strconv.AppendInt(out.AvailableBuffer(), int64(n), 10), ' ')
			_, err := out.Write(append(about(b, n), "\r\n"...))
			s.note(err)
		}
	}
	s.line(".")
	return cause.Allow()
}

// message reads the number of a message.
func (s *session) message(rest string) (n int, d cause.Decision) {
	v, ok := numbers(rest, 1)
	if !ok {
		return 0, protocolError("arguments")
	}
	if !s.drop.there(v[0]) {
		return 0, cause.Refuse(cause.MessageNotFound)
	}
	return v[0], cause.Allow()
}

// retr is RETR.
func (s *session) retr(rest string) cause.Decision {
	n, d := s.message(rest)
	if !d.Allowed() {
		return d
	}
	if err := s.send(n, -1); err != nil {
		return s.failed(err)
	}
	if s.err == nil {
		s.drop.fetched = s.drop.fetched.Add(s.drop.view.UIDs.UID(n))
	}
	return cause.Allow()
}

// top is TOP: the header and some lines of the body.
func (s *session) top(rest string) cause.Decision {
	v, ok := numbers(rest, 2)
	switch {
	case !ok:
		return protocolError("arguments")
	case !s.drop.there(v[0]):
		return cause.Refuse(cause.MessageNotFound)
	}
	if err := s.send(v[0], v[1]); err != nil {
		return s.failed(err)
	}
	return cause.Allow()
}

// chunks are buffers for the pieces in which messages are read and sent.
var chunks = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// send writes a message, of its body so many lines or, below 0, all. An error means that nothing
// was written yet; when reading fails later the connection ends, as there is no other way to say so.
func (s *session) send(n, lines int) error {
	e, err := s.drop.email(s.ctx, n)
	if err != nil {
		return err
	}
	body, err := s.drop.store.Body(s.ctx, &e)
	if err != nil {
		return err
	}
	defer body.Close()
	chunk := chunks.Get().(*[32 << 10]byte)
	defer chunks.Put(chunk)
	first, err := readAt(body, chunk[:], 0)
	if err != nil {
		return fmt.Errorf("popd: read message %d: %w", e.ID, err)
	}
	if lines < 0 {
		s.ok(strconv.FormatInt(e.Size, 10) + " octets")
	} else {
		s.ok("")
	}
	m := multiline{out: s.writer(), limit: lines}
	_, err = m.Write(first)
	for off := int64(len(first)); err == nil && off < body.Size(); {
		var piece []byte
		if piece, err = readAt(body, chunk[:], off); err == nil {
			off += int64(len(piece))
			_, err = m.Write(piece)
		}
	}
	if err == nil || errors.Is(err, errEnough) {
		err = m.end()
	}
	s.note(err)
	return nil
}

// readAt reads a full piece of a message, or what is left of it.
func readAt(r interface {
	io.ReaderAt
	Size() int64
}, piece []byte, off int64) ([]byte, error) {
	piece = piece[:min(int64(len(piece)), r.Size()-off)]
	n, err := r.ReadAt(piece, off)
	if n == len(piece) {
		return piece, nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return nil, err
}

// dele is DELE: it only marks, until QUIT.
func (s *session) dele(rest string) cause.Decision {
	n, d := s.message(rest)
	if d.Allowed() {
		s.drop.hidden[n] = true
		s.ok("")
	}
	return d
}

// rset is RSET: nothing is marked any more.
func (s *session) rset(rest string) cause.Decision {
	if rest != "" {
		return protocolError("arguments")
	}
	for n := range s.drop.hidden {
		if !s.drop.gone[n] {
			delete(s.drop.hidden, n)
		}
	}
	s.ok("")
	return cause.Allow()
}

// update is the UPDATE state (RFC 1939 section 6): what was marked is deleted in one transaction,
// and what was fetched and kept counts as read.
func (s *session) update() error {
	m := s.drop
	var marked uid.Set
	for _, n := range slices.Sorted(maps.Keys(m.hidden)) {
		if !m.gone[n] {
			marked = marked.Add(m.view.UIDs.UID(n))
		}
	}
	mailbox := m.view.Mailbox
	s.tellFetched()
	if read := m.fetched.Minus(marked); !read.Empty() {
		seen := store.FlagChange{Op: store.FlagsAdd, System: store.FlagSeen}
		if _, err := m.store.StoreFlags(s.ctx, m.account, mailbox.ID, read, seen, nil); err != nil {
			s.server.options.Log.Warn("popd: messages not marked as read", "conn", s.conn.ID, "err", err)
		}
	}
	if marked.Empty() {
		return nil
	}
	names := s.named(marked)
	gone, _, err := m.store.Expunge(s.ctx, m.account, mailbox.ID, marked, false)
	if !gone.Empty() {
		s.server.options.Backend.Event(&s.conn, Event{Kind: EventDeleted, Mailbox: mailbox.Name, UIDs: gone, MessageIDs: names})
	}
	if err != nil {
		return fmt.Errorf("popd: delete messages: %w", err)
	}
	return nil
}

// named are the identifiers by which the trace of a message finds what was done with it. Without them it is told all the same.
func (s *session) named(set uid.Set) []string {
	if set.Empty() {
		return nil
	}
	ids, err := s.drop.store.MessageIDs(s.ctx, s.drop.account, s.drop.view.Mailbox.ID, set, store.MaxEventMessages)
	if err != nil {
		s.server.options.Log.Warn("popd: messages of an event not named", "conn", s.conn.ID, "err", err)
	}
	return ids
}

// tellFetched tells what was fetched, once: before it is deleted.
func (s *session) tellFetched() {
	m := s.drop
	if m.told || m.fetched.Empty() {
		return
	}
	m.told = true
	s.server.options.Backend.Event(&s.conn, Event{Kind: EventFetched, Mailbox: m.view.Mailbox.Name, UIDs: m.fetched, MessageIDs: s.named(m.fetched)})
}

// release ends the session of an account, however it ended; a second time it does nothing.
func (s *session) release() {
	if s.drop != nil {
		s.tellFetched() // there was no QUIT
	}
	if s.conn.Account != 0 {
		s.server.locks.drop(s.conn.Account, &s.conn)
	}
	s.drop = nil
}

// failed is the decision for an error of the store, in one place for all commands.
func (s *session) failed(err error) cause.Decision {
	switch store.KindOf(err) {
	case store.KindNotFound:
		return cause.Refuse(cause.MessageNotFound)
	case store.KindNoSpace:
		return cause.Wait(cause.ProviderStorageFailed, time.Time{})
	case store.KindCorrupt:
		s.server.options.Log.Error("popd: damaged", "account", s.conn.Account, "err", err)
		return cause.Refuse(cause.ProviderStorageFailed).As("corruption")
	case store.KindClosed:
		return cause.Wait(cause.ProviderMaintenanceStop, time.Time{})
	}
	if s.ctx.Err() != nil {
		return cause.Wait(cause.ProviderMaintenanceStop, time.Time{})
	}
	s.server.options.Log.Error("popd: store", "account", s.conn.Account, "err", err)
	return cause.Wait(cause.ProviderBackendBroken, time.Time{})
}

var _ io.Writer = (*multiline)(nil)
