package jmapd

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
)

// TestRequests holds requests to RFC 8620 section 3.6.1: what is wrong with them as a whole is told by type.
func TestRequests(t *testing.T) {
	w := newWorld(t)
	call := `["Core/echo",{},"0"]`
	for _, one := range []struct{ name, contentType, body, want, limit string }{
		{"no JSON", "application/json", `{"using":`, notJSON, ""},
		{"not UTF-8", "application/json", "{\"using\":[\"\xff\"]}", notJSON, ""},
		{"another type", "text/plain", `{"using":[],"methodCalls":[]}`, notJSON, ""},
		{"a list", "application/json", `[]`, notRequest, ""},
		{"null", "application/json", `null`, notRequest, ""},
		{"no using", "application/json", `{"methodCalls":[]}`, notRequest, ""},
		{"names in another case", "application/json", `{"Using":[],"methodcalls":[]}`, notRequest, ""},
		{"a call of two", "application/json", `{"using":[],"methodCalls":[["Core/echo",{}]]}`, notRequest, ""},
		{"arguments that are a list", "application/json", `{"using":[],"methodCalls":[["Core/echo",[],"0"]]}`, notRequest, ""},
		{"creation ids that are none", "application/json", `{"using":[],"methodCalls":[],"createdIds":{"a":1}}`, notRequest, ""},
		{"an unknown capability", "application/json", `{"using":["urn:x"],"methodCalls":[]}`, unknownCapability, ""},
		{"too many calls", "application/json", `{"using":["` + capabilityCore + `"],"methodCalls":[` + strings.Repeat(call+",", 4) + call + `]}`, limitExceeded, "maxCallsInRequest"},
		{"too long", "application/json", `{"x":"` + strings.Repeat("x", 20_000) + `"}`, limitExceeded, "maxSizeRequest"},
	} {
		answer := w.ask("POST", "/jmap/api", one.contentType, one.body)
		var p problem
		if err := json.Unmarshal(answer.Body.Bytes(), &p); err != nil {
			t.Fatalf("%s: %v: %s", one.name, err, answer.Body)
		}
		if answer.Code != http.StatusBadRequest || p.Type != one.want || p.Limit != one.limit || answer.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %+v", one.name, answer.Code, p)
		}
	}
}

// TestCapabilities holds that a method is there only for who uses its capability, and that creation ids come back.
func TestCapabilities(t *testing.T) {
	w := newWorld(t)
	answer := w.ask("POST", "/jmap/api", "application/json; charset=utf-8",
		`{"using":["`+capabilityCore+`"],"methodCalls":[["Mailbox/get",{"accountId":"a1"},"0"]],"createdIds":{"k":"F9"}}`).Body.String()
	session := w.ask("GET", "/jmap/session", "", "").Body.String()
	state := decoded(t, []byte(session)).(object)["state"].(string)
	want := `{"methodResponses":[["error",{"type":"unknownMethod"},"0"]],"createdIds":{"k":"F9"},"sessionState":"` + state + `"}`
	if answer != want {
		t.Errorf("got  %s\nwant %s", answer, want)
	}
}

// TestSession holds that the Session object tells of the account and of what is there, at both of its addresses.
func TestSession(t *testing.T) {
	w := newWorld(t)
	one, two := w.ask("GET", "/.well-known/jmap", "", ""), w.ask("GET", "/jmap/session", "", "")
	if one.Code != http.StatusOK || one.Body.String() != two.Body.String() {
		t.Fatal(one.Code, one.Body, two.Body)
	}
	s := decoded(t, one.Body.Bytes()).(object)
	if s["username"] != "anna@example.org" || s["apiUrl"] != "https://mail.example.org/jmap/api" || s["primaryAccounts"].(object)[capabilityMail] != "a1" {
		t.Error(s)
	}
	for name := range s["capabilities"].(object) {
		if !slices.Contains(capabilities, name) {
			t.Errorf("%s is announced", name)
		}
	}
}

