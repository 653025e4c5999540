package precheck

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/dmarc"
	"github.com/postiljon/postiljon/internal/resolver"
)

// senders remembers what was found out about the domains here.
type senders struct {
	mu    sync.Mutex
	known map[string]prediction
}

// prediction is what others will make of the messages of a domain.
type prediction struct {
	refused cause.Decision // that others refuse for certain; allows if they do not
	until   time.Time
	warned  time.Time
}

const (
	// A good outcome holds for a while; after a bad one the domain's owner waits for the repair to
	// count.
	goodAge    = time.Hour
	badAge     = time.Minute
	unknownAge = 10 * time.Second
	warnEvery  = 24 * time.Hour
	maxSenders = 10_000 // domains
)

// Sender decides whether a message from a domain kept here would be believed by others (RFC 7489):
// whether its signatures can be verified or its SPF record names this server. If neither, its owner
// is warned; the message is refused only where the domain itself asks others to reject it.
func (c *Checker) Sender(ctx context.Context, domain string) cause.Decision {
	if c.opt.Senders == Nothing || c.opt.Senders == "" || c.relayed(ctx, 0, domain, "") {
		return cause.Allow()
	}
	now := c.opt.Now()
	c.senders.mu.Lock()
	known, ok := c.senders.known[domain]
	c.senders.mu.Unlock()
	if !ok || !now.Before(known.until) {
		known = c.predict(ctx, domain, known, now)
		c.senders.put(domain, known)
	}
	if c.opt.Senders == Refuse {
		return known.refused
	}
	return cause.Allow()
}

func (s *senders) put(domain string, p prediction) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil || len(s.known) >= maxSenders {
		s.known = map[string]prediction{}
	}
	s.known[domain] = p
}

// predict finds out what others will make of a domain's messages.
func (c *Checker) predict(ctx context.Context, domain string, old prediction, now time.Time) prediction {
	next := prediction{until: now.Add(unknownAge), warned: old.warned}
	proven, certain := true, false
	var refuses bool
	c.ask(ctx, func(ctx context.Context) {
		if proven, certain = c.proven(ctx, domain); certain && !proven {
			refuses, certain = c.rejects(ctx, domain)
		}
	})
	switch {
	case !certain:
		return next
	case proven:
		next.until = now.Add(goodAge)
		return next
	}
	next.until = now.Add(badAge)
	if refuses {
		next.refused = cause.Refuse(cause.SenderNotAligned, cause.Text("domain", domain))
	}
	if c.opt.Warn != nil && now.Sub(next.warned) >= warnEvery {
		next.warned = now
		c.opt.Warn(domain, cause.Refuse(cause.SenderNotAligned, cause.Text("domain", domain)))
	}
	return next
}

// proven reports whether others can verify that a message is from a domain, by signature or by SPF.
// It is not certain where the DNS did not answer.
func (c *Checker) proven(ctx context.Context, domain string) (proven, certain bool) {
	signed, err := c.opt.Signed(ctx, domain)
	if err != nil || signed {
		return signed, err == nil
	}
	from, err := c.opt.Addresses(ctx)
	if err != nil || len(from) == 0 {
		return false, false
	}
	certain = true
	for _, addr := range from {
		switch SPF(ctx, c.opt.DNS, addr, domain) {
		case Pass: // messages that leave from there are proven
			return true, true
		case Trouble:
			certain = false
		}
	}
	return false, certain
}

// rejects reports whether a domain asks others to reject all messages that nothing proves.
func (c *Checker) rejects(ctx context.Context, domain string) (rejects, certain bool) {
	policy, err := dmarc.Discover(ctx, c.opt.DNS, domain)
	if err != nil { // without a policy, or with one that is wrong, nothing is asked
		return false, !errors.Is(err, resolver.ErrTemporary) && ctx.Err() == nil
	}
	return policy.Apply == dmarc.Reject && policy.Percent == 100, true
}
