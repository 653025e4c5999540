// Package security is what the holder of an account may look at and change of its security, for a page of ours (/settings/security).
//
// All paths are below /api/security and want a session (package session); what changes something wants its token in the field
// X-CSRF-Token. Bodies and answers are JSON. A refusal is a session.Refusal. Those marked * are refused with 403 and
// "reauthenticate": true when the holder did not prove within the last ten minutes who he is: POST confirm, then send the same again.
// Something wrong with what was sent is answered 422 with the member reason.
//
//	GET    /api/security                       -> Overview
//	POST   confirm {password} or {credential}  -> {freshUntil}; credential is AuthenticationResponseJSON
//	POST   password/check {password}           -> {ok, reason?, text?}; reason: short, common, repeated, address, long
//	POST   password {password}              *  -> {ended}: how many other browsers were signed out; reason as above
//	POST   two-step/begin                   *  -> factor.Setup {secret, uri, qr}; reason: on
//	POST   two-step/enable {code}           *  -> {recovery: [10 codes]}, shown once; reason: on, off (nothing was begun)
//	POST   two-step/recovery                *  -> {recovery: [10 codes]}: new ones in place of the old; reason: off
//	DELETE two-step                         *  -> 204
//	POST   recovery/begin {address}         *  -> {until}: a code goes to the address that is to be written to when the password is forgotten;
//	                                              reason: address-wrong, own, often
//	POST   recovery {code}                     -> {address, since}, once the code is right; reason: code (after five wrong ones: late), late
//	DELETE recovery                         *  -> 204
//	POST   passkeys/begin                   *  -> {publicKey: PublicKeyCredentialCreationOptionsJSON}; reason: host
//	POST   passkeys {name, credential}      *  -> Passkey; credential is RegistrationResponseJSON; reason: name, refused, exists, many, host
//	PATCH  passkeys/{id} {name}                -> 204; reason: name
//	DELETE passkeys/{id}                    *  -> 204
//	POST   passkeys/use                        -> {publicKey: PublicKeyCredentialRequestOptionsJSON}, for confirm; reason: host
//	POST   app-passwords {name, protocols}  *  -> AppPassword with password, shown once; reason: name, taken, many, protocol
//	DELETE app-passwords/{id}               *  -> 204
//	DELETE sessions/{id}                       -> 204
//	DELETE sessions                            -> {ended}: all browsers but this one, and the connections of mail programs
//	POST   notices {newSignIn}                 -> 204: whether a message comes when a new browser signs in
//
// Of a new password, a second step, an address for a forgotten password, passkeys and app passwords the holder of the account is told by a message in the inbox, always.
package security

import (
	"context"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"slices"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/notice"
	"github.com/postiljon/postiljon/internal/phrases"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/web/brief"
	"github.com/postiljon/postiljon/internal/web/factor"
	"github.com/postiljon/postiljon/internal/web/page"
	"github.com/postiljon/postiljon/internal/web/session"
)

//go:embed texts/*.toml
var files embed.FS

// Options are what the handlers are made of; all must be given.
type Options struct {
	Store     *store.Store
	Sessions  *session.Keeper
	SignIn    *policy.SignIn
	Hasher    *policy.Hasher
	Codes     *factor.Codes
	Passkeys  *factor.Passkeys
	Journal   policy.Recorder
	Catalogue *cause.Catalogue
	Notices   *notice.Sender
	// Hostname is the name of the service, which no password should be made of.
	Hostname string
	// Attempt is a sign-in of a request, as the policy sees it.
	Attempt func(*http.Request) policy.Attempt
	// EndPrograms ends the connections of mail programs to an account.
	EndPrograms func(store.AccountID)
	// Connections are those.
	Connections func(store.AccountID) []Connection
	Log         *slog.Logger
}

// Server answers. It is safe for concurrent use.
type Server struct {
	Options
	texts map[cause.Lang]*phrases.Set
	asked *brief.Map[askedAddress] // addresses for a forgotten password that were sent a code, by account
	codes *brief.Tally             // that were sent in an hour, by account and by where they went
	daily *brief.Tally             // that were sent in a day, by where they went
}

// New makes a server. An error means that the program was built wrong.
func New(o Options) (*Server, error) {
	s := &Server{
		Options: o, texts: map[cause.Lang]*phrases.Set{}, asked: brief.New[askedAddress](recoveryFor, maxAsked), codes: brief.NewTally(maxCodes, time.Hour, maxAsked), daily: brief.NewTally(maxCodesDay, 24*time.Hour, maxAsked),
	}
	for _, lang := range cause.Languages() {
		set, err := phrases.Load(files, lang)
		if err != nil {
			return nil, fmt.Errorf("security: %w", err)
		}
		s.texts[lang] = set
	}
	return s, nil
}

