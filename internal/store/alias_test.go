package store_test

import (
	"slices"
	"testing"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
)

// TestAliasElsewhere: an alias can lead elsewhere, alone or beside addresses here, and through another.
func TestAliasElsewhere(t *testing.T) {
	s := storetest.Open(t)
	ctx := t.Context()
	anna := storetest.Account(t, s, "anna@demo.test")
	for _, a := range []store.Alias{
		{Address: "away@demo.test", Forward: []string{"Carl@Elsewhere.example"}},
		{Address: "both@demo.test", Targets: []string{"anna@demo.test", "away@demo.test"}, Forward: []string{"Carl@elsewhere.example", "dora@elsewhere.example"}},
	} {
		if err := s.CreateAlias(ctx, a); err != nil {
			t.Fatal(err)
		}
	}
	for addr, want := range map[string]struct {
		accounts int
		forward  []string
	}{
		"away@demo.test":         {0, []string{"Carl@elsewhere.example"}},
		"away+x@demo.test":       {0, []string{"Carl@elsewhere.example"}},
		"both@demo.test":         {1, []string{"Carl@elsewhere.example", "dora@elsewhere.example"}},
		"anna@demo.test":         {1, nil},
		"dora@elsewhere.example": {-1, nil},
	} {
		res, err := s.Resolve(ctx, addr)
		if want.accounts < 0 {
			if store.KindOf(err) != store.KindNotFound {
				t.Errorf("%s: %v", addr, err)
			}
			continue
		}
		if err != nil || len(res.Accounts) != want.accounts || !slices.Equal(res.Forward, want.forward) {
			t.Errorf("%s: %+v, %v", addr, res, err)
		}
	}
	for about, a := range map[string]store.Alias{
		"nowhere":            {Address: "x@demo.test"},
		"no address":         {Address: "x@demo.test", Forward: []string{"nobody"}},
		"a literal":          {Address: "x@demo.test", Forward: []string{"a@[192.0.2.1]"}},
		"an address here":    {Address: "x@demo.test", Forward: []string{"anna@demo.test"}},
		"an unknown one too": {Address: "x@demo.test", Forward: []string{"nobody@demo.test"}},
	} {
		if err := s.CreateAlias(ctx, a); store.KindOf(err) != store.KindInvalid {
			t.Errorf("%s: %v", about, err)
		}
	}
	// The domain comes here: its addresses are looked up as any.
	if err := s.CreateDomain(ctx, store.Domain{Name: "elsewhere.example"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Resolve(ctx, "away@demo.test"); store.KindOf(err) != store.KindNotFound {
		t.Errorf("before the account is here: %v", err)
	}
	carl := storetest.Account(t, s, "carl@elsewhere.example")
	res, err := s.Resolve(ctx, "both@demo.test")
	if err != nil || len(res.Forward) != 0 || len(res.Accounts) != 2 || res.Accounts[0].ID != anna.ID || res.Accounts[1].ID != carl.ID {
		t.Errorf("after that: %+v, %v", res, err)
	}
}
