package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store/kv"
)

// Event is one thing that happened to a message, a sign-in or the service: the
// evidence for traces and the doctor. Package journal gives events their
// meaning; the store keeps them in order of time.
type Event struct {
	Time    time.Time // to the microsecond
	Trace   TraceID
	Account AccountID // 0: it concerns no account here
	Kind    string    // "message.accepted"
	Action  cause.Action
	Cause   cause.ID // "" if nothing was refused, delayed or lost
	Variant string
	Until   time.Time // when a wait ends, zero if unknown
	Params  []cause.Param
	Fields  []Field
}

// Field is one named detail of an event: "from", "to", "message-id", "remote".
type Field struct{ Name, Value string }

// Field returns the first value of a field, "" if there is none.
func (e *Event) Field(name string) string {
	for _, f := range e.Fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// SetDecision notes why something was refused or delayed.
func (e *Event) SetDecision(d cause.Decision) {
	e.Action, e.Cause, e.Variant, e.Until, e.Params = d.Action, d.Cause, d.Variant, d.Until, d.Params
}

// Decision returns what SetDecision noted.
func (e *Event) Decision() cause.Decision {
	return cause.Decision{Action: e.Action, Cause: e.Cause, Variant: e.Variant, Until: e.Until, Params: e.Params}
}

// MaxEventSize bounds a stored event in octets: longer fields are cut.
const MaxEventSize = 1000

// MaxEventMessages is how many messages an event names by their Message-IDs: so many fit.
const MaxEventMessages = 8

const maxFieldSize = 200

// eventKey is j time trace number; the number, which counts on from one event to
// the next, keeps those apart that happen to one trace in the same microsecond.
func eventKey(e *Event, number uint16) key {
	k := table(tableEvent).number(uint64(max(e.Time.UnixMicro(), 0)))
	k = append(k, e.Trace[:]...)
	return binary.BigEndian.AppendUint16(k, number)
}

const (
	eventKeyTrace = 1 + 8 // where the trace begins in a key
	eventKeySize  = eventKeyTrace + len(TraceID{}) + 2
)

const eventVersion = 1

func encodeEvent(e *Event) []byte {
	r := record{b: make([]byte, 0, 256)}
	r.putOctet(eventVersion)
	r.putText(cut(e.Kind))
	r.putOctet(byte(e.Action))
	r.putText(cut(string(e.Cause)))
	r.putText(cut(e.Variant))
	r.putInt(unixMicro(e.Until))
	r.putUint(uint64(min(len(e.Params), math.MaxUint8)))
	for _, p := range e.Params[:min(len(e.Params), math.MaxUint8)] {
		r.putText(cut(p.Name))
		putValue(&r, p.Value)
	}
	start := len(r.b)
	for _, f := range e.Fields {
		end := len(r.b)
		r.putText(cut(f.Name))
		r.putText(cut(f.Value))
		if len(r.b) > MaxEventSize && end > start {
			r.b = r.b[:end]
			break
		}
	}
	return r.b
}

// cut shortens s to maxFieldSize octets without splitting a character.
func cut(s string) string {
	if len(s) <= maxFieldSize {
		return s
	}
	n := maxFieldSize
	for n > 0 && s[n]&0xc0 == 0x80 {
		n--
	}
	return s[:n]
}

func unixMicro(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromUnixMicro(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n)
}

func putValue(r *record, value any) {
	switch v := value.(type) {
	case int64:
		r.putOctet('n')
		r.putInt(v)
	case cause.Bytes:
		r.putOctet('b')
		r.putInt(int64(v))
	case time.Time:
		r.putOctet('t')
		r.putInt(unixMicro(v))
	case time.Duration:
		r.putOctet('d')
		r.putInt(int64(v))
	default:
		r.putOctet('s')
		r.putText(cut(fmt.Sprint(v)))
	}
}

func getValue(r *record) any {
	switch r.octet() {
	case 'n':
		return r.int()
	case 'b':
		return cause.Bytes(r.int())
	case 't':
		return fromUnixMicro(r.int())
	case 'd':
		return time.Duration(r.int())
	case 's':
		return r.text()
	}
	r.bad = true
	return ""
}

func decodeEvent(a AccountID, k, b []byte) (*Event, error) {
	if len(k) != eventKeySize {
		return nil, errDamaged
	}
	e := &Event{
		Account: a,
		Time:    time.UnixMicro(int64(binary.BigEndian.Uint64(k[1:]))),
		Trace:   TraceID(k[eventKeyTrace : eventKeySize-2]),
	}
	r := record{b: b}
	if r.octet() != eventVersion {
		return nil, errDamaged
	}
	e.Kind = r.text()
	e.Action = cause.Action(r.octet())
	e.Cause = cause.ID(r.text())
	e.Variant = r.text()
	e.Until = fromUnixMicro(r.int())
	for range r.uint() {
		if r.bad {
			break
		}
		e.Params = append(e.Params, cause.Param{Name: r.text(), Value: getValue(&r)})
	}
	for len(r.b) > 0 {
		e.Fields = append(e.Fields, Field{r.text(), r.text()})
	}
	return e, r.err()
}

// putEvents adds events to a transaction of the account they belong to.
func (s *Store) putEvents(tx kv.Tx, a AccountID, events []Event) error {
	var mentioned []mention
	for i := range events {
		if err := tx.Set(eventKey(&events[i], uint16(s.eventNumber.Add(1))), encodeEvent(&events[i])); err != nil {
			return err
		}
		mentioned = mentionsOf(mentioned, a, &events[i])
	}
	s.mentions.add(mentioned)
	return nil
}

// RecordEvents keeps events, each with its account, without waiting until they
// are durable. At most 65,536 at once.
func (s *Store) RecordEvents(ctx context.Context, events []Event) error {
	byAccount := map[AccountID][]Event{}
	for _, e := range events {
		byAccount[e.Account] = append(byAccount[e.Account], e)
	}
	for a, es := range byAccount {
		err := s.records.Write(ctx, kv.Account(a), func(tx kv.Tx) error { return s.putEvents(tx, AccountID(a), es) })
		if err != nil {
			return wrap("record events", err)
		}
	}
	return nil
}

// Events calls fn for the account's events with from <= time < to, oldest
// first. A zero from or to leaves that end open.
func (s *Store) Events(ctx context.Context, a AccountID, from, to time.Time, fn func(*Event) error) error {
	low, high := table(tableEvent), table(tableEvent).after()
	if !from.IsZero() {
		low = low.number(uint64(max(from.UnixMicro(), 0)))
	}
	if !to.IsZero() {
		high = table(tableEvent).number(uint64(max(to.UnixMicro(), 0)))
	}
	return s.view(ctx, "read events", a, func(r kv.Reader) error {
		return scan(r, low, high, func(k, v []byte) error {
			e, err := decodeEvent(a, k, v)
			if err != nil {
				return fmt.Errorf("event of account %d: %w", a, err)
			}
			return fn(e)
		})
	})
}

// EventsOf is Events for those of some kinds; others cost little.
func (s *Store) EventsOf(ctx context.Context, a AccountID, kinds []string, from time.Time, fn func(*Event) error) error {
	low, high := table(tableEvent), table(tableEvent).after()
	if !from.IsZero() {
		low = low.number(uint64(max(from.UnixMicro(), 0)))
	}
	return s.view(ctx, "read events", a, func(r kv.Reader) error {
		return scan(r, low, high, func(k, v []byte) error {
			if !slices.Contains(kinds, kindOfEvent(v)) {
				return nil
			}
			e, err := decodeEvent(a, k, v)
			if err != nil {
				return fmt.Errorf("event of account %d: %w", a, err)
			}
			return fn(e)
		})
	})
}

// EventsOfTraces is Events for those of some traces; others cost little.
func (s *Store) EventsOfTraces(ctx context.Context, a AccountID, traces map[TraceID]bool, from time.Time, fn func(*Event) error) error {
	low, high := table(tableEvent), table(tableEvent).after()
	if !from.IsZero() {
		low = low.number(uint64(max(from.UnixMicro(), 0)))
	}
	return s.view(ctx, "read events", a, func(r kv.Reader) error {
		return scan(r, low, high, func(k, v []byte) error {
			if len(k) == eventKeySize && !traces[TraceID(k[eventKeyTrace:eventKeySize-2])] {
				return nil
			}
			e, err := decodeEvent(a, k, v)
			if err != nil {
				return fmt.Errorf("event of account %d: %w", a, err)
			}
			return fn(e)
		})
	})
}

// lastLooked bounds how many events LastEvents looks through.
const lastLooked = 20_000

// LastEvents returns the account's n newest events, oldest first, of each kind at most the newest each: what happens
// all the time hides nothing that happened once.
func (s *Store) LastEvents(ctx context.Context, a AccountID, n, each int) (list []Event, err error) {
	of := map[string]int{}
	err = s.view(ctx, "read events", a, func(r kv.Reader) (err error) {
		it := r.Iterate(table(tableEvent), table(tableEvent).after())
		defer func() { err = errors.Join(err, it.Close()) }()
		for looked := 0; len(list) < n && looked < lastLooked && it.Prev(); looked++ {
			v, err := it.Value()
			if err != nil {
				return err
			}
			kind := kindOfEvent(v)
			if of[kind]++; of[kind] > each {
				continue
			}
			e, err := decodeEvent(a, it.Key(), v)
			if err != nil {
				return fmt.Errorf("event of account %d: %w", a, err)
			}
			list = append(list, *e)
		}
		return ctx.Err()
	})
	slices.Reverse(list)
	return list, err
}

// kindOfEvent reads the kind of an event alone.
func kindOfEvent(v []byte) string {
	head := record{b: v}
	head.octet()
	return string(head.octets())
}

// TrimEvents deletes all events and reports from before a time, in every account, but for events of messages that wait to be sent still. It
// works on a full volume.
func (s *Store) TrimEvents(ctx context.Context, before time.Time) error {
	ctx = kv.WithReserve(ctx)
	from, to := table(tableEvent), table(tableEvent).number(uint64(max(before.UnixMicro(), 0)))
	var kept []mention // by events that stay
	err := s.records.Accounts(ctx, func(a kv.Account) error {
		var here []mention
		err := s.records.Write(ctx, a, func(tx kv.Tx) error {
			if err := trimReports(tx, before); err != nil {
				return err
			}
			it := tx.Iterate(from, to)
			old := it.Next()
			if err := it.Close(); err != nil || !old {
				return err // most accounts have none; they are not written to
			}
			waiting, err := submissionTraces(tx)
			if err != nil {
				return err
			}
			if len(waiting) == 0 {
				return tx.DeleteRange(from, to)
			}
			here, err = trimEventsBut(tx, AccountID(a), from, to, waiting)
			return err
		})
		kept = append(kept, here...)
		return err
	})
	if err == nil {
		err = s.trimMentions(ctx, before, kept)
	}
	return wrap("trim events", err)
}

// submissionTraces are the ids of all messages of an account that are on their way out.
func submissionTraces(r kv.Reader) (map[TraceID]bool, error) {
	all := map[TraceID]bool{}
	return all, scan(r, table(tableSubmission), table(tableSubmission).after(), func(k, _ []byte) error {
		if len(k) == len(submissionKey(TraceID{})) {
			all[TraceID(k[1:])] = true
		}
		return nil
	})
}

// trimEventsBut deletes events that are of none of some traces, and returns what the others mention.
func trimEventsBut(tx kv.Tx, a AccountID, from, to key, traces map[TraceID]bool) (kept []mention, err error) {
	var gone []key
	err = scan(tx, from, to, func(k, v []byte) error {
		if len(k) != eventKeySize || !traces[TraceID(k[eventKeyTrace:eventKeySize-2])] {
			gone = append(gone, slices.Clone(k))
			return nil
		}
		if e, err := decodeEvent(a, k, v); err == nil {
			kept = mentionsOf(kept, a, e)
		} else {
			gone = append(gone, slices.Clone(k)) // it says nothing any more
		}
		return nil
	})
	for _, k := range gone {
		if err == nil {
			err = tx.Delete(k)
		}
	}
	return kept, err
}

// view runs fn on a snapshot of one account.
func (s *Store) view(ctx context.Context, op string, a AccountID, fn func(r kv.Reader) error) error {
	return wrap(op, s.records.View(ctx, kv.Account(a), fn))
}

// scan calls fn for all keys from <= key < to.
func scan(r kv.Reader, from, to []byte, fn func(k, v []byte) error) (err error) {
	it := r.Iterate(from, to)
	defer func() {
		if e := it.Close(); err == nil {
			err = e
		}
	}()
	for it.Next() {
		v, err := it.Value()
		if err != nil {
			return err
		}
		if err := fn(it.Key(), v); err != nil {
			return err
		}
	}
	return nil
}
