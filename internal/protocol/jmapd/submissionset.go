package jmapd

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/outbound"
	"github.com/postiljon/postiljon/internal/store"
)

// maxDelay is how far ahead sending can be set.
const maxDelay = 44_712_000 * time.Second

// submissionSet is EmailSubmission/set (RFC 8621 section 7.5).
func submissionSet(ctx context.Context, c *call) (any, error) {
	state, err := c.server.store.EmailSubmissionState(ctx, c.account.ID)
	if err != nil {
		return nil, err
	}
	before := submissionState(state)
	s, err := c.set(before, "onSuccessUpdateEmail", "onSuccessDestroyEmail")
	if err != nil {
		return nil, err
	}
	var update map[string]map[string]json.RawMessage
	var destroy []string
	for name, v := range map[string]any{"onSuccessUpdateEmail": &update, "onSuccessDestroyEmail": &destroy} {
		if err := c.args.read(name, v); err != nil {
			return nil, err
		}
	}
	for id, patch := range update {
		if patch == nil {
			return nil, invalid("onSuccessUpdateEmail of %s is null", id)
		}
	}
	var expected *store.Expectation
	if s.inState {
		ctx, expected = store.ExpectSubmissions(ctx, c.account.ID, state.State)
	}
	emails := map[string]string{} // of submissions that something was done with
	for _, name := range slices.Sorted(maps.Keys(s.create)) {
		c.createSubmission(ctx, s, name, emails)
	}
	s.settle(c)
	for _, id := range slices.Sorted(maps.Keys(s.update)) {
		c.updateSubmission(ctx, s, id, emails)
	}
	for _, id := range s.destroy {
		c.destroySubmission(ctx, s, id, emails)
	}
	if expected.Missed() {
		return nil, errMismatch
	}
	ctx = context.WithoutCancel(ctx) // what was handed in shall not lie among the drafts since who asked went away
	if state, err = c.server.store.EmailSubmissionState(ctx, c.account.ID); err != nil {
		return nil, err
	}
	return c.afterwards(ctx, s.answer(c, before, submissionState(state)), emails, update, destroy)
}

// afterwards does with the emails what was wanted if their submissions succeed: by an Email/set of its own, whose answer follows.
func (c *call) afterwards(ctx context.Context, answer object, emails map[string]string, update map[string]map[string]json.RawMessage, destroy []string) (any, error) {
	patches, gone := map[string]map[string]json.RawMessage{}, []string{}
	for id, patch := range update {
		if email, ok := emails[c.named(id)]; ok {
			patches[email] = patch
		}
	}
	for _, id := range destroy {
		if email, ok := emails[c.named(id)]; ok {
			gone = append(gone, email)
		}
	}
	if len(patches)+len(gone) == 0 {
		return answer, nil
	}
	args := arguments{"accountId": c.args["accountId"]}
	for name, v := range map[string]any{"update": patches, "destroy": gone} {
		raw, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		args[name] = raw
	}
	then := *c
	then.args, then.implied = args, true
	set, err := emailSet(ctx, &then)
	if err != nil {
		return several{{"EmailSubmission/set", answer, ""}, {"error", c.server.errorOf(err), ""}}, nil
	}
	return several{{"EmailSubmission/set", answer, ""}, {"Email/set", set, ""}}, nil
}

// handing is a submission that is being made.
type handing struct {
	record store.EmailSubmission
	sub    store.Submission
	email  message.Summary
	twice  []string // properties whose fields the email has more than once
}

func (c *call) createSubmission(ctx context.Context, s *set, name string, emails map[string]string) {
	made, e := c.handIn(ctx, s.create[name])
	if e != nil {
		s.notCreated[name] = e
		return
	}
	o, err := c.submissionObject(ctx, made, &getArgs{})
	if err != nil {
		s.notCreated[name] = c.server.errorOf(err)
		return
	}
	for property, given := range s.create[name] {
		if same(given, o[property]) {
			delete(o, property)
		}
	}
	id := submissionID(made.ID)
	s.created[name], c.request.created[name], emails[id] = o, id, emailID(made.Email)
}

