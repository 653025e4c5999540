package policy

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/sync/singleflight"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/sasl"
	"github.com/postiljon/postiljon/internal/store"
)

// Directory is what sign-in needs of the store.
type Directory interface {
	AccountByAddress(ctx context.Context, address string) (store.Account, error)
	Resolve(ctx context.Context, address string) (store.Resolution, error)
	Credentials(ctx context.Context, id store.AccountID) ([]store.Credential, error)
	TouchCredential(ctx context.Context, a store.AccountID, id string, at time.Time) error
	RehashCredential(ctx context.Context, a store.AccountID, id, old, hash string) error
}

var _ Directory = (*store.Store)(nil)

// Recorder keeps events without blocking; *journal.Journal is one.
type Recorder interface {
	Record(ctx context.Context, e store.Event)
}

// SignIn tells who may sign in. It serves every protocol, so that a password that is refused here is
// refused everywhere and for the same reason.
//
// What whoever signs in learns depends on what he has proved: without the right password the answer
// is the same, in words and in time, whether the account exists or not and whatever its state; with
// it he is told why he is refused.
type SignIn struct {
	directory     Directory
	tokens        TokenVerifier
	guard         *Guard
	hasher        *Hasher
	journal       Recorder
	clock         Clock
	log           *slog.Logger
	defaultDomain string

	cache  *signInCache
	flight singleflight.Group // one check at a time of one password of one account
}

// SignInOptions make a SignIn. Directory, Guard, Hasher and Journal must be given.
type SignInOptions struct {
	Directory Directory
	Tokens    TokenVerifier // nil: no tokens are taken
	Guard     *Guard
	Hasher    *Hasher
	Journal   Recorder
	Clock     Clock        // SystemClock if nil
	Log       *slog.Logger // slog.Default if nil
	// DefaultDomain is where a user name without domain is looked for, only to tell who gave the
	// right password that the whole address is wanted.
	DefaultDomain string
	// CacheSize is how many checks are remembered, right and wrong each; 100,000 if 0.
	CacheSize int
}

