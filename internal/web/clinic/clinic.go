// Package clinic is the doctor on the web, /doctor, in pages without script.
//
// Who is signed in sees what the service already sees of the account, in tiles of which the most pressing comes first
// (front.go). A look makes a run (run.go), whose page is sent in parts while it looks (show.go) and stays under its
// reference (kept.go). Who cannot sign in, or has an account elsewhere, is looked after in public, within bounds
// (public.go, dial.go). "Ask for help" shows what goes to the postmaster before it goes (help.go), and a page waits for
// a phone to sign in (watch.go).
package clinic

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/probe"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/phrases"
	"github.com/postiljon/postiljon/internal/public"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/web/assets"
	"github.com/postiljon/postiljon/internal/web/page"
)

//go:embed templates/*.html texts/*.toml
var files embed.FS

// Reports keeps what was found, and tells how full an account is and what happened to it; *store.Store is one.
type Reports interface {
	PutReport(ctx context.Context, a store.AccountID, id store.TraceID, report []byte) error
	Report(ctx context.Context, a store.AccountID, id store.TraceID) ([]byte, error)
	Usage(ctx context.Context, a store.AccountID) (store.Usage, error)
	Events(ctx context.Context, a store.AccountID, from, to time.Time, fn func(*store.Event) error) error
}

var _ Reports = (*store.Store)(nil)

// Options are what the clinic is made of; all must be given, but for Log and Now.
type Options struct {
	Hostname  string
	Catalogue *cause.Catalogue
	Store     Reports
	// SignIn decides who makes a request.
	SignIn func(r *http.Request) (store.Account, cause.Decision)
	// SignInPage is where people sign in; it takes ?next=.
	SignInPage string
	// Password signs in somebody at remote, counted as any sign-in.
	Password func(ctx context.Context, remote netip.Addr, address, password string) (store.Account, cause.Decision)
	// Admit tells whether an address may connect at all.
	Admit func(remote netip.Addr) cause.Decision
	// Hosted tells whether a domain is kept here.
	Hosted func(ctx context.Context, domain string) (bool, error)
	// Inside tells what the service knows of an account here.
	Inside func(ctx context.Context, address string) (*evidence.Inside, error)
	// Trace tells what became of a message of an account.
	Trace func(ctx context.Context, q journal.Query) (*journal.Timeline, error)
	// Env is where the doctor looks from, but for Dialer, Inside and Interfaces, which the clinic gives it.
	Env probe.Env
	// Own are the servers of this service, which its accounts use.
	Own []evidence.Endpoint
	// Elsewhere are servers of others to compare with, for accounts at other providers, host:port.
	Elsewhere func(address string) []string
	// Anywhere lets the doctor look into private networks, and at any port, for accounts at other providers.
	Anywhere bool
	// Help brings a report to the postmaster.
	Help func(ctx context.Context, letter Letter) error
	Log  *slog.Logger
	Now  func() time.Time
}

// Clinic serves the pages. It is safe for concurrent use; Close it.
type Clinic struct {
	Options
	pages  *page.Set
	says   map[cause.Lang]*phrases.Set // words of this package that take values
	doctor map[cause.Lang]*phrases.Set // words of the doctor
	sheet  string
	origin *http.CrossOriginProtection
	runs   *runs
	public func(netip.Addr) bool // tells addresses of the internet; tests have one of their own
}

// New makes a clinic. An error means that the program was built wrong.
func New(o Options) (*Clinic, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Clinic{Options: o, says: map[cause.Lang]*phrases.Set{}, doctor: map[cause.Lang]*phrases.Set{}, origin: http.NewCrossOriginProtection(), public: public.Address}
	var err error
	if c.pages, err = page.Load(files, o.Hostname, o.Log); err != nil {
		return nil, err
	}
	version, err := assets.Version("doctor.css")
	if err != nil {
		return nil, err
	}
	c.sheet = "doctor.css?v=" + version
	for _, lang := range cause.Languages() {
		if c.says[lang], err = phrases.Load(files, lang); err != nil {
			return nil, fmt.Errorf("clinic: %w", err)
		}
		if c.doctor[lang], err = doctor.SpeechIn(lang); err != nil {
			return nil, fmt.Errorf("clinic: %w", err)
		}
	}
	if _, err := doctor.New(o.Env, o.Catalogue); err != nil {
		return nil, fmt.Errorf("clinic: %w", err)
	}
	c.runs = newRuns(o.Now)
	return c, nil
}

// Close ends all runs and waiting pages.
func (c *Clinic) Close(context.Context) error {
	c.runs.close()
	return nil
}

// insider lets the doctor ask the service itself.
type insider func(ctx context.Context, address string) (*evidence.Inside, error)

