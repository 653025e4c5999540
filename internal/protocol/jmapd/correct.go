package jmapd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/outbound"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// correct sends a message to another address than one that cannot be reached, or was wrong. The message says so, too, unless its program signed
// it: then it goes as a new one with the same Message-ID, signed anew, also to whom it waits for yet, and takes the place of the first one among
// the sent ones; who has the first one keeps that. Where the message does not say to whom it goes, its envelope alone changes.
func (c *call) correct(ctx context.Context, w *waiting, recipient, to string, o object) error {
	at := slices.IndexFunc(w.sub.Recipients, func(r store.SubmissionRecipient) bool { return strings.EqualFold(r.Address, recipient) })
	if at < 0 {
		return invalid("recipient is none of the message")
	}
	old := w.sub.Recipients[at]
	if old.State.Final() && !isFailed(old) { // another window was faster
		return outbound.ErrNotQueued
	}
	one := store.SubmissionRecipient{Address: to, Notify: old.Notify, State: store.Queued}
	asked := w.sub
	asked.Recipients = []store.SubmissionRecipient{one}
	sender, decisions := c.server.options.Check(ctx, c.account, &asked, nil)
	if !sender.Allowed() {
		return c.refused("forbiddenToSend", sender)
	}
	if d := decisions[0]; d.Action == cause.ActionRefuse {
		return &methodError{Type: "invalidRecipients", InvalidRecipients: []string{to}, Recipients: map[string]*explained{to: c.why(d)}}
	}
	first, text, err := c.corrected(ctx, w, old.Address, to, o)
	if err != nil {
		return err
	}
	if text == nil && !old.State.Final() {
		return c.server.options.Queue.Redirect(ctx, c.account.ID, w.sub.ID, recipient, to)
	}
	now := c.server.store.Now()
	if one.Next = now; old.State == store.Queued && old.Cause == "" && old.Next.After(now) { // it is for later
		one.Next = old.Next
	}
	list := []store.SubmissionRecipient{one}
	if text != nil {
		list = append(list, alsoWaiting(&w.sub, old.Address, now)...)
	}
	if err := c.inPlaceOf(ctx, w, &old, list, text, o); err != nil || text == nil {
		return err
	}
	if slices.ContainsFunc(w.sub.Recipients, func(r store.SubmissionRecipient) bool { return r.State == store.Held && r.Address != old.Address }) {
		return nil // what is held goes as it is, from among the sent ones
	}
	for _, place := range first.At {
		if _, _, err := c.server.store.Expunge(ctx, c.account.ID, place.Mailbox, uid.Of(place.UID), false); err != nil {
			return err
		}
	}
	return nil
}

// alsoWaiting are the other recipients that a submission waits for, as they go on in another one.
func alsoWaiting(sub *store.Submission, but string, now time.Time) (list []store.SubmissionRecipient) {
	for _, r := range sub.Recipients {
		if r.State != store.Queued || r.Address == but {
			continue
		}
		next := now
		if r.Cause == "" && r.Next.After(now) {
			next = r.Next
		}
		list = append(list, store.SubmissionRecipient{Address: r.Address, Notify: r.Notify, State: store.Queued, Next: next})
	}
	return list
}

// inPlaceOf hands an email in for a list of recipients, the first of whom is in the place of old. Nobody of them is sent to from the first
// submission any more: what waits there is held before, and taken back after. If we get no further, it is held, and not lost.
func (c *call) inPlaceOf(ctx context.Context, w *waiting, old *store.SubmissionRecipient, list []store.SubmissionRecipient, text *corrected, o object) error {
	q := c.server.options.Queue
	if len(list) > 1 || old.State == store.Queued {
		whose := "" // all that wait: they go on together, or nobody does
		if text == nil {
			whose = old.Address
		}
		if err := q.Hold(ctx, c.account.ID, w.sub.ID, whose); err != nil && !errors.Is(err, outbound.ErrNotQueued) && store.KindOf(err) != store.KindNotFound {
			return err
		}
	}
	list, moved, err := c.held(ctx, w, old, list)
	if err == nil {
		err = c.again(ctx, w, list, text, o)
	}
	if err != nil {
		for _, address := range moved {
			err = errors.Join(err, q.Release(ctx, c.account.ID, w.sub.ID, address))
		}
		return err
	}
	for _, address := range moved {
		if err := q.Cancel(ctx, c.account.ID, w.sub.ID, address); err != nil {
			return err
		}
	}
	if old.State.Final() && w.record != nil { // what came over SMTP has no record of it
		return c.dismiss(ctx, w, old.Address)
	}
	return nil
}

