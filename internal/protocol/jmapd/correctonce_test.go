package jmapd

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/store/storetest"
)

// handInGone hands a small email in to bo and others; the first of those is here until it departs.
func (w *world) handInGone(to ...string) {
	w.t.Helper()
	gone := storetest.Account(w.t, w.store, to[0])
	w.desk.gate.Lock()
	w.handIn(1, time.Now(), to...)
	err := w.store.DeleteAccount(w.t.Context(), gone.ID)
	w.desk.gate.Unlock()
	if err != nil {
		w.t.Fatal(err)
	}
}

// TestCorrectAtOnce holds that of several windows which correct an address at the same time one does: the message goes to one address more, and is
// among the sent ones once.
func TestCorrectAtOnce(t *testing.T) {
	const windows = 6
	const letter = "From: anna@example.org\r\nTo: %s\r\nSubject: Hej\r\nMessage-ID: <1@x>\r\n\r\nHej\r\n"
	for _, tt := range []struct {
		name, wrong string
		begin       func(w *world) string
	}{
		{"waits", "eva@exmaple.net", func(w *world) string { w.handIn(1, time.Now(), "eva@exmaple.net"); return "" }},
		{"waits for others, too", "eva@exmaple.net", func(w *world) string { w.handIn(1, time.Now(), "eva@exmaple.net", "carl@example.net"); return "" }},
		{"failed", "eva@example.org", func(w *world) string { w.handInGone("eva@example.org"); return "" }},
		{"failed and waits for others", "eva@example.org", func(w *world) string { w.handInGone("eva@example.org", "carl@example.net"); return "" }},
		{"came over SMTP and waits", "eva@exmaple.net", func(w *world) string {
			return w.smtp(fmt.Sprintf(letter, "eva@exmaple.net"), "eva@exmaple.net", "", true).String()
		}},
		{"came over SMTP and came back", "eva@example.org", func(w *world) string {
			return w.smtp(fmt.Sprintf(letter, "eva@example.org"), "eva@example.org", "", true).String()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t).wide()
			w.using = append(w.using, capabilityVendor)
			storetest.Account(t, w.store, "bo@example.org")
			for n := range windows {
				storetest.Account(t, w.store, fmt.Sprintf("eva%d@example.org", n))
			}
			w.calls(`[["Identity/get",{"accountId":"a1"},"0"]]`)
			id := tt.begin(w)
			w.settle()
			if id == "" {
				id, _ = w.waiting()
			}
			var work sync.WaitGroup
			answers := make([]string, windows)
			for n := range windows {
				work.Go(func() {
					for answers[n] == "" || strings.Contains(answers[n], "beingSent") {
						answers[n] = string(w.calls(fmt.Sprintf(`[["Outbox/act",{"accountId":"a1","id":%q,"action":"correctRecipient","recipient":%q,"to":"eva%d@example.org"},"0"]]`, id, tt.wrong, n)))
					}
				})
			}
			work.Wait()
			w.settle()
			done := 0
			for n, answer := range answers {
				if !strings.Contains(answer, "error") {
					done++
				} else if !strings.Contains(answer, "notFound") {
					t.Errorf("window %d: %s", n, answer)
				}
			}
			got := 0
			for address, state := range w.states("F3") {
				if strings.HasPrefix(address, "eva") && state == "delivered" {
					got++
				}
			}
			if sent := w.seen("F3"); done != 1 || got != 1 || len(sent) != 1 || strings.Contains(sent[0], tt.wrong) {
				t.Errorf("%d did it, %d got it; in Sent: %q", done, got, sent)
			}
		})
	}
}

