package probe

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/postiljon/postiljon/internal/doctor/evidence"
)

// largeSize is more than goes into one packet anywhere on the way.
const largeSize = 4000

// LargePackets sends and asks for more than a packet's worth, where little got
// through: many commands at once up, and part of a message down, which is not kept. It
// changes nothing: the mailbox was opened for reading only.
func (r *Run) LargePackets() []Probe {
	return []Probe{
		{Name: "large imap", After: []string{"account imap"}, Run: func(ctx context.Context) error {
			t, err := r.signedIn(evidence.IMAP)
			if err != nil {
				return err
			}
			return t.large(ctx)
		}},
		{Name: "large submission", After: []string{"account submission"}, Run: func(ctx context.Context) error {
			t, err := r.signedIn(evidence.Submission)
			if err != nil {
				return err
			}
			return t.largeUp(ctx)
		}},
	}
}

func (t *opened) large(ctx context.Context) error {
	if err := t.largeUp(ctx); err != nil {
		return err
	}
	_, all, err := t.command(ctx, fmt.Sprintf("FETCH * BODY.PEEK[]<0.%d>", largeSize))
	size := 0
	for _, line := range all {
		size += len(line)
	}
	if err == nil && size < largeSize/2 {
		return fmt.Errorf("there is no large message: %w", ErrBlocked)
	}
	t.run.Evidence.Add(evidence.LargePacket{Endpoint: t.ep, Size: largeSize, Outcome: outcomeOf(err)}, "")
	return err
}

// largeUp sends commands that do nothing, all at once (RFC 9051 section 5.5,
// RFC 2920 section 3.1), and reads the answers.
func (t *opened) largeUp(ctx context.Context) error {
	if t.ep.Protocol == evidence.Submission && !t.caps.Has("PIPELINING") {
		return fmt.Errorf("PIPELINING is not offered: %w", ErrBlocked)
	}
	text, replies := t.largeCommands()
	t.bound(ctx)
	_, err := io.WriteString(t.conn, text)
	for range replies {
		if err == nil {
			_, _, err = t.reply(false)
		}
	}
	t.run.Evidence.Add(evidence.LargePacket{Endpoint: t.ep, Size: len(text), Up: true, Outcome: outcomeOf(err)}, "")
	return err
}

// largeCommands returns commands that do nothing and are long together: NOOPs
// in SMTP, a search for what is not there in IMAP.
func (t *opened) largeCommands() (text string, replies int) {
	padding := strings.Repeat("x", 240)
	if t.ep.Protocol == evidence.Submission {
		return strings.Repeat("NOOP "+padding+"\r\n", largeSize/480), largeSize / 480
	}
	t.tag++
	return t.tagged() + " SEARCH UID 1" + strings.Repeat(" SUBJECT "+quoted(padding), largeSize/480) + "\r\n", 1
}
