package transfer_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
	"github.com/postiljon/postiljon/internal/transfer"
)

func upload(name, text string) *transfer.Upload {
	return &transfer.Upload{File: strings.NewReader(text), Size: int64(len(text)), Name: name}
}

// TestStreamsRoundTrip brings back what goes out as one stream.
func TestStreamsRoundTrip(t *testing.T) {
	for name, open := range map[string]func(io.Writer) transfer.Writer{
		"mbox.zip":    func(w io.Writer) transfer.Writer { return transfer.NewMboxZip(w, when) },
		"maildir.zip": func(w io.Writer) transfer.Writer { return transfer.NewMaildirZip(w, when) },
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			w := open(&b)
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
			u := upload(name, b.String())
			u.Progress = func(n int64) { octets = n }
			if err := u.Read(keep(t, &back)); err != nil {
				t.Fatal(err)
			}
			if got, want := texts(back), texts(letters); !slices.Equal(got, want) {
				t.Errorf("read\n%.2000s\nwant\n%.2000s", got, want)
			}
			if octets == 0 || octets > u.Size {
				t.Errorf("told of %d octets of %d", octets, u.Size)
			}
			back = nil
			u.Into = "Old"
			if err := u.Read(keep(t, &back)); err != nil || back[0].Mailbox != "Old" || !strings.HasPrefix(back[2].Mailbox, "Old/Work/") {
				t.Errorf("into a mailbox: %v, %q, %q", err, back[0].Mailbox, back[2].Mailbox)
			}
		})
	}
	t.Run("mbox", func(t *testing.T) {
		var b bytes.Buffer
		w := transfer.NewMboxStream(&b)
		for _, l := range letters {
			if err := w.Write(l.item()); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		var back []kept
		if err := upload("Sommar.mbox", b.String()).Read(keep(t, &back)); err != nil || len(back) != len(letters) || back[0].Mailbox != "Sommar" {
			t.Errorf("%d messages, %v", len(back), err)
		}
	})
}

