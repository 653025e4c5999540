package probe

import (
	"context"
	"fmt"
	"sync"

	"github.com/postiljon/postiljon/internal/doctor/evidence"
)

// The contrasts between resolvers: the same question to another one, and with
// DNSSEC left aside (RFC 4035 section 3.2.2).

// SecondResolver asks the other resolver for what the device's own was asked
// for: records of the address's domain.
func (r *Run) SecondResolver() Probe {
	domain := r.Evidence.Complaint.Domain()
	return Probe{Name: "second resolver", Run: func(ctx context.Context) error {
		if len(r.Resolvers) < 2 {
			return fmt.Errorf("there is no other resolver: %w", ErrBlocked)
		}
		var wg sync.WaitGroup
		for _, kind := range []string{"SOA", "MX", "A"} {
			wg.Go(func() { r.LookupAt(ctx, 1, domain, kind, false) })
		}
		wg.Wait()
		return nil
	}}
}

// ContrastHost asks for a host's address in the other ways: at the other
// resolver, and without DNSSEC where it failed. It never fails itself.
func (r *Run) ContrastHost(host string) Probe {
	return Probe{Name: "contrast " + host, Run: func(ctx context.Context) error {
		var wg sync.WaitGroup
		wg.Go(func() { r.withoutDNSSEC(ctx, host, "A") })
		wg.Go(func() { r.LookupAt(ctx, 1, host, "A", false) })
		wg.Wait()
		return nil
	}}
}

// DomainWithoutDNSSEC asks for the domain's SOA with checking disabled where it could not be had.
func (r *Run) DomainWithoutDNSSEC() Probe {
	return Probe{Name: "domain without DNSSEC", Run: func(ctx context.Context) error {
		for _, kind := range []string{"SOA", "MX"} {
			r.withoutDNSSEC(ctx, r.Evidence.Complaint.Domain(), kind)
		}
		return nil
	}}
}

func (r *Run) withoutDNSSEC(ctx context.Context, name, kind string) {
	if r.Lookup(ctx, name, kind).Answer == evidence.ServFail {
		r.LookupAt(ctx, 0, name, kind, true)
	}
}
