package inbound

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/inbound/genuine"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/junk"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/protocol/smtpd"
	"github.com/postiljon/postiljon/internal/signature"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/blob"
)

// spoolSize is the size in octets up to which a message stays in memory; a
// larger one goes to the blob store as it arrives.
const spoolSize = 256 << 10

// content is a message on its way in. A submission is read once, as it arrives: by the
// scanner for its summary, and into memory or the blob store. Of mail from other servers it is
// known only at its end what this server writes in front of it: the scanner reads it then.
type content struct {
	s       *session
	scanner *message.Scanner
	buffer  *[]byte
	spool   blob.Writer // after spoolSize
	file    *os.File    // after spoolSize, of mail from another server: it is copied behind what is written in front of it
	size    int64
	hops    hopCounter
	// opening holds what came until the first line is whole, opened is set then.
	opening []byte
	opened  bool
	// header holds what came of a submission until its header is whole and what
	// it lacks can be added; nil afterwards and for mail from other servers.
	header []byte
	// whole is mail from another server as it is kept, if it is in memory.
	whole []byte
	// ref is where the message is durable, "" before it is; reading is it when somebody has opened it.
	ref     blob.Ref
	reading blob.Blob
	// summary is known at the end.
	summary *message.Summary
	// told is set when the journal has why the message is refused.
	told bool
}

// headroom is kept free in front of mail from other servers for the fields that this server adds.
const headroom = 4 << 10

// Data begins the content: that of a submission with the trace fields that this server adds.
func (s *session) Data(ctx context.Context) (smtpd.Message, cause.Decision) {
	m := &content{
		s:       s,
		scanner: s.b.scanners.Get().(*message.Scanner),
		buffer:  s.b.buffers.Get().(*[]byte),
	}
	m.scanner.Reset()
	if s.account == nil {
		*m.buffer = append(*m.buffer, make([]byte, headroom)...)
		return m, cause.Allow()
	}
	m.header = make([]byte, 0, 4<<10)
	if err := m.put(s.traceFields(nil)); err != nil {
		m.drop()
		return nil, s.b.storeTrouble("begin message", err)
	}
	return m, cause.Allow()
}

// Write takes content as it arrives.
func (m *content) Write(p []byte) (int, error) {
	if m.size += int64(len(p)); m.size > m.s.b.MaxSize {
		return 0, &smtpd.Refused{Decision: m.s.b.tooLarge(m.size)}
	}
	if m.hops.Write(p); m.hops.count > m.s.b.MaxHops {
		return 0, &smtpd.Refused{Decision: cause.Refuse(cause.RulesLoop, cause.Count("hops", int64(m.hops.count)))}
	}
	if err := m.begin(p); err != nil {
		return 0, &smtpd.Refused{Decision: m.s.b.storeTrouble("spool message", err), Err: err}
	}
	return len(p), nil
}

func (m *content) put(p []byte) (err error) {
	if m.s.account != nil {
		if _, err := m.scanner.Write(p); err != nil {
			return err
		}
	}
	switch {
	case m.spool != nil:
		_, err := m.spool.Write(p)
		return err
	case m.file != nil:
		_, err := m.file.Write(p)
		return err
	}
	if *m.buffer = append(*m.buffer, p...); len(*m.buffer) <= spoolSize {
		return nil
	}
	if m.s.account == nil {
		return m.toFile()
	}
	if m.spool, err = m.s.b.Store.Blobs().Create(context.Background()); err != nil {
		return err
	}
	_, err = m.spool.Write(*m.buffer)
	m.free()
	return err
}

// toFile puts what came of mail from another server into a file that nobody else sees, and that is gone with the message.
func (m *content) toFile() (err error) {
	if m.file, err = os.CreateTemp(m.s.b.SpoolDir, "incoming-"); err != nil {
		return fmt.Errorf("inbound: spool: %w", err)
	}
	if err := os.Remove(m.file.Name()); err != nil {
		return fmt.Errorf("inbound: spool: %w", err)
	}
	_, err = m.file.Write((*m.buffer)[headroom:])
	m.free()
	return err
}

// free gives the buffer back, unless it has grown beyond what is usual.
func (m *content) free() {
	if m.buffer != nil && cap(*m.buffer) <= 64<<10 {
		*m.buffer = (*m.buffer)[:0]
		m.s.b.buffers.Put(m.buffer)
	}
	m.buffer = nil
}

// Abort drops a message; why it is refused is told to those who would have got it.
func (m *content) Abort(d cause.Decision) {
	if !d.Allowed() {
		m.tell(d)
	}
	m.drop()
}

// drop gives back what a message holds.
func (m *content) drop() {
	if m.spool != nil {
		m.spool.Abort()
	}
	if m.file != nil {
		m.file.Close() // nothing of it is kept
	}
	if m.reading != nil {
		m.reading.Close() // it was only read
	}
	m.free()
	m.s.b.scanners.Put(m.scanner)
}