// held leaves out of a list of recipients who is not held any more in the first submission, since it got the message or was taken back
// before that was held; moved are those in the first submission whom the list takes over.
func (c *call) held(ctx context.Context, w *waiting, old *store.SubmissionRecipient, list []store.SubmissionRecipient) (left []store.SubmissionRecipient, moved []string, err error) {
	now, err := c.server.store.Submission(ctx, c.account.ID, w.sub.ID)
	if err != nil && store.KindOf(err) != store.KindNotFound {
		return nil, nil, err
	}
	isHeld := func(address string) bool {
		return slices.ContainsFunc(now.Recipients, func(r store.SubmissionRecipient) bool { return r.Address == address && r.State == store.Held })
	}
	left = list[:1:1]
	for _, r := range list[1:] {
		if isHeld(r.Address) {
			left, moved = append(left, r), append(moved, r.Address)
		}
	}
	if old.State.Final() {
		return left, moved, nil
	}
	if !isHeld(old.Address) {
		return left, moved, outbound.ErrNotQueued
	}
	return left, append(moved, old.Address), nil
}

// again hands an email in once more, for other recipients than those it could not reach: as it is, or with another text.
func (c *call) again(ctx context.Context, w *waiting, list []store.SubmissionRecipient, text *corrected, o object) error {
	if w.record == nil && text == nil {
		return outbound.ErrNotQueued
	}
	now := c.server.store.Now()
	record := store.EmailSubmission{MessageID: w.sub.MessageID, From: store.EnvelopeAddress{Email: w.sub.From}, SendAt: list[0].Next, Corrects: w.sub.ID.String()}
	if w.record != nil {
		record.Email, record.Identity, record.MessageID, record.From.Email = w.record.Email, w.record.Identity, w.record.MessageID, w.record.From.Email
	}
	if text != nil {
		p, err := c.picture(ctx)
		if err != nil {
			return err
		}
		placed, bad := c.placeNew(ctx, p, text.patch, text.email)
		if bad != nil {
			return bad
		}
		record.Email, _ = parseIn[store.EmailID](c.sight(), 'M', placed["id"].(string))
	}
	for i := range list {
		record.To = append(record.To, store.EnvelopeAddress{Email: list[i].Address})
	}
	sub := store.Submission{
		ID: store.NewTraceID(now), Account: c.account.ID, From: record.From.Email, MessageID: record.MessageID, Created: now, Scheduled: true, Recipients: list,
	}
	if err := c.transport(ctx, &sub, record.Email); err != nil {
		return err
	}
	q := c.server.options.Queue
	q.Prepare(&sub)
	made, repeated, err := c.server.store.CreateEmailSubmission(ctx, c.account.ID, record, &sub)
	if err != nil {
		return err
	}
	if !repeated {
		q.Notify(&sub)
	}
	o["emailSubmissionId"], o["emailId"] = submissionID(made.ID), emailID(made.Email)
	return nil
}

// transport gives a submission what sending an email asks of the servers on the way (RFC 6152, RFC 6531).
func (c *call) transport(ctx context.Context, sub *store.Submission, id store.EmailID) error {
	return c.server.store.Emails(ctx, c.account.ID, id, id+1, func(e *store.Email) error {
		sum, err := e.Summary.Summary()
		if err != nil {
			return err
		}
		sub.Size, sub.SMTPUTF8 = sum.Size, sum.HeaderEightBit
		if sum.EightBit {
			sub.Body = "8BITMIME"
		}
		return nil
	})
}

// corrected is an email with an address of its header in the place of another, which goes where that is.
type corrected struct {
	email store.NewEmail
	patch *emailPatch
}

