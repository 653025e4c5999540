package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store/blob"
	"github.com/postiljon/postiljon/internal/store/kv"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// VerifyOptions says how much Verify looks at.
type VerifyOptions struct {
	// Bodies reads every message, compares its checksum, and makes its summary
	// anew to compare it with the stored one.
	Bodies bool
	// Progress, if not nil, is called now and then with what was looked at.
	Progress func(VerifyReport)
}

// VerifyReport is what Verify found.
type VerifyReport struct {
	Accounts, Mailboxes, Placements, Emails, Submissions, Events, Files int64
	Octets                                                              int64     // of messages read
	Problems                                                            []Problem // the first maxProblems
	Found                                                               int64     // problems in all
}

// Problem is one fact that does not agree with another.
type Problem struct {
	Account AccountID
	Text    string
}

const maxProblems = 1000

// progressStep is after how many records or messages progress is told.
const progressStep = 64

// Verify rebuilds everything that can be derived and compares it with what is
// stored: indexes, counters and summaries against placements, emails and blobs.
// Each account is looked at as it was at one moment, while the service runs;
// nothing is collected meanwhile.
func (s *Store) Verify(ctx context.Context, o VerifyOptions) (VerifyReport, error) {
	defer s.blobs.Hold()()
	v := &verifier{s: s, ctx: ctx, o: o}
	known := map[AccountID]bool{AccountID(kv.System): true}
	accounts, err := s.Accounts(ctx, "")
	if err := v.unreadable("directory", err); err != nil {
		return v.report, wrap("verify", err)
	}
	for _, a := range accounts {
		known[a.ID] = true
		v.account = a.ID
		if rec, err := s.addressRecord(ctx, a.Address); err != nil || rec.Account != a.ID {
			v.problem("address %s does not lead to its account", a.Address)
		}
	}
	if v.whole, err = s.mentionedUntil(ctx); err != nil {
		return v.report, wrap("verify", err)
	}
	err = s.records.Accounts(ctx, func(a kv.Account) error {
		v.account = AccountID(a)
		if !known[v.account] {
			// An account that was created meanwhile is no problem, nor is one that goes.
			if _, err := s.Account(ctx, v.account); KindOf(err) == KindNotFound && !v.leaves(v.account) {
				v.problem("records of an account that is not in the directory")
			}
		}
		if err := v.unreadable("records", s.records.View(ctx, a, v.verify)); err != nil {
			return err
		}
		return v.unreadable("table of Message-IDs", s.records.View(ctx, kv.System, v.mentions))
	})
	v.account = AccountID(kv.System)
	return v.report, wrap("verify", v.unreadable("list of accounts", err))
}

// leaves reports whether the account is being deleted, or will be at the next start.
func (v *verifier) leaves(a AccountID) bool {
	left, err := v.s.leaving(v.ctx)
	return err == nil && slices.Contains(left, a)
}

// gone reports whether the account was deleted meanwhile, or its deletion was broken off.
func (v *verifier) gone() bool {
	_, err := v.s.Account(v.ctx, v.account)
	return v.account != AccountID(kv.System) && KindOf(err) == KindNotFound
}

// unreadable makes a problem of an error of reading, so that the check goes on
// behind what is damaged. What ends the check is returned.
func (v *verifier) unreadable(what string, err error) error {
	if err == nil || v.ctx.Err() != nil || errors.Is(err, kv.ErrClosed) || errors.Is(err, blob.ErrClosed) {
		return err
	}
	v.problem("the %s cannot be read: %v", what, err)
	return nil
}

type verifier struct {
	s       *Store
	ctx     context.Context
	o       VerifyOptions
	r       kv.Reader
	account AccountID
	head    head
	report  VerifyReport

	whole     time.Time // up to when the table of mentions should have all
	mentioned []mention // what the account's events mention
}

func (v *verifier) problem(format string, args ...any) {
	if v.report.Found++; v.report.Found <= maxProblems {
		v.report.Problems = append(v.report.Problems, Problem{v.account, fmt.Sprintf(format, args...)})
	}
}

// step tells of progress and ends the walk when the caller has had enough.
func (v *verifier) step(n *int64) error {
	if *n++; *n%progressStep == 0 {
		v.tell()
		return v.ctx.Err()
	}
	return nil
}

func (v *verifier) tell() {
	if v.o.Progress != nil {
		v.o.Progress(v.report)
	}
}

