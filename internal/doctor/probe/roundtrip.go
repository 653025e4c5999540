package probe

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
)

// TestMessage is the name of the probe that sends one.
const TestMessage = "test message"

// RoundTrip sends one message from the account to itself, waits for it, and takes it away again. It belongs
// into a run only where the person has agreed to it, and once.
func (r *Run) RoundTrip(test *evidence.TestMessage) Probe {
	after := []string{"account imap", "account submission", "account pop3", "search", "find message", idleName, "idle held"}
	return Probe{Name: TestMessage, After: after, Timeout: test.Wait + 8*r.Step, Run: func(ctx context.Context) error {
		trip, err := r.newTrip(ctx, test)
		if err != nil {
			return err
		}
		defer trip.box.close()
		err = trip.deliver(ctx)
		r.Evidence.Add(trip.fact, "")
		return err
	}}
}

// trip is a message on its way from the account to itself.
type trip struct {
	run  *Run
	by   *opened
	box  inbox
	wait time.Duration
	text []byte
	fact evidence.RoundTrip
}

// inbox is where the message is waited for: by IMAP, else by POP3.
type inbox interface {
	endpoint() evidence.Endpoint
	// ready prepares to wait, before the message is sent.
	ready(ctx context.Context) error
	// await waits for the message for a time; t.fact gets what was seen.
	await(ctx context.Context, t *trip, while time.Duration) error
	// remove deletes what was found.
	remove(ctx context.Context, t *trip) error
	close()
}

// newTrip finds the two servers and writes the message.
func (r *Run) newTrip(ctx context.Context, test *evidence.TestMessage) (*trip, error) {
	by, err := r.signedIn(evidence.Submission)
	if err != nil {
		return nil, err
	}
	t := &trip{run: r, by: by, wait: test.Wait}
	if t.box, err = r.openInbox(ctx); err != nil {
		return nil, err
	}
	id := strings.ToLower(rand.Text()[:12])
	t.fact = evidence.RoundTrip{By: by.ep, At: t.box.endpoint(), MessageID: "doctor." + id + "@" + r.Evidence.Complaint.Domain(), Subject: test.Subject + " " + id[:4]}
	t.text = testMessage(r.Evidence.Complaint.Address, t.fact.MessageID, t.fact.Subject, test.Text, r.Now())
	return t, nil
}

// testMessage writes it. It says of itself that a program made it, so that nobody answers by himself (RFC 3834 section 5).
func testMessage(address, id, subject, text string, now time.Time) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: <%s>\r\nTo: <%s>\r\nSubject: %s\r\nDate: %s\r\nMessage-ID: <%s>\r\n", address, address, mime.QEncoding.Encode("utf-8", subject), now.Format(time.RFC1123Z), id)
	b.WriteString("Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n")
	w := quotedprintable.NewWriter(&b)
	_, _ = w.Write([]byte(text + "\r\n")) // a buffer takes everything
	_ = w.Close()
	return b.Bytes()
}

// deliver sends, waits and tidies up. What was sent is taken away even when the run was ended meanwhile.
func (t *trip) deliver(ctx context.Context) error {
	if err := t.box.ready(ctx); err != nil {
		return err
	}
	if err := t.send(ctx); err != nil || !t.fact.Accepted {
		return err
	}
	began := time.Now()
	err := t.box.await(ctx, t, t.patience(ctx))
	t.fact.Waited = time.Since(began)
	if t.fact.Arrived {
		tidy, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*t.run.Step)
		defer cancel()
		return t.box.remove(tidy, t)
	}
	switch {
	case t.fact.Returned:
		return errors.New("the test message came back")
	case err == nil || ctx.Err() != nil:
		err = errors.New("the test message did not come in time")
	}
	return errors.Join(err, t.askInside(ctx))
}

// askInside asks the service that hosts the account, where it tells, what became of the message: its queue
// knows more now than when it was asked before.
func (t *trip) askInside(ctx context.Context) error {
	if t.run.Env.Inside == nil || t.run.InsideSignsIn && t.run.Evidence.Complaint.Password == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.run.Step)
	defer cancel()
	found, err := t.run.askInside(ctx)
	if err != nil {
		return err
	}
	for i := range found.Queue {
		if q := &found.Queue[i]; strings.Trim(q.MessageID, "<>") == t.fact.MessageID {
			t.run.tellQueued(q)
		}
	}
	return nil
}

// patience is how long to wait: as long as was said, and so that time is left to tidy up.
func (t *trip) patience(ctx context.Context) time.Duration {
	wait := t.wait
	if end, ok := ctx.Deadline(); ok {
		left := time.Until(end)
		wait = min(wait, left-min(left/4, t.run.Step))
	}
	return max(wait, 0)
}

// send hands the message over (RFC 5321 section 3.3) and records each reply as that to any message.
func (t *trip) send(ctx context.Context) error {
	address := t.run.Evidence.Complaint.Address
	began := time.Now()
	for _, step := range []struct {
		stage   dialect.Stage
		command string
	}{{dialect.StageMail, "MAIL FROM:<" + address + ">"}, {dialect.StageRcpt, "RCPT TO:<" + address + ">"}, {dialect.StageData, "DATA"}} {
		c, _, err := t.by.do(ctx, step.stage, step.command)
		if err != nil {
			return err
		}
		if !c.Positive {
			t.fact.Reply, t.fact.AcceptedIn = c.Reply, time.Since(began)
			_, _, err := t.by.do(ctx, dialect.StageOther, "RSET")
			return errors.Join(fmt.Errorf("%s: %s", step.command, c.Reply), err)
		}
	}
	c, err := t.by.message(ctx, t.text)
	t.fact.Reply, t.fact.AcceptedIn, t.fact.Accepted = c.Reply, time.Since(began), c.Positive
	if err == nil && !c.Positive {
		err = fmt.Errorf("the message: %s", c.Reply)
	}
	return err
}

// message sends a text whose lines end in CR LF, as the content of a message, and records the reply.
func (t *talk) message(ctx context.Context, text []byte) (evidence.Command, error) {
	began := time.Now()
	dotted := bytes.ReplaceAll(append([]byte("\r\n"), text...), []byte("\r\n."), []byte("\r\n.."))[2:] // RFC 5321 section 4.5.2
	c := evidence.Command{Endpoint: t.ep, Stage: dialect.StageEndOfData, Command: MessageCommand, SignedIn: t.signedIn}
	err := t.write(ctx, append(dotted, ".\r\n"...))
	var last string
	var all []string
	if err == nil {
		last, all, err = t.reply(false)
	}
	c.Outcome, c.Took = outcomeOf(err), time.Since(began)
	if err == nil {
		text := replyText(t, last, all)
		c.Positive, c.Reply, c.Reading = t.positive(last), t.run.Evidence.Clean(text), t.run.read(t.ep, dialect.StageEndOfData, text)
	}
	t.run.Evidence.Add(c, strings.Join(all, "\n"))
	return c, err
}

// MessageCommand is the command of the fact about the reply to the content of a message.
const MessageCommand = "(message)"

// openInbox makes a connection of its own for the waiting.
func (r *Run) openInbox(ctx context.Context) (inbox, error) {
	t, err := r.another(ctx)
	if err == nil {
		return &imapInbox{talk: t}, nil
	}
	o, popErr := r.signedIn(evidence.POP3)
	if popErr != nil {
		return nil, err
	}
	return &popInbox{run: r, ep: o.ep}, nil
}
