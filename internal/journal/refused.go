package journal

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
)

// Refusal is a message to somebody that a sending limit kept back.
type Refusal struct {
	From, To    string
	Cause       cause.ID
	Until       time.Time // when sending opens again
	First, Last time.Time // when it was tried
	Times       int
}

// maxRefusals bounds the list of one account.
const maxRefusals = 10_000

// RefusedInLimit lists what an account tried to send since a time, that a limit refused, and that has not been sent to the same
// recipient since: what its owner must send again (outbox.refused-in-limit). The oldest comes first.
func (j *Journal) RefusedInLimit(ctx context.Context, a store.AccountID, since time.Time) ([]Refusal, error) {
	if err := j.Flush(ctx); err != nil {
		return nil, err
	}
	open := map[[2]string]*Refusal{}
	err := j.store.Events(ctx, a, since, time.Time{}, func(e *store.Event) error {
		key := [2]string{canonical(e.Field("from")), canonical(e.Field("to"))}
		switch e.Kind {
		case MessageQueued, MessageAccepted:
			delete(open, key)
		case RecipientRefused, MessageRefused:
			if !strings.HasPrefix(string(e.Cause), "limit.") || key[1] == "" {
				break
			}
			r := open[key]
			if r == nil {
				if len(open) >= maxRefusals {
					break
				}
				r = &Refusal{From: key[0], To: key[1], First: e.Time}
				open[key] = r
			}
			r.Cause, r.Until, r.Last = e.Cause, e.Until, e.Time
			r.Times++
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("journal: what limits refused: %w", err)
	}
	list := make([]Refusal, 0, len(open))
	for _, r := range open {
		list = append(list, *r)
	}
	slices.SortFunc(list, func(a, b Refusal) int {
		if c := a.First.Compare(b.First); c != 0 {
			return c
		}
		return strings.Compare(a.To, b.To)
	})
	return list, nil
}
