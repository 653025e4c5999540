package control

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postiljon/postiljon/internal/backup"
	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/outbound"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/rules"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/index"
	"github.com/postiljon/postiljon/internal/store/storetest"
	"github.com/postiljon/postiljon/internal/transfer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// nowhere takes no mail.
type nowhere struct{}

func (nowhere) DeliverLocal(context.Context, *store.Submission, *store.SubmissionRecipient) cause.Decision {
	return cause.Refuse(cause.RecipientUnknown)
}

type world struct {
	*Client
	server *Server
	socket string
	guard  *policy.Guard
}

func open(t *testing.T, change func(*Options)) *world {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	st := storetest.Open(t)
	catalogue, err := cause.Load()
	must(err)
	j, err := journal.New(journal.Options{Store: st})
	must(err)
	t.Cleanup(func() { must(j.Close()) })
	hasher, err := policy.NewHasher(policy.DefaultHashParams())
	must(err)
	dir := t.TempDir()
	guard, err := policy.NewGuard(ctx, policy.GuardOptions{
		Limits: policy.DefaultGuardLimits(), Record: policy.FileRecord(filepath.Join(dir, "guard")),
	})
	must(err)
	t.Cleanup(func() { must(guard.Close(context.Background())) })
	sending, err := policy.NewSending(ctx, policy.SendingOptions{
		Domains: st, Plans: policy.Plans{Default: policy.DefaultSendingLimits()}, Record: policy.FileRecord(filepath.Join(dir, "sending")),
	})
	must(err)
	t.Cleanup(func() { must(sending.Close(context.Background())) })
	queue, err := outbound.New(outbound.Options{
		Store: st, Resolver: resolver{}, Local: nowhere{}, Catalogue: catalogue, Hostname: "mail.example.org",
	})
	must(err)
	o := Options{
		Store: st, Index: index.New(index.Options{Store: st}), Hasher: hasher, Guard: guard, Sending: sending, Domains: policy.NewDomainStorage(func(context.Context, string) (int64, error) { return 7, nil }, nil), Journal: j, Queue: queue, Catalogue: catalogue, Rules: rules.New(rules.Options{Store: st}),
		Source: backup.Source{}, Status: func(context.Context) Status { return Status{Hostname: "mail.example.org"} },
		Reload: func(context.Context) ([]string, error) { return []string{"hostname"}, nil },
	}
	if change != nil {
		change(&o)
	}
	w := &world{server: New(o), socket: filepath.Join(dir, "s"), guard: guard}
	l, err := Listen(w.socket)
	must(err)
	served := make(chan error, 1)
	go func() { served <- w.server.Serve(l) }()
	w.Client = NewClient(w.socket)
	t.Cleanup(func() {
		w.Client.Close()
		must(w.server.Close(context.Background()))
		must(<-served)
	})
	return w
}

func status(t *testing.T, err error) int {
	t.Helper()
	if err == nil {
		return http.StatusOK
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("%v is no *Error", err)
	}
	return e.Status
}

