package jmapd

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/store"
)

// Accounts share mailboxes (RFC 4314, docs/architecture.md). Who has a right on a mailbox of another sees that account with
// those of its mailboxes that he may look up, and emails as far as they lie in those that he may read. All methods are answered
// from such a picture, so what is not in it cannot be named, found, counted or followed.

// rightsThere are the rights of an account on the mailboxes of another, at one moment.
type rightsThere struct {
	changes  changeCounts
	on       map[store.MailboxID]store.Rights
	readOnly bool
}

// changingRights are those of which one makes an account more than something to read.
const changingRights = store.AllRights &^ (store.RightLookup | store.RightRead | store.RightPost)

// rightsThere returns what an account may do with the mailboxes of another that it can look up; nil if there are none.
func (s *Server) rightsThere(ctx context.Context, v sight) (*rightsThere, error) {
	known := &s.accountOf(v).rights
	changes := v.changes(s.store)
	changes[2] = 0
	r := known.Load()
	if r == nil || r.changes != changes {
		r = &rightsThere{changes: changes, on: map[store.MailboxID]store.Rights{}, readOnly: true}
		list, err := s.store.SharedBy(ctx, v.owner, v.by)
		if err != nil && store.KindOf(err) != store.KindNotFound {
			return nil, err
		}
		for i := range list {
			if list[i].Rights.Has(store.RightLookup) {
				r.on[list[i].Mailbox.ID] = list[i].Rights
				r.readOnly = r.readOnly && !list[i].Rights.Any(changingRights)
			}
		}
		known.Store(r)
	}
	if len(r.on) == 0 {
		return nil, nil
	}
	return r, nil
}

// neighbour is an account that shares something with the one that is signed in.
type neighbour struct {
	store.Account
	readOnly bool
}

// neighbours are the accounts that share mailboxes with one, by address. Where nobody does it costs a look into memory.
func (s *Server) neighbours(ctx context.Context, a store.AccountID) (list []neighbour, err error) {
	owners, err := s.store.Sharers(ctx, a)
	if err != nil {
		return nil, err
	}
	for _, owner := range owners {
		r, err := s.rightsThere(ctx, sight{owner, a})
		if err != nil {
			return nil, err
		}
		if r == nil {
			continue
		}
		account, err := s.store.Account(ctx, owner)
		if store.KindOf(err) == store.KindNotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, neighbour{account, r.readOnly})
	}
	return list, nil
}

// reach finds the account with an id, if it is the own one or shares something. Errors: accountNotFound.
func (s *Server) reach(ctx context.Context, user *store.Account, id string) (n neighbour, err error) {
	owner, ok := parseID[store.AccountID]('a', id)
	switch {
	case !ok:
		return n, errNoAccount
	case owner == user.ID:
		return neighbour{Account: *user}, nil
	}
	// Who shares nothing with the account is not looked at: accounts cannot be counted.
	owners, err := s.store.Sharers(ctx, user.ID)
	if err != nil {
		return n, err
	}
	if !slices.Contains(owners, owner) {
		return n, errNoAccount
	}
	r, err := s.rightsThere(ctx, sight{owner, user.ID})
	if err != nil {
		return n, err
	}
	if r == nil {
		return n, errNoAccount
	}
	n.readOnly = r.readOnly
	if n.Account, err = s.store.Account(ctx, owner); store.KindOf(err) == store.KindNotFound {
		err = errNoAccount
	}
	return n, err
}

// Sharers are the accounts that share mailboxes with one.
func (s *Server) Sharers(ctx context.Context, a store.AccountID) ([]store.Account, error) {
	list, err := s.neighbours(ctx, a)
	accounts := make([]store.Account, 0, len(list))
	for i := range list {
		accounts = append(accounts, list[i].Account)
	}
	return accounts, err
}

// Shared finds an email that another shares with an account by its id, M7-12. Kind: KindNotFound, also for what the account may not read.
func (s *Server) Shared(ctx context.Context, a store.AccountID, id string) (store.AccountID, store.EmailID, error) {
	missing := &store.Error{Op: "find shared email", Kind: store.KindNotFound, Err: errNoPart}
	number, _, ok := strings.Cut(strings.TrimPrefix(id, "M"), "-")
	owner, isID := parseID[store.AccountID]('a', "a"+number)
	if !ok || !isID || owner == a {
		return 0, 0, missing
	}
	owners, err := s.store.Sharers(ctx, a)
	if err != nil {
		return 0, 0, err
	}
	if !slices.Contains(owners, owner) {
		return 0, 0, missing
	}
	p, err := s.look(ctx, sight{owner, a})
	if err != nil {
		return 0, 0, err
	}
	l, there := p.located(id)
	if !there {
		return 0, 0, missing
	}
	return owner, l.ID, nil
}

// changes reports whether a method would change an account. What somebody is subscribed to is his own, and he can change it anywhere.
func (c *call) changes(method string) bool {
	switch method {
	case "Email/set", "Email/import", "Email/copy":
		return true
	case "Mailbox/set":
		var patches map[string]map[string]json.RawMessage
		if c.args.given("create") || c.args.given("destroy") || c.args.read("update", &patches) != nil {
			return true
		}
		for _, patch := range patches {
			for property := range patch {
				if property != "isSubscribed" {
					return true
				}
			}
		}
	}
	return false
}

