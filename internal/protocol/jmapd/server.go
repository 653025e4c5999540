// Package jmapd is JMAP: core (RFC 8620) and mail (RFC 8621), written for this store.
//
// A request is a list of method calls. Each is answered from store.Mail, the account's mail at one moment, so
// that all answers of a call belong together; states are values of the account's change counter, which IMAP's
// MODSEQs are, too.
package jmapd

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/index"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// Options are what the server is made of. Store, Catalogue, SignIn, BaseURL, Queue, Check and Holder must be given.
type Options struct {
	Store     *store.Store
	Catalogue *cause.Catalogue
	// SignIn decides who makes a request, from its Authorization field; it is asked over TLS alone.
	SignIn func(r *http.Request) (store.Account, cause.Decision)
	// With names what a request that SignIn let in is signed in with; nil names nothing. Push subscriptions know it (Unsubscribe).
	With func(r *http.Request) string
	// Zone is the time zone in which whoever makes a request reads the times in causes, nil where it is not known; nil knows none.
	Zone func(r *http.Request) *time.Location
	// Tokens reports whether bearer tokens are taken; nil means no.
	Tokens func() bool
	// Index narrows searches for text; nil reads all messages.
	Index *index.Index
	// BaseURL is the address of the web, without a final slash.
	BaseURL string
	// Queue sends, and Check tells what would be refused.
	Queue Queue
	Check Check
	// Holder is what the holder of an account can be told.
	Holder Holder
	// Near returns the domain that was probably meant by one, "" if none; nil knows none.
	Near func(ctx context.Context, a store.AccountID, domain string) string
	// Room decides whether there is room beside the account's own quota for an email that is created or imported, and counts it if
	// so; nil: there always is.
	Room func(ctx context.Context, a *store.Account, size int64) cause.Decision
	// Filed, if not nil, hears of emails that JMAP put into a mailbox of another role.
	Filed func(f Filed)
	// Marked, if not nil, hears of emails that JMAP called junk or not junk, by a keyword.
	Marked func(m Marked)
	Log    *slog.Logger
	// Limits bound requests; zero fields have their defaults.
	Limits Limits
	// Sieve says what scripts of rules may do; nil takes no scripts.
	Sieve *Sieve
	// Push says how devices are told of changes.
	Push Push
	// Memory bounds what is kept of accounts in memory, in octets; default 512 MiB. An account of 100,000 emails takes
	// about 15 MB.
	Memory int64
}

// Filed is an email that lies in a mailbox of another role now.
type Filed struct {
	Account  store.AccountID
	Into     store.MailboxID
	From, To store.Role
	UIDs     uid.Set // in Into
}

// Marked are emails that a keyword calls junk or not junk.
type Marked struct {
	Account store.AccountID
	Mailbox store.MailboxID
	UIDs    uid.Set // in Mailbox
	Junk    bool
}

// Limits are what the Session object tells (RFC 8620 section 2).
type Limits struct {
	RequestSize        int64 // octets; default 10 MiB
	Upload             int64 // octets; default 50 MB
	Message            int64 // octets of a message that is written or sent here; default 50 MB
	Answers            int64 // octets of texts, fields and data of messages in the answers to a request; default 64 MiB
	AllAnswers         int64 // of those in the answers to all requests that run; default 1 GiB
	Recipients         int   // of a message; default 1000
	Calls              int   // in a request; default 64
	ConcurrentRequests int   // of an account; default 8
	Get, Set           int   // objects in a call; default 1000 and 500
	QueryResults       int   // ids in an answer; default 5000
}

