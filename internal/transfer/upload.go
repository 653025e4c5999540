package transfer

import (
	"archive/zip"
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"net/mail"
	"path"
	"strings"
	"time"
)

// ErrNotMail reports a file in which there is no mail in a form that can be read.
var ErrNotMail = errors.New("transfer: the file is neither mbox nor zip nor a message")

// ErrDamaged reports an archive that is not whole, or a file in it that cannot be unpacked.
var ErrDamaged = errors.New("transfer: the archive is damaged")

// errBomb reports an archive that unpacks to far more than mail does.
var errBomb = errors.New("transfer: the archive unpacks to more than mail does")

// Upload is a file that somebody brought: an mbox, a message, or a zip archive of those or of a Maildir.
type Upload struct {
	File io.ReaderAt
	Size int64
	Name string
	// Into is the mailbox for it; in an archive of several mailboxes, the one they go below. "" is as the file says.
	Into string
	// Limit is the largest message, in octets; it is held in memory. 0 means MaxImport.
	Limit int
	// Progress is told the octets of the file that were read, about.
	Progress func(octets int64)
	// Failed is told of messages that could not be read, by where they stand; the others are read on.
	Failed func(where string, err error)
	// Empty is told of mailboxes of an archive in which there is nothing.
	Empty func(mailbox string) error
}

// maxRatio is how many times its size an archive may unpack to; text packs to a tenth.
const (
	maxRatio   = 200
	alwaysFine = 1 << 30
)

// Read calls fn for each message. Errors: ErrNotMail, ErrDamaged, that of fn, that of reading the file.
func (u *Upload) Read(fn func(*Item) error) error {
	if u.Limit <= 0 {
		u.Limit = MaxImport
	}
	head := make([]byte, min(u.Size, 64<<10))
	if _, err := u.File.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	whole := io.NewSectionReader(u.File, 0, u.Size)
	switch {
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("PK\x05\x06")):
		return u.archive(fn)
	case isFrom(bytes.TrimLeft(head, "\r\n \t\ufeff")):
		return u.mbox(whole, u.mailbox(""), "", &counter{tell: u.Progress}, fn)
	case isMessage(head):
		return u.message(whole, u.mailbox("INBOX"), u.Name, nil, time.Time{}, &counter{tell: u.Progress}, fn)
	}
	return ErrNotMail
}

// mailbox is the one for a file without folders: the one that is wanted, or as the file is called.
func (u *Upload) mailbox(otherwise string) string {
	switch {
	case u.Into != "":
		return u.Into
	case otherwise != "":
		return otherwise
	}
	return mailboxName(trimExt(path.Base(u.Name)))
}

func trimExt(name string) string {
	for _, ext := range []string{".mbox", ".mbx", ".eml", ".zip", ".txt"} {
		if n := len(name) - len(ext); n > 0 && strings.EqualFold(name[n:], ext) {
			return name[:n]
		}
	}
	return name
}

// isMessage reports whether text begins as a header does: with fields that mail has.
func isMessage(head []byte) bool {
	known := 0
	for i, line := range bytes.Split(head, []byte("\n")) {
		line = bytes.TrimRight(line, "\r")
		if i > 200 || len(line) == 0 {
			break
		}
		name, _, ok := bytes.Cut(line, []byte(":"))
		if line[0] == ' ' || line[0] == '\t' {
			continue
		}
		if !ok || bytes.ContainsAny(name, " \t") {
			return known > 1 // an odd line, such as one of a program that wrote the file
		}
		switch strings.ToLower(string(name)) {
		case "from", "to", "subject", "date", "received", "message-id", "return-path", "delivered-to", "mime-version":
			known++
		}
	}
	return known > 0
}

func (u *Upload) failed(where string, err error) error {
	if u.Failed == nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	u.Failed(where, err)
	return nil
}

// mbox reads the messages of an mbox.
func (u *Upload) mbox(r io.Reader, mailbox, where string, read *counter, fn func(*Item) error) error {
	m := &mboxReader{br: bufio.NewReaderSize(r, 256<<10), read: read, max: u.Limit}
	for n := 1; ; n++ {
		item, err := m.next()
		switch {
		case err == io.EOF:
			return nil
		case errors.Is(err, ErrTooLarge):
			if err := u.failed(strings.TrimSpace(fmt.Sprintf("%s #%d", where, n)), err); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		}
		item.Mailbox = mailbox
		if err := fn(item); err != nil {
			return err
		}
	}
}

