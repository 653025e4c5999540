package store

import (
	"context"
	"errors"

	"github.com/postiljon/postiljon/internal/store/kv"
)

// An answer about all messages of a large mailbox, such as their threads, is stored as
// octets of which package store knows nothing but what they answer. Whoever reads them
// tells whether they are still about the messages that there are.

// answerPiece is how much of an answer is in one record, in octets: V mailbox t, a hash
// of what it answers, a number.
const answerPiece = 64 << 10

// StoredAnswer returns an answer about a mailbox, nil if none is stored. by names what it
// answers, and the version of that. Of a mailbox that was deleted nothing is stored.
func (s *Store) StoredAnswer(ctx context.Context, a AccountID, id MailboxID, by string) (answer []byte, err error) {
	err = s.view(ctx, "read answer", a, func(r kv.Reader) error {
		m, err := readMailbox(r, id)
		if err != nil || m.messages < worthPreparing {
			return err
		}
		t := orderKey(id, preparedAnswer, by)
		whole, pieces := uint64(0), uint32(0)
		err = scan(r, t, t.after(), func(k, b []byte) error {
			rec := record{b: b}
			if !rec.hasForm(preparedForm, m.uidValidity) || rec.text() != by || tail32(k) != pieces {
				return errDamaged
			}
			if pieces++; pieces == 1 {
				whole = rec.uint()
			}
			answer = append(answer, rec.b...)
			return rec.err()
		})
		if errors.Is(err, errDamaged) || uint64(len(answer)) != whole {
			answer = nil
			return nil
		}
		return err
	})
	return answer, unlessDeleted(err)
}

// SaveAnswer stores an answer about a mailbox with so many messages, if that is large.
func (s *Store) SaveAnswer(ctx context.Context, a AccountID, id MailboxID, validity uint32, messages int, by string, answer []byte) {
	if messages < worthPreparing {
		return
	}
	s.prepared(ctx, a, id, validity, func(tx kv.Tx) error {
		if err := dropOrder(tx, id, preparedAnswer, by); err != nil {
			return err
		}
		for from := 0; from < len(answer); from += answerPiece {
			var r record
			r.putForm(preparedForm, validity)
			r.putText(by)
			if from == 0 {
				r.putUint(uint64(len(answer)))
			}
			r.b = append(r.b, answer[from:min(from+answerPiece, len(answer))]...)
			if err := tx.Set(orderKey(id, preparedAnswer, by).chunk(uint32(from/answerPiece)), r.b); err != nil {
				return err
			}
		}
		return nil
	})
}
