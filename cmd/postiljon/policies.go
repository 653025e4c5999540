package main

import (
	"context"
	"log/slog"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/inbound"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/junk"
	"github.com/postiljon/postiljon/internal/metrics"
	"github.com/postiljon/postiljon/internal/netserve"
	"github.com/postiljon/postiljon/internal/notice"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/protocol/imapd"
	"github.com/postiljon/postiljon/internal/protocol/popd"
	"github.com/postiljon/postiljon/internal/protocol/smtpd"
	"github.com/postiljon/postiljon/internal/sasl"
	"github.com/postiljon/postiljon/internal/store"
)

// policies are the policies as the services ask them.
type policies struct {
	store       *store.Store
	guard       *policy.Guard
	signIn      *policy.SignIn
	sending     *policy.Sending
	notices     *notice.Sender
	domains     *policy.DomainStorage
	trainer     *junk.Trainer
	connections *policy.Connections
	refusals    *policy.Refusals
	sessions    *sessions
	journal     *journal.Journal
	metrics     *metrics.Set
	log         *slog.Logger
}

// admit decides on a connection before its TLS handshake, which costs more than
// all else that a stranger can have for nothing: who is banned or has too many
// connections is cut off. Where there is no handshake yet, Connect decides and
// the reason is said.
func (p *policies) admit(protocol string) netserve.Admit {
	return func(listener string, remote netip.Addr) (release func(), ok bool) {
		release, d := p.place(remote)
		if !d.Allowed() {
			p.metrics.Refused(listener, d.Cause)
			p.turnedAway(context.Background(), protocol, remote, d)
		}
		return release, d.Allowed()
	}
}

// place gives a client that may sign in a place among the connections.
func (p *policies) place(remote netip.Addr) (release func(), d cause.Decision) {
	if d := p.guard.Connect(remote); !d.Allowed() {
		return func() {}, d
	}
	return p.connections.Acquire(remote)
}

// turnedAway leaves an event of a connection that was refused, if it is not one
// of many.
func (p *policies) turnedAway(ctx context.Context, protocol string, remote netip.Addr, d cause.Decision) {
	if !p.refusals.Notable(remote, protocol, d.Cause) {
		return
	}
	e := store.Event{Time: p.store.Now(), Kind: journal.ConnectionRefused, Fields: []store.Field{
		{Name: "remote", Value: remote.String()}, {Name: "protocol", Value: protocol},
	}}
	e.Trace = store.NewTraceID(e.Time)
	e.SetDecision(d)
	p.journal.Record(ctx, e)
}

// Connect implements inbound.Policy. Only a service that people sign in to
// refuses banned addresses: other servers must not suffer for the sign-ins of
// their neighbours.
func (p *policies) Connect(ctx context.Context, c *smtpd.Conn) (release func(), _ cause.Decision) {
	protocol, place, d := "smtp", func() {}, cause.Allow()
	switch {
	case c.Admitted: // it has its place
	case c.Submission:
		protocol = "submission"
		place, d = p.place(c.Remote.Addr())
	default:
		place, d = p.connections.Acquire(c.Remote.Addr())
	}
	if !d.Allowed() {
		p.turnedAway(ctx, protocol, c.Remote.Addr(), d)
		return place, d
	}
	return func() {
		p.sessions.leave(c)
		place()
	}, d
}

// Verifier implements inbound.Policy.
func (p *policies) Verifier(c *smtpd.Conn) sasl.Verifier {
	return p.verifier(c, &c.Conn, "submission", policy.Attempt{
		Protocol: store.ProtocolSubmission, Remote: c.Remote.Addr(), TLS: c.TLS != nil, Client: c.Helo,
	})
}

// Sending implements inbound.Policy.
func (p *policies) Sending(ctx context.Context, a *store.Account, recipients int) cause.Decision {
	if d := policy.StateForSending(*a); !d.Allowed() {
		return d
	}
	if recipients == 0 {
		return cause.Allow()
	}
	return p.sending.Try(ctx, a, recipients)
}