// message reads a file that is one message.
func (u *Upload) message(r io.Reader, mailbox, where string, flags []string, received time.Time, read *counter, fn func(*Item) error) error {
	text, err := io.ReadAll(io.LimitReader(r, int64(u.Limit)+1))
	if err != nil {
		return err
	}
	read.add(int64(len(text)))
	if len(text) > u.Limit {
		return u.failed(where, ErrTooLarge)
	}
	text = withCRLF(bytes.TrimPrefix(text, []byte("\ufeff")))
	item := &Item{Mailbox: mailbox, Flags: flags, Received: received, Size: int64(len(text)), Body: bytes.NewReader(text)}
	if item.Received.IsZero() {
		item.Received = dateOf(text)
	}
	return fn(item)
}

// dateOf is when a message came, as far as it says: a file of its own has no other date that would be one.
func dateOf(text []byte) time.Time {
	m, err := mail.ReadMessage(bytes.NewReader(text))
	if err != nil {
		return time.Time{}
	}
	if _, date, ok := strings.Cut(m.Header.Get("Received"), ";"); ok {
		if t, err := mail.ParseDate(strings.TrimSpace(date)); err == nil {
			return t
		}
	}
	t, err := m.Header.Date()
	if err != nil {
		return time.Time{}
	}
	return t
}