// verify looks at one account.
func (v *verifier) verify(r kv.Reader) error {
	v.r = r
	checks := []func() error{v.events, v.submissions, v.due, v.reports}
	if v.account == AccountID(kv.System) {
		checks = append(checks, v.hints, v.mentionKeys)
	} else {
		v.report.Accounts++
		var err error
		if v.head, err = readHead(r); err != nil {
			v.problem("the account's head: %v", err)
			return nil
		}
		checks = append(checks, v.mailboxes, v.emails, v.names, v.locations, v.credentials, v.annotations, v.grants, v.outbox, v.scripts, v.webSessions, v.factors, v.files, v.contacts, v.jobs, v.handed, v.identities,
			v.push, v.uploads, v.allowed)
	}
	for _, check := range checks {
		if err := v.unreadable("records", check()); err != nil {
			return err
		}
	}
	v.tell()
	return nil
}

func (v *verifier) scan(t key, fn func(k, b []byte) error) error { return scan(v.r, t, t.after(), fn) }

func (v *verifier) events() error {
	return v.scan(table(tableEvent), func(k, b []byte) error {
		e, err := decodeEvent(v.account, k, b)
		if err != nil {
			v.problem("event %x: %v", k, err)
		} else if e.Time.Before(v.whole) {
			v.mentioned = mentionsOf(v.mentioned, v.account, e)
		}
		return v.step(&v.report.Events)
	})
}

// mentions looks whether what the events of an account mention is in the service's table; of days that were forgotten
// meanwhile there is nothing.
func (v *verifier) mentions(r kv.Reader) error {
	list := v.mentioned
	v.mentioned = nil
	first, _, err := mentionDays(r, time.Time{}, time.Time{})
	if err != nil {
		return err
	}
	for _, m := range list {
		if m.day < first && first != noMentions {
			continue
		}
		if _, ok, err := r.Get(m.key()); err != nil {
			return err
		} else if !ok && v.gone() {
			break // its mentions go before its events
		} else if !ok {
			v.problem("an event of %s cannot be found by its Message-ID", m.start().UTC().Format(time.DateOnly))
		}
	}
	return v.ctx.Err()
}

func (v *verifier) mentionKeys() error {
	return v.scan(table(tableMention), func(k, _ []byte) error {
		if _, err := readMention(k); err != nil && len(k) != len(mentionMark()) {
			v.problem("mention %x: %v", k, err)
		}
		return v.ctx.Err()
	})
}

func (v *verifier) submissions() error {
	return v.scan(table(tableSubmission), func(k, b []byte) error {
		sub, err := decodeSubmission(v.account, k, b)
		if err != nil {
			v.problem("submission %x: %v", k, err)
		} else if err := v.unreadable("message of submission "+sub.ID.String(), v.s.blobs.Check(v.ctx, sub.Blob)); err != nil {
			return err
		}
		return v.step(&v.report.Submissions)
	})
}

func (v *verifier) reports() error {
	return v.scan(table(tableReport), func(k, b []byte) error {
		if len(k) != len(reportKey(TraceID{})) || len(b) == 0 || len(b) > MaxReport {
			v.problem("report %x of %d octets", k, len(b))
		}
		return nil
	})
}

func (v *verifier) credentials() error {
	return v.scan(table(tableCredential), func(k, b []byte) error {
		if err := json.Unmarshal(b, &Credential{}); err != nil {
			v.problem("credential %q: %v", k[1:], err)
		}
		return nil
	})
}

// names compares the table of names with the mailboxes.
func (v *verifier) names() error {
	return v.scan(table(tableName), func(k, b []byte) error {
		name := string(k[1:])
		if m, err := readByName(v.r, name); err != nil || m.name != name {
			v.problem("mailbox name %q leads nowhere: %v", name, err)
		}
		return nil
	})
}

func (v *verifier) mailboxes() error {
	inbox := false
	err := v.scan(table(tableMailbox), func(k, b []byte) error {
		m, err := decodeMailbox(MailboxID(tail32(k)), b)
		if err != nil {
			v.problem("mailbox %x: %v", k, err)
			return nil
		}
		inbox = inbox || m.id == InboxID
		if n, err := readByName(v.r, m.name); err != nil || n.id != m.id {
			v.problem("mailbox %q cannot be found by its name: %v", m.name, err)
		}
		v.report.Mailboxes++
		return v.mailbox(m)
	})
	if !inbox {
		v.problem("INBOX is missing")
	}
	return err
}

// mailbox rebuilds a mailbox's counters and indexes from its placements.
func (v *verifier) mailbox(m *mailboxRecord) error {
	built := mailboxRecord{uidNext: 1}
	var uids uid.Set
	err := eachPlacement(v.ctx, v.r, m.id, uid.All(), func(p *Placement) error {
		uids = uids.Add(p.UID)
		built.count(p, 1)
		built.uidNext = p.UID + 1
		built.highestModSeq = max(built.highestModSeq, p.ModSeq)
		v.placement(m, p)
		return v.step(&v.report.Placements)
	})
	if errors.Is(err, errDamaged) {
		v.problem("mailbox %q: %v", m.name, err)
		return nil
	}
	if err != nil {
		return err
	}
	v.compareMailbox(m, &built)
	if err := v.index(m, uids); err != nil {
		return err
	}
	if err := v.changes(m, built.messages); err != nil {
		return err
	}
	if err := v.prepared(m); err != nil {
		return err
	}
	return v.vanished(m, uids)
}

