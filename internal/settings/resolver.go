package settings

import (
	"context"
	"net"
)

// ResolverAt returns a resolver that asks the server at an address ("192.0.2.53:53")
// through a dialer. A question ends with the context of who asked.
func ResolverAt(d Dialer, server string) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		c, err := d.DialContext(ctx, network, server)
		if err != nil {
			return nil, err
		}
		// The resolver of the standard library would wait for its own time-outs.
		q := &question{Conn: c, stop: context.AfterFunc(ctx, func() { c.Close() })}
		if p, ok := c.(net.PacketConn); ok {
			return &packetQuestion{q, p}, nil // by this the resolver knows UDP
		}
		return q, nil
	}}
}

// question is a connection that is closed with the question.
type question struct {
	net.Conn
	stop func() bool
}

func (q *question) Close() error {
	q.stop()
	return q.Conn.Close()
}

// packetQuestion is a question over UDP.
type packetQuestion struct {
	*question
	packets net.PacketConn
}

func (q *packetQuestion) ReadFrom(b []byte) (int, net.Addr, error) { return q.packets.ReadFrom(b) }

func (q *packetQuestion) WriteTo(b []byte, to net.Addr) (int, error) { return q.packets.WriteTo(b, to) }

var _ net.PacketConn = (*packetQuestion)(nil)
