package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path/filepath"
	"syscall"
	"time"

	"github.com/postiljon/postiljon/internal/backup"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/volume"
	"github.com/postiljon/postiljon/internal/transfer"
)

// Work that takes long answers with lines of JSON: progress now and then, and
// at the end the result or an error.

// VerifyRequest asks for a check of all that is stored.
type VerifyRequest struct {
	Bodies bool `json:"bodies,omitempty"` // read every message, too
}

// VerifyReport is what a check looked at and found.
type VerifyReport struct {
	Accounts    int64    `json:"accounts"`
	Mailboxes   int64    `json:"mailboxes"`
	Emails      int64    `json:"emails"`
	Placements  int64    `json:"placements"`
	Submissions int64    `json:"submissions"`
	Events      int64    `json:"events"`
	Files       int64    `json:"files"`
	Octets      int64    `json:"octets"`
	Found       int64    `json:"found"` // problems in all
	Problems    []string `json:"problems,omitempty"`
}

// BackupRequest asks for a backup below a folder of the service's machine.
type BackupRequest struct {
	Dir string `json:"dir"`
}

// PruneRequest asks to remove the oldest backups below a folder.
type PruneRequest struct {
	Dir  string `json:"dir"`
	Keep int    `json:"keep"` // how many stay, at least one
}

// Pruned names the backups that were removed.
type Pruned struct {
	Removed []string `json:"removed"`
}

// CollectRequest asks to give back the room of deleted messages.
type CollectRequest struct {
	// Grace is the age in seconds from which a message that nobody has may go;
	// 0 is what the service thinks safe.
	Grace int64 `json:"grace,omitempty"`
}

// Collected is what a collection did.
type Collected struct {
	Examined int64 `json:"examined"` // messages
	Deleted  int64 `json:"deleted"`
	Freed    int64 `json:"freed"` // octets
	Free     int64 `json:"free"`  // octets of the volume now
}

// Progress is how far long work has come; Total is 0 if it is not known.
type Progress struct {
	Done  int64 `json:"done"`
	Total int64 `json:"total"`
	// Accounts and Octets are how many were checked and read, of Verify.
	Accounts int64 `json:"accounts,omitempty"`
	Octets   int64 `json:"octets,omitempty"`
}

// line is one line of an answer that comes in lines.
type line[T any] struct {
	Progress *Progress `json:"progress,omitempty"`
	Result   *T        `json:"result,omitempty"`
	Error    *Error    `json:"failed,omitempty"`
}

// progressInterval is how often progress is told at most.
const progressInterval = 100 * time.Millisecond

// stream makes a handler of long work.
func stream[Req, Resp any](s *Server, fn func(context.Context, Req, func(Progress)) (Resp, error)) http.Handler {
	return s.long(func(ctx context.Context, w http.ResponseWriter, r *http.Request) {
		var request Req
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(&request); err != nil {
			s.refuse(w, invalid("the request cannot be read: %v", err))
			return
		}
		w.Header().Set("Content-Type", "application/jsonl")
		e := json.NewEncoder(w)
		flush := http.NewResponseController(w)
		var told time.Time
		result, err := fn(ctx, request, func(p Progress) {
			if now := time.Now(); now.Sub(told) >= progressInterval {
				told = now
				_ = e.Encode(line[Resp]{Progress: &p}) // a client that went away ends the context
				_ = flush.Flush()
			}
		})
		last := line[Resp]{Result: &result}
		if err != nil {
			last = line[Resp]{Error: s.failed(ctx, r.URL.Path, err)}
		}
		_ = e.Encode(last)
	})
}

// long makes a handler that may take its time, and ends with the server.
func (s *Server) long(fn func(context.Context, http.ResponseWriter, *http.Request)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The deadline of short calls would end this one, too.
		if err := http.NewResponseController(w).SetReadDeadline(time.Time{}); err != nil {
			s.refuse(w, err)
			return
		}
		ctx, cancel := context.WithCancelCause(r.Context())
		defer cancel(nil)
		defer context.AfterFunc(s.stopping, func() { cancel(errStopping) })()
		fn(ctx, w, r)
	})
}

var errStopping = &Error{Message: "the service is stopping", Status: http.StatusServiceUnavailable, Next: "Begin again when it runs."}

// failed brings the error of long work into its public shape.
func (s *Server) failed(ctx context.Context, what string, err error) *Error {
	if context.Cause(ctx) == error(errStopping) {
		return errStopping
	}
	e := public(err)
	if e.Status >= http.StatusInternalServerError && ctx.Err() == nil {
		s.Log.Error("control: work failed", "method", what, "error", err)
	}
	return e
}

