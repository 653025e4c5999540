package internet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/control"
)

// TestSendingOverJMAP sends over JMAP to another server: signed as what comes over SMTP is, without blind copies; what a limit keeps back waits
// and goes, what is taken back goes to nobody, and a wrong address is corrected.
func TestSendingOverJMAP(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.publish(t)
	far := func() []string { return w.mail.Messages("bo@far.example", "INBOX") }

	first := w.send(t, "anna@own.example", "bo@far.example", "Ett", "")
	w.becomes(t, first, "final")
	got := far()
	if len(got) != 1 || !strings.Contains(got[0], "DKIM-Signature: ") || !strings.Contains(got[0], "d=own.example") || strings.Contains(got[0], "berit@own.example") ||
		!strings.Contains(got[0], "Received: by mx.own.example with HTTP id ") {
		t.Errorf("bo has %q", got)
	}

	// Over the limit, in Swedish: it waits in the Outbox, and goes by itself when sending is opened.
	one := int64(1)
	change := control.ChangeAccount{Address: "anna@own.example", ChangeLimits: control.ChangeLimits{AddressHourly: &one}}
	if _, err := w.client.ChangeAccount(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	second := w.send(t, "anna@own.example", "bo@far.example", "Två", "")
	waiting := w.outbox(t, "anna@own.example", func(list []waits) bool { return len(list) == 1 && list[0].Recipients[0].Why != nil })
	if r := waiting[0].Recipients[0]; r.Why.Cause != "limit.address-hourly" || !strings.Contains(r.Why.Text, "anna@own.example") || waiting[0].Subject != "Två" {
		t.Errorf("it waits as %+v", waiting[0])
	}
	if err := w.client.Reopen(t.Context(), "anna@own.example"); err != nil {
		t.Fatal(err)
	}
	w.becomes(t, second, "final")
	if got = far(); len(got) != 2 {
		t.Errorf("bo has %d messages", len(got))
	}

	// Later, and taken back; then a wrong address, which is corrected.
	third := w.send(t, "carl@own.example", "bo@far.example", "Three", time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	w.jmap(t, "carl@own.example", `["EmailSubmission/set",{"accountId":"$","update":{"`+third.id+`":{"undoStatus":"canceled"}}},"0"]`, nil)
	w.becomes(t, third, "canceled")
	fourth := w.send(t, "carl@own.example", "nobody@dead.example", "Four", "")
	waiting = w.outbox(t, "carl@own.example", func(list []waits) bool { return len(list) == 1 && list[0].Recipients[0].Why != nil })
	w.act(t, "carl@own.example", waiting[0].ID, `"action":"correctRecipient","recipient":"nobody@dead.example","to":"bo@far.example"`)
	w.becomes(t, fourth, "canceled") // another goes in its place, which says whom it is for
	for end := time.Now().Add(10 * time.Second); len(far()) < 3 && time.Now().Before(end); time.Sleep(25 * time.Millisecond) {
	}
	right := func(text string) bool {
		return strings.Contains(text, "Subject: Four") && strings.Contains(text, "\nTo: bo@far.example") && !strings.Contains(text, "dead.example") && strings.Contains(text, "DKIM-Signature: ")
	}
	if got = far(); len(got) != 3 || !slices.ContainsFunc(got, right) {
		t.Errorf("bo has %q", got)
	}
}

// publish puts the keys of own.example into the DNS.
func (w *world) publish(t *testing.T) {
	t.Helper()
	out, err := w.p.Command("dns", "own.example", "--json")
	if err != nil {
		t.Fatal(err)
	}
	var all []struct{ Name, Type, Value string }
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		t.Fatal(err)
	}
	zone := w.in.Zone("own.example")
	for _, r := range all {
		if !strings.Contains(r.Name, "._domainkey.") {
			continue
		}
		value := ""
		for part := range slices.Chunk([]byte(r.Value), 255) {
			value += fmt.Sprintf(" %q", part)
		}
		zone.Add(r.Name + " 60 IN " + r.Type + value)
	}
}

// jmap makes a call of an account and reads the arguments of its response.
func (w *world) jmap(t *testing.T, account, call string, v any) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: w.tls}, Timeout: 20 * time.Second}
	defer client.CloseIdleConnections()
	ask := func(method, path string, body []byte) []byte {
		r, err := http.NewRequestWithContext(t.Context(), method, "https://"+w.at["https"]+path, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth(account, password)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept-Language", "sv")
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Fatal(err, answer.Status, string(text))
		}
		return text
	}
	var session struct{ PrimaryAccounts map[string]string }
	if err := json.Unmarshal(ask("GET", "/jmap/session", nil), &session); err != nil {
		t.Fatal(err)
	}
	call = strings.ReplaceAll(call, `"$"`, `"`+session.PrimaryAccounts["urn:ietf:params:jmap:mail"]+`"`)
	post := func() []byte {
		return ask("POST", "/jmap/api", []byte(`{"using":["urn:ietf:params:jmap:core","urn:ietf:params:jmap:mail","urn:ietf:params:jmap:submission","urn:postiljon:params:jmap:mail"],"methodCalls":[`+call+`]}`))
	}
	text := post()
	for range 40 { // what is just being sent cannot be changed
		if !bytes.Contains(text, []byte(`"type":"beingSent"`)) {
			break
		}
		time.Sleep(50 * time.Millisecond)
		text = post()
	}
	var answer struct{ MethodResponses [][]json.RawMessage }
	if err := json.Unmarshal(text, &answer); err != nil || len(answer.MethodResponses) == 0 || string(answer.MethodResponses[0][0]) == `"error"` {
		t.Fatal(err, string(text))
	}
	if v != nil {
		if err := json.Unmarshal(answer.MethodResponses[len(answer.MethodResponses)-1][1], v); err != nil {
			t.Fatal(err, string(text))
		}
	}
}

