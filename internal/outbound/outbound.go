// Package outbound brings submissions to where they go: submission -> queue ->
// route -> deliver -> report.
//
// A submission is durable before anything is tried, and what becomes of each
// recipient is durable, with the events that tell of it, in one commit right
// after the other server's answer. Between that answer and the commit lies the
// one window in which a crash makes us send a message again (RFC 5321 section
// 4.5.5 and RFC 1047 know no way to close it); nothing else is done inside it.
// Deliveries to addresses kept here have no such window: they carry an id that
// makes repetition harmless.
//
// Every failure and every wait has a cause of the catalogue. Senders hear of
// them through delivery status notifications (RFC 3461, RFC 3464) whose text is
// the catalogue's, in the language of the account; reports are submissions of
// the service itself, so they are as durable as what they report.
package outbound

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/outbound/mtasts"
	"github.com/postiljon/postiljon/internal/outbound/tlsrpt"
	"github.com/postiljon/postiljon/internal/resolver"
	"github.com/postiljon/postiljon/internal/store"
)

// Options are what a queue is made of. Store, Resolver, Local, Catalogue and
// Hostname are required.
type Options struct {
	Store     *store.Store
	Resolver  Resolver
	Local     Local
	Catalogue *cause.Catalogue
	// Hostname is the name of this server: in EHLO, in reports, and in MX
	// records, where it means that mail would come back to us.
	Hostname string

	// Dialer opens connections to other servers; nil means net.Dialer.
	Dialer Dialer
	// Port is where other servers take mail, 0 means 25.
	Port uint16
	// AllowPrivate lets messages go to servers at loopback, private and other
	// addresses that are not reached over the Internet. Without it a domain
	// could make us talk to what stands beside us.
	AllowPrivate bool
	// TLSConfig is the base of TLS to other servers: root certificates and versions;
	// nil means Go's defaults. Certificates are always verified; whether anything depends
	// on the outcome is for the policy of the domain, and for senders, to say.
	TLSConfig *tls.Config
	// Policies are what domains want by MTA-STS; nil means that none wants anything.
	Policies Policies
	// Reports hears of each session; nil means nobody does.
	Reports Reports
	// Relays take mail instead of the servers of its recipients; the first that fits does. Queue.SetRelays replaces them.
	Relays []Relay
	// Sign signs messages to other servers; nil leaves them as they are. It is
	// called once for each message, at its first attempt, and the result kept.
	Sign Sign
	// Depart lets go what was handed in otherwise than over SMTP; nil if nothing is.
	Depart Depart
	// Room is how many messages at most an account may let go now by its sending limits; nil for any number.
	Room func(ctx context.Context, a store.AccountID) int
	// Announced hears of the largest message that a server of a domain takes, in octets, 0 for any
	// (RFC 1870); nil means nobody does. It must not block.
	Announced func(domain string, limit int64)
	// Takes is what was announced lately of a domain, 0 for nothing; nil means that nobody remembers.
	Takes func(domain string) int64
	// Journal gets events that belong to no submission's commit; nil drops them.
	Journal Journal
	// Clock is the time; nil means the system's.
	Clock Clock
	// Limits of zero mean the defaults.
	Limits Limits
	// Log gets what operators must know; nil means slog.Default.
	Log *slog.Logger
	// Metrics hears of each outcome; nil means nobody does.
	Metrics Metrics
}

// Limits bound the queue's work and say when it tries again. Zero means the
// default.
type Limits struct {
	Concurrency    int // deliveries at once, by default 200
	PerDestination int // deliveries at once to one domain, by default 20
	PerConnection  int // messages over one connection, by default 100
	PerMessage     int // recipients in one transaction, by default 100 (RFC 5321 section 4.5.3.1.8)
	Hosts          int // servers tried in one attempt, by default 5
	Remembered     int // deliveries kept in memory, by default 100,000: those that come next; the others stay in the store

	// Schedule are the waits after the first, second ... failed attempt; the last
	// repeats. By default 5 min, 15 min, 30 min, 1 h, 2 h, 4 h.
	Schedule []time.Duration
	// Jitter is the largest part of itself by which a wait is made longer, so that
	// what failed together does not come again together; by default 0.1, below 0
	// none.
	Jitter float64
	// DelayAfter is when the sender is told that a message still waits, by
	// default after 4 h. One attempt is made right before.
	DelayAfter time.Duration
	// Lifetime is when delivery is given up for submissions that do not say it,
	// by default after 5 days.
	Lifetime time.Duration

	Idle    time.Duration // how long a connection waits for the next message, by default 2 s
	Down    time.Duration // how long a domain whose servers do not answer is let alone, by default 1 min
	Connect time.Duration // to open a connection to one server, by default 30 s
	Command time.Duration // for an answer to a command, by default 5 min (RFC 5321 section 4.5.3.2)
	Data    time.Duration // for the answer after the message, by default 10 min (the same)
	Stop    time.Duration // how long Close waits for running deliveries, by default 30 s
}

