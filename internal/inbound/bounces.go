package inbound

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/blob"
)

// Bounced is what a report from another server says of one recipient.
type Bounced struct {
	To       string
	Host     string // that refused
	Reply    string
	Decision cause.Decision // refuses, or waits where it is tried on
}

// maxReport is how much of a report is read.
const maxReport = 1 << 20

// joinReport notes what a report from another server says in the trace of the message that it is
// about, and with its email submission, if there is one. It never stands in the way of the report itself.
func (s *session) joinReport(ctx context.Context, ref blob.Ref, summary *message.Summary, to []store.DeliverTo, results []store.Delivered) {
	if isReceipt(summary) {
		s.joinReceipt(ctx, ref, to, results)
		return
	}
	if s.queued != nil { // the queue noted what it reports, and others' reports were read when they came
		s.joinOwn(ctx, ref, summary, to, results)
		return
	}
	if s.account == nil && isFeedback(summary) {
		s.joinFeedback(ctx, ref)
		return
	}
	if s.b.Bounces == nil || s.account != nil || s.from != "" || !isReport(summary) {
		return
	}
	eml, err := s.b.Store.Blobs().Read(ctx, nil, ref, 0, maxReport)
	if err != nil {
		s.b.Log.Error("read report", "trace", s.trace, "error", err)
		return
	}
	told := s.b.Bounces(eml)
	if len(told) == 0 {
		return
	}
	for _, a := range s.reportedTo() {
		original, ok, err := s.reportedOn(ctx, a, eml)
		if err != nil {
			s.b.Log.Error("find message of report", "trace", s.trace, "error", err)
		}
		if ok {
			s.noteReport(a, original, told)
			s.attach(ctx, a, original, told, to, results)
		}
	}
}

// joinOwn notes a report of our own queue with the email submission that it is about.
func (s *session) joinOwn(ctx context.Context, ref blob.Ref, summary *message.Summary, to []store.DeliverTo, results []store.Delivered) {
	if s.queued.sub.Account != 0 || s.from != "" || !isReport(summary) {
		return
	}
	eml, err := s.b.Store.Blobs().Read(ctx, nil, ref, 0, maxReport)
	if err != nil {
		s.b.Log.Error("read report", "trace", s.trace, "error", err)
		return
	}
	report, err := message.ReadDSN(eml)
	if err != nil || !strings.EqualFold(report.ReportingMTA, s.b.Hostname) || len(report.Recipients) == 0 {
		return
	}
	if original, err := store.ParseTraceID(report.Recipients[0].LogID); err == nil {
		for i := range to {
			s.attach(ctx, to[i].Account, original, nil, to[i:i+1], results[i:i+1])
		}
	}
}

// attach notes a report that lies with an account, and what it tells of recipients, with the email submission of a
// trace, if the account has one.
func (s *session) attach(ctx context.Context, a store.AccountID, original store.TraceID, told []Bounced, to []store.DeliverTo, results []store.Delivered) {
	i := slices.IndexFunc(to, func(d store.DeliverTo) bool { return d.Account == a })
	if i < 0 || results[i].Err != nil || results[i].Mailbox == 0 {
		return
	}
	var failed []store.SubmissionRecipient
	for _, b := range told {
		if b.Decision.Action == cause.ActionRefuse {
			failed = append(failed, store.SubmissionRecipient{
				Address: b.To, State: store.Failed, Cause: b.Decision.Cause, Host: b.Host, Reply: b.Reply, Last: s.b.Store.Now(),
			})
		}
	}
	if err := s.b.Store.NoteReport(ctx, a, original, results[i].Mailbox, results[i].UID, failed); err != nil {
		s.b.Log.Error("note report", "trace", s.trace, "about", original, "error", err)
	}
}

// isReport reports whether a message has a part that tells what became of another (RFC 3464).
func isReport(summary *message.Summary) bool {
	for i := range summary.Parts {
		p := &summary.Parts[i]
		if p.Type == "message" && (p.Subtype == "delivery-status" || p.Subtype == "global-delivery-status") {
			return true
		}
	}
	return false
}

