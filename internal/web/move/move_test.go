package move

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/settings"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
	"github.com/postiljon/postiljon/internal/store/uid"
	"github.com/postiljon/postiljon/internal/transfer"
)

func TestMain(m *testing.M) {
	// The server of package imapserver does not always end with a connection that broke off.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/emersion/go-imap/v2/imapserver.(*Conn).serve"))
}

// world is a server with two accounts.
type world struct {
	*testing.T
	store    *store.Store
	move     *Server
	web      *httptest.Server
	anna, bo store.Account
	public   bool           // servers inside a network are not reached
	roots    *x509.CertPool // who vouches for other servers
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldWith(t, func(*world) {})
}

func newWorldWith(t *testing.T, change func(*world)) *world {
	t.Helper()
	w := &world{T: t, store: storetest.Open(t)}
	change(w)
	w.anna, w.bo = storetest.Account(t, w.store, "anna@own.example"), storetest.Account(t, w.store, "bo@own.example")
	w.open()
	mux := http.NewServeMux()
	for pattern := range w.move.Routes() {
		mux.HandleFunc(pattern, func(rw http.ResponseWriter, r *http.Request) { w.move.Routes()[pattern].ServeHTTP(rw, r) })
	}
	w.web = httptest.NewUnstartedServer(mux)
	w.web.Config.ReadTimeout, w.web.Config.WriteTimeout = 10*time.Second, 30*time.Second
	w.web.StartTLS()
	t.Cleanup(func() {
		w.close()
		w.web.Close()
	})
	return w
}

// open makes a server, also after one that was closed.
func (w *world) open() {
	w.Helper()
	catalogue, err := cause.Load()
	if err != nil {
		w.Fatal(err)
	}
	table, err := settings.Load()
	if err != nil {
		w.Fatal(err)
	}
	book, err := dialect.Load(nil)
	if err != nil {
		w.Fatal(err)
	}
	w.move, err = New(Options{
		Store: w.store, Catalogue: catalogue, Table: table, Book: book, Private: !w.public, Roots: w.roots, Log: slog.New(slog.DiscardHandler),
		SignIn: func(r *http.Request) (store.Account, cause.Decision) {
			switch user, _, _ := r.BasicAuth(); user {
			case "anna":
				return w.anna, cause.Allow()
			case "bo":
				return w.bo, cause.Allow()
			}
			return store.Account{}, cause.Refuse(cause.AuthPasswordWrong)
		},
	})
	if err != nil {
		w.Fatal(err)
	}
	w.move.rest = time.Millisecond
	if err := w.move.Start(w.Context()); err != nil {
		w.Fatal(err)
	}
}

func (w *world) close() {
	w.Helper()
	if err := w.move.Close(context.Background()); err != nil {
		w.Error(err)
	}
}

func (w *world) do(user, method, path, body string) (*http.Response, []byte) {
	w.Helper()
	r, err := http.NewRequestWithContext(w.Context(), method, w.web.URL+path, strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	if user != "" {
		r.SetBasicAuth(user, "x")
	}
	resp, err := w.web.Client().Do(r)
	if err != nil {
		w.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.Fatal(err)
	}
	return resp, b
}

// begun makes a request that begins a job, and returns its id.
func (w *world) begun(user, path, body string) string {
	w.Helper()
	r, b := w.do(user, "POST", path, body)
	var j Job
	if err := json.Unmarshal(b, &j); err != nil || r.StatusCode != http.StatusAccepted || r.Header.Get("Location") != "/api/jobs/"+j.ID {
		w.Fatalf("%s: %s", r.Status, b)
	}
	return j.ID
}

func (w *world) job(user, id string) (j Job) {
	w.Helper()
	r, b := w.do(user, "GET", "/api/jobs/"+id, "")
	if err := json.Unmarshal(b, &j); err != nil || r.StatusCode != http.StatusOK {
		w.Fatalf("%s: %s", r.Status, b)
	}
	return j
}

// ended follows a job by its events to its end.
func (w *world) ended(user, id string) (j Job) {
	w.Helper()
	r, b := w.do(user, "GET", "/api/jobs/"+id+"/events", "")
	if r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != "text/event-stream" {
		w.Fatalf("%s: %s", r.Status, b)
	}
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			j = Job{}
			if err := json.Unmarshal([]byte(data), &j); err != nil {
				w.Fatal(err)
			}
		}
	}
	if j.State == store.JobRunning || j.ID != id {
		w.Fatalf("the last event is %+v", j)
	}
	return j
}