// follow calls a method of long work.
func follow[Resp any](ctx context.Context, c *Client, method string, request any, progress func(Progress)) (result Resp, err error) {
	response, err := c.post(ctx, method, request)
	if err != nil {
		return result, err
	}
	defer response.Body.Close()
	d := json.NewDecoder(response.Body)
	for {
		var l line[Resp]
		switch err := d.Decode(&l); {
		case errors.Is(err, io.EOF):
			return result, &Error{Message: "the service ended before its work did", Status: http.StatusServiceUnavailable}
		case err != nil:
			return result, fmt.Errorf("control: %s: %w", method, err)
		case l.Error != nil:
			return result, l.Error
		case l.Result != nil:
			return *l.Result, nil
		case l.Progress != nil && progress != nil:
			progress(*l.Progress)
		}
	}
}

// Verify checks all that is stored against itself.
func (c *Client) Verify(ctx context.Context, r VerifyRequest, progress func(Progress)) (VerifyReport, error) {
	return follow[VerifyReport](ctx, c, "verify", r, progress)
}

func (s *Server) verify(ctx context.Context, r VerifyRequest, progress func(Progress)) (VerifyReport, error) {
	return Verify(ctx, s.Store, r, progress)
}

// Verify is the check that the service and, where none runs, the command make.
// Its progress counts messages.
func Verify(ctx context.Context, st *store.Store, r VerifyRequest, progress func(Progress)) (VerifyReport, error) {
	total := emails(ctx, st)
	report, err := st.Verify(ctx, store.VerifyOptions{Bodies: r.Bodies, Progress: func(v store.VerifyReport) {
		progress(Progress{Done: v.Emails, Total: total, Accounts: v.Accounts, Octets: v.Octets})
	}})
	answer := VerifyReport{
		Accounts: report.Accounts, Mailboxes: report.Mailboxes, Emails: report.Emails, Placements: report.Placements,
		Submissions: report.Submissions, Events: report.Events, Files: report.Files, Octets: report.Octets, Found: report.Found,
	}
	for _, p := range report.Problems {
		whose := "the service"
		if a, aerr := st.Account(ctx, p.Account); p.Account != 0 && aerr == nil {
			whose = a.Address
		}
		answer.Problems = append(answer.Problems, whose+": "+p.Text)
	}
	if err == nil && r.Bodies {
		err = verifyIndexes(ctx, st, &answer)
	}
	return answer, err
}

// emails is how many messages there are as far as the accounts can be read; what
// is damaged the check tells.
func emails(ctx context.Context, st *store.Store) (total int64) {
	accounts, err := st.Accounts(ctx, "")
	if err != nil {
		return 0
	}
	for i := range accounts {
		if u, err := st.Usage(ctx, accounts[i].ID); err == nil {
			total += u.Emails
		}
	}
	return total
}

// Backup makes a backup while the service goes on.
func (c *Client) Backup(ctx context.Context, dir string, progress func(Progress)) (backup.Snapshot, error) {
	return follow[backup.Snapshot](ctx, c, "backup", BackupRequest{dir}, progress)
}

func (s *Server) backup(ctx context.Context, r BackupRequest, progress func(Progress)) (backup.Snapshot, error) {
	if !filepath.IsAbs(r.Dir) {
		return backup.Snapshot{}, invalid("%q is not an absolute path", r.Dir)
	}
	if !s.backingUp.TryLock() {
		return backup.Snapshot{}, taken("Wait until it is done.", "a backup is being made already")
	}
	defer s.backingUp.Unlock()
	made, err := backup.Run(ctx, s.Source, r.Dir, s.Store.Now(), func(done, total int64) { progress(Progress{Done: done, Total: total}) })
	return made, backupTrouble(err, r.Dir)
}

// backupTrouble says what to do about a backup that failed.
func backupTrouble(err error, dir string) error {
	switch {
	case errors.Is(err, backup.ErrInside):
		return &Error{Message: err.Error(), Status: http.StatusBadRequest, Next: "Name a folder outside, best on another disk."}
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return &Error{Message: err.Error(), Status: http.StatusForbidden,
			Next: "The service itself writes the backup: its user must be allowed to write to " + dir + ", and so must its systemd unit (ReadWritePaths=)."}
	case volume.IsFull(err):
		return &Error{Message: err.Error(), Status: http.StatusInsufficientStorage,
			Next: "Make room there, or keep fewer backups with --keep. What was begun is removed; older backups are whole."}
	}
	return err
}

// Prune removes the oldest backups below a folder.
func (c *Client) Prune(ctx context.Context, r PruneRequest) (Pruned, error) {
	return follow[Pruned](ctx, c, "backup.prune", r, nil)
}

func (s *Server) prune(_ context.Context, r PruneRequest, _ func(Progress)) (Pruned, error) {
	if !filepath.IsAbs(r.Dir) || r.Keep < 1 {
		return Pruned{}, invalid("the folder %q is not absolute, or %d backups are none", r.Dir, r.Keep)
	}
	s.backingUp.Lock()
	defer s.backingUp.Unlock()
	gone, err := backup.Prune(r.Dir, r.Keep)
	return Pruned{gone}, backupTrouble(err, r.Dir)
}

