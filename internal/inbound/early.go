package inbound

import (
	"context"

	"github.com/postiljon/postiljon/internal/inbound/genuine"
	"github.com/postiljon/postiljon/internal/junk"
)

// early is what is being found out about a client and a sender while the content is still to come.
type early struct {
	genuine *genuine.Early      // nil if nobody wants to know
	listed  chan []junk.Listing // has one value, when it is known
	cancel  context.CancelFunc
}

// lookAt begins to find out about mail from another server; nil for mail of trusted clients, and if nobody wants to know.
func (b *Backend) lookAt(ctx context.Context, e genuine.Envelope) *early {
	if b.Genuine == nil && b.Junk == nil || b.trusts(e.Remote) {
		return nil
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	began := &early{listed: make(chan []junk.Listing, 1), cancel: cancel}
	if b.Genuine != nil {
		began.genuine = b.Genuine.Begin(ctx, e)
	}
	go func() { began.listed <- b.Lists.Ask(ctx, e.Remote) }()
	return began
}

// close ends what was begun.
func (e *early) close() {
	if e == nil {
		return
	}
	e.cancel()
	if e.genuine != nil {
		e.genuine.Close()
	}
}
