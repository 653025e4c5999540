package lab

import (
	"bytes"
	"context"
	"fmt"
	"hash/fnv"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// Fault is what can happen to a connection. The functions below make them.
type Fault struct {
	name string
	// connect may fail the attempt; nil lets it go on.
	connect func(ctx context.Context, a *attempt) error
	// divert says which real address answers in place of the host's.
	divert func(a *attempt) (real string, err error)
	// up and down make filters for what the client and the server send.
	up, down func() filter
	// delay holds back everything, one way.
	delay time.Duration
	// idle is after how long without traffic the connection is forgotten.
	idle time.Duration
	// relay takes over the conversation from where the client speaks TLS.
	relay *resigner
	// kernel is how the packet filter and the routes of a real network do the same.
	kernel kernelForm
}

func (f Fault) String() string { return f.name }

// Direction is one of the two ways of a connection.
type Direction int

// The directions.
const (
	Up   Direction = iota // from the client to the server
	Down                  // from the server to the client
)

// connectTimeout is how long Linux tries to connect: six retries of a SYN.
const connectTimeout = 127 * time.Second

// Errno fails the connect at once with what the kernel would say.
func Errno(e syscall.Errno) Fault {
	return Fault{name: e.Error(), kernel: rejectWith(e), connect: func(_ context.Context, a *attempt) error {
		return connectError(a, e)
	}}
}

// Refuse answers with a reset: nothing listens there.
func Refuse() Fault { return Errno(syscall.ECONNREFUSED) }

// NetworkUnreachable is a device without a route.
func NetworkUnreachable() Fault { return Errno(syscall.ENETUNREACH) }

// HostUnreachable is a router or firewall that says that the host cannot be reached.
func HostUnreachable() Fault { return Errno(syscall.EHOSTUNREACH) }

// Denied is a firewall on the device itself that forbids the program to connect.
func Denied() Fault { return Errno(syscall.EACCES) }

// Drop lets every packet vanish: the connect ends when the client loses patience.
func Drop() Fault { return Fault{name: "drop", connect: vanish, kernel: filterAll("drop")} }

// Loss drops connections by chance: so many per cent of them, decided by a hash of
// the seed, the address and the number of the attempt. Who is let through has no
// further trouble.
func Loss(percent int, seed uint64) Fault {
	form := filterAll("drop")
	if percent < 100 {
		form = filterTCP(Up, fmt.Sprintf("jhash {ip} saddr . tcp sport mod 100 seed 0x%x < %d drop", uint32(seed), percent))
	}
	return Fault{name: fmt.Sprintf("lose %d%%", percent), kernel: form, connect: func(ctx context.Context, a *attempt) error {
		h := fnv.New64a()
		fmt.Fprintf(h, "%d %s %d", seed, a.addr, a.number)
		if int(h.Sum64()%100) >= percent {
			return nil
		}
		return vanish(ctx, a)
	}}
}

// vanish waits as the kernel does for an answer that does not come.
func vanish(ctx context.Context, a *attempt) error {
	if strings.HasPrefix(a.network, "udp") {
		return errSilent
	}
	t := time.NewTimer(connectTimeout)
	defer t.Stop()
	select {
	case <-t.C:
		return connectError(a, syscall.ETIMEDOUT)
	case <-ctx.Done():
	}
	// With its context over, the net package says what it always says then,
	// without sending anything.
	c, err := new(net.Dialer).DialContext(ctx, a.network, a.addr.String())
	if err == nil {
		c.Close()
		return connectError(a, syscall.ETIMEDOUT)
	}
	return err
}

// connectError is what a failed connect(2) looks like through package net.
func connectError(a *attempt, e syscall.Errno) error {
	return &net.OpError{Op: "dial", Net: a.network, Addr: a.remote(), Err: os.NewSyscallError("connect", e)}
}

// Delay holds back everything that TCP carries by d in each direction; connecting takes
// 2d. The DNS is slow by Resolver.SetLatency.
func Delay(d time.Duration) Fault { return Fault{name: "delay " + d.String(), delay: d} }

// CutAfter ends the connection in an orderly way after n octets in a direction.
func CutAfter(n int, d Direction) Fault { return after(n, d, end, "cut") }

// ResetAfter resets the connection after n octets in a direction; with 0, as soon
// as the first one comes.
func ResetAfter(n int, d Direction) Fault { return after(n, d, reset, "reset") }

// StallAfter lets everything after n octets in a direction vanish, as do the
// acknowledgements: nobody is told.
func StallAfter(n int, d Direction) Fault { return after(n, d, stall, "stall") }

func after(n int, d Direction, v verdict, name string) Fault {
	return one(d, fmt.Sprintf("%s after %d octets", name, n), kernelForm{}, func() filter {
		left := n
		return func(p []byte) ([]byte, verdict) {
			if len(p) <= left && n > 0 {
				left -= len(p)
				if left > 0 {
					return p, pass
				}
				return p, v
			}
			return p[:left], v
		}
	})
}

// one makes a fault of a filter in one direction.
func one(d Direction, name string, form kernelForm, f func() filter) Fault {
	if d == Up {
		return Fault{name: name, up: f, kernel: form}
	}
	return Fault{name: name, down: f, kernel: form}
}

// ResetHello resets the connection when the client's TLS hello passes. With
// Where.SNI it is reset for that name only.
func ResetHello() Fault {
	return one(Up, "reset at the TLS hello", filterTCP(Up, helloPacket+" reject with tcp reset"), func() filter {
		return func(p []byte) ([]byte, verdict) {
			if isHello(p) {
				return nil, reset
			}
			return p, pass
		}
	})
}

// StallHello lets everything vanish from the client's TLS hello on.
func StallHello() Fault {
	return one(Up, "stall at the TLS hello", filterTCP(Up, helloPacket+" drop"), func() filter {
		return func(p []byte) ([]byte, verdict) {
			if isHello(p) {
				return nil, stall
			}
			return p, pass
		}
	})
}

// BlackHole lets packets of more than max octets vanish in a direction, and with
// the first of them whatever follows: a path with a smaller MTU whose ICMP messages
// are filtered. 1400 is a good max; a TLS hello may be larger than that, too.
func BlackHole(max int, d Direction) Fault {
	f := BlackHoleAfter(0, max, d)
	f.kernel = filterTCP(d, fmt.Sprintf("meta length > %d drop", max))
	return f
}

// BlackHoleAfter is a BlackHole from n octets of the connection on, so that signing in
// works and large messages stall. A real network has no such thing.
func BlackHoleAfter(n, max int, d Direction) Fault {
	return one(d, fmt.Sprintf("lose packets above %d octets", max), kernelForm{}, func() filter {
		passed := 0
		return func(p []byte) ([]byte, verdict) {
			if len(p) > max && passed >= n {
				return nil, stall
			}
			passed += len(p)
			return p, pass
		}
	})
}

// ForgetIdle is a NAT that forgets a connection after some time without traffic:
// from then on it is silent in both directions.
func ForgetIdle(after time.Duration) Fault {
	return Fault{name: "forget after " + after.String(), idle: after}
}

// StripSTARTTLS is a middlebox that makes the server's offer of STARTTLS (or STLS)
// unreadable, and the command too if a client sends it all the same.
func StripSTARTTLS() Fault {
	words := [][2][]byte{{[]byte("STARTTLS"), []byte("XXXXXXXA")}, {[]byte("STLS"), []byte("XXXA")}}
	f := func() filter {
		encrypted := false
		return func(p []byte) ([]byte, verdict) {
			if encrypted = encrypted || isTLS(p); encrypted {
				return p, pass
			}
			for _, w := range words {
				p = bytes.ReplaceAll(p, w[0], w[1])
			}
			return p, pass
		}
	}
	return Fault{name: "strip STARTTLS", up: f, down: f}
}

// Divert lets another host answer in place of the right one, on the same port.
func Divert(to *Host) Fault { return divert(to, 0) }

// DivertPort lets another host answer in place of the right one, on a port of its own.
func DivertPort(to *Host, port int) Fault { return divert(to, port) }

func divert(to *Host, port int) Fault {
	return Fault{name: "divert to " + to.Name, kernel: kernelForm{divertTo: to, divertPort: port}, divert: func(a *attempt) (string, error) {
		p := port
		if p == 0 {
			p = int(a.addr.Port())
		}
		real, ok := to.target(a.network, p)
		if !ok {
			return "", connectError(a, syscall.ECONNREFUSED)
		}
		return real, nil
	}}
}
