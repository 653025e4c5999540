// Package kvtest is the suite that every implementation of package kv passes
// unchanged.
package kvtest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/store/kv"
)

// Run tests the implementation that open opens: each call opens a new, empty
// database. The suite closes it.
func Run(t *testing.T, open func(t *testing.T) kv.DB) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, db kv.DB)
	}{
		{"GetSetDelete", testGetSetDelete},
		{"EmptyKeyAndValue", testEmpty},
		{"AccountsAreApart", testIsolation},
		{"Order", testOrder},
		{"IteratorMoves", testIterator},
		{"IteratorBounds", testBounds},
		{"OwnWrites", testOwnWrites},
		{"IteratorKeepsItsState", testIteratorSnapshot},
		{"DeleteRange", testDeleteRange},
		{"SlicesAreNotKept", testNotKept},
		{"ValuesLiveToTheEnd", testValuesLive},
		{"SnapshotIsStable", testSnapshot},
		{"ReaderDoesNotBlock", testReaderDoesNotBlock},
		{"Serial", testSerial},
		{"ErrorDropsWrites", testErrorDrops},
		{"UpdateEach", testUpdateEach},
		{"UpdateEachConcurrent", testUpdateEachConcurrent},
		{"WriteIsSeenAndOrdered", testWrite},
		{"Accounts", testAccounts},
		{"Limits", testLimits},
		{"LargeValues", testLargeValues},
		{"Context", testContext},
		{"Close", testClose},
		{"CloseWaits", testCloseWaits},
		{"Checkpoint", testCheckpoint},
		{"Model", testModel},
	} {
		t.Run(test.name, func(t *testing.T) {
			db := open(t)
			test.run(t, db)
			if err := db.Close(); err != nil && !errors.Is(err, kv.ErrClosed) {
				t.Errorf("Close: %v", err)
			}
		})
	}
}

const (
	a1 kv.Account = 1
	a2 kv.Account = 2
)

func update(t *testing.T, db kv.DB, a kv.Account, fn func(kv.Tx) error) {
	t.Helper()
	if err := db.Update(context.Background(), a, fn); err != nil {
		t.Fatalf("Update: %v", err)
	}
}

func view(t *testing.T, db kv.DB, a kv.Account, fn func(kv.Reader) error) {
	t.Helper()
	if err := db.View(context.Background(), a, fn); err != nil {
		t.Fatalf("View: %v", err)
	}
}

// put sets keys to their own names.
func put(t *testing.T, db kv.DB, a kv.Account, keys ...string) {
	t.Helper()
	update(t, db, a, func(tx kv.Tx) error {
		for _, k := range keys {
			if err := tx.Set([]byte(k), []byte(k)); err != nil {
				return err
			}
		}
		return nil
	})
}

func get(r kv.Reader, key string) string {
	v, ok, err := r.Get([]byte(key))
	switch {
	case err != nil:
		return "error: " + err.Error()
	case !ok:
		return "none"
	}
	return string(v)
}

func expect(t *testing.T, r kv.Reader, key, want string) {
	t.Helper()
	if got := get(r, key); got != want {
		t.Errorf("key %q is %q, want %q", key, got, want)
	}
}

// keys walks all keys, and back, and returns them.
func keys(t *testing.T, r kv.Reader, from, to []byte) []string {
	t.Helper()
	it := r.Iterate(from, to)
	list := []string{}
	for it.Next() {
		list = append(list, string(it.Key()))
	}
	if err := it.Close(); err != nil {
		t.Errorf("Iterator.Close: %v", err)
	}
	it = r.Iterate(from, to)
	back := []string{}
	for it.Prev() {
		back = append(back, string(it.Key()))
	}
	if err := it.Close(); err != nil {
		t.Errorf("Iterator.Close: %v", err)
	}
	slices.Reverse(back)
	if !slices.Equal(list, back) {
		t.Errorf("forward %q, backward %q", list, back)
	}
	return list
}

func expectKeys(t *testing.T, r kv.Reader, from, to []byte, want ...string) {
	t.Helper()
	if got := keys(t, r, from, to); !slices.Equal(got, want) {
		t.Errorf("keys %q, want %q", got, want)
	}
}

