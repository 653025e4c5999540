package transfer_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
	"github.com/postiljon/postiljon/internal/transfer"
)

// kept is an item with its text.
type kept struct {
	transfer.Item
	text string
}

func (k kept) String() string {
	slices.Sort(k.Flags)
	return fmt.Sprintf("%s %v %s %q", k.Mailbox, k.Flags, k.Received.UTC().Format(time.DateTime), k.text)
}

func keep(t testing.TB, list *[]kept) func(*transfer.Item) error {
	return func(item *transfer.Item) error {
		b, err := io.ReadAll(item.Body)
		if int64(len(b)) != item.Size {
			t.Errorf("item of %d octets has %d", item.Size, len(b))
		}
		*list = append(*list, kept{*item, string(b)})
		return err
	}
}

func (k kept) item() *transfer.Item {
	item := k.Item
	item.Size, item.Body = int64(len(k.text)), strings.NewReader(k.text)
	return &item
}

// texts of a list in an order that does not depend on folders.
func texts(list []kept) (out []string) {
	for _, k := range list {
		out = append(out, k.String())
	}
	slices.Sort(out)
	return out
}

var when = time.Date(2026, 11, 2, 10, 30, 5, 0, time.UTC)

// letters are messages that formats of files have trouble with.
var letters = []kept{
	{transfer.Item{Mailbox: "INBOX", Received: when}, "Subject: plain\r\n\r\nHej\r\n"},
	{transfer.Item{Mailbox: "INBOX", Received: when.Add(time.Hour), Flags: []string{`\Seen`, `\Flagged`, "$Forwarded"}}, "Subject: From\r\n\r\nFrom here on\r\n>From there\r\n>>From far\r\n\r\n"},
	{transfer.Item{Mailbox: "Work/Åre.2026", Received: when, Flags: []string{`\Answered`, `\Draft`, `\Deleted`, "Work"}}, "A: b\r\n\r\n"},
	{transfer.Item{Mailbox: "..", Received: when}, "X: " + strings.Repeat("y", 300<<10) + "\r\n\r\n" + strings.Repeat("z", 200<<10) + "\r\n"},
	{transfer.Item{Mailbox: "x", Received: when}, "A: b\r\n\r\nx\r\n"},
	{transfer.Item{Mailbox: "x.mbox/y", Received: when}, "A: b\r\n\r\ny\r\n"},
	{transfer.Item{Mailbox: "x.mbox/y.mbox", Received: when}, "A: b\r\n\r\nz\r\n"},
	{transfer.Item{Mailbox: "100%", Received: when, Flags: []string{`\Seen`}}, "A: b\r\n\r\n\r\n\r\nFrom x\r\n\r\n\r\n"},
}

func formats(t *testing.T) map[string]struct {
	open func(dir string) (transfer.Writer, error)
	read func(dir, mailbox string, progress func(int64), fn func(*transfer.Item) error) error
} {
	return map[string]struct {
		open func(dir string) (transfer.Writer, error)
		read func(dir, mailbox string, progress func(int64), fn func(*transfer.Item) error) error
	}{
		"mbox":    {transfer.NewMboxWriter, transfer.ReadMbox},
		"maildir": {func(dir string) (transfer.Writer, error) { return transfer.NewMaildirWriter(dir, when) }, transfer.ReadMaildir},
	}
}

func TestFilesRoundTrip(t *testing.T) {
	for name, f := range formats(t) {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "out")
			w, err := f.open(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range letters {
				if err := w.Write(l.item()); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			var back []kept
			octets := int64(0)
			if err := f.read(dir, "", func(n int64) { octets = n }, keep(t, &back)); err != nil {
				t.Fatal(err)
			}
			if got, want := texts(back), texts(letters); !slices.Equal(got, want) {
				t.Errorf("read\n%.2000s\nwant\n%.2000s", got, want)
			}
			if octets == 0 {
				t.Error("no progress was told")
			}
			if _, err := f.open(dir); err == nil {
				t.Error("a folder that is not empty was taken")
			}
		})
	}
}

