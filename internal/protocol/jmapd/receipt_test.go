package jmapd

import (
	"strings"
	"testing"

	"github.com/postiljon/postiljon/internal/store"
)

// TestReceipts: what a read receipt says stands in the email submission (RFC 8621 section 7), as long as the receipt is there.
func TestReceipts(t *testing.T) {
	w := newWorld(t)
	w.using = append(w.using, capabilityVendor)
	w.put(store.InboxID, 1, "From: bo@example.org\r\nSubject: Read\r\n\r\nRead.\r\n", store.Flags{})
	made := string(w.calls(`[["Email/set",{"accountId":"a1","create":{"e":{"mailboxIds":{"F2":true},"from":[{"email":"anna@example.org"}],"to":[{"email":"bo@example.com"}],"subject":"Hej"}}},"0"],
		["EmailSubmission/set",{"accountId":"a1","create":{"s":{"emailId":"#e","identityId":"I1","envelope":{"mailFrom":{"email":"anna@example.org"},"rcptTo":[{"email":"bo@example.com"},{"email":"eva@example.net"}]}}}},"1"]]`))
	if !strings.Contains(made, `"id":"S1"`) {
		t.Fatal(made)
	}
	w.settle()
	e, err := w.store.EmailSubmission(t.Context(), w.anna.ID, 1)
	if err != nil {
		t.Fatal(err)
	}
	trace, err := store.ParseTraceID(e.Trace)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.store.NoteReceipt(t.Context(), w.anna.ID, trace, store.InboxID, 1, "bo@example.com"); err != nil {
		t.Fatal(err)
	}
	get := `[["EmailSubmission/changes",{"accountId":"a1","sinceState":"` + "1" + `"},"0"],["EmailSubmission/get",{"accountId":"a1","ids":["S1"],"properties":["deliveryStatus","mdnBlobIds","dsnBlobIds","recipients"]},"1"]]`
	got := string(w.calls(get))
	for _, want := range []string{`"updated":["S1"]`, `"bo@example.com":{"delivered":"`, `"displayed":"yes"`, `"displayed":"unknown"`, `"mdnBlobIds":["b1"]`, `"dsnBlobIds":[]`, `"opened":"2`, `"opened":null`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
	if strings.Count(got, `"displayed":"yes"`) != 1 {
		t.Errorf("who else opened it? %s", got)
	}
	w.calls(`[["Email/set",{"accountId":"a1","destroy":["M1"]},"0"]]`)
	if got := string(w.calls(get)); !strings.Contains(got, `"mdnBlobIds":[]`) || !strings.Contains(got, `"displayed":"yes"`) {
		t.Errorf("after the receipt is gone: %s", got)
	}
}
