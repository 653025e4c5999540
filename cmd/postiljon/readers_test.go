package main

import "testing"

// TestMailReadersGiveBack holds that an account that leaves a connection gives its place back at
// once, and the connection its own when it ends.
func TestMailReadersGiveBack(t *testing.T) {
	r := newMailReaders(nil)
	var connections, sessions int
	r.hold("a", func() { connections++ })
	for range 2 {
		r.hold("a", func() { sessions++ })
		r.leave("a")
	}
	if connections != 0 || sessions != 2 {
		t.Errorf("after two accounts left: %d connections, %d sessions given back", connections, sessions)
	}
	r.hold("a", func() { sessions++ })
	r.free("a")
	r.leave("a")
	if connections != 1 || sessions != 3 {
		t.Errorf("in the end: %d connections, %d sessions given back", connections, sessions)
	}
}
