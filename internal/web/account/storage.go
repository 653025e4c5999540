package account

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// Storage is what the mail of an account takes, in octets.
type Storage struct {
	Used      int64            `json:"used"`
	Limit     int64            `json:"limit"` // 0 for none
	Emails    int64            `json:"emails"`
	FullSince string           `json:"fullSince,omitempty"` // since when mail is refused for want of room
	Mailboxes []StorageMailbox `json:"mailboxes"`           // the largest first
	Largest   []StorageEmail   `json:"largest"`             // at most 50
	Oldest    []StorageEmail   `json:"oldest"`              // at most 10, without those in Trash and Junk
}

// StorageMailbox is what a mailbox has. An email in several mailboxes counts in each.
type StorageMailbox struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Role     string `json:"role,omitempty"`
	Messages uint32 `json:"messages"`
	Size     int64  `json:"size"`
}

// StorageEmail is an email in the lists.
type StorageEmail struct {
	ID         string `json:"id"`
	Thread     string `json:"thread"`
	Mailbox    string `json:"mailbox"` // one that it is in
	From       string `json:"from"`
	Subject    string `json:"subject"`
	Received   string `json:"received"`
	Size       int64  `json:"size"`
	Attachment bool   `json:"attachment,omitempty"`
}

// Cleaning is what is to go from a mailbox: all, or what came before a day, or what is larger. What goes from Trash and
// Junk is gone for good; from all others it goes to Trash.
type Cleaning struct {
	Mailbox string `json:"mailbox"`
	Before  string `json:"before,omitempty"` // "2025-01-01"
	Larger  int64  `json:"larger,omitempty"` // octets
	// Preview only counts.
	Preview bool `json:"preview,omitempty"`
}

// Cleaned is what goes.
type Cleaned struct {
	Count int   `json:"count"`
	Size  int64 `json:"size"`
	// Forever tells that it does not go to Trash.
	Forever bool `json:"forever"`
	// Token undoes it until then; both are empty for a preview, and where nothing goes.
	Token string `json:"token,omitempty"`
	Until string `json:"until,omitempty"`
}

// Bounds of the lists.
const (
	maxLargest = 50
	maxOldest  = 10
)

// undoFor is how long something can be undone before it is done.
const undoFor = 12 * time.Second

// roles are the names of roles in answers, those of JMAP.
var roles = map[store.Role]string{
	store.RoleInbox: "inbox", store.RoleSent: "sent", store.RoleDrafts: "drafts", store.RoleJunk: "junk", store.RoleTrash: "trash", store.RoleArchive: "archive", store.RoleOutbox: "outbox",
}

func (a *API) storage(_ http.ResponseWriter, r *http.Request, who *store.Account) (any, error) {
	ctx := r.Context()
	usage, err := a.Store.Usage(ctx, who.ID)
	if err != nil {
		return nil, err
	}
	mail, err := a.Mail(ctx, who.ID)
	if err != nil {
		return nil, err
	}
	s := &Storage{Used: usage.Size, Limit: who.Quota, Emails: usage.Emails, FullSince: stamp(usage.FullSince)}
	aside := map[store.MailboxID]bool{}
	for i := range mail.Mailboxes {
		m := &mail.Mailboxes[i]
		s.Mailboxes = append(s.Mailboxes, StorageMailbox{mailboxID(m.ID), m.Name, roles[m.Role], m.Messages, m.Size})
		aside[m.ID] = m.Role == store.RoleTrash || m.Role == store.RoleJunk
	}
	slices.SortStableFunc(s.Mailboxes, func(x, y StorageMailbox) int { return cmp.Compare(y.Size, x.Size) })
	largest := top(mail, maxLargest, func(x, y *store.Located) int { return cmp.Compare(y.Size, x.Size) }, nil)
	oldest := top(mail, maxOldest, func(x, y *store.Located) int { return cmp.Compare(x.Received, y.Received) },
		func(l *store.Located) bool { return !aside[l.At[0].Mailbox] })
	if s.Largest, err = a.listed(ctx, who, largest); err != nil {
		return nil, err
	}
	s.Oldest, err = a.listed(ctx, who, oldest)
	return s, err
}

// top are the first n emails in an order, of those that count.
func top(mail *store.Mail, n int, order func(x, y *store.Located) int, counts func(*store.Located) bool) (list []*store.Located) {
	for l := range mail.All() {
		if counts != nil && !counts(l) {
			continue
		}
		if len(list) == n && order(list[n-1], l) <= 0 {
			continue
		}
		at, _ := slices.BinarySearchFunc(list, l, order)
		if list = slices.Insert(list, at, l); len(list) > n {
			list = list[:n]
		}
	}
	return list
}

