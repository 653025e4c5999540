// Package sasl is the server side of SASL (RFC 4422): the mechanisms PLAIN, LOGIN, SCRAM-SHA-256,
// SCRAM-SHA-256-PLUS, OAUTHBEARER and XOAUTH2, as SMTP, IMAP and POP3 use them.
//
// It knows no protocol and no account. A protocol carries challenges and responses; a Verifier
// knows the passwords and decides. Every failure is a *Failure with the decision that explains it.
//
//	m, err := server.Start(name, sasl.ChannelOf(conn), verifier)
//	for err == nil {
//		challenge, done, err = m.Next(ctx, response)
//		if done { use m.Identity() }
//		// send challenge, read response
//	}
package sasl

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/postiljon/postiljon/internal/cause"
)

// The names of the mechanisms, as they are registered with IANA.
const (
	ScramSHA256Plus = "SCRAM-SHA-256-PLUS" // RFC 7677, with channel binding
	ScramSHA256     = "SCRAM-SHA-256"      // RFC 7677
	Plain           = "PLAIN"              // RFC 4616
	Login           = "LOGIN"              // never standardized, for old clients
	OAuthBearer     = "OAUTHBEARER"        // RFC 7628
	XOAuth2         = "XOAUTH2"            // what came before it and never was standardized
)

// Mechanism is one exchange. It is used once, by one goroutine.
type Mechanism interface {
	// Name is the name of the mechanism.
	Name() string
	// Next takes what the client said and returns what to say next. The response is nil for
	// "nothing yet": the client gave no initial response. An empty initial response ("=" in SMTP,
	// IMAP and POP3) is empty and not nil.
	//
	// Without done, challenge (possibly empty) goes to the client and its answer to Next. With done
	// the client has signed in and the challenge is nil: what a mechanism has to say at the end
	// goes out as one more challenge, so that a protocol needs no data with its success. An error
	// ends the exchange; it is a *Failure.
	Next(ctx context.Context, response []byte) (challenge []byte, done bool, err error)
	// Identity is who signed in, valid after done.
	Identity() Identity
}

// Identity is who signed in.
type Identity struct {
	// Name is the user name in its canonical form, for replies and logs.
	Name string
	// Account is what the Verifier knows about the user. The protocols hand it on unread.
	Account any
}

// Verifier knows who may sign in. It belongs to one connection, so that it knows where the client
// is; it is called by one goroutine at a time. A decision that does not allow must be the same for
// a user that does not exist as for a wrong password.
type Verifier interface {
	// Password checks a password. Authzid is whom user wants to act for, empty for itself. User and
	// password have gone through Prepare.
	Password(ctx context.Context, authzid, user, password string) (Identity, cause.Decision)

	// Scram returns the secrets of a user, who has not proved anything yet: one for each password,
	// all with one salt and iteration count, for the client is told only one. When it refuses, the
	// exchange goes on with a made-up secret, ends in ScramDone with NotProved, and the client
	// cannot tell. When it lets wait, because secrets cannot be read right now, the exchange ends
	// at once with that decision.
	Scram(ctx context.Context, user string) ([]ScramSecret, cause.Decision)

	// ScramDone is told how an exchange ended and decides: the client proved that it knows the
	// password of the secret with the index proved, or none: then it must refuse.
	ScramDone(ctx context.Context, authzid, user string, proved int) (Identity, cause.Decision)
}

// NotProved is what ScramDone is told when the client proved nothing.
const NotProved = -1

// TokenVerifier is a Verifier that knows bearer tokens too. Without one, no token is taken.
type TokenVerifier interface {
	Verifier
	// Token checks a bearer token (RFC 6750). Authzid is whom the client wants to be, empty for
	// whose token it is; it has gone through Prepare.
	Token(ctx context.Context, authzid, token string) (Identity, cause.Decision)
}

// Failure is the error of every exchange that did not end in a sign-in.
type Failure struct {
	// Decision is what the client is told.
	Decision cause.Decision
	// Err is the private reason, for the log; it may be nil and never holds a secret.
	Err error
}

func (f *Failure) Error() string {
	if f.Err != nil {
		return fmt.Sprintf("sasl: %s: %v", f.Decision.Cause, f.Err)
	}
	return fmt.Sprintf("sasl: %s", f.Decision.Cause)
}

func (f *Failure) Unwrap() error { return f.Err }