// TestMaildirHasInbox: without its folders nobody takes it for a Maildir.
func TestMaildirHasInbox(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	w, err := transfer.NewMaildirWriter(dir, when)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Write(letters[2].item()), w.Close()); err != nil {
		t.Fatal(err)
	}
	for _, sub := range []string{"cur", "new", "tmp"} {
		if info, err := os.Stat(filepath.Join(dir, sub)); err != nil || !info.IsDir() {
			t.Errorf("%s: %v", sub, err)
		}
	}
}

func TestMboxOfOthers(t *testing.T) {
	for _, c := range []struct{ name, file, want string }{
		{"mutt", "From anna@x.test Mon Nov  2 10:30:05 2026\nSubject: a\nStatus: RO\nX-Status: AF\n\nHej\n\nFrom b@x.test  Mon Nov  2 10:30:05 2026 +0000\nSubject: b\n\nHopp\n",
			`[box [\Answered \Flagged \Seen] 2026-11-02 10:30:05 "Subject: a\r\n\r\nHej\r\n" box [] 2026-11-02 10:30:05 "Subject: b\r\n\r\nHopp\r\n"]`},
		{"From in text", "From x Mon Nov 2 10:30:05 2026\nA: b\n\nline\nFrom the middle\n\n>From quoted\n\n", `[box [] 2026-11-02 10:30:05 "A: b\r\n\r\nline\r\nFrom the middle\r\n\r\nFrom quoted\r\n"]`},
		{"CRLF, no end", "From x\r\nA: b\r\n\r\nx", `[box [] 0001-01-01 00:00:00 "A: b\r\n\r\nx\r\n"]`},
		{"empty", "", `[]`},
	} {
		path := filepath.Join(t.TempDir(), "box.mbox")
		if err := os.WriteFile(path, []byte(c.file), 0o600); err != nil {
			t.Fatal(err)
		}
		var back []kept
		if err := transfer.ReadMbox(path, "", nil, keep(t, &back)); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if got := fmt.Sprint(back); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
	path := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(path, []byte("no mbox\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := transfer.ReadMbox(path, "", nil, keep(t, new([]kept))); err == nil {
		t.Error("a text file was taken for an mbox")
	}
}

func TestStreamRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var want []kept
		var b bytes.Buffer
		for range rapid.IntRange(0, 5).Draw(rt, "messages") {
			k := kept{Item: transfer.Item{Mailbox: rapid.String().Draw(rt, "mailbox"), Received: when, Flags: []string{"x"}}, text: rapid.String().Draw(rt, "text")}
			k.Mailbox = strings.ToValidUTF8(k.Mailbox, "")
			k.Size = int64(len(k.text))
			want = append(want, k)
			if err := transfer.WriteItem(&b, k.item()); err != nil {
				rt.Fatal(err)
			}
		}
		whole := b.Bytes()
		var back []kept
		if err := transfer.ReadItems(bytes.NewReader(whole), keep(t, &back)); err != nil {
			rt.Fatal(err)
		}
		if fmt.Sprint(back) != fmt.Sprint(want) {
			rt.Fatalf("read %v, want %v", back, want)
		}
		if len(whole) > 0 {
			cutAt := rapid.IntRange(1, len(whole)).Draw(rt, "cut")
			var part []kept
			err := transfer.ReadItems(bytes.NewReader(whole[:cutAt]), func(item *transfer.Item) error {
				b, err := io.ReadAll(item.Body)
				part = append(part, kept{text: string(b)})
				return err
			})
			if err == nil && cutAt < len(whole) && len(part) == len(want) {
				rt.Fatalf("a stream cut at %d of %d was taken for whole", cutAt, len(whole))
			}
		}
	})
}

