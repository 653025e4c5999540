package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/kv"
	"github.com/postiljon/postiljon/internal/store/storetest"
)

// dying lets some transactions through; then it is as if the power were gone.
type dying struct {
	kv.DB
	left atomic.Int64
}

var errDead = errors.New("the power is gone")

func (d *dying) Update(ctx context.Context, a kv.Account, fn func(kv.Tx) error) error {
	if d.left.Add(-1) < 0 {
		return errDead
	}
	return d.DB.Update(ctx, a, fn)
}

// TestSharingSurvivesACrash ends each change of what is shared after every number of transactions.
// What is there then agrees, the change can be made again, and at last nothing is left over.
func TestSharingSurvivesACrash(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(ctx context.Context, s *store.Store, o *office) error
	}{
		{"grant", func(ctx context.Context, s *store.Store, o *office) error {
			_, _, err := s.SetGrant(ctx, o.anna, store.InboxID, "cecilia@demo.test", func(store.Rights) store.Rights { return rights("lr") })
			return err
		}},
		{"revoke", func(ctx context.Context, s *store.Store, o *office) error {
			_, _, err := s.SetGrant(ctx, o.anna, o.work.ID, "bjorn@demo.test", func(store.Rights) store.Rights { return 0 })
			return err
		}},
		{"delete mailbox", func(ctx context.Context, s *store.Store, o *office) error {
			return s.DeleteMailbox(ctx, o.anna, "Work")
		}},
		{"create below", func(ctx context.Context, s *store.Store, o *office) error {
			_, err := s.CreateMailbox(ctx, o.anna, "Work/A/B", store.RoleNone)
			return err
		}},
		{"delete alias", func(ctx context.Context, s *store.Store, o *office) error {
			return s.DeleteAlias(ctx, "team@demo.test")
		}},
		{"delete account", func(ctx context.Context, s *store.Store, o *office) error { return s.DeleteAccount(ctx, o.bjorn) }},
		{"delete owner", func(ctx context.Context, s *store.Store, o *office) error { return s.DeleteAccount(ctx, o.anna) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			for n := int64(0); ; n++ {
				if n > 20 {
					t.Fatal("it never comes to an end")
				}
				o, records := newOfficeWithRecords(t)
				if err := o.CreateAlias(t.Context(), store.Alias{Address: "team@demo.test", Targets: []string{"bjorn@demo.test", "cecilia@demo.test"}}); err != nil {
					t.Fatal(err)
				}
				for _, who := range []string{"bjorn", "team", "anyone"} {
					o.share(o.work.ID, who, "lr")
				}
				if died := crashAfter(t, o, records, n, c.change); !died {
					return
				}
			}
		})
	}
}

// crashAfter makes a change that ends after n transactions, looks at what is there, and makes it
// again. It reports whether the change was broken off.
func crashAfter(t *testing.T, o *office, records kv.DB, n int64, change func(context.Context, *store.Store, *office) error) bool {
	t.Helper()
	ctx := t.Context()
	db := &dying{DB: records}
	db.left.Store(n)
	s, err := store.Open(ctx, store.Options{Records: db, Blobs: o.Blobs()})
	if err != nil {
		t.Fatal(err)
	}
	err = change(ctx, s, o)
	if err != nil && !errors.Is(err, errDead) {
		t.Fatal(err)
	}
	died := db.left.Load() < 0
	again, err := store.Open(ctx, store.Options{Records: records, Blobs: o.Blobs()})
	if err != nil {
		t.Fatal(err)
	}
	agrees(t, again, fmt.Sprintf("after %d transactions, before the start", n))
	if _, err := again.FinishDeletions(ctx); err != nil {
		t.Fatal(err)
	}
	agrees(t, again, fmt.Sprintf("after %d transactions", n))
	if died {
		if err := change(ctx, again, o); err != nil && store.KindOf(err) != store.KindNotFound && store.KindOf(err) != store.KindExists {
			t.Fatal(err)
		}
		agrees(t, again, fmt.Sprintf("after %d transactions and once more", n))
	}
	// An address that was given up means nobody, whoever has it next.
	for _, address := range []string{"bjorn@demo.test", "team@demo.test"} {
		if _, err := again.Resolve(ctx, address); store.KindOf(err) != store.KindNotFound {
			continue
		}
		next := storetest.Account(t, again, address)
		list, err := again.SharedWith(ctx, next.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, shared := range list {
			for _, g := range must[[]store.Grant](t)(again.Grants(ctx, shared.Owner.ID, shared.Mailbox.ID)) {
				if g.Identifier == address {
					t.Errorf("after %d transactions the next %s has what the one before had: %v", n, address, g)
				}
			}
		}
	}
	return died
}

// agrees is verify.
func agrees(t *testing.T, s *store.Store, when string) {
	t.Helper()
	r, err := s.Verify(t.Context(), store.VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range r.Problems {
		t.Errorf("%s: %s", when, p.Text)
	}
}
