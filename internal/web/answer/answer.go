// Package answer is how the JSON interfaces of the web answer: with a value, or with the cause of a refusal in
// the reader's language.
package answer

import (
	"cmp"
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/web/page"
)

// maxBody bounds the body of a request where nothing else is said, in octets.
const maxBody = 64 << 10

// Refusal is what is answered in place of what was asked for.
type Refusal struct {
	Cause  cause.ID  `json:"cause"`
	Title  string    `json:"title"`
	Text   string    `json:"text"`
	Action string    `json:"action"`         // what to do now
	Until  time.Time `json:"until,omitzero"` // when to try again, if that is known
}

// Maker makes answers. It is safe for concurrent use.
type Maker struct {
	Catalogue *cause.Catalogue
	SignIn    func(*http.Request) (store.Account, cause.Decision)
	Log       *slog.Logger
	MaxBody   int64 // of a request, in octets; 64 KiB if 0
}

// SignedIn answers requests of account holders.
func (m *Maker) SignedIn(next func(http.ResponseWriter, *http.Request, *store.Account)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a, ok := m.Account(w, r); ok {
			next(w, r, a)
		}
	})
}

// Account returns who makes a request; where nobody may, it has refused.
func (m *Maker) Account(w http.ResponseWriter, r *http.Request) (*store.Account, bool) {
	w.Header().Set("Cache-Control", "no-store")
	if r.TLS == nil {
		m.Refuse(w, r, http.StatusForbidden, cause.Refuse(cause.AuthPlaintextRefused))
		return nil, false
	}
	a, d := m.SignIn(r)
	switch {
	case d.Allowed():
		return &a, true
	case d.Action == cause.ActionWait:
		m.Refuse(w, r, http.StatusTooManyRequests, d)
	default:
		m.Refuse(w, r, http.StatusUnauthorized, d)
	}
	return nil, false
}

// Refuse answers with a cause.
func (m *Maker) Refuse(w http.ResponseWriter, r *http.Request, status int, d cause.Decision) {
	e := m.Catalogue.Here(page.Zone(r, ""), time.Now()).Explain(d, page.Lang(r), cause.Holder)
	if wait := time.Until(d.Until); !d.Until.IsZero() && wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
	}
	m.write(w, status, Refusal{Cause: d.Cause, Title: e.Title, Text: e.Text, Action: e.NextStep, Until: d.Until})
}

// Failed answers for an error of the service itself, which is logged.
func (m *Maker) Failed(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // nobody listens
	}
	m.Log.Error("web: request failed", "path", r.URL.Path, "error", err)
	d := cause.Wait(cause.ProviderBackendBroken, time.Time{})
	if store.KindOf(err) == store.KindNoSpace {
		d = cause.Wait(cause.ProviderStorageFailed, time.Time{})
	}
	m.Refuse(w, r, http.StatusServiceUnavailable, d)
}

// JSON answers with a value.
func (m *Maker) JSON(w http.ResponseWriter, v any) { m.write(w, http.StatusOK, v) }

// Accepted answers that something has begun, and how it is.
func (m *Maker) Accepted(w http.ResponseWriter, v any) { m.write(w, http.StatusAccepted, v) }

// Status answers with a value that is no answer to what was asked for.
func (m *Maker) Status(w http.ResponseWriter, status int, v any) { m.write(w, status, v) }

func (m *Maker) write(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		m.Log.Error("web: answer not made", "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // a client that went away
}

// Read reads the JSON body of a request into v; an empty one leaves v as it is. Where it cannot, it has refused.
func (m *Maker) Read(w http.ResponseWriter, r *http.Request, v any) bool {
	if r.ContentLength == 0 {
		return true
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, cmp.Or(m.MaxBody, maxBody)))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		m.Refuse(w, r, http.StatusBadRequest, cause.Refuse(cause.ClientProtocolError))
		return false
	}
	return true
}