func (l *Limits) defaults() {
	if l.RequestSize == 0 {
		l.RequestSize = 10 << 20
	}
	if l.Upload == 0 {
		l.Upload = 50_000_000
	}
	if l.Answers == 0 {
		l.Answers = 64 << 20
	}
	if l.AllAnswers == 0 {
		l.AllAnswers = 1 << 30
	}
	if l.Message == 0 {
		l.Message = 50_000_000
	}
	for _, d := range []struct {
		field *int
		value int
	}{{&l.Calls, 64}, {&l.ConcurrentRequests, 8}, {&l.Get, 1000}, {&l.Set, 500}, {&l.QueryResults, 5000}, {&l.Recipients, 1000}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
}

// Server answers requests. It is safe for concurrent use.
type Server struct {
	options  Options
	store    *store.Store
	log      *slog.Logger
	mux      *http.ServeMux
	methods  map[string]method
	accounts accounts

	answering atomic.Int64 // octets in the answers to requests that run (Limits.AllAnswers)

	mu        sync.Mutex
	uploading map[store.AccountID]int // uploads
	running   map[store.AccountID]int // requests
	ticked    store.ModSeq            // the last value of tick
	streams   map[store.AccountID]int // of events
	closed    chan struct{}           // ends event streams
	closing   sync.Once
	sockets   sync.WaitGroup // connections by WebSocket, which the web does not wait for
	pusher    *pusher
}

// New makes a server.
func New(o Options) (*Server, error) {
	if o.Store == nil || o.Catalogue == nil || o.SignIn == nil || o.BaseURL == "" || o.Queue == nil || o.Check == nil || o.Holder.Journal == nil || o.Holder.Meters == nil {
		return nil, errors.New("jmapd: an option is missing")
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	o.Limits.defaults()
	if o.Sieve == nil {
		o.Sieve = &Sieve{Check: func(string) error { return errors.New("there are no rules here") }, Extensions: []string{}}
	}
	if o.Memory == 0 {
		o.Memory = 512 << 20
	}
	s := &Server{
		options: o, store: o.Store, log: o.Log, mux: http.NewServeMux(),
		running: map[store.AccountID]int{}, streams: map[store.AccountID]int{}, uploading: map[store.AccountID]int{}, closed: make(chan struct{}),
	}
	s.methods = s.table()
	for pattern, h := range map[string]signedIn{
		"GET /.well-known/jmap":                         s.session,
		"GET /jmap/session":                             s.session,
		"POST /jmap/upload/{account}/{$}":               s.upload,
		"POST /jmap/api":                                s.api,
		"GET /jmap/download/{account}/{blob}/{name...}": s.download,
		"GET /jmap/events":                              s.events,
		"GET /jmap/ws":                                  s.websocket,
	} {
		s.mux.Handle(pattern, s.authenticated(h))
	}
	return s, s.openPush(context.Background(), o.Push)
}

// ServeHTTP implements http.Handler for /jmap/ and /.well-known/jmap.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Close ends event streams and what else goes on by itself, so that the web can close.
func (s *Server) Close(context.Context) error {
	s.closing.Do(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		close(s.closed)
	})
	s.pusher.close()
	s.sockets.Wait()
	return nil
}

// signedIn answers the request of an account.
type signedIn func(w http.ResponseWriter, r *http.Request, a *store.Account)

// authenticated finds out whose request it is (RFC 8620 section 8.2: by the mechanisms of HTTP).
func (s *Server) authenticated(next signedIn) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if r.TLS == nil {
			s.refuse(w, http.StatusForbidden, cause.Refuse(cause.AuthPlaintextRefused))
			return
		}
		a, d := s.options.SignIn(r)
		switch {
		case d.Allowed():
			next(w, r, &a)
		case d.Action == cause.ActionWait:
			s.refuse(w, http.StatusTooManyRequests, d)
		case r.Header.Get("Sec-Fetch-Mode") != "": // a browser, which would ask for a password by itself
			w.Header().Set("WWW-Authenticate", "Session")
			s.refuse(w, http.StatusUnauthorized, d)
		default:
			w.Header().Add("WWW-Authenticate", `Basic realm="postiljon", charset="UTF-8"`)
			if s.options.Tokens != nil && s.options.Tokens() {
				w.Header().Add("WWW-Authenticate", `Bearer realm="postiljon"`)
			}
			s.refuse(w, http.StatusUnauthorized, d)
		}
	})
}

// problem is an error of a whole request (RFC 7807, RFC 8620 section 3.6.1).
type problem struct {
	Type   string `json:"type"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	Limit  string `json:"limit,omitempty"`
}

// The types of RFC 8620 section 3.6.1.
const (
	unknownCapability = "urn:ietf:params:jmap:error:unknownCapability"
	notJSON           = "urn:ietf:params:jmap:error:notJSON"
	notRequest        = "urn:ietf:params:jmap:error:notRequest"
	limitExceeded     = "urn:ietf:params:jmap:error:limit"
)

func (p problem) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // a client that went away
}

// refuse says why a request is refused, which SignIn has made fit for whoever asks; type leads to the page that explains it.
func (s *Server) refuse(w http.ResponseWriter, status int, d cause.Decision) {
	problem{Type: s.options.BaseURL + "/why/" + string(d.Cause), Status: status, Detail: s.reason(d)}.write(w)
}

// reason is a decision in words for programs and their users.
func (s *Server) reason(d cause.Decision) string {
	return strings.TrimSpace(s.options.Catalogue.Explain(d, cause.English, cause.Holder).Text)
}
