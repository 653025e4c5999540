package jmapd

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// TestManyWrongProperties holds that what is wrong by the thousands is told of in part: to gather all of a request would take minutes.
func TestManyWrongProperties(t *testing.T) {
	w := newWorld(t)
	w.server.options.Limits.RequestSize = 1 << 20
	var b strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&b, `,"p%d":1`, i)
	}
	var got struct {
		NotCreated map[string]struct{ Properties []string }
	}
	w.args(&got, "Email/set", `{"accountId":"a1","create":{"e":{"mailboxIds":{"F3":true}%s}}}`, b.String())
	if n := len(got.NotCreated["e"].Properties); n < 2 || n > 2*maxWrong {
		t.Error("properties of an email:", n)
	}
	values := map[string]any{}
	for i := range 3000 {
		values[fmt.Sprint(i)] = struct{}{}
	}
	raw, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	w.args(&got, "Email/set", `{"accountId":"a1","create":{"e":{"mailboxIds":{"F3":true},"bodyValues":%s}}}`, raw)
	if n := len(got.NotCreated["e"].Properties); n < 2 || n > 2*maxWrong {
		t.Error("values of a body:", n)
	}
}

// TestManyBadRecipients holds that of recipients that are none no more are told of, and noted, than a message may have.
func TestManyBadRecipients(t *testing.T) {
	w := newWorld(t)
	w.server.options.Limits.RequestSize = 1 << 20
	w.calls(`[["Identity/get",{"accountId":"a1"},"0"],["Email/set",{"accountId":"a1","create":{"e":{"mailboxIds":{"F3":true},"from":[{"email":"anna@example.org"}],"to":[{"email":"x"}]}}},"1"]]`)
	var b strings.Builder
	for i := range w.server.options.Limits.Recipients + 1 {
		fmt.Fprintf(&b, `,{"email":"p%d"}`, i)
	}
	var got struct {
		NotCreated map[string]struct {
			Type          string
			MaxRecipients int
		}
	}
	w.args(&got, "EmailSubmission/set", `{"accountId":"a1","create":{"s":{"identityId":"I1","emailId":"M1","envelope":{"mailFrom":{"email":"anna@example.org"},"rcptTo":[%s]}}}}`, b.String()[1:])
	if e := got.NotCreated["s"]; e.Type != "tooManyRecipients" || e.MaxRecipients != w.server.options.Limits.Recipients {
		t.Error(e)
	}
}