// corrected makes an email anew with another address in its header; text is nil where the header does not have the old one, or there is no such
// email any more, or its program signed it, which o then says. first is the email among the sent ones.
func (c *call) corrected(ctx context.Context, w *waiting, old, to string, o object) (first *store.Located, text *corrected, err error) {
	p, err := c.picture(ctx)
	if err != nil {
		return nil, nil, err
	}
	first, source, err := c.sentCopy(ctx, p, w)
	if err != nil || source == 0 {
		return nil, nil, err
	}
	patch := &emailPatch{mailboxes: map[store.MailboxID]bool{}, keywords: map[string]bool{}}
	if len(first.At) > 0 {
		for name := range keywordsOf(first.At[0].Flags, p.mail.Keywords) {
			patch.keywords[name] = true
		}
	}
	for _, place := range first.At {
		patch.mailboxes[place.Mailbox] = true
	}
	if sent := p.byRole(store.RoleSent); len(patch.mailboxes) == 0 && sent != nil {
		patch.mailboxes[sent.ID], patch.keywords["$seen"] = true, true
	}
	if len(patch.mailboxes) == 0 {
		return nil, nil, nil
	}
	err = c.server.store.Emails(ctx, c.account.ID, source, source+1, func(e *store.Email) error {
		n, signed, err := c.server.readdress(ctx, e, old, to)
		if n != nil {
			text = &corrected{*n, patch}
		}
		if signed {
			o["signed"] = true
		}
		return err
	})
	return first, text, err
}

// sentCopy finds a message that waits or failed among the emails outside of the Outbox, where it need not be, and the email that has its
// text, 0 if there is none: of what came over SMTP that is the one in the Outbox, for its program kept what it likes.
func (c *call) sentCopy(ctx context.Context, p *picture, w *waiting) (mine *store.Located, source store.EmailID, err error) {
	outside := func(l *store.Located) *store.Located {
		one := *l
		one.At = slices.DeleteFunc(slices.Clone(l.At), func(place store.PlacedIn) bool {
			b := p.boxes[place.Mailbox]
			return b == nil || b.Role == store.RoleOutbox
		})
		return &one
	}
	if w.record != nil {
		there, ok := p.email(w.record.Email)
		if !ok || len(outside(there).At) == 0 {
			return nil, 0, nil
		}
		return outside(there), there.ID, nil
	}
	out, sent := p.outbox(), p.byRole(store.RoleSent)
	if out == nil || sent == nil || w.sub.Outbox == 0 || w.sub.MessageID == "" {
		return nil, 0, nil
	}
	source, err = c.server.emailAt(ctx, c.account.ID, out.ID, w.sub.Outbox)
	there, ok := p.email(source)
	if err != nil || !ok {
		return nil, 0, err
	}
	for _, l := range p.thread(there.Thread) {
		if !slices.ContainsFunc(l.At, func(place store.PlacedIn) bool { return place.Mailbox == sent.ID }) {
			continue
		}
		m, err := c.sentMail(ctx, "", l.ID)
		if err != nil {
			return nil, 0, err
		}
		if m.messageID == strings.Trim(w.sub.MessageID, "<>") {
			return outside(l), source, nil
		}
	}
	return &store.Located{}, source, nil
}

// readdress stores a message with another address in its header; nil if that does not have the old one, or is signed.
func (s *Server) readdress(ctx context.Context, e *store.Email, old, to string) (n *store.NewEmail, signed bool, err error) {
	body, err := s.store.Body(ctx, e)
	if err != nil {
		return nil, false, err
	}
	defer body.Close()
	head := make([]byte, e.Summary.HeaderSize())
	if _, err := io.ReadFull(io.NewSectionReader(body, 0, int64(len(head))), head); err != nil {
		return nil, false, err
	}
	head, changed := message.Readdress(head, old, to)
	if !changed {
		return nil, false, nil
	}
	if message.Signed(head) {
		return nil, true, nil
	}
	size := e.Summary.HeaderSize()
	scanner := message.NewScanner(message.Limits{})
	whole := io.MultiReader(bytes.NewReader(head), io.NewSectionReader(body, size, e.Size-size))
	one, err := s.receive(ctx, io.TeeReader(whole, scanner))
	if err != nil {
		return nil, false, err
	}
	return &store.NewEmail{Blob: one.ref, Summary: scanner.Finish(), Received: e.Received}, false, nil
}
