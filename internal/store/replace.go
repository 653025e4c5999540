package store

import (
	"context"

	"github.com/postiljon/postiljon/internal/store/uid"
)

// Replace places a new message in a mailbox and removes the message u of
// another, or of the same, for good: both or neither (RFC 8508). The quota is
// held by what there is without the old message. If the old message is gone
// already nothing is done and UIDs of the result is empty. Kinds: KindNotFound
// (a mailbox), KindOverQuota, KindLimit (keywords), KindNoSpace.
func (s *Store) Replace(ctx context.Context, a AccountID, from MailboxID, u uid.UID, to MailboxID, n NewEmail) (done Appended, err error) {
	quota, err := s.quota(ctx, a)
	if err != nil {
		return done, err
	}
	err = s.change(ctx, "replace", a, func(c *change) error {
		done = Appended{}
		source, target, err := c.pair(from, to)
		if err != nil {
			return err
		}
		gone, err := c.expunge(source, uid.Of(u), false)
		if err != nil || gone.gone.Empty() {
			return err
		}
		placed, err := c.place(target, &n, quota)
		done = Appended{UIDValidity: target.uidValidity, UIDs: []uid.UID{placed}, ModSeq: target.highestModSeq}
		return err
	})
	if err != nil {
		return Appended{}, err
	}
	s.pending.named(n.Blob)
	return done, nil
}
