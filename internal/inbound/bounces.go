package inbound

import (
	"context"
	"errors"
	"regexp"
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
// about. It never stands in the way of the report itself.
func (s *session) joinReport(ctx context.Context, ref blob.Ref, summary *message.Summary) {
	if s.queued != nil { // the queue noted what it reports, and others' reports were read when they came
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
		}
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
		sent := e.Kind == journal.MessageQueued || e.Kind == journal.MessageForwarded
		if sent && fits(e) {
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
