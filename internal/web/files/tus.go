package files

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/blob"
)

// The tus protocol, version 1.0.0 (tus.io/protocols/resumable-upload), with these extensions.
const (
	tusVersion    = "1.0.0"
	tusExtensions = "creation,creation-with-upload,expiration,checksum,termination"
	tusChecksums  = "sha1,sha256"
	tusOctets     = "application/offset+octet-stream"

	statusChecksumMismatch = 460
)

const (
	// Without an octet for so long an upload is broken off; what came in stays.
	patience = time.Minute
	// How much comes in before it is made durable, if the upload does not end before.
	checkpoint = 32 << 20
	// maxName bounds the name of a file, maxType its media type, in octets.
	maxName = 255
	maxType = 127
	// maxMetadata bounds the header with both.
	maxMetadata = 4 << 10
	// maxChecked bounds a piece whose checksum is to be compared before any of it counts.
	maxChecked = 64 << 20
)

// tus answers at /files/ and below.
func (s *Server) tus(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Tus-Resumable", tusVersion)
	method := r.Method
	if over := r.Header.Get("X-HTTP-Method-Override"); over != "" && method == http.MethodPost {
		method = over
	}
	if method == http.MethodOptions {
		s.tusOptions(w)
		return
	}
	if r.Header.Get("Tus-Resumable") != tusVersion {
		w.Header().Set("Tus-Version", tusVersion)
		s.answer.Refuse(w, r, http.StatusPreconditionFailed, cause.Refuse(cause.ClientProtocolError))
		return
	}
	a, ok := s.answer.Account(w, r)
	if !ok {
		return
	}
	id := strings.TrimPrefix(r.URL.Path, "/files/")
	r.SetPathValue("id", id)
	switch {
	case id == "" && method == http.MethodPost:
		s.create(w, r, a)
	case id != "" && method == http.MethodHead:
		s.head(w, r, a)
	case id != "" && method == http.MethodPatch:
		s.patch(w, r, a)
	case id != "" && method == http.MethodDelete:
		s.terminate(w, r, a)
	default:
		w.Header().Set("Allow", "OPTIONS, POST, HEAD, PATCH, DELETE")
		s.answer.Refuse(w, r, http.StatusMethodNotAllowed, cause.Refuse(cause.ClientProtocolError))
	}
}

func (s *Server) tusOptions(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Tus-Version", tusVersion)
	h.Set("Tus-Extension", tusExtensions)
	h.Set("Tus-Checksum-Algorithm", tusChecksums)
	h.Set("Tus-Max-Size", strconv.FormatInt(s.options.Limits.Size, 10))
	w.WriteHeader(http.StatusNoContent)
}

// create begins an upload, and takes what of it comes along.
func (s *Server) create(w http.ResponseWriter, r *http.Request, a *store.Account) {
	size, err := strconv.ParseInt(r.Header.Get("Upload-Length"), 10, 64)
	if err != nil || size < 0 || len(r.Header.Get("Upload-Metadata")) > maxMetadata {
		s.answer.Refuse(w, r, http.StatusBadRequest, cause.Refuse(cause.ClientProtocolError))
		return
	}
	f := store.File{Size: size, Expires: s.now().Add(keepUnfinished).UTC()}
	if f.Name, f.Type, err = readMetadata(r.Header.Get("Upload-Metadata")); err != nil {
		s.answer.Refuse(w, r, http.StatusBadRequest, cause.Refuse(cause.ClientProtocolError))
		return
	}
	limits := s.options.Limits
	f, err = s.options.Store.CreateFile(r.Context(), a.ID, f, store.FileLimits{Size: limits.Size, Total: limits.Total, Files: maxFiles})
	switch store.KindOf(err) {
	case store.KindLimit:
		if size > limits.Size {
			s.answer.Refuse(w, r, http.StatusRequestEntityTooLarge, cause.Refuse(cause.FileTooLarge, cause.Size("size", size), cause.Size("limit", limits.Size)))
			return
		}
		s.answer.Refuse(w, r, http.StatusInsufficientStorage, cause.Refuse(cause.FileStorageFull))
		return
	case store.KindOverQuota:
		used, _ := s.options.Store.FileUsage(r.Context(), a.ID) // without it less is told
		s.answer.Refuse(w, r, http.StatusInsufficientStorage,
			cause.Refuse(cause.FileStorageFull, cause.Size("used", used.Octets), cause.Size("limit", limits.Total)))
		return
	}
	if err != nil {
		s.failed(w, r, err)
		return
	}
	w.Header().Set("Location", "/files/"+f.ID)
	if r.Header.Get("Content-Type") == tusOctets || f.Size == 0 {
		r.SetPathValue("id", f.ID)
		release, ok := s.take(w, r, a)
		if !ok {
			return
		}
		defer release()
		s.receive(w, r, &f, 0, http.StatusCreated)
		return
	}
	s.offset(w, &f, http.StatusCreated)
}

