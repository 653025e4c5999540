package jmapd

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/cause/causelint"
	"github.com/postiljon/postiljon/internal/outbound"
	"github.com/postiljon/postiljon/internal/rules"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
	"github.com/postiljon/postiljon/internal/store/uid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNoRefusalWithoutCause(t *testing.T) { causelint.Test(t, ".") }

// record writes what the server says into the dialogues, to be read and judged.
var record = flag.Bool("record", false, "write the answers into the dialogues")

// world is a server over a store, with one account, whose messages really go: to mailboxes here, and not to others, since no
// name can be looked up.
type world struct {
	t       testing.TB
	store   *store.Store
	server  *Server
	options Options
	queue   *outbound.Queue
	desk    *desk
	anna    store.Account
	others  sync.Map          // accounts by address, beside anna's
	using   []string          // capabilities
	speaks  string            // who makes the calls of a dialogue, "" for anna
	traces  *strings.Replacer // ids of submissions for their names
	names   *strings.Replacer // and the reverse
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, store: storetest.Open(t)}
	w.anna = storetest.Account(t, w.store, "anna@example.org")
	catalogue, err := cause.Load()
	if err != nil {
		t.Fatal(err)
	}
	w.traces, w.names = strings.NewReplacer(), strings.NewReplacer()
	w.using = []string{capabilityCore, capabilityMail, capabilitySubmission, capabilityBlob, capabilityQuota, capabilitySieve}
	check := w.sends(catalogue)
	w.options = Options{
		Store: w.store, Catalogue: catalogue, BaseURL: "https://mail.example.org", Log: slog.New(slog.DiscardHandler), Queue: w.queue, Check: check, Holder: w.holder(), Near: near,
		Limits: Limits{RequestSize: 20_000, Upload: 5_000, Calls: 4, ConcurrentRequests: 2, Get: 6, Set: 5, QueryResults: 7},
		SignIn: func(r *http.Request) (store.Account, cause.Decision) {
			if name, password, _ := r.BasicAuth(); name == w.anna.Address && password == "secret" {
				return w.anna, cause.Allow()
			} else if a, ok := w.others.Load(name); ok && password == "secret" {
				return a.(store.Account), cause.Allow()
			}
			return store.Account{}, cause.Refuse(cause.AuthPasswordWrong)
		},
		Sieve: &Sieve{Check: rules.Check, Extensions: []string{"fileinto"}, Redirects: 5},
	}
	w.open(Push{Transport: offline{}})
	t.Cleanup(func() {
		if err := w.server.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return w
}

// offline lets no message to devices out.
type offline struct{}

func (offline) RoundTrip(*http.Request) (*http.Response, error) { return nil, errPrivate }

// open opens the server, in place of one that was closed.
func (w *world) open(push Push) {
	w.t.Helper()
	w.options.Push = push
	var err error
	if w.server, err = New(w.options); err != nil {
		w.t.Fatal(err)
	}
}

// put places a message of testdata or a small one in a mailbox.
func (w *world) put(m store.MailboxID, n int, text string, flags store.Flags, keywords ...string) {
	w.t.Helper()
	e := storetest.Email(w.t, w.store, text)
	e.Received = time.Date(2026, 11, 2, 10, n, 0, 0, time.UTC)
	e.Flags, e.Keywords = flags, keywords
	if _, err := w.store.Append(w.t.Context(), w.anna.ID, m, []store.NewEmail{e}); err != nil {
		w.t.Fatal(err)
	}
}

// ask sends a request and returns the answer.
func (w *world) ask(method, path, contentType, body string) *httptest.ResponseRecorder {
	return w.askAs(w.anna, method, path, contentType, body)
}

func (w *world) askAs(a store.Account, method, path, contentType, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.TLS = &tls.ConnectionState{}
	r.SetBasicAuth(a.Address, "secret")
	r.Header.Set("Content-Type", contentType)
	answer := httptest.NewRecorder()
	w.server.ServeHTTP(answer, r)
	return answer
}

// calls sends method calls and returns the responses to them.
func (w *world) calls(calls string) json.RawMessage {
	w.t.Helper()
	return w.callsAs(w.anna, calls)
}

func (w *world) callsAs(a store.Account, calls string) json.RawMessage {
	w.t.Helper()
	using, err := json.Marshal(w.using)
	if err != nil {
		w.t.Fatal(err)
	}
	answer := w.askAs(a, "POST", "/jmap/api", "application/json", fmt.Sprintf(`{"using":%s,"methodCalls":%s}`, using, calls))
	var r struct{ MethodResponses json.RawMessage }
	if err := json.Unmarshal(answer.Body.Bytes(), &r); err != nil || answer.Code != http.StatusOK {
		w.t.Fatalf("%s: %d %s", calls, answer.Code, answer.Body)
	}
	return r.MethodResponses
}

// TestDialogues plays what lies in testdata: "C:" is what a client calls, "S:" the responses. "@" lines are what others do
// in the meantime, see do. "{sooner}" and "{later}" are times to send at, 50 and 100 days from now.
func TestDialogues(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no dialogues", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { play(t, file) })
	}
}

