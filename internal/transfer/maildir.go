package transfer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/protocol/imapd/mutf7"
)

// Maildir keeps each message in a file of its own; "Maildir++" adds mailboxes
// as folders named ".Work.Åre" (in modified UTF-7) beside INBOX's cur, new and
// tmp. Flags are letters behind ":2," in the file's name, and lower-case letters
// stand for keywords that the file "dovecot-keywords" lists.

// maildirLetters are the letters of the system flags, in the order of the
// alphabet, as names must have them.
var maildirLetters = []struct {
	letter byte
	flag   string
}{{'D', `\Draft`}, {'F', `\Flagged`}, {'R', `\Answered`}, {'S', `\Seen`}, {'T', `\Deleted`}}

const keywordFile = "dovecot-keywords"

type maildirWriter struct {
	dir   string
	names maildirNames
	made  map[string]bool
	now   time.Time
}

// NewMaildirWriter writes a Maildir++ at dir, which must be new or empty.
func NewMaildirWriter(dir string, now time.Time) (Writer, error) {
	if err := makeEmpty(dir); err != nil {
		return nil, err
	}
	w := &maildirWriter{dir: dir, names: maildirNames{keywords: map[string][]string{}}, made: map[string]bool{}, now: now}
	_, err := w.folder("INBOX") // a Maildir has it, even if empty
	return w, err
}

func (w *maildirWriter) Mailbox(name string) error {
	_, err := w.folder(name)
	return err
}

func (w *maildirWriter) Write(item *Item) error {
	folder, err := w.folder(item.Mailbox)
	if err != nil {
		return err
	}
	path := filepath.Join(folder, "cur", w.names.next(folder, item))
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, item.Body)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.Chtimes(path, w.now, item.Received)
}

func (w *maildirWriter) folder(mailbox string) (string, error) {
	dir := w.dir
	if mailbox != "INBOX" {
		dir = filepath.Join(w.dir, folderName(mailbox))
	}
	if w.made[dir] {
		return dir, nil
	}
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return "", err
		}
	}
	w.made[dir] = true
	if dir == w.dir {
		return dir, nil
	}
	return dir, os.WriteFile(filepath.Join(dir, "maildirfolder"), nil, 0o600)
}

// folderName is Maildir++'s name of a mailbox; a dot within a level, which would
// divide it, is written in modified UTF-7, and so is a backslash, which divides
// folders elsewhere.
func folderName(mailbox string) string {
	levels := strings.Split(mailbox, "/")
	for i, l := range levels {
		levels[i] = strings.NewReplacer(".", "&AC4-", `\`, "&AFw-").Replace(mutf7.Encode(l))
	}
	return "." + strings.Join(levels, ".")
}

func mailboxOfFolder(name string) string {
	levels := strings.Split(strings.TrimPrefix(name, "."), ".")
	for i, l := range levels {
		l = strings.NewReplacer("&AC4-", ".", "&AFw-", `\`).Replace(l)
		if decoded, err := mutf7.Decode(l); err == nil {
			l = decoded
		}
		levels[i] = l
	}
	return strings.Join(levels, "/")
}

func (m *maildirNames) letters(folder string, flags []string) string {
	var letters []byte
	for _, l := range maildirLetters {
		if slices.ContainsFunc(flags, func(f string) bool { return strings.EqualFold(f, l.flag) }) {
			letters = append(letters, l.letter)
		}
	}
	for _, f := range flags {
		if !IsKeyword(f) {
			continue
		}
		known := m.keywords[folder]
		i := slices.Index(known, f)
		if i < 0 && len(known) < 26 {
			i = len(known)
			m.keywords[folder] = append(known, f)
		}
		if i >= 0 {
			letters = append(letters, 'a'+byte(i))
		}
	}
	slices.Sort(letters)
	return string(slices.Compact(letters))
}

// Close writes the lists of keywords.
func (w *maildirWriter) Close() error {
	for folder, names := range w.names.keywords {
		if err := os.WriteFile(filepath.Join(folder, keywordFile), keywordList(names), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// ReadMaildir calls fn for each message of a Maildir or Maildir++. Where mailbox
// is given, it stands in the place of INBOX. progress is told the octets read.
func ReadMaildir(dir, mailbox string, progress func(octets int64), fn func(*Item) error) error {
	if mailbox == "" {
		mailbox = "INBOX"
	}
	if info, err := os.Stat(filepath.Join(dir, "cur")); err != nil || !info.IsDir() {
		return fmt.Errorf("%s is no Maildir: it has no folder cur", dir)
	}
	read := &counter{tell: progress}
	if err := readMaildirFolder(dir, mailbox, read, fn); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), ".") {
			continue
		}
		name := mailboxOfFolder(e.Name())
		if mailbox != "INBOX" {
			name = mailbox + "/" + name
		}
		if err := readMaildirFolder(filepath.Join(dir, e.Name()), name, read, fn); err != nil {
			return err
		}
	}
	return nil
}

func readMaildirFolder(dir, mailbox string, read *counter, fn func(*Item) error) error {
	keywords, err := readKeywords(filepath.Join(dir, keywordFile))
	if err != nil {
		return err
	}
	for _, sub := range []string{"cur", "new"} {
		entries, err := os.ReadDir(filepath.Join(dir, sub))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		for _, e := range entries {
			if e.IsDir() || strings.HasPrefix(e.Name(), ".") {
				continue
			}
			path := filepath.Join(dir, sub, e.Name())
			if err := readMaildirFile(path, mailbox, keywords, read, fn); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
		}
	}
	return nil
}

func readKeywords(path string) (map[byte]string, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parseKeywords(f)
}

func parseKeywords(r io.Reader) (map[byte]string, error) {
	keywords := map[byte]string{}
	lines := bufio.NewScanner(io.LimitReader(r, 64<<10))
	for lines.Scan() {
		var i int
		var name string
		if n, _ := fmt.Sscan(lines.Text(), &i, &name); n == 2 && i >= 0 && i < 26 {
			keywords['a'+byte(i)] = name
		}
	}
	return keywords, lines.Err()
}

func readMaildirFile(path, mailbox string, keywords map[byte]string, read *counter, fn func(*Item) error) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() > MaxImport {
		return ErrTooLarge
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	read.add(int64(len(text)))
	text = withCRLF(text)
	return fn(&Item{
		Mailbox: mailbox, Received: info.ModTime(), Flags: maildirFlags(filepath.Base(path), keywords),
		Size: int64(len(text)), Body: bytes.NewReader(text),
	})
}

// maildirFlags reads the letters behind ":2,"; where file names have no colon, others stand there.
func maildirFlags(name string, keywords map[byte]string) (flags []string) {
	i := strings.LastIndex(name, "2,")
	if i < 1 || !strings.ContainsRune(":;!", rune(name[i-1])) {
		return nil
	}
	for _, c := range []byte(name[i+2:]) {
		for _, l := range maildirLetters {
			if l.letter == c {
				flags = append(flags, l.flag)
			}
		}
		if keyword := keywords[c]; keyword != "" {
			flags = append(flags, keyword)
		}
	}
	return flags
}

// withCRLF gives every line the end that mail has on the wire.
func withCRLF(text []byte) []byte {
	bare := bytes.Count(text, []byte("\n")) - bytes.Count(text, []byte("\r\n"))
	if bare == 0 {
		return text
	}
	out := make([]byte, 0, len(text)+bare)
	for i, c := range text {
		if c == '\n' && (i == 0 || text[i-1] != '\r') {
			out = append(out, '\r')
		}
		out = append(out, c)
	}
	return out
}
