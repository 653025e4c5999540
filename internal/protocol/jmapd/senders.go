package jmapd

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/store"
)

// origin is where messages of an account came from: the address of a mail program, "" for all that JMAP brought.
type origin struct {
	From     string
	Messages int64
	Last     time.Time // zero for what JMAP brought
}

// maxOrigins is how many are told, those that sent the most.
const maxOrigins = 5

// limitLasts is how long sending is closed once a limit is reached, and how far back messages count.
const limitLasts = time.Hour

// sentFrom tells where the messages came from that closed a limit of the account, so that its holder sees whether somebody else sends with its
// password. What programs sent is in the journal; the rest of what was counted came over JMAP.
func (c *call) sentFrom(ctx context.Context, m *policy.Meter) ([]origin, error) {
	if err := c.server.options.Holder.Journal.Flush(ctx); err != nil {
		return nil, err
	}
	found, seen, left := map[string]*origin{}, map[store.TraceID]bool{}, maxTold
	since, until := m.Resets.Add(-2*limitLasts), m.Resets.Add(-limitLasts)
	kinds := []string{journal.MessageQueued, journal.MessageAccepted}
	err := c.server.store.EventsOf(ctx, c.account.ID, kinds, since, func(e *store.Event) error {
		if left--; left < 0 || e.Time.After(until) {
			return errLookedEnough
		}
		if seen[e.Trace] || !c.isSent(ctx, e) {
			return ctx.Err()
		}
		seen[e.Trace] = true
		o := found[e.Field("remote")]
		if o == nil {
			o = &origin{From: e.Field("remote")}
			found[o.From] = o
		}
		o.Messages, o.Last = o.Messages+1, e.Time
		return ctx.Err()
	})
	if err != nil && !errors.Is(err, errLookedEnough) {
		return nil, err
	}
	if rest := m.Used - int64(len(seen)); rest > 0 && left >= 0 {
		found["jmap"] = &origin{Messages: rest}
	}
	all := make([]origin, 0, len(found))
	for _, o := range found {
		all = append(all, *o)
	}
	slices.SortFunc(all, func(a, b origin) int {
		return cmp.Or(cmp.Compare(b.Messages, a.Messages), cmp.Compare(a.From, b.From))
	})
	return all[:min(len(all), maxOrigins)], nil
}
