package account

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/skip2/go-qrcode"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/web/page"
)

// Devices are the settings of mail programs, and what signed in lately.
type Devices struct {
	Server   string    `json:"server"`
	User     string    `json:"user"`
	Services []Service `json:"services"`
	Profile  string    `json:"profile"` // for Apple's devices
	Page     string    `json:"page"`    // settings for people
	Seen     []Device  `json:"seen"`    // the last one first, at most 100
}

// Device is a program at a place, as the sign-ins of the last 30 days show it.
type Device struct {
	Protocol string `json:"protocol"`
	Program  string `json:"program,omitempty"`  // as it calls itself
	Password string `json:"password,omitempty"` // the name of its app password
	Address  string `json:"address"`            // its network address, the last one
	Last     string `json:"last"`
	Count    int    `json:"count"`
	// Refused tells that it was turned away the last time, and why.
	Refused bool     `json:"refused,omitempty"`
	Cause   cause.ID `json:"cause,omitempty"`
	Why     string   `json:"why,omitempty"`
	Action  string   `json:"action,omitempty"`
}

// Bounds of what is shown.
const (
	seenSince  = 30 * 24 * time.Hour
	maxDevices = 100
)

func (a *API) devices(_ http.ResponseWriter, r *http.Request, who *store.Account) (any, error) {
	seen, err := a.seen(r, who)
	if err != nil {
		return nil, err
	}
	return &Devices{Server: a.MailServer, User: who.Address, Services: a.Services, Profile: a.profileURL(who), Page: a.BaseURL + "/connect", Seen: seen}, nil
}

func (a *API) profileURL(who *store.Account) string {
	return a.BaseURL + "/connect.mobileconfig?address=" + url.QueryEscape(who.Address)
}

// seen gathers sign-ins by protocol, program and password; without a program, by address.
func (a *API) seen(r *http.Request, who *store.Account) ([]Device, error) {
	names, err := a.passwordNames(r.Context(), who)
	if err != nil {
		return nil, err
	}
	type key struct{ protocol, program, password, address string }
	found := map[key]*Device{}
	lang, catalogue := page.Lang(r), a.Catalogue.Here(page.Zone(r, ""), a.Store.Now())
	err = a.Store.EventsOf(r.Context(), who.ID, signIns, a.Store.Now().Add(-seenSince), func(e *store.Event) error {
		if !isSignIn(e) {
			return nil
		}
		k := key{protocol: e.Field("protocol"), program: e.Field("client"), password: names[e.Field("credential")]}
		if k.program == "" {
			k.address = e.Field("remote")
		}
		d := found[k]
		if d == nil {
			d = &Device{Protocol: k.protocol, Program: k.program, Password: k.password}
			found[k] = d
		}
		d.Count++
		d.signedIn(e, lang, catalogue)
		return nil
	})
	list := []Device{}
	for _, d := range found {
		list = append(list, *d)
	}
	slices.SortFunc(list, func(x, y Device) int {
		return strings.Compare(y.Last+y.Protocol+y.Program, x.Last+x.Protocol+x.Program)
	})
	return list[:min(len(list), maxDevices)], err
}

// signIns are the kinds of events that tell of one.
var signIns = []string{journal.SignInOK, journal.SignInRefused}

// isSignIn tells sign-ins of mail programs from all other events; browsers are seen among the sessions.
func isSignIn(e *store.Event) bool {
	return slices.Contains(signIns, e.Kind) && e.Field("protocol") != "webmail"
}

// signedIn notes the last sign-in of a device.
func (d *Device) signedIn(e *store.Event, lang cause.Lang, catalogue *cause.Catalogue) {
	d.Address, d.Last, d.Refused, d.Cause, d.Why, d.Action = e.Field("remote"), stamp(e.Time), e.Kind == journal.SignInRefused, e.Cause, "", ""
	if d.Refused {
		x := catalogue.Explain(e.Decision(), lang, cause.Holder)
		d.Why, d.Action = x.Title, x.NextStep
	}
}

// passwordNames are the names of app passwords by id.
func (a *API) passwordNames(ctx context.Context, who *store.Account) (map[string]string, error) {
	credentials, err := a.Store.Credentials(ctx, who.ID)
	names := map[string]string{}
	for _, c := range credentials {
		if c.App {
			names[c.ID] = c.Name
		}
	}
	return names, err
}

// Waited is what signed in since a time. Whoever waits on asks again with Now.
type Waited struct {
	Tries     []Device `json:"tries"` // in order, at most up to the first that succeeded
	Connected bool     `json:"connected"`
	Now       string   `json:"now"` // to the microsecond
}

// How long a request waits, and how often it looks.
const (
	waitFor   = 20 * time.Second
	lookEvery = 500 * time.Millisecond
)

// wait answers when a mail program signs in, or is refused.
func (a *API) wait(_ http.ResponseWriter, r *http.Request, who *store.Account) (any, error) {
	since, err := time.Parse(time.RFC3339Nano, r.URL.Query().Get("since"))
	if err != nil || a.Store.Now().Sub(since) > time.Hour {
		since = a.Store.Now()
	}
	ctx, cancel := context.WithTimeout(r.Context(), waitFor)
	defer cancel()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	out := &Waited{Tries: []Device{}}
	for {
		err := a.Store.EventsOf(r.Context(), who.ID, signIns, since, func(e *store.Event) error {
			if out.Connected || !isSignIn(e) {
				return nil
			}
			d := Device{Protocol: e.Field("protocol"), Program: e.Field("client"), Count: 1}
			d.signedIn(e, page.Lang(r), a.Catalogue.Here(page.Zone(r, ""), a.Store.Now()))
			out.Tries = append(out.Tries, d)
			out.Connected, since = e.Kind == journal.SignInOK, e.Time.Add(time.Microsecond)
			return nil
		})
		if err != nil || len(out.Tries) > 0 || ctx.Err() != nil || a.later.life.Err() != nil {
			out.Now = since.UTC().Format("2006-01-02T15:04:05.000000Z07:00")
			return out, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		case <-a.later.life.Done():
		}
	}
}

// code is a QR code that a telephone reads from the screen.
func (a *API) code(w http.ResponseWriter, r *http.Request, who *store.Account) (any, error) {
	target := a.profileURL(who)
	switch r.FormValue("what") {
	case "", "profile":
	case "page":
		target = a.BaseURL + "/connect"
	default:
		return nil, &store.Error{Op: "make code", Kind: store.KindNotFound}
	}
	var image []byte
	kind := "image/svg+xml"
	switch r.PathValue("code") {
	case "qr.svg":
		svg, err := page.QR(target)
		if err != nil {
			return nil, fmt.Errorf("account: %w", err)
		}
		image = []byte(svg)
	case "qr.png":
		png, err := qrcode.Encode(target, qrcode.Medium, 512)
		if err != nil {
			return nil, fmt.Errorf("account: %w", err)
		}
		image, kind = png, "image/png"
	default:
		return nil, &store.Error{Op: "make code", Kind: store.KindNotFound}
	}
	w.Header().Set("Content-Type", kind)
	_, _ = w.Write(image) // a client that went away
	return nil, errAnswered
}
