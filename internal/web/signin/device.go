package signin

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"slices"
	"time"

	"github.com/postiljon/postiljon/internal/notice"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/web/session"
)

// deviceCookie outlives sessions: by it a browser is known again. It lets nobody in.
const deviceCookie = "__Host-postiljon-device"

const (
	deviceFor   = 365 * 24 * time.Hour
	deviceFresh = 24 * time.Hour // how old the last use may be in the store
	newAccount  = 24 * time.Hour // who signs in first to an account as young as this is not news
)

// greet remembers the browser that has signed in. If neither it nor its address was seen before, the holder of the account is told.
func (s *Server) greet(w http.ResponseWriter, r *http.Request, b *session.Begin, known bool) {
	now := s.Store.Now()
	name := cmp.Or(deviceOf(r), rand.Text())
	http.SetCookie(w, &http.Cookie{
		Name: deviceCookie, Value: name, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode, MaxAge: int(deviceFor / time.Second),
	})
	hash := hashOf(name)
	is := func(k store.KnownBrowser) bool { return bytes.Equal(k.Hash, hash) }
	before, err := s.Store.WebSecurity(r.Context(), b.Account.ID)
	if err != nil {
		s.Log.Error("known browsers not read", "account", b.Account.Address, "error", err)
		return
	}
	i := slices.IndexFunc(before.Browsers, is)
	if i >= 0 && now.Sub(before.Browsers[i].Last) < deviceFresh {
		return
	}
	err = s.Store.UpdateWebSecurity(r.Context(), b.Account.ID, func(w *store.WebSecurity) {
		kept := slices.DeleteFunc(w.Browsers, func(k store.KnownBrowser) bool { return is(k) || now.Sub(k.Last) > deviceFor })
		kept = slices.Insert(kept, 0, store.KnownBrowser{Hash: hash, Last: now.UTC()})
		w.Browsers = kept[:min(len(kept), store.MaxKnownBrowsers)]
	})
	if err != nil {
		s.Log.Error("known browser not noted", "account", b.Account.Address, "error", err)
	}
	young := len(before.Browsers) == 0 && now.Sub(b.Account.Created) < newAccount
	if i < 0 && !known && !young && !before.Quiet {
		s.Notices.NewBrowser(b.Account, Where(r, b), now)
	}
}

// deviceOf is the name by which a browser is known again, "" if it has none.
func deviceOf(r *http.Request) string {
	if c, err := r.Cookie(deviceCookie); err == nil && len(c.Value) == len(rand.Text()) {
		return c.Value
	}
	return ""
}

func hashOf(device string) []byte {
	hash := sha256.Sum256([]byte(device))
	return hash[:]
}

// Where is the browser of a request, as a message to the holder of the account names it.
func Where(r *http.Request, b *session.Begin) notice.Where {
	browser, system := session.ClientOf(r.UserAgent())
	return notice.Where{Browser: browser, System: system, Remote: Attempt(r).Remote.String(), Language: b.Language}
}
