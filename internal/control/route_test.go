package control

import (
	"testing"

	"github.com/postiljon/postiljon/internal/cause"
)

func TestRoute(t *testing.T) {
	w, ctx := open(t, nil), t.Context()
	if _, err := w.AddDomain(ctx, "example.org"); err != nil {
		t.Fatal(err)
	}
	for domain, want := range map[string]struct {
		local, waits bool
		cause        cause.ID
	}{
		"example.org":         {local: true},
		"Anna@EXAMPLE.org":    {local: true},
		"elsewhere.test":      {waits: true, cause: cause.DNSResolverDead},
		"anna@elsewhere.test": {waits: true, cause: cause.DNSResolverDead},
	} {
		p, err := w.Route(ctx, RouteQuery{Domain: domain})
		if err != nil {
			t.Fatal(err)
		}
		if p.Local != want.local || p.Waits != want.waits || p.Cause != want.cause {
			t.Errorf("%s: %+v", domain, p)
		}
	}
	for _, domain := range []string{"", "a b", "anna@"} {
		if p, err := w.Route(ctx, RouteQuery{Domain: domain}); err == nil {
			t.Errorf("%q has a way: %+v", domain, p)
		}
	}
}
