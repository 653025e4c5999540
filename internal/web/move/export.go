package move

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/netserve"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/transfer"
)

const (
	// patience is how long a client may take to read what is sent, or to send what is read.
	patience = time.Minute
	// maxAtOnce is how many downloads of mail an account runs at once, and how many searches for settings.
	maxAtOnce = 2
)

// running counts what runs of accounts, which is maxAtOnce of each at most.
type running struct {
	mu  sync.Mutex
	all map[store.AccountID]int
}

func (e *running) init() { e.all = map[store.AccountID]int{} }

func (e *running) begin(a store.AccountID) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.all[a] >= maxAtOnce {
		return false
	}
	e.all[a]++
	return true
}

func (e *running) end(a store.AccountID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.all[a]--; e.all[a] == 0 {
		delete(e.all, a)
	}
}

// export answers GET /api/export: ?format=mbox (the default) or maildir; ?mailbox= is one mailbox by its id of JMAP or its name,
// without it all. One mailbox as mbox is that file; everything else is a zip archive. It is made while it is sent, so how large it
// will be is not known beforehand; what breaks off is no whole archive, and is shown as broken off.
func (s *Server) export(w http.ResponseWriter, r *http.Request, a *store.Account) {
	q := r.URL.Query()
	want, name, ok := s.wanted(w, r, a, q.Get("mailbox"))
	if !ok {
		return
	}
	if !s.exports.begin(a.ID) {
		s.answer.Refuse(w, r, http.StatusTooManyRequests, cause.Wait(cause.LimitConnections, time.Now().Add(time.Minute)))
		return
	}
	defer s.exports.end(a.ID)
	now := s.options.Store.Now()
	out := netserve.Patiently(w, patience)
	var to transfer.Writer
	kind, ext := "application/zip", ".zip"
	switch format := q.Get("format"); {
	case format == "maildir" || format == "maildir-zip":
		to = transfer.NewMaildirZip(out, now)
	case format != "" && format != "mbox":
		s.answer.Refuse(w, r, http.StatusBadRequest, cause.Refuse(cause.ClientProtocolError))
		return
	case name != "":
		to, kind, ext = transfer.NewMboxStream(out), "application/mbox", ".mbox"
	default:
		to = transfer.NewMboxZip(out, now)
	}
	file := a.Address + " " + now.Format(time.DateOnly)
	if name != "" {
		file = strings.ReplaceAll(name, "/", "-") + " " + now.Format(time.DateOnly)
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": file + ext}))
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'; frame-ancestors 'none'")
	err := transfer.ExportOf(r.Context(), s.options.Store, a.ID, want, to)
	if err == nil {
		err = to.Close()
	}
	if err != nil {
		if r.Context().Err() == nil && out.Err() == nil { // not the client's doing
			s.options.Log.Error("move: export broke off", "account", a.ID, "error", err)
		}
		out.Abort()
	}
}

// wanted reads which mailboxes are asked for; name is that of the one, "" for all.
func (s *Server) wanted(w http.ResponseWriter, r *http.Request, a *store.Account, mailbox string) (want func(*store.Mailbox) bool, name string, ok bool) {
	if mailbox == "" {
		return func(m *store.Mailbox) bool { return m.Role != store.RoleOutbox }, "", true
	}
	m, err := s.mailbox(r, a, mailbox)
	if err != nil {
		s.failed(w, r, err, cause.MailboxNotFound)
		return nil, "", false
	}
	return func(one *store.Mailbox) bool { return one.ID == m.ID }, m.Name, true
}

// mailbox finds one by its id of JMAP ("F7") or its name.
func (s *Server) mailbox(r *http.Request, a *store.Account, text string) (store.Mailbox, error) {
	if digits, is := strings.CutPrefix(text, "F"); is {
		if n, err := strconv.ParseUint(digits, 10, 32); err == nil {
			if m, err := s.options.Store.Mailbox(r.Context(), a.ID, store.MailboxID(n)); store.KindOf(err) != store.KindNotFound {
				return m, err
			}
		}
	}
	return s.options.Store.MailboxByName(r.Context(), a.ID, text)
}
