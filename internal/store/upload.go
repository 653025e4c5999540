package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/postiljon/postiljon/internal/store/blob"
	"github.com/postiljon/postiljon/internal/store/kv"
)

// Upload is what an account uploaded and may name for a while (RFC 8620 section 6.1).
type Upload struct {
	ID   uint64 // never given again
	Blob blob.Ref
	Size int64
	At   time.Time
}

// Limits of uploads of an account that are not forgotten yet.
const (
	MaxUploads     = 1000
	MaxUploadsSize = 1 << 30 // octets
)

// The table of uploads has them by ID; without an ID lies the last one that was given.
func uploadKey(id uint64) key { return table(tableUpload).number(id) }

const uploadVersion = 1

func (u *Upload) encode() []byte {
	var r record
	r.putOctet(uploadVersion)
	r.putText(string(u.Blob))
	r.putInt(u.Size)
	r.putInt(u.At.Unix())
	return r.b
}

func (u *Upload) decode(b []byte) error {
	r := record{b: b}
	if r.octet() != uploadVersion {
		return fmt.Errorf("upload %d: %w", u.ID, errDamaged)
	}
	u.Blob = blob.Ref(r.text())
	u.Size = r.int()
	u.At = time.Unix(r.int(), 0)
	return r.err()
}

func eachUpload(r kv.Reader, fn func(u *Upload) error) error {
	return scan(r, uploadKey(0), table(tableUpload).after(), func(k, v []byte) error {
		u := Upload{ID: binary.BigEndian.Uint64(k[1:])}
		if err := u.decode(v); err != nil {
			return err
		}
		return fn(&u)
	})
}

// AddUpload keeps an upload, whose blob is durable already, and gives it an ID. Kinds: KindNotFound, KindLimit.
func (s *Store) AddUpload(ctx context.Context, a AccountID, ref blob.Ref, size int64) (u Upload, err error) {
	const op = "keep upload"
	err = s.records.Update(ctx, kv.Account(a), func(tx kv.Tx) error {
		if _, err := readHead(tx); err != nil {
			return err
		}
		n, sum := 0, size
		err := eachUpload(tx, func(u *Upload) error {
			n, sum = n+1, sum+u.Size
			return nil
		})
		if err != nil {
			return err
		}
		if n >= MaxUploads || sum > MaxUploadsSize {
			return fail(op, KindLimit, "an account has at most %d uploads of %d octets", MaxUploads, MaxUploadsSize)
		}
		u = Upload{Blob: ref, Size: size, At: s.now()}
		if u.ID, err = nextID(tx, table(tableUpload)); err != nil {
			return err
		}
		return tx.Set(uploadKey(u.ID), u.encode())
	})
	if err == nil {
		s.pending.named(ref)
	}
	return u, wrap(op, err)
}

// nextID returns one more than the last number that was given, which lies under a key.
func nextID(tx kv.Tx, k key) (uint64, error) {
	last, _, err := tx.Get(k)
	if err != nil {
		return 0, err
	}
	id := uint64(1)
	if len(last) == 8 {
		id = binary.BigEndian.Uint64(last) + 1
	}
	return id, tx.Set(k, binary.BigEndian.AppendUint64(nil, id))
}

// Upload returns an upload of an account. Kind: KindNotFound.
func (s *Store) Upload(ctx context.Context, a AccountID, id uint64) (u Upload, err error) {
	err = s.view(ctx, "find upload", a, func(r kv.Reader) error {
		b, ok, err := r.Get(uploadKey(id))
		if err == nil && !ok {
			err = fail("find upload", KindNotFound, "upload %d", id)
		}
		if err != nil {
			return err
		}
		u.ID = id
		return u.decode(b)
	})
	return u, err
}

// ForgetUploads forgets what was uploaded longer ago than the given age; its room is given back by the next collection, if
// no message has the same octets. It works on a full volume.
func (s *Store) ForgetUploads(ctx context.Context, age time.Duration) error {
	ctx = kv.WithReserve(ctx)
	before := s.now().Add(-age)
	err := s.records.Accounts(ctx, func(a kv.Account) error { return s.forgetUploads(ctx, a, before) })
	return wrap("forget uploads", err)
}

func (s *Store) forgetUploads(ctx context.Context, a kv.Account, before time.Time) error {
	var old []uint64
	err := s.records.View(ctx, a, func(r kv.Reader) error {
		return eachUpload(r, func(u *Upload) error {
			if u.At.Before(before) {
				old = append(old, u.ID)
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	return s.dropUploads(ctx, a, old)
}

// ForgetUploadsOf is ForgetUploads for one account.
func (s *Store) ForgetUploadsOf(ctx context.Context, a AccountID, age time.Duration) error {
	return wrap("forget uploads", s.forgetUploads(kv.WithReserve(ctx), kv.Account(a), s.now().Add(-age)))
}

// MakeRoomForUploads forgets the oldest uploads of an account until there is room for n more, of so many octets together.
func (s *Store) MakeRoomForUploads(ctx context.Context, a AccountID, n int, size int64) error {
	var all []Upload // at most MaxUploads, the oldest first
	err := s.view(ctx, "list uploads", a, func(r kv.Reader) error {
		return eachUpload(r, func(u *Upload) error {
			all = append(all, *u)
			size += u.Size
			return nil
		})
	})
	if err != nil {
		return err
	}
	var old []uint64
	for _, u := range all {
		if len(all)-len(old)+n <= MaxUploads && size <= MaxUploadsSize {
			break
		}
		old, size = append(old, u.ID), size-u.Size
	}
	return wrap("forget uploads", s.dropUploads(kv.WithReserve(ctx), kv.Account(a), old))
}

func (s *Store) dropUploads(ctx context.Context, a kv.Account, ids []uint64) error {
	if len(ids) == 0 {
		return nil
	}
	return s.records.Write(ctx, a, func(tx kv.Tx) error {
		for _, id := range ids { // at most MaxUploads
			if err := tx.Delete(uploadKey(id)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (v *verifier) uploads() error {
	return scan(v.r, uploadKey(0), table(tableUpload).after(), func(k, b []byte) error {
		u := Upload{ID: binary.BigEndian.Uint64(k[1:])}
		if err := u.decode(b); err != nil {
			v.problem("upload %x: %v", k[1:], err)
			return nil
		}
		return v.unreadable(fmt.Sprintf("upload %d", u.ID), v.s.blobs.Check(v.ctx, u.Blob))
	})
}
