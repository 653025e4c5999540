package jmapd

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postiljon/postiljon/internal/alerts"
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// pushService is a push service for one device, which reads what comes as its browser would.
type pushService struct {
	t       *testing.T
	server  *httptest.Server
	key     *ecdh.PrivateKey
	secret  []byte
	answers chan int // statuses for the next messages; 201 when there are none
	came    chan object
	headers chan http.Header
}

func newPushService(t *testing.T) *pushService {
	t.Helper()
	p := &pushService{t: t, secret: make([]byte, 16), answers: make(chan int, 10), came: make(chan object, 100), headers: make(chan http.Header, 100)}
	var err error
	if p.key, err = ecdh.P256().GenerateKey(rand.Reader); err != nil {
		t.Fatal(err)
	}
	p.server = httptest.NewTLSServer(p)
	t.Cleanup(p.server.Close)
	return p
}

func (p *pushService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		p.t.Error(err)
	}
	select {
	case status := <-p.answers:
		w.WriteHeader(status)
		return
	default:
		w.WriteHeader(http.StatusCreated)
	}
	if r.Header.Get("Content-Encoding") == "aes128gcm" {
		body = p.decrypt(body)
	}
	var o object
	if err := json.Unmarshal(body, &o); err != nil {
		p.t.Errorf("%v: %q", err, body)
	}
	p.headers <- r.Header
	p.came <- o
}

