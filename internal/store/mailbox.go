package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/postiljon/postiljon/internal/store/kv"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// Separator divides the levels of mailbox names.
const Separator = "/"

// Limits of mailboxes.
const (
	MaxMailboxes       = 5000 // an account
	MaxMailboxNameSize = 500  // octets of UTF-8
	MaxMailboxDepth    = 20   // levels
)

// InboxID is the ID of every account's INBOX, which always exists.
const InboxID MailboxID = 1

// Role is what a mailbox is for: the special uses of RFC 6154 and INBOX.
type Role string

// The roles. At most one mailbox of an account has each.
const (
	RoleNone    Role = ""
	RoleInbox   Role = "inbox"
	RoleSent    Role = "sent"
	RoleDrafts  Role = "drafts"
	RoleArchive Role = "archive"
	RoleJunk    Role = "junk"
	RoleTrash   Role = "trash"
	RoleOutbox  Role = "outbox"
)

var roles = []Role{RoleNone, RoleInbox, RoleSent, RoleDrafts, RoleArchive, RoleJunk, RoleTrash, RoleOutbox}

// defaultMailboxes is what a new account begins with, INBOX first.
var defaultMailboxes = []struct {
	name string
	role Role
}{
	{"INBOX", RoleInbox}, {"Drafts", RoleDrafts}, {"Sent", RoleSent},
	{"Archive", RoleArchive}, {"Junk", RoleJunk}, {"Trash", RoleTrash},
}

// Mailbox is an IMAP mailbox at one moment.
type Mailbox struct {
	ID                        MailboxID
	Name                      string // UTF-8 in NFC, levels divided by Separator
	Role                      Role
	UIDValidity               uint32
	UIDNext                   uid.UID
	Messages, Unseen, Deleted uint32
	Size                      int64 // octets of its messages
	HighestModSeq             ModSeq
	Subscribed                bool
	Place                     uint32 // among the others, as its holder arranged them, from 1 on; 0 if nobody did
}

// mailboxRecord is a mailbox as it is stored.
type mailboxRecord struct {
	id                        MailboxID
	name                      string
	role                      Role
	uidValidity               uint32
	uidNext                   uid.UID
	messages, unseen, deleted int64
	size                      int64
	highestModSeq             ModSeq // of the last change to it
	uidsModSeq                ModSeq // of the last change to which UIDs it has
	place                     uint32 // Mailbox.Place
	touched                   bool   // in the current transaction
}

const mailboxVersion = 1

func (m *mailboxRecord) encode() []byte {
	r := record{b: make([]byte, 0, 96)}
	r.putOctet(mailboxVersion)
	r.putUint(uint64(m.uidValidity))
	r.putUint(uint64(m.uidNext))
	r.putInt(m.messages)
	r.putInt(m.unseen)
	r.putInt(m.deleted)
	r.putInt(m.size)
	r.putUint(uint64(m.highestModSeq))
	r.putUint(uint64(m.uidsModSeq))
	r.putText(string(m.role))
	r.putText(m.name)
	if m.place > 0 { // records from before have none
		r.putUint(uint64(m.place))
	}
	return r.b
}

func decodeMailbox(id MailboxID, b []byte) (*mailboxRecord, error) {
	r := record{b: b}
	if r.octet() != mailboxVersion {
		return nil, fmt.Errorf("mailbox %d: %w", id, errDamaged)
	}
	m := &mailboxRecord{id: id}
	m.uidValidity = uint32(r.uint())
	m.uidNext = uid.UID(r.uint())
	m.messages = r.int()
	m.unseen = r.int()
	m.deleted = r.int()
	m.size = r.int()
	m.highestModSeq = ModSeq(r.uint())
	m.uidsModSeq = ModSeq(r.uint())
	m.role = Role(r.text())
	m.name = r.text()
	if len(r.b) > 0 {
		m.place = uint32(r.uint())
	}
	return m, r.err()
}

