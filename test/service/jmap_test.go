package service

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/postiljon/postiljon/test/harness"
)

// TestJMAPFollows has a program that asks for changes alone while mail comes by SMTP, is flagged, moved and expunged by IMAP and
// written and filed by JMAP: afterwards it has what a program has that reads everything.
func TestJMAPFollows(t *testing.T) {
	s := harness.Start(t, harness.Options{Accounts: 2})
	anna := &jmapClient{t: t, service: s, account: s.Accounts[0], web: &http.Client{Transport: &http.Transport{TLSClientConfig: s.TLS}, Timeout: 20 * time.Second}}
	defer anna.web.CloseIdleConnections()
	anna.begin()
	var work, follow sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		f := anna.another()
		follow.Go(func() {
			defer f.compare()
			for {
				select {
				case <-stop:
					return
				default:
					f.follow()
				}
			}
		})
	}
	for _, do := range []func() error{
		func() error { return comes(s) }, func() error { return changesByIMAP(s, 1) }, func() error { return changesByIMAP(s, 2) },
	} {
		work.Go(func() {
			if err := do(); err != nil {
				t.Error(err)
			}
		})
	}
	work.Go(func() {
		for n := range 30 {
			anna.ask("Email/set", fmt.Sprintf(`"update":{"M%d":{"keywords/$flagged":true},"M%d":{"mailboxIds/F4":true}}`, 1+n, 2+2*n))
			anna.ask("Email/set", fmt.Sprintf(`"create":{"d":{"mailboxIds":{"F2":true},"keywords":{"$draft":true},"subject":"draft %d"}},"destroy":["M%d"]`, n, 5+3*n))
		}
	})
	work.Wait()
	close(stop)
	follow.Wait()
}

// comes lets messages come from elsewhere and from here.
func comes(s *harness.Service) error {
	c, err := harness.DialSMTP(s.SMTP)
	if err != nil {
		return err
	}
	defer c.Close()
	for n := range 60 {
		text := fmt.Sprintf("From: x@sender.test\r\nTo: %s\r\nSubject: letter %d\r\nMessage-ID: <%d@sender.test>\r\nReferences: <%d@sender.test>\r\n\r\nHej.\r\n", s.Accounts[0].Address, n, n, n%7)
		if err := c.Send("x@sender.test", []string{s.Accounts[0].Address}, text); err != nil {
			return fmt.Errorf("letter %d: %w", n, err)
		}
	}
	return nil
}

// changesByIMAP does what programs do to messages.
func changesByIMAP(s *harness.Service, seed uint64) error {
	c, err := s.DialIMAP(s.Accounts[0])
	if err != nil {
		return err
	}
	defer c.Close()
	r := rand.New(rand.NewPCG(seed, 3))
	for range 120 {
		box := []string{"INBOX", "Archive", "Drafts"}[r.IntN(3)]
		if _, err := c.Command("SELECT " + box); err != nil {
			return err
		}
		u := 1 + r.IntN(30)
		command := []string{
			fmt.Sprintf(`UID STORE %d:%d +FLAGS (\Seen)`, u, u+3), fmt.Sprintf(`UID STORE %d -FLAGS (\Seen)`, u), fmt.Sprintf(`UID STORE %d +FLAGS (\Deleted)`, u),
			fmt.Sprintf(`UID STORE %d -FLAGS (\Deleted)`, u), "EXPUNGE", fmt.Sprintf("UID MOVE %d Archive", u), fmt.Sprintf("UID COPY %d Archive", u),
			fmt.Sprintf("UID MOVE %d INBOX", u),
		}[r.IntN(8)]
		if _, err := c.Command(command); err != nil {
			return fmt.Errorf("%s in %s: %w", command, box, err)
		}
	}
	return nil
}

// jmapClient is a program that keeps emails, mailboxes and two lists.
type jmapClient struct {
	t       *testing.T
	service *harness.Service
	account harness.Account
	web     *http.Client
	id      string // of the account

	objects map[string]map[string]string // by type and id, as JSON
	states  map[string]string
	lists   [][]string
	listed  []string
}

var kept = map[string]string{"Email": `["threadId","mailboxIds","keywords"]`, "Thread": "null", "Mailbox": `["name","totalEmails","unreadEmails","totalThreads","unreadThreads"]`}

var queries = []string{
	`"filter":{"inMailbox":"F1"},"sort":[{"property":"receivedAt","isAscending":false}],"collapseThreads":true`,
	`"filter":{"notKeyword":"$seen"},"sort":[{"property":"subject"}]`,
}

type answer map[string]json.RawMessage