// Commit makes the message durable and places it.
func (m *content) Commit(ctx context.Context) (smtpd.Receipt, cause.Decision) {
	s := m.s
	defer m.drop()
	receipt := smtpd.Receipt{Trace: s.trace.String()}
	if !m.opened { // not one whole line
		if err := m.open(m.opening); err != nil {
			return receipt, s.b.storeTrouble("spool message", err)
		}
	}
	if m.header != nil { // it never ended
		if err := m.flushHeader(); err != nil {
			return receipt, s.b.storeTrouble("spool message", err)
		}
	}
	d := m.receive(ctx)
	if d.Allowed() {
		m.summary = m.scanner.Finish()
		if d = s.decideContent(ctx, m.summary); d.Allowed() {
			d = m.send(ctx, m.summary)
		}
	}
	if !d.Allowed() {
		m.tell(d)
	}
	return receipt, d
}

// decideContent asks what can only be known of the whole message.
func (s *session) decideContent(ctx context.Context, m *message.Summary) cause.Decision {
	if s.account == nil {
		return cause.Allow()
	}
	// RFC 6409 section 6.1: what a person sends carries an address of the person.
	var authors []string
	for _, from := range slices.Concat(m.From, m.Sender) {
		authors = append(authors, from.Email)
	}
	if d := s.ownsAll(ctx, authors); !d.Allowed() {
		return d
	}
	return s.precheckContent(ctx, m)
}

// ownsAll decides whether the account that signed in may send from all of some addresses.
func (s *session) ownsAll(ctx context.Context, addresses []string) cause.Decision {
	for _, one := range addresses {
		if d := s.owns(ctx, one); !d.Allowed() {
			return d
		}
	}
	return cause.Allow()
}

func (s *session) firstRecipient() string {
	if len(s.local) > 0 {
		return s.local[0].address
	}
	if len(s.remote) > 0 {
		return s.remote[0].Address
	}
	if len(s.forward.by) > 0 {
		return s.forward.by[0]
	}
	return ""
}

// send counts the recipients against the sender's limits, and commits.
func (m *content) send(ctx context.Context, summary *message.Summary) cause.Decision {
	s := m.s
	if s.account == nil {
		return m.commit(ctx, summary)
	}
	undo, d := s.b.Policy.Send(ctx, s.account, s.recipients)
	if !d.Allowed() {
		return d
	}
	if d = m.commit(ctx, summary); !d.Allowed() {
		undo()
	}
	return d
}

func (m *content) commit(ctx context.Context, summary *message.Summary) cause.Decision {
	s := m.s
	verdicts, d := m.filter(ctx, summary)
	if !d.Allowed() {
		return d
	}
	if err := m.store(ctx); err != nil {
		return s.b.storeTrouble("store message", err)
	}
	ref, now := m.ref, s.b.Store.Now()
	delivery := store.Delivery{ID: s.deliveryID(), Email: store.NewEmail{Blob: ref, Summary: summary, Received: now, Arrived: true}}
	recipients := s.places(now, summary, verdicts)
	rejected, d := m.obey(ctx, delivery.Email, recipients)
	if !d.Allowed() {
		return d
	}
	for i := range recipients {
		delivery.Recipients = append(delivery.Recipients, recipients[i].DeliverTo)
	}
	if s.account != nil {
		delivery.Sender, delivery.SenderEvents, delivery.SentTo = s.account.ID, s.sentEvents(now, summary), s.everybody()
	}
	if len(s.remote) > 0 || s.handed != nil {
		delivery.Submission = s.submission(now, ref, summary)
		if s.handed != nil {
			delivery.Submission, delivery.Departs = s.departing(delivery.Submission), true
		}
		s.b.Queue.Prepare(delivery.Submission)
	} else if trouble := m.passOn(ctx, &delivery, summary); !trouble.Allowed() {
		return trouble
	}
	results, err := s.b.Store.Deliver(ctx, delivery)
	if err != nil {
		return s.b.storeTrouble("queue message", err)
	}
	s.notify(delivery.Recipients, results)
	if trouble := s.settle(ctx, delivery, results, rejected); !trouble.Allowed() {
		return trouble
	}
	if delivery.Submission != nil && s.handed == nil { // who lets it depart goes on with it
		s.b.Queue.Notify(delivery.Submission)
	}
	s.joinReport(ctx, ref, summary, delivery.Recipients, results)
	return cause.Allow()
}

// deliveryID tells deliveries apart that may be tried again.
func (s *session) deliveryID() string {
	switch {
	case s.handed != nil:
		return "departs/" + s.trace.String()
	case s.queued != nil: // others may have passed on the same message
		return fmt.Sprintf("out/%s/%d", s.trace, s.queued.sub.Account)
	}
	return ""
}