// Send implements inbound.Policy.
func (p *policies) Send(ctx context.Context, a *store.Account, recipients int) (undo func(), d cause.Decision) {
	if d := policy.StateForSending(*a); !d.Allowed() {
		return func() {}, d
	}
	return p.sending.Take(ctx, a, recipients)
}

// Receiving implements inbound.Policy.
func (p *policies) Receiving(ctx context.Context, a *store.Account, size int64) cause.Decision {
	if d := p.roomOfDomain(ctx, a, size); !d.Allowed() || a.Quota <= 0 {
		return d
	}
	u, err := p.store.Usage(ctx, a.ID)
	if err != nil {
		p.log.Error("quota not checked", "account", a.Address, "error", err)
		return cause.Wait(cause.ProviderBackendBroken, time.Time{})
	}
	d := policy.Quota(u.Size, a.Quota, size, u.FullSince, p.store.Now())
	p.notices.Storage(a, u.Size+size)
	if !d.Allowed() && u.FullSince.IsZero() {
		if err := p.store.MarkFull(ctx, a.ID); err != nil {
			p.log.Error("full account not noted", "account", a.Address, "error", err)
		}
	}
	return d
}

// roomOfDomain decides whether the accounts of a domain together have room for a message.
func (p *policies) roomOfDomain(ctx context.Context, a *store.Account, size int64) cause.Decision {
	domain, err := p.store.Domain(ctx, a.Domain())
	d := cause.Allow()
	if err == nil {
		d, err = p.domains.Take(ctx, &domain, size)
	}
	if err != nil {
		p.log.Error("storage of a domain not checked", "account", a.Address, "error", err)
		return cause.Wait(cause.ProviderBackendBroken, time.Time{})
	}
	return d
}

// heldBy adds up what the accounts of a domain hold.
func heldBy(s *store.Store) func(ctx context.Context, domain string) (int64, error) {
	return func(ctx context.Context, domain string) (sum int64, err error) {
		accounts, err := s.Accounts(ctx, domain)
		if err != nil {
			return 0, err
		}
		for i := range accounts {
			u, err := s.Usage(ctx, accounts[i].ID)
			if err != nil {
				return 0, err
			}
			sum += u.Size
		}
		return sum, nil
	}
}

// verifier is a sign-in on a connection that is counted, and whose session ends when the account
// changes.
func (p *policies) verifier(conn any, taken *netserve.Conn, protocol string, a policy.Attempt) sasl.Verifier {
	one := session{protocol: protocol, remote: a.Remote, stop: taken.Stop, activity: taken.Activity}
	if a.Protocol == store.ProtocolIMAP {
		one.program = a.Client // elsewhere it is the name of a host
	}
	return &verifier{p.signIn.Verifier(a), p, conn, one}
}

type verifier struct {
	sasl.TokenVerifier
	policies *policies
	conn     any
	session  session
}

func (v *verifier) Password(ctx context.Context, authzid, user, password string) (sasl.Identity, cause.Decision) {
	id, d := v.TokenVerifier.Password(ctx, authzid, user, password)
	return id, v.done(ctx, id, d)
}

func (v *verifier) ScramDone(ctx context.Context, authzid, user string, proved int) (sasl.Identity, cause.Decision) {
	id, d := v.TokenVerifier.ScramDone(ctx, authzid, user, proved)
	return id, v.done(ctx, id, d)
}

func (v *verifier) Token(ctx context.Context, authzid, token string) (sasl.Identity, cause.Decision) {
	id, d := v.TokenVerifier.Token(ctx, authzid, token)
	return id, v.done(ctx, id, d)
}

