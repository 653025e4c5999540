package service

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/test/harness"
)

// sentLater is a program that hands in messages for later over JMAP and takes some of them back, and what it knows of them.
type sentLater struct {
	t       *testing.T
	service *harness.Service
	account harness.Account
	to      string
	id      string // of the account
	as      string // its identity
	count   int
	at      map[string]time.Time // by Message-ID: when it is to go
	lost    []string             // handed in without an answer
	handed  map[string]string    // acknowledged: the submission
	asked   map[string]bool      // to be taken back; whether it was is not known
	back    map[string]bool      // that is acknowledged, too
}

// errRefused is an answer that says no.
var errRefused = errors.New("refused")

// beginLater makes a program of an account that no limit of messages keeps back.
func beginLater(t *testing.T, s *harness.Service, a harness.Account, to string) *sentLater {
	t.Helper()
	if _, err := s.Command("account", "change", a.Address, "--hourly=1000000", "--recipients=1000000"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Command("domain", "change", strings.SplitN(a.Address, "@", 2)[1], "--hourly=1000000"); err != nil {
		t.Fatal(err)
	}
	l := &sentLater{t: t, service: s, account: a, to: to, at: map[string]time.Time{}, handed: map[string]string{}, asked: map[string]bool{}, back: map[string]bool{}}
	web := l.web()
	defer web.CloseIdleConnections()
	var session struct{ PrimaryAccounts map[string]string }
	if err := l.do(web, http.MethodGet, "/jmap/session", nil, &session); err != nil {
		t.Fatal(err)
	}
	l.id = session.PrimaryAccounts["urn:ietf:params:jmap:mail"]
	var own struct{ List []struct{ ID string } }
	if err := l.ask(web, &own, `["Identity/get",{"accountId":"$"},"0"]`); err != nil || len(own.List) == 0 {
		t.Fatal(err, own)
	}
	l.as = own.List[0].ID
	return l
}

func (l *sentLater) web() *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: l.service.TLS}, Timeout: 20 * time.Second}
}

func (l *sentLater) do(web *http.Client, method, path string, body []byte, v any) error {
	r, err := http.NewRequest(method, "https://"+l.service.HTTPS+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.SetBasicAuth(l.account.Address, l.account.Password)
	r.Header.Set("Content-Type", "application/json")
	answer, err := web.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", answer.Status, text)
	}
	return json.Unmarshal(text, v)
}

// ask makes calls and reads the arguments of the last response.
func (l *sentLater) ask(web *http.Client, v any, calls ...string) error {
	body := `{"using":["urn:ietf:params:jmap:core","urn:ietf:params:jmap:mail","urn:ietf:params:jmap:submission"],"methodCalls":[` + strings.ReplaceAll(strings.Join(calls, ","), `"$"`, `"`+l.id+`"`) + `]}`
	var answer struct{ MethodResponses [][]json.RawMessage }
	if err := l.do(web, http.MethodPost, "/jmap/api", []byte(body), &answer); err != nil {
		return err
	}
	if len(answer.MethodResponses) == 0 {
		return errRefused
	}
	return json.Unmarshal(answer.MethodResponses[len(answer.MethodResponses)-1][1], v)
}

// send hands messages in until the service is gone, first those of which it has no answer.
func (l *sentLater) send(stop chan struct{}) {
	web := l.web()
	defer web.CloseIdleConnections()
	for {
		select {
		case <-stop:
			return
		default:
		}
		if !l.one(web) {
			return
		}
	}
}

// again hands in once more what no answer came for, and more until one was taken back.
func (l *sentLater) again() {
	web := l.web()
	defer web.CloseIdleConnections()
	for n := 0; len(l.lost) > 0 || len(l.back) == 0 && n < 30; n++ {
		if !l.one(web) {
			l.t.Fatal("no answer although nobody was killed")
		}
	}
}

// one hands a message in, and takes back every third.
func (l *sentLater) one(web *http.Client) bool {
	var id string
	if len(l.lost) > 0 {
		id, l.lost = l.lost[0], l.lost[1:]
	} else {
		l.count++
		id = fmt.Sprintf("later.%d@test", l.count)
		l.at[id] = time.Now().Truncate(time.Second).Add(time.Duration(1+rand.IntN(2)) * time.Second)
	}
	var made struct {
		Created    map[string]struct{ ID string }
		NotCreated json.RawMessage
	}
	err := l.ask(web, &made, fmt.Sprintf(`["Email/set",{"accountId":"$","create":{"e":{"mailboxIds":{"F2":true},"messageId":[%q],"from":[{"email":%q}],"to":[{"email":%q}],"subject":"later","textBody":[{"partId":"t"}],"bodyValues":{"t":{"value":"Hej"}}}}},"0"]`, id, l.account.Address, l.to),
		fmt.Sprintf(`["EmailSubmission/set",{"accountId":"$","create":{"s":{"identityId":%q,"emailId":"#e","sendAt":%q,"envelope":{"mailFrom":{"email":%q},"rcptTo":[{"email":%q}]}}}},"1"]`, l.as, l.at[id].UTC().Format(time.RFC3339), l.account.Address, l.to))
	if err != nil {
		l.lost = append(l.lost, id)
		return false
	}
	if l.handed[id] = made.Created["s"].ID; l.handed[id] == "" {
		l.t.Errorf("%s was not taken: %s", id, made.NotCreated)
		return false
	}
	if l.count%3 != 0 {
		return true
	}
	l.asked[id] = true
	var set struct{ Updated map[string]any }
	if l.ask(web, &set, fmt.Sprintf(`["EmailSubmission/set",{"accountId":"$","update":{%q:{"undoStatus":"canceled"}}},"0"]`, l.handed[id])) != nil {
		return false
	}
	if _, l.back[id] = set.Updated[l.handed[id]]; !l.back[id] {
		delete(l.back, id)
		delete(l.asked, id) // too late: it goes
	}
	return true
}

// judge compares what arrived with what is known.
func (l *sentLater) judge(far *remote) {
	for id, at := range l.at {
		n, when := far.got[id+" "+l.to], far.first[id+" "+l.to]
		switch {
		case n > 0 && l.back[id]:
			l.t.Errorf("%s was taken back and arrived", id)
		case n == 0 && !l.asked[id]:
			l.t.Errorf("%s was handed in for later and never arrived", id)
		case n > 0 && when.Before(at):
			l.t.Errorf("%s arrived at %s, before %s", id, when, at)
		}
	}
	if len(l.handed) == 0 || len(l.back) == 0 {
		l.t.Errorf("%d handed in for later, %d taken back: no load", len(l.handed), len(l.back))
	}
}
