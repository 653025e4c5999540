package journal

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/store"
)

// visits count who brought mail, so that of a message that nobody knows it can be said whether the servers of its sender
// were here at all. Each quarter of an hour there is one event for each server and sender's domain, whatever the
// number of messages.
type visits struct {
	mu    sync.Mutex
	since time.Time
	seen  map[visitor]*visit
}

type visitor struct{ remote, helo, domain string }

type visit struct {
	count       int
	first, last time.Time
}

const (
	visitsEvery = 15 * time.Minute
	maxVisitors = 20_000
)

// Visit counts a message that a server began to bring. The domain is that of its sender, "" for none.
func (j *Journal) Visit(remote, helo, domain string) {
	v := &j.visits
	now := j.now()
	v.mu.Lock()
	if now.Sub(v.since) >= visitsEvery {
		v.keep(j, now)
	}
	k := visitor{remote, strings.ToLower(helo), strings.ToLower(domain)}
	one := v.seen[k]
	switch {
	case one != nil:
	case len(v.seen) >= maxVisitors:
		v.mu.Unlock()
		return
	default:
		one = &visit{first: now}
		v.seen[k] = one
	}
	one.count++
	one.last = now
	v.mu.Unlock()
}

// keep makes events of what was counted. v.mu is held.
func (v *visits) keep(j *Journal, now time.Time) {
	for k, one := range v.seen {
		j.Record(context.Background(), store.Event{Time: one.last, Trace: store.NewTraceID(one.last), Kind: ServerVisited, Fields: []store.Field{
			{Name: "remote", Value: k.remote}, {Name: "helo", Value: k.helo}, {Name: "domain", Value: k.domain},
			{Name: "count", Value: strconv.Itoa(one.count)}, {Name: "first", Value: one.first.UTC().Format(time.RFC3339)},
		}})
	}
	v.since, v.seen = now, map[visitor]*visit{}
}

// keepVisits keeps what was counted so far: before a question, and before the end.
func (j *Journal) keepVisits() {
	j.visits.mu.Lock()
	defer j.visits.mu.Unlock()
	j.visits.keep(j, j.now())
}

// Visited is what servers of a domain did in some time. Who asks for one account hears only whether they were here: how
// much they bring, and when, is the mail of others.
type Visited struct {
	Domain  string    `json:"domain"`
	Here    bool      `json:"here"`
	Servers []string  `json:"servers,omitempty"` // at most ten
	Count   int       `json:"count,omitempty"`   // messages that they began to bring
	Last    time.Time `json:"last,omitzero"`
	Refused int       `json:"refused,omitempty"` // messages of its addresses that were refused before their text was known
}

// forHolder leaves out what concerns others.
func (v Visited) forHolder() Visited {
	return Visited{Domain: v.Domain, Here: v.Here, Refused: v.Refused}
}

// visitedBy looks for servers of a domain: those that brought mail of its addresses, or whose name lies in it.
func (j *Journal) visitedBy(ctx context.Context, domain string, from, to time.Time) (v Visited, err error) {
	v.Domain = strings.ToLower(domain)
	known := map[string]bool{}
	err = j.store.Events(ctx, 0, from, to, func(e *store.Event) error {
		helo := e.Field("helo")
		if e.Kind != ServerVisited || e.Field("domain") != v.Domain && helo != v.Domain && !strings.HasSuffix(helo, "."+v.Domain) {
			return ctx.Err()
		}
		n, _ := strconv.Atoi(e.Field("count")) // as it was written above
		v.Here = true
		v.Count += n
		v.Last = e.Time
		if remote := e.Field("remote"); !known[remote] && len(known) < 10 {
			known[remote] = true
			v.Servers = append(v.Servers, remote)
		}
		return ctx.Err()
	})
	return v, err
}
