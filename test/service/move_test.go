package service

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/test/harness"
)

// job is what the program tells of an import.
type job struct {
	ID, State string
	Progress  struct{ Messages, Imported, Skipped, Failed int }
	Refusal   *struct{ Cause, Title string }
	Failures  []struct{ Where, Why string }
}

// as makes requests as another account.
func (c *webClient) as(a harness.Account) *webClient {
	other := *c
	other.account = a
	return &other
}

// begin starts an import.
func (c *webClient) begin(path, body string) (j job) {
	c.Helper()
	r, err := c.do("POST", path, strings.NewReader(body), int64(len(body)), "Content-Type", "application/json")
	if err != nil {
		c.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusAccepted || json.Unmarshal(text, &j) != nil {
		c.Fatalf("%s: %s, %v", r.Status, text, err)
	}
	return j
}

// job asks how an import is.
func (c *webClient) job(id string) (j job) {
	c.Helper()
	r, err := c.do("GET", "/api/jobs/"+id, nil, 0)
	if err != nil {
		c.Fatal(err)
	}
	defer r.Body.Close()
	if err := json.NewDecoder(r.Body).Decode(&j); err != nil {
		c.Fatal(err)
	}
	return j
}

// ended waits for the end of an import.
func (c *webClient) ended(id string) job {
	c.Helper()
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		if j := c.job(id); j.State != "running" {
			return j
		}
	}
	c.Fatal("the import does not end")
	return job{}
}

// bring uploads a file and returns its id.
func (c *webClient) bring(name string, content []byte) string {
	c.Helper()
	r, err := c.do("POST", "/files/", bytes.NewReader(content), int64(len(content)), "Upload-Length", strconv.Itoa(len(content)), "Content-Type", "application/offset+octet-stream")
	if err != nil || r.StatusCode != http.StatusCreated {
		c.Fatalf("%s: %v, %v", name, r, err)
	}
	r.Body.Close()
	return strings.TrimPrefix(r.Header.Get("Location"), "/files/")
}

// mail fetches all mail of an account as one mbox for each mailbox, by its name.
func (c *webClient) mail() map[string]string {
	c.Helper()
	r, err := c.do("GET", "/api/export?format=mbox", nil, 0)
	if err != nil {
		c.Fatal(err)
	}
	defer r.Body.Close()
	content, err := io.ReadAll(r.Body)
	if err != nil {
		c.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		c.Fatal(err)
	}
	all := map[string]string{}
	for _, f := range z.File {
		one, err := f.Open()
		if err != nil {
			c.Fatal(err)
		}
		text, err := io.ReadAll(one)
		if err != nil {
			c.Fatal(err)
		}
		messages := strings.Split(string(text), "From MAILER-DAEMON")
		slices.Sort(messages)
		all[f.Name] = strings.Join(messages, "From MAILER-DAEMON")
		one.Close()
	}
	return all
}

// TestMailMoves takes mail from one account to another: out of the program's own IMAP into an account with POST /api/import/imap,
// out with GET /api/export, and in with POST /api/import, in whose midst the program dies.
func TestMailMoves(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{Accounts: 3})
	m, err := s.DialIMAP(s.Accounts[0])
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for _, command := range []string{"CREATE Arbete/2026", "CREATE R&AOU-d"} {
		if _, err := m.Command(command); err != nil {
			t.Fatal(err)
		}
	}
	for i, mailbox := range []string{"INBOX", "INBOX", "Sent", "Arbete/2026", "R&AOU-d"} {
		text := fmt.Sprintf("From: bo@far.example\r\nSubject: %d\r\nMessage-ID: <%d@far.example>\r\n\r\n%s\r\nFrom here on\r\n", i, i, strings.Repeat("hej ", i*1000))
		if _, err := m.Append(mailbox, text); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := m.Command("SELECT INBOX"); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Command(`STORE 1 FLAGS (\Seen \Flagged $Forwarded)`); err != nil {
		t.Fatal(err)
	}

	first := newWebClient(t, s)
	second, third := first.as(s.Accounts[1]), first.as(s.Accounts[2])
	_, port, err := net.SplitHostPort(s.IMAPS)
	if err != nil {
		t.Fatal(err)
	}
	request := fmt.Sprintf(`{"host":"localhost","port":%s,"user":%q,"password":%q}`, port, s.Accounts[0].Address, s.Accounts[0].Password)
	if j := second.ended(second.begin("/api/import/imap", request).ID); j.State != "done" || j.Progress.Imported != 5 || j.Progress.Failed != 0 {
		t.Fatalf("fetched: %+v, %+v", j, j.Refusal)
	}
	want := first.mail()
	with := 0 // mailboxes with mail; those without come along, too
	for _, text := range want {
		if text != "" {
			with++
		}
	}
	if got := second.mail(); fmt.Sprint(got) != fmt.Sprint(want) || with != 4 || len(want) <= with {
		t.Errorf("the second account has %v, the first %v", got, want)
	}
	wrong := strings.Replace(request, s.Accounts[0].Password, "not-this", 1)
	if j := second.ended(second.begin("/api/import/imap", wrong).ID); j.State != "failed" || j.Refusal == nil || j.Refusal.Cause != "auth.password-wrong" {
		t.Errorf("a wrong password: %+v, %+v", j, j.Refusal)
	}
	third.killedInTheMidst()
}

// killedInTheMidst imports an mbox while the program dies, and looks that all came once.
func (c *webClient) killedInTheMidst() {
	c.Helper()
	const n = 3000
	var mbox bytes.Buffer
	for i := range n {
		fmt.Fprintf(&mbox, "From x Mon Nov  2 10:30:05 2026\nSubject: %d\nMessage-ID: <m%d@far.example>\n\nhej\n\n", i, i)
	}
	id := c.begin("/api/import", fmt.Sprintf(`{"file":%q,"into":"Old"}`, c.bring("old.mbox", mbox.Bytes()))).ID
	for c.job(id).Progress.Imported < 100 {
		time.Sleep(time.Millisecond)
	}
	c.s.Kill()
	c.s.Run()
	c = newWebClient(c.T, c.s).as(c.account)
	if j := c.ended(id); j.State != "done" || j.Progress.Imported+j.Progress.Skipped != n {
		c.Errorf("imported: %+v, %+v", j, j.Refusal)
	}
	mail := c.mail()["Old.mbox"]
	if got := strings.Count(mail, "\nMessage-ID: <m"); got != n {
		c.Errorf("%d messages came of %d", got, n)
	}
	if out, err := c.s.Command("verify"); err != nil || !strings.Contains(out, "Everything agrees") {
		c.Errorf("verify: %s, %v", out, err)
	}
}
