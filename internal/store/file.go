package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/store/blob"
	"github.com/postiljon/postiljon/internal/store/kv"
)

// File is a file that lies beside the mail of an account: sent as a link because it is too large for a
// message, or brought to be imported. While it comes in, its octets are a draft of the blob store.
type File struct {
	ID      string    `json:"-"`
	Account AccountID `json:"-"`
	Name    string    `json:"name"`
	Type    string    `json:"type,omitempty"` // media type as the sender says, "" if that is not known
	Size    int64     `json:"size"`           // of the whole
	Offset  int64     `json:"offset"`         // octets that are there durably
	Draft   []byte    `json:"draft,omitempty"`
	Created time.Time `json:"created"`
	Changed time.Time `json:"changed"`          // when octets last came in
	Whole   time.Time `json:"whole,omitzero"`   // since when it is all there
	Expires time.Time `json:"expires"`          // when it is given up, or its link ends
	Gone    time.Time `json:"gone,omitzero"`    // since when its octets are no longer kept
	SHA256  []byte    `json:"sha256,omitempty"` // of the whole
	Blob    blob.Ref  `json:"-"`
	RawBlob []byte    `json:"blob,omitempty"`
	Link    *FileLink `json:"link,omitempty"`
	// Email and Submission are the message that the link stands in, "" if that is not known.
	Email      string `json:"email,omitempty"`
	Submission string `json:"submission,omitempty"`
}

// FileLink lets whoever has the token fetch a file.
type FileLink struct {
	Token     string    `json:"token"`
	Created   time.Time `json:"created"`
	Revoked   time.Time `json:"revoked,omitzero"`
	Downloads int64     `json:"downloads,omitempty"`
	Last      time.Time `json:"last,omitzero"` // download
}

// FileLimits bound the files of an account.
type FileLimits struct {
	Size  int64 // octets of one file
	Total int64 // octets of all files of the account
	Files int   // how many, those whose octets are gone not counted
}

// How long the record of a file stays after its octets went, so that who follows the link hears what
// became of it.
const fileMemory = 90 * 24 * time.Hour

// draftGrace is how long a draft may lie there before a record tells of it.
const draftGrace = time.Hour

func fileKey(id string) key { return table(tableFile).text(id) }

// fileTokenKey has the token as a hash, so that how long a look-up takes tells nothing about tokens.
func fileTokenKey(token string) key {
	sum := sha256.Sum256([]byte(token))
	return append(table(tableFileToken), sum[:16]...)
}

// randomID is 130 random bits that can stand in a URL.
func randomID() string {
	var b [17]byte
	rand.Read(b[:]) // never fails
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:]))[:26]
}

// DraftName is the name of a file's draft in the store of blobs.
func (f *File) DraftName() string { return strconv.FormatUint(uint64(f.Account), 10) + "-" + f.ID }

// Over reports whether nobody can have the file any more: its time is over, or its link was revoked.
func (f *File) Over(now time.Time) bool {
	return !f.Gone.IsZero() || now.After(f.Expires) || f.Link != nil && !f.Link.Revoked.IsZero()
}

func putFile(tx kv.Tx, f *File) error {
	f.RawBlob = []byte(f.Blob)
	return setJSON(tx, fileKey(f.ID), f)
}

func decodeFile(a AccountID, k, b []byte) (f File, err error) {
	if err := json.Unmarshal(b, &f); err != nil {
		return f, fmt.Errorf("file: %w: %w", errDamaged, err)
	}
	f.Account, f.ID, f.Blob = a, string(k[1:]), blob.Ref(f.RawBlob)
	return f, nil
}

func readFile(r kv.Reader, a AccountID, id string) (f File, err error) {
	b, ok, err := r.Get(fileKey(id))
	if err != nil || !ok || id == "" {
		return f, orMissing("read file", err, "file %q", id)
	}
	return decodeFile(a, fileKey(id), b)
}

