package inbound

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/protocol/smtpd"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/blob"
)

// spoolSize is the size in octets up to which a message stays in memory; a
// larger one goes to the blob store as it arrives.
const spoolSize = 256 << 10

// content is a message on its way in. It is read once, as it arrives: by the
// scanner for its summary, and into memory or the blob store.
type content struct {
	s       *session
	scanner *message.Scanner
	buffer  *[]byte
	spool   blob.Writer // after spoolSize
	size    int64
	hops    hopCounter
	// opening holds what came until the first line is whole, opened is set then.
	opening []byte
	opened  bool
	// header holds what came of a submission until its header is whole and what
	// it lacks can be added; nil afterwards and for mail from other servers.
	header []byte
}

// Data begins the content with the trace fields that this server adds.
func (s *session) Data(ctx context.Context) (smtpd.Message, cause.Decision) {
	m := &content{
		s:       s,
		scanner: s.b.scanners.Get().(*message.Scanner),
		buffer:  s.b.buffers.Get().(*[]byte),
	}
	m.scanner.Reset()
	if s.account != nil {
		m.header = make([]byte, 0, 4<<10)
	}
	if err := m.put(s.traceFields()); err != nil {
		m.Abort()
		return nil, s.b.storeTrouble("begin message", err)
	}
	return m, cause.Allow()
}

// traceFields are Return-Path and Received (RFC 5321 section 4.4). A message to
// several recipients is stored once, so it names a recipient only if there is
// one: nobody learns of blind copies.
func (s *session) traceFields() []byte {
	r := message.Received{
		HELO: s.c.Helo, IP: s.c.Remote.Addr(), By: s.b.Hostname, Protocol: s.c.Protocol(s.mail.SMTPUTF8),
		TLS: tlsText(s.c.TLS), ID: s.trace.String(), Date: s.b.Store.Now(),
	}
	if len(s.local) == 1 && len(s.remote) == 0 {
		r.For = s.local[0].to
	}
	var b []byte
	if len(s.remote) == 0 {
		b = fmt.Appendf(b, "Return-Path: <%s>\r\n", s.from)
	}
	return r.AppendTo(b)
}

