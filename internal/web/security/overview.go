package security

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/web/factor"
	"github.com/postiljon/postiljon/internal/web/page"
	"github.com/postiljon/postiljon/internal/web/session"
)

// Overview is all that a page about the security of an account shows.
type Overview struct {
	Address         string        `json:"address"`
	FreshUntil      time.Time     `json:"freshUntil"` // until then changes need no confirmation
	PasswordChanged time.Time     `json:"passwordChanged,omitzero"`
	MinPassword     int           `json:"minPassword"` // characters
	TwoStep         TwoStep       `json:"twoStep"`
	PasskeysHere    bool          `json:"passkeysHere"` // whether they can be made and used under the name that the browser uses
	Passkeys        []Passkey     `json:"passkeys"`
	AppPasswords    []AppPassword `json:"appPasswords"`
	Sessions        []Session     `json:"sessions"`    // browsers, this one first
	Connections     []Connection  `json:"connections"` // of mail programs
	SignIns         []SignIn      `json:"signIns"`     // of the last two weeks, the latest first
	Notices         notices       `json:"notices"`
	Recovery        *Recovery     `json:"recovery,omitempty"` // where to a link goes when the password is forgotten
}

// TwoStep is the second step of signing in.
type TwoStep struct {
	On       bool      `json:"on"`
	Since    time.Time `json:"since,omitzero"`
	Recovery int       `json:"recovery"` // codes that were not used yet
}

// Passkey is one of an account.
type Passkey struct {
	ID       string    `json:"id"` // base64url
	Name     string    `json:"name"`
	Created  time.Time `json:"created"`
	LastUsed time.Time `json:"lastUsed,omitzero"`
}

func passkeyOf(p *store.Passkey) Passkey {
	return Passkey{encodeID(p.ID), p.Name, p.Created, p.LastUsed}
}

// AppPassword is a password of one mail program.
type AppPassword struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Protocols []string  `json:"protocols"` // imap, pop3, submission, jmap, web
	Created   time.Time `json:"created"`
	LastUsed  time.Time `json:"lastUsed,omitzero"`
	Expires   time.Time `json:"expires,omitzero"`
	Password  string    `json:"password,omitempty"` // right after it was made
}

func appPasswordOf(c *store.Credential) AppPassword {
	return AppPassword{ID: c.ID, Name: c.Name, Protocols: policy.ProtocolNames(c.Protocols), Created: c.Created, LastUsed: c.LastUsed, Expires: c.Expires}
}

// Session is a browser that is signed in.
type Session struct {
	ID         string    `json:"id"`
	Current    bool      `json:"current,omitempty"` // the one that asks
	Browser    string    `json:"browser,omitempty"`
	System     string    `json:"system,omitempty"`
	Remote     string    `json:"remote"`
	Created    time.Time `json:"created"`
	LastUsed   time.Time `json:"lastUsed"`
	Remembered bool      `json:"remembered"`
	Method     string    `json:"method"` // password, password-code, password-recovery or passkey
}

// Connection is a mail program that is signed in.
type Connection struct {
	Protocol string    `json:"protocol"`
	Program  string    `json:"program,omitempty"`
	Remote   string    `json:"remote"`
	Since    time.Time `json:"since"`
	LastUsed time.Time `json:"lastUsed"`
}

// SignIn is sign-ins that were alike.
type SignIn struct {
	OK       bool             `json:"ok"`
	Kind     string           `json:"kind"`     // signin.ok, signin.refused, signin.half (then the second step was not done) or signin.confirmed
	Protocol string           `json:"protocol"` // IMAP, POP3, SMTP, JMAP or webmail
	Client   string           `json:"client,omitempty"`
	Remote   string           `json:"remote"`
	Here     bool             `json:"here,omitempty"` // from the address that asks
	With     string           `json:"with,omitempty"` // the app password
	First    time.Time        `json:"first"`
	Last     time.Time        `json:"last"`
	Count    int              `json:"count"`
	Why      *session.Refusal `json:"why,omitempty"`
}

