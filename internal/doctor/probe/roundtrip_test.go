package probe

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/doctor/evidence"
)

// inboxServer answers an IMAP client line by line; after DONE the message is there. Where tells is
// set, it tells so while the client waits.
func inboxServer(c net.Conn, tells bool) {
	defer c.Close()
	r := bufio.NewReader(c)
	waiting, here := "", false
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		tag, command, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case command == "IDLE":
			waiting = tag
			fmt.Fprint(c, "+ idling\r\n")
			if tells {
				fmt.Fprint(c, "* 1 EXISTS\r\n")
			}
		case tag == "DONE":
			here = true
			fmt.Fprintf(c, "%s OK done\r\n", waiting)
		case strings.HasPrefix(command, "UID SEARCH") && here:
			fmt.Fprintf(c, "* SEARCH 7\r\n%s OK done\r\n", tag)
		default:
			fmt.Fprintf(c, "%s OK done\r\n", tag)
		}
	}
}

// A message that is there though the waiting connection heard nothing of it shows that nobody told.
func TestNotice(t *testing.T) {
	for _, tells := range []bool{true, false} {
		client, server := net.Pipe()
		go inboxServer(server, tells)
		r := NewRun(Env{Step: 50 * time.Millisecond}, evidence.New(evidence.Complaint{Address: "anna@north.example"}, time.Now))
		talk := r.newTalk(evidence.Endpoint{Protocol: evidence.IMAP}, client)
		talk.caps = evidence.Capabilities{List: []string{"IDLE"}}
		box := &imapInbox{talk: talk}
		trip := &trip{run: r}
		if err := box.ready(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := box.await(context.Background(), trip, time.Second); err != nil {
			t.Fatal(err)
		}
		want := evidence.NoticeSilent
		if tells {
			want = evidence.NoticeTold
		}
		if !trip.fact.Arrived || trip.fact.Notice != want {
			t.Errorf("told %v: %+v", tells, trip.fact)
		}
		box.close()
		r.Close()
	}
}

// A line that begins with a dot is no end of the message, and letters beyond ASCII are encoded.
func TestTestMessage(t *testing.T) {
	text := string(testMessage("anna@north.example", "1@north.example", "Prøve", "En prøve.\r\n.\r\nSlutt.", time.Unix(0, 0)))
	for _, want := range []string{"Subject: =?utf-8?q?Pr=C3=B8ve?=\r\n", "Auto-Submitted: auto-generated\r\n", "Message-ID: <1@north.example>\r\n", "\r\n\r\nEn pr=C3=B8ve.\r\n.\r\nSlutt.\r\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %q", want, text)
		}
	}
}
