package jmapd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/blob"
)

// Bounds of uploads; store.MaxUploads and store.MaxUploadsSize hold, too.
const (
	maxUploadsAtOnce = 4 // of an account; they have room in store.MaxUploadsSize
	uploadDuration   = 30 * time.Minute
)

// UploadTime is how long an upload can be named.
const UploadTime = 24 * time.Hour

// errTooMuch is an account that uploads too much at once.
var errTooMuch = errors.New("too many uploads at once")

// reserve takes a place for an upload of an account, which finish gives back. What was uploaded first goes where there is no room (RFC 8620
// section 6).
func (s *Server) reserve(ctx context.Context, a store.AccountID) error {
	s.mu.Lock()
	running := s.uploading[a] + 1
	if running <= maxUploadsAtOnce {
		s.uploading[a] = running
	}
	s.mu.Unlock()
	if running > maxUploadsAtOnce {
		return errTooMuch
	}
	err := s.store.ForgetUploadsOf(ctx, a, UploadTime)
	if err == nil {
		err = s.store.MakeRoomForUploads(ctx, a, running, int64(running)*s.options.Limits.Upload)
	}
	if err != nil {
		s.finish(a)
	}
	return err
}

func (s *Server) finish(a store.AccountID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.uploading[a]--; s.uploading[a] == 0 {
		delete(s.uploading, a)
	}
}

func uploadID(u *store.Upload) string { return fmt.Sprintf("u%d", u.ID) }

// uploaded finds an upload by its id.
func (s *Server) uploaded(ctx context.Context, a store.AccountID, id string) (u store.Upload, found bool, err error) {
	n, ok := parseID[uint64]('u', id)
	if !ok {
		return u, false, nil
	}
	u, err = s.store.Upload(ctx, a, n)
	if store.KindOf(err) == store.KindNotFound || err == nil && s.store.Now().Sub(u.At) > UploadTime {
		return u, false, nil
	}
	return u, err == nil, err
}

// upload takes octets that later calls name (RFC 8620 section 6.1). Whatever account they are for, they are kept with the one
// that is signed in, and nobody else can name them.
func (s *Server) upload(w http.ResponseWriter, r *http.Request, a *store.Account) {
	there, err := s.reach(r.Context(), a, r.PathValue("account"))
	if err != nil {
		s.notReached(w, err)
		return
	}
	switch err := s.reserve(r.Context(), a.ID); {
	case errors.Is(err, errTooMuch):
		problem{Type: limitExceeded, Status: http.StatusTooManyRequests, Limit: "maxConcurrentUpload", Detail: err.Error()}.write(w)
		return
	case err != nil:
		s.broken(w, err)
		return
	}
	defer s.finish(a.ID)
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(uploadDuration)) // else the usual ones hold
	_ = control.SetWriteDeadline(time.Now().Add(uploadDuration))
	var kept store.Upload
	one, err := s.receive(r.Context(), http.MaxBytesReader(w, r.Body, s.options.Limits.Upload))
	if err == nil {
		kept, err = s.store.AddUpload(r.Context(), a.ID, one.ref, one.size)
	}
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
			accountID(there.ID), uploadID(&kept), strconv.Quote(mediaType(r.Header.Get("Content-Type"))), kept.Size)
	}
}

// stored are octets that the blob store has.
type stored struct {
	ref  blob.Ref
	size int64
}

// receive stores octets.
func (s *Server) receive(ctx context.Context, from io.Reader) (*stored, error) {
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
	return &stored{ref, n}, nil
}

// message stores the octets of a blob as a message of its own and reads it.
func (s *Server) message(ctx context.Context, p *picture, id string) (n store.NewEmail, err error) {
	from, err := s.open(ctx, p, id)
	if err != nil {
		return n, err
	}
	defer from.Close()
	scanner := message.NewScanner(message.Limits{})
	var top beginning
	one, err := s.receive(ctx, io.TeeReader(from, io.MultiWriter(scanner, &top)))
	if err != nil {
		return n, err
	}
	return store.NewEmail{Blob: one.ref, Summary: scanner.Finish(), Received: s.arrival(top.text)}, nil
}

// beginning keeps what is written first: the trace of a message stands at its top.
type beginning struct{ text []byte }

const maxBeginning = 16 << 10 // octets

func (b *beginning) Write(p []byte) (int, error) {
	b.text = append(b.text, p[:min(len(p), maxBeginning-len(b.text))]...)
	return len(p), nil
}

// arrival is when a message came by the latest of its Received fields (RFC 8621 section 4.8), zero if it has none or came later than now.
func (s *Server) arrival(header []byte) (at time.Time) {
	for f := range message.HeaderFields(header) {
		if !strings.EqualFold(string(f.Name), "Received") {
			continue
		}
		value := string(message.Unfold(f.Value()))
		if t, ok := message.ParseDate(value[strings.LastIndexByte(value, ';')+1:]); ok && t.Before(s.store.Now()) {
			return t
		}
		break
	}
	return at
}

// open opens what a blob id names: an upload, which is known to who made it alone, a message or a part. The error is errNoPart if it names nothing.
func (s *Server) open(ctx context.Context, p *picture, id string) (body *readCloser, err error) {
	if base, part, ok := cutPart(id); ok {
		return s.openInside(ctx, p, base, part)
	}
	if one, ok, err := s.uploaded(ctx, p.sight.by, id); ok {
		b, err := s.store.Blobs().Open(ctx, one.Blob)
		if err != nil {
			return nil, err
		}
		return &readCloser{io.NewSectionReader(b, 0, one.Size), b}, nil
	} else if err != nil {
		return nil, err
	}
	if !p.sight.isShared() {
		if text, ok, err := s.scriptText(ctx, p.sight.owner, id); ok || err != nil {
			whole := strings.NewReader(text)
			return &readCloser{whole, io.NopCloser(whole)}, err
		}
	}
	email, part, ok := parseBlobID(id)
	if !ok {
		return nil, errNoPart
	}
	if _, there := p.email(email); !there {
		return nil, errNoPart
	}
	err = s.store.Emails(ctx, p.sight.owner, email, email+1, func(e *store.Email) (err error) {
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
