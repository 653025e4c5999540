package jmapd

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/postiljon/postiljon/internal/store"
)

// FuzzRequest holds that any request is read or refused, and that references give JSON or an error.
func FuzzRequest(f *testing.F) {
	f.Add(`{"using":["urn:ietf:params:jmap:core"],"methodCalls":[["Core/echo",{"a":[1,{"b":"c"}]},"0"],["Core/echo",{"#x":{"resultOf":"0","name":"Core/echo","path":"/a/*/b"}},"1"]]}`)
	f.Add(`{"using":[],"methodCalls":[["Core/echo",{"#x":{"resultOf":"0","path":"/~1/~0/-1/00"}},"0"]],"createdIds":{"a":"b"}}`)
	f.Add(`{"using":null,"methodCalls":[[]]}`)
	f.Fuzz(func(t *testing.T, text string) {
		req, err := parseRequest([]byte(text))
		if err != nil {
			return
		}
		var done []response
		for _, in := range req.calls {
			args, err := resolve(in.args, done)
			if err != nil {
				continue
			}
			if _, err := json.Marshal(args); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			done = append(done, response{in.name, args, in.id})
		}
	})
}

// FuzzHeader holds that every form of any field can be told as JSON, in UTF-8.
func FuzzHeader(f *testing.F) {
	f.Add(" Staff: \"Eva, E.\" <eva@demo.test>, c@demo.test;, anna@demo.test\r\n")
	f.Add(" <a@b> (c\\) <d>) <e@f>\r\n\t<g>")
	f.Add(" =?utf-8?q?=C3?= (((\"<:;")
	f.Fuzz(func(t *testing.T, value string) {
		for name, form := range forms {
			text, err := json.Marshal(form([]byte(value)))
			if err != nil || !utf8.Valid(text) {
				t.Errorf("%s of %q: %s %v", name, value, text, err)
			}
		}
	})
}

// FuzzFilter holds that any filter is read or refused.
func FuzzFilter(f *testing.F) {
	f.Add(`{"operator":"NOT","conditions":[{"name":"x"},{"operator":"OR","conditions":[]}]}`)
	f.Add(`{"operator":"AND","conditions":[{"parentId":null,"role":"inbox","hasAnyRole":true}]}`)
	f.Add(`{"operator":1}`)
	f.Fuzz(func(t *testing.T, text string) {
		if keep, err := parseFilter(json.RawMessage(text), mailboxCondition); err == nil {
			keep(&box{Mailbox: store.Mailbox{ID: 1, Name: "INBOX", Role: store.RoleInbox}, name: "INBOX"})
		}
	})
}
