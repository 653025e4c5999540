package transfer

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"time"
)

// Formats that go out as one stream, for who fetches mail over the web. They take the mailboxes one after the other, as
// Export gives them, and keep nothing of them.

// NewMboxStream writes one mbox; the mailboxes are not told apart.
func NewMboxStream(w io.Writer) Writer { return &mboxStream{bufio.NewWriterSize(w, 64<<10)} }

type mboxStream struct{ w *bufio.Writer }

func (m *mboxStream) Mailbox(string) error   { return nil }
func (m *mboxStream) Write(item *Item) error { return writeMbox(m.w, item) }
func (m *mboxStream) Close() error           { return m.w.Flush() }

// newZip is a zip archive that is packed fast: mail is read from slower places than it is packed.
func newZip(w io.Writer) *zip.Writer {
	z := zip.NewWriter(w)
	var packer *flate.Writer // one for all files, which are written one after the other
	z.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) {
		if packer != nil {
			packer.Reset(out)
			return packer, nil
		}
		var err error
		packer, err = flate.NewWriter(out, flate.BestSpeed)
		return packer, err
	})
	return z
}

// NewMboxZip writes a zip archive with an mbox for each mailbox, named as NewMboxWriter names them.
func NewMboxZip(w io.Writer, now time.Time) Writer { return &mboxZip{zip: newZip(w), now: now} }

type mboxZip struct {
	zip     *zip.Writer
	now     time.Time
	mailbox string // whose file is open
	file    *bufio.Writer
}

func (m *mboxZip) Mailbox(name string) error {
	if m.file != nil && m.mailbox == name {
		return nil
	}
	if err := m.flush(); err != nil {
		return err
	}
	f, err := m.zip.CreateHeader(&zip.FileHeader{Name: filepath.ToSlash(fileName(name)) + ".mbox", Method: zip.Deflate, Modified: m.now})
	if err != nil {
		return err
	}
	m.mailbox, m.file = name, bufio.NewWriterSize(f, 64<<10)
	return nil
}

func (m *mboxZip) Write(item *Item) error {
	if err := m.Mailbox(item.Mailbox); err != nil {
		return err
	}
	return writeMbox(m.file, item)
}

func (m *mboxZip) flush() error {
	if m.file == nil {
		return nil
	}
	return m.file.Flush()
}

func (m *mboxZip) Close() error { return errors.Join(m.flush(), m.zip.Close()) }

// NewMaildirZip writes a zip archive with a Maildir++ in a folder "Maildir".
func NewMaildirZip(w io.Writer, now time.Time) Writer {
	return &maildirZip{zip: newZip(w), now: now, names: maildirNames{keywords: map[string][]string{}}}
}

type maildirZip struct {
	zip     *zip.Writer
	now     time.Time
	names   maildirNames
	folder  string // that is written
	started bool
}

const maildirRoot = "Maildir"

func (m *maildirZip) Mailbox(name string) error {
	folder := maildirRoot
	if name != "INBOX" {
		folder = path.Join(maildirRoot, folderName(name))
	}
	if m.started && folder == m.folder {
		return nil
	}
	return m.begin(folder)
}

func (m *maildirZip) Write(item *Item) error {
	if err := m.Mailbox(item.Mailbox); err != nil {
		return err
	}
	name := path.Join(m.folder, "cur", m.names.next(m.folder, item))
	f, err := m.zip.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: item.Received})
	if err != nil {
		return err
	}
	_, err = io.Copy(f, item.Body)
	return err
}

// begin ends the folder before with its keywords.
func (m *maildirZip) begin(folder string) error {
	if err := m.end(); err != nil {
		return err
	}
	m.folder, m.started = folder, true
	for _, sub := range []string{"cur/", "new/", "tmp/"} {
		if _, err := m.zip.CreateHeader(&zip.FileHeader{Name: folder + "/" + sub, Modified: m.now}); err != nil {
			return err
		}
	}
	return nil
}

func (m *maildirZip) end() error {
	names := m.names.keywords[m.folder]
	if !m.started || len(names) == 0 {
		return nil
	}
	f, err := m.zip.CreateHeader(&zip.FileHeader{Name: path.Join(m.folder, keywordFile), Method: zip.Deflate, Modified: m.now})
	if err != nil {
		return err
	}
	_, err = f.Write(keywordList(names))
	return err
}

func (m *maildirZip) Close() error {
	if !m.started {
		if err := m.begin(maildirRoot); err != nil { // a Maildir has it, even if empty
			return err
		}
	}
	return errors.Join(m.end(), m.zip.Close())
}

// maildirNames gives the files of a Maildir their names.
type maildirNames struct {
	keywords map[string][]string // by folder, at most 26
	n        int
}

func (m *maildirNames) next(folder string, item *Item) string {
	m.n++
	return fmt.Sprintf("%d.%d.postiljon,S=%d:2,%s", item.Received.Unix(), m.n, item.Size, m.letters(folder, item.Flags))
}

func keywordList(names []string) []byte {
	var b bytes.Buffer
	for i, n := range names {
		fmt.Fprintf(&b, "%d %s\n", i, n)
	}
	return b.Bytes()
}
