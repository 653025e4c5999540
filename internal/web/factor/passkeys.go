package factor

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/web/brief"
)

// Passkeys are key pairs that sign in without a password: the device makes sure by a finger, a face or a PIN who uses it
// (Web Authentication, user verification). It is safe for concurrent use.
type Passkeys struct {
	Store *store.Store
	// Name is the name of the service, Hosts the host names under which it may be reached by browsers; a passkey works
	// under the one where it was made.
	Name  string
	Hosts []string
	Now   func() time.Time

	challenges *brief.Map[challenge]
}

// NewPasskeys makes Passkeys.
func NewPasskeys(s *store.Store, name string, hosts []string, now func() time.Time) *Passkeys {
	return &Passkeys{Store: s, Name: name, Hosts: hosts, Now: now, challenges: brief.New[challenge](challengeFor, maxChallenges)}
}

// challenge is what was asked of a browser that has not answered yet.
type challenge struct {
	data webauthn.SessionData
	what string // an answer to one question is none to another
}

const (
	challengeFor  = 5 * time.Minute
	maxChallenges = 10_000
	maxName       = 60 // characters
)

// Errors of Passkeys.
var (
	// ErrHost reports that passkeys are not to be had under the name that the browser used, such as an IP address.
	ErrHost = errors.New("factor: no passkeys under this name of the service")
	// ErrRefused reports an answer that proves nothing.
	ErrRefused = errors.New("factor: the passkey proves nothing")
	// ErrName reports a name that is empty or too long.
	ErrName = fmt.Errorf("factor: the name of a passkey has 1 to %d characters", maxName)
)

// Available tells whether passkeys are to be had under the name that the browser used.
func (p *Passkeys) Available(r *http.Request) bool {
	_, err := p.relyingParty(r)
	return err == nil
}

// relyingParty is the service as a browser knows it. Only names of ours count, though browsers compare them, too.
func (p *Passkeys) relyingParty(r *http.Request) (*webauthn.WebAuthn, error) {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(host)
	if host != "localhost" && !slices.Contains(p.Hosts, host) || net.ParseIP(host) != nil {
		return nil, ErrHost
	}
	w, err := webauthn.New(&webauthn.Config{
		RPID: host, RPDisplayName: p.Name, RPOrigins: []string{"https://" + strings.ToLower(r.Host)},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: protocol.ResidentKeyRequired(), UserVerification: protocol.VerificationRequired,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("factor: %w", err)
	}
	return w, nil
}

// holder is an account as the library knows it.
type holder struct {
	account *store.Account
	keys    []webauthn.Credential
}

// WebAuthnID implements webauthn.User: the number of the account, which says nothing of its holder.
func (h *holder) WebAuthnID() []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(h.account.ID))
}

// WebAuthnName implements webauthn.User.
func (h *holder) WebAuthnName() string { return h.account.Address }

// WebAuthnDisplayName implements webauthn.User.
func (h *holder) WebAuthnDisplayName() string {
	if h.account.Name != "" {
		return h.account.Name
	}
	return h.account.Address
}

// WebAuthnCredentials implements webauthn.User.
func (h *holder) WebAuthnCredentials() []webauthn.Credential { return h.keys }

func (p *Passkeys) holder(ctx context.Context, a *store.Account) (*holder, error) {
	all, err := p.Store.Passkeys(ctx, a.ID)
	if err != nil {
		return nil, fmt.Errorf("factor: %w", err)
	}
	h := &holder{account: a, keys: make([]webauthn.Credential, len(all))}
	for i := range all {
		if err := json.Unmarshal(all[i].Record, &h.keys[i]); err != nil {
			return nil, fmt.Errorf("factor: passkey %q of %s: %w", all[i].Name, a.Address, err)
		}
	}
	return h, nil
}

// asked returns what was asked with the challenge of an answer, once.
func (p *Passkeys) asked(name, what string) (webauthn.SessionData, error) {
	c, ok := p.challenges.Take(name, p.Now())
	if !ok || c.what != what {
		return webauthn.SessionData{}, fmt.Errorf("%w: not asked for, or too late", ErrRefused)
	}
	return c.data, nil
}

// BeginCreate asks a browser for a new passkey: what it returns is PublicKeyCredentialCreationOptionsJSON in the member publicKey.
func (p *Passkeys) BeginCreate(r *http.Request, a *store.Account) (any, error) {
	w, err := p.relyingParty(r)
	if err != nil {
		return nil, err
	}
	h, err := p.holder(r.Context(), a)
	if err != nil {
		return nil, err
	}
	options, data, err := w.BeginRegistration(h, webauthn.WithExclusions(webauthn.Credentials(h.keys).CredentialDescriptors()))
	if err != nil {
		return nil, fmt.Errorf("factor: %w", err)
	}
	p.challenges.Put(data.Challenge, challenge{*data, "create"}, p.Now())
	return options, nil
}

