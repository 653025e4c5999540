package inbound

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/junk"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
)

// filter judges mail from other servers for each account that is to get it. What is certainly junk for all of them is
// refused; what was taken once, and passed on here, is not.
func (m *content) filter(ctx context.Context, summary *message.Summary) (map[store.AccountID]junk.Verdict, cause.Decision) {
	s := m.s
	passedOn := s.queued != nil && s.queued.foreign
	if s.b.Junk == nil || s.early == nil && !passedOn {
		return nil, cause.Allow()
	}
	raw, err := m.kept(ctx)
	if err != nil {
		return nil, s.b.storeTrouble("read message", err)
	}
	mail := &junk.Message{Checked: s.checked, Unproven: passedOn, Helo: s.c.Helo, Summary: summary, Raw: raw}
	if s.early != nil {
		mail.Listed = <-s.early.listed
	}
	verdicts, certain := map[store.AccountID]junk.Verdict{}, true
	var refusal junk.Verdict
	for i := range s.local {
		for j := range s.local[i].accounts {
			id := s.local[i].accounts[j].ID
			if _, ok := verdicts[id]; ok {
				continue
			}
			v, err := s.b.Junk.Judge(ctx, id, mail)
			if err != nil { // nobody waits for his mail because a filter is out of order
				s.b.Log.Error("mail not judged; it goes to the inbox", "trace", s.trace, "error", err)
				v = junk.Verdict{}
			}
			verdicts[id], certain, refusal = v, certain && v.Certain, v
		}
	}
	d := cause.Allow()
	switch {
	case len(verdicts) == 0 || passedOn:
	case certain:
		d = refusal.Decision()
	default:
		d = s.greylist(ctx, verdicts)
	}
	if !d.Allowed() {
		m.tell(d, verdictFields(refusal)...)
	}
	return verdicts, d
}

// greylist has mail come again that is under suspicion for everybody who is to get it.
func (s *session) greylist(ctx context.Context, verdicts map[store.AccountID]junk.Verdict) cause.Decision {
	g := s.b.Greylist
	if g == nil {
		return cause.Allow()
	}
	var asked store.AccountID
	for id, v := range verdicts {
		if v.Score < g.From {
			return cause.Allow()
		}
		if asked == 0 || id < asked {
			asked = id
		}
	}
	until, err := g.Ask(ctx, asked, s.c.Remote.Addr(), s.from)
	if err != nil {
		s.b.Log.Error("mail under suspicion passes", "trace", s.trace, "error", err)
	}
	if err != nil || until.IsZero() {
		return cause.Allow()
	}
	return cause.Wait(cause.ReputationGreylisted, until)
}

// tell leaves the event of a message that is refused: of mail from other servers with each account that would have got it.
func (m *content) tell(d cause.Decision, more ...store.Field) {
	s := m.s
	if m.told {
		return
	}
	m.told = true
	more = append(m.naming(), more...)
	told := map[store.AccountID]bool{}
	for i := range s.local {
		for j := range s.local[i].accounts {
			if id := s.local[i].accounts[j].ID; s.account == nil && !told[id] {
				told[id], s.about = true, id
				s.refused(journal.MessageRefused, s.local[i].address, d, more...)
			}
		}
	}
	if len(told) == 0 {
		s.refused(journal.MessageRefused, s.firstRecipient(), d, more...)
	}
}

// maxNaming is how much of a message is read to name it, in octets.
const maxNaming = 32 << 10

// naming is what a message that is refused can be asked by: it may have come no farther than its beginning.
func (m *content) naming() []store.Field {
	known := m.summary
	if known == nil {
		var head []byte
		switch {
		case m.file != nil:
			head = make([]byte, maxNaming)
			n, _ := m.file.ReadAt(head, 0) // what can be read
			head = head[:n]
		case m.buffer != nil && m.s.account != nil:
			head = *m.buffer
		case m.buffer != nil:
			head = (*m.buffer)[min(headroom, len(*m.buffer)):]
		}
		known = message.Summarize(head[:min(len(head), maxNaming)])
	}
	return []store.Field{{Name: "message-id", Value: known.MessageID}, {Name: "subject", Value: known.Subject}}
}

// keptMessage is a message that can be read.
type keptMessage interface {
	io.ReaderAt
	Size() int64
}

// kept is the message as it is kept, where the offsets of its summary lead. One that is not in memory must be stored; it is
// opened once, and closed by drop.
func (m *content) kept(ctx context.Context) (keptMessage, error) {
	switch {
	case m.reading != nil:
		return m.reading, nil
	case m.whole != nil:
		return bytes.NewReader(m.whole), nil
	case m.buffer != nil:
		return bytes.NewReader(*m.buffer), nil
	}
	b, err := m.s.b.Store.Blobs().Open(ctx, m.ref)
	if err != nil {
		return nil, err
	}
	m.reading = b
	return b, nil
}

// verdictFields are what an event keeps of a verdict.
func verdictFields(v junk.Verdict) []store.Field {
	if len(v.Reasons) == 0 {
		return nil
	}
	fields := []store.Field{{Name: "score", Value: fmt.Sprintf("%.1f", v.Score)}, {Name: "reasons", Value: v.Text()}}
	if v.Junk && len(v.Instead) > 0 {
		fields = append(fields, store.Field{Name: "instead", Value: v.InsteadText()})
	}
	return fields
}

// everybody are the recipients of a submission.
func (s *session) everybody() []string {
	all := make([]string, 0, s.recipients)
	for i := range s.local {
		all = append(all, s.local[i].address)
	}
	for i := range s.remote {
		all = append(all, s.remote[i].Address)
	}
	return all
}
