// Package precheck finds out before a message is taken what would come of it: recipients whose domain
// does not exist or takes no mail, messages that are too large for where they go, and senders whom
// others would refuse because the DNS does not vouch for them.
//
// It refuses only what it knows. Where the DNS does not answer in time, the message is taken and the
// queue finds out.
package precheck

import (
	"context"
	"net/netip"

	"github.com/postiljon/postiljon/internal/resolver"
)

// DNS is what is asked; *resolver.Resolver is one.
type DNS interface {
	MX(ctx context.Context, domain string) (list []resolver.MX, secure bool, err error)
	Addrs(ctx context.Context, host string) (addrs []netip.Addr, secure bool, err error)
	TXT(ctx context.Context, name string) (texts []string, secure bool, err error)
	PTR(ctx context.Context, addr netip.Addr) (names []string, secure bool, err error)
}

var _ DNS = (*resolver.Resolver)(nil)
