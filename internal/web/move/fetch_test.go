package move

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/certs/certstest"
	"github.com/postiljon/postiljon/internal/settings"
	"github.com/postiljon/postiljon/internal/store"
)

// provider is a server elsewhere, which was not written here.
type provider struct {
	*testing.T
	user *imapmemserver.User
	port int
	// cut is after how many octets the server's next connections break off; 0 is never.
	cut atomic.Int64
	// hangs has connections stand still then, instead.
	hangs atomic.Bool
	// opened counts connections.
	opened atomic.Int64
	// refuse answers a sign-in, nil as it is.
	refuse atomic.Pointer[imap.Error]
	made   int // messages
}

// session is one of the provider's.
type session struct {
	imapserver.Session
	p *provider
}

func (s *session) Login(user, password string) error {
	if err := s.p.refuse.Load(); err != nil {
		return err
	}
	return s.Session.Login(user, password)
}

// cutting is a connection that breaks off.
type cutting struct {
	net.Conn
	left  *atomic.Int64
	hangs bool
	once  sync.Once
	over  chan struct{}
}

func (c *cutting) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	switch {
	case c.left.Add(-int64(n)) > 0:
	case c.hangs:
		<-c.over
	default:
		c.Conn.Close()
	}
	return n, err
}

func (c *cutting) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil { // the client went away
		c.once.Do(func() { close(c.over) })
	}
	return n, err
}

type cuttingListener struct {
	net.Listener
	p *provider
}

func (l *cuttingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.p.opened.Add(1)
	if n := l.p.cut.Load(); n > 0 {
		left := new(atomic.Int64)
		left.Store(n)
		return &cutting{Conn: c, left: left, hangs: l.p.hangs.Load(), over: make(chan struct{})}, nil
	}
	return c, nil
}

// newProvider starts a server and has w trust it.
func newProvider(t *testing.T) (*world, *provider) {
	t.Helper()
	cert, pool := certstest.New(t, "localhost")
	p := &provider{T: t, user: imapmemserver.NewUser("anna", "secret")}
	memory := imapmemserver.New()
	memory.AddUser(p.user)
	server := imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return &session{memory.NewSession(), p}, nil, nil
		},
		Caps:      imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapListExtended: {}, imap.CapListStatus: {}, imap.CapStatusSize: {}},
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}, Logger: log.New(io.Discard, "", 0),
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.port = l.Addr().(*net.TCPAddr).Port
	var wait sync.WaitGroup
	wait.Go(func() {
		_ = server.Serve(tls.NewListener(&cuttingListener{l, p}, &tls.Config{Certificates: []tls.Certificate{cert}})) // until it is closed
	})
	w := newWorldWith(t, func(w *world) { w.roots = pool })
	t.Cleanup(func() {
		server.Close()
		wait.Wait()
	})
	return w, p
}

// put puts messages into a mailbox elsewhere.
func (p *provider) put(mailbox string, n int, flags ...imap.Flag) {
	p.Helper()
	_ = p.user.Create(mailbox, nil) // it may be there
	for i := range n {
		p.made++
		text := []byte(fmt.Sprintf("From: bo@far.example\r\nSubject: %s\r\nMessage-ID: <%d@far.example>\r\n\r\n%s\r\n", mailbox, p.made, strings.Repeat("x", i*50)))
		if _, err := p.user.Append(mailbox, literal{bytes.NewReader(text)}, &imap.AppendOptions{Flags: flags, Time: when.Add(time.Duration(i) * time.Minute)}); err != nil {
			p.Fatal(err)
		}
	}
}

type literal struct{ *bytes.Reader }

func (l literal) Size() int64 { return l.Reader.Size() }

func (p *provider) request(more string) string {
	return fmt.Sprintf(`{"host":"localhost","port":%d,"user":"anna","password":"secret"%s}`, p.port, more)
}

// mailboxes counts the messages of each mailbox of an account.
func (w *world) mailboxes(a store.AccountID) map[string]int {
	w.Helper()
	all, err := w.store.Mailboxes(w.Context(), a)
	if err != nil {
		w.Fatal(err)
	}
	count := map[string]int{}
	for i := range all {
		if all[i].Messages > 0 {
			count[all[i].Name] = int(all[i].Messages)
		}
	}
	return count
}