// handed is what was handed in.
type handed struct{ account, id string }

// send writes a message with a blind copy to berit and hands it in.
func (w *world) send(t *testing.T, from, to, subject, at string) handed {
	t.Helper()
	later := ""
	if at != "" {
		later = `,"sendAt":"` + at + `"`
	}
	var own struct{ List []struct{ ID string } }
	w.jmap(t, from, `["Identity/get",{"accountId":"$"},"0"]`, &own)
	var made struct {
		Created    map[string]struct{ ID string }
		NotCreated json.RawMessage
	}
	w.jmap(t, from, fmt.Sprintf(`["Email/set",{"accountId":"$","create":{"e":{"mailboxIds":{"F2":true},"from":[{"email":%q}],"to":[{"email":%q}],"bcc":[{"email":"berit@own.example"}],"subject":%q,"textBody":[{"partId":"t"}],"bodyValues":{"t":{"value":"Hej på dig"}}}}},"0"],
		["EmailSubmission/set",{"accountId":"$","create":{"s":{"identityId":%q,"emailId":"#e","envelope":{"mailFrom":{"email":%q},"rcptTo":[{"email":%q}]}%s}}},"1"]`, from, to, subject, own.List[0].ID, from, to, later), &made)
	if made.Created["s"].ID == "" {
		t.Fatalf("not handed in: %s", made.NotCreated)
	}
	return handed{from, made.Created["s"].ID}
}

// becomes waits for a submission to be in a state.
func (w *world) becomes(t *testing.T, h handed, state string) {
	t.Helper()
	last := ""
	for range 400 {
		var got struct{ List []struct{ UndoStatus string } }
		w.jmap(t, h.account, `["EmailSubmission/get",{"accountId":"$","ids":["`+h.id+`"]},"0"]`, &got)
		if last = got.List[0].UndoStatus; last == state {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Fatalf("%s is %s, not %s", h.id, last, state)
}

// waits is a message of an Outbox.
type waits struct {
	ID, Subject string
	Recipients  []struct {
		Address, State string
		Why            *struct{ Cause, Text string }
	}
}

// outbox waits for an Outbox to be as wanted.
func (w *world) outbox(t *testing.T, account string, is func([]waits) bool) []waits {
	t.Helper()
	var got struct{ List []waits }
	for range 400 {
		got.List = nil
		w.jmap(t, account, `["Outbox/get",{"accountId":"$"},"0"]`, &got)
		if is(got.List) {
			return got.List
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Fatalf("the Outbox of %s has %+v", account, got.List)
	return nil
}

// act does something with a message of an Outbox.
func (w *world) act(t *testing.T, account, id, what string) {
	t.Helper()
	w.jmap(t, account, `["Outbox/act",{"accountId":"$","id":"`+id+`",`+what+`},"0"]`, nil)
}