func eachFile(r kv.Reader, a AccountID, fn func(f *File) error) error {
	return scan(r, table(tableFile), table(tableFile).after(), func(k, b []byte) error {
		f, err := decodeFile(a, k, b)
		if err != nil {
			return err
		}
		return fn(&f)
	})
}

// FileUsage is what the files of an account hold against their limits, those that still come in with
// their whole size.
type FileUsage struct {
	Files  int
	Octets int64
}

func fileUsage(r kv.Reader, a AccountID, now time.Time) (u FileUsage, err error) {
	err = eachFile(r, a, func(f *File) error {
		if !f.Over(now) {
			u.Files++
			u.Octets += f.Size
		}
		return nil
	})
	return u, err
}

// FileUsage returns what the files of an account hold.
func (s *Store) FileUsage(ctx context.Context, a AccountID) (u FileUsage, err error) {
	err = s.view(ctx, "count files", a, func(r kv.Reader) error {
		u, err = fileUsage(r, a, s.now())
		return err
	})
	return u, err
}

// CreateFile begins a file of an account: Name, Type, Size and Expires are the caller's. Kinds: KindLimit (too large, or one
// too many), KindOverQuota, KindNoSpace.
func (s *Store) CreateFile(ctx context.Context, a AccountID, f File, l FileLimits) (File, error) {
	const op = "create file"
	if f.Size < 0 || f.Size > l.Size {
		return f, fail(op, KindLimit, "%d octets, at most %d", f.Size, l.Size)
	}
	if err := s.blobs.Fits(f.Size); err != nil {
		return f, wrap(op, err)
	}
	if _, err := s.Account(ctx, a); err != nil {
		return f, err
	}
	now := s.now().UTC()
	f.ID, f.Account, f.Created, f.Changed = randomID(), a, now, now
	err := s.records.Update(ctx, kv.Account(a), func(tx kv.Tx) error {
		if _, err := readHead(tx); err != nil { // the account went meanwhile
			return err
		}
		u, err := fileUsage(tx, a, now)
		if err != nil {
			return err
		}
		if u.Files >= l.Files {
			return fail(op, KindLimit, "%d files", u.Files)
		}
		if u.Octets+f.Size > l.Total {
			return fail(op, KindOverQuota, "%d of %d octets, %d more", u.Octets, l.Total, f.Size)
		}
		return putFile(tx, &f)
	})
	return f, wrap(op, err)
}

// File returns a file. Kind: KindNotFound.
func (s *Store) File(ctx context.Context, a AccountID, id string) (f File, err error) {
	err = s.view(ctx, "read file", a, func(r kv.Reader) error {
		f, err = readFile(r, a, id)
		return err
	})
	return f, err
}

// Files returns the files of an account, newest first, those whose octets are gone included.
func (s *Store) Files(ctx context.Context, a AccountID) (all []File, err error) {
	err = s.view(ctx, "list files", a, func(r kv.Reader) error {
		return eachFile(r, a, func(f *File) error {
			all = append(all, *f)
			return nil
		})
	})
	slices.SortStableFunc(all, func(x, y File) int { return y.Created.Compare(x.Created) })
	return all, err
}

// ChangeFile changes a file durably. It works on a full volume. Kind: KindNotFound.
func (s *Store) ChangeFile(ctx context.Context, a AccountID, id string, fn func(*File) error) (f File, err error) {
	err = s.records.Update(kv.WithReserve(ctx), kv.Account(a), func(tx kv.Tx) error {
		if f, err = readFile(tx, a, id); err != nil {
			return err
		}
		if err := fn(&f); err != nil {
			return err
		}
		return putFile(tx, &f)
	})
	if err == nil && f.Blob != "" {
		s.pending.named(f.Blob)
	}
	return f, wrap("change file", err)
}

