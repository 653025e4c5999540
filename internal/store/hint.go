package store

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/store/kv"
)

// hint is a key of the directory that says: this owner may share something with who the identifier
// stands for.
type hint struct {
	kind       byte
	domain     string // of kinds hintDomain and hintAlias
	identifier string // of kinds hintAccount and hintAlias
	owner      AccountID
}

// The kinds of hints, in the order in which they are looked for.
const (
	hintAccount = 'a' // a address NUL owner
	hintDomain  = 'd' // d domain NUL owner
	hintAlias   = 'g' // g domain NUL alias NUL owner
)

// hintOf returns the hint of a grant.
func hintOf(owner *Account, identifier string, alias bool) hint {
	identifier = strings.TrimPrefix(identifier, negative)
	switch {
	case identifier == Anyone:
		return hint{kind: hintDomain, domain: owner.Domain(), owner: owner.ID}
	case alias:
		return hint{kind: hintAlias, domain: owner.Domain(), identifier: identifier, owner: owner.ID}
	}
	return hint{kind: hintAccount, identifier: identifier, owner: owner.ID}
}

func (h hint) key() key {
	k := append(table(tableHint), h.kind)
	switch h.kind {
	case hintAccount:
		k = k.text(h.identifier)
	case hintDomain:
		k = k.text(h.domain)
	case hintAlias:
		k = k.text(h.domain).text("\x00").text(h.identifier)
	}
	return append(k, 0).number(uint64(h.owner))
}

// readHint reads a key of the table of hints.
func readHint(k []byte) (h hint, err error) {
	if len(k) < 2+1+8 || k[len(k)-9] != 0 {
		return h, errDamaged
	}
	h.kind, h.owner = k[1], AccountID(binary.BigEndian.Uint64(k[len(k)-8:]))
	text := string(k[2 : len(k)-9])
	switch h.kind {
	case hintAccount:
		h.identifier = text
	case hintDomain:
		h.domain = text
	case hintAlias:
		var ok bool
		if h.domain, h.identifier, ok = strings.Cut(text, "\x00"); !ok {
			return h, errDamaged
		}
	default:
		return h, errDamaged
	}
	return h, nil
}

// isAlias reports whether an identifier is an alias.
func (s *Store) isAlias(ctx context.Context, identifier string) bool {
	rec, err := s.addressRecord(ctx, strings.TrimPrefix(identifier, negative))
	return err == nil && rec.Alias != nil
}

// putHint writes a hint if it is not there.
func (s *Store) putHint(ctx context.Context, h hint) error {
	there := false
	err := s.view(ctx, "look for hint", AccountID(kv.System), func(r kv.Reader) (err error) {
		there, err = exists(r, h.key())
		return err
	})
	if err != nil || there {
		return err
	}
	return s.updateDirectory(ctx, "write hint", func(tx kv.Tx) error { return tx.Set(h.key(), nil) })
}

