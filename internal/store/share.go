package store

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/store/kv"
)

// Accounts of one domain can share mailboxes (RFC 4314). What a mailbox gives to whom lies with the
// mailbox, in the owner's key space: that is the truth. The directory has a hint for each owner and
// each identifier that the owner gives something to, so that an account finds what is shared with it
// without asking every other. A hint is written before the first grant that it stands for and goes
// after the last: one too many costs a look, none is missing.

// Anyone is the identifier of all accounts of the owner's domain.
const Anyone = "anyone"

// negative stands before an identifier whose rights are taken away (RFC 4314 section 2).
const negative = "-"

// Limits of sharing.
const (
	MaxGrants         = 200  // a mailbox
	MaxAccountGrants  = 5000 // an account, over all its mailboxes
	maxIdentifierSize = 400  // octets
)

// Grant is one entry of the access control list of a mailbox.
type Grant struct {
	// Identifier is the address of an account or of an alias of the owner's domain, or Anyone; an
	// alias stands for the accounts that its mail goes to. With "-" before it the rights are taken
	// away from whoever it stands for, whatever else gives them.
	Identifier string
	Rights     Rights
}

// Shared is a mailbox that somebody shares with an account.
type Shared struct {
	Owner   Account
	Mailbox Mailbox // as the owner has it; Subscribed is the owner's
	Rights  Rights  // of the account it is shared with
}

func grantKey(m MailboxID, identifier string) key {
	return table(tableGrant).mailbox(m).text(identifier)
}

const grantVersion = 1

func encodeGrant(r Rights) []byte {
	b := record{}
	b.putOctet(grantVersion)
	b.putText(r.String())
	return b.b
}

func decodeGrant(k, b []byte) (m MailboxID, g Grant, err error) {
	r := record{b: b}
	if len(k) <= 5 || r.octet() != grantVersion {
		return 0, g, fmt.Errorf("grant %x: %w", k, errDamaged)
	}
	letters := r.text()
	if r.bad || len(r.b) > 0 {
		return 0, g, fmt.Errorf("grant %x: %w", k, errDamaged)
	}
	if g.Rights, err = ParseRights(letters); err != nil {
		return 0, g, fmt.Errorf("grant %x: %w: %w", k, errDamaged, err)
	}
	g.Identifier = string(k[5:])
	return MailboxID(binary.BigEndian.Uint32(k[1:])), g, nil
}

// eachGrant calls fn for the grants of a mailbox, or of all if m is 0, in order.
func eachGrant(r kv.Reader, m MailboxID, fn func(MailboxID, Grant) error) error {
	t := table(tableGrant)
	if m != 0 {
		t = t.mailbox(m)
	}
	return scan(r, t, t.after(), func(k, b []byte) error {
		m, g, err := decodeGrant(k, b)
		if err != nil {
			return err
		}
		return fn(m, g)
	})
}

func readGrants(r kv.Reader, m MailboxID) (list []Grant, err error) {
	err = eachGrant(r, m, func(_ MailboxID, g Grant) error {
		list = append(list, g)
		return nil
	})
	return list, err
}

// Grants returns the access control list of a mailbox by identifier. Its owner, who always has all
// rights, is not in it. Kind: KindNotFound.
func (s *Store) Grants(ctx context.Context, owner AccountID, id MailboxID) (list []Grant, err error) {
	err = s.view(ctx, "read grants", owner, func(r kv.Reader) error {
		if _, err := readMailbox(r, id); err != nil {
			return err
		}
		list, err = readGrants(r, id)
		return err
	})
	return list, err
}

// Identifier brings an identifier into the form that is stored: an address without a domain is one
// of the owner's domain. Kinds: KindInvalid (no identifier, or the owner itself), KindNotFound (no
// such account or alias in the domain).
func (s *Store) Identifier(ctx context.Context, owner AccountID, text string) (string, error) {
	const op = "read identifier"
	o, err := s.Account(ctx, owner)
	if err != nil {
		return "", err
	}
	name, taken := strings.CutPrefix(strings.TrimSpace(text), negative)
	if !strings.EqualFold(name, Anyone) {
		if !strings.Contains(name, "@") {
			name += "@" + o.Domain()
		}
		if name, err = NormalizeAddress(name); err != nil || len(name) > maxIdentifierSize {
			return "", fail(op, KindInvalid, "%q is no identifier", text)
		}
		if name == o.Address {
			return "", fail(op, KindInvalid, "%s is the owner", name)
		}
		if domainOf(name) != o.Domain() {
			return "", fail(op, KindNotFound, "%s is not in the domain %s", name, o.Domain())
		}
		if _, err := s.addressRecord(ctx, name); err != nil {
			return "", err
		}
	} else {
		name = Anyone
	}
	if taken {
		name = negative + name
	}
	return name, nil
}