func TestFetch(t *testing.T) {
	w, p := newProvider(t)
	p.put("INBOX", 130, imap.FlagSeen)
	p.put("Sent Items", 3, imap.FlagAnswered, "$Forwarded")
	p.put("Work/2026", 2, imap.FlagFlagged)
	j := w.ended("anna", w.begun("anna", "/api/import/imap", p.request("")))
	if j.State != store.JobDone || j.Progress.Imported != 135 || j.Progress.Messages != 135 || j.Progress.MessagesTotal != 135 || j.Progress.Mailboxes != 3 ||
		j.Progress.Octets != j.Progress.OctetsTotal || j.Progress.Octets == 0 {
		t.Fatalf("the job ended as %+v, %+v", j, j.Refusal)
	}
	if got := w.mailboxes(w.anna.ID); fmt.Sprint(got) != "map[INBOX:130 Sent:3 Work/2026:2]" {
		t.Errorf("anna has %v", got)
	}
	got := w.holds(w.anna.ID)
	for _, want := range []string{`Sent [$Forwarded \Answered] 2026-11-02 10:31:05 From: bo@far.example`, `Work/2026 [\Flagged] 2026-11-02 10:30:05`, `INBOX [\Seen] 2026-11-02 12:39:05`} {
		if !slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, want) }) {
			t.Errorf("there is no %q", want)
		}
	}
	// Again: only what came since.
	p.put("INBOX", 1)
	j = w.ended("anna", w.begun("anna", "/api/import/imap", p.request("")))
	if j.State != store.JobDone || j.Progress.Imported != 1 || j.Progress.Skipped != 135 || j.Progress.Messages != 136 {
		t.Errorf("the second job ended as %+v", j)
	}
	// Elsewhere: all of it, below a mailbox.
	j = w.ended("anna", w.begun("anna", "/api/import/imap", p.request(`,"into":"Old"`)))
	if got := w.mailboxes(w.anna.ID); j.Progress.Imported != 136 || fmt.Sprint(got) != "map[INBOX:131 Old:131 Old/Sent Items:3 Old/Work/2026:2 Sent:3 Work/2026:2]" {
		t.Errorf("anna has %v", got)
	}
}

// TestFetchOverBrokenConnections loses the connection again and again, in the midst of messages too; all comes, and once.
func TestFetchOverBrokenConnections(t *testing.T) {
	w, p := newProvider(t)
	p.put("INBOX", 250)
	p.put("Work", 20)
	p.cut.Store(300_000)
	j := w.ended("anna", w.begun("anna", "/api/import/imap", p.request("")))
	if j.State != store.JobDone || p.opened.Load() < 5 || j.Progress.Messages != 270 || j.Progress.Imported != 270 || len(j.Failures) != 0 {
		t.Errorf("after %d connections the job ended as %+v, %+v", p.opened.Load(), j, j.Refusal)
	}
	if got := w.mailboxes(w.anna.ID); fmt.Sprint(got) != "map[INBOX:250 Work:20]" {
		t.Errorf("anna has %v", got)
	}
	// One that never gets anywhere ends with its cause.
	p.cut.Store(1_500)
	p.put("Later", 3)
	if j = w.ended("anna", w.begun("anna", "/api/import/imap", p.request(""))); j.State != store.JobFailed || j.Refusal == nil || j.Refusal.Cause != cause.ProviderIMAPDown {
		t.Errorf("the job ended as %+v, %+v", j, j.Refusal)
	}
}

