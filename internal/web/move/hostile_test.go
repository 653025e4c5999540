package move

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/certs/certstest"
	"github.com/postiljon/postiljon/internal/store"
)

// scripted is a server whose answers mean harm: by how the command begins, what comes before its tagged OK. {tag} is the tag.
type scripted map[string]string

// serve answers one client.
func (s scripted) serve(c net.Conn) {
	defer c.Close()
	fmt.Fprint(c, "* OK [CAPABILITY IMAP4rev1 ESEARCH LIST-EXTENDED LIST-STATUS] hello\r\n")
	for lines := bufio.NewScanner(c); lines.Scan(); {
		tag, command, _ := strings.Cut(lines.Text(), " ")
		known := ""
		for begin := range s {
			if strings.HasPrefix(command, begin) && len(begin) > len(known) {
				known = begin
			}
		}
		_, _ = io.WriteString(c, strings.ReplaceAll(s[known], "{tag}", tag)) // a client that went away
		fmt.Fprintf(c, "%s OK done\r\n", tag)
	}
}

// newScripted starts such a server and has w trust it.
func newScripted(t *testing.T, s scripted) (*world, string) {
	t.Helper()
	cert, pool := certstest.New(t, "localhost")
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wait.Go(func() { s.serve(c) })
		}
	})
	w := newWorldWith(t, func(w *world) { w.roots = pool })
	t.Cleanup(func() {
		w.move.jobs.wait.Wait() // its connections are closed then
		l.Close()
		wait.Wait()
	})
	return w, fmt.Sprintf(`{"host":"localhost","port":%d,"user":"anna","password":"secret"}`, l.Addr().(*net.TCPAddr).Port)
}

// TestFetchOfWhatIsTooLarge passes over messages that are too large, and ends where one is that did not say so.
func TestFetchOfWhatIsTooLarge(t *testing.T) {
	const mailbox = "* 1 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT 2] x\r\n"
	for name, c := range map[string]struct {
		size  string
		state store.JobState
	}{"said": {"100000000", store.JobDone}, "not said": {"10", store.JobFailed}} {
		t.Run(name, func(t *testing.T) {
			w, request := newScripted(t, scripted{
				"LIST": "* LIST () \"/\" INBOX\r\n* STATUS INBOX (MESSAGES 1)\r\n", "EXAMINE": mailbox, "UID SEARCH": "* SEARCH 1\r\n",
				"UID FETCH 1 (UID":      "* 1 FETCH (UID 1 FLAGS () INTERNALDATE \"02-Nov-2026 10:30:05 +0000\" RFC822.SIZE " + c.size + ")\r\n",
				"UID FETCH 1 (UID BODY": "* 1 FETCH (UID 1 BODY[] {100000000}\r\nSubject: x\r\n",
			})
			j := w.ended("anna", w.begun("anna", "/api/import/imap", request))
			if failed := c.state == store.JobDone; j.State != c.state || j.Progress.Imported != 0 || failed != (j.Progress.Failed == 1) || failed == (j.Refusal != nil) {
				t.Errorf("the job ended as %+v, %+v", j, j.Refusal)
			}
		})
	}
}

// TestFetchFromAServerThatTalks ends where a server says more than can be of use.
func TestFetchFromAServerThatTalks(t *testing.T) {
	w, request := newScripted(t, scripted{"LIST": strings.Repeat("* LIST () \"/\" \""+strings.Repeat("x", 1000)+"\"\r\n", maxTalk/1000)})
	j := w.ended("anna", w.begun("anna", "/api/import/imap", request))
	if j.State != store.JobFailed || j.Refusal == nil || j.Refusal.Cause != cause.ProviderIMAPDown || j.Detail != errTalks.Error() {
		t.Errorf("the job ended as %+v, %+v", j, j.Refusal)
	}
}

// What another server lists may be endless: it neither ends the service nor fills its memory.
func TestFetchFromHostileServers(t *testing.T) {
	for name, found := range map[string]string{
		"without an end": "* ESEARCH (TAG \"{tag}\") UID ALL 1:*\r\n",
		"all there are":  "* ESEARCH (TAG \"{tag}\") UID ALL 1:4294967295\r\n",
		"some and more":  "* ESEARCH (TAG \"{tag}\") UID ALL 1,3,5:4000000000\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			w, request := newScripted(t, scripted{
				"LIST":       "* LIST () \"/\" INBOX\r\n* STATUS INBOX (MESSAGES 3)\r\n",
				"EXAMINE":    "* 3 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT 4] x\r\n",
				"UID SEARCH": found,
			})
			j := w.ended("anna", w.begun("anna", "/api/import/imap", request))
			if j.State != store.JobFailed || j.Refusal == nil || j.Refusal.Cause != cause.ProviderIMAPDown {
				t.Errorf("the job ended as %+v, %+v", j, j.Refusal)
			}
		})
	}
}