// file stores a file as if it had been uploaded.
func (w *world) file(a store.AccountID, name, content string) string {
	w.Helper()
	ctx := w.Context()
	f, err := w.store.CreateFile(ctx, a, store.File{Name: name, Size: int64(len(content)), Expires: time.Now().Add(time.Hour)},
		store.FileLimits{Size: 1 << 30, Total: 1 << 30, Files: 100})
	if err != nil {
		w.Fatal(err)
	}
	ref, err := w.store.Blobs().Put(ctx, []byte(content))
	if err != nil {
		w.Fatal(err)
	}
	_, err = w.store.ChangeFile(ctx, a, f.ID, func(f *store.File) error {
		f.Blob, f.Whole, f.Offset = ref, time.Now(), f.Size
		return nil
	})
	if err != nil {
		w.Fatal(err)
	}
	return f.ID
}

var when = time.Date(2026, 11, 2, 10, 30, 5, 0, time.UTC)

// fill puts messages into an account.
func (w *world) fill(a store.AccountID, mailbox string, n int, flags ...string) {
	w.Helper()
	im := transfer.NewImporter(w.store, a)
	for i := range n {
		text := fmt.Sprintf("From: bo@far.example\r\nSubject: %s %d\r\nMessage-ID: <%s.%d@far.example>\r\n\r\nHej\r\nFrom here\r\n", mailbox, i, strings.ReplaceAll(mailbox, " ", "."), i)
		item := &transfer.Item{Mailbox: mailbox, Flags: flags, Received: when.Add(time.Duration(i) * time.Minute), Size: int64(len(text)), Body: strings.NewReader(text)}
		if err := im.Add(w.Context(), item); err != nil {
			w.Fatal(err)
		}
	}
}

