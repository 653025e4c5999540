package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/postiljon/postiljon/internal/store/blob"
	"github.com/postiljon/postiljon/internal/store/kv"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// CollectOptions says what Collect may do.
type CollectOptions struct {
	// Grace keeps blobs that are younger, whether a record names them or not. A
	// second is enough; more is for the case that something else stores blobs.
	Grace time.Duration
	// MinDead is the share of dead octets from which a unit of storage is
	// rewritten.
	MinDead float64
}

// Collect frees the room of messages that no record names any more. While a
// backup or another collection runs it does nothing and fails with blob.ErrBusy.
func (s *Store) Collect(ctx context.Context, o CollectOptions) (blob.CollectResult, error) {
	const op = "collect blobs"
	if !s.collecting.TryLock() {
		return blob.CollectResult{}, wrap(op, blob.ErrBusy)
	}
	defer s.collecting.Unlock()
	s.pending.begin()
	defer s.pending.end()
	begun := s.now()
	live, err := s.liveBlobs(ctx)
	if err != nil {
		return blob.CollectResult{}, wrap(op, err)
	}
	result, err := s.blobs.Collect(ctx, blob.CollectOptions{
		Live: func(sum [32]byte) bool {
			_, found := slices.BinarySearch(live, fingerprint(sum))
			return found || s.pending.has(fingerprint(sum))
		},
		GraceSeconds: graceSeconds(o.Grace, s.now().Sub(begun)),
		MinDead:      o.MinDead,
	})
	return result, wrap(op, err)
}

// graceSeconds is the grace as it is when the records were looked at: blobs are
// stamped with whole seconds.
func graceSeconds(grace, since time.Duration) int64 {
	if grace <= 0 {
		return 0
	}
	return int64((grace + since + time.Second - 1) / time.Second)
}

// fingerprint is eight octets of a checksum. Two blobs with the same are rare
// and harmless: a dead one is kept.
func fingerprint(sum [32]byte) uint64 { return binary.BigEndian.Uint64(sum[:]) }

// liveBlobs returns the fingerprints of all blobs that a record names, sorted:
// eight octets for each email.
func (s *Store) liveBlobs(ctx context.Context) (live []uint64, err error) {
	add := func(ref blob.Ref) { live = append(live, fingerprint(ref.Hash())) }
	err = s.records.Accounts(ctx, func(a kv.Account) error {
		return s.records.View(ctx, a, func(r kv.Reader) error {
			err := scan(r, table(tableEmail), table(tableEmail).after(), func(k, b []byte) error {
				var e Email
				if err := e.decode(EmailID(binary.BigEndian.Uint64(k[1:])), b); err != nil {
					return err
				}
				add(e.Blob)
				return ctx.Err()
			})
			if err != nil {
				return err
			}
			err = eachUpload(r, func(u *Upload) error { add(u.Blob); return nil })
			if err != nil {
				return err
			}
			err = eachFile(r, AccountID(a), func(f *File) error {
				if f.Blob != "" {
					add(f.Blob)
				}
				return nil
			})
			if err != nil {
				return err
			}
			return eachSubmission(r, AccountID(a), func(sub *Submission) error { add(sub.Blob); return nil })
		})
	})
	slices.Sort(live)
	return live, err
}

// Forget drops the ids of deliveries older than the given age: a retry comes
// sooner or not at all. It works on a full volume.
func (s *Store) Forget(ctx context.Context, age time.Duration) error {
	ctx = kv.WithReserve(ctx)
	before := s.now().Add(-age).Unix()
	err := s.records.Accounts(ctx, func(a kv.Account) error {
		for more := true; more; {
			err := s.records.Write(ctx, a, func(tx kv.Tx) (err error) {
				more, err = forgetSome(tx, before)
				return err
			})
			if err != nil {
				return err
			}
		}
		return ctx.Err()
	})
	return wrap("forget deliveries", err)
}

// forgetSome drops at most maxStep ids and reports whether there may be more.
func forgetSome(tx kv.Tx, before int64) (more bool, err error) {
	dropped := 0
	err = scan(tx, table(tableDelivery), table(tableDelivery).after(), func(k, b []byte) error {
		if len(b) == 20 && int64(binary.BigEndian.Uint64(b[12:])) >= before {
			return nil
		}
		if dropped == maxStep {
			return errStepFull
		}
		dropped++
		return tx.Delete(k)
	})
	if errors.Is(err, errStepFull) {
		return true, nil
	}
	return false, err
}

// Dump writes all of an account's mail in order, for export: each message with
// its mailbox, flags and dates.
func (s *Store) Dump(ctx context.Context, a AccountID, fn func(m *Mailbox, k *Keywords, msg *Message) error) error {
	mailboxes, err := s.Mailboxes(ctx, a)
	if err != nil {
		return err
	}
	keywords, err := s.Keywords(ctx, a)
	if err != nil {
		return err
	}
	for i := range mailboxes {
		err := s.Messages(ctx, a, mailboxes[i].ID, uid.All(), func(msg *Message) error { return fn(&mailboxes[i], keywords, msg) })
		if err != nil {
			return fmt.Errorf("mailbox %q: %w", mailboxes[i].Name, err)
		}
	}
	return nil
}