// Collect gives back the room of deleted messages.
func (c *Client) Collect(ctx context.Context, r CollectRequest) (Collected, error) {
	return follow[Collected](ctx, c, "collect", r, nil)
}

func (s *Server) collect(ctx context.Context, r CollectRequest, _ func(Progress)) (Collected, error) {
	if r.Grace < 0 {
		return Collected{}, invalid("%d seconds are no grace", r.Grace)
	}
	result, err := s.Collect(ctx, time.Duration(r.Grace)*time.Second)
	if store.KindOf(err) == store.KindInUse {
		err = taken("Wait until it is done.", "the messages are being copied, checked or collected by something else")
	}
	return Collected{
		Examined: result.Examined, Deleted: result.Deleted, Freed: result.Freed, Free: int64(s.Status(ctx).FreeSpace),
	}, err
}

// ---- mail out and in, as the stream of package transfer

// trailer carries an error that came after the stream had begun, as JSON.
const trailer = "Postiljon-Error"

// itemTime is how long the client of an export may take for one message.
const itemTime = 10 * time.Minute

// Export calls fn for every message of an account.
func (c *Client) Export(ctx context.Context, address string, fn func(*transfer.Item) error) error {
	response, err := c.post(ctx, "export", Name{address})
	if err != nil {
		return err
	}
	defer response.Body.Close()
	err = transfer.ReadItems(response.Body, fn)
	if errors.Is(err, io.ErrUnexpectedEOF) && ctx.Err() == nil {
		return &Error{Message: "the service ended before its work did", Status: http.StatusServiceUnavailable, Next: errStopping.Next}
	}
	if text := response.Trailer.Get(trailer); err == nil && text != "" {
		e := &Error{Status: http.StatusInternalServerError}
		if err := json.Unmarshal([]byte(text), e); err != nil {
			return fmt.Errorf("control: export: %w", err)
		}
		return e
	}
	return err
}

func (s *Server) export(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	var request Name
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(&request); err != nil {
		s.refuse(w, invalid("the request cannot be read: %v", err))
		return
	}
	a, err := s.find(ctx, request.Name)
	if err != nil {
		s.refuse(w, err)
		return
	}
	w.Header().Set("Trailer", trailer)
	deadline := http.NewResponseController(w)
	err = transfer.Export(ctx, s.Store, a.ID, func(item *transfer.Item) error {
		if err := errors.Join(ctx.Err(), deadline.SetWriteDeadline(time.Now().Add(itemTime))); err != nil {
			return err
		}
		return transfer.WriteItem(w, item)
	})
	if err == nil {
		return
	}
	text, err := json.Marshal(s.failed(ctx, r.URL.Path, err))
	if err != nil {
		text = []byte("{}")
	}
	w.Header().Set(trailer, string(text))
}

// Imported is what an import did.
type Imported struct {
	Imported int64 `json:"imported"`
	Skipped  int64 `json:"skipped"` // there already
}

// Import puts the messages that write writes into an account.
func (c *Client) Import(ctx context.Context, address string, write func(io.Writer) error) (answer Imported, err error) {
	r, w := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := write(w)
		w.CloseWithError(err)
		written <- err
	}()
	response, err := c.send(ctx, "import", map[string]string{"Postiljon-Account": address}, r)
	r.Close() // ends write if the service broke off
	if werr := <-written; werr != nil && !errors.Is(werr, io.ErrClosedPipe) {
		err = werr
	}
	if err != nil {
		return answer, err
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return answer, fmt.Errorf("control: import: %w", err)
	}
	return answer, nil
}

func (s *Server) importMail(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	// Where it breaks off, the client hears why while it still sends.
	duplex := http.NewResponseController(w)
	if err := duplex.EnableFullDuplex(); err != nil {
		s.refuse(w, err)
		return
	}
	done, err := s.importItems(ctx, r)
	if err == nil {
		reply(w, http.StatusOK, done)
		return
	}
	e := *s.failed(ctx, r.URL.Path, err)
	if done.Imported+done.Skipped > 0 {
		e.Message = fmt.Sprintf("%s; %d messages were imported before that", e.Message, done.Imported)
	}
	if store.KindOf(err) == store.KindOverQuota {
		e.Next = "Give the account more room with 'postiljon account quota'."
	}
	reply(w, e.Status, &e)
	_ = duplex.Flush()
	// The client closes as soon as it has read that.
	_, _ = io.Copy(io.Discard, r.Body)
}

func (s *Server) importItems(ctx context.Context, r *http.Request) (done Imported, err error) {
	a, err := s.find(ctx, r.Header.Get("Postiljon-Account"))
	if err != nil {
		return done, err
	}
	im := transfer.Batch{Importer: transfer.NewImporter(s.Store, a.ID)}
	err = transfer.ReadItems(r.Body, func(item *transfer.Item) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return im.Add(ctx, item, "")
	})
	err = errors.Join(err, im.Flush(ctx))
	return Imported{im.Imported, im.Skipped}, err
}
