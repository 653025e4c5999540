package imapd

import (
	"fmt"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/postiljon/postiljon/internal/store"
)

// forget makes the next SORT and THREAD begin anew.
func (o *orders) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.of, o.size = nil, 0
}

// TestKeptOrders lets mail come, go and move, and holds that orders which are kept are those which
// are made anew.
func TestKeptOrders(t *testing.T) {
	w := newWorld(t, settings{plaintext: true, noTLS: true})
	writer, reader := w.plainClient(), w.plainClient()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		name := "Box" + strconv.Itoa(n)
		writer.ok("CREATE " + name)
		for _, c := range []*wire{writer, reader} {
			c.ok("SELECT " + name)
		}
		for range rapid.IntRange(2, 14).Draw(rt, "steps") {
			first := rapid.IntRange(1, 20).Draw(rt, "from")
			set := fmt.Sprintf("%d:%d", first, first+rapid.IntRange(0, 7).Draw(rt, "long"))
			switch rapid.SampledFrom([]string{"put", "put", "expunge", "move", "told"}).Draw(rt, "step") {
			case "put":
				for range rapid.IntRange(1, 5).Draw(rt, "many") {
					i, j := rapid.IntRange(0, 9).Draw(rt, "id"), rapid.IntRange(0, 9).Draw(rt, "parent")
					raw := fmt.Sprintf("Subject: %s%d\r\nFrom: <p%d@x.test>\r\nDate: %d Nov 2026 10:00:00 +0100\r\nMessage-ID: <%d@x>\r\nIn-Reply-To: <%d@x>\r\n\r\n",
						rapid.SampledFrom([]string{"", "Re: "}).Draw(rt, "re"), j%3, i%4, 1+i, i, j)
					w.put(name, []byte(raw), clock.AddDate(0, 0, j), store.Flags{})
				}
			case "expunge":
				writer.ok("UID STORE " + set + " +FLAGS.SILENT (\\Deleted)")
				writer.ok("EXPUNGE")
			case "move":
				writer.ok("UID MOVE " + set + " " + name)
			case "told":
				reader.ok("NOOP")
			}
			command := rapid.SampledFrom([]string{"UID SORT (SUBJECT) UTF-8 ALL", "UID SORT (REVERSE DATE FROM) UTF-8 ALL", "SORT (ARRIVAL) UTF-8 2:*",
				"SORT (SUBJECT) UTF-8 UNDELETED", "UID THREAD REFERENCES UTF-8 ALL", "THREAD ORDEREDSUBJECT UTF-8 ALL", "UID THREAD REFERENCES UTF-8 NOT 1"}).Draw(rt, "command")
			kept := reader.ok(command)
			reader.ok("NOOP")
			kept2 := reader.ok(command)
			w.server.orders.forget()
			if anew := reader.ok(command); !slices.Equal(anew, kept2) {
				rt.Fatalf("%s: kept %q (before NOOP %q), anew %q", command, kept2, kept, anew)
			}
		}
	})
}

// TestOrderBehindView sorts with a view that does not have what another session sorted already: an order has a place for both.
func TestOrderBehindView(t *testing.T) {
	w := newWorld(t, settings{plaintext: true, noTLS: true})
	behind, ahead := w.plainClient(), w.plainClient()
	put := func(subject string, flags store.Flags) {
		w.put("INBOX", []byte("Subject: "+subject+"\r\n\r\n"), clock, flags)
	}
	for i := range 40 {
		put(fmt.Sprintf("a%02d", i), store.Flags{})
	}
	put("m5", store.FlagAnswered)
	behind.ok("SELECT INBOX")
	put("m3", store.Flags{})
	ahead.ok("SELECT INBOX")
	ahead.ok("UID SORT (SUBJECT) UTF-8 UNANSWERED")
	behind.ok("UID SORT (SUBJECT) UTF-8 ALL")
	kept := ahead.ok("UID SORT (SUBJECT) UTF-8 ALL")
	w.server.orders.forget()
	if anew := ahead.ok("UID SORT (SUBJECT) UTF-8 ALL"); !slices.Equal(kept, anew) {
		t.Errorf("kept %q, anew %q", kept, anew)
	}
}

// TestOrderOfDeletedMailbox sorts and threads what another session deleted.
func TestOrderOfDeletedMailbox(t *testing.T) {
	w := newWorld(t, settings{plaintext: true, noTLS: true})
	for _, command := range []string{"UID SORT (SUBJECT) UTF-8 ALL", "UID THREAD REFERENCES UTF-8 ALL", "UID SORT (SUBJECT) UTF-8 1", "UID SEARCH TEXT some"} {
		reader, writer := w.plainClient(), w.plainClient()
		writer.ok("CREATE Box")
		for range 9 {
			w.put("Box", []byte("Subject: x\r\n\r\n"), clock, store.Flags{})
		}
		reader.ok("SELECT Box")
		writer.ok("DELETE Box")
		reader.ok(command)
	}
}
