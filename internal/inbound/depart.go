package inbound

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/protocol/smtpd"
	"github.com/postiljon/postiljon/internal/store"
)

// What is handed in otherwise than over SMTP, from a mailbox over JMAP, goes the same road: Check tells
// beforehand what would be refused, and Depart sends when its time has come.

// handed is what is known of a message that did not come over SMTP.
type handed struct {
	asked bool                      // nothing is sent now
	sub   *store.Submission         // what waits for its time
	out   map[string]cause.Decision // recipients that are not reached, by address
}

// handedSession begins a transaction for a submission that was handed in.
func (b *Backend) handedSession(a *store.Account, sub *store.Submission, h *handed) (*session, error) {
	s := &session{b: b, c: &smtpd.Conn{Submission: true}, release: func() {}, account: a}
	m := mailOf(sub)
	if sub.From != "" {
		from, err := address.Parse(sub.From, addressOptions)
		if err != nil {
			return nil, err
		}
		m.From = from
	}
	s.envelope = envelope{trace: sub.ID, mail: m, from: sub.From, handed: h}
	return s, nil
}

// mailOf is the envelope of a submission without its sender.
func mailOf(sub *store.Submission) smtpd.Mail {
	m := smtpd.Mail{Size: sub.Size, SMTPUTF8: sub.SMTPUTF8, RequireTLS: sub.RequireTLS, Ret: sub.Ret, EnvID: sub.EnvID}
	switch sub.Body {
	case "8BITMIME":
		m.Body = smtpd.Body8BitMIME
	case "BINARYMIME":
		m.Body = smtpd.BodyBinaryMIME
	}
	return m
}

var addressOptions = address.Options{UTF8: true, LongLocal: true}

// Check tells what would be refused of a message if it were sent now: about the account, the return path, and the message; and about
// each recipient. authors are the addresses in From and Sender. Nothing is counted: a limit that is reached lets a message wait.
func (b *Backend) Check(ctx context.Context, a *store.Account, sub *store.Submission, authors []string) (sender cause.Decision, recipients []cause.Decision) {
	s, err := b.handedSession(a, sub, &handed{asked: true})
	if err != nil {
		return cause.Refuse(cause.ClientFromNotOwned, cause.Text("address", sub.From)), nil
	}
	if sender = s.decideMail(ctx, &s.mail); sender.Allowed() {
		sender = s.ownsAll(ctx, authors)
	}
	for i := range sub.Recipients {
		d := s.handRecipient(ctx, &sub.Recipients[i])
		if d.Action == cause.ActionRefuse {
			s.refused(journal.RecipientRefused, sub.Recipients[i].Address, d)
		}
		recipients = append(recipients, d)
	}
	if sender.Allowed() && s.b.Precheck != nil && len(s.remote) > 0 {
		sender = s.precheckSenders(ctx, authors)
	}
	if !sender.Allowed() {
		s.refused(journal.SenderRefused, "", sender)
	}
	return sender, recipients
}

// handRecipient adds a recipient of a submission to a transaction.
func (s *session) handRecipient(ctx context.Context, r *store.SubmissionRecipient) cause.Decision {
	to, err := address.Parse(r.Address, addressOptions)
	if err != nil {
		return cause.Refuse(cause.RecipientAddressInvalid, cause.Text("address", r.Address))
	}
	return s.decideRcpt(ctx, &smtpd.Rcpt{To: to, Notify: notifyOf(r.Notify), ORcpt: r.ORcpt}, r.Address)
}

// notifyOf reads what notifyText wrote.
func notifyOf(text string) (n smtpd.Notify) {
	for word := range strings.SplitSeq(text, ",") {
		switch strings.ToUpper(strings.TrimSpace(word)) {
		case "NEVER":
			n |= smtpd.NotifyNever
		case "SUCCESS":
			n |= smtpd.NotifySuccess
		case "FAILURE":
			n |= smtpd.NotifyFailure
		case "DELAY":
			n |= smtpd.NotifyDelay
		}
	}
	return n
}

// Depart sends a message whose time has come, as outbound.Depart wants it.
func (b *Backend) Depart(ctx context.Context, sub *store.Submission) cause.Decision {
	a, err := b.Store.Account(ctx, sub.Account)
	if err != nil {
		return b.storeTrouble("find account of a message that departs", err)
	}
	h := &handed{sub: sub, out: map[string]cause.Decision{}}
	s, err := b.handedSession(&a, sub, h)
	if err != nil {
		return cause.Refuse(cause.ClientFromNotOwned, cause.Text("address", sub.From))
	}
	if d := s.decideMail(ctx, &s.mail); !d.Allowed() {
		return d
	}
	if d := s.handRecipients(ctx); !d.Allowed() {
		return d
	}
	if s.recipients == 0 {
		return s.nobody()
	}
	return s.sendHanded(ctx)
}

// handRecipients adds the recipients of a message that departs. What is the matter with one of them holds up none of the others; a
// limit holds up all.
func (s *session) handRecipients(ctx context.Context) cause.Decision {
	sub, now := s.handed.sub, s.b.Store.Now()
	for i := range sub.Recipients {
		r := &sub.Recipients[i]
		if r.State != store.Queued {
			continue
		}
		d := s.handRecipient(ctx, r)
		switch {
		case d.Allowed():
		case d.Action == cause.ActionRefuse:
			s.handed.out[r.Address] = d
			s.refused(journal.RecipientRefused, r.Address, d)
		case strings.HasPrefix(string(d.Cause), "limit.") || strings.HasPrefix(string(d.Cause), "provider."):
			return d
		default: // for a mailbox here that is full, say: the queue tries again
			one := *r
			one.Cause, one.Next, one.Last = d.Cause, now.Add(recipientAgain), now
			s.recipients++
			s.remote = append(s.remote, one)
		}
	}
	return cause.Allow()
}