// NewSignIn makes a SignIn.
func NewSignIn(o SignInOptions) *SignIn {
	if o.Clock == nil {
		o.Clock = SystemClock{}
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.CacheSize == 0 {
		o.CacheSize = 100_000
	}
	return &SignIn{
		directory: o.Directory, tokens: o.Tokens, guard: o.Guard, hasher: o.Hasher, journal: o.Journal,
		clock: o.Clock, log: o.Log, defaultDomain: o.DefaultDomain, cache: newSignInCache(o.CacheSize),
	}
}

// Attempt is the connection on which somebody signs in.
type Attempt struct {
	Protocol store.Protocol // one of them
	Remote   netip.Addr
	TLS      bool
	Client   string // how the program names itself, "" if it does not
	Purpose  Purpose

	authzid string // whom the user wants to act for, "" for itself (RFC 4422 section 3.4.1)
}

// Purpose is what somebody signs in for.
type Purpose uint8

const (
	// ForProgram is for a program, which knows passwords alone. Where the account has a second step, only app passwords are taken.
	ForProgram Purpose = iota
	// ForBrowser is for a session of a browser, which is asked for the second step itself (SignIn.SecondStep). It takes no app passwords.
	ForBrowser
	// ForConfirmation is for somebody who is signed in and proves once more who he is. It takes no app passwords.
	ForConfirmation
)

// Identity is who signed in, and with what.
type Identity struct {
	Account      store.Account
	CredentialID string
	App          bool // with an app password; a browser's that was refused for that is told so, too
	// Protocols are those that would let the same account in with the same credential.
	Protocols store.Protocol
	// Known tells that the account has signed in from this address before.
	Known bool
	// Half tells that the second step is still to come.
	Half bool
}

// Password signs in with a user name, which must be the address of the account, and a password. Of a browser whose password has run out
// (cause.AccountPasswordExpired) it tells whose it is, so that its holder can choose another.
func (s *SignIn) Password(ctx context.Context, a Attempt, username, password string) (Identity, cause.Decision) {
	admission, d := s.guard.Admit(ctx, a.Remote, guardName(username))
	if !d.Allowed() {
		return Identity{}, s.refuse(ctx, a, username, nil, d)
	}
	if admission.Unchecked {
		return Identity{}, s.refuse(ctx, a, username, nil, cause.Refuse(cause.AuthPasswordWrong))
	}
	u, err := s.find(ctx, username)
	if err != nil {
		return Identity{}, s.unable(ctx, a, username, err)
	}
	found, err := s.check(ctx, a, u, username, sasl.Prepare(password))
	if err != nil {
		return Identity{}, s.unable(ctx, a, username, err)
	}
	// Who tries many passwords at once was let in with all of them before the first was wrong. Once
	// enough were, the rest are answered alike: nobody learns that one was right.
	if d := s.guard.Connect(a.Remote); !d.Allowed() {
		return Identity{}, s.refuse(ctx, a, username, u, d)
	}
	if !found.ok {
		return Identity{}, s.refuse(ctx, a, username, u, cause.Refuse(cause.AuthPasswordWrong))
	}
	return s.admit(ctx, a, username, u, found, admission)
}

// user is what a user name leads to.
type user struct {
	account   store.Account // ID 0: there is none
	trimmed   bool          // only without the spaces around the user name
	otherForm bool          // not by the address of the account
}

// find looks a user name up. The account of a user name in another form than its address is found
// too, so that its owner can be told.
func (s *SignIn) find(ctx context.Context, username string) (*user, error) {
	u := &user{}
	trimmed := strings.TrimFunc(username, invisible)
	u.trimmed = trimmed != username
	name := trimmed
	if !strings.Contains(name, "@") && s.defaultDomain != "" {
		name, u.otherForm = name+"@"+s.defaultDomain, true
	}
	name = normalize(name)
	var err error
	u.account, err = s.directory.AccountByAddress(ctx, name)
	if store.KindOf(err) == store.KindNotFound {
		u.otherForm = true
		u.account, err = s.resolve(ctx, name)
	}
	if err != nil {
		return nil, fmt.Errorf("policy: sign in: %w", err)
	}
	return u, nil
}

// resolve finds the one account behind an alias; none is no error.
func (s *SignIn) resolve(ctx context.Context, name string) (store.Account, error) {
	r, err := s.directory.Resolve(ctx, name)
	switch kind := store.KindOf(err); {
	case err != nil && (kind == store.KindNotFound || kind == store.KindInvalid):
		return store.Account{}, nil
	case err != nil:
		return store.Account{}, err
	case len(r.Accounts) != 1:
		return store.Account{}, nil
	}
	return r.Accounts[0], nil
}

// check tells whose password it is, from the cache if it can. A wrong password that is not in the
// cache is a failure; the same one again is not.
func (s *SignIn) check(ctx context.Context, a Attempt, u *user, username, password string) (checked, error) {
	key := s.cache.key(guardName(username), &u.account, password)
	if found, ok := s.cache.get(key, s.clock.Now()); ok {
		return found, nil
	}
	// The check goes on for those who share it when the one who began it goes away.
	shared := context.WithoutCancel(ctx)
	v, err, _ := s.flight.Do(string(key[:]), func() (any, error) {
		if found, ok := s.cache.get(key, s.clock.Now()); ok {
			return found, nil
		}
		found, err := s.compare(shared, u, password)
		if err != nil {
			return checked{}, err
		}
		now := s.clock.Now()
		remembered := found
		remembered.outdated = ""
		s.cache.put(key, remembered, now)
		if !found.ok {
			s.guard.Failed(a.Remote, guardName(username))
			return found, nil
		}
		// Once while the check is remembered is often enough.
		if err := s.directory.TouchCredential(shared, u.account.ID, found.credential.id, now); err != nil {
			s.log.Warn("use of a password not noted", "error", err)
		}
		if found.outdated != "" {
			s.rehash(shared, u.account.ID, found, password)
		}
		return found, nil
	})
	if err != nil {
		return checked{}, err
	}
	return v.(checked), nil
}

// rehash makes the hash of a password anew with the costs of now, while the password is known. Where that fails the old one stays.
func (s *SignIn) rehash(ctx context.Context, a store.AccountID, found checked, password string) {
	if found.trimmed {
		password = strings.TrimFunc(password, invisible)
	}
	hash, err := s.hasher.Hash(ctx, password)
	if err == nil {
		err = s.directory.RehashCredential(ctx, a, found.credential.id, found.outdated, hash)
	}
	if err != nil && !errors.Is(err, ErrWeak) && !errors.Is(err, ErrBusy) { // one that may not be chosen any more; the next sign-in
		s.log.Warn("hash of a password not made anew", "error", err)
	}
}

// compare checks a password against the credentials, then without the spaces around it, if any. It
// costs as many slow hashes for an account that does not exist as for one that does.
func (s *SignIn) compare(ctx context.Context, u *user, password string) (checked, error) {
	var credentials []store.Credential
	if u.account.ID != 0 {
		var err error
		if credentials, err = s.directory.Credentials(ctx, u.account.ID); err != nil {
			return checked{}, fmt.Errorf("policy: sign in: %w", err)
		}
	}
	c, rehash, err := s.match(ctx, credentials, password)
	trimmed := strings.TrimFunc(password, invisible)
	again := err == nil && c == nil && trimmed != password
	if again {
		c, rehash, err = s.match(ctx, credentials, trimmed)
	}
	if err != nil || c == nil {
		return checked{}, err
	}
	found := checked{ok: true, credential: credentialOf(c), trimmed: again}
	if rehash {
		found.outdated = c.Hash
	}
	return found, nil
}

// match returns the credential whose password it is, nil if it is none's. Rehash tells that its hash should be made anew.
func (s *SignIn) match(ctx context.Context, credentials []store.Credential, password string) (_ *store.Credential, rehash bool, _ error) {
	slow := false
	for _, generated := range []bool{true, false} { // which are fast to check
		for i := range credentials {
			c := &credentials[i]
			if c.Token || c.Hash == "" || isGenerated(c.Hash) != generated {
				continue
			}
			slow = slow || !generated
			ok, rehash, err := s.hasher.Verify(ctx, c.Hash, password)
			if err != nil {
				return nil, false, fmt.Errorf("policy: check credential %s: %w", c.ID, err)
			}
			if ok {
				return c, rehash, nil
			}
		}
	}
	if slow {
		return nil, false, nil
	}
	return nil, false, s.hasher.VerifyNobody(ctx, password)
}

// admit decides about somebody who has given a right password.
func (s *SignIn) admit(ctx context.Context, a Attempt, username string, u *user, found checked, admission Admission) (Identity, cause.Decision) {
	c := &found.credential
	// A password that was generated cannot have been guessed, however many tried.
	if !admission.Lock.Allowed() && !c.generated {
		return Identity{}, s.refuse(ctx, a, username, u, admission.Lock)
	}
	half := a.Purpose == ForBrowser && u.account.TwoStep
	if !half {
		s.guard.Succeeded(a.Remote, guardName(username))
	}
	if d := s.afterPassword(a, u, found); !d.Allowed() {
		who := Identity{App: c.app && a.Purpose != ForProgram}
		if d.Cause == cause.AccountPasswordExpired && a.Purpose == ForBrowser {
			who = Identity{Account: u.account, CredentialID: c.id, Known: admission.Known, Half: half}
		}
		return who, s.refuse(ctx, a, username, u, d)
	}
	kind := journal.SignInOK
	switch {
	case half:
		kind = journal.SignInHalf
	case a.Purpose == ForConfirmation:
		kind = journal.SignInConfirmed
	}
	s.succeed(ctx, a, kind, username, u, "credential", c.name)
	return Identity{Account: u.account, CredentialID: c.id, App: c.app, Protocols: c.protocols & u.account.Protocols, Known: admission.Known, Half: half}, cause.Allow()
}

func (s *SignIn) succeed(ctx context.Context, a Attempt, kind, username string, u *user, with, value string) {
	e := s.event(a, kind, username, u)
	e.Fields = append(e.Fields, store.Field{Name: with, Value: value})
	s.journal.Record(ctx, e)
}

// SecondStep is the rest of a sign-in that was half done: check tells what was given for the second step and whether it is right. Wrong
// ones count as wrong passwords do.
func (s *SignIn) SecondStep(ctx context.Context, a Attempt, account store.Account, check func(context.Context) (given string, _ cause.Decision, _ error)) cause.Decision {
	u, name := &user{account: account}, account.Address
	admission, d := s.guard.Admit(ctx, a.Remote, guardName(name))
	if d.Allowed() {
		d = admission.Lock
	}
	if !d.Allowed() {
		return s.refuse(ctx, a, name, u, d)
	}
	given, d, err := check(ctx)
	if err != nil {
		return s.unable(ctx, a, name, err)
	}
	if !d.Allowed() {
		if d.Cause == cause.AuthSecondStep {
			s.guard.Failed(a.Remote, guardName(name))
		}
		return s.refuse(ctx, a, name, u, d)
	}
	return s.Proved(ctx, a, account, given)
}

// Proved ends a sign-in with something that cannot be guessed, such as a passkey; given names it.
func (s *SignIn) Proved(ctx context.Context, a Attempt, account store.Account, given string) cause.Decision {
	u, name := &user{account: account}, account.Address
	d := s.guard.Connect(a.Remote)
	if d.Allowed() {
		d = StateForSignIn(account, a.Protocol)
	}
	if !d.Allowed() {
		return s.refuse(ctx, a, name, u, d)
	}
	s.guard.Succeeded(a.Remote, guardName(name))
	kind := journal.SignInOK
	if a.Purpose == ForConfirmation {
		kind = journal.SignInConfirmed
	}
	s.succeed(ctx, a, kind, name, u, "factor", given)
	return d
}

// Admits tells whether anybody may sign in from where an attempt comes.
func (s *SignIn) Admits(a Attempt) cause.Decision { return s.guard.Connect(a.Remote) }

// Unproved notes a sign-in that failed in another way than by a wrong password. What cannot be guessed counts against where it comes
// from alone, so that nobody fills the journal with it.
func (s *SignIn) Unproved(ctx context.Context, a Attempt, username string, d cause.Decision) {
	s.guard.Failed(a.Remote, "")
	s.refuse(ctx, a, username, nil, d)
}

// afterPassword holds the refusals that only who has the right password may hear.
func (s *SignIn) afterPassword(a Attempt, u *user, found checked) cause.Decision {
	c := &found.credential
	if u.trimmed || found.trimmed {
		return cause.Refuse(cause.AuthInvisibleCharacter)
	}
	if u.otherForm {
		return cause.Refuse(cause.AuthUsernameForm, cause.Text("username", u.account.Address))
	}
	if d := StateForSignIn(u.account, a.Protocol); !d.Allowed() {
		return d
	}
	switch {
	case a.Purpose != ForProgram && c.app:
		return cause.Refuse(cause.AuthPasswordWrong)
	case a.Purpose == ForProgram && u.account.TwoStep && !c.app:
		return cause.Refuse(cause.AuthAppPasswordRequired)
	case a.authzid != "" && normalize(a.authzid) != u.account.Address: // nobody acts for somebody else
		return cause.Refuse(cause.AccountAccessDenied)
	case c.protocols&a.Protocol == 0:
		return cause.Refuse(cause.AccountProtocolDisabled, cause.Text("protocol", protocolName(a.Protocol)))
	case !c.expires.IsZero() && !s.clock.Now().Before(c.expires):
		return cause.Refuse(cause.AccountPasswordExpired, cause.Time("since", c.expires))
	}
	return cause.Allow()
}

// refuse leaves an event of a refused sign-in and returns why. U may be nil.
func (s *SignIn) refuse(ctx context.Context, a Attempt, username string, u *user, d cause.Decision) cause.Decision {
	e := s.event(a, journal.SignInRefused, username, u)
	e.SetDecision(d)
	s.journal.Record(ctx, e)
	return d
}

// unable is the answer when passwords cannot be checked right now.
func (s *SignIn) unable(ctx context.Context, a Attempt, username string, err error) cause.Decision {
	if errors.Is(err, ErrBusy) {
		return s.refuse(ctx, a, username, nil, cause.Wait(cause.ProviderOverloaded, time.Time{}).As("command"))
	}
	if ctx.Err() == nil {
		s.log.Error("sign-in not checked", "protocol", protocolName(a.Protocol), "remote", a.Remote, "error", err)
	}
	return s.refuse(ctx, a, username, nil, cause.Wait(cause.ProviderAuthBackendDown, time.Time{}))
}

func (s *SignIn) event(a Attempt, kind, username string, u *user) store.Event {
	now := s.clock.Now()
	e := store.Event{Time: now, Trace: store.NewTraceID(now), Kind: kind}
	address := guardName(username)
	if u != nil && u.account.ID != 0 {
		e.Account, address = u.account.ID, u.account.Address
	}
	e.Fields = make([]store.Field, 0, 5)
	e.Fields = append(e.Fields, store.Field{Name: "to", Value: address},
		store.Field{Name: "protocol", Value: protocolName(a.Protocol)}, store.Field{Name: "remote", Value: a.Remote.String()})
	if a.Client != "" {
		e.Fields = append(e.Fields, store.Field{Name: "client", Value: a.Client})
	}
	return e
}

// guardName is the form of a user name by which failures are counted, whatever it leads to.
func guardName(username string) string {
	return normalize(strings.TrimFunc(username[:min(len(username), maxUsername)], invisible))
}

func normalize(username string) string {
	local, domain, ok := cutLast(username, '@')
	if !ok {
		return address.NormalizeLocal(username)
	}
	return address.Address{Local: local, Domain: domain}.Normalize().String()
}

func cutLast(s string, sep byte) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// invisible are the characters that slip in at the ends when a name or password is copied.
func invisible(r rune) bool {
	return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) || unicode.IsControl(r)
}

