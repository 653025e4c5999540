package jmapd

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/outbound"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// correct sends a message to another address than one that cannot be reached, or was wrong. The message says so, too, if it is an email that was
// handed in here: then it goes as a new one with the same Message-ID, signed anew, and who has the first one keeps that. What came over SMTP is as
// its program signed and kept it: of that the envelope alone changes.
func (c *call) correct(ctx context.Context, w *waiting, recipient, to string, o object) error {
	at := slices.IndexFunc(w.sub.Recipients, func(r store.SubmissionRecipient) bool { return strings.EqualFold(r.Address, recipient) })
	if at < 0 {
		return invalid("recipient is none of the message")
	}
	one := store.SubmissionRecipient{Address: to, Notify: w.sub.Recipients[at].Notify, State: store.Queued}
	asked := w.sub
	asked.Recipients = []store.SubmissionRecipient{one}
	sender, decisions := c.server.options.Check(ctx, c.account, &asked, nil)
	if !sender.Allowed() {
		return c.refused("forbiddenToSend", sender)
	}
	if d := decisions[0]; d.Action == cause.ActionRefuse {
		return &methodError{Type: "invalidRecipients", InvalidRecipients: []string{to}, Recipients: map[string]*explained{to: c.why(d)}}
	}
	old := &w.sub.Recipients[at]
	first, text, err := c.corrected(ctx, w, old.Address, to)
	if err != nil {
		return err
	}
	waits := !w.failed && !old.State.Final()
	if waits && text == nil {
		return c.server.options.Queue.Redirect(ctx, c.account.ID, w.sub.ID, recipient, to)
	}
	if waits && old.State != store.Held { // if we get no further, it is held, and not lost
		if err := c.server.options.Queue.Hold(ctx, c.account.ID, w.sub.ID, recipient); err != nil {
			return err
		}
	}
	if err := c.again(ctx, w, old, one, text, o); err != nil {
		return err
	}
	if waits {
		err = c.server.options.Queue.Cancel(ctx, c.account.ID, w.sub.ID, recipient)
	} else {
		err = c.dismiss(ctx, w, recipient)
	}
	if err != nil || text == nil || slices.ContainsFunc(w.sub.Recipients, func(r store.SubmissionRecipient) bool { return r.Address != old.Address && r.State != store.Cancelled }) {
		return err // what others have, or can be sent yet, stays among the sent ones
	}
	for _, place := range first.At {
		if _, _, err := c.server.store.Expunge(ctx, c.account.ID, place.Mailbox, uid.Of(place.UID), false); err != nil {
			return err
		}
	}
	return nil
}

// again hands an email in once more, for another address than one that could not be reached: as it is, or with another text.
func (c *call) again(ctx context.Context, w *waiting, old *store.SubmissionRecipient, one store.SubmissionRecipient, text *corrected, o object) error {
	if w.record == nil {
		return outbound.ErrNotQueued
	}
	email := w.record.Email
	if text != nil {
		p, err := c.picture(ctx)
		if err != nil {
			return err
		}
		placed, bad := c.placeNew(ctx, p, text.patch, text.email)
		if bad != nil {
			return bad
		}
		email, _ = parseIn[store.EmailID](c.sight(), 'M', placed["id"].(string))
	}
	now := c.server.store.Now()
	at := now
	if old.State == store.Queued && old.Cause == "" && old.Next.After(now) { // it is for later
		at = old.Next
	}
	one.Next = at
	record := store.EmailSubmission{
		Email: email, Identity: w.record.Identity, MessageID: w.record.MessageID, From: store.EnvelopeAddress{Email: w.record.From.Email},
		To: []store.EnvelopeAddress{{Email: one.Address}}, SendAt: at,
	}
	sub := store.Submission{
		ID: store.NewTraceID(now), Account: c.account.ID, From: w.record.From.Email, MessageID: w.record.MessageID, Created: now, Scheduled: true,
		Recipients: []store.SubmissionRecipient{one},
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

// corrected is an email with an address of its header in the place of another, which goes where that is.
type corrected struct {
	email store.NewEmail
	patch *emailPatch
}

// corrected makes an email anew with another address in its header; text is nil where the header does not have the old one, or there is no such email any more.
func (c *call) corrected(ctx context.Context, w *waiting, old, to string) (first *store.Located, text *corrected, err error) {
	if w.record == nil {
		return nil, nil, nil
	}
	p, err := c.picture(ctx)
	if err != nil {
		return nil, nil, err
	}
	there, ok := p.email(w.record.Email)
	if !ok {
		return nil, nil, nil
	}
	mine := *there
	mine.At = slices.DeleteFunc(slices.Clone(there.At), func(place store.PlacedIn) bool {
		b := p.boxes[place.Mailbox]
		return b == nil || b.Role == store.RoleOutbox
	})
	if len(mine.At) == 0 {
		return nil, nil, nil
	}
	patch := &emailPatch{mailboxes: map[store.MailboxID]bool{}, keywords: map[string]bool{}}
	for name := range keywordsOf(mine.At[0].Flags, p.mail.Keywords) {
		patch.keywords[name] = true
	}
	for _, place := range mine.At {
		patch.mailboxes[place.Mailbox] = true
	}
	err = c.server.store.Emails(ctx, c.account.ID, mine.ID, mine.ID+1, func(e *store.Email) error {
		n, err := c.server.readdress(ctx, e, old, to)
		if n != nil {
			text = &corrected{*n, patch}
		}
		return err
	})
	return &mine, text, err
}

// readdress stores a message with another address in its header; nil if that does not have the old one.
func (s *Server) readdress(ctx context.Context, e *store.Email, old, to string) (*store.NewEmail, error) {
	body, err := s.store.Body(ctx, e)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	head := make([]byte, e.Summary.HeaderSize())
	if _, err := io.ReadFull(io.NewSectionReader(body, 0, int64(len(head))), head); err != nil {
		return nil, err
	}
	head, changed := message.Readdress(head, old, to)
	if !changed {
		return nil, nil
	}
	size := e.Summary.HeaderSize()
	scanner := message.NewScanner(message.Limits{})
	whole := io.MultiReader(bytes.NewReader(head), io.NewSectionReader(body, size, e.Size-size))
	one, err := s.receive(ctx, io.TeeReader(whole, scanner))
	if err != nil {
		return nil, err
	}
	return &store.NewEmail{Blob: one.ref, Summary: scanner.Finish(), Received: e.Received}, nil
}
