package probe

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
)

// signedIn returns the connection on which a sign-in by a protocol succeeded.
func (r *Run) signedIn(p evidence.Protocol) (*opened, error) {
	r.sessions.mu.Lock()
	defer r.sessions.mu.Unlock()
	for _, o := range r.sessions.open {
		if o.ep.Protocol == p && o.signedIn {
			return o, nil
		}
	}
	return nil, fmt.Errorf("nobody is signed in by %s: %w", p, ErrBlocked)
}

// Account returns the looks at the account after the sign-ins: none of them changes anything.
func (r *Run) Account() []Probe {
	return []Probe{
		{Name: "account imap", After: []string{SignInOf(evidence.IMAP)}, Run: r.accountByIMAP},
		{Name: "account submission", After: []string{SignInOf(evidence.Submission)}, Run: r.accountBySubmission},
		{Name: "account pop3", After: []string{SignInOf(evidence.POP3)}, Run: r.accountByPOP3},
	}
}

// do runs one command and records it.
func (t *talk) do(ctx context.Context, stage dialect.Stage, command string) (evidence.Command, []string, error) {
	began := time.Now()
	last, all, err := t.command(ctx, command)
	c := evidence.Command{Endpoint: t.ep, Stage: stage, Command: t.run.Evidence.Clean(command), SignedIn: t.signedIn, Outcome: outcomeOf(err), Took: time.Since(began)}
	if err == nil {
		c.Positive = t.positive(last) || t.goesOn(last)
		text := replyText(t, last, all)
		c.Reply = t.run.Evidence.Clean(text)
		c.Reading = t.run.read(t.ep, stage, text)
	}
	t.run.Evidence.Add(c, strings.Join(all, "\n"))
	return c, all, err
}

func (r *Run) accountByIMAP(ctx context.Context) error {
	t, err := r.signedIn(evidence.IMAP)
	if err != nil {
		return err
	}
	if err := t.askCapabilities(ctx); err != nil {
		return err
	}
	if t.caps.Has("QUOTA") {
		_, all, err := t.do(ctx, dialect.StageOther, "GETQUOTAROOT INBOX")
		if err != nil {
			return err
		}
		for _, q := range quotas(all) {
			r.Evidence.Add(q, "")
		}
	}
	_, all, err := t.do(ctx, dialect.StageOther, `LIST "" "*"`)
	if err != nil {
		return err
	}
	_, subscribed, err := t.do(ctx, dialect.StageOther, `LSUB "" "*"`)
	if err != nil {
		return err
	}
	if err := r.countMessages(ctx, t, mailboxes(all, subscribed)); err != nil {
		return err
	}
	if err := r.lookIntoInbox(ctx, t); err != nil {
		return err
	}
	_, _, err = t.do(ctx, dialect.StageNoop, "NOOP")
	return err
}

// quotas reads untagged QUOTA replies (RFC 9208 section 5.1); storage comes in units of 1024 octets.
func quotas(lines []string) []evidence.Quota {
	var found []evidence.Quota
	for _, line := range lines {
		rest, ok := strings.CutPrefix(line, "* QUOTA ")
		open := strings.LastIndexByte(rest, '(')
		if !ok || open < 0 {
			continue
		}
		f := strings.Fields(strings.TrimSuffix(rest[open+1:], ")"))
		for ; len(f) >= 3; f = f[3:] {
			used, err := strconv.ParseInt(f[1], 10, 64)
			limit, limitErr := strconv.ParseInt(f[2], 10, 64)
			if err != nil || limitErr != nil {
				continue
			}
			q := evidence.Quota{Resource: strings.ToUpper(f[0]), Root: strings.Trim(strings.TrimSpace(rest[:open]), `"`), Used: used, Limit: limit}
			if q.Resource == "STORAGE" {
				q.Used, q.Limit = used*1024, limit*1024
			}
			found = append(found, q)
		}
	}
	return found
}

// mailboxes reads LIST replies, and marks those that LSUB names.
func mailboxes(list, lsub []string) []evidence.Mailbox {
	subscribed := map[string]bool{}
	for _, line := range lsub {
		if name, _, ok := listed(line); ok {
			subscribed[name] = true
		}
	}
	var found []evidence.Mailbox
	for _, line := range list {
		name, attributes, ok := listed(line)
		if !ok || len(found) == 500 {
			continue
		}
		m := evidence.Mailbox{Name: name, Subscribed: subscribed[name], Messages: -1, Unseen: -1}
		if strings.EqualFold(name, "INBOX") {
			m.Role = "inbox"
		}
		for _, role := range []string{"sent", "drafts", "junk", "trash", "archive"} {
			if strings.Contains(strings.ToLower(attributes), `\`+role) {
				m.Role = role
			}
		}
		found = append(found, m)
	}
	return found
}

// listed reads one line of LIST or LSUB: the mailbox's name and its attributes.
func listed(line string) (name, attributes string, ok bool) {
	rest, found := strings.CutPrefix(line, "* LIST (")
	if !found {
		rest, found = strings.CutPrefix(line, "* LSUB (")
	}
	attributes, rest, closed := strings.Cut(rest, ") ")
	if !found || !closed {
		return "", "", false
	}
	_, name, _ = strings.Cut(rest, " ") // past the separator
	if unquoted, err := strconv.Unquote(name); err == nil {
		name = unquoted
	}
	return name, attributes, name != ""
}

// accountBySubmission asks whether a message from the account to itself, and to
// the recipient, would be taken. No message is sent: the transaction is reset.
func (r *Run) accountBySubmission(ctx context.Context) error {
	t, err := r.signedIn(evidence.Submission)
	if err != nil {
		return err
	}
	c := r.Evidence.Complaint
	from, _, err := t.do(ctx, dialect.StageMail, "MAIL FROM:<"+c.Address+">")
	if err != nil || !from.Positive {
		return err
	}
	to := []string{c.Address}
	if c.Recipient != "" {
		to = append(to, c.Recipient)
	}
	for _, rcpt := range to {
		if _, _, err := t.do(ctx, dialect.StageRcpt, "RCPT TO:<"+rcpt+">"); err != nil {
			return err
		}
	}
	if _, _, err = t.do(ctx, dialect.StageOther, "RSET"); err != nil {
		return err
	}
	return r.tryOtherFrom(ctx, t)
}

func (r *Run) accountByPOP3(ctx context.Context) error {
	t, err := r.signedIn(evidence.POP3)
	if err != nil {
		return err
	}
	stat, _, err := t.do(ctx, dialect.StageSelect, "STAT")
	if err != nil || !stat.Positive {
		return err
	}
	var m evidence.Maildrop
	if _, err := fmt.Sscanf(stat.Reply, "+OK %d", &m.Messages); err == nil {
		m.Endpoint = t.ep
		r.Evidence.Add(m, "")
	}
	return nil
}