// LinkFile gives a file a link until a time, or moves the end of the link that it has. One that was revoked
// is followed by another. Kinds: KindNotFound, KindInvalid for a file that is not whole or is gone.
func (s *Store) LinkFile(ctx context.Context, a AccountID, id string, until time.Time, fn func(*File)) (File, error) {
	const op = "link file"
	token := randomID()
	// The way from the token first: a link that is told works.
	row := binaryPlace(a, id)
	if err := s.records.Update(ctx, kv.System, func(tx kv.Tx) error { return tx.Set(fileTokenKey(token), row) }); err != nil {
		return File{}, wrap(op, err)
	}
	unused := token
	f, err := s.ChangeFile(ctx, a, id, func(f *File) error {
		if f.Whole.IsZero() || !f.Gone.IsZero() {
			return fail(op, KindInvalid, "file %s is not there whole", id)
		}
		if f.Link == nil {
			unused = ""
		} else if !f.Link.Revoked.IsZero() {
			unused = f.Link.Token
		}
		if unused != token {
			f.Link = &FileLink{Token: token, Created: s.now().UTC()}
		}
		f.Expires = until.UTC()
		fn(f)
		return nil
	})
	if err != nil {
		unused = token
	}
	if unused != "" {
		derr := s.records.Write(kv.WithReserve(ctx), kv.System, func(tx kv.Tx) error { return tx.Delete(fileTokenKey(unused)) })
		err = errors.Join(err, wrap(op, derr))
	}
	return f, err
}

func binaryPlace(a AccountID, id string) []byte {
	var r record
	r.putUint(uint64(a))
	r.putText(id)
	return r.b
}

// FileByToken returns the file that a link leads to, revoked and ended ones too. Kind: KindNotFound.
func (s *Store) FileByToken(ctx context.Context, token string) (f File, err error) {
	const op = "find file"
	var at record
	err = s.view(ctx, op, AccountID(kv.System), func(r kv.Reader) error {
		b, ok, err := r.Get(fileTokenKey(token))
		if err != nil || !ok {
			return orMissing(op, err, "link")
		}
		at.b = slices.Clone(b)
		return nil
	})
	if err != nil {
		return f, err
	}
	a, id := AccountID(at.uint()), at.text()
	if f, err = s.File(ctx, a, id); err == nil && (f.Link == nil || f.Link.Token != token) {
		err = fail(op, KindNotFound, "link")
	}
	return f, err
}

// CountDownload notes that somebody began to fetch a file. A crash may forget it.
func (s *Store) CountDownload(ctx context.Context, a AccountID, id string) error {
	err := s.records.Write(kv.WithReserve(ctx), kv.Account(a), func(tx kv.Tx) error {
		f, err := readFile(tx, a, id)
		if err != nil || f.Link == nil {
			return err
		}
		f.Link.Downloads++
		f.Link.Last = s.now().UTC()
		return putFile(tx, &f)
	})
	return wrap("count download", err)
}

// DeleteFile forgets a file; what it holds is collected. It works on a full volume. Kind: KindNotFound.
func (s *Store) DeleteFile(ctx context.Context, a AccountID, id string) error {
	const op = "delete file"
	ctx = kv.WithReserve(ctx)
	var f File
	err := s.records.Update(ctx, kv.Account(a), func(tx kv.Tx) (err error) {
		if f, err = readFile(tx, a, id); err != nil {
			return err
		}
		return tx.Delete(fileKey(id))
	})
	if err != nil {
		return wrap(op, err)
	}
	if f.Link != nil {
		err = s.records.Update(ctx, kv.System, func(tx kv.Tx) error { return tx.Delete(fileTokenKey(f.Link.Token)) })
	}
	return wrap(op, errors.Join(err, s.blobs.RemoveDraft(ctx, f.DraftName())))
}

// deleteFileTokens removes the ways from tokens to the files of an account that is about to go.
func (s *Store) deleteFileTokens(ctx context.Context, tx kv.Tx, a AccountID) error {
	files, err := s.Files(ctx, a)
	for i := range files {
		if files[i].Link != nil {
			err = errors.Join(err, tx.Delete(fileTokenKey(files[i].Link.Token)))
		}
	}
	return err
}