func play(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.desk.gate.Lock() // what is sent goes at "settle", so that answers are the same each time
	t.Cleanup(w.desk.gate.Unlock)
	day := func(n int) string { return time.Now().UTC().AddDate(0, 0, n).Format(time.RFC3339) }
	times := strings.NewReplacer("{sooner}", day(50), "{later}", day(100))
	var out []string
	var answer json.RawMessage
	for n, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		kind, rest, _ := strings.Cut(line, " ")
		switch {
		case strings.HasPrefix(line, "@"):
			w.do(strings.Fields(line[1:]))
		case kind == "C:":
			answer = w.masked(w.callsAs(w.speaker(), w.traces.Replace(times.Replace(rest))))
		case kind == "S:" && *record:
			line = "S: " + string(compact(t, answer))
		case kind == "S:":
			if diff := cmp.Diff(decoded(t, []byte(rest)), decoded(t, answer)); diff != "" {
				t.Errorf("%s:%d (-want +got):\n%s", file, n+1, diff)
			}
		case line != "" && kind != "#":
			t.Fatalf("%s:%d: what is %q?", file, n+1, line)
		}
		out = append(out, line)
	}
	if *record {
		if err := os.WriteFile(file, []byte(strings.Join(out, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// changing is what is another in each run: times of sending, and ids of traces.
var changing = regexp.MustCompile(`"(sendAt|nextTry|giveUp|traceId|time|created|from|to|since|resets|first|last)":"[^"@]*"`)

var trace = regexp.MustCompile(`"0[0-9a-z]{19}"`)

var instant = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`)

// ticked is a state of what is shared, which counts from the time.
var ticked = regexp.MustCompile(`"\d{16,}(\.[^"]*)"`)

var clock = regexp.MustCompile(`\d\d:\d\d UTC`)

// speaker is who makes the calls of a dialogue.
func (w *world) speaker() store.Account {
	if a, ok := w.others.Load(w.speaks); ok {
		return a.(store.Account)
	}
	return w.anna
}

func (w *world) masked(answer json.RawMessage) json.RawMessage {
	answer = json.RawMessage(w.names.Replace(string(answer)))
	answer = ticked.ReplaceAll(instant.ReplaceAll(answer, []byte("...")), []byte(`"...$1"`))
	return clock.ReplaceAll(trace.ReplaceAll(changing.ReplaceAll(answer, []byte(`"$1":"..."`)), []byte(`"..."`)), []byte("... UTC"))
}

func decoded(t *testing.T, text []byte) (v any) {
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

func compact(t *testing.T, text []byte) []byte {
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// do does what an IMAP client or a delivery would: "letter MAILBOX N" and "file MAILBOX N NAME" place messages,
// "seen", "deleted", "undeleted" and "expunge MAILBOX UID" change them, "move" and "copy MAILBOX UID MAILBOX" as well;
// "create", "delete NAME" and "rename NAME NAME" are about mailboxes, "upload NAME" uploads a file; "forget" and "trim" forget what
// is in memory, and what left mailboxes.
// "settle" waits until nothing is being sent, "limit reached"
// and "limit open" are about sending, "alias" and "account ADDRESS" make others, "suspend CAUSE" keeps anna from sending,
// "using CAPABILITY..." says what the next calls use, "remember" names the submissions $1, $2 ...,
// "guest ADDRESS" makes an account that can sign in, "as ADDRESS" has it make the next calls, "share MAILBOX WITH [LETTERS]" gives it rights.
// "script" holds that the rules can run, "byhand" changes them.
func (w *world) do(words []string) {
	w.t.Helper()
	ctx, a := w.t.Context(), w.anna.ID
	number := func(i int) (n uint32) {
		if _, err := fmt.Sscan(words[i], &n); err != nil {
			w.t.Fatal(words, err)
		}
		return n
	}
	var err error
	switch words[0] {
	case "letter":
		w.put(store.MailboxID(number(1)), int(number(2)), storetest.Text(int(number(2))), store.Flags{})
	case "file":
		text, e := os.ReadFile("testdata/" + words[3])
		if e != nil {
			w.t.Fatal(e)
		}
		w.put(store.MailboxID(number(1)), int(number(2)), strings.ReplaceAll(string(text), "\n", "\r\n"), store.Flags{})
	case "upload":
		text, e := os.ReadFile("testdata/" + words[1])
		if answer := w.ask("POST", "/jmap/upload/a1/", "message/rfc822", string(text)); e != nil || answer.Code != http.StatusCreated {
			w.t.Fatal(e, answer.Code, answer.Body)
		}
	case "forget": // what is in memory of the account
		w.forget(a)
	case "quota": // how many octets the account may have
		_, err = w.store.UpdateAccount(ctx, a, func(a *store.Account) error { a.Quota = int64(number(1)); return nil })
	case "trim": // what left mailboxes
		err = w.store.ForgetRemovals(ctx, 1)
	case "rename":
		err = w.store.RenameMailbox(ctx, a, words[1], words[2])
	case "settle":
		w.desk.gate.Unlock()
		w.settle()
		w.desk.gate.Lock()
	case "script":
		active, e := w.store.ActiveScript(ctx, a)
		if e != nil || rules.Check(active.Text) != nil {
			w.t.Error("the script that runs cannot run:", e, active.Text)
		}
	case "byhand":
		err = w.store.PutScript(ctx, a, rules.SettingsScript, "# postiljon-rules: {}\nkeep;\n")
	case "remember":
		w.remember()
	case "alias":
		err = w.store.CreateAlias(ctx, store.Alias{Address: words[1], Targets: []string{w.anna.Address}})
	case "account":
		storetest.Account(w.t, w.store, words[1])
	case "guest":
		w.guest(words[1])
	case "as":
		w.speaks = words[1]
	case "share":
		w.share(store.MailboxID(number(1)), words[2], strings.Join(words[3:], ""))
	case "limit":
		w.desk.closed.Store(words[1] == "reached")
	case "suspend":
		w.anna, err = w.store.UpdateAccount(ctx, a, func(a *store.Account) error { a.Suspended = cause.ID(words[1]); return nil })
	case "using":
		w.using = words[1:]
	case "create":
		_, err = w.store.CreateMailbox(ctx, a, words[1], store.RoleNone)
	case "delete":
		err = w.store.DeleteMailbox(ctx, a, words[1])
	default:
		m, set := store.MailboxID(number(1)), uid.Of(uid.UID(number(2)))
		switch words[0] {
		case "seen":
			_, err = w.store.StoreFlags(ctx, a, m, set, store.FlagChange{System: store.FlagSeen}, nil)
		case "undeleted":
			_, err = w.store.StoreFlags(ctx, a, m, set, store.FlagChange{Op: store.FlagsRemove, System: store.FlagDeleted}, nil)
		case "deleted":
			_, err = w.store.StoreFlags(ctx, a, m, set, store.FlagChange{System: store.FlagDeleted}, nil)
		case "expunge":
			_, _, err = w.store.Expunge(ctx, a, m, set, false)
		case "move":
			_, err = w.store.Move(ctx, a, m, set, store.MailboxID(number(3)))
		case "copy":
			_, err = w.store.Copy(ctx, a, m, set, store.MailboxID(number(3)))
		default:
			w.t.Fatalf("what is %q?", words)
		}
	}
	if err != nil {
		w.t.Fatal(words, err)
	}
}
