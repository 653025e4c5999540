package main

import (
	"fmt"
	"testing"

	"github.com/postiljon/postiljon/internal/store"
)

// TestMarksTeach: who marks a message as junk or not junk teaches, by IMAP and by JMAP, and once for each message, though it is moved, too.
func TestMarksTeach(t *testing.T) {
	h := hostAccount(t)
	u := h.signIn("imaps", hostedPassword)
	const text = "From: win@lucky.example\r\nSubject: casino\r\n\r\nfree spins casino bonus\r\n"
	u.all(fmt.Sprintf("a APPEND INBOX {%d+}\r\n%s", len(text), text))
	u.all("a SELECT INBOX")
	taught := func(what string, want store.Learned) {
		t.Helper()
		h.policies.trainer.Flush()
		if _, all, err := h.store.LearnedFeatures(t.Context(), h.id, nil); err != nil || all != want {
			t.Errorf("%s: %+v, %v", what, all, err)
		}
	}
	for _, step := range []struct {
		command string
		want    store.Learned
	}{
		{`STORE 1 +FLAGS ($Junk $NotJunk)`, store.Learned{}}, // says nothing
		{`STORE 1 FLAGS (\Seen)`, store.Learned{}},
		{`STORE 1 +FLAGS.SILENT ($junk)`, store.Learned{Junk: 1}},
		{`STORE 1 -FLAGS ($Junk)`, store.Learned{Junk: 1}},
		{`STORE 1 (UNCHANGEDSINCE 1) +FLAGS ($NotJunk)`, store.Learned{Junk: 1}},
		{`MOVE 1 Junk`, store.Learned{Junk: 1}},
		{`SELECT Junk`, store.Learned{Junk: 1}},
		{`UID STORE 1 FLAGS (\Seen $NotJunk)`, store.Learned{Wanted: 1}},
	} {
		u.all("a " + step.command)
		taught(step.command, step.want)
	}
	var answer any
	url := h.config.BaseURL() + "/.well-known/jmap"
	set := func(patch string) {
		h.jmapAsks(t, url, `{"using":["urn:ietf:params:jmap:core","urn:ietf:params:jmap:mail"],"methodCalls":[`+
			`["Email/set",{"accountId":"ACCOUNT","update":{"M1":`+patch+`}},"0"]]}`, &answer)
	}
	set(`{"keywords/$notjunk":null,"keywords/$junk":true}`)
	taught("JMAP, junk", store.Learned{Junk: 1})
	set(`{"keywords/$junk":null,"keywords/$notjunk":true,"mailboxIds":{"F1":true}}`)
	taught("JMAP, not junk", store.Learned{Wanted: 1})
	if t.Failed() {
		t.Logf("%v", answer)
	}
}