func testGetSetDelete(t *testing.T, db kv.DB) {
	view(t, db, a1, func(r kv.Reader) error { expect(t, r, "k", "none"); return nil })
	put(t, db, a1, "k")
	view(t, db, a1, func(r kv.Reader) error { expect(t, r, "k", "k"); return nil })
	update(t, db, a1, func(tx kv.Tx) error { return tx.Set([]byte("k"), []byte("new")) })
	view(t, db, a1, func(r kv.Reader) error { expect(t, r, "k", "new"); return nil })
	update(t, db, a1, func(tx kv.Tx) error { return tx.Delete([]byte("k")) })
	view(t, db, a1, func(r kv.Reader) error { expect(t, r, "k", "none"); return nil })
	update(t, db, a1, func(tx kv.Tx) error { return tx.Delete([]byte("never there")) })
}

func testEmpty(t *testing.T, db kv.DB) {
	update(t, db, a1, func(tx kv.Tx) error {
		return errors.Join(tx.Set([]byte{}, []byte("of the empty key")), tx.Set([]byte("empty"), nil))
	})
	view(t, db, a1, func(r kv.Reader) error {
		expect(t, r, "", "of the empty key")
		expect(t, r, "empty", "")
		expectKeys(t, r, nil, nil, "", "empty")
		return nil
	})
}

func testIsolation(t *testing.T, db kv.DB) {
	ids := []kv.Account{kv.System, 1, 2, 255, 256, math.MaxInt64 - 1, math.MaxInt64}
	for _, a := range ids {
		put(t, db, a, fmt.Sprintf("own %d", a), "\x00", "\xff\xff\xff")
	}
	for _, a := range ids {
		view(t, db, a, func(r kv.Reader) error {
			expectKeys(t, r, nil, nil, "\x00", fmt.Sprintf("own %d", a), "\xff\xff\xff")
			it := r.Iterate(nil, nil)
			if it.SeekLT(nil) {
				t.Errorf("account %d: a key before the first: %q", a, it.Key())
			}
			if it.SeekGE([]byte("\xff\xff\xff\xff")) {
				t.Errorf("account %d: a key after the last: %q", a, it.Key())
			}
			return it.Close()
		})
	}
	update(t, db, 1, func(tx kv.Tx) error { return tx.DeleteRange(nil, nil) })
	for _, a := range ids {
		want := 3
		if a == 1 {
			want = 0
		}
		view(t, db, a, func(r kv.Reader) error {
			if got := len(keys(t, r, nil, nil)); got != want {
				t.Errorf("account %d has %d keys, want %d", a, got, want)
			}
			return nil
		})
	}
}

func testOrder(t *testing.T, db kv.DB) {
	want := []string{"", "\x00", "\x00\x00", "\x01", "A", "a", "a\x00", "ab", "b", "\x7f", "\x80", "\xff", "\xff\x00", "\xff\xff"}
	mixed := slices.Clone(want)
	slices.Reverse(mixed)
	put(t, db, a1, mixed...)
	view(t, db, a1, func(r kv.Reader) error { expectKeys(t, r, nil, nil, want...); return nil })
}

func testIterator(t *testing.T, db kv.DB) {
	put(t, db, a1, "b", "d", "f")
	moves := func(it kv.Iterator) string {
		var path bytes.Buffer
		note := func(ok bool) {
			if !ok {
				path.WriteByte('.')
				return
			}
			v, err := it.Value()
			if err != nil || !bytes.Equal(v, it.Key()) {
				t.Errorf("key %q has value %q, %v", it.Key(), v, err)
			}
			path.Write(it.Key())
		}
		for _, ok := range []func() bool{
			it.Next, it.Next, it.Prev, it.Next, it.Next, it.Next, // b d b d f .
			func() bool { return it.SeekGE([]byte("c")) }, it.Prev, it.Prev, // d b .
			func() bool { return it.SeekGE([]byte("d")) }, it.Next, // d f
			func() bool { return it.SeekGE([]byte("g")) },          // .
			func() bool { return it.SeekLT([]byte("d")) }, it.Next, // b d
			func() bool { return it.SeekLT([]byte("z")) },           // f
			func() bool { return it.SeekLT([]byte("b")) },           // .
			func() bool { return it.SeekGE(nil) }, it.Next, it.Next, // b d f
		} {
			note(ok())
		}
		if err := it.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		return path.String()
	}
	const want = "bdbdf." + "db." + "df" + "." + "bd" + "f" + "." + "bdf"
	view(t, db, a1, func(r kv.Reader) error {
		if got := moves(r.Iterate(nil, nil)); got != want {
			t.Errorf("moves %q, want %q", got, want)
		}
		return nil
	})
	update(t, db, a1, func(tx kv.Tx) error {
		// The same picture, but partly of own writes.
		err := errors.Join(tx.Delete([]byte("d")), tx.Set([]byte("d"), []byte("d")), tx.Set([]byte("e"), []byte("e")), tx.Delete([]byte("e")))
		if got := moves(tx.Iterate(nil, nil)); got != want {
			t.Errorf("moves %q, want %q", got, want)
		}
		return err
	})
}