func TestStoreRoundTrip(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	anna, bjorn := storetest.Account(t, s, "anna@demo.test").ID, storetest.Account(t, s, "bjorn@demo.test").ID
	im := transfer.NewImporter(s, anna)
	for _, l := range letters {
		if err := im.Add(ctx, l.item()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.MailboxByName(ctx, anna, "100_"); err != nil {
		t.Error(err)
	}
	var first, second []kept
	if err := transfer.Export(ctx, s, anna, keep(t, &first)); err != nil {
		t.Fatal(err)
	}
	if n, octets, err := transfer.Count(ctx, s, anna); err != nil || n != int64(len(letters)) || octets == 0 {
		t.Errorf("count %d, %d octets, %v", n, octets, err)
	}
	for range 2 {
		im = transfer.NewImporter(s, bjorn)
		b := transfer.Batch{Importer: im}
		for _, k := range first {
			if err := b.Add(ctx, k.item(), ""); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.Flush(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if im.Imported != 0 || im.Skipped != int64(len(letters)) {
		t.Errorf("again: %d imported, %d skipped", im.Imported, im.Skipped)
	}
	if err := transfer.Export(ctx, s, bjorn, keep(t, &second)); err != nil {
		t.Fatal(err)
	}
	if got, want := texts(second), texts(first); !slices.Equal(got, want) {
		t.Errorf("got\n%.1000s\nwant\n%.1000s", got, want)
	}
	if r, err := s.Verify(ctx, store.VerifyOptions{Bodies: true}); err != nil || r.Found != 0 {
		t.Errorf("verify %+v, %v", r, err)
	}
}

// TestImportOfOthersMailboxes: what another server showed under the name that stands for the
// mailboxes of others comes under a name of one's own.
func TestImportOfOthersMailboxes(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	anna := storetest.Account(t, s, "anna@demo.test").ID
	im := transfer.NewImporter(s, anna)
	for _, mailbox := range []string{"Other Users/bjorn/Work", "other users"} {
		item := letters[0].item()
		item.Mailbox = mailbox
		if err := im.Add(ctx, item); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"Other Users_/bjorn/Work", "other users_"} {
		if m, err := s.MailboxByName(ctx, anna, name); err != nil || m.Messages != 1 {
			t.Errorf("%s: %d messages, %v", name, m.Messages, err)
		}
	}
}

// TestBatchOfWhichSomeFails places what it can when a whole batch cannot be placed, and tells of the rest.
func TestBatchOfWhichSomeFails(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	anna := storetest.Account(t, s, "anna@demo.test").ID
	var failed []string
	b := transfer.Batch{Importer: transfer.NewImporter(s, anna), Failed: func(where string, _ error) { failed = append(failed, where) }}
	for i := range 20 {
		k := kept{transfer.Item{Mailbox: "Work", Received: when}, fmt.Sprintf("Subject: %d\r\n\r\nx\r\n", i)}
		if i == 7 { // more keywords than an account can have
			for n := range 3000 {
				k.Flags = append(k.Flags, fmt.Sprintf("k%d", n))
			}
		}
		if err := b.Add(ctx, k.item(), fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Flush(ctx); err != nil || b.Imported != 19 || fmt.Sprint(failed) != "[7]" {
		t.Errorf("%d imported, failed %v, %v", b.Imported, failed, err)
	}
	_, err := s.UpdateAccount(ctx, anna, func(a *store.Account) error {
		a.Quota = 2000
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		k := kept{transfer.Item{Mailbox: "Work", Received: when}, fmt.Sprintf("Subject: %d\r\n\r\n%s\r\n", i, strings.Repeat("x", 400))}
		if err = b.Add(ctx, k.item(), ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Flush(ctx); store.KindOf(err) != store.KindOverQuota || b.Imported < 21 || b.Imported > 23 {
		t.Errorf("%d imported into a full mailbox, %v", b.Imported, err)
	}
}
