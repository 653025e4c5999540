package lab

import (
	"errors"
	"net"
	"net/netip"
	"strings"
)

// tcpConn is a connection on loopback that carries the addresses of the world, in
// its errors too.
type tcpConn struct {
	*net.TCPConn
	local, remote net.Addr
}

func (c *tcpConn) LocalAddr() net.Addr  { return c.local }
func (c *tcpConn) RemoteAddr() net.Addr { return c.remote }

func (c *tcpConn) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	return n, renamed(err, c.local, c.remote)
}

func (c *tcpConn) Write(p []byte) (int, error) {
	n, err := c.TCPConn.Write(p)
	return n, renamed(err, c.local, c.remote)
}

// udpConn is a datagram socket with the addresses of the world. It is a
// net.PacketConn too, by which DNS clients know that no length goes before a message.
type udpConn struct {
	*net.UDPConn
	local, remote net.Addr
	refused       error
}

func (c *udpConn) LocalAddr() net.Addr  { return c.local }
func (c *udpConn) RemoteAddr() net.Addr { return c.remote }

func (c *udpConn) Read(p []byte) (int, error) {
	if c.refused != nil {
		var op *net.OpError
		errors.As(c.refused, &op)
		return 0, &net.OpError{Op: "read", Net: op.Net, Source: c.local, Addr: c.remote, Err: errors.Unwrap(op)}
	}
	n, err := c.UDPConn.Read(p)
	return n, renamed(err, c.local, c.remote)
}

// renamed puts the addresses of the world into an error of package net.
func renamed(err error, local, remote net.Addr) error {
	var op *net.OpError
	if !errors.As(err, &op) {
		return err
	}
	return &net.OpError{Op: op.Op, Net: op.Net, Source: local, Addr: remote, Err: op.Err}
}

// loopback is the address from which connections of this vantage point come.
func (v *Vantage) loopback(v6 bool) net.IP {
	if v6 {
		return net.IPv4(127, 65, 0, v.index)
	}
	return net.IPv4(127, 64, 0, v.index)
}

// clientOf returns the address in the world of who connects from a loopback address.
func (w *World) clientOf(from net.Addr) net.Addr {
	tcp, ok := from.(*net.TCPAddr)
	if !ok {
		return from
	}
	ip := tcp.IP.To4()
	if ip == nil || ip[0] != 127 || ip[1] != 64 && ip[1] != 65 {
		return from
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, v := range w.vantages {
		if v.index == ip[3] {
			family := 4
			if ip[1] == 65 {
				family = 6
			}
			return &net.TCPAddr{IP: v.Addr(family).AsSlice(), Port: tcp.Port}
		}
	}
	return from
}

// local is the client's own address of a connection that goes out through c.
func (a *attempt) local(c net.Conn) net.Addr {
	port := 0
	if c != nil {
		if ap, err := netip.ParseAddrPort(c.LocalAddr().String()); err == nil {
			port = int(ap.Port())
		}
	}
	family := 4
	if a.addr.Addr().Is6() {
		family = 6
	}
	return netAddr(a.network, a.v.Addr(family), port)
}

func (a *attempt) remote() net.Addr { return netAddr(a.network, a.addr.Addr(), int(a.addr.Port())) }

func netAddr(network string, ip netip.Addr, port int) net.Addr {
	if strings.HasPrefix(network, "udp") {
		return &net.UDPAddr{IP: ip.AsSlice(), Port: port}
	}
	return &net.TCPAddr{IP: ip.AsSlice(), Port: port}
}

// listener gives accepted connections the addresses of the world.
type listener struct {
	*net.TCPListener
	w     *World
	local net.Addr
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.TCPListener.AcceptTCP()
	if err != nil {
		return nil, err
	}
	return &tcpConn{TCPConn: c, local: l.local, remote: l.w.clientOf(c.RemoteAddr())}, nil
}

var _ net.PacketConn = (*udpConn)(nil)