// TestStrangers holds that nobody is answered without a password, nor without encryption, and is told why.
func TestStrangers(t *testing.T) {
	w := newWorld(t)
	for _, one := range []struct {
		name      string
		encrypted bool
		password  string
		status    int
		kind      string
	}{
		{"a wrong password", true, "wrong", http.StatusUnauthorized, "https://mail.example.org/why/auth.password-wrong"},
		{"no encryption", false, "secret", http.StatusForbidden, "https://mail.example.org/why/auth.plaintext-refused"},
		{"all is well", true, "secret", http.StatusOK, ""},
	} {
		r := httptest.NewRequest("GET", "/jmap/session", nil)
		if r.TLS = nil; one.encrypted {
			r.TLS = &tls.ConnectionState{}
		}
		r.SetBasicAuth("anna@example.org", one.password)
		answer := httptest.NewRecorder()
		w.server.ServeHTTP(answer, r)
		var p problem
		if err := json.Unmarshal(answer.Body.Bytes(), &p); err != nil || answer.Code != one.status || p.Type != one.kind {
			t.Errorf("%s: %d %s", one.name, answer.Code, answer.Body)
		}
		if challenge := answer.Header().Get("WWW-Authenticate"); (challenge != "") != (one.status == http.StatusUnauthorized) {
			t.Errorf("%s: challenge %q", one.name, challenge)
		}
	}
}

// TestConcurrentRequests holds that an account has no more requests at once than the session says.
func TestConcurrentRequests(t *testing.T) {
	w := newWorld(t)
	for range 2 {
		if !w.server.begin(w.anna.ID) {
			t.Fatal("no place for a request")
		}
	}
	body := `{"using":["` + capabilityCore + `"],"methodCalls":[]}`
	if answer := w.ask("POST", "/jmap/api", "application/json", body); answer.Code != http.StatusTooManyRequests || !strings.Contains(answer.Body.String(), "maxConcurrentRequests") {
		t.Error(answer.Code, answer.Body)
	}
	w.server.end(w.anna.ID)
	if answer := w.ask("POST", "/jmap/api", "application/json", body); answer.Code != http.StatusOK {
		t.Error(answer.Code, answer.Body)
	}
}

// TestDownload holds that messages and parts can be fetched under the ids that Email/get tells (RFC 8620 section 6.2).
func TestDownload(t *testing.T) {
	w := newWorld(t)
	w.do([]string{"file", "1", "1", "report.eml"})
	whole, err := os.ReadFile("testdata/report.eml")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/jmap/download/a1/b1/letter.eml":                                    strings.ReplaceAll(string(whole), "\n", "\r\n"),
		"/jmap/download/a1/b1-5/r%C3%A9sum%C3%A9.pdf?accept=application/pdf": "%PDF-1.4\n",
		"/jmap/download/a1/b1-3/text":                                        "Hej Anna, här är siffrorna.",
	} {
		answer := w.ask("GET", path, "", "")
		if answer.Code != http.StatusOK || answer.Body.String() != want {
			t.Errorf("%s: %d %q", path, answer.Code, answer.Body)
		}
		if strings.Contains(path, "pdf") && (answer.Header().Get("Content-Type") != "application/pdf" || !strings.Contains(answer.Header().Get("Content-Disposition"), "r%C3%A9sum%C3%A9.pdf")) {
			t.Error(answer.Header())
		}
	}
	for _, path := range []string{"a2/b1/x", "a1/b9/x", "a1/b1-0/x", "a1/b1-1/x", "a1/b1-99/x", "a1/M1/x", "a1/b01/x"} {
		if answer := w.ask("GET", "/jmap/download/"+path, "", ""); answer.Code != http.StatusNotFound {
			t.Errorf("%s: %d %q", path, answer.Code, answer.Body)
		}
	}
}

