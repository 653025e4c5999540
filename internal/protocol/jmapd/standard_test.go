package jmapd

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postiljon/postiljon/internal/store"
)

// TestRefusedIsFound holds that a message that was not taken can be asked for by the reference in the error, as one that was refused over
// SMTP can.
func TestRefusedIsFound(t *testing.T) {
	w := newWorld(t)
	w.using = append(w.using, capabilityVendor)
	var set struct {
		NotCreated map[string]struct{ Type, TraceID string }
	}
	w.calls(`[["Identity/get",{"accountId":"a1"},"0"],["Email/set",{"accountId":"a1","create":{"e":{"mailboxIds":{"F2":true},"from":[{"email":"bo@example.org"}],"to":[{"email":"eva@example.net"}],"subject":"Not mine"},` +
		`"f":{"mailboxIds":{"F2":true},"from":[{"email":"anna@example.org"}],"to":[{"email":"nobody@example.org"}],"subject":"Nobody"}}},"1"]]`)
	w.args(&set, "EmailSubmission/set", `{"accountId":"a1","create":{"a":{"identityId":"I1","emailId":"M1"},"b":{"identityId":"I1","emailId":"M2"},"c":{"identityId":"I1","emailId":"M9"}}}`)
	if set.NotCreated["c"].TraceID != "" {
		t.Error("what is no message has a reference:", set.NotCreated["c"])
	}
	for name, want := range map[string]string{"a": "message.refused client.from-not-owned", "b": "recipient.refused recipient.unknown"} {
		e := set.NotCreated[name]
		var told struct {
			List []struct{ Kind, Cause, TraceID string }
		}
		w.args(&told, "Trace/query", `{"accountId":"a1","text":%q}`, e.TraceID)
		if len(told.List) != 1 || told.List[0].Kind+" "+told.List[0].Cause != want || told.List[0].TraceID != e.TraceID {
			t.Errorf("%s %v: %v", name, e, told)
		}
	}
}

// TestLanguage holds that the language of what is for people is told (RFC 8620 section 3.8), and that why nothing may be sent is in it
// (RFC 8621 section 7.5).
func TestLanguage(t *testing.T) {
	w := newWorld(t)
	w.calls(`[["Identity/get",{"accountId":"a1"},"0"],["Email/set",{"accountId":"a1","create":{"e":{"mailboxIds":{"F2":true},"from":[{"email":"anna@example.org"}],"to":[{"email":"eva@example.net"}]}}},"1"]]`)
	w.do([]string{"suspend", "account.suspended-abuse"})
	body := `{"using":["` + capabilitySubmission + `"],"methodCalls":[["EmailSubmission/set",{"accountId":"a1","create":{"s":{"identityId":"I1","emailId":"M1"}}},"0"]]}`
	said := map[string]bool{}
	for _, lang := range []string{"sv", "nb", "en"} {
		r := w.request("POST", "/jmap/api", body)
		r.Header.Set("Accept-Language", lang+";q=0.9, fr")
		answer := httptest.NewRecorder()
		w.server.ServeHTTP(answer, r)
		var e struct {
			Type, Description string
			Why               struct{ Text string }
		}
		part := strings.SplitAfter(answer.Body.String(), `"notCreated":{"s":`)
		if err := json.NewDecoder(strings.NewReader(part[len(part)-1])).Decode(&e); err != nil {
			t.Fatal(err, answer.Body)
		}
		if got := answer.Header().Get("Content-Language"); got != lang || e.Type != "forbiddenToSend" || e.Description == "" || e.Description != e.Why.Text || said[e.Description] {
			t.Errorf("%s: %q %+v", lang, got, e)
		}
		said[e.Description] = true
	}
}

// request is one of anna's.
func (w *world) request(method, path, body string) *http.Request {
	r := httptest.NewRequest(method, "https://mail.example.org"+path, strings.NewReader(body))
	r.SetBasicAuth(w.anna.Address, "secret")
	r.Header.Set("Content-Type", "application/json")
	return r
}

// TestProblems holds that what fails beside the calls is told as RFC 7807 has it (RFC 8620 sections 6.1 and 6.2), and that nothing is
// called a limit that the session does not name (section 3.6.1).
func TestProblems(t *testing.T) {
	w := newWorld(t)
	for range maxStreams {
		w.server.take(w.anna.ID)
	}
	for _, one := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/jmap/download/a1/b9/x", http.StatusNotFound},
		{"GET", "/jmap/download/a7/b1/x", http.StatusNotFound},
		{"POST", "/jmap/upload/a7/", http.StatusNotFound},
		{"GET", "/jmap/events?types=*&closeafter=no&ping=x", http.StatusBadRequest},
		{"GET", "/jmap/events?types=*&closeafter=no&ping=0", http.StatusTooManyRequests},
		{"GET", "/jmap/ws", http.StatusTooManyRequests},
	} {
		answer := w.ask(one.method, one.path, "text/plain", "")
		var p problem
		if err := json.Unmarshal(answer.Body.Bytes(), &p); err != nil || answer.Code != one.status || p.Status != one.status || p.Type != "about:blank" ||
			answer.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s", one.path, answer.Code, answer.Body)
		}
	}
}