func (m *mailboxRecord) public(subscribed bool) Mailbox {
	return Mailbox{
		ID: m.id, Name: m.name, Role: m.role, UIDValidity: m.uidValidity, UIDNext: m.uidNext,
		Messages: uint32(m.messages), Unseen: uint32(m.unseen), Deleted: uint32(m.deleted),
		Size: m.size, HighestModSeq: m.highestModSeq, Subscribed: subscribed, Place: m.place,
	}
}

func readMailbox(r kv.Reader, id MailboxID) (*mailboxRecord, error) {
	b, ok, err := r.Get(table(tableMailbox).mailbox(id))
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fail("find mailbox", KindNotFound, "mailbox %d", id)
	}
	return decodeMailbox(id, b)
}

// ParseMailboxName checks a mailbox name and brings it into the form that is
// stored: NFC, INBOX in capitals. Kinds: KindInvalid, KindLimit.
func ParseMailboxName(name string) (string, error) {
	const op = "check mailbox name"
	name = norm.NFC.String(name)
	if !utf8.ValidString(name) || strings.ContainsFunc(name, unprintable) || strings.ContainsAny(name, "*%") {
		return "", fail(op, KindInvalid, "a name has no control characters, * or %%")
	}
	levels := strings.Split(name, Separator)
	if slices.Contains(levels, "") {
		return "", fail(op, KindInvalid, "a level of the name is empty")
	}
	if len(levels) > MaxMailboxDepth {
		return "", fail(op, KindLimit, "names have at most %d levels", MaxMailboxDepth)
	}
	if len(name) > MaxMailboxNameSize {
		return "", fail(op, KindLimit, "names have at most %d octets", MaxMailboxNameSize)
	}
	if strings.EqualFold(levels[0], "INBOX") {
		levels[0] = "INBOX"
	}
	return strings.Join(levels, Separator), nil
}

// unprintable names the characters that Net-Unicode forbids (RFC 5198, RFC 9051
// section 5.1).
func unprintable(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
}

// Mailboxes returns all mailboxes of an account by name, INBOX first.
func (s *Store) Mailboxes(ctx context.Context, a AccountID) (list []Mailbox, err error) {
	err = s.view(ctx, "list mailboxes", a, func(r kv.Reader) error {
		subscribed, err := readSubscriptions(r)
		if err != nil {
			return err
		}
		return eachMailbox(r, func(m *mailboxRecord) error {
			list = append(list, m.public(subscribed[m.name]))
			return nil
		})
	})
	slices.SortFunc(list, func(m, n Mailbox) int { return compareNames(m.Name, n.Name) })
	return list, err
}

func compareNames(a, b string) int {
	if a == b {
		return 0
	}
	if a == "INBOX" {
		return -1
	}
	if b == "INBOX" {
		return 1
	}
	return strings.Compare(a, b)
}

func eachMailbox(r kv.Reader, fn func(*mailboxRecord) error) error {
	t := table(tableMailbox)
	return scan(r, t, t.after(), func(k, v []byte) error {
		m, err := decodeMailbox(MailboxID(tail32(k)), v)
		if err != nil {
			return err
		}
		return fn(m)
	})
}

// Mailbox returns the mailbox with an ID.
func (s *Store) Mailbox(ctx context.Context, a AccountID, id MailboxID) (m Mailbox, err error) {
	err = s.view(ctx, "find mailbox", a, func(r kv.Reader) error {
		rec, err := readMailbox(r, id)
		if err != nil {
			return err
		}
		m, err = withSubscription(r, rec)
		return err
	})
	return m, err
}

func withSubscription(r kv.Reader, m *mailboxRecord) (Mailbox, error) {
	_, subscribed, err := r.Get(table(tableSubscription).text(m.name))
	return m.public(subscribed), err
}

// MailboxByName returns the mailbox with a name, in any form that
// ParseMailboxName accepts.
func (s *Store) MailboxByName(ctx context.Context, a AccountID, name string) (m Mailbox, err error) {
	const op = "find mailbox"
	parsed, err := ParseMailboxName(name)
	if err != nil {
		return m, &Error{Op: op, Kind: KindNotFound, Err: err}
	}
	err = s.view(ctx, op, a, func(r kv.Reader) error {
		rec, err := readByName(r, parsed)
		if err != nil {
			return err
		}
		m, err = withSubscription(r, rec)
		return err
	})
	return m, err
}

