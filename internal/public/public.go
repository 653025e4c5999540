// Package public tells addresses of the Internet from those inside a network, for whoever connects to where a stranger or an
// account holder leads.
package public

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
)

// reserved are blocks that no server on the Internet has its address in and that netip does not name (RFC 6890, RFC 6598), and ways
// to reach IPv4 inside IPv6 (RFC 6052, RFC 3056, RFC 4380).
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("2001::/32"),
}

// Address reports whether an address is reached over the Internet.
func Address(ip netip.Addr) bool {
	ip = ip.Unmap()
	return ip.IsGlobalUnicast() && !ip.IsPrivate() && ip.Zone() == "" &&
		!slices.ContainsFunc(reserved, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// ErrPrivate reports a connection that was not made because it would have led into a network.
var ErrPrivate = errors.New("public: the address is inside a network")

// Dialer connects to public addresses only. It looks at the address after the name was resolved, so that no name leads
// elsewhere than it seems to.
func Dialer() *net.Dialer {
	return &net.Dialer{ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err == nil && !Address(to.Addr()) {
			err = ErrPrivate
		}
		if err != nil {
			return fmt.Errorf("connect to %s: %w", address, err)
		}
		return nil
	}}
}