// Routes are what the server answers, by pattern.
func (s *Server) Routes() map[string]http.Handler {
	all := map[string]http.Handler{}
	for pattern, h := range map[string]answer{
		"GET /api/security":                       s.overview,
		"POST /api/security/confirm":              s.confirm,
		"POST /api/security/password/check":       s.checkPassword,
		"POST /api/security/password":             s.fresh(s.setPassword),
		"POST /api/security/two-step/begin":       s.fresh(s.beginTwoStep),
		"POST /api/security/two-step/enable":      s.fresh(s.enableTwoStep),
		"POST /api/security/two-step/recovery":    s.fresh(s.renewRecovery),
		"DELETE /api/security/two-step":           s.fresh(s.disableTwoStep),
		"POST /api/security/recovery/begin":       s.fresh(s.beginRecovery),
		"POST /api/security/recovery":             s.setRecovery,
		"DELETE /api/security/recovery":           s.fresh(s.deleteRecovery),
		"POST /api/security/passkeys/begin":       s.fresh(s.beginPasskey),
		"POST /api/security/passkeys":             s.fresh(s.createPasskey),
		"PATCH /api/security/passkeys/{id}":       s.renamePasskey,
		"DELETE /api/security/passkeys/{id}":      s.fresh(s.deletePasskey),
		"POST /api/security/passkeys/use":         s.usePasskey,
		"POST /api/security/app-passwords":        s.fresh(s.createAppPassword),
		"DELETE /api/security/app-passwords/{id}": s.fresh(s.deleteAppPassword),
		"DELETE /api/security/sessions/{id}":      s.endSession,
		"DELETE /api/security/sessions":           s.endOthers,
		"POST /api/security/notices":              s.setNotices,
	} {
		all[pattern] = s.Sessions.Signed(s.handler(h))
	}
	return all
}

// answer is what a handler comes to: a value, nil for 204, or an error.
type answer func(r *http.Request, one *session.Session) (any, error)

// maxBody bounds what is read of a request, in octets.
const maxBody = 64 << 10

func (s *Server) handler(h answer) session.Handler {
	return func(w http.ResponseWriter, r *http.Request, one *session.Session) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		v, err := h(r, one)
		switch {
		case err != nil:
			s.fail(w, r, one, err)
		case v == nil:
			w.WriteHeader(http.StatusNoContent)
		default:
			session.WriteJSON(w, http.StatusOK, v)
		}
	}
}

// refusal is a decision that refuses.
type refusal struct{ cause.Decision }

func (r refusal) Error() string { return string(r.Cause) }

// wrong is a reason why what was sent is not taken.
type wrong string

func (w wrong) Error() string { return string(w) }

var (
	errStale = errors.New("security: to be confirmed first")
	errBody  = errors.New("security: no JSON")
)

func (s *Server) fail(w http.ResponseWriter, r *http.Request, one *session.Session, err error) {
	var no refusal
	var reason wrong
	switch {
	case errors.Is(err, errStale):
		s.Sessions.Stale(w, r)
	case errors.Is(err, errBody):
		http.Error(w, "no JSON, or not what is wanted", http.StatusBadRequest)
	case errors.As(err, &no) && no.Action == cause.ActionWait:
		s.Sessions.Refuse(w, r, http.StatusTooManyRequests, no.Decision)
	case errors.As(err, &no):
		s.Sessions.Refuse(w, r, http.StatusForbidden, no.Decision)
	case errors.As(err, &reason):
		say := s.texts[page.Lang(r)]
		session.WriteJSON(w, http.StatusUnprocessableEntity, session.Refusal{
			Reason: string(reason), Title: say.Say("all.title"), Text: say.Say("reason."+string(reason), "min", fmt.Sprint(policy.MinPasswordRunes)),
		})
	case store.KindOf(err) == store.KindNotFound:
		http.NotFound(w, r)
	default:
		s.Log.Error("security", "path", r.URL.Path, "account", one.Account.Address, "error", err)
		s.Sessions.Refuse(w, r, http.StatusServiceUnavailable, cause.Decision{Action: cause.ActionWait, Cause: cause.ProviderBackendBroken})
	}
}

