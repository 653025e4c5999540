package jmapd

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/postiljon/postiljon/internal/message"
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
		var done responses
		for _, in := range req.calls {
			args, err := resolve(in.args, &done)
			if err != nil {
				continue
			}
			if err := done.add(response{in.name, args, in.id}); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
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

// FuzzNewHeader holds that whatever a client writes into a header field becomes fields of that name alone, in lines that every server
// takes, and nothing else of the message.
func FuzzNewHeader(f *testing.F) {
	f.Add("subject", `"a\r\nBcc: x@y.z\r\n\r\nbody"`)
	f.Add("from", `[{"name":"A\r\nB","email":"a@b.c>, <d@e.f"},{"name":null,"email":"x@räksmörgås.se"}]`)
	f.Add("header:To:asGroupedAddresses", `[{"name":"x:;\n","addresses":[{"email":"a@b.c"}]},{"name":null,"addresses":[]}]`)
	f.Add("header:X-Y", `" a\r\n b"`)
	f.Add("header:Comments:asText:all", `["one","två =?utf-8?q?x?=",null]`)
	f.Add("header:List-Help:asURLs", `["https://x.y/z>"]`)
	f.Add("references", `["a@b","c d"]`)
	f.Add("sentAt", `"2026-11-02T10:00:00+01:00"`)
	f.Fuzz(func(t *testing.T, property, value string) {
		if !json.Valid([]byte(value)) {
			return
		}
		for _, ofPart := range []bool{false, true} {
			fields, bad := headerFields(property, json.RawMessage(value), ofPart)
			if bad != nil {
				continue
			}
			h := message.Header{}
			for _, one := range fields.list {
				one.write(&h)
			}
			written := string(h.Bytes())
			for line := range strings.SplitSeq(strings.TrimSuffix(written, "\r\n"), "\r\n") {
				if strings.ContainsAny(line, "\r\n\x00") || len(line) > 998 || written != "" && strings.TrimSpace(line) == "" {
					t.Fatalf("%s %s: the line %q", property, value, line)
				}
			}
			for field := range message.HeaderFields(h.Bytes()) {
				if !strings.EqualFold(string(field.Name), fields.name) {
					t.Fatalf("%s %s: the field %q", property, value, field.Raw)
				}
			}
		}
	})
}

// FuzzNewPart holds that any part is read or refused.
func FuzzNewPart(f *testing.F) {
	f.Add(`{"type":"multipart/mixed","subParts":[{"partId":"a","name":"ä\r\nX: y","cid":"x@y"},{"blobId":"b1","type":"message/rfc822","header:X-A:asText":"b"}]}`)
	f.Add(`{"type":"text/plain; charset=x","partId":"a","disposition":"a;b","language":["sv",1]}`)
	f.Add(`{"subParts":[{"subParts":[{"subParts":null}]}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		e := &newEmail{named: map[string]bool{}, values: map[string]string{"a": "x"}}
		root, bad := e.readPart("bodyStructure", json.RawMessage(text), maxNewDepth)
		if bad != nil {
			return
		}
		_ = root.walk(func(n *newPart) *methodError {
			h := message.Header{}
			n.header(&h, n.typeParams("utf-8"), "base64")
			for line := range strings.SplitSeq(strings.TrimSuffix(string(h.Bytes()), "\r\n"), "\r\n") {
				if strings.ContainsAny(line, "\r\n\x00") || strings.TrimSpace(line) == "" {
					t.Fatalf("%s: the line %q", text, line)
				}
			}
			return nil
		})
	})
}
