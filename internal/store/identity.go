package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/store/kv"
)

// Identity is a name and an address that an account writes as (RFC 8621 section 6).
type Identity struct {
	ID            uint64            `json:"id"`
	Name          string            `json:"name,omitempty"`
	Email         string            `json:"email"`
	ReplyTo       []IdentityAddress `json:"reply_to,omitempty"`
	Bcc           []IdentityAddress `json:"bcc,omitempty"`
	TextSignature string            `json:"text_signature,omitempty"`
	HTMLSignature string            `json:"html_signature,omitempty"`
	// Own is that of an address of the account: it is there as long as the address is.
	Own     bool   `json:"own,omitempty"`
	Made    uint64 `json:"made"`    // the state that its creation led to
	Changed uint64 `json:"changed"` // and that of its last change
}

// IdentityAddress is an address that an identity names.
type IdentityAddress struct {
	Name  string `json:"name,omitempty"`
	Email string `json:"email"`
}

// Identities are those of an account.
type Identities struct {
	Next  uint64         `json:"next"`
	State uint64         `json:"state"`
	Floor uint64         `json:"floor,omitempty"` // what went before is not told any more
	List  []Identity     `json:"list"`            // ascending by ID
	Gone  []GoneIdentity `json:"gone,omitempty"`
}

// GoneIdentity is one that was destroyed.
type GoneIdentity struct {
	ID, Made, Changed uint64
}

// Bounds of identities.
const (
	MaxIdentities   = 100
	maxGone         = 100
	MaxSignature    = 64 << 10 // octets
	maxIdentitySize = 1 << 20  // of all that an account has
)

// Find returns an identity, nil if there is none with this id.
func (i *Identities) Find(id uint64) *Identity {
	at := slices.IndexFunc(i.List, func(one Identity) bool { return one.ID == id })
	if at < 0 {
		return nil
	}
	return &i.List[at]
}

// Add adds an identity and gives it its id. Kind: KindLimit.
func (i *Identities) Add(one Identity) (*Identity, error) {
	if len(i.List) >= MaxIdentities {
		return nil, fail("add identity", KindLimit, "an account has at most %d identities", MaxIdentities)
	}
	i.Next, i.State = i.Next+1, i.State+1
	one.ID, one.Made, one.Changed = i.Next, i.State, i.State
	i.List = append(i.List, one)
	return &i.List[len(i.List)-1], nil
}

// Touch notes that an identity was changed.
func (i *Identities) Touch(one *Identity) {
	i.State++
	one.Changed = i.State
}

// Remove takes an identity away.
func (i *Identities) Remove(id uint64) {
	one := i.Find(id)
	if one == nil {
		return
	}
	i.State++
	i.Gone = append(i.Gone, GoneIdentity{id, one.Made, i.State})
	for len(i.Gone) > maxGone {
		i.Floor, i.Gone = i.Gone[0].Changed, i.Gone[1:]
	}
	i.List = slices.DeleteFunc(i.List, func(one Identity) bool { return one.ID == id })
}

// own adds identities for addresses that have none of their own, and removes those whose address is not one of the
// account any more.
func (i *Identities) own(name string, addresses []string) (changed bool) {
	for n := len(i.List) - 1; n >= 0; n-- {
		if one := &i.List[n]; one.Own && !slices.Contains(addresses, one.Email) {
			i.Remove(one.ID)
			changed = true
		}
	}
	for _, a := range addresses {
		if slices.ContainsFunc(i.List, func(one Identity) bool { return one.Own && strings.EqualFold(one.Email, a) }) {
			continue
		}
		if _, err := i.Add(Identity{Name: name, Email: a, Own: true}); err != nil {
			return changed
		}
		changed = true
	}
	return changed
}

func readIdentities(r kv.Reader) (i Identities, err error) {
	b, ok, err := r.Get(table(tableIdentity))
	if err != nil || !ok {
		return i, err
	}
	if err := json.Unmarshal(b, &i); err != nil {
		return i, fmt.Errorf("identities: %w: %w", errDamaged, err)
	}
	return i, nil
}