func tlsText(t *tls.ConnectionState) string {
	if t == nil {
		return ""
	}
	return tls.VersionName(t.Version) + " " + tls.CipherSuiteName(t.CipherSuite)
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

// begin waits for the first line of the content; from then on all passes as it is.
func (m *content) begin(p []byte) error {
	switch {
	case m.opened:
		return m.complete(p)
	case len(m.opening) == 0 && bytes.IndexByte(p, '\n') >= 0: // as nearly always
		return m.open(p)
	}
	m.opening = append(m.opening, p...)
	if bytes.IndexByte(p, '\n') < 0 && len(m.opening) < maxOpening {
		return nil
	}
	return m.open(m.opening)
}

// maxOpening is the longest line of RFC 5322 section 2.1.1: a longer one is no header field that
// anybody can read.
const maxOpening = 1000

// open takes the beginning of the content. Text without a header, as people who test send it, is set
// apart from the fields that stand before it now (RFC 5322 section 3.5): it would be taken for them.
func (m *content) open(start []byte) error {
	m.opened, m.opening = true, nil
	if !hasHeader(start) {
		if err := m.complete([]byte("\r\n")); err != nil {
			return err
		}
	}
	return m.complete(start)
}

// hasHeader tells by its first line whether content begins with a header, be it empty. The line
// that mbox files put before a header is often sent along.
func hasHeader(content []byte) bool {
	line, _, _ := bytes.Cut(content, []byte("\n"))
	if len(bytes.TrimRight(line, "\r")) == 0 || bytes.HasPrefix(line, []byte("From ")) || bytes.HasPrefix(line, []byte(">From ")) {
		return true
	}
	for f := range message.HeaderFields(line) {
		return len(f.Name) > 0
	}
	return false
}

// complete adds to the header of a submission what it lacks (RFC 6409 section
// 8); all else passes as it is.
func (m *content) complete(p []byte) error {
	if m.header == nil {
		return m.put(p)
	}
	m.header = append(m.header, p...)
	end := bytes.Index(m.header, []byte("\r\n\r\n"))
	if end < 0 && !bytes.HasPrefix(m.header, []byte("\r\n")) && len(m.header) < spoolSize {
		return nil
	}
	return m.flushHeader()
}

func (m *content) flushHeader() error {
	header := m.header
	m.header = nil
	if err := m.put(m.s.missingFields(header)); err != nil {
		return err
	}
	return m.put(header)
}

// missingFields returns the Date and Message-ID fields that a submission lacks.
func (s *session) missingFields(header []byte) (b []byte) {
	var date, id bool
	for f := range message.HeaderFields(header) {
		date = date || strings.EqualFold(string(f.Name), "Date")
		id = id || strings.EqualFold(string(f.Name), "Message-ID")
	}
	if !date {
		b = fmt.Appendf(b, "Date: %s\r\n", message.FormatDate(s.b.Store.Now()))
	}
	if !id {
		b = fmt.Appendf(b, "Message-ID: <%s@%s>\r\n", s.trace, s.account.Domain())
	}
	return b
}

func (m *content) put(p []byte) (err error) {
	if _, err := m.scanner.Write(p); err != nil {
		return err
	}
	if m.spool != nil {
		_, err := m.spool.Write(p)
		return err
	}
	if *m.buffer = append(*m.buffer, p...); len(*m.buffer) <= spoolSize {
		return nil
	}
	if m.spool, err = m.s.b.Store.Blobs().Create(context.Background()); err != nil {
		return err
	}
	_, err = m.spool.Write(*m.buffer)
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

// Abort drops what was written.
func (m *content) Abort() {
	if m.spool != nil {
		m.spool.Abort()
	}
	m.free()
	m.s.b.scanners.Put(m.scanner)
}

// Commit makes the message durable and places it.
func (m *content) Commit(ctx context.Context) (smtpd.Receipt, cause.Decision) {
	s := m.s
	defer m.Abort()
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
	summary := m.scanner.Finish()
	d := s.decideContent(ctx, summary)
	if d.Allowed() {
		d = m.send(ctx, summary)
	}
	if !d.Allowed() {
		s.refused(journal.MessageRefused, s.firstRecipient(), d)
	}
	return receipt, d
}

// decideContent asks what can only be known of the whole message.
func (s *session) decideContent(ctx context.Context, m *message.Summary) cause.Decision {
	if s.account == nil {
		return cause.Allow()
	}
	// RFC 6409 section 6.1: what a person sends carries an address of the person.
	for _, from := range slices.Concat(m.From, m.Sender) {
		if d := s.owns(ctx, from.Email); !d.Allowed() {
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
	ref, err := m.store(ctx)
	if err != nil {
		return s.b.storeTrouble("store message", err)
	}
	now := s.b.Store.Now()
	d := store.Delivery{
		Email:      store.NewEmail{Blob: ref, Summary: summary, Received: now},
		Recipients: s.places(now, summary),
	}
	if s.account != nil {
		d.Sender, d.SenderEvents = s.account.ID, s.sentEvents(now, summary)
	}
	if len(s.remote) > 0 {
		d.Submission = s.submission(now, ref, summary)
		s.b.Queue.Prepare(d.Submission)
	}
	results, err := s.b.Store.Deliver(ctx, d)
	if err != nil {
		return s.b.storeTrouble("queue message", err)
	}
	if trouble := s.settle(ctx, d, results); !trouble.Allowed() {
		return trouble
	}
	if d.Submission != nil {
		s.b.Queue.Notify(d.Submission)
	}
	return cause.Allow()
}

func (m *content) store(ctx context.Context) (blob.Ref, error) {
	if m.spool != nil {
		return m.spool.Commit()
	}
	return m.s.b.Store.Blobs().Put(ctx, *m.buffer)
}

// places returns the accounts that get the message, each once.
func (s *session) places(now time.Time, summary *message.Summary) []store.DeliverTo {
	places := make([]store.DeliverTo, 0, len(s.local))
	for i := range s.local {
		to := s.local[i].address
		for j := range s.local[i].accounts {
			a := &s.local[i].accounts[j]
			if a.Disabled || slices.ContainsFunc(places, func(p store.DeliverTo) bool { return p.Account == a.ID }) {
				continue
			}
			place := store.DeliverTo{Account: a.ID, Role: store.RoleInbox, Events: make([]store.Event, 0, 2)}
			mailbox := "INBOX"
			if m := &s.local[i].mailbox; m.ID != 0 {
				place.Mailbox, mailbox = m.ID, m.Name
			}
			if s.account == nil || s.account.ID != a.ID { // who writes to himself has it among the sent ones
				place.Events = append(place.Events, s.event(journal.MessageAccepted, now, to, summary))
			}
			place.Events = append(place.Events, store.Event{
				Time: now, Trace: s.trace, Kind: journal.MessageDelivered,
				Fields: []store.Field{{Name: "to", Value: to}, {Name: "mailbox", Value: mailbox}},
			})
			places = append(places, place)
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
	return store.Event{Time: now, Trace: s.trace, Kind: kind, Fields: []store.Field{
		{Name: "from", Value: s.from}, {Name: "to", Value: to},
		{Name: "message-id", Value: summary.MessageID}, {Name: "subject", Value: summary.Subject},
		{Name: "size", Value: strconv.FormatInt(summary.Size, 10)},
		{Name: "remote", Value: s.c.Remote.Addr().String()}, {Name: "helo", Value: s.c.Helo},
		{Name: "protocol", Value: s.c.Protocol(s.mail.SMTPUTF8)},
	}}
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
func (s *session) settle(ctx context.Context, d store.Delivery, results []store.Delivered) cause.Decision {
	failed := map[store.AccountID]cause.Decision{}
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
	sub := &store.Submission{
		ID: s.trace, From: s.from, EnvID: s.mail.EnvID, Ret: s.mail.Ret, MessageID: email.Summary.MessageID,
		Blob: email.Blob, Size: email.Summary.Size, Created: email.Received,
	}
	for i := range s.local {
		l := &s.local[i]
		if len(failed) == 0 && l.notify&smtpd.NotifySuccess == 0 {
			continue
		}
		r := store.SubmissionRecipient{
			Address: l.address, ORcpt: l.orcpt, Notify: notifyText(l.notify), State: store.Placed, Last: email.Received,
		}
		for _, a := range l.accounts {
			if why, ok := failed[a.ID]; ok {
				r.State, r.Cause = store.Failed, why.Cause
			}
		}
		sub.Recipients = append(sub.Recipients, r)
	}
	if s.from == "" || len(sub.Recipients) == 0 {
		return
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

// Write takes the next octets of the message.
func (h *hopCounter) Write(p []byte) {
	for len(p) > 0 && !h.inBody {
		end := bytes.IndexByte(p, '\n')
		line, rest := p, []byte(nil)
		if end >= 0 {
			line, rest = p[:end], p[end+1:]
		}
		h.filled += copy(h.line[h.filled:], line)
		if end < 0 {
			return
		}
		start := string(h.line[:h.filled])
		h.inBody = strings.TrimRight(start, "\r") == ""
		if strings.EqualFold(start, receivedField) {
			h.count++
		}
		h.filled, p = 0, rest
	}
}
