// Package origin finds out whether the domain of a sender exists and takes mail. Mail that nobody can answer, and whose
// author no report can reach, is refused: of a domain that does not exist, and of one that says that it takes none
// (RFC 7505 section 4.2). Only what is certain counts: what cannot be looked up now says nothing, and no resolver is
// believed that knows no name at all.
package origin

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/resolver"
)

// DNS is what is asked; *resolver.Resolver is one.
type DNS interface {
	MX(ctx context.Context, domain string) (list []resolver.MX, secure bool, err error)
	Addrs(ctx context.Context, host string) (addrs []netip.Addr, secure bool, err error)
	// Forget has a name asked anew when it is wanted again.
	Forget(name string)
}

var _ DNS = (*resolver.Resolver)(nil)

// Options are how a Checker works. Only DNS must be set.
type Options struct {
	DNS DNS
	// Local reports whether a domain is one of this service, whatever the DNS knows of it; nil for none.
	Local func(ctx context.Context, domain string) (bool, error)
	// Witnesses are names that exist for certain, of which a resolver that can be believed knows one; nil for
	// large top-level domains. Where names are made up, as on a network of its own, none exists and nothing is refused.
	Witnesses []string
	Timeout   time.Duration    // for all questions about one sender, 10 s if zero
	Now       func() time.Time // nil for the clock
}

const (
	usualTimeout = 10 * time.Second
	// missingFor is how long it is taken for granted that a domain is missing, once it was made sure; it is not long,
	// since a domain that was set up just now is tried at once.
	missingFor = time.Minute
	saneFor    = 5 * time.Second // how long a resolver is taken to be as it was
	maxMissing = 4096            // domains that are remembered
)

var usualWitnesses = []string{"com", "net", "org"}

// Checker finds out about senders. It may be used by several goroutines.
type Checker struct {
	opt Options

	mu      sync.Mutex
	missing map[string]time.Time // until when a domain is known not to exist
	sane    bool                 // the resolver can be believed
	asked   time.Time            // when that was found out
}

// New makes a Checker.
func New(o Options) *Checker {
	if o.Witnesses == nil {
		o.Witnesses = usualWitnesses
	}
	if o.Timeout <= 0 {
		o.Timeout = usualTimeout
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Checker{opt: o, missing: map[string]time.Time{}}
}

// Look is what is being found out about one sender. A nil one allows.
type Look struct {
	done     chan struct{}
	cancel   context.CancelFunc
	decision cause.Decision // once done
}

// Begin asks about the sender in MAIL while the recipients and the content are still to come; nil for senders that
// nothing is asked of: reports have none, and an address literal is no name.
func (c *Checker) Begin(ctx context.Context, from string) *Look {
	if c == nil {
		return nil
	}
	domain := address.NormalizeDomain(from[strings.LastIndexByte(from, '@')+1:])
	if domain == "" || strings.HasPrefix(domain, "[") {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.opt.Timeout)
	l := &Look{done: make(chan struct{}), cancel: cancel}
	go func() {
		defer close(l.done)
		defer cancel()
		l.decision = c.decide(ctx, domain)
	}()
	return l
}

// Known returns what was found out until now; nobody waits for the DNS.
func (l *Look) Known() cause.Decision {
	if l == nil {
		return cause.Allow()
	}
	select {
	case <-l.done:
		return l.decision
	default:
		return cause.Allow()
	}
}

// Wait returns the decision once it is found out. It allows when there was no time left.
func (l *Look) Wait() cause.Decision {
	if l == nil {
		return cause.Allow()
	}
	<-l.done
	return l.decision
}

// Close ends the look and waits for it.
func (l *Look) Close() {
	if l != nil {
		l.cancel()
		<-l.done
	}
}

func (c *Checker) decide(ctx context.Context, domain string) cause.Decision {
	list, _, err := c.opt.DNS.MX(ctx, domain)
	none := err == nil && len(list) == 1 && list[0].Host == ""
	if !none && !errors.Is(err, resolver.ErrNotExist) {
		return cause.Allow()
	}
	if c.opt.Local != nil {
		if local, err := c.opt.Local(ctx, domain); err != nil || local {
			return cause.Allow()
		}
	}
	d := cause.Refuse(cause.SenderDomainMissing, cause.Text("domain", domain))
	switch {
	case none:
		return d.As("null-mx")
	case c.exists(ctx, domain):
		return cause.Allow()
	}
	return d
}

// exists asks anew about a domain that was not known a moment ago, and whether the resolver knows any name, so that an
// answer that is remembered from a bad hour refuses nobody.
func (c *Checker) exists(ctx context.Context, domain string) bool {
	c.mu.Lock()
	until, ok := c.missing[domain]
	c.mu.Unlock()
	if ok && c.opt.Now().Before(until) {
		return false
	}
	c.opt.DNS.Forget(domain)
	if _, _, err := c.opt.DNS.MX(ctx, domain); !errors.Is(err, resolver.ErrNotExist) {
		return true
	}
	if _, _, err := c.opt.DNS.Addrs(ctx, domain); !errors.Is(err, resolver.ErrNotExist) {
		return true
	}
	if !c.believed(ctx) {
		return true
	}
	c.remember(domain)
	return false
}

func (c *Checker) remember(domain string) {
	now := c.opt.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.missing) >= maxMissing { // what is forgotten is only asked again
		maps.DeleteFunc(c.missing, func(_ string, until time.Time) bool { return !now.Before(until) })
	}
	if len(c.missing) >= maxMissing {
		clear(c.missing)
	}
	c.missing[domain] = now.Add(missingFor)
}

// believed tells whether the resolver knows a name that exists.
func (c *Checker) believed(ctx context.Context) bool {
	c.mu.Lock()
	sane, asked := c.sane, c.asked
	c.mu.Unlock()
	if now := c.opt.Now(); !asked.IsZero() && now.Sub(asked) < saneFor {
		return sane
	}
	sane = false
	for _, name := range c.opt.Witnesses {
		c.opt.DNS.Forget(name)
		_, _, err := c.opt.DNS.MX(ctx, name)
		if sane = err == nil || errors.Is(err, resolver.ErrNoData); sane {
			break
		}
	}
	if !sane && ctx.Err() != nil {
		return false // nothing was found out
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sane, c.asked = sane, c.opt.Now()
	return sane
}