func (v *verifier) done(ctx context.Context, id sasl.Identity, d cause.Decision) cause.Decision {
	if d.Allowed() {
		v.session.since = v.policies.store.Now()
		if used, ok := id.Account.(policy.Identity); ok && used.App {
			v.session.credential = used.CredentialID
		}
		d = v.policies.enter(ctx, v.conn, v.session, id)
	}
	v.policies.metrics.SignIn(v.session.protocol, d.Cause)
	return d
}

// recorder is the journal as inbound knows it.
type recorder struct{ *journal.Journal }

var _ inbound.Journal = recorder{}

func (r recorder) Record(e store.Event) { r.Journal.Record(context.Background(), e) }

// mailReaders is what the services that read mail, IMAP and POP3, ask of the
// policies. Places in the counts are given back when a connection is over.
type mailReaders struct {
	*policies
	mu     sync.Mutex
	places map[any]places // by connection
}

func newMailReaders(p *policies) *mailReaders {
	return &mailReaders{policies: p, places: map[any]places{}}
}

// places are what gives back what a connection and the account on it hold; nil where that is nothing.
type places struct{ connection, account func() }

func (r *mailReaders) holdConnection(conn any, release func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.places[conn]
	p.connection = release
	r.places[conn] = p
}

func (r *mailReaders) holdAccount(conn any, release func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.places[conn]
	p.account = release
	r.places[conn] = p
}

// leave gives back what the account of a connection holds, free all of it.
func (r *mailReaders) leave(conn any) { r.release(conn, false) }
func (r *mailReaders) free(conn any)  { r.release(conn, true) }

func (r *mailReaders) release(conn any, over bool) {
	r.sessions.leave(conn)
	r.mu.Lock()
	p := r.places[conn]
	if over {
		delete(r.places, conn)
	} else if p.account != nil {
		r.places[conn] = places{connection: p.connection}
	}
	r.mu.Unlock()
	if p.account != nil {
		p.account()
	}
	if over && p.connection != nil {
		p.connection()
	}
}

// imapBackend implements imapd.Backend.
type imapBackend struct {
	*mailReaders
	jmap string // the URL of JMAP, "" where the web does not listen
}

var _ imapd.Backend = imapBackend{}

// Connect decides on a connection.
func (b imapBackend) Connect(ctx context.Context, c *imapd.Conn) cause.Decision {
	return b.connect(ctx, c, "imap", &c.Conn)
}

func (r *mailReaders) connect(ctx context.Context, conn any, protocol string, c *netserve.Conn) cause.Decision {
	if c.Admitted { // it has its place
		return cause.Allow()
	}
	release, d := r.place(c.Remote.Addr())
	if !d.Allowed() {
		r.metrics.Refused(c.Listener, d.Cause)
		r.turnedAway(ctx, protocol, c.Remote.Addr(), d)
		return d
	}
	r.holdConnection(conn, release)
	return d
}

// Verifier checks the passwords of a connection.
func (b imapBackend) Verifier(c *imapd.Conn) sasl.Verifier {
	return b.verifier(c, &c.Conn, "imap", policy.Attempt{
		Protocol: store.ProtocolIMAP, Remote: c.Remote.Addr(), TLS: c.TLS(), Client: clientName(c.Client),
	})
}

// SignedIn counts the session of an account, and says where the same mail is by JMAP.
func (b imapBackend) SignedIn(_ context.Context, c *imapd.Conn, who sasl.Identity) (store.AccountID, cause.Decision) {
	if identity, ok := who.Account.(policy.Identity); ok && identity.Protocols.Has(store.ProtocolJMAP) {
		c.JMAP = b.jmap
	}
	return b.session(c, c.Listener, store.ProtocolIMAP, who)
}

func (r *mailReaders) session(conn any, listener string, p store.Protocol, who sasl.Identity) (store.AccountID, cause.Decision) {
	identity, ok := who.Account.(policy.Identity)
	if !ok {
		return 0, cause.Wait(cause.ProviderAuthBackendDown, time.Time{})
	}
	release, d := r.connections.Session(identity.Account.ID, p)
	if !d.Allowed() {
		r.metrics.Refused(listener, d.Cause)
		return identity.Account.ID, d
	}
	r.holdAccount(conn, release)
	return identity.Account.ID, d
}

