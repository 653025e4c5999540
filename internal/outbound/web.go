package outbound

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/postiljon/postiljon/internal/resolver"
)

// WebOptions say how a web client reaches servers that strangers name.
type WebOptions struct {
	Resolver interface {
		Host(ctx context.Context, host string) (resolver.Host, error)
	}
	Dialer       Dialer // nil means net.Dialer
	AllowPrivate bool   // as for Options
	TLSConfig    *tls.Config
}

var errPrivate = errors.New("outbound: all addresses are private")

// NewWebClient makes a client for what domains want fetched or told over HTTPS. It
// follows no redirects, keeps no connections, and reaches nothing that stands beside us.
func NewWebClient(o WebOptions) *http.Client {
	if o.Dialer == nil {
		o.Dialer = &net.Dialer{}
	}
	transport := &http.Transport{
		DialContext: o.dial, TLSClientConfig: o.TLSConfig, DisableKeepAlives: true, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: 20 * time.Second, MaxResponseHeaderBytes: 32 << 10,
	}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// dial connects to the first address of a host that answers.
func (o *WebOptions) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	var addrs []netip.Addr
	if ip, err := netip.ParseAddr(host); err == nil {
		addrs = []netip.Addr{ip}
	} else {
		at, err := o.Resolver.Host(ctx, host)
		if err != nil {
			return nil, err
		}
		addrs = slices.Clone(at.Addrs)
	}
	if !o.AllowPrivate {
		addrs = slices.DeleteFunc(addrs, isPrivate)
	}
	failure := errPrivate
	addrs = interleave(addrs)
	for i, ip := range addrs[:min(len(addrs), maxAddresses)] {
		// Each gets its part of the time that is left.
		one, cancel := ctx, context.CancelFunc(func() {})
		if deadline, ok := ctx.Deadline(); ok && i < len(addrs)-1 {
			one, cancel = context.WithTimeout(ctx, time.Until(deadline)/2)
		}
		conn, err := o.Dialer.DialContext(one, network, net.JoinHostPort(ip.String(), port))
		cancel()
		if err == nil {
			return conn, nil
		}
		failure = err
	}
	return nil, failure
}