// handIn hands an email in to be sent.
func (c *call) handIn(ctx context.Context, raw map[string]json.RawMessage) (*store.EmailSubmission, *methodError) {
	h, e := c.readSubmission(ctx, raw)
	if e != nil {
		return nil, e
	}
	if e := c.checkSubmission(ctx, h); e != nil {
		return nil, e
	}
	o := &c.server.options
	sub := &h.sub
	delay := h.record.SendAt.Sub(sub.Created)
	o.Queue.Prepare(sub)
	sub.Expires = sub.Expires.Add(delay)
	made, repeated, err := c.server.store.CreateEmailSubmission(ctx, c.account.ID, h.record, sub, h.events()...)
	switch {
	case store.KindOf(err) == store.KindNotFound:
		return nil, badProperty("emailId", "there is no such email")
	case store.KindOf(err) == store.KindLimit:
		return nil, &methodError{Type: "overQuota", Description: err.Error()}
	case err != nil:
		return nil, c.setError(err)
	case !repeated:
		o.Queue.Notify(sub)
	}
	return &made, nil
}

// events tell of a message that is to go later.
func (h *handing) events() (list []store.Event) {
	sub := &h.sub
	for i := range sub.Recipients {
		if r := &sub.Recipients[i]; r.Next.After(sub.Created) {
			list = append(list, store.Event{Time: sub.Created, Trace: sub.ID, Account: sub.Account, Kind: journal.MessageScheduled, Fields: []store.Field{
				{Name: "from", Value: sub.From}, {Name: "to", Value: r.Address}, {Name: "message-id", Value: sub.MessageID},
				{Name: "subject", Value: h.email.Subject}, {Name: "size", Value: strconv.FormatInt(sub.Size, 10)},
			}})
		}
	}
	return list
}

// readSubmission reads an EmailSubmission object that is to be created.
func (c *call) readSubmission(ctx context.Context, raw map[string]json.RawMessage) (*handing, *methodError) {
	now := c.server.store.Now()
	h := &handing{}
	var identity, email string
	var envelope *struct{ MailFrom, RcptTo json.RawMessage }
	var sendAt *time.Time
	var bad *methodError
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		var v any
		switch name {
		case "identityId":
			v = &identity
		case "emailId":
			v = &email
		case "envelope":
			v = &envelope
		case "sendAt":
			v = &sendAt
		default:
			bad = bad.and(badProperty(name, "the server sets it"))
			continue
		}
		if json.Unmarshal(raw[name], v) != nil {
			bad = bad.and(badProperty(name, "it has the wrong type"))
		}
	}
	if bad != nil {
		return nil, bad
	}
	own, e := c.readHanded(ctx, h, c.named(identity), c.named(email))
	if e != nil {
		return nil, e
	}
	if envelope == nil {
		e = h.derive(own)
	} else {
		e = h.readEnvelope(envelope.MailFrom, envelope.RcptTo)
	}
	if e != nil {
		return nil, c.addressesOf(ctx, h, e)
	}
	at, e := h.sendAt(now, sendAt)
	if e != nil {
		return nil, e
	}
	h.record.SendAt = at
	h.sub.ID, h.sub.Account, h.sub.Created, h.sub.Scheduled = store.NewTraceID(now), c.account.ID, now, true
	h.sub.MessageID, h.record.MessageID = h.email.MessageID, h.email.MessageID
	for i := range h.sub.Recipients {
		h.sub.Recipients[i].State, h.sub.Recipients[i].Next = store.Queued, at
	}
	return h, nil
}