// ExpireFiles lets go of the files whose time is over, and of drafts that belong to nothing. What they held
// is collected. It works on a full volume.
func (s *Store) ExpireFiles(ctx context.Context) error {
	ctx = kv.WithReserve(ctx)
	var failed []error
	drafts := map[string]bool{}
	err := s.records.Accounts(ctx, func(a kv.Account) error {
		if a == kv.System {
			return nil
		}
		files, err := s.Files(ctx, AccountID(a))
		if err != nil {
			return err
		}
		for i := range files {
			f := &files[i]
			if err := s.expireFile(ctx, f); err != nil {
				failed = append(failed, err)
			}
			drafts[f.DraftName()] = f.Whole.IsZero()
		}
		return ctx.Err()
	})
	if err != nil {
		return wrap("expire files", errors.Join(append(failed, err)...))
	}
	before := s.now().Add(-draftGrace)
	err = s.blobs.Drafts(ctx, func(name string, _ int64, changed time.Time) error {
		if drafts[name] || changed.After(before) {
			return nil
		}
		return s.blobs.RemoveDraft(ctx, name)
	})
	return wrap("expire files", errors.Join(append(failed, err)...))
}

// expireFile does with a file what its time asks for: one that never had a link, or that was forgotten
// long enough, leaves no trace.
func (s *Store) expireFile(ctx context.Context, f *File) error {
	now := s.now()
	switch {
	case !f.Gone.IsZero() && now.Sub(f.Gone) > fileMemory, f.Gone.IsZero() && f.Link == nil && now.After(f.Expires):
		if err := s.DeleteFile(ctx, f.Account, f.ID); KindOf(err) != KindNotFound {
			return err
		}
		return nil
	case f.Gone.IsZero() && f.Over(now):
		_, err := s.ChangeFile(ctx, f.Account, f.ID, func(f *File) error {
			if f.Over(now) { // it may have been given more time
				f.Gone, f.Blob, f.Draft = now.UTC(), "", nil
			}
			return nil
		})
		return err
	}
	return nil
}

// files checks the files of an account, and that their links lead to them.
func (v *verifier) files() error {
	return v.scan(table(tableFile), func(k, b []byte) error {
		f, err := decodeFile(v.account, k, b)
		if err != nil {
			v.problem("file %q: %v", k[1:], err)
			return nil
		}
		if f.Blob != "" {
			if err := v.unreadable("contents of file "+f.ID, v.fileBlob(&f)); err != nil {
				return err
			}
		} else if !f.Whole.IsZero() && f.Gone.IsZero() {
			v.problem("file %s has no contents", f.ID)
		}
		if err := v.fileLink(&f); err != nil {
			return err
		}
		return v.step(&v.report.Files)
	})
}

// fileLink looks where the link of a file leads now: it may have got another since.
func (v *verifier) fileLink(f *File) error {
	if f.Link == nil {
		return nil
	}
	found, err := v.s.FileByToken(v.ctx, f.Link.Token)
	if err == nil && found.ID == f.ID && found.Account == f.Account {
		return nil
	}
	if err != nil && KindOf(err) != KindNotFound {
		return err
	}
	now, err := v.s.File(v.ctx, f.Account, f.ID)
	if KindOf(err) == KindNotFound || err == nil && (now.Link == nil || now.Link.Token != f.Link.Token) {
		return nil
	}
	v.problem("the link of file %s does not lead to it", f.ID)
	return err
}

func (v *verifier) fileBlob(f *File) error {
	if v.o.Bodies {
		v.report.Octets += f.Size
		return v.s.blobs.Check(v.ctx, f.Blob)
	}
	b, err := v.s.blobs.Open(v.ctx, f.Blob)
	if err != nil {
		return err
	}
	return b.Close()
}
