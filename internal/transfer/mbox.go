package transfer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/message"
)

// The mbox format has no standard; what is written here is "mboxrd": each
// message begins with a line "From sender date", lines of the message that
// begin with any number of ">" and "From " get one ">" more, line ends are LF.
// Flags stand in the fields Status (R read, O old) and X-Status (A answered,
// F flagged, D deleted, T draft), keywords in X-Keywords, as mutt, Dovecot and
// others read them.

const fromDate = "Mon Jan _2 15:04:05 2006"

// mboxWriter writes one file for each mailbox: "Work/Åre" is Work/Åre.mbox.
type mboxWriter struct {
	dir   string
	files map[string]*mboxFile
}

type mboxFile struct {
	f *os.File
	w *bufio.Writer
}

// NewMboxWriter writes mbox files below dir, which must be new or empty.
func NewMboxWriter(dir string) (Writer, error) {
	if err := makeEmpty(dir); err != nil {
		return nil, err
	}
	return &mboxWriter{dir: dir, files: map[string]*mboxFile{}}, nil
}

// makeEmpty makes a folder, or accepts an empty one.
func makeEmpty(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("folder %s is not empty; name a new one", dir)
	}
	return err
}

func (w *mboxWriter) Mailbox(name string) error {
	_, err := w.file(name)
	return err
}

func (w *mboxWriter) Write(item *Item) error {
	file, err := w.file(item.Mailbox)
	if err != nil {
		return err
	}
	return writeMbox(file.w, item)
}

func writeMbox(w *bufio.Writer, item *Item) error {
	if _, err := fmt.Fprintf(w, "From MAILER-DAEMON %s\n", item.Received.UTC().Format(fromDate)); err != nil {
		return err
	}
	return writeQuoted(w, io.MultiReader(strings.NewReader(statusFields(item.Flags)), item.Body))
}

// fileName turns a mailbox name into a path below the folder. Names that file
// systems do not take, such as "..", are written with "%".
func fileName(mailbox string) string {
	levels := strings.Split(mailbox, "/")
	for i, l := range levels {
		l = strings.NewReplacer("%", "%25", "\x00", "%00", "\\", "%5C", ":", "%3A").Replace(l)
		if strings.HasPrefix(l, ".") {
			l = "%2E" + l[1:]
		}
		// A folder must not have the name of a file: "x.mbox/y" that of "x".
		if above, ok := strings.CutSuffix(l, ".mbox"); ok && i < len(levels)-1 {
			l = above + "%2Embox"
		}
		levels[i] = l
	}
	return filepath.Join(levels...)
}

// mailboxName is the reverse of fileName.
func mailboxName(path string) string {
	return strings.NewReplacer("%2E", ".", "%3A", ":", "%5C", "\\", "%00", "\x00", "%25", "%").Replace(filepath.ToSlash(path))
}

func (w *mboxWriter) file(mailbox string) (*mboxFile, error) {
	if f := w.files[mailbox]; f != nil {
		return f, nil
	}
	path := filepath.Join(w.dir, fileName(mailbox)+".mbox")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	file := &mboxFile{f, bufio.NewWriterSize(f, 64<<10)}
	w.files[mailbox] = file
	return file, nil
}

// Close writes all to the disk.
func (w *mboxWriter) Close() error {
	var errs []error
	for _, f := range w.files {
		errs = append(errs, f.w.Flush(), f.f.Sync(), f.f.Close())
	}
	return errors.Join(errs...)
}

func statusFields(flags []string) string {
	status, xstatus := "O", ""
	var keywords []string
	for _, f := range flags {
		switch strings.ToLower(f) {
		case `\seen`:
			status = "RO"
		case `\answered`:
			xstatus += "A"
		case `\flagged`:
			xstatus += "F"
		case `\deleted`:
			xstatus += "D"
		case `\draft`:
			xstatus += "T"
		default:
			keywords = append(keywords, f)
		}
	}
	text := "Status: " + status + "\r\n"
	if xstatus != "" {
		text += "X-Status: " + xstatus + "\r\n"
	}
	if len(keywords) > 0 {
		text += "X-Keywords: " + strings.Join(keywords, " ") + "\r\n"
	}
	return text
}

