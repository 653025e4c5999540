package probe

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/doctor/evidence"
)

// popInbox signs in again and again: a session of POP3 shows what was there when it began (RFC 1939 section 4).
type popInbox struct {
	run *Run
	ep  evidence.Endpoint
	// session is the one in which the message was found, at number at.
	session *talk
	at      int
}

// newest is how many of the last messages are looked at.
const newest = 10

func (b *popInbox) endpoint() evidence.Endpoint { return b.ep }

// ready ends the session that looked at the account: while it lasts, no other may begin (section 3).
func (b *popInbox) ready(ctx context.Context) error {
	o, err := b.run.sessions.take(b.ep)
	if err != nil {
		return err
	}
	return o.leave(ctx)
}

func (b *popInbox) close() {
	if b.session != nil {
		b.session.close()
	}
}

func (b *popInbox) await(ctx context.Context, t *trip, while time.Duration) error {
	accepted := time.Now()
	until := accepted.Add(while)
	for {
		found, err := b.visit(ctx, t.fact.MessageID)
		if errors.Is(err, ErrBlocked) {
			return err // no sign-in is left
		}
		if found {
			t.fact.Arrived, t.fact.Mailbox, t.fact.Role, t.fact.ArrivedIn = true, "INBOX", "inbox", time.Since(accepted)
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(min(b.run.Step/2, max(time.Until(until), 0))):
		}
		if !time.Now().Before(until) {
			return err // one that went wrong is repeated: the session before may hold the maildrop still
		}
	}
}

// visit opens a session and looks for the message among the newest. The session stays open if it is there.
func (b *popInbox) visit(ctx context.Context, id string) (bool, error) {
	t, _, err := b.run.open(ctx, b.ep)
	if err != nil {
		return false, err
	}
	if err = t.repeatSignIn(ctx); err == nil {
		b.at, err = t.newestWith(ctx, id)
	}
	switch {
	case err != nil:
		t.close()
		return false, err
	case b.at == 0:
		return false, t.leave(ctx)
	}
	b.session = t
	return true, nil
}

// leave ends a session in good order: the server has let go of the maildrop when it says good-bye (section 6).
func (t *talk) leave(ctx context.Context) error {
	last, _, err := t.command(ctx, "QUIT")
	if err == nil && !t.positive(last) {
		err = fmt.Errorf("QUIT: %s", last)
	}
	return errors.Join(err, t.conn.Close())
}

// newestWith returns the number of the message with a Message-ID among the last ones; 0 is none.
func (t *talk) newestWith(ctx context.Context, id string) (int, error) {
	stat, _, err := t.command(ctx, "STAT")
	if err != nil {
		return 0, err
	}
	count := 0
	if _, err := fmt.Sscanf(stat, "+OK %d", &count); err != nil {
		return 0, fmt.Errorf("STAT: %s", stat)
	}
	for n := count; n > max(count-newest, 0); n-- {
		_, header, err := t.exchange(ctx, fmt.Sprintf("TOP %d 0", n), true)
		if err != nil {
			return 0, err
		}
		for _, line := range header {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(name, "Message-ID") && strings.Trim(value, " <>") == id {
				return n, nil
			}
		}
	}
	return 0, nil
}

// remove deletes the message in the session that has it; it is gone when that ended well (section 6).
func (b *popInbox) remove(ctx context.Context, t *trip) error {
	last, _, err := b.session.command(ctx, fmt.Sprintf("DELE %d", b.at))
	if err == nil && !b.session.positive(last) {
		err = fmt.Errorf("DELE: %s", last)
	}
	if err == nil {
		err = b.session.leave(ctx)
		b.session = nil
	}
	if err != nil {
		t.fact.Left = append(t.fact.Left, t.fact.Mailbox)
		return err
	}
	t.fact.Deleted = 1
	return nil
}