// TestCorrectEnvelope holds that an address which only the envelope has is given up for good once another one is in its place, while others wait.
func TestCorrectEnvelope(t *testing.T) {
	w := newWorld(t)
	w.using = append(w.using, capabilityVendor)
	storetest.Account(t, w.store, "bo@example.org")
	w.calls(`[["Identity/get",{"accountId":"a1"},"0"]]`)
	gone := storetest.Account(t, w.store, "eva@example.org")
	w.desk.gate.Lock()
	w.calls(`[["Email/set",{"accountId":"a1","create":{"e":{"mailboxIds":{"F3":true},"from":[{"email":"anna@example.org"}],"to":[{"email":"all@example.org"}],"subject":"x"}}},"0"],
		["EmailSubmission/set",{"accountId":"a1","create":{"s":{"identityId":"I1","emailId":"#e","envelope":{"mailFrom":{"email":"anna@example.org"},"rcptTo":[{"email":"eva@example.org"},{"email":"carl@example.net"}]}}}},"1"]]`)
	if err := w.store.DeleteAccount(t.Context(), gone.ID); err != nil {
		t.Fatal(err)
	}
	w.desk.gate.Unlock()
	w.settle()
	id, to := w.waiting()
	if fmt.Sprint(to) != "[carl@example.net delayed eva@example.org bounced]" {
		t.Fatal(to)
	}
	correct := func(to string) string {
		return string(w.calls(fmt.Sprintf(`[["Outbox/act",{"accountId":"a1","id":%q,"action":"correctRecipient","recipient":"eva@example.org","to":%q},"0"]]`, id, to)))
	}
	if got := correct("bo@example.org"); !strings.Contains(got, `"emailSubmissionId":"S2"`) {
		t.Fatal(got)
	}
	if got := correct("anna@example.org"); !strings.Contains(got, "notFound") {
		t.Error("twice:", got)
	}
	w.calls(fmt.Sprintf(`[["Outbox/act",{"accountId":"a1","id":%q,"action":"sendNow"},"0"]]`, id))
	w.settle()
	if _, to := w.waiting(); fmt.Sprint(to) != "[carl@example.net delayed eva@example.org cancelled]" {
		t.Error(to)
	}
}

// TestCorrectToWhoGotItSince holds that who got a message since another address of it was corrected does not get it twice.
func TestCorrectToWhoGotItSince(t *testing.T) {
	for _, smtp := range []bool{false, true} {
		w := newWorld(t)
		w.using = append(w.using, capabilityVendor)
		bo := storetest.Account(t, w.store, "bo@example.org")
		w.calls(`[["Identity/get",{"accountId":"a1"},"0"]]`)
		if smtp {
			w.smtp("From: anna@example.org\r\nTo: bo@example.org, eva@exmaple.net\r\nSubject: Hej\r\nMessage-ID: <1@x>\r\n\r\nHej\r\n", "eva@exmaple.net", "", true, "bo@example.org")
		} else {
			w.handIn(1, time.Now(), "eva@exmaple.net")
		}
		w.settle()
		for _, one := range []struct{ from, to string }{{"eva@exmaple.net", "eva@exmaple.com"}, {"eva@exmaple.com", "Bo@example.org"}} {
			id, _ := w.waiting()
			if got := string(w.calls(fmt.Sprintf(`[["Outbox/act",{"accountId":"a1","id":%q,"action":"correctRecipient","recipient":%q,"to":%q},"0"]]`, id, one.from, one.to))); strings.Contains(got, "error") {
				t.Error(got)
			}
			w.settle()
		}
		if m, err := w.store.Mailboxes(t.Context(), bo.ID); err != nil || m[0].Messages != 1 {
			t.Errorf("bo has %d, %v", m[0].Messages, err)
		}
		if got := w.seen("F3"); len(got) != 1 {
			t.Error("in Sent:", got)
		}
	}
}

// TestCorrectWhileClosed holds that a message goes to the right address, once, when sending opens again, where it is closed as the address is corrected.
func TestCorrectWhileClosed(t *testing.T) {
	w := newWorld(t)
	w.using = append(w.using, capabilityVendor)
	bo := storetest.Account(t, w.store, "bo@example.org")
	w.calls(`[["Identity/get",{"accountId":"a1"},"0"]]`)
	w.handIn(1, time.Now(), "eva@exmaple.net")
	w.settle()
	w.desk.closed.Store(true)
	id, _ := w.waiting()
	if got := string(w.calls(fmt.Sprintf(`[["Outbox/act",{"accountId":"a1","id":%q,"action":"correctRecipient","recipient":"eva@exmaple.net","to":"anna@example.org"},"0"]]`, id))); strings.Contains(got, "error") {
		t.Fatal(got)
	}
	w.settle()
	id, to := w.waiting()
	if fmt.Sprint(to) != "[anna@example.org delayed]" {
		t.Error(to)
	}
	w.desk.closed.Store(false)
	w.calls(fmt.Sprintf(`[["Outbox/act",{"accountId":"a1","id":%q,"action":"sendNow"},"0"]]`, id))
	w.settle()
	if got := w.seen("F1"); fmt.Sprint(got) != "[bo@example.org anna@example.org]" {
		t.Error(got)
	}
	if m, err := w.store.Mailboxes(t.Context(), bo.ID); err != nil || m[0].Messages != 1 {
		t.Errorf("bo has %d, %v", m[0].Messages, err)
	}
}