// notify tells the queue of what rules of the recipients send.
func (s *session) notify(to []store.DeliverTo, results []store.Delivered) {
	for i := range results {
		if results[i].Err != nil || results[i].Duplicate {
			continue
		}
		for _, sub := range to[i].Submissions {
			s.b.Queue.Notify(sub)
		}
	}
}

// store makes the message durable, once.
func (m *content) store(ctx context.Context) (err error) {
	switch {
	case m.ref != "":
	case m.spool != nil:
		m.ref, err = m.spool.Commit()
	case m.whole != nil:
		m.ref, err = m.s.b.Store.Blobs().Put(ctx, m.whole)
	default:
		m.ref, err = m.s.b.Store.Blobs().Put(ctx, *m.buffer)
	}
	return err
}

// recipient is an account that is to get a message, where, and by which address.
type recipient struct {
	store.DeliverTo
	account  *store.Account
	local    *localRecipient
	verdict  junk.Verdict
	rejected cause.Decision // by its rules
}

// places returns the accounts that get the message, each once.
func (s *session) places(now time.Time, summary *message.Summary, verdicts map[store.AccountID]junk.Verdict) []recipient {
	places := make([]recipient, 0, len(s.local))
	for i := range s.local {
		to := s.local[i].address
		for j := range s.local[i].accounts {
			a := &s.local[i].accounts[j]
			if a.Disabled || slices.ContainsFunc(places, func(p recipient) bool { return p.Account == a.ID }) {
				continue
			}
			place := store.DeliverTo{Account: a.ID, Role: store.RoleInbox, Events: make([]store.Event, 0, 2)}
			kind, mailbox := journal.MessageDelivered, "INBOX"
			verdict := verdicts[a.ID]
			if m := &s.local[i].mailbox; m.ID != 0 {
				place.Mailbox, mailbox = m.ID, m.Name
			} else if verdict.Junk {
				kind, place.Role, mailbox = journal.MessageFiledJunk, store.RoleJunk, "Junk"
			}
			if s.account == nil || s.account.ID != a.ID { // who writes to himself has it among the sent ones
				place.Events = append(place.Events, s.event(journal.MessageAccepted, now, to, summary))
			}
			delivered := store.Event{
				Time: now, Trace: s.trace, Kind: kind,
				Fields: append([]store.Field{{Name: "to", Value: to}, {Name: "mailbox", Value: mailbox}}, verdictFields(verdict)...),
			}
			if kind == journal.MessageFiledJunk {
				delivered.Cause = cause.JunkFiled
			}
			place.Events = append(place.Events, delivered)
			places = append(places, recipient{DeliverTo: place, account: a, local: &s.local[i], verdict: verdict})
		}
	}
	return places
}

// sentEvents tell the sender's journal that the message was taken, for each
// recipient here and elsewhere.
func (s *session) sentEvents(now time.Time, summary *message.Summary) []store.Event {
	events := make([]store.Event, 0, s.recipients)
	for i := range s.local {
		events = append(events, s.event(journal.MessageAccepted, now, s.local[i].address, summary))
	}
	for i := range s.remote {
		events = append(events, s.event(journal.MessageQueued, now, s.remote[i].Address, summary))
	}
	return events
}

// event tells of the message: whose it is, where it came from and how.
func (s *session) event(kind string, now time.Time, to string, summary *message.Summary) store.Event {
	e := store.Event{Time: now, Trace: s.trace, Kind: kind, Fields: make([]store.Field, 0, 9)}
	e.Fields = append(e.Fields, store.Field{Name: "from", Value: s.from}, store.Field{Name: "to", Value: to},
		store.Field{Name: "message-id", Value: summary.MessageID}, store.Field{Name: "subject", Value: summary.Subject},
		store.Field{Name: "size", Value: strconv.FormatInt(summary.Size, 10)})
	switch {
	case s.handed != nil:
		e.Fields = append(e.Fields, store.Field{Name: "protocol", Value: "JMAP"})
	case s.queued == nil:
		e.Fields = append(e.Fields, store.Field{Name: "remote", Value: s.c.Remote.Addr().String()},
			store.Field{Name: "helo", Value: s.c.Helo}, store.Field{Name: "protocol", Value: s.c.Protocol(s.mail.SMTPUTF8)})
	}
	if s.checked != nil {
		e.Fields = append(e.Fields, store.Field{Name: "genuine", Value: outcomes(s.checked)})
	}
	return e
}