func TestDirectory(t *testing.T) {
	w, ctx := open(t, nil), t.Context()
	if _, err := w.AddDomain(ctx, "Example.ORG"); err != nil {
		t.Fatal(err)
	}
	made, err := w.AddAccount(ctx, NewAccount{Address: "Anna@example.org", Name: "Anna", Quota: 1000})
	if err != nil || made.Address != "anna@example.org" || len(made.Password) < 12 {
		t.Fatalf("%+v, %v", made, err)
	}
	one, err := w.Account(ctx, "anna@example.org")
	if err != nil || len(one.Mailboxes) != 6 || len(one.Passwords) != 1 || one.Quota != 1000 || one.SentLimit != 300 {
		t.Errorf("%+v, %v", one, err)
	}
	if _, err := w.AddAlias(ctx, Alias{Address: "info@example.org", Targets: []string{"anna@example.org"}}); err != nil {
		t.Error(err)
	}
	domains, err := w.Domains(ctx)
	if err != nil || len(domains) != 1 || domains[0].Accounts != 1 || domains[0].Aliases != 1 || domains[0].Name != "example.org" {
		t.Errorf("%+v, %v", domains, err)
	}

	for _, c := range []struct {
		what   string
		err    error
		status int
		text   string
	}{
		{"same domain", second(w.AddDomain(ctx, "example.org")), 409, "is here already"},
		{"bad domain", second(w.AddDomain(ctx, "not a domain")), 400, "is no domain name"},
		{"same account", second(w.AddAccount(ctx, NewAccount{Address: "anna@example.org"})), 409, "already"},
		{"account as alias", second(w.AddAccount(ctx, NewAccount{Address: "info@example.org"})), 409, "already"},
		{"weak password", second(w.AddAccount(ctx, NewAccount{Address: "b@example.org", Password: "1"})), 400, "too short"},
		{"misspelt domain", second(w.AddAccount(ctx, NewAccount{Address: "b@exmaple.org"})), 404, "did you mean example.org"},
		{"misspelt account", second(w.Account(ctx, "ana@example.org")), 404, "did you mean anna@example.org"},
		{"alias as account", second(w.Account(ctx, "info@example.org")), 404, "it is an alias of anna@example.org"},
		{"foreign domain", second(w.Account(ctx, "a@elsewhere.test")), 404, "no such domain"},
		{"no address", second(w.Account(ctx, "anna")), 400, "is no mail address"},
		{"full domain", w.RemoveDomain(ctx, "example.org"), 409, "still has accounts"},
		{"alias to nobody", second(w.AddAlias(ctx, Alias{Address: "x@example.org", Targets: []string{"nobody@example.org"}})), 404, "nobody@example.org"},
		{"alias to nowhere", second(w.AddAlias(ctx, Alias{Address: "x@example.org"})), 400, "goes nowhere"},
		{"no alias", w.RemoveAlias(ctx, "x@example.org"), 404, "no such alias"},
		{"bad language", second(w.ChangeAccount(ctx, ChangeAccount{Address: "anna@example.org", Language: new("fi")})), 400, "is not sv, nb or en"},
		{"bad protocol", second(w.ChangeAccount(ctx, ChangeAccount{Address: "anna@example.org", Protocols: &[]string{"fax"}})), 400, "is no protocol"},
		{"bad cause", second(w.ChangeAccount(ctx, ChangeAccount{Address: "anna@example.org", Suspended: new(cause.LimitRequest)})), 400, "is no cause"},
		{"no ban", w.LiftBan(ctx, "192.0.2.1"), 404, ""},
		{"bad id", w.Retry(ctx, "x"), 400, "is no id"},
		{"no message", w.Retry(ctx, store.NewTraceID(time.Now()).String()), 404, "no message"},
		{"bad trace", second(w.Trace(ctx, TraceQuery{Text: " "})), 400, "is no address"},
	} {
		if got := status(t, c.err); got != c.status || !strings.Contains(c.err.Error(), c.text) {
			t.Errorf("%s: %d, %v", c.what, got, c.err)
		}
	}

	on := true
	changed, err := w.ChangeAccount(ctx, ChangeAccount{Address: "anna@example.org", Disabled: &on, Quota: new(int64(0)), Protocols: &[]string{"imap"}})
	if err != nil || !changed.Disabled || changed.Quota != 0 || changed.Name != "Anna" || len(changed.Protocols) != 1 {
		t.Errorf("%+v, %v", changed, err)
	}
	for _, err := range []error{w.RemoveAlias(ctx, "info@example.org"), w.RemoveAccount(ctx, "anna@example.org"), w.RemoveDomain(ctx, "example.org")} {
		if err != nil {
			t.Error(err)
		}
	}
	// What operators did stands in the journal.
	trace, err := w.Trace(ctx, TraceQuery{Text: "anna@example.org", Lang: "sv"})
	if err != nil || trace.Found == 0 {
		t.Errorf("%+v, %v", trace, err)
	}
}

func second[T any](_ T, err error) error { return err }

