package account

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/rules"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
)

// rig is the interfaces with a store, asked as anna or as nobody.
type rig struct {
	t     *testing.T
	api   *API
	mux   *http.ServeMux
	store *store.Store
	anna  store.Account
	fresh bool
	notes []string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, store: storetest.Open(t), mux: http.NewServeMux()}
	r.anna = storetest.Account(t, r.store, "anna@north.example")
	catalogue, err := cause.Load()
	if err != nil {
		t.Fatal(err)
	}
	r.api, err = New(Options{
		Store: r.store, Rules: rules.New(rules.Options{Store: r.store, Hostname: "mail.north.example"}), Catalogue: catalogue,
		SignIn: func(req *http.Request) (store.Account, cause.Decision) {
			if name, _, _ := req.BasicAuth(); name != r.anna.Address {
				return store.Account{}, cause.Refuse(cause.AuthPasswordWrong)
			}
			a, err := r.store.Account(req.Context(), r.anna.ID)
			if err != nil {
				t.Error(err)
			}
			return a, cause.Allow()
		},
		Fresh: func(*http.Request) bool { return r.fresh },
		Mail: func(ctx context.Context, a store.AccountID) (*store.Mail, error) {
			m, _, err := r.store.Mail(ctx, a, nil)
			return m, err
		},
		Stale: func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, `{"reauthenticate":true}`, http.StatusForbidden)
		},
		Note: func(_ context.Context, _ store.AccountID, kind string, _ ...store.Field) {
			r.notes = append(r.notes, kind)
		},
		Meters: func(context.Context, *store.Account) ([]policy.Meter, error) {
			return []policy.Meter{{Counted: policy.MessagesOfAddress, Of: r.anna.Address, Used: 3, Limit: 300}}, nil
		},
		Services: []Service{{Protocol: "IMAP", Port: "993", Security: "tls"}}, MailServer: "mail.north.example", BaseURL: "https://mail.north.example",
		Version: "test", MessageSize: 50 << 20, Recipients: 100,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.api.Close(context.Background()) })
	for pattern, h := range r.api.Routes() {
		r.mux.Handle(pattern, h)
	}
	return r
}

func (r *rig) raw(method, path, body string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, "https://mail.north.example"+path, strings.NewReader(body))
	req.Header.Set("Accept-Language", "en")
	req.SetBasicAuth(r.anna.Address, "secret")
	w := httptest.NewRecorder()
	r.mux.ServeHTTP(w, req)
	return w
}

// ask makes a request that must be answered with a status, and reads the answer.
func (r *rig) ask(status int, method, path, body string, into any) {
	r.t.Helper()
	w := r.raw(method, path, body)
	if w.Code != status {
		r.t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
	if got := w.Header().Get("Cache-Control"); got != "no-store" {
		r.t.Errorf("%s %s may be kept: %q", method, path, got)
	}
	if into != nil {
		if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
			r.t.Fatalf("%s %s: %v: %s", method, path, err, w.Body)
		}
	}
}

// deliver puts messages into a mailbox.
func (r *rig) deliver(role store.Role, texts ...string) {
	r.t.Helper()
	box, err := r.store.MailboxByRole(context.Background(), r.anna.ID, role)
	if err != nil {
		r.t.Fatal(err)
	}
	for i, text := range texts {
		email := storetest.Email(r.t, r.store, text)
		email.Received = time.Date(2026, 1, 1+i, 12, 0, 0, 0, time.UTC)
		if _, err := r.store.Append(context.Background(), r.anna.ID, box.ID, []store.NewEmail{email}); err != nil {
			r.t.Fatal(err)
		}
	}
}

func letter(n int, from, subject string, size int) string {
	return fmt.Sprintf("Return-Path: <%s>\r\nFrom: %s\r\nTo: anna@north.example\r\nSubject: %s\r\nMessage-ID: <%d@south.example>\r\nDate: Thu, 1 Jan 2026 10:00:00 +0100\r\n\r\n%s\r\n",
		from, from, subject, n, strings.Repeat("x", size))
}