// readHanded finds identity and email of a submission.
func (c *call) readHanded(ctx context.Context, h *handing, identity, email string) (*store.Identity, *methodError) {
	all, err := c.server.store.Identities(ctx, c.account)
	if err != nil {
		return nil, c.setError(err)
	}
	p, err := c.picture(ctx)
	if err != nil {
		return nil, c.setError(err)
	}
	var bad *methodError
	own := findIdentity(&all, identity)
	if own == nil {
		bad = badProperty("identityId", "there is no such identity")
	}
	l, ok := p.located(email)
	if !ok {
		bad = bad.and(badProperty("emailId", "there is no such email"))
	}
	if bad != nil {
		return nil, bad
	}
	err = c.server.store.Emails(ctx, c.account.ID, l.ID, l.ID+1, func(e *store.Email) error {
		sum, err := e.Summary.Summary()
		if err != nil {
			return err
		}
		header, err := c.server.store.ReadBody(ctx, nil, e, 0, min(e.Summary.HeaderSize(), maxHeaderRead))
		h.email, h.twice = *sum, twice(header)
		return err
	})
	if err != nil {
		return nil, c.setError(err)
	}
	h.record.Identity, h.record.Email = own.ID, l.ID
	h.sub.Size, h.sub.SMTPUTF8 = h.email.Size, h.email.HeaderEightBit
	if h.email.EightBit {
		h.sub.Body = "8BITMIME"
	}
	return own, nil
}

// twice are the properties of an email whose fields a header has more than once, which none may (RFC 5322 section 3.6): programs would
// believe another one each.
func twice(header []byte) (properties []string) {
	count := map[string]int{}
	for f := range message.HeaderFields(header) {
		count[strings.ToLower(string(f.Name))]++
	}
	for _, property := range slices.Sorted(maps.Keys(headerProperties)) {
		if h, _ := parseHeaderProperty(headerProperties[property]); count[strings.ToLower(h.name)] > 1 {
			properties = append(properties, property)
		}
	}
	return properties
}

// derive makes the envelope of an email (RFC 8621 section 7.5).
func (h *handing) derive(own *store.Identity) *methodError {
	from := h.email.Sender
	if len(from) == 0 {
		from = h.email.From
	}
	h.record.From.Email = own.Email
	if len(from) > 0 && strings.EqualFold(from[0].Email, own.Email) {
		h.record.From.Email = from[0].Email
	}
	seen := map[string]bool{}
	for _, a := range slices.Concat(h.email.To, h.email.Cc, h.email.Bcc) {
		if k := strings.ToLower(a.Email); !seen[k] {
			seen[k] = true
			h.record.To = append(h.record.To, store.EnvelopeAddress{Email: a.Email})
		}
	}
	return h.toQueue()
}

// readEnvelope reads an Envelope object.
func (h *handing) readEnvelope(from, to json.RawMessage) *methodError {
	var members map[string]json.RawMessage
	if unmarshal(from, &h.record.From) != nil || json.Unmarshal(from, &members) != nil || unmarshal(members["email"], &h.record.From.Email) != nil {
		return badProperty("envelope/mailFrom", "not an address") // one that is empty is one (RFC 8621 section 7)
	}
	var list []store.EnvelopeAddress
	if unmarshal(to, &list) != nil {
		return badProperty("envelope/rcptTo", "not a list of addresses")
	}
	seen := map[string]bool{}
	for _, a := range list {
		if k := strings.ToLower(a.Email); !seen[k] {
			seen[k] = true
			h.record.To = append(h.record.To, a)
		}
	}
	return h.toQueue()
}

// toQueue puts an envelope into the words of the queue.
func (h *handing) toQueue() *methodError {
	if len(h.record.To) == 0 {
		return &methodError{Type: "noRecipients"}
	}
	for name, value := range h.record.From.Parameters {
		if !h.mailParameter(strings.ToUpper(name), value) {
			return badProperty("envelope/mailFrom/parameters/"+name, "it is not known here, or has not this value")
		}
	}
	h.sub.From = h.record.From.Email
	var bad []string
	for _, a := range h.record.To {
		r := store.SubmissionRecipient{Address: a.Email}
		if parsed, err := address.Parse(a.Email, address.Options{UTF8: true, LongLocal: true}); err != nil || parsed.Domain == "" {
			bad = append(bad, a.Email)
		}
		for name, value := range a.Parameters {
			text := ""
			if value != nil {
				text = *value
			}
			switch {
			case strings.EqualFold(name, "NOTIFY") && isNotify(text):
				r.Notify = strings.ToUpper(text)
			case strings.EqualFold(name, "ORCPT") && text != "" && len(text) <= 500:
				r.ORcpt = text
			default:
				return badProperty("envelope/rcptTo/parameters/"+name, "it is not known here, or has not this value")
			}
		}
		h.sub.Recipients = append(h.sub.Recipients, r)
	}
	if len(bad) > 0 {
		return &methodError{Type: "invalidRecipients", InvalidRecipients: bad}
	}
	return nil
}

