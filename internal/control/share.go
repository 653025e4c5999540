package control

import (
	"context"
	"strings"

	"github.com/postiljon/postiljon/internal/config"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/store"
)

// Share is what a mailbox of one account gives to another.
type Share struct {
	Owner   string `json:"owner"`
	Mailbox string `json:"mailbox"`
	With    string `json:"with"`            // an account, an alias, or "anyone" for the whole domain
	Level   string `json:"level,omitempty"` // read, write, post or owner; "" for other rights
	Rights  string `json:"rights"`          // the letters of RFC 4314
}

// ChangeShare asks to share a mailbox, or with As "" to share it no longer. An account that can see
// it in lists then is subscribed to it.
type ChangeShare struct {
	Owner   string `json:"owner"`
	Mailbox string `json:"mailbox"`
	With    string `json:"with"`
	As      string `json:"as,omitempty"` // a level or letters
}

// Shares are what an account shares, and what it can use of others.
type Shares struct {
	By   []Share `json:"by"`
	With []Share `json:"with"`
}

func shareOf(owner, mailbox, with string, r store.Rights) Share {
	return Share{Owner: owner, Mailbox: mailbox, With: with, Level: r.Level(), Rights: r.String()}
}

// shared finds what a change is about.
func (s *Server) shared(ctx context.Context, r *ChangeShare) (owner store.Account, m store.Mailbox, with string, err error) {
	if owner, err = s.find(ctx, r.Owner); err != nil {
		return owner, m, "", err
	}
	if m, err = s.Store.MailboxByName(ctx, owner.ID, r.Mailbox); err != nil {
		return owner, m, "", s.noMailbox(ctx, &owner, r.Mailbox, err)
	}
	with, err = s.Store.Identifier(ctx, owner.ID, r.With)
	switch store.KindOf(err) {
	case store.KindNotFound:
		if full := strings.TrimPrefix(r.With, "-"); strings.Contains(full, "@") {
			if domainOf(strings.ToLower(full)) != owner.Domain() {
				err = invalid("%s and %s are of different domains: mailboxes are shared within one", owner.Address, full)
			} else {
				err = s.noAccount(ctx, full, err)
			}
		} else {
			err = s.noAccount(ctx, full+"@"+owner.Domain(), err)
		}
	case store.KindInvalid:
		err = invalid("%q is nobody to share with: name another account or an alias of the domain, or \"anyone\"", r.With)
	}
	return owner, m, with, err
}

// noMailbox explains a mailbox that was not found.
func (s *Server) noMailbox(ctx context.Context, owner *store.Account, name string, err error) error {
	if store.KindOf(err) != store.KindNotFound {
		return err
	}
	mailboxes, err := s.Store.Mailboxes(ctx, owner.ID)
	if err != nil {
		return err
	}
	names := make([]string, len(mailboxes))
	for i := range mailboxes {
		names[i] = mailboxes[i].Name
	}
	if best := config.Nearest(name, names); best != "" {
		return missing("", "%s has no mailbox %s; did you mean %s?", owner.Address, name, best)
	}
	return missing("'postiljon account show "+owner.Address+"' shows the mailboxes.", "%s has no mailbox %s", owner.Address, name)
}

func (s *Server) changeShare(ctx context.Context, r ChangeShare) (Share, error) {
	rights := store.Rights(0)
	if r.As != "" {
		var err error
		if rights, err = store.ParseLevel(r.As); err != nil {
			return Share{}, invalid("%q is not read, write, post or owner, nor letters of RFC 4314", r.As)
		}
	}
	owner, m, with, err := s.shared(ctx, &r)
	if err != nil {
		return Share{}, err
	}
	before, now, err := s.Store.Share(ctx, &owner, &m, with, rights)
	switch {
	case err != nil:
		return Share{}, err
	case before == 0 && now == 0:
		return Share{}, missing("'postiljon share list "+owner.Address+"' shows what is shared.", "%s of %s is not shared with %s", m.Name, owner.Address, with)
	case before != now:
		s.noteShare(ctx, &owner, m.Name, with, now)
	}
	return shareOf(owner.Address, m.Name, with, now), nil
}

// noteShare leaves the event with the owner.
func (s *Server) noteShare(ctx context.Context, owner *store.Account, mailbox, with string, r store.Rights) {
	fields := []store.Field{{Name: "mailbox", Value: mailbox}, {Name: "with", Value: with}}
	if r == 0 {
		s.note(ctx, journal.MailboxUnshared, owner.ID, fields...)
		return
	}
	text := r.Level()
	if text == "" {
		text = r.String()
	}
	s.note(ctx, journal.MailboxShared, owner.ID, append(fields, store.Field{Name: "rights", Value: text})...)
}

func (s *Server) listShares(ctx context.Context, r Name) (all Shares, err error) {
	all = Shares{By: []Share{}, With: []Share{}}
	a, err := s.find(ctx, r.Name)
	if err != nil {
		return all, err
	}
	mailboxes, err := s.Store.Mailboxes(ctx, a.ID)
	if err != nil {
		return all, err
	}
	for i := range mailboxes {
		list, err := s.Store.Grants(ctx, a.ID, mailboxes[i].ID)
		if err != nil && store.KindOf(err) != store.KindNotFound { // deleted meanwhile
			return all, err
		}
		for _, g := range list {
			all.By = append(all.By, shareOf(a.Address, mailboxes[i].Name, g.Identifier, g.Rights))
		}
	}
	shared, err := s.Store.SharedWith(ctx, a.ID)
	for i := range shared {
		all.With = append(all.With, shareOf(shared[i].Owner.Address, shared[i].Mailbox.Name, a.Address, shared[i].Rights))
	}
	return all, err
}
