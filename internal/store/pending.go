package store

import (
	"context"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/store/blob"
)

// pending knows the blobs that were stored and that no record names yet, so that
// a collection leaves them alone however long a client takes from the one to the
// other. While a collection runs it also keeps those that came to be named since
// it began: the collection may have looked at their account before.
type pending struct {
	mu         sync.Mutex
	blobs      map[uint64]pin // by fingerprint
	collecting bool
}

// pin counts who is about to name a blob; several may have stored the same.
type pin struct {
	n     int
	since time.Time
}

// pinTime is how long a blob may wait to be named. What was stored and refused
// afterwards is given up then.
const pinTime = 24 * time.Hour

func (p *pending) add(ref blob.Ref) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.blobs == nil {
		p.blobs = map[uint64]pin{}
	}
	k := fingerprint(ref.Hash())
	p.blobs[k] = pin{p.blobs[k].n + 1, time.Now()}
}

// named ends what add began, once the record that names the blob is there.
func (p *pending) named(refs ...blob.Ref) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, ref := range refs {
		k := fingerprint(ref.Hash())
		one, ok := p.blobs[k]
		if one.n--; ok && one.n <= 0 && !p.collecting {
			delete(p.blobs, k)
		} else if ok {
			p.blobs[k] = one
		}
	}
}

func (p *pending) has(k uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.blobs[k]
	return ok
}

// begin is called before a collection looks at the first record, end after it.
func (p *pending) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.collecting = true
}

func (p *pending) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.collecting = false
	for k, one := range p.blobs {
		if one.n <= 0 || time.Since(one.since) > pinTime {
			delete(p.blobs, k)
		}
	}
}

// pinned is the store of blobs as callers see it.
type pinned struct {
	blob.Store
	pending *pending
}

func (s pinned) Put(ctx context.Context, data []byte) (blob.Ref, error) {
	ref, err := s.Store.Put(ctx, data)
	if err == nil {
		s.pending.add(ref)
	}
	return ref, err
}

func (s pinned) Create(ctx context.Context) (blob.Writer, error) {
	w, err := s.Store.Create(ctx)
	if err != nil {
		return nil, err
	}
	return &pinnedWriter{w, s.pending}, nil
}

type pinnedWriter struct {
	blob.Writer
	pending *pending
}

func (w *pinnedWriter) Commit() (blob.Ref, error) {
	ref, err := w.Writer.Commit()
	if err == nil {
		w.pending.add(ref)
	}
	return ref, err
}

func (s pinned) Draft(ctx context.Context, name string, state []byte) (blob.Draft, error) {
	d, err := s.Store.Draft(ctx, name, state)
	if err != nil {
		return nil, err
	}
	return &pinnedDraft{d, s.pending}, nil
}

type pinnedDraft struct {
	blob.Draft
	pending *pending
}

// Commit pins the blob first: it may have been written days ago, and no grace protects it.
func (d *pinnedDraft) Commit() (blob.Ref, error) {
	sum := d.Sum()
	d.pending.add(blob.Ref(sum[:]))
	ref, err := d.Draft.Commit()
	if err != nil {
		d.pending.named(blob.Ref(sum[:]))
	}
	return ref, err
}
