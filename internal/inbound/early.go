package inbound

import (
	"context"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/inbound/genuine"
	"github.com/postiljon/postiljon/internal/inbound/origin"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/junk"
	"github.com/postiljon/postiljon/internal/store"
)

// early is what is being found out about a client and a sender while the content is still to come.
type early struct {
	genuine *genuine.Early      // nil if nobody wants to know
	origin  *origin.Look        // of the sender's domain; nil if nobody wants to know
	listed  chan []junk.Listing // has one value, when it is known
	cancel  context.CancelFunc
}

// lookAt begins to find out about mail from another server; nil for mail of trusted clients, and if nobody wants to know.
func (b *Backend) lookAt(ctx context.Context, e genuine.Envelope) *early {
	if b.Genuine == nil && b.Junk == nil && b.Origin == nil || b.trusts(e.Remote) {
		return nil
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	began := &early{listed: make(chan []junk.Listing, 1), cancel: cancel, origin: b.Origin.Begin(ctx, e.From)}
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
	e.origin.Close()
	if e.genuine != nil {
		e.genuine.Close()
	}
}

// fromNowhere decides on one recipient of mail whose sender's domain is missing, as far as that is known already: nobody waits
// for the DNS here, since it is asked again at the end of the content. Accounts that let senders through are asked then,
// when the author is known.
func (s *session) fromNowhere(ctx context.Context, to string, of []store.Account) cause.Decision {
	if s.early == nil {
		return cause.Allow()
	}
	d := s.early.origin.Known()
	if d.Allowed() {
		return d
	}
	for i := range of {
		if list, err := s.b.Store.AllowedSenders(ctx, of[i].ID); err != nil || len(list) > 0 {
			return cause.Allow()
		}
	}
	for i := range of { // the ledger of each has it; that of the last is written with the refusal
		if s.about = of[i].ID; i < len(of)-1 {
			s.refused(journal.RecipientRefused, to, d)
		}
	}
	return d
}

// messageFromNowhere decides on the message as a whole: it comes if all who are to get it let its sender or its author through.
func (s *session) messageFromNowhere(ctx context.Context) cause.Decision {
	if s.early == nil {
		return cause.Allow()
	}
	d := s.early.origin.Wait()
	if d.Allowed() || s.allowed(ctx, s.from) || s.checked != nil && s.checked.Author != "" && s.allowed(ctx, s.checked.Author) {
		return cause.Allow()
	}
	return d
}
