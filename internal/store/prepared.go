package store

import (
	"context"
	"slices"

	"github.com/postiljon/postiljon/internal/store/kv"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// What is kept of mailboxes in memory (FlagSets, Dates, Places, Order) is stored for large ones, too, so that the first
// search after a start need not read all messages. It derives from them: it is written without a wait, may
// lie behind, and what is missing, damaged or of another form is read from the messages.

// worthPreparing is from how many messages on a mailbox is worth it.
const worthPreparing = 1 << uid.ChunkBits

// The parts of tablePrepared, and the form of what is there.
const (
	preparedFlags  = 'f' // V mailbox f: of each flag which messages have it
	preparedDates  = 'd' // V mailbox d chunk: when the messages of a whole chunk were received and sent
	preparedPlaces = 'e' // V mailbox e chunk: which emails they are
	preparedOrder  = 'o' // V mailbox o by number: an order of the messages
	preparedAnswer = 't' // V mailbox t by number: what else is asked of all messages, such as their threads
	preparedForm   = 1
)

func preparedKey(id MailboxID, part byte) key { return append(table(tablePrepared).mailbox(id), part) }

// Prepare brings what is stored of an account's large mailboxes up to date, after mail came. What lies
// behind but little is left as it is.
func (s *Store) Prepare(ctx context.Context, a AccountID) error {
	var flags, dates, places []MailboxID
	err := s.view(ctx, "prepare", a, func(r kv.Reader) error {
		return eachMailbox(r, func(m *mailboxRecord) error {
			if m.messages < worthPreparing {
				return nil
			}
			if behind, err := s.flagsLieBehind(r, a, m); err != nil {
				return err
			} else if behind {
				flags = append(flags, m.id)
			}
			if behind, err := chunksLieBehind(r, m, preparedDates); err != nil {
				return err
			} else if behind {
				dates = append(dates, m.id)
			}
			behind, err := chunksLieBehind(r, m, preparedPlaces)
			if behind {
				places = append(places, m.id)
			}
			return err
		})
	})
	for _, id := range flags {
		if err == nil {
			_, err = s.FlagSets(ctx, a, id)
		}
		err = unlessDeleted(err)
	}
	for _, id := range dates {
		if err == nil {
			_, err = s.Dates(ctx, a, id)
		}
		err = unlessDeleted(err)
	}
	for _, id := range places {
		if err == nil {
			_, err = s.Places(ctx, a, id)
		}
		err = unlessDeleted(err)
	}
	return err
}

// unlessDeleted drops the error that a mailbox was deleted meanwhile.
func unlessDeleted(err error) error {
	if KindOf(err) == KindNotFound {
		return nil
	}
	return err
}

// flagsLieBehind reports whether the flags of a mailbox should be stored again. What is in memory is carried
// on for next to nothing, and tells itself.
func (s *Store) flagsLieBehind(r kv.Reader, a AccountID, m *mailboxRecord) (bool, error) {
	if s.flags.get(viewKey{a, m.id}) != nil {
		return true, nil
	}
	b, ok, err := r.Get(preparedKey(m.id, preparedFlags))
	if err != nil || !ok {
		return true, err
	}
	rec := record{b: b}
	return !rec.hasForm(preparedForm, m.uidValidity) || int64(uint64(m.highestModSeq)-rec.uint()) > max(fewUnsaved, m.messages/shareUnsaved), nil
}

// chunksLieBehind reports whether a part of what is prepared, which is stored by chunks, has not all whole ones.
func chunksLieBehind(r kv.Reader, m *mailboxRecord, part byte) (behind bool, err error) {
	t := key(preparedKey(m.id, part))
	it := r.Iterate(t, t.after())
	stored := uint32(0)
	if it.Prev() {
		stored = tail32(it.Key()) + 1
	}
	return uid.ChunkOf(m.uidNext) > stored, it.Close()
}

// prepared writes what derives from a mailbox, if that is still there. What cannot be written is missing
// later, without harm.
func (s *Store) prepared(ctx context.Context, a AccountID, id MailboxID, validity uint32, write func(tx kv.Tx) error) bool {
	err := s.records.Write(ctx, kv.Account(a), func(tx kv.Tx) error {
		m, err := readMailbox(tx, id)
		if err != nil || m.uidValidity != validity {
			return err
		}
		return write(tx)
	})
	if err != nil && KindOf(err) != KindNotFound {
		s.log.Debug("store: what is prepared of a mailbox not kept", "account", a, "mailbox", id, "error", err)
	}
	return err == nil
}

// unstored is from which number on chunks of a part of what is prepared are to be stored, of which those before stored
// were: from the first if they were dropped meanwhile.
func unstored[C any](r kv.Reader, part key, chunks []C, number func(*C) uint32, stored uint32) (from uint32, err error) {
	for i := len(chunks) - 1; i >= 0; i-- {
		n := number(&chunks[i])
		if n >= stored {
			continue
		}
		if _, ok, err := r.Get(slices.Clone(part).chunk(n)); err != nil || ok {
			return stored, err
		}
		break
	}
	return 0, nil
}

// form writes and reads how a record begins.
func (r *record) putForm(form uint64, validity uint32) {
	r.putUint(form)
	r.putUint(uint64(validity))
}

func (r *record) hasForm(form uint64, validity uint32) bool {
	return r.uint() == form && r.uint() == uint64(validity) && !r.bad
}
