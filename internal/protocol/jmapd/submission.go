package jmapd

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/outbound"
	"github.com/postiljon/postiljon/internal/store"
)

// Queue is what sends; *outbound.Queue is one, and says what its methods do.
type Queue interface {
	Prepare(sub *store.Submission)
	Notify(sub *store.Submission)
	SendNow(ctx context.Context, a store.AccountID, id store.TraceID) error
	Cancel(ctx context.Context, a store.AccountID, id store.TraceID, recipient string) error
	Undo(ctx context.Context, a store.AccountID, id store.TraceID) error
	Hold(ctx context.Context, a store.AccountID, id store.TraceID, recipient string) error
	Release(ctx context.Context, a store.AccountID, id store.TraceID, recipient string) error
	Redirect(ctx context.Context, a store.AccountID, id store.TraceID, recipient, to string) error
	Progress(sub *store.Submission, r *store.SubmissionRecipient) outbound.Progress
	Why(sub *store.Submission, r *store.SubmissionRecipient) cause.Decision
}

// Check tells what would be refused of a message if it were sent now: about its sender, and about each recipient.
type Check func(ctx context.Context, a *store.Account, sub *store.Submission, authors []string) (sender cause.Decision, recipients []cause.Decision)

func submissionID(id uint64) string { return fmt.Sprintf("S%d", id) }

// The properties of an EmailSubmission (RFC 8621 section 7), and those of our own capability, which are told when they are asked for.
var (
	submissionProperties = []string{
		"id", "identityId", "emailId", "threadId", "envelope", "sendAt", "undoStatus", "deliveryStatus", "dsnBlobIds", "mdnBlobIds",
	}
	submissionVendor = []string{"traceId", "recipients"}
)

func (c *call) isSubmissionProperty(p string) bool {
	return slices.Contains(submissionProperties, p) || slices.Contains(submissionVendor, p) && slices.Contains(c.request.using, capabilityVendor)
}

// submissionObject is an EmailSubmission.
func (c *call) submissionObject(ctx context.Context, e *store.EmailSubmission, g *getArgs) (object, error) {
	to := []object{}
	for i := range e.To {
		to = append(to, envelopeObject(&e.To[i]))
	}
	status := object{}
	for i := range e.Recipients {
		status[e.Recipients[i].Address] = c.deliveryStatus(e, &e.Recipients[i])
	}
	o := object{
		"id": submissionID(e.ID), "identityId": identityID(e.Identity), "emailId": emailID(e.Email), "threadId": threadID(e.Thread),
		"envelope": object{"mailFrom": envelopeObject(&e.From), "rcptTo": to}, "sendAt": e.SendAt.UTC().Format(time.RFC3339),
		"undoStatus": e.Undo(), "deliveryStatus": status, "dsnBlobIds": []string{}, "mdnBlobIds": []string{},
	}
	for name, emails := range map[string][]store.EmailID{"dsnBlobIds": e.Reports, "mdnBlobIds": e.Receipts} {
		if len(emails) == 0 || g.properties != nil && !slices.Contains(g.properties, name) {
			continue
		}
		blobs, err := c.blobsOf(ctx, emails)
		if err != nil {
			return nil, err
		}
		o[name] = blobs
	}
	if g.properties == nil {
		return o, nil
	}
	o["traceId"] = e.Trace
	if slices.Contains(g.properties, "recipients") {
		known, err := c.recipientsOf(ctx, e)
		if err != nil {
			return nil, err
		}
		o["recipients"] = known
	}
	return g.pick(o), nil
}

// blobsOf are the blobs of emails, as far as they are there.
func (c *call) blobsOf(ctx context.Context, emails []store.EmailID) ([]string, error) {
	p, err := c.picture(ctx)
	if err != nil {
		return nil, err
	}
	blobs := []string{}
	for _, id := range emails {
		if _, ok := p.email(id); ok {
			blobs = append(blobs, blobID(id, 0))
		}
	}
	return blobs, nil
}

func envelopeObject(a *store.EnvelopeAddress) object {
	o := object{"email": a.Email, "parameters": nil}
	if len(a.Parameters) > 0 {
		o["parameters"] = a.Parameters
	}
	return o
}

