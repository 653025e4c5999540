package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"strings"

	"github.com/postiljon/postiljon/internal/store/kv"
)

// What an account has taught about junk: how often a feature of messages was in junk and in mail that is wanted,
// whom it has written to, and which emails were learnt from, so that each teaches once. Features and addresses are
// hashes: who reads the records reads no mail in them. Account 0 has what all accounts taught together.

// Learned counts how often something was in junk and in mail that is wanted.
type Learned struct{ Junk, Wanted uint64 }

// Correspondent is what an account has to do with an address.
type Correspondent struct {
	Sent uint64 // messages it sent there
	Learned
}

// MaxFeatures is how many features an account remembers; beyond it those that were met once are forgotten.
const MaxFeatures = 100_000

// The tables of junk: z t feature, z c correspondent, z e email, z n for the sums.
const (
	junkFeature       = 't'
	junkCorrespondent = 'c'
	junkEmail         = 'e'
	junkSums          = 'n'
)

func junkKey(part byte) key { return append(table(tableJunk), part) }

func featureKey(f uint64) key { return junkKey(junkFeature).number(f) }

// correspondentKey hides the address.
func correspondentKey(address string) key {
	sum := sha256.Sum256([]byte(strings.ToLower(address)))
	return append(junkKey(junkCorrespondent), sum[:12]...)
}

func readCounts(r kv.Reader, k key, counts ...*uint64) error {
	b, ok, err := r.Get(k)
	if err != nil || !ok {
		return err
	}
	rec := record{b: b}
	for _, n := range counts {
		*n = rec.uint()
	}
	return rec.err()
}

func putCounts(tx kv.Tx, k key, counts ...uint64) error {
	rec, any := record{b: make([]byte, 0, 8)}, false
	for _, n := range counts {
		rec.putUint(n)
		any = any || n > 0
	}
	if !any {
		return tx.Delete(k)
	}
	return tx.Set(k, rec.b)
}

// LearnedFeatures returns what an account has learned about features, in their order, and of how many messages in all.
func (s *Store) LearnedFeatures(ctx context.Context, a AccountID, features []uint64) (counts []Learned, all Learned, err error) {
	counts = make([]Learned, len(features))
	err = s.view(ctx, "read what was learned", a, func(r kv.Reader) error {
		var distinct uint64
		if err := readCounts(r, junkKey(junkSums), &all.Junk, &all.Wanted, &distinct); err != nil || all == (Learned{}) {
			return err
		}
		for i, f := range features {
			if err := readCounts(r, featureKey(f), &counts[i].Junk, &counts[i].Wanted); err != nil {
				return err
			}
		}
		return nil
	})
	return counts, all, err
}

// Correspondent returns what an account has to do with an address.
func (s *Store) Correspondent(ctx context.Context, a AccountID, address string) (c Correspondent, err error) {
	err = s.view(ctx, "read correspondent", a, func(r kv.Reader) error {
		return readCounts(r, correspondentKey(address), &c.Sent, &c.Junk, &c.Wanted)
	})
	return c, err
}

// noteSent counts a message to some addresses.
func noteSent(tx kv.Tx, addresses []string) error {
	for _, address := range addresses {
		var c Correspondent
		k := correspondentKey(address)
		if err := readCounts(tx, k, &c.Sent, &c.Junk, &c.Wanted); err != nil {
			return err
		}
		if err := putCounts(tx, k, c.Sent+1, c.Junk, c.Wanted); err != nil {
			return err
		}
	}
	return nil
}

// Lesson is what one email teaches.
type Lesson struct {
	Email    EmailID // 0 teaches whenever it comes
	Features []uint64
	From     string // the author's address
	Junk     bool   // else it is wanted
}

// Learn takes a lesson of an account. The same lesson of the same email counts once, and one that says the opposite of an
// earlier one replaces it. It reports what the email had taught before: nil for nothing, else whether it was junk.
func (s *Store) Learn(ctx context.Context, a AccountID, l Lesson) (before *bool, err error) {
	err = s.records.Update(ctx, kv.Account(a), func(tx kv.Tx) error {
		before = nil
		k := junkKey(junkEmail).email(l.Email)
		if l.Email != 0 {
			b, ok, err := tx.Get(k)
			if err != nil {
				return err
			}
			if ok && len(b) == 1 {
				was := b[0] == 1
				if before = &was; was == l.Junk {
					return nil
				}
			}
			taught := byte(0)
			if l.Junk {
				taught = 1
			}
			if err := tx.Set(k, []byte{taught}); err != nil {
				return err
			}
		}
		return learn(tx, &l, before)
	})
	return before, wrap("learn", err)
}

// Teach takes a lesson without an email for the whole service: what before was is taken back.
func (s *Store) Teach(ctx context.Context, l Lesson, before *bool) error {
	return wrap("learn", s.records.Update(ctx, kv.Account(0), func(tx kv.Tx) error { return learn(tx, &l, before) }))
}

// learn adds a lesson to the counts, and takes back the opposite one.
func learn(tx kv.Tx, l *Lesson, before *bool) error {
	var all Learned
	var distinct uint64
	if err := readCounts(tx, junkKey(junkSums), &all.Junk, &all.Wanted, &distinct); err != nil {
		return err
	}
	all.add(l.Junk, before)
	for _, f := range l.Features {
		var n Learned
		k := featureKey(f)
		if err := readCounts(tx, k, &n.Junk, &n.Wanted); err != nil {
			return err
		}
		if n == (Learned{}) {
			distinct++
		}
		n.add(l.Junk, before)
		if n == (Learned{}) {
			distinct--
		}
		if err := putCounts(tx, k, n.Junk, n.Wanted); err != nil {
			return err
		}
	}
	if l.From != "" {
		var c Correspondent
		k := correspondentKey(l.From)
		if err := readCounts(tx, k, &c.Sent, &c.Junk, &c.Wanted); err != nil {
			return err
		}
		c.add(l.Junk, before)
		if err := putCounts(tx, k, c.Sent, c.Junk, c.Wanted); err != nil {
			return err
		}
	}
	if distinct > MaxFeatures {
		forgotten, err := forgetRare(tx)
		if err != nil {
			return err
		}
		distinct -= min(forgotten, distinct)
	}
	return putCounts(tx, junkKey(junkSums), all.Junk, all.Wanted, distinct)
}

// add counts a lesson, and takes back the opposite one.
func (n *Learned) add(junk bool, before *bool) {
	to, from := &n.Wanted, &n.Junk
	if junk {
		to, from = &n.Junk, &n.Wanted
	}
	*to++
	if before != nil && *before != junk && *from > 0 {
		*from--
	}
}

// forgetRare drops the features that were met once.
func forgetRare(tx kv.Tx) (forgotten uint64, err error) {
	t := junkKey(junkFeature)
	var rare []key
	err = scan(tx, t, t.after(), func(k, b []byte) error {
		r := record{b: b}
		if r.uint()+r.uint() <= 1 {
			rare = append(rare, append(key(nil), k...))
		}
		return r.err()
	})
	if err != nil {
		return 0, err
	}
	for _, k := range rare {
		if err := tx.Delete(k); err != nil {
			return 0, err
		}
	}
	return uint64(len(rare)), nil
}

// FeatureOf is the number of a feature.
func FeatureOf(feature string) uint64 {
	sum := sha256.Sum256([]byte(feature))
	return binary.BigEndian.Uint64(sum[:])
}