// holds lists what an account has: mailbox, flags, date and text of each message, sorted.
func (w *world) holds(a store.AccountID) (all []string) {
	w.Helper()
	err := transfer.Export(w.Context(), w.store, a, func(item *transfer.Item) error {
		b, err := io.ReadAll(item.Body)
		slices.Sort(item.Flags)
		all = append(all, fmt.Sprintf("%s %v %s %s", item.Mailbox, item.Flags, item.Received.UTC().Format(time.DateTime), b))
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
	slices.Sort(all)
	return all
}

// TestOutAndIn takes the mail of one account to another, in each format.
func TestOutAndIn(t *testing.T) {
	for _, format := range []string{"mbox", "maildir"} {
		t.Run(format, func(t *testing.T) {
			w := newWorld(t)
			w.fill(w.anna.ID, "INBOX", 3, `\Seen`)
			w.fill(w.anna.ID, "Work/Åre", 230, `\Flagged`, "$Forwarded")
			w.fill(w.anna.ID, `a\b.c`, 1)
			if _, err := w.store.CreateMailbox(w.Context(), w.anna.ID, "Nothing/yet", store.RoleNone); err != nil {
				t.Fatal(err)
			}
			r, b := w.do("anna", "GET", "/api/export?format="+format, "")
			if r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != "application/zip" || !strings.Contains(r.Header.Get("Content-Disposition"), "anna@own.example") {
				t.Fatalf("%s, %v", r.Status, r.Header)
			}
			if _, err := zip.NewReader(bytes.NewReader(b), int64(len(b))); err != nil {
				t.Fatal(err)
			}
			j := w.ended("bo", w.begun("bo", "/api/import", fmt.Sprintf(`{"file":%q}`, w.file(w.bo.ID, "all.zip", string(b)))))
			if j.State != store.JobDone || j.Progress.Imported != 234 || j.Progress.Skipped != 0 || j.Progress.Octets != j.Progress.OctetsTotal || len(j.Failures) != 0 {
				t.Errorf("the job ended as %+v", j)
			}
			if got, want := w.holds(w.bo.ID), w.holds(w.anna.ID); !slices.Equal(got, want) {
				t.Errorf("bo has %d messages, anna %d; the first are\n%.500s\n%.500s", len(got), len(want), got, want)
			}
			if _, err := w.store.MailboxByName(w.Context(), w.bo.ID, "Nothing/yet"); err != nil {
				t.Errorf("a mailbox in which nothing is: %v", err)
			}
			// Again: nothing comes twice, and the file is gone once it did what it was for.
			j = w.ended("bo", w.begun("bo", "/api/import", fmt.Sprintf(`{"file":%q}`, w.file(w.bo.ID, "all.zip", string(b)))))
			if j.State != store.JobDone || j.Progress.Imported != 0 || j.Progress.Skipped != 234 {
				t.Errorf("the second job ended as %+v", j)
			}
			if r, b := w.do("bo", "POST", "/api/import", fmt.Sprintf(`{"file":%q}`, j.File)); r.StatusCode != http.StatusNotFound || !strings.Contains(string(b), `"file.gone"`) {
				t.Errorf("a third time: %s %s", r.Status, b)
			}
		})
	}
}

func TestExportOfOneMailbox(t *testing.T) {
	w := newWorld(t)
	w.fill(w.anna.ID, "INBOX", 2)
	w.fill(w.anna.ID, "Work", 3)
	m, err := w.store.MailboxByName(t.Context(), w.anna.ID, "Work")
	if err != nil {
		t.Fatal(err)
	}
	for _, which := range []string{"Work", fmt.Sprintf("F%d", m.ID)} {
		r, b := w.do("anna", "GET", "/api/export?mailbox="+which, "")
		if r.Header.Get("Content-Type") != "application/mbox" || bytes.Count(b, []byte("From MAILER-DAEMON")) != 3 || !bytes.Contains(b, []byte("\n>From here")) {
			t.Errorf("%s: %s, %s", which, r.Status, b)
		}
	}
	for path, status := range map[string]int{"?mailbox=Nowhere": 404, "?format=pst": 400} {
		if r, b := w.do("anna", "GET", "/api/export"+path, ""); r.StatusCode != status || !strings.Contains(string(b), `"cause"`) {
			t.Errorf("%s: %s %s", path, r.Status, b)
		}
	}
	if r, _ := w.do("", "GET", "/api/export", ""); r.StatusCode != http.StatusUnauthorized {
		t.Errorf("a stranger: %s", r.Status)
	}
}

func TestImportInto(t *testing.T) {
	w := newWorld(t)
	mbox := "From x Mon Nov  2 10:30:05 2026\nSubject: one\nStatus: RO\n\nx\n\nFrom y Mon Nov  2 10:30:05 2026\nSubject: two\n\ny\n"
	j := w.ended("anna", w.begun("anna", "/api/import", fmt.Sprintf(`{"file":%q,"into":"Old/2026"}`, w.file(w.anna.ID, "x.mbox", mbox))))
	if j.State != store.JobDone || j.Progress.Imported != 2 || j.Into != "Old/2026" {
		t.Errorf("the job ended as %+v", j)
	}
	if got := w.holds(w.anna.ID); len(got) != 2 || got[1] != "Old/2026 [] 2026-11-02 10:30:05 Subject: two\r\n\r\ny\r\n" {
		t.Errorf("anna has %q", got)
	}
	eml := "Subject: alone\r\nDate: Mon, 2 Nov 2026 11:30:05 +0100\r\n\r\nx\r\n"
	if j = w.ended("anna", w.begun("anna", "/api/import", fmt.Sprintf(`{"file":%q}`, w.file(w.anna.ID, "x.eml", eml)))); j.Progress.Imported != 1 {
		t.Errorf("the job ended as %+v", j)
	}
	if got := w.holds(w.anna.ID); got[0] != "INBOX [] 2026-11-02 10:30:05 "+eml {
		t.Errorf("anna has %q", got)
	}
}

func TestImportsThatFail(t *testing.T) {
	w := newWorld(t)
	j := w.ended("anna", w.begun("anna", "/api/import", fmt.Sprintf(`{"file":%q}`, w.file(w.anna.ID, "cat.png", "\x89PNG..."))))
	if j.State != store.JobFailed || j.Refusal == nil || j.Refusal.Cause != cause.FileNotMail || !strings.Contains(j.Refusal.Text, "cat.png") {
		t.Errorf("a picture: %+v", j)
	}
	var half bytes.Buffer
	archive := transfer.NewMaildirZip(&half, when)
	for n := range 20 {
		text := fmt.Sprintf("Subject: %d\r\n\r\nx\r\n", n)
		if err := archive.Write(&transfer.Item{Mailbox: "INBOX", Size: int64(len(text)), Body: strings.NewReader(text)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	half.Truncate(half.Len() / 2)
	j = w.ended("anna", w.begun("anna", "/api/import", fmt.Sprintf(`{"file":%q}`, w.file(w.anna.ID, "half.zip", half.String()))))
	if j.State != store.JobFailed || j.Refusal == nil || j.Refusal.Cause != cause.FileDamaged || !strings.Contains(j.Refusal.Text, "half.zip") {
		t.Errorf("half an archive: %+v", j)
	}
	_, err := w.store.UpdateAccount(t.Context(), w.anna.ID, func(a *store.Account) error {
		a.Quota = 1000
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	mbox := strings.Repeat("From x\nSubject: one\n\n"+strings.Repeat("x", 300)+"\n\n", 3) + "From x\nSubject: more\n\n" + strings.Repeat("z", 900) + "\n"
	j = w.ended("anna", w.begun("anna", "/api/import", fmt.Sprintf(`{"file":%q}`, w.file(w.anna.ID, "x.mbox", mbox))))
	if j.State != store.JobFailed || j.Refusal == nil || j.Refusal.Cause != cause.QuotaMailboxFull || j.Progress.Imported != 1 || j.Progress.Skipped != 2 {
		t.Errorf("a full mailbox: %+v", j)
	}
	for body, status := range map[string]int{`{"file":"x"}`: 404, `{"file":"x","into":"a*b"}`: 400, `{"what":1}`: 400} {
		if r, b := w.do("anna", "POST", "/api/import", body); r.StatusCode != status || !strings.Contains(string(b), `"action"`) {
			t.Errorf("%s: %s %s", body, r.Status, b)
		}
	}
	begun, err := w.store.CreateFile(t.Context(), w.anna.ID, store.File{Name: "half", Size: 10, Expires: time.Now().Add(time.Hour)}, store.FileLimits{Size: 100, Total: 1 << 30, Files: 100})
	if err != nil {
		t.Fatal(err)
	}
	if r, b := w.do("anna", "POST", "/api/import", fmt.Sprintf(`{"file":%q}`, begun.ID)); r.StatusCode != 409 || !strings.Contains(string(b), "file.incomplete") {
		t.Errorf("a file that is not whole: %s %s", r.Status, b)
	}
}

// TestJobsAreOnesOwn: nobody sees the jobs of others; those that ended are listed until they are forgotten.
func TestJobsAreOnesOwn(t *testing.T) {
	w := newWorld(t)
	id := w.begun("anna", "/api/import", fmt.Sprintf(`{"file":%q}`, w.file(w.anna.ID, "x.mbox", "From x\nA: b\n\nx\n")))
	w.ended("anna", id)
	if r, b := w.do("bo", "GET", "/api/jobs/"+id, ""); r.StatusCode != 404 {
		t.Errorf("bo sees %s", b)
	}
	if _, b := w.do("bo", "GET", "/api/jobs", ""); string(b) != "{\"jobs\":[]}\n" {
		t.Errorf("bo sees %s", b)
	}
	if _, b := w.do("anna", "GET", "/api/jobs", ""); strings.Count(string(b), `"state":"done"`) != 1 {
		t.Errorf("anna sees %s", b)
	}
	for range 2 {
		if r, _ := w.do("anna", "DELETE", "/api/jobs/"+id, ""); r.StatusCode != 204 {
			t.Errorf("forget: %s", r.Status)
		}
	}
	if r, _ := w.do("anna", "GET", "/api/jobs/"+id, ""); r.StatusCode != 404 {
		t.Errorf("a forgotten job: %s", r.Status)
	}
}

// manyMessages is an mbox that takes a while.
func manyMessages(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "From x Mon Nov  2 10:30:05 2026\nSubject: %d\n\nx\n\n", i)
	}
	return b.String()
}

// TestCancel ends a job; what it did stays.
func TestCancel(t *testing.T) {
	w := newWorld(t)
	id := w.begun("anna", "/api/import", fmt.Sprintf(`{"file":%q,"into":"INBOX"}`, w.file(w.anna.ID, "x.mbox", manyMessages(5000))))
	for w.job("anna", id).Progress.Imported == 0 {
		time.Sleep(time.Millisecond)
	}
	if r, _ := w.do("anna", "DELETE", "/api/jobs/"+id, ""); r.StatusCode != 204 {
		t.Errorf("cancel: %s", r.Status)
	}
	j := w.job("anna", id)
	if n := int64(len(w.holds(w.anna.ID))); j.State != store.JobCancelled || j.Progress.Imported != n || n == 0 || n == 5000 || j.Ended.IsZero() {
		t.Errorf("%d messages are there, the job is %+v", n, j)
	}
}

// TestInterrupted goes on after the service ended in the midst of an import, and nothing comes twice.
func TestInterrupted(t *testing.T) {
	w := newWorld(t)
	const n = 1500
	id := w.begun("anna", "/api/import", fmt.Sprintf(`{"file":%q,"into":"INBOX"}`, w.file(w.anna.ID, "x.mbox", manyMessages(n))))
	for w.job("anna", id).Progress.Imported == 0 {
		time.Sleep(time.Millisecond)
	}
	w.close()
	if j, err := w.store.Job(t.Context(), w.anna.ID, id); err != nil || j.State != store.JobInterrupted {
		t.Fatalf("the job is %+v, %v", j, err)
	}
	w.open()
	j := w.ended("anna", id)
	if j.State != store.JobDone || j.Progress.Imported+j.Progress.Skipped != n || j.Progress.Skipped == 0 {
		t.Errorf("the job ended as %+v", j)
	}
	seen := uid.Set{}
	err := w.store.Messages(t.Context(), w.anna.ID, store.InboxID, uid.All(), func(m *store.Message) error {
		seen = seen.Add(m.UID)
		return nil
	})
	if err != nil || seen.Len() != n {
		t.Errorf("%d messages, %v", seen.Len(), err)
	}
	report, err := w.store.Verify(t.Context(), store.VerifyOptions{})
	if err != nil || report.Found != 0 {
		t.Errorf("verify: %v, %v", report.Problems, err)
	}
}
