package store

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/store/kv"
)

// Recent is an address that the account wrote to. Each message that is sent notes its recipients, however it is sent,
// in the commit that takes it.
type Recent struct {
	Address string // as it was written last
	Name    string // as the last message had it, "" if it had none
	Count   int64
	Last    time.Time // to the second
	// Failed is why the last message to it came back, where that is because there is no such address; "" otherwise.
	Failed cause.ID
}

// Contact is an entry of the account's own address book.
type Contact struct {
	ID        string    `json:"id"`
	Name      string    `json:"name,omitempty"`
	Addresses []string  `json:"addresses"`
	Note      string    `json:"note,omitempty"`
	Changed   time.Time `json:"changed"`
}

// Limits of address books.
const (
	MaxContacts         = 10_000
	MaxContactAddresses = 20
	MaxContactName      = 200  // characters
	MaxContactNote      = 4000 // characters
	maxRecents          = 2000 // and a few more: the oldest go now and then
)

// The two parts of the table: C r address is a recent one, C c id a contact.
func recentKey(address string) key { return table(tableContact).text("r" + address) }
func contactKey(id string) key     { return table(tableContact).text("c" + id) }

// plainAddress is an address in the form in which two spellings are equal, "" if it is none.
func plainAddress(text string) string {
	a, err := address.Parse(text, address.Options{UTF8: true, LongLocal: true})
	if err != nil || a.Domain == "" {
		return ""
	}
	return a.Normalize().String()
}

func (c *Recent) encode() []byte {
	r := record{}
	r.putUint(uint64(c.Count))
	r.putInt(c.Last.Unix())
	r.putText(c.Name)
	r.putText(c.Address)
	r.putText(string(c.Failed))
	return r.b
}

func decodeRecent(b []byte) (c Recent, err error) {
	r := record{b: b}
	c.Count, c.Last = int64(r.uint()), time.Unix(r.int(), 0)
	c.Name = r.text()
	c.Address = r.text()
	if len(r.b) > 0 { // not in the first records
		c.Failed = cause.ID(r.text())
	}
	return c, r.err()
}

// noteRecents counts a message to its recipients, with the names that it gives them.
func noteRecents(tx kv.Tx, addresses []string, s *message.Summary, now time.Time) error {
	names := map[string]string{}
	if s != nil {
		for _, list := range [][]message.Address{s.To, s.Cc, s.Bcc} {
			for _, a := range list {
				if a.Name != "" {
					names[plainAddress(a.Email)] = a.Name
				}
			}
		}
	}
	added := false
	for _, text := range addresses {
		plain := plainAddress(text)
		if plain == "" {
			continue
		}
		var c Recent
		b, known, err := tx.Get(recentKey(plain))
		if err == nil && known {
			c, err = decodeRecent(b)
		}
		if err != nil {
			return err
		}
		c = Recent{Address: text, Count: c.Count + 1, Last: now, Name: cut(cmp.Or(names[plain], c.Name))}
		added = added || !known
		if err := tx.Set(recentKey(plain), c.encode()); err != nil {
			return err
		}
	}
	if added && now.Unix()%16 == 0 { // counting them is not worth its while each time
		return trimRecents(tx)
	}
	return nil
}

// noteFailed notes recipients of a submission that do not exist: they are not what is likely meant the next time.
func noteFailed(tx kv.Tx, sub *Submission) error {
	for i := range sub.Recipients {
		to := &sub.Recipients[i]
		if to.State != Failed || to.Cause != cause.RecipientUnknown && to.Cause != cause.RecipientDomainTypo {
			continue
		}
		k := recentKey(plainAddress(to.Address))
		b, known, err := tx.Get(k)
		if err != nil {
			return err
		}
		if !known {
			continue
		}
		c, err := decodeRecent(b)
		if err != nil {
			return err
		}
		if c.Failed != to.Cause && (!c.Last.After(sub.Created) || !c.Last.After(to.Last)) { // what was sent since it was tried may go
			c.Failed = to.Cause
			if err := tx.Set(k, c.encode()); err != nil {
				return err
			}
		}
	}
	return nil
}

// trimRecents drops those that were written to longest ago, where there are too many.
func trimRecents(tx kv.Tx) error {
	all, err := readRecents(tx)
	if err != nil || len(all) <= maxRecents {
		return err
	}
	slices.SortFunc(all, func(a, b Recent) int { return a.Last.Compare(b.Last) })
	for _, c := range all[:len(all)-maxRecents] {
		if err := tx.Delete(recentKey(plainAddress(c.Address))); err != nil {
			return err
		}
	}
	return nil
}

func readRecents(r kv.Reader) (all []Recent, err error) {
	t := recentKey("")
	err = scan(r, t, t.after(), func(_, v []byte) error {
		c, err := decodeRecent(v)
		all = append(all, c)
		return err
	})
	return all, err
}

