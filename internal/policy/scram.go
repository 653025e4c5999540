package policy

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/sasl"
	"github.com/postiljon/postiljon/internal/store"
)

// Verifier is SignIn for the SASL exchanges of one connection. The Account of a sasl.Identity it
// gives is an Identity.
type Verifier struct {
	signIn  *SignIn
	attempt Attempt

	// of the SCRAM exchange that is going on
	admission Admission
	user      *user
	stored    []store.Credential // all with one salt
}

var _ sasl.TokenVerifier = (*Verifier)(nil)

// SaltName is the sasl.Options.SaltName of this Verifier: all names for which it finds one account
// by its address come out the same.
func SaltName(username string) string { return guardName(username) }

// Verifier returns the sasl.Verifier of one connection.
func (s *SignIn) Verifier(a Attempt) *Verifier { return &Verifier{signIn: s, attempt: a} }

// Password implements sasl.Verifier.
func (v *Verifier) Password(ctx context.Context, authzid, username, password string) (sasl.Identity, cause.Decision) {
	v.attempt.authzid = authzid
	return identity(v.signIn.Password(ctx, v.attempt, username, password))
}

// Token implements sasl.TokenVerifier.
func (v *Verifier) Token(ctx context.Context, authzid, token string) (sasl.Identity, cause.Decision) {
	return identity(v.signIn.Token(ctx, v.attempt, authzid, token))
}

// Scram implements sasl.Verifier. Clients do not say which of the passwords of an account they have:
// the secrets are those of all that have one salt.
func (v *Verifier) Scram(ctx context.Context, username string) ([]sasl.ScramSecret, cause.Decision) {
	s := v.signIn
	v.user, v.stored = nil, nil
	var d cause.Decision
	if v.admission, d = s.guard.Admit(ctx, v.attempt.Remote, guardName(username)); !d.Allowed() {
		return nil, s.refuse(ctx, v.attempt, username, nil, d)
	}
	u, err := s.find(ctx, username)
	if err != nil {
		return nil, s.unable(ctx, v.attempt, username, err)
	}
	v.user = u
	all, err := s.scramCredentials(ctx, u)
	if err != nil {
		return nil, s.unable(ctx, v.attempt, username, err)
	}
	v.stored = oneSalt(all, v.attempt.Protocol)
	// The salt of an account under another name would tell whose name that is.
	if u.otherForm {
		v.stored = nil
	}
	if len(v.stored) == 0 || v.admission.Unchecked {
		return nil, cause.Refuse(cause.AuthPasswordWrong)
	}
	secrets := make([]sasl.ScramSecret, len(v.stored))
	for i := range v.stored {
		secrets[i] = sasl.ScramSecret(*v.stored[i].Scram)
	}
	return secrets, cause.Allow()
}

// ScramDone implements sasl.Verifier.
func (v *Verifier) ScramDone(ctx context.Context, authzid, username string, proved int) (sasl.Identity, cause.Decision) {
	s := v.signIn
	v.attempt.authzid = authzid
	if d := s.guard.Connect(v.attempt.Remote); !d.Allowed() { // since Scram; see SignIn.Password
		return sasl.Identity{}, s.refuse(ctx, v.attempt, username, v.user, d)
	}
	if proved < 0 || proved >= len(v.stored) || v.admission.Unchecked {
		if !v.admission.Unchecked {
			s.guard.Failed(v.attempt.Remote, guardName(username))
		}
		return sasl.Identity{}, s.refuse(ctx, v.attempt, username, v.user, cause.Refuse(cause.AuthPasswordWrong))
	}
	// The account may have changed while the client computed.
	u, err := s.find(ctx, username)
	if err != nil {
		return sasl.Identity{}, s.unable(ctx, v.attempt, username, err)
	}
	stored := &v.stored[proved]
	now, err := s.scramCredentials(ctx, u)
	if err != nil {
		return sasl.Identity{}, s.unable(ctx, v.attempt, username, err)
	}
	i := slices.IndexFunc(now, func(c store.Credential) bool {
		return c.ID == stored.ID && bytes.Equal(c.Scram.StoredKey, stored.Scram.StoredKey)
	})
	if i < 0 {
		return sasl.Identity{}, s.refuse(ctx, v.attempt, username, u, cause.Refuse(cause.AuthPasswordWrong))
	}
	return identity(s.admit(ctx, v.attempt, username, u, checked{ok: true, credential: credentialOf(&now[i])}, v.admission))
}

func identity(who Identity, d cause.Decision) (sasl.Identity, cause.Decision) {
	if !d.Allowed() {
		return sasl.Identity{}, d
	}
	return sasl.Identity{Name: who.Account.Address, Account: who}, cause.Allow()
}

// scramCredentials are the credentials of a user that SCRAM can check.
func (s *SignIn) scramCredentials(ctx context.Context, u *user) ([]store.Credential, error) {
	if u.account.ID == 0 {
		return nil, nil
	}
	credentials, err := s.directory.Credentials(ctx, u.account.ID)
	if err != nil {
		return nil, fmt.Errorf("policy: sign in: %w", err)
	}
	return slices.DeleteFunc(credentials, func(c store.Credential) bool { return c.Scram == nil }), nil
}

// oneSalt picks the credentials that one exchange can check: those with the salt of the one that,
// of those for a protocol, was used last or, failing that, made last. New passwords get the salt of
// those that are there (see scramSecret), so that this is nearly always all of them.
func oneSalt(credentials []store.Credential, p store.Protocol) []store.Credential {
	if len(credentials) == 0 {
		return nil
	}
	likely := slices.MaxFunc(credentials, func(a, b store.Credential) int {
		if forA, forB := a.Protocols.Has(p), b.Protocols.Has(p); forA != forB {
			if forA {
				return +1
			}
			return -1
		}
		return byUse(a, b)
	})
	return slices.DeleteFunc(credentials, func(c store.Credential) bool { return !sameSalt(c.Scram, likely.Scram) })
}

// byUse orders credentials by when they were used last or, failing that, made.
func byUse(a, b store.Credential) int {
	return cmp.Or(a.LastUsed.Compare(b.LastUsed), a.Created.Compare(b.Created))
}

func sameSalt(a, b *store.ScramSecret) bool {
	return a.Iterations == b.Iterations && bytes.Equal(a.Salt, b.Salt)
}
