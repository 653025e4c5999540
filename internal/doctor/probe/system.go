package probe

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/postiljon/postiljon/internal/doctor/evidence"
)

// systemInterfaces reads the device's interfaces. Whether there is a default
// route is told by the kernel when asked for the way to an address outside;
// nothing is sent for that.
func systemInterfaces() (evidence.Interfaces, error) {
	all, err := net.Interfaces()
	if err != nil {
		return evidence.Interfaces{}, fmt.Errorf("interfaces: %w", err)
	}
	found := evidence.Interfaces{RoutesKnown: true, Default4: hasRoute("udp4", "192.0.2.1:9"), Default6: hasRoute("udp6", "[2001:db8::1]:9")}
	for _, i := range all {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback != 0 {
			continue
		}
		found.Up++
		for _, prefix := range []string{"tun", "tap", "wg", "utun", "ppp", "ipsec"} {
			found.VPN = found.VPN || strings.HasPrefix(i.Name, prefix)
		}
	}
	return found, nil
}

func hasRoute(network, addr string) bool {
	c, err := net.Dial(network, addr)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// transport makes HTTP connections through the injected dialer, resolver and roots.
func (r *Run) transport() *http.Transport {
	return &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{RootCAs: r.Roots, Time: r.Now},
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			host, port, err := net.SplitHostPort(addr)
			if err != nil {
				return nil, err
			}
			// Package http lets a dial go on when nobody waits for it any more.
			ctx, cancel := context.WithTimeout(ctx, r.Step)
			defer cancel()
			defer context.AfterFunc(r.over, cancel)()
			var last error = fmt.Errorf("%s has no address", host)
			for _, ip := range r.Addresses(ctx, host) {
				conn, err := r.Dialer.DialContext(ctx, "tcp", net.JoinHostPort(ip.String(), port))
				if err == nil {
					return conn, nil
				}
				last = err
			}
			return nil, last
		},
	}
}
