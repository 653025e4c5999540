package security

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/notice"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/web/factor"
	"github.com/postiljon/postiljon/internal/web/session"
)

func codesError(err error) error {
	switch {
	case errors.Is(err, factor.ErrOn):
		return wrong("on")
	case errors.Is(err, factor.ErrOff):
		return wrong("off")
	}
	return err
}

func (s *Server) beginTwoStep(r *http.Request, one *session.Session) (any, error) {
	setup, err := s.Codes.Begin(r.Context(), &one.Account)
	return setup, codesError(err)
}

// recovery are the codes that are shown once.
type recovery struct {
	Recovery []string `json:"recovery"`
}

// enableTwoStep switches the second step on. What is signed in without it has to sign in again.
func (s *Server) enableTwoStep(r *http.Request, one *session.Session) (any, error) {
	given, err := body[struct {
		Code string `json:"code"`
	}](r)
	if err != nil {
		return nil, err
	}
	codes, d, err := s.Codes.Enable(r.Context(), &one.Account, given.Code)
	if err != nil {
		return nil, codesError(err)
	}
	if !d.Allowed() {
		return nil, refusal{d}
	}
	s.note(r, journal.SecondStepOn, one)
	s.tell(r, one, notice.SecondStepOn)
	if _, err := s.endAllElse(r.Context(), one); err != nil {
		return nil, err
	}
	return recovery{codes}, nil
}

func (s *Server) renewRecovery(r *http.Request, one *session.Session) (any, error) {
	if !one.Account.TwoStep {
		return nil, wrong("off")
	}
	codes, err := s.Codes.Renew(r.Context(), one.Account.ID)
	if err != nil {
		return nil, codesError(err)
	}
	s.note(r, journal.RecoveryRenewed, one)
	return recovery{codes}, nil
}

func (s *Server) disableTwoStep(r *http.Request, one *session.Session) (any, error) {
	on := one.Account.TwoStep
	if err := s.Codes.Disable(r.Context(), &one.Account); err != nil {
		return nil, err
	}
	if on {
		s.note(r, journal.SecondStepOff, one)
		s.tell(r, one, notice.SecondStepOff)
	}
	return nil, nil
}

func passkeyError(err error) error {
	switch {
	case errors.Is(err, factor.ErrHost):
		return wrong("host")
	case errors.Is(err, factor.ErrName):
		return wrong("name")
	case errors.Is(err, factor.ErrRefused):
		return wrong("refused")
	case store.KindOf(err) == store.KindExists:
		return wrong("exists")
	case store.KindOf(err) == store.KindLimit:
		return wrong("many")
	}
	return err
}

func (s *Server) beginPasskey(r *http.Request, one *session.Session) (any, error) {
	options, err := s.Passkeys.BeginCreate(r, &one.Account)
	return options, passkeyError(err)
}

func (s *Server) createPasskey(r *http.Request, one *session.Session) (any, error) {
	given, err := body[struct {
		Name       string          `json:"name"`
		Credential json.RawMessage `json:"credential"`
	}](r)
	if err != nil {
		return nil, err
	}
	made, err := s.Passkeys.Create(r, &one.Account, given.Name, given.Credential)
	if err != nil {
		if errors.Is(err, factor.ErrRefused) {
			s.Log.Info("passkey not taken", "account", one.Account.Address, "error", err)
		}
		return nil, passkeyError(err)
	}
	s.note(r, journal.PasskeyCreated, one, store.Field{Name: "credential", Value: made.Name})
	s.tell(r, one, notice.PasskeyCreated)
	return passkeyOf(&made), nil
}

func passkeyID(r *http.Request) ([]byte, error) {
	id, err := base64.RawURLEncoding.DecodeString(r.PathValue("id"))
	if err != nil || len(id) == 0 {
		return nil, &store.Error{Op: "find passkey", Kind: store.KindNotFound}
	}
	return id, nil
}

func (s *Server) renamePasskey(r *http.Request, one *session.Session) (any, error) {
	id, err := passkeyID(r)
	if err != nil {
		return nil, err
	}
	given, err := body[struct {
		Name string `json:"name"`
	}](r)
	if err != nil {
		return nil, err
	}
	return nil, passkeyError(s.Passkeys.Rename(r.Context(), one.Account.ID, id, given.Name))
}

func (s *Server) deletePasskey(r *http.Request, one *session.Session) (any, error) {
	id, err := passkeyID(r)
	if err != nil {
		return nil, err
	}
	name := ""
	err = s.Store.UpdatePasskey(r.Context(), one.Account.ID, id, func(p *store.Passkey) error { name = p.Name; return nil })
	if err == nil {
		err = s.Store.DeletePasskey(r.Context(), one.Account.ID, id)
	}
	if err != nil {
		return nil, err
	}
	s.note(r, journal.PasskeyDeleted, one, store.Field{Name: "credential", Value: name})
	return nil, nil
}

func (s *Server) usePasskey(r *http.Request, _ *session.Session) (any, error) {
	options, err := s.Passkeys.BeginUse(r)
	return options, passkeyError(err)
}

// programs are the protocols that an app password can be for: browsers take the password of the account alone.
const programs = store.AllProtocols &^ store.ProtocolWeb

func (s *Server) createAppPassword(r *http.Request, one *session.Session) (any, error) {
	given, err := body[struct {
		Name      string   `json:"name"`
		Protocols []string `json:"protocols"`
	}](r)
	if err != nil {
		return nil, err
	}
	protocols, bad := policy.ParseProtocols(given.Protocols)
	if protocols &= programs; bad != "" || protocols == 0 {
		return nil, wrong("protocol")
	}
	made, text, err := policy.CreateAppPassword(r.Context(), s.Store, one.Account.ID, given.Name, protocols, s.Store.Now())
	var same *policy.CredentialTakenError
	switch {
	case errors.Is(err, policy.ErrCredentialName):
		return nil, wrong("name")
	case errors.As(err, &same):
		return nil, wrong("taken")
	case errors.Is(err, policy.ErrTooManyApps):
		return nil, wrong("many")
	case err != nil:
		return nil, err
	}
	s.note(r, journal.CredentialCreated, one, store.Field{Name: "credential", Value: made.Name})
	s.tell(r, one, notice.AppPasswordCreated)
	answer := appPasswordOf(&made)
	answer.Password = text
	return answer, nil
}

// deleteAppPassword takes an app password or a token away; who is signed in with it is not any more.
func (s *Server) deleteAppPassword(r *http.Request, one *session.Session) (any, error) {
	all, err := s.Store.Credentials(r.Context(), one.Account.ID)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if c := &all[i]; c.ID == r.PathValue("id") && policy.IsAppPassword(c) {
			if err := s.Store.DeleteCredential(r.Context(), one.Account.ID, c.ID); err != nil {
				return nil, err
			}
			s.EndPrograms(one.Account.ID)
			s.Sessions.EndCredential(r.Context(), one.Account.ID, c.ID)
			s.note(r, journal.CredentialDeleted, one, store.Field{Name: "credential", Value: c.Name})
			return nil, nil
		}
	}
	return nil, &store.Error{Op: "delete app password", Kind: store.KindNotFound}
}
