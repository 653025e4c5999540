// Package causes declares how each cause shows: one file a cause. What several
// of them show is in signs.go.
package causes

import "github.com/postiljon/postiljon/internal/doctor/infer"

// All returns the causes that the doctor can find, in the order of the catalogue.
func All() []*infer.Cause {
	var all []*infer.Cause
	for _, family := range [][]*infer.Cause{
		network(), dns(), tls(),
		provider(), account(), auth(), pop3(),
		client(), quota(), limit(), outbox(), content(),
		recipient(), sender(), reputation(),
		junk(), rules(), push(), web(), device(),
	} {
		all = append(all, family...)
	}
	return all
}
