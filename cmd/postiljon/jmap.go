package main

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/protocol/jmapd"
	"github.com/postiljon/postiljon/internal/store"
)

// openJMAP makes the server of JMAP, which the web serves.
func (s *service) openJMAP() (err error) {
	s.jmap, err = jmapd.New(jmapd.Options{
		Store: s.store, Index: s.index, Catalogue: s.catalogue, BaseURL: s.config.BaseURL(), SignIn: s.signInHTTP, Tokens: s.sasl.tokens.Load, Log: s.log,
		Limits: jmapd.Limits{Upload: int64(s.config.Limits.MessageSize), Message: int64(s.config.Limits.MessageSize)},
		Filed:  func(f jmapd.Filed) { s.policies.trainer.Moved(f.Account, f.Into, f.UIDs, f.From, f.To) },
	})
	return err
}

// signInHTTP decides who makes a request of JMAP: by a password (RFC 7617) or, where tokens are taken, by a bearer
// token (RFC 6750).
func (s *service) signInHTTP(r *http.Request) (store.Account, cause.Decision) {
	p := s.policies
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return store.Account{}, cause.Refuse(cause.AuthPasswordWrong)
	}
	attempt := policy.Attempt{Protocol: store.ProtocolJMAP, Remote: remote.Addr().Unmap(), TLS: r.TLS != nil, Client: r.UserAgent()}
	if d := p.guard.Connect(attempt.Remote); !d.Allowed() {
		return store.Account{}, d
	}
	var who policy.Identity
	d := cause.Refuse(cause.AuthPasswordWrong)
	if name, password, ok := r.BasicAuth(); ok {
		who, d = p.signIn.Password(r.Context(), attempt, name, password)
	} else if scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "Bearer") && token != "" && s.sasl.tokens.Load() {
		who, d = p.signIn.Token(r.Context(), attempt, "", token)
	} else {
		return store.Account{}, d // who does not say who it is has not failed
	}
	p.metrics.SignIn("jmap", d.Cause)
	return who.Account, d
}
