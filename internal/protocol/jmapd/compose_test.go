package jmapd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
)

// TestComposed holds that what is written is read as the same again, whatever it says, and that every line of it can be sent
// everywhere (RFC 5322 section 2.1.1, RFC 2045 section 6).
func TestComposed(t *testing.T) {
	w := newWorld(t)
	w.server.options.Limits.RequestSize = 1 << 20
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringN(0, 3000, -1), rapid.SampledFrom([]string{
			strings.Repeat("å", 1500), strings.Repeat("x", 2500), "From me\n.\n..\nlast", " \n\t\n", "=3D=\n", "a\r\nb\rc\n",
		})).Draw(t, "text")
		subject := rapid.String().Draw(t, "subject")
		name := rapid.StringN(0, 60, -1).Draw(t, "name")
		email := object{
			"mailboxIds": object{"F3": true}, "subject": subject, "from": []object{{"name": name, "email": "anna@example.org"}},
			"textBody": []object{{"partId": "t"}}, "bodyValues": object{"t": object{"value": text}},
		}
		arguments, err := json.Marshal(object{"accountId": "a1", "create": object{"k": email}})
		if err != nil {
			t.Fatal(err)
		}
		var set []struct {
			Created map[string]struct{ ID string }
		}
		one(t, w.calls(`[["Email/set",`+string(arguments)+`,"0"]]`), &set)
		id := set[0].Created["k"].ID
		if id == "" {
			t.Fatal("not created")
		}
		var got []struct {
			List []struct {
				Subject    string
				From       []struct{ Name, Email string }
				BodyValues map[string]struct{ Value string }
			}
		}
		one(t, w.calls(`[["Email/get",{"accountId":"a1","ids":["`+id+`"],"properties":["subject","from","bodyValues"],"fetchTextBodyValues":true},"0"]]`), &got)
		have := got[0].List[0]
		clean := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(strings.ToValidUTF8(text, "\uFFFD"))
		if have.BodyValues["1"].Value != clean {
			t.Fatalf("the text is %q, was %q", have.BodyValues["1"].Value, clean)
		}
		if have.From[0].Email != "anna@example.org" {
			t.Fatalf("from %v", have.From)
		}
		wholesome(t, w.octetsOf(id))
	})
}

// one reads the arguments of the only response.
func one(t *rapid.T, responses json.RawMessage, v any) {
	var all [][]json.RawMessage
	if err := json.Unmarshal(responses, &all); err != nil || len(all) != 1 {
		t.Fatal(err, string(responses))
	}
	if err := json.Unmarshal([]byte("["+string(all[0][1])+"]"), v); err != nil {
		t.Fatal(err, string(responses))
	}
}

// wholesome holds lines to what every server takes.
func wholesome(t *rapid.T, octets []byte) {
	for line := range bytes.SplitSeq(octets, []byte("\r\n")) {
		if len(line) > 998 || bytes.ContainsAny(line, "\r\n\x00") {
			t.Fatalf("a line of %d octets: %.60q", len(line), line)
		}
		for _, c := range line {
			if c >= utf8.RuneSelf {
				t.Fatalf("an octet above 127: %.60q", line)
			}
		}
	}
}

// octetsOf reads an email as it is stored.
func (w *world) octetsOf(id string) (octets []byte) {
	n, _ := parseID[store.EmailID]('M', id)
	err := w.store.Emails(context.Background(), w.anna.ID, n, n+1, func(e *store.Email) error {
		body, err := w.store.Body(context.Background(), e)
		if err != nil {
			return err
		}
		defer body.Close()
		octets, err = io.ReadAll(io.NewSectionReader(body, 0, e.Size))
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return octets
}

// TestTooLarge holds that what grows above the limit while it is written is refused, and leaves nothing.
func TestTooLarge(t *testing.T) {
	w := newWorld(t)
	w.server.options.Limits.Message = 2000
	answer := string(w.calls(fmt.Sprintf(`[["Email/set",{"accountId":"a1","create":{"k":{"mailboxIds":{"F3":true},"textBody":[{"partId":"t"}],"bodyValues":{"t":{"value":%q}}}}},"0"]]`, strings.Repeat("x ", 1500))))
	if !strings.Contains(answer, `"tooLarge","maxSize":2000`) {
		t.Error(answer)
	}
	if p, err := w.server.picture(t.Context(), w.anna.ID); err != nil || p.mail.Len() != 0 {
		t.Error(err, p.mail.Len())
	}
}

// TestTooManyKeywords holds that an email has no more keywords than a client can mean.
func TestTooManyKeywords(t *testing.T) {
	w := newWorld(t)
	keywords := object{}
	for i := range maxNewKeywords + 1 {
		keywords[fmt.Sprintf("k%d", i)] = true
	}
	raw, err := json.Marshal(keywords)
	if err != nil {
		t.Fatal(err)
	}
	answer := string(w.calls(`[["Email/set",{"accountId":"a1","create":{"k":{"mailboxIds":{"F3":true},"keywords":` + string(raw) + `}}},"0"]]`))
	if !strings.Contains(answer, `"k":{"type":"tooManyKeywords"}`) {
		t.Error(answer)
	}
}

// TestKeywordsAreFull holds that of an update nothing is done where there is no room for its keywords (RFC 8620 section 5.3), while the
// others of the set are done.
func TestKeywordsAreFull(t *testing.T) {
	w := newWorld(t).wide()
	for n := range 3 {
		w.put(store.InboxID, n, storetest.Text(n), store.Flags{})
	}
	names := func(from, to int) string {
		list := make([]string, 0, to-from)
		for i := from; i < to; i++ {
			list = append(list, fmt.Sprintf(`"keywords/k%d":true`, i))
		}
		return strings.Join(list, ",")
	}
	got := string(w.calls(`[["Email/set",{"accountId":"a1","update":{"M1":{` + names(0, store.MaxKeywords-2) + `}}},"0"],` +
		`["Email/set",{"accountId":"a1","update":{"M1":{"keywords/new1":true,"mailboxIds":{"F5":true}},"M2":{"keywords/new2":true,"keywords/new3":true,"mailboxIds":{"F5":true}},"M3":{"keywords/new2":true,"keywords/k7":true}}},"1"],` +
		`["Email/get",{"accountId":"a1","ids":["M1","M2","M3"],"properties":["mailboxIds"]},"2"],["Email/query",{"accountId":"a1","filter":{"hasKeyword":"new2"}},"3"]]`))
	for _, want := range []string{`"M2":{"type":"tooManyKeywords"}`, `"updated":{"M1":null,"M3":null}`, `{"id":"M1","mailboxIds":{"F5":true}},{"id":"M2","mailboxIds":{"F1":true}}`, `"ids":["M3"]`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
}