func testBounds(t *testing.T, db kv.DB) {
	put(t, db, a1, "a", "b", "c", "d")
	view(t, db, a1, func(r kv.Reader) error {
		expectKeys(t, r, []byte("b"), []byte("d"), "b", "c")
		expectKeys(t, r, []byte("b"), nil, "b", "c", "d")
		expectKeys(t, r, nil, []byte("c"), "a", "b")
		expectKeys(t, r, []byte("bb"), []byte("cc"), "c")
		expectKeys(t, r, []byte("c"), []byte("c"))
		expectKeys(t, r, []byte("d"), []byte("a"))
		it := r.Iterate([]byte("b"), []byte("d"))
		if !it.SeekGE([]byte("a")) || string(it.Key()) != "b" {
			t.Errorf("SeekGE before the lower bound: at %q, want b", it.Key())
		}
		if it.SeekGE([]byte("d")) {
			t.Errorf("SeekGE at the upper bound: at %q", it.Key())
		}
		if !it.SeekLT([]byte("z")) || string(it.Key()) != "c" {
			t.Errorf("SeekLT after the upper bound: at %q, want c", it.Key())
		}
		if it.SeekLT([]byte("b")) {
			t.Errorf("SeekLT at the lower bound: at %q", it.Key())
		}
		return it.Close()
	})
}

func testOwnWrites(t *testing.T, db kv.DB) {
	put(t, db, a1, "a", "c")
	update(t, db, a1, func(tx kv.Tx) error {
		err := errors.Join(tx.Set([]byte("b"), []byte("1")), tx.Delete([]byte("a")))
		expect(t, tx, "b", "1")
		expect(t, tx, "a", "none")
		expectKeys(t, tx, nil, nil, "b", "c")
		err = errors.Join(err, tx.Set([]byte("b"), []byte("2")), tx.Set([]byte("a"), []byte("back")))
		expect(t, tx, "b", "2")
		expect(t, tx, "a", "back")
		expectKeys(t, tx, nil, nil, "a", "b", "c")
		return err
	})
	view(t, db, a1, func(r kv.Reader) error {
		expect(t, r, "a", "back")
		expect(t, r, "b", "2")
		expectKeys(t, r, nil, nil, "a", "b", "c")
		return nil
	})
}

func testIteratorSnapshot(t *testing.T, db kv.DB) {
	put(t, db, a1, "a", "c")
	update(t, db, a1, func(tx kv.Tx) error {
		before := tx.Iterate(nil, nil)
		if err := tx.Set([]byte("b"), []byte("b")); err != nil {
			return err
		}
		between := tx.Iterate(nil, nil)
		if err := errors.Join(tx.Delete([]byte("a")), tx.Set([]byte("d"), nil)); err != nil {
			return err
		}
		for _, c := range []struct {
			it   kv.Iterator
			want string
		}{{before, "ac"}, {between, "abc"}, {tx.Iterate(nil, nil), "bcd"}} {
			got := ""
			for c.it.Next() {
				got += string(c.it.Key())
			}
			if err := c.it.Close(); err != nil {
				return err
			}
			if got != c.want {
				t.Errorf("iterator shows %q, want %q", got, c.want)
			}
		}
		return nil
	})
}