// Resolver finds servers; *resolver.Resolver is one, and says what its methods return.
type Resolver interface {
	MX(ctx context.Context, domain string) ([]resolver.MX, bool, error)
	Host(ctx context.Context, host string) (resolver.Host, error)
	CNAME(ctx context.Context, name string) (string, bool, error)
	TLSA(ctx context.Context, name string) ([]resolver.TLSA, bool, error)
}

// Policies knows the MTA-STS policies of domains; *mtasts.Keeper is one.
type Policies interface {
	Find(ctx context.Context, domain string) mtasts.Found
}

// Reports hears how sessions with other servers were encrypted; *tlsrpt.Collector is one.
type Reports interface {
	Note(s tlsrpt.Session)
}

// Dialer opens connections, as net.Dialer does.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// Local places messages for addresses whose domain is kept here.
type Local interface {
	// DeliverLocal places a message for one of its recipients and allows when it is
	// durable. A decision that waits is tried again, one that refuses is final. To try
	// again what went well is harmless.
	DeliverLocal(ctx context.Context, sub *store.Submission, to *store.SubmissionRecipient) cause.Decision
}

// LocalFunc is a function as a Local.
type LocalFunc func(ctx context.Context, sub *store.Submission, to *store.SubmissionRecipient) cause.Decision

// DeliverLocal implements Local.
func (f LocalFunc) DeliverLocal(ctx context.Context, sub *store.Submission, to *store.SubmissionRecipient) cause.Decision {
	return f(ctx, sub, to)
}

// Journal keeps events; *journal.Journal is one.
type Journal interface {
	Record(ctx context.Context, e store.Event)
}

// Clock is the time.
type Clock interface {
	Now() time.Time
	// AfterFunc calls fn in a goroutine of its own after d, unless stopped.
	AfterFunc(d time.Duration, fn func()) (stop func() bool)
}

// Outcome is what an attempt made of one recipient.
type Outcome string

// The outcomes.
const (
	OutcomePlaced   Outcome = "placed"
	OutcomeRelayed  Outcome = "relayed"
	OutcomeDeferred Outcome = "deferred"
	OutcomeFailed   Outcome = "failed"
	OutcomeExpired  Outcome = "expired"
)

// Metrics hears of what the queue does. Its methods must not block.
type Metrics interface {
	// Recipient is called for each recipient after each attempt, with the cause
	// unless it was delivered.
	Recipient(o Outcome, id cause.ID)
	// Connection is called for each connection to another server, with the
	// state of its encryption, or with the error that ended it before use.
	Connection(t TLSUse, err error)
	// Report is called for each report to a sender.
	Report(kind ReportKind)
}

// ReportKind is what a report to a sender tells.
type ReportKind string

// The kinds.
const (
	ReportFailed    ReportKind = "failed"
	ReportDelayed   ReportKind = "delayed"
	ReportRelayed   ReportKind = "relayed"   // a server that sends no reports of its own took it
	ReportDelivered ReportKind = "delivered" // it is in the recipient's mailbox
)

// TLSUse says how a connection to another server is protected.
type TLSUse string

// The uses.
const (
	TLSNone       TLSUse = "none"
	TLSUnverified TLSUse = "unverified" // encrypted, but the certificate proves nothing
	TLSVerified   TLSUse = "verified"
)

// Stats is the size of the queue.
type Stats struct {
	Waiting int // deliveries that wait for their time
	Ready   int // deliveries that wait for a free connection
	Active  int // deliveries being made
}

// Errors of SendNow and Cancel.
var (
	// ErrBusy reports a message that is just being sent: whether it can be
	// cancelled is known when the other server has answered.
	ErrBusy = errors.New("outbound: delivery is under way")
	// ErrNotQueued reports that nothing waits for such a recipient.
	ErrNotQueued = errors.New("outbound: nothing is queued for this recipient")
)

// Filter chooses submissions for List. The zero Filter chooses all.
type Filter struct {
	Account *store.AccountID // nil means all, 0 the service's own
	Domain  string           // of a recipient
	Limit   int              // at most so many, by default 1000
}
