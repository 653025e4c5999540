package store

import (
	"context"
	"encoding/binary"
	"slices"

	"github.com/postiljon/postiljon/internal/store/blob"
	"github.com/postiljon/postiljon/internal/store/kv"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// MaxDeliveryID is how long the id of a delivery can be, in octets.
const MaxDeliveryID = 200

// Delivery is a message that arrived for accounts here: one blob, placed with
// one commit whatever the number of recipients.
type Delivery struct {
	// ID makes a retry harmless: where an account has had a delivery with this
	// id, nothing is placed again. Empty means that there can be no retry. At
	// most MaxDeliveryID octets.
	ID         string
	Email      NewEmail
	Recipients []DeliverTo // each account once
	// Sender is the account whose message it is, 0 for mail from elsewhere.
	Sender AccountID
	// SenderEvents are kept with the sender, in the same commit.
	SenderEvents []Event
	// SentTo are the addresses that the sender wrote to, who are correspondents from now on.
	SentTo []string
	// Submission, if any, is queued with the sender in the same commit: the
	// recipients of the message that are elsewhere.
	Submission *Submission
	// Departs tells that Submission waited for its time, and has all recipients: what is left to do replaces it. If
	// it was taken back meanwhile, nothing happens for anybody: the error has KindNotFound or KindExists.
	Departs bool
}

// DeliverTo is where a message goes for one recipient.
type DeliverTo struct {
	Account  AccountID
	Mailbox  MailboxID // 0 means the one with Role
	Role     Role
	Flags    Flags // system flags, beside those of the email
	Keywords []string
	// Also are further mailboxes of the account that get the same email.
	Also []DeliverPlace
	// Nowhere places nothing and keeps the events and memories alone: rules dropped the message, or
	// only sent it on.
	Nowhere  bool
	Events   []Event  // kept with the placement
	Remember []Memory // kept with the placement
	// Submissions of the account are queued with the placement: what rules send on or answer.
	Submissions []*Submission
}

// DeliverPlace is a further mailbox for a recipient, and the flags that the message has there.
type DeliverPlace struct {
	Mailbox  MailboxID // 0 means the one with Role
	Role     Role
	Flags    Flags // system flags
	Keywords []string
}

// Delivered is what became of a delivery for one recipient.
type Delivered struct {
	Err         error // KindOverQuota, KindNotFound, KindNoSpace ...; nil when the message is durable
	Mailbox     MailboxID
	UIDValidity uint32
	UID         uid.UID
	Duplicate   bool // it was there already
}

// Deliver places a message with each recipient and returns when it is durable.
// The results are in the order of the recipients; err is set when the
// submission could not be queued.
func (s *Store) Deliver(ctx context.Context, d Delivery) (results []Delivered, err error) {
	results = make([]Delivered, len(d.Recipients))
	quotas := make([]int64, len(d.Recipients))
	for i, r := range d.Recipients {
		quotas[i], results[i].Err = s.quota(ctx, r.Account)
	}
	slots, sender := d.slots()
	accounts := make([]kv.Account, len(slots))
	for i := range slots {
		accounts[i] = kv.Account(slots[i].account)
	}
	var departed error
	errs := s.records.UpdateEach(ctx, accounts, func(tx kv.Tx, i int) error {
		if departed != nil {
			return departed
		}
		if i == sender {
			if err := s.sent(tx, &d); err != nil {
				if d.Departs {
					departed = err
				}
				return err
			}
		}
		at := slots[i].recipient
		if at < 0 || results[at].Err != nil {
			return nil
		}
		return s.deliverTo(tx, &d, &d.Recipients[at], quotas[at], &results[at])
	})
	var named []blob.Ref
	name := func(ref blob.Ref) {
		if !slices.Contains(named, ref) {
			named = append(named, ref)
		}
	}
	for i := range slots {
		at := slots[i].recipient
		if at < 0 {
			continue
		}
		if results[at].Err == nil {
			results[at].Err = wrap("deliver", errs[i])
		}
		if results[at].Err == nil {
			name(d.Email.Blob)
			for _, sub := range d.Recipients[at].Submissions {
				name(sub.Blob)
			}
			s.hub.notify(d.Recipients[at].Account)
		} else {
			s.hub.count(d.Recipients[at].Account)
		}
	}
	if sender >= 0 {
		err = wrap("queue submission", errs[sender])
	}
	if d.Submission != nil && err == nil {
		name(d.Submission.Blob)
	}
	switch {
	case d.Departs && err == nil:
		s.hub.notify(d.Sender)
	case d.Departs:
		s.hub.count(d.Sender) // the wait for the disk may have failed behind the change
	}
	s.pending.named(named...)
	return results, err
}

// slot is an account whose records a delivery changes.
type slot struct {
	account   AccountID
	recipient int // which of the recipients it is, -1 for none
}

// slots are the accounts of a delivery, and which of them is the sender, -1 if nothing is kept with one. What departs is
// asked of its sender first.
func (d *Delivery) slots() (list []slot, sender int) {
	list, sender = make([]slot, 0, len(d.Recipients)+1), -1
	for i, r := range d.Recipients {
		list = append(list, slot{r.Account, i})
	}
	if d.Submission == nil && len(d.SenderEvents) == 0 {
		return list, sender
	}
	sender = slices.IndexFunc(list, func(s slot) bool { return s.account == d.Sender })
	if sender < 0 {
		list, sender = append(list, slot{d.Sender, -1}), len(list)
	}
	if d.Departs {
		list[0], list[sender], sender = list[sender], list[0], 0
	}
	return list, sender
}

// sent keeps what belongs to the sender.
func (s *Store) sent(tx kv.Tx, d *Delivery) error {
	switch {
	case d.Departs:
		if err := s.departs(tx, d.Submission); err != nil {
			return err
		}
	case d.Submission != nil:
		if err := createSubmission(tx, d.Submission); err != nil {
			return err
		}
	}
	if err := noteSent(tx, d.SentTo); err != nil {
		return err
	}
	if err := noteRecents(tx, d.SentTo, d.Email.Summary, s.now()); err != nil {
		return err
	}
	if d.Submission != nil {
		if err := noteFailed(tx, d.Submission); err != nil {
			return err
		}
	}
	return s.putEvents(tx, d.Sender, d.SenderEvents)
}

func (s *Store) deliverTo(tx kv.Tx, d *Delivery, to *DeliverTo, quota int64, result *Delivered) error {
	*result = Delivered{}
	c, err := begin(tx, s.now())
	if err != nil {
		return err
	}
	known := table(tableDelivery).text(d.ID)
	if d.ID != "" {
		b, ok, err := tx.Get(known)
		if err != nil {
			return err
		}
		if ok && len(b) >= 12 {
			result.Duplicate = true
			result.Mailbox = MailboxID(binary.BigEndian.Uint32(b))
			result.UIDValidity = binary.BigEndian.Uint32(b[4:])
			result.UID = uid.UID(binary.BigEndian.Uint32(b[8:]))
			return nil
		}
	}
	if !to.Nowhere {
		if err := c.deliver(d, to, quota, result); err != nil {
			return err
		}
	}
	if d.ID != "" {
		b := binary.BigEndian.AppendUint32(nil, uint32(result.Mailbox))
		b = binary.BigEndian.AppendUint32(b, result.UIDValidity)
		b = binary.BigEndian.AppendUint32(b, uint32(result.UID))
		b = binary.BigEndian.AppendUint64(b, uint64(c.now.Unix()))
		if err := tx.Set(known, b); err != nil {
			return err
		}
	}
	for _, sub := range to.Submissions {
		if err := putSubmission(tx, sub); err != nil {
			return err
		}
	}
	if err := s.putEvents(tx, to.Account, to.Events); err != nil {
		return err
	}
	if err := s.remember(tx, to.Remember); err != nil {
		return err
	}
	return c.finish()
}

// deliver places a message in the mailboxes of one recipient.
func (c *change) deliver(d *Delivery, to *DeliverTo, quota int64, result *Delivered) error {
	m, err := c.target(to.Mailbox, to.Role)
	if err != nil {
		return err
	}
	e := d.Email
	e.Flags = e.Flags.With(to.Flags)
	e.Keywords = c.known(slices.Concat(e.Keywords, to.Keywords))
	u, err := c.place(m, &e, quota)
	if err != nil {
		return err
	}
	result.Mailbox, result.UIDValidity, result.UID = m.id, m.uidValidity, u
	id, placed := c.head.nextEmail-1, []MailboxID{m.id}
	for i := range to.Also {
		also := &to.Also[i]
		if m, err = c.target(also.Mailbox, also.Role); err != nil {
			return err
		}
		if slices.Contains(placed, m.id) {
			continue
		}
		placed = append(placed, m.id)
		flags, err := c.flags(d.Email.Flags.With(also.Flags), c.known(slices.Concat(d.Email.Keywords, also.Keywords)))
		if err != nil {
			return err
		}
		if _, err := c.putNew(m, Placement{Email: id, Flags: flags, Size: e.Summary.Size, Saved: c.now}); err != nil {
			return err
		}
	}
	return nil
}

// known leaves out keywords that the account has no room for: no message is refused for a flag.
func (c *change) known(keywords []string) []string {
	return slices.DeleteFunc(keywords, func(name string) bool {
		_, err := c.flags(Flags{}, []string{name})
		return KindOf(err) == KindLimit
	})
}

// target returns the mailbox a delivery names; a role that no mailbox has means
// INBOX, so that no message is lost for a folder somebody deleted.
func (c *change) target(id MailboxID, role Role) (*mailboxRecord, error) {
	if id == 0 {
		id = InboxID
		if role != RoleNone && role != RoleInbox {
			m, err := readByRole(c.tx, role)
			if err == nil {
				id = m.id
			} else if KindOf(err) != KindNotFound {
				return nil, err
			}
		}
	}
	m, err := c.mailbox(id)
	if id != InboxID && (KindOf(err) == KindNotFound || err == nil && m.role == RoleOutbox) {
		return c.mailbox(InboxID)
	}
	return m, err
}
