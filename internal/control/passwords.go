package control

import (
	"context"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/store"
)

// setPassword gives an account a new password of its own; app passwords stay.
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
	old, err := s.Store.Credentials(ctx, a.ID)
	if err != nil {
		return Password{}, err
	}
	kept := slices.DeleteFunc(slices.Clone(old), func(c store.Credential) bool { return !c.App })
	credential, err := policy.NewPassword(ctx, s.Hasher, r.Password, s.Store.Now(), kept...)
	if err != nil {
		return Password{}, err
	}
	// The new one first: an account is never without.
	if err := s.Store.PutCredential(ctx, a.ID, credential); err != nil {
		return Password{}, err
	}
	for _, c := range old {
		if !c.App && c.ID != credential.ID {
			if err := s.Store.DeleteCredential(ctx, a.ID, c.ID); err != nil {
				return Password{}, err
			}
		}
	}
	answer.ID = credential.ID
	s.SignOut(a.ID)
	s.note(ctx, journal.PasswordChanged, a.ID, store.Field{Name: "to", Value: a.Address})
	return answer, nil
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
	r.Name = strings.TrimSpace(r.Name)
	if r.Name == "" || len(r.Name) > 100 {
		return Password{}, invalid("the name of an app password, such as \"phone\", has 1 to 100 octets")
	}
	credentials, err := s.Store.Credentials(ctx, a.ID)
	if err != nil {
		return Password{}, err
	}
	for _, c := range credentials {
		if c.App && !c.Token && strings.EqualFold(c.Name, r.Name) {
			return Password{}, taken("", "%s has an app password named %q already", a.Address, c.Name)
		}
	}
	credential, password, err := policy.NewAppPassword(r.Name, protocols, s.Store.Now(), credentials...)
	if err != nil {
		return Password{}, err
	}
	if err := s.Store.PutCredential(ctx, a.ID, credential); err != nil {
		return Password{}, err
	}
	s.note(ctx, journal.CredentialCreated, a.ID, store.Field{Name: "credential", Value: r.Name})
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

// protocols are those of an account, by the name that the command line has.
var protocols = []struct {
	name string
	bit  store.Protocol
}{
	{"imap", store.ProtocolIMAP}, {"pop3", store.ProtocolPOP3}, {"submission", store.ProtocolSubmission},
	{"jmap", store.ProtocolJMAP}, {"web", store.ProtocolWeb},
}

func protocolNames(p store.Protocol) []string {
	names := []string{}
	for _, one := range protocols {
		if p.Has(one.bit) {
			names = append(names, one.name)
		}
	}
	return names
}

// parseProtocols reads names; none means all.
func parseProtocols(names []string) (p store.Protocol, err error) {
	if len(names) == 0 {
		return store.AllProtocols, nil
	}
next:
	for _, name := range names {
		for _, one := range protocols {
			if strings.EqualFold(name, one.name) || one.bit == store.ProtocolSubmission && strings.EqualFold(name, "smtp") {
				p |= one.bit
				continue next
			}
		}
		return 0, invalid("%q is no protocol; there are imap, pop3, submission, jmap and web", name)
	}
	return p, nil
}