// Create takes the answer of the browser, RegistrationResponseJSON. Errors: ErrRefused, ErrName, those of store.CreatePasskey.
func (p *Passkeys) Create(r *http.Request, a *store.Account, name string, answer []byte) (store.Passkey, error) {
	none := store.Passkey{}
	name, err := checkName(name)
	if err != nil {
		return none, err
	}
	w, err := p.relyingParty(r)
	if err != nil {
		return none, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return none, refused(err)
	}
	data, err := p.asked(parsed.Response.CollectedClientData.Challenge, "create")
	if err != nil {
		return none, err
	}
	h, err := p.holder(r.Context(), a)
	if err != nil {
		return none, err
	}
	key, err := w.CreateCredential(h, data, parsed) // compares the account with the one that asked
	if err != nil {
		return none, refused(err)
	}
	record, err := json.Marshal(key)
	if err != nil {
		return none, fmt.Errorf("factor: %w", err)
	}
	passkey := store.Passkey{ID: key.ID, Name: name, Created: p.Now().UTC(), Record: record}
	if err := p.Store.CreatePasskey(r.Context(), a.ID, passkey); err != nil {
		return none, fmt.Errorf("factor: %w", err)
	}
	return passkey, nil
}

// Rename gives a passkey another name. Error: ErrName.
func (p *Passkeys) Rename(ctx context.Context, a store.AccountID, id []byte, name string) error {
	name, err := checkName(name)
	if err != nil {
		return err
	}
	err = p.Store.UpdatePasskey(ctx, a, id, func(k *store.Passkey) error { k.Name = name; return nil })
	if err != nil {
		return fmt.Errorf("factor: %w", err)
	}
	return nil
}

func checkName(name string) (string, error) {
	name = strings.TrimSpace(name)
	if n := utf8.RuneCountInString(name); n == 0 || n > maxName || !utf8.ValidString(name) {
		return "", ErrName
	}
	return name, nil
}

// BeginUse asks a browser to show one of its passkeys for us, whosever it is: what it returns is
// PublicKeyCredentialRequestOptionsJSON in the member publicKey.
func (p *Passkeys) BeginUse(r *http.Request) (any, error) {
	w, err := p.relyingParty(r)
	if err != nil {
		return nil, err
	}
	options, data, err := w.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return nil, fmt.Errorf("factor: %w", err)
	}
	p.challenges.Put(data.Challenge, challenge{*data, "use"}, p.Now())
	return options, nil
}

// Use takes the answer of the browser, AuthenticationResponseJSON, and says whose passkey it is and its name. Error: ErrRefused.
func (p *Passkeys) Use(r *http.Request, answer []byte) (a store.Account, passkey store.Passkey, err error) {
	w, err := p.relyingParty(r)
	if err != nil {
		return a, passkey, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return a, passkey, refused(err)
	}
	data, err := p.asked(parsed.Response.CollectedClientData.Challenge, "use")
	if err != nil {
		return a, passkey, err
	}
	ctx := r.Context()
	var failed error // of the store, which is no fault of the passkey
	_, key, err := w.ValidatePasskeyLogin(func(_, handle []byte) (webauthn.User, error) {
		if len(handle) != 8 {
			return nil, ErrRefused
		}
		if a, err = p.Store.Account(ctx, store.AccountID(binary.BigEndian.Uint64(handle))); err != nil {
			if store.KindOf(err) != store.KindNotFound {
				failed = err
			}
			return nil, err
		}
		h, err := p.holder(ctx, &a)
		if err != nil {
			failed = err
			return nil, err
		}
		return h, nil
	}, data, parsed)
	switch {
	case failed != nil:
		return a, passkey, fmt.Errorf("factor: %w", failed)
	case err != nil:
		return a, passkey, refused(err)
	case key.Authenticator.CloneWarning: // its counter went back: somebody may have a copy of the key
		return a, passkey, fmt.Errorf("%w: its counter went back", ErrRefused)
	}
	record, err := json.Marshal(key)
	if err != nil {
		return a, passkey, fmt.Errorf("factor: %w", err)
	}
	err = p.Store.UpdatePasskey(ctx, a.ID, key.ID, func(k *store.Passkey) error {
		k.LastUsed, k.Record = p.Now().UTC(), record
		passkey = *k
		return nil
	})
	if store.KindOf(err) == store.KindNotFound { // deleted meanwhile
		return a, passkey, ErrRefused
	}
	if err != nil {
		return a, passkey, fmt.Errorf("factor: %w", err)
	}
	return a, passkey, nil
}

// refused wraps what the library says, which is nobody's business but the log's.
func refused(err error) error {
	var e *protocol.Error
	if errors.As(err, &e) {
		return fmt.Errorf("%w: %s: %s", ErrRefused, e.Details, e.DevInfo)
	}
	return fmt.Errorf("%w: %w", ErrRefused, err)
}