// Account implements probe.Inside.
func (i insider) Account(ctx context.Context, address string) (*evidence.Inside, error) {
	return i(ctx, address)
}

// notTheDevice stands in for how the person's device is connected: this is another machine.
func notTheDevice() (evidence.Interfaces, error) {
	return evidence.Interfaces{}, errors.New("the device is not this machine")
}

// Routes are the pages by pattern.
func (c *Clinic) Routes() map[string]http.Handler {
	routes := map[string]http.Handler{}
	for pattern, serve := range map[string]func(http.ResponseWriter, *http.Request, visitor){
		"GET /doctor": c.front, "POST /doctor": c.start, "GET /doctor/tell/{tile}": c.tell,
		"GET /doctor/report/{ref}": c.report, "GET /doctor/report/{ref}/help": c.help, "POST /doctor/report/{ref}/help": c.ask,
		"GET /doctor/report/{ref}/bundle": c.bundle, "GET /doctor/watch": c.watch,
	} {
		routes[pattern] = c.with(serve)
	}
	return routes
}

// visitor is who makes a request.
type visitor struct {
	account *store.Account // nil if nobody is signed in
	remote  netip.Addr
	lang    cause.Lang
	zone    *time.Location // nil: not known
	aside   bool           // what is made for it is read by somebody else, elsewhere and later
}

// id is whose reports a visitor may see: 0 are those of people who are not signed in.
func (v *visitor) id() store.AccountID {
	if v.account == nil {
		return 0
	}
	return v.account.ID
}

// maxForm bounds what a form sends.
const maxForm = 16 << 10

// with finds out who makes a request. A form from another site is refused (Sec-Fetch-Site, or Origin), so what comes
// through needs no token as calls of scripts do.
func (c *Clinic) with(serve func(http.ResponseWriter, *http.Request, visitor)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
		h.Set("Cache-Control", "no-store")
		if err := c.origin.Check(r); err != nil {
			c.pages.Failed(w, r, http.StatusForbidden, "/doctor")
			return
		}
		remote, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil {
			http.Error(w, "no address", http.StatusBadRequest)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			c.pages.Failed(w, r, http.StatusBadRequest, "/doctor")
			return
		}
		v := visitor{remote: remote.Addr().Unmap().WithZone(""), zone: page.Zone(r, "")}
		asked := r.WithContext(r.Context())
		asked.Method = http.MethodGet // its origin was checked
		if a, d := c.SignIn(asked); d.Allowed() {
			v.account = &a
			r = v.asWanted(r)
		}
		v.lang = page.Lang(r)
		serve(w, r, v)
	})
}

// asWanted takes over the language and the zone of the account, unless another language is asked for.
func (v *visitor) asWanted(r *http.Request) *http.Request {
	if zone := page.Zone(r, v.account.Zone); zone != nil {
		v.zone = zone
	}
	q := r.URL.Query()
	if v.account.Language == "" || q.Get("lang") != "" {
		return r
	}
	q.Set("lang", v.account.Language)
	r = r.Clone(r.Context())
	r.URL.RawQuery = q.Encode()
	return r
}

// frame is what all pages of the clinic get.
type frame struct {
	page.Frame
	Account string // who is signed in, "" for nobody
	SignIn  string // where one signs in
	Self    string // the path
	say     *phrases.Set
}

// Say fills the values into a text.
func (f frame) Say(key string, pairs ...string) string { return f.say.Say("words."+key, pairs...) }

func (c *Clinic) frame(r *http.Request, v visitor, title string, kept ...string) frame {
	f := frame{Frame: c.pages.Frame(r, kept...), SignIn: c.SignInPage, Self: r.URL.Path, say: c.says[v.lang]}
	f.Title, f.Sheets = f.T[title], []string{c.sheet}
	if v.account != nil {
		f.Account = v.account.Address
	}
	return f
}

// here is the catalogue as a visitor's clock has it.
func (c *Clinic) here(v visitor) *cause.Catalogue {
	if v.zone == nil || v.aside {
		return c.Catalogue.In(cmp.Or(v.zone, time.Local))
	}
	return c.Catalogue.Here(v.zone, c.Now())
}

// moment writes a time as people say it: today's by the hour alone.
func (c *Clinic) moment(v visitor, t time.Time) string { return c.here(v).Moment(v.lang, t) }

// reference writes an id in groups, as it is read out on the phone.
func reference(id store.TraceID) string {
	text := id.String()
	var groups []string
	for len(text) > 5 {
		groups, text = append(groups, text[:5]), text[5:]
	}
	return strings.Join(append(groups, text), "-")
}

// ParseReference reads a reference as people write it.
func ParseReference(text string) (store.TraceID, error) {
	return store.ParseTraceID(strings.NewReplacer("-", "", " ", "").Replace(text))
}
