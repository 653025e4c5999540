// Package probe looks at the world for the doctor: each probe makes one look
// from outside or inside, bounded in time, and leaves facts in the evidence.
//
// Probes form a graph: a probe runs when those that it needs are done; when one
// of them failed it is blocked, which is no evidence for anything. A probe fails
// when what it looked at did not work; the facts say how.
package probe

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/settings"
)

// Dialer makes connections ("tcp", "192.0.2.1:993"; "udp" for the DNS). *net.Dialer is one.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// Inside is what a mail server tells of the accounts that it hosts. A server
// that is asked for an account of another one returns Exists false.
type Inside interface {
	Account(ctx context.Context, address string) (*evidence.Inside, error)
}

// ErrSignInRefused, returned by an Inside that signs in, says that name or password was not taken.
var ErrSignInRefused = errors.New("the sign-in was refused")

// Env is where the doctor looks from. Everything but Table and Book may be
// left out: the computer's own is used.
type Env struct {
	Table *settings.Table
	Book  *dialect.Book

	Dialer Dialer
	// Resolvers are DNS servers as host:port: the device's own, and one to compare with.
	Resolvers []string
	Roots     *x509.CertPool
	Now       func() time.Time
	// Interfaces tells how the device is connected.
	Interfaces func() (evidence.Interfaces, error)
	// Reference is a service of somebody else, which shows whether it is the
	// provider or the network that fails; host:port with any port, several are compared.
	Reference []string
	// Canary is the URL of a page that answers 204 and nothing else.
	Canary string
	// Vantage is the URL of another place that looks at endpoints when asked.
	Vantage string
	// StatusURL replaces the status feed of the provider.
	StatusURL string
	// Inside is set when the account may be hosted by a server that answers.
	Inside Inside
	// InsideSignsIn tells that Inside wants the account's password: asking it is a sign-in.
	InsideSignsIn bool
	// Files are settings in the format of Thunderbird's database.
	Files *settings.Files
	// Step bounds each single wait for the network; 0 means DefaultStep.
	Step time.Duration
}

// DefaultStep is how long a probe waits for an answer.
const DefaultStep = 6 * time.Second

func (env Env) complete() Env {
	if env.Dialer == nil {
		env.Dialer = &net.Dialer{}
	}
	if env.Now == nil {
		env.Now = time.Now
	}
	if env.Step == 0 {
		env.Step = DefaultStep
	}
	if env.Interfaces == nil {
		env.Interfaces = systemInterfaces
	}
	if len(env.Resolvers) == 0 {
		env.Resolvers = SystemResolvers()
	}
	return env
}

// Run is what the probes of one run share.
type Run struct {
	Env
	Evidence *evidence.Evidence

	names    *names
	budget   *budget
	sessions *sessions
	over     context.Context // done when the run is
	end      context.CancelFunc
}

// NewRun prepares the probes of a complaint.
func NewRun(env Env, e *evidence.Evidence) *Run {
	env = env.complete()
	r := &Run{Env: env, Evidence: e, budget: newBudget(MaxFailingSignIns), sessions: newSessions()}
	r.over, r.end = context.WithCancel(context.Background())
	r.names = newNames(r)
	return r
}

// Close ends all connections that the run still has.
func (r *Run) Close() {
	r.end()
	r.sessions.close()
}

// SignInAttempts returns how many sign-ins were tried, and how many of them failed.
func (r *Run) SignInAttempts() (tried, failed int) { return r.budget.spent() }

// httpClient makes requests through the injected dialer and resolver, and
// follows no redirects: where a redirect leads is a fact.
func (r *Run) httpClient() *http.Client {
	return &http.Client{
		Timeout:       r.Step,
		Transport:     r.transport(),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// outcomeOf reads what an error of the network says.
func outcomeOf(err error) evidence.Outcome {
	var timeout net.Error
	switch {
	case err == nil:
		return evidence.OK
	case errors.Is(err, syscall.ECONNREFUSED):
		return evidence.Refused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNABORTED):
		return evidence.Reset
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.ENETDOWN), errors.Is(err, syscall.EADDRNOTAVAIL):
		return evidence.NoNetwork
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.EHOSTDOWN):
		return evidence.NoHost
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return evidence.Denied
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT),
		errors.As(err, &timeout) && timeout.Timeout():
		return evidence.TimedOut
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return evidence.Closed
	}
	return evidence.OtherFailure
}
