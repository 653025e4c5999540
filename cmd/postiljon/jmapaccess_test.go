package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/postiljon/postiljon/internal/config"
	"github.com/postiljon/postiljon/internal/control"
)

// TestJMAPAccess holds what JMAPACCESS promises (RFC 9698 section 3): who finds JMAP by IMAP can sign in there with the same password,
// and finds every mailbox, message and conversation under the id that IMAP gives it.
func TestJMAPAccess(t *testing.T) {
	h := hostAccount(t)
	u := h.signIn("imaps", hostedPassword)
	url := first(t, u.all(`a GETJMAPACCESS`), `^\* JMAPACCESS "(.*)"$`)
	if url != h.config.BaseURL()+"/.well-known/jmap" {
		t.Fatalf("JMAP is said to be at %q", url)
	}
	u.all(`a CREATE Kvitton`)
	for i, field := range []string{"Message-ID: <1@example.org>", "Message-ID: <2@example.org>\r\nIn-Reply-To: <1@example.org>", "Message-ID: <3@example.org>"} {
		text := fmt.Sprintf("Subject: hej\r\n%s\r\nX-Number: %d\r\n\r\nhej\r\n", field, i+1)
		u.all(fmt.Sprintf("a APPEND %s {%d+}\r\n%s", []string{"INBOX", "INBOX", "Kvitton"}[i], len(text), text))
	}
	mailboxes, emails := map[string]string{}, map[string]string{} // names and threads
	for _, line := range u.all(`a LIST "" * RETURN (STATUS (MAILBOXID))`) {
		if m := regexp.MustCompile(`^\* STATUS (\S+) \(MAILBOXID \((\S+)\)\)$`).FindStringSubmatch(line); m != nil {
			mailboxes[m[2]] = strings.Trim(m[1], `"`)
		}
	}
	for _, name := range []string{"INBOX", "Kvitton"} {
		u.all(`a SELECT ` + name)
		for _, line := range u.all(`a FETCH 1:* (EMAILID THREADID)`) {
			if m := regexp.MustCompile(`EMAILID \(([^)]+)\) THREADID \(([^)]+)\)`).FindStringSubmatch(line); m != nil {
				emails[m[1]] = m[2]
			}
		}
	}
	if len(mailboxes) < 3 || len(emails) != 3 {
		t.Fatalf("IMAP has mailboxes %v and messages %v", mailboxes, emails)
	}

	var answer struct {
		MethodResponses [][3]json.RawMessage `json:"methodResponses"`
	}
	h.jmapAsks(t, url, `{"using":["urn:ietf:params:jmap:core","urn:ietf:params:jmap:mail"],"methodCalls":[`+
		`["Mailbox/get",{"accountId":"ACCOUNT","properties":["name"]},"0"],["Email/query",{"accountId":"ACCOUNT"},"1"],`+
		`["Email/get",{"accountId":"ACCOUNT","properties":["threadId"],"#ids":{"resultOf":"1","name":"Email/query","path":"/ids"}},"2"]]}`, &answer)
	var boxes, mail struct {
		List []struct{ ID, Name, ThreadID string }
	}
	if len(answer.MethodResponses) != 3 || json.Unmarshal(answer.MethodResponses[0][1], &boxes) != nil || json.Unmarshal(answer.MethodResponses[2][1], &mail) != nil {
		t.Fatalf("%s", answer.MethodResponses)
	}
	for _, m := range boxes.List {
		if name, ok := mailboxes[m.ID]; !ok || !strings.EqualFold(name, m.Name) {
			t.Errorf("JMAP has the mailbox %s %q, which to IMAP is %q", m.ID, m.Name, name)
		}
		delete(mailboxes, m.ID)
	}
	for _, m := range mail.List {
		if emails[m.ID] != m.ThreadID {
			t.Errorf("JMAP has %s in %s, IMAP in %q", m.ID, m.ThreadID, emails[m.ID])
		}
		delete(emails, m.ID)
	}
	if len(mailboxes) > 0 || len(emails) > 0 {
		t.Errorf("JMAP does not have %v and %v", mailboxes, emails)
	}
}

// TestJMAPAccessIsNotForAll: who could not sign in by JMAP is not sent there.
func TestJMAPAccessIsNotForAll(t *testing.T) {
	h := hostAccount(t)
	app, err := h.AddAppPassword(t.Context(), control.NewAppPassword{Address: hostedAddress, Name: "phone", Protocols: []string{"imap"}})
	if err != nil {
		t.Fatal(err)
	}
	if said := h.signIn("imaps", app.Password).all("a GETJMAPACCESS"); !strings.HasPrefix(said[len(said)-1], "a BAD ") {
		t.Errorf("a password for IMAP alone: %q", said)
	}
	if _, err := h.ChangeAccount(t.Context(), control.ChangeAccount{Address: hostedAddress, Protocols: &[]string{"imap"}}); err != nil {
		t.Fatal(err)
	}
	u := h.signIn("imaps", hostedPassword)
	if said := strings.Join(u.all("a CAPABILITY"), " "); strings.Contains(said, "JMAPACCESS") {
		t.Errorf("an account for IMAP alone: %s", said)
	}
	s := &service{config: config.Config{Hostname: "mail.example.org"}}
	if url := s.jmapURL(); url != "" {
		t.Errorf("where the web does not listen JMAP is at %q", url)
	}
}

// all says a command with the tag a and returns the lines of the answer.
func (u user) all(line string) (lines []string) {
	u.Helper()
	if _, err := fmt.Fprint(u.w, line+"\r\n"); err != nil {
		u.Fatal(err)
	}
	for {
		answer, err := u.r.ReadString('\n')
		if err != nil {
			u.Fatalf("%q, %v", answer, err)
		}
		lines = append(lines, strings.TrimSuffix(answer, "\r\n"))
		if strings.HasPrefix(answer, "a ") {
			return lines
		}
	}
}

// first is what the pattern finds in the first line that it matches.
func first(t *testing.T, lines []string, pattern string) string {
	t.Helper()
	for _, line := range lines {
		if m := regexp.MustCompile(pattern).FindStringSubmatch(line); m != nil {
			return m[1]
		}
	}
	t.Fatalf("%s is not in %q", pattern, lines)
	return ""
}

// jmapAsks finds JMAP at a URL and makes a request, in which ACCOUNT is the account's id.
func (h *hostedAccount) jmapAsks(t *testing.T, url, body string, into any) {
	t.Helper()
	ask := func(method, url, body string, into any) {
		r := httptest.NewRequest(method, url, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.SetBasicAuth(hostedAddress, hostedPassword)
		w := httptest.NewRecorder()
		h.web.Handler().ServeHTTP(w, r)
		if err := json.Unmarshal(w.Body.Bytes(), into); w.Code != http.StatusOK || err != nil {
			t.Fatalf("%s %s: %d %s", method, url, w.Code, w.Body)
		}
	}
	var session struct {
		APIURL          string
		PrimaryAccounts map[string]string
	}
	ask(http.MethodGet, url, "", &session)
	ask(http.MethodPost, session.APIURL, strings.ReplaceAll(body, "ACCOUNT", session.PrimaryAccounts["urn:ietf:params:jmap:mail"]), into)
}