// mailParameter reads a parameter of MAIL (RFC 8621 section 7: those of the extensions that the session tells).
func (h *handing) mailParameter(name string, value *string) bool {
	text := ""
	if value != nil {
		text = *value
	}
	switch name {
	case "HOLDFOR", "HOLDUNTIL": // see sendAt
		return text != ""
	case "RET":
		h.sub.Ret = strings.ToUpper(text)
		return h.sub.Ret == "FULL" || h.sub.Ret == "HDRS"
	case "ENVID":
		h.sub.EnvID = text
		return text != "" && len(text) <= 100
	case "REQUIRETLS":
		h.sub.RequireTLS = true
		return value == nil
	case "SMTPUTF8":
		h.sub.SMTPUTF8 = true
		return value == nil
	case "BODY":
		return strings.EqualFold(text, "7BIT") || strings.EqualFold(text, "8BITMIME")
	case "SIZE":
		_, err := strconv.ParseUint(text, 10, 63)
		return err == nil
	}
	return false
}

// parametersOf are those that say how a submission is to go on, whenever it goes.
func parametersOf(sub *store.Submission) map[string]*string {
	p := map[string]*string{}
	if sub.Ret != "" {
		p["RET"] = &sub.Ret
	}
	if sub.EnvID != "" {
		p["ENVID"] = &sub.EnvID
	}
	if sub.RequireTLS {
		p["REQUIRETLS"] = nil
	}
	return p
}

func isNotify(text string) bool {
	words := strings.Split(strings.ToUpper(text), ",")
	for _, w := range words {
		if w != "SUCCESS" && w != "FAILURE" && w != "DELAY" && (w != "NEVER" || len(words) > 1) {
			return false
		}
	}
	return true
}

// sendAt is when a message goes: by FUTURERELEASE (RFC 4865), or by the property, which we take as well.
func (h *handing) sendAt(now time.Time, given *time.Time) (time.Time, *methodError) {
	at := now
	if given != nil {
		at = *given
	}
	seconds, hold := parameter(h.record.From.Parameters, "HOLDFOR")
	until, release := parameter(h.record.From.Parameters, "HOLDUNTIL")
	switch {
	case hold && release || given != nil && (hold || release):
		return at, badProperty("envelope/mailFrom/parameters", "there are several times to send at")
	case hold:
		n, err := strconv.ParseUint(seconds, 10, 32)
		if err != nil || n == 0 {
			return at, badProperty("envelope/mailFrom/parameters/HOLDFOR", "not a number of seconds")
		}
		at = now.Add(time.Duration(n) * time.Second)
	case release:
		t, err := time.Parse(time.RFC3339, until)
		if err != nil {
			return at, badProperty("envelope/mailFrom/parameters/HOLDUNTIL", "not a date")
		}
		at = t
	}
	if at.Sub(now) > maxDelay {
		return at, badProperty("sendAt", "it is too far ahead")
	}
	if at.Before(now) {
		at = now
	}
	return at, nil
}