func testDeleteRange(t *testing.T, db kv.DB) {
	put(t, db, a1, "a", "b", "c", "d", "e")
	update(t, db, a1, func(tx kv.Tx) error {
		err := errors.Join(tx.Set([]byte("bb"), nil), tx.DeleteRange([]byte("b"), []byte("d")))
		expect(t, tx, "b", "none")
		expect(t, tx, "bb", "none")
		expectKeys(t, tx, nil, nil, "a", "d", "e")
		err = errors.Join(err, tx.Set([]byte("c"), []byte("again")))
		expectKeys(t, tx, nil, nil, "a", "c", "d", "e")
		err = errors.Join(err, tx.DeleteRange([]byte("x"), []byte("b")), tx.DeleteRange([]byte("a"), []byte("a")))
		return err
	})
	view(t, db, a1, func(r kv.Reader) error {
		expectKeys(t, r, nil, nil, "a", "c", "d", "e")
		expect(t, r, "c", "again")
		return nil
	})
	update(t, db, a1, func(tx kv.Tx) error { return tx.DeleteRange([]byte("d"), nil) })
	view(t, db, a1, func(r kv.Reader) error { expectKeys(t, r, nil, nil, "a", "c"); return nil })
	update(t, db, a1, func(tx kv.Tx) error { return tx.DeleteRange(nil, []byte("b")) })
	view(t, db, a1, func(r kv.Reader) error { expectKeys(t, r, nil, nil, "c"); return nil })
}

func testNotKept(t *testing.T, db kv.DB) {
	update(t, db, a1, func(tx kv.Tx) error {
		key, value := []byte("key1"), []byte("value1")
		err := tx.Set(key, value)
		key[3], value[5] = '2', '2'
		err = errors.Join(err, tx.Set(key, value))
		key[3], value[5] = 'x', 'x'
		from, to := []byte("key3"), []byte("key4")
		err = errors.Join(err, tx.Set([]byte("key3"), nil), tx.DeleteRange(from, to))
		from[0], to[0] = 'a', 'a'
		return err
	})
	view(t, db, a1, func(r kv.Reader) error {
		expect(t, r, "key1", "value1")
		expect(t, r, "key2", "value2")
		expectKeys(t, r, nil, nil, "key1", "key2")
		return nil
	})
}

func testValuesLive(t *testing.T, db kv.DB) {
	const n = 500
	update(t, db, a1, func(tx kv.Tx) error {
		for i := range n {
			if err := tx.Set(fmt.Appendf(nil, "k%03d", i), bytes.Repeat([]byte{byte(i)}, i*7)); err != nil {
				return err
			}
		}
		return nil
	})
	check := func(r kv.Reader) error {
		var values [n][]byte
		for i := range values {
			v, ok, err := r.Get(fmt.Appendf(nil, "k%03d", i))
			if err != nil || !ok {
				return fmt.Errorf("key %d: %v, %w", i, ok, err)
			}
			values[i] = v
		}
		for i, v := range values {
			if !bytes.Equal(v, bytes.Repeat([]byte{byte(i)}, i*7)) {
				t.Errorf("value %d changed within the transaction", i)
			}
		}
		return nil
	}
	view(t, db, a1, check)
	update(t, db, a1, func(tx kv.Tx) error {
		return errors.Join(check(tx), tx.Set([]byte("other"), nil), check(tx))
	})
}

func testSnapshot(t *testing.T, db kv.DB) {
	put(t, db, a1, "a", "b")
	view(t, db, a1, func(r kv.Reader) error {
		it := r.Iterate(nil, nil)
		update(t, db, a1, func(tx kv.Tx) error {
			return errors.Join(tx.Set([]byte("a"), []byte("changed")), tx.Delete([]byte("b")), tx.Set([]byte("c"), nil))
		})
		expect(t, r, "a", "a")
		expect(t, r, "b", "b")
		expect(t, r, "c", "none")
		expectKeys(t, r, nil, nil, "a", "b")
		got := ""
		for it.Next() {
			got += string(it.Key())
		}
		if got != "ab" {
			t.Errorf("iterator shows %q, want ab", got)
		}
		return it.Close()
	})
	view(t, db, a1, func(r kv.Reader) error { expectKeys(t, r, nil, nil, "a", "c"); return nil })
}

func testReaderDoesNotBlock(t *testing.T, db kv.DB) {
	put(t, db, a1, "k")
	update(t, db, a1, func(tx kv.Tx) error {
		if err := tx.Set([]byte("k"), []byte("later")); err != nil {
			return err
		}
		done := make(chan error, 1)
		go func() {
			done <- db.View(context.Background(), a1, func(r kv.Reader) error { expect(t, r, "k", "k"); return nil })
		}()
		select {
		case err := <-done:
			return err
		case <-time.After(10 * time.Second):
			return errors.New("a reader waits for a writer")
		}
	})
	view(t, db, a1, func(r kv.Reader) error { expect(t, r, "k", "later"); return nil })
}

