package store

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/postiljon/postiljon/internal/store/kv"
)

// PushSubscription is where a device wants to be told of changes (RFC 8620 section 7.2).
type PushSubscription struct {
	ID     uint64 `json:"-"`
	Device string `json:"device"`
	// URL takes messages for the device; it is a secret between device and service.
	URL string `json:"url"`
	// With names what the request that made it was signed in with, "" if that is not known; it ends with that.
	With string `json:"with,omitempty"`
	// P256dh and Auth encrypt messages (RFC 8291), base64url; both or none are empty.
	P256dh string `json:"p256dh,omitempty"`
	Auth   string `json:"auth,omitempty"`
	// Code is what the device must tell to show that messages reach it.
	Code     string    `json:"code"`
	Verified bool      `json:"verified,omitempty"`
	Created  time.Time `json:"created"`
	Expires  time.Time `json:"expires"`
	// Types are what the device wants to hear of; nil means all.
	Types []string `json:"types,omitempty"`
	// Notify, if not nil, is what it wants to know of mail that comes, as the protocol has it.
	Notify json.RawMessage `json:"notify,omitempty"`
}

// MaxPushSubscriptions is how many devices of an account can be told of changes.
const MaxPushSubscriptions = 32

// The table of push subscriptions has them by ID; without an ID lies the last one that was given.
func pushKey(id uint64) key { return table(tablePush).number(id) }

// PushSubscriptions returns those of an account, in the order in which they were made.
func (s *Store) PushSubscriptions(ctx context.Context, a AccountID) (list []PushSubscription, err error) {
	err = s.view(ctx, "list push subscriptions", a, func(r kv.Reader) (err error) {
		list, err = readPush(r)
		return err
	})
	return list, err
}

func readPush(r kv.Reader) (list []PushSubscription, err error) {
	err = scan(r, pushKey(0), table(tablePush).after(), func(k, v []byte) error {
		p, err := decodePush(k, v)
		list = append(list, p)
		return err
	})
	return list, err
}

func decodePush(k, v []byte) (p PushSubscription, err error) {
	if len(k) != 9 {
		return p, errDamaged
	}
	if err := json.Unmarshal(v, &p); err != nil {
		return p, fmt.Errorf("push subscription: %w: %w", errDamaged, err)
	}
	p.ID = binary.BigEndian.Uint64(k[1:])
	return p, nil
}

// CreatePushSubscription keeps a new subscription and gives it an ID, which is never given again. Those for the same URL
// are gone. Kinds: KindNotFound, KindLimit.
func (s *Store) CreatePushSubscription(ctx context.Context, a AccountID, p PushSubscription) (made PushSubscription, gone []uint64, err error) {
	const op = "create push subscription"
	err = s.records.Update(ctx, kv.Account(a), func(tx kv.Tx) error {
		if _, err := readHead(tx); err != nil {
			return err
		}
		list, err := readPush(tx)
		if err != nil {
			return err
		}
		if p.ID, err = nextID(tx, table(tablePush)); err != nil {
			return err
		}
		gone = nil
		for i := range list {
			if list[i].URL == p.URL {
				gone = append(gone, list[i].ID)
				if err := tx.Delete(pushKey(list[i].ID)); err != nil {
					return err
				}
			}
		}
		list = slices.DeleteFunc(list, func(one PushSubscription) bool { return one.URL == p.URL })
		if len(list) >= MaxPushSubscriptions {
			return fail(op, KindLimit, "an account has at most %d push subscriptions", MaxPushSubscriptions)
		}
		return setJSON(tx, pushKey(p.ID), p)
	})
	return p, gone, wrap(op, err)
}

// UpdatePushSubscription changes a subscription. Kind: KindNotFound.
func (s *Store) UpdatePushSubscription(ctx context.Context, a AccountID, id uint64, fn func(*PushSubscription) error) error {
	err := s.records.Update(ctx, kv.Account(a), func(tx kv.Tx) error {
		var p PushSubscription
		if err := getJSON(tx, pushKey(id), &p, "push subscription", id); err != nil {
			return err
		}
		if err := fn(&p); err != nil {
			return err
		}
		return setJSON(tx, pushKey(id), p)
	})
	return wrap("change push subscription", err)
}

// DeletePushSubscription ends a subscription. It works on a full volume. Kind: KindNotFound.
func (s *Store) DeletePushSubscription(ctx context.Context, a AccountID, id uint64) error {
	err := s.records.Update(kv.WithReserve(ctx), kv.Account(a), func(tx kv.Tx) error {
		var p PushSubscription
		if err := getJSON(tx, pushKey(id), &p, "push subscription", id); err != nil {
			return err
		}
		return tx.Delete(pushKey(id))
	})
	return wrap("delete push subscription", err)
}

// Subscribed returns the accounts that have push subscriptions. It looks at all accounts.
func (s *Store) Subscribed(ctx context.Context) (list []AccountID, err error) {
	err = s.records.Accounts(ctx, func(a kv.Account) error {
		err := s.records.View(ctx, a, func(r kv.Reader) error {
			return scan(r, pushKey(0), table(tablePush).after(), func(_, _ []byte) error { return errStepFull })
		})
		if errors.Is(err, errStepFull) {
			list, err = append(list, AccountID(a)), nil
		}
		return err
	})
	return list, wrap("list accounts with push subscriptions", err)
}

func (v *verifier) push() error {
	return scan(v.r, pushKey(0), table(tablePush).after(), func(k, b []byte) error {
		if _, err := decodePush(k, b); err != nil {
			v.problem("push subscription %x: %v", k[1:], err)
		}
		return nil
	})
}
