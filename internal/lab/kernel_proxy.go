package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/postiljon/postiljon/internal/lab/netns"
)

// proxyDial bounds how long the proxy tries to reach a server.
const proxyDial = 20 * time.Second

// proxyPort returns where the proxy of the router listens, and starts it at the first
// time. k.mu and w.mu are held.
func (k *kernelNet) proxyPort(w *World) (int, error) {
	if k.proxy != 0 {
		return k.proxy, nil
	}
	// One listener a family: the original destination is asked for in different ways.
	four, err := k.listenOnRouter("tcp4", "0.0.0.0:0")
	if err != nil {
		return 0, err
	}
	port := four.Addr().(*net.TCPAddr).Port
	six, err := k.listenOnRouter("tcp6", fmt.Sprintf("[::]:%d", port))
	if err != nil {
		return 0, errors.Join(err, four.Close())
	}
	for _, l := range []*net.TCPListener{four, six} {
		w.closers = append(w.closers, l)
		w.wg.Go(func() { k.accept(w, l) })
	}
	k.proxy = port
	return port, nil
}

func (k *kernelNet) listenOnRouter(network, addr string) (l *net.TCPListener, err error) {
	err = k.router.Do(func() error {
		one, err := net.Listen(network, addr)
		if err == nil {
			l = one.(*net.TCPListener)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("lab: proxy: %w", err)
	}
	return l, nil
}

// accept takes the connections that the packet filter redirects.
func (k *kernelNet) accept(w *World, l *net.TCPListener) {
	for {
		c, err := l.AcceptTCP()
		if err != nil {
			return
		}
		w.wg.Go(func() { k.passOn(w, c) })
	}
}

// passOn joins a redirected connection to where it was meant for, through the faults
// that it meets.
func (k *kernelNet) passOn(w *World, client *net.TCPConn) {
	to, err := netns.OriginalDestination(client)
	if err != nil {
		client.Close()
		w.fail(fmt.Errorf("lab: proxy: %w", err))
		return
	}
	ctx, cancel := context.WithTimeout(w.ctx, proxyDial)
	defer cancel()
	var server net.Conn
	err = k.router.Do(func() (err error) {
		server, err = new(net.Dialer).DialContext(ctx, "tcp", to.String())
		return err
	})
	if err != nil {
		client.SetLinger(0) // as if the server had said so
		client.Close()
		return
	}
	l := newLink(w, client, server.(*net.TCPConn), w.rulesBetween(client.RemoteAddr(), to))
	if err := w.track(l); err != nil {
		l.Close()
		return
	}
	l.run()
}

// rulesBetween returns the rules for a connection of a device that has been made
// already.
func (w *World) rulesBetween(from net.Addr, to netip.AddrPort) []*Rule {
	a := &attempt{network: "tcp", addr: to}
	tcp, _ := from.(*net.TCPAddr)
	w.mu.Lock()
	a.host = w.hosts[to.Addr()]
	for _, v := range w.vantages {
		if tcp != nil && (tcp.IP.Equal(v.v4.AsSlice()) || tcp.IP.Equal(v.v6.AsSlice())) {
			a.v = v
		}
	}
	w.mu.Unlock()
	if a.v == nil {
		return nil
	}
	rules := throughLink(w.matching(a))
	for _, r := range rules {
		if r.where.SNI == "" {
			r.hits.Add(1)
		}
	}
	return rules
}
