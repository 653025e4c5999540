package netserve

import (
	"errors"
	"net"
	"testing"
	"time"
)

// TestLimit: what is too many waits until another ends or the limit is raised, and a closed listener waits for nothing.
func TestLimit(t *testing.T) {
	limit := NewLimit(1)
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := limit.Listen(inner)
	taken, over := make(chan net.Conn), make(chan error, 1)
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				over <- err
				return
			}
			taken <- nc
		}
	}()
	for range 4 {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	next := func() net.Conn {
		t.Helper()
		select {
		case nc := <-taken:
			return nc
		case <-time.After(10 * time.Second):
			t.Fatal("nobody was let in")
			return nil
		}
	}
	nobody := func(why string) {
		t.Helper()
		select {
		case <-taken:
			t.Errorf("one too many: %s", why)
		case <-time.After(20 * time.Millisecond):
		}
	}
	first := next()
	nobody("one is open")
	first.Close()
	first.Close() // counts once
	second := next()
	nobody("another one is open")
	limit.Set(2)
	third := next()
	nobody("two are open")
	l.Close()
	select {
	case err := <-over:
		if !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("a closed listener waits for a place")
	}
	second.Close()
	third.Close()
	if limit.open != 0 {
		t.Errorf("%d are counted as open", limit.open)
	}
}