// fresh lets pass only who has just proved who he is.
func (s *Server) fresh(next answer) answer {
	return func(r *http.Request, one *session.Session) (any, error) {
		if !s.Sessions.Fresh(one) {
			return nil, errStale
		}
		return next(r, one)
	}
}

// body reads what was sent.
func body[T any](r *http.Request) (v T, err error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return v, errBody
	}
	if err := json.NewDecoder(r.Body).Decode(&v); err != nil {
		return v, errBody
	}
	return v, nil
}

func (s *Server) note(r *http.Request, kind string, one *session.Session, fields ...store.Field) {
	now := s.Store.Now()
	attempt := s.Attempt(r)
	fields = append(fields, store.Field{Name: "client", Value: attempt.Client}, store.Field{Name: "remote", Value: attempt.Remote.String()})
	s.Journal.Record(r.Context(), store.Event{Time: now, Trace: store.NewTraceID(now), Kind: kind, Account: one.Account.ID, Fields: fields})
}

// tell writes to the holder of the account that its security was changed.
func (s *Server) tell(r *http.Request, one *session.Session, kind string) {
	s.Notices.Changed(one.Account, kind, s.where(r, one), s.Store.Now())
}

// where is the browser of a request.
func (s *Server) where(r *http.Request, one *session.Session) notice.Where {
	browser, system := session.ClientOf(r.UserAgent())
	return notice.Where{Browser: browser, System: system, Remote: s.Attempt(r).Remote.String(), Language: session.LangOf(r, one)}
}

// confirmation is how the holder of a session proves who he is.
type confirmation struct {
	Password   string          `json:"password"`
	Credential json.RawMessage `json:"credential"`
}

func (s *Server) confirm(r *http.Request, one *session.Session) (any, error) {
	given, err := body[confirmation](r)
	if err != nil {
		return nil, err
	}
	attempt := s.Attempt(r)
	attempt.Purpose = policy.ForConfirmation
	var d cause.Decision
	if len(given.Credential) > 0 {
		d, err = s.confirmWithPasskey(r, one, attempt, given.Credential)
	} else {
		_, d = s.SignIn.Password(r.Context(), attempt, one.Account.Address, given.Password)
	}
	if err != nil {
		return nil, err
	}
	if !d.Allowed() {
		return nil, refusal{d}
	}
	if err := s.Sessions.Confirm(r.Context(), one); err != nil {
		return nil, err
	}
	return struct {
		FreshUntil time.Time `json:"freshUntil"`
	}{one.FreshUntil()}, nil
}

func (s *Server) confirmWithPasskey(r *http.Request, one *session.Session, attempt policy.Attempt, credential []byte) (cause.Decision, error) {
	account, _, err := s.Passkeys.Use(r, credential)
	if errors.Is(err, factor.ErrRefused) || err == nil && account.ID != one.Account.ID {
		s.SignIn.Unproved(r.Context(), attempt, one.Account.Address, cause.Refuse(cause.AuthPasskey))
		return cause.Refuse(cause.AuthPasskey), nil
	}
	if err != nil {
		return cause.Decision{}, passkeyError(err)
	}
	return s.SignIn.Proved(r.Context(), attempt, account, "passkey"), nil
}

// checked is what is to be said of a password before it is chosen.
type checked struct {
	OK     bool   `json:"ok"`
	Reason string `json:"reason,omitempty"`
	Text   string `json:"text,omitempty"`
}

type password struct {
	Password string `json:"password"`
}

func (s *Server) checkPassword(r *http.Request, one *session.Session) (any, error) {
	given, err := body[password](r)
	if err != nil {
		return nil, err
	}
	weak := s.weakness(given.Password, one)
	c := checked{OK: weak == "", Reason: string(weak)}
	if weak != "" {
		c.Text = s.texts[page.Lang(r)].Say("reason."+string(weak), "min", fmt.Sprint(policy.MinPasswordRunes))
	}
	return c, nil
}

func (s *Server) weakness(password string, one *session.Session) policy.Weakness {
	return policy.WeaknessOf(password, one.Account.Address, one.Account.Name, s.Hostname)
}

// ended is how many browsers were signed out.
type ended struct {
	Ended int `json:"ended"`
}

func (s *Server) setPassword(r *http.Request, one *session.Session) (any, error) {
	given, err := body[password](r)
	if err != nil {
		return nil, err
	}
	if weak := s.weakness(given.Password, one); weak != "" {
		return nil, wrong(weak)
	}
	if _, err := policy.SetPassword(r.Context(), s.Store, s.Hasher, one.Account.ID, given.Password, time.Time{}); err != nil {
		return nil, err
	}
	s.note(r, journal.PasswordChanged, one, store.Field{Name: "to", Value: one.Account.Address})
	s.tell(r, one, notice.PasswordChanged)
	return s.endAllElse(r.Context(), one)
}

