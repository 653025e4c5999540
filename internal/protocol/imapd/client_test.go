package imapd

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"

	"github.com/postiljon/postiljon/internal/store"
)

// TestForeignClient lets a client that others wrote do what mail programs do.
func TestForeignClient(t *testing.T) {
	w := newWorld(t, settings{})
	exists := make(chan uint32, 10)
	watch := dialForeign(t, w, &imapclient.UnilateralDataHandler{Mailbox: func(d *imapclient.UnilateralDataMailbox) {
		if d.NumMessages != nil {
			exists <- *d.NumMessages
		}
	}})
	if _, err := watch.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	idle, err := watch.Idle()
	if err != nil {
		t.Fatal(err)
	}
	c := dialForeign(t, w, nil)
	foreignMailboxes(t, c)
	foreignMessages(t, c, func() {
		if n := <-exists; n != 1 {
			t.Errorf("IDLE tells of %d messages", n)
		}
	})
	if err := idle.Close(); err != nil {
		t.Fatal(err)
	}
	if err := idle.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*imapclient.Client{watch, c} {
		if err := c.Logout().Wait(); err != nil {
			t.Error(err)
		}
	}
}

func dialForeign(t *testing.T, w *world, h *imapclient.UnilateralDataHandler) *imapclient.Client {
	t.Helper()
	c, err := imapclient.DialStartTLS(w.addr, &imapclient.Options{TLSConfig: w.client, UnilateralDataHandler: h})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.Authenticate(sasl.NewPlainClient("", testAddress, testPassword)); err != nil {
		t.Fatal(err)
	}
	return c
}

func foreignMailboxes(t *testing.T, c *imapclient.Client) {
	t.Helper()
	if _, err := c.Enable(imap.CapIMAP4rev2).Wait(); err != nil {
		t.Fatal(err)
	}
	if err := c.Create("Räksmörgås/2026", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	list, err := c.List("", "*", &imap.ListOptions{ReturnStatus: &imap.StatusOptions{NumMessages: true}}).Collect()
	if err != nil || len(list) != 8 {
		t.Fatalf("LIST: %d mailboxes, %v", len(list), err)
	}
	if m := list[5]; m.Mailbox != "Räksmörgås/2026" || m.Delim != '/' || m.Status == nil {
		t.Errorf("LIST: %+v", m)
	}
	status, err := c.Status("INBOX", &imap.StatusOptions{NumMessages: true, UIDNext: true, UIDValidity: true, Size: true}).Wait()
	if err != nil || *status.NumMessages != 0 || status.UIDNext != 1 {
		t.Errorf("STATUS: %+v, %v", status, err)
	}
	if _, err := c.Namespace().Wait(); err != nil {
		t.Error(err)
	}
}

// foreignMessages has a message come and go; arrived looks whether others heard of it in between.
func foreignMessages(t *testing.T, c *imapclient.Client, arrived func()) {
	t.Helper()
	raw := strings.ReplaceAll("From: Åsa <asa@example.net>\nSubject: =?utf-8?q?Hej_d=C3=A5?=\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\nContent-Type: text/html\n\n<p>two</p>\n--b--\n", "\n", "\r\n")
	put := c.Append("INBOX", int64(len(raw)), &imap.AppendOptions{Flags: []imap.Flag{imap.FlagSeen}, Time: clock})
	if _, err := put.Write([]byte(raw)); err != nil {
		t.Fatal(err)
	}
	if err := put.Close(); err != nil {
		t.Fatal(err)
	}
	if data, err := put.Wait(); err != nil || data.UID != 1 {
		t.Fatalf("APPEND: %+v, %v", data, err)
	}
	arrived()
	if data, err := c.Select("INBOX", nil).Wait(); err != nil || data.NumMessages != 1 {
		t.Fatalf("SELECT: %+v, %v", data, err)
	}
	section := &imap.FetchItemBodySection{Peek: true}
	list, err := c.Fetch(imap.SeqSetNum(1), &imap.FetchOptions{Envelope: true, Flags: true, InternalDate: true, RFC822Size: true, UID: true,
		BodyStructure: &imap.FetchItemBodyStructure{Extended: true}, BodySection: []*imap.FetchItemBodySection{section}}).Collect()
	if err != nil || len(list) != 1 {
		t.Fatalf("FETCH: %d, %v", len(list), err)
	}
	m := list[0]
	if m.Envelope.Subject != "Hej då" || m.Envelope.From[0].Mailbox != "asa" || !m.InternalDate.Equal(clock) || m.RFC822Size != int64(len(raw)) {
		t.Errorf("FETCH: %+v", m.Envelope)
	}
	if !bytes.Equal(m.FindBodySection(section), []byte(raw)) {
		t.Errorf("BODY[] differs")
	}
	if multi, ok := m.BodyStructure.(*imap.BodyStructureMultiPart); !ok || len(multi.Children) != 2 || multi.Subtype != "mixed" {
		t.Errorf("BODYSTRUCTURE: %+v", m.BodyStructure)
	}
	found, err := c.UIDSearch(&imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: "Subject", Value: "DÅ"}}}, nil).Wait()
	if err != nil || len(found.AllUIDs()) != 1 {
		t.Errorf("SEARCH: %+v, %v", found, err)
	}
	if _, err := c.Move(imap.SeqSetNum(1), "Räksmörgås/2026").Wait(); err != nil {
		t.Error(err)
	}
	if data, err := c.Select("Räksmörgås/2026", nil).Wait(); err != nil || data.NumMessages != 1 {
		t.Errorf("SELECT: %+v, %v", data, err)
	}
	if err := c.Store(imap.SeqSetNum(1), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close(); err != nil {
		t.Error(err)
	}
	if gone, err := c.Expunge().Collect(); err != nil || len(gone) != 1 {
		t.Errorf("EXPUNGE: %v, %v", gone, err)
	}
}

// TestForeignClientSorts lets a client that others wrote read SORT and THREAD.
func TestForeignClientSorts(t *testing.T) {
	w := newWorld(t, settings{})
	for _, raw := range []string{
		"Subject: b\r\nMessage-ID: <1@x>\r\n\r\n",
		"Subject: Re: b\r\nMessage-ID: <2@x>\r\nReferences: <1@x>\r\n\r\n",
		"Subject: a\r\nMessage-ID: <3@x>\r\n\r\n",
		"Subject: Re: b\r\nMessage-ID: <4@x>\r\nReferences: <1@x>\r\n\r\n",
	} {
		w.put("INBOX", []byte(raw), clock, store.Flags{})
	}
	c := dialForeign(t, w, nil)
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	sorted, err := c.UIDSort(&imapclient.SortOptions{SearchCriteria: &imap.SearchCriteria{},
		SortCriteria: []imapclient.SortCriterion{{Key: imapclient.SortKeySubject}, {Key: imapclient.SortKeySize, Reverse: true}}}).Wait()
	if err != nil || !slices.Equal(sorted, []uint32{3, 2, 4, 1}) {
		t.Errorf("SORT: %v, %v", sorted, err)
	}
	threads, err := c.Thread(&imapclient.ThreadOptions{Algorithm: imap.ThreadReferences, SearchCriteria: &imap.SearchCriteria{}}).Wait()
	if err != nil || len(threads) != 2 || !slices.Equal(threads[0].Chain, []uint32{1}) || len(threads[0].SubThreads) != 2 {
		t.Errorf("THREAD: %+v, %v", threads, err)
	}
	if err := c.Logout().Wait(); err != nil {
		t.Error(err)
	}
}
