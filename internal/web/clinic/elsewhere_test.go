package clinic

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/fixtures"
	"github.com/postiljon/postiljon/internal/store"
)

// An account at another provider is looked after in public, with its password or without; what was given stays nowhere.
func TestElsewhere(t *testing.T) {
	for id, want := range map[cause.ID]string{
		cause.AuthPasswordWrong: "Wrong user name or password", cause.AuthAppPasswordRequired: "app password", cause.AccountLockedOut: "", cause.ProviderIMAPDown: "Reading is down",
	} {
		all := fixtures.All()
		i := slices.IndexFunc(all, func(f fixtures.Fixture) bool { return f.Of == id && f.Kind == fixtures.Single })
		scene, err := fixtures.NewScene(all[i].Plain())
		if err != nil {
			t.Fatal(err)
		}
		r := newRig(t)
		r.clinic.Env, r.clinic.public = scene.Env, func(netip.Addr) bool { return true }
		r.clinic.Hosted = func(context.Context, string) (bool, error) { return false, nil }
		r.clinic.Elsewhere = func(string) []string { return scene.Env.Reference }
		text := r.page(r.look(false, "tile", "signin", "address", scene.Case.Address, "password", scene.Case.Password), false)
		if want == "" {
			want = r.clinic.Catalogue.Why(id, cause.English).Title
		}
		r.has(text, want, "What we checked", "The server answers")
		r.hasNot(text, scene.Case.Password)
		packed, err := r.store.FindReport(t.Context(), referenceOn(t, text))
		if err != nil {
			t.Fatal(err)
		}
		if k, err := unpack(packed); err != nil || strings.Contains(string(k.Report), scene.Case.Password) || k.SignIns.Failed > 2 {
			t.Errorf("%s: the report: %v, %+v", id, err, k.SignIns)
		}
		scene.Close()
	}
}

// referenceOn finds the reference on a page.
func referenceOn(t *testing.T, text string) store.TraceID {
	t.Helper()
	_, after, _ := strings.Cut(text, `<code class="reference">`)
	reference, _, _ := strings.Cut(after, "<")
	id, err := ParseReference(reference)
	if err != nil {
		t.Fatalf("no reference on the page: %v", err)
	}
	return id
}
