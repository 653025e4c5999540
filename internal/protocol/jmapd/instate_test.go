package jmapd

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/postiljon/postiljon/internal/store"
)

// TestInStateAtOnce has several clients count in a keyword of one email, each from what it has read, while mail comes: with ifInState none of them counts over another one (RFC 8620 section 5.3).
func TestInStateAtOnce(t *testing.T) {
	const clients, each = 4, 25
	w := newWorld(t).wide()
	if err := w.deliver(w.anna, store.InboxID, 1, 1); err != nil {
		t.Fatal(err)
	}
	tries := make(chan struct{}, 1) // somebody is about to count
	var counting, others sync.WaitGroup
	others.Go(func() {
		n := 1
		for range tries {
			n++
			if err := w.deliver(w.anna, store.InboxID, n, n); err != nil {
				t.Error(err)
			}
		}
	})
	for range clients {
		counting.Go(func() {
			f := newFollower(t, w, w.anna, func() int { return 0 })
			for done := 0; done < each; {
				if f.count(tries) {
					done++
				}
			}
		})
	}
	counting.Wait()
	close(tries)
	others.Wait()
	f := newFollower(t, w, w.anna, func() int { return 0 })
	if n, _ := f.counted(); n != clients*each {
		t.Errorf("%d was counted to, by changes of which %d were said to be made", n, clients*each)
	}
}

// counted reads how far it was counted, and the state in which that is so.
func (f *follower) counted() (n int, state string) {
	_, answer := f.ask("Email/get", `,"ids":["M1"],"properties":["keywords"]`)
	email := answer["list"].([]any)[0].(object)
	for name := range email["keywords"].(object) {
		if digits, ok := strings.CutPrefix(name, "count-"); ok {
			n, _ = strconv.Atoi(digits)
		}
	}
	return n, answer["state"].(string)
}

// count counts one further, unless mail changes meanwhile. It says that it is about to.
func (f *follower) count(tries chan<- struct{}) bool {
	n, state := f.counted()
	select {
	case tries <- struct{}{}:
	default:
	}
	name, answer := f.ask("Email/set", fmt.Sprintf(`,"ifInState":%q,"update":{"M1":{"keywords":{"count-%d":true}}}`, state, n+1))
	if name == "error" {
		if answer["type"] != "stateMismatch" {
			f.t.Fatal(answer)
		}
		return false
	}
	if answer["notUpdated"] != nil {
		f.t.Fatal(answer)
	}
	return true
}
