package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
)

// idleName is the probe that tries IDLE on the connection that looked at the account.
const idleName = "idle"

// Idle tries whether the server that offers IDLE lets a client wait (RFC 2177 section 3). It ends
// the waiting at once.
func (r *Run) Idle() Probe {
	return Probe{Name: idleName, After: []string{"account imap", "find message"}, Run: func(ctx context.Context) error {
		t, err := r.signedIn(evidence.IMAP)
		if err != nil {
			return err
		}
		if !t.caps.Has("IDLE") {
			return fmt.Errorf("IDLE is not offered: %w", ErrBlocked)
		}
		return t.tryIdle(ctx, 0)
	}}
}

// HoldIdle lets a connection of its own wait for a while: something between that forgets silent
// connections, or ends them, shows only then.
func (r *Run) HoldIdle(held time.Duration) Probe {
	return Probe{Name: "idle held", After: []string{"account imap"}, Timeout: held + 4*r.Step, Run: func(ctx context.Context) error {
		t, err := r.another(ctx)
		if err != nil {
			return err
		}
		defer t.close()
		if !t.caps.Has("IDLE") {
			return fmt.Errorf("IDLE is not offered: %w", ErrBlocked)
		}
		if c, _, err := t.do(ctx, dialect.StageSelect, "EXAMINE INBOX"); err != nil || !c.Positive {
			return err
		}
		if end, ok := ctx.Deadline(); ok {
			left := time.Until(end)
			held = min(held, max(left-min(2*r.Step, left/4), 0)) // what follows needs time, too
		}
		return t.tryIdle(ctx, held)
	}}
}

// another makes a further connection to the server at which a sign-in by IMAP succeeded, and signs in there.
func (r *Run) another(ctx context.Context) (*talk, error) {
	signed, err := r.signedIn(evidence.IMAP)
	if err != nil {
		return nil, err
	}
	t, _, err := r.open(ctx, signed.ep)
	if err != nil {
		return nil, err
	}
	if err = t.repeatSignIn(ctx); err == nil {
		err = t.askCapabilities(ctx)
	}
	if err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// repeatSignIn signs in as it succeeded before, without a fact of its own.
func (t *talk) repeatSignIn(ctx context.Context) error {
	form := evidence.AsGiven
	if s, ok := evidence.Find(t.run.Evidence, func(s evidence.SignIn) bool { return s.Accepted && s.Endpoint == t.ep }); ok {
		form = s.Form
	}
	accepted, err := t.trial(ctx, form)
	if err == nil && !accepted {
		err = errors.New("the second sign-in was refused")
	}
	t.signedIn = err == nil
	return err
}

// tryIdle waits for a while and records how it went.
func (t *talk) tryIdle(ctx context.Context, held time.Duration) error {
	fact := evidence.Idle{Endpoint: t.ep}
	last, err := t.beginIdle(ctx)
	if err == nil && strings.HasPrefix(last, "+") {
		fact.Accepted = true
		began := time.Now()
		fact.Bye, err = t.listen(ctx, held, func(line string) bool { return strings.HasPrefix(strings.ToUpper(line), "* BYE") })
		if held > 0 {
			fact.Held = time.Since(began)
		}
		if err == nil && !fact.Bye {
			last, err = t.endIdle(ctx)
		}
	}
	fact.Outcome = outcomeOf(err)
	if err == nil {
		fact.Reply = t.run.Evidence.Clean(t.untagged(last))
		fact.Reading = t.run.read(t.ep, dialect.StageNoop, t.untagged(last))
	}
	t.run.Evidence.Add(fact, last)
	switch {
	case err != nil:
		return fmt.Errorf("IDLE: %w", err)
	case !fact.Accepted:
		return fmt.Errorf("IDLE: %s", fact.Reply)
	}
	return nil
}

// beginIdle asks to wait; the answer begins with "+" where that is granted.
func (t *talk) beginIdle(ctx context.Context) (string, error) {
	last, _, err := t.command(ctx, "IDLE")
	return last, err
}

// endIdle ends the waiting (RFC 2177 section 3: "DONE", without a tag).
func (t *talk) endIdle(ctx context.Context) (string, error) {
	last, _, err := t.continued(ctx, "DONE")
	return last, err
}

// listen reads what a server tells by itself, until a line is the one or the time is over.
// A time that passes without is no error.
func (t *talk) listen(ctx context.Context, while time.Duration, is func(line string) bool) (heard bool, err error) {
	until := time.Now().Add(while)
	stop := context.AfterFunc(ctx, func() { _ = t.conn.SetReadDeadline(time.Now()) }) // a connection that takes none is closed by the run
	defer stop()
	for time.Now().Before(until) && ctx.Err() == nil {
		_ = t.conn.SetReadDeadline(until)
		if ctx.Err() != nil {
			break
		}
		if _, err := t.r.Peek(1); err != nil {
			var quiet net.Error
			if errors.As(err, &quiet) && quiet.Timeout() {
				return false, ctx.Err()
			}
			return false, fmt.Errorf("listen: %w", err)
		}
		t.bound(ctx) // a line that has begun comes whole
		line, err := t.line()
		if err != nil {
			return false, fmt.Errorf("listen: %w", err)
		}
		if is(line) {
			return true, nil
		}
	}
	return false, ctx.Err()
}

// write sends octets as they are.
func (t *talk) write(ctx context.Context, octets []byte) error {
	t.bound(ctx)
	if _, err := t.conn.Write(octets); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}
