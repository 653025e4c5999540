package transfer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
)

// How many messages and octets wait until they are placed together: so they share syncs of the disk.
const (
	batchMessages = 64
	batchOctets   = 8 << 20
	batchMessage  = 1 << 20 // larger ones go alone
)

// Batch places messages as an Importer does, some at a time. Call Flush at the end. It is for one goroutine.
type Batch struct {
	*Importer
	// Failed is told of messages that could not be placed, by what they were added with.
	Failed func(where string, err error)

	box     *importBox
	waiting []waiting
	octets  int
}

// waiting is a message that is read and not yet placed.
type waiting struct {
	where string
	sum   [32]byte
	data  []byte
	email store.NewEmail
}

// Add takes a message. An error is that of reading it, or one that ends the import, also of messages before: there is no room, or the
// context has ended.
func (b *Batch) Add(ctx context.Context, item *Item, where string) error {
	if item.Size > batchMessage {
		if err := b.Flush(ctx); err != nil {
			return err
		}
		return b.judge(where, b.Importer.Add(ctx, item))
	}
	box, err := b.Importer.box(ctx, item)
	if err != nil {
		return b.judge(where, fmt.Errorf("mailbox %q: %w", item.Mailbox, err))
	}
	if box != b.box {
		if err := b.Flush(ctx); err != nil {
			return err
		}
		b.box = box
	}
	data := make([]byte, item.Size)
	if n, err := io.ReadFull(item.Body, data); err != nil {
		return fmt.Errorf("message of %d octets ended after %d: %w", item.Size, n, errors.Join(err, io.ErrUnexpectedEOF))
	}
	sum := sha256.Sum256(data)
	if _, there := box.there[sum]; there {
		b.Skipped++
		return nil
	}
	summary, err := message.SummarizeReader(bytes.NewReader(data))
	if err != nil {
		return b.judge(where, err)
	}
	box.there[sum] = struct{}{}
	b.waiting = append(b.waiting, waiting{where, sum, data, newEmail(item, summary)})
	if b.octets += len(data); len(b.waiting) >= batchMessages || b.octets >= batchOctets {
		return b.Flush(ctx)
	}
	return nil
}

// judge tells of a message that could not be placed, and returns an error that ends the import.
func (b *Batch) judge(where string, err error) error {
	switch store.KindOf(err) {
	case store.KindOverQuota, store.KindNoSpace, store.KindClosed:
		return err
	}
	if err == nil || b.Failed == nil || errors.Is(err, context.Canceled) || errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	b.Failed(where, err)
	return nil
}

// Flush places what waits. Of an error that ends the import some may be placed.
func (b *Batch) Flush(ctx context.Context) error {
	list, box := b.waiting, b.box
	b.waiting, b.octets = nil, 0
	if len(list) == 0 {
		return nil
	}
	var wait sync.WaitGroup
	errs := make([]error, len(list))
	for i := range list { // at once, so that they share syncs
		wait.Go(func() { list[i].email.Blob, errs[i] = b.store.Blobs().Put(ctx, list[i].data) })
	}
	wait.Wait()
	err := errors.Join(errs...)
	if err == nil {
		emails := make([]store.NewEmail, len(list))
		for i := range list {
			emails[i] = list[i].email
		}
		_, err = b.store.Append(ctx, b.account, box.id, emails)
	}
	if err == nil {
		b.Imported += int64(len(list))
		return nil
	}
	for i := range list {
		delete(box.there, list[i].sum)
	}
	return b.singly(ctx, box, list)
}

// singly places messages one by one, of which some cannot be.
func (b *Batch) singly(ctx context.Context, box *importBox, list []waiting) error {
	for i := range list {
		w := &list[i]
		var err error
		if w.email.Blob == "" {
			w.email.Blob, err = b.store.Blobs().Put(ctx, w.data)
		}
		if err == nil {
			_, err = b.store.Append(ctx, b.account, box.id, []store.NewEmail{w.email})
		}
		if err == nil {
			box.there[w.sum] = struct{}{}
			b.Imported++
			continue
		}
		if err := b.judge(w.where, err); err != nil {
			return err
		}
	}
	return nil
}
