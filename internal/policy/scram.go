package policy

import (
	"bytes"
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
	stored    *store.Credential
}

var _ sasl.Verifier = (*Verifier)(nil)

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

// Scram implements sasl.Verifier. The secret is that of the credential most likely meant: clients
// do not say which of the passwords of an account they have.
func (v *Verifier) Scram(ctx context.Context, username string) (sasl.ScramSecret, cause.Decision) {
	s := v.signIn
	v.user, v.stored = nil, nil
	var d cause.Decision
	if v.admission, d = s.guard.Admit(ctx, v.attempt.Remote, guardName(username)); !d.Allowed() {
		return sasl.ScramSecret{}, s.refuse(ctx, v.attempt, username, nil, d)
	}
	u, err := s.find(ctx, username)
	if err != nil {
		return sasl.ScramSecret{}, s.unable(ctx, v.attempt, username, err)
	}
	v.user = u
	if v.stored, err = s.scramCredential(ctx, u, v.attempt.Protocol, ""); err != nil {
		return sasl.ScramSecret{}, s.unable(ctx, v.attempt, username, err)
	}
	// The salt of an account under another name would tell whose name that is.
	if u.otherForm {
		v.stored = nil
	}
	if v.stored == nil || v.admission.Unchecked {
		return sasl.ScramSecret{}, cause.Refuse(cause.AuthPasswordWrong)
	}
	return sasl.ScramSecret(*v.stored.Scram), cause.Allow()
}

// ScramDone implements sasl.Verifier.
func (v *Verifier) ScramDone(ctx context.Context, authzid, username string, ok bool) (sasl.Identity, cause.Decision) {
	s := v.signIn
	v.attempt.authzid = authzid
	if d := s.guard.Connect(v.attempt.Remote); !d.Allowed() { // since Scram; see SignIn.Password
		return sasl.Identity{}, s.refuse(ctx, v.attempt, username, v.user, d)
	}
	if !ok || v.stored == nil || v.admission.Unchecked {
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
	now, err := s.scramCredential(ctx, u, v.attempt.Protocol, v.stored.ID)
	if err != nil {
		return sasl.Identity{}, s.unable(ctx, v.attempt, username, err)
	}
	if now == nil || !bytes.Equal(now.Scram.StoredKey, v.stored.Scram.StoredKey) {
		return sasl.Identity{}, s.refuse(ctx, v.attempt, username, u, cause.Refuse(cause.AuthPasswordWrong))
	}
	return identity(s.admit(ctx, v.attempt, username, u, checked{ok: true, credential: credentialOf(now)}, v.admission))
}

func identity(who Identity, d cause.Decision) (sasl.Identity, cause.Decision) {
	if !d.Allowed() {
		return sasl.Identity{}, d
	}
	return sasl.Identity{Name: who.Account.Address, Account: who}, cause.Allow()
}

// scramCredential is the credential with an id or, if id is "", the one of those for a protocol that
// was used or, failing that, made last; nil if there is none.
func (s *SignIn) scramCredential(ctx context.Context, u *user, p store.Protocol, id string) (*store.Credential, error) {
	if u.account.ID == 0 {
		return nil, nil
	}
	credentials, err := s.directory.Credentials(ctx, u.account.ID)
	if err != nil {
		return nil, fmt.Errorf("policy: sign in: %w", err)
	}
	usable := slices.DeleteFunc(credentials, func(c store.Credential) bool {
		return c.Scram == nil || c.Protocols&p == 0 || (id != "" && c.ID != id)
	})
	if len(usable) == 0 {
		return nil, nil
	}
	last := slices.MaxFunc(usable, func(a, b store.Credential) int {
		if c := a.LastUsed.Compare(b.LastUsed); c != 0 {
			return c
		}
		return a.Created.Compare(b.Created)
	})
	return &last, nil
}
