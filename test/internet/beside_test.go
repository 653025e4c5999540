package internet

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/control"
	"github.com/postiljon/postiljon/internal/doctor"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/probe"
	"github.com/postiljon/postiljon/internal/lab/peer"
	"github.com/postiljon/postiljon/internal/settings"
)

// provider is another provider: accounts there are fetched from, and it relays for own.example.
type provider struct {
	imap, relay *peer.Server
	ports       map[*peer.Server]int
}

// begin starts the servers of the provider, with a certificate.
func (p *provider) begin(t *testing.T, cert tls.Certificate) {
	t.Helper()
	mail := peer.NewMail("provider.example")
	mail.Add("own@provider.example", password)
	relay := peer.NewSMTP("mail.provider.example", mail, true)
	relay.Configure(func(o *peer.SMTPOptions) { o.AnyFrom = true })
	p.imap, p.relay, p.ports = peer.NewIMAP("mail.provider.example", mail).Server, relay.Server, map[*peer.Server]int{}
	for _, one := range []*peer.Server{p.imap, p.relay} {
		l, err := net.Listen("tcp", farAddress+":0")
		if err != nil {
			t.Fatal(err)
		}
		p.ports[one] = l.Addr().(*net.TCPAddr).Port
		one.SetTLS(&tls.Config{Certificates: []tls.Certificate{cert}})
		one.Serve(l, true)
		t.Cleanup(func() { one.Close() })
	}
}

// relayConfig hands the mail for a domain to the provider.
func (p *provider) relayConfig(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "relay-password")
	if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("[relays.provider]\nto = [\"relayed.example\"]\nhost = \"mail.provider.example\"\nport = %d\ntls = \"tls\"\nuser = \"own@provider.example\"\npassword_file = %q\n", p.ports[p.relay], file)
}

// relayChecks has the relay that we signed in to ask a block list about us.
func relayChecks(t *testing.T, w *world, id cause.ID) {
	defer w.provider.relay.On("RCPT", peer.Reply("554 5.7.1 Service unavailable; Client host ["+ownAddress+"] blocked using bl.example")).Remove()
	w.told(t, w.submit(t, "anna@own.example", "kari@relayed.example"), id)
}

// fetchedTooMuch has mail fetched from a provider where the account has moved more than it may.
func fetchedTooMuch(t *testing.T, w *world, id cause.ID) {
	defer w.provider.imap.On("SIGN-IN", peer.Reply("NO [ALERT] Account exceeded command or bandwidth limits. (Failure)")).Remove()
	var begun struct{ ID string }
	body := fmt.Sprintf(`{"host":"mail.provider.example","port":%d,"tls":"tls","user":"own@provider.example","password":%q,"into":""}`, w.provider.ports[w.provider.imap], password)
	w.asks(t, "anna@own.example", "POST", "/api/import/imap", body, cause.English, &begun)
	for _, lang := range languages {
		var job struct {
			State   string
			Refusal *struct {
				Cause       cause.ID
				Title, Text string
			}
		}
		for end := time.Now().Add(20 * time.Second); job.State != "failed" && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			w.asks(t, "anna@own.example", "GET", "/api/jobs/"+begun.ID, "", lang, &job)
		}
		if want := w.catalogue.Why(id, lang); job.Refusal == nil || job.Refusal.Cause != id || job.Refusal.Title != want.Title {
			t.Errorf("in %s it ended %s with %+v", lang, job.State, job.Refusal)
		}
	}
}

// asks has an account ask the web in a language.
func (w *world) asks(t *testing.T, account, method, path, body string, lang cause.Lang, v any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "https://"+w.at["https"]+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(account, password)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept-Language", string(lang))
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: w.tls, DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode >= 300 {
		t.Fatal(err, answer.Status, string(text))
	}
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatal(err, string(text))
	}
}

// copyRefused sends from an account that is full, and saves the copy as programs do.
func copyRefused(t *testing.T, w *world, id cause.ID) {
	const copying = "copy@own.example"
	w.account(copying, "sv")
	quota := int64(10)
	if _, err := w.client.ChangeAccount(t.Context(), control.ChangeAccount{Address: copying, Quota: &quota}); err != nil {
		t.Fatal(err)
	}
	saves := func() string {
		return w.imapSays(t, copying, "b APPEND Sent {3000}", "b ")
	}
	if got := saves(); !strings.Contains(got, "[OVERQUOTA]") || strings.Contains(got, w.catalogue.IMAP(cause.Wait(id, time.Time{})).Text) {
		t.Errorf("before anything was sent: %q", got)
	}
	w.submit(t, copying, "bo@far.example")
	if got, want := saves(), w.catalogue.IMAP(cause.Wait(id, time.Time{})).Text; !strings.Contains(got, "[OVERQUOTA]") || !strings.Contains(got, want) {
		t.Errorf("answered %q, want %q", got, want)
	}
}