func isGenerated(hash string) bool { return strings.HasPrefix(hash, generatedPrefix) }

// NewPassword makes the credential of a password that a person chose, for all protocols. Others are
// the passwords that the account keeps beside it.
func NewPassword(ctx context.Context, h *Hasher, password string, now time.Time, others ...store.Credential) (store.Credential, error) {
	hash, err := h.Hash(ctx, password)
	if err != nil {
		return store.Credential{}, err
	}
	secret, err := scramSecret(password, others)
	if err != nil {
		return store.Credential{}, err
	}
	return store.Credential{
		ID: newCredentialID(), Protocols: store.AllProtocols, Hash: hash, Scram: secret, Created: now,
	}, nil
}

// NewAppPassword makes an app password and its credential. The password is shown once to its owner
// and kept nowhere. Others are the passwords that the account has.
func NewAppPassword(name string, protocols store.Protocol, now time.Time, others ...store.Credential) (store.Credential, string, error) {
	password := GenerateAppPassword()
	hash, err := HashGenerated(password)
	if err != nil {
		return store.Credential{}, "", err
	}
	secret, err := scramSecret(password, others)
	if err != nil {
		return store.Credential{}, "", err
	}
	c := store.Credential{
		ID: newCredentialID(), Name: name, App: true, Protocols: protocols, Hash: hash, Scram: secret, Created: now,
	}
	return c, password, nil
}

