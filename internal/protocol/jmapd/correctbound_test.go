package jmapd

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
)

// TestCorrectIsNoWayAround holds that what lies among the sent ones with the Message-ID of a message that came back, which anybody can put there who is
// signed in, goes out under the name of nobody else.
func TestCorrectIsNoWayAround(t *testing.T) {
	for _, to := range []string{"eva@example.org", "carl@example.org"} { // the address that is corrected is in its header, or is not
		w := newWorld(t)
		w.using = append(w.using, capabilityVendor)
		storetest.Account(t, w.store, "bo@example.org")
		id := w.smtp("From: anna@example.org\r\nTo: eva@example.org\r\nSubject: Hej\r\nMessage-ID: <1@x>\r\n\r\nHej\r\n", "eva@example.org", "", false)
		letter := "From: bo@example.org\r\nTo: " + to + "\r\nSubject: Hej\r\nMessage-ID: <1@x>\r\n\r\nHej\r\n"
		one, err := w.server.receive(t.Context(), strings.NewReader(letter))
		if err != nil {
			t.Fatal(err)
		}
		n := store.NewEmail{Blob: one.ref, Summary: message.Summarize([]byte(letter)), Flags: store.FlagSeen}
		if _, err := w.store.Append(t.Context(), w.anna.ID, 3, []store.NewEmail{n}); err != nil {
			t.Fatal(err)
		}
		got := string(w.calls(fmt.Sprintf(`[["Outbox/act",{"accountId":"a1","id":%q,"action":"correctRecipient","recipient":"eva@example.org","to":"anna@example.org"},"0"]]`, id)))
		w.settle()
		var in struct{ IDs []string }
		if w.args(&in, "Email/query", `{"accountId":"a1","filter":{"inMailbox":"F1","from":"bo@example.org"}}`); len(in.IDs) > 0 {
			t.Error("it came:", got)
		}
	}
}

// TestCorrectToAnotherOfIt holds that who is among the recipients already does not get a message twice: the wrong address alone is given up.
func TestCorrectToAnotherOfIt(t *testing.T) {
	for _, to := range []string{"carl@example.net", "BO@example.org"} { // who waits for it, and who has it
		w := newWorld(t)
		w.using = append(w.using, capabilityVendor)
		bo := storetest.Account(t, w.store, "bo@example.org")
		w.calls(`[["Identity/get",{"accountId":"a1"},"0"]]`)
		w.handIn(1, time.Now(), "eva@exmaple.net", "carl@example.net")
		w.settle()
		id, _ := w.waiting()
		got := string(w.calls(fmt.Sprintf(`[["Outbox/act",{"accountId":"a1","id":%q,"action":"correctRecipient","recipient":"eva@exmaple.net","to":%q},"0"]]`, id, to)))
		if strings.Contains(got, "error") {
			t.Error(got)
		}
		w.settle()
		if _, to := w.waiting(); fmt.Sprint(to) != "[bo@example.org delivered carl@example.net delayed eva@exmaple.net cancelled]" {
			t.Error(to)
		}
		if m, err := w.store.Mailboxes(t.Context(), bo.ID); err != nil || m[0].Messages != 1 {
			t.Error(m, err)
		}
	}
}

// TestCorrectToWhoHasIt holds that the copy among the sent ones stays where the same message went to the right address before.
func TestCorrectToWhoHasIt(t *testing.T) {
	w := newWorld(t)
	w.using = append(w.using, capabilityVendor)
	storetest.Account(t, w.store, "bo@example.org")
	w.calls(`[["Identity/get",{"accountId":"a1"},"0"]]`)
	submit := func(to string) string {
		return `{"identityId":"I1","emailId":"#e","envelope":{"mailFrom":{"email":"anna@example.org","parameters":null},"rcptTo":[{"email":"` + to + `","parameters":null}]}}`
	}
	w.calls(`[["Email/set",{"accountId":"a1","create":{"e":{"mailboxIds":{"F3":true},"from":[{"email":"anna@example.org"}],"to":[{"email":"eva@exmaple.net"}],"subject":"x"}}},"0"],
		["EmailSubmission/set",{"accountId":"a1","create":{"s":` + submit("eva@exmaple.net") + `}},"1"],["EmailSubmission/set",{"accountId":"a1","create":{"t":` + submit("bo@example.org") + `}},"2"]]`)
	w.settle()
	id, _ := w.waiting()
	if got := string(w.calls(fmt.Sprintf(`[["Outbox/act",{"accountId":"a1","id":%q,"action":"correctRecipient","recipient":"eva@exmaple.net","to":"bo@example.org"},"0"]]`, id))); !strings.Contains(got, `"emailSubmissionId":"S2"`) {
		t.Error(got)
	}
	w.settle()
	if got := w.seen("F3"); fmt.Sprint(got) != "[eva@exmaple.net]" {
		t.Error("in Sent:", got)
	}
}

