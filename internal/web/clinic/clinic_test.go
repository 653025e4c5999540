package clinic

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/probe"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/settings"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
	"github.com/postiljon/postiljon/internal/web/page/pagetest"
)

func TestTextsAreComplete(t *testing.T) {
	keys := []string{
		"front_title", "front_about", "public_title", "address_wrong", "likely", "healthy", "healthy_text", "unsure", "unsure_text", "fixed", "fixed_text", "sign_ins", "ended",
		"held_private", "held_port", "reference", "note_awaited_refused", "sorry_reference", "sorry_often", "sorry_busy", "sorry_failed", "help_title", "help_sent_text", "letter_subject",
		"button_help", "button_watch", "button_room", "button_outbox", "button_download", "watch_title", "watch_tried", "watch_connected", "checked_trouble", "checked_fine", "checked_unseen",
		"stands_full", "stands_full_since", "stands_full_unbounded", "stands_message", "stands_message_trouble", "stands_other", "note_failed", "note_message_unknown",
	}
	for _, name := range append(append([]string{}, tiles...), publicTiles...) {
		keys = append(keys, "tile_"+name)
	}
	for _, name := range []string{"send", "receive", "program"} {
		keys = append(keys, "stands_"+name, "stands_"+name+"_none")
	}
	for _, name := range []string{"nearly_full", "room", "no_password", "signs_in", "message_taken", "message_here", "message_cancelled", "message_corrected", "awaited_here", "awaited_junk", "awaited_rule", "awaited_never", "awaited_absent"} {
		keys = append(keys, "note_"+name, "note_"+name+"_text")
	}
	for _, name := range []string{"settings", "inside", "queue", "names", "connect", "tls", "greeting", "signin", "domain", "account", "recipient", "records", "blocklists", "status", "elsewhere"} {
		keys = append(keys, "step_"+name)
	}
	pagetest.Texts(t, files, keys...)
}

// rig is a clinic with a store and a journal, an inside that tests write, and no network.
type rig struct {
	t       *testing.T
	clinic  *Clinic
	store   *store.Store
	journal *journal.Journal
	anna    store.Account
	inside  evidence.Inside
	refused cause.Decision // what a sign-in with a password gets
	banned  cause.Decision
	letters []Letter
	now     time.Time
}

type noNetwork struct{}

func (noNetwork) DialContext(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("no network here")
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, store: storetest.Open(t), now: time.Now()}
	r.anna = storetest.Account(t, r.store, "anna@north.example")
	r.inside = evidence.Inside{Address: r.anna.Address, Exists: true, State: "active"}
	var err error
	if r.journal, err = journal.New(journal.Options{Store: r.store}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.journal.Close() })
	catalogue, err := cause.Load()
	if err != nil {
		t.Fatal(err)
	}
	env := probe.Env{Dialer: noNetwork{}, Resolvers: []string{"192.0.2.53:53"}, Step: 50 * time.Millisecond}
	if env.Table, err = settings.Load(); err != nil {
		t.Fatal(err)
	}
	if env.Book, err = dialect.Load(time.Now); err != nil {
		t.Fatal(err)
	}
	r.clinic, err = New(Options{
		Hostname: "mail.north.example", Catalogue: catalogue, Store: r.store, SignInPage: "/sign-in", Env: env,
		SignIn: func(req *http.Request) (store.Account, cause.Decision) {
			if name, _, _ := req.BasicAuth(); name != r.anna.Address {
				return store.Account{}, cause.Refuse(cause.AuthPasswordWrong)
			}
			return r.anna, cause.Allow()
		},
		Password: func(context.Context, netip.Addr, string, string) (store.Account, cause.Decision) {
			return r.anna, r.refused
		},
		Admit:  func(netip.Addr) cause.Decision { return r.banned },
		Hosted: func(_ context.Context, domain string) (bool, error) { return domain == "north.example", nil },
		Inside: func(context.Context, string) (*evidence.Inside, error) { in := r.inside; return &in, nil },
		Trace:  r.journal.Trace,
		Help:   func(_ context.Context, l Letter) error { r.letters = append(r.letters, l); return nil },
		Now:    func() time.Time { return r.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.clinic.Close(context.Background()) })
	return r
}