// TestPushOfOthers holds that nobody is told of subscriptions, nor changes them, that were made with another password or session (RFC 8620
// section 7.2).
func TestPushOfOthers(t *testing.T) {
	w := newWorld(t)
	with := "one"
	w.options.With = func(*http.Request) string { return with }
	if err := w.server.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.open(Push{Transport: offline{}})
	var got struct {
		List                     []struct{ ID string }
		NotFound                 []string
		NotUpdated, NotDestroyed map[string]struct{ Type string }
	}
	w.args(&got, "PushSubscription/set", `{"create":{"a":{"deviceClientId":"phone","url":"https://push.example.net/1"}}}`)
	with = "two"
	w.args(&got, "PushSubscription/set", `{"create":{"a":{"deviceClientId":"desk","url":"https://push.example.net/2"}}}`)
	w.args(&got, "PushSubscription/get", `{"ids":null}`)
	if len(got.List) != 1 || got.List[0].ID != "p2" {
		t.Error("told are", got.List)
	}
	w.args(&got, "PushSubscription/get", `{"ids":["p1"]}`)
	w.args(&got, "PushSubscription/set", `{"update":{"p1":{"types":["Email"]}},"destroy":["p3"]}`)
	if got.NotUpdated["p1"].Type != "notFound" {
		t.Errorf("%+v", got)
	}
	w.args(&got, "PushSubscription/set", `{"destroy":["p1"]}`)
	if !slices.Equal(got.NotFound, []string{"p1"}) || got.NotDestroyed["p1"].Type != "notFound" {
		t.Errorf("%+v", got)
	}
	with = "one"
	w.args(&got, "PushSubscription/get", `{"ids":null}`)
	if len(got.List) != 1 || got.List[0].ID != "p1" {
		t.Error("told are", got.List)
	}
}

// TestUploadGoes holds that the oldest upload goes where there is no room for another (RFC 8620 section 6).
func TestUploadGoes(t *testing.T) {
	w := newWorld(t)
	for range 2 {
		w.ask("POST", "/jmap/upload/a1/", "text/plain", "Hej")
	}
	if _, err := w.store.AddUpload(t.Context(), w.anna.ID, "x", store.MaxUploadsSize-5_006); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"u1 u2 u3", "u1 u2 u3 u4", "u2 u3 u4 u5"} {
		var there []string
		for n := range 6 {
			if _, ok, err := w.server.uploaded(t.Context(), w.anna.ID, fmt.Sprintf("u%d", n)); ok && err == nil {
				there = append(there, fmt.Sprintf("u%d", n))
			}
		}
		if got := strings.Join(there, " "); got != want {
			t.Errorf("%d: there are %s, want %s", i, got, want)
		}
		if answer := w.ask("POST", "/jmap/upload/a1/", "text/plain", "Hej"); answer.Code != http.StatusCreated {
			t.Fatal(answer.Code, answer.Body)
		}
	}
}

// TestWords holds texts that are searched for to RFC 8621 section 4.4.1.
func TestWords(t *testing.T) {
	for text, want := range map[string][]string{
		"":                       nil,
		" a  b\tc\u00a0d\n":      {"a", "b", "c", "d"},
		`a "b c" 'd e'f`:         {"a", "b c", "d e", "f"},
		`"say \"hi\" \\ now" x`:  {`say "hi" \ now`, "x"},
		`'it\'s "so"'`:           {`it's "so"`},
		`"not closed`:            {`"not`, "closed"},
		`don't won't`:            {"don't", "won't"},
		`"" '  ' a`:              {"a"},
		`"ends in a backslash \`: {`"ends`, "in", "a", "backslash", `\`},
	} {
		if diff := cmp.Diff(want, words(text)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

// TestOpenTag holds that no HTML is cut within a tag (RFC 8621 section 4.2).
func TestOpenTag(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "text": "text", "a < b": "a < b", "a <": "a ", "a <b": "a ", "<b>c</b": "<b>c", "<p>x</p>": "<p>x</p>",
		`<a href="x>y`: "", `<a href="x>y">z`: `<a href="x>y">z`, "<!-- a > b": "", "<!-- a > b -->c<": "<!-- a > b -->c", "1<2 <i>": "1<2 <i>",
		"<!doctype html": "", "<?xml": "", "it's <b>it's": "it's <b>it's", "x<!--->y": "x<!--->y",
	} {
		if got := text[:openTag([]byte(text))]; got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestAnd holds that errors about properties become one that names all (RFC 8620 section 5.3).
func TestAnd(t *testing.T) {
	a, b, other := badProperty("a", "one"), badProperty("b", "two"), &methodError{Type: "tooManyKeywords"}
	for _, one := range []struct {
		got  *methodError
		want string
	}{
		{(*methodError)(nil).and(a), "one [a]"}, {a.and(nil), "one [a]"}, {a.and(b), "one; two [a b]"}, {a.and(b).and(a), "one; two [a b]"},
		{a.and(badProperty("c", "one")), "one [a c]"}, {a.and(other), " []"}, {other.and(a), " []"},
	} {
		if got := fmt.Sprint(one.got.Description, " ", one.got.Properties); got != one.want {
			t.Errorf("got %q, want %q", got, one.want)
		}
	}
	if (*methodError)(nil).and(nil) != nil {
		t.Error("no error and none is one")
	}
}

// TestRaw holds what cannot be told out of fields (RFC 8621 section 4.1.2.1).
func TestRaw(t *testing.T) {
	for value, want := range map[string]string{" a\x00b\r\n": " ab", " r\xe4\xe4ka\r\n c\r\n": " r\uFFFDka\r\n c", " räka": " räka", "": ""} {
		if got := asRaw([]byte(value)); got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
}
