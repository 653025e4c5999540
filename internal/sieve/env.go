package sieve

import (
	"time"

	"github.com/postiljon/postiljon/internal/message"
)

// Env is what a script can ask about the message and its surroundings. It changes nothing. Its
// answers stay the same during a run.
type Env interface {
	// Header returns the decoded values of all fields with a name, in order.
	Header(name string) []string
	// Addresses returns the addresses of all fields with a name, field by field.
	Addresses(name string) [][]message.Address
	// Size is that of the message in octets.
	Size() int64
	// Body returns the texts of the body that a body test looks at: bounded in number and length.
	Body(want BodyKind, types []string) ([]string, error)
	// Envelope returns a part of the envelope, "from" or "to", as address without brackets; "" is
	// the null sender.
	Envelope(part string) []string
	// Now is the time of the run, in the zone of the account holder.
	Now() time.Time
	// MailboxExists tells whether a message can be filed into a mailbox.
	MailboxExists(name string) (bool, error)
	// SpecialUse tells whether the mailbox, or any if it is "", has a special use such as "\Junk".
	SpecialUse(mailbox, use string) (bool, error)
	// Environment returns an item of RFC 5183, such as "domain".
	Environment(name string) (string, bool)
	// Duplicate tells whether a value was tracked before; see Tracked.
	Duplicate(handle, id string) (bool, error)
}

// BodyKind is what of a body is wanted (RFC 5173 section 5).
type BodyKind uint8

// The transforms of a body test.
const (
	BodyText    BodyKind = iota // what people read
	BodyRaw                     // as it is transferred
	BodyContent                 // the decoded parts of some media types
)
