package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"time"

	"github.com/postiljon/postiljon/internal/backup"
	"github.com/postiljon/postiljon/internal/store"
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
	Octets      int64    `json:"octets"`
	Found       int64    `json:"found"` // problems in all
	Problems    []string `json:"problems,omitempty"`
}

// BackupRequest asks for a backup below a folder of the service's machine.
type BackupRequest struct {
	Dir string `json:"dir"`
}

// Progress is how far long work has come; Total is 0 if it is not known.
type Progress struct {
	Done  int64 `json:"done"`
	Total int64 `json:"total"`
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
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var request Req
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(&request); err != nil {
			s.refuse(w, invalid("the request cannot be read: %v", err))
			return
		}
		w.Header().Set("Content-Type", "application/jsonl")
		e := json.NewEncoder(w)
		flush := http.NewResponseController(w)
		var told time.Time
		result, err := fn(r.Context(), request, func(p Progress) {
			if now := time.Now(); now.Sub(told) >= progressInterval {
				told = now
				_ = e.Encode(line[Resp]{Progress: &p}) // a client that went away ends the context
				_ = flush.Flush()
			}
		})
		last := line[Resp]{Result: &result}
		if err != nil {
			last = line[Resp]{Error: public(err)}
			s.Log.Error("control: work failed", "error", err)
		}
		_ = e.Encode(last)
	})
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
func Verify(ctx context.Context, st *store.Store, r VerifyRequest, progress func(Progress)) (VerifyReport, error) {
	report, err := st.Verify(ctx, store.VerifyOptions{Bodies: r.Bodies, Progress: func(v store.VerifyReport) {
		progress(Progress{Done: v.Emails})
	}})
	accounts, aerr := st.Accounts(ctx, "")
	answer := VerifyReport{
		Accounts: int64(len(accounts)), Mailboxes: report.Mailboxes, Emails: report.Emails, Placements: report.Placements,
		Submissions: report.Submissions, Events: report.Events, Octets: report.Octets, Found: report.Found,
	}
	for _, p := range report.Problems {
		whose := "the service"
		if a, aerr := st.Account(ctx, p.Account); p.Account != 0 && aerr == nil {
			whose = a.Address
		}
		answer.Problems = append(answer.Problems, whose+": "+p.Text)
	}
	return answer, errors.Join(err, aerr)
}

// Backup makes a backup while the service goes on.
func (c *Client) Backup(ctx context.Context, dir string, progress func(Progress)) (backup.Snapshot, error) {
	return follow[backup.Snapshot](ctx, c, "backup", BackupRequest{dir}, progress)
}

func (s *Server) backup(ctx context.Context, r BackupRequest, progress func(Progress)) (backup.Snapshot, error) {
	if !filepath.IsAbs(r.Dir) {
		return backup.Snapshot{}, invalid("%q is not an absolute path", r.Dir)
	}
	return backup.Run(ctx, s.Source, r.Dir, s.Store.Now(), func(done, total int64) { progress(Progress{done, total}) })
}

// ---- mail out and in, as the stream of package transfer

// trailer carries an error that came after the stream had begun.
const trailer = "Postiljon-Error"

// Export calls fn for every message of an account.
func (c *Client) Export(ctx context.Context, address string, fn func(*transfer.Item) error) error {
	response, err := c.post(ctx, "export", Name{address})
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if err := transfer.ReadItems(response.Body, fn); err != nil {
		return err
	}
	if text := response.Trailer.Get(trailer); text != "" {
		return &Error{Message: text, Status: http.StatusInternalServerError}
	}
	return nil
}

func (s *Server) export(w http.ResponseWriter, r *http.Request) {
	var request Name
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(&request); err != nil {
		s.refuse(w, invalid("the request cannot be read: %v", err))
		return
	}
	a, err := s.find(r.Context(), request.Name)
	if err != nil {
		s.refuse(w, err)
		return
	}
	w.Header().Set("Trailer", trailer)
	err = transfer.Export(r.Context(), s.Store, a.ID, func(item *transfer.Item) error { return transfer.WriteItem(w, item) })
	if err != nil {
		s.Log.Error("control: export failed", "account", a.Address, "error", err)
		w.Header().Set(trailer, public(err).Message)
	}
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

func (s *Server) importMail(w http.ResponseWriter, r *http.Request) {
	// A large import takes longer than any other request.
	if err := http.NewResponseController(w).SetReadDeadline(time.Time{}); err != nil {
		s.refuse(w, err)
		return
	}
	a, err := s.find(r.Context(), r.Header.Get("Postiljon-Account"))
	if err != nil {
		s.refuse(w, err)
		return
	}
	im := transfer.NewImporter(s.Store, a.ID)
	err = transfer.ReadItems(r.Body, func(item *transfer.Item) error { return im.Add(r.Context(), item) })
	if err != nil {
		e := *public(err)
		e.Message = fmt.Sprintf("%s; %d messages were imported before, and the import can be begun again", e.Message, im.Imported)
		s.refuse(w, &e)
		return
	}
	reply(w, http.StatusOK, Imported{im.Imported, im.Skipped})
}
