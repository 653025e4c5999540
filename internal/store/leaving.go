package store

import (
	"context"
	"encoding/binary"

	"github.com/postiljon/postiljon/internal/store/kv"
)

// An account is deleted in two steps, since its records and the directory are two key spaces: the transaction that takes it out of
// the directory marks it, then its records go, then the mark. What a crash leaves between them is nobody's, and finished at the next
// start. Numbers of accounts are never given again, so nothing else can lie there.

func leavingKey(a AccountID) key { return table(tableLeaving).number(uint64(a)) }

// FinishDeletions removes the records of accounts whose deletion was broken off, and returns how many there were. It is for the
// start, before anything else writes. It works on a full volume.
func (s *Store) FinishDeletions(ctx context.Context) (n int, err error) {
	ctx = kv.WithReserve(ctx)
	left, err := s.leaving(ctx)
	for _, a := range left {
		if err == nil {
			err = s.finishDeletion(ctx, a)
			n++
		}
	}
	return n, wrap("finish deletions", err)
}

// leaving are the accounts whose deletion has begun and not ended.
func (s *Store) leaving(ctx context.Context) (all []AccountID, err error) {
	err = s.view(ctx, "list deletions", AccountID(kv.System), func(r kv.Reader) error {
		t := table(tableLeaving)
		return scan(r, t, t.after(), func(k, _ []byte) error {
			if len(k) != len(leavingKey(0)) {
				return errDamaged
			}
			all = append(all, AccountID(binary.BigEndian.Uint64(k[1:])))
			return nil
		})
	})
	return all, err
}

// finishDeletion removes the records of an account, and then its mark.
func (s *Store) finishDeletion(ctx context.Context, a AccountID) error {
	if err := s.forgetMentions(ctx, a); err != nil {
		return err
	}
	if err := s.records.Update(ctx, kv.Account(a), func(tx kv.Tx) error { return tx.DeleteRange(nil, nil) }); err != nil {
		return err
	}
	return s.records.Update(ctx, kv.System, func(tx kv.Tx) error { return tx.Delete(leavingKey(a)) })
}
