// Package view shows messages, which anybody may have written with any intent: their text as a page for a frame without
// scripts, their parts as files, what is known of their sender in plain words, and pictures of the web fetched by
// the service instead of the reader.
//
// Everything lies below /m/{email}/, where email is the id that JMAP has for it, and is for who is signed in and may read it:
// in the own account, or in a mailbox that another shares.
package view

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/web/answer"
	"github.com/postiljon/postiljon/internal/web/page"
)

// Options are what the handlers are made of. Store, Catalogue and SignIn must be given.
type Options struct {
	Store     *store.Store
	Catalogue *cause.Catalogue
	// SignIn decides who makes a request.
	SignIn func(r *http.Request) (store.Account, cause.Decision)
	// Shared finds a message that another account shares with one by the id that JMAP has for it; store.KindNotFound if there is none, or
	// it may not be read. Nil finds none.
	Shared func(ctx context.Context, a store.AccountID, id string) (owner store.AccountID, email store.EmailID, err error)
	// AuthservID is the name under which this service says what it found out about senders (RFC 8601).
	AuthservID string
	// Fetch reaches servers that strangers name, none that stands beside us, and follows no redirects; nil fetches nothing.
	Fetch *http.Client
	// Note leaves an event in the journal of an account; nil leaves none.
	Note func(ctx context.Context, a store.AccountID, kind string, fields ...store.Field)
	// Opened is told of each message that a page has shown to whoever makes a request; nil is told nothing.
	Opened func(r *http.Request, by *store.Account, owner store.AccountID, e journal.ReadEmail)
	Log    *slog.Logger
}

// Server answers requests about single messages. It is safe for concurrent use.
type Server struct {
	options Options
	store   *store.Store
	log     *slog.Logger
	answers *answer.Maker
	words   map[cause.Lang]*words
	reasons map[cause.Lang]map[string]string
	key     [32]byte // signs the addresses of pictures, as long as the process lives

	pictures pictureCache
	fetching turns
	// streaming are answers that take long.
	streaming turns
	turn      turns         // of accounts, to decode
	decoding  chan struct{} // as many as may run at once
	senders   sync.Mutex    // held while lists of senders change
}

// New makes a server. An error means that an option is missing or that embedded files are wrong.
func New(o Options) (*Server, error) {
	if o.Store == nil || o.Catalogue == nil || o.SignIn == nil {
		return nil, errors.New("view: an option is missing")
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	s := &Server{
		options: o, store: o.Store, log: o.Log, answers: &answer.Maker{Catalogue: o.Catalogue, SignIn: o.SignIn, Log: o.Log}, pictures: pictureCache{all: map[string]cached{}, now: time.Now},
		fetching: turns{most: fetchSlots, all: map[store.AccountID]*turn{}}, streaming: turns{most: streamSlots, all: map[store.AccountID]*turn{}}, turn: turns{most: 1, all: map[store.AccountID]*turn{}}, decoding: make(chan struct{}, decodeSlots),
	}
	var err error
	if s.words, err = loadWords(); err != nil {
		return nil, err
	}
	if s.reasons, err = journal.Reasons(); err != nil {
		return nil, err
	}
	_, _ = rand.Read(s.key[:]) // it never fails
	return s, nil
}

// Routes are what the server has, by pattern of http.ServeMux.
func (s *Server) Routes() map[string]http.Handler {
	return map[string]http.Handler{
		"GET /m/{email}/body":               s.signedIn(s.body, framedOnly),
		"GET /m/{email}/part/{part}/{name}": s.signedIn(s.part),
		"GET /m/{email}/preview/{part}":     s.signedIn(s.preview),
		"GET /m/{email}/image":              s.signedIn(s.image),
		"GET /m/{email}/attachments.zip":    s.signedIn(s.archive),
		"GET /m/{email}/raw":                s.signedIn(s.raw),
		"GET /m/{email}/headers":            s.signedIn(s.headers),
		"GET /m/{email}/about":              s.signedIn(s.about),
		"POST /m/{email}/opened":            s.signedIn(s.opened),
		"POST /m/{email}/unsubscribe":       s.signedIn(s.unsubscribe),
		"GET /api/images/senders":           s.signedIn(s.listSenders),
		"POST /api/images/senders":          s.signedIn(s.addSender),
		"DELETE /api/images/senders":        s.signedIn(s.removeSender),
	}
}

// request is one of an account about a message.
type request struct {
	*http.Request
	account store.Account
	lang    cause.Lang
	mail    *mail
}

func (r *request) words(s *Server) *words { return s.words[r.lang] }

type handler func(w http.ResponseWriter, r *request) error

// errStatus ends a request with a status.
type errStatus int

func (e errStatus) Error() string { return http.StatusText(int(e)) }

// signedIn answers requests of an account about a message of its own; before looks at the request first.
func (s *Server) signedIn(next handler, before ...func(r *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, hr *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Content-Security-Policy", filePolicy) // of what is said in a frame instead of a message that went, too
		for _, look := range before {
			if err := look(hr); err != nil {
				s.fail(w, hr, err)
				return
			}
		}
		account, ok := s.answers.Account(w, hr)
		if !ok {
			return
		}
		r := &request{Request: hr, account: *account, lang: page.Lang(hr)}
		var err error
		if id := hr.PathValue("email"); id != "" {
			r.mail, err = s.find(hr.Context(), r.account.ID, id)
		}
		if err == nil {
			err = next(w, r)
		}
		if err != nil {
			s.fail(w, hr, err)
		}
	})
}

// opened is what the webmail says of a message that it shows: it fetches the text of others, too, to have it ready.
func (s *Server) opened(w http.ResponseWriter, r *request) error {
	if s.options.Opened != nil {
		s.options.Opened(r.Request, &r.account, r.mail.owner, journal.ReadEmail{ID: r.mail.ID, MessageID: r.mail.messageID})
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// framedOnly lets browsers have a page for nothing but a frame in a page of ours: what opens it by itself would have it without the
// bounds of the frame. Scripts of ours (no others are of the same origin) read it to keep it for when there is no line.
func framedOnly(r *http.Request) error {
	dest := r.Header.Get("Sec-Fetch-Dest")
	if r.Header.Get("Sec-Fetch-Site") != "same-origin" || dest != "iframe" && dest != "empty" {
		return errStatus(http.StatusForbidden)
	}
	return nil
}

// fail ends a request that cannot be answered. What had begun to be sent stays as it is.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	var status errStatus
	switch {
	case errors.As(err, &status):
		http.Error(w, status.Error(), int(status))
	case store.KindOf(err) == store.KindNotFound:
		http.Error(w, http.StatusText(http.StatusNotFound), http.StatusNotFound)
	default:
		s.answers.Failed(w, r, err)
	}
}

// longAnswer gives an answer that streams the time it needs, once it is its turn; done ends that.
func (s *Server) longAnswer(w http.ResponseWriter, r *request) (done func(), err error) {
	wait, cancel := context.WithTimeout(r.Context(), streamWait)
	defer cancel()
	done, ok := s.streaming.take(wait, r.account.ID)
	if !ok {
		return nil, errStatus(http.StatusServiceUnavailable)
	}
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Now().Add(streamTime)) // else the usual one holds
	_ = control.SetReadDeadline(time.Time{})
	return done, nil
}

// Bounds of answers that stream: each has a file open.
const (
	streamTime  = 30 * time.Minute
	streamWait  = 20 * time.Second // for its turn
	streamSlots = 32               // at once, for an account
)

// at is the address of something of a message.
func at(id, rest string) string { return fmt.Sprintf("/m/%s/%s", id, rest) }
