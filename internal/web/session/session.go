// Package session knows which browsers are signed in.
//
// A session is a record of the store; the browser has a cookie with a random secret, of which the store has the hash alone. The cookie
// is not sent by pages of other sites (SameSite=Strict), not over connections without TLS, and scripts cannot read it. What changes
// something must beside it have the session's token in the field X-CSRF-Token, which only our own pages are told, and come from
// our own origin.
//
// Keeper.Around lies around all handlers of the web: when a session ends, so do the requests that it has running, such as streams of events.
//
// # GET /api/session
//
// answers a page of ours with Info; with 401 and a refusal where nobody is signed in. Refusals of all handlers behind
// sessions have the shape of Refusal.
package session

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/web/brief"
)

// How long sessions last. Idle is since they were last used.
const (
	IdleRemembered = 14 * 24 * time.Hour
	Idle           = 24 * time.Hour // beside, the browser forgets the cookie when it is closed
	Longest        = 90 * 24 * time.Hour
	// FreshFor is how long after proving who one is the security of the account may be changed.
	FreshFor = 10 * time.Minute
)

// cookieName begins with __Host-, so that browsers take it only from us, over TLS and for all paths (RFC 6265bis section 4.1.3).
const cookieName = "__Host-postiljon"

const (
	touchEvery  = 5 * time.Minute // how old the last use may be in the store
	maxSessions = 50_000          // remembered in memory; others are read again
	secretSize  = 32
)

// Options are what a Keeper is made of; Store and Catalogue must be given.
type Options struct {
	Store     *store.Store
	Catalogue *cause.Catalogue
	Now       func() time.Time // Store.Now if nil
	// Ended, if not nil, hears when sessions of an account end, by themselves or by somebody, or a password is taken away: gone tells which of what requests
	// are signed in with (Keeper.With) do not count any more.
	Ended func(ctx context.Context, a store.AccountID, gone func(with string) bool)
	// Replaced, if not nil, hears when a browser that was signed in to an account signs in to it anew: what was made with one session is
	// now with the other, as Keeper.With names them.
	Replaced func(ctx context.Context, a store.AccountID, before, now string)
	Log      *slog.Logger
}

// Keeper keeps the sessions of all accounts. It is safe for concurrent use.
type Keeper struct {
	Options
	origin *http.CrossOriginProtection

	mu      sync.Mutex
	known   map[store.SessionHash]*entry
	ends    uint64 // rises whenever sessions end, so that what was read before is not remembered after
	running map[store.AccountID]map[*request]struct{}
	closed  *brief.Map[store.AccountID] // sessions that ended with all of their account, by hash: whoever shows one is told what became of the account
}

// How long, and of how many sessions, that is known.
const (
	closedFor = 24 * time.Hour
	maxClosed = 20_000
)

// entry is a session that is remembered.
type entry struct {
	account store.AccountID
	record  store.WebSession
	saved   time.Time // the last use that the store knows of
}

// Session is a browser that is signed in.
type Session struct {
	store.WebSession
	Account store.Account
	// CSRF is what requests that change something must have in the field X-CSRF-Token.
	CSRF string
}

