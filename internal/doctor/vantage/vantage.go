// Package vantage lets another place look at mail servers for the doctor: what
// is dead from everywhere is the provider's, what is dead from one place is in between.
//
// The service takes a POST of JSON with a Request and answers with an Answer. It
// connects to ports of mail only, never to private addresses, and tells nothing but how
// far it came and the first line that the server said.
package vantage

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Request names the endpoints to look at, at most MaxEndpoints.
type Request struct {
	Endpoints []Endpoint `json:"endpoints"`
}

// Endpoint is a port of a host, given by its name or address.
type Endpoint struct {
	Host string `json:"host"`
	Port int    `json:"port"`
	TLS  bool   `json:"tls"` // from the first octet
}

// Answer has one Seen for each endpoint of the request, in its order.
type Answer struct {
	Place string `json:"place"`
	Seen  []Seen `json:"seen"`
}

// Seen is how far it came: "ok" is a greeting of any kind. The other outcomes
// are those of the doctor's evidence.
type Seen struct {
	Outcome  string `json:"outcome"`
	Greeting string `json:"greeting,omitempty"`
}

// What is taken at most.
const (
	MaxEndpoints = 8
	maxBody      = 8 << 10
	maxAtOnce    = 32 // endpoints being looked at, of all requests
	maxGreeting  = 512
)

// Handler is the service.
type Handler struct {
	// Place is its name in answers, such as "Stockholm".
	Place string
	// Dial connects; nil means that of package net.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// LookupNetIP finds addresses; nil means the computer's resolver.
	LookupNetIP func(ctx context.Context, network, host string) ([]netip.Addr, error)
	// Roots are trusted; nil means the computer's. A server that is not trusted is ok all the same.
	Roots *x509.CertPool
	// Timeout bounds each look; 0 means five seconds.
	Timeout time.Duration

	once  sync.Once
	slots chan struct{}
}

// mailPort tells the ports that are looked at (RFC 8314 section 7, RFC 5321, RFC 6409).
func mailPort(port int) bool {
	switch port {
	case 25, 110, 143, 465, 587, 993, 995:
		return true
	}
	return false
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.once.Do(func() { h.slots = make(chan struct{}, maxAtOnce) })
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "only POST", http.StatusMethodNotAllowed)
		return
	}
	var req Request
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&req); err != nil || len(req.Endpoints) > MaxEndpoints {
		http.Error(w, "not a request", http.StatusBadRequest)
		return
	}
	for _, ep := range req.Endpoints {
		if !mailPort(ep.Port) || ep.Host == "" || len(ep.Host) > 253 {
			http.Error(w, "only ports of mail", http.StatusForbidden)
			return
		}
	}
	answer := Answer{Place: h.Place, Seen: make([]Seen, len(req.Endpoints))}
	var wg sync.WaitGroup
	for i, ep := range req.Endpoints {
		wg.Go(func() { answer.Seen[i] = h.look(r.Context(), ep) })
	}
	wg.Wait()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // whoever asked is gone
}

func (h *Handler) look(ctx context.Context, ep Endpoint) Seen {
	timeout := h.Timeout
	if timeout == 0 {
		timeout = 5 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-ctx.Done():
		return Seen{Outcome: "failed"}
	}
	ip, err := h.address(ctx, ep.Host)
	if err != nil {
		return Seen{Outcome: "failed"}
	}
	greeting, err := h.greeting(ctx, ep, ip)
	return Seen{Outcome: outcome(err), Greeting: greeting}
}

var errPrivate = errors.New("no public address")

// address returns a host's first public address, IPv4 before IPv6.
func (h *Handler) address(ctx context.Context, host string) (netip.Addr, error) {
	ips := []netip.Addr{}
	if ip, err := netip.ParseAddr(host); err == nil {
		ips = append(ips, ip)
	} else {
		lookup := h.LookupNetIP
		if lookup == nil {
			lookup = net.DefaultResolver.LookupNetIP
		}
		if ips, err = lookup(ctx, "ip", host); err != nil {
			return netip.Addr{}, err
		}
	}
	var found netip.Addr
	for _, ip := range ips {
		ip = ip.Unmap()
		if public(ip) && (!found.IsValid() || ip.Is4() && found.Is6()) {
			found = ip
		}
	}
	if !found.IsValid() {
		return found, errPrivate
	}
	return found, nil
}

// public leaves out what is of a network's own (RFC 1918, RFC 4193, RFC 6598).
func public(ip netip.Addr) bool {
	shared := netip.MustParsePrefix("100.64.0.0/10")
	return ip.IsGlobalUnicast() && !ip.IsPrivate() && !shared.Contains(ip) && ip.Zone() == ""
}

func (h *Handler) greeting(ctx context.Context, ep Endpoint, ip netip.Addr) (string, error) {
	dial := h.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	conn, err := dial(ctx, "tcp", net.JoinHostPort(ip.String(), strconv.Itoa(ep.Port)))
	if err != nil {
		return "", err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return "", err
	}
	if ep.TLS {
		c := tls.Client(conn, &tls.Config{ServerName: ep.Host, InsecureSkipVerify: true, RootCAs: h.Roots}) // only the greeting is read
		if err := c.HandshakeContext(ctx); err != nil {
			return "", err
		}
		conn = c
	}
	line, err := bufio.NewReader(io.LimitReader(conn, maxGreeting)).ReadString('\n')
	return strings.ToValidUTF8(strings.TrimSpace(line), "?"), err
}

// outcome names how it ended in the words of package evidence, which this one does not need.
func outcome(err error) string {
	var timeout net.Error
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "reset"
	case errors.Is(err, syscall.ENETUNREACH):
		return "net-unreachable"
	case errors.Is(err, syscall.EHOSTUNREACH):
		return "host-unreachable"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	case errors.Is(err, io.EOF):
		return "closed"
	}
	return "failed"
}
