package journal

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
)

// TurnedAway is mail for an account that was refused or told to come later.
type TurnedAway struct {
	From, To    string
	Author      string // the address in From, if it is known and another
	Remote      string // the server that brought it
	AfterData   bool   // the message had been sent whole, so that its text was judged
	Decision    cause.Decision
	Trace       store.TraceID // of the last time
	First, Last time.Time
	Times       int
	Came        time.Time // when mail of the same sender was delivered afterwards, zero if it was not
}

// maxTurnedAway bounds the ledger of one account.
const maxTurnedAway = 10_000

// Ledger lists the mail for an account that was turned away since a time, with whether the sender came through later. What
// was tried again and again, for the same reason, is one line. The latest comes first.
func (j *Journal) Ledger(ctx context.Context, a store.AccountID, since time.Time) ([]TurnedAway, error) {
	if err := j.Flush(ctx); err != nil {
		return nil, err
	}
	type sides struct{ from, to string }
	lines, held := map[sides][]*TurnedAway{}, 0 // those of one sender to one address, one for each reason
	err := j.store.Events(ctx, a, since, time.Time{}, func(e *store.Event) error {
		if e.Field("by") != "" { // the account wanted to send it
			return ctx.Err()
		}
		who := sides{canonical(e.Field("from")), canonical(e.Field("to"))}
		switch e.Kind {
		case MessageAccepted:
			for _, line := range lines[who] {
				if line.Came.IsZero() {
					line.Came = e.Time
				}
			}
		case RecipientRefused, MessageRefused:
			i := slices.IndexFunc(lines[who], func(l *TurnedAway) bool { return l.Decision.Cause == e.Cause })
			if i < 0 {
				if held >= maxTurnedAway {
					break
				}
				held++
				i = len(lines[who])
				lines[who] = append(lines[who], &TurnedAway{From: who.from, To: who.to, First: e.Time})
			}
			line := lines[who][i]
			line.Remote, line.AfterData, line.Decision = e.Field("remote"), e.Kind == MessageRefused, e.Decision()
			line.Author = e.Field("author")
			line.Trace, line.Last, line.Came = e.Trace, e.Time, time.Time{}
			line.Times++
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("journal: what was turned away: %w", err)
	}
	list := make([]TurnedAway, 0, held)
	for _, of := range lines {
		for _, line := range of {
			list = append(list, *line)
		}
	}
	slices.SortFunc(list, func(a, b TurnedAway) int { return b.Last.Compare(a.Last) })
	return list, nil
}