// recipientAgain is when a recipient is tried again that could not have a message when it departed.
const recipientAgain = 5 * time.Minute

// nobody is the decision on a message that none of its recipients can have.
func (s *session) nobody() cause.Decision {
	for _, r := range s.handed.sub.Recipients {
		if d, ok := s.handed.out[r.Address]; ok {
			return d
		}
	}
	return cause.Refuse(cause.RecipientUnknown)
}

// sendHanded reads the message from its mailbox, as it would come over SMTP.
func (s *session) sendHanded(ctx context.Context) cause.Decision {
	from, err := s.b.Store.Blobs().Open(ctx, s.handed.sub.Blob)
	if err != nil {
		return s.b.storeTrouble("open message that departs", err)
	}
	defer from.Close()
	m, d := s.Data(ctx)
	if !d.Allowed() {
		return d
	}
	strip := &withoutBcc{to: m}
	if _, err = io.Copy(strip, io.NewSectionReader(from, 0, from.Size())); err == nil {
		err = strip.end()
	}
	if err != nil {
		d := s.b.storeTrouble("read message that departs", err)
		if refused, ok := errors.AsType[*smtpd.Refused](err); ok {
			d = refused.Decision
		} else if errors.Is(err, errHeader) {
			d = cause.Refuse(cause.ContentMalformed)
		}
		m.Abort(d)
		return d
	}
	_, d = m.Commit(ctx)
	return d
}

// departing is the submission as it goes on: with what is left to do for each of its recipients.
func (s *session) departing(sub *store.Submission) *store.Submission {
	now := s.b.Store.Now()
	before := s.handed.sub
	sub.Recipients = slices.Clone(before.Recipients)
	for i := range sub.Recipients {
		r := &sub.Recipients[i]
		if r.State != store.Queued {
			continue
		}
		r.Last, r.Next, r.Cause, r.Attempts = now, time.Time{}, "", 0
		if d, ok := s.handed.out[r.Address]; ok {
			r.State, r.Cause, r.Next = store.Failed, d.Cause, now // its sender is owed a report
			continue
		}
		at := slices.IndexFunc(s.remote, func(one store.SubmissionRecipient) bool { return one.Address == r.Address })
		if at < 0 {
			r.State = store.Placed
			continue
		}
		*r = s.remote[at]
	}
	// An address here that leads elsewhere: those are recipients of their own.
	for _, one := range s.remote {
		if !slices.ContainsFunc(sub.Recipients, func(r store.SubmissionRecipient) bool { return r.Address == one.Address }) {
			sub.Recipients = append(sub.Recipients, one)
		}
	}
	return sub
}

// amend notes recipients that failed at the last moment.
func (s *session) amend(ctx context.Context, failed map[store.AccountID]cause.Decision) {
	sub := s.handed.sub
	if sub.Handed == 0 || len(failed) == 0 {
		return
	}
	for i := range s.local {
		for _, a := range s.local[i].accounts {
			why, ok := failed[a.ID]
			if !ok {
				continue
			}
			r := store.SubmissionRecipient{Address: s.local[i].address, State: store.Failed, Last: s.b.Store.Now(), Cause: why.Cause}
			if err := s.b.Store.NoteRecipient(ctx, sub.Account, sub.Handed, r); err != nil {
				s.b.Log.Error("recipient of a submission not noted", "trace", s.trace, "error", err)
			}
		}
	}
}

// handedFields are the trace fields of a message that did not come over SMTP.
func (s *session) handedFields() []byte {
	h := message.Header{}
	if len(s.remote) == 0 {
		h.AddStructured("Return-Path", "<"+s.from+">")
	}
	h.AddStructured("Received", fmt.Sprintf("by %s with HTTP id %s; %s", s.b.Hostname, s.trace, message.FormatDate(s.b.Store.Now())))
	return h.Bytes()
}

// withoutBcc leaves Bcc out of a header: those who are named there are no one's business (RFC 5322 section 3.6.3).
type withoutBcc struct {
	to     io.Writer
	header []byte // as far as it came
	over   bool   // the header is
}

// Write implements io.Writer.
func (w *withoutBcc) Write(p []byte) (int, error) {
	if w.over {
		return w.to.Write(p)
	}
	w.header = append(w.header, p...)
	if end := bytes.Index(w.header, []byte("\r\n\r\n")); end >= 0 {
		rest := w.header[end+4:]
		w.header = w.header[:end+4]
		if err := w.end(); err != nil {
			return 0, err
		}
		_, err := w.to.Write(rest)
		return len(p), err
	}
	if len(w.header) > maxBccHeader {
		return 0, errHeader
	}
	return len(p), nil
}

// end writes a header that is whole.
func (w *withoutBcc) end() error {
	if w.over {
		return nil
	}
	w.over = true
	_, err := w.to.Write(message.FilterFields(nil, w.header, message.NewFieldSet("Bcc", "Resent-Bcc"), true))
	return err
}

// maxBccHeader is the longest header that is taken, in octets.
const maxBccHeader = 4 << 20

var errHeader = errors.New("inbound: the header is too long")
