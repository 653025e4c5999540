package signin

import (
	"context"
	"crypto/rand"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/web/brief"
	"github.com/postiljon/postiljon/internal/web/session"
)

// Who has forgotten the password asks for a link, which goes to the address elsewhere that the account has for that (package
// security), follows it, and chooses another password; a second step is asked for in between. The pages tell nobody which
// accounts there are: what is looked up is looked up after the answer.
const (
	forgottenPath = session.SignInPath + "/forgotten"
	followPath    = session.SignInPath + "/new"
)

const (
	linkFor  = 30 * time.Minute
	maxLinks = 10_000
	day      = 24 * time.Hour
)

// Anybody can have links sent to an address that is not theirs: what goes out is bounded for those who get it, what is asked for those
// who ask. A browser that has signed in to the account before counts by itself, so that no stranger uses up what its holder needs.
const (
	maxAsks    = 10  // in an hour, from what one customer of the network has
	maxAsksDay = 30  // in a day
	maxTo      = 20  // in a day to one address, of whichever accounts
	maxPaced   = 1e5 // accounts and addresses that are counted
)

// linkWaits are how long after each link for an account the next goes: five in a day at most.
var linkWaits = []time.Duration{time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour}

// asked bounds how many links are asked for and sent.
type asked struct {
	hour, day *brief.Tally // by network
	links     *brief.Pace  // by account, and whether it knows the browser
	to        *brief.Tally // by where they go
}

func newAsked() asked {
	return asked{
		hour: brief.NewTally(maxAsks, time.Hour, maxPaced), day: brief.NewTally(maxAsksDay, day, maxPaced),
		links: brief.NewPace(day, maxPaced, linkWaits...), to: brief.NewTally(maxTo, day, maxPaced),
	}
}

// often counts who asks, and says in these words why that is too often, "" if it is not.
func (a *asked) often(network string, now time.Time, words map[string]string) string {
	switch {
	case !a.hour.Allow(network, now):
		return words["forgotten_often"]
	case !a.day.Allow(network, now):
		return words["forgotten_often_day"]
	}
	return ""
}

// link is what lets somebody choose a new password: for the account as long as its password is the one that was forgotten, and links go
// to the same address.
type link struct {
	account    store.Account
	credential string
	to         string
}

// forgotten asks for the address.
func (s *Server) forgotten(w http.ResponseWriter, r *http.Request) {
	s.writeForgotten(w, r, http.StatusOK, r.URL.Query().Get("address"), false, nil)
}

func (s *Server) writeForgotten(w http.ResponseWriter, r *http.Request, code int, address string, sent bool, p *problem) {
	v := s.view(r, "")
	v.Title, v.Address, v.Sent, v.Problem, v.Script = v.T["forgotten_title"], address, sent, p, ""
	s.pages.Write(w, code, "forgotten.html", v.Lang, v)
}

// takeForgotten has a link sent, if there is an address that it can go to.
func (s *Server) takeForgotten(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || !s.Sessions.SameOrigin(r) {
		s.pages.Failed(w, r, http.StatusForbidden, forgottenPath)
		return
	}
	attempt, words := Attempt(r), s.view(r, "").T
	address := s.whole(r.Context(), r.PostFormValue("address"))
	if address == "" {
		s.writeForgotten(w, r, http.StatusUnprocessableEntity, "", false, &problem{Title: words["missing_title"], Text: words["forgotten_missing"]})
		return
	}
	if often := s.asked.often(policy.NetworkOf(attempt.Remote), s.Sessions.Now(), words); often != "" {
		s.writeForgotten(w, r, http.StatusTooManyRequests, address, false, &problem{Title: words["forgotten_often_title"], Text: often})
		return
	}
	device := hashOf(deviceOf(r))
	where := Where(r, &session.Begin{Language: s.view(r, "").Lang})
	s.Notices.Later(func(ctx context.Context) error {
		to, a, key, err := s.linkFor(ctx, address, device)
		if err != nil || a.ID == 0 {
			return err
		}
		now := s.Store.Now()
		s.Journal.Record(ctx, store.Event{Time: now, Trace: store.NewTraceID(now), Kind: journal.PasswordForgotten, Account: a.ID, Fields: []store.Field{
			{Name: "to", Value: to}, {Name: "client", Value: attempt.Client}, {Name: "remote", Value: attempt.Remote.String()},
		}})
		if to == "" {
			return nil
		}
		return s.Notices.Forgotten(ctx, a, to, s.BaseURL+followPath+"?key="+key, now.Add(linkFor), where)
	})
	s.writeForgotten(w, r, http.StatusOK, address, true, nil)
}