// New makes a Keeper.
func New(o Options) *Keeper {
	if o.Now == nil {
		o.Now = o.Store.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return &Keeper{
		Options: o, origin: http.NewCrossOriginProtection(),
		known: map[store.SessionHash]*entry{}, running: map[store.AccountID]map[*request]struct{}{}, closed: brief.New[store.AccountID](closedFor, maxClosed),
	}
}

// Begin is how a session begins.
type Begin struct {
	Account    store.Account // as it was when its password was found right
	Credential string        // the id of the password or passkey
	Method     string
	Remember   bool
	Language   cause.Lang
}

// ErrChanged reports that the account was changed while somebody signed in: what was found right may not be so any more.
var ErrChanged = errors.New("session: the account was changed")

// Start signs a browser in: with a new secret, whatever cookie it came with; the session it had before ends.
func (k *Keeper) Start(w http.ResponseWriter, r *http.Request, b Begin) (Session, error) {
	ctx := r.Context()
	before, id, _ := fromCookie(r)
	if id != 0 {
		end := k.drop
		if id != b.Account.ID { // somebody else begins here
			end = k.End
		}
		if err := end(ctx, id, sha256.Sum256([]byte(before))); err != nil {
			return Session{}, err
		}
	}
	var secret [secretSize]byte
	rand.Read(secret[:]) // never fails
	value := strconv.FormatUint(uint64(b.Account.ID), 36) + "." + base64.RawURLEncoding.EncodeToString(secret[:])
	now := k.Now()
	browser, system := ClientOf(r.UserAgent())
	record := store.WebSession{
		Hash: sha256.Sum256([]byte(value)), Created: now.UTC(), LastUsed: now.UTC(), Authenticated: now.UTC(), Remembered: b.Remember,
		Remote: remoteOf(r), Browser: browser, System: system, Language: string(b.Language), Credential: b.Credential, Method: b.Method,
	}
	dropped, err := k.Store.CreateWebSession(ctx, b.Account.ID, record, func(w *store.WebSession) bool { return Over(w, now) })
	if err != nil {
		return Session{}, fmt.Errorf("session: start: %w", err)
	}
	k.gone(ctx, b.Account.ID, dropped)
	// What ends all sessions first changes the account: either it found this one, or the change is seen here.
	account, err := k.Store.Account(ctx, b.Account.ID)
	if err == nil && account.Version != b.Account.Version {
		err = ErrChanged
	}
	if err != nil {
		return Session{}, errors.Join(err, k.drop(context.WithoutCancel(ctx), b.Account.ID, record.Hash))
	}
	if id == b.Account.ID && k.Replaced != nil {
		k.Replaced(ctx, id, withSession(sha256.Sum256([]byte(before))), withSession(record.Hash))
	}
	cookie := newCookie(value)
	if b.Remember {
		cookie.MaxAge = int(Longest / time.Second)
	}
	http.SetCookie(w, cookie)
	return Session{record, account, csrfOf(value)}, nil
}

func newCookie(value string) *http.Cookie {
	return &http.Cookie{Name: cookieName, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode}
}

// SignOut ends the session of a request and takes the cookie from the browser.
func (k *Keeper) SignOut(w http.ResponseWriter, r *http.Request, s *Session) error {
	cookie := newCookie("")
	cookie.MaxAge = -1
	http.SetCookie(w, cookie)
	return k.End(r.Context(), s.Account.ID, s.Hash)
}

// From finds the session of a request. Shown is false where the request shows none; d is why one that it shows is not taken. From
// now on the request ends with the session.
func (k *Keeper) From(r *http.Request) (s Session, d cause.Decision, shown bool) {
	value, id, shown := fromCookie(r)
	if !shown || id == 0 {
		return s, cause.Refuse(cause.AuthSessionEnded), shown
	}
	// First it is said whose request it is: a session that ends from here on ends the request, one that has ended is not found.
	hash := store.SessionHash(sha256.Sum256([]byte(value)))
	k.bind(r, id, &hash, withSession(hash))
	if s, d = k.find(r, value, id); !d.Allowed() {
		k.unbind(r)
	}
	return s, d, true
}

// fromCookie returns what the browser shows and the account that it says it is of, 0 if it cannot be one of ours.
func fromCookie(r *http.Request) (value string, id store.AccountID, shown bool) {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return "", 0, false
	}
	number, secret, _ := strings.Cut(cookie.Value, ".")
	n, err := strconv.ParseUint(number, 36, 64)
	if err != nil || len(secret) != base64.RawURLEncoding.EncodedLen(secretSize) {
		return "", 0, true
	}
	return cookie.Value, store.AccountID(n), true
}

// find looks a session and its account up, and notes that it is used.
func (k *Keeper) find(r *http.Request, value string, id store.AccountID) (Session, cause.Decision) {
	ctx, now := r.Context(), k.Now()
	hash := store.SessionHash(sha256.Sum256([]byte(value)))
	record, saved, err := k.read(ctx, id, hash)
	var a store.Account
	if err == nil {
		a, err = k.Store.Account(ctx, id)
	}
	switch {
	case store.KindOf(err) == store.KindNotFound:
		return Session{}, k.whyOver(ctx, id, hash)
	case err != nil:
		k.Log.Error("session not found", "error", err)
		return Session{}, cause.Wait(cause.ProviderAuthBackendDown, time.Time{})
	case Over(&record, now):
		if err := k.End(ctx, id, hash); err != nil {
			k.Log.Error("session that is over not removed", "error", err)
		}
		return Session{}, cause.Refuse(cause.AuthSessionEnded)
	}
	if d := policy.StateForSignIn(a, store.ProtocolWeb); !d.Allowed() {
		return Session{}, d
	}
	k.used(ctx, id, hash, now, saved, remoteOf(r))
	return Session{record, a, csrfOf(value)}, cause.Allow()
}

