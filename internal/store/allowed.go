package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/store/kv"
)

// AllowedSender is an address, or a domain with all its addresses, whose mail an account wants let through even
// if nothing proves that it comes from there.
type AllowedSender struct {
	Sender string    `json:"-"` // anna@example.org, or @example.org
	Since  time.Time `json:"since"`
}

// MaxAllowedSenders is how many senders an account can let through.
const MaxAllowedSenders = 1000

func allowedKey(sender string) key { return table(tableAllowed).text(sender) }

// NormalizeSender brings an address or a domain, written with or without an @ before it, into the form in which
// senders are let through. Kind: KindInvalid.
func NormalizeSender(text string) (string, error) {
	text = strings.TrimSpace(text)
	if at := strings.LastIndexByte(text, '@'); at > 0 {
		return NormalizeAddress(text)
	}
	name, err := address.ParseDomain(strings.TrimPrefix(text, "@"), address.Options{UTF8: true})
	if err != nil || strings.HasPrefix(name, "[") || !strings.Contains(name, ".") {
		return "", fail("check sender", KindInvalid, "%q is neither an address nor a domain", text)
	}
	return "@" + address.NormalizeDomain(name), nil
}

// AllowSender lets mail of a sender through from now on. Kinds: KindInvalid, KindNotFound, KindLimit.
func (s *Store) AllowSender(ctx context.Context, a AccountID, sender string) error {
	const op = "allow sender"
	sender, err := NormalizeSender(sender)
	if err != nil {
		return err
	}
	return wrap(op, s.records.Update(ctx, kv.Account(a), func(tx kv.Tx) error {
		if _, err := readHead(tx); err != nil {
			return err
		}
		list, err := readAllowed(tx)
		if err != nil {
			return err
		}
		for _, one := range list {
			if one.Sender == sender {
				return nil
			}
		}
		if len(list) >= MaxAllowedSenders {
			return fail(op, KindLimit, "an account lets at most %d senders through", MaxAllowedSenders)
		}
		return setJSON(tx, allowedKey(sender), AllowedSender{Since: s.now().UTC()})
	}))
}

// DisallowSender takes that back. It works on a full volume. Kinds: KindInvalid, KindNotFound.
func (s *Store) DisallowSender(ctx context.Context, a AccountID, sender string) error {
	sender, err := NormalizeSender(sender)
	if err != nil {
		return err
	}
	err = s.records.Update(kv.WithReserve(ctx), kv.Account(a), func(tx kv.Tx) error {
		if ok, err := exists(tx, allowedKey(sender)); err != nil || !ok {
			return orMissing("disallow sender", err, "%s among the senders let through", sender)
		}
		return tx.Delete(allowedKey(sender))
	})
	return wrap("disallow sender", err)
}

// AllowedSenders returns whose mail an account wants let through, by address.
func (s *Store) AllowedSenders(ctx context.Context, a AccountID) (list []AllowedSender, err error) {
	err = s.view(ctx, "list allowed senders", a, func(r kv.Reader) (err error) {
		list, err = readAllowed(r)
		return err
	})
	return list, err
}

// SenderAllowed tells whether an account wants mail of an address let through.
func (s *Store) SenderAllowed(ctx context.Context, a AccountID, from string) (ok bool, err error) {
	from, err = NormalizeAddress(from)
	if err != nil {
		return false, nil // nobody can have allowed it
	}
	err = s.view(ctx, "look for allowed sender", a, func(r kv.Reader) (err error) {
		if ok, err = exists(r, allowedKey(from)); ok || err != nil {
			return err
		}
		ok, err = exists(r, allowedKey(from[strings.LastIndexByte(from, '@'):]))
		return err
	})
	return ok, err
}

func readAllowed(r kv.Reader) (list []AllowedSender, err error) {
	err = scan(r, table(tableAllowed), table(tableAllowed).after(), func(k, v []byte) error {
		one, err := decodeAllowed(k, v)
		list = append(list, one)
		return err
	})
	return list, err
}

func decodeAllowed(k, v []byte) (one AllowedSender, err error) {
	if err := json.Unmarshal(v, &one); err != nil {
		return one, fmt.Errorf("allowed sender: %w: %w", errDamaged, err)
	}
	one.Sender = string(k[1:])
	return one, nil
}

func (v *verifier) allowed() error {
	return v.scan(table(tableAllowed), func(k, b []byte) error {
		if _, err := decodeAllowed(k, b); err != nil {
			v.problem("allowed sender %q: %v", k[1:], err)
		}
		return nil
	})
}