// deliveryStatus is a DeliveryStatus (RFC 8621 section 7). Of a server that took a message over it is not known what became of
// it there; that somebody saw it is known where a receipt said so.
func (c *call) deliveryStatus(e *store.EmailSubmission, r *store.SubmissionRecipient) object {
	delivered, displayed, reply := "queued", "unknown", r.Reply
	if _, ok := e.Opened[r.Address]; ok {
		displayed = "yes"
	}
	switch r.State {
	case store.Placed:
		delivered = "yes"
	case store.Relayed:
		delivered = "unknown"
	case store.Failed, store.Expired, store.Cancelled:
		if delivered = "no"; reply == "" && r.Cause != "" {
			said := c.server.options.Catalogue.SMTP(cause.Refuse(r.Cause))
			reply = fmt.Sprintf("%d %s %s", said.Code, said.Enhanced, said.Text)
		}
	}
	return object{"smtpReply": first(reply, "250 2.1.5 OK"), "delivered": delivered, "displayed": displayed}
}

// submissionGet is EmailSubmission/get (RFC 8621 section 7.1).
func submissionGet(ctx context.Context, c *call) (any, error) {
	g, err := c.get(c.isSubmissionProperty)
	if err != nil {
		return nil, err
	}
	var list []object
	var missing []string
	add := func(e *store.EmailSubmission) error {
		o, err := c.submissionObject(ctx, e, &g)
		list = append(list, o)
		return err
	}
	if g.all {
		all, state, err := c.submissions(ctx)
		if err != nil {
			return nil, err
		}
		all = slices.DeleteFunc(all, func(e store.EmailSubmission) bool { return e.Gone })
		if len(all) > c.server.options.Limits.Get {
			return nil, errTooManyToGet
		}
		for i := range all {
			if err := add(&all[i]); err != nil {
				return nil, err
			}
		}
		return c.got(submissionState(state), list, nil), nil
	}
	state, err := c.server.store.EmailSubmissionState(ctx, c.account.ID)
	if err != nil {
		return nil, err
	}
	for _, id := range g.ids {
		e, err := c.findSubmission(ctx, id)
		if store.KindOf(err) == store.KindNotFound {
			missing = append(missing, id)
			continue
		}
		if err == nil {
			err = add(&e)
		}
		if err != nil {
			return nil, err
		}
	}
	return c.got(submissionState(state), list, missing), nil
}

// findSubmission finds a submission by its id. Kind: KindNotFound.
func (c *call) findSubmission(ctx context.Context, id string) (store.EmailSubmission, error) {
	n, ok := parseID[uint64]('S', id)
	if !ok {
		return store.EmailSubmission{}, &store.Error{Op: "find email submission", Kind: store.KindNotFound}
	}
	return c.server.store.EmailSubmission(ctx, c.account.ID, n)
}

// submissions reads all of an account, those that are gone included.
func (c *call) submissions(ctx context.Context) (all []store.EmailSubmission, state store.EmailSubmissionState, err error) {
	state, err = c.server.store.EmailSubmissions(ctx, c.account.ID, func(e *store.EmailSubmission) error {
		all = append(all, *e)
		return ctx.Err()
	})
	return all, state, err
}

func submissionState(s store.EmailSubmissionState) string { return strconv.FormatUint(s.State, 10) }

// sendingStates adds the states of what has to do with sending.
func (s *Server) sendingStates(ctx context.Context, a store.AccountID, all map[string]string) error {
	sent, err := s.store.EmailSubmissionState(ctx, a)
	if err != nil {
		return err
	}
	identities, err := s.store.IdentityState(ctx, a)
	all["EmailSubmission"], all["Identity"] = submissionState(sent), strconv.FormatUint(identities, 10)
	return err
}

// sinceState reads a state of submissions; false if changes after it are not known.
func sinceState(old string, s store.EmailSubmissionState) (uint64, bool) {
	since, err := strconv.ParseUint(old, 10, 64)
	return since, err == nil && since <= s.State && since >= s.Floor
}