// archive reads a zip archive: what is in folders cur and new is of a Maildir, files that begin as mbox do are that, those named
// .eml are messages. Everything else is passed over, as archives hold much.
func (u *Upload) archive(fn func(*Item) error) error {
	file := &bounded{r: u.File, left: maxDirectory}
	z, err := zip.NewReader(file, u.Size)
	file.left = math.MaxInt64 // the rest is read bit by bit
	if errors.Is(err, errDirectory) {
		return err
	}
	if err != nil { // the list of files is at the end, which a download that broke off has not
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	keywords := map[string]map[byte]string{}
	left := max(alwaysFine, uint64(u.Size)*maxRatio)
	for _, f := range z.File { // what all say that they unpack to, which may be more than can be counted
		if f.UncompressedSize64 > left {
			return errBomb
		}
		left -= f.UncompressedSize64
	}
	for _, f := range z.File {
		if path.Base(f.Name) == keywordFile {
			if keywords[path.Dir(f.Name)], err = zipKeywords(f); err != nil {
				if err := u.failed(f.Name, fmt.Errorf("%w: %w", ErrDamaged, err)); err != nil {
					return err
				}
			}
		}
	}
	root, found := maildirRootOf(z.File), false
	read := &counter{} // packed octets, below
	for _, f := range z.File {
		one, err := u.entry(f, root, keywords, fn)
		if err != nil {
			return err
		}
		found = found || one
		if read.add(int64(f.CompressedSize64)); u.Progress != nil {
			u.Progress(min(read.octets, u.Size))
		}
	}
	if !found {
		return ErrNotMail
	}
	return u.empty(z.File, root)
}

// empty tells of the mailboxes that have only their folder, or their file without a message.
func (u *Upload) empty(files []*zip.File, root string) error {
	if u.Empty == nil {
		return nil
	}
	full, bare := map[string]bool{}, []string{}
	for _, f := range files {
		name := strings.ReplaceAll(f.Name, `\`, "/")
		dir := path.Dir(name)
		switch sub := path.Base(dir); {
		case strings.HasPrefix(name, "__MACOSX/"):
		case strings.HasSuffix(name, "/cur/"): // its parent is the mailbox
			bare = append(bare, maildirMailbox(root, path.Dir(dir)))
		case !f.FileInfo().IsDir() && (sub == "cur" || sub == "new"):
			full[maildirMailbox(root, path.Dir(dir))] = true
		case f.UncompressedSize64 == 0 && strings.EqualFold(path.Ext(name), ".mbox") && !f.FileInfo().IsDir():
			bare = append(bare, mboxMailbox(name))
		}
	}
	for _, mailbox := range bare {
		if !full[mailbox] {
			if err := u.Empty(u.below(mailbox)); err != nil {
				return err
			}
		}
	}
	return nil
}

// maxDirectory bounds the list of files of an archive, which is in memory: some 600,000 messages, each in a file.
const maxDirectory = 64 << 20

// errDirectory reports an archive with too long a list of files.
var errDirectory = errors.New("transfer: the archive has too many files")

// bounded reads so many octets of a file.
type bounded struct {
	r    io.ReaderAt
	left int64
}

func (b *bounded) ReadAt(p []byte, off int64) (int, error) {
	if b.left -= int64(len(p)); b.left < 0 {
		return 0, errDirectory
	}
	return b.r.ReadAt(p, off)
}

// maildirRootOf is the folder in which an archive has its Maildir: the highest that has a folder cur.
func maildirRootOf(files []*zip.File) string {
	root, found := "", false
	for _, f := range files {
		dir := path.Dir(f.Name)
		if strings.HasSuffix(f.Name, "/") {
			dir = path.Clean(f.Name)
		}
		if base := path.Base(dir); base != "cur" && base != "new" {
			continue
		}
		above := path.Dir(dir)
		if !found || len(above) < len(root) {
			root, found = above, true
		}
	}
	if strings.HasPrefix(path.Base(root), ".") && root != "." {
		return path.Dir(root) // only folders beside an INBOX that is not there
	}
	return root
}

func zipKeywords(f *zip.File) (map[byte]string, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return parseKeywords(r)
}

// entry reads one file of an archive, and tells whether it held mail.
func (u *Upload) entry(f *zip.File, root string, keywords map[string]map[byte]string, fn func(*Item) error) (mail bool, err error) {
	name := strings.ReplaceAll(f.Name, `\`, "/")
	base := path.Base(name)
	if f.FileInfo().IsDir() || strings.HasPrefix(name, "__MACOSX/") || strings.HasPrefix(base, ".") || base == keywordFile {
		return false, nil
	}
	r, err := f.Open()
	if err != nil {
		return true, u.failed(name, fmt.Errorf("%w: %w", ErrDamaged, err))
	}
	defer r.Close() // says again what reading said
	// What unpacks to something else than it says fails with an error of reading.
	br := bufio.NewReaderSize(io.LimitReader(r, int64(f.UncompressedSize64)+1), 64<<10)
	dir := path.Dir(name)
	head, _ := br.Peek(4 << 10) // what cannot be read shows below
	var broken error
	noted := func(item *Item) error {
		if err := fn(item); err != nil {
			broken = err
			return err
		}
		return nil
	}
	switch sub := path.Base(dir); {
	case sub == "cur" || sub == "new":
		folder := path.Dir(dir)
		err = u.message(br, u.below(maildirMailbox(root, folder)), name, maildirFlags(base, keywords[folder]), f.Modified, &counter{}, noted)
	case isFrom(bytes.TrimLeft(head, "\r\n \t\ufeff")):
		err = u.mbox(br, u.below(mboxMailbox(name)), name, &counter{}, noted)
	case strings.EqualFold(path.Ext(base), ".eml"):
		err = u.message(br, u.below(foldersOf(dir)), name, nil, time.Time{}, &counter{}, noted)
	default:
		return false, nil
	}
	if err != nil && broken == nil { // of reading this file: the others may be whole
		err = u.failed(name, fmt.Errorf("%w: %w", ErrDamaged, err))
	}
	return true, err
}

// below puts a mailbox of an archive where it is wanted.
func (u *Upload) below(mailbox string) string {
	switch {
	case u.Into == "" && mailbox == "":
		return "INBOX"
	case u.Into == "":
		return mailbox
	case mailbox == "" || mailbox == "INBOX":
		return u.Into
	}
	return u.Into + "/" + mailbox
}

// maildirMailbox names the mailbox of a folder of a Maildir++ at root, or of folders that lie in each other.
func maildirMailbox(root, folder string) string {
	if folder == root {
		return "INBOX"
	}
	rest := strings.TrimPrefix(folder, root+"/")
	if root == "." {
		rest = folder
	}
	if base := path.Base(rest); strings.HasPrefix(base, ".") {
		return mailboxOfFolder(base)
	}
	return foldersOf(rest)
}

// mboxMailbox names the mailbox of an mbox by its file; Apple's are folders "Name.mbox" with a file "mbox".
func mboxMailbox(name string) string {
	if strings.EqualFold(path.Base(name), "mbox") && path.Dir(name) != "." {
		name = path.Dir(name)
	}
	levels := strings.Split(name, "/")
	for i, l := range levels {
		if i == len(levels)-1 {
			levels[i] = trimExt(l)
		} else {
			levels[i] = strings.TrimSuffix(strings.TrimSuffix(l, ".mbox"), ".sbd") // Thunderbird's folders of folders
		}
	}
	return mailboxName(strings.Join(levels, "/"))
}

func foldersOf(dir string) string {
	if dir == "." {
		return ""
	}
	return mailboxName(dir)
}