func (s *Server) overview(r *http.Request, one *session.Session) (any, error) {
	ctx, a := r.Context(), one.Account.ID
	o := Overview{
		Address: one.Account.Address, FreshUntil: one.FreshUntil(), MinPassword: policy.MinPasswordRunes, TwoStep: TwoStep{On: one.Account.TwoStep},
		PasskeysHere: s.Passkeys.Available(r), Passkeys: []Passkey{}, AppPasswords: []AppPassword{}, Sessions: []Session{}, Connections: s.Connections(a),
	}
	if err := s.readSecrets(ctx, &o, a); err != nil {
		return nil, err
	}
	browsers, err := s.Sessions.Sessions(ctx, a)
	if err != nil {
		return nil, err
	}
	for i := range browsers {
		w := &browsers[i]
		session := Session{idOf(w), w.Hash == one.Hash, w.Browser, w.System, w.Remote, w.Created, w.LastUsed, w.Remembered, w.Method}
		if session.Current {
			o.Sessions = slices.Insert(o.Sessions, 0, session)
		} else {
			o.Sessions = append(o.Sessions, session)
		}
	}
	if o.SignIns, err = s.signIns(r, &one.Account); err != nil {
		return nil, err
	}
	return o, nil
}

func (s *Server) readSecrets(ctx context.Context, o *Overview, a store.AccountID) error {
	credentials, err := s.Store.Credentials(ctx, a)
	if err != nil {
		return err
	}
	for i := range credentials {
		c := &credentials[i]
		switch {
		case policy.IsAppPassword(c):
			o.AppPasswords = append(o.AppPasswords, appPasswordOf(c))
		case !c.App:
			o.PasswordChanged = c.Created
		}
	}
	slices.SortFunc(o.AppPasswords, func(a, b AppPassword) int { return b.Created.Compare(a.Created) })
	passkeys, err := s.Store.Passkeys(ctx, a)
	if err != nil {
		return err
	}
	for i := range passkeys {
		o.Passkeys = append(o.Passkeys, passkeyOf(&passkeys[i]))
	}
	slices.SortFunc(o.Passkeys, func(a, b Passkey) int { return a.Created.Compare(b.Created) })
	if o.TwoStep.On {
		step, err := s.Store.SecondStep(ctx, a)
		if err != nil {
			return err
		}
		o.TwoStep.Since, o.TwoStep.Recovery = step.Created, factor.Left(&step)
	}
	beside, err := s.Store.WebSecurity(ctx, a)
	o.Notices.NewSignIn = !beside.Quiet
	if beside.Recovery.Address != "" {
		o.Recovery = &Recovery{beside.Recovery.Address, beside.Recovery.Since}
	}
	return err
}

const (
	lookBack   = 14 * 24 * time.Hour
	maxSignIns = 50 // kinds of sign-ins that are listed
)

// signIns reads the journal. Sign-ins that are alike are one, however often: a device with an old password tries all day.
func (s *Server) signIns(r *http.Request, a *store.Account) ([]SignIn, error) {
	type alike struct{ kind, protocol, client, remote, with, cause string }
	all := map[alike]*SignIn{}
	lang, here := page.Lang(r), s.Attempt(r).Remote.String()
	catalogue := s.Catalogue.Here(page.Zone(r, a.Zone), s.Store.Now())
	kinds := []string{journal.SignInOK, journal.SignInRefused, journal.SignInHalf, journal.SignInConfirmed}
	err := s.Store.EventsOf(r.Context(), a.ID, kinds, s.Store.Now().Add(-lookBack), func(e *store.Event) error {
		key := alike{e.Kind, e.Field("protocol"), e.Field("client"), e.Field("remote"), e.Field("credential"), string(e.Cause)}
		one := all[key]
		if one == nil {
			one = &SignIn{
				OK: e.Kind == journal.SignInOK || e.Kind == journal.SignInConfirmed, Kind: e.Kind, Protocol: key.protocol, Client: key.client, Remote: key.remote,
				Here: key.remote == here, With: key.with, First: e.Time,
			}
			if e.Cause != "" {
				x := catalogue.Explain(e.Decision(), lang, cause.Holder)
				one.Why = &session.Refusal{Cause: e.Cause, Title: x.Title, Text: x.Text, Action: x.NextStep, Actor: x.Actor}
			}
			all[key] = one
		}
		one.Count, one.Last = one.Count+1, e.Time
		return nil
	})
	if err != nil {
		return nil, err
	}
	list := make([]SignIn, 0, len(all))
	for _, one := range all {
		list = append(list, *one)
	}
	slices.SortFunc(list, func(a, b SignIn) int { return b.Last.Compare(a.Last) })
	return list[:min(len(list), maxSignIns)], nil
}