// linkFor makes a link for the account that an address belongs to, and returns where it goes; nowhere, if the account has no address
// for that or was sent some just now. Without such an account the account is the zero one.
func (s *Server) linkFor(ctx context.Context, address string, device []byte) (to string, a store.Account, key string, err error) {
	found, err := s.Store.Resolve(ctx, address)
	if store.KindOf(err) == store.KindNotFound || err == nil && len(found.Accounts) != 1 {
		return "", a, "", nil
	}
	if err != nil {
		return "", a, "", err
	}
	a = found.Accounts[0]
	beside, err := s.Store.WebSecurity(ctx, a.ID)
	if err != nil || beside.Recovery.Address == "" || !s.mayGo(a.ID, &beside, device) {
		return "", a, "", err
	}
	one := link{account: a, to: beside.Recovery.Address}
	if one.credential, err = s.ownPassword(ctx, a.ID); err != nil {
		return "", a, "", err
	}
	key = rand.Text()
	s.links.Put(key, one, s.Store.Now())
	return one.to, a, key, nil
}

// mayGo counts a link that is to go out.
func (s *Server) mayGo(a store.AccountID, beside *store.WebSecurity, device []byte) bool {
	name, now := strconv.FormatUint(uint64(a), 10), s.Sessions.Now()
	if beside.Knows(device) {
		name += " from a known browser"
	}
	return s.asked.links.Allow(name, now) && s.asked.to.Allow(strings.ToLower(beside.Recovery.Address), now)
}

// ownPassword is the id of the account's own password, "" if it has none.
func (s *Server) ownPassword(ctx context.Context, a store.AccountID) (string, error) {
	all, err := s.Store.Credentials(ctx, a)
	for i := range all {
		if !all[i].App && !all[i].Token {
			return all[i].ID, err
		}
	}
	return "", err
}

// holds tells whether a link is good still: since it went out, neither the password nor where links go was changed.
func (s *Server) holds(ctx context.Context, one *link) (bool, error) {
	now, err := s.ownPassword(ctx, one.account.ID)
	if err != nil || now != one.credential {
		return false, err
	}
	beside, err := s.Store.WebSecurity(ctx, one.account.ID)
	return err == nil && beside.Recovery.Address == one.to, err
}

// linked returns the link that somebody has.
func (s *Server) linked(r *http.Request, key string) (one link, ok bool) {
	if one, ok = s.links.Get(key, s.Store.Now()); !ok {
		return one, false
	}
	good, err := s.holds(r.Context(), &one)
	if err != nil {
		s.Log.Error("link for a forgotten password not looked at", "account", one.account.Address, "error", err)
	}
	return one, good
}

// follow shows where a link leads. It is good still, however many programs looked at what is behind it.
func (s *Server) follow(w http.ResponseWriter, r *http.Request) {
	key := r.URL.Query().Get("key")
	one, ok := s.linked(r, key)
	if !ok {
		s.linkGone(w, r)
		return
	}
	v := s.view(r, "")
	v.Title, v.Address, v.Key, v.Script = v.T["renew_title"], one.account.Address, key, ""
	s.pages.Write(w, http.StatusOK, "follow.html", v.Lang, v)
}

func (s *Server) linkGone(w http.ResponseWriter, r *http.Request) {
	words := s.view(r, "").T
	s.writeForgotten(w, r, http.StatusNotFound, "", false, &problem{Title: words["follow_gone_title"], Text: words["follow_gone"]})
}

// takeFollow takes the link, and goes on as with a password that ran out.
func (s *Server) takeFollow(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || !s.Sessions.SameOrigin(r) {
		s.pages.Failed(w, r, http.StatusForbidden, forgottenPath)
		return
	}
	key := r.PostFormValue("key")
	one, ok := s.linked(r, key)
	if !ok {
		s.linkGone(w, r)
		return
	}
	a, err := s.Store.Account(r.Context(), one.account.ID) // as it is now
	if err != nil {
		s.linkGone(w, r)
		return
	}
	d := s.SignIn.Admits(Attempt(r))
	if d.Allowed() {
		d = policy.StateForSignIn(a, store.ProtocolWeb)
	}
	if !d.Allowed() {
		s.beginAnew(w, r, d, "")
		return
	}
	if _, ok = s.links.Take(key, s.Store.Now()); !ok { // only now: who is let in later follows it again
		s.linkGone(w, r)
		return
	}
	lang := s.view(r, "").Lang
	s.keep(w, half{begin: session.Begin{Account: a, Credential: one.credential, Method: "password", Language: lang}, renew: true, forgotten: &one})
	to := renewPath
	if a.TwoStep {
		to = stepPath
	}
	http.Redirect(w, r, to+"?lang="+string(lang), http.StatusSeeOther)
}
