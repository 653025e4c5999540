package kvtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/postiljon/postiljon/internal/store/kv"
)

// model is what a database should hold: a map for each account.
type model map[kv.Account]map[string]string

// testModel runs random transactions against the database and a map.
func testModel(t *testing.T, db kv.DB) {
	rapid.Check(t, func(r *rapid.T) {
		clear(t, db)
		m := model{}
		for range rapid.IntRange(1, 16).Draw(r, "transactions") {
			switch rapid.IntRange(0, 4).Draw(r, "kind") {
			case 0:
				m.transact(r, db.Write)
			case 1:
				m.updateEach(r, db)
			default:
				m.transact(r, db.Update)
			}
			m.compare(r, db)
		}
	})
}

func clear(t *testing.T, db kv.DB) {
	for a := range kv.Account(4) {
		update(t, db, a, func(tx kv.Tx) error { return tx.DeleteRange(nil, nil) })
	}
}

var (
	genAccount = rapid.Uint64Range(0, 3)
	genKey     = rapid.StringMatching(`[ab]{0,3}`)
)

func (m model) of(a kv.Account) map[string]string {
	if m[a] == nil {
		m[a] = map[string]string{}
	}
	return m[a]
}

func (m model) transact(r *rapid.T, do func(context.Context, kv.Account, func(kv.Tx) error) error) {
	a := kv.Account(genAccount.Draw(r, "account"))
	own := maps.Clone(m.of(a))
	fail := rapid.IntRange(0, 5).Draw(r, "fail") == 0
	err := do(context.Background(), a, func(tx kv.Tx) error { return steps(r, tx, own, fail) })
	m.done(r, a, own, err, fail)
}

func (m model) updateEach(r *rapid.T, db kv.DB) {
	ids := rapid.Permutation([]kv.Account{0, 1, 2, 3}).Draw(r, "accounts")
	ids = ids[:rapid.IntRange(1, 4).Draw(r, "count")]
	own := make([]map[string]string, len(ids))
	fail := make([]bool, len(ids))
	errs := db.UpdateEach(context.Background(), ids, func(tx kv.Tx, i int) error {
		own[i] = maps.Clone(m.of(ids[i]))
		fail[i] = rapid.IntRange(0, 3).Draw(r, "fail") == 0
		return steps(r, tx, own[i], fail[i])
	})
	for i, a := range ids {
		m.done(r, a, own[i], errs[i], fail[i])
	}
}

func (m model) done(r *rapid.T, a kv.Account, own map[string]string, err error, fail bool) {
	switch {
	case fail && errors.Is(err, errWanted):
	case !fail && err == nil:
		m[a] = own
	default:
		r.Fatalf("transaction of account %d returns %v", a, err)
	}
}

// steps makes random writes in a transaction and compares after some of them.
func steps(r *rapid.T, tx kv.Tx, own map[string]string, fail bool) error {
	for range rapid.OneOf(rapid.IntRange(0, 5), rapid.IntRange(15, 25)).Draw(r, "steps") {
		key := genKey.Draw(r, "key")
		var err error
		switch rapid.IntRange(0, 6).Draw(r, "step") {
		case 0, 1:
			value := fmt.Sprint(rapid.IntRange(0, 999).Draw(r, "value"))
			err = tx.Set([]byte(key), []byte(value))
			own[key] = value
		case 2:
			err = tx.Delete([]byte(key))
			delete(own, key)
		case 3:
			to := genKey.Draw(r, "to")
			err = tx.DeleteRange([]byte(key), []byte(to))
			maps.DeleteFunc(own, func(k, _ string) bool { return key <= k && k < to })
		case 4:
			compare(r, tx, own)
		case 5, 6:
			one(r, tx, own, key)
		}
		if err != nil {
			return err
		}
	}
	if fail {
		return errWanted
	}
	return nil
}

func (m model) compare(r *rapid.T, db kv.DB) {
	var want, got []kv.Account
	for a := range kv.Account(4) {
		if len(m.of(a)) > 0 {
			want = append(want, a)
		}
	}
	a := kv.Account(genAccount.Draw(r, "account"))
	err := db.View(context.Background(), a, func(v kv.Reader) error { compare(r, v, m.of(a)); return nil })
	if err != nil {
		r.Fatal(err)
	}
	err = db.Accounts(context.Background(), func(a kv.Account) error { got = append(got, a); return nil })
	if err != nil || !slices.Equal(got, want) {
		r.Fatalf("accounts %v, %v, want %v", got, err, want)
	}
}

// one compares what is read under a key.
func one(r *rapid.T, v kv.Reader, own map[string]string, key string) {
	got, ok, err := v.Get([]byte(key))
	if want, there := own[key]; err != nil || ok != there || string(got) != want {
		r.Fatalf("key %q is %q, %v, %v, want %q, %v", key, got, ok, err, want, there)
	}
}

// compare compares all keys in both directions, a walk from a random place, and
// a Get.
func compare(r *rapid.T, v kv.Reader, own map[string]string) {
	want := slices.Sorted(maps.Keys(own))
	from := genKey.Draw(r, "from")
	at, _ := slices.BinarySearch(want, from)

	it := v.Iterate(nil, nil)
	walk(r, it, it.Next, it.Next, want, own)
	it = v.Iterate(nil, nil)
	back := slices.Clone(want)
	slices.Reverse(back)
	walk(r, it, it.Prev, it.Prev, back, own)
	it = v.Iterate(nil, nil)
	walk(r, it, func() bool { return it.SeekGE([]byte(from)) }, it.Next, want[at:], own)
	it = v.Iterate(nil, nil)
	walk(r, it, func() bool { return it.SeekLT([]byte(from)) }, it.Prev, back[len(back)-at:], own)
	it = v.Iterate([]byte(from), nil)
	walk(r, it, it.Next, it.Next, want[at:], own)

	one(r, v, own, from)
}

func walk(r *rapid.T, it kv.Iterator, first, next func() bool, want []string, own map[string]string) {
	got := []string{}
	for ok := first(); ok; ok = next() {
		key := string(it.Key())
		got = append(got, key)
		if v, err := it.Value(); err != nil || string(v) != own[key] {
			r.Fatalf("key %q has %q, %v, want %q", key, v, err, own[key])
		}
	}
	if err := it.Close(); err != nil {
		r.Fatal(err)
	}
	if !slices.Equal(got, want) {
		r.Fatalf("keys %q, want %q", got, want)
	}
}
