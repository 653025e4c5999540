package probe

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
)

// maxCounted is in how many mailboxes messages are counted.
const maxCounted = 12

// countMessages records the mailboxes, and how many messages lie in those that the mail
// program may not show: it has hidden them, or nobody is subscribed to them.
func (r *Run) countMessages(ctx context.Context, t *opened, boxes []evidence.Mailbox) error {
	counted := 0
	for _, m := range boxes {
		if r.mayBeHidden(m) && counted < maxCounted {
			counted++
			_, all, err := t.do(ctx, dialect.StageSelect, "STATUS "+quoted(m.Name)+" (MESSAGES UNSEEN)")
			if err != nil {
				return err
			}
			m.Messages, m.Unseen = statusItem(all, "MESSAGES"), statusItem(all, "UNSEEN")
		}
		r.Evidence.Add(m, "")
	}
	return nil
}

// mayBeHidden reports whether the mail program may not show a mailbox, or a rule puts mail there.
func (r *Run) mayBeHidden(m evidence.Mailbox) bool {
	c := r.Evidence.Complaint.Client
	return m.Role != "inbox" && (!m.Subscribed || c != nil && c.Folders != nil && slices.Contains(c.Folders.Hidden, m.Name) || r.ruled(m.Name))
}

// ruled reports whether a rule of the program, or of the server, moves mail to a mailbox.
func (r *Run) ruled(mailbox string) bool {
	var rules []evidence.ClientRule
	if c := r.Evidence.Complaint.Client; c != nil {
		rules = append(rules, c.Rules...)
	}
	if i, ok := evidence.First[*evidence.Inside](r.Evidence); ok && i != nil {
		rules = append(rules, i.Rules...)
	}
	return slices.ContainsFunc(rules, func(rule evidence.ClientRule) bool { return strings.EqualFold(rule.Folder, mailbox) })
}

// statusItem reads a number of a STATUS reply (RFC 9051 section 7.3.4); -1 if it is not there.
func statusItem(lines []string, item string) int64 {
	for _, line := range lines {
		open := strings.LastIndexByte(line, '(')
		if !strings.HasPrefix(strings.ToUpper(line), "* STATUS ") || open < 0 {
			continue
		}
		f := strings.Fields(strings.TrimSuffix(line[open+1:], ")"))
		for i := 0; i+1 < len(f); i += 2 {
			if n, err := strconv.ParseInt(f[i+1], 10, 64); err == nil && strings.EqualFold(f[i], item) {
				return n
			}
		}
	}
	return -1
}

// lookIntoInbox counts what is in INBOX, without a trace (EXAMINE, RFC 9051 section 6.3.3).
func (r *Run) lookIntoInbox(ctx context.Context, t *opened) error {
	c, all, err := t.do(ctx, dialect.StageSelect, "EXAMINE INBOX")
	if err != nil || !c.Positive {
		return err
	}
	m := evidence.Maildrop{Endpoint: t.ep, Messages: -1}
	for _, line := range all {
		var n int64
		if _, err := fmt.Sscanf(line, "* %d EXISTS", &n); err == nil && strings.HasSuffix(line, " EXISTS") {
			m.Messages = n
		}
		if _, err := fmt.Sscanf(line, "* OK [UIDNEXT %d]", &n); err == nil {
			m.Next = n
		}
	}
	if m.Messages >= 0 {
		r.Evidence.Add(m, "")
	}
	return nil
}
