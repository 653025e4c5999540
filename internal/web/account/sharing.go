package account

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/store"
)

// Sharing is what an account shares with others of its domain, and what they share with it.
type Sharing struct {
	Folders []SharedFolder `json:"folders"` // those that can be shared
	WithMe  []FolderOf     `json:"withMe"`  // by owner and name
	Domain  string         `json:"domain"`
}

// SharedFolder is a mailbox of the account.
type SharedFolder struct {
	ID   string      `json:"id"`
	Name string      `json:"name"`
	Role store.Role  `json:"role,omitempty"`
	With []SharedWho `json:"with"`
}

// SharedWho is somebody that a mailbox is shared with.
type SharedWho struct {
	Who  string `json:"who"` // the address of an account or a group, or "anyone" of the domain; "-" before it takes rights away
	Name string `json:"name,omitempty"`
	// Level is read, write, post or owner, "" for other rights, which are letters of RFC 4314.
	Level  string `json:"level"`
	Rights string `json:"rights"`
}

// FolderOf is a mailbox that another shares with the account.
type FolderOf struct {
	Owner  string     `json:"owner"`
	Name   string     `json:"name,omitempty"` // of the owner
	ID     string     `json:"id"`             // of the mailbox, as JMAP has it
	Folder string     `json:"folder"`         // what the owner calls it
	Role   store.Role `json:"role,omitempty"` // what it is to the owner
	Level  string     `json:"level"`
	Rights string     `json:"rights"`
	// Listed says whether it can be looked up and read, Shown whether programs show it.
	Listed bool `json:"listed"`
	Shown  bool `json:"shown"`
}

// SharingChange gives rights on a mailbox, or takes them away.
type SharingChange struct {
	Folder string `json:"folder"`
	With   string `json:"with"`  // an address or a name before the @, or "anyone"
	Level  string `json:"level"` // "" shares it no longer
}

func (a *API) sharing(_ http.ResponseWriter, r *http.Request, who *store.Account) (any, error) {
	ctx := r.Context()
	out := &Sharing{Folders: []SharedFolder{}, WithMe: []FolderOf{}, Domain: who.Domain()}
	mailboxes, err := a.Store.Mailboxes(ctx, who.ID)
	if err != nil {
		return nil, err
	}
	for _, m := range mailboxes {
		if m.Role == store.RoleOutbox {
			continue
		}
		list, err := a.Store.Grants(ctx, who.ID, m.ID)
		if err != nil && store.KindOf(err) != store.KindNotFound { // deleted meanwhile
			return nil, err
		}
		f := SharedFolder{ID: mailboxID(m.ID), Name: m.Name, Role: m.Role, With: []SharedWho{}}
		for _, g := range list {
			one := SharedWho{Who: g.Identifier, Level: g.Rights.Level(), Rights: g.Rights.String()}
			if other, err := a.Store.AccountByAddress(ctx, g.Identifier); err == nil {
				one.Name = other.Name
			}
			f.With = append(f.With, one)
		}
		out.Folders = append(out.Folders, f)
	}
	out.WithMe, err = a.sharedWith(r, who)
	return out, err
}

// sharedWith is what others share with an account.
func (a *API) sharedWith(r *http.Request, who *store.Account) ([]FolderOf, error) {
	list := []FolderOf{}
	all, err := a.Store.SharedWith(r.Context(), who.ID)
	if err != nil {
		return nil, err
	}
	names, err := a.Store.Subscriptions(r.Context(), who.ID)
	shown := map[string]bool{}
	for _, name := range names {
		shown[name] = true
	}
	for i := range all {
		s := &all[i]
		list = append(list, FolderOf{
			Owner: s.Owner.Address, Name: s.Owner.Name, ID: fmt.Sprintf("F%d-%d", s.Owner.ID, s.Mailbox.ID), Folder: s.Mailbox.Name, Role: s.Mailbox.Role,
			Level: s.Rights.Level(), Rights: s.Rights.String(), Listed: s.Rights.Has(store.RightLookup | store.RightRead),
			Shown: shown[store.SharedName(&s.Owner, s.Mailbox.Name)],
		})
	}
	return list, err
}

// changeSharing shares a mailbox with somebody, or no longer.
func (a *API) changeSharing(w http.ResponseWriter, r *http.Request, who *store.Account) (any, error) {
	var c SharingChange
	if err := a.read(w, r, &c); err != nil {
		return nil, err
	}
	if c.Level != "" { // others are to read what is the holder's own
		if err := a.fresh(w, r); err != nil {
			return nil, err
		}
	}
	ctx := r.Context()
	rights := store.Rights(0)
	if c.Level != "" {
		var err error
		if rights, err = store.ParseLevel(c.Level); err != nil || rights.Level() == "" {
			return nil, wrong("level", a.say(r, "invalid"))
		}
	}
	m, err := a.mailbox(ctx, who, c.Folder)
	if err != nil {
		return nil, err
	}
	if m.Role == store.RoleOutbox {
		return nil, wrong("folder", a.say(r, "share_folder"))
	}
	with, err := a.Store.Identifier(ctx, who.ID, c.With)
	switch store.KindOf(err) {
	case store.KindInvalid:
		if strings.EqualFold(strings.TrimSpace(c.With), who.Address) {
			return nil, wrong("with", a.say(r, "share_self"))
		}
		fallthrough
	case store.KindNotFound:
		return nil, wrong("with", a.say(r, "share_nobody", "address", strings.TrimSpace(c.With), "domain", who.Domain()))
	}
	if err != nil {
		return nil, err
	}
	before, now, err := a.Store.Share(ctx, who, &m, with, rights)
	if err != nil {
		return nil, err
	}
	if before != now {
		fields := []store.Field{{Name: "mailbox", Value: m.Name}, {Name: "with", Value: with}, {Name: "client", Value: "webmail"}}
		kind := journal.MailboxUnshared
		if now != 0 {
			kind, fields = journal.MailboxShared, append(fields, store.Field{Name: "rights", Value: now.Level()})
		}
		a.Note(ctx, who.ID, kind, fields...)
	}
	return a.sharing(w, r, who)
}
