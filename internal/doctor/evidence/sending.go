package evidence

import (
	"net/netip"
	"time"

	"github.com/postiljon/postiljon/internal/doctor/dialect"
)

// RecipientMX is the origin of endpoints that take the recipient's mail.
const RecipientMX Origin = "recipient-mx"

// Told is a reply about a message that was kept by the program or the server.
type Told struct {
	// Source is where it is kept: outbox is the mail program's, queue the server's.
	Source string `json:"source"`
	// Own tells that the account's own server replied, not the recipient's.
	Own     bool            `json:"own"`
	To      []string        `json:"to,omitempty"`
	Subject string          `json:"subject,omitempty"`
	State   string          `json:"state,omitempty"` // as of Queued
	Cause   string          `json:"cause,omitempty"` // as of Queued
	Tries   int             `json:"tries,omitempty"`
	Since   *time.Time      `json:"since,omitempty"`
	Next    *time.Time      `json:"next,omitempty"`
	Reply   string          `json:"reply,omitempty"`
	Reading dialect.Reading `json:"reading"`
}

// FactName implements Value.
func (t Told) FactName() string { return "told by " + t.Source }

// Replied tells whether the words are a server's refusal; a program's own words,
// "could not connect", are not.
func (t Told) Replied() bool {
	return t.Reading.Class == dialect.Temporary || t.Reading.Class == dialect.Permanent
}

// Outgoing is the address that a server sends the account's mail from.
type Outgoing struct {
	Addr netip.Addr `json:"addr"`
	Host string     `json:"host,omitempty"` // the name it gave itself, if that is known
	// Source tells where it is known from: bounce, letter, or submission. The last
	// is a guess: the server that takes mail need not be the one that passes it on.
	Source string `json:"source"`
	// Forwarder tells that it is the server of a recipient who forwards, not of the sender.
	Forwarder bool `json:"forwarder,omitempty"`
}

// FactName implements Value.
func (o Outgoing) FactName() string { return "outgoing " + o.Addr.String() }

// Sought is what a search of one of the account's mailboxes found.
type Sought struct {
	Mailbox string `json:"mailbox"`
	Role    string `json:"role"` // as of Mailbox
	To      string `json:"to,omitempty"`
	Subject string `json:"subject,omitempty"`
	// MessageID is what was searched for, without brackets, where it was one message.
	MessageID string `json:"message_id,omitempty"`
	Count     int    `json:"count"`
}

// FactName implements Value.
func (s Sought) FactName() string { return "search " + s.Role }

// NearDomain is a domain that does not exist, and one of a known provider that it
// is likely a misspelling of.
type NearDomain struct {
	Domain string `json:"domain"`
	Meant  string `json:"meant"`
}

// FactName implements Value.
func (n NearDomain) FactName() string { return "misspelt " + n.Domain }
