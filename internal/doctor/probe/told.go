package probe

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
)

// maxTold bounds how many messages of an outbox or a queue are read.
const maxTold = 50

// Outbox reads what the mail program was told of the messages that it keeps.
func (r *Run) Outbox() Probe {
	return Probe{Name: "outbox", Run: func(context.Context) error {
		c := r.Evidence.Complaint.Client
		if c == nil {
			return fmt.Errorf("nothing is known of the mail program: %w", ErrBlocked)
		}
		for i := range min(len(c.Outbox), maxTold) {
			m := &c.Outbox[i]
			r.tell(evidence.Told{Source: "outbox", Own: true, To: m.To, Subject: m.Subject, Tries: m.Tries, Since: m.Since}, dialect.Submission, m.LastError)
		}
		return nil
	}}
}

// Queue reads what the account's server was told of the messages that it sends on.
func (r *Run) Queue() Probe {
	return Probe{Name: "queue", Needs: []string{"inside"}, Run: func(context.Context) error {
		found, ok := evidence.First[*evidence.Inside](r.Evidence)
		if !ok {
			return fmt.Errorf("the server did not tell: %w", ErrBlocked)
		}
		for i := range min(len(found.Queue), maxTold) {
			r.tellQueued(&found.Queue[i])
		}
		return nil
	}}
}

func (r *Run) tellQueued(q *evidence.Queued) {
	since := q.Since
	// What the server refused itself, it never sent to anybody.
	told := evidence.Told{Source: "queue", Own: q.State == "refused", To: []string{q.To}, Subject: q.Subject, State: q.State, Cause: q.Cause, Tries: q.Tries, Since: &since, Next: q.Next}
	protocol := dialect.SMTP
	if told.Own {
		protocol = dialect.Submission
	}
	r.tell(told, protocol, q.Reply)
}

// tell reads a reply and makes a fact of it. Whoever speaks is known by the
// account's domain, or by marks in the reply.
func (r *Run) tell(t evidence.Told, protocol dialect.Protocol, reply string) {
	provider := ""
	if p := r.Table.ByDomain(r.Evidence.Complaint.Domain()); p != nil && t.Own {
		provider = p.ID
	}
	t.Reply = r.Evidence.Clean(reply)
	if reply != "" {
		stage := dialect.StageOther
		if t.Own && authError.MatchString(reply) {
			stage = dialect.StageAuth
		}
		t.Reading = r.Book.Read(provider, protocol, stage, reply)
	}
	r.Evidence.Add(t, reply)
}

// Search looks for messages in Drafts and Sent: those to the recipient of the
// complaint, and those that the program believes unsent. It uses a connection of
// its own, reads only, and asks only for words that need no encoding.
func (r *Run) Search() Probe {
	return Probe{Name: "search", After: []string{"account imap"}, Timeout: 6 * r.Step, Run: func(ctx context.Context) error {
		wanted := r.sought()
		if len(wanted) == 0 {
			return fmt.Errorf("no message is asked about: %w", ErrBlocked)
		}
		signed, err := r.signedIn(evidence.IMAP)
		if err != nil {
			return err
		}
		t, _, err := r.open(ctx, signed.ep)
		if err != nil {
			return err
		}
		defer t.close()
		if err := t.signIn(ctx, evidence.AsGiven); err != nil {
			return err
		}
		for _, box := range evidence.All[evidence.Mailbox](r.Evidence) {
			if box.Role != "drafts" && box.Role != "sent" {
				continue
			}
			if c, _, err := t.do(ctx, dialect.StageSelect, "EXAMINE "+quoted(box.Name)); err != nil || !c.Positive {
				return err
			}
			for _, w := range wanted {
				if err := t.search(ctx, box, w); err != nil {
					return err
				}
			}
		}
		return nil
	}}
}

// sought lists what to search for, at most four messages.
func (r *Run) sought() []evidence.Sought {
	var wanted []evidence.Sought
	c := r.Evidence.Complaint
	if c.Recipient != "" && plain(c.Recipient) {
		wanted = append(wanted, evidence.Sought{To: c.Recipient})
	}
	if c.Client == nil {
		return wanted
	}
	for _, m := range c.Client.Outbox {
		if len(wanted) < 4 && len(m.To) > 0 && plain(m.To[0]) && plain(m.Subject) && m.Subject != "" {
			wanted = append(wanted, evidence.Sought{To: m.To[0], Subject: m.Subject})
		}
	}
	return wanted
}

// plain tells whether a text can be sent as a quoted string (RFC 9051 section 4.3).
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return len(s) < 200
}

// maxAge is how old a message may be that a complaint is about.
const maxAge = 30 * 24 * time.Hour

func (t *talk) search(ctx context.Context, box evidence.Mailbox, w evidence.Sought) error {
	command := "UID SEARCH SINCE " + t.run.Now().Add(-maxAge).Format("2-Jan-2006") + " TO " + quoted(w.To)
	if w.Subject != "" {
		command += " SUBJECT " + quoted(w.Subject)
	}
	c, all, err := t.do(ctx, dialect.StageOther, command)
	if err != nil || !c.Positive {
		return err
	}
	w.Mailbox, w.Role, w.Count = box.Name, box.Role, hits(all)
	t.run.Evidence.Add(w, "")
	return nil
}

// hits counts the messages of SEARCH replies (RFC 3501 section 7.2.5).
func hits(lines []string) int {
	n := 0
	for _, line := range lines {
		if rest, ok := strings.CutPrefix(line, "* SEARCH"); ok {
			n += len(strings.Fields(rest))
		}
	}
	return n
}
