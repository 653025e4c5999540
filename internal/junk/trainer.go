package junk

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// Trainer learns from what people do with their mail: what they put into Junk or mark so, and what they take out of it. So that it
// does not know junk alone, it looks with each message of junk at some that were read and left where they are. It works
// in a goroutine of its own; what comes while too much waits is not learned from.
type Trainer struct {
	store *store.Store
	log   *slog.Logger
	jobs  chan job
	life  context.Context
	end   context.CancelFunc
	done  chan struct{}
	idle  sync.WaitGroup
}

type job struct {
	account store.AccountID
	mailbox store.MailboxID
	uids    uid.Set
	junk    bool
}

const (
	maxJobs    = 1000
	perJob     = 200 // messages of one move or mark that are learned from
	beside     = 4   // messages that were left alone, for each of junk
	lookedBack = 400 // messages of the inbox that these are chosen from
	leftFor    = time.Hour
)

// NewTrainer starts a trainer. Close it.
func NewTrainer(s *store.Store, log *slog.Logger) *Trainer {
	t := &Trainer{store: s, log: log, jobs: make(chan job, maxJobs), done: make(chan struct{})}
	t.life, t.end = context.WithCancel(context.Background())
	go t.run()
	return t
}

// Close ends the trainer after the message at hand; what waits is not learned from.
func (t *Trainer) Close(context.Context) error {
	t.end()
	<-t.done
	return nil
}

// Moved tells that an account moved or copied messages, which lie in a mailbox now, from one with the role from to one with
// the role to.
func (t *Trainer) Moved(a store.AccountID, mailbox store.MailboxID, uids uid.Set, from, to store.Role) {
	if (from == store.RoleJunk) == (to == store.RoleJunk) || to == store.RoleTrash {
		return
	}
	t.Marked(a, mailbox, uids, to == store.RoleJunk)
}

// Marked tells that an account called messages in a mailbox junk, or not junk. Messages that were moved for it, too, teach once.
func (t *Trainer) Marked(a store.AccountID, mailbox store.MailboxID, uids uid.Set, junk bool) {
	if uids.Empty() {
		return
	}
	t.idle.Add(1)
	select {
	case t.jobs <- job{a, mailbox, uids, junk}:
	default:
		t.idle.Done()
		t.log.Warn("too much to learn from; messages that are junk or not are passed over", "account", a)
	}
}

// Flush waits until all that was moved and marked has been learned from.
func (t *Trainer) Flush() { t.idle.Wait() }

func (t *Trainer) run() {
	defer close(t.done)
	for {
		select {
		case <-t.life.Done():
			t.drain()
			return
		case j := <-t.jobs:
			if err := t.learn(j); err != nil && t.life.Err() == nil {
				t.log.Error("not learned from what is junk and what is not", "account", j.account, "error", err)
			}
			t.idle.Done()
		}
	}
}

func (t *Trainer) drain() {
	for {
		select {
		case <-t.jobs:
			t.idle.Done()
		default:
			return
		}
	}
}

func (t *Trainer) learn(j job) error {
	learned := 0
	err := t.store.Messages(t.life, j.account, j.mailbox, j.uids, func(m *store.Message) error {
		if learned >= perJob {
			return nil
		}
		learned++
		return t.teach(j.account, m, j.junk)
	})
	if err != nil {
		return err
	}
	if j.junk {
		return t.alone(j.account, beside*learned)
	}
	return nil
}

// alone learns from messages of the inbox that were read and left there, the latest first.
func (t *Trainer) alone(a store.AccountID, n int) error {
	view, err := t.store.View(t.life, a, store.InboxID)
	if err != nil {
		return err
	}
	last := view.Mailbox.UIDNext
	first := uid.UID(1)
	if last > lookedBack {
		first = last - lookedBack
	}
	var read []store.Message
	err = t.store.Messages(t.life, a, store.InboxID, uid.Set{{First: first, Last: last}}, func(m *store.Message) error {
		if m.Flags.Has(store.FlagSeen) && !m.Flags.Has(store.FlagDeleted) && t.store.Now().Sub(m.Saved) >= leftFor {
			read = append(read, *m)
		}
		return t.life.Err()
	})
	if err != nil {
		return err
	}
	for i := len(read) - 1; i >= 0 && n > 0; i-- {
		if err := t.teach(a, &read[i], false); err != nil {
			return err
		}
		n--
	}
	return nil
}

// teach learns from one message, for its account and for all.
func (t *Trainer) teach(a store.AccountID, m *store.Message, junk bool) error {
	body, err := t.store.Body(t.life, &m.Email)
	if err != nil {
		return fmt.Errorf("junk: open a message to learn from: %w", err)
	}
	defer body.Close()
	summary, err := m.Email.Summary.Summary()
	if err != nil {
		return fmt.Errorf("junk: read a message to learn from: %w", err)
	}
	l := store.Lesson{Email: m.Placement.Email, Features: Features(summary, body), From: Author(summary), Junk: junk}
	before, err := t.store.Learn(t.life, a, l)
	if err != nil || before != nil && *before == junk {
		return err
	}
	l.From = "" // whom one account does not want, another may
	return t.store.Teach(t.life, l, before)
}