// TestFetchEndsInTheMidst ends a job while a message comes: because there is no room for it, or because nobody wants it any more.
func TestFetchEndsInTheMidst(t *testing.T) {
	w, p := newProvider(t)
	p.put("INBOX", 200)
	_, err := w.store.UpdateAccount(t.Context(), w.anna.ID, func(a *store.Account) error {
		a.Quota = 100_000
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	j := w.ended("anna", w.begun("anna", "/api/import/imap", p.request("")))
	if j.State != store.JobFailed || j.Refusal == nil || j.Refusal.Cause != cause.QuotaMailboxFull || j.Progress.Imported == 0 {
		t.Errorf("the job ended as %+v, %+v", j, j.Refusal)
	}
	p.cut.Store(100_000)
	p.hangs.Store(true)
	id := w.begun("bo", "/api/import/imap", p.request(""))
	for w.job("bo", id).Progress.Messages == 0 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(10 * time.Millisecond)
	if r, _ := w.do("bo", "DELETE", "/api/jobs/"+id, ""); r.StatusCode != http.StatusNoContent {
		t.Errorf("cancel: %s", r.Status)
	}
	if j := w.job("bo", id); j.State != store.JobCancelled || len(j.Failures) != 0 {
		t.Errorf("the job ended as %+v", j)
	}
}

func TestFetchesThatFail(t *testing.T) {
	w, p := newProvider(t)
	for _, c := range []struct {
		name, body string
		refuse     *imap.Error
		want       cause.ID
	}{
		{"a wrong password", strings.Replace(p.request(""), "secret", "wrong", 1), nil, cause.AuthPasswordWrong},
		{"an app password", p.request(""), &imap.Error{Type: imap.StatusResponseTypeNo, Code: imap.ResponseCodeAlert,
			Text: "Application-specific password required: https://support.google.com/accounts/answer/185833 (Failure)"}, cause.AuthAppPasswordRequired},
		{"nobody there", strings.Replace(p.request(""), fmt.Sprint(p.port), "1", 1), nil, cause.ProviderIMAPDown},
		{"no such name", strings.Replace(p.request(""), "localhost", "nowhere.invalid", 1), nil, cause.DNSHostMisspelt},
		{"another name", strings.Replace(p.request(""), "localhost", "127.0.0.1", 1), nil, cause.TLSNameMismatch},
		{"the wrong security", p.request(`,"tls":"starttls"`), nil, cause.ProviderIMAPDown},
	} {
		t.Run(c.name, func(t *testing.T) {
			p.refuse.Store(c.refuse)
			j := w.ended("anna", w.begun("anna", "/api/import/imap", c.body))
			if j.State != store.JobFailed || j.Refusal == nil || j.Refusal.Cause != c.want || j.Refusal.Action == "" || j.Detail == "" {
				t.Errorf("the job ended as %+v, %+v", j, j.Refusal)
			}
			if strings.Contains(fmt.Sprintf("%+v", j), "secret") {
				t.Error("the password is told")
			}
		})
	}
	for body, want := range map[string]string{
		`{"host":"imap.example.org","user":"a"}`: "client.protocol-error", `{"host":"a b","user":"a","password":"b"}`: "client.wrong-host",
		`{"host":"imap.example.org","user":"a\r\nb","password":"b"}`: "client.protocol-error", `{"host":"x.example","user":"a","password":"b","into":"a*"}`: "mailbox.name-invalid",
	} {
		if r, b := w.do("anna", "POST", "/api/import/imap", body); r.StatusCode != http.StatusBadRequest || !strings.Contains(string(b), want) {
			t.Errorf("%s: %s %s", body, r.Status, b)
		}
	}
}

// TestFetchStaysOutside: who may not is led to no server inside a network, and to no other port.
func TestFetchStaysOutside(t *testing.T) {
	w := newWorldWith(t, func(w *world) { w.public = true })
	for _, host := range []string{"127.0.0.1", "localhost", "::1", "169.254.169.254", "10.0.0.1"} {
		j := w.ended("anna", w.begun("anna", "/api/import/imap", fmt.Sprintf(`{"host":%q,"user":"a","password":"b"}`, host)))
		if j.State != store.JobFailed || j.Refusal == nil || j.Refusal.Cause != cause.ClientWrongHost {
			t.Errorf("%s: %+v, %+v", host, j, j.Refusal)
		}
	}
	if r, b := w.do("anna", "POST", "/api/import/imap", `{"host":"imap.example.org","port":22,"user":"a","password":"b"}`); r.StatusCode != 400 || !strings.Contains(string(b), "client.wrong-port") {
		t.Errorf("another port: %s %s", r.Status, b)
	}
}

// TestFetchOfAllMail takes from a mailbox that shows the messages of all others only what is nowhere else.
func TestFetchOfAllMail(t *testing.T) {
	w := newWorld(t)
	f := &fetcher{s: w.move, job: store.Job{Account: w.anna.ID}}
	w.fill(w.anna.ID, "INBOX", 3)
	if err := f.look(t.Context()); err != nil {
		t.Fatal(err)
	}
	var size int64
	for _, s := range w.holds(w.anna.ID) {
		size = int64(len(s[strings.Index(s, "From:"):]))
	}
	if !f.has("INBOX.1@far.example", size) || f.has("INBOX.1@far.example", size+1) || f.has("INBOX.9@far.example", size) || f.has("", size) {
		t.Error("what is here is not known, or something else is taken for it")
	}
}

func TestLocalNames(t *testing.T) {
	for _, c := range []struct {
		name  string
		delim rune
		attrs []imap.MailboxAttr
		want  string
		role  store.Role
		ok    bool
	}{
		{"inbox", '/', nil, "INBOX", store.RoleNone, true},
		{"INBOX.Arbete.2026", '.', nil, "Arbete/2026", store.RoleNone, true},
		{"A/B.C", '.', nil, "A-B/C", store.RoleNone, true},
		{"[Gmail]/Skickat", '/', []imap.MailboxAttr{"\\HasNoChildren", imap.MailboxAttrSent}, "Skickat", store.RoleSent, true},
		{"[Gmail]", '/', []imap.MailboxAttr{imap.MailboxAttrNoSelect}, "", store.RoleNone, false},
		{"[Gmail]/Stjärnmärkt", '/', []imap.MailboxAttr{imap.MailboxAttrFlagged}, "", store.RoleNone, false},
		{"[Gmail]/Alla mail", '/', []imap.MailboxAttr{imap.MailboxAttrAll}, "Alla mail", store.RoleArchive, true},
		{"Papperskorgen", '/', nil, "Papperskorgen", store.RoleTrash, true},
		{"Work/Sent", '/', nil, "Work/Sent", store.RoleNone, true},
		{"flat/name", 0, nil, "flat-name", store.RoleNone, true},
	} {
		b, ok := (&fetcher{}).farBox(&imap.ListData{Mailbox: c.name, Delim: c.delim, Attrs: c.attrs})
		if ok != c.ok || ok && (b.target != c.want || b.role != c.role) {
			t.Errorf("%s becomes %+v, %v", c.name, b, ok)
		}
	}
}

func TestSettings(t *testing.T) {
	w := newWorld(t)
	if r, b := w.do("anna", "GET", "/api/import/imap/settings?address=nobody", ""); r.StatusCode != http.StatusBadRequest {
		t.Errorf("no address: %s %s", r.Status, b)
	}
	for range maxAtOnce {
		w.move.lookups.begin(w.anna.ID)
	}
	if r, b := w.do("anna", "GET", "/api/import/imap/settings?address=nobody", ""); r.StatusCode != http.StatusTooManyRequests {
		t.Errorf("too many at once: %s %s", r.Status, b)
	}
	if r, _ := w.do("bo", "GET", "/api/import/imap/settings?address=nobody", ""); r.StatusCode != http.StatusBadRequest {
		t.Errorf("another account: %s", r.Status)
	}
	got := told(&settings.Result{Address: "bo@far.example", Provider: &settings.Provider{Name: "Far", AppPasswordURL: "https://far.example/p"}, Chosen: []settings.Choice{
		{Server: settings.Server{Protocol: settings.IMAP, Host: "imap.far.example", Port: 143, Security: settings.STARTTLS}},
	}})
	if want := (Settings{Found: true, Host: "imap.far.example", Port: 143, TLS: "starttls", User: "bo@far.example", Provider: "Far", AppPasswordURL: "https://far.example/p"}); got != want {
		t.Errorf("told %+v", got)
	}
	if got := told(&settings.Result{}); got.Found {
		t.Errorf("nothing found: %+v", got)
	}
}
