package netserve

import (
	"net"
	"sync"
)

// Limit bounds how many connections are open at once, over any number of listeners. What is too many waits to be accepted.
type Limit struct {
	mu   sync.Mutex
	more *sync.Cond
	most int
	open int
}

// NewLimit makes a Limit of so many connections.
func NewLimit(most int) *Limit {
	l := &Limit{most: most}
	l.more = sync.NewCond(&l.mu)
	return l
}

// Set changes the limit. Connections that are open stay.
func (l *Limit) Set(most int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.most = most
	l.more.Broadcast()
}

// Listen returns a listener whose connections count.
func (l *Limit) Listen(inner net.Listener) net.Listener { return &limited{Listener: inner, limit: l} }

// limited is a listener with a limit.
type limited struct {
	net.Listener
	limit  *Limit
	closed bool // guarded by limit.mu
}

// Accept waits for a place first, then for a connection.
func (l *limited) Accept() (net.Conn, error) {
	l.limit.mu.Lock()
	for l.limit.open >= l.limit.most && !l.closed {
		l.limit.more.Wait()
	}
	l.limit.open++
	l.limit.mu.Unlock()
	nc, err := l.Listener.Accept()
	if err != nil {
		l.limit.leave()
		return nil, err
	}
	return &counted{Conn: nc, limit: l.limit}, nil
}

// Close closes the listener; who waits for a place hears of it.
func (l *limited) Close() error {
	err := l.Listener.Close()
	l.limit.mu.Lock()
	defer l.limit.mu.Unlock()
	l.closed = true
	l.limit.more.Broadcast()
	return err
}

func (l *Limit) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	l.more.Signal()
}

// counted is a connection that has a place until it is closed.
type counted struct {
	net.Conn
	limit *Limit
	once  sync.Once
}

// Close gives the place free.
func (c *counted) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.limit.leave)
	return err
}
