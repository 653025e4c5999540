package inbound

import (
	"context"
	"fmt"
	"io"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/outbound"
	"github.com/postiljon/postiljon/internal/protocol/smtpd"
	"github.com/postiljon/postiljon/internal/store"
)

var _ outbound.Local = (*Backend)(nil)

// DeliverLocal implements outbound.Local: what the queue has for an address here goes the same road as what comes
// over SMTP. That are reports, what rules send on and answer, and what waited, for room in a mailbox or for a
// domain that has come here since.
func (b *Backend) DeliverLocal(ctx context.Context, sub *store.Submission, r *store.SubmissionRecipient) cause.Decision {
	to, err := address.Parse(r.Address, addressOptions)
	if err != nil {
		return cause.Refuse(cause.RecipientAddressInvalid, cause.Text("address", r.Address))
	}
	s := b.queuedSession(ctx, sub, r.Address)
	d := s.decideRcpt(ctx, &smtpd.Rcpt{To: to, Notify: notifyOf(r.Notify), ORcpt: r.ORcpt}, r.Address)
	if !d.Allowed() {
		if s.about != 0 { // its holder sees in the ledger what could not come; the sender's journal is the queue's
			s.refused(journal.RecipientRefused, r.Address, d)
		}
		return d
	}
	return s.takeQueued(ctx)
}

// queuedSession begins a transaction for a message of the queue. Its sender is who wrote it, also
// if an address here passed it on.
func (b *Backend) queuedSession(ctx context.Context, sub *store.Submission, to string) *session {
	s := &session{b: b, c: &smtpd.Conn{}, release: func() {}}
	m, q := mailOf(sub), &queued{sub: sub, to: to}
	if from, err := address.Parse(sub.From, addressOptions); sub.From != "" && err == nil {
		m.From = from
		if original, ok := b.unwritten(from); ok {
			m.From, q.foreign = original, b.foreign(ctx, original.String())
		}
	}
	s.envelope = envelope{trace: sub.ID, mail: m, queued: q}
	if !m.From.IsNull() {
		s.from = m.From.String()
	}
	return s
}

// queued is what is known of a message that comes from the queue.
type queued struct {
	sub     *store.Submission
	to      string // the recipient
	foreign bool   // it came from another server, and an address here passed it on
}

// unwritten is the sender of a message that was passed on here.
func (b *Backend) unwritten(from address.Address) (original address.Address, ok bool) {
	if b.Forward == nil {
		return original, false
	}
	original, err := b.Forward.SRS.Reverse(from)
	return original, err == nil
}

// foreign tells whether a sender's address is none of ours. What cannot be looked up was judged once already.
func (b *Backend) foreign(ctx context.Context, from string) bool {
	res, err := b.Store.Resolve(ctx, from)
	return store.KindOf(err) == store.KindNotFound && !res.Local
}

// onwardID is the id of what an account, or nobody's with 0, sends on of a message: that of the message, so that one
// trace tells all; or one of its own where the queue has that still.
func (s *session) onwardID(ctx context.Context, a store.AccountID) (store.TraceID, error) {
	switch {
	case s.queued == nil && (s.account == nil || s.account.ID != a):
		return s.trace, nil
	case s.queued == nil: // it may have sent the message to others, too
		return followingID(s.trace, "forward"), nil
	}
	_, err := s.b.Store.Submission(ctx, a, s.trace)
	if store.KindOf(err) == store.KindNotFound && a != 0 {
		return s.trace, nil
	}
	if err != nil && store.KindOf(err) != store.KindNotFound {
		return s.trace, err
	}
	return followingID(s.trace, fmt.Sprintf("forward %d %s", s.queued.sub.Account, s.queued.to)), nil
}

// takeQueued places the message for whom it is.
func (s *session) takeQueued(ctx context.Context) cause.Decision {
	m := &content{s: s, scanner: s.b.scanners.Get().(*message.Scanner)}
	m.scanner.Reset()
	defer m.drop()
	if err := m.readQueued(ctx, s.queued.sub); err != nil {
		return s.b.storeTrouble("read message of the queue", err)
	}
	if m.hops.count > s.b.MaxHops {
		return cause.Refuse(cause.RulesLoop, cause.Count("hops", int64(m.hops.count)))
	}
	m.summary = m.scanner.Finish()
	d := m.commit(ctx, m.summary)
	if !d.Allowed() {
		m.tell(d)
	}
	return d
}

// readQueued copies a message of the queue with the return path in front (RFC 5321 section 4.4) and what would stand
// before it elsewhere, by which it is known where it has been.
func (m *content) readQueued(ctx context.Context, sub *store.Submission) error {
	from, err := m.s.b.Store.Blobs().Open(ctx, sub.Blob)
	if err != nil {
		return err
	}
	defer from.Close()
	front := append([]byte("Return-Path: <"+m.s.from+">\r\n"), sub.Prefix...)
	content := io.NewSectionReader(from, sub.Skip, from.Size()-sub.Skip)
	if int64(len(front))+content.Size() <= spoolSize {
		m.whole = append(front, make([]byte, content.Size())...)
		if _, err := io.ReadFull(content, m.whole[len(front):]); err != nil {
			return err
		}
		m.hops.Write(m.whole)
		_, err := m.scanner.Write(m.whole)
		return err
	}
	if m.spool, err = m.s.b.Store.Blobs().Create(ctx); err != nil {
		return err
	}
	all := io.MultiWriter(m.spool, m.scanner, &m.hops)
	if _, err := all.Write(front); err != nil {
		return err
	}
	if _, err = io.Copy(all, content); err != nil {
		return err
	}
	m.ref, err = m.spool.Commit()
	return err
}
