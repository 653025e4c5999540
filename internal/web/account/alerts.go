package account

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/postiljon/postiljon/internal/alerts"
	"github.com/postiljon/postiljon/internal/store"
)

// AlertsOf answers what an account wants to notice of mail that comes.
func (a *API) AlertsOf(ctx context.Context, id store.AccountID) (alerts.Settings, error) {
	return alerts.Of(ctx, a.Store, id)
}

func (a *API) alerts(_ http.ResponseWriter, r *http.Request, who *store.Account) (any, error) {
	return a.AlertsOf(r.Context(), who.ID)
}

func (a *API) changeAlerts(w http.ResponseWriter, r *http.Request, who *store.Account) (any, error) {
	s := alerts.Usual()
	if err := a.read(w, r, &s); err != nil {
		return nil, err
	}
	if s.Check() != nil {
		return nil, wrong("alerts", a.say(r, "invalid"))
	}
	return s, alerts.Set(r.Context(), a.Store, who.ID, &s)
}

// Told are the devices that are told of mail that comes.
type Told struct {
	Devices []ToldDevice `json:"devices"`
}

// ToldDevice is one of them. JMAP tells each of them of itself alone (RFC 8620 section 7.2).
type ToldDevice struct {
	ID      string `json:"id"`      // of its PushSubscription
	Browser string `json:"browser"` // the name that it gives itself, "" if it is another program
	Name    string `json:"name"`    // as people know it
	Since   string `json:"since"`
	Proven  bool   `json:"proven"` // it showed that messages reach it
}

func pushID(id uint64) string { return fmt.Sprintf("p%d", id) }

func (a *API) told(_ http.ResponseWriter, r *http.Request, who *store.Account) (any, error) {
	all, err := a.Store.PushSubscriptions(r.Context(), who.ID)
	if err != nil {
		return nil, err
	}
	t := Told{Devices: []ToldDevice{}}
	for i := range all {
		if !a.Store.Now().Before(all[i].Expires) {
			continue
		}
		one := ToldDevice{ID: pushID(all[i].ID), Browser: alerts.BrowserOf(&all[i]), Name: all[i].Device, Since: stamp(all[i].Created), Proven: all[i].Verified}
		if one.Browser != "" {
			_, one.Name, _ = strings.Cut(all[i].Device, "|")
		}
		t.Devices = append(t.Devices, one)
	}
	return t, nil
}

// endTold ends that a device is told. A browser of ours would ask to be told again when it is used: it is remembered that it is not to.
func (a *API) endTold(w http.ResponseWriter, r *http.Request, who *store.Account) (any, error) {
	ctx, browser, found := r.Context(), "", false
	all, err := a.Store.PushSubscriptions(ctx, who.ID)
	for i := range all {
		if pushID(all[i].ID) == r.PathValue("id") {
			browser, found = alerts.BrowserOf(&all[i]), true
		}
	}
	if err == nil && !found {
		err = &store.Error{Op: "end push subscription", Kind: store.KindNotFound}
	}
	if err != nil {
		return nil, err
	}
	if browser != "" {
		s, err := alerts.Of(ctx, a.Store, who.ID)
		if err != nil {
			return nil, err
		}
		s.SwitchOff(browser)
		if err := alerts.Set(ctx, a.Store, who.ID, &s); err != nil {
			return nil, err
		}
	}
	if err := a.Unsubscribe(ctx, who.ID, func(sub *store.PushSubscription) bool { return pushID(sub.ID) == r.PathValue("id") }); err != nil {
		return nil, err
	}
	return a.told(w, r, who)
}
