package imapd

import (
	"github.com/postiljon/postiljon/internal/netserve"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/uid"
)

// Conn describes a connection to the Backend. Its fields change between calls, never during one.
type Conn struct {
	netserve.Conn
	// Client is what the client says it is (RFC 2971): fields and values.
	Client [][2]string
	// Account is who signed in, 0 before; Name is the address used.
	Account store.AccountID
	Name    string
	// JMAP is the URL of the JMAP session where who signed in has the same mail, under the same ids and
	// with the same password or token (RFC 9698); "" if there is none. Backend.SignedIn sets it.
	JMAP string
}

// EventKind says what happened.
type EventKind uint8

const (
	// EventClient: the client said what it is; see Conn.Client.
	EventClient EventKind = iota + 1
	// EventAppended: a message was put into a mailbox by APPEND.
	EventAppended
	// EventExpunged: messages were removed from a mailbox.
	EventExpunged
	// EventMoved: messages were moved from Mailbox to Target.
	EventMoved
	// EventMailboxDeleted: a mailbox was deleted with its messages.
	EventMailboxDeleted
	// EventShared: a mailbox gives other rights to somebody.
	EventShared
	// EventFiled: messages lie in a mailbox of another role now, copied or moved. UIDs are those in Into.
	EventFiled
	// EventMarked: messages in Into were called junk or not junk, by a keyword.
	EventMarked
	// EventFetched: the text of messages was sent to the client. It is told when the client rests.
	EventFetched
)

// Event is something that a client did, for the journal.
type Event struct {
	Kind EventKind
	// Owner is the account whose mailbox it is, if that is another than the one that is signed in.
	Owner   store.AccountID
	Mailbox string // as its owner names it
	Target  string
	UIDs    uid.Set // in Mailbox
	// MessageIDs are those of the first of them, of what is moved or removed; of the last of them, where they were fetched.
	MessageIDs []string
	// Of EventShared: to whom it gives which rights now.
	With   string
	Rights store.Rights
	// Of EventFiled: what mailbox they came from, and where they lie.
	From, To store.Role
	Into     store.MailboxID
	// Of EventMarked.
	Junk bool
}