// readMetadata takes name and type of a file from the header Upload-Metadata.
func readMetadata(header string) (name, kind string, err error) {
	for pair := range strings.SplitSeq(header, ",") {
		key, encoded, _ := strings.Cut(strings.TrimSpace(pair), " ")
		value, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return "", "", fmt.Errorf("files: metadata %q: %w", key, err)
		}
		switch key {
		case "filename", "name":
			name = string(value)
		case "filetype", "type":
			kind = string(value)
		}
	}
	return cleanName(name), cleanType(kind), nil
}

// cleanName makes a name that is one and can be shown: no folders, no control characters, nothing that turns the
// direction of writing.
func cleanName(name string) string {
	name = path.Base(strings.ReplaceAll(strings.ToValidUTF8(name, "_"), `\`, "/"))
	name = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029' {
			return -1
		}
		return r
	}, name))
	for len(name) > maxName { // keep the ending
		_, n := utf8.DecodeRuneInString(name)
		name = name[n:]
	}
	if strings.Trim(name, "./") == "" {
		return "file"
	}
	return name
}

// cleanType returns a media type in its simple form, "" for what is none.
func cleanType(kind string) string {
	kind, _, err := mime.ParseMediaType(kind)
	if err != nil || len(kind) > maxType || !strings.Contains(kind, "/") {
		return ""
	}
	return kind
}

// offset tells how far a file is.
func (s *Server) offset(w http.ResponseWriter, f *store.File, status int) {
	h := w.Header()
	h.Set("Upload-Offset", strconv.FormatInt(f.Offset, 10))
	if f.Whole.IsZero() {
		h.Set("Upload-Expires", f.Expires.UTC().Format(http.TimeFormat))
	}
	w.WriteHeader(status)
}

// head tells where to go on. An upload that still runs, such as over a connection that is dead without anybody knowing, is
// broken off first.
func (s *Server) head(w http.ResponseWriter, r *http.Request, a *store.Account) {
	release, ok := s.take(w, r, a)
	if !ok {
		return
	}
	defer release()
	f, ok := s.unfinished(w, r, a)
	if !ok {
		return
	}
	if f.Whole.IsZero() && f.Offset == f.Size { // cut off between its last octet and its end
		if err := s.receiveAll(r.Context(), &f, bytes.NewReader(nil), nil); err != nil {
			s.failed(w, r, err)
			return
		}
	}
	w.Header().Set("Upload-Length", strconv.FormatInt(f.Size, 10))
	w.Header().Set("Upload-Metadata", "filename "+base64.StdEncoding.EncodeToString([]byte(f.Name))+
		",filetype "+base64.StdEncoding.EncodeToString([]byte(f.Type)))
	s.offset(w, &f, http.StatusOK)
}

// unfinished returns a file for who uploads it; one that is gone has refused.
func (s *Server) unfinished(w http.ResponseWriter, r *http.Request, a *store.Account) (store.File, bool) {
	f, ok := s.file(w, r, a)
	if ok && f.Over(s.now()) {
		s.answer.Refuse(w, r, http.StatusGone, cause.Refuse(cause.FileGone, cause.Text("name", f.Name)))
		return f, false
	}
	return f, ok
}

// patch takes more of a file.
func (s *Server) patch(w http.ResponseWriter, r *http.Request, a *store.Account) {
	if r.Header.Get("Content-Type") != tusOctets {
		s.answer.Refuse(w, r, http.StatusUnsupportedMediaType, cause.Refuse(cause.ClientProtocolError))
		return
	}
	at, err := strconv.ParseInt(r.Header.Get("Upload-Offset"), 10, 64)
	if err != nil || at < 0 {
		s.answer.Refuse(w, r, http.StatusBadRequest, cause.Refuse(cause.ClientProtocolError))
		return
	}
	release, ok := s.take(w, r, a)
	if !ok {
		return
	}
	defer release()
	f, ok := s.unfinished(w, r, a)
	if !ok {
		return
	}
	s.receive(w, r, &f, at, http.StatusNoContent)
}

// terminate forgets a file (extension termination).
func (s *Server) terminate(w http.ResponseWriter, r *http.Request, a *store.Account) {
	release, ok := s.take(w, r, a)
	if !ok {
		return
	}
	defer release()
	if err := s.options.Store.DeleteFile(r.Context(), a.ID, r.PathValue("id")); err != nil {
		s.failed(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// take makes the caller the one who works on an upload.
func (s *Server) take(w http.ResponseWriter, r *http.Request, a *store.Account) (release func(), ok bool) {
	release, err := s.uploads.take(r.Context(), a.ID, r.PathValue("id"), http.NewResponseController(w))
	switch {
	case err == nil:
		return release, true
	case errors.Is(err, errTooMany):
		s.answer.Refuse(w, r, http.StatusTooManyRequests, cause.Wait(cause.LimitConnections, s.now().Add(10*time.Second)))
	case errors.Is(err, errStopping):
		s.answer.Refuse(w, r, http.StatusServiceUnavailable, cause.Wait(cause.ProviderMaintenanceStop, s.now().Add(10*time.Second)))
	default: // somebody else still works on it
		s.answer.Refuse(w, r, http.StatusLocked, cause.Wait(cause.FileIncomplete, s.now().Add(5*time.Second)))
	}
	return nil, false
}

// errMismatch reports a piece that is not what its checksum says.
var errMismatch = errors.New("files: the checksum does not match")

// receive takes the body of a request and answers how far the file is then. What came in of a body that broke off
// counts, unless it has a checksum.
func (s *Server) receive(w http.ResponseWriter, r *http.Request, f *store.File, at int64, status int) {
	if at != f.Offset || !f.Whole.IsZero() {
		w.Header().Set("Upload-Offset", strconv.FormatInt(f.Offset, 10))
		s.answer.Refuse(w, r, http.StatusConflict, cause.Refuse(cause.FileIncomplete, cause.Text("name", f.Name)))
		return
	}
	left := f.Size - f.Offset
	sum, err := readChecksum(r.Header.Get("Upload-Checksum"))
	if err != nil || r.ContentLength > left || sum != nil && r.ContentLength > maxChecked {
		s.answer.Refuse(w, r, http.StatusBadRequest, cause.Refuse(cause.ClientProtocolError))
		return
	}
	if sum != nil {
		left = min(left, maxChecked)
	}
	// Octets behind the end are not read: the connection is closed then.
	body := &patient{r: io.LimitReader(r.Body, left), control: http.NewResponseController(w), running: s.uploads.running(f.ID)}
	err = s.receiveAll(r.Context(), f, body, sum)
	_ = body.control.SetWriteDeadline(time.Now().Add(patience)) // a connection that cannot has none
	switch {
	case errors.Is(err, errMismatch):
		s.answer.Refuse(w, r, statusChecksumMismatch, cause.Refuse(cause.FileIncomplete, cause.Text("name", f.Name)))
	case errors.Is(err, blob.ErrNotFound):
		// The octets are not in this data folder: begin again.
		if err := s.options.Store.DeleteFile(r.Context(), f.Account, f.ID); err != nil {
			s.options.Log.Warn("files: an upload without octets stays", "file", f.ID, "error", err)
		}
		s.answer.Refuse(w, r, http.StatusGone, cause.Refuse(cause.FileGone, cause.Text("name", f.Name)))
	case body.err != nil: // the client went away, or was told to
		s.answer.Refuse(w, r, http.StatusBadRequest, cause.Refuse(cause.FileIncomplete, cause.Text("name", f.Name)))
	case err != nil:
		s.failed(w, r, err)
	default:
		s.offset(w, f, status)
	}
}

// receiveAll reads a body into a file's draft until it ends. f is as it then is durably.
func (s *Server) receiveAll(ctx context.Context, f *store.File, body io.Reader, sum *checksum) (err error) {
	ctx = context.WithoutCancel(ctx) // what came in is kept if the client goes away
	draft, err := s.options.Store.Blobs().Draft(ctx, f.DraftName(), f.Draft)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, draft.Close()) }()
	begun := f.Draft
	to := io.Writer(draft)
	if sum != nil {
		to = io.MultiWriter(draft, sum.hash)
	}
	buf := make([]byte, 256<<10)
	var read error
	for read == nil {
		var n int64
		// A piece with a checksum counts whole or not at all.
		if sum == nil {
			n, read = copyAtMost(to, body, buf, checkpoint)
		} else {
			n, read = copyAtMost(to, body, buf, maxChecked+1)
		}
		if sum != nil && (!errors.Is(read, io.EOF) || !sum.matches()) {
			if err := draft.Rewind(begun); err != nil {
				return err
			}
			if errors.Is(read, io.EOF) {
				return errMismatch
			}
			return read
		}
		if n > 0 || draft.Size() == f.Size {
			if err := s.keep(ctx, f, draft); err != nil {
				return err
			}
		}
		if !f.Whole.IsZero() {
			return nil
		}
	}
	if errors.Is(read, io.EOF) {
		return nil
	}
	return read
}

// copyAtMost copies until so many octets are read, or the body ends or fails.
func copyAtMost(to io.Writer, from io.Reader, buf []byte, most int64) (n int64, err error) {
	for n < most {
		k, rerr := io.ReadFull(from, buf)
		if k > 0 {
			if _, werr := to.Write(buf[:k]); werr != nil {
				return n, werr
			}
			n += int64(k)
		}
		if errors.Is(rerr, io.ErrUnexpectedEOF) {
			rerr = io.EOF
		}
		if rerr != nil {
			return n, rerr
		}
	}
	return n, nil
}

// keep makes what came in durable; at the end it makes a blob of it.
func (s *Server) keep(ctx context.Context, f *store.File, draft blob.Draft) error {
	state, err := draft.Sync()
	if err != nil {
		return err
	}
	whole := draft.Size() == f.Size
	var ref blob.Ref
	if whole {
		if ref, err = draft.Commit(); err != nil {
			return err
		}
	}
	now := s.now().UTC()
	changed, err := s.options.Store.ChangeFile(ctx, f.Account, f.ID, func(f *store.File) error {
		f.Offset, f.Draft, f.Changed, f.Expires = draft.Size(), state, now, now.Add(keepUnfinished)
		if whole {
			sum := draft.Sum()
			f.Blob, f.SHA256, f.Draft, f.Whole, f.Expires = ref, sum[:], nil, now, now.Add(keepUnlinked)
		}
		return nil
	})
	if err != nil {
		return err
	}
	*f = changed
	if whole {
		return s.options.Store.Blobs().RemoveDraft(ctx, f.DraftName())
	}
	return nil
}

// checksum is what a client says a piece must have (extension checksum).
type checksum struct {
	hash hash.Hash
	want []byte
}

func (c *checksum) matches() bool { return bytes.Equal(c.hash.Sum(nil), c.want) }

// readChecksum reads the header Upload-Checksum; nil is none.
func readChecksum(header string) (*checksum, error) {
	if header == "" {
		return nil, nil
	}
	name, encoded, _ := strings.Cut(header, " ")
	want, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, fmt.Errorf("files: checksum: %w", err)
	}
	switch name {
	case "sha1":
		return &checksum{sha1.New(), want}, nil
	case "sha256", "sha-256":
		return &checksum{sha256.New(), want}, nil
	}
	return nil, fmt.Errorf("files: checksum of kind %q", name)
}
