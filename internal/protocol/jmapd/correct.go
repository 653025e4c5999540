package jmapd

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/outbound"
	"github.com/postiljon/postiljon/internal/store"
)

// correctTries is how often an address is corrected anew since its message, or another one, changed while it was looked at.
const correctTries = 10

// correctRecipient corrects an address of a message that waits, or failed, or came back, in the state in which it was looked at.
func (c *call) correctRecipient(ctx context.Context, id, report, recipient, to string, o object) error {
	for try := 1; ; try++ {
		state, err := c.server.store.EmailSubmissionState(ctx, c.account.ID)
		if err != nil {
			return err
		}
		w, err := c.findWaiting(ctx, id)
		if isNotFound(err) {
			w, err = c.cameBack(ctx, id, report)
		}
		if err != nil {
			return err
		}
		within, _ := store.ExpectSubmissions(ctx, c.account.ID, state.State)
		if err := c.correct(within, w, recipient, to, o); store.KindOf(err) != store.KindChanged || try == correctTries {
			return err
		}
	}
}

// correct sends a message to another address than one that cannot be reached, or was wrong. The message says so, too, unless its program signed
// it: then it goes as a new one with the same Message-ID, signed anew, also to whom it waits for yet, and takes the place of the first one among
// the sent ones; who has the first one keeps that. Where the message does not say to whom it goes, its envelope alone changes. Kind: KindChanged
// if it is another message by then.
func (c *call) correct(ctx context.Context, w *waiting, recipient, to string, o object) error {
	at := slices.IndexFunc(w.sub.Recipients, func(r store.SubmissionRecipient) bool { return strings.EqualFold(r.Address, recipient) })
	if at < 0 {
		return invalid("recipient is none of the message")
	}
	old := w.sub.Recipients[at]
	if old.State.Final() && !isFailed(old) { // another window was faster
		return outbound.ErrNotQueued
	}
	if there, err := c.gets(ctx, w, to, old.Address); err != nil || there {
		if err == nil {
			err = c.giveUp(ctx, w, &old, to)
		}
		return err
	}
	one := store.SubmissionRecipient{Address: to, Notify: old.Notify, State: store.Queued}
	asked := handing{sub: w.sub, email: message.Summary{MessageID: w.sub.MessageID}}
	asked.sub.Recipients = []store.SubmissionRecipient{one}
	sender, decisions := c.server.options.Check(ctx, c.account, &asked.sub, nil)
	if !sender.Allowed() {
		return c.refuse(ctx, &asked, "forbiddenToSend", sender)
	}
	if e := c.refusedRecipients(ctx, &asked, decisions); e != nil {
		return e
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
	k := &store.Correction{First: w.sub, Queued: !w.failed, Wrong: old.Address, Text: text}
	if first != nil {
		k.Email, k.Leaves = first.ID, first.At
	}
	return c.inPlaceOf(ctx, w, k, list, o)
}

// gets tells whether an address gets a message, or has it, as another recipient than one: of the submission, or of one that corrections lead to from
// there.
func (c *call) gets(ctx context.Context, w *waiting, address, but string) (bool, error) {
	if there := !strings.EqualFold(address, but) && reaches(w.sub.Recipients, address); there || w.sub.MessageID == "" {
		return there, nil
	}
	all, err := c.server.store.EmailSubmissionsOf(ctx, c.account.ID, w.sub.MessageID)
	if err != nil {
		return false, err
	}
	this := w.sub.ID.String()
	others := related(all, func(e *store.EmailSubmission) bool { return e.Trace == this || e.Corrects == this })
	for i := range others {
		if e := &others[i]; e.Trace != this && reaches(e.Recipients, address) {
			return true, nil
		}
	}
	if len(others) == 0 || others[0].Corrects == "" || others[0].Corrects == this {
		return false, nil
	}
	first, err := c.told(ctx, others[0].Corrects) // it came over SMTP
	return err == nil && reaches(first.sub.Recipients, address), err
}

// reaches tells whether somebody gets a message, or has it.
func reaches(list []store.SubmissionRecipient, address string) bool {
	return slices.ContainsFunc(list, func(r store.SubmissionRecipient) bool {
		return strings.EqualFold(r.Address, address) && !isFailed(r) && r.State != store.Cancelled
	})
}

// giveUp sends to a recipient no more, in whose place somebody gets the message.
func (c *call) giveUp(ctx context.Context, w *waiting, old *store.SubmissionRecipient, to string) error {
	var err error
	switch {
	case !old.State.Final():
		err = c.server.options.Queue.Cancel(ctx, c.account.ID, w.sub.ID, old.Address)
	case w.record != nil || !w.failed:
		err = c.dismiss(ctx, w, old.Address)
	}
	if err != nil {
		return err
	}
	c.server.options.Holder.Journal.Record(ctx, c.noMore(w, old.Address, to)) // which is all that tells of what came over SMTP
	return c.server.options.Holder.Journal.Flush(ctx)
}

// alsoWaiting are the other recipients that a submission waits for, as they go on in another one: who is held stays held.
func alsoWaiting(sub *store.Submission, but string, now time.Time) (list []store.SubmissionRecipient) {
	for _, r := range sub.Recipients {
		if r.State.Final() || r.Address == but {
			continue
		}
		one := store.SubmissionRecipient{Address: r.Address, Notify: r.Notify, ORcpt: r.ORcpt, State: r.State}
		switch {
		case r.State == store.Held:
			one.Cause, one.Due = r.Cause, r.Due
		case r.Cause == "" && r.Next.After(now):
			one.Next = r.Next
		default:
			one.Next = now
		}
		list = append(list, one)
	}
	return list
}

// inPlaceOf hands an email in, as it is or with another text, for a list of recipients, the first of whom is in the place of one who was wrong.
func (c *call) inPlaceOf(ctx context.Context, w *waiting, k *store.Correction, list []store.SubmissionRecipient, o object) error {
	if w.record == nil && k.Text == nil && w.sub.Email == 0 {
		return outbound.ErrNotQueued
	}
	now := c.server.store.Now()
	record := store.EmailSubmission{Email: w.sub.Email, MessageID: w.sub.MessageID, From: store.EnvelopeAddress{Email: w.sub.From}, SendAt: list[0].Next, Corrects: w.sub.ID.String()}
	if w.record != nil {
		record.Email, record.Identity, record.MessageID, record.From.Email = w.record.Email, w.record.Identity, w.record.MessageID, w.record.From.Email
	}
	record.From.Parameters = parametersOf(&w.sub)
	delay := time.Duration(0)
	for i := range list {
		record.To = append(record.To, store.EnvelopeAddress{Email: list[i].Address})
		delay = max(delay, list[i].Next.Sub(now), list[i].Due.Sub(now))
	}
	sub := store.Submission{
		ID: store.NewTraceID(now), Account: c.account.ID, From: record.From.Email, MessageID: record.MessageID, Created: now, Scheduled: true, Recipients: list,
		Ret: w.sub.Ret, EnvID: w.sub.EnvID, RequireTLS: w.sub.RequireTLS,
	}
	if err := c.transport(ctx, &sub, record.Email, k.Text); err != nil {
		return err
	}
	c.server.options.Queue.Prepare(&sub)
	sub.Expires = sub.Expires.Add(delay)
	made, repeated, err := c.server.store.Correct(ctx, c.account.ID, k, record, &sub, c.correctedEvents(w, list, k.Wrong)...)
	switch store.KindOf(err) {
	case store.KindOverQuota, store.KindLimit:
		return c.setError(err)
	case store.KindInUse:
		return outbound.ErrBusy
	}
	if err != nil {
		return err
	}
	if !repeated {
		c.server.options.Queue.Notify(&sub)
	}
	o["emailSubmissionId"], o["emailId"] = submissionID(made.ID), emailID(made.Email)
	return nil
}

// correctedEvents tell that the first submission does not go to whom another one goes.
func (c *call) correctedEvents(w *waiting, list []store.SubmissionRecipient, wrong string) []store.Event {
	events := []store.Event{c.noMore(w, wrong, list[0].Address)}
	for _, r := range list[1:] {
		e := events[0]
		e.Kind, e.Fields = journal.MessageCancelled, []store.Field{{Name: "to", Value: r.Address}}
		events = append(events, e)
	}
	return events
}

// transport gives a submission what sending an email asks of the servers on the way (RFC 6152, RFC 6531). There must be room for one that is new.
func (c *call) transport(ctx context.Context, sub *store.Submission, id store.EmailID, text *store.Anew) error {
	if text != nil {
		asTransported(sub, text.Email.Summary)
		if room := c.server.options.Room; room != nil && !text.Instead {
			if d := room(ctx, c.account, text.Email.Summary.Size); !d.Allowed() {
				return &methodError{Type: "overQuota", Why: c.why(d)}
			}
		}
		return nil
	}
	return c.server.store.Emails(ctx, c.account.ID, id, id+1, func(e *store.Email) error {
		sum, err := e.Summary.Summary()
		if err != nil {
			return err
		}
		asTransported(sub, sum)
		return nil
	})
}

func asTransported(sub *store.Submission, sum *message.Summary) {
	sub.Size, sub.SMTPUTF8 = sum.Size, sum.HeaderEightBit
	if sum.EightBit {
		sub.Body = "8BITMIME"
	}
}

// original is the text of a message as it was sent: an email, or what a report returned of one.
type original struct {
	email      store.EmailID // 0 for none
	start, end int64         // in that, of what was returned
	returned   bool
}

// corrected makes an email anew with another address in its header; text is nil where the header does not have the old one, or there is no such
// email any more, or its program signed it, which o then says. What is in a report alone goes as it is then. first is the email among the sent ones.
func (c *call) corrected(ctx context.Context, w *waiting, old, to string, o object) (first *store.Located, text *store.Anew, err error) {
	p, err := c.picture(ctx)
	if err != nil {
		return nil, nil, err
	}
	first, from, err := c.sentCopy(ctx, p, w)
	if err != nil || from.email == 0 {
		return nil, nil, err
	}
	text = &store.Anew{Instead: len(first.At) > 0}
	keywords := object{}
	for _, place := range first.At {
		text.Into = append(text.Into, place.Mailbox)
		keywords = keywordsOf(first.At[0].Flags, p.mail.Keywords)
	}
	if sent := p.byRole(store.RoleSent); len(text.Into) == 0 && sent != nil {
		text.Into, keywords["$seen"] = append(text.Into, sent.ID), true
	}
	if len(text.Into) == 0 {
		return nil, nil, nil
	}
	slices.Sort(text.Into)
	text.Into = slices.Compact(text.Into)
	changed := false
	err = c.server.store.Emails(ctx, c.account.ID, from.email, from.email+1, func(e *store.Email) (err error) {
		var signed bool
		if text.Email, changed, signed, err = c.server.readdress(ctx, e, from, old, to); signed {
			o["signed"] = true
		}
		return err
	})
	if err != nil || !changed && !from.returned {
		return first, nil, err
	}
	patch := &emailPatch{keywords: map[string]bool{}}
	for name := range keywords {
		patch.keywords[name] = true
	}
	text.Email.Flags, text.Email.Keywords = patch.flags()
	return first, text, nil
}

// sentCopy finds a message that waits or failed among the emails outside of the Outbox, where it need not be, and its text: of what waits
// and came over SMTP that is in the Outbox, for its program kept what it likes.
func (c *call) sentCopy(ctx context.Context, p *picture, w *waiting) (mine *store.Located, from original, err error) {
	if w.record != nil {
		there, ok := p.email(w.record.Email)
		if !ok || len(p.outside(there).At) == 0 {
			return nil, from, nil
		}
		return p.outside(there), original{email: there.ID}, nil
	}
	if w.sub.MessageID == "" {
		return nil, from, nil
	}
	if w.failed {
		return c.originalOf(ctx, p, w)
	}
	out := p.outbox()
	if out == nil || w.sub.Outbox == 0 {
		return nil, from, nil
	}
	from.email, err = c.server.emailAt(ctx, c.account.ID, out.ID, w.sub.Outbox)
	there, ok := p.email(from.email)
	if err != nil || !ok {
		return nil, original{}, err
	}
	if mine, err = c.inSent(ctx, p, there.Thread, strings.Trim(w.sub.MessageID, "<>")); mine == nil {
		mine = &store.Located{}
	}
	return mine, from, err
}

// outside is where an email is but for the Outbox.
func (p *picture) outside(l *store.Located) *store.Located {
	one := *l
	one.At = slices.DeleteFunc(slices.Clone(l.At), func(place store.PlacedIn) bool {
		b := p.boxes[place.Mailbox]
		return b == nil || b.Role == store.RoleOutbox
	})
	return &one
}

// inSent finds the email with a Message-ID among those of a conversation that were sent, nil if there is none.
func (c *call) inSent(ctx context.Context, p *picture, thread store.ThreadID, messageID string) (*store.Located, error) {
	sent := p.byRole(store.RoleSent)
	if sent == nil {
		return nil, nil
	}
	for _, l := range p.thread(thread) {
		if !slices.ContainsFunc(l.At, func(place store.PlacedIn) bool { return place.Mailbox == sent.ID }) {
			continue
		}
		m, err := c.sentMail(ctx, "", l.ID)
		if err != nil {
			return nil, err
		}
		if m.messageID == messageID {
			return p.outside(l), nil
		}
	}
	return nil, nil
}

// readdress stores a message with another address in its header. It is not changed if that does not have the old one, or is signed; then it is
// stored only if it is not an email of its own yet.
func (s *Server) readdress(ctx context.Context, e *store.Email, from original, old, to string) (n store.NewEmail, changed, signed bool, err error) {
	body, err := s.store.Body(ctx, e)
	if err != nil {
		return n, false, false, err
	}
	defer body.Close()
	start, end, size := int64(0), e.Size, e.Summary.HeaderSize()
	if from.returned {
		start, end = from.start, from.end
		sum, err := summaryOf(io.NewSectionReader(body, start, end-start))
		if err != nil {
			return n, false, false, err
		}
		size = sum.HeaderSize
	}
	head := make([]byte, size)
	if _, err := io.ReadFull(io.NewSectionReader(body, start, size), head); err != nil {
		return n, false, false, err
	}
	right, changed := message.Readdress(head, old, to)
	if signed = changed && message.Signed(head); signed {
		right, changed = head, false
	}
	if !changed && !from.returned {
		return n, false, signed, nil
	}
	scanner := message.NewScanner(message.Limits{})
	whole := io.MultiReader(bytes.NewReader(right), io.NewSectionReader(body, start+size, end-start-size))
	one, err := s.receive(ctx, io.TeeReader(whole, scanner))
	if err != nil {
		return n, false, false, err
	}
	return store.NewEmail{Blob: one.ref, Summary: scanner.Finish(), Received: e.Received}, changed, signed, nil
}

// summaryOf reads a message for what it is made of.
func summaryOf(r io.Reader) (*message.Summary, error) {
	scanner := message.NewScanner(message.Limits{})
	_, err := io.Copy(scanner, r)
	return scanner.Finish(), err
}
