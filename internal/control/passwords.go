package control

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/store"
)

// setPassword gives an account a new password of its own; app passwords stay. Whoever had got into the account may have had links to
// another password sent to an address of theirs: that does not stay.
func (s *Server) setPassword(ctx context.Context, r SetPassword) (Password, error) {
	a, err := s.find(ctx, r.Address)
	if err != nil {
		return Password{}, err
	}
	answer := Password{Address: a.Address}
	if r.Password == "" {
		r.Password = policy.GeneratePassword()
		answer.Password = r.Password
	}
	var expires time.Time
	if r.Change {
		expires = s.Store.Now()
	}
	if answer.ID, err = policy.SetPassword(ctx, s.Store, s.Hasher, a.ID, r.Password, expires); err != nil {
		return Password{}, err
	}
	if answer.Recovery, err = s.forgetRecovery(ctx, a.ID); err != nil {
		return Password{}, err
	}
	s.SignOut(a.ID)
	s.note(ctx, journal.PasswordChanged, a.ID, store.Field{Name: "to", Value: a.Address})
	return answer, nil
}

// forgetRecovery removes the address that links for a forgotten password go to, and returns it.
func (s *Server) forgetRecovery(ctx context.Context, a store.AccountID) (before string, err error) {
	err = s.Store.UpdateWebSecurity(ctx, a, func(w *store.WebSecurity) { before, w.Recovery = w.Recovery.Address, store.RecoveryAddress{} })
	if err == nil && before != "" {
		s.note(ctx, journal.RecoveryRemoved, a, store.Field{Name: "to", Value: before})
	}
	return before, err
}

func (s *Server) addAppPassword(ctx context.Context, r NewAppPassword) (Password, error) {
	a, err := s.find(ctx, r.Address)
	if err != nil {
		return Password{}, err
	}
	protocols, err := parseProtocols(r.Protocols)
	if err != nil {
		return Password{}, err
	}
	credential, password, err := policy.CreateAppPassword(ctx, s.Store, a.ID, r.Name, protocols, s.Store.Now())
	var same *policy.CredentialTakenError
	switch {
	case errors.Is(err, policy.ErrCredentialName):
		return Password{}, invalid("the name of an app password, such as \"phone\", has 1 to 100 octets")
	case errors.As(err, &same):
		return Password{}, taken("", "%s has an app password named %q already", a.Address, same.Name)
	case errors.Is(err, policy.ErrTooManyApps):
		return Password{}, taken("'postiljon apppassword remove' makes room.", "%s can have no more app passwords", a.Address)
	case err != nil:
		return Password{}, err
	}
	s.note(ctx, journal.CredentialCreated, a.ID, store.Field{Name: "credential", Value: credential.Name})
	return Password{Address: a.Address, Password: password, ID: credential.ID}, nil
}

func (s *Server) removeAppPassword(ctx context.Context, r AppPassword) (Secret, error) {
	a, err := s.find(ctx, r.Address)
	if err != nil {
		return Secret{}, err
	}
	credentials, err := s.Store.Credentials(ctx, a.ID)
	if err != nil {
		return Secret{}, err
	}
	for _, c := range credentials {
		if !c.App || c.Token || c.ID != r.Which && !strings.EqualFold(c.Name, r.Which) {
			continue
		}
		if err := s.Store.DeleteCredential(ctx, a.ID, c.ID); err != nil {
			return Secret{}, err
		}
		s.SignOut(a.ID)
		s.note(ctx, journal.CredentialDeleted, a.ID, store.Field{Name: "credential", Value: c.Name})
		return secret(&c), nil
	}
	return Secret{}, missing("'postiljon apppassword list "+a.Address+"' shows them.",
		"%s has no app password named %q", a.Address, r.Which)
}

func protocolNames(p store.Protocol) []string { return policy.ProtocolNames(p) }

// parseProtocols reads names; none means all.
func parseProtocols(names []string) (store.Protocol, error) {
	p, bad := policy.ParseProtocols(names)
	if bad != "" {
		return 0, invalid("%q is no protocol; there are imap, pop3, submission, jmap and web", bad)
	}
	return p, nil
}