func newCredentialID() string { return hex.EncodeToString(randomBytes(8)) }

// scramSecret makes the SCRAM secret of a password, with the salt of those beside it: a client that
// signs in does not say which password it has, and is told one salt.
func scramSecret(password string, others []store.Credential) (*store.ScramSecret, error) {
	var secret sasl.ScramSecret
	var err error
	others = slices.DeleteFunc(slices.Clone(others), func(c store.Credential) bool { return c.Scram == nil })
	if len(others) > 0 {
		secret, err = sasl.ScramSecret(*slices.MaxFunc(others, byUse).Scram).Beside(password)
	} else {
		secret, err = sasl.NewScramSecret(password, sasl.DefaultIterations)
	}
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	converted := store.ScramSecret(secret)
	return &converted, nil
}

// BanEvents returns the Notify of a Guard that leaves an event for every ban.
func BanEvents(r Recorder) func(BanChange) {
	return func(change BanChange) {
		kind := journal.BanSet
		if change.Lifted {
			kind = journal.BanLifted
		}
		ban := change.Ban
		e := store.Event{Time: change.Time, Trace: store.NewTraceID(change.Time), Kind: kind, Fields: []store.Field{
			{Name: "key", Value: ban.Key}, {Name: "count", Value: fmt.Sprint(ban.Failures)},
		}}
		if ban.Last != "" { // else tokens were tried
			e.Fields = append(e.Fields, store.Field{Name: "last", Value: ban.Last})
		}
		if !change.Lifted {
			e.SetDecision(cause.Wait(ban.Cause, ban.Until))
		}
		r.Record(context.Background(), e)
	}
}
