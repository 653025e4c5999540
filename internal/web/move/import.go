package move

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/transfer"
)

// ImportRequest is the body of POST /api/import.
type ImportRequest struct {
	File string `json:"file"` // id of a file that was uploaded (POST /files/)
	// Into is the name of a mailbox, which is made if need be; mailboxes of an archive come below it. "" is as
	// the file says.
	Into string `json:"into"`
}

const (
	// maxMessage is the largest message that is taken out of a file, in octets: it is in memory meanwhile.
	maxMessage = 64 << 20
	// maxInARow is how many messages in a row may fail before something else must be wrong.
	maxInARow = 50
	maxInto   = 500
)

// importFile answers POST /api/import.
func (s *Server) importFile(w http.ResponseWriter, r *http.Request, a *store.Account) {
	var want ImportRequest
	if !s.answer.Read(w, r, &want) {
		return
	}
	if _, err := store.ParseMailboxName(want.Into); want.Into != "" && (err != nil || len(want.Into) > maxInto) {
		s.answer.Refuse(w, r, http.StatusBadRequest, cause.Refuse(cause.MailboxNameInvalid, cause.Text("mailbox", want.Into)))
		return
	}
	f, err := s.options.Store.File(r.Context(), a.ID, want.File)
	switch {
	case err != nil:
		s.failed(w, r, err, cause.FileGone)
		return
	case f.Over(s.options.Store.Now()):
		s.answer.Refuse(w, r, http.StatusGone, cause.Refuse(cause.FileGone, cause.Text("name", f.Name)))
		return
	case f.Whole.IsZero():
		s.answer.Refuse(w, r, http.StatusConflict, cause.Refuse(cause.FileIncomplete, cause.Text("name", f.Name)))
		return
	}
	s.begin(w, r, store.Job{Account: a.ID, Kind: store.JobImport, Name: f.Name, File: f.ID, Into: want.Into}, s.importing)
}

// importing puts what is in a file into the mailboxes of an account.
func (s *Server) importing(ctx context.Context, r *run) error {
	j := r.now()
	f, err := s.options.Store.File(ctx, j.Account, j.File)
	if store.KindOf(err) == store.KindNotFound || err == nil && f.Blob == "" {
		return &stopped{cause: cause.FileGone}
	}
	if err != nil {
		return err
	}
	content, err := s.options.Store.Blobs().Open(ctx, f.Blob)
	if err != nil {
		return err
	}
	defer content.Close()
	r.tell(func(p *store.JobProgress) { p.OctetsTotal = f.Size })
	to := s.newTaker(j.Account, r)
	u := &transfer.Upload{
		File: content, Size: f.Size, Name: f.Name, Into: j.Into, Limit: maxMessage,
		Progress: func(octets int64) { r.tell(func(p *store.JobProgress) { p.Octets = octets }) },
		Failed:   r.failure,
		Empty:    func(mailbox string) error { return to.Make(ctx, mailbox) },
	}
	err = u.Read(func(item *transfer.Item) error { return to.take(ctx, item, "") })
	// What was taken before an error stays.
	err = errors.Join(err, to.settle(context.WithoutCancel(ctx)))
	switch {
	case errors.Is(err, transfer.ErrNotMail):
		return &stopped{cause: cause.FileNotMail, detail: err.Error()}
	case errors.Is(err, transfer.ErrDamaged):
		return &stopped{cause: cause.FileDamaged, detail: err.Error()}
	case err != nil:
		return err
	}
	r.tell(func(p *store.JobProgress) { p.Octets, p.Mailbox = f.Size, "" })
	// It was brought for this alone, unless it has a link.
	if f.Link == nil {
		return s.options.Store.DeleteFile(ctx, j.Account, f.ID)
	}
	return nil
}

// taker puts messages into an account, and tells of those that it cannot.
type taker struct {
	transfer.Batch
	run    *run
	number int64 // of messages that were read
	inRow  int
	failed int64 // messages that could not be taken
	before int64 // messages that were known to be here without looking at them
}

func (s *Server) newTaker(a store.AccountID, r *run) *taker {
	t := &taker{run: r}
	t.Importer = transfer.NewImporter(s.options.Store, a)
	t.Failed = func(where string, err error) {
		t.failed++
		t.inRow++
		r.failure(where, err)
	}
	return t
}

// unread is an error of reading a message from where it comes.
type unread struct{ err error }

func (e *unread) Error() string { return "move: read message: " + e.err.Error() }
func (e *unread) Unwrap() error { return e.err }

// watched remembers what went wrong with reading.
type watched struct {
	r    io.Reader
	left int64
	err  error
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	w.left -= int64(n)
	if errors.Is(err, io.EOF) && w.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}

// errTooMany ends a job in which one message after the other fails.
var errTooMany = errors.New("move: one message after the other fails")

// take takes a message, which is placed now or with those that follow; where names it, "" for its number. An error ends the job:
// there is no room, or one after the other fails.
func (t *taker) take(ctx context.Context, item *transfer.Item, where string) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if where == "" {
		where = fmt.Sprintf("%s #%d", item.Mailbox, t.number+1)
	}
	body := &watched{r: item.Body, left: item.Size}
	item.Body = body
	imported := t.Imported
	err := t.Add(ctx, item, where)
	if body.err != nil { // where it comes from fails, not what is done with it
		return &unread{body.err}
	}
	t.number++
	t.run.tell(func(p *store.JobProgress) { p.Mailbox, p.Messages = item.Mailbox, p.Messages+1 })
	t.counted()
	switch {
	case err != nil:
		return err
	case t.Imported > imported:
		t.inRow = 0
	case t.inRow >= maxInARow:
		return errTooMany
	}
	return nil
}

// settle places what was taken and waits.
func (t *taker) settle(ctx context.Context) error {
	err := t.Flush(ctx)
	t.counted()
	return err
}

func (t *taker) counted() {
	t.run.tell(func(p *store.JobProgress) { p.Imported, p.Skipped = t.Imported, t.Skipped+t.before })
}