func readByName(r kv.Reader, name string) (*mailboxRecord, error) {
	b, ok, err := r.Get(table(tableName).text(name))
	if err != nil {
		return nil, err
	}
	if !ok || len(b) != 4 {
		return nil, fail("find mailbox", KindNotFound, "mailbox %q", name)
	}
	return readMailbox(r, MailboxID(binary.BigEndian.Uint32(b)))
}

// MailboxByRole returns the mailbox with a role.
func (s *Store) MailboxByRole(ctx context.Context, a AccountID, role Role) (m Mailbox, err error) {
	err = s.view(ctx, "find mailbox", a, func(r kv.Reader) error {
		rec, err := readByRole(r, role)
		if err != nil {
			return err
		}
		m, err = withSubscription(r, rec)
		return err
	})
	return m, err
}

func readByRole(r kv.Reader, role Role) (found *mailboxRecord, err error) {
	if role == RoleInbox {
		return readMailbox(r, InboxID)
	}
	err = eachMailbox(r, func(m *mailboxRecord) error {
		if m.role == role {
			found = m
		}
		return nil
	})
	if err == nil && (found == nil || role == RoleNone) {
		err = fail("find mailbox", KindNotFound, "role %q", role)
	}
	return found, err
}

// CreateMailbox makes a mailbox and those above it that do not exist yet (RFC
// 9051 section 6.3.4). Kinds: KindExists (the name or the role is taken),
// KindInvalid, KindLimit.
func (s *Store) CreateMailbox(ctx context.Context, a AccountID, name string, role Role) (m Mailbox, err error) {
	const op = "create mailbox"
	name, err = ParseMailboxName(name)
	if err != nil {
		return m, err
	}
	if !slices.Contains(roles, role) || role == RoleInbox {
		return m, fail(op, KindInvalid, "role %q", role)
	}
	if err := ownName(name); err != nil {
		return m, err
	}
	err = s.change(ctx, op, a, func(c *change) error {
		if _, err := readByName(c.tx, name); KindOf(err) != KindNotFound {
			return orExists(op, err, "mailbox %q", name)
		}
		if role != RoleNone {
			if _, err := readByRole(c.tx, role); KindOf(err) != KindNotFound {
				return orExists(op, err, "role %q", role)
			}
		}
		if err := c.createSuperiors(name); err != nil {
			return err
		}
		rec, err := c.createMailbox(name, role)
		if err != nil {
			return err
		}
		m, err = withSubscription(c.tx, rec)
		return err
	})
	return m, err
}

// ownName checks that a name does not stand for the mailboxes of others.
func ownName(name string) error {
	if top, _, _ := strings.Cut(name, Separator); strings.EqualFold(top, OtherUsers) {
		return fail("check mailbox name", KindInvalid, "%q stands for the mailboxes of others", OtherUsers)
	}
	return nil
}

func orExists(op string, err error, format string, args ...any) error {
	if err == nil {
		return fail(op, KindExists, format, args...)
	}
	return err
}

func (c *change) createSuperiors(name string) error {
	for i, r := range name {
		if string(r) != Separator {
			continue
		}
		if _, err := readByName(c.tx, name[:i]); KindOf(err) == KindNotFound {
			if _, err := c.createMailbox(name[:i], RoleNone); err != nil {
				return err
			}
		} else if err != nil {
			return err
		}
	}
	return nil
}

