// Package inbound is the road of a message into the service: it is the backend
// of the SMTP and submission servers. For each connection, sender, recipient and
// message it asks the policies, and gives what they allow to the store in one
// commit: recipients here are placed in their mailboxes, those elsewhere are
// queued. Each step that decides leaves an event.
package inbound

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"sync"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/inbound/genuine"
	"github.com/postiljon/postiljon/internal/inbound/origin"
	"github.com/postiljon/postiljon/internal/junk"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/protocol/smtpd"
	"github.com/postiljon/postiljon/internal/rules"
	"github.com/postiljon/postiljon/internal/sasl"
	"github.com/postiljon/postiljon/internal/store"
)

// Policy is what decides, as far as a message on its way in needs it.
type Policy interface {
	// Connect decides on a connection, and leaves an event of one that it
	// refuses. release, never nil, gives its place free again.
	Connect(ctx context.Context, c *smtpd.Conn) (release func(), d cause.Decision)
	// Verifier checks the passwords of a submission connection.
	Verifier(c *smtpd.Conn) sasl.Verifier
	// Sending decides whether an account may send a message to so many recipients
	// now; to none, whether it may send at all. Send decides and counts; undo, never nil, takes it back if
	// the message was not accepted after all.
	Sending(ctx context.Context, a *store.Account, recipients int) cause.Decision
	Send(ctx context.Context, a *store.Account, recipients int) (undo func(), d cause.Decision)
	// Receiving decides whether a message of size octets fits an account.
	Receiving(ctx context.Context, a *store.Account, size int64) cause.Decision
}

// Journal keeps events without making anybody wait.
type Journal interface {
	Record(e store.Event)
	// Visit counts a message that another server began to bring.
	Visit(remote, helo, domain string)
}

// Queue sends on what is for other servers, and tells senders what became of
// recipients here; *outbound.Queue is one.
type Queue interface {
	// Prepare completes a submission before it is committed, Notify tells that
	// it was.
	Prepare(sub *store.Submission)
	Notify(sub *store.Submission)
	// Report tells the sender of a message what became of its recipients, as
	// far as they are in a final state and NOTIFY asks for it (RFC 3461).
	Report(ctx context.Context, sub *store.Submission) error
}

// Precheck finds out what would come of a message for others before it is taken; *precheck.Checker
// does.
type Precheck interface {
	// Recipient decides whether a message of so many octets, 0 if they are not known, can reach an
	// address elsewhere, whose domain is given in A-labels.
	Recipient(ctx context.Context, a store.AccountID, to, domain string, size int64) cause.Decision
	// Sender decides whether others would believe a message from a domain here.
	Sender(ctx context.Context, domain string) cause.Decision
}

// Options are what the road in is made of.
type Options struct {
	Store   *store.Store
	Policy  Policy
	Journal Journal
	Queue   Queue
	// Precheck looks ahead for messages of accounts; nil lets the queue find out.
	Precheck Precheck
	// Forward passes messages on to addresses elsewhere; nil refuses what would be passed on.
	Forward *Forwarder
	// Bounces reads reports from other servers about messages of accounts; nil leaves them unread.
	Bounces func(eml []byte) []Bounced
	// Hostname is the name of this server in Received fields.
	Hostname string
	// SpoolDir is where large messages lie while they are looked at; "" for the system's folder of temporary files.
	SpoolDir string
	// MaxSize is the largest message taken, in octets.
	MaxSize int64
	// MaxRecipients is how many recipients one message may have.
	MaxRecipients int
	// MaxHops is how many Received fields a message may have before it is taken
	// to go in a circle (RFC 5321 section 6.3).
	MaxHops int
	// Genuine finds out whether mail from other servers is genuine; nil for nobody who does. What comes from the
	// Trusted networks is not looked at.
	Genuine *genuine.Checker
	Trusted []netip.Prefix
	// Origin refuses mail from domains that do not exist or take no mail; nil takes it. Trusted networks are not asked.
	Origin *origin.Checker
	// Rules are what accounts want done with their mail; nil for nothing.
	Rules *rules.Engine
	// Junk judges mail from other servers, with what block lists say; nil for nobody who does.
	Junk  *junk.Filter
	Lists *junk.Lists
	// Greylist has mail under suspicion come again; nil for nobody who does.
	Greylist *junk.Greylist
	Log      *slog.Logger
}

// Backend implements smtpd.Backend.
type Backend struct {
	Options
	scanners sync.Pool // *message.Scanner
	buffers  sync.Pool // *[]byte
}

var _ smtpd.Backend = (*Backend)(nil)

// New returns the road in.
func New(o Options) *Backend {
	b := &Backend{Options: o}
	b.scanners.New = func() any { return message.NewScanner(message.Limits{}) }
	b.buffers.New = func() any { buf := make([]byte, 0, 16<<10); return &buf }
	return b
}

// trusts tells whether mail from an address is taken as it is.
func (b *Backend) trusts(remote netip.Addr) bool {
	return slices.ContainsFunc(b.Trusted, func(p netip.Prefix) bool { return p.Contains(remote.Unmap()) })
}

// NewSession asks the policy about a connection.
func (b *Backend) NewSession(ctx context.Context, c *smtpd.Conn) (smtpd.Session, cause.Decision) {
	release, d := b.Policy.Connect(ctx, c)
	if !d.Allowed() {
		release()
		return nil, d
	}
	return &session{b: b, c: c, release: release}, d
}