// ask makes one call.
func (c *jmapClient) ask(method, args string) (a answer) {
	body := fmt.Sprintf(`{"using":["urn:ietf:params:jmap:core","urn:ietf:params:jmap:mail"],"methodCalls":[[%q,{"accountId":%q,%s},"0"]]}`, method, c.id, args)
	text := c.post("POST", "/jmap/api", body)
	var response struct{ MethodResponses [][]json.RawMessage }
	if err := json.Unmarshal(text, &response); err != nil || len(response.MethodResponses) != 1 {
		c.t.Fatalf("%s: %s", body, text)
	}
	r := response.MethodResponses[0]
	if err := json.Unmarshal(r[1], &a); err != nil || string(r[0]) != fmt.Sprintf("%q", method) {
		c.t.Fatalf("%s: %s", body, text)
	}
	return a
}

func (c *jmapClient) post(method, path, body string) []byte {
	r, err := http.NewRequestWithContext(c.t.Context(), method, "https://"+c.service.HTTPS+path, bytes.NewReader([]byte(body)))
	if err != nil {
		c.t.Fatal(err)
	}
	r.SetBasicAuth(c.account.Address, c.account.Password)
	r.Header.Set("Content-Type", "application/json")
	got, err := c.web.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil || got.StatusCode != http.StatusOK {
		c.t.Fatal(got.Status, err, string(text))
	}
	return text
}

// read reads a member of an answer.
func read[T any](c *jmapClient, a answer, name string) (v T) {
	if err := json.Unmarshal(a[name], &v); err != nil {
		c.t.Fatalf("%s: %v: %s", name, err, a[name])
	}
	return v
}

func (c *jmapClient) begin() {
	var session struct{ PrimaryAccounts map[string]string }
	if err := json.Unmarshal(c.post("GET", "/jmap/session", ""), &session); err != nil {
		c.t.Fatal(err)
	}
	c.id = session.PrimaryAccounts["urn:ietf:params:jmap:mail"]
}

// another is one more program, that has read everything.
func (c *jmapClient) another() *jmapClient {
	f := *c
	f.everything()
	return &f
}

func (c *jmapClient) everything() {
	c.objects, c.states, c.lists, c.listed = map[string]map[string]string{}, map[string]string{}, nil, nil
	for kind := range kept {
		c.objects[kind] = map[string]string{}
		c.states[kind] = c.get(kind, "null")
	}
	for _, q := range queries {
		a := c.ask("Email/query", q)
		c.lists, c.listed = append(c.lists, read[[]string](c, a, "ids")), append(c.listed, read[string](c, a, "queryState"))
	}
}

func (c *jmapClient) get(kind, ids string) string {
	a := c.ask(kind+"/get", fmt.Sprintf(`"ids":%s,"properties":%s`, ids, kept[kind]))
	for _, o := range read[[]json.RawMessage](c, a, "list") {
		var named struct{ ID string }
		if err := json.Unmarshal(o, &named); err != nil {
			c.t.Fatal(err)
		}
		c.objects[kind][named.ID] = string(o)
	}
	return read[string](c, a, "state")
}

// follow asks for what changed, at most three things at a time.
func (c *jmapClient) follow() {
	for kind := range kept {
		for more := true; more; {
			a := c.ask(kind+"/changes", fmt.Sprintf(`"sinceState":%q,"maxChanges":3`, c.states[kind]))
			for _, id := range read[[]string](c, a, "destroyed") {
				delete(c.objects[kind], id)
			}
			if ids := append(read[[]string](c, a, "created"), read[[]string](c, a, "updated")...); len(ids) > 0 {
				text, err := json.Marshal(ids)
				if err != nil {
					c.t.Fatal(err)
				}
				c.get(kind, string(text))
			}
			c.states[kind], more = read[string](c, a, "newState"), read[bool](c, a, "hasMoreChanges")
		}
	}
	for i, q := range queries {
		a := c.ask("Email/queryChanges", fmt.Sprintf(`%s,"sinceQueryState":%q`, q, c.listed[i]))
		gone := read[[]string](c, a, "removed")
		c.lists[i] = slices.DeleteFunc(c.lists[i], func(id string) bool { return slices.Contains(gone, id) })
		for _, one := range read[[]struct {
			ID    string
			Index int
		}](c, a, "added") {
			c.lists[i] = slices.Insert(c.lists[i], one.Index, one.ID)
		}
		c.listed[i] = read[string](c, a, "newQueryState")
	}
}

// compare holds what the program has against what is there, once all is quiet.
func (c *jmapClient) compare() {
	c.follow()
	all := c.another()
	for kind := range kept {
		if !maps.Equal(all.objects[kind], c.objects[kind]) {
			c.t.Errorf("%s: a program that follows has\n%v, there are\n%v", kind, c.objects[kind], all.objects[kind])
		}
	}
	for i, q := range queries {
		if !slices.Equal(all.lists[i], c.lists[i]) {
			c.t.Errorf("%s: a program that follows has\n%v, there are\n%v", q, c.lists[i], all.lists[i])
		}
	}
	if len(all.objects["Email"]) < 20 {
		c.t.Errorf("only %d emails are left", len(all.objects["Email"]))
	}
}
