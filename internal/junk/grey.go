package junk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"time"

	"github.com/postiljon/postiljon/internal/store"
)

// Greylist lets mail that is under suspicion come again after a while, as servers do and most programs that send junk do
// not. Who came again is known for five weeks. Mail that nothing speaks against never meets it.
type Greylist struct {
	Store *store.Store
	// From is the score from which mail is under suspicion.
	From float64
	// Delay is how long it must wait.
	Delay time.Duration
}

const (
	greyTries = 24 * time.Hour      // within which it must come again
	greyKnown = 35 * 24 * time.Hour // how long who did is known
)

// Ask tells until when mail of a sender from the neighbourhood of a server must wait to reach an account; zero when it may pass.
func (g *Greylist) Ask(ctx context.Context, a store.AccountID, remote netip.Addr, from string) (until time.Time, err error) {
	now := g.Store.Now()
	key := greyKey(remote, from)
	m, known, err := g.Store.Remembered(ctx, a, key)
	if err != nil {
		return until, fmt.Errorf("junk: greylist: %w", err)
	}
	switch first := time.Unix(m.Count, 0); {
	case !known:
		m, until = store.Memory{Key: key, Until: now.Add(greyTries), Count: now.Unix()}, now.Add(g.Delay)
	case now.Before(first.Add(g.Delay)):
		return first.Add(g.Delay), nil
	default:
		m.Until = now.Add(greyKnown)
	}
	if err := g.Store.Remember(ctx, a, []store.Memory{m}); err != nil {
		return until, fmt.Errorf("junk: greylist: %w", err)
	}
	return until, nil
}

// greyKey is the same for all servers of one network, for large senders try again from another one.
func greyKey(remote netip.Addr, from string) string {
	remote = remote.Unmap()
	bits := 24
	if remote.Is6() {
		bits = 64
	}
	network, err := remote.Prefix(bits)
	if err != nil {
		network = netip.PrefixFrom(remote, remote.BitLen())
	}
	sum := sha256.Sum256([]byte(network.String() + " " + from))
	return "grey:" + hex.EncodeToString(sum[:16])
}
