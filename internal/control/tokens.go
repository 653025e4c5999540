package control

import (
	"context"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/store"
)

// addToken makes a bearer token for one program.
func (s *Server) addToken(ctx context.Context, r NewToken) (Token, error) {
	a, err := s.find(ctx, r.Address)
	if err != nil {
		return Token{}, err
	}
	protocols, err := parseProtocols(r.Protocols)
	if err != nil {
		return Token{}, err
	}
	now := s.Store.Now()
	r.Name = strings.TrimSpace(r.Name)
	switch {
	case r.Name == "" || len(r.Name) > 100:
		return Token{}, invalid("the name of a token, such as \"tablet\", has 1 to 100 octets")
	case !r.Expires.IsZero() && !r.Expires.After(now):
		return Token{}, invalid("a token that ends on %s has ended already", r.Expires.Format(time.DateOnly))
	}
	if err := s.roomForToken(ctx, &a, r.Name); err != nil {
		return Token{}, err
	}
	credential, token := policy.NewToken(a.ID, r.Name, protocols, now, r.Expires)
	if err := s.Store.PutCredential(ctx, a.ID, credential); err != nil {
		return Token{}, err
	}
	s.note(ctx, journal.TokenCreated, a.ID, store.Field{Name: "credential", Value: r.Name})
	return Token{Address: a.Address, Token: token, ID: credential.ID, Expires: r.Expires, Off: !s.TokensTaken()}, nil
}

// roomForToken forgets the tokens that ended long ago, and says whether there may be one more with
// this name.
func (s *Server) roomForToken(ctx context.Context, a *store.Account, name string) error {
	all, err := s.Store.Credentials(ctx, a.ID)
	if err != nil {
		return err
	}
	gone := policy.Forgettable(all, s.Store.Now())
	for _, c := range gone {
		if err := s.Store.DeleteCredential(ctx, a.ID, c.ID); err != nil {
			return err
		}
	}
	tokens := -len(gone)
	for _, c := range all {
		if !c.Token {
			continue
		}
		tokens++
		if c.Revoked.IsZero() && strings.EqualFold(c.Name, name) {
			return taken("'postiljon token revoke' ends it.", "%s has a token named %q already", a.Address, c.Name)
		}
	}
	if tokens >= policy.MaxTokens {
		return taken("", "%s has %d tokens, those that ended lately included; it can have no more", a.Address, tokens)
	}
	return nil
}

// revokeToken ends a token. Who still has it hears that.
func (s *Server) revokeToken(ctx context.Context, r AppPassword) (Secret, error) {
	a, err := s.find(ctx, r.Address)
	if err != nil {
		return Secret{}, err
	}
	all, err := s.Store.Credentials(ctx, a.ID)
	if err != nil {
		return Secret{}, err
	}
	for _, c := range all {
		if !c.Token || !c.Revoked.IsZero() || c.ID != r.Which && !strings.EqualFold(c.Name, r.Which) {
			continue
		}
		c.Revoked = s.Store.Now()
		if err := s.Store.PutCredential(ctx, a.ID, c); err != nil {
			return Secret{}, err
		}
		s.SignOut(a.ID)
		s.note(ctx, journal.TokenRevoked, a.ID, store.Field{Name: "credential", Value: c.Name})
		return secret(&c), nil
	}
	return Secret{}, missing("'postiljon token list "+a.Address+"' shows them.", "%s has no token named %q", a.Address, r.Which)
}
