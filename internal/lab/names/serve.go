package names

import (
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/miekg/dns"
)

// Handler answers questions. Resolver and what Authority returns are handlers.
type Handler interface {
	// answer returns nil to stay silent.
	answer(q *dns.Msg, tcp bool) *dns.Msg
}

type handler func(q *dns.Msg, tcp bool) *dns.Msg

func (h handler) answer(q *dns.Msg, tcp bool) *dns.Msg { return h(q, tcp) }

// Server is a handler at work.
type Server struct {
	UDP, TCP string // its first addresses

	servers []*dns.Server
	wg      sync.WaitGroup
}

// Serve starts a server on loopback, on one port for UDP and TCP. Close ends it.
func Serve(h Handler) (*Server, error) {
	const attempts = 20 // a port that is free for one may be taken for the other
	var err error
	for range attempts {
		var pc net.PacketConn
		if pc, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
			break
		}
		var l net.Listener
		if l, err = net.Listen("tcp", pc.LocalAddr().String()); err == nil {
			return ServeOn(h, []net.PacketConn{pc}, []net.Listener{l}), nil
		}
		pc.Close()
	}
	return nil, fmt.Errorf("names: %w", err)
}

// ServeOn starts a server on sockets that are there, at least one of each kind, which
// Close closes.
func ServeOn(h Handler, packets []net.PacketConn, listeners []net.Listener) *Server {
	s := &Server{UDP: packets[0].LocalAddr().String(), TCP: listeners[0].Addr().String()}
	for _, pc := range packets {
		s.servers = append(s.servers, &dns.Server{PacketConn: pc, Handler: serving(h, false)})
	}
	for _, l := range listeners {
		s.servers = append(s.servers, &dns.Server{Listener: l, Handler: serving(h, true)})
	}
	for _, server := range s.servers {
		up := make(chan struct{})
		server.NotifyStartedFunc = func() { close(up) }
		s.wg.Go(func() { server.ActivateAndServe() })
		<-up
	}
	return s
}

// Close ends the server and waits for it.
func (s *Server) Close() error {
	var errs []error
	for _, server := range s.servers {
		errs = append(errs, server.Shutdown())
	}
	s.wg.Wait()
	return errors.Join(errs...)
}

func serving(h Handler, tcp bool) dns.HandlerFunc {
	return func(w dns.ResponseWriter, q *dns.Msg) {
		if len(q.Question) != 1 {
			w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeFormatError))
			return
		}
		m := h.answer(q, tcp)
		if m == nil {
			return
		}
		if !tcp {
			size := dns.MinMsgSize
			if opt := q.IsEdns0(); opt != nil {
				size = int(opt.UDPSize())
			}
			m.Truncate(max(size, dns.MinMsgSize))
		}
		w.WriteMsg(m)
	}
}
