package policy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/store"
)

// CredentialTakenError reports that there is an app password with a name, as it is written there.
type CredentialTakenError struct{ Name string }

func (e *CredentialTakenError) Error() string {
	return fmt.Sprintf("policy: there is an app password named %q", e.Name)
}

// Errors of CreateAppPassword.
var (
	ErrCredentialName = fmt.Errorf("policy: the name of an app password has 1 to %d octets", maxCredentialName)
	ErrTooManyApps    = fmt.Errorf("policy: an account has at most %d app passwords", maxAppPasswords)
)

const (
	maxCredentialName = 100
	maxAppPasswords   = 100
)

// SetPassword gives an account a new password of its own, and returns its id; app passwords stay. From expires on, unless that is zero, it
// only lets its holder choose another, on the web. Who is signed in with the old one is for the caller to end.
func SetPassword(ctx context.Context, s *store.Store, h *Hasher, a store.AccountID, password string, expires time.Time) (id string, err error) {
	old, err := s.Credentials(ctx, a)
	if err != nil {
		return "", fmt.Errorf("policy: set password: %w", err)
	}
	kept := slices.DeleteFunc(slices.Clone(old), func(c store.Credential) bool { return !c.App })
	credential, err := NewPassword(ctx, h, password, s.Now(), kept...)
	if err != nil {
		return "", err
	}
	credential.Expires = expires
	// The new one first: an account is never without.
	if err := s.PutCredential(ctx, a, credential); err != nil {
		return "", fmt.Errorf("policy: set password: %w", err)
	}
	for _, c := range old {
		if c.App || c.ID == credential.ID {
			continue
		}
		if err := s.DeleteCredential(ctx, a, c.ID); err != nil {
			return "", fmt.Errorf("policy: set password: %w", err)
		}
	}
	return credential.ID, nil
}

// CreateAppPassword makes an app password, which is shown once and kept nowhere. Errors: ErrCredentialName, CredentialTakenError, ErrTooManyApps.
func CreateAppPassword(ctx context.Context, s *store.Store, a store.AccountID, name string, protocols store.Protocol, now time.Time) (store.Credential, string, error) {
	none := store.Credential{}
	name = strings.TrimSpace(name)
	if name == "" || len(name) > maxCredentialName {
		return none, "", ErrCredentialName
	}
	all, err := s.Credentials(ctx, a)
	if err != nil {
		return none, "", fmt.Errorf("policy: create app password: %w", err)
	}
	apps := 0
	for i := range all {
		if !IsAppPassword(&all[i]) {
			continue
		}
		if apps++; apps >= maxAppPasswords {
			return none, "", ErrTooManyApps
		}
		if strings.EqualFold(all[i].Name, name) {
			return none, "", &CredentialTakenError{all[i].Name}
		}
	}
	credential, password, err := NewAppPassword(name, protocols, now, all...)
	if err != nil {
		return none, "", err
	}
	if err := s.PutCredential(ctx, a, credential); err != nil {
		return none, "", fmt.Errorf("policy: create app password: %w", err)
	}
	return credential, password, nil
}

// IsAppPassword tells app passwords from tokens and from the password of the account.
func IsAppPassword(c *store.Credential) bool { return c.App && !c.Token }
