package jmapd

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
)

// downloadTime is how long a download may take.
const downloadTime = 30 * time.Minute

// errNoPart ends the look at an email that has no such part.
var errNoPart = errors.New("no such part")

// download sends the octets of an email or of one of its parts (RFC 8620 section 6.2).
func (s *Server) download(w http.ResponseWriter, r *http.Request, a *store.Account) {
	there, err := s.reach(r.Context(), a, r.PathValue("account"))
	if err != nil {
		s.notReached(w, err)
		return
	}
	p, err := s.look(r.Context(), sight{there.ID, a.ID})
	if err != nil {
		s.broken(w, err)
		return
	}
	body, err := s.open(r.Context(), p, r.PathValue("blob"))
	switch {
	case errors.Is(err, errNoPart):
		notFound(w, "there is no such blob")
		return
	case err != nil:
		s.broken(w, err)
		return
	}
	defer body.Close()
	s.readBlob(r, p.sight, a, r.PathValue("blob"))
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Now().Add(downloadTime)) // else the usual one holds
	_ = control.SetReadDeadline(time.Time{})
	h := w.Header()
	h.Set("Content-Type", mediaType(r.URL.Query().Get("accept")))
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": r.PathValue("name")}))
	h.Set("Cache-Control", "private, immutable, max-age=31536000")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	if _, err := io.Copy(w, body); err != nil {
		s.log.Debug("jmapd: download ended", "error", err)
	}
}

// readBlob tells the journal that an email was downloaded, whole or in part.
func (s *Server) readBlob(r *http.Request, v sight, user *store.Account, blob string) {
	id, _, ok := parseBlobID(blob)
	who := s.askerOf(r)
	if !ok || who.client == webmail {
		return
	}
	err := s.store.EmailsOf(r.Context(), v.owner, []store.EmailID{id}, func(e *store.Email) error {
		s.noteRead(r.Context(), v, user, who, []journal.ReadEmail{{ID: id, MessageID: string(e.Summary.MessageID())}})
		return nil
	})
	if err != nil && r.Context().Err() == nil {
		s.log.Warn("jmapd: an email that is read not named", "account", user.Address, "error", err)
	}
}

// notReached answers a request for an account that is not there for who asks.
func (s *Server) notReached(w http.ResponseWriter, err error) {
	if errors.Is(err, errNoAccount) {
		notFound(w, "there is no such account")
		return
	}
	s.broken(w, err)
}

func notFound(w http.ResponseWriter, detail string) {
	problem{Type: "about:blank", Status: http.StatusNotFound, Detail: detail}.write(w)
}

// mediaType is what a client wants a download to be, if it is a media type at all.
func mediaType(wanted string) string {
	if t, params, err := mime.ParseMediaType(wanted); err == nil && strings.Contains(t, "/") {
		return mime.FormatMediaType(t, params)
	}
	return "application/octet-stream"
}

func (s *Server) broken(w http.ResponseWriter, err error) {
	s.log.Error("jmapd: a blob cannot be read", "error", err)
	problem{Type: "about:blank", Status: http.StatusInternalServerError}.write(w)
}

// parseBlobID reads what blobID wrote; parts count from 1, and 0 is the whole message.
func parseBlobID(id string) (e store.EmailID, part int, ok bool) {
	whole, rest, isPart := strings.Cut(id, "-")
	if e, ok = parseID[store.EmailID]('b', whole); !ok {
		return 0, 0, false
	}
	if isPart {
		n, err := strconv.ParseUint(rest, 10, 16)
		if err != nil || n == 0 {
			return 0, 0, false
		}
		part = int(n)
	}
	return e, part, true
}

// octets opens a message, or a part without its transfer encoding.
func (s *Server) octets(ctx context.Context, e *store.Email, part int) (*readCloser, error) {
	parts, err := e.Summary.Parts()
	if err != nil {
		return nil, err
	}
	if part > len(parts) || part > 0 && parts[part-1].IsMultipart() {
		return nil, errNoPart
	}
	body, err := s.store.Body(ctx, e)
	if err != nil {
		return nil, err
	}
	text := io.Reader(io.NewSectionReader(body, 0, e.Size))
	if part > 0 {
		p := &parts[part-1]
		text = message.DecodeTransfer(io.NewSectionReader(body, p.BodyStart, p.End-p.BodyStart), p.Encoding)
	}
	return &readCloser{text, body}, nil
}
