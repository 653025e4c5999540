package probe

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
)

// maxSearched is in how many mailboxes a letter is looked for.
const maxSearched = 40

// FindLetter looks in all mailboxes of the account for the message that the complaint is
// about, by its Message-ID. It reads only (EXAMINE, RFC 9051 section 6.3.3), on the
// connection that looked at the account.
func (r *Run) FindLetter() Probe {
	return Probe{Name: "find message", After: []string{"account imap"}, Timeout: 6 * r.Step, Run: func(ctx context.Context) error {
		id, ok := r.letterSought()
		if !ok {
			return fmt.Errorf("no message is asked about: %w", ErrBlocked)
		}
		t, err := r.signedIn(evidence.IMAP)
		if err != nil {
			return err
		}
		boxes := evidence.All[evidence.Mailbox](r.Evidence)
		for _, box := range boxes[:min(len(boxes), maxSearched)] {
			c, _, err := t.do(ctx, dialect.StageSelect, "EXAMINE "+quoted(box.Name))
			if err != nil {
				return err
			}
			if !c.Positive {
				continue // a name that only has others below it
			}
			if err := t.searchID(ctx, box, id); err != nil {
				return err
			}
		}
		return nil
	}}
}

// letterSought is the Message-ID to look for.
func (r *Run) letterSought() (string, bool) {
	l, ok := evidence.First[evidence.Letter](r.Evidence)
	if !ok {
		return "", false
	}
	id := strings.Trim(strings.TrimSpace(l.MessageID), "<>")
	return id, id != "" && plain(id)
}

func (t *talk) searchID(ctx context.Context, box evidence.Mailbox, id string) error {
	c, all, err := t.do(ctx, dialect.StageOther, "UID SEARCH HEADER Message-ID "+quoted(id))
	if err != nil || !c.Positive {
		return err
	}
	t.run.Evidence.Add(evidence.Sought{Mailbox: box.Name, Role: roleOf(box), MessageID: id, Count: hits(all)}, "")
	return nil
}

// junkNames are what servers without SPECIAL-USE (RFC 6154) call the mailbox for junk, as
// LIST shows them (RFC 3501 section 5.1.3).
var junkNames = []string{"junk", "spam", "junk e-mail", "junk email", "junk-e-mail", "bulk mail", "skr&aoq-ppost", "s&apg-ppelpost", "spamverdacht"}

// roleOf is the mailbox's role, by its name where the server does not tell.
func roleOf(m evidence.Mailbox) string {
	if m.Role != "" {
		return m.Role
	}
	name := strings.ToLower(m.Name)
	if i := strings.LastIndexAny(name, "./"); i >= 0 {
		name = name[i+1:]
	}
	if slices.Contains(junkNames, name) {
		return "junk"
	}
	return ""
}