// SetGrant changes what a mailbox gives to an identifier, in the form of Identifier, and returns
// what it gave before and what it gives now; an entry without rights goes. Kinds: KindNotFound
// (also an identifier that does not exist any more), KindInvalid, KindLimit, KindNoSpace.
func (s *Store) SetGrant(ctx context.Context, owner AccountID, id MailboxID, identifier string, update func(Rights) Rights, events ...Event) (before, now Rights, err error) {
	s.creating.Lock()
	defer s.creating.Unlock()
	o, err := s.Account(ctx, owner)
	if err != nil {
		return 0, 0, err
	}
	before, err = s.grant(ctx, owner, id, identifier)
	if err != nil {
		return 0, 0, err
	}
	switch now = update(before) & AllRights; {
	case now == before:
		return before, now, nil
	case now == 0:
		ctx = kv.WithReserve(ctx)
	default:
		// Nobody can delete the account or the alias before the grant is there.
		if checked, err := s.Identifier(ctx, owner, identifier); err != nil {
			return before, before, err
		} else if checked != identifier {
			return before, before, fail("share mailbox", KindInvalid, "%q is not the form of an identifier", identifier)
		}
		if err := s.putHint(ctx, hintOf(&o, identifier, s.isAlias(ctx, identifier))); err != nil {
			return before, before, err
		}
	}
	err = s.change(ctx, "share mailbox", owner, func(c *change) error {
		if _, err := c.mailbox(id); err != nil {
			return err
		}
		if err := c.setGrant(id, Grant{identifier, now}); err != nil {
			return err
		}
		return s.putEvents(c.tx, owner, events)
	})
	if err != nil {
		return before, before, err
	}
	s.tellShared(&o, identifier)
	if now == 0 {
		s.dropHints(ctx, &o, []string{identifier})
	}
	return before, now, nil
}

// Share is SetGrant with rights that are to be given, as people do it: an account that can see the mailbox in lists then is subscribed to
// it, for many programs show what is subscribed to, and is no longer when it cannot. Of groups everybody subscribes for himself.
func (s *Store) Share(ctx context.Context, owner *Account, m *Mailbox, identifier string, rights Rights) (before, now Rights, err error) {
	before, now, err = s.SetGrant(ctx, owner.ID, m.ID, identifier, func(Rights) Rights { return rights })
	if err != nil || before.Has(RightLookup) == now.Has(RightLookup) {
		return before, now, err
	}
	a, err := s.AccountByAddress(ctx, identifier)
	if KindOf(err) == KindNotFound { // an alias, anyone, or rights taken away
		return before, now, nil
	}
	if err != nil {
		return before, now, err
	}
	err = s.Subscribe(ctx, a.ID, SharedName(owner, m.Name), now.Has(RightLookup))
	if kind := KindOf(err); kind == KindInvalid || kind == KindLimit { // too long a name to be subscribed to
		err = nil
	}
	return before, now, err
}

// grant returns what a mailbox gives to an identifier itself.
func (s *Store) grant(ctx context.Context, owner AccountID, id MailboxID, identifier string) (r Rights, err error) {
	list, err := s.Grants(ctx, owner, id)
	for _, g := range list {
		if g.Identifier == identifier {
			r = g.Rights
		}
	}
	return r, err
}

// setGrant writes or removes an entry of an access control list. The change of the account tells
// who looks at the mailbox.
func (c *change) setGrant(id MailboxID, g Grant) error {
	c.modSeq()
	k := grantKey(id, g.Identifier)
	if g.Rights == 0 {
		return c.tx.Delete(k)
	}
	if _, there, err := c.tx.Get(k); err != nil {
		return err
	} else if !there {
		if err := c.boundGrants(id); err != nil {
			return err
		}
	}
	return c.tx.Set(k, encodeGrant(g.Rights))
}

