package main

import (
	"context"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/protocol/sieved"
	"github.com/postiljon/postiljon/internal/sasl"
	"github.com/postiljon/postiljon/internal/store"
)

// sieveBackend implements sieved.Backend. Who may use IMAP may edit rules: they are about the same
// folders.
type sieveBackend struct{ *mailReaders }

var _ sieved.Backend = sieveBackend{}

// Connect decides on a connection.
func (b sieveBackend) Connect(ctx context.Context, c *sieved.Conn) cause.Decision {
	return b.connect(ctx, c, "sieve", &c.Conn)
}

// Verifier checks the passwords of a connection.
func (b sieveBackend) Verifier(c *sieved.Conn) sasl.Verifier {
	return b.verifier(c, &c.Conn, "sieve", policy.Attempt{
		Protocol: store.ProtocolIMAP, Remote: c.Remote.Addr(), TLS: c.TLS(), Client: "ManageSieve",
	})
}

// SignedIn counts the session of an account.
func (b sieveBackend) SignedIn(_ context.Context, c *sieved.Conn, who sasl.Identity) (store.AccountID, cause.Decision) {
	return b.session(c, c.Listener, store.ProtocolIMAP, who)
}

// SignedOut gives the account's place back.
func (b sieveBackend) SignedOut(c *sieved.Conn) { b.leave(c) }

// Closed gives the connection's places back.
func (b sieveBackend) Closed(c *sieved.Conn) { b.free(c) }

// Changed keeps that other rules hold.
func (b sieveBackend) Changed(c *sieved.Conn, script string) {
	now := b.store.Now()
	b.journal.Record(context.Background(), store.Event{
		Time: now, Trace: store.NewTraceID(now), Account: c.Account, Kind: journal.RulesChanged,
		Fields: []store.Field{
			{Name: "script", Value: script}, {Name: "client", Value: "ManageSieve"}, {Name: "remote", Value: c.Remote.Addr().String()},
		},
	})
}
