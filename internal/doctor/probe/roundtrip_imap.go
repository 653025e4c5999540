package probe

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/doctor/bounce"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
)

// imapInbox waits with IDLE where the server has it, else it asks again and again. It looks into Junk
// at every turn, and at some turns into every mailbox, since a rule may have put the message there.
type imapInbox struct {
	*talk
	turn int
	all  []evidence.Mailbox // the account's mailboxes but INBOX, those for junk first
}

// everywhere is at how many turns of the waiting all mailboxes are looked into.
const everywhere = 3

func (b *imapInbox) endpoint() evidence.Endpoint { return b.ep }

func (b *imapInbox) ready(ctx context.Context) error {
	for _, m := range evidence.All[evidence.Mailbox](b.run.Evidence) {
		m.Role = roleOf(m)
		if m.Role != "inbox" && m.Role != "sent" && m.Role != "drafts" && len(b.all) < maxSearched {
			b.all = append(b.all, m)
		}
	}
	slices.SortStableFunc(b.all, func(x, y evidence.Mailbox) int { return boolOrder(y.Role == "junk") - boolOrder(x.Role == "junk") })
	return b.examine(ctx, "INBOX")
}

func boolOrder(b bool) int {
	if b {
		return 1
	}
	return 0
}

// examine opens a mailbox to read only.
func (b *imapInbox) examine(ctx context.Context, name string) error {
	last, _, err := b.command(ctx, "EXAMINE "+quoted(name))
	if err == nil && !b.positive(last) {
		err = fmt.Errorf("EXAMINE %s: %s", name, b.untagged(last))
	}
	return err
}

// await takes turns of waiting and looking.
func (b *imapInbox) await(ctx context.Context, t *trip, while time.Duration) error {
	accepted := time.Now()
	until := accepted.Add(while)
	for {
		told, err := b.pause(ctx, min(b.run.Step, max(time.Until(until), 0)))
		if err != nil {
			return err
		}
		if told && t.fact.NoticeIn == 0 {
			t.fact.NoticeIn = time.Since(accepted)
		}
		last := !time.Now().Before(until)
		if err := b.look(ctx, t, last); err != nil || t.fact.Arrived {
			t.fact.ArrivedIn = time.Since(accepted)
			b.notice(t)
			return err
		}
		t.fact.NoticeIn = 0 // it was told of another message
		if told || last {
			if err := b.report(ctx, t); err != nil || t.fact.Returned {
				return err
			}
		}
		if last {
			return nil
		}
	}
}

// notice concludes whether the waiting connection was told. It hears of INBOX only.
func (b *imapInbox) notice(t *trip) {
	switch {
	case !t.fact.Arrived || t.fact.Role != "inbox" || !b.caps.Has("IDLE"):
		t.fact.NoticeIn = 0
	case t.fact.NoticeIn > 0:
		t.fact.Notice = evidence.NoticeTold
	case b.turn > 1 || t.fact.ArrivedIn >= b.run.Step:
		t.fact.Notice = evidence.NoticeSilent
	}
}

// pause waits in INBOX until something comes or the time is over; told says that the server told by itself.
func (b *imapInbox) pause(ctx context.Context, while time.Duration) (told bool, err error) {
	b.turn++
	if !b.caps.Has("IDLE") {
		return false, b.sleep(ctx, min(while, b.run.Step/2))
	}
	last, err := b.beginIdle(ctx)
	if err != nil {
		return false, err
	}
	if !strings.HasPrefix(last, "+") {
		return false, b.sleep(ctx, min(while, b.run.Step/2))
	}
	told, err = b.listen(ctx, while, func(line string) bool { return strings.HasSuffix(strings.ToUpper(line), " EXISTS") })
	if err != nil {
		return false, err
	}
	_, err = b.endIdle(ctx)
	return told, err
}

func (b *imapInbox) sleep(ctx context.Context, while time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(while):
		return nil
	}
}

// look searches for the message in INBOX and in those mailboxes that this turn is for.
func (b *imapInbox) look(ctx context.Context, t *trip, last bool) error {
	found, err := b.find(ctx, t.fact.MessageID)
	if err != nil {
		return err
	}
	if len(found) > 0 {
		t.fact.Arrived, t.fact.Mailbox, t.fact.Role = true, "INBOX", "inbox"
		return nil
	}
	for _, m := range b.all {
		if m.Role != "junk" && !last && b.turn%everywhere != 0 {
			continue
		}
		if b.examine(ctx, m.Name) != nil {
			continue // a name that only has others below it
		}
		if found, err = b.find(ctx, t.fact.MessageID); err != nil {
			return err
		}
		if len(found) > 0 {
			t.fact.Arrived, t.fact.Mailbox, t.fact.Role = true, m.Name, m.Role
			return nil
		}
	}
	return b.examine(ctx, "INBOX")
}