// SignedOut gives the account's place back.
func (b imapBackend) SignedOut(c *imapd.Conn) { b.leave(c) }

// Closed gives the connection's places back.
func (b imapBackend) Closed(c *imapd.Conn) { b.free(c) }

// imapKinds are the journal's names of what a client does.
var imapKinds = map[imapd.EventKind]string{
	imapd.EventAppended:       journal.MessageAppended,
	imapd.EventExpunged:       journal.MessageExpunged,
	imapd.EventMoved:          journal.MessageMoved,
	imapd.EventFetched:        journal.MessageFetchedIMAP,
	imapd.EventMailboxDeleted: journal.MessageExpunged,
	imapd.EventShared:         journal.MailboxShared,
}

// Event keeps what a client did.
func (b imapBackend) Event(c *imapd.Conn, e imapd.Event) {
	owner := c.Account
	if e.Owner != 0 {
		owner = e.Owner
	}
	switch e.Kind {
	case imapd.EventFiled:
		b.trainer.Moved(owner, e.Into, e.UIDs, e.From, e.To)
		return
	case imapd.EventMarked:
		b.trainer.Marked(owner, e.Into, e.UIDs, e.Junk)
		return
	}
	if e.Kind == imapd.EventClient {
		b.sessions.describe(c, clientName(c.Client))
	}
	kind, ok := imapKinds[e.Kind]
	if !ok {
		return
	}
	if e.Kind == imapd.EventShared && e.Rights == 0 {
		kind = journal.MailboxUnshared
	}
	b.journal.Record(context.Background(), mailEvent(b.store.Now(), kind, c, e))
}

// pop3Backend implements popd.Backend.
type pop3Backend struct{ *mailReaders }

var _ popd.Backend = pop3Backend{}

// Connect decides on a connection.
func (b pop3Backend) Connect(ctx context.Context, c *popd.Conn) cause.Decision {
	return b.connect(ctx, c, "pop3", &c.Conn)
}

// Verifier checks the passwords of a connection.
func (b pop3Backend) Verifier(c *popd.Conn) sasl.Verifier {
	return b.verifier(c, &c.Conn, "pop3", policy.Attempt{Protocol: store.ProtocolPOP3, Remote: c.Remote.Addr(), TLS: c.TLS()})
}

// SignedIn counts the session of an account.
func (b pop3Backend) SignedIn(_ context.Context, c *popd.Conn, who sasl.Identity) (store.AccountID, cause.Decision) {
	return b.session(c, c.Listener, store.ProtocolPOP3, who)
}

// Closed gives the connection's places back.
func (b pop3Backend) Closed(c *popd.Conn) { b.free(c) }

// pop3Kinds are the journal's names of what a client does.
var pop3Kinds = map[popd.EventKind]string{
	popd.EventFetched: journal.MessageFetchedPOP3,
	popd.EventDeleted: journal.MessageExpunged,
}

// Event keeps what a client did.
func (b pop3Backend) Event(c *popd.Conn, e popd.Event) {
	kind, ok := pop3Kinds[e.Kind]
	if !ok {
		return
	}
	now := b.store.Now()
	fields := []store.Field{
		{Name: "mailbox", Value: e.Mailbox}, {Name: "count", Value: strconv.Itoa(e.UIDs.Len())},
		{Name: "remote", Value: c.Remote.Addr().String()},
	}
	if e.Kind == popd.EventDeleted {
		fields = append(fields, store.Field{Name: "protocol", Value: "POP3"})
	}
	for _, id := range e.MessageIDs {
		fields = append(fields, store.Field{Name: "message-id", Value: id})
	}
	b.journal.Record(context.Background(), store.Event{Time: now, Trace: store.NewTraceID(now), Account: c.Account, Kind: kind, Fields: fields})
}
