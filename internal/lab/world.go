package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postiljon/postiljon/internal/lab/ca"
	"github.com/postiljon/postiljon/internal/lab/names"
)

// World is a small internet: hosts with addresses and services, names, a
// certificate authority, and places to look at it from. All of its methods may be
// called from several goroutines.
type World struct {
	CA    *ca.Authority   // everybody trusts it
	Names *names.Internet // the zones of the world

	ctx      context.Context // over when the world is
	stop     context.CancelFunc
	kernel   *kernelNet   // nil in a simulated network
	fail     func(error)  // takes what a fluent method cannot return
	skew     atomic.Int64 // of the world's time, in ns
	errMu    sync.Mutex
	errs     []error
	mu       sync.Mutex
	hosts    map[netip.Addr]*Host
	byName   map[string]*Host
	vantages map[string]*Vantage
	rules    []*Rule
	attempts map[attemptKey]uint64 // connections tried, which loss counts by
	closers  []io.Closer
	links    map[io.Closer]struct{} // what runs between a client and a server
	wg       sync.WaitGroup
	sink     net.PacketConn // takes datagrams and never answers
	closed   bool
}

// TB is what a world needs of a *testing.T.
type TB interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// New makes a world that ends with the test.
func New(t TB) *World {
	t.Helper()
	return forTest(t, Open)
}

// NewReal is New for a world as OpenReal makes it.
func NewReal(t TB) *World {
	t.Helper()
	return forTest(t, OpenReal)
}

func forTest(t TB, open func() (*World, error)) *World {
	t.Helper()
	w, err := open()
	if err != nil {
		t.Fatalf("lab: %v", err)
	}
	w.fail = func(err error) {
		t.Helper()
		t.Errorf("%v", err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Errorf("lab: close: %v", err)
		}
	})
	return w
}

// Open makes a world with one vantage point, "home", and its resolver. Close ends it
// and returns what went wrong while it was built.
func Open() (*World, error) { return open(nil) }

// open makes a world in a real network, or in a simulated one without it.
func open(k *kernelNet) (*World, error) {
	w := &World{
		kernel:   k,
		hosts:    make(map[netip.Addr]*Host),
		byName:   make(map[string]*Host),
		vantages: make(map[string]*Vantage),
		attempts: make(map[attemptKey]uint64),
		links:    make(map[io.Closer]struct{}),
	}
	w.ctx, w.stop = context.WithCancel(context.Background())
	w.fail = w.collect
	if k != nil {
		w.closers = append(w.closers, k)
	}
	if err := w.begin(); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

func (w *World) begin() (err error) {
	if w.CA, err = ca.New("Lab", w.Now); err != nil {
		return err
	}
	if w.Names, err = names.New(w.Now, func(err error) { w.fail(err) }); err != nil {
		return err
	}
	if w.sink, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	w.closers = append(w.closers, w.sink)
	return w.openResolvers()
}

// Close ends all services and connections, and returns when their goroutines are gone.
func (w *World) Close() error {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return nil
	}
	w.closed = true
	closers := w.closers
	for l := range w.links {
		closers = append(closers, l)
	}
	w.mu.Unlock()
	w.stop()
	if w.Names != nil {
		w.Names.Close()
	}
	w.errMu.Lock()
	errs := w.errs
	w.errMu.Unlock()
	for i := len(closers) - 1; i >= 0; i-- { // what was begun last ends first
		if err := closers[i].Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	w.wg.Wait()
	return errors.Join(errs...)
}

func (w *World) collect(err error) {
	w.errMu.Lock()
	defer w.errMu.Unlock()
	w.errs = append(w.errs, err)
}

// Now is the true time of the world, which certificates and signatures follow. A
// device may have another (Vantage.Now).
func (w *World) Now() time.Time { return time.Now().Add(time.Duration(w.skew.Load())) }

// Advance moves the world's time: what was issued ages by d at once.
func (w *World) Advance(d time.Duration) { w.skew.Add(int64(d)) }

// Defer hands the world something to close at its end.
func (w *World) Defer(c io.Closer) { w.add(c) }

func (w *World) add(c io.Closer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closers = append(w.closers, c)
}

// track keeps c for Close until forget; it fails when the world is over.
func (w *World) track(c io.Closer) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return net.ErrClosed
	}
	w.links[c] = struct{}{}
	w.wg.Add(1)
	return nil
}

func (w *World) forget(c io.Closer) {
	w.mu.Lock()
	delete(w.links, c)
	w.mu.Unlock()
	w.wg.Done()
}
