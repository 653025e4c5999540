package genuine

import (
	"context"
	"net/netip"
	"strings"
	"sync"

	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/signature"
)

// Envelope is what is known before the content.
type Envelope struct {
	Remote netip.Addr // of the client
	HELO   string     // as it was given
	From   string     // the address in MAIL, empty for the null path
}

// Early is what was begun at MAIL.
type Early struct {
	envelope Envelope
	cancel   context.CancelFunc
	done     chan struct{}

	mu    sync.Mutex // guards what follows
	spf   SPF
	helo  SPF
	iprev IPRev
}

// Begin asks DNS about the client and the sender while the content is still to come. Close ends it; it
// also ends by itself within Options.Timeout.
func (c *Checker) Begin(ctx context.Context, e Envelope) *Early {
	ctx, cancel := context.WithTimeout(ctx, c.opt.Timeout)
	e.Remote = e.Remote.Unmap()
	helo := address.NormalizeDomain(e.HELO)
	sender, domain := splitSender(e.From, helo)
	slow := "there was no time to look it up"
	early := &Early{
		envelope: e, cancel: cancel, done: make(chan struct{}),
		spf:   SPF{Outcome: signature.TempError, Reason: slow, Domain: domain, Sender: e.From},
		helo:  SPF{Outcome: signature.TempError, Reason: slow, Domain: helo},
		iprev: IPRev{Outcome: signature.TempError, Reason: slow},
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		s := checkSPF(ctx, c.opt.Resolver, e.Remote, helo, "postmaster@"+helo)
		early.set(func() { early.helo.Outcome, early.helo.Reason = s.Outcome, s.Reason })
		if e.From != "" {
			return
		}
		early.set(func() { early.spf.Outcome, early.spf.Reason = s.Outcome, s.Reason })
	})
	if e.From != "" {
		wg.Go(func() {
			s := checkSPF(ctx, c.opt.Resolver, e.Remote, helo, sender)
			early.set(func() { early.spf.Outcome, early.spf.Reason = s.Outcome, s.Reason })
		})
	}
	wg.Go(func() {
		r := checkIPRev(ctx, c.opt.Resolver, e.Remote)
		early.set(func() { early.iprev = r })
	})
	go func() {
		wg.Wait()
		cancel()
		close(early.done)
	}()
	return early
}

func (e *Early) set(fn func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	fn()
}

// Close ends what was begun and waits for it.
func (e *Early) Close() {
	e.cancel()
	<-e.done
}

// wait waits until all is known or there is no time left.
func (e *Early) wait(ctx context.Context) {
	select {
	case <-e.done:
	case <-ctx.Done():
	}
}

func (e *Early) results() (spf, helo SPF, iprev IPRev) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.spf, e.helo, e.iprev
}

// splitSender returns the sender as SPF wants it, and its domain: for the null path it is postmaster at the
// name in HELO, and without a local part it is postmaster (RFC 7208 sections 2.4 and 4.3).
func splitSender(from, helo string) (sender, domain string) {
	at := strings.LastIndexByte(from, '@')
	if at < 0 {
		return "postmaster@" + helo, helo
	}
	domain = address.NormalizeDomain(from[at+1:])
	// The library divides at the first "@", which a quoted local part may contain.
	local := strings.ReplaceAll(from[:at], "@", ".")
	if local == "" {
		local = "postmaster"
	}
	return local + "@" + domain, domain
}
