package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/postiljon/postiljon/internal/junk"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/blob/disk"
	"github.com/postiljon/postiljon/internal/store/kv/pebble"
)

type junkCommand struct {
	Wanted []string `required:"" help:"Folders with mail that is wanted, a message in each file." type:"existingdir"`
	Junk   []string `required:"" help:"Folders with junk." type:"existingdir"`
	Suffix string   `help:"Only files whose name ends so."`
	Taught int      `default:"300" help:"How many messages the account has taught, half of them junk (default: ${default})."`
	Seed   uint64   `default:"1" help:"Choose by this which ones (default: ${default})."`
	Wrong  bool     `help:"List what was wrong, with its reasons."`
}

// Run lets the filter of an account that has taught some messages of a collection judge the others. Only the messages are
// looked at: how they came is not known, and that they are old does not count.
func (c *junkCommand) Run(out io.Writer) error {
	ctx := context.Background()
	wanted, err := c.files(c.Wanted)
	if err != nil {
		return err
	}
	unwanted, err := c.files(c.Junk)
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(c.Seed, 0))
	for _, list := range [][]string{wanted, unwanted} {
		random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	}
	half := c.Taught / 2
	if half >= len(wanted) || half >= len(unwanted) {
		return fmt.Errorf("%d and %d messages are too few to teach %d", len(wanted), len(unwanted), c.Taught)
	}
	st, done, err := temporaryStore(ctx)
	if err != nil {
		return err
	}
	j := &judging{out: out, store: st, filter: junk.New(junk.Options{Store: st}), wrong: c.Wrong}
	err = j.run(ctx, wanted, unwanted, half)
	return errors.Join(err, done())
}

// files are the messages below some folders.
func (c *junkCommand) files(folders []string) (all []string, err error) {
	for _, folder := range folders {
		err := filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && (c.Suffix == "" || filepath.Ext(path) == c.Suffix) {
				all = append(all, path)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(all)
	return all, nil
}

// temporaryStore opens a store that is gone afterwards.
func temporaryStore(ctx context.Context) (st *store.Store, done func() error, err error) {
	dir, err := os.MkdirTemp("", "postiljon-junk-")
	if err != nil {
		return nil, nil, err
	}
	remove := func() error { return os.RemoveAll(dir) }
	records, err := pebble.Open(pebble.Options{Dir: filepath.Join(dir, "records")})
	if err != nil {
		return nil, nil, errors.Join(err, remove())
	}
	blobs, err := disk.Open(disk.Options{Dir: filepath.Join(dir, "blobs")})
	if err != nil {
		return nil, nil, errors.Join(err, records.Close(), remove())
	}
	shut := func() error { return errors.Join(blobs.Close(), records.Close(), remove()) }
	if st, err = store.Open(ctx, store.Options{Records: records, Blobs: blobs, Log: slog.New(slog.DiscardHandler)}); err != nil {
		return nil, nil, errors.Join(err, shut())
	}
	return st, shut, nil
}

// judging counts what an account's filter gets right.
type judging struct {
	out     io.Writer
	store   *store.Store
	filter  *junk.Filter
	account store.AccountID
	wrong   bool
}

func (j *judging) run(ctx context.Context, wanted, unwanted []string, half int) error {
	if err := j.store.CreateDomain(ctx, store.Domain{Name: "example.org"}); err != nil {
		return err
	}
	a, err := j.store.CreateAccount(ctx, store.Account{Address: "anna@example.org"})
	if err != nil {
		return err
	}
	j.account = a.ID
	for i := range half {
		if err := cmp.Or(j.teach(ctx, wanted[i], false, 2*i+1), j.teach(ctx, unwanted[i], true, 2*i+2)); err != nil {
			return err
		}
	}
	caught, err := j.count(ctx, unwanted[half:], true)
	if err != nil {
		return err
	}
	taken, err := j.count(ctx, wanted[half:], false)
	if err != nil {
		return err
	}
	share := func(n, of int) float64 { return 100 * float64(n) / float64(max(of, 1)) }
	_, err = fmt.Fprintf(j.out, "taught %d; junk caught %d of %d (%.2f %%), wanted mail taken for junk %d of %d (%.2f %%)\n", 2*half,
		caught, len(unwanted)-half, share(caught, len(unwanted)-half), taken, len(wanted)-half, share(taken, len(wanted)-half))
	return err
}

// read reads a message as it would come: its line ends are those of the wire, and it is of today.
func read(path string) (raw []byte, s *message.Summary, err error) {
	raw, err = os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	if bytes.HasPrefix(raw, []byte("From ")) { // of a mailbox file
		_, raw, _ = bytes.Cut(raw, []byte("\n"))
	}
	raw = bytes.ReplaceAll(bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
	s = message.Summarize(raw)
	if !s.Date.IsZero() {
		s.Date = time.Now()
	}
	return raw, s, nil
}

func (j *judging) teach(ctx context.Context, path string, unwanted bool, id int) error {
	raw, s, err := read(path)
	if err != nil {
		return err
	}
	_, err = j.store.Learn(ctx, j.account, store.Lesson{
		Email: store.EmailID(id), Features: junk.Features(s, bytes.NewReader(raw)), From: junk.Author(s), Junk: unwanted,
	})
	return err
}

// count is how many of some messages go to Junk.
func (j *judging) count(ctx context.Context, paths []string, unwanted bool) (n int, err error) {
	for _, path := range paths {
		raw, s, err := read(path)
		if err != nil {
			return n, err
		}
		v, err := j.filter.Judge(ctx, j.account, &junk.Message{Summary: s, Raw: bytes.NewReader(raw)})
		if err != nil {
			return n, err
		}
		if v.Junk {
			n++
		}
		if j.wrong && v.Junk != unwanted {
			if _, err := fmt.Fprintf(j.out, "%s  %.1f  %s\n", path, v.Score, v.Text()); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}
