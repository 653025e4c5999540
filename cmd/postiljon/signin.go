package main

import (
	"context"
	"net/http"
	"net/netip"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/web/factor"
	"github.com/postiljon/postiljon/internal/web/security"
	websession "github.com/postiljon/postiljon/internal/web/session"
	"github.com/postiljon/postiljon/internal/web/signin"
)

// openSignIn makes what knows the browsers that are signed in, and the pages where people sign in.
func (s *service) openSignIn() (err error) {
	s.browsers = websession.New(websession.Options{Store: s.store, Catalogue: s.catalogue, Ended: s.forgetDevices, Replaced: s.keepDevices, Log: s.log})
	s.codes = &factor.Codes{Store: s.store, Issuer: s.config.Hostname, Now: s.store.Now}
	s.passkeys = factor.NewPasskeys(s.store, s.config.Hostname, append([]string{s.config.Hostname}, s.config.TLS.Names...), s.store.Now)
	s.security, err = security.New(security.Options{
		Store: s.store, Sessions: s.browsers, SignIn: s.policies.signIn, Hasher: s.hasher, Codes: s.codes, Passkeys: s.passkeys, Journal: s.journal,
		Catalogue: s.catalogue, Notices: s.policies.notices, Hostname: s.config.Hostname, Attempt: signin.Attempt, EndPrograms: s.policies.sessions.end, Connections: s.connectionsOf, Log: s.log,
	})
	if err != nil {
		return err
	}
	s.signIn, err = signin.New(signin.Options{
		Store: s.store, Sessions: s.browsers, SignIn: s.policies.signIn, Codes: s.codes, Passkeys: s.passkeys, Security: s.security, Journal: s.journal, Catalogue: s.catalogue, Notices: s.policies.notices, Hostname: s.config.Hostname, BaseURL: s.config.BaseURL(),
		DefaultDomain: s.config.Auth.DefaultDomain, Done: func(id cause.ID) { s.metrics.SignIn("web", id) }, Log: s.log,
	})
	return err
}

// connectionsOf are those of mail programs to an account.
func (s *service) connectionsOf(a store.AccountID) []security.Connection {
	all := []security.Connection{}
	for _, one := range s.policies.sessions.of(a) {
		all = append(all, security.Connection{Protocol: one.Protocol, Program: one.Program, Remote: one.Client, Since: one.Since, LastUsed: one.LastIO})
	}
	return all
}

// signOut ends all that is signed in to an account: connections, browsers, and requests that run.
func (s *service) signOut(a store.AccountID) {
	s.policies.sessions.end(a)
	if _, err := s.browsers.EndAll(context.Background(), a); err != nil {
		s.log.Error("browsers not signed out", "error", err)
	}
}

// signInHTTP decides who makes a request: by the session of a browser, else by a password (RFC 7617) or, where tokens are taken, by a
// bearer token (RFC 6750). What changes something must not come from a page of others.
func (s *service) signInHTTP(r *http.Request) (store.Account, cause.Decision) {
	given := r.Header.Get("Authorization") != ""
	one, d, shown := s.browsers.From(r)
	if shown && d.Allowed() {
		return one.Account, s.browsers.Genuine(r, &one)
	}
	if shown && !given {
		return store.Account{}, d
	}
	if !s.browsers.SameOrigin(r) {
		return store.Account{}, cause.Refuse(cause.AccountAccessDenied)
	}
	who, d := s.signInByField(r)
	if d.Allowed() {
		s.browsers.Bind(r, who.Account.ID, who.CredentialID)
	}
	return who.Account, d
}

// signInByField decides by the field Authorization.
func (s *service) signInByField(r *http.Request) (who policy.Identity, d cause.Decision) {
	p := s.policies
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return who, cause.Refuse(cause.AuthPasswordWrong)
	}
	attempt := policy.Attempt{Protocol: store.ProtocolJMAP, Remote: remote.Addr().Unmap(), TLS: r.TLS != nil, Client: r.UserAgent()}
	if d := p.guard.Connect(attempt.Remote); !d.Allowed() {
		return who, d
	}
	d = cause.Refuse(cause.AuthPasswordWrong)
	if name, password, ok := r.BasicAuth(); ok {
		who, d = p.signIn.Password(r.Context(), attempt, name, password)
	} else if scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "Bearer") && token != "" && s.sasl.tokens.Load() {
		who, d = p.signIn.Token(r.Context(), attempt, "", token)
	} else {
		return who, d // who does not say who it is has not failed
	}
	p.metrics.SignIn("jmap", d.Cause)
	return who, d
}