// Identities returns those of an account: its own address and its aliases each have one that comes by itself.
func (s *Store) Identities(ctx context.Context, a *Account) (i Identities, err error) {
	addresses, err := s.AddressesOf(ctx, a)
	if err != nil {
		return i, err
	}
	err = s.view(ctx, "read identities", a.ID, func(r kv.Reader) error {
		i, err = readIdentities(r)
		return err
	})
	if err != nil || !i.own(a.Name, addresses) {
		return i, err
	}
	return s.changeIdentities(ctx, a, addresses, func(*Identities) error { return nil })
}

// IdentityState returns the state of an account's identities, as it was when they were looked at last.
func (s *Store) IdentityState(ctx context.Context, a AccountID) (state uint64, err error) {
	err = s.view(ctx, "read identities", a, func(r kv.Reader) error {
		i, err := readIdentities(r)
		state = i.State
		return err
	})
	return state, err
}

// ChangeIdentities changes those of an account in one transaction.
func (s *Store) ChangeIdentities(ctx context.Context, a *Account, fn func(*Identities) error) (i Identities, err error) {
	addresses, err := s.AddressesOf(ctx, a)
	if err != nil {
		return i, err
	}
	return s.changeIdentities(ctx, a, addresses, fn)
}

// NameIdentities gives the identities that come by themselves the account's name, where they have the one it had before: another was
// chosen for them alone.
func (s *Store) NameIdentities(ctx context.Context, a *Account, before string) error {
	if a.Name == before {
		return nil
	}
	_, err := s.ChangeIdentities(ctx, a, func(i *Identities) error {
		for n := range i.List {
			if one := &i.List[n]; one.Own && one.Name == before {
				one.Name = a.Name
				i.Touch(one)
			}
		}
		return nil
	})
	return err
}

func (s *Store) changeIdentities(ctx context.Context, a *Account, addresses []string, fn func(*Identities) error) (i Identities, err error) {
	err = s.records.Update(ctx, kv.Account(a.ID), func(tx kv.Tx) error {
		if _, err := readHead(tx); err != nil { // the account is gone
			return err
		}
		if i, err = readIdentities(tx); err != nil {
			return err
		}
		i.own(a.Name, addresses)
		if err := fn(&i); err != nil {
			return err
		}
		b, err := json.Marshal(i)
		if err != nil {
			return err
		}
		if len(b) > maxIdentitySize {
			return fail("change identities", KindLimit, "the identities of an account have at most %d octets", maxIdentitySize)
		}
		return tx.Set(table(tableIdentity), b)
	})
	if err == nil {
		s.hub.notify(a.ID)
	}
	return i, wrap("change identities", err)
}

// maxOwnAddresses bounds for how many aliases there are identities.
const maxOwnAddresses = 50

// AddressesOf returns the addresses that are an account's: its own, and the aliases that lead to it. The list is shared.
func (s *Store) AddressesOf(ctx context.Context, a *Account) ([]string, error) {
	c := &s.directory
	c.mu.RLock()
	all, ok := c.owned[a.ID]
	generation := c.generation
	c.mu.RUnlock()
	if ok {
		return all, nil
	}
	all, err := s.readAddressesOf(ctx, a)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.generation == generation && len(c.owned) < maxCachedEntries {
		c.owned[a.ID] = all
	}
	return all, nil
}

func (s *Store) readAddressesOf(ctx context.Context, a *Account) ([]string, error) {
	all := []string{a.Address}
	aliases, err := s.Aliases(ctx, "")
	if err != nil {
		return nil, err
	}
	for i := range aliases {
		if len(all) == maxOwnAddresses {
			break
		}
		res, err := s.Resolve(ctx, aliases[i].Address)
		if KindOf(err) == KindNotFound || KindOf(err) == KindLimit { // a domain that is switched off, a circle
			continue
		}
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(res.Accounts, func(one Account) bool { return one.ID == a.ID }) {
			all = append(all, aliases[i].Address)
		}
	}
	return all, nil
}

// identities checks that they can be read.
func (v *verifier) identities() error {
	if _, err := readIdentities(v.r); err != nil {
		v.problem("the identities: %v", err)
	}
	return nil
}