// prepared compares what is stored of flags, dates and emails at a glance with the messages.
func (v *verifier) prepared(m *mailboxRecord) error {
	flags, err := storedFlagSets(v.r, m)
	if err != nil {
		return err
	}
	dates, err := storedDates(v.r, m)
	if err != nil {
		return err
	}
	places, err := storedPlaces(v.r, m)
	if err != nil {
		return err
	}
	if flags == nil && len(dates.chunks) == 0 && len(places.chunks) == 0 {
		return v.orders(m)
	}
	var other uid.Set
	err = eachMessage(v.ctx, v.r, m.id, uid.All(), func(msg *Message) error {
		same := flags == nil || msg.ModSeq > flags.modSeq || flags.flagsOf(msg.UID) == msg.Flags
		if d, ok := dates.of(msg.UID); ok {
			same = same && d == DatesOf(&msg.Email)
		}
		if e, ok := places.of(msg.UID); ok || msg.UID < places.next {
			same = same && e == msg.Email.ID
		}
		if !same {
			other = other.Add(msg.UID)
		}
		return nil
	})
	if err == nil {
		err = v.orders(m)
	}
	if !other.Empty() {
		v.problem("mailbox %q has other flags, dates or emails of UIDs %s at a glance: 'postiljon index rebuild' makes them anew", m.name, other)
	}
	if errors.Is(err, errDamaged) {
		return nil // an email that is not there, which is told elsewhere
	}
	return err
}

// orders looks whether the orders that are stored of a mailbox can be read. Those of another form are made anew once
// they are asked for.
func (v *verifier) orders(m *mailboxRecord) error {
	stored, err := storedOrders(v.r, m.id, preparedOrder)
	for _, k := range stored {
		if err != nil {
			break
		}
		b, _, e := v.r.Get(append(key(nil), k...).chunk(0))
		if rec := (record{b: b}); e != nil || !rec.hasForm(orderForm, m.uidValidity) {
			err = e
			continue
		}
		var o *Order
		if o, err = storedOrder(v.r, m, k, ""); err == nil && o == nil {
			v.problem("mailbox %q has an order at a glance that cannot be read: 'postiljon index rebuild' drops it", m.name)
		}
	}
	return err
}

func (v *verifier) compareMailbox(m, built *mailboxRecord) {
	if m.messages != built.messages || m.unseen != built.unseen || m.deleted != built.deleted || m.size != built.size {
		v.problem("mailbox %q counts %d messages, %d unseen, %d deleted, %d octets; it has %d, %d, %d, %d", m.name,
			m.messages, m.unseen, m.deleted, m.size, built.messages, built.unseen, built.deleted, built.size)
	}
	if m.uidNext < built.uidNext {
		v.problem("mailbox %q would give UID %d again", m.name, m.uidNext)
	}
	if m.highestModSeq < built.highestModSeq || m.highestModSeq > v.head.modSeq || m.uidsModSeq > m.highestModSeq {
		v.problem("mailbox %q has MODSEQ %d, its messages %d, the account %d", m.name, m.highestModSeq, built.highestModSeq, v.head.modSeq)
	}
	if m.id >= v.head.nextMailbox || m.uidValidity > v.head.lastValidity {
		v.problem("mailbox %q: its number or UIDVALIDITY would be given again", m.name)
	}
}

// placement checks that an email lies behind a placement and knows it.
func (v *verifier) placement(m *mailboxRecord, p *Placement) {
	if _, ok, err := v.r.Get(table(tableEmail).email(p.Email)); err != nil || !ok {
		v.problem("email %d of UID %d in mailbox %q is missing", p.Email, p.UID, m.name)
	}
	if _, ok, err := v.r.Get(locationKey(p.Email, m.id, p.UID)); err != nil || !ok {
		v.problem("email %d does not know of UID %d in mailbox %q", p.Email, p.UID, m.name)
	}
}

func (v *verifier) index(m *mailboxRecord, uids uid.Set) error {
	x, err := readIndex(v.r, m.id)
	if err != nil {
		v.problem("index of mailbox %q: %v", m.name, err)
		return nil
	}
	if stored := x.Set(); stored.String() != uids.String() {
		v.problem("index of mailbox %q has UIDs %s beyond its messages and lacks %s", m.name, stored.Minus(uids), uids.Minus(stored))
	}
	return nil
}

