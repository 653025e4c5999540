package policy

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
)

// TokenVerifier knows the bearer tokens (RFC 6750) of whoever gives them out.
type TokenVerifier interface {
	// VerifyToken tells what a token grants. For one that is nobody's the Account has the ID 0. A
	// token that was good once and ended is told with its end: its bearer may know.
	VerifyToken(ctx context.Context, token string) (Grant, error)
	// TokenUsed is told that somebody signed in with a token.
	TokenUsed(ctx context.Context, g *Grant, at time.Time) error
}

// Grant is what a token lets its bearer do.
type Grant struct {
	Account   store.Account
	ID, Name  string // of the token
	Protocols store.Protocol
	LastUsed  time.Time
	Expires   time.Time // zero: never
	Revoked   time.Time // zero: it was not
}

// ended tells whether the token is no longer taken.
func (g *Grant) ended(now time.Time) bool {
	return !g.Revoked.IsZero() || !g.Expires.IsZero() && !now.Before(g.Expires)
}

// Token signs in with a bearer token. Username is whom the client says it is: the address of the
// token's account, or nothing.
func (s *SignIn) Token(ctx context.Context, a Attempt, username, token string) (Identity, cause.Decision) {
	if s.tokens == nil {
		return Identity{}, s.refuse(ctx, a, username, nil, cause.Refuse(cause.AuthMechanismMismatch))
	}
	// A token cannot be guessed, so wrong ones count against the address alone: nobody can lock an
	// account by naming it.
	admission, d := s.guard.Admit(ctx, a.Remote, "")
	if !d.Allowed() {
		return Identity{}, s.refuse(ctx, a, username, nil, d)
	}
	grant, err := s.tokens.VerifyToken(ctx, token)
	if err != nil {
		return Identity{}, s.unable(ctx, a, username, err)
	}
	if grant.Account.ID == 0 {
		s.wrongToken(a, token)
	}
	if d := s.guard.Connect(a.Remote); !d.Allowed() { // see Password
		return Identity{}, s.refuse(ctx, a, username, nil, d)
	}
	switch u := (&user{account: grant.Account}); {
	case grant.Account.ID == 0:
		return Identity{}, s.refuse(ctx, a, username, nil, cause.Refuse(cause.AuthPasswordWrong).As("token"))
	case grant.ended(s.clock.Now()):
		return Identity{}, s.refuse(ctx, a, username, u, cause.Refuse(cause.AuthTokenRevoked))
	}
	return s.bearer(ctx, a, username, &grant, admission)
}

// wrongToken counts a token that is nobody's, the same again and again once.
func (s *SignIn) wrongToken(a Attempt, token string) {
	now := s.clock.Now()
	key := s.cache.key("\x00token", &store.Account{}, token)
	if _, known := s.cache.get(key, now); !known {
		s.cache.put(key, checked{}, now)
		s.guard.Failed(a.Remote, "")
	}
}

// bearer decides about somebody who has a token that is good.
func (s *SignIn) bearer(ctx context.Context, a Attempt, username string, g *Grant, admission Admission) (Identity, cause.Decision) {
	u := &user{account: g.Account}
	if username == "" {
		username = g.Account.Address
	} else {
		named, err := s.find(ctx, username)
		if err != nil {
			return Identity{}, s.unable(ctx, a, username, err)
		}
		if named.account.ID != g.Account.ID { // nobody acts for somebody else
			return Identity{}, s.refuse(ctx, a, username, u, cause.Refuse(cause.AccountAccessDenied))
		}
		u = named
	}
	found := checked{ok: true, credential: credential{
		id: g.ID, name: g.Name, app: true, generated: true, protocols: g.Protocols, expires: g.Expires,
	}}
	who, d := s.admit(ctx, a, username, u, found, admission)
	if d.Allowed() {
		if err := s.tokens.TokenUsed(ctx, g, s.clock.Now()); err != nil {
			s.log.Warn("use of a token not noted", "error", err)
		}
	}
	return who, d
}

