package jmapd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/blob"
)

// Bounds of uploads. The store keeps what nobody names for a day.
const (
	maxUploadsAtOnce = 4       // of an account
	maxUploaded      = 1 << 30 // octets of an account in uploadTime
	maxUploads       = 1000    // of an account in uploadTime
	uploadTime       = 20 * time.Hour
	uploadDuration   = 30 * time.Minute
)

// upload is what was uploaded and can be named by its id for a while. It is lost when the service ends, as RFC 8620
// section 6 allows: clients upload anew.
type upload struct {
	ref  blob.Ref
	size int64
	at   time.Time
}

// uploads are those of an account.
type uploads struct {
	running int
	last    uint64
	octets  int64
	byID    map[uint64]upload
}

// expire forgets what is too old.
func (u *uploads) expire(now time.Time) {
	for id, one := range u.byID {
		if now.Sub(one.at) > uploadTime {
			u.octets -= one.size
			delete(u.byID, id)
		}
	}
}

// errTooMuch is an account that uploads too much.
var errTooMuch = errors.New("too many uploads")

// reserve takes a place for an upload of an account. Who has one calls finish.
func (s *Server) reserve(a store.AccountID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.uploads[a]
	if u == nil {
		u = &uploads{byID: map[uint64]upload{}}
		s.uploads[a] = u
	}
	u.expire(s.store.Now())
	if u.running >= maxUploadsAtOnce || len(u.byID) >= maxUploads || u.octets+s.options.Limits.Upload > maxUploaded {
		return errTooMuch
	}
	u.running++
	return nil
}

// finish gives the place back and remembers what came, if anything did.
func (s *Server) finish(a store.AccountID, one *upload) (id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.uploads[a]
	u.running--
	if one == nil {
		return ""
	}
	u.last++
	u.byID[u.last], u.octets = *one, u.octets+one.size
	return fmt.Sprintf("u%d", u.last)
}

func (s *Server) uploaded(a store.AccountID, id string) (upload, bool) {
	n, ok := parseID[uint64]('u', id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.uploads[a]; ok && u != nil {
		one, found := u.byID[n]
		return one, found
	}
	return upload{}, false
}

// upload takes octets that later calls name (RFC 8620 section 6.1).
func (s *Server) upload(w http.ResponseWriter, r *http.Request, a *store.Account) {
	if r.PathValue("account") != accountID(a.ID) {
		http.NotFound(w, r)
		return
	}
	if err := s.reserve(a.ID); err != nil {
		problem{Type: limitExceeded, Status: http.StatusTooManyRequests, Limit: "maxConcurrentUpload", Detail: err.Error()}.write(w)
		return
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(uploadDuration)) // else the usual ones hold
	_ = control.SetWriteDeadline(time.Now().Add(uploadDuration))
	one, err := s.receive(r.Context(), http.MaxBytesReader(w, r.Body, s.options.Limits.Upload))
	id := s.finish(a.ID, one)
	switch _, large := errors.AsType[*http.MaxBytesError](err); {
	case large:
		problem{Type: limitExceeded, Status: http.StatusRequestEntityTooLarge, Limit: "maxSizeUpload"}.write(w)
	case err != nil:
		e := s.errorOf(err)
		problem{Type: "about:blank", Status: http.StatusServiceUnavailable, Detail: e.Description}.write(w)
	default:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"accountId":%q,"blobId":%q,"type":%s,"size":%d}`,
			accountID(a.ID), id, strconv.Quote(mediaType(r.Header.Get("Content-Type"))), one.size)
	}
}

// receive stores octets.
func (s *Server) receive(ctx context.Context, from io.Reader) (*upload, error) {
	w, err := s.store.Blobs().Create(ctx)
	if err != nil {
		return nil, err
	}
	n, err := io.Copy(w, from)
	if err != nil {
		w.Abort()
		return nil, err
	}
	ref, err := w.Commit()
	if err != nil {
		return nil, err
	}
	return &upload{ref, n, s.store.Now()}, nil
}

// message stores the octets of a blob as a message of its own and reads it.
func (s *Server) message(ctx context.Context, a store.AccountID, p *picture, id string) (n store.NewEmail, err error) {
	from, err := s.open(ctx, a, p, id)
	if err != nil {
		return n, err
	}
	defer from.Close()
	scanner := message.NewScanner(message.Limits{})
	one, err := s.receive(ctx, io.TeeReader(from, scanner))
	if err != nil {
		return n, err
	}
	return store.NewEmail{Blob: one.ref, Summary: scanner.Finish()}, nil
}

// open opens what a blob id names: an upload, a message or a part. The error is errNoPart if it names nothing.
func (s *Server) open(ctx context.Context, a store.AccountID, p *picture, id string) (body io.ReadCloser, err error) {
	if one, ok := s.uploaded(a, id); ok {
		b, err := s.store.Blobs().Open(ctx, one.ref)
		if err != nil {
			return nil, err
		}
		return readCloser{io.NewSectionReader(b, 0, one.size), b}, nil
	}
	email, part, ok := parseBlobID(id)
	if !ok {
		return nil, errNoPart
	}
	if _, there := p.email(email); !there {
		return nil, errNoPart
	}
	err = s.store.Emails(ctx, a, email, email+1, func(e *store.Email) (err error) {
		body, err = s.octets(ctx, e, part)
		return err
	})
	if err == nil && body == nil {
		err = errNoPart
	}
	return body, err
}

// readCloser reads from the one and closes the other.
type readCloser struct {
	io.Reader
	io.Closer
}
