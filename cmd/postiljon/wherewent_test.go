package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/postiljon/postiljon/internal/journal"
)

// TestWhereItWent: who asks by a Message-ID where a message is hears that it was moved, fetched and deleted, and by which program.
func TestWhereItWent(t *testing.T) {
	h := hostAccount(t)
	u := h.signIn("imaps", hostedPassword)
	for _, name := range []string{"one", "two", "three", "four"} {
		text := fmt.Sprintf("Message-ID: <%s@far.example>\r\nSubject: %s\r\n\r\nHej\r\n", name, name)
		if said := u.all(fmt.Sprintf("a APPEND INBOX {%d+}\r\n%s", len(text), text)); !strings.HasPrefix(said[len(said)-1], "a OK") {
			t.Fatal(said)
		}
	}
	for _, command := range []string{
		"a SELECT INBOX", "a MOVE 1 Trash", "a SELECT Trash", "a FETCH 1 (UID BODY.PEEK[HEADER])", "a FETCH 1 BODY.PEEK[TEXT]", `a STORE 1 +FLAGS (\Deleted)`, "a EXPUNGE", "a SELECT INBOX",
		`a STORE 2 +FLAGS (\Deleted)`, "a CLOSE", "a LOGOUT",
	} {
		if said := u.all(command); !strings.HasPrefix(said[len(said)-1], "a OK") {
			t.Fatal(command, said)
		}
	}
	var answer any
	h.jmapAsks(t, h.config.BaseURL()+"/.well-known/jmap", `{"using":["urn:ietf:params:jmap:core","urn:ietf:params:jmap:mail"],"methodCalls":[`+
		`["Email/query",{"accountId":"ACCOUNT","filter":{"subject":"four"}},"0"],["Email/set",{"accountId":"ACCOUNT","#destroy":{"resultOf":"0","name":"Email/query","path":"/ids"}},"1"]]}`, &answer)
	h.popped(t)
	for name, want := range map[string][]string{
		"one":   {journal.MessageMoved + " Trash", journal.MessageFetchedIMAP + " Trash", journal.MessageExpunged + " Trash"},
		"two":   {journal.MessageFetchedPOP3 + " INBOX", journal.MessageExpunged + " INBOX"},
		"three": {journal.MessageExpunged + " INBOX"},
		"four":  {journal.MessageExpunged + " INBOX"},
	} {
		timeline, err := h.journal.Trace(t.Context(), journal.Query{Text: "<" + name + "@far.example>"})
		if err != nil {
			t.Fatal(err)
		}
		var told []string
		for _, l := range timeline.Lines {
			if l.Event.Kind != journal.MessageAppended {
				told = append(told, l.Event.Kind+" "+l.Event.Field("mailbox"))
			}
		}
		slices.Sort(told)
		slices.Sort(want)
		if !slices.Equal(told, want) {
			t.Errorf("%s: %q, want %q", name, told, want)
		}
	}
}

// popped fetches and deletes the only message of the INBOX over POP3.
func (h *hostedAccount) popped(t *testing.T) {
	t.Helper()
	c, err := tls.Dial("tcp", h.addresses["pop3s"], &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := bufio.NewReader(c)
	for _, line := range []string{"", "USER " + hostedAddress, "PASS " + hostedPassword, "RETR 1", "DELE 1", "QUIT"} {
		if line != "" {
			fmt.Fprint(c, line+"\r\n")
		}
		said, err := r.ReadString('\n')
		if err != nil || !strings.HasPrefix(said, "+OK") {
			t.Fatalf("%s: %q, %v", line, said, err)
		}
		for line == "RETR 1" && said != ".\r\n" && err == nil {
			said, err = r.ReadString('\n')
		}
	}
}
