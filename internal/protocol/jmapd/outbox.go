package jmapd

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/outbound"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// What waits to be sent, of the capability urn:postiljon:params:jmap:mail (docs/jmap.md): whatever it came by, with why it waits, when it is
// tried again, and what its sender can do.

// language reads the language in which causes are explained: that of the argument lang, or else of the request.
func (c *call) language() error {
	var lang string
	if err := c.args.read("lang", &lang); err != nil {
		return err
	}
	if lang != "" {
		req := *c.request
		req.lang = cause.ParseLang(lang)
		c.request = &req
	}
	return nil
}

// waiting is a message that has not reached all of its recipients.
type waiting struct {
	sub    store.Submission
	record *store.EmailSubmission // nil for what came over SMTP
	failed bool                   // nothing of it waits: some could not be reached
	// Of what failed and came over SMTP: the traces of the reports that our queue sent of it, and the one that its sender looks at, 0 for none.
	reports []string
	report  store.EmailID
}

// maxOutbox bounds what an Outbox tells, and of how many ids it can be asked.
const maxOutbox = 1000

// outboxGet is Outbox/get.
func outboxGet(ctx context.Context, c *call) (any, error) {
	if err := c.args.only("ids", "failedSince", "lang"); err != nil {
		return nil, err
	}
	var ids []string
	var failedSince time.Time
	for name, v := range map[string]any{"ids": &ids, "failedSince": &failedSince} {
		if err := c.args.read(name, v); err != nil {
			return nil, err
		}
	}
	if err := c.language(); err != nil {
		return nil, err
	}
	all, err := c.outbox(ctx, ids, failedSince)
	if err != nil {
		return nil, err
	}
	list, missing := []object{}, []string{}
	for i := range all {
		o, err := c.waitingObject(ctx, &all[i])
		if err != nil {
			return nil, err
		}
		list = append(list, o)
	}
	for _, id := range ids {
		if !slices.ContainsFunc(all, func(w waiting) bool { return w.sub.ID.String() == id }) {
			missing = append(missing, id)
		}
	}
	return object{"accountId": accountID(c.account.ID), "list": list, "notFound": missing}, nil
}

// outbox lists what waits, of some ids or the oldest of all, and what failed since a time, the newest of it, if that
// is wanted.
func (c *call) outbox(ctx context.Context, ids []string, failedSince time.Time) ([]waiting, error) {
	if c.args.given("ids") {
		return c.outboxOf(ctx, ids, failedSince)
	}
	all, err := c.queued(ctx)
	if err != nil || failedSince.IsZero() {
		return all, err
	}
	failed, err := c.failedSince(ctx, failedSince, maxOutbox-len(all))
	if err != nil {
		return nil, err
	}
	all = append(all, failed...)
	slices.SortFunc(all, func(a, b waiting) int { return strings.Compare(string(a.sub.ID[:]), string(b.sub.ID[:])) })
	return all, nil
}

// outboxOf are those of some ids.
func (c *call) outboxOf(ctx context.Context, ids []string, failedSince time.Time) (all []waiting, err error) {
	if len(ids) > maxOutbox {
		return nil, errTooManyToGet
	}
	for _, id := range ids {
		w, err := c.findWaiting(ctx, id)
		if err != nil && !isNotFound(err) {
			return nil, err
		}
		if err == nil && (!w.failed || !failedSince.IsZero() && !w.record.SendAt.Before(failedSince)) {
			all = append(all, *w)
		}
	}
	return all, nil
}