// outcomes is what was found out about a message in few words.
func outcomes(r *genuine.Result) string {
	b := fmt.Appendf(nil, "spf=%s", r.SPF.Outcome)
	for _, d := range r.DKIM[:min(len(r.DKIM), 2)] {
		b = fmt.Appendf(b, " dkim=%s (%s)", d.Outcome, d.Domain)
	}
	b = fmt.Appendf(b, " dmarc=%s", r.DMARC.Outcome)
	if r.ARC.Outcome != signature.None {
		b = fmt.Appendf(b, " arc=%s", r.ARC.Outcome)
	}
	if r.Allowed {
		b = append(b, " allowed=recipient"...)
	}
	return string(b)
}

func (s *session) submission(now time.Time, ref blob.Ref, summary *message.Summary) *store.Submission {
	return &store.Submission{
		ID: s.trace, Account: s.account.ID, From: s.from, EnvID: s.mail.EnvID, Ret: s.mail.Ret,
		RequireTLS: s.mail.RequireTLS, SMTPUTF8: s.mail.SMTPUTF8, Body: bodyText(s.mail.Body),
		MessageID: summary.MessageID, Blob: ref, Size: summary.Size, Created: now, Recipients: s.remote,
	}
}

// settle looks at what became of each recipient here. If none could be reached
// the client hears why and may try again; if some could, the message is
// accepted and the sender is told of the others.
func (s *session) settle(ctx context.Context, d store.Delivery, results []store.Delivered, rejected map[store.AccountID]cause.Decision) cause.Decision {
	failed := map[store.AccountID]cause.Decision{}
	maps.Copy(failed, rejected)
	var last cause.Decision
	for i, r := range results {
		if r.Err != nil {
			last = s.deliveryTrouble(r.Err, d.Recipients[i].Account)
			failed[d.Recipients[i].Account] = last
		}
	}
	if len(failed) > 0 && len(failed) == len(results) && d.Submission == nil {
		return last
	}
	s.report(ctx, d.Email, failed)
	if s.handed != nil {
		s.amend(ctx, failed)
	}
	return cause.Allow()
}

func (s *session) deliveryTrouble(err error, a store.AccountID) cause.Decision {
	if store.KindOf(err) == store.KindOverQuota {
		s.about = a
		return cause.Wait(cause.QuotaMailboxFull, time.Time{})
	}
	if store.KindOf(err) == store.KindNotFound { // the account went away meanwhile
		return cause.Refuse(cause.RecipientUnknown)
	}
	return s.b.storeTrouble("deliver message", err)
}

// report tells the sender of recipients that failed after all, and of those
// reached where the sender asked for it (RFC 3461 section 4.1).
func (s *session) report(ctx context.Context, email store.NewEmail, failed map[store.AccountID]cause.Decision) {
	var recipients []store.SubmissionRecipient
	for i := range s.local {
		l := &s.local[i]
		if len(failed) == 0 && (l.notify&smtpd.NotifySuccess == 0 || s.queued != nil) { // the queue tells of its own
			continue
		}
		r := store.SubmissionRecipient{
			Address: l.address, ORcpt: l.orcpt, Notify: notifyText(l.notify), State: store.Placed, Last: email.Received,
		}
		for _, a := range l.accounts {
			if why, ok := failed[a.ID]; ok {
				r.State, r.Cause = store.Failed, why.Cause
				if reason := why.Text("reason"); reason != "" { // a report must tell it (RFC 5429 section 2.1.2)
					r.Host, r.Reply = s.b.Hostname, reason
				}
			}
		}
		recipients = append(recipients, r)
	}
	if s.from == "" || len(recipients) == 0 {
		return
	}
	sub := &store.Submission{
		ID: s.trace, From: s.from, EnvID: s.mail.EnvID, Ret: s.mail.Ret, MessageID: email.Summary.MessageID,
		Blob: email.Blob, Size: email.Summary.Size, Created: email.Received, Recipients: recipients,
	}
	if err := s.b.Queue.Report(ctx, sub); err != nil {
		s.b.Log.Error("sender not told of a delivery", "trace", s.trace, "error", err)
	}
}

// hopCounter counts the Received fields of a message as it streams by.
type hopCounter struct {
	count  int
	line   [len(receivedField)]byte // the beginning of the current line
	filled int
	inBody bool
}

const receivedField = "received:"

// Write takes the next octets of the message. It never fails.
func (h *hopCounter) Write(p []byte) (n int, err error) {
	n = len(p)
	for len(p) > 0 && !h.inBody {
		end := bytes.IndexByte(p, '\n')
		line, rest := p, []byte(nil)
		if end >= 0 {
			line, rest = p[:end], p[end+1:]
		}
		h.filled += copy(h.line[h.filled:], line)
		if end < 0 {
			return n, nil
		}
		start := string(h.line[:h.filled])
		h.inBody = strings.TrimRight(start, "\r") == ""
		if strings.EqualFold(start, receivedField) {
			h.count++
		}
		h.filled, p = 0, rest
	}
	return n, nil
}
