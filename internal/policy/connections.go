package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
)

// ConnectionLimits are how many connections there may be. An address is an IPv4 address or an IPv6
// /64, a block an IPv4 /24 or an IPv6 /48.
type ConnectionLimits struct {
	Total      int64          // connections of the service
	PerAddress int64          // connections from one address
	PerBlock   int64          // connections from one block
	PerMinute  int64          // new connections a minute from one address, after a burst of as many
	Sessions   int64          // sessions of one account, over all its programs and one protocol
	Exempt     []netip.Prefix // from all but Total
}

// DefaultConnectionLimits serve a household with many devices, or an office behind one address.
func DefaultConnectionLimits() ConnectionLimits {
	return ConnectionLimits{Total: 50_000, PerAddress: 200, PerBlock: 1000, PerMinute: 300, Sessions: 50}
}

// Connections counts connections and sessions while they last.
type Connections struct {
	limits ConnectionLimits
	clock  Clock

	mu       sync.Mutex
	total    int64
	open     map[netip.Prefix]int64 // by address and by block
	sessions map[session]int64
	rates    *recent[netip.Prefix, bucket]
}

type session struct {
	account  store.AccountID
	protocol store.Protocol
}

// Check returns an error if limits are out of range.
func (l ConnectionLimits) Check() error {
	if l.Total < 1 || l.PerAddress < 1 || l.PerBlock < 1 || l.PerMinute < 1 || l.Sessions < 1 {
		return fmt.Errorf("policy: connection limits below one: %+v", l)
	}
	return nil
}

// NewConnections makes a Connections; a nil clock is SystemClock.
func NewConnections(l ConnectionLimits, clock Clock) (*Connections, error) {
	if err := l.Check(); err != nil {
		return nil, err
	}
	if clock == nil {
		clock = SystemClock{}
	}
	return &Connections{
		limits: l, clock: clock, open: map[netip.Prefix]int64{}, sessions: map[session]int64{},
		rates: newRecent[netip.Prefix, bucket](100_000),
	}, nil
}

// SetLimits replaces the limits, which must pass Check. What is open stays.
func (c *Connections) SetLimits(l ConnectionLimits) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limits = l
}

// Acquire counts a new connection if it may be. Release ends it; it may be called more than once,
// and of a connection that may not be it does nothing.
func (c *Connections) Acquire(remote netip.Addr) (release func(), d cause.Decision) {
	remote = remote.Unmap()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.total >= c.limits.Total {
		return func() {}, cause.Wait(cause.ProviderOverloaded, time.Time{})
	}
	if !remote.IsValid() || slices.ContainsFunc(c.limits.Exempt, func(p netip.Prefix) bool { return p.Contains(remote) }) {
		c.total++
		return c.releaser(func() { c.total-- }), cause.Allow()
	}
	address, block := addressKey(remote).prefix, blockKey(remote).prefix
	switch {
	case c.open[address] >= c.limits.PerAddress:
		return func() {}, tooMany(c.limits.PerAddress)
	case c.open[block] >= c.limits.PerBlock:
		return func() {}, tooMany(c.limits.PerBlock)
	}
	if until, ok := c.rate(address); !ok {
		return func() {}, cause.Wait(cause.LimitConnections, until, cause.Count("limit", c.limits.PerMinute))
	}
	c.total++
	c.open[address]++
	c.open[block]++
	return c.releaser(func() {
		c.total--
		countDown(c.open, address)
		countDown(c.open, block)
	}), cause.Allow()
}

func tooMany(limit int64) cause.Decision {
	return cause.Wait(cause.LimitConnections, time.Time{}, cause.Count("limit", limit))
}

// rate takes a token of an address; without one it tells when there will be.
func (c *Connections) rate(address netip.Prefix) (until time.Time, ok bool) {
	now := c.clock.Now()
	b, seen := c.rates.get(address)
	if !seen {
		b = bucket{tokens: float64(c.limits.PerMinute), at: now}
	}
	until, ok = b.take(now, float64(c.limits.PerMinute), time.Minute)
	c.rates.put(address, b)
	return until, ok
}

// Session counts a session of an account that has just signed in, if it may be. Release ends it, as
// that of Acquire.
func (c *Connections) Session(a store.AccountID, p store.Protocol) (release func(), d cause.Decision) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := session{a, p}
	if c.sessions[key] >= c.limits.Sessions {
		return func() {}, tooMany(c.limits.Sessions)
	}
	c.sessions[key]++
	return c.releaser(func() { countDown(c.sessions, key) }), cause.Allow()
}

// releaser makes what ends a connection, once.
func (c *Connections) releaser(end func()) func() {
	var once sync.Once
	return func() {
		once.Do(func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			end()
		})
	}
}

func countDown[K comparable](counts map[K]int64, k K) {
	if counts[k]--; counts[k] <= 0 {
		delete(counts, k)
	}
}

// Open is how many connections there are.
func (c *Connections) Open() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.total
}

// bucket holds tokens; it fills in a given time.
type bucket struct {
	tokens float64
	at     time.Time
}

// take takes a token out of a bucket of so many that fills in a time, or tells when there is one.
func (b *bucket) take(now time.Time, size float64, fills time.Duration) (until time.Time, ok bool) {
	perToken := float64(fills) / size
	b.tokens = min(size, b.tokens+float64(now.Sub(b.at))/perToken)
	b.at = now
	if b.tokens < 1 {
		return now.Add(time.Duration((1 - b.tokens) * perToken)), false
	}
	b.tokens--
	return time.Time{}, true
}