// checkSubmission asks whether a message would be taken.
func (c *call) checkSubmission(ctx context.Context, h *handing) *methodError {
	l := &c.server.options.Limits
	switch {
	case len(h.twice) > 0:
		return c.malformed(ctx, h, "it has fields twice that messages have once", h.twice...)
	case len(h.email.From) == 0:
		return c.malformed(ctx, h, "it has no author", "from")
	case len(h.email.From) > 1 && len(h.email.Sender) == 0: // RFC 5322 section 3.6.2
		return c.malformed(ctx, h, "several authors need a sender", "from", "sender")
	case len(h.email.Sender) > 1:
		return c.malformed(ctx, h, "it has several senders", "sender")
	case h.email.Size > l.Message:
		return c.refuse(ctx, h, "tooLarge", cause.Refuse(cause.ContentTooLargeOwn, cause.Size("size", h.email.Size), cause.Size("limit", l.Message)))
	case len(h.sub.Recipients) > l.Recipients:
		return c.tooMany(ctx, h)
	}
	var authors []string
	for _, a := range slices.Concat(h.email.From, h.email.Sender) {
		authors = append(authors, a.Email)
	}
	sender, recipients := c.server.options.Check(ctx, c.account, &h.sub, authors)
	if !sender.Allowed() {
		return c.refusedSender(ctx, h, sender)
	}
	return c.refusedRecipients(ctx, h, recipients)
}

// tooMany refuses a message that has more recipients than one may have.
func (c *call) tooMany(ctx context.Context, h *handing) *methodError {
	limit := c.server.options.Limits.Recipients
	e := c.refuse(ctx, h, "tooManyRecipients", cause.Refuse(cause.LimitRecipients, cause.Count("limit", int64(limit))))
	e.MaxRecipients = limit
	return e
}

// addressesOf tells why recipients are none, where that is what is wrong.
func (c *call) addressesOf(ctx context.Context, h *handing, e *methodError) *methodError {
	if e.Type != "invalidRecipients" {
		return e
	}
	if len(h.sub.Recipients) > c.server.options.Limits.Recipients { // each that is none would be noted
		return c.tooMany(ctx, h)
	}
	decisions := make([]cause.Decision, len(h.sub.Recipients))
	for i := range h.sub.Recipients {
		if address := h.sub.Recipients[i].Address; slices.Contains(e.InvalidRecipients, address) {
			decisions[i] = cause.Refuse(cause.RecipientAddressInvalid, cause.Text("address", address))
		}
	}
	return c.refusedRecipients(ctx, h, decisions)
}

// malformed tells that an email is no message that can be sent (RFC 8621 section 7.5), for a description and the properties that are wrong.
func (c *call) malformed(ctx context.Context, h *handing, description string, properties ...string) *methodError {
	e := c.refuse(ctx, h, "invalidEmail", cause.Refuse(cause.ContentMalformed))
	e.Description, e.Properties = description, properties
	return e
}

// refusedRecipients tells of those who cannot be sent to, nil if there are none.
func (c *call) refusedRecipients(ctx context.Context, h *handing, decisions []cause.Decision) *methodError {
	bad := map[string]*explained{}
	trace := store.NewTraceID(c.server.store.Now())
	for i, d := range decisions {
		if d.Action == cause.ActionRefuse {
			to := h.sub.Recipients[i].Address
			bad[to] = c.why(d)
			c.recordRefusal(ctx, h, trace, journal.RecipientRefused, to, d)
		}
	}
	if len(bad) == 0 {
		return nil
	}
	return &methodError{Type: "invalidRecipients", InvalidRecipients: slices.Sorted(maps.Keys(bad)), Recipients: bad, TraceID: trace.String()}
}

// refusedSender tells a decision about a sender by the errors of RFC 8621 section 7.5.
func (c *call) refusedSender(ctx context.Context, h *handing, d cause.Decision) *methodError {
	kind := "forbiddenToSend"
	if d.Cause == cause.ClientFromNotOwned {
		kind = "forbiddenFrom"
		if about := d.Text("address"); strings.EqualFold(about, h.sub.From) && !slices.ContainsFunc(h.email.From, func(a message.Address) bool { return strings.EqualFold(a.Email, about) }) {
			kind = "forbiddenMailFrom"
		}
	}
	if d.Cause == cause.ContentTooLargeOwn {
		kind = "tooLarge"
	}
	return c.refuse(ctx, h, kind, d)
}

// refuse tells that a message is not sent, and the journal, which finds it by the reference that the error has.
func (c *call) refuse(ctx context.Context, h *handing, kind string, d cause.Decision) *methodError {
	e := c.refused(kind, d)
	trace := store.NewTraceID(c.server.store.Now())
	to := ""
	if len(h.sub.Recipients) == 1 {
		to = h.sub.Recipients[0].Address
	}
	c.recordRefusal(ctx, h, trace, journal.MessageRefused, to, d)
	e.TraceID = trace.String()
	return e
}

