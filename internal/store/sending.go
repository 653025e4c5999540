package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/postiljon/postiljon/internal/store/kv"
)

// SendingMark notes that the end of a message is about to go to a server, so
// that after a crash it is known for which messages it cannot be known whether
// they were taken.
type SendingMark struct {
	Account  AccountID
	ID       TraceID
	Domain   string // of the recipients
	Host     string // the server
	Attempts int    // of those recipients together, before this one
	Time     time.Time
}

// MarkSending keeps marks as the batch with the given number, durably, and
// forgets batches whose outcomes are all recorded. It works on a full volume.
func (s *Store) MarkSending(ctx context.Context, batch uint64, marks []SendingMark, over []uint64) error {
	ctx = kv.WithReserve(ctx)
	r := record{}
	for i := range marks {
		m := &marks[i]
		r.putUint(uint64(m.Account))
		r.b = append(r.b, m.ID[:]...)
		r.putText(m.Domain)
		r.putText(m.Host)
		r.putUint(uint64(m.Attempts))
		r.putInt(unixMicro(m.Time))
	}
	err := s.records.Update(ctx, kv.System, func(tx kv.Tx) error {
		for _, n := range over {
			if err := tx.Delete(table(tableSending).number(n)); err != nil {
				return err
			}
		}
		return tx.Set(table(tableSending).number(batch), r.b)
	})
	return wrap("mark sending", err)
}

// SendingMarks returns the marks that are kept, oldest batch first, and the
// number of the last batch.
func (s *Store) SendingMarks(ctx context.Context) (marks []SendingMark, last uint64, err error) {
	err = s.view(ctx, "read sending marks", AccountID(kv.System), func(r kv.Reader) error {
		return scan(r, table(tableSending), table(tableSending).after(), func(k, b []byte) error {
			if len(k) != 1+8 {
				return fmt.Errorf("mark: %w", errDamaged)
			}
			last = binary.BigEndian.Uint64(k[1:])
			more, err := decodeMarks(b)
			marks = append(marks, more...)
			return err
		})
	})
	return marks, last, err
}

func decodeMarks(b []byte) (marks []SendingMark, err error) {
	r := record{b: b}
	for len(r.b) > 0 {
		m := SendingMark{Account: AccountID(r.uint())}
		if len(r.b) < len(m.ID) {
			r.bad = true
			break
		}
		r.b = r.b[copy(m.ID[:], r.b):]
		m.Domain, m.Host = r.text(), r.text()
		m.Attempts, m.Time = int(r.uint()), fromUnixMicro(r.int())
		marks = append(marks, m)
	}
	if err := r.err(); err != nil {
		return nil, fmt.Errorf("mark: %w", err)
	}
	return marks, nil
}

// ClearSendingMarks forgets all marks. It works on a full volume.
func (s *Store) ClearSendingMarks(ctx context.Context) error {
	err := s.records.Update(kv.WithReserve(ctx), kv.System, func(tx kv.Tx) error {
		return tx.DeleteRange(table(tableSending), table(tableSending).after())
	})
	return wrap("clear sending marks", err)
}