// dropHints removes the hints of an owner for identifiers that nothing is given to any more. One
// that cannot be removed does no harm. The caller holds s.creating.
func (s *Store) dropHints(ctx context.Context, owner *Account, identifiers []string) {
	used := map[string]bool{}
	err := s.view(ctx, "look for grants", owner.ID, func(r kv.Reader) error {
		return eachGrant(r, 0, func(_ MailboxID, g Grant) error {
			used[strings.TrimPrefix(g.Identifier, negative)] = true
			return nil
		})
	})
	if err == nil {
		err = s.updateDirectory(kv.WithReserve(ctx), "drop hints", func(tx kv.Tx) error {
			for _, identifier := range identifiers {
				if used[strings.TrimPrefix(identifier, negative)] {
					continue
				}
				for _, alias := range []bool{false, true} {
					if err := tx.Delete(hintOf(owner, identifier, alias).key()); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	if err != nil {
		s.log.Warn("store: hints of what is not shared any more stay", "account", owner.ID, "err", err)
	}
}

// Sharers returns the accounts that may share something with an account. Who does is for the
// grants to say.
func (s *Store) Sharers(ctx context.Context, who AccountID) ([]AccountID, error) {
	c := &s.directory
	c.mu.RLock()
	list, ok := c.sharers[who]
	generation := c.generation
	c.mu.RUnlock()
	if ok {
		return list, nil
	}
	a, err := s.Account(ctx, who)
	if err != nil {
		return nil, err
	}
	if list, err = s.readSharers(ctx, &a); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.generation == generation && len(c.sharers) < maxCachedEntries {
		c.sharers[who] = list
	}
	return list, nil
}

func (s *Store) readSharers(ctx context.Context, who *Account) (list []AccountID, err error) {
	var groups []hint
	err = s.view(ctx, "list sharers", AccountID(kv.System), func(r kv.Reader) error {
		for _, h := range []hint{
			{kind: hintAccount, identifier: who.Address}, {kind: hintDomain, domain: who.Domain()},
		} {
			t := h.key()[:len(h.key())-8]
			err := scan(r, t, t.after(), func(k, _ []byte) error {
				h, err := readHint(k)
				list = append(list, h.owner)
				return err
			})
			if err != nil {
				return err
			}
		}
		t := append(table(tableHint), hintAlias).text(who.Domain()).text("\x00")
		return scan(r, t, t.after(), func(k, _ []byte) error {
			h, err := readHint(k)
			groups = append(groups, h)
			return err
		})
	})
	for _, h := range groups {
		applies, gerr := s.standsFor(ctx, h.identifier, who)
		err = errors.Join(err, gerr)
		if applies {
			list = append(list, h.owner)
		}
	}
	slices.Sort(list)
	list = slices.Compact(list)
	return slices.DeleteFunc(list, func(a AccountID) bool { return a == who.ID }), err
}

// tellShared wakes who looks at what an identifier stands for.
func (s *Store) tellShared(owner *Account, identifier string) {
	if rec, err := s.addressRecord(context.Background(), strings.TrimPrefix(identifier, negative)); err == nil && rec.Account != 0 {
		s.hub.notify(rec.Account)
		return
	}
	s.tellDomain(owner.Domain())
}

// tellDomain wakes all of a domain that look at their mail.
func (s *Store) tellDomain(domain string) {
	for _, id := range s.hub.watched() {
		if a, err := s.Account(context.Background(), id); err == nil && a.Domain() == domain {
			s.hub.notify(id)
		}
	}
}

// members are the accounts that an alias stands for, also by way of others. One alias can be part of another, which something is
// shared with.
func (s *Store) members(ctx context.Context, alias string) (ids []AccountID) {
	res, err := s.Resolve(ctx, alias)
	if err != nil {
		s.log.Warn("store: who an alias stands for is not known, and not told what others share", "alias", alias, "err", err)
	}
	for i := range res.Accounts {
		ids = append(ids, res.Accounts[i].ID)
	}
	return ids
}

// tellMembers wakes those for whom others may share something now that they did not, or the reverse.
func (s *Store) tellMembers(ids []AccountID) {
	for _, id := range ids {
		s.hub.notify(id)
	}
}

// revoke takes all that others give to an address away, before the address goes: who gets it after
// that must not find what was shared with somebody else. The caller holds s.creating.
func (s *Store) revoke(ctx context.Context, addr string) error {
	var owners []AccountID
	err := s.view(ctx, "list hints", AccountID(kv.System), func(r kv.Reader) error {
		t := table(tableHint)
		return scan(r, t, t.after(), func(k, _ []byte) error {
			h, err := readHint(k)
			if h.identifier == addr && h.kind != hintDomain {
				owners = append(owners, h.owner)
			}
			return err
		})
	})
	for _, owner := range owners {
		if err != nil {
			return err
		}
		err = s.change(ctx, "revoke grants", owner, func(c *change) error {
			return eachGrant(c.tx, 0, func(m MailboxID, g Grant) error {
				if strings.TrimPrefix(g.Identifier, negative) != addr {
					return nil
				}
				return c.setGrant(m, Grant{Identifier: g.Identifier})
			})
		})
		if KindOf(err) == KindNotFound { // an account of which a crash left nothing but the hint
			err = nil
		}
	}
	return err
}

// deleteHints removes the hints that name an address or an owner, with the records of either.
func deleteHints(tx kv.Tx, addr string, owner AccountID) error {
	t := table(tableHint)
	return scan(tx, t, t.after(), func(k, _ []byte) error {
		h, err := readHint(k)
		if err != nil {
			return err
		}
		if h.identifier == addr || owner != 0 && h.owner == owner {
			return tx.Delete(k)
		}
		return nil
	})
}

// unshared does what is left to do after a mailbox with grants went.
func (s *Store) unshared(ctx context.Context, owner AccountID, gone []Grant) {
	if len(gone) == 0 {
		return
	}
	s.creating.Lock()
	defer s.creating.Unlock()
	o, err := s.Account(ctx, owner)
	if err != nil {
		return // the account is going, and its hints with it
	}
	var identifiers []string
	for _, g := range gone {
		identifiers = append(identifiers, g.Identifier)
		s.tellShared(&o, g.Identifier)
	}
	s.dropHints(ctx, &o, identifiers)
}

// grants checks that what is shared belongs to a mailbox, can be found by those it is shared with,
// and is given to somebody who exists.
func (v *verifier) grants() error {
	return v.scan(table(tableGrant), func(k, b []byte) error {
		id, g, err := decodeGrant(k, b)
		if err != nil {
			v.problem("%v", err)
			return nil
		}
		if g.Rights == 0 {
			v.problem("mailbox %d gives nothing to %q", id, g.Identifier)
		}
		if _, err := readMailbox(v.r, id); KindOf(err) == KindNotFound {
			v.problem("mailbox %d, which is shared with %q, does not exist", id, g.Identifier)
			return nil
		} else if err != nil {
			return err
		}
		return v.grant(id, g)
	})
}

// grant looks at the directory behind a grant, as it is now: if something is missing, the grant may
// be gone as well.
func (v *verifier) grant(id MailboxID, g Grant) error {
	o, err := v.s.Account(v.ctx, v.account)
	if err != nil {
		return nil // told already, or deleted meanwhile
	}
	text := ""
	if form, err := v.s.Identifier(v.ctx, o.ID, g.Identifier); err != nil || form != g.Identifier {
		text = "which is nobody here"
	}
	there := false
	err = v.s.view(v.ctx, "look for hint", AccountID(kv.System), func(r kv.Reader) (err error) {
		there, err = exists(r, hintOf(&o, g.Identifier, v.s.isAlias(v.ctx, g.Identifier)).key())
		return err
	})
	if err != nil {
		return err
	}
	if !there && text == "" {
		text = "who cannot find it"
	}
	if text == "" {
		return nil
	}
	if now, err := v.s.grant(v.ctx, o.ID, id, g.Identifier); err == nil && now != 0 {
		v.problem("mailbox %d is shared with %q, %s", id, g.Identifier, text)
	}
	return nil
}

// hints checks that each hint is about accounts and identifiers that exist. One without a grant is
// no fault.
func (v *verifier) hints() error {
	return v.scan(table(tableHint), func(k, _ []byte) error {
		h, err := readHint(k)
		if err != nil {
			v.problem("hint %x: %v", k, err)
			return nil
		}
		_, err = v.s.Account(v.ctx, h.owner)
		if err == nil && h.identifier != "" {
			_, err = v.s.addressRecord(v.ctx, h.identifier)
		}
		if KindOf(err) != KindNotFound {
			return err
		}
		there := false
		err = v.s.view(v.ctx, "look for hint", AccountID(kv.System), func(r kv.Reader) (err error) {
			there, err = exists(r, k)
			return err
		})
		if there && err == nil {
			v.problem("a hint says that account %d shares something with %q: one of them does not exist", h.owner, h.identifier+h.domain)
		}
		return err
	})
}