// imapSays is what a command of an account is answered, from its tag on.
func (w *world) imapSays(t *testing.T, account, command, tag string) string {
	t.Helper()
	c := w.from(t, ownAddress, "imaps")
	r := bufio.NewReader(c)
	io.WriteString(c, "a LOGIN "+account+" "+password+"\r\n"+command+"\r\n")
	for {
		got, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(got, tag) || strings.HasPrefix(got, "+") {
			return got
		}
	}
}

// A mail program is none of the service's: what it shows comes to the doctor as a file, and the rest he looks at here, on the wire.

// onlyDraft has a message that lies in Drafts.
func onlyDraft(t *testing.T, w *world, id cause.ID) {
	text := strings.ReplaceAll(letter("anna@own.example", "per@far.example"), "To: <", "To: Per <")
	c := w.from(t, ownAddress, "imaps")
	r := bufio.NewReader(c)
	fmt.Fprintf(c, "a LOGIN anna@own.example %s\r\nb APPEND Drafts (\\Draft) {%d+}\r\n%s\r\n", password, len(text), text)
	for got := ""; !strings.HasPrefix(got, "b OK"); {
		var err error
		if got, err = r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	w.diagnosed(t, id, evidence.OneMessage, "per@far.example", nil)
}

// stuck has a message in a program since its line was gone.
func stuck(t *testing.T, w *world, id cause.ID) {
	since := time.Now().Add(-5 * time.Hour)
	w.diagnosed(t, id, evidence.Send, "", &evidence.ClientState{Outbox: []evidence.OutboxMessage{
		{To: []string{"bo@far.example"}, Subject: "Hej", Size: 4000, Since: &since, Tries: 1, LastError: "The network connection was lost."},
	}})
}

// poison has a message in a program that the service refuses each time, in its own words, and others behind it.
func poison(t *testing.T, w *world, id cause.ID) {
	since := time.Now().Add(-5 * time.Hour)
	refused := strings.TrimSpace(w.signedIn(t, "anna@own.example", "MAIL FROM:<anna@own.example>", "RCPT TO:<bo@far.example>", "DATA", "Subject: Hej\n\nHej"))
	if !strings.HasPrefix(refused, "554 5.6.0 ") {
		t.Fatal(refused)
	}
	w.diagnosed(t, id, evidence.Send, "", &evidence.ClientState{Outbox: []evidence.OutboxMessage{
		{To: []string{"bo@far.example"}, Subject: "Hej", Size: 9000, Since: &since, Tries: 6, LastError: refused},
		{To: []string{"bo@far.example"}, Subject: "Lördag", Size: 3000, Since: &since},
	}})
}

// stale has a program suggest an address that nobody reads any more, though its address book has a newer one.
func stale(t *testing.T, w *world, id cause.ID) {
	const old = "kari.lund@own.example"
	w.diagnosed(t, id, evidence.OneMessage, old, &evidence.ClientState{
		Recents: []string{old, "bo@far.example"}, Contacts: []evidence.ClientContact{{Name: "Kari Lund", Addresses: []string{"kari@far.example"}}},
	})
}

// diagnosed has the doctor look at anna's account, at the real service, with what her program shows, and tell a cause in three languages.
func (w *world) diagnosed(t *testing.T, id cause.ID, symptom evidence.Symptom, to string, shows *evidence.ClientState) {
	t.Helper()
	table, err := settings.Load()
	if err != nil {
		t.Fatal(err)
	}
	book, err := dialect.Load(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	d, err := doctor.New(probe.Env{
		Table: table, Book: book, Resolvers: []string{w.resolver}, Roots: w.tls.RootCAs, Step: time.Second,
		Interfaces: func() (evidence.Interfaces, error) {
			return evidence.Interfaces{Up: 1, RoutesKnown: true, Default4: true, Default6: true}, nil
		},
	}, w.catalogue)
	if err != nil {
		t.Fatal(err)
	}
	c := evidence.Complaint{Symptom: symptom, Address: "anna@own.example", Password: password, Recipient: to, Client: shows}
	for service, protocol := range map[string]evidence.Protocol{"imaps": evidence.IMAP, "submissions": evidence.Submission} {
		_, port, _ := net.SplitHostPort(w.at[service])
		n, _ := strconv.Atoi(port)
		c.Given = append(c.Given, evidence.Endpoint{Protocol: protocol, Host: "mx.own.example", Port: n, Security: evidence.TLS, Origin: evidence.Given})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
	defer cancel()
	r, err := d.Diagnose(ctx, doctor.Case{Complaint: c})
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(r.Verdict.Causes, func(found doctor.Cause) bool { return found.ID == id })
	if i < 0 {
		var b bytes.Buffer
		json.NewEncoder(&b).Encode(r.Verdict)
		t.Fatalf("the doctor finds %s", b.String())
	}
	seen := map[string]bool{}
	for _, lang := range languages {
		x := w.catalogue.Explain(r.Verdict.Causes[i].Decision, lang, cause.Holder)
		if seen[x.Text] = true; x.Text == "" || strings.ContainsAny(x.Text, "{}") {
			t.Errorf("in %s: %+v", lang, x)
		}
	}
	if len(seen) != len(languages) {
		t.Errorf("%d texts in %d languages", len(seen), len(languages))
	}
}
