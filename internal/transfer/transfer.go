// Package transfer carries mail out of an account and into it: as mbox files,
// as Maildir folders, and as the stream in which the running service and the
// command line exchange messages. Flags, keywords and dates go along.
package transfer

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/blob"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// Item is one message on its way.
type Item struct {
	Mailbox  string     `json:"mailbox"` // name, levels divided by "/"
	Role     store.Role `json:"role,omitempty"`
	Flags    []string   `json:"flags,omitempty"` // as IMAP names them: "\Seen", "$Forwarded"
	Received time.Time  `json:"received,omitzero"`
	Size     int64      `json:"size"`
	Body     io.Reader  `json:"-"` // Size octets
}

// systemFlags are the flags that IMAP defines, in the order they are written.
var systemFlags = []struct {
	name string
	flag store.Flags
}{
	{`\Seen`, store.FlagSeen}, {`\Answered`, store.FlagAnswered}, {`\Flagged`, store.FlagFlagged},
	{`\Deleted`, store.FlagDeleted}, {`\Draft`, store.FlagDraft},
}

// Export calls fn for every message of an account, mailbox by mailbox in
// ascending order of UIDs. Nothing is collected meanwhile, so that a message
// which is expunged while it is its turn can still be read.
func Export(ctx context.Context, s *store.Store, a store.AccountID, fn func(*Item) error) error {
	defer s.Blobs().Hold()()
	return s.Dump(ctx, a, func(m *store.Mailbox, k *store.Keywords, msg *store.Message) error {
		body, err := s.Body(ctx, &msg.Email)
		if err != nil {
			return fmt.Errorf("message %d of mailbox %q: %w", msg.UID, m.Name, err)
		}
		defer body.Close()
		item := itemOf(m, k, msg)
		item.Body = io.NewSectionReader(body, 0, body.Size())
		return fn(&item)
	})
}

// exportStep is how many messages ExportOf looks up at once.
const exportStep = 200

// ExportOf is Export for some of the mailboxes, for readers that may be slow: it keeps neither a view of the records nor
// a collection waiting, so a message that is expunged before its turn is left out. The writer is not closed.
func ExportOf(ctx context.Context, s *store.Store, a store.AccountID, want func(*store.Mailbox) bool, to Writer) error {
	mailboxes, err := s.Mailboxes(ctx, a)
	if err != nil {
		return err
	}
	for i := range mailboxes {
		if !want(&mailboxes[i]) {
			continue
		}
		err := to.Mailbox(mailboxes[i].Name)
		if err == nil {
			err = exportMailbox(ctx, s, a, &mailboxes[i], to.Write)
		}
		if err != nil {
			return fmt.Errorf("mailbox %q: %w", mailboxes[i].Name, err)
		}
	}
	return nil
}

func exportMailbox(ctx context.Context, s *store.Store, a store.AccountID, m *store.Mailbox, fn func(*Item) error) error {
	type found struct {
		item Item
		blob blob.Ref
	}
	enough := errors.New("enough")
	for next, more := uid.UID(1), true; more; {
		k, err := s.Keywords(ctx, a)
		if err != nil {
			return err
		}
		var some []found
		err = s.Messages(ctx, a, m.ID, uid.Set{{First: next, Last: math.MaxUint32}}, func(msg *store.Message) error {
			if len(some) == exportStep {
				return enough
			}
			next = msg.UID + 1
			some = append(some, found{itemOf(m, k, msg), msg.Email.Blob})
			return nil
		})
		if more = errors.Is(err, enough); err != nil && !more {
			return err
		}
		for i := range some {
			body, err := s.Blobs().Open(ctx, some[i].blob)
			if errors.Is(err, blob.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			some[i].item.Body = io.NewSectionReader(body, 0, body.Size())
			if err := errors.Join(fn(&some[i].item), body.Close()); err != nil {
				return err
			}
		}
	}
	return nil
}

func itemOf(m *store.Mailbox, k *store.Keywords, msg *store.Message) Item {
	item := Item{Mailbox: m.Name, Role: m.Role, Received: msg.Email.Received, Size: msg.Email.Size}
	for _, f := range systemFlags {
		if msg.Flags.Has(f.flag) {
			item.Flags = append(item.Flags, f.name)
		}
	}
	item.Flags = append(item.Flags, k.Names(msg.Flags)...)
	return item
}

// Count returns how many messages Export would give and their octets.
func Count(ctx context.Context, s *store.Store, a store.AccountID) (messages, octets int64, err error) {
	list, err := s.Mailboxes(ctx, a)
	for _, m := range list {
		messages, octets = messages+int64(m.Messages), octets+m.Size
	}
	return messages, octets, err
}

// Importer puts messages into an account. A message whose very bytes are in the
// mailbox already is passed over, so that an import can be begun again.
type Importer struct {
	store    *store.Store
	account  store.AccountID
	boxes    map[string]*importBox
	Imported int64 // messages placed
	Skipped  int64 // messages that were there
}

type importBox struct {
	id    store.MailboxID
	there map[[32]byte]struct{} // checksums of its messages
}

// NewImporter returns an importer for an account.
func NewImporter(s *store.Store, a store.AccountID) *Importer {
	return &Importer{store: s, account: a, boxes: map[string]*importBox{}}
}

// Make makes a mailbox if it does not exist.
func (im *Importer) Make(ctx context.Context, mailbox string) error {
	_, err := im.box(ctx, &Item{Mailbox: mailbox})
	return err
}

// Add places one message; its mailbox is made if it does not exist.
func (im *Importer) Add(ctx context.Context, item *Item) error {
	box, err := im.box(ctx, item)
	if err != nil {
		return fmt.Errorf("mailbox %q: %w", item.Mailbox, err)
	}
	w, err := im.store.Blobs().Create(ctx)
	if err != nil {
		return err
	}
	defer w.Abort()
	scanner, hash := message.NewScanner(message.Limits{}), sha256.New()
	if n, err := io.Copy(io.MultiWriter(w, scanner, hash), io.LimitReader(item.Body, item.Size)); err != nil || n != item.Size {
		return fmt.Errorf("message of %d octets ended after %d: %w", item.Size, n, errors.Join(err, io.ErrUnexpectedEOF))
	}
	if _, there := box.there[[32]byte(hash.Sum(nil))]; there {
		im.Skipped++
		return nil
	}
	ref, err := w.Commit()
	if err != nil {
		return err
	}
	n := newEmail(item, scanner.Finish())
	n.Blob = ref
	if _, err := im.store.Append(ctx, im.account, box.id, []store.NewEmail{n}); err != nil {
		return err
	}
	box.there[ref.Hash()] = struct{}{}
	im.Imported++
	return nil
}

// newEmail is an item for the store, but for its blob.
func newEmail(item *Item, summary *message.Summary) store.NewEmail {
	n := store.NewEmail{Summary: summary, Received: item.Received}
	for _, f := range item.Flags {
		i := slices.IndexFunc(systemFlags, func(s struct {
			name string
			flag store.Flags
		}) bool {
			return strings.EqualFold(s.name, f)
		})
		if i >= 0 {
			n.Flags = n.Flags.With(systemFlags[i].flag)
		} else if IsKeyword(f) {
			n.Keywords = append(n.Keywords, f)
		}
	}
	return n
}

// IsKeyword reports whether a name can be an IMAP keyword: an atom (RFC 9051
// section 9) of bounded length.
func IsKeyword(name string) bool {
	return name != "" && len(name) <= store.MaxKeywordLength && name[0] != '\\' &&
		!strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`(){%*"\]`, r) })
}

