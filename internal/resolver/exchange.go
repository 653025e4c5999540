package resolver

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// server is a recursive name server.
type server struct {
	address string
	trusted bool // its AD bit is believed

	mu        sync.Mutex
	downUntil time.Time
	plain     bool // it does not know EDNS
}

// downFor is how long a server that did not answer is asked last.
const downFor = 30 * time.Second

func newServer(address string, trust Trust) (*server, error) {
	if ip, err := netip.ParseAddr(address); err == nil {
		address = net.JoinHostPort(ip.String(), "53")
	}
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, fmt.Errorf("resolver: name server %q: %w", address, err)
	}
	trusted := trust == TrustAll || trust == TrustLoopback && at.Addr().Unmap().IsLoopback()
	return &server{address: address, trusted: trusted}, nil
}

func (s *server) down(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return now.Before(s.downUntil)
}

// note remembers whether the server answered.
func (s *server) note(err error, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.downUntil = now.Add(downFor); err == nil || errors.Is(err, context.Canceled) {
		s.downUntil = time.Time{}
	}
}

func (s *server) knowsEDNS() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.plain
}

func (s *server) withoutEDNS() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plain = true
}

const (
	maxUDP   = 1232 // octets of an answer over UDP (RFC 9715 section 3.1)
	maxStray = 100  // datagrams that are no answer to the question
)

var errStray = errors.New("answers only to other questions")

// exchange asks one server: over TCP where the answer was cut short (RFC 7766 section
// 5), without EDNS where it does not know it (RFC 6891 section 7).
func (r *Resolver) exchange(ctx context.Context, s *server, q question, cd bool) (*dns.Msg, error) {
	for {
		edns := s.knowsEDNS()
		m := new(dns.Msg).SetQuestion(q.name, q.kind)
		m.CheckingDisabled = cd
		m.AuthenticatedData = s.trusted && !cd // asks for the AD bit (RFC 6840 section 5.7)
		if edns {
			m.SetEdns0(maxUDP, false)
		}
		reply, err := r.over(ctx, "udp", s, m)
		if err == nil && reply.Truncated {
			reply, err = r.over(ctx, "tcp", s, m)
		}
		if err == nil && edns && (reply.Rcode == dns.RcodeFormatError || reply.Rcode == dns.RcodeNotImplemented) {
			s.withoutEDNS()
			continue
		}
		return reply, err
	}
}

// over asks over UDP or TCP, from a port and with an id that cannot be guessed (RFC
// 5452 section 9).
func (r *Resolver) over(ctx context.Context, network string, s *server, m *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, r.opt.Timeout)
	defer cancel()
	conn, err := r.opt.Dialer.DialContext(ctx, network, s.address)
	if err != nil {
		return nil, fmt.Errorf("%s over %s: %w", s.address, network, err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // nothing to do about a failure
	defer stop()
	c := &dns.Conn{Conn: conn, UDPSize: maxUDP}
	m.Id = dns.Id()
	if err := c.WriteMsg(m); err != nil {
		return nil, fmt.Errorf("%s over %s: %w", s.address, network, err)
	}
	for range maxStray {
		reply, err := c.ReadMsg()
		switch {
		case err == nil && answers(reply, m):
			return reply, nil
		case err != nil && (reply == nil || network != "udp" || reply.Id == m.Id):
			return nil, fmt.Errorf("%s over %s: %w", s.address, network, err)
		}
	}
	return nil, fmt.Errorf("%s over %s: %w", s.address, network, errStray)
}

// answers reports whether a reply is one to a question (RFC 5452 section 9.1).
func answers(reply, m *dns.Msg) bool {
	if !reply.Response || reply.Id != m.Id || reply.Opcode != dns.OpcodeQuery {
		return false
	}
	if len(reply.Question) == 0 { // errors may come without
		return reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError
	}
	got, want := reply.Question[0], m.Question[0]
	return len(reply.Question) == 1 && got.Qtype == want.Qtype && got.Qclass == want.Qclass &&
		dns.CanonicalName(got.Name) == want.Name
}

func unhex(s string) ([]byte, bool) {
	data, err := hex.DecodeString(s)
	return data, err == nil
}

// unescape gives the octets of a text, of which the DNS library writes some as "\"
// and the character or its decimal value.
func unescape(s string) string {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '\\' || i+1 == len(s):
			out = append(out, s[i])
		case i+3 < len(s) && digit(s[i+1]) && digit(s[i+2]) && digit(s[i+3]):
			out = append(out, (s[i+1]-'0')*100+(s[i+2]-'0')*10+(s[i+3]-'0'))
			i += 3
		default:
			i++
			out = append(out, s[i])
		}
	}
	return string(out)
}

func digit(c byte) bool { return '0' <= c && c <= '9' }
