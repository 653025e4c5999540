package main

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/postiljon/postiljon/internal/config"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/protocol/jmapd"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/blob"
)

// maintenance does what the store needs now and then. Every night it forgets old
// events, the ids of old deliveries, sessions of browsers and large files whose time is over, and gives back the room of messages that
// nobody has any more. On a volume that runs full it gives room back at once.
type maintenance struct {
	store   *store.Store
	journal *journal.Journal
	log     *slog.Logger
	keep    func() time.Duration // how long events are kept
	free    func() int64         // free octets of the volume
	// sessions ends those of browsers that are over.
	sessions func(context.Context) error
	reserve  int64 // free octets below which mail is refused; 0 for none
	random   func(n time.Duration) time.Duration

	next    time.Time // when the nightly work is due
	hurried time.Time // when room was last made in a hurry
}

const (
	// deliveryMemory is how long the ids of deliveries are remembered: longer
	// than any sender tries again.
	deliveryMemory = 10 * 24 * time.Hour

	// removalMemory is how many emails that left a mailbox are remembered of an
	// account, for programs that ask what changed since they last looked.
	removalMemory = 100_000

	// The nightly work begins at some moment between nightFrom and nightFrom +
	// nightSpan o'clock, so that many services on one machine do not begin
	// together. One that slept through a night makes up for it soon after start.
	nightFrom   = 2
	nightSpan   = 3 * time.Hour
	missedAfter = 36 * time.Hour
	afterStart  = 15 * time.Minute

	// A file of messages is rewritten when so much of it is dead; on a full
	// volume sooner. The grace is beyond what the store itself leaves alone.
	collectGrace   = time.Hour
	collectMinDead = 0.3
	hurryGrace     = 5 * time.Second
	hurryMinDead   = 0.1
	hurryEvery     = 10 * time.Minute

	busyAgain       = 10 * time.Minute
	maintenanceTick = 5 * time.Second
)

func (s *service) newMaintenance() *maintenance {
	return &maintenance{
		store: s.store, journal: s.journal, log: s.log,
		keep:    func() time.Duration { return time.Duration(s.keep.Load()) },
		free:    func() int64 { return int64(freeSpace(s.config.Data)) },
		reserve: s.blobs.Metrics().Reserve, sessions: s.browsers.Forget,
		random: func(n time.Duration) time.Duration { return rand.N(n) },
	}
}

// run works until ctx ends.
func (m *maintenance) run(ctx context.Context) {
	m.begin(ctx)
	tick := time.NewTicker(maintenanceTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			m.step(ctx)
		}
	}
}

// maintainedSetting keeps when the nightly work was last done.
const maintainedSetting = "maintained"

// begin plans the first night.
func (m *maintenance) begin(ctx context.Context) {
	now := m.store.Now()
	m.next = m.night(now)
	text, err := m.store.Setting(ctx, maintainedSetting)
	if err != nil {
		m.log.Warn("when the store was last maintained is not known", "error", err)
		return
	}
	var last time.Time
	if last.UnmarshalText(text) == nil && now.Sub(last) > missedAfter {
		m.next = now.Add(afterStart + m.random(afterStart))
	}
}

// night is a moment of the next night.
func (m *maintenance) night(now time.Time) time.Time {
	local := now.Local()
	at := time.Date(local.Year(), local.Month(), local.Day(), nightFrom, 0, 0, 0, time.Local)
	if !at.After(now) {
		at = at.AddDate(0, 0, 1)
	}
	return at.Add(m.random(nightSpan))
}

// step does what is due.
func (m *maintenance) step(ctx context.Context) {
	now := m.store.Now()
	switch {
	case !now.Before(m.next):
		m.nightly(ctx, now)
	case m.reserve > 0 && now.Sub(m.hurried) >= hurryEvery && m.free() < 2*m.reserve:
		m.hurried = now
		if err := m.store.ExpireFiles(ctx); err != nil && ctx.Err() == nil {
			m.log.Warn("the volume runs full, and files whose time is over stay", "error", err)
		}
		if _, err := m.collect(ctx, hurryGrace, hurryMinDead); err != nil && !m.busy(err) && ctx.Err() == nil {
			m.log.Warn("the volume runs full, and no room was made", "free", m.free(), "error", err)
		}
	}
}

// nightly does all of the nightly work, also where a part of it fails.
func (m *maintenance) nightly(ctx context.Context, now time.Time) {
	m.next = m.night(now)
	err := errors.Join(m.journal.Trim(ctx, m.keep()), m.store.Forget(ctx, deliveryMemory), m.store.ForgetRemovals(ctx, removalMemory), m.store.ForgetUploads(ctx, jmapd.UploadTime),
		m.store.ExpireFiles(ctx), m.store.ForgetJobs(ctx), m.sessions(ctx))
	if _, cerr := m.collect(ctx, collectGrace, collectMinDead); m.busy(cerr) {
		m.next = now.Add(busyAgain)
	} else {
		err = errors.Join(err, cerr)
	}
	if text, terr := now.UTC().MarshalText(); terr == nil {
		err = errors.Join(err, m.store.PutSetting(ctx, maintainedSetting, text))
	}
	if err != nil && ctx.Err() == nil {
		m.log.Error("the nightly maintenance failed; it is tried again tomorrow", "error", err)
	}
}

// busy reports that a backup or something else holds the messages.
func (m *maintenance) busy(err error) bool { return store.KindOf(err) == store.KindInUse }

// collect gives back the room of messages that nobody has for the given time.
func (m *maintenance) collect(ctx context.Context, grace time.Duration, minDead float64) (blob.CollectResult, error) {
	result, err := m.store.Collect(ctx, store.CollectOptions{Grace: grace, MinDead: minDead})
	if result.Deleted > 0 {
		m.log.Info("room of deleted messages given back", "messages", result.Deleted, "octets", result.Freed, "free", m.free())
	}
	return result, err
}

// collectNow is collect for who asks for it; grace 0 is what is safe.
func (m *maintenance) collectNow(ctx context.Context, grace time.Duration) (blob.CollectResult, error) {
	if grace == 0 {
		grace = hurryGrace
	}
	return m.collect(ctx, grace, 0)
}

// configFiles are the files that a backup takes along from outside the data
// folder, by the name that they get there.
func (s *service) configFiles() map[string]string {
	files := map[string]string{}
	add := func(name, path string) {
		if path != "" {
			files[name] = path
		}
	}
	current := s.config
	if s.file != "" {
		if c, err := config.Load(s.file); err == nil { // else the one that goes on
			current = c
		}
	}
	add("postiljon.toml", s.file)
	add("certificate.pem", current.TLS.Certificate)
	add("key.pem", current.TLS.Key)
	return files
}