// boundGrants holds the limits of sharing for one entry more.
func (c *change) boundGrants(id MailboxID) error {
	all, here := 0, 0
	err := eachGrant(c.tx, 0, func(m MailboxID, _ Grant) error {
		if all++; m == id {
			here++
		}
		return nil
	})
	if err == nil && (all >= MaxAccountGrants || here >= MaxGrants) {
		err = fail("share mailbox", KindLimit, "a mailbox is shared with at most %d, all of an account with %d", MaxGrants, MaxAccountGrants)
	}
	return err
}

// inheritGrants gives a new mailbox the access control list of the one above it (RFC 4314 section
// 4, CREATE). Its hints are there already: the one above has them.
func (c *change) inheritGrants(m *mailboxRecord) error {
	i := strings.LastIndex(m.name, Separator)
	if i < 0 {
		return nil
	}
	above, ok, err := c.tx.Get(table(tableName).text(m.name[:i]))
	if err != nil || !ok || len(above) != 4 {
		return err
	}
	list, err := readGrants(c.tx, MailboxID(binary.BigEndian.Uint32(above)))
	if err != nil {
		return err
	}
	for _, g := range list {
		if err := c.setGrant(m.id, g); err != nil {
			return err
		}
	}
	return nil
}

// RightsOf returns what an account may do with a mailbox of an owner: everything if it is its own,
// nothing if the two are of different domains. Kind: KindNotFound.
func (s *Store) RightsOf(ctx context.Context, owner AccountID, id MailboxID, who AccountID) (Rights, error) {
	if owner == who {
		return AllRights, nil
	}
	list, err := s.Grants(ctx, owner, id)
	if err != nil || len(list) == 0 {
		return 0, err
	}
	m, err := s.membership(ctx, owner, who)
	if err != nil {
		return 0, err
	}
	return m.rights(ctx, list)
}

// RightsBy returns what an account may do with an owner's mailboxes that have these access control lists, as Mail.Grants
// has them; mailboxes that give it nothing are left out. Kind: KindNotFound.
func (s *Store) RightsBy(ctx context.Context, owner, who AccountID, lists map[MailboxID][]Grant) (map[MailboxID]Rights, error) {
	rights := map[MailboxID]Rights{}
	if len(lists) == 0 {
		return rights, nil
	}
	m, err := s.membership(ctx, owner, who)
	if err != nil {
		return nil, err
	}
	for id, list := range lists {
		r, err := m.rights(ctx, list)
		if err != nil {
			return nil, err
		}
		if r != 0 {
			rights[id] = r
		}
	}
	return rights, nil
}

// RightsVersion returns two numbers of which one is another after every change that can change rights
// on an owner's mailboxes: of the owner's account, and of the directory. Who reads them before
// RightsOf learns from reading them again that the rights are still so.
func (s *Store) RightsVersion(owner AccountID) [2]uint64 {
	c := &s.directory
	c.mu.RLock()
	defer c.mu.RUnlock()
	return [2]uint64{s.Changes(owner), c.generation}
}

// membership knows which identifiers of an owner's domain stand for an account; it is for one
// question.
type membership struct {
	s     *Store
	who   Account
	alien bool            // the account is of another domain
	known map[string]bool // identifiers that were looked at
}

func (s *Store) membership(ctx context.Context, owner, who AccountID) (*membership, error) {
	o, err := s.Account(ctx, owner)
	if err != nil {
		return nil, err
	}
	m := &membership{s: s, known: map[string]bool{}}
	m.who, err = s.Account(ctx, who)
	m.alien = m.who.Domain() != o.Domain()
	return m, err
}

// rights adds up what a list gives and takes away what it takes.
func (m *membership) rights(ctx context.Context, list []Grant) (Rights, error) {
	given, taken := Rights(0), Rights(0)
	for _, g := range list {
		identifier, minus := strings.CutPrefix(g.Identifier, negative)
		applies, err := m.has(ctx, identifier)
		switch {
		case err != nil:
			return 0, err
		case applies && minus:
			taken |= g.Rights
		case applies:
			given |= g.Rights
		}
	}
	return given &^ taken, nil
}

func (m *membership) has(ctx context.Context, identifier string) (bool, error) {
	if m.alien {
		return false, nil
	}
	if applies, ok := m.known[identifier]; ok {
		return applies, nil
	}
	applies, err := m.s.standsFor(ctx, identifier, &m.who)
	m.known[identifier] = applies
	return applies, err
}