// reportedTo are the accounts that get the report; 0 is the service, for messages that were passed on.
func (s *session) reportedTo() (all []store.AccountID) {
	for i := range s.local {
		for j := range s.local[i].accounts {
			all = append(all, s.local[i].accounts[j].ID)
		}
	}
	if len(s.forward.to) > 0 {
		all = append(all, 0)
	}
	return all
}

// reportedOn finds the message of an account that a report is about: by the trace that this server
// left in its Received field, else by its Message-ID.
func (s *session) reportedOn(ctx context.Context, a store.AccountID, eml []byte) (store.TraceID, bool, error) {
	report, err := message.ReadDSN(eml)
	if err != nil {
		return store.TraceID{}, false, nil
	}
	for _, id := range tracesIn(report.OriginalHeader, s.b.Hostname) {
		found, err := s.sentBy(ctx, a, id.Time().Add(-time.Second), id.Time().Add(time.Minute), func(e *store.Event) bool { return e.Trace == id })
		if err != nil || !found.IsZero() {
			return found, err == nil, err
		}
	}
	if report.OriginalMessageID == "" {
		return store.TraceID{}, false, nil
	}
	const age = 7 * 24 * time.Hour // no server tries longer
	now := s.b.Store.Now()
	found, err := s.sentBy(ctx, a, now.Add(-age), now, func(e *store.Event) bool {
		return strings.Trim(e.Field("message-id"), "<>") == report.OriginalMessageID
	})
	return found, err == nil && !found.IsZero(), err
}

// received finds the host and the id of a Received field as this server writes it.
var received = regexp.MustCompile(`\bby (\S+) with .*\bid (\w+)`)

// tracesIn are the traces that a host has left in a header.
func tracesIn(header []byte, host string) (ids []store.TraceID) {
	for f := range message.HeaderFields(header) {
		if !strings.EqualFold(string(f.Name), "Received") {
			continue
		}
		text := strings.Join(strings.Fields(string(f.Value())), " ")
		parts := received.FindStringSubmatch(text)
		if parts == nil || !strings.EqualFold(parts[1], host) {
			continue
		}
		if id, err := store.ParseTraceID(parts[2]); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// maxLooked bounds how many events are looked at for one report.
const maxLooked = 20_000

// sentBy returns the trace of the first message sent by an account in a time that fits.
func (s *session) sentBy(ctx context.Context, a store.AccountID, from, to time.Time, fits func(*store.Event) bool) (id store.TraceID, err error) {
	looked, enough := 0, errors.New("enough")
	err = s.b.Store.Events(ctx, a, from, to, func(e *store.Event) error {
		looked++
		if fits(e) && s.isSent(ctx, a, e) {
			id = e.Trace
		}
		if !id.IsZero() || looked >= maxLooked {
			return enough
		}
		return nil
	})
	if errors.Is(err, enough) {
		err = nil
	}
	return id, err
}

// isSent tells whether an event of an account is that of a message which the account sent: what was taken for recipients elsewhere,
// passed on, or taken for recipients here from who had signed in (RFC 3848), who have the same event.
func (s *session) isSent(ctx context.Context, a store.AccountID, e *store.Event) bool {
	switch e.Kind {
	case journal.MessageQueued, journal.MessageForwarded:
		return true
	case journal.MessageAccepted:
		if protocol := e.Field("protocol"); protocol != "JMAP" && !strings.HasSuffix(protocol, "A") {
			return false
		}
		sender, err := s.b.Store.Resolve(ctx, e.Field("from"))
		return err == nil && slices.ContainsFunc(sender.Accounts, func(one store.Account) bool { return one.ID == a })
	}
	return false
}

// noteReport leaves the events.
func (s *session) noteReport(a store.AccountID, original store.TraceID, told []Bounced) {
	for i := range told {
		b := &told[i]
		kind := journal.MessageBounced
		if b.Decision.Action == cause.ActionWait {
			kind = journal.MessageDeferred
		}
		e := store.Event{Time: s.b.Store.Now(), Trace: original, Account: a, Kind: kind}
		for _, f := range []store.Field{{Name: "to", Value: b.To}, {Name: "host", Value: b.Host}, {Name: "reply", Value: b.Reply}, {Name: "report", Value: s.trace.String()}} {
			if f.Value != "" {
				e.Fields = append(e.Fields, f)
			}
		}
		e.SetDecision(b.Decision)
		s.b.Journal.Record(e)
	}
}