// TestCorrectKeepsTerms holds that a message goes to the right address on the terms on which it was handed in: when, how long it is tried, and only
// over a line that nobody else can read.
func TestCorrectKeepsTerms(t *testing.T) {
	w := newWorld(t)
	w.using = append(w.using, capabilityVendor)
	storetest.Account(t, w.store, "bo@example.org")
	w.calls(`[["Identity/get",{"accountId":"a1"},"0"]]`)
	at := time.Now().Add(20 * 24 * time.Hour).UTC().Truncate(time.Second)
	w.calls(fmt.Sprintf(`[["Email/set",{"accountId":"a1","create":{"e":{"mailboxIds":{"F3":true},"from":[{"email":"anna@example.org"}],"to":[{"email":"eva@exmaple.net"},{"email":"carl@example.net"}],"subject":"x"}}},"0"],
		["EmailSubmission/set",{"accountId":"a1","create":{"s":{"identityId":"I1","emailId":"#e","envelope":{"mailFrom":{"email":"anna@example.org","parameters":{"HOLDUNTIL":%q,"REQUIRETLS":null,"RET":"HDRS","ENVID":"QQ1"}},
		"rcptTo":[{"email":"eva@exmaple.net","parameters":null},{"email":"carl@example.net","parameters":{"ORCPT":"rfc822;c@example.net"}}]}}}},"1"]]`, at.Format(time.RFC3339)))
	w.settle()
	id, _ := w.waiting()
	got := string(w.calls(fmt.Sprintf(`[["Outbox/act",{"accountId":"a1","id":%q,"action":"correctRecipient","recipient":"eva@exmaple.net","to":"eva@example.net"},"0"]]`, id)))
	if !strings.Contains(got, `"emailSubmissionId":"S2"`) {
		t.Fatal(got)
	}
	w.settle()
	n := 0
	err := w.store.Submissions(t.Context(), w.anna.ID, func(sub *store.Submission) error {
		n++
		if !sub.Expires.After(at.Add(time.Hour)) {
			t.Errorf("it goes at %s and is given up at %s", at, sub.Expires)
		}
		if !sub.RequireTLS || sub.Ret != "HDRS" || sub.EnvID != "QQ1" {
			t.Errorf("%+v", sub)
		}
		for _, r := range sub.Recipients {
			if r.Address == "carl@example.net" && r.ORcpt != "rfc822;c@example.net" || !r.Next.Equal(at) {
				t.Errorf("%+v", r)
			}
		}
		return nil
	})
	if err != nil || n != 1 {
		t.Error(n, err)
	}
}

// TestCorrectGoesOn holds that who goes away while an address is corrected leaves nothing half done: neither is the message held for ever, nor does it
// go to two.
func TestCorrectGoesOn(t *testing.T) {
	w := newWorld(t)
	w.using = append(w.using, capabilityVendor)
	id := w.smtp("From: anna@example.org\r\nTo: eva@exmaple.net\r\nSubject: Hej\r\nMessage-ID: <1@x>\r\n\r\nHej\r\n", "eva@exmaple.net", "", false)
	ctx, cancel := context.WithCancel(t.Context())
	w.server.options.Room = func(context.Context, *store.Account, int64) cause.Decision {
		cancel()
		return cause.Allow()
	}
	r := httptest.NewRequest("POST", "/jmap/api", strings.NewReader(fmt.Sprintf(`{"using":["urn:ietf:params:jmap:core",%q],"methodCalls":[
		["Outbox/act",{"accountId":"a1","id":%q,"action":"correctRecipient","recipient":"eva@exmaple.net","to":"eva@example.net"},"0"]]}`, capabilityVendor, id))).WithContext(ctx)
	r.TLS = &tls.ConnectionState{}
	r.SetBasicAuth(w.anna.Address, "secret")
	r.Header.Set("Content-Type", "application/json")
	w.server.ServeHTTP(httptest.NewRecorder(), r)
	if ctx.Err() == nil {
		t.Fatal("it was not come so far")
	}
	w.settle()
	if _, to := w.waiting(); fmt.Sprint(to) != "[eva@example.net delayed]" {
		t.Error(to)
	}
}

// TestCorrectIsNoted holds that the journal tells of an address that was corrected where the message went then.
func TestCorrectIsNoted(t *testing.T) {
	for _, to := range []string{"anna@example.org", "bo@example.org"} { // the second has it already
		w := newWorld(t)
		w.using = append(w.using, capabilityVendor)
		storetest.Account(t, w.store, "bo@example.org")
		w.calls(`[["Identity/get",{"accountId":"a1"},"0"]]`)
		w.handIn(1, time.Now(), "eva@exmaple.net")
		w.settle()
		id, _ := w.waiting()
		w.calls(fmt.Sprintf(`[["Outbox/act",{"accountId":"a1","id":%q,"action":"correctRecipient","recipient":"eva@exmaple.net","to":%q},"0"]]`, id, to))
		var got []string
		err := w.store.EventsOf(t.Context(), w.anna.ID, []string{journal.MessageCorrected}, time.Time{}, func(e *store.Event) error {
			got = append(got, e.Trace.String()+" "+e.Field("to")+" "+e.Field("address"))
			return nil
		})
		if want := []string{id + " eva@exmaple.net " + to}; err != nil || !slices.Equal(got, want) {
			t.Errorf("%q, want %q, %v", got, want, err)
		}
	}
}
