package outbound

import (
	"context"
	"fmt"
	"io"

	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
)

// The sender's Outbox shows what waits for longer than a first attempt. Nothing of
// it is on the way of a message that goes at once: it is placed there after the
// outcome of the attempt is recorded, and leaves in the commit that ends its wait.

// outbox is the queue as the store sees it.
type outbox struct{ q *Queue }

var _ store.Outbox = outbox{}

// Take implements store.Outbox: a submission can be taken back unless it is being
// sent.
func (o outbox) Take(sub *store.Submission) bool {
	keys := waitingKeys(sub)
	if !o.q.hold(keys) {
		return false
	}
	o.q.taken.Store(sub.ID, keys)
	return true
}

// Taken implements store.Outbox: what is left of a submission goes on.
func (o outbox) Taken(a store.AccountID, id store.TraceID) {
	o.q.background(func(ctx context.Context) { o.q.goOn(ctx, a, id) })
}

func waitingKeys(sub *store.Submission) map[deliveryKey]bool {
	keys := map[deliveryKey]bool{}
	for i := range sub.Recipients {
		if r := &sub.Recipients[i]; !r.State.Final() {
			keys[keyOf(sub, r)] = true
		}
	}
	return keys
}

// goOn releases what was held of a submission and forgets it if nothing is left
// of it to do.
func (q *Queue) goOn(ctx context.Context, a store.AccountID, id store.TraceID) {
	sub, err := q.opt.Store.Submission(ctx, a, id)
	if err != nil && store.KindOf(err) != store.KindNotFound {
		q.log.Error("outbound: read submission", "trace", id, "error", err)
		q.mu.Lock()
		q.forget(q.opt.Clock.Now().Add(retryStore)) // it is looked for again
		q.mu.Unlock()
	}
	if keys, ok := q.taken.LoadAndDelete(id); ok {
		q.release(keys.(map[deliveryKey]bool), &sub)
	}
	if err == nil && sub.Done() {
		if err := q.settle(ctx, a, id); err != nil {
			q.log.Error("outbound: forget submission", "trace", id, "error", err)
		}
	}
}

// background runs fn while the queue runs.
func (q *Queue) background(fn func(ctx context.Context)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.phase != phaseStopping {
		q.work.Go(func() { fn(q.life) })
	}
}

// show puts a submission that waits into its sender's Outbox, unless it is there.
// What goes wrong is logged: the message waits all the same. A message of others
// that is only passed on is not shown.
func (q *Queue) show(ctx context.Context, sub *store.Submission) {
	if sub.Account == 0 || sub.Skip != 0 || sub.Outbox != 0 || !sub.Waits() {
		return
	}
	if err := q.place(ctx, sub); err != nil && ctx.Err() == nil {
		q.log.Error("outbound: show message in Outbox", "trace", sub.ID, "error", err)
	}
}

func (q *Queue) place(ctx context.Context, sub *store.Submission) error {
	c, err := openContent(ctx, q.opt.Store.Blobs(), sub)
	if err != nil {
		return err
	}
	defer c.close()
	scanner := message.NewScanner(message.Limits{})
	if _, err := io.Copy(scanner, io.NewSectionReader(c, 0, c.size)); err != nil {
		return fmt.Errorf("outbound: read message: %w", err)
	}
	n := store.NewEmail{Blob: sub.Blob, Summary: scanner.Finish(), Received: sub.Created}
	return q.opt.Store.PlaceInOutbox(ctx, sub.Account, sub.ID, n)
}
