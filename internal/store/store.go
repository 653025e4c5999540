// Package store is the only owner of durable state. It knows mail: domains,
// accounts, mailboxes, emails, flags, submissions and events; nobody else sees
// a key. Below it lie two small interfaces: records (package kv) and blobs
// (package blob).
//
// Its rules: what was acknowledged survives kill -9 and power loss, because the
// blob is durable before the record that names it and the record before the
// call returns. All writes of one account are serial and take their MODSEQ from
// one change counter. What can be derived is rebuilt and compared by Verify. A
// reader never blocks a writer, and no question about a message loads a
// mailbox.
package store

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postiljon/postiljon/internal/store/blob"
	"github.com/postiljon/postiljon/internal/store/kv"
)

// AccountID names an account for ever; 0 is the service itself.
type AccountID uint64

// MailboxID names a mailbox of an account for ever, through renames.
type MailboxID uint32

// EmailID names an email of an account, wherever it is placed.
type EmailID uint64

// ThreadID names a conversation of an account: the EmailID of its first email.
type ThreadID uint64

// ModSeq is a value of an account's change counter (RFC 7162): each durable
// change of the account gets the next.
type ModSeq uint64

// Options are what a store is made of.
type Options struct {
	Records kv.DB
	Blobs   blob.Store
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Log gets what operators must know; nil means slog.Default.
	Log *slog.Logger
}

// Store keeps all durable state. It is safe for concurrent use.
type Store struct {
	records kv.DB
	blobs   blob.Store
	now     func() time.Time
	log     *slog.Logger

	hub       hub
	outbox    Outbox // may be nil
	directory directoryCache
	views     viewCache
	flags     kept // *FlagSets
	dates     kept // *Dates
	places    kept // *Places

	eventNumber atomic.Uint32
	mentions    mentions

	// pending is what a collection must leave alone, collecting is held by one.
	pending    pending
	collecting sync.Mutex

	// creating serialises what touches the directory in several steps.
	creating sync.Mutex
}

// Open returns the store that lies in the given records and blobs. The caller
// closes those after the store is no longer used.
func Open(_ context.Context, o Options) (*Store, error) {
	s := &Store{records: o.Records, blobs: o.Blobs, now: o.Now, log: o.Log}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	s.hub.init()
	s.directory.init()
	s.views.init()
	return s, nil
}

// Blobs is the store of message bytes: a message's blob is put there before the
// call that names it.
func (s *Store) Blobs() blob.Store { return pinned{s.blobs, &s.pending} }

// Now is the store's clock.
func (s *Store) Now() time.Time { return s.now() }