// The dialogues of testdata show each interface as its users see it. UPDATE=1 writes what is answered anew.
func TestDialogues(t *testing.T) {
	r := newRig(t)
	r.fresh = true
	r.deliver(store.RoleInbox, letter(1, "news@south.example", "Offers", 10), letter(2, "bo@south.example", "Lunch", 2000))
	if err := r.store.CreateAlias(context.Background(), store.Alias{Address: "info@north.example", Targets: []string{r.anna.Address}}); err != nil {
		t.Fatal(err)
	}
	const file = "testdata/dialogue.txt"
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for line := range strings.Lines(string(raw)) {
		if strings.HasPrefix(line, "S: ") {
			continue
		}
		out.WriteString(line)
		request, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), "C: ")
		if !ok {
			continue
		}
		method, rest, _ := strings.Cut(request, " ")
		path, body, _ := strings.Cut(rest, " ")
		w := r.raw(method, path, body)
		fmt.Fprintf(&out, "S: %d %s\n", w.Code, timeless(w.Body.String()))
	}
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(raw), out.String()); diff != "" {
		t.Errorf("answers differ (-want +got):\n%s", diff)
	}
}

// changing are the fields whose values are others each time.
var changing = regexp.MustCompile(`"(created|changed|time|token|until)":"[^"]+"`)

// timeless takes out what is another each time.
func timeless(text string) string {
	return changing.ReplaceAllString(strings.TrimSpace(text), `"$1":"..."`)
}

// Nobody who is not signed in is told anything, by any interface.
func TestSignedInOnly(t *testing.T) {
	r := newRig(t)
	for pattern := range r.api.Routes() {
		method, path, _ := strings.Cut(pattern, " ")
		path = strings.NewReplacer("{name}", "x", "{id}", "x", "{code}", "qr.svg").Replace(path)
		req := httptest.NewRequest(method, "https://mail.north.example"+path, strings.NewReader("{}"))
		w := httptest.NewRecorder()
		r.mux.ServeHTTP(w, req) // what waits does not begin to
		if w.Code != http.StatusUnauthorized || !strings.Contains(w.Body.String(), `"cause":"auth.password-wrong"`) {
			t.Errorf("%s: %d %s", pattern, w.Code, w.Body)
		}
	}
}

// A forward that is new wants a fresh sign-in, whichever way it is written; one that is there does not.
func TestForwardWantsFresh(t *testing.T) {
	r := newRig(t)
	forward := `{"settings":{"rules":[],"forward":{"to":["me@south.example"],"keep":true}}}`
	script := `{"text":"require \"copy\"; redirect :copy \"spy@south.example\";","activate":true}`
	r.ask(http.StatusForbidden, "PUT", "/api/rules", forward, nil)
	r.ask(http.StatusForbidden, "PUT", "/api/rules/scripts/mine", script, nil)
	r.ask(http.StatusForbidden, "PUT", "/api/rules", `{"settings":{"rules":[{"name":"r","if":[],"forward":"spy@south.example"}]}}`, nil)
	r.fresh = true
	r.ask(http.StatusOK, "PUT", "/api/rules", forward, nil)
	r.fresh = false
	r.ask(http.StatusOK, "PUT", "/api/rules", strings.Replace(forward, `"rules":[]`, `"rules":[{"name":"r","if":[],"star":true}]`, 1), nil)
	r.ask(http.StatusForbidden, "PUT", "/api/rules", strings.Replace(forward, "me@", "spy@", 1), nil)

	// Nobody here, and oneself under another name.
	if err := r.store.CreateAlias(t.Context(), store.Alias{Address: "boss@north.example", Targets: []string{r.anna.Address}}); err != nil {
		t.Fatal(err)
	}
	r.fresh = true
	for to, says := range map[string]string{"nobody@north.example": "does not exist here", "boss@north.example": "the account itself"} {
		if w := r.raw("PUT", "/api/rules", strings.Replace(forward, "me@south.example", to, 1)); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), says) {
			t.Errorf("on to %s: %d %s", to, w.Code, w.Body)
		}
	}
}

