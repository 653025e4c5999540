package evidence

import (
	"time"

	"github.com/postiljon/postiljon/internal/doctor/dialect"
)

// TestMessage is a message that the account may send to itself, with the person's consent.
type TestMessage struct {
	// Subject names it, so that whoever finds it knows what it is; Text is what it says.
	Subject, Text string
	// Wait is how long it is waited for; the run's own end may come first.
	Wait time.Duration
}

// Idle is how the server took to a connection that waits for news (IDLE, RFC 2177).
type Idle struct {
	Endpoint Endpoint `json:"endpoint"`
	// Accepted tells that the server let the client wait.
	Accepted bool `json:"accepted"`
	// Held is how long the connection then waited; Outcome is how it was at the end: OK where the
	// server answered, Closed, Reset or TimedOut where it did not.
	Held    time.Duration `json:"held_ns"`
	Outcome Outcome       `json:"outcome"`
	// Bye tells that the server itself ended it, with words.
	Bye     bool            `json:"bye,omitempty"`
	Reply   string          `json:"reply,omitempty"`
	Reading dialect.Reading `json:"reading"`
}

// FactName implements Value.
func (i Idle) FactName() string { return "idle " + place(i.Endpoint) }

// IdleNotice is whether a waiting connection was told of a message that came.
type IdleNotice string

// What a waiting connection heard; empty where none waited.
const (
	NoticeTold   IdleNotice = "told"
	NoticeSilent IdleNotice = "silent"
)

// RoundTrip is what became of a message that the account sent to itself.
type RoundTrip struct {
	By        Endpoint `json:"by"` // who was asked to send it
	At        Endpoint `json:"at"` // where it was waited for
	MessageID string   `json:"message_id"`
	Subject   string   `json:"subject"`
	// Accepted tells that the server took it; Reply is what it said to it, or to the command that it refused.
	Accepted   bool          `json:"accepted"`
	Reply      string        `json:"reply,omitempty"`
	AcceptedIn time.Duration `json:"accepted_in_ns"` // from MAIL to that reply
	// Arrived tells that it was found, in Mailbox with Role (as of Mailbox).
	Arrived   bool          `json:"arrived"`
	Mailbox   string        `json:"mailbox,omitempty"`
	Role      string        `json:"role,omitempty"`
	ArrivedIn time.Duration `json:"arrived_in_ns,omitempty"` // from the acceptance until it was seen
	Waited    time.Duration `json:"waited_ns"`
	Notice    IdleNotice    `json:"notice,omitempty"`
	NoticeIn  time.Duration `json:"notice_in_ns,omitempty"` // from the acceptance
	// Returned tells that a report came in its place; that is a fact of its own and stays where it is.
	Returned bool `json:"returned,omitempty"`
	// Deleted counts the copies that were removed; Left names mailboxes in which one is left.
	Deleted int      `json:"deleted"`
	Left    []string `json:"left,omitempty"`
}

// FactName implements Value.
func (RoundTrip) FactName() string { return "test message" }