// recordRefusal leaves the event of a message that is not sent, as one that came over SMTP does.
func (c *call) recordRefusal(ctx context.Context, h *handing, trace store.TraceID, kind, to string, d cause.Decision) {
	e := store.Event{Time: c.server.store.Now(), Trace: trace, Account: c.account.ID, Kind: kind, Fields: []store.Field{
		{Name: "from", Value: h.sub.From}, {Name: "to", Value: to}, {Name: "message-id", Value: h.email.MessageID},
		{Name: "subject", Value: h.email.Subject}, {Name: "by", Value: c.account.Address},
	}}
	if author := h.email.From; len(author) > 0 && !strings.EqualFold(author[0].Email, h.sub.From) {
		e.Fields = append(e.Fields, store.Field{Name: "author", Value: author[0].Email})
	}
	e.SetDecision(d)
	c.server.options.Holder.Journal.Record(ctx, e)
}

// updateSubmission takes sending back (RFC 8621 section 7.5: undoStatus alone can be changed).
func (c *call) updateSubmission(ctx context.Context, s *set, id string, emails map[string]string) {
	e, err := c.findSubmission(ctx, id)
	if err != nil {
		s.notUpdated[id] = c.setError(err)
		return
	}
	o, err := c.submissionObject(ctx, &e, &getArgs{})
	if err != nil {
		s.notUpdated[id] = c.server.errorOf(err)
		return
	}
	cancel := false
	var bad *methodError
	for _, name := range slices.Sorted(maps.Keys(s.update[id])) {
		raw := s.update[id][name]
		if name == "undoStatus" && string(raw) == `"canceled"` {
			cancel = true
		} else if known, ok := o[name]; !ok || !same(raw, known) {
			bad = bad.and(badProperty(name, "it cannot be changed"))
		}
	}
	if bad != nil {
		s.notUpdated[id] = bad
		return
	}
	if cancel && e.Undo() != store.UndoCanceled {
		if bad := c.cancel(ctx, &e); bad != nil {
			s.notUpdated[id] = bad
			return
		}
	}
	s.updated[id], emails[id] = nil, emailID(e.Email)
}

// How long it is waited for a message that is just being looked at.
const (
	cancelTries = 20
	cancelPause = 50 * time.Millisecond
)

// cancel takes a submission back for all that still wait; nobody must have the message yet.
func (c *call) cancel(ctx context.Context, e *store.EmailSubmission) *methodError {
	id, err := store.ParseTraceID(e.Trace)
	if err != nil {
		return c.setError(err)
	}
	for try := 0; e.Undo() == store.UndoPending; try++ {
		err := c.server.options.Queue.Undo(ctx, c.account.ID, id)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, outbound.ErrBusy) && try < cancelTries:
			select {
			case <-ctx.Done():
				return c.server.errorOf(ctx.Err())
			case <-time.After(cancelPause):
			}
		case errors.Is(err, outbound.ErrBusy) || errors.Is(err, outbound.ErrNotQueued) || store.KindOf(err) == store.KindNotFound:
			return &methodError{Type: "cannotUnsend"}
		default:
			return c.server.errorOf(err)
		}
		if *e, err = c.server.store.EmailSubmission(ctx, c.account.ID, e.ID); err != nil {
			return c.setError(err)
		}
	}
	if e.Undo() == store.UndoCanceled {
		return nil
	}
	return &methodError{Type: "cannotUnsend"}
}

func (c *call) destroySubmission(ctx context.Context, s *set, id string, emails map[string]string) {
	e, err := c.findSubmission(ctx, id)
	if err == nil {
		err = c.server.store.DestroyEmailSubmission(ctx, c.account.ID, e.ID)
	}
	if err != nil {
		s.notDestroyed[id] = c.setError(err)
		return
	}
	s.destroyed, emails[id] = append(s.destroyed, id), emailID(e.Email)
}