// whyOver is why a session that is not there does not count: the state of the account, if that let nobody in any more, for who had one.
func (k *Keeper) whyOver(ctx context.Context, id store.AccountID, hash store.SessionHash) cause.Decision {
	if of, ok := k.closed.Get(string(hash[:]), k.Now()); ok && of == id {
		if a, err := k.Store.Account(ctx, id); err == nil {
			if d := policy.StateForSignIn(a, store.ProtocolWeb); !d.Allowed() {
				return d
			}
		}
	}
	return cause.Refuse(cause.AuthSessionEnded)
}

// read returns a session from memory, else from the store.
func (k *Keeper) read(ctx context.Context, id store.AccountID, hash store.SessionHash) (store.WebSession, time.Time, error) {
	k.mu.Lock()
	e, ok := k.known[hash]
	ends := k.ends
	if ok && e.account == id {
		defer k.mu.Unlock()
		return e.record, e.saved, nil
	}
	k.mu.Unlock()
	record, err := k.Store.WebSession(ctx, id, hash)
	if err != nil {
		return record, time.Time{}, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ends != ends { // perhaps this one: who comes next reads again
		return record, record.LastUsed, nil
	}
	for other := range k.known {
		if len(k.known) < maxSessions {
			break
		}
		delete(k.known, other)
	}
	k.known[hash] = &entry{id, record, record.LastUsed}
	return record, record.LastUsed, nil
}

// used notes the use of a session: in memory always, in the store now and then.
func (k *Keeper) used(ctx context.Context, id store.AccountID, hash store.SessionHash, now, saved time.Time, remote string) {
	save := now.Sub(saved) >= touchEvery
	k.mu.Lock()
	if e, ok := k.known[hash]; ok {
		e.record.LastUsed, e.record.Remote = now.UTC(), remote
		if save {
			e.saved = now
		}
	}
	k.mu.Unlock()
	if !save {
		return
	}
	if err := k.Store.TouchWebSession(ctx, id, hash, now, remote); err != nil && store.KindOf(err) != store.KindNotFound && ctx.Err() == nil {
		k.Log.Warn("use of a session not noted", "error", err)
	}
}

// Over tells whether a session has ended by itself.
func Over(w *store.WebSession, now time.Time) bool { return !now.Before(expires(w)) }

func expires(w *store.WebSession) time.Time {
	idle := Idle
	if w.Remembered {
		idle = IdleRemembered
	}
	end, longest := w.LastUsed.Add(idle), w.Created.Add(Longest)
	if end.After(longest) {
		return longest
	}
	return end
}

// Expires is when the session ends if it is not used any more.
func (s *Session) Expires() time.Time { return expires(&s.WebSession) }

// FreshUntil is until when the holder counts as just having proved who he is.
func (s *Session) FreshUntil() time.Time { return s.Authenticated.Add(FreshFor) }

// Sessions lists the sessions of an account, the last used first.
func (k *Keeper) Sessions(ctx context.Context, a store.AccountID) ([]store.WebSession, error) {
	all, err := k.Store.WebSessions(ctx, a)
	if err != nil {
		return nil, fmt.Errorf("session: list: %w", err)
	}
	now, kept := k.Now(), all[:0]
	for _, w := range all {
		if !Over(&w, now) {
			kept = append(kept, w)
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range kept { // memory knows better when
		if e, ok := k.known[kept[i].Hash]; ok {
			kept[i].LastUsed, kept[i].Remote = e.record.LastUsed, e.record.Remote
		}
	}
	return kept, nil
}

// Confirm notes that the holder of a session has proved again who he is, until FreshFor from now.
func (k *Keeper) Confirm(ctx context.Context, s *Session) error {
	now := k.Now().UTC()
	if err := k.Store.ConfirmWebSession(ctx, s.Account.ID, s.Hash, now); err != nil {
		return fmt.Errorf("session: confirm: %w", err)
	}
	s.Authenticated = now
	k.mu.Lock()
	defer k.mu.Unlock()
	if e, ok := k.known[s.Hash]; ok {
		e.record.Authenticated = now
	}
	return nil
}

// End ends one session of an account at once, and all that was made with it.
func (k *Keeper) End(ctx context.Context, a store.AccountID, hash store.SessionHash) error {
	defer k.tell(ctx, a, func(with string) bool { return with == withSession(hash) })
	return k.drop(ctx, a, hash)
}

// EndCredential ends what was signed in, without a session, with a password that is gone.
func (k *Keeper) EndCredential(ctx context.Context, a store.AccountID, id string) {
	k.stop(a, func(r *request) bool { return r.session == nil && r.with == id })
	k.tell(ctx, a, func(with string) bool { return with == id })
}

// tell tells Options.Ended what does not count any more.
func (k *Keeper) tell(ctx context.Context, a store.AccountID, gone func(with string) bool) {
	if k.Ended != nil {
		k.Ended(ctx, a, gone)
	}
}

// Forget ends all sessions that have ended by themselves, and what was made with them.
func (k *Keeper) Forget(ctx context.Context) error {
	now := k.Now()
	return k.Store.ForgetWebSessions(ctx, func(w *store.WebSession) bool { return Over(w, now) }, func(a store.AccountID, ended []store.WebSession) {
		hashes := make([]store.SessionHash, len(ended))
		for i := range ended {
			hashes[i] = ended[i].Hash
		}
		k.gone(ctx, a, hashes)
	})
}

// gone forgets sessions that the store has dropped, and ends what was made with them.
func (k *Keeper) gone(ctx context.Context, a store.AccountID, ended []store.SessionHash) {
	if len(ended) == 0 {
		return
	}
	k.forget(a, func(h store.SessionHash) bool { return slices.Contains(ended, h) })
	k.stop(a, func(r *request) bool { return r.session != nil && slices.Contains(ended, *r.session) })
	k.tell(ctx, a, func(with string) bool {
		return slices.ContainsFunc(ended, func(h store.SessionHash) bool { return with == withSession(h) })
	})
}

// drop ends a session that has another in its place: what was made with it goes on with that (Replaced).
func (k *Keeper) drop(ctx context.Context, a store.AccountID, hash store.SessionHash) error {
	_, err := k.end(ctx, a, func(h store.SessionHash) bool { return h == hash }, false)
	return err
}

// EndOthers ends all sessions of an account but one, and returns how many there were.
func (k *Keeper) EndOthers(ctx context.Context, a store.AccountID, but store.SessionHash) (int, error) {
	defer k.tell(ctx, a, func(with string) bool { return with != withSession(but) })
	return k.end(ctx, a, func(h store.SessionHash) bool { return h != but }, true)
}

// EndAll ends all sessions of an account, after its password or its state changed.
func (k *Keeper) EndAll(ctx context.Context, a store.AccountID) (int, error) {
	defer k.tell(ctx, a, func(string) bool { return true })
	now := k.Now()
	return k.end(ctx, a, func(h store.SessionHash) bool {
		k.closed.Put(string(h[:]), a, now)
		return true
	}, true)
}

// end removes sessions; others tells that the requests of those who signed in without a session end, too.
func (k *Keeper) end(ctx context.Context, a store.AccountID, gone func(store.SessionHash) bool, others bool) (int, error) {
	ended, err := k.Store.EndWebSessions(ctx, a, func(w *store.WebSession) bool { return gone(w.Hash) })
	k.forget(a, gone)
	if others {
		k.stop(a, func(r *request) bool { return r.session == nil || gone(*r.session) })
	} else {
		k.stop(a, func(r *request) bool { return r.session != nil && gone(*r.session) })
	}
	if err != nil {
		return 0, fmt.Errorf("session: end: %w", err)
	}
	return len(ended), nil
}

// forget drops sessions from memory.
func (k *Keeper) forget(a store.AccountID, gone func(store.SessionHash) bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ends++
	for h, e := range k.known {
		if e.account == a && gone(h) {
			delete(k.known, h)
		}
	}
}

// csrfOf derives the token from the secret: it need not be kept, and tells nothing of it.
func csrfOf(value string) string {
	m := hmac.New(sha256.New, []byte(value))
	m.Write([]byte("X-CSRF-Token"))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil)[:24])
}

func remoteOf(r *http.Request) string {
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return remote.Addr().Unmap().String()
}
