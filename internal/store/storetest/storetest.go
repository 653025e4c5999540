// Package storetest opens real stores in temporary folders for the tests of
// other packages.
package storetest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/blob/disk"
	"github.com/postiljon/postiljon/internal/store/kv"
	"github.com/postiljon/postiljon/internal/store/kv/pebble"
)

// Open opens a store in a temporary folder; the test's end closes it.
func Open(t testing.TB) *store.Store {
	t.Helper()
	return OpenAt(t, Dir(t))
}

// Dir is a temporary folder for a store, in memory if there is room: there a sync costs nothing, and a
// test makes thousands. What a crash leaves is tested below, by kv/pebble and blob/disk.
func Dir(t testing.TB) string {
	t.Helper()
	const memory, room = "/dev/shm", 2 << 30
	if use, err := vfs.Default.GetDiskUsage(memory); err != nil || use.AvailBytes < room {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(memory, "postiljon-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// OpenAt opens the store in dir, where one may lie already.
func OpenAt(t testing.TB, dir string) *store.Store {
	t.Helper()
	s, _ := OpenWithRecords(t, dir)
	return s
}

// OpenWithRecords also returns the records below the store, for tests that
// damage them.
func OpenWithRecords(t testing.TB, dir string) (*store.Store, kv.DB) {
	t.Helper()
	records, err := pebble.Open(pebble.Options{Dir: filepath.Join(dir, "records"), MemTableSize: 4 << 20, Reserve: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := records.Close(); err != nil {
			t.Error(err)
		}
	})
	blobs, err := disk.Open(disk.Options{Dir: filepath.Join(dir, "blobs"), SegmentSize: 8 << 20, Reserve: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := blobs.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := store.Open(t.Context(), store.Options{Records: records, Blobs: blobs})
	if err != nil {
		t.Fatal(err)
	}
	return s, records
}

// Account makes an account, and its domain if need be.
func Account(t testing.TB, s *store.Store, address string) store.Account {
	t.Helper()
	domain := address[strings.LastIndexByte(address, '@')+1:]
	if err := s.CreateDomain(t.Context(), store.Domain{Name: domain}); err != nil && store.KindOf(err) != store.KindExists {
		t.Fatal(err)
	}
	a, err := s.CreateAccount(t.Context(), store.Account{Address: address})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Email stores the bytes of a message and returns it ready to be placed.
func Email(t testing.TB, s *store.Store, text string) store.NewEmail {
	t.Helper()
	ref, err := s.Blobs().Put(context.Background(), []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return store.NewEmail{Blob: ref, Summary: message.Summarize([]byte(text))}
}

// Text is a small message that differs with n.
func Text(n int) string {
	return fmt.Sprintf("From: Anna <anna@demo.test>\r\nTo: bjorn@demo.test\r\nSubject: Letter %d\r\n"+
		"Message-ID: <letter.%d@demo.test>\r\nDate: Mon, 2 Nov 2026 10:00:00 +0100\r\n\r\nHej, this is letter %d.\r\n", n, n, n)
}
