// Package account is what the pages of settings ask and change of an account, in JSON. Whoever is signed in asks about the own
// account; what is refused is answered as package answer does, with the cause in the reader's language, and what was
// written wrong with status 422 and Wrong, in words.
//
//	GET  /api/account                     Profile
//	PUT  /api/account                     ProfileChange -> Profile
//
//	GET  /api/rules                       Rules
//	PUT  /api/rules                       RulesChange -> Rules; a new forward wants a fresh sign-in
//	POST /api/rules/check                 {"text"} -> ScriptCheck
//	POST /api/rules/try                   Trial -> Tried: what would become of the newest messages of a mailbox
//	POST /api/rules/active                {"name"} -> Rules; "" switches all off
//	GET  /api/rules/scripts/{name}        Script
//	PUT  /api/rules/scripts/{name}        {"text", "activate"} -> Rules
//	DELETE /api/rules/scripts/{name}      Rules
//
//	GET  /api/storage                     Storage
//	POST /api/storage/clean               Cleaning -> Cleaned: a preview, or done after a while in which it can be undone
//	POST /api/storage/undo                {"token"} -> {"undone": true}
//
//	GET  /api/devices                     Devices: settings to copy, what signed in lately
//	GET  /api/devices/wait?since=         Waited: sign-ins of mail programs since a time; answers at the first, or after 20 seconds without
//	GET  /api/devices/qr.svg, qr.png      a code that opens the profile (?what=profile) or the page of settings (?what=page)
//
//	GET  /api/contacts                    Contacts: the address book, and who was written to
//	POST /api/contacts                    {"contacts": [store.Contact]} -> {"contacts"}; without id they are new
//	DELETE /api/contacts/{id}             {"removed": true}
//	DELETE /api/contacts/recent?address=  {"removed": true}
//	GET  /api/contacts/suggest?q=&limit=  Suggestions, at most 10
//	GET  /api/contacts/export             the address book as vCard 4.0 (RFC 6350)
//	POST /api/contacts/import             a body of vCards -> Imported
//
//	GET  /api/sharing                     Sharing: what is shared with whom, and what others share
//	PUT  /api/sharing                     SharingChange -> Sharing; to give rights wants a fresh sign-in
//
//	GET  /api/tour                        Tour: whether the holder was shown around
//	PUT  /api/tour                        Tour -> Tour
//
//	GET  /api/labels                      Labels: the names and colours of keywords
//	PUT  /api/labels                      Labels -> Labels
//
//	GET  /api/alerts                      alerts.Settings: what is to be noticed of mail that comes
//	PUT  /api/alerts                      alerts.Settings -> alerts.Settings
//	GET  /api/alerts/devices              Told: which devices are told of it, of whichever session
//	DELETE /api/alerts/devices/{id}       Told
//
//	GET  /api/status                      Status: version, time, how the browser is connected, limits
//
// Ids of mailboxes, emails and threads are those of JMAP.
package account

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/phrases"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/rules"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/web/answer"
	"github.com/postiljon/postiljon/internal/web/page"
)

// Options are what the interfaces are made of; all must be given but for Log.
type Options struct {
	Store     *store.Store
	Rules     *rules.Engine
	Catalogue *cause.Catalogue
	// SignIn decides who makes a request.
	SignIn func(*http.Request) (store.Account, cause.Decision)
	// Fresh tells whether who makes a request has just proved who it is; Stale answers those who have not.
	Fresh func(*http.Request) bool
	Stale func(http.ResponseWriter, *http.Request)
	// Mail is all mail of an account as it is now, which is not read anew where nothing changed.
	Mail func(ctx context.Context, a store.AccountID) (*store.Mail, error)
	// Unsubscribe ends push subscriptions of an account.
	Unsubscribe func(ctx context.Context, a store.AccountID, which func(*store.PushSubscription) bool) error
	// Note leaves an event in the journal of an account.
	Note func(ctx context.Context, a store.AccountID, kind string, fields ...store.Field)
	// Meters tell how far an account's sending limits are used up.
	Meters func(ctx context.Context, a *store.Account) ([]policy.Meter, error)
	// Services are the servers of mail programs, in order; MailServer is their name.
	Services   []Service
	MailServer string
	BaseURL    string
	Version    string
	// MessageSize and Recipients bound a message that is sent.
	MessageSize int64
	Recipients  int
	Log         *slog.Logger
}

// Service is one way to reach the mail.
type Service struct {
	Protocol string `json:"protocol"` // "IMAP"
	Port     string `json:"port"`
	Security string `json:"security"` // tls or starttls
	Outgoing bool   `json:"outgoing,omitempty"`
}

// maxBody bounds a request: a script, or as many contacts as may come at once.
const maxBody = 2 << 20

// API serves the interfaces. It is safe for concurrent use; Close it.
type API struct {
	Options
	answer answer.Maker
	says   map[cause.Lang]*phrases.Set
	later  *later
}

// New makes the interfaces. An error means that the program was built wrong.
func New(o Options) (*API, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	a := &API{Options: o, answer: answer.Maker{Catalogue: o.Catalogue, SignIn: o.SignIn, Log: o.Log, MaxBody: maxBody}, says: map[cause.Lang]*phrases.Set{}, later: newLater(o.Log)}
	for _, lang := range cause.Languages() {
		var err error
		if a.says[lang], err = phrases.Load(textFiles, lang); err != nil {
			return nil, fmt.Errorf("account: %w", err)
		}
	}
	return a, nil
}

// Close drops what can still be undone and waits for what is being done.
func (a *API) Close(context.Context) error {
	a.later.close()
	return nil
}

