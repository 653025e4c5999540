package resolver

import (
	"context"

	"github.com/miekg/dns"
)

// CAA says which authority may issue certificates for a name (RFC 8659 section 4).
type CAA struct {
	Critical bool   // who does not know the tag must not issue
	Tag      string // issue, issuewild, iodef ...
	Value    string
}

// CAA returns the records that stand at a name itself; without any, those of the domain above hold.
func (r *Resolver) CAA(ctx context.Context, name string) (list []CAA, secure bool, err error) {
	return records(ctx, r, name, dns.TypeCAA, func(rr dns.RR) (CAA, bool) {
		caa, ok := rr.(*dns.CAA)
		if !ok {
			return CAA{}, false
		}
		return CAA{caa.Flag&0x80 != 0, bare(caa.Tag), caa.Value}, true
	})
}
