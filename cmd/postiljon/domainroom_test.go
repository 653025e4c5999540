package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/postiljon/postiljon/internal/control"
)

// TestRoomOfDomain: what programs put into mailboxes counts against the storage of the domain as what is delivered does.
func TestRoomOfDomain(t *testing.T) {
	h := hostAccount(t)
	quota := int64(3000)
	if _, err := h.ChangeDomain(t.Context(), control.ChangeDomain{Name: "example.org", Quota: &quota}); err != nil {
		t.Fatal(err)
	}
	u := h.signIn("imaps", hostedPassword)
	text := func(n int) string { return "Subject: hej\r\n\r\n" + strings.Repeat("x", n-18) + "\r\n" }
	appended := func(command string) string {
		said := u.all(command)
		return said[len(said)-1]
	}
	if said := appended("a APPEND INBOX {2000+}\r\n" + text(2000)); !strings.HasPrefix(said, "a OK") {
		t.Fatal(said)
	}
	for _, command := range []string{
		"a APPEND INBOX {1500+}\r\n" + text(1500),
		"a APPEND INBOX {600+}\r\n" + text(600) + " {600+}\r\n" + text(600), // all or nothing
		"a APPEND INBOX CATENATE (TEXT {1500+}\r\n" + text(1500) + ")",
	} {
		if said := appended(command); !strings.HasPrefix(said, "a NO [OVERQUOTA]") || !strings.Contains(said, "/why/quota.domain-full") {
			t.Errorf("%.40q: %q", command, said)
		}
	}
	if said := appended("a STATUS INBOX (MESSAGES)"); !strings.HasPrefix(said, "a OK") {
		t.Error(said)
	}

	url := h.config.BaseURL() + "/.well-known/jmap"
	create := func(size int) string {
		var answer struct {
			MethodResponses [][3]json.RawMessage `json:"methodResponses"`
		}
		h.jmapAsks(t, url, fmt.Sprintf(`{"using":["urn:ietf:params:jmap:core","urn:ietf:params:jmap:mail"],"methodCalls":[["Email/set",{"accountId":"ACCOUNT","create":`+
			`{"k":{"mailboxIds":{"F1":true},"subject":"hej","bodyValues":{"1":{"value":"%s"}},"textBody":[{"partId":"1","type":"text/plain"}]}}},"0"]]}`,
			strings.Repeat("x", size)), &answer)
		return string(answer.MethodResponses[0][1])
	}
	if said := create(5000); !strings.Contains(said, `"type":"overQuota"`) || !strings.Contains(said, "quota.domain-full") {
		t.Error(said)
	}
	if said := create(10); !strings.Contains(said, `"created":{"k"`) {
		t.Error(said)
	}
}

// TestRoomAcrossAccounts: what COPY and REPLACE bring, also to others' mailboxes, counts as far as it is more than before.
func TestRoomAcrossAccounts(t *testing.T) {
	h := hostAccount(t)
	quota := int64(4000)
	if _, err := h.ChangeDomain(t.Context(), control.ChangeDomain{Name: "example.org", Quota: &quota}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.AddAccount(t.Context(), control.NewAccount{Address: "bo@example.org", Password: hostedPassword}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.ChangeShare(t.Context(), control.ChangeShare{Owner: "bo@example.org", Mailbox: "Archive", With: hostedAddress, As: "write"}); err != nil {
		t.Fatal(err)
	}
	u := h.signIn("imaps", hostedPassword)
	text := func(n int) string {
		return fmt.Sprintf("{%d+}\r\nSubject: hej\r\n\r\n%s\r\n", n, strings.Repeat("x", n-18))
	}
	const bo = `"Other Users/bo/Archive"`
	for _, c := range []struct{ command, answer string }{
		{"APPEND INBOX " + text(1500), "OK"},
		{"SELECT INBOX", "OK"},
		{"COPY 1 " + bo, "OK"}, // 3000 octets of 4000
		{"COPY 1 " + bo, "NO [OVERQUOTA]"},
		{"COPY 1 Archive", "OK"}, // one email of the account, in two mailboxes
		{"MOVE 1 " + bo, "OK"},
		{"SELECT Archive", "OK"},
		{"REPLACE 1 INBOX " + text(2600), "NO [OVERQUOTA]"},
		{"REPLACE 1 INBOX " + text(2400), "OK"}, // 3900
		{"SELECT INBOX", "OK"},
		{"REPLACE 1 " + bo + " " + text(2550), "NO [OVERQUOTA]"},
		{"REPLACE 1 " + bo + " " + text(2450), "OK"}, // 3950
		{"SELECT " + bo, "OK"},
		{"COPY 1 INBOX", "NO [OVERQUOTA]"},
		{"MOVE 1 INBOX", "OK"},
	} {
		said := u.all("a " + c.command)
		if last := said[len(said)-1]; !strings.HasPrefix(last, "a "+c.answer) || c.answer != "OK" && !strings.Contains(last, "/why/quota.domain-full") {
			t.Errorf("%.40q: %q", c.command, said)
		}
	}
}
