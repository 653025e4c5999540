package jmapd

import (
	"errors"
	"strings"
	"testing"

	"github.com/postiljon/postiljon/internal/store"
)

// A call reads so much and no more, whatever it does with it.
func TestBlobReadIsBounded(t *testing.T) {
	r := blobRange{left: 1000, readable: 25}
	read := func() error {
		_, err := r.read(&bounded{strings.NewReader("ten octets"), &r.readable}, []string{"digest:sha-256", "size"})
		return err
	}
	var refused *methodError
	if err := errors.Join(read(), read()); err != nil {
		t.Fatal(err)
	}
	if err := read(); !errors.As(err, &refused) || refused.Type != "requestTooLarge" {
		t.Errorf("the third: %v", err)
	}
}

// TestAnswersAreBounded holds that the texts of the answers to a request are no more than fit into memory together: a client that asks for
// less at a time gets all of them.
func TestAnswersAreBounded(t *testing.T) {
	w := newWorld(t).wide()
	w.server.options.Limits.Answers = 100_000
	for n := range 2 {
		w.put(store.InboxID, n, "Subject: long\r\n\r\n"+strings.Repeat("a line of a text that is long\r\n", 1_000), store.Flags{})
	}
	const texts = `["Email/get",{"accountId":"a1","ids":["M1","M2"],"properties":["bodyValues"],"fetchAllBodyValues":true},"0"]`
	const data = `["Blob/get",{"accountId":"a1","ids":["b1"]},"1"]`
	for calls, refused := range map[string]int{texts + "," + data: 0, texts + "," + data + "," + data + "," + texts: 2, data + "," + data + "," + data + "," + data: 1} {
		if got := string(w.calls("[" + calls + "]")); strings.Count(got, `{"type":"requestTooLarge"`) != refused {
			t.Errorf("%d are refused, not %d", strings.Count(got, `{"type":"requestTooLarge"`), refused)
		}
	}
	w.server.options.Limits.AllAnswers = 150_000
	w.server.answering.Store(100_000) // of others
	if got := string(w.calls("[" + texts + "]")); !strings.Contains(got, `{"type":"serverUnavailable"`) {
		t.Error(got)
	}
	w.server.answering.Add(-100_000)
	if got := string(w.calls("[" + texts + "]")); strings.Contains(got, "error") || w.server.answering.Load() != 0 {
		t.Errorf("%d octets are left: %s", w.server.answering.Load(), got)
	}
}
