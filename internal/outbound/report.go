package outbound

import (
	"context"
	"crypto/sha256"
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
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/blob"
	"github.com/postiljon/postiljon/internal/store/kv"
)

// maxReturned is the largest message that is returned whole with a report.
const maxReturned = 10 << 20

// Report tells the sender of a message what became of its recipients, as far as
// they are in a final state and NOTIFY asks for a report of that (RFC 3461
// section 4.1). It is for messages that are no submission of the queue: those
// that came for mailboxes here. sub has the envelope, Blob, Size, Created and
// the recipients with State and Last; calls with the same ID and states report
// once while the report is queued. A null return path is never reported to.
func (q *Queue) Report(ctx context.Context, sub *store.Submission) error {
	for _, kind := range []ReportKind{ReportFailed, ReportRelayed, ReportDelivered} {
		var about []int
		for i := range sub.Recipients {
			if r := &sub.Recipients[i]; kindOf(r.State) == kind && wantsReport(sub, r) {
				about = append(about, i)
			}
		}
		if len(about) == 0 {
			continue
		}
		report, err := q.createReport(ctx, sub, kind, about, sub.Recipients[about[0]].Last)
		if err != nil {
			return fmt.Errorf("outbound: report: %w", err)
		}
		q.opt.Journal.Record(ctx, q.event(sub, journal.ReportSent, field("to", sub.From), field("report", report.ID.String())))
		q.Notify(report)
	}
	return nil
}

// kindOf is the kind of report about a recipient in a final state.
func kindOf(s store.RecipientState) ReportKind {
	switch s {
	case store.Placed:
		return ReportDelivered
	case store.Relayed:
		return ReportRelayed
	case store.Failed, store.Expired:
		return ReportFailed
	}
	return ""
}

// wantsReport reports whether the sender is to hear of a recipient in its
// state: of a failure unless NOTIFY says otherwise, of a delivery only if
// NOTIFY says so (RFC 3461 section 4.1). There are no reports about reports
// (RFC 5321 section 4.5.5).
func wantsReport(sub *store.Submission, r *store.SubmissionRecipient) bool {
	if sub.From == "" {
		return false
	}
	word, usual := "FAILURE", true
	switch r.State {
	case store.Placed, store.Relayed:
		word, usual = "SUCCESS", false
	case store.Queued:
		word = "DELAY"
	case store.Cancelled:
		return false
	}
	if r.Notify == "" {
		return usual
	}
	for w := range strings.SplitSeq(r.Notify, ",") {
		if strings.EqualFold(strings.TrimSpace(w), word) {
			return true
		}
	}
	return false
}

// delayOwed reports whether it is time to tell the sender that a message waits.
func (q *Queue) delayOwed(sub *store.Submission, now time.Time) bool {
	return !sub.Scheduled && !now.Before(sub.Created.Add(q.opt.Limits.DelayAfter)) &&
		slices.ContainsFunc(sub.Recipients, func(r store.SubmissionRecipient) bool {
			return r.State == store.Queued && !r.Delayed
		})
}

// settle makes the reports that a submission's sender is owed, and forgets the
// submission when nothing is left to do.
//
// Each report has an id that follows from what it reports, and is queued before
// the debt is struck out, but not delivered until then. So after a crash
// between the two it is found again and not made twice.
func (q *Queue) settle(ctx context.Context, account store.AccountID, id store.TraceID) error {
	one := &q.settling[int(id[len(id)-1])%len(q.settling)]
	one.Lock()
	defer one.Unlock()
	ctx = kv.WithReserve(ctx)
	sub, err := q.opt.Store.Submission(ctx, account, id)
	if store.KindOf(err) == store.KindNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	for kind, about := q.nextReport(&sub); len(about) > 0; kind, about = q.nextReport(&sub) {
		if sub, err = q.payReport(ctx, &sub, kind, about); err != nil {
			return err
		}
	}
	if sub.Done() {
		return q.opt.Store.DeleteSubmission(ctx, account, id)
	}
	return nil
}

// nextReport chooses recipients that are reported together: those that one
// attempt brought to the same end, or all that wait when it is time to say so.
func (q *Queue) nextReport(sub *store.Submission) (kind ReportKind, about []int) {
	for i := range sub.Recipients {
		r := &sub.Recipients[i]
		if r.State == store.Queued || r.Next.IsZero() {
			continue
		}
		if kind == "" {
			kind = kindOf(r.State)
		}
		if kindOf(r.State) == kind && (len(about) == 0 || r.Last.Equal(sub.Recipients[about[0]].Last)) {
			about = append(about, i)
		}
	}
	if len(about) > 0 || !q.delayOwed(sub, q.opt.Clock.Now()) {
		return kind, about
	}
	for i := range sub.Recipients {
		if sub.Recipients[i].State == store.Queued {
			about = append(about, i)
		}
	}
	return ReportDelayed, about
}