// add adds n to a counter.
func add(tx kv.Tx, key string, n uint64) error {
	v, ok, err := tx.Get([]byte(key))
	if err != nil {
		return err
	}
	if ok {
		n += binary.BigEndian.Uint64(v)
	}
	return tx.Set([]byte(key), binary.BigEndian.AppendUint64(nil, n))
}

func counter(t *testing.T, db kv.DB, a kv.Account, key string) (n uint64) {
	t.Helper()
	view(t, db, a, func(r kv.Reader) error {
		v, ok, err := r.Get([]byte(key))
		if ok {
			n = binary.BigEndian.Uint64(v)
		}
		return err
	})
	return n
}

// parallel runs fn in n goroutines and reports its errors.
func parallel(t *testing.T, n int, fn func(i int) error) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if err := fn(i); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func testSerial(t *testing.T, db kv.DB) {
	const workers, rounds = 8, 50
	parallel(t, workers, func(i int) error {
		for n := range rounds {
			a := kv.Account(1 + (i+n)%3)
			err := db.Update(context.Background(), a, func(tx kv.Tx) error { return add(tx, "n", 1) })
			if err != nil {
				return err
			}
		}
		return nil
	})
	sum := counter(t, db, 1, "n") + counter(t, db, 2, "n") + counter(t, db, 3, "n")
	if sum != workers*rounds {
		t.Errorf("the counters sum up to %d, want %d", sum, workers*rounds)
	}
}

var errWanted = errors.New("wanted by the test")

func testErrorDrops(t *testing.T, db kv.DB) {
	put(t, db, a1, "a")
	for name, do := range map[string]func(context.Context, kv.Account, func(kv.Tx) error) error{"Update": db.Update, "Write": db.Write} {
		err := do(context.Background(), a1, func(tx kv.Tx) error {
			return errors.Join(tx.Set([]byte("a"), []byte("x")), tx.Set([]byte("b"), nil), tx.DeleteRange(nil, nil), errWanted)
		})
		if !errors.Is(err, errWanted) {
			t.Errorf("%s returns %v, want the error of fn", name, err)
		}
	}
	if err := db.Update(context.Background(), a1, func(kv.Tx) error { return errWanted }); err != errWanted {
		t.Errorf("Update returns %v, want the error of fn as it is", err)
	}
	if err := db.View(context.Background(), a1, func(kv.Reader) error { return errWanted }); err != errWanted {
		t.Errorf("View returns %v, want the error of fn as it is", err)
	}
	view(t, db, a1, func(r kv.Reader) error {
		expect(t, r, "a", "a")
		expectKeys(t, r, nil, nil, "a")
		return nil
	})
}

func testUpdateEach(t *testing.T, db kv.DB) {
	ids := []kv.Account{5, 3, 9, 7} // in no order
	seen := map[int]bool{}
	errs := db.UpdateEach(context.Background(), ids, func(tx kv.Tx, i int) error {
		seen[i] = true
		if err := tx.Set([]byte("who"), fmt.Append(nil, ids[i])); err != nil {
			return err
		}
		expect(t, tx, "who", fmt.Sprint(ids[i]))
		if ids[i] == 9 {
			return errWanted
		}
		return nil
	})
	if len(errs) != len(ids) || len(seen) != len(ids) {
		t.Fatalf("%d errors, %d calls for %d accounts", len(errs), len(seen), len(ids))
	}
	for i, a := range ids {
		want, wantErr := fmt.Sprint(a), error(nil)
		if a == 9 {
			want, wantErr = "none", errWanted
		}
		if errs[i] != wantErr {
			t.Errorf("account %d: error %v, want %v", a, errs[i], wantErr)
		}
		view(t, db, a, func(r kv.Reader) error { expect(t, r, "who", want); return nil })
	}
	if errs := db.UpdateEach(context.Background(), nil, nil); len(errs) != 0 {
		t.Errorf("no accounts: errors %v", errs)
	}
}

