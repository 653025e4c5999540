package clients

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
)

// goimap is a client of the go-imap library for one account.
func (d *desk) goimap(t *testing.T, h *imapclient.UnilateralDataHandler) *imapclient.Client {
	t.Helper()
	c, err := imapclient.DialTLS(d.IMAPS, &imapclient.Options{TLSConfig: d.TLS.Clone(), UnilateralDataHandler: h})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.Authenticate(sasl.NewPlainClient("", d.people[0].Address, d.people[0].Password)); err != nil {
		t.Fatal(err)
	}
	return c
}

// testGoimap uses what the library knows of the extensions. Of QRESYNC it knows the name only.
func testGoimap(t *testing.T, d *desk) {
	c := d.goimap(t, nil)
	for n, subject := range []string{"b", "a", "Re: b", "c"} {
		text := fmt.Sprintf("From: f%d@sender.test\r\nSubject: %s\r\nMessage-ID: <%d@x>\r\n%s\r\nBody %d\r\n", n, subject, n,
			map[bool]string{true: "References: <0@x>\r\n"}[strings.HasPrefix(subject, "Re")], n)
		put := c.Append("INBOX", int64(len(text)), nil)
		put.Write([]byte(text))
		put.Close()
		if _, err := put.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	d.step(t, "ENABLE, SELECT with CONDSTORE", func(t *testing.T) {
		enabled, err := c.Enable(imap.CapIMAP4rev2, imap.CapUTF8Accept).Wait()
		if err != nil || !enabled.Caps.Has(imap.CapIMAP4rev2) {
			t.Errorf("ENABLE: %+v, %v", enabled, err)
		}
		if caps := c.Caps(); !caps.Has(imap.CapQResync) || !caps.Has(imap.CapCondStore) || !caps.Has(imap.CapUIDPlus) || !caps.Has(imap.CapMove) {
			t.Errorf("capabilities %v", caps)
		}
		data, err := c.Select("INBOX", &imap.SelectOptions{CondStore: true}).Wait()
		if err != nil || data.NumMessages != 4 || data.HighestModSeq == 0 {
			t.Errorf("SELECT: %+v, %v", data, err)
		}
	})
	d.step(t, "SORT, THREAD, SEARCH with RETURN", func(t *testing.T) { sortAndThread(t, c) })
	d.step(t, "STORE with UNCHANGEDSINCE, FETCH with CHANGEDSINCE", func(t *testing.T) { changedSince(t, c) })
	d.step(t, "IDLE tells of new messages, flags and expunges", func(t *testing.T) { idleTells(t, d, c) })
	d.step(t, "LIST with STATUS, CREATE, RENAME, MOVE, UID EXPUNGE, NAMESPACE, ID, LOGOUT", func(t *testing.T) { mailboxes(t, c) })
}

func sortAndThread(t *testing.T, c *imapclient.Client) {
	all := &imap.SearchCriteria{}
	sorted, err := c.UIDSort(&imapclient.SortOptions{SearchCriteria: all, SortCriteria: []imapclient.SortCriterion{
		{Key: imapclient.SortKeySubject}, {Key: imapclient.SortKeyFrom, Reverse: true}}}).Wait()
	if err != nil || !slices.Equal(sorted, []uint32{2, 3, 1, 4}) {
		t.Errorf("SORT: %v, %v", sorted, err)
	}
	for _, algorithm := range []imap.ThreadAlgorithm{imap.ThreadReferences, imap.ThreadOrderedSubject} {
		threads, err := c.UIDThread(&imapclient.ThreadOptions{Algorithm: algorithm, SearchCriteria: all}).Wait()
		if err != nil || len(threads) != 3 {
			t.Errorf("THREAD %s: %+v, %v", algorithm, threads, err)
		}
	}
	found, err := c.UIDSearch(&imap.SearchCriteria{Body: []string{"BODY 2"}}, &imap.SearchOptions{ReturnAll: true, ReturnCount: true, ReturnMin: true}).Wait()
	if err != nil || found.Count != 1 || found.Min != 3 || !slices.Equal(found.AllUIDs(), []imap.UID{3}) {
		t.Errorf("SEARCH: %+v, %v", found, err)
	}
}

func changedSince(t *testing.T, c *imapclient.Client) {
	flags := &imap.FetchOptions{UID: true, Flags: true, ModSeq: true}
	before, err := c.Fetch(imap.UIDSetNum(1), flags).Collect()
	if err != nil || len(before) != 1 || before[0].ModSeq == 0 {
		t.Fatalf("FETCH: %+v, %v", before, err)
	}
	flag := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagFlagged}}
	if _, err := c.Store(imap.UIDSetNum(1), flag, &imap.StoreOptions{UnchangedSince: before[0].ModSeq}).Collect(); err != nil {
		t.Error(err)
	}
	flag.Flags = []imap.Flag{imap.FlagAnswered}
	c.Store(imap.UIDSetNum(1), flag, &imap.StoreOptions{UnchangedSince: before[0].ModSeq}).Collect() // it has changed
	flags.ChangedSince = before[0].ModSeq
	after, err := c.Fetch(imap.UIDSet{imap.UIDRange{Start: 1, Stop: 1}}, flags).Collect()
	if err != nil || len(after) != 1 || !slices.Equal(after[0].Flags, []imap.Flag{imap.FlagFlagged}) || after[0].ModSeq <= before[0].ModSeq {
		t.Errorf("FETCH: %+v, %v", after, err)
	}
}