// changes checks that each message stands once among the changes, at its MODSEQ.
func (v *verifier) changes(m *mailboxRecord, messages int64) error {
	n := int64(0)
	err := v.scan(table(tableChange).mailbox(m.id), func(k, _ []byte) error {
		n++
		u, at := uid.UID(tail32(k)), ModSeq(binary.BigEndian.Uint64(k[5:]))
		b, ok, err := v.r.Get(table(tablePlacement).mailbox(m.id).uid(u))
		if err != nil {
			return err
		}
		var p Placement
		if !ok || p.decode(u, b) != nil || p.ModSeq != at {
			v.problem("mailbox %q has a change of UID %d at MODSEQ %d that the message does not have", m.name, u, at)
		}
		return nil
	})
	if n != messages {
		v.problem("mailbox %q has %d changes for %d messages", m.name, n, messages)
	}
	return err
}

// vanished checks that what was expunged is gone.
func (v *verifier) vanished(m *mailboxRecord, uids uid.Set) error {
	return v.scan(table(tableVanished).mailbox(m.id), func(_, b []byte) error {
		gone, err := decodeSet(b)
		if err != nil {
			v.problem("expunged UIDs of mailbox %q: %v", m.name, err)
		} else if back := gone.Intersect(uids); !back.Empty() {
			v.problem("UIDs %s of mailbox %q were expunged and are there", back, m.name)
		}
		return nil
	})
}

// locations checks that each place an email knows of is there.
func (v *verifier) locations() error {
	return v.scan(table(tableLocation), func(k, _ []byte) error {
		if len(k) != 1+8+4+4 {
			v.problem("place %x: %v", k, errDamaged)
			return nil
		}
		e := EmailID(binary.BigEndian.Uint64(k[1:]))
		m, u := MailboxID(binary.BigEndian.Uint32(k[9:])), uid.UID(tail32(k))
		b, ok, err := v.r.Get(table(tablePlacement).mailbox(m).uid(u))
		if err != nil {
			return err
		}
		var p Placement
		if !ok || p.decode(u, b) != nil || p.Email != e {
			v.problem("email %d is said to be UID %d of mailbox %d and is not", e, u, m)
		}
		return nil
	})
}

// emails checks each email against its message, and the account's sums.
func (v *verifier) emails() error {
	var size, count int64
	err := v.scan(table(tableEmail), func(k, b []byte) error {
		var e Email
		id := EmailID(binary.BigEndian.Uint64(k[1:]))
		if err := e.decode(id, b); err != nil {
			v.problem("%v", err)
			return nil
		}
		size, count = size+e.Size, count+1
		if id >= v.head.nextEmail {
			v.problem("email %d: its number would be given again", id)
		}
		if err := v.email(&e); err != nil {
			return err
		}
		return v.step(&v.report.Emails)
	})
	if size != v.head.size || count != v.head.emails {
		v.problem("the account counts %d emails of %d octets; it has %d of %d", v.head.emails, v.head.size, count, size)
	}
	return err
}

func (v *verifier) email(e *Email) error {
	t := table(tableLocation).email(e.ID)
	it := v.r.Iterate(t, t.after())
	placed := it.Next()
	if err := it.Close(); err != nil {
		return err
	}
	if !placed {
		v.problem("email %d is in no mailbox", e.ID)
	}
	if id := e.Summary.MessageID(); len(id) > 0 {
		b, ok, err := v.r.Get(threadKey(string(id)))
		if err != nil {
			return err
		}
		if !ok || len(b) != 8 || ThreadID(binary.BigEndian.Uint64(b)) != e.Thread {
			v.problem("email %d is not in the conversation of its Message-ID", e.ID)
		}
	}
	if !v.o.Bodies {
		return nil
	}
	return v.unreadable(fmt.Sprintf("message of email %d", e.ID), v.body(e))
}

// body reads a message and makes its summary again.
func (v *verifier) body(e *Email) error {
	if err := v.s.blobs.Check(v.ctx, e.Blob); errors.Is(err, blob.ErrNotFound) || errors.Is(err, blob.ErrCorrupt) {
		v.problem("message of email %d: %v", e.ID, err)
		return nil
	} else if err != nil {
		return err
	}
	b, err := v.s.blobs.Open(v.ctx, e.Blob)
	if err != nil {
		return err
	}
	defer b.Close()
	v.report.Octets += b.Size()
	summary, err := message.SummarizeReader(io.NewSectionReader(b, 0, b.Size()))
	if err != nil {
		return err
	}
	stored, err := e.Summary.Summary()
	if err != nil {
		v.problem("summary of email %d: %v", e.ID, err)
		return nil
	}
	if stored.Overview == nil {
		summary.Overview = nil // what an older version stored has none
	}
	if !bytes.Equal(summary.AppendBinary(nil), stored.AppendBinary(nil)) {
		v.problem("summary of email %d is not that of its message", e.ID)
	}
	return nil
}
