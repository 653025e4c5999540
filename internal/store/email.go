package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store/blob"
	"github.com/postiljon/postiljon/internal/store/kv"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// Placement is an email in a mailbox under a UID: what can change of it, and
// its size.
type Placement struct {
	UID    uid.UID
	Email  EmailID
	Flags  Flags
	ModSeq ModSeq
	Size   int64     // octets of the message
	Saved  time.Time // when it came into this mailbox (RFC 8514), to the second
}

const placementVersion = 1

func (p *Placement) encode(b []byte) []byte {
	b = append(b, placementVersion)
	b = binary.AppendUvarint(b, uint64(p.ModSeq))
	b = binary.AppendUvarint(b, uint64(p.Email))
	b = binary.AppendUvarint(b, p.Flags[0])
	b = binary.AppendUvarint(b, p.Flags[1])
	b = binary.AppendUvarint(b, uint64(p.Size))
	return binary.AppendVarint(b, p.Saved.Unix())
}

func (p *Placement) decode(u uid.UID, b []byte) error {
	r := record{b: b}
	if r.octet() != placementVersion {
		return fmt.Errorf("placement %d: %w", u, errDamaged)
	}
	p.UID = u
	p.ModSeq = ModSeq(r.uint())
	p.Email = EmailID(r.uint())
	p.Flags = Flags{r.uint(), r.uint()}
	p.Size = int64(r.uint())
	p.Saved = time.Unix(r.int(), 0)
	return r.err()
}

// Email is what never changes of a message once it is stored.
type Email struct {
	ID       EmailID
	Thread   ThreadID
	Blob     blob.Ref
	Size     int64
	Received time.Time // INTERNALDATE, to the second
	Arrived  bool      // as of NewEmail
	// Summary is what was read from the message at arrival; its slices are
	// valid as long as the email.
	Summary message.SummaryView
}

// The first octet of an email's record.
const (
	emailPut     = 1 // a program put it here, or it was imported
	emailArrived = 2
)

func encodeEmail(thread ThreadID, n *NewEmail, received time.Time) []byte {
	r := record{b: make([]byte, 0, 1536)}
	if n.Arrived {
		r.putOctet(emailArrived)
	} else {
		r.putOctet(emailPut)
	}
	r.putUint(uint64(thread))
	r.putInt(received.Unix())
	r.putText(string(n.Blob))
	r.b = n.Summary.AppendBinary(r.b)
	return r.b
}

func (e *Email) decode(id EmailID, b []byte) (err error) {
	r := record{b: b}
	kind := r.octet()
	if kind != emailPut && kind != emailArrived {
		return fmt.Errorf("email %d: %w", id, errDamaged)
	}
	e.ID, e.Arrived = id, kind == emailArrived
	e.Thread = ThreadID(r.uint())
	e.Received = time.Unix(r.int(), 0)
	e.Blob = blob.Ref(r.octets())
	if r.bad {
		return fmt.Errorf("email %d: %w", id, errDamaged)
	}
	if e.Summary, err = message.ViewSummary(r.b); err != nil {
		return fmt.Errorf("email %d: %w: %w", id, errDamaged, err)
	}
	e.Size = e.Summary.Size()
	return nil
}

// threadKey is where the thread of a Message-ID is kept.
func threadKey(messageID string) key {
	h := fnv.New64a()
	h.Write([]byte(messageID))
	return h.Sum(table(tableThread))
}

// maxThreadIDs bounds how many references of a message are followed beside the
// first, which is the root: each costs a look-up on delivery, and a message whose
// root and three nearest ancestors are all unknown has nothing to join.
const maxThreadIDs = 3

// threadIDs returns the identifiers that tie a message to its conversation, its
// own first.
func threadIDs(s *message.Summary) []string {
	var ids []string
	if s.MessageID != "" {
		ids = append(ids, s.MessageID)
	}
	add := func(more []string) {
		for _, id := range more {
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	add(s.InReplyTo[:min(len(s.InReplyTo), 2)])
	add(s.References[:min(len(s.References), 1)])
	add(s.References[max(0, len(s.References)-maxThreadIDs):])
	return ids
}

// ThreadOf is the conversation that emails with a Message-ID (without its angle brackets) belong to, 0 if none is known.
func (s *Store) ThreadOf(ctx context.Context, a AccountID, messageID string) (thread ThreadID, err error) {
	err = s.view(ctx, "find conversation", a, func(r kv.Reader) error {
		b, ok, err := r.Get(threadKey(messageID))
		if ok && len(b) == 8 {
			thread = ThreadID(binary.BigEndian.Uint64(b))
		}
		return err
	})
	return thread, err
}

// thread finds the conversation of a new email by the Message-IDs it names, and
// notes those that are not known yet, so that a reply which arrives before its
// original still joins it.
func (c *change) thread(id EmailID, s *message.Summary) (ThreadID, error) {
	thread := ThreadID(0)
	var unknown []key
	for _, m := range threadIDs(s) {
		k := threadKey(m)
		b, ok, err := c.tx.Get(k)
		if err != nil {
			return 0, err
		}
		if !ok {
			unknown = append(unknown, k)
		} else if thread == 0 && len(b) == 8 {
			thread = ThreadID(binary.BigEndian.Uint64(b))
		}
	}
	if thread == 0 {
		thread = ThreadID(id)
	}
	value := binary.BigEndian.AppendUint64(nil, uint64(thread))
	for _, k := range unknown {
		if err := c.tx.Set(k, value); err != nil {
			return 0, err
		}
	}
	return thread, nil
}