func testUpdateEachConcurrent(t *testing.T, db kv.DB) {
	const workers, rounds = 6, 20
	parallel(t, workers, func(w int) error {
		for n := range rounds {
			ids := []kv.Account{1, 2, 3, 4}
			if w%2 == 1 {
				slices.Reverse(ids)
			}
			ids = ids[:2+n%3]
			for _, err := range db.UpdateEach(context.Background(), ids, func(tx kv.Tx, _ int) error {
				return errors.Join(add(tx, "n", 1), add(tx, "m", 2))
			}) {
				if err != nil {
					return err
				}
			}
			if err := db.Update(context.Background(), 2, func(tx kv.Tx) error { return add(tx, "u", 1) }); err != nil {
				return err
			}
		}
		return nil
	})
	var n, m uint64
	for a := kv.Account(1); a <= 4; a++ {
		n += counter(t, db, a, "n")
		m += counter(t, db, a, "m")
	}
	want := uint64(0)
	for i := range rounds {
		want += uint64(workers * (2 + i%3))
	}
	if n != want || m != 2*want || counter(t, db, 2, "u") != workers*rounds {
		t.Errorf("counted %d and %d, want %d and %d", n, m, want, 2*want)
	}
}

func testWrite(t *testing.T, db kv.DB) {
	ctx := context.Background()
	for i := range 20 {
		if err := db.Write(ctx, a1, func(tx kv.Tx) error { return add(tx, "n", 1) }); err != nil {
			t.Fatal(err)
		}
		if got := counter(t, db, a1, "n"); got != uint64(2*i+1) {
			t.Fatalf("after Write the counter is %d, want %d", got, 2*i+1)
		}
		update(t, db, a1, func(tx kv.Tx) error { return add(tx, "n", 1) })
	}
	parallel(t, 4, func(i int) error {
		for range 50 {
			if err := db.Write(ctx, kv.Account(1+i%2), func(tx kv.Tx) error { return add(tx, "m", 1) }); err != nil {
				return err
			}
		}
		return nil
	})
	if got := counter(t, db, 1, "m") + counter(t, db, 2, "m"); got != 200 {
		t.Errorf("counted %d, want 200", got)
	}
}

func testAccounts(t *testing.T, db kv.DB) {
	list := func() (ids []kv.Account) {
		t.Helper()
		err := db.Accounts(context.Background(), func(a kv.Account) error { ids = append(ids, a); return nil })
		if err != nil {
			t.Fatal(err)
		}
		return ids
	}
	if got := list(); len(got) != 0 {
		t.Errorf("accounts of an empty database: %v", got)
	}
	want := []kv.Account{kv.System, 1, 2, 256, 1 << 40, math.MaxInt64}
	for _, a := range []kv.Account{2, math.MaxInt64, 256, kv.System, 1 << 40, 1, 77} {
		put(t, db, a, "a", "b", "\xff\xff\xff\xff\xff\xff\xff\xff\xff")
	}
	update(t, db, 77, func(tx kv.Tx) error { return tx.DeleteRange(nil, nil) })
	if got := list(); !slices.Equal(got, want) {
		t.Errorf("accounts %v, want %v", got, want)
	}
	n := 0
	err := db.Accounts(context.Background(), func(kv.Account) error {
		if n++; n == 2 {
			return errWanted
		}
		return nil
	})
	if !errors.Is(err, errWanted) || n != 2 {
		t.Errorf("Accounts returns %v after %d calls, want the error of the second", err, n)
	}
}

func testLimits(t *testing.T, db kv.DB) {
	long := bytes.Repeat([]byte("k"), kv.MaxKey)
	big := make([]byte, kv.MaxValue+1)
	update(t, db, a1, func(tx kv.Tx) error { return tx.Set(long, []byte("v")) })
	view(t, db, a1, func(r kv.Reader) error { expect(t, r, string(long), "v"); return nil })
	for name, fn := range map[string]func(tx kv.Tx) error{
		"key":         func(tx kv.Tx) error { return tx.Set(append(long, 'k'), nil) },
		"value":       func(tx kv.Tx) error { return tx.Set([]byte("k"), big) },
		"not noticed": func(tx kv.Tx) error { _ = tx.Set([]byte("k"), big); return tx.Set([]byte("other"), nil) },
	} {
		if err := db.Update(context.Background(), a1, fn); !errors.Is(err, kv.ErrTooLarge) {
			t.Errorf("%s too large: %v, want ErrTooLarge", name, err)
		}
	}
	view(t, db, a1, func(r kv.Reader) error { expectKeys(t, r, nil, nil, string(long)); return nil })
}