// do makes a request, signed in or not; a form makes it a POST.
func (r *rig) do(path string, signedIn bool, form ...string) *httptest.ResponseRecorder {
	r.t.Helper()
	method, body := http.MethodGet, ""
	if len(form) > 0 {
		values := url.Values{}
		for i := 0; i+1 < len(form); i += 2 {
			values.Set(form[i], form[i+1])
		}
		method, body = http.MethodPost, values.Encode()
	}
	req := httptest.NewRequest(method, "https://mail.north.example"+path, strings.NewReader(body))
	req.Header.Set("Accept-Language", "en")
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	if signedIn {
		req.SetBasicAuth(r.anna.Address, "secret")
	}
	return r.serve(req)
}

func (r *rig) serve(req *http.Request) *httptest.ResponseRecorder {
	mux := http.NewServeMux()
	for pattern, h := range r.clinic.Routes() {
		mux.Handle(pattern, h)
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, req)
	return w
}

// page makes a request that must succeed, and returns what it shows.
func (r *rig) page(path string, signedIn bool) string {
	r.t.Helper()
	w := r.do(path, signedIn)
	if w.Code != http.StatusOK {
		r.t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	return strings.ReplaceAll(w.Body.String(), "&#39;", "'")
}

// look begins a look and returns the path of its report.
func (r *rig) look(signedIn bool, form ...string) string {
	r.t.Helper()
	w := r.do("/doctor?lang=en", signedIn, form...)
	if w.Code != http.StatusSeeOther {
		r.t.Fatalf("no look was begun: %d %s", w.Code, w.Body)
	}
	return w.Header().Get("Location")
}

func (r *rig) has(text string, wanted ...string) {
	r.t.Helper()
	for _, w := range wanted {
		if !strings.Contains(text, w) {
			r.t.Errorf("%q is not in the page:\n%s", w, text)
		}
	}
}

func (r *rig) hasNot(text string, unwanted ...string) {
	r.t.Helper()
	for _, u := range unwanted {
		if strings.Contains(text, u) {
			r.t.Errorf("%q is in the page:\n%s", u, text)
		}
	}
}

// What presses comes first, with what is the matter; what is in order says how it stands.
func TestFront(t *testing.T) {
	r := newRig(t)
	text := r.page("/doctor?lang=en", true)
	r.has(text, "Nothing has been sent lately.", "No message has arrived lately.", "This is about anna@north.example.")
	r.hasNot(text, `class="pressing"`)
	r.inside.Usage = &evidence.Usage{Mail: 1 << 30, Limit: 1 << 30}
	text = r.page("/doctor?lang=en", true)
	r.has(text, "The mailbox is full")
	if i, j := strings.Index(text, `value="full"`), strings.Index(text, `value="send"`); i < 0 || i > j {
		t.Errorf("a full mailbox does not come before what is in order:\n%s", text)
	}
	r.has(r.page("/doctor?lang=sv", true), "Vad är fel?", "Telefon eller program")
}

// A look has a page that goes on until something was found, which stays under its reference; what is gone is said to be fixed.
func TestLookAndFixed(t *testing.T) {
	r := newRig(t)
	r.inside.Usage = &evidence.Usage{Mail: 1 << 30, Limit: 1 << 30}
	path := r.look(true, "tile", "full")
	live := r.page(path, true)
	r.has(live, "We are looking into it", "The mailbox is full", "What the service knows of the account", "Make room", "Test again", "What we checked", "Still wrong?")
	r.clinic.runs.mu.Lock()
	clear(r.clinic.runs.all)
	r.clinic.runs.mu.Unlock()
	kept := r.page(path, true)
	r.has(kept, "The mailbox is full", "Make room")
	r.hasNot(kept, "We are looking into it")
	r.has(r.page(strings.Replace(path, "lang=en", "lang=nb", 1), true), "Hva vi undersøkte")
	if w := r.do(path, false); w.Code != http.StatusNotFound {
		t.Errorf("a stranger sees the report: %d", w.Code)
	}
	r.inside.Usage.Mail = 1 << 20
	reference := strings.TrimSuffix(strings.TrimPrefix(path, "/doctor/report/"), "?lang=en")
	r.inside.Usage.Mail = 1<<30 - 1<<20
	r.has(r.page(r.look(true, "tile", "full", "before", reference), true), "Your mailbox is nearly full", "Make room")
	r.inside.Usage.Mail = 1 << 20
	again := r.look(true, "tile", "full", "before", reference)
	r.has(r.page(again, true), "Fixed at ", "You need not do anything more.")
}

// An account from which mail was turned away is full, though there is room for a small message.
func TestFullSince(t *testing.T) {
	r := newRig(t)
	r.inside.Usage = &evidence.Usage{Mail: 900, Limit: 1000}
	if err := r.store.MarkFull(context.Background(), r.anna.ID); err != nil {
		t.Fatal(err)
	}
	text := r.page("/doctor?lang=en", true)
	r.has(text, "Mail has been turned away for want of room since")
	if strings.Index(text, `value="full"`) > strings.Index(text, `value="send"`) {
		t.Error("what is full does not come first")
	}
	r.has(r.page(r.look(true, "tile", "full"), true), "The mailbox is full", "Make room")
}

// Who is shut out reads it before anything is asked; an address is checked; a wrong password is told as to a stranger.
func TestPublic(t *testing.T) {
	r := newRig(t)
	text := r.page("/doctor?lang=en", false)
	r.has(text, "What is wrong with your mail?", "Your mail address", "/sign-in?next=%2Fdoctor")
	if w := r.do("/doctor?lang=en", false, "tile", "signin", "address", "anna"); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "This is no mail address") {
		t.Errorf("an address that is none: %d %s", w.Code, w.Body)
	}
	r.refused = cause.Refuse(cause.AuthPasswordWrong)
	path := r.look(false, "tile", "signin", "address", "anna@north.example", "password", "hunter2")
	r.has(r.page(path, false), "password", "Test again")
	r.hasNot(r.page(path, false), "hunter2")
	r.refused = cause.Refuse(cause.AccountSuspendedUnpaid, cause.Text("invoice", "17"))
	r.has(r.page(r.look(false, "tile", "signin", "address", "anna@north.example", "password", "right"), false), "Paused until an invoice is paid")
	r.refused = cause.Allow()
	r.has(r.page(r.look(false, "tile", "signin", "address", "anna@north.example", "password", "right"), false), "Looked at")
	r.banned = cause.Wait(cause.NetworkClientBanned, r.now.Add(time.Hour))
	r.has(r.page("/doctor?lang=en", false), "Your network address is shut out for a while")
	r.has(r.page(r.look(false, "tile", "signin", "address", "anna@north.example"), false), "Your network address is shut out for a while")
}