// submissionChanges is EmailSubmission/changes (RFC 8621 section 7.2).
func submissionChanges(ctx context.Context, c *call) (any, error) {
	old, most, err := c.changesArgs()
	if err != nil {
		return nil, err
	}
	all, state, err := c.submissions(ctx)
	if err != nil {
		return nil, err
	}
	now := submissionState(state)
	w, since, until, err := counted(old, now, state.State, state.Floor)
	if err != nil {
		return nil, err
	}
	var list []change
	for i := range all {
		list = appendChange(list, all[i].ID, all[i].Made, all[i].Changed, all[i].Gone, since, until)
	}
	return c.changed(old, now, w, most, list, submissionID), nil
}

// submissionFilter reads a condition of a filter (RFC 8621 section 7.3).
func submissionFilter(name string, raw json.RawMessage) (func(*store.EmailSubmission) bool, error) {
	var ids []string
	var text string
	var at time.Time
	var v any
	switch name {
	case "identityIds", "emailIds", "threadIds":
		v = &ids
	case "undoStatus":
		v = &text
	case "before", "after":
		v = &at
	default:
		return nil, &methodError{Type: "unsupportedFilter", Description: name}
	}
	if unmarshal(raw, v) != nil {
		return nil, invalid("filter: %s has the wrong type", name)
	}
	switch name {
	case "identityIds":
		return func(e *store.EmailSubmission) bool { return slices.Contains(ids, identityID(e.Identity)) }, nil
	case "emailIds":
		return func(e *store.EmailSubmission) bool { return slices.Contains(ids, emailID(e.Email)) }, nil
	case "threadIds":
		return func(e *store.EmailSubmission) bool { return slices.Contains(ids, threadID(e.Thread)) }, nil
	case "undoStatus":
		return func(e *store.EmailSubmission) bool { return string(e.Undo()) == text }, nil
	case "before":
		return func(e *store.EmailSubmission) bool { return e.SendAt.Before(at) }, nil
	}
	return func(e *store.EmailSubmission) bool { return !e.SendAt.Before(at) }, nil
}

// submissionOrder are the comparisons of a sort (RFC 8621 section 7.3).
func submissionOrder(sort []comparator) (func(a, b *store.EmailSubmission) int, error) {
	var orders []func(a, b *store.EmailSubmission) int
	for _, s := range sort {
		var one func(a, b *store.EmailSubmission) int
		switch s.Property {
		case "emailId":
			one = func(a, b *store.EmailSubmission) int { return cmp.Compare(a.Email, b.Email) }
		case "threadId":
			one = func(a, b *store.EmailSubmission) int { return cmp.Compare(a.Thread, b.Thread) }
		case "sentAt", "sendAt":
			one = func(a, b *store.EmailSubmission) int { return a.SendAt.Compare(b.SendAt) }
		default:
			return nil, &methodError{Type: "unsupportedSort", Description: s.Property}
		}
		orders = append(orders, func(a, b *store.EmailSubmission) int { return s.turned(one(a, b)) })
	}
	return func(a, b *store.EmailSubmission) int {
		for _, o := range orders {
			if n := o(a, b); n != 0 {
				return n
			}
		}
		return cmp.Compare(a.ID, b.ID)
	}, nil
}

// chosen are the submissions that a query chooses, in its order, and all there are.
func (c *call) chosen(ctx context.Context, sort []comparator) (results, all []store.EmailSubmission, state store.EmailSubmissionState, err error) {
	keep, err := parseFilter(c.args["filter"], submissionFilter)
	if err != nil {
		return nil, nil, state, err
	}
	order, err := submissionOrder(sort)
	if err != nil {
		return nil, nil, state, err
	}
	if all, state, err = c.submissions(ctx); err != nil {
		return nil, nil, state, err
	}
	for i := range all {
		if e := &all[i]; !e.Gone && keep(e) {
			results = append(results, *e)
		}
	}
	slices.SortFunc(results, func(a, b store.EmailSubmission) int { return order(&a, &b) })
	return results, all, state, nil
}

// submissionQuery is EmailSubmission/query (RFC 8621 section 7.3).
func submissionQuery(ctx context.Context, c *call) (any, error) {
	q, err := c.query()
	if err != nil {
		return nil, err
	}
	results, _, state, err := c.chosen(ctx, q.sort)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(results))
	for i := range results {
		ids[i] = submissionID(results[i].ID)
	}
	return q.answer(c, listOf(ids), submissionState(state))
}

