package store_test

import (
	"slices"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
)

// TestUploads holds that what was uploaded survives a collection until it is forgotten, and that ids are never given again.
func TestUploads(t *testing.T) {
	s := storetest.Open(t)
	a := storetest.Account(t, s, "anna@demo.test")
	add := func(text string) store.Upload {
		t.Helper()
		ref, err := s.Blobs().Put(t.Context(), []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		u, err := s.AddUpload(t.Context(), a.ID, ref, int64(len(text)))
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	one, two := add("one"), add("second")
	if one.ID != 1 || two.ID != 2 {
		t.Error(one, two)
	}
	if _, err := s.Collect(t.Context(), store.CollectOptions{}); err != nil {
		t.Fatal(err)
	}
	found, err := s.Upload(t.Context(), a.ID, 2)
	if err != nil || found.Blob != two.Blob || found.Size != 6 {
		t.Fatal(found, err)
	}
	if b, err := s.Blobs().Read(t.Context(), nil, found.Blob, 0, 6); err != nil || string(b) != "second" {
		t.Errorf("%q %v", b, err)
	}
	if report, err := s.Verify(t.Context(), store.VerifyOptions{}); err != nil || report.Found != 0 {
		t.Error(report, err)
	}
	if err := s.ForgetUploads(t.Context(), -time.Minute); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Upload(t.Context(), a.ID, 2); store.KindOf(err) != store.KindNotFound {
		t.Error(err)
	}
	if three := add("three"); three.ID != 3 {
		t.Error(three)
	}
	if _, err := s.AddUpload(t.Context(), a.ID, two.Blob, store.MaxUploadsSize); store.KindOf(err) != store.KindLimit {
		t.Error(err)
	}
	if _, err := s.AddUpload(t.Context(), 99, two.Blob, 1); store.KindOf(err) != store.KindNotFound {
		t.Error(err)
	}
}

// TestPushSubscriptions holds that subscriptions are kept, changed and taken away, one for each URL, and no more than fit.
func TestPushSubscriptions(t *testing.T) {
	s := storetest.Open(t)
	a := storetest.Account(t, s, "anna@demo.test")
	storetest.Account(t, s, "bjorn@demo.test")
	create := func(url string) store.PushSubscription {
		t.Helper()
		p, _, err := s.CreatePushSubscription(t.Context(), a.ID, store.PushSubscription{Device: "d", URL: url})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	old := create("https://push.test/1")
	one := create("https://push.test/1")
	if err := s.UpdatePushSubscription(t.Context(), a.ID, one.ID, func(p *store.PushSubscription) error { p.Verified = true; return nil }); err != nil {
		t.Fatal(err)
	}
	list, err := s.PushSubscriptions(t.Context(), a.ID)
	if err != nil || len(list) != 1 || list[0].ID != one.ID || one.ID <= old.ID || !list[0].Verified {
		t.Error(list, err)
	}
	if all, err := s.Subscribed(t.Context()); err != nil || len(all) != 1 || all[0] != a.ID {
		t.Error(all, err)
	}
	if report, err := s.Verify(t.Context(), store.VerifyOptions{}); err != nil || report.Found != 0 {
		t.Error(report, err)
	}
	for n := range store.MaxPushSubscriptions - 1 {
		create("https://push.test/more/" + string(rune('a'+n)))
	}
	if _, _, err := s.CreatePushSubscription(t.Context(), a.ID, store.PushSubscription{URL: "https://push.test/x"}); store.KindOf(err) != store.KindLimit {
		t.Error(err)
	}
	if err := s.DeletePushSubscription(t.Context(), a.ID, one.ID); err != nil {
		t.Error(err)
	}
	if err := s.DeletePushSubscription(t.Context(), a.ID, one.ID); store.KindOf(err) != store.KindNotFound {
		t.Error(err)
	}
}

// TestRoomForUploads holds that the oldest uploads go where there is no room for more (RFC 8620 section 6).
func TestRoomForUploads(t *testing.T) {
	s := storetest.Open(t)
	a := storetest.Account(t, s, "anna@demo.test")
	const each = store.MaxUploadsSize / 4
	for range 4 {
		if _, err := s.AddUpload(t.Context(), a.ID, "x", each); err != nil {
			t.Fatal(err)
		}
	}
	there := func() (ids []uint64) {
		for id := uint64(1); id <= 5; id++ {
			if _, err := s.Upload(t.Context(), a.ID, id); err == nil {
				ids = append(ids, id)
			}
		}
		return ids
	}
	for _, one := range []struct {
		n    int
		size int64
		want []uint64
	}{{1, 0, []uint64{1, 2, 3, 4}}, {1, 1, []uint64{2, 3, 4}}, {2, each + 1, []uint64{3, 4}}, {store.MaxUploads - 1, 0, []uint64{4}}, {1, 2 * store.MaxUploadsSize, nil}} {
		if err := s.MakeRoomForUploads(t.Context(), a.ID, one.n, one.size); err != nil {
			t.Fatal(err)
		}
		if got := there(); !slices.Equal(got, one.want) {
			t.Errorf("with room for %d of %d: %v, want %v", one.n, one.size, got, one.want)
		}
	}
}
