// Package gate lets calls into something that can be closed, and lets who closes it wait for those
// that are still inside.
package gate

import "sync"

// Gate counts running calls. The zero Gate is open.
type Gate struct {
	mu      sync.Mutex
	running int
	closed  bool
	idle    chan struct{}
}

// Enter begins a call, which Leave ends. It is false once the gate is closed.
func (g *Gate) Enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.running++
	return true
}

// Leave ends a call.
func (g *Gate) Leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running--
	if g.closed && g.running == 0 {
		close(g.idle)
	}
}

// Close bars new calls; idle is closed when the running ones have ended. It is nil if the gate was
// closed before.
func (g *Gate) Close() (idle <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil
	}
	g.closed, g.idle = true, make(chan struct{})
	if g.running == 0 {
		close(g.idle)
	}
	return g.idle
}