// Advice is what people are told before they choose a password.
func (s *Server) Advice(lang cause.Lang) string {
	return s.texts[lang].Say("reason.short", "min", fmt.Sprint(policy.MinPasswordRunes))
}

// ErrGone reports that a password is not that of an account any more.
var ErrGone = errors.New("security: another password took the place of this one")

// Renew gives an account a new password for one that has run out, whose holder has just proved that he has it, and ends all that is signed in.
// It returns the id of the new one; or in words, in the language of the request, why it is not taken. Errors: ErrGone.
func (s *Server) Renew(r *http.Request, a store.Account, credential, password string) (id, refused string, err error) {
	ctx := r.Context()
	all, err := s.Store.Credentials(ctx, a.ID)
	if err != nil {
		return "", "", err
	}
	i := slices.IndexFunc(all, func(c store.Credential) bool { return c.ID == credential })
	if i < 0 {
		return "", "", ErrGone
	}
	same, _, err := s.Hasher.Verify(ctx, all[i].Hash, password)
	if err != nil {
		return "", "", err
	}
	if same {
		return "", s.texts[page.Lang(r)].Say("reason.same"), nil
	}
	return s.Replace(r, a, password)
}

// Replace gives an account a new password, whose holder has just shown who he is without the old one, and ends all that is signed in.
// It returns the id of the new one; or in words, in the language of the request, why it is not taken.
func (s *Server) Replace(r *http.Request, a store.Account, password string) (id, refused string, err error) {
	ctx, one := r.Context(), &session.Session{Account: a}
	if weak := s.weakness(password, one); weak != "" {
		return "", s.texts[page.Lang(r)].Say("reason."+string(weak), "min", fmt.Sprint(policy.MinPasswordRunes)), nil
	}
	if id, err = policy.SetPassword(ctx, s.Store, s.Hasher, a.ID, password, time.Time{}); err != nil {
		return "", "", err
	}
	s.note(r, journal.PasswordChanged, one, store.Field{Name: "to", Value: a.Address})
	s.tell(r, one, notice.PasswordChanged)
	s.EndPrograms(a.ID)
	_, err = s.Sessions.EndAll(ctx, a.ID)
	return id, "", err
}

// endAllElse ends whatever is signed in to the account, but for the session that wants it.
func (s *Server) endAllElse(ctx context.Context, one *session.Session) (any, error) {
	s.EndPrograms(one.Account.ID)
	n, err := s.Sessions.EndOthers(ctx, one.Account.ID, one.Hash)
	if err != nil {
		return nil, err
	}
	return ended{n}, nil
}

func (s *Server) endOthers(r *http.Request, one *session.Session) (any, error) {
	v, err := s.endAllElse(r.Context(), one)
	if e, ok := v.(ended); ok && e.Ended > 0 {
		s.note(r, journal.SessionEnded, one, store.Field{Name: "count", Value: fmt.Sprint(e.Ended)})
	}
	return v, err
}

func (s *Server) endSession(r *http.Request, one *session.Session) (any, error) {
	all, err := s.Sessions.Sessions(r.Context(), one.Account.ID)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if idOf(&all[i]) != r.PathValue("id") {
			continue
		}
		if err := s.Sessions.End(r.Context(), one.Account.ID, all[i].Hash); err != nil {
			return nil, err
		}
		s.note(r, journal.SessionEnded, one, store.Field{Name: "count", Value: "1"})
		return nil, nil
	}
	return nil, &store.Error{Op: "end session", Kind: store.KindNotFound}
}

// idOf names a session without telling anything that lets somebody in.
func idOf(w *store.WebSession) string { return hex.EncodeToString(w.Hash[:8]) }

type notices struct {
	NewSignIn bool `json:"newSignIn"`
}

func (s *Server) setNotices(r *http.Request, one *session.Session) (any, error) {
	given, err := body[notices](r)
	if err != nil {
		return nil, err
	}
	return nil, s.Store.UpdateWebSecurity(r.Context(), one.Account.ID, func(w *store.WebSecurity) { w.Quiet = !given.NewSignIn })
}

func encodeID(id []byte) string { return base64.RawURLEncoding.EncodeToString(id) }
