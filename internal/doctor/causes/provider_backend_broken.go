package causes

import (
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// provider.backend-broken: the provider has several servers behind one name, and
// one of them fails each time while another works each time. When all of IPv6 is dead, at
// others' servers too, it is the network; when every address fails now and then, it is load.
var providerBackendBroken = &infer.Cause{
	ID:       cause.ProviderBackendBroken,
	Requires: []*infer.Sign{followsAddress},
	Explains: []infer.Link{
		{Sign: turnedAway, P: 0.3},
		{Sign: saysUnavailable, P: 0.2},
		{Sign: overloaded, P: 0.3},
		{Sign: websiteDead, P: 0.05},
	},
	Excludes: []*infer.Sign{ipv6Dead, mixedConnects},
	Proof:    []*infer.Sign{followsAddress},
}