// payReport queues a report and strikes out the debt.
func (q *Queue) payReport(ctx context.Context, sub *store.Submission, kind ReportKind, about []int) (store.Submission, error) {
	wanted := about
	last := sub.Recipients[about[0]].Last
	if kind == ReportDelayed {
		last = time.Time{} // a submission has one such report
		wanted = slices.DeleteFunc(slices.Clone(about), func(i int) bool { return !wantsReport(sub, &sub.Recipients[i]) })
	}
	var report *store.Submission
	var events []store.Event
	if len(wanted) > 0 {
		var err error
		if report, err = q.createReport(ctx, sub, kind, wanted, last); err != nil {
			return *sub, err
		}
		events = append(events, q.event(sub, journal.ReportSent, field("to", sub.From), field("report", report.ID.String())))
	}
	after, err := q.opt.Store.UpdateSubmission(ctx, sub.Account, sub.ID, func(s *store.Submission) error {
		for _, i := range about {
			if kind == ReportDelayed {
				s.Recipients[i].Delayed = true
			} else {
				s.Recipients[i].Next = time.Time{}
			}
		}
		return nil
	}, events...)
	if err != nil {
		return *sub, err
	}
	if report != nil {
		q.Notify(report)
	}
	return after, nil
}

// createReport queues a report about some recipients of a submission, unless it
// is queued already.
func (q *Queue) createReport(ctx context.Context, sub *store.Submission, kind ReportKind, about []int, last time.Time) (*store.Submission, error) {
	id := reportID(sub.ID, kind, last)
	known, err := q.opt.Store.Submission(ctx, 0, id)
	if err == nil {
		return &known, nil
	}
	if store.KindOf(err) != store.KindNotFound {
		return nil, err
	}
	now := q.opt.Clock.Now()
	report := &store.Submission{
		ID: id, Created: now, Expires: now.Add(q.opt.Limits.Lifetime),
		MessageID:  message.NewMessageID(q.opt.Hostname),
		RequireTLS: sub.RequireTLS, // RFC 8689 section 5
		Recipients: []store.SubmissionRecipient{{Address: sub.From, Notify: "NEVER", State: store.Queued}},
	}
	if err := q.writeReport(ctx, report, sub, kind, about); err != nil {
		return nil, err
	}
	event := q.event(report, journal.MessageQueued, field("to", sub.From), field("message-id", report.MessageID))
	if err := q.opt.Store.CreateSubmission(ctx, *report, event); err != nil {
		return nil, err
	}
	q.opt.Metrics.Report(kind)
	return report, nil
}

// reportID follows from what is reported, so that it is reported once.
func reportID(of store.TraceID, kind ReportKind, last time.Time) (id store.TraceID) {
	h := sha256.New()
	h.Write(of[:])
	fmt.Fprintf(h, "%s %d", kind, last.UnixNano())
	copy(id[:6], of[:6]) // the time, by which ids are sorted
	copy(id[6:], h.Sum(nil))
	return id
}

// writeReport stores the message of a report and completes its submission.
func (q *Queue) writeReport(ctx context.Context, report, sub *store.Submission, kind ReportKind, about []int) (err error) {
	original, err := openContent(ctx, q.opt.Store.Blobs(), sub)
	lost := errors.Is(err, blob.ErrNotFound) || errors.Is(err, blob.ErrCorrupt)
	if err != nil && !lost {
		return err
	}
	if lost { // the report is all the more needed
		original = &content{}
	}
	defer original.close()
	dsn := q.dsn(ctx, report, sub, kind, about, original)
	w, err := q.opt.Store.Blobs().Create(ctx)
	if err != nil {
		return fmt.Errorf("outbound: store report: %w", err)
	}
	defer w.Abort()
	if report.Size, err = dsn.WriteTo(w); err != nil {
		return fmt.Errorf("outbound: write report: %w", err)
	}
	if report.Blob, err = w.Commit(); err != nil {
		return fmt.Errorf("outbound: store report: %w", err)
	}
	report.SMTPUTF8 = dsn.NeedsUTF8()
	if report.SMTPUTF8 || dsn.OriginalEightBit {
		report.Body = "8BITMIME"
	}
	return nil
}

