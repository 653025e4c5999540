// Package precheck finds out before a message is taken what would come of it: recipients whose domain
// does not exist or takes no mail, messages that are too large for where they go, and senders whom
// others would refuse because the DNS does not vouch for them.
//
// It refuses only what it knows. Where the DNS does not answer in time, the message is taken and the
// queue finds out.
package precheck

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/resolver"
	"github.com/postiljon/postiljon/internal/store"
)

// DNS is what is asked; *resolver.Resolver is one.
type DNS interface {
	MX(ctx context.Context, domain string) (list []resolver.MX, secure bool, err error)
	Addrs(ctx context.Context, host string) (addrs []netip.Addr, secure bool, err error)
	TXT(ctx context.Context, name string) (texts []string, secure bool, err error)
	PTR(ctx context.Context, addr netip.Addr) (names []string, secure bool, err error)
}

var _ DNS = (*resolver.Resolver)(nil)

// Options are what a Checker is made of. DNS is required; what else is nil is not asked.
type Options struct {
	DNS DNS
	// Near returns the domain that one that does not exist is most likely a misspelling of, for an
	// account; "" if it is like none.
	Near func(ctx context.Context, a store.AccountID, domain string) string
	// Signed reports whether messages of a domain are signed with a key that the DNS shows.
	Signed func(ctx context.Context, domain string) (bool, error)
	// Addresses are those that messages leave from.
	Addresses func(ctx context.Context) ([]netip.Addr, error)
	// Relayed reports whether messages of an account to a domain go by another server, which knows its
	// own ways; or, with from and without to, whether all messages from a domain here do.
	Relayed func(ctx context.Context, a store.AccountID, from, to string) bool
	// Warn hears of a domain whose messages others will hardly believe, once a day.
	Warn func(domain string, why cause.Decision)

	Recipients bool             // look at the domains of recipients
	Sizes      bool             // compare with the sizes that other servers take
	Senders    Action           // what to do about senders that others will refuse
	Timeout    time.Duration    // for the DNS, by default 2 s
	Now        func() time.Time // nil for the clock
}

// Action says what is done about a sender whom others will refuse.
type Action string

// The actions.
const (
	Nothing Action = "off"
	Warn    Action = "warn"   // an event
	Refuse  Action = "refuse" // an event; and a refusal where others refuse for certain
)

// Checker looks ahead. It is safe for concurrent use.
type Checker struct {
	opt     Options
	sizes   sizes
	senders senders

	mu    sync.Mutex
	blind time.Time // until when the DNS is not asked, since it did not answer
}

const (
	usualTimeout = 2 * time.Second
	// blindTime is how long the DNS is let alone after it did not answer in time, so that a message
	// to many recipients waits for it once.
	blindTime = 10 * time.Second
)

// New returns a checker.
func New(o Options) *Checker {
	if o.Timeout <= 0 {
		o.Timeout = usualTimeout
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Checker{opt: o}
}

// ask calls fn with a context that ends in time, unless the DNS is known to be silent.
func (c *Checker) ask(ctx context.Context, fn func(context.Context)) {
	c.mu.Lock()
	blind := c.opt.Now().Before(c.blind)
	c.mu.Unlock()
	if blind {
		return
	}
	limited, cancel := context.WithTimeout(ctx, c.opt.Timeout)
	defer cancel()
	fn(limited)
	if limited.Err() == nil || ctx.Err() != nil {
		return
	}
	c.mu.Lock()
	c.blind = c.opt.Now().Add(blindTime)
	c.mu.Unlock()
}