// Cleaning up counts first, can be undone for a while, and goes to Trash; from there it is for good.
func TestClean(t *testing.T) {
	r := newRig(t)
	r.deliver(store.RoleInbox, letter(1, "a@south.example", "one", 10), letter(2, "a@south.example", "two", 10), letter(3, "a@south.example", "three", 5000))
	var s Storage
	r.ask(http.StatusOK, "GET", "/api/storage", "", &s)
	if len(s.Largest) != 3 || s.Largest[0].Subject != "three" || s.Oldest[0].Subject != "one" || s.Emails != 3 || !strings.HasPrefix(s.Largest[0].Thread, "T") {
		t.Fatalf("storage: %+v", s)
	}
	inbox := s.Mailboxes[0].ID
	var c Cleaned
	r.ask(http.StatusOK, "POST", "/api/storage/clean", `{"mailbox":"`+inbox+`","before":"2026-01-03","preview":true}`, &c)
	if c.Count != 2 || c.Forever || c.Token != "" {
		t.Errorf("preview: %+v", c)
	}
	r.ask(http.StatusOK, "POST", "/api/storage/clean", `{"mailbox":"`+inbox+`","larger":1000}`, &c)
	if c.Count != 1 || c.Token == "" {
		t.Errorf("begun: %+v", c)
	}
	r.ask(http.StatusOK, "POST", "/api/storage/undo", `{"token":"`+c.Token+`"}`, nil)
	r.ask(http.StatusNotFound, "POST", "/api/storage/undo", `{"token":"`+c.Token+`"}`, nil)
	ctx := context.Background()
	box, err := r.store.MailboxByRole(ctx, r.anna.ID, store.RoleInbox)
	if err != nil || box.Messages != 3 {
		t.Fatalf("after undo: %+v, %v", box, err)
	}
	v, err := r.store.View(ctx, r.anna.ID, box.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.api.remove(ctx, &r.anna, box, v.UIDs.Set(), false); err != nil {
		t.Fatal(err)
	}
	trash, err := r.store.MailboxByRole(ctx, r.anna.ID, store.RoleTrash)
	if err != nil || trash.Messages != 3 {
		t.Fatalf("Trash: %+v, %v", trash, err)
	}
	r.ask(http.StatusOK, "POST", "/api/storage/clean", `{"mailbox":"`+mailboxID(trash.ID)+`","preview":true}`, &c)
	if c.Count != 3 || !c.Forever {
		t.Errorf("Trash: %+v", c)
	}
	if v, err = r.store.View(ctx, r.anna.ID, trash.ID); err != nil {
		t.Fatal(err)
	}
	if err := r.api.remove(ctx, &r.anna, trash, v.UIDs.Set(), true); err != nil {
		t.Fatal(err)
	}
	if u, err := r.store.Usage(ctx, r.anna.ID); err != nil || u.Emails != 0 {
		t.Errorf("left: %+v, %v", u, err)
	}
	if want := []string{journal.MessageMoved, journal.MessageExpunged}; !cmp.Equal(r.notes, want) {
		t.Errorf("noted %q, want %q", r.notes, want)
	}
}

// What waits is done when its time comes, unless it was undone or the service stopped.
func TestLater(t *testing.T) {
	l := newLater(nil)
	done := make(chan string, 3)
	do := func(what string) func(context.Context) error {
		return func(context.Context) error { done <- what; return nil }
	}
	if _, _, ok := l.after(1, 0, do("at once")); !ok {
		t.Fatal("not taken")
	}
	if got := <-done; got != "at once" {
		t.Errorf("done: %s", got)
	}
	token, _, _ := l.after(1, time.Hour, do("undone"))
	if l.undo(2, token) || !l.undo(1, token) || l.undo(1, token) {
		t.Error("undo is not its owner's, or not once")
	}
	for range maxWaiting {
		if _, _, ok := l.after(1, time.Hour, do("never")); !ok {
			t.Fatal("not taken")
		}
	}
	if _, _, ok := l.after(1, time.Hour, do("never")); ok {
		t.Error("more than may wait")
	}
	l.close()
	if _, _, ok := l.after(2, time.Hour, do("never")); ok || len(done) != 0 {
		t.Error("something happens after the end")
	}
}

// A device is a program; the last of its sign-ins says how it stands.
func TestDevices(t *testing.T) {
	r := newRig(t)
	now := r.store.Now()
	event := func(ago time.Duration, kind, program, remote string, d cause.Decision) {
		e := store.Event{Time: now.Add(-ago), Trace: store.NewTraceID(now), Account: r.anna.ID, Kind: kind, Fields: []store.Field{{Name: "protocol", Value: "imap"}, {Name: "client", Value: program}, {Name: "remote", Value: remote}}}
		e.SetDecision(d)
		if err := r.store.RecordEvents(context.Background(), []store.Event{e}); err != nil {
			t.Fatal(err)
		}
	}
	event(time.Hour, journal.SignInOK, "Thunderbird 140", "192.0.2.1", cause.Allow())
	event(time.Minute, journal.SignInOK, "Thunderbird 140", "192.0.2.2", cause.Allow())
	event(time.Second, journal.SignInRefused, "", "192.0.2.3", cause.Refuse(cause.AuthPasswordWrong))
	event(60*24*time.Hour, journal.SignInOK, "Eudora", "192.0.2.4", cause.Allow())
	var d Devices
	r.ask(http.StatusOK, "GET", "/api/devices", "", &d)
	if len(d.Seen) != 2 || !d.Seen[0].Refused || d.Seen[0].Why == "" || d.Seen[1].Count != 2 || d.Seen[1].Address != "192.0.2.2" {
		t.Errorf("seen: %+v", d.Seen)
	}
	var waited Waited
	r.ask(http.StatusOK, "GET", "/api/devices/wait?since="+now.Add(-2*time.Minute).UTC().Format(time.RFC3339), "", &waited)
	if !waited.Connected || len(waited.Tries) != 1 || waited.Tries[0].Program != "Thunderbird 140" {
		t.Errorf("waited: %+v", waited)
	}
	r.ask(http.StatusOK, "GET", "/api/devices/wait?since="+waited.Now, "", &waited)
	if waited.Connected || len(waited.Tries) != 1 || waited.Tries[0].Cause != cause.AuthPasswordWrong {
		t.Errorf("waited on: %+v", waited)
	}
	w := r.raw("GET", "/api/devices/qr.svg?what=page", "")
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "image/svg+xml" || !strings.Contains(w.Body.String(), "<path d=\"M") {
		t.Errorf("svg: %d %v", w.Code, w.Header())
	}
	if w := r.raw("GET", "/api/devices/qr.png", ""); !strings.HasPrefix(w.Body.String(), "\x89PNG") {
		t.Errorf("png: %d", w.Code)
	}
	r.ask(http.StatusNotFound, "GET", "/api/devices/nothing", "", nil)
}

// Suggestions begin with what was typed, in any word, without accents counting; the likeliest comes first. What does not exist is
// suggested where it is a contact alone, last.
func TestSuggestions(t *testing.T) {
	now := time.Now()
	recents := []store.Recent{
		{Address: "bo@south.example", Name: "Bo Berg", Count: 1, Last: now.AddDate(0, -6, 0)},
		{Address: "beata@south.example", Name: "Beata Öst", Count: 20, Last: now},
		{Address: "noreply@shop.example", Count: 1, Last: now},
		{Address: "old@shop.example", Count: 50, Last: now, Failed: cause.RecipientUnknown},
		{Address: "A.Berg@work.example", Count: 50, Last: now, Failed: cause.RecipientUnknown},
	}
	contacts := []store.Contact{{ID: "1", Name: "André Berg", Addresses: []string{"andre@west.example", "a.berg@work.example"}}, {ID: "2", Name: "Beata Ö", Addresses: []string{"Beata@south.example"}}}
	for typed, want := range map[string]string{
		"b":         "beata@south.example andre@west.example bo@south.example A.Berg@work.example",
		"berg":      "andre@west.example bo@south.example A.Berg@work.example",
		"andre":     "andre@west.example A.Berg@work.example",
		"ANDRÉ b":   "andre@west.example A.Berg@work.example",
		"öst":       "beata@south.example",
		"ö":         "beata@south.example",
		"shop":      "noreply@shop.example",
		"erg":       "",
		"south.ex":  "beata@south.example bo@south.example",
		"":          "beata@south.example noreply@shop.example andre@west.example bo@south.example A.Berg@work.example",
		"bo berg <": "bo@south.example",
	} {
		var got []string
		for _, s := range suggestions(typed, contacts, worthKnowing(slices.Clone(recents), contacts), now) {
			got = append(got, s.Address)
			if (s.Failed != "") != (s.Address == "A.Berg@work.example") {
				t.Errorf("%+v", s)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
}

// A large address book is still answered while one types.
func BenchmarkSuggest(b *testing.B) {
	var recents []store.Recent
	for i := range 2000 {
		recents = append(recents, store.Recent{Address: fmt.Sprintf("person%d@company%d.example", i, i%50), Name: fmt.Sprintf("Åsa Öberg %d", i), Count: 3, Last: time.Now()})
	}
	for b.Loop() {
		suggestions("asa", nil, recents, time.Now())
	}
}

// Cards are read as programs and telephones write them, and come back from what is written.
func TestCards(t *testing.T) {
	const text = "\xef\xbb\xbfBEGIN:VCARD\r\nVERSION:3.0\r\nFN:Örjan\\, the\r\n  elder\r\nitem1.EMAIL;TYPE=INTERNET;TYPE=\"a:b\":orjan@south.example\r\nEMAIL:not an address\r\nNOTE:one\\ntwo\r\nEND:VCARD\r\n" +
		"BEGIN:VCARD\nVERSION:2.1\nN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:Lindstr=C3=B6m;Anna=\n;Maria\nEMAIL;PREF:anna@south.example\nEND:VCARD\n" +
		"BEGIN:VCARD\nVERSION:4.0\nTEL:123\nEND:VCARD\nBEGIN:VCARD\nVERSION:4.0\nFN:J\xe4rn\nEMAIL:mailto:j@south.example\nEND:VCARD\n"
	list, skipped := readCards([]byte(text))
	want := []store.Contact{
		{Name: "Örjan, the elder", Addresses: []string{"orjan@south.example"}, Note: "one\ntwo"},
		{Name: "Anna Maria Lindström", Addresses: []string{"anna@south.example"}},
		{Name: "Järn", Addresses: []string{"j@south.example"}},
	}
	if diff := cmp.Diff(want, list); diff != "" || skipped != 1 {
		t.Errorf("read, %d skipped (-want +got):\n%s", skipped, diff)
	}
	list[0].Note = strings.Repeat("ä, långt; ", 50) + "slut"
	again, skipped := readCards(writeCards(list))
	if diff := cmp.Diff(list, again); diff != "" || skipped != 0 {
		t.Errorf("written and read, %d skipped (-want +got):\n%s", skipped, diff)
	}
}

func FuzzCards(f *testing.F) {
	f.Add([]byte("BEGIN:VCARD\nFN:x\nEMAIL:a@b.example\nEND:VCARD\n"))
	f.Add([]byte("BEGIN:VCARD\nN;QUOTED-PRINTABLE:=\n ;\nEND:VCARD"))
	f.Fuzz(func(t *testing.T, text []byte) {
		list, _ := readCards(text)
		again, skipped := readCards(writeCards(list))
		if skipped != 0 || len(again) != len(list) {
			t.Errorf("%d contacts, %d after writing, %d skipped", len(list), len(again), skipped)
		}
	})
}

// Contacts are added, imported once, and exported.
func TestImport(t *testing.T) {
	r := newRig(t)
	const cards = "BEGIN:VCARD\nFN:Bo\nEMAIL:bo@south.example\nEND:VCARD\nBEGIN:VCARD\nFN:Eva\nEND:VCARD\nBEGIN:VCARD\nEND:VCARD\n"
	var i Imported
	r.ask(http.StatusOK, "POST", "/api/contacts/import", cards, &i)
	if i != (Imported{Added: 2, Skipped: 1}) {
		t.Errorf("imported: %+v", i)
	}
	r.ask(http.StatusOK, "POST", "/api/contacts/import", cards, &i)
	if i != (Imported{Known: 2, Skipped: 1}) {
		t.Errorf("again: %+v", i)
	}
	w := r.raw("GET", "/api/contacts/export", "")
	if !strings.HasPrefix(w.Header().Get("Content-Type"), "text/vcard") || strings.Count(w.Body.String(), "BEGIN:VCARD") != 2 {
		t.Errorf("export: %v %s", w.Header(), w.Body)
	}
}

func TestTour(t *testing.T) {
	r := newRig(t)
	for _, step := range []struct{ method, body, want string }{
		{"GET", "", `{"seen":false}`},
		{"PUT", `{"seen":true}`, `{"seen":true}`},
		{"GET", "", `{"seen":true}`},
		{"PUT", `{"seen":false}`, `{"seen":false}`},
		{"GET", "", `{"seen":false}`},
	} {
		if w := r.raw(step.method, "/api/tour", step.body); w.Code != http.StatusOK || strings.TrimSpace(w.Body.String()) != step.want {
			t.Errorf("%s %s: %d %s, want %s", step.method, step.body, w.Code, w.Body, step.want)
		}
	}
}

func TestLabels(t *testing.T) {
	r := newRig(t)
	const two = `{"labels":[{"keyword":"rakningar","name":"Räkningar","colour":"red"},{"keyword":"$label1","name":"","colour":""}]}`
	for _, step := range []struct {
		method, body string
		status       int
		want         string
	}{
		{"GET", "", 200, `{"labels":null}`},
		{"PUT", two, 200, two},
		{"GET", "", 200, two},
		{"PUT", `{"labels":[{"keyword":"$seen","name":"x","colour":""}]}`, 422, ""},
		{"PUT", `{"labels":[{"keyword":"Big","name":"x","colour":""}]}`, 422, ""},
		{"PUT", `{"labels":[{"keyword":"räk","name":"x","colour":""}]}`, 422, ""},
		{"PUT", `{"labels":[{"keyword":"x","name":"x","colour":"url(x)"}]}`, 422, ""},
		{"PUT", `{"labels":[{"keyword":"x","name":"two\nlines","colour":""}]}`, 422, ""},
		{"PUT", `{"labels":[{"keyword":"x","name":"Same","colour":""},{"keyword":"y","name":"same ","colour":""}]}`, 422, ""},
		{"GET", "", 200, two},
		{"PUT", `{"labels":[]}`, 200, `{"labels":[]}`},
		{"GET", "", 200, `{"labels":[]}`},
	} {
		w := r.raw(step.method, "/api/labels", step.body)
		if w.Code != step.status || step.want != "" && strings.TrimSpace(w.Body.String()) != step.want {
			t.Errorf("%s %s: %d %s, want %d %s", step.method, step.body, w.Code, w.Body, step.status, step.want)
		}
	}
	// What another program wrote there is taken for nothing.
	for _, foreign := range []string{`nothing of ours`, `{"labels":[{"keyword":"$junk"}]}`} {
		err := r.store.Annotate(t.Context(), r.anna.ID, store.AccountAnnotations, []store.Annotation{{Name: "/private/vendor/postiljon/labels", Value: []byte(foreign)}})
		if w := r.raw("GET", "/api/labels", ""); err != nil || strings.TrimSpace(w.Body.String()) != `{"labels":null}` {
			t.Error(err, foreign, w.Body)
		}
	}
}

// TestName holds that the name of an account is the one that goes out with its mail, but where another was chosen for an address.
func TestName(t *testing.T) {
	r := newRig(t)
	names := func() (all []string) {
		a, err := r.store.Account(t.Context(), r.anna.ID)
		if err != nil {
			t.Fatal(err)
		}
		i, err := r.store.Identities(t.Context(), &a)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range i.List {
			all = append(all, one.Name)
		}
		return all
	}
	if err := r.store.CreateAlias(t.Context(), store.Alias{Address: "office@north.example", Targets: []string{r.anna.Address}}); err != nil {
		t.Fatal(err)
	}
	before := names() // which made them
	_, err := r.store.ChangeIdentities(t.Context(), &r.anna, func(i *store.Identities) error {
		i.List[1].Name = "The office"
		return nil
	})
	if err != nil || len(before) != 2 {
		t.Fatal(before, err)
	}
	for _, name := range []string{"Anna Nord", "Anna Söder"} {
		r.ask(http.StatusOK, "PUT", "/api/account", fmt.Sprintf(`{"name":%q}`, name), nil)
		if diff := cmp.Diff([]string{name, "The office"}, names()); diff != "" {
			t.Error(diff)
		}
	}
}