var errNoAccount = &methodError{Type: "accountNotFound"}

// maxLooks is how often the directory may change while a picture is made.
const maxLooks = 8

// shared makes the picture of what an account shares from the one before, which may be nil. The access control lists are
// those of the moment of the mail. Whom they stand for is found out after that, and if it changed meanwhile all is done
// anew: nobody sees mail of a time when he had no right to it.
func (s *Server) shared(ctx context.Context, v sight, before *picture) (next *picture, err error) {
	for range maxLooks {
		version := s.store.RightsVersion(v.owner)[1]
		whole, err := s.picture(ctx, v.owner)
		if err != nil {
			return nil, err
		}
		rights, err := s.store.RightsBy(ctx, v.owner, v.by, whole.mail.Grants)
		if err != nil {
			return nil, err
		}
		maps.DeleteFunc(rights, func(_ store.MailboxID, r store.Rights) bool { return !r.Has(store.RightLookup) })
		names, err := s.subscribed(ctx, v)
		if err != nil {
			return nil, err
		}
		if s.store.RightsVersion(v.owner)[1] == version {
			return s.part(v, before, whole, rights, names), nil
		}
	}
	return nil, &methodError{Type: "serverUnavailable", Description: "the directory changes all the time"}
}

// subscribed says which names of the owner's mailboxes the account that looks is subscribed to: that is its own decision.
func (s *Server) subscribed(ctx context.Context, v sight) (func(name string) bool, error) {
	owner, err := s.store.Account(ctx, v.owner)
	if err != nil {
		return nil, err
	}
	names, err := s.store.Subscriptions(ctx, v.by)
	return func(name string) bool { return slices.Contains(names, store.SharedName(&owner, name)) }, err
}

// part makes the picture of a part of an account's mail.
func (s *Server) part(v sight, before, whole *picture, rights map[store.MailboxID]store.Rights, subscribed func(string) bool) *picture {
	at := s.tick()
	part := store.Part{Read: map[store.MailboxID]bool{}}
	for _, m := range whole.mail.Mailboxes {
		r, seen := rights[m.ID]
		if !seen {
			continue
		}
		if r.Has(store.RightRead) {
			part.Read[m.ID] = true
		} else {
			m = store.Mailbox{ID: m.ID, Name: m.Name, Role: m.Role, Place: m.Place} // what is in it is not known
		}
		m.Subscribed = subscribed(m.Name)
		m.HighestModSeq = before.boxAt(m, r, at)
		part.Mailboxes = append(part.Mailboxes, m)
	}
	next := &picture{sight: v, rights: rights, of: whole.mail.ModSeq}
	if before == nil || before.of < whole.log.from {
		next.mail = part.Of(whole.mail, at)
		return newPicture(next)
	}
	var changed []store.EmailID
	next.mail, changed = part.After(before.mail, whole.mail, before.touchedIn(whole, rights), at)
	if len(changed) == 0 && slices.Equal(next.mail.Mailboxes, before.mail.Mailboxes) && maps.Equal(rights, before.rights) {
		same := *before // but for what it was made of
		same.of, same.mail = next.of, &store.Mail{}
		*same.mail = *before.mail
		same.mail.Keywords = whole.mail.Keywords
		return &same
	}
	return before.advance(next, changed)
}

// tick is a value for the counter of a picture of what is shared: greater than any before, also than those before a restart, so that
// a state of a picture that is gone is never taken for one of another.
func (s *Server) tick() store.ModSeq {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ticked = max(s.ticked+1, store.ModSeq(time.Now().UnixMicro()))
	return s.ticked
}

// boxAt is the value of the picture's counter at which a mailbox became as it is.
func (p *picture) boxAt(m store.Mailbox, r store.Rights, at store.ModSeq) store.ModSeq {
	if p == nil || p.boxes[m.ID] == nil || p.rights[m.ID] != r {
		return at
	}
	old := p.boxes[m.ID].Mailbox
	last := old.HighestModSeq
	if old.HighestModSeq = m.HighestModSeq; old != m || m.HighestModSeq > p.of {
		return at
	}
	return last
}

// touchedIn are the emails that may be seen otherwise in what is shared now.
func (p *picture) touchedIn(whole *picture, rights map[store.MailboxID]store.Rights) (ids []store.EmailID) {
	for _, t := range whole.since(p.of) {
		ids = append(ids, t.id)
	}
	other := map[store.MailboxID]bool{} // mailboxes that can be read now and could not be then, or the reverse
	for _, of := range []map[store.MailboxID]store.Rights{p.rights, rights} {
		for m := range of {
			if p.rights[m].Has(store.RightRead) != rights[m].Has(store.RightRead) {
				other[m] = true
			}
		}
	}
	if len(other) == 0 {
		return ids
	}
	for l := range whole.mail.All() {
		if slices.ContainsFunc(l.At, func(at store.PlacedIn) bool { return other[at.Mailbox] }) {
			ids = append(ids, l.ID)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// may are the rights of who looks on a mailbox.
func (p *picture) may(m store.MailboxID) store.Rights {
	if p.rights == nil {
		return store.AllRights
	}
	return p.rights[m]
}
