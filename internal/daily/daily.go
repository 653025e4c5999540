// Package daily counts by day and domain, keeps what it counted, and has each domain told of a day when that is over: what
// the aggregate reports of DMARC (RFC 7489 section 7.2) and of TLS (RFC 8460) have in common.
package daily

import (
	"context"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// Record is one small document that is kept durably; policy.FileRecord is one.
type Record interface {
	Load(ctx context.Context) ([]byte, error) // nil, nil if there is none yet
	Save(ctx context.Context, doc []byte) error
}

// Days are counts by day (UTC, as 2006-01-02) and domain.
type Days[C any] map[string]map[string]C

// About is what a report is about.
type About struct {
	Day    time.Time // its beginning
	Domain string
}

// Options are what a Counter works with; all must be given.
type Options[C any] struct {
	Name   string // of the reports, in errors and the log
	Record Record
	// Encode and Decode make the document of the counts, and the counts of the document.
	Encode func(Days[C]) ([]byte, error)
	Decode func([]byte) (Days[C], error)
	// Report tells a domain of a day, of which Look knows the counts. Nothing to be told is no error; what fails is
	// tried again for days.
	Report func(ctx context.Context, a About) error
	// Forgotten hears, while counts stand still, of those that are told or given up.
	Forgotten func(C)
	Now       func() time.Time
	Log       *slog.Logger
}

// Counter counts. What it counted is saved every five minutes, so that a crash loses no more. Its methods may be called
// by several goroutines.
type Counter[C any] struct {
	opt   Options[C]
	delay time.Duration // after midnight, so that not all report at once
	end   context.CancelFunc
	done  chan struct{}

	mu    sync.Mutex // guards what follows
	days  Days[C]
	dirty bool
}

const (
	maxDomains = 10_000 // a day
	saveEvery  = 5 * time.Minute
	sendEvery  = 30 * time.Minute
	keepFor    = 3 * 24 * time.Hour // what cannot be told
)

// New makes a counter with what its record holds, and starts it. Close it.
func New[C any](ctx context.Context, o Options[C]) (*Counter[C], error) {
	c := &Counter[C]{opt: o, delay: mathrand.N(time.Hour), done: make(chan struct{})}
	doc, err := o.Record.Load(ctx)
	if err == nil && doc != nil {
		c.days, err = o.Decode(doc)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: load counts: %w", o.Name, err)
	}
	if c.days == nil {
		c.days = Days[C]{}
	}
	life, end := context.WithCancel(context.Background())
	c.end = end
	go c.run(life)
	return c, nil
}

// Close saves the counts and ends what is under way.
func (c *Counter[C]) Close(ctx context.Context) error {
	c.end()
	<-c.done
	return c.save(ctx)
}

// run saves now and then, and reports when a day is over.
func (c *Counter[C]) run(life context.Context) {
	defer close(c.done)
	saving, sending := time.NewTicker(saveEvery), time.NewTicker(sendEvery)
	defer saving.Stop()
	defer sending.Stop()
	for {
		select {
		case <-life.Done():
			return
		case <-saving.C:
		case <-sending.C:
			c.Send(life, c.opt.Now().Add(-c.delay))
		}
		if err := c.save(life); err != nil && life.Err() == nil {
			c.opt.Log.Error("counts of reports not saved", "reports", c.opt.Name, "error", err)
		}
	}
}

func (c *Counter[C]) save(ctx context.Context) error {
	c.mu.Lock()
	if !c.dirty {
		c.mu.Unlock()
		return nil
	}
	c.dirty = false
	doc, err := c.opt.Encode(c.days)
	c.mu.Unlock()
	if err == nil {
		err = c.opt.Record.Save(ctx, doc)
	}
	if err != nil {
		c.mu.Lock()
		c.dirty = true
		c.mu.Unlock()
		return fmt.Errorf("%s: save counts: %w", c.opt.Name, err)
	}
	return nil
}

// Count changes what is counted today of a domain. change gets what there is, the zero value if there is nothing, and
// returns what there is then, and whether that is to be kept. Count returns false where there is no room for a domain more.
func (c *Counter[C]) Count(domain string, change func(have C) (C, bool)) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	day := c.opt.Now().UTC().Format(time.DateOnly)
	have, known := c.days[day][domain]
	if !known && len(c.days[day]) >= maxDomains {
		return false
	}
	after, keep := change(have)
	if !keep {
		return true
	}
	if c.days[day] == nil {
		c.days[day] = map[string]C{}
	}
	c.days[day][domain] = after
	c.dirty = true
	return true
}

// Look shows, while they stand still, the counts that a report is about.
func (c *Counter[C]) Look(a About, see func(C)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	see(c.days[a.Day.Format(time.DateOnly)][a.Domain])
}

// All shows all counts while they stand still.
func (c *Counter[C]) All(see func(Days[C])) {
	c.mu.Lock()
	defer c.mu.Unlock()
	see(c.days)
}

// Send reports the days that were over at a time, and forgets what was told or could not be told for days.
func (c *Counter[C]) Send(ctx context.Context, at time.Time) {
	for _, due := range c.due(at.UTC().Format(time.DateOnly)) {
		if ctx.Err() != nil {
			return
		}
		err := c.opt.Report(ctx, due)
		switch {
		case err == nil:
		case at.Sub(due.Day) > keepFor:
			c.opt.Log.Warn("report given up", "reports", c.opt.Name, "domain", due.Domain, "error", err)
		default:
			c.opt.Log.Info("report not sent yet", "reports", c.opt.Name, "domain", due.Domain, "error", err)
			continue
		}
		c.forget(due)
	}
}

func (c *Counter[C]) due(today string) (list []About) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for day, domains := range c.days {
		start, err := time.Parse(time.DateOnly, day)
		if err != nil || day >= today {
			continue
		}
		for domain := range domains {
			list = append(list, About{start, domain})
		}
	}
	slices.SortFunc(list, func(a, b About) int {
		if n := a.Day.Compare(b.Day); n != 0 {
			return n
		}
		return strings.Compare(a.Domain, b.Domain)
	})
	return list
}

func (c *Counter[C]) forget(a About) {
	c.mu.Lock()
	defer c.mu.Unlock()
	day := a.Day.Format(time.DateOnly)
	if counts, ok := c.days[day][a.Domain]; ok && c.opt.Forgotten != nil {
		c.opt.Forgotten(counts)
	}
	if delete(c.days[day], a.Domain); len(c.days[day]) == 0 {
		delete(c.days, day)
	}
	c.dirty = true
}