// TokenDirectory is what Tokens needs of the store.
type TokenDirectory interface {
	Account(ctx context.Context, id store.AccountID) (store.Account, error)
	Credentials(ctx context.Context, id store.AccountID) ([]store.Credential, error)
	TouchCredential(ctx context.Context, a store.AccountID, id string, at time.Time) error
}

var _ TokenDirectory = (*store.Store)(nil)

// Tokens is the TokenVerifier of the tokens made by NewToken.
type Tokens struct{ Directory TokenDirectory }

var _ TokenVerifier = Tokens{}

// VerifyToken implements TokenVerifier.
func (t Tokens) VerifyToken(ctx context.Context, token string) (Grant, error) {
	id, credential, secret, ok := cutToken(token)
	if !ok {
		return Grant{}, nil
	}
	account, err := t.Directory.Account(ctx, id)
	if store.KindOf(err) == store.KindNotFound {
		return Grant{}, nil
	}
	if err != nil {
		return Grant{}, fmt.Errorf("policy: verify token: %w", err)
	}
	all, err := t.Directory.Credentials(ctx, id)
	if err != nil {
		return Grant{}, fmt.Errorf("policy: verify token: %w", err)
	}
	i := slices.IndexFunc(all, func(c store.Credential) bool { return c.Token && c.ID == credential })
	if i < 0 || subtle.ConstantTimeCompare([]byte(all[i].Hash), []byte(hashToken(secret))) != 1 {
		return Grant{}, nil
	}
	c := &all[i]
	return Grant{
		Account: account, ID: c.ID, Name: c.Name, Protocols: c.Protocols,
		LastUsed: c.LastUsed, Expires: c.Expires, Revoked: c.Revoked,
	}, nil
}

// TokenUsed implements TokenVerifier. Once an hour is often enough.
func (t Tokens) TokenUsed(ctx context.Context, g *Grant, at time.Time) error {
	if at.Sub(g.LastUsed) < rightFor {
		return nil
	}
	return t.Directory.TouchCredential(ctx, g.Account.ID, g.ID, at)
}

// tokenPrefix begins every token, so that one that got where it must not be can be found.
const tokenPrefix = "postiljon"

// NewToken makes a bearer token of an account and its credential. The token is shown once to its
// owner; only its hash is kept. Expires zero means that it does not end by itself.
//
// A token is "postiljon_ACCOUNT_ID_SECRET": the secret has 256 bits, so that a fast hash is safe.
func NewToken(account store.AccountID, name string, protocols store.Protocol, now, expires time.Time) (store.Credential, string) {
	secret := base64.RawURLEncoding.EncodeToString(randomBytes(32))
	c := store.Credential{
		ID: newCredentialID(), Name: name, App: true, Token: true, Protocols: protocols,
		Hash: hashToken(secret), Created: now, Expires: expires,
	}
	return c, strings.Join([]string{tokenPrefix, strconv.FormatUint(uint64(account), 10), c.ID, secret}, "_")
}

// cutToken takes a token apart.
func cutToken(token string) (account store.AccountID, credential, secret string, ok bool) {
	parts := strings.SplitN(token, "_", 4)
	if len(parts) != 4 || parts[0] != tokenPrefix {
		return 0, "", "", false
	}
	id, err := strconv.ParseUint(parts[1], 10, 64)
	return store.AccountID(id), parts[2], parts[3], err == nil && id > 0
}

// hashToken is what is kept of the secret of a token.
func hashToken(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return "$sha256$" + phc64.EncodeToString(sum[:])
}

// RevokedFor is how long a token that was revoked, or ran out, is kept to be recognized.
const RevokedFor = 90 * 24 * time.Hour

// MaxTokens is how many tokens an account can have, those that ended included.
const MaxTokens = 100

// Forgettable picks the tokens of an account that ended so long ago that nobody needs to hear of
// them any more.
func Forgettable(credentials []store.Credential, now time.Time) (gone []store.Credential) {
	for _, c := range credentials {
		end := c.Revoked
		if end.IsZero() {
			end = c.Expires
		}
		if c.Token && !end.IsZero() && now.Sub(end) > RevokedFor {
			gone = append(gone, c)
		}
	}
	return gone
}