func (c *change) createMailbox(name string, role Role) (*mailboxRecord, error) {
	if c.head.nextMailbox > InboxID+MaxMailboxes {
		count := 0
		err := eachMailbox(c.tx, func(*mailboxRecord) error { count++; return nil })
		if err != nil {
			return nil, err
		}
		if count >= MaxMailboxes {
			return nil, fail("create mailbox", KindLimit, "an account has at most %d mailboxes", MaxMailboxes)
		}
	}
	c.head.lastValidity = max(uint32(c.now.Unix()), c.head.lastValidity+1)
	m := &mailboxRecord{id: c.head.nextMailbox, name: name, role: role, uidValidity: c.head.lastValidity, uidNext: 1}
	c.head.nextMailbox++
	c.mailboxes[m.id] = m
	c.touch(m)
	m.uidsModSeq = m.highestModSeq
	if err := c.inheritGrants(m); err != nil {
		return nil, err
	}
	return m, c.tx.Set(table(tableName).text(name), binary.BigEndian.AppendUint32(nil, uint32(m.id)))
}

// MayMove reports whether there is such a role, and mailboxes can be given it and lose it.
func MayMove(r Role) bool { return slices.Contains(roles, r) && r != RoleInbox && r != RoleOutbox }

// ArrangeMailbox gives a mailbox another role, or another place among the others (Mailbox.Place); nil leaves what is. A role is of one
// mailbox at most, those that may not move (MayMove) stay where they are. Kinds: KindNotFound, KindExists, KindInvalid.
func (s *Store) ArrangeMailbox(ctx context.Context, a AccountID, id MailboxID, role *Role, place *uint32) error {
	const op = "arrange mailbox"
	return s.change(ctx, op, a, func(c *change) error {
		m, err := c.mailbox(id)
		if err != nil {
			return err
		}
		if role != nil && *role != m.role {
			if !MayMove(*role) || !MayMove(m.role) {
				return fail(op, KindInvalid, "role %q", *role)
			}
			if *role != RoleNone {
				if _, err := readByRole(c.tx, *role); KindOf(err) != KindNotFound {
					return orExists(op, err, "role %q", *role)
				}
			}
			m.role = *role
		}
		if place != nil {
			m.place = *place
		}
		c.touch(m)
		return nil
	})
}

// RenameMailbox gives a mailbox and all below it another name. Renaming INBOX
// moves its messages to a new mailbox and leaves INBOX empty (RFC 9051 section
// 6.3.6). Kinds: KindNotFound, KindExists, KindInvalid, KindLimit.
func (s *Store) RenameMailbox(ctx context.Context, a AccountID, from, to string) error {
	const op = "rename mailbox"
	from, err := ParseMailboxName(from)
	if err != nil {
		return &Error{Op: op, Kind: KindNotFound, Err: err}
	}
	if to, err = ParseMailboxName(to); err != nil {
		return err
	}
	if err := ownName(to); err != nil {
		return err
	}
	if from == "INBOX" {
		return s.renameInbox(ctx, a, to)
	}
	if strings.HasPrefix(to, from+Separator) {
		return fail(op, KindInvalid, "a mailbox cannot go below itself")
	}
	return s.change(ctx, op, a, func(c *change) error {
		if _, err := readByName(c.tx, to); KindOf(err) != KindNotFound {
			return orExists(op, err, "mailbox %q", to)
		}
		moved, err := c.below(from)
		if err != nil {
			return err
		}
		if len(moved) == 0 {
			return fail(op, KindNotFound, "mailbox %q", from)
		}
		if err := c.createSuperiors(to); err != nil {
			return err
		}
		for _, m := range moved {
			if err := c.rename(m, to+strings.TrimPrefix(m.name, from)); err != nil {
				return err
			}
		}
		return nil
	})
}

// below returns a mailbox and all whose names continue its name.
func (c *change) below(name string) (list []*mailboxRecord, err error) {
	err = eachMailbox(c.tx, func(m *mailboxRecord) error {
		if m.name == name || strings.HasPrefix(m.name, name+Separator) {
			list = append(list, m)
		}
		return nil
	})
	return list, err
}

