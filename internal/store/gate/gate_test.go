package gate

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

func TestGate(t *testing.T) {
	var g Gate
	for range 2 {
		if !g.Enter() {
			t.Fatal("a new gate is closed")
		}
	}
	g.Leave()
	idle := g.Close()
	select {
	case <-idle:
		t.Error("idle while a call runs")
	default:
	}
	if g.Enter() {
		t.Error("entered a closed gate")
	}
	if g.Close() != nil {
		t.Error("closed twice")
	}
	g.Leave()
	<-idle
	var unused Gate
	<-unused.Close()
}

// TestNobodyInside: when a gate is idle, every call that was let in is over.
func TestNobodyInside(t *testing.T) {
	for range 20 {
		var g Gate
		var inside, entered atomic.Int32
		var callers sync.WaitGroup
		for range 8 {
			callers.Go(func() {
				for g.Enter() {
					inside.Add(1)
					entered.Add(1)
					inside.Add(-1)
					g.Leave()
				}
			})
		}
		for entered.Load() == 0 {
			runtime.Gosched()
		}
		<-g.Close()
		if n := inside.Load(); n != 0 {
			t.Errorf("%d calls run in an idle gate", n)
		}
		callers.Wait()
	}
}
