package jmapd

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
)

// What a mail program sent over SMTP and somebody could not get is over for the queue, and no email submission outlives it: the journal alone
// tells of it. Its text is in the copy that its program keeps among the sent ones, or in the report of our queue.

// cameBack is such a message, by its trace. reportID names the report that its sender looks at, if any.
func (c *call) cameBack(ctx context.Context, id, reportID string) (*waiting, error) {
	w, err := c.told(ctx, id)
	if err != nil {
		return nil, err
	}
	if w.sub.MessageID == "" || !slices.ContainsFunc(w.sub.Recipients, isFailed) {
		return nil, &methodError{Type: "notFound"}
	}
	if p, err := c.picture(ctx); err != nil {
		return nil, err
	} else if l, ok := p.located(c.named(reportID)); ok {
		w.report = l.ID
	}
	return w, nil
}

// told is what the journal tells of a message that the account sent over SMTP, by its trace.
func (c *call) told(ctx context.Context, id string) (*waiting, error) {
	trace, err := store.ParseTraceID(id)
	if err != nil {
		return nil, &methodError{Type: "notFound"}
	}
	timeline, err := c.server.options.Holder.Journal.Trace(ctx, journal.Query{Text: id, Account: c.account.ID, Reader: cause.Holder})
	if err != nil {
		return nil, err
	}
	w := &waiting{sub: store.Submission{ID: trace, Account: c.account.ID, Created: trace.Time()}, failed: true}
	sent := false
	for i := range timeline.Lines {
		e := &timeline.Lines[i].Event
		if e.Account != c.account.ID || e.Trace != trace {
			continue
		}
		if !sent && c.isSent(ctx, e) {
			sent, w.sub.From, w.sub.MessageID = true, e.Field("from"), strings.Trim(e.Field("message-id"), "<>")
		}
		if e.Kind == journal.ReportSent {
			w.reports = append(w.reports, e.Field("report"))
		}
		w.became(e)
	}
	return w, nil
}

// became notes what an event tells of recipients.
func (w *waiting) became(e *store.Event) {
	state, ok := becameOf[e.Kind]
	if !ok {
		return
	}
	for _, f := range e.Fields {
		if f.Name != "to" {
			continue
		}
		one := store.SubmissionRecipient{Address: f.Value, State: state, Cause: e.Cause, Last: e.Time}
		if at := slices.IndexFunc(w.sub.Recipients, func(r store.SubmissionRecipient) bool { return strings.EqualFold(r.Address, f.Value) }); at >= 0 {
			w.sub.Recipients[at] = one
		} else {
			w.sub.Recipients = append(w.sub.Recipients, one)
		}
	}
}

// noMore is the event that a recipient is not waited for any more, since the message goes to another address.
func (c *call) noMore(w *waiting, recipient, to string) store.Event {
	return store.Event{
		Time: c.server.store.Now(), Trace: w.sub.ID, Account: c.account.ID, Kind: journal.MessageCorrected,
		Fields: []store.Field{{Name: "to", Value: recipient}, {Name: "address", Value: to}},
	}
}

// originalOf finds the text of what came back: the copy among the sent ones, whose places first has, or else what our report has of it.
func (c *call) originalOf(ctx context.Context, p *picture, w *waiting) (first *store.Located, from original, err error) {
	thread, err := c.server.store.ThreadOf(ctx, c.account.ID, w.sub.MessageID)
	if err != nil {
		return nil, from, err
	}
	if first, err = c.inSent(ctx, p, thread, w.sub.MessageID); err != nil || first != nil {
		if first != nil {
			from.email, w.sub.Email = first.ID, first.ID
		}
		return first, from, err
	}
	from, err = c.inReport(ctx, w)
	return &store.Located{}, from, err
}

// inReport finds the text of a message in the report that tells of it: in none but our own, of which the journal says that it was sent, since
// anybody could write another text into one.
func (c *call) inReport(ctx context.Context, w *waiting) (from original, err error) {
	if w.report == 0 {
		return from, nil
	}
	err = c.server.store.Emails(ctx, c.account.ID, w.report, w.report+1, func(e *store.Email) error {
		sum, err := e.Summary.Summary()
		if err != nil {
			return err
		}
		ours, err := c.wroteReport(ctx, w, sum.MessageID)
		if err != nil || !ours {
			return err
		}
		for i := range sum.Parts {
			p := &sum.Parts[i]
			if p.Type == "message" && (p.Subtype == "rfc822" || p.Subtype == "global") && p.End > p.BodyStart {
				from = original{email: e.ID, start: int64(p.BodyStart), end: int64(p.End), returned: true}
			}
		}
		return nil
	})
	return from, err
}

// wroteReport tells whether a Message-ID is that of a report which our queue sent about a message.
func (c *call) wroteReport(ctx context.Context, w *waiting, messageID string) (bool, error) {
	if messageID == "" {
		return false, nil
	}
	timeline, err := c.server.options.Holder.Journal.Trace(ctx, journal.Query{Text: "<" + messageID + ">", Account: c.account.ID, Reader: cause.Holder})
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(timeline.Lines, func(l journal.Line) bool { return slices.Contains(w.reports, l.Event.Trace.String()) }), nil
}

// reportedOn has an email that is a report stand for the message that it is about, so that what became of that is told.
func (c *call) reportedOn(ctx context.Context, m *sentMail) error {
	return c.server.store.Emails(ctx, c.account.ID, m.email, m.email+1, func(e *store.Email) error {
		sum, err := e.Summary.Summary()
		if err != nil || !slices.ContainsFunc(sum.Parts, func(p message.Part) bool {
			return p.Type == "message" && strings.HasSuffix(p.Subtype, "delivery-status")
		}) {
			return err
		}
		eml, err := c.server.store.Blobs().Read(ctx, nil, e.Blob, 0, min(e.Size, maxReport))
		if err != nil {
			return err
		}
		if report, err := message.ReadDSN(eml); err == nil && report.OriginalMessageID != "" {
			m.messageID, m.received, m.email = report.OriginalMessageID, m.received.Add(-reportedAfter), 0
		}
		return nil
	})
}

// Bounds of reports.
const (
	maxReport     = 1 << 20            // octets that are read
	reportedAfter = 7 * 24 * time.Hour // no server tries longer
)
