package store

import "context"

// Anew is an email that is placed as it is handed in.
type Anew struct {
	Email NewEmail
	Into  []MailboxID // at least one
	// Instead tells that it takes the place of an email that is there: it may lie beside that one for a moment, whatever room there is.
	Instead bool
}

// HandInAnew is CreateEmailSubmission of an email that is placed in the same transaction: it lies nowhere unless it is handed in. Kinds: those of
// CreateEmailSubmission and of Append.
func (s *Store) HandInAnew(ctx context.Context, a AccountID, n *Anew, e EmailSubmission, sub *Submission, events ...Event) (made EmailSubmission, repeated bool, err error) {
	quota, err := s.quota(ctx, a)
	if err != nil {
		return made, false, err
	}
	if n.Instead {
		quota = 0
	}
	made, repeated, err = s.handIn(ctx, a, e, sub, events, func(c *change) (EmailID, error) { return c.placeAnew(n, quota) })
	if err == nil && !repeated {
		s.pending.named(n.Email.Blob)
	}
	return made, repeated, err
}

// placeAnew places an email in all of its mailboxes.
func (c *change) placeAnew(n *Anew, quota int64) (EmailID, error) {
	id := c.head.nextEmail
	flags, err := c.flags(n.Email.Flags, n.Email.Keywords)
	if err != nil {
		return 0, err
	}
	for i, into := range n.Into {
		m, err := c.mailbox(into)
		if err != nil {
			return 0, err
		}
		if i == 0 {
			_, err = c.place(m, &n.Email, quota)
		} else {
			_, err = c.putNew(m, Placement{Email: id, Flags: flags, Size: n.Email.Summary.Size, Saved: c.now})
		}
		if err != nil {
			return 0, err
		}
	}
	return id, nil
}