func idleTells(t *testing.T, d *desk, c *imapclient.Client) {
	told := make(chan string, 100)
	watch := d.goimap(t, &imapclient.UnilateralDataHandler{
		Mailbox: func(m *imapclient.UnilateralDataMailbox) {
			if m.NumMessages != nil {
				told <- fmt.Sprint("exists ", *m.NumMessages)
			}
		},
		Expunge: func(n uint32) { told <- fmt.Sprint("expunge ", n) },
		Fetch: func(m *imapclient.FetchMessageData) {
			if b, err := m.Collect(); err == nil {
				told <- fmt.Sprint("flags ", b.Flags)
			}
		},
	})
	if _, err := watch.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	idle, err := watch.Idle()
	if err != nil {
		t.Fatal(err)
	}
	d.put(t, d.people[0], "INBOX", "new")
	expect(t, told, "exists 5")
	// The other connection has not heard of it yet.
	deleted := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}, Silent: true}
	if err := c.Store(imap.UIDSetNum(5), deleted, nil).Close(); err != nil {
		t.Fatal(err)
	}
	expect(t, told, `flags [\Deleted]`)
	if err := c.Expunge().Close(); err != nil {
		t.Fatal(err)
	}
	expect(t, told, "expunge 5")
	if err := idle.Close(); err != nil {
		t.Error(err)
	}
	if err := idle.Wait(); err != nil {
		t.Error(err)
	}
}

// expect waits until something is told.
func expect(t *testing.T, told <-chan string, want string) {
	t.Helper()
	for end := time.After(20 * time.Second); ; {
		select {
		case got := <-told:
			if got == want {
				return
			}
		case <-end:
			t.Fatalf("not told: %s", want)
		}
	}
}

func mailboxes(t *testing.T, c *imapclient.Client) {
	for _, err := range []error{
		c.Create("Räksmörgås", nil).Wait(),
		c.Rename("Räksmörgås", "Smörgås/Räka", nil).Wait(),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	if moved, err := c.Move(imap.UIDSetNum(1, 2), "Smörgås/Räka").Wait(); err != nil || moved.DestUIDs == nil {
		t.Errorf("MOVE: %+v, %v", moved, err)
	}
	list, err := c.List("", "*", &imap.ListOptions{ReturnSpecialUse: true, ReturnStatus: &imap.StatusOptions{NumMessages: true, Size: true}}).Collect()
	found := slices.IndexFunc(list, func(l *imap.ListData) bool { return l.Mailbox == "Smörgås/Räka" })
	if err != nil || found < 0 || list[found].Status == nil || *list[found].Status.NumMessages != 2 {
		t.Errorf("LIST: %v, %v", list, err)
	}
	if err := c.Store(imap.UIDSetNum(3, 4), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close(); err != nil {
		t.Error(err)
	}
	if gone, err := c.UIDExpunge(imap.UIDSetNum(4)).Collect(); err != nil || len(gone) != 1 {
		t.Errorf("UID EXPUNGE: %v, %v", gone, err)
	}
	if space, err := c.Namespace().Wait(); err != nil || len(space.Personal) != 1 {
		t.Errorf("NAMESPACE: %+v, %v", space, err)
	}
	if id, err := c.ID(&imap.IDData{Name: "test"}).Wait(); err != nil || id.Name != "Postiljon" {
		t.Errorf("ID: %+v, %v", id, err)
	}
	if err := c.Logout().Wait(); err != nil {
		t.Error(err)
	}
}