// zipped makes an archive of names and texts.
func zipped(t *testing.T, pairs ...string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(pairs); i += 2 {
		f, err := z.CreateHeader(&zip.FileHeader{Name: pairs[i], Method: zip.Deflate, Modified: when})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, pairs[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestArchivesOfOthers reads what other programs make.
func TestArchivesOfOthers(t *testing.T) {
	text := "Subject: x\nDate: Mon, 2 Nov 2026 10:30:05 +0000\n\nhej\n"
	for name, c := range map[string]struct {
		archive string
		want    []string // mailbox and flags
	}{
		"messages":    {zipped(t, "a.eml", text, "Work/b.EML", text, "readme.pdf", "%PDF", "__MACOSX/a.eml", text, ".hidden.eml", text), []string{"INBOX []", "Work []"}},
		"Thunderbird": {zipped(t, "Inbox", "From - x\n"+text, "Inbox.sbd/Sub", "From - x\n"+text, "Inbox.msf", "// <!-- mork"), []string{"Inbox []", "Inbox/Sub []"}},
		"Apple":       {zipped(t, "Sent.mbox/mbox", "From x\n"+text, "Sent.mbox/table_of_contents", "\x00\x01"), []string{"Sent []"}},
		"Takeout":     {zipped(t, "Takeout/Mail/All mail Including Spam and Trash.mbox", "From 1 Mon Nov 02 10:30:05 +0000 2026\n"+text), []string{"Takeout/Mail/All mail Including Spam and Trash []"}},
		"Maildir": {zipped(t, "Mail/cur/1.x:2,FS", text, "Mail/.Work.Old/new/2.x", text, "Mail/.Work.Old/cur/3.x;2,a", text, "Mail/.Work.Old/dovecot-keywords", "0 $Forwarded\n"),
			[]string{`INBOX [\Flagged \Seen]`, "Work/Old [$Forwarded]", "Work/Old []"}},
		"Maildir without INBOX": {zipped(t, ".Work/cur/1.x!2,S", text), []string{`Work [\Seen]`}},
	} {
		t.Run(name, func(t *testing.T) {
			var back []kept
			if err := upload("a.zip", c.archive).Read(keep(t, &back)); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, k := range back {
				got = append(got, fmt.Sprintf("%s %v", k.Mailbox, k.Flags))
				if !strings.Contains(k.text, "\r\n\r\nhej") || name == "messages" && !k.Received.Equal(when) {
					t.Errorf("%s: %q of %s", k.Mailbox, k.text, k.Received)
				}
			}
			if slices.Sort(got); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// manyFiles is an archive of empty files, made by hand: that of package zip takes long.
func manyFiles(n int) string {
	var b bytes.Buffer
	b.WriteString("PK\x03\x04" + strings.Repeat("\x00", 26)) // the one file that all are
	start := b.Len()
	entry := make([]byte, 46+54)
	copy(entry, "PK\x01\x02")
	entry[28] = 54 // octets of the name
	copy(entry[46:], strings.Repeat("a", 54))
	for range n {
		b.Write(entry)
	}
	end := make([]byte, 22)
	copy(end, "PK\x05\x06")
	binary.LittleEndian.PutUint16(end[8:], uint16(n))
	binary.LittleEndian.PutUint16(end[10:], uint16(n))
	binary.LittleEndian.PutUint32(end[12:], uint32(b.Len()-start))
	binary.LittleEndian.PutUint32(end[16:], uint32(start))
	b.Write(end)
	return b.String()
}

// countless is an archive whose files say that they unpack to 2^64 octets together.
func countless(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for range 4 {
		if _, err := z.CreateRaw(&zip.FileHeader{Name: "a.eml", UncompressedSize64: 1 << 62}); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestUploadsThatAreNoMail(t *testing.T) {
	for name, text := range map[string]string{
		"nothing": "", "a picture": "\x89PNG\r\n\x1a\n", "text": "Hej!\nHur mår du?\n", "a program": "#!/bin/sh\necho: x\n", "an archive without": zipped(t, "a.txt", "hej"),
	} {
		if err := upload("x", text).Read(func(*transfer.Item) error { return nil }); !errors.Is(err, transfer.ErrNotMail) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := upload("x", manyFiles(900_000)).Read(func(*transfer.Item) error { return nil }); err == nil || !strings.Contains(err.Error(), "too many files") {
		t.Errorf("an endless list of files: %v", err)
	}
	bomb := zipped(t, "a.eml", strings.Repeat("\x00", 64<<20))
	if err := upload("x", bomb).Read(func(*transfer.Item) error { return nil }); err != nil {
		t.Errorf("an archive below what is always fine: %v", err)
	}
	if err := upload("x", countless(t)).Read(func(*transfer.Item) error { return nil }); err == nil || !strings.Contains(err.Error(), "unpacks to more") {
		t.Errorf("an archive that unpacks to more than can be counted: %v", err)
	}
}

// TestDamagedArchives: one without its end is said to be that; of one in which something does not unpack, the rest is read.
func TestDamagedArchives(t *testing.T) {
	if err := upload("x", zipped(t, "a.eml", "Subject: x\n\ny")[:60]).Read(func(*transfer.Item) error { return nil }); !errors.Is(err, transfer.ErrDamaged) {
		t.Errorf("half an archive: %v", err)
	}
	text := "Subject: x\n\n" + strings.Repeat("a line of its own\n", 40)
	whole := zipped(t, "M/cur/1:2,a", text, "M/cur/2:2,S", text, "M/dovecot-keywords", "0 $Forwarded\n")
	for broken, want := range map[string]int{"1:2,a": 1, "keywords": 2} {
		b := []byte(whole)
		at := strings.Index(whole, broken) + len(broken) + 9 // of which 9 are when it was changed
		copy(b[at:], "\xff\xff\xff\xff")                     // the packed text begins here
		var back []kept
		var failed []error
		u := upload("a.zip", string(b))
		u.Failed = func(_ string, err error) { failed = append(failed, err) }
		if err := u.Read(keep(t, &back)); err != nil || len(back) != want || len(failed) != 1 || !errors.Is(failed[0], transfer.ErrDamaged) {
			t.Errorf("%s broken: %d read, failed %v, %v", broken, len(back), failed, err)
		}
	}
}

// TestMessagesThatAreTooLarge are told of, and the others are read.
func TestMessagesThatAreTooLarge(t *testing.T) {
	small, large := "From x\nA: b\n\nsmall\n\n", "From x\nA: b\n\n"+strings.Repeat("line\n", 300_000)+"\n"
	endless := "From x\nA: b\n\n" + strings.Repeat("x", 1_500_000) + "\n\n"
	for name, c := range map[string]struct {
		text        string
		read, fails int
	}{
		"first": {large + small, 1, 1}, "last": {small + large, 1, 1}, "between": {small + large + small + endless + small, 3, 2},
		"a line without end": {small + strings.TrimSuffix(endless, "\n\n"), 1, 1}, "archive": {zipped(t, "a.mbox", small+large+small, "b.eml", "Subject: x\n\n"+strings.Repeat("x\n", 800_000), "c.eml", "Subject: x\n\nx\n"), 3, 2},
	} {
		t.Run(name, func(t *testing.T) {
			var back []kept
			var failed []string
			u := upload("a", c.text)
			u.Limit, u.Failed = 1<<20, func(where string, err error) { failed = append(failed, where+": "+err.Error()) }
			if err := u.Read(keep(t, &back)); err != nil || len(back) != c.read || len(failed) != c.fails {
				t.Errorf("%d read, failed %q, %v", len(back), failed, err)
			}
		})
	}
}

// keeper is a writer that calls a function.
type keeper struct{ write func(*transfer.Item) error }

func (keeper) Mailbox(string) error              { return nil }
func (k keeper) Write(item *transfer.Item) error { return k.write(item) }
func (keeper) Close() error                      { return nil }

// TestExportOf takes some of the mailboxes, and leaves out what goes away meanwhile.
func TestExportOf(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	anna := storetest.Account(t, s, "anna@demo.test").ID
	im := transfer.NewImporter(s, anna)
	for i := range 450 { // more than one step
		k := kept{transfer.Item{Mailbox: "Work", Received: when.Add(time.Duration(i) * time.Second)}, fmt.Sprintf("Subject: %d\r\n\r\nx\r\n", i)}
		if err := im.Add(ctx, k.item()); err != nil {
			t.Fatal(err)
		}
	}
	if err := im.Add(ctx, letters[0].item()); err != nil {
		t.Fatal(err)
	}
	var out []kept
	err := transfer.ExportOf(ctx, s, anna, func(m *store.Mailbox) bool { return m.Name == "Work" }, keeper{keep(t, &out)})
	if err != nil || len(out) != 450 || !out[449].Received.Equal(when.Add(449*time.Second)) {
		t.Errorf("%d messages, %v", len(out), err)
	}
}