// queued is what waits, the oldest first.
func (c *call) queued(ctx context.Context) (all []waiting, err error) {
	enough := errors.New("enough")
	err = c.server.store.Submissions(ctx, c.account.ID, func(sub *store.Submission) error {
		if w, ok := ofQueue(sub); ok {
			all = append(all, w)
		}
		if len(all) == maxOutbox {
			return enough
		}
		return ctx.Err()
	})
	if err != nil && !errors.Is(err, enough) {
		return nil, err
	}
	for i := range all {
		if err := c.withRecord(ctx, &all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// failedSince is what could not be delivered, the newest of it.
func (c *call) failedSince(ctx context.Context, since time.Time, most int) (all []waiting, err error) {
	var failed []store.EmailSubmission
	err = c.server.store.FailedSubmissions(ctx, c.account.ID, func(e *store.EmailSubmission) bool {
		if !e.SendAt.Before(since) {
			failed = append(failed, *e)
		}
		return len(failed) < most
	})
	if err != nil {
		return nil, err
	}
	for i := range failed {
		w, err := c.ofRecord(ctx, &failed[i])
		if err != nil && !isNotFound(err) {
			return nil, err
		}
		if err == nil {
			all = append(all, *w)
		}
	}
	return all, nil
}

// ofQueue is a submission as the Outbox shows it; what is over, or only passed on, is not the account's own there.
func ofQueue(sub *store.Submission) (waiting, bool) {
	return waiting{sub: *sub}, !sub.Done() && sub.Skip == 0
}

// withRecord adds the email submission, if there is one.
func (c *call) withRecord(ctx context.Context, w *waiting) error {
	if w.sub.Handed == 0 {
		return nil
	}
	e, err := c.server.store.EmailSubmission(ctx, c.account.ID, w.sub.Handed)
	if err == nil {
		w.record = &e
	}
	if store.KindOf(err) == store.KindNotFound {
		return nil
	}
	return err
}

// asItIs gives a record the email that its own became, if that is gone since an address was corrected.
func (c *call) asItIs(ctx context.Context, e *store.EmailSubmission) error {
	p, err := c.picture(ctx)
	if err != nil {
		return err
	}
	if _, there := p.email(e.Email); there || e.MessageID == "" {
		return nil
	}
	all, err := c.server.store.EmailSubmissionsOf(ctx, c.account.ID, e.MessageID)
	if err != nil {
		return err
	}
	for _, one := range related(all, func(one *store.EmailSubmission) bool { return one.ID == e.ID }) {
		if _, there := p.email(one.Email); there {
			e.Email = one.Email
		}
	}
	return nil
}

// ofRecord is a message that failed for somebody, and of which nothing waits.
func (c *call) ofRecord(ctx context.Context, e *store.EmailSubmission) (*waiting, error) {
	sub, err := c.asSubmission(e)
	if err != nil {
		return nil, err
	}
	_, err = c.server.store.Submission(ctx, c.account.ID, sub.ID)
	if err == nil || e.Gone || !slices.ContainsFunc(e.Recipients, isFailed) {
		return nil, &methodError{Type: "notFound"}
	}
	if store.KindOf(err) != store.KindNotFound {
		return nil, err
	}
	if err := c.asItIs(ctx, e); err != nil {
		return nil, err
	}
	sub.Email = e.Email
	return &waiting{sub: sub, record: e, failed: true}, nil
}

// findWaiting finds one message of the Outbox by its id, also one that failed.
func (c *call) findWaiting(ctx context.Context, id string) (*waiting, error) {
	trace, err := store.ParseTraceID(id)
	if err != nil {
		return nil, &methodError{Type: "notFound"}
	}
	sub, err := c.server.store.Submission(ctx, c.account.ID, trace)
	if err == nil {
		if w, ok := ofQueue(&sub); ok {
			return &w, c.withRecord(ctx, &w)
		}
		return nil, &methodError{Type: "notFound"}
	}
	if store.KindOf(err) != store.KindNotFound {
		return nil, err
	}
	e, err := c.server.store.EmailSubmissionByTrace(ctx, c.account.ID, trace)
	if store.KindOf(err) == store.KindNotFound {
		return nil, &methodError{Type: "notFound"}
	}
	if err != nil {
		return nil, err
	}
	return c.ofRecord(ctx, &e)
}

func isNotFound(err error) bool {
	var m *methodError
	return errors.As(err, &m) && m.Type == "notFound"
}

func isFailed(r store.SubmissionRecipient) bool {
	return r.State == store.Failed || r.State == store.Expired
}

// asSubmission is a submission as it was, of which the queue knows nothing any more.
func (c *call) asSubmission(e *store.EmailSubmission) (store.Submission, error) {
	id, err := store.ParseTraceID(e.Trace)
	h := handing{sub: store.Submission{
		ID: id, Account: c.account.ID, From: e.From.Email, Created: e.SendAt, Expires: e.SendAt, Email: e.Email, MessageID: e.MessageID, Recipients: e.Recipients,
	}}
	for name, value := range e.From.Parameters { // they were read once
		h.mailParameter(strings.ToUpper(name), value)
	}
	return h.sub, err
}

// waitingObject tells of a message that waits.
func (c *call) waitingObject(ctx context.Context, w *waiting) (object, error) {
	subject, err := c.asItWas(ctx, w)
	if err != nil {
		return nil, err
	}
	recipients, states := []object{}, map[any]bool{}
	for i := range w.sub.Recipients {
		r := &w.sub.Recipients[i]
		one := c.recipientObject(ctx, &w.sub, r)
		one["address"] = r.Address
		c.suggest(ctx, one, r)
		recipients = append(recipients, one)
		states[one["state"]] = true
	}
	o := object{
		"id": w.sub.ID.String(), "emailId": nil, "emailSubmissionId": nil, "from": w.sub.From, "subject": subject, "messageId": textOrNull(w.sub.MessageID),
		"size": w.sub.Size, "created": w.sub.Created.UTC().Format(time.RFC3339), "sendAt": nil, "giveUp": w.sub.Expires.UTC().Format(time.RFC3339),
		"recipients": recipients, "actions": actionsOf(w, states), "state": stateOf(states),
	}
	if w.record != nil {
		o["emailSubmissionId"], o["sendAt"] = submissionID(w.record.ID), w.record.SendAt.UTC().Format(time.RFC3339)
	}
	return o, c.describe(ctx, w, o)
}

// asItWas finds the subject of what failed, and completes its submission with the size.
func (c *call) asItWas(ctx context.Context, w *waiting) (subject any, err error) {
	if !w.failed || w.sub.Email == 0 {
		return nil, nil
	}
	id := w.sub.Email
	err = c.server.store.Emails(ctx, c.account.ID, id, id+1, func(e *store.Email) error {
		subject, w.sub.Size = string(e.Summary.Subject()), e.Size
		return nil
	})
	return subject, err
}

// describe adds what the message says.
func (c *call) describe(ctx context.Context, w *waiting, o object) error {
	p, err := c.picture(ctx)
	if err != nil {
		return err
	}
	id := w.sub.Email
	if m, u := p.outbox(), w.sub.Outbox; id == 0 && m != nil && u != 0 { // what came over SMTP is another email there
		id, err = c.server.emailAt(ctx, c.account.ID, m.ID, u)
		if err != nil {
			return err
		}
	}
	if _, there := p.email(id); there {
		o["emailId"] = emailID(id)
	}
	if w.failed {
		return nil
	}
	head, err := c.server.store.Blobs().Read(ctx, nil, w.sub.Blob, w.sub.Skip, maxSubjectAt)
	if err != nil {
		return err
	}
	if text, ok := message.DecodedField(head, "Subject"); ok {
		o["subject"] = text
	}
	return nil
}

// maxSubjectAt is how far into a message its subject is looked for, in octets.
const maxSubjectAt = 64 << 10

// outbox is the mailbox of what waits, nil if there is none yet.
func (p *picture) outbox() *box {
	for _, b := range p.boxes {
		if b.Role == store.RoleOutbox {
			return b
		}
	}
	return nil
}

// emailAt is the email under a UID, 0 if there is none.
func (s *Server) emailAt(ctx context.Context, a store.AccountID, m store.MailboxID, u uid.UID) (id store.EmailID, err error) {
	err = s.store.Messages(ctx, a, m, uid.Of(u), func(m *store.Message) error {
		id = m.Email.ID
		return nil
	})
	return id, err
}

// stateOf is the state of a message as a whole: that of the recipient about whom there is most to say.
func stateOf(states map[any]bool) any {
	for _, one := range []any{outbound.ProgressSending, outbound.ProgressBounced, outbound.ProgressHeld, outbound.ProgressDelayed, progressScheduled, outbound.ProgressWaiting} {
		if states[one] {
			return one
		}
	}
	return outbound.ProgressWaiting
}

// actionsOf are what can be done with a message.
func actionsOf(w *waiting, states map[any]bool) []string {
	if w.failed {
		return []string{"correctRecipient", "dismiss"}
	}
	actions := []string{"cancel", "correctRecipient"}
	if states[progressScheduled] || states[outbound.ProgressDelayed] || states[outbound.ProgressHeld] || states[outbound.ProgressWaiting] {
		actions = append(actions, "sendNow")
	}
	if states[outbound.ProgressHeld] {
		return append(actions, "release")
	}
	return append(actions, "hold")
}

// suggest proposes an address for one that cannot be reached.
func (c *call) suggest(ctx context.Context, o object, r *store.SubmissionRecipient) {
	o["suggestion"] = nil
	id := string(r.Cause)
	near := c.server.options.Near
	if near == nil || !strings.HasPrefix(id, "recipient.") && !strings.HasPrefix(id, "dns.") {
		return
	}
	at := strings.LastIndexByte(r.Address, '@')
	if domain := near(ctx, c.account.ID, address.NormalizeDomain(r.Address[at+1:])); at > 0 && domain != "" {
		o["suggestion"] = r.Address[:at+1] + domain
	}
}

// outboxAct is Outbox/act: sendNow, hold, release, cancel, correctRecipient, dismiss.
func outboxAct(ctx context.Context, c *call) (any, error) {
	if err := c.args.only("id", "action", "recipient", "to", "reportId", "lang"); err != nil {
		return nil, err
	}
	id, err := c.args.text("id")
	if err != nil {
		return nil, err
	}
	action, err := c.args.text("action")
	if err != nil {
		return nil, err
	}
	var recipient, to, report string
	for name, v := range map[string]*string{"recipient": &recipient, "to": &to, "reportId": &report} {
		if err := c.args.read(name, v); err != nil {
			return nil, err
		}
	}
	if err := c.language(); err != nil {
		return nil, err
	}
	ctx = context.WithoutCancel(ctx) // several steps: who goes away leaves nothing half done
	o := object{"accountId": accountID(c.account.ID), "id": id, "action": action, "emailId": nil}
	if action == "correctRecipient" {
		err = c.correctRecipient(ctx, id, report, recipient, to, o)
	} else {
		err = c.act(ctx, id, action, recipient, o)
	}
	if errors.Is(err, outbound.ErrBusy) || store.KindOf(err) == store.KindChanged {
		return nil, &methodError{Type: "beingSent", Description: "it is being sent right now"}
	}
	if errors.Is(err, outbound.ErrNotQueued) || store.KindOf(err) == store.KindNotFound {
		return nil, &methodError{Type: "notFound"}
	}
	if err != nil {
		return nil, err
	}
	return o, nil
}

// act does anything but correct an address with a message of the Outbox.
func (c *call) act(ctx context.Context, name, action, recipient string, o object) error {
	w, err := c.findWaiting(ctx, name)
	if err != nil {
		return err
	}
	q, a, id := c.server.options.Queue, c.account.ID, w.sub.ID
	if w.failed && action != "dismiss" {
		return outbound.ErrNotQueued
	}
	switch action {
	case "sendNow":
		if slices.ContainsFunc(w.sub.Recipients, func(r store.SubmissionRecipient) bool { return r.State == store.Held }) {
			if err := q.Release(ctx, a, id, recipient); err != nil {
				return err
			}
		}
		return q.SendNow(ctx, a, id)
	case "hold":
		return q.Hold(ctx, a, id, recipient)
	case "release":
		return q.Release(ctx, a, id, recipient)
	case "cancel":
		return c.takeBack(ctx, w, recipient, o)
	case "dismiss":
		return c.dismiss(ctx, w, recipient)
	}
	return invalid("unknown action %s", action)
}

// takeBack cancels what waits. A message that nobody has goes back to the drafts.
func (c *call) takeBack(ctx context.Context, w *waiting, recipient string, o object) error {
	p, err := c.picture(ctx)
	if err != nil {
		return err
	}
	whole := recipient == "" && !slices.ContainsFunc(w.sub.Recipients, func(r store.SubmissionRecipient) bool {
		return r.State == store.Placed || r.State == store.Relayed
	})
	drafts := p.byRole(store.RoleDrafts)
	if out := p.outbox(); whole && w.sub.Email == 0 && w.sub.Outbox != 0 && out != nil && drafts != nil {
		// To move it there takes it back, in one transaction.
		done, err := c.server.store.Move(ctx, c.account.ID, out.ID, uid.Of(w.sub.Outbox), drafts.ID)
		if store.KindOf(err) == store.KindInUse {
			return outbound.ErrBusy
		}
		if err == nil && len(done.To) == 1 {
			var email store.EmailID
			email, err = c.server.emailAt(ctx, c.account.ID, drafts.ID, done.To[0])
			o["emailId"] = emailID(email)
		}
		return err
	}
	err = outbound.ErrNotQueued
	if whole {
		err = c.server.options.Queue.Undo(ctx, c.account.ID, w.sub.ID)
	}
	if errors.Is(err, outbound.ErrNotQueued) { // somebody has it, or has got it meanwhile
		return c.server.options.Queue.Cancel(ctx, c.account.ID, w.sub.ID, recipient)
	}
	if err != nil || w.sub.Email == 0 || drafts == nil {
		return err
	}
	return c.backToDrafts(ctx, w.sub.Email, drafts.ID, o)
}

// byRole is the mailbox with a role, nil if there is none.
func (p *picture) byRole(r store.Role) *box {
	for _, b := range p.boxes {
		if b.Role == r {
			return b
		}
	}
	return nil
}

// backToDrafts takes an email from where sent messages are to where drafts are.
func (c *call) backToDrafts(ctx context.Context, id store.EmailID, drafts store.MailboxID, o object) error {
	p, err := c.picture(ctx)
	if err != nil {
		return err
	}
	l, ok := p.email(id)
	if !ok {
		return nil // it was not kept
	}
	patch := &emailPatch{mailboxes: map[store.MailboxID]bool{drafts: true}, keywords: map[string]bool{"$draft": true}}
	if sent := p.byRole(store.RoleSent); sent != nil {
		patch.mailboxes[sent.ID] = false
	}
	moves := moveSteps{}
	if bad := c.refile(ctx, p, l, patch, moves); bad != nil {
		return bad
	}
	for _, bad := range c.moveAll(ctx, p, moves) {
		return bad
	}
	if p, err = c.picture(ctx); err != nil {
		return err
	}
	for _, step := range flagSteps(p, map[string]*emailPatch{emailID(id): patch}) {
		if _, err := c.server.store.StoreFlags(ctx, c.account.ID, step.mailbox, step.uids, step.change, nil); err != nil {
			return err
		}
	}
	o["emailId"] = emailID(id)
	return nil
}

// dismiss has an account not be told any more of recipients who could not be reached.
func (c *call) dismiss(ctx context.Context, w *waiting, recipient string) error {
	if w.record == nil && w.failed {
		return outbound.ErrNotQueued
	}
	given := func(list []store.SubmissionRecipient) (up []store.SubmissionRecipient) {
		for i := range list {
			if r := &list[i]; isFailed(*r) && (recipient == "" || strings.EqualFold(r.Address, recipient)) {
				r.State, r.Next = store.Cancelled, time.Time{}
				up = append(up, *r)
			}
		}
		return up
	}
	if w.record == nil { // it came over SMTP, and others wait for it
		_, err := c.server.store.UpdateSubmission(ctx, c.account.ID, w.sub.ID, func(sub *store.Submission) error {
			given(sub.Recipients)
			return nil
		})
		return err
	}
	for _, r := range given(slices.Clone(w.sub.Recipients)) {
		if err := c.server.store.NoteRecipient(ctx, c.account.ID, w.record.ID, r); err != nil {
			return err
		}
	}
	return nil
}