// Routes are the interfaces by pattern.
func (a *API) Routes() map[string]http.Handler {
	routes := map[string]http.Handler{}
	for pattern, serve := range map[string]handler{
		"GET /api/account": a.profile, "PUT /api/account": a.changeProfile,
		"GET /api/rules": a.rules, "PUT /api/rules": a.changeRules, "POST /api/rules/check": a.checkScript, "POST /api/rules/try": a.tryRules, "POST /api/rules/active": a.activate,
		"GET /api/rules/scripts/{name}": a.script, "PUT /api/rules/scripts/{name}": a.putScript, "DELETE /api/rules/scripts/{name}": a.deleteScript,
		"GET /api/storage": a.storage, "POST /api/storage/clean": a.clean, "POST /api/storage/undo": a.undo,
		"GET /api/devices": a.devices, "GET /api/devices/{code}": a.code, "GET /api/devices/wait": a.wait,
		"GET /api/contacts": a.contacts, "POST /api/contacts": a.putContacts, "DELETE /api/contacts/{id}": a.deleteContact, "DELETE /api/contacts/recent": a.deleteRecent,
		"GET /api/contacts/suggest": a.suggest, "GET /api/contacts/export": a.export, "POST /api/contacts/import": a.importCards,
		"GET /api/sharing": a.sharing, "PUT /api/sharing": a.changeSharing,
		"GET /api/tour": a.tour, "PUT /api/tour": a.changeTour, "GET /api/labels": a.labels, "PUT /api/labels": a.changeLabels, "GET /api/status": a.status,
		"GET /api/alerts": a.alerts, "PUT /api/alerts": a.changeAlerts, "GET /api/alerts/devices": a.told, "DELETE /api/alerts/devices/{id}": a.endTold,
	} {
		routes[pattern] = a.signedIn(serve)
	}
	return routes
}

// handler answers the holder of an account with a value, or an error: a *wrong is about what was written.
type handler func(w http.ResponseWriter, r *http.Request, who *store.Account) (any, error)

// errAnswered is returned by a handler that has answered itself.
var errAnswered = errors.New("account: answered already")

// Wrong is what is answered with status 422 to something that was written wrong.
type Wrong struct {
	Type  string      `json:"type"` // invalid, notFound (status 404) or limit
	Text  string      `json:"text"` // all of it, for people
	Wrong []WrongPart `json:"wrong"`
}

// WrongPart is one thing that is wrong.
type WrongPart struct {
	// Where names the field, "language", or the rule that it is about; "" for the whole.
	Where string `json:"where,omitempty"`
	Line  int    `json:"line,omitempty"` // of a script
	Text  string `json:"text"`
}

func (w *Wrong) Error() string { return "account: " + w.Type + ": " + w.Text }

func wrong(where, text string) error { return invalid(WrongPart{Where: where, Text: text}) }

func invalid(parts ...WrongPart) *Wrong {
	texts := make([]string, len(parts))
	for i := range parts {
		texts[i] = parts[i].Text
	}
	return &Wrong{"invalid", strings.Join(texts, "\n"), parts}
}

// signedIn answers with what a handler returns.
func (a *API) signedIn(serve handler) http.Handler {
	return a.answer.SignedIn(func(w http.ResponseWriter, r *http.Request, who *store.Account) {
		v, err := serve(w, r, who)
		var written *Wrong
		switch {
		case errors.Is(err, errAnswered):
		case errors.As(err, &written):
			a.answer.Status(w, http.StatusUnprocessableEntity, written)
		case store.KindOf(err) == store.KindNotFound:
			a.answer.Status(w, http.StatusNotFound, &Wrong{"notFound", a.say(r, "not_found"), []WrongPart{}})
		case store.KindOf(err) == store.KindInvalid:
			a.answer.Status(w, http.StatusUnprocessableEntity, &Wrong{"invalid", a.say(r, "invalid"), []WrongPart{}})
		case store.KindOf(err) == store.KindLimit:
			a.answer.Status(w, http.StatusUnprocessableEntity, &Wrong{"limit", a.say(r, "too_many"), []WrongPart{}})
		case err != nil:
			a.answer.Failed(w, r, err)
		default:
			a.answer.JSON(w, v)
		}
	})
}

// read reads the body of a request; errAnswered if it cannot be read.
func (a *API) read(w http.ResponseWriter, r *http.Request, v any) error {
	if !a.answer.Read(w, r, v) {
		return errAnswered
	}
	return nil
}

func (a *API) say(r *http.Request, key string, pairs ...string) string {
	return a.says[page.Lang(r)].Say("say."+key, pairs...)
}

// fresh lets go on who has just proved who it is.
func (a *API) fresh(w http.ResponseWriter, r *http.Request) error {
	if a.Fresh(r) {
		return nil
	}
	a.Stale(w, r)
	return errAnswered
}

// Ids as JMAP has them.
func mailboxID(m store.MailboxID) string { return fmt.Sprintf("F%d", m) }
func emailID(e store.EmailID) string     { return fmt.Sprintf("M%d", e) }
func threadID(t store.ThreadID) string   { return fmt.Sprintf("T%d", t) }

// mailbox finds the mailbox with an id of JMAP.
func (a *API) mailbox(ctx context.Context, who *store.Account, id string) (store.Mailbox, error) {
	var n uint32
	if _, err := fmt.Sscanf(id, "F%d", &n); err != nil || mailboxID(store.MailboxID(n)) != id {
		return store.Mailbox{}, &store.Error{Op: "find mailbox", Kind: store.KindNotFound}
	}
	return a.Store.Mailbox(ctx, who.ID, store.MailboxID(n))
}

// stamp writes a time, nothing for none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