// listed reads what emails say.
func (a *API) listed(ctx context.Context, who *store.Account, list []*store.Located) ([]StorageEmail, error) {
	out := make([]StorageEmail, len(list))
	boxes := map[store.MailboxID]uid.Set{}
	at := map[store.PlacedIn]int{}
	for i, l := range list {
		p := l.At[0]
		out[i] = StorageEmail{ID: emailID(l.ID), Thread: threadID(l.Thread), Mailbox: mailboxID(p.Mailbox), Received: stamp(time.Unix(l.Received, 0)), Size: l.Size, Attachment: l.Attachment}
		boxes[p.Mailbox] = boxes[p.Mailbox].Add(p.UID)
		at[store.PlacedIn{Mailbox: p.Mailbox, UID: p.UID}] = i
	}
	for box, set := range boxes {
		err := a.Store.Messages(ctx, who.ID, box, set, func(m *store.Message) error {
			one := &out[at[store.PlacedIn{Mailbox: box, UID: m.UID}]]
			one.Subject, one.From = string(m.Email.Summary.Subject()), firstOf(m.Email.Summary.Addresses(message.FieldFrom))
			return nil
		})
		if err != nil && store.KindOf(err) != store.KindNotFound { // gone meanwhile
			return nil, err
		}
	}
	return out, nil
}

// clean counts what would go, or has it go after a while.
func (a *API) clean(w http.ResponseWriter, r *http.Request, who *store.Account) (any, error) {
	var c Cleaning
	if err := a.read(w, r, &c); err != nil {
		return nil, err
	}
	var before time.Time
	if c.Before != "" {
		var err error
		if before, err = time.ParseInLocation(time.DateOnly, c.Before, zoneOf(who)); err != nil {
			return nil, wrong("before", a.say(r, "day"))
		}
	}
	ctx := r.Context()
	box, err := a.mailbox(ctx, who, c.Mailbox)
	if err != nil {
		return nil, err
	}
	if box.Role == store.RoleOutbox {
		return nil, wrong("mailbox", a.say(r, "outbox"))
	}
	done := &Cleaned{Forever: box.Role == store.RoleTrash || box.Role == store.RoleJunk}
	set, err := a.toGo(ctx, who, &box, before, c.Larger, done)
	if err != nil || c.Preview || done.Count == 0 {
		return done, err
	}
	token, until, ok := a.later.after(who.ID, undoFor, func(ctx context.Context) error { return a.remove(ctx, who, box, set, done.Forever) })
	if !ok {
		return nil, wrong("", a.say(r, "busy"))
	}
	done.Token, done.Until = token, stamp(until)
	return done, nil
}

// toGo finds and counts the messages that go.
func (a *API) toGo(ctx context.Context, who *store.Account, box *store.Mailbox, before time.Time, larger int64, done *Cleaned) (uid.Set, error) {
	mail, err := a.Mail(ctx, who.ID)
	if err != nil {
		return nil, err
	}
	var uids []uid.UID
	for l := range mail.All() {
		if !before.IsZero() && l.Received >= before.Unix() || larger > 0 && l.Size <= larger {
			continue
		}
		for _, p := range l.At {
			if p.Mailbox == box.ID {
				uids = append(uids, p.UID)
				done.Count++
				done.Size += l.Size
			}
		}
	}
	return uid.Of(uids...), nil
}

// remove has messages go.
func (a *API) remove(ctx context.Context, who *store.Account, box store.Mailbox, set uid.Set, forever bool) error {
	fields := []store.Field{{Name: "mailbox", Value: box.Name}, {Name: "count", Value: strconv.Itoa(set.Len())}, {Name: "client", Value: "web"}}
	if forever {
		if _, _, err := a.Store.Expunge(ctx, who.ID, box.ID, set, false); err != nil {
			return err
		}
		a.Note(ctx, who.ID, journal.MessageExpunged, fields...)
		return nil
	}
	trash, err := a.Store.MailboxByRole(ctx, who.ID, store.RoleTrash)
	if store.KindOf(err) == store.KindNotFound {
		trash, err = a.Store.CreateMailbox(ctx, who.ID, "Trash", store.RoleTrash)
	}
	if err != nil {
		return err
	}
	if _, err := a.Store.Move(ctx, who.ID, box.ID, set, trash.ID); err != nil {
		return err
	}
	fields[0].Value = trash.Name
	a.Note(ctx, who.ID, journal.MessageMoved, append(fields, store.Field{Name: "from-mailbox", Value: box.Name})...)
	return nil
}

// undo takes back what was not done yet.
func (a *API) undo(w http.ResponseWriter, r *http.Request, who *store.Account) (any, error) {
	var c struct {
		Token string `json:"token"`
	}
	if err := a.read(w, r, &c); err != nil {
		return nil, err
	}
	if !a.later.undo(who.ID, c.Token) {
		return nil, &store.Error{Op: "undo", Kind: store.KindNotFound}
	}
	return map[string]bool{"undone": true}, nil
}

// zoneOf is where the holder of an account is; the machine's zone if that is not known.
func zoneOf(who *store.Account) *time.Location {
	if who.Zone != "" {
		if zone, err := time.LoadLocation(who.Zone); err == nil {
			return zone
		}
	}
	return time.Local
}
