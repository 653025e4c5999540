package store_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/kv"
	"github.com/postiljon/postiljon/internal/store/storetest"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// TestVerifyFindsDamage takes away or changes one record of each table and
// expects Verify to say so.
func TestVerifyFindsDamage(t *testing.T) {
	for _, table := range "hbnupclet" {
		for _, damage := range []string{"delete", "change"} {
			t.Run(string(table)+" "+damage, func(t *testing.T) {
				s, records := storetest.OpenWithRecords(t, storetest.Dir(t))
				a := storetest.Account(t, s, "anna@demo.test").ID
				for i := range 3 {
					must[store.Appended](t)(s.Append(t.Context(), a, store.InboxID, []store.NewEmail{storetest.Email(t, s, storetest.Text(i))}))
				}
				if _, _, err := s.Expunge(t.Context(), a, store.InboxID, uid.Of(2), false); err != nil {
					t.Fatal(err)
				}
				verify(t, s, t.Context())
				spoil(t, records, kv.Account(a), byte(table), damage == "delete")
				r, err := s.Verify(t.Context(), store.VerifyOptions{Bodies: true})
				if err != nil {
					t.Fatal(err)
				}
				emptyValue := table == 'c' || table == 'l'
				if r.Found == 0 && !(emptyValue && damage == "change") {
					t.Error("the damage was not found")
				}
			})
		}
	}
}

// spoil deletes the first record of a table or flips an octet in it.
func spoil(t *testing.T, records kv.DB, a kv.Account, table byte, remove bool) {
	t.Helper()
	err := records.Update(t.Context(), a, func(tx kv.Tx) error {
		it := tx.Iterate([]byte{table}, []byte{table + 1})
		if !it.Next() {
			t.Fatalf("table %c is empty", table)
		}
		k := append([]byte(nil), it.Key()...)
		v, err := it.Value()
		v = append([]byte(nil), v...)
		if err := it.Close(); err != nil {
			return err
		}
		if err != nil || remove {
			return tx.Delete(k)
		}
		at := len(v) / 2
		if table == 'h' {
			at = len(v) - 4 // how many messages there are; counters before it may be higher than they must be
		}
		if len(v) > 0 {
			v[at] ^= 0x15
		}
		return tx.Set(k, v)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestVerifyFindsDamagedMessages(t *testing.T) {
	dir := t.TempDir()
	s := storetest.OpenAt(t, dir)
	a := storetest.Account(t, s, "anna@demo.test").ID
	must[store.Appended](t)(s.Append(t.Context(), a, store.InboxID, []store.NewEmail{storetest.Email(t, s, storetest.Text(1))}))
	flipped := false
	err := filepath.WalkDir(filepath.Join(dir, "blobs"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for i := range b {
			if string(b[i:min(i+6, len(b))]) == "letter" {
				b[i] ^= 1
				flipped = true
			}
		}
		return os.WriteFile(path, b, 0o600)
	})
	if err != nil || !flipped {
		t.Fatal(err, "no message found in the log")
	}
	r, err := s.Verify(t.Context(), store.VerifyOptions{Bodies: true})
	if err != nil || r.Found == 0 {
		t.Errorf("report %+v, %v", r, err)
	}
}