// DecisionOf returns the decision of an error from Start or Next; of an error that is no *Failure,
// that sign-ins cannot be checked right now.
func DecisionOf(err error) cause.Decision {
	if f, ok := errors.AsType[*Failure](err); ok {
		return f.Decision
	}
	return cause.Decision{Action: cause.ActionWait, Cause: cause.ProviderAuthBackendDown}
}

// Options configure a Server. The zero value is right, but for SaltKey.
type Options struct {
	// Plaintext offers every mechanism without TLS too. It is meant for measurements on loopback.
	Plaintext bool
	// SaltKey keys the salts of users that do not exist. It is secret and must stay the same over
	// restarts and on all nodes, or a salt that changes tells that a user does not exist. Without
	// one, a random key is made.
	SaltKey []byte
	// SaltName brings a user name into the form by which users are told apart: all names that would
	// find the same user must have one salt, as those of a user that exists do. nil: as it is.
	SaltName func(string) string
	// Iterations is the iteration count told for users that do not exist: the one that secrets
	// are made with. DefaultIterations if 0.
	Iterations int
	// Offers are what is offered at first; see SetOffers.
	Offers Offers
}

// Offers say which mechanisms are offered beside those that always are. They can change while
// the server runs.
type Offers struct {
	// NoChannelBinding leaves SCRAM-SHA-256-PLUS out.
	NoChannelBinding bool
	// Tokens adds OAUTHBEARER and XOAUTH2, whose Verifier must be a TokenVerifier.
	Tokens bool
}

// Server starts exchanges. It is safe for concurrent use.
type Server struct {
	options Options
	offers  atomic.Pointer[offers]
}

// offers are the mechanisms offered, strongest first.
type offers struct{ secure, plain []string }

func makeOffers(o Offers) *offers {
	plain := []string{ScramSHA256}
	if o.Tokens {
		plain = append(plain, OAuthBearer, XOAuth2)
	}
	plain = append(plain, Plain, Login)
	if o.NoChannelBinding {
		return &offers{secure: plain, plain: plain}
	}
	return &offers{secure: append([]string{ScramSHA256Plus}, plain...), plain: plain}
}

// New makes a Server.
func New(o Options) *Server {
	if len(o.SaltKey) == 0 {
		o.SaltKey = make([]byte, 32)
		rand.Read(o.SaltKey) // never fails
	}
	if o.SaltName == nil {
		o.SaltName = func(user string) string { return user }
	}
	if o.Iterations == 0 {
		o.Iterations = DefaultIterations
	}
	s := &Server{options: o}
	s.SetOffers(o.Offers)
	return s
}

// SetOffers changes what is offered to connections from now on.
func (s *Server) SetOffers(o Offers) { s.offers.Store(makeOffers(o)) }

// Offer lists the mechanisms for a connection, strongest first; none without TLS. The caller must
// not change the slice.
func (s *Server) Offer(ch Channel) []string {
	switch {
	case ch.TLS != nil:
		return s.offers.Load().secure
	case s.options.Plaintext:
		return s.offers.Load().plain
	}
	return nil
}

// Start begins an exchange. The name may be in any case. It fails with auth.mechanism-mismatch for
// a mechanism that does not exist and auth.plaintext-refused for one that needs TLS first.
func (s *Server) Start(name string, ch Channel, v Verifier) (Mechanism, error) {
	name = strings.ToUpper(name)
	if ch.TLS == nil && !s.options.Plaintext && slices.Contains(s.offers.Load().secure, name) {
		return nil, &Failure{Decision: cause.Refuse(cause.AuthPlaintextRefused)}
	}
	if !slices.Contains(s.Offer(ch), name) {
		return nil, &Failure{Decision: cause.Refuse(cause.AuthMechanismMismatch)}
	}
	switch name {
	case Plain:
		return &plain{verifier: v}, nil
	case Login:
		return &login{verifier: v}, nil
	case OAuthBearer, XOAuth2:
		tokens, ok := v.(TokenVerifier)
		if !ok {
			return nil, &Failure{Decision: cause.Refuse(cause.AuthMechanismMismatch)}
		}
		return &bearer{name: name, verifier: tokens}, nil
	}
	return &scram{server: s, verifier: v, channel: ch, plus: name == ScramSHA256Plus}, nil
}

// refused is the failure of a sign-in that the verifier did not allow.
func refused(d cause.Decision) error { return &Failure{Decision: d} }

// malformed is the failure of a client whose response breaks the rules of the mechanism.
func malformed(format string, args ...any) error {
	return &Failure{
		Decision: cause.Refuse(cause.ClientProtocolError).As("syntax"),
		Err:      fmt.Errorf(format, args...),
	}
}