// writeQuoted writes a message with LF line ends and quoted From lines, and the
// empty line that ends it.
func writeQuoted(w *bufio.Writer, r io.Reader) error {
	br := bufio.NewReaderSize(r, 64<<10)
	whole := true // the last line was read to its end
	for {
		line, err := br.ReadSlice('\n')
		if err != nil && err != io.EOF && err != bufio.ErrBufferFull {
			return err
		}
		if whole && isFrom(bytes.TrimLeft(line, ">")) {
			w.WriteByte('>')
		}
		whole = err != bufio.ErrBufferFull
		if n := len(line); n > 0 && line[n-1] == '\n' {
			line = append(bytes.TrimSuffix(line[:n-1], []byte("\r")), '\n')
		} else if n > 0 && err == io.EOF {
			line = append(line[:n:n], '\n')
		}
		w.Write(line)
		if err == io.EOF {
			return w.WriteByte('\n')
		}
	}
}

func isFrom(line []byte) bool { return bytes.HasPrefix(line, []byte("From ")) }

// ReadMbox calls fn for each message of an mbox file, or of each file below a
// folder. The mailbox is named after the file, "INBOX" where mailbox is given
// so. progress is told the octets read so far.
func ReadMbox(path, mailbox string, progress func(octets int64), fn func(*Item) error) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	read := &counter{tell: progress}
	if !info.IsDir() {
		if mailbox == "" {
			mailbox = mailboxName(strings.TrimSuffix(filepath.Base(path), ".mbox"))
		}
		return readMboxFile(path, mailbox, read, fn)
	}
	return filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") {
			return err
		}
		name, err := filepath.Rel(path, p)
		if err != nil {
			return err
		}
		name = mailboxName(strings.TrimSuffix(name, ".mbox"))
		if mailbox != "" {
			name = mailbox + "/" + name
		}
		return readMboxFile(p, name, read, fn)
	})
}

// counter tells how much was read.
type counter struct {
	octets int64
	tell   func(int64)
}

func (c *counter) add(n int64) {
	c.octets += n
	if c.tell != nil {
		c.tell(c.octets)
	}
}

func readMboxFile(path, mailbox string, read *counter, fn func(*Item) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	r := &mboxReader{br: bufio.NewReaderSize(f, 256<<10), read: read, max: MaxImport}
	for n := 1; ; n++ {
		item, err := r.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s, message %d: %w", path, n, err)
		}
		item.Mailbox = mailbox
		if err := fn(item); err != nil {
			return fmt.Errorf("%s, message %d: %w", path, n, err)
		}
	}
}

// MaxImport is the largest message that is read from a file, in octets.
const MaxImport = 512 << 20

// ErrTooLarge reports a message that is larger than one may be.
var ErrTooLarge = errors.New("the message is too large to be imported")

var errNotMbox = errors.New(`the file is no mbox: it does not begin with a line "From ..."`)

type mboxReader struct {
	br      *bufio.Reader
	read    *counter
	max     int    // octets of a message
	from    string // the From line of the next message
	started bool
}

// next reads one message whole; mbox does not tell its size beforehand. After ErrTooLarge it can go on with the one
// behind.
func (r *mboxReader) next() (*Item, error) {
	if !r.started {
		line, err := r.line()
		for err == nil && len(bytes.TrimSpace(line)) == 0 {
			line, err = r.line()
		}
		if err == io.EOF && len(line) == 0 {
			return nil, io.EOF
		}
		if !isFrom(line) {
			return nil, errors.Join(errNotMbox, ignoreEOF(err))
		}
		r.from, r.started = string(line), true
	}
	if r.from == "" {
		return nil, io.EOF
	}
	item := &Item{Received: fromLineDate(r.from)}
	r.from = ""
	text, err := r.text()
	if err != nil {
		return nil, err
	}
	text = takeStatus(text, item)
	item.Size, item.Body = int64(len(text)), bytes.NewReader(text)
	return item, nil
}

func ignoreEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// text reads lines up to the next From line that follows an empty line.
func (r *mboxReader) text() ([]byte, error) {
	var text []byte
	empty, tooLarge := false, false
	for {
		line, err := r.line()
		if err != nil && err != io.EOF && err != ErrTooLarge {
			return nil, err
		}
		if empty && isFrom(line) {
			r.from = string(line)
			if tooLarge {
				return nil, ErrTooLarge
			}
			return bytes.TrimSuffix(text, []byte("\r\n")), nil
		}
		if tooLarge = tooLarge || err == ErrTooLarge || len(text)+len(line) > r.max; tooLarge {
			if text, empty = nil, len(bytes.TrimRight(line, "\r\n")) == 0 && err == nil; err == io.EOF {
				return nil, ErrTooLarge
			}
			continue
		}
		if len(line) > 0 {
			bare := bytes.TrimRight(line, "\r\n")
			empty = len(bare) == 0
			if line[0] == '>' && isFrom(bytes.TrimLeft(bare, ">")) {
				bare = bare[1:]
			}
			text = append(append(text, bare...), '\r', '\n')
		}
		if err == io.EOF {
			if empty {
				text = bytes.TrimSuffix(text, []byte("\r\n"))
			}
			return text, nil
		}
	}
}

// line reads one line. Of one that is longer than a message may be, only that is told.
func (r *mboxReader) line() ([]byte, error) {
	var long []byte
	tooLarge := false
	for {
		part, err := r.br.ReadSlice('\n')
		r.read.add(int64(len(part)))
		if err != bufio.ErrBufferFull && long == nil && !tooLarge {
			return part, err
		}
		if tooLarge = tooLarge || len(long)+len(part) > r.max; tooLarge {
			long = nil
		} else {
			long = append(long, part...)
		}
		switch {
		case err == bufio.ErrBufferFull:
		case tooLarge && (err == nil || err == io.EOF):
			return nil, ErrTooLarge
		default:
			return long, err
		}
	}
}

// fromLineDate finds the date at the end of a From line, zero if there is none.
func fromLineDate(line string) time.Time {
	fields := strings.Fields(line)
	for _, layout := range []string{"Mon Jan 2 15:04:05 2006", "Mon Jan 2 15:04:05 MST 2006", "Mon Jan 2 15:04:05 2006 -0700", "Mon Jan 2 15:04:05 -0700 2006"} {
		n := len(strings.Fields(layout))
		if len(fields) < n {
			continue
		}
		if t, err := time.Parse(layout, strings.Join(fields[len(fields)-n:], " ")); err == nil {
			return t
		}
	}
	return time.Time{}
}

// takeStatus takes the fields with flags out of the header.
func takeStatus(text []byte, item *Item) []byte {
	end := bytes.Index(text, []byte("\r\n\r\n"))
	if end < 0 {
		end = len(text)
	} else {
		end += 2
	}
	var kept []byte
	found := false
	for f := range message.HeaderFields(text[:end]) {
		value := strings.TrimSpace(string(f.Value()))
		switch strings.ToLower(string(f.Name)) {
		case "status", "x-status":
			found = true
			for _, c := range value {
				if name, ok := map[rune]string{'R': `\Seen`, 'A': `\Answered`, 'F': `\Flagged`, 'D': `\Deleted`, 'T': `\Draft`}[c]; ok {
					item.Flags = append(item.Flags, name)
				}
			}
		case "x-keywords":
			found = true
			item.Flags = append(item.Flags, strings.Fields(strings.ReplaceAll(value, ",", " "))...)
		default:
			kept = append(kept, f.Raw...)
		}
	}
	if !found {
		return text
	}
	return append(kept, text[end:]...)
}