// TestUpload holds that what is uploaded can be fetched again by who uploaded it, within limits (RFC 8620 section 6.1).
func TestUpload(t *testing.T) {
	w := newWorld(t)
	answer := w.ask("POST", "/jmap/upload/a1/", "text/plain; charset=utf-8", "Hej")
	want := `{"accountId":"a1","blobId":"u1","type":"text/plain; charset=utf-8","size":3}`
	if answer.Code != http.StatusCreated || answer.Body.String() != want {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	if got := w.ask("GET", "/jmap/download/a1/u1/hej", "", ""); got.Code != http.StatusOK || got.Body.String() != "Hej" {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	if got := w.ask("GET", "/jmap/download/a1/u2/hej", "", ""); got.Code != http.StatusNotFound {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	if got := w.ask("POST", "/jmap/upload/a2/", "text/plain", "Hej"); got.Code != http.StatusNotFound {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	if got := w.ask("POST", "/jmap/upload/a1/", "text/plain", strings.Repeat("x", 5_001)); got.Code != http.StatusRequestEntityTooLarge || !strings.Contains(got.Body.String(), "maxSizeUpload") {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	for range maxUploadsAtOnce {
		if err := w.server.reserve(t.Context(), w.anna.ID); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.ask("POST", "/jmap/upload/a1/", "text/plain", "Hej"); got.Code != http.StatusTooManyRequests {
		t.Errorf("%d %s", got.Code, got.Body)
	}
}

// TestEvents holds that a client hears of mail that comes, and what it missed when it comes back (RFC 8620 section 7.3).
func TestEvents(t *testing.T) {
	w := newWorld(t)
	web := httptest.NewTLSServer(w.server)
	defer web.Close()
	defer func() {
		if err := w.server.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	lines := w.listen(web, "types=Email,Other&closeafter=no&ping=0", "")
	w.put(store.InboxID, 1, storetest.Text(1), store.Flags{})
	want := []string{"id: " + w.state(), "event: state", `data: {"@type":"StateChange","changed":{"a1":{"Email":"2.2"}}}`}
	heard(t, lines, want)
	last := w.state()
	again := w.listen(web, "types=Email&closeafter=state&ping=300", "1")
	heard(t, again, want)
	for line := range again {
		if line != "" {
			t.Errorf("after the last event: %q", line)
		}
	}
	// What changed beside mail is missed by nobody either.
	w.calls(`[["Identity/set",{"accountId":"a1","update":{"I1":{"name":"Anna"}}},"0"]]`)
	heard(t, w.listen(web, "types=Identity&closeafter=state&ping=0", last), []string{"id: " + w.state(), "event: state", `data: {"@type":"StateChange","changed":{"a1":{"Identity":"2"}}}`})
	for _, bad := range []string{"", "types=*&closeafter=never&ping=0", "types=*&closeafter=no&ping=-1"} {
		if answer := w.ask("GET", "/jmap/events?"+bad, "", ""); answer.Code != http.StatusBadRequest {
			t.Errorf("%s: %d", bad, answer.Code)
		}
	}
}

// state is the name of all states as they are.
func (w *world) state() string {
	w.t.Helper()
	n, err := w.server.now(w.t.Context(), w.anna.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return n.name()
}

// listen opens an event stream and returns its lines once it is known to be open.
func (w *world) listen(web *httptest.Server, query, last string) <-chan string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	w.t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, "GET", web.URL+"/jmap/events?"+query, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.SetBasicAuth(w.anna.Address, "secret")
	r.Header.Set("Last-Event-ID", last)
	answer, err := web.Client().Do(r)
	if err != nil || answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "text/event-stream" {
		w.t.Fatal(err, answer)
	}
	lines := make(chan string, 100)
	go func() {
		defer close(lines)
		defer answer.Body.Close()
		for s := bufio.NewScanner(answer.Body); s.Scan(); {
			lines <- s.Text()
		}
	}()
	if first := <-lines; first != ":" {
		w.t.Fatalf("the first line is %q", first)
	}
	return lines
}

func heard(t *testing.T, lines <-chan string, want []string) {
	t.Helper()
	for _, one := range want {
		line := <-lines
		for line == "" {
			next, open := <-lines
			if line = next; !open {
				t.Fatalf("the stream ended before %q", one)
			}
		}
		if line != one {
			t.Errorf("heard %q, want %q", line, one)
		}
	}
}