// Nobody can have many looks, and no form of another site begins one.
func TestBounds(t *testing.T) {
	r := newRig(t)
	for range perAddress.most {
		r.page(r.look(false, "tile", "signin", "address", "bo@south.example"), false)
	}
	if w := r.do("/doctor?lang=en", false, "tile", "signin", "address", "bo@south.example"); w.Code != http.StatusTooManyRequests || !strings.Contains(w.Body.String(), "You can look again at") {
		t.Errorf("one look too many: %d %s", w.Code, w.Body)
	}
	r.now = r.now.Add(perAddress.in)
	r.page(r.look(false, "tile", "signin", "address", "bo@south.example"), false)
	req := httptest.NewRequest(http.MethodPost, "https://mail.north.example/doctor", strings.NewReader("tile=send"))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	if w := r.serve(req); w.Code != http.StatusForbidden {
		t.Errorf("a form of another site: %d", w.Code)
	}
	if w := r.do("/doctor/report/nothing", true); w.Code != http.StatusNotFound {
		t.Errorf("a reference that is none: %d", w.Code)
	}
}

// Looks that ended keep no place; of those that go on there are as many as may be at once.
func TestPlaces(t *testing.T) {
	r := newRuns(time.Now)
	defer r.close()
	gate := make(chan struct{})
	look := func(account store.AccountID) (*run, error) {
		one := &run{id: store.NewTraceID(time.Now()), account: account}
		return one, r.begin(one, nil, func(context.Context, *run) *kept { <-gate; return &kept{} })
	}
	var all []*run
	for range maxPublicAtOnce {
		one, err := look(0)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	if _, err := look(0); !errors.Is(err, errBusy) {
		t.Errorf("one more in public: %v", err)
	}
	for range maxAtOnce - maxPublicAtOnce {
		one, err := look(1)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	if _, err := look(1); !errors.Is(err, errBusy) {
		t.Errorf("one more: %v", err)
	}
	close(gate)
	for _, one := range all {
		for {
			_, more, found := one.state()
			if found != nil {
				break
			}
			<-more
		}
	}
	r.work.Wait()
	for range 3 * maxAtOnce {
		one, err := look(1)
		if err != nil {
			t.Fatalf("though all ended: %v", err)
		}
		r.work.Wait()
		if r.find(1, one.id) == nil || r.find(2, one.id) != nil {
			t.Error("a look that just ended is not found, or by somebody else")
		}
	}
}

// What is dialled: mail and web of the internet, and the service's own.
func TestDialer(t *testing.T) {
	r := newRig(t)
	g := r.clinic.dialer([]evidence.Endpoint{{Host: "127.0.0.1", Port: 10993}}, nil)
	for _, c := range []struct {
		address, want string
	}{
		{"9.9.9.9:993", ""}, {"9.9.9.9:443", ""}, {"[2a00:1450::1]:587", ""}, {"127.0.0.1:10993", ""}, {"9.9.9.9:22", heldPort}, {"9.9.9.9:10993", heldPort},
		{"127.0.0.1:993", heldPrivate}, {"10.1.2.3:993", heldPrivate}, {"192.168.1.1:80", heldPrivate}, {"169.254.169.254:80", heldPrivate}, {"100.64.0.1:25", heldPrivate},
		{"[::1]:143", heldPrivate}, {"[fe80::1]:143", heldPrivate}, {"[fd00::1]:143", heldPrivate}, {"[::ffff:10.0.0.1]:143", heldPrivate}, {"0.0.0.0:25", heldPrivate}, {"[64:ff9b::a00:1]:143", heldPrivate},
	} {
		at := netip.MustParseAddrPort(c.address)
		if got := g.why(at.Addr().Unmap(), int(at.Port())); got != c.want {
			t.Errorf("%s: %q, want %q", c.address, got, c.want)
		}
	}
	if _, err := g.DialContext(context.Background(), "tcp", "metadata.internal:80"); !errors.Is(err, errHeld) {
		t.Errorf("a name is dialled: %v", err)
	}
}

// What became of a message is what its last event says, with the whole way below.
func TestMessage(t *testing.T) {
	r := newRig(t)
	id := store.NewTraceID(r.now)
	event := func(kind string, d cause.Decision, fields ...store.Field) {
		e := store.Event{Time: r.now, Trace: id, Account: r.anna.ID, Kind: kind, Fields: append([]store.Field{{Name: "from", Value: r.anna.Address}, {Name: "to", Value: "bo@south.example"}}, fields...)}
		e.SetDecision(d)
		r.journal.Record(context.Background(), e)
	}
	event(journal.MessageQueued, cause.Allow(), store.Field{Name: "subject", Value: "Lunch"})
	r.inside.Events = []evidence.Event{{At: r.now, Kind: journal.MessageQueued, Trace: id.String(), Text: map[string]string{"to": "bo@south.example", "subject": "Lunch"}}}
	r.has(r.page("/doctor/tell/message?lang=en", true), "bo@south.example", "Lunch", id.String())
	event(journal.MessageDeferred, cause.Wait(cause.RecipientServerUnreachable, r.now.Add(time.Hour), cause.Text("domain", "south.example")))
	path := r.look(true, "tile", "message", "message", id.String(), "to", "bo@south.example")
	r.has(r.page(path, true), "south.example", "What we checked", "Lunch")
	event(journal.MessageRelayed, cause.Allow(), store.Field{Name: "host", Value: "mx.south.example"})
	path = r.look(true, "tile", "message", "message", id.String(), "to", "bo@south.example", "before", strings.TrimSuffix(strings.TrimPrefix(path, "/doctor/report/"), "?lang=en"))
	r.has(r.page(path, true), "Fixed at ", "mx.south.example")
}

// A message that is waited for lies somewhere, was refused, or never came; which of them it is, is said.
func TestAwaited(t *testing.T) {
	r := newRig(t)
	awaited := func() string { return r.page(r.look(true, "tile", "receive", "awaited", "bo@south.example"), true) }
	event := func(kind string, d cause.Decision, fields ...store.Field) {
		r.now = r.now.Add(time.Second)
		e := store.Event{Time: r.now, Trace: store.NewTraceID(r.now), Account: r.anna.ID, Kind: kind, Fields: append([]store.Field{{Name: "from", Value: "bo@south.example"}, {Name: "to", Value: r.anna.Address}}, fields...)}
		e.SetDecision(d)
		r.journal.Record(context.Background(), e)
	}
	r.has(r.page(r.look(true, "tile", "receive"), true), "Waiting for a message?")
	r.has(awaited(), "No message from bo@south.example has come here", "No server of theirs was here")
	event(journal.RecipientRefused, cause.Wait(cause.ReputationGreylisted, time.Time{}))
	r.has(awaited(), "We turned away the last message from bo@south.example", "The first try is refused on purpose", "What we checked")
	event(journal.MessageFiledJunk, cause.Allow())
	r.has(awaited(), "lies in Junk")
	event(journal.MessageDelivered, cause.Allow(), store.Field{Name: "mailbox", Value: "Projects"})
	r.has(awaited(), "lies in Projects")
}

// What goes to the postmaster is shown first, and has nothing of others.
func TestHelp(t *testing.T) {
	r := newRig(t)
	r.inside.Queue = []evidence.Queued{{Trace: "x", To: "beate@south.example", Subject: "Our divorce", State: "deferred", Cause: "outbox.deferred", Since: r.now}}
	path := r.look(true, "tile", "send")
	r.page(path, true)
	help := strings.Replace(path, "?", "/help?", 1)
	text := r.page(help, true)
	r.has(text, "Look at it before it goes", "b…@south.example", "report.json", "summary.txt", "anna@north.example")
	r.hasNot(text, "beate@", "divorce")
	if w := r.do(help, true, "words", "Please help"); w.Code != http.StatusSeeOther {
		t.Fatalf("not sent: %d %s", w.Code, w.Body)
	}
	if len(r.letters) != 1 || !strings.HasPrefix(r.letters[0].Text, "Please help\n") || strings.Contains(r.letters[0].Text, "beate@") || strings.Contains(r.letters[0].Text, "today at") || len(r.letters[0].Bundle) == 0 {
		t.Errorf("letters: %+v", r.letters)
	}
	r.has(r.page(help+"&sent", true), "It is on its way to the postmaster")
	w := r.do(strings.Replace(path, "?", "/bundle?", 1), true)
	if w.Header().Get("Content-Type") != "application/zip" || !strings.HasPrefix(w.Body.String(), "PK") {
		t.Errorf("bundle: %d %v", w.Code, w.Header())
	}
	packed, err := r.store.FindReport(context.Background(), referenceIn(t, path))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := ReadReport(packed)
	if err != nil || !strings.Contains(string(raw), `"anna@north.example"`) {
		t.Errorf("for support: %s, %v", raw, err)
	}
}

func referenceIn(t *testing.T, path string) store.TraceID {
	t.Helper()
	id, err := ParseReference(strings.TrimSuffix(strings.TrimPrefix(path, "/doctor/report/"), "?lang=en"))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// A page that waits tells of a try that failed, and ends with one that succeeds.
func TestWatch(t *testing.T) {
	r := newRig(t)
	since := r.now.Add(-time.Minute)
	record := func(after time.Duration, kind, protocol string, d cause.Decision) {
		e := store.Event{Time: since.Add(after), Trace: store.NewTraceID(since), Account: r.anna.ID, Kind: kind, Fields: []store.Field{{Name: "protocol", Value: protocol}, {Name: "client", Value: "Thunderbird 140"}, {Name: "remote", Value: "192.0.2.7"}}}
		e.SetDecision(d)
		r.journal.Record(context.Background(), e)
	}
	record(time.Second, journal.SignInOK, "webmail", cause.Allow())
	record(2*time.Second, journal.SignInRefused, "IMAP", cause.Refuse(cause.AuthPasswordWrong))
	record(3*time.Second, journal.SignInOK, "IMAP", cause.Allow())
	if err := r.journal.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	text := r.page("/doctor/watch?lang=en&since="+url.QueryEscape(since.UTC().Format(time.RFC3339)), true)
	r.has(text, "Waiting for your phone", "tried at", "Thunderbird 140", "It works: connected")
	if strings.Count(text, "192.0.2.7") != 2 {
		t.Errorf("the browser's own sign-in counts, too:\n%s", text)
	}
}

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"to <bo@south.example>, anna@north.example": "to <b…@south.example>, anna@north.example",
		"RCPT TO:<o'brien+x@south.example>":         "RCPT TO:<o'brien+x@south.example>",
		"åsa@exempel.example.":                      "å…@exempel.example.",
		"no address @ all":                          "no address @ all",
	} {
		if got := redact(in, "anna@north.example"); got != want && !(strings.Contains(in, "brien") && !strings.Contains(got, "brien+x")) {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