// decrypt does what RFC 8291 section 3.4 says.
func (p *pushService) decrypt(body []byte) []byte {
	must := func(b []byte, err error) []byte {
		if err != nil {
			p.t.Error(err)
		}
		return b
	}
	salt, length := body[:16], int(body[20])
	sender, text := body[21:21+length], body[21+length:]
	public, err := ecdh.P256().NewPublicKey(sender)
	if err != nil {
		p.t.Error(err)
		return nil
	}
	shared := must(p.key.ECDH(public))
	info := append(append([]byte("WebPush: info\x00"), p.key.PublicKey().Bytes()...), sender...)
	ikm := must(hkdf.Key(sha256.New, shared, p.secret, string(info), 32))
	key := must(hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: aes128gcm\x00", 16))
	nonce := must(hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: nonce\x00", 12))
	block, err := aes.NewCipher(key)
	if err != nil {
		p.t.Error(err)
		return nil
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		p.t.Error(err)
		return nil
	}
	plain := must(gcm.Open(nil, nonce, text, nil))
	end := strings.LastIndexByte(string(plain), 2)
	return plain[:max(end, 0)]
}

func (p *pushService) next() object {
	p.t.Helper()
	select {
	case o := <-p.came:
		return o
	case <-time.After(20 * time.Second):
		p.t.Fatal("no message came")
		return nil
	}
}

// keys are those that the device tells.
func (p *pushService) keys() string {
	encode := base64.RawURLEncoding.EncodeToString
	return fmt.Sprintf(`{"p256dh":%q,"auth":%q}`, encode(p.key.PublicKey().Bytes()), encode(p.secret))
}

// pushing opens the world again so that it tells devices at once, at the push service of the test.
func (w *world) pushing(p *pushService) {
	w.t.Helper()
	if err := w.server.Close(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	w.open(Push{Anywhere: true, Transport: p.server.Client().Transport, Wait: time.Millisecond, Again: time.Millisecond})
}

// subscribe makes a subscription and verifies it.
func (w *world) subscribe(p *pushService, more string) string {
	w.t.Helper()
	answer := string(w.calls(fmt.Sprintf(`[["PushSubscription/set",{"create":{"d":{"deviceClientId":"phone","url":"%s/1","keys":%s%s}}},"0"]]`, p.server.URL, p.keys(), more)))
	verification := p.next()
	id, code := verification["pushSubscriptionId"].(string), verification["verificationCode"].(string)
	if verification["@type"] != "PushVerification" || !strings.Contains(answer, `"id":"`+id+`"`) {
		w.t.Fatal(answer, verification)
	}
	if answer := string(w.calls(fmt.Sprintf(`[["PushSubscription/set",{"update":{%q:{"verificationCode":"wrong"}}},"0"]]`, id))); !strings.Contains(answer, `"notUpdated":{"`+id+`":{"type":"invalidProperties"`) {
		w.t.Error(answer)
	}
	if answer := string(w.calls(fmt.Sprintf(`[["PushSubscription/set",{"update":{%q:{"verificationCode":%q}}},"0"]]`, id, code))); !strings.Contains(answer, `"updated":{"`+id+`":null}`) {
		w.t.Error(answer)
	}
	w.watched()
	return id
}

// watched waits until devices are watched for.
func (w *world) watched() {
	w.t.Helper()
	for range 1000 {
		if w.server.pusher.watching.Load() > 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	w.t.Fatal("nobody is watched for")
}

// TestPush holds that a device hears of changes, encrypted and signed, whatever the push service does, and no more when it
// is gone (RFC 8620 section 7.2, RFC 8291, RFC 8292, RFC 9749).
func TestPush(t *testing.T) {
	w, p := newWorld(t), newPushService(t)
	w.pushing(p)
	w.subscribe(p, `,"types":["Email","Mailbox"]`)
	w.put(store.InboxID, 1, storetest.Text(1), store.Flags{})
	got := p.next()
	if diff := cmp.Diff(object{"@type": "StateChange", "changed": object{"a1": object{"Email": "2.2", "Mailbox": "2.1:6"}}}, got); diff != "" {
		t.Error(diff)
	}
	<-p.headers
	h := <-p.headers
	if !strings.HasPrefix(h.Get("Authorization"), "vapid t=") || !strings.HasSuffix(h.Get("Authorization"), "k="+w.server.pusher.keys.Public) || h.Get("TTL") != "86400" {
		t.Error(h)
	}
	if session := w.ask("GET", "/jmap/session", "", "").Body.String(); !strings.Contains(session, `"applicationServerKey":"`+w.server.pusher.keys.Public+`"`) {
		t.Error(session)
	}
	// What a push service does not take now comes later, with all that happened meanwhile.
	p.answers <- http.StatusTooManyRequests
	p.answers <- http.StatusInternalServerError
	w.put(store.InboxID, 2, storetest.Text(2), store.Flags{})
	if got := p.next(); got["changed"].(object)["a1"].(object)["Email"] != "3.3" {
		t.Error(got)
	}
	// A device that is gone is forgotten.
	p.answers <- http.StatusGone
	w.put(store.InboxID, 3, storetest.Text(3), store.Flags{})
	for range 1000 {
		list, err := w.store.PushSubscriptions(t.Context(), w.anna.ID)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Error("the subscription stays")
}

// TestPushAgain holds that devices are told after a restart, with the same keys, and not any more after signing out everywhere.
func TestPushAgain(t *testing.T) {
	w, p := newWorld(t), newPushService(t)
	w.pushing(p)
	key := w.server.pusher.keys
	w.subscribe(p, `,"types":["Email"]`)
	w.pushing(p)
	w.watched()
	w.put(store.InboxID, 1, storetest.Text(1), store.Flags{})
	if got := p.next(); got["@type"] != "StateChange" || w.server.pusher.keys != key {
		t.Error(got)
	}
	if err := w.server.Unsubscribe(t.Context(), w.anna.ID, func(*store.PushSubscription) bool { return true }); err != nil {
		t.Error(err)
	}
	if answer := string(w.calls(`[["PushSubscription/get",{"ids":null},"0"]]`)); answer != `[["PushSubscription/get",{"list":[],"notFound":[]},"0"]]` {
		t.Error(answer)
	}
}

// TestPushEnds holds that nothing is told of an account that is suspended or gone.
func TestPushEnds(t *testing.T) {
	w, p := newWorld(t), newPushService(t)
	w.pushing(p)
	w.subscribe(p, `,"types":["Email"]`)
	for _, suspended := range []cause.ID{cause.AccountSuspendedUnpaid, ""} {
		if _, err := w.store.UpdateAccount(t.Context(), w.anna.ID, func(a *store.Account) error { a.Suspended = suspended; return nil }); err != nil {
			t.Fatal(err)
		}
		w.put(store.InboxID, 1, storetest.Text(1), store.Flags{})
		if suspended != "" {
			time.Sleep(20 * time.Millisecond) // longer than it waits
		}
	}
	if got := p.next(); got["changed"].(object)["a1"].(object)["Email"] != "3.3" {
		t.Errorf("of a suspended account something is told: %v", got)
	}
	if err := w.store.DeleteAccount(t.Context(), w.anna.ID); err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if w.server.pusher.watching.Load() == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Error("the device of an account that is gone is watched for")
}

// TestNotify holds that a device which wants to show mail gets what it shows, of the mailboxes that it names, and nothing
// of other mail.
func TestNotify(t *testing.T) {
	w, p := newWorld(t), newPushService(t)
	w.pushing(p)
	id := w.subscribe(p, `,"types":["EmailDelivery"],"notify":{"mailboxIds":["F1"]}`)
	w.put(4, 1, storetest.Text(1), store.Flags{})              // another mailbox
	w.put(2, 2, storetest.Text(2), store.FlagDraft)            // written here
	w.put(store.InboxID, 3, storetest.Text(3), store.FlagSeen) // read already
	w.put(store.InboxID, 4, strings.Replace(storetest.Text(4), "Letter 4", strings.Repeat("å", 200), 1), store.Flags{})
	got := p.next()
	want := object{
		"@type": "StateChange", "changed": object{"a1": object{"EmailDelivery": "e4"}}, "count": 1.0, "unread": 1.0, "badge": "number",
		"emails": []any{object{
			"id": "M4", "threadId": "T4", "mailboxId": "F1", "from": []any{object{"name": "Anna", "email": "anna@demo.test"}},
			"subject": strings.Repeat("å", 139) + "…", "preview": "Hej, this is letter 4.", "sound": "device",
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := w.store.StoreFlags(t.Context(), w.anna.ID, store.InboxID, uid.All(), store.FlagChange{System: store.FlagSeen}, nil); err != nil {
		t.Fatal(err)
	}
	answer := string(w.calls(fmt.Sprintf(`[["PushSubscription/set",{"update":{%q:{"test":"now"}}},"0"]]`, id)))
	if got := p.next(); got["@type"] != "PushTest" || got["test"] != "now" || got["sent"] == nil {
		t.Error(got, answer)
	}
}

// TestNotifyAsWanted holds that a device which names no mailboxes is told of those that the account wants to be told of, with its
// sounds, and that the badge counts what the account wants counted.
func TestNotifyAsWanted(t *testing.T) {
	w, p := newWorld(t), newPushService(t)
	w.pushing(p)
	yes, no := true, false
	wanted := alerts.Settings{Sound: "bell", Badge: alerts.Dot, Folders: map[string]alerts.Folder{"F1": {Tell: &no, Badge: &yes}, "F4": {Sound: alerts.None, Tell: &yes, Badge: &no}}}
	if err := alerts.Set(t.Context(), w.store, w.anna.ID, &wanted); err != nil {
		t.Fatal(err)
	}
	w.subscribe(p, `,"types":["EmailDelivery"],"notify":{"mailboxIds":null,"preview":false}`)
	w.put(store.InboxID, 1, storetest.Text(1), store.Flags{}) // counted, and not told of
	w.put(4, 2, storetest.Text(2), store.Flags{})
	got := p.next()
	want := object{
		"@type": "StateChange", "changed": object{"a1": object{"EmailDelivery": "e2"}}, "count": 1.0, "unread": 1.0, "badge": "dot",
		"emails": []any{object{"id": "M2", "threadId": "T2", "mailboxId": "F4", "sound": "none"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestNotifyShared holds that a device is told of mail in mailboxes that others share, if it names them, and not of what was there
// when they were shared.
func TestNotifyShared(t *testing.T) {
	w, p := newWorld(t), newPushService(t)
	bjorn := w.guest("bjorn@example.org")
	w.pushing(p)
	w.subscribe(p, `,"types":["EmailDelivery"],"notify":{"mailboxIds":["F1","F2-4"]}`)
	if err := w.deliver(bjorn, 4, 1, 1); err != nil {
		t.Fatal(err)
	}
	_, _, err := w.store.SetGrant(t.Context(), bjorn.ID, 4, w.anna.Address, func(store.Rights) store.Rights { return store.RightLookup | store.RightRead })
	if err != nil {
		t.Fatal(err)
	}
	w.put(store.InboxID, 3, storetest.Text(3), store.Flags{})
	if got := p.next(); got["count"] != 1.0 || got["unread"] != 2.0 {
		t.Error("own mail beside what is shared:", got)
	}
	for _, m := range []store.MailboxID{store.InboxID, 4} { // the first is not shared
		if err := w.deliver(bjorn, m, 2, 2); err != nil {
			t.Fatal(err)
		}
	}
	got := p.next()
	emails, _ := got["emails"].([]any)
	if len(emails) != 1 || emails[0].(object)["mailboxId"] != "F2-4" || emails[0].(object)["id"] != "M2-3" || got["unread"] != 3.0 || len(got["changed"].(object)) != 1 {
		t.Error(got)
	}
}

// TestQuiet holds when it is quiet.
func TestQuiet(t *testing.T) {
	night := quiet{From: "22:00", To: "07:00", TimeZone: "Europe/Stockholm"}
	noon := quiet{From: "12:00", To: "13:00", TimeZone: "UTC"}
	for _, one := range []struct {
		q     quiet
		at    string
		holds bool
	}{
		{night, "2026-07-01T19:59:00Z", false}, {night, "2026-07-01T20:00:00Z", true}, {night, "2026-07-01T04:59:00Z", true}, {night, "2026-07-01T05:00:00Z", false},
		{night, "2026-12-01T20:30:00Z", false}, {noon, "2026-12-01T12:30:00Z", true}, {noon, "2026-12-01T13:00:00Z", false},
	} {
		at, err := time.Parse(time.RFC3339, one.at)
		if err != nil {
			t.Fatal(err)
		}
		if holds, ok := one.q.holds(at); holds != one.holds || !ok {
			t.Errorf("%v at %s: %v %v", one.q, one.at, holds, ok)
		}
	}
	for _, bad := range []quiet{{"22", "07:00", "UTC"}, {"22:00", "25:00", "UTC"}, {"22:00", "07:00", "Nowhere/Else"}, {"22:00", "07:00", "Local"}} {
		if _, ok := bad.holds(time.Now()); ok {
			t.Errorf("%v is taken", bad)
		}
	}
}

// TestPushOnlyOutward holds that nobody makes the service connect to its own network.
func TestPushOnlyOutward(t *testing.T) {
	w := newWorld(t)
	p := w.server.pusher
	for url, may := range map[string]bool{
		"https://push.example.net/x": true, "https://push.example.net:443/x": true, "https://192.0.2.1/x": false, "https://10.0.0.1/x": false,
		"https://[::1]/x": false, "https://[fd00::1]/": false, "https://127.0.0.1/": false, "http://push.example.net/": false, "https://push.example.net:8443/": false,
		"https://anna@push.example.net/": false, "https:///x": false, "ftp://push.example.net/": false, "https://169.254.169.254/": false, "": false,
		"https://[::ffff:10.0.0.1]/": false, "https://push.example.net/" + strings.Repeat("x", maxPushURL): false,
	} {
		if p.mayPush(url) != may {
			t.Errorf("%s: %v", url, !may)
		}
	}
	// Names that lead into it are found out when they are resolved.
	service := newPushService(t)
	transport := guarded(false)
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), "POST", strings.Replace(service.server.URL, "127.0.0.1", "localhost", 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := transport.RoundTrip(r); !errors.Is(err, errPrivate) {
		t.Error(answer, err)
	}
}

// TestPushIsLimited holds that nobody makes the service send messages without end.
func TestPushIsLimited(t *testing.T) {
	w := newWorld(t)
	for n := range maxPushCreates + 1 {
		if may := w.server.pusher.mayCreate(w.anna.ID, time.Now()); may != (n < maxPushCreates) {
			t.Errorf("%d: %v", n, may)
		}
	}
	if !w.server.pusher.mayCreate(w.anna.ID, time.Now().Add(2*time.Hour)) {
		t.Error("an hour later none can be made")
	}
}

// TestPushTests holds that a test goes to devices alone that told their code, and that a subscription in the place of another ends
// that: nobody is written to who did not ask for it, or more often than once.
func TestPushTests(t *testing.T) {
	w, p := newWorld(t), newPushService(t)
	w.pushing(p)
	w.calls(fmt.Sprintf(`[["PushSubscription/set",{"create":{"d":{"deviceClientId":"phone","url":"%s/other","keys":%s}}},"0"]]`, p.server.URL, p.keys()))
	unverified := p.next()["pushSubscriptionId"].(string)
	test := func(id string) string {
		return string(w.calls(fmt.Sprintf(`[["PushSubscription/set",{"update":{%q:{"test":"x"}}},"0"]]`, id)))
	}
	if answer := test(unverified); !strings.Contains(answer, "is not verified") {
		t.Error(answer)
	}
	first := w.subscribe(p, "")
	second := w.subscribe(p, "")
	w.server.pusher.mu.Lock()
	if running := w.server.pusher.running; len(running) != 1 || first == second {
		t.Errorf("%d devices are told, %s and %s", len(running), first, second)
	}
	w.server.pusher.mu.Unlock()
	for n := 0; ; n++ {
		if answer := test(second); strings.Contains(answer, "rateLimit") {
			break
		} else if n > maxPushCreates {
			t.Fatal("tests have no end", answer)
		}
		if got := p.next(); got["@type"] != "PushTest" {
			t.Error(got)
		}
		<-p.headers
	}
}

// TestStates holds which states are others after something happened, and that it is told that something did.
func TestStates(t *testing.T) {
	w := newWorld(t)
	watched := w.server.watch(w.anna.ID)
	defer watched.end()
	before, err := w.server.now(t.Context(), w.anna.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range []struct {
		what  string
		do    func() error
		types []string
	}{
		{"mail comes", func() error { return w.deliver(w.anna, store.InboxID, 1, 1) }, []string{"Email", "EmailDelivery", "Mailbox", "Thread"}},
		{"a draft is written", func() error {
			w.put(2, 2, storetest.Text(2), store.FlagDraft)
			return nil
		}, []string{"Email", "Mailbox", "Thread"}},
		{"a script is stored", func() error { return w.store.PutScript(t.Context(), w.anna.ID, "mine", "keep;") }, []string{"SieveScript"}},
		{"a label is made", func() error {
			return w.store.Annotate(t.Context(), w.anna.ID, store.AccountAnnotations, []store.Annotation{{Name: "/private/vendor/postiljon/labels", Value: []byte("{}")}})
		}, []string{"Annotation"}},
	} {
		if err := one.do(); err != nil {
			t.Fatal(err)
		}
		<-watched.changed
		n, err := w.server.now(t.Context(), w.anna.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(one.types, slices.Sorted(maps.Keys(n.other(before.states, pushed)[w.anna.ID]))); diff != "" {
			t.Errorf("%s: %s", one.what, diff)
		}
		before = n
	}
}