// dsn is the report as a message.
func (q *Queue) dsn(ctx context.Context, report, sub *store.Submission, kind ReportKind, about []int, original *content) *message.DSN {
	lang := q.language(ctx, sub)
	d := &message.DSN{
		DeliveryStatus: message.DeliveryStatus{
			EnvelopeID: sub.EnvID, ReportingMTA: q.opt.Hostname, Arrival: sub.Created,
		},
		From:      message.Address{Name: q.texts.in(lang).From, Email: "postmaster@" + q.ownDomain(ctx, sub.From)},
		Language:  string(lang),
		MessageID: report.MessageID, Date: report.Created, InReplyTo: sub.MessageID,
		UTF8: sub.SMTPUTF8, OriginalUTF8: original.eightBitHeader(),
	}
	if i := strings.LastIndexByte(sub.From, '@'); i >= 0 {
		d.To = address.Address{Local: sub.From[:i], Domain: sub.From[i+1:]}
	}
	if parsed, err := address.Parse(sub.From, address.Options{UTF8: true, LongLocal: true}); err == nil {
		d.To = parsed
	}
	// RET is for failures; other reports have the header (RFC 3461 section 4.3).
	d.FullMessage = kind == ReportFailed && sub.Ret == "FULL" && !sub.RequireTLS && original.size > 0 && sub.Size <= maxReturned
	if d.FullMessage {
		d.Original = io.NewSectionReader(original, 0, original.size)
		d.OriginalEightBit = original.eightBit()
	} else {
		d.Original = strings.NewReader(string(original.header))
		d.OriginalEightBit = d.OriginalUTF8
	}
	for _, i := range about {
		d.Recipients = append(d.Recipients, q.status(sub, &sub.Recipients[i], kind))
	}
	subject, _ := message.DecodedField(original.header, "Subject")
	d.Subject, d.Text = q.words(lang, sub, kind, about, subject)
	return d
}

// language is that of the account whose message it is, or whose address gets
// the report; English for people elsewhere, and where it is not known.
func (q *Queue) language(ctx context.Context, sub *store.Submission) cause.Lang {
	account, err := store.Account{}, error(nil)
	if sub.Account != 0 {
		account, err = q.opt.Store.Account(ctx, sub.Account)
	} else {
		account, err = q.opt.Store.AccountByAddress(ctx, sub.From)
	}
	if err != nil {
		return cause.English
	}
	lang, err := q.opt.Store.LanguageOf(ctx, &account)
	if err != nil || lang == "" {
		return cause.English
	}
	return cause.ParseLang(lang)
}

// ownDomain is the domain that a report comes from: that of the sender if it is
// kept here, where postmaster is always somebody (RFC 5321 section 4.5.1), else
// this host.
func (q *Queue) ownDomain(ctx context.Context, from string) string {
	domain := domainOf(from)
	if local, err := q.opt.Store.LocalDomain(ctx, domain); err == nil && local {
		return domain
	}
	return q.opt.Hostname
}

// status is what programs read of a recipient (RFC 3464 section 2.3).
func (q *Queue) status(sub *store.Submission, r *store.SubmissionRecipient, kind ReportKind) message.RecipientStatus {
	s := message.RecipientStatus{
		Final: r.Address, Action: message.Action(kind), LastAttempt: r.Last, LogID: sub.ID.String(),
	}
	if _, original, ok := strings.Cut(r.ORcpt, ";"); ok {
		s.Original = original
	}
	decision := q.decision(sub, r)
	switch {
	case r.Host == q.opt.Hostname: // a rule here refused it, in the words of its recipient
		decision = decision.As("rule")
		reply := q.opt.Catalogue.SMTP(decision)
		s.Diagnostic = fmt.Sprintf("%d %s %s", reply.Code, reply.Enhanced, r.Reply)
	case r.Reply != "":
		s.RemoteMTA, s.Diagnostic = r.Host, r.Reply
	}
	switch enhanced := enhancedOf(r.Reply); {
	case kind == ReportDelivered || kind == ReportRelayed:
		s.Status = "2.0.0"
	case kind == ReportDelayed:
		s.RetryUntil = q.expires(sub)
		fallthrough
	default:
		s.Status = q.opt.Catalogue.SMTP(decision).Enhanced
		if enhanced != "" && enhanced[0] == s.Status[0] {
			s.Status = enhanced
		}
	}
	return s
}

// enhancedOf returns the enhanced code of a reply as smtpc writes it.
func enhancedOf(reply string) string {
	_, rest, _ := strings.Cut(reply, " ")
	word, _, _ := strings.Cut(rest, " ")
	if strings.Count(word, ".") == 2 && strings.Trim(word, ".0123456789") == "" {
		return word
	}
	return ""
}