func (im *Importer) box(ctx context.Context, item *Item) (*importBox, error) {
	if b := im.boxes[item.Mailbox]; b != nil {
		return b, nil
	}
	name := mailboxFor(item.Mailbox)
	m, err := im.store.MailboxByName(ctx, im.account, name)
	if store.KindOf(err) == store.KindNotFound {
		m, err = im.store.CreateMailbox(ctx, im.account, name, store.RoleNone)
		if err == nil {
			err = im.store.Subscribe(ctx, im.account, m.Name, true)
		}
	}
	if err != nil {
		return nil, err
	}
	if m.Role == store.RoleOutbox { // only what waits to be sent is there
		if m, err = im.store.MailboxByRole(ctx, im.account, store.RoleDrafts); store.KindOf(err) == store.KindNotFound {
			m, err = im.store.MailboxByRole(ctx, im.account, store.RoleInbox)
		}
		if err != nil {
			return nil, err
		}
	}
	b := &importBox{id: m.ID, there: map[[32]byte]struct{}{}}
	err = im.store.Messages(ctx, im.account, m.ID, uid.All(), func(msg *store.Message) error {
		b.there[msg.Email.Blob.Hash()] = struct{}{}
		return nil
	})
	im.boxes[item.Mailbox] = b
	return b, err
}

// mailboxFor makes a name that the store takes of one that comes from elsewhere:
// "100%" becomes "100_". What was shared by others becomes one's own, under a
// name of one's own.
func mailboxFor(name string) string {
	levels := strings.FieldsFunc(name, func(r rune) bool { return r == '/' })
	if len(levels) > store.MaxMailboxDepth {
		levels = append(levels[:store.MaxMailboxDepth-1], strings.Join(levels[store.MaxMailboxDepth-1:], "_"))
	}
	if len(levels) > 0 && strings.EqualFold(levels[0], store.OtherUsers) {
		levels[0] += "_"
	}
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || strings.ContainsRune("*%\u2028\u2029", r) {
			return '_'
		}
		return r
	}, strings.Join(levels, "/"))
	if name == "" {
		return "Imported"
	}
	return name
}

// WriteItem writes an item to a stream: a line of JSON, then the octets.
func WriteItem(w io.Writer, item *Item) error {
	head, err := json.Marshal(item)
	if err != nil {
		return err
	}
	if _, err := w.Write(append(head, '\n')); err != nil {
		return err
	}
	n, err := io.Copy(w, item.Body)
	if err == nil && n != item.Size {
		err = fmt.Errorf("transfer: message of %d octets has %d", item.Size, n)
	}
	return err
}

// maxHead bounds the line before a message in a stream, in octets.
const maxHead = 64 << 10

// ReadItems calls fn for each item of a stream until it ends.
func ReadItems(r io.Reader, fn func(*Item) error) error {
	br := bufio.NewReaderSize(r, maxHead)
	for {
		line, err := br.ReadSlice('\n')
		if err == io.EOF && len(line) == 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("transfer: read stream: %w", err)
		}
		var item Item
		if err := json.Unmarshal(line, &item); err != nil {
			return fmt.Errorf("transfer: read stream: %w", err)
		}
		if item.Size < 0 {
			return fmt.Errorf("transfer: read stream: size %d", item.Size)
		}
		body := &io.LimitedReader{R: br, N: item.Size}
		item.Body = body
		if err := fn(&item); err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, body); err != nil {
			return fmt.Errorf("transfer: read stream: %w", err)
		}
		if body.N > 0 {
			return fmt.Errorf("transfer: read stream: %w", io.ErrUnexpectedEOF)
		}
	}
}

// Writer writes items in a format of files.
type Writer interface {
	// Mailbox tells that there is one of this name, in which there may be nothing.
	Mailbox(name string) error
	Write(*Item) error
	Close() error
}
