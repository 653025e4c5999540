package store_test

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/blob"
	"github.com/postiljon/postiljon/internal/store/storetest"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// TestCollectLeavesWhatIsComing collects without any grace while a message is
// stored and not yet named.
func TestCollectLeavesWhatIsComing(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	a := storetest.Account(t, s, "anna@demo.test").ID
	put := storetest.Email(t, s, storetest.Text(1))
	large := []byte(storetest.Text(2) + string(bytes.Repeat([]byte("large\r\n"), 300_000)))
	w := must[blob.Writer](t)(s.Blobs().Create(ctx))
	if _, err := w.Write(large); err != nil {
		t.Fatal(err)
	}
	written := store.NewEmail{Blob: must[blob.Ref](t)(w.Commit()), Summary: message.Summarize(large)}
	queued := storetest.Email(t, s, storetest.Text(3))
	refused := storetest.Email(t, s, storetest.Text(4))
	collect := func() int64 { return must[blob.CollectResult](t)(s.Collect(ctx, store.CollectOptions{})).Deleted }
	if n := collect(); n != 0 {
		t.Fatalf("%d messages were collected while they came in", n)
	}
	must[store.Appended](t)(s.Append(ctx, a, store.InboxID, []store.NewEmail{put, written}))
	sub := store.Submission{Account: a, ID: store.NewTraceID(time.Now()), Blob: queued.Blob}
	if err := s.CreateSubmission(ctx, sub); err != nil {
		t.Fatal(err)
	}
	if n := collect(); n != 0 {
		t.Fatalf("%d of the named messages were collected", n)
	}
	if _, _, err := s.Expunge(ctx, a, store.InboxID, uid.All(), false); err != nil {
		t.Fatal(err)
	}
	if n := collect(); n != 2 {
		t.Errorf("%d messages were collected after two were expunged", n)
	}
	// Nobody has said yet that this one is given up.
	if err := s.Blobs().Check(ctx, refused.Blob); err != nil {
		t.Error(err)
	}
	verify(t, s, ctx)
}

// TestCollectUnderLoad collects without any grace all the time while mail comes
// and goes, the same bytes for several accounts among it.
func TestCollectUnderLoad(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	var accounts []store.AccountID
	for _, name := range []string{"a@demo.test", "b@demo.test", "c@demo.test"} {
		accounts = append(accounts, storetest.Account(t, s, name).ID)
	}
	stop := make(chan struct{})
	var collecting, wg sync.WaitGroup
	collecting.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := s.Collect(ctx, store.CollectOptions{}); err != nil {
				t.Errorf("collect: %v", err)
				return
			}
		}
	})
	for _, a := range accounts {
		wg.Go(func() {
			for i := range 150 {
				email := storetest.Email(t, s, storetest.Text(i))
				done, err := s.Deliver(ctx, store.Delivery{Email: email, Recipients: []store.DeliverTo{{Account: a}}})
				if err != nil || done[0].Err != nil {
					t.Errorf("deliver: %v, %v", err, done[0].Err)
					return
				}
				if i%3 == 0 {
					if _, _, err := s.Expunge(ctx, a, store.InboxID, uid.Of(done[0].UID), false); err != nil {
						t.Errorf("expunge: %v", err)
					}
				}
			}
		})
	}
	wg.Wait()
	close(stop)
	collecting.Wait()
	verify(t, s, ctx)
}
