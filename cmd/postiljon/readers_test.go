package main

import "testing"

// TestMailReadersGiveBack holds that an account that leaves a connection gives its place back at
// once, and the connection its own when it ends, if it has one.
func TestMailReadersGiveBack(t *testing.T) {
	for _, own := range []int{0, 1} {
		r := newMailReaders(&policies{sessions: newSessions()})
		var connections, accounts int
		if own > 0 {
			r.holdConnection("a", func() { connections++ })
		}
		for range 2 {
			r.holdAccount("a", func() { accounts++ })
			r.leave("a")
			r.leave("a")
		}
		if connections != 0 || accounts != 2 {
			t.Errorf("after two accounts left: %d connections, %d accounts given back", connections, accounts)
		}
		r.holdAccount("a", func() { accounts++ })
		r.free("a")
		r.leave("a")
		if connections != own || accounts != 3 || len(r.places) != 0 {
			t.Errorf("in the end: %d connections, %d accounts given back, %d left", connections, accounts, len(r.places))
		}
	}
}