// Recents returns the addresses that the account wrote to, the last first.
func (s *Store) Recents(ctx context.Context, a AccountID) (all []Recent, err error) {
	err = s.view(ctx, "read recent addresses", a, func(r kv.Reader) error {
		all, err = readRecents(r)
		return err
	})
	slices.SortStableFunc(all, func(a, b Recent) int { return b.Last.Compare(a.Last) })
	return all, err
}

// RemoveRecent forgets that the account wrote to an address, until it does so again. What is not there is removed already.
func (s *Store) RemoveRecent(ctx context.Context, a AccountID, text string) error {
	return wrap("remove recent address", s.records.Update(ctx, kv.Account(a), func(tx kv.Tx) error { return tx.Delete(recentKey(plainAddress(text))) }))
}

// Contacts returns the account's address book, by name.
func (s *Store) Contacts(ctx context.Context, a AccountID) (all []Contact, err error) {
	err = s.view(ctx, "read contacts", a, func(r kv.Reader) error {
		all, err = readContacts(r)
		return err
	})
	slices.SortStableFunc(all, func(a, b Contact) int { return cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) })
	return all, err
}

func readContacts(r kv.Reader) (all []Contact, err error) {
	t := contactKey("")
	err = scan(r, t, t.after(), func(_, v []byte) error {
		var c Contact
		if err := json.Unmarshal(v, &c); err != nil {
			return errDamaged
		}
		all = append(all, c)
		return nil
	})
	return all, err
}

// PutContacts adds contacts, and changes those that have an ID. It returns them as they are kept: all or none. Kinds:
// KindInvalid, KindLimit, KindNotFound.
func (s *Store) PutContacts(ctx context.Context, a AccountID, list []Contact) ([]Contact, error) {
	const op = "keep contacts"
	now := s.now().UTC().Truncate(time.Second)
	kept := slices.Clone(list)
	for i := range kept {
		if err := kept[i].check(op); err != nil {
			return nil, err
		}
		kept[i].Changed = now
	}
	err := s.records.Update(ctx, kv.Account(a), func(tx kv.Tx) error {
		if _, err := readHead(tx); err != nil { // the account went meanwhile
			return err
		}
		have, err := countContacts(tx)
		if err != nil {
			return err
		}
		for i := range kept {
			c := &kept[i]
			if c.ID == "" {
				if have++; have > MaxContacts {
					return fail(op, KindLimit, "an address book has at most %d entries", MaxContacts)
				}
				c.ID = NewTraceID(s.now()).String()
			} else if _, ok, err := tx.Get(contactKey(c.ID)); err != nil || !ok {
				if err == nil {
					err = fail(op, KindNotFound, "contact %q", c.ID)
				}
				return err
			}
			if err := setJSON(tx, contactKey(c.ID), c); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, wrap(op, err)
	}
	return kept, nil
}

func countContacts(r kv.Reader) (n int, err error) {
	t := contactKey("")
	return n, scan(r, t, t.after(), func(_, _ []byte) error { n++; return nil })
}

// check tells what is wrong with a contact, and brings it into the form that is kept.
func (c *Contact) check(op string) error {
	c.Name, c.Note = strings.TrimSpace(c.Name), strings.TrimSpace(c.Note)
	switch {
	case len([]rune(c.Name)) > MaxContactName || len([]rune(c.Note)) > MaxContactNote || len(c.Addresses) > MaxContactAddresses:
		return fail(op, KindLimit, "name, note or addresses are too many")
	case strings.ContainsFunc(c.Name, unprintable):
		return fail(op, KindInvalid, "the name has control characters")
	case c.Name == "" && len(c.Addresses) == 0:
		return fail(op, KindInvalid, "neither name nor address")
	}
	c.Addresses = slices.Clone(c.Addresses)
	for i, text := range c.Addresses {
		if c.Addresses[i] = strings.TrimSpace(text); plainAddress(c.Addresses[i]) == "" {
			return fail(op, KindInvalid, "%q is no address", text)
		}
	}
	return nil
}

// DeleteContact removes a contact. Kind: KindNotFound.
func (s *Store) DeleteContact(ctx context.Context, a AccountID, id string) error {
	const op = "delete contact"
	return wrap(op, s.records.Update(ctx, kv.Account(a), func(tx kv.Tx) error {
		if _, ok, err := tx.Get(contactKey(id)); err != nil || !ok {
			if err == nil {
				err = fail(op, KindNotFound, "contact %q", id)
			}
			return err
		}
		return tx.Delete(contactKey(id))
	}))
}

// contacts checks the address book.
func (v *verifier) contacts() error {
	if _, err := readContacts(v.r); err != nil {
		v.problem("contacts: %v", err)
	}
	if _, err := readRecents(v.r); err != nil {
		v.problem("recent addresses: %v", err)
	}
	return nil
}