// standsFor reports whether an identifier stands for an account of the domain.
func (s *Store) standsFor(ctx context.Context, identifier string, who *Account) (bool, error) {
	if identifier == Anyone || identifier == who.Address {
		return true, nil
	}
	rec, err := s.addressRecord(ctx, identifier)
	if KindOf(err) == KindNotFound || err == nil && rec.Alias == nil {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var res Resolution
	if err := s.resolve(ctx, identifier, &res, 0); err != nil {
		if kind := KindOf(err); kind == KindNotFound || kind == KindLimit { // leads nowhere, or in a circle
			return false, nil
		}
		return false, err
	}
	return slices.ContainsFunc(res.Accounts, func(a Account) bool { return a.ID == who.ID }), nil
}

// SharedMailbox returns a mailbox of an owner, by the owner's name for it, with the rights that an
// account has. Kind: KindNotFound, also if it has none.
func (s *Store) SharedMailbox(ctx context.Context, owner AccountID, name string, who AccountID) (m Mailbox, r Rights, err error) {
	if m, err = s.MailboxByName(ctx, owner, name); err != nil {
		return m, 0, err
	}
	r, err = s.RightsOf(ctx, owner, m.ID, who)
	if err == nil && r == 0 {
		err = fail("find mailbox", KindNotFound, "mailbox %q is not shared", name)
	}
	return m, r, err
}

// SharedWith returns the mailboxes that others share with an account, by owner's address and name.
// Where nothing is shared it costs one look into memory.
func (s *Store) SharedWith(ctx context.Context, who AccountID) (list []Shared, err error) {
	owners, err := s.Sharers(ctx, who)
	for _, owner := range owners {
		if err != nil {
			break
		}
		var more []Shared
		if more, err = s.SharedBy(ctx, owner, who); KindOf(err) == KindNotFound {
			err = nil // the account went meanwhile
		}
		list = append(list, more...)
	}
	slices.SortFunc(list, func(a, b Shared) int {
		return cmp.Or(strings.Compare(a.Owner.Address, b.Owner.Address), compareNames(a.Mailbox.Name, b.Mailbox.Name))
	})
	return list, err
}

// SharedBy returns what one owner shares with an account, in no order. Kind: KindNotFound.
func (s *Store) SharedBy(ctx context.Context, owner, who AccountID) (list []Shared, err error) {
	o, err := s.Account(ctx, owner)
	if err != nil {
		return nil, err
	}
	grants := map[MailboxID][]Grant{}
	mailboxes := map[MailboxID]Mailbox{}
	err = s.view(ctx, "list shared mailboxes", owner, func(r kv.Reader) error {
		err := eachGrant(r, 0, func(m MailboxID, g Grant) error {
			grants[m] = append(grants[m], g)
			return nil
		})
		for id := range grants {
			m, rerr := readMailbox(r, id)
			if rerr == nil {
				mailboxes[id], rerr = withSubscription(r, m)
			}
			if err == nil {
				err = rerr
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	member, err := s.membership(ctx, owner, who)
	if err != nil {
		return nil, err
	}
	for id, m := range mailboxes {
		rights, err := member.rights(ctx, grants[id])
		if err != nil {
			return nil, err
		}
		if rights != 0 {
			list = append(list, Shared{o, m, rights})
		}
	}
	return list, nil
}

// PostTarget returns the mailbox that mail to an address with a detail is for: that to
// anna+projects@ goes to the mailbox Projects of anna@ if the sender, an account of the domain, has
// the right to post there. Upper and lower case are the same, and a space is written "_". ok is
// false if there is no such mailbox, or no right.
func (s *Store) PostTarget(ctx context.Context, owner AccountID, detail string, sender AccountID) (m Mailbox, ok bool, err error) {
	mailboxes, err := s.Mailboxes(ctx, owner)
	if err != nil {
		return m, false, err
	}
	for _, m := range mailboxes {
		if !strings.EqualFold(strings.ReplaceAll(m.Name, " ", "_"), detail) {
			continue
		}
		r, err := s.RightsOf(ctx, owner, m.ID, sender)
		if KindOf(err) == KindNotFound {
			err = nil
		}
		return m, err == nil && r.Has(RightPost), err
	}
	return m, false, nil
}
