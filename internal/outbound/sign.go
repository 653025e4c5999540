package outbound

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/postiljon/postiljon/internal/store"
)

// Sign makes the header fields that go in front of a message, whole lines with
// CRLF: its signatures. content is the message as it was submitted, of size
// octets. None and no error mean that it goes as it is.
type Sign func(ctx context.Context, sub *store.Submission, content io.ReaderAt, size int64) (prefix []byte, err error)

// signatures signs each message once, whatever the number of domains it goes to
// and of attempts: what is not kept with the submission yet is kept here.
type signatures struct {
	mu    sync.Mutex
	known map[store.TraceID]*signature
	order []store.TraceID // the oldest first
}

type signature struct {
	once   sync.Once
	prefix []byte
	err    error
}

// maxSignatures bounds how many messages' signatures are kept in memory.
const maxSignatures = 2048

func (s *signatures) of(id store.TraceID) *signature {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.known[id]; one != nil {
		return one
	}
	if len(s.order) == maxSignatures {
		delete(s.known, s.order[0])
		s.order = s.order[1:]
	}
	if s.known == nil {
		s.known = map[store.TraceID]*signature{}
	}
	one := &signature{}
	s.known[id] = one
	s.order = append(s.order, id)
	return one
}

func (s *signatures) forget(id store.TraceID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.known[id]; ok {
		delete(s.known, id)
		s.order = slices.DeleteFunc(s.order, func(o store.TraceID) bool { return o == id })
	}
}

// sign puts the signatures of a submission in front of its content. They are
// noted in the submission, which keeps them from the first wait on.
func (q *Queue) sign(ctx context.Context, sub *store.Submission, c *content) error {
	if q.opt.Sign == nil {
		return nil
	}
	if len(sub.Prefix) == 0 {
		one := q.signatures.of(sub.ID)
		one.once.Do(func() { one.prefix, one.err = q.opt.Sign(ctx, sub, c.ReaderAt, c.size) })
		if one.err != nil {
			q.signatures.forget(sub.ID) // the next attempt signs anew
			return fmt.Errorf("outbound: sign: %w", one.err)
		}
		sub.Prefix = one.prefix
	}
	c.sign(sub.Prefix)
	return nil
}
