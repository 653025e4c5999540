package resolver

import (
	"context"

	"github.com/miekg/dns"
)

// SRV is where a service of a domain is (RFC 2782). A service that is not offered has the target "".
type SRV struct {
	Target                 string // in lower case without the final dot
	Priority, Weight, Port uint16
}

// SRV returns what a name such as "_imaps._tcp.example.net" says about a service, in any order.
func (r *Resolver) SRV(ctx context.Context, name string) (list []SRV, secure bool, err error) {
	return records(ctx, r, name, dns.TypeSRV, func(rr dns.RR) (SRV, bool) {
		srv, ok := rr.(*dns.SRV)
		if !ok {
			return SRV{}, false
		}
		return SRV{bare(srv.Target), srv.Priority, srv.Weight, srv.Port}, true
	})
}
