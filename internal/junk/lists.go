package junk

import (
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/resolver"
)

// Listing is a block list that has a server.
type Listing struct {
	List   string
	Weight float64
}

// ListOptions are one block list that is asked by DNS (RFC 5782).
type ListOptions struct {
	Zone   string  // such as "zen.dnsbl.example"
	Weight float64 // of a listing
}

// Lists asks block lists about servers. A list that says of everybody that he is listed, as lists do that have
// ended, or that does not know its own test entry, is not believed until it is well again.
type Lists struct {
	all  []ListOptions
	dns  Addresses
	log  *slog.Logger
	now  func() time.Time
	dead func(list string)

	mu     sync.Mutex
	health map[string]health
}

// Addresses finds the addresses of a name; *resolver.Resolver does.
type Addresses interface {
	Addrs(ctx context.Context, name string) ([]netip.Addr, bool, error)
}

type health struct {
	wrong bool
	until time.Time
}

const (
	healthFor  = time.Hour       // how long a list is taken to be as it was
	listsTime  = 3 * time.Second // for all answers together
	testListed = "127.0.0.2"     // RFC 5782 section 5
	testClean  = "127.0.0.1"
)

// NewLists makes Lists; nil for none. log and now may be nil, and dead, which hears of a list that is not believed any more.
func NewLists(all []ListOptions, dns Addresses, log *slog.Logger, now func() time.Time, dead func(list string)) *Lists {
	if len(all) == 0 {
		return nil
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if now == nil {
		now = time.Now
	}
	if dead == nil {
		dead = func(string) {}
	}
	return &Lists{all: all, dns: dns, log: log, now: now, dead: dead, health: map[string]health{}}
}

// Ask returns the lists that have an address. A list that does not answer has nobody.
func (l *Lists) Ask(ctx context.Context, remote netip.Addr) []Listing {
	if l == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, listsTime)
	defer cancel()
	found := make([]bool, len(l.all))
	var wg sync.WaitGroup
	for i, list := range l.all {
		wg.Go(func() { found[i] = l.has(ctx, list.Zone, remote) && !l.unbelieved(ctx, list.Zone) })
	}
	wg.Wait()
	var listed []Listing
	for i, list := range l.all {
		if found[i] {
			listed = append(listed, Listing{list.Zone, list.Weight})
		}
	}
	return listed
}

// has asks about one address. Answers outside 127.0.0.0/8, and those that lists give to who asks too much (127.255.255.0/24),
// are none.
func (l *Lists) has(ctx context.Context, zone string, a netip.Addr) bool {
	addrs, _, err := l.dns.Addrs(ctx, reversed(a)+"."+zone)
	if err != nil {
		if !errors.Is(err, resolver.ErrNotExist) && !errors.Is(err, resolver.ErrNoData) {
			l.log.Debug("block list did not answer", "list", zone, "error", err)
		}
		return false
	}
	for _, got := range addrs {
		if b := got.As4(); got.Is4() && b[0] == 127 && !(b[1] == 255 && b[2] == 255) {
			return true
		}
	}
	return false
}

// unbelieved tells whether a list cannot be believed, by its test entries.
func (l *Lists) unbelieved(ctx context.Context, zone string) bool {
	l.mu.Lock()
	known, ok := l.health[zone]
	l.mu.Unlock()
	if ok && l.now().Before(known.until) {
		return known.wrong
	}
	clean, listed := l.has(ctx, zone, netip.MustParseAddr(testClean)), l.has(ctx, zone, netip.MustParseAddr(testListed))
	h := health{wrong: clean || !listed, until: l.now().Add(healthFor)}
	if h.wrong && !known.wrong {
		l.log.Warn("block list is not believed: its test entries are wrong", "list", zone, "lists_everybody", clean)
		l.dead(zone)
	}
	l.mu.Lock()
	l.health[zone] = h
	l.mu.Unlock()
	return h.wrong
}

// reversed writes an address as its labels stand in DNS lists (RFC 5782 sections 2.1 and 2.4).
func reversed(a netip.Addr) string {
	a = a.Unmap()
	if a.Is4() {
		parts := strings.Split(a.String(), ".")
		return parts[3] + "." + parts[2] + "." + parts[1] + "." + parts[0]
	}
	b := a.As16()
	digits := hex.EncodeToString(b[:])
	labels := make([]byte, 0, 63)
	for i := len(digits) - 1; i >= 0; i-- {
		labels = append(labels, digits[i])
		if i > 0 {
			labels = append(labels, '.')
		}
	}
	return string(labels)
}