// maxReport is how much of a report is read.
const maxReport = 256 << 10

// report looks in INBOX for a report about the message (RFC 3464), and reads it as one that the person got back.
func (b *imapInbox) report(ctx context.Context, t *trip) error {
	uids, err := b.uids(ctx, "TEXT "+quoted(t.fact.MessageID))
	if err != nil || len(uids) == 0 {
		return err
	}
	last, all, err := b.command(ctx, fmt.Sprintf("UID FETCH %s BODY.PEEK[]<0.%d>", uids[len(uids)-1], maxReport))
	if err != nil || !b.positive(last) {
		return err
	}
	text := slices.MaxFunc(all, func(x, y string) int { return len(x) - len(y) })
	read, err := bounce.Read(b.run.Book, []byte(text))
	if err != nil {
		return nil // somebody's message that only names it
	}
	t.fact.Returned = true
	b.run.Evidence.Add(evidence.Bounced{Bounce: read}, read.Text)
	return nil
}

// find returns the UIDs of a message in the mailbox that is open.
func (b *imapInbox) find(ctx context.Context, id string) ([]string, error) {
	return b.uids(ctx, "HEADER Message-ID "+quoted(id))
}

// uids searches the mailbox that is open.
func (b *imapInbox) uids(ctx context.Context, criteria string) ([]string, error) {
	last, all, err := b.command(ctx, "UID SEARCH "+criteria)
	if err != nil {
		return nil, err
	}
	if !b.positive(last) {
		return nil, fmt.Errorf("SEARCH: %s", b.untagged(last))
	}
	var uids []string
	for _, line := range all {
		if rest, ok := strings.CutPrefix(line, "* SEARCH"); ok {
			uids = append(uids, strings.Fields(rest)...)
		}
	}
	return uids, nil
}

// remove takes away every copy: where the message was found, and what the server put into Sent by itself. A
// message that is in no other mailbox than Trash afterwards is taken from there, too.
func (b *imapInbox) remove(ctx context.Context, t *trip) error {
	places := []string{t.fact.Mailbox}
	trash := ""
	for _, m := range evidence.All[evidence.Mailbox](b.run.Evidence) {
		switch {
		case m.Role == "sent":
			places = append(places, m.Name)
		case m.Role == "trash":
			trash = m.Name
		}
	}
	var failed error
	for i, name := range places {
		n, err := b.removeFrom(ctx, name, trash, t.fact.MessageID)
		t.fact.Deleted += n
		if err != nil && failed == nil {
			failed = err
		}
		if err != nil && (i == 0 || n > 0) {
			t.fact.Left = append(t.fact.Left, name)
		}
	}
	return failed
}

// removeFrom removes the message from one mailbox. Where messages have labels and not places, what is
// removed from a mailbox is archived: there it goes to Trash first.
func (b *imapInbox) removeFrom(ctx context.Context, name, trash, id string) (int, error) {
	found, err := b.selectAndFind(ctx, name, id)
	if err != nil || len(found) == 0 {
		return 0, err
	}
	if b.caps.Has("X-GM-EXT-1") && trash != "" && trash != name {
		if err := b.must(ctx, "UID MOVE "+strings.Join(found, ",")+" "+quoted(trash)); err != nil {
			return 0, err
		}
		if found, err = b.selectAndFind(ctx, trash, id); err != nil || len(found) == 0 {
			return 0, err
		}
	}
	set := strings.Join(found, ",")
	if err := b.must(ctx, "UID STORE "+set+` +FLAGS.SILENT (\Deleted)`); err != nil {
		return 0, err
	}
	return len(found), b.expunge(ctx, set, found)
}

func (b *imapInbox) selectAndFind(ctx context.Context, name, id string) ([]string, error) {
	if err := b.must(ctx, "SELECT "+quoted(name)); err != nil {
		return nil, err
	}
	return b.find(ctx, id)
}

// expunge removes what is marked. Without UIDPLUS (RFC 4315) all that is marked would go: then it is
// done only where nothing else is.
func (b *imapInbox) expunge(ctx context.Context, set string, ours []string) error {
	if b.caps.Has("UIDPLUS") || b.caps.Has("IMAP4REV2") {
		return b.must(ctx, "UID EXPUNGE "+set)
	}
	last, all, err := b.command(ctx, "UID SEARCH DELETED")
	if err != nil {
		return err
	}
	if !b.positive(last) || hits(all) != len(ours) {
		return fmt.Errorf("other messages are marked as deleted, too")
	}
	return b.must(ctx, "EXPUNGE")
}

// must runs a command that has to succeed.
func (b *imapInbox) must(ctx context.Context, command string) error {
	last, _, err := b.command(ctx, command)
	if err == nil && !b.positive(last) {
		err = fmt.Errorf("%s: %s", strings.Fields(command)[0], b.untagged(last))
	}
	return err
}