// TestPasswords: a new password replaces the old one and leaves app passwords;
// none is ever shown again.
func TestPasswords(t *testing.T) {
	w, ctx := open(t, nil), t.Context()
	if _, err := w.AddDomain(ctx, "example.org"); err != nil {
		t.Fatal(err)
	}
	const address = "anna@example.org"
	if _, err := w.AddAccount(ctx, NewAccount{Address: address, Password: "first-password"}); err != nil {
		t.Fatal(err)
	}
	app, err := w.AddAppPassword(ctx, NewAppPassword{Address: address, Name: "phone", Protocols: []string{"imap"}})
	if err != nil || app.Password == "" {
		t.Fatal(app, err)
	}
	if err := second(w.AddAppPassword(ctx, NewAppPassword{Address: address, Name: "PHONE"})); status(t, err) != 409 {
		t.Error(err)
	}
	a, err := w.server.Store.AccountByAddress(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	proven := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	thief := store.RecoveryAddress{Address: "thief@example.net", Since: proven}
	err = w.server.Store.UpdateWebSecurity(ctx, a.ID, func(s *store.WebSecurity) { s.Recovery = thief })
	if err != nil {
		t.Fatal(err)
	}
	if one, err := w.Account(ctx, address); err != nil || one.Recovery == nil || one.Recovery.Address != "t…@example.net" || !one.Recovery.Proven.Equal(proven) {
		t.Errorf("shown: %+v, %v", one.Recovery, err)
	}
	answer, err := w.SetPassword(ctx, SetPassword{Address: address, Password: "second-password"})
	if err != nil || answer.Password != "" || answer.Recovery != "thief@example.net" {
		t.Errorf("%+v, %v", answer, err)
	}
	if beside, err := w.server.Store.WebSecurity(ctx, a.ID); err != nil || beside.Recovery.Address != "" {
		t.Errorf("links go there still: %+v, %v", beside, err)
	}
	if err := w.server.Store.UpdateWebSecurity(ctx, a.ID, func(s *store.WebSecurity) { s.Recovery = thief }); err != nil {
		t.Fatal(err)
	}
	if err := second(w.ChangeAccount(ctx, ChangeAccount{Address: address, NoRecovery: true})); err != nil {
		t.Error(err)
	}
	if one, err := w.Account(ctx, address); err != nil || one.Recovery != nil {
		t.Errorf("removed, and shown: %+v, %v", one.Recovery, err)
	}
	credentials, err := w.server.Store.Credentials(ctx, a.ID)
	if err != nil || len(credentials) != 2 {
		t.Fatalf("%d passwords, %v", len(credentials), err)
	}
	if !bytes.Equal(credentials[0].Scram.Salt, credentials[1].Scram.Salt) {
		t.Error("SCRAM cannot check both passwords in one exchange")
	}
	for _, c := range credentials {
		want := "second-password"
		if c.App {
			want = app.Password
		}
		for password, right := range map[string]bool{want: true, "first-password": false} {
			if ok, _, err := w.server.Hasher.Verify(ctx, c.Hash, password); err != nil || ok != right {
				t.Errorf("app %v, %q: %v, %v", c.App, password, ok, err)
			}
		}
	}
	if gone, err := w.RemoveAppPassword(ctx, AppPassword{Address: address, Which: "Phone"}); err != nil || gone.Name != "phone" {
		t.Errorf("%+v, %v", gone, err)
	}
	if err := second(w.RemoveAppPassword(ctx, AppPassword{Address: address, Which: "phone"})); status(t, err) != 404 {
		t.Error(err)
	}
	own := credentials[0].ID
	if credentials[0].App {
		own = credentials[1].ID
	}
	if err := second(w.RemoveAppPassword(ctx, AppPassword{Address: address, Which: own})); status(t, err) != 404 {
		t.Error("the password of the account itself was removed")
	}
}

func TestBans(t *testing.T) {
	w, ctx := open(t, nil), t.Context()
	for range 200 {
		w.guard.Failed(netipAddr("192.0.2.7"), "anna@example.org")
	}
	bans, err := w.Bans(ctx)
	if err != nil || len(bans) == 0 {
		t.Fatalf("%+v, %v", bans, err)
	}
	for _, b := range bans {
		if err := w.LiftBan(ctx, b.Key); err != nil {
			t.Errorf("%s: %v", b.Key, err)
		}
	}
	if bans, err = w.Bans(ctx); err != nil || len(bans) != 0 {
		t.Errorf("%+v, %v", bans, err)
	}
}

func TestQueue(t *testing.T) {
	w, ctx := open(t, nil), t.Context()
	ref, err := w.server.Store.Blobs().Put(ctx, []byte("Subject: x\r\n\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	sub := store.Submission{
		ID: store.NewTraceID(now), From: "anna@example.org", Blob: ref, Size: 14, Created: now, Expires: now.Add(time.Hour),
		Recipients: []store.SubmissionRecipient{{Address: "b@elsewhere.test", State: store.Queued, Next: now.Add(time.Hour), Cause: cause.ReputationGreylisted}},
	}
	if err := w.server.Store.CreateSubmission(ctx, sub); err != nil {
		t.Fatal(err)
	}
	list, err := w.Queue(ctx, QueueFilter{Domain: "elsewhere.test"})
	if err != nil || len(list) != 1 || list[0].Recipients[0].Why == "" || list[0].ID != sub.ID.String() {
		t.Fatalf("%+v, %v", list, err)
	}
	if err := w.Cancel(ctx, QueueItem{ID: list[0].ID, Recipient: "c@elsewhere.test"}); status(t, err) != 404 {
		t.Error(err)
	}
	item := QueueItem{ID: list[0].ID}
	for _, step := range []struct {
		do     func(context.Context, QueueItem) error
		status int
		state  string
	}{
		{w.Release, 404, "delayed"}, {w.Hold, 200, "held"}, {w.Hold, 404, "held"}, {w.Release, 200, "delayed"}, {w.Hold, 200, "held"},
	} {
		if err := step.do(ctx, item); step.status == 200 && err != nil || step.status != 200 && status(t, err) != step.status {
			t.Error(err)
		}
		q, err := w.Queued(ctx, item.ID)
		if err != nil || q.Recipients[0].State != step.state || q.Recipients[0].Text == "" || q.Subject != "x" {
			t.Errorf("%+v, %v", q, err)
		}
	}
	if err := w.Cancel(ctx, item); err != nil {
		t.Error(err)
	}
	if err := w.Cancel(ctx, QueueItem{ID: list[0].ID}); status(t, err) != 404 {
		t.Error(err)
	}
}

// TestTransfer carries mail in and out, and stops at an error in the middle.
func TestTransfer(t *testing.T) {
	w, ctx := open(t, nil), t.Context()
	if _, err := w.AddDomain(ctx, "example.org"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.AddAccount(ctx, NewAccount{Address: "anna@example.org"}); err != nil {
		t.Fatal(err)
	}
	write := func(fail error) func(io.Writer) error {
		return func(to io.Writer) error {
			for _, text := range []string{"Subject: one\r\n\r\n1\r\n", "Subject: two\r\n\r\n2\r\n"} {
				item := &transfer.Item{Mailbox: "Old", Received: time.Now(), Size: int64(len(text)), Body: strings.NewReader(text)}
				if err := transfer.WriteItem(to, item); err != nil {
					return err
				}
			}
			return fail
		}
	}
	answer, err := w.Import(ctx, "anna@example.org", write(nil))
	if err != nil || answer.Imported != 2 {
		t.Fatalf("%+v, %v", answer, err)
	}
	broken := errors.New("the disk is broken")
	if _, err := w.Import(ctx, "anna@example.org", write(broken)); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if err := second(w.Import(ctx, "nobody@example.org", write(nil))); status(t, err) != 404 {
		t.Error(err)
	}
	var got []string
	err = w.Export(ctx, "anna@example.org", func(item *transfer.Item) error {
		b, err := io.ReadAll(item.Body)
		got = append(got, item.Mailbox+":"+string(b))
		return err
	})
	if err != nil || strings.Join(got, "|") != "Old:Subject: one\r\n\r\n1\r\n|Old:Subject: two\r\n\r\n2\r\n" {
		t.Errorf("%q, %v", got, err)
	}
	report, err := w.Verify(ctx, VerifyRequest{Bodies: true}, nil)
	if err != nil || report.Emails != 2 || report.Found != 0 || report.Accounts != 1 {
		t.Errorf("%+v, %v", report, err)
	}
	if err := second(w.Backup(ctx, "relative", nil)); err == nil || !strings.Contains(err.Error(), "is not an absolute path") {
		t.Errorf("%v", err)
	}
}

func TestReloadTellsWhy(t *testing.T) {
	w := open(t, func(o *Options) {
		o.Reload = func(context.Context) ([]string, error) { return nil, errors.New("line 3 is wrong") }
	})
	_, err := w.Reload(t.Context())
	e, ok := errors.AsType[*Error](err)
	if !ok || !strings.Contains(e.Message, "line 3 is wrong") || !strings.Contains(e.NextStep(), "old configuration") {
		t.Errorf("%v", err)
	}
}

func TestReloadTellsWhatWaits(t *testing.T) {
	w := open(t, nil)
	if told, err := w.Reload(t.Context()); err != nil || len(told.Restart) != 1 || told.Restart[0] != "hostname" {
		t.Errorf("%+v, %v", told, err)
	}
}

func TestStatus(t *testing.T) {
	w := open(t, nil)
	if st, err := w.Status(t.Context()); err != nil || st.Hostname != "mail.example.org" || st.Accounts != 0 {
		t.Errorf("%+v, %v", st, err)
	}
}

// A request that is not what the method takes is refused.
func TestBadRequests(t *testing.T) {
	w := open(t, nil)
	for _, c := range []struct{ method, body string }{
		{"account.show", `{"nme":"x"}`}, {"account.show", `[`}, {"domain.add", `{"name":7}`}, {"nothing", `{}`},
		{"account.show", `{"name":"` + strings.Repeat("x", maxRequest) + `"}`},
	} {
		if _, err := w.send(t.Context(), c.method, nil, strings.NewReader(c.body)); err == nil {
			t.Errorf("%s took %.40s", c.method, c.body)
		}
	}
}

func TestSocket(t *testing.T) {
	w := open(t, nil)
	info, err := os.Stat(w.socket)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}

	// Nobody listens: an error that says how to go on.
	client := NewClient(filepath.Join(t.TempDir(), "none"))
	defer client.Close()
	err = second(client.Status(t.Context()))
	if e, ok := errors.AsType[*Error](err); !ok || !strings.Contains(e.NextStep(), "postiljon serve") {
		t.Errorf("%v", err)
	}

	// A file is not taken for an old socket; an old socket is replaced.
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := Listen(file); err == nil {
		l.Close()
		t.Error("a file was replaced")
	}
	old := filepath.Join(t.TempDir(), "old")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: old, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	again, err := Listen(old)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

// TestStrangersAreTurnedAway connects as another user, for whom the mode of the
// socket was opened by mistake.
func TestStrangersAreTurnedAway(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("only root can become another user; the check of the peer's identity is not tested")
		return
	}
	w := open(t, nil)
	for dir := filepath.Dir(w.socket); len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(w.socket, 0o666); err != nil {
		t.Fatal(err)
	}
	const nobody = 65534
	answer := ""
	err := as(nobody, func() error {
		c, err := net.Dial("unix", w.socket) // on this thread
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := io.WriteString(c, "POST /v1/status HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"); err != nil {
			return nil // turned away already
		}
		b, _ := io.ReadAll(c) // an error means turned away, too
		answer = string(b)
		return nil
	})
	if err != nil || answer != "" {
		t.Errorf("a stranger was answered %q, %v", answer, err)
	}
	if err := second(w.Status(t.Context())); err != nil {
		t.Errorf("the owner was turned away: %v", err)
	}
}
