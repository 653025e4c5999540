package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postiljon/postiljon/internal/control"
)

// TestJMAPAccessToShared holds what JMAPACCESS promises of what others share, too: the same mailboxes, messages, conversations and flags
// under the same ids, and what is changed the one way is so the other way.
func TestJMAPAccessToShared(t *testing.T) {
	h := hostAccount(t)
	const owner = "olof@example.org"
	if _, err := h.AddAccount(t.Context(), control.NewAccount{Address: owner, Password: hostedPassword}); err != nil {
		t.Fatal(err)
	}
	a, err := h.store.AccountByAddress(t.Context(), owner)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Projekt", "Projekt/Gamla", "Eget"} {
		if _, err := h.store.CreateMailbox(t.Context(), a.ID, name, ""); err != nil {
			t.Fatal(err)
		}
	}
	for mailbox, level := range map[string]string{"Projekt": "write", "Projekt/Gamla": "read"} {
		if _, err := h.ChangeShare(t.Context(), control.ChangeShare{Owner: owner, Mailbox: mailbox, With: hostedAddress, As: level}); err != nil {
			t.Fatal(err)
		}
	}
	u := h.signIn("imaps", hostedPassword)
	for i, field := range []string{"Message-ID: <1@example.org>", "Message-ID: <2@example.org>\r\nIn-Reply-To: <1@example.org>", "Message-ID: <3@example.org>"} {
		text := fmt.Sprintf("Subject: hej %d\r\n%s\r\n\r\nhej\r\n", i, field)
		u.all(fmt.Sprintf("a APPEND \"Other Users/olof/Projekt\" {%d+}\r\n%s", len(text), text))
	}
	u.all(`a SELECT "Other Users/olof/Projekt"`)
	u.all(`a STORE 1 +FLAGS (\Flagged)`)

	account := fmt.Sprintf("a%d", a.ID)
	url := h.config.BaseURL() + "/.well-known/jmap"
	byIMAP := func() map[string]string {
		u.all(`a NOOP`)
		seen := map[string]string{}
		for _, line := range u.all(`a LIST "" "Other Users/*" RETURN (STATUS (MAILBOXID))`) {
			if m := regexp.MustCompile(`^\* STATUS "Other Users/olof/(\S+)" \(MAILBOXID \((\S+)\)\)$`).FindStringSubmatch(line); m != nil {
				seen[m[2]] = m[1]
			}
		}
		for _, line := range u.all(`a FETCH 1:* (EMAILID THREADID FLAGS)`) {
			if m := regexp.MustCompile(`EMAILID \(([^)]+)\) THREADID \(([^)]+)\)`).FindStringSubmatch(line); m != nil {
				seen[m[1]] = fmt.Sprint(m[2], strings.Contains(line, `\Seen`), strings.Contains(line, `\Flagged`))
			}
		}
		return seen
	}
	byJMAP := func() map[string]string {
		var answer struct {
			MethodResponses [][3]json.RawMessage `json:"methodResponses"`
		}
		h.jmapAsks(t, url, strings.ReplaceAll(`{"using":["urn:ietf:params:jmap:core","urn:ietf:params:jmap:mail"],"methodCalls":[`+
			`["Mailbox/get",{"accountId":"SHARED"},"0"],["Email/get",{"accountId":"SHARED","properties":["threadId","keywords"]},"1"]]}`, "SHARED", account), &answer)
		var got [2]struct {
			List []struct {
				ID, Name, ThreadID string
				ParentID           *string
				Keywords           map[string]bool
			}
		}
		names := map[string]string{}
		for i := range got {
			if err := json.Unmarshal(answer.MethodResponses[i][1], &got[i]); err != nil {
				t.Fatal(err, answer)
			}
			for _, o := range got[i].List {
				if names[o.ID] = o.Name; i == 1 {
					names[o.ID] = fmt.Sprint(o.ThreadID, o.Keywords["$seen"], o.Keywords["$flagged"])
				}
			}
		}
		for _, m := range got[0].List {
			if m.ParentID != nil {
				names[m.ID] = names[*m.ParentID] + "/" + names[m.ID]
			}
		}
		return names
	}
	first := byIMAP()
	if diff := cmp.Diff(first, byJMAP()); diff != "" || len(first) != 5 {
		t.Fatalf("%v: %s", first, diff)
	}
	var email string
	for id := range maps.Keys(first) {
		if strings.HasPrefix(id, "M") {
			email = id
		}
	}
	var done struct{}
	h.jmapAsks(t, url, fmt.Sprintf(`{"using":["urn:ietf:params:jmap:core","urn:ietf:params:jmap:mail"],"methodCalls":[["Email/set",{"accountId":%q,"update":{%q:{"keywords/$seen":true,"keywords/$flagged":true}}},"0"]]}`, account, email), &done)
	if diff := cmp.Diff(byIMAP(), byJMAP()); diff != "" || !strings.Contains(byIMAP()[email], "true") {
		t.Fatal("after a change by JMAP:", diff)
	}
	u.all(`a STORE 1:* -FLAGS (\Seen)`)
	u.all(`a MOVE 1 INBOX`)
	second := byIMAP()
	if diff := cmp.Diff(second, byJMAP()); diff != "" || len(second) != 4 {
		t.Fatal("after changes by IMAP:", second, diff)
	}
}
