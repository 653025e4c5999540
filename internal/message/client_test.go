package message

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// TestClientReads sends the ENVELOPE and BODYSTRUCTURE of every golden message to the parser of a
// client that others wrote, and compares what it understands.
func TestClientReads(t *testing.T) {
	var list []*Summary
	for _, message := range append(seeds(t), []byte(sample)) {
		list = append(list, Summarize(message))
	}
	clientSide, serverSide := net.Pipe()
	served := make(chan error, 1)
	go func() { served <- serveSummaries(serverSide, list) }()
	client := imapclient.New(clientSide, nil)
	var all imap.SeqSet
	all.AddRange(1, uint32(len(list)))
	fetched, err := client.Fetch(all, &imap.FetchOptions{
		Envelope: true, BodyStructure: &imap.FetchItemBodyStructure{Extended: true},
	}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-served; err != nil {
		t.Fatal(err)
	}
	if len(fetched) != len(list) {
		t.Fatalf("%d of %d messages", len(fetched), len(list))
	}
	for i, got := range fetched {
		compareEnvelope(t, list[i], got.Envelope)
		if next := compareStructure(t, list[i].Parts, 0, got.BodyStructure); next != len(list[i].Parts) {
			t.Errorf("message %d: client saw %d of %d parts", i, next, len(list[i].Parts))
		}
	}
}

// serveSummaries answers one FETCH with all summaries.
func serveSummaries(conn net.Conn, list []*Summary) error {
	defer conn.Close()
	if _, err := fmt.Fprint(conn, "* PREAUTH [CAPABILITY IMAP4rev1] ready\r\n"); err != nil {
		return err
	}
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		tag, command, _ := strings.Cut(lines.Text(), " ")
		if strings.HasPrefix(command, "FETCH") {
			for i, s := range list {
				if _, err := fmt.Fprintf(conn, "* %d FETCH (ENVELOPE %s BODYSTRUCTURE %s)\r\n", i+1, s.Envelope, s.BodyStructure); err != nil {
					return err
				}
			}
		}
		if _, err := fmt.Fprintf(conn, "%s OK done\r\n", tag); err != nil {
			return err
		}
	}
	return nil // the client hung up
}

func compareEnvelope(t *testing.T, want *Summary, got *imap.Envelope) {
	t.Helper()
	if got == nil {
		t.Fatalf("no envelope: %s", want.Envelope)
	}
	// The client takes no identifier with a space in it.
	if got.MessageID != want.MessageID && !strings.Contains(string(want.Envelope), "<a b@") {
		t.Errorf("message-id %q, want %q", got.MessageID, want.MessageID)
	}
	var emails []string
	for _, a := range got.To {
		if a.Mailbox != "" && a.Host != "" { // the marks of groups have neither or no host
			emails = append(emails, a.Mailbox+"@"+a.Host)
		}
	}
	var wanted []string
	for _, a := range want.To {
		wanted = append(wanted, a.Email)
	}
	if strings.Join(emails, ",") != strings.Join(wanted, ",") {
		t.Errorf("To %q, want %q", emails, wanted)
	}
}

// compareStructure returns the index of the part after those that got describes.
func compareStructure(t *testing.T, parts []Part, i int, got imap.BodyStructure) (next int) {
	t.Helper()
	if i >= len(parts) {
		t.Fatal("client saw more parts")
	}
	p := &parts[i]
	if got.MediaType() != p.Type+"/"+p.Subtype {
		t.Errorf("part %d: %s, want %s/%s", i, got.MediaType(), p.Type, p.Subtype)
	}
	if d := got.Disposition(); (d == nil) != (p.Disposition == "") || d != nil && d.Value != p.Disposition {
		t.Errorf("part %d: disposition %+v, want %q", i, d, p.Disposition)
	}
	next = i + 1
	switch got := got.(type) {
	case *imap.BodyStructureMultiPart:
		for _, child := range got.Children {
			next = compareStructure(t, parts, next, child)
		}
	case *imap.BodyStructureSinglePart:
		if int64(got.Size) != p.Size() || !strings.EqualFold(got.Encoding, p.Encoding) {
			t.Errorf("part %d: %d octets %s", i, got.Size, got.Encoding)
		}
		if got.Text != nil && got.Text.NumLines != p.Lines {
			t.Errorf("part %d: %d lines, want %d", i, got.Text.NumLines, p.Lines)
		}
		if got.MessageRFC822 != nil {
			next = compareStructure(t, parts, next, got.MessageRFC822.BodyStructure)
		}
	}
	return next
}