// submissionQueryChanges is EmailSubmission/queryChanges (RFC 8621 section 7.4): all that changed since is taken out and
// put in where it is now (RFC 8620 section 5.6).
func submissionQueryChanges(ctx context.Context, c *call) (any, error) {
	q, err := c.queryChange()
	if err != nil {
		return nil, err
	}
	results, all, state, err := c.chosen(ctx, q.sort)
	if err != nil {
		return nil, err
	}
	since, ok := sinceState(q.since, state)
	if !ok {
		return nil, errCannotCalculate
	}
	var removed []string
	var added []addedItem
	for i := range all {
		if e := &all[i]; e.Changed > since && e.Made <= since {
			removed = append(removed, submissionID(e.ID))
		}
	}
	for i := range results {
		if results[i].Changed > since {
			added = append(added, addedItem{submissionID(results[i].ID), i})
		}
	}
	return q.answer(c, removed, added, submissionState(state), len(results))
}

// recipientsOf tells of each recipient what people want to know.
func (c *call) recipientsOf(ctx context.Context, e *store.EmailSubmission) (object, error) {
	id, err := store.ParseTraceID(e.Trace)
	if err != nil {
		return nil, err
	}
	sub, err := c.server.store.Submission(ctx, c.account.ID, id)
	if store.KindOf(err) == store.KindNotFound { // nothing of it waits: what it was explains the causes
		sub, err = c.asSubmission(e)
	}
	if err != nil {
		return nil, err
	}
	all := object{}
	for i := range sub.Recipients {
		one := c.recipientObject(ctx, &sub, &sub.Recipients[i])
		c.suggest(ctx, one, &sub.Recipients[i])
		one["opened"] = dateOrNull(e.Opened[sub.Recipients[i].Address])
		all[sub.Recipients[i].Address] = one
	}
	return all, nil
}

// recipientObject is how far a submission is for a recipient.
func (c *call) recipientObject(ctx context.Context, sub *store.Submission, r *store.SubmissionRecipient) object {
	q := c.server.options.Queue
	o := object{
		"state": c.progress(sub, r), "attempts": r.Attempts, "host": textOrNull(r.Host), "reply": textOrNull(r.Reply),
		"last": dateOrNull(r.Last), "nextTry": nil, "giveUp": nil, "why": nil,
	}
	if r.State == store.Queued {
		o["nextTry"] = r.Next.UTC().Format(time.RFC3339)
		if !sub.Expires.IsZero() {
			o["giveUp"] = sub.Expires.UTC().Format(time.RFC3339)
		}
	}
	if d := q.Why(sub, r); !d.Allowed() {
		d.Params = slices.DeleteFunc(slices.Clone(d.Params), func(p cause.Param) bool { return p.Name == "next" || p.Name == "giveup" }) // told beside it
		o["why"] = c.why(c.limited(ctx, d.Sending()))
	}
	return o
}

// progressScheduled is how far a message is that is to go later.
const progressScheduled outbound.Progress = "scheduled"

// progress is how far a submission is for a recipient, in a word.
func (c *call) progress(sub *store.Submission, r *store.SubmissionRecipient) outbound.Progress {
	if r.State == store.Queued && sub.Scheduled && r.Cause == "" && r.Next.After(sub.Created) {
		return progressScheduled
	}
	return c.server.options.Queue.Progress(sub, r)
}

// limited is a decision of a limit with all that is known of it now.
func (c *call) limited(ctx context.Context, d cause.Decision) cause.Decision {
	if !strings.HasPrefix(string(d.Cause), "limit.") {
		return d
	}
	meters, err := c.server.options.Holder.Meters(ctx, c.account)
	if err != nil {
		return d // which says nearly as much
	}
	for _, m := range meters {
		if full := closedBy(m); m.Closed && full.Cause == d.Cause {
			return full
		}
	}
	return d
}

// parameter returns a parameter of an envelope's address, whatever its case.
func parameter(p map[string]*string, name string) (value string, given bool) {
	for n, v := range p {
		if strings.EqualFold(n, name) {
			if v != nil {
				value = *v
			}
			return value, true
		}
	}
	return "", false
}