func (c *change) rename(m *mailboxRecord, name string) error {
	name, err := ParseMailboxName(name) // depth and length may now be too much
	if err != nil {
		return err
	}
	if err := c.tx.Delete(table(tableName).text(m.name)); err != nil {
		return err
	}
	old := table(tableSubscription).text(m.name)
	if _, subscribed, err := c.tx.Get(old); err != nil {
		return err
	} else if subscribed {
		if err := c.tx.Delete(old); err != nil {
			return err
		}
		if err := c.tx.Set(table(tableSubscription).text(name), nil); err != nil {
			return err
		}
	}
	m.name = name
	c.mailboxes[m.id] = m
	c.touch(m)
	return c.tx.Set(table(tableName).text(name), binary.BigEndian.AppendUint32(nil, uint32(m.id)))
}

func (s *Store) renameInbox(ctx context.Context, a AccountID, to string) error {
	m, err := s.CreateMailbox(ctx, a, to, RoleNone)
	if err != nil {
		return err
	}
	_, err = s.Move(ctx, a, InboxID, uid.All(), m.ID)
	return err
}

// DeleteMailbox deletes a mailbox and its messages; mailboxes below it stay
// (RFC 9051 section 6.3.5). INBOX cannot go. It works on a full volume. Kinds:
// KindNotFound, KindInvalid.
func (s *Store) DeleteMailbox(ctx context.Context, a AccountID, name string) error {
	const op = "delete mailbox"
	ctx = kv.WithReserve(ctx)
	m, err := s.MailboxByName(ctx, a, name)
	if err != nil {
		return err
	}
	if m.ID == InboxID {
		return fail(op, KindInvalid, "INBOX cannot be deleted")
	}
	// A large mailbox is emptied in bounded steps; the last takes the rest with
	// the mailbox itself.
	if _, _, err := s.Expunge(ctx, a, m.ID, uid.All(), false); err != nil {
		return err
	}
	var shared []Grant
	err = s.change(ctx, op, a, func(c *change) error {
		rec, err := c.mailbox(m.ID)
		if err != nil {
			return err
		}
		if shared, err = readGrants(c.tx, m.ID); err != nil {
			return err
		}
		if _, err := c.expunge(rec, uid.All(), false); err != nil {
			return err
		}
		c.modSeq()
		delete(c.mailboxes, m.ID)
		for _, t := range []byte{tableChunk, tablePlacement, tableChange, tableVanished, tableAnnotation, tableGrant, tablePrepared} {
			if err := c.tx.DeleteRange(table(t).mailbox(m.ID), table(t).mailbox(m.ID).after()); err != nil {
				return err
			}
		}
		if err := c.tx.Delete(table(tableName).text(rec.name)); err != nil {
			return err
		}
		return c.tx.Delete(table(tableMailbox).mailbox(m.ID))
	})
	if err == nil {
		s.unshared(ctx, a, shared)
	}
	return err
}

// Subscribe adds a name to the account's subscriptions or removes it; the
// mailbox need not exist (RFC 9051 section 6.3.7).
func (s *Store) Subscribe(ctx context.Context, a AccountID, name string, on bool) error {
	name, err := ParseMailboxName(name)
	if err != nil {
		return err
	}
	return s.change(ctx, "subscribe", a, func(c *change) error {
		k := table(tableSubscription).text(name)
		if m, err := readByName(c.tx, name); err == nil {
			c.mailboxes[m.id] = m
			c.touch(m)
		} else if KindOf(err) != KindNotFound {
			return err
		}
		c.modSeq() // also for a name that has no mailbox: who watches hears of it
		if on {
			return c.tx.Set(k, nil)
		}
		return c.tx.Delete(k)
	})
}

// Subscriptions returns the names that the account subscribes to, whether such
// mailboxes exist or not.
func (s *Store) Subscriptions(ctx context.Context, a AccountID) (names []string, err error) {
	err = s.view(ctx, "list subscriptions", a, func(r kv.Reader) error {
		subscribed, err := readSubscriptions(r)
		for name := range subscribed {
			names = append(names, name)
		}
		return err
	})
	slices.SortFunc(names, compareNames)
	return names, err
}

func readSubscriptions(r kv.Reader) (map[string]bool, error) {
	names := map[string]bool{}
	t := table(tableSubscription)
	err := scan(r, t, t.after(), func(k, _ []byte) error {
		names[string(k[1:])] = true
		return nil
	})
	return names, err
}