func testLargeValues(t *testing.T, db kv.DB) {
	sizes := []int{1 << 10, 100 << 10, 1 << 20, kv.MaxValue}
	update(t, db, a1, func(tx kv.Tx) error {
		for i, n := range sizes {
			if err := tx.Set([]byte{byte(i)}, bytes.Repeat([]byte{byte(i + 1)}, n)); err != nil {
				return err
			}
		}
		return nil
	})
	view(t, db, a1, func(r kv.Reader) error {
		for i, n := range sizes {
			v, _, err := r.Get([]byte{byte(i)})
			if err != nil || !bytes.Equal(v, bytes.Repeat([]byte{byte(i + 1)}, n)) {
				t.Errorf("value of %d octets comes back with %d, %v", n, len(v), err)
			}
		}
		return nil
	})
}

func testContext(t *testing.T, db kv.DB) {
	ctx, cancel := context.WithCancel(context.Background())
	held, release := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- db.Update(context.Background(), a1, func(tx kv.Tx) error {
			close(held)
			<-release
			return tx.Set([]byte("k"), []byte("holder"))
		})
	}()
	<-held
	waiting := make(chan error, 1)
	go func() {
		waiting <- db.Update(ctx, a1, func(tx kv.Tx) error { return tx.Set([]byte("k"), []byte("waiter")) })
	}()
	cancel()
	// A waiter may give up at once or, where it cannot, after the holder.
	select {
	case err := <-waiting:
		waiting <- err
	case <-time.After(100 * time.Millisecond):
	}
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := <-waiting; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled while waiting: %v", err)
	}
	view(t, db, a1, func(r kv.Reader) error { expect(t, r, "k", "holder"); return nil })

	nothing := func(kv.Tx) error { t.Error("fn was called"); return nil }
	for name, err := range map[string]error{
		"Update":     db.Update(ctx, a1, nothing),
		"Write":      db.Write(ctx, a1, nothing),
		"View":       db.View(ctx, a1, func(kv.Reader) error { return nothing(nil) }),
		"UpdateEach": db.UpdateEach(ctx, []kv.Account{a1}, func(tx kv.Tx, _ int) error { return nothing(tx) })[0],
		"Accounts":   db.Accounts(ctx, func(kv.Account) error { return nothing(nil) }),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s of a cancelled context: %v", name, err)
		}
	}
}

func testClose(t *testing.T, db kv.DB) {
	put(t, db, a1, "k")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	nothing := func(kv.Tx) error { t.Error("fn was called"); return nil }
	for name, err := range map[string]error{
		"Update":     db.Update(ctx, a1, nothing),
		"Write":      db.Write(ctx, a1, nothing),
		"View":       db.View(ctx, a1, func(kv.Reader) error { return nothing(nil) }),
		"UpdateEach": db.UpdateEach(ctx, []kv.Account{a1}, func(tx kv.Tx, _ int) error { return nothing(tx) })[0],
		"Accounts":   db.Accounts(ctx, func(kv.Account) error { return nothing(nil) }),
		"Checkpoint": db.Checkpoint(ctx, filepath.Join(t.TempDir(), "copy")),
		"Close":      db.Close(),
	} {
		if !errors.Is(err, kv.ErrClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
}

func testCloseWaits(t *testing.T, db kv.DB) {
	begun, closing := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- db.Update(context.Background(), a1, func(tx kv.Tx) error {
			close(begun)
			<-closing
			return tx.Set([]byte("k"), nil)
		})
	}()
	<-begun
	closed := make(chan error, 1)
	go func() { closed <- db.Close() }()
	close(closing)
	if err := <-done; err != nil {
		t.Errorf("transaction during Close: %v", err)
	}
	if err := <-closed; err != nil {
		t.Errorf("Close: %v", err)
	}
}

func testCheckpoint(t *testing.T, db kv.DB) {
	put(t, db, a1, "k")
	dir := filepath.Join(t.TempDir(), "copy")
	if err := db.Checkpoint(context.Background(), dir); err != nil {
		t.Fatal(err)
	}
	put(t, db, a1, "later")
	if err := db.Checkpoint(context.Background(), dir); err == nil {
		t.Errorf("a second checkpoint in the same place: %v", err)
	}
}
