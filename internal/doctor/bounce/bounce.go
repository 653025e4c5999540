// Package bounce reads what a mail program has to show when mail went wrong: reports that a message
// could not be delivered, in the standard form (RFC 3464) or in the free words of many servers, and
// messages themselves, sent or received: the way they came, what was checked, what is broken in them.
//
// Everything is read from the octets alone, without network, and is bounded whatever comes.
package bounce

import (
	"errors"
	"time"

	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/message"
)

// ErrNoBounce is returned for a message that reports on no delivery.
var ErrNoBounce = errors.New("bounce: no delivery report")

// Bounce is what a report says.
type Bounce struct {
	// Form is how the report is written.
	Form Form
	// Reporter is the host that reports, Provider whose it is, as far as it shows.
	Reporter, Provider string
	// Date is when the report was made; zero where it does not say.
	Date time.Time
	// Recipients are those that the report names, at most MaxRecipients.
	Recipients []Recipient
	// Original is the message that it reports on, as far as it tells.
	Original Original
	// Text is what the report says to people, at most 16 KiB of it.
	Text string
}

// MaxRecipients is how many recipients of a report are kept.
const MaxRecipients = 100

// Form is how a report is written.
type Form string

// The forms.
const (
	FormDSN      Form = "dsn"      // a report with a part for programs (RFC 3464)
	FormQmail    Form = "qmail"    // QSBMF, "Hi. This is the qmail-send program"
	FormExim     Form = "exim"     // "This message was created automatically by mail delivery software"
	FormPostfix  Form = "postfix"  // Postfix's text without the part for programs
	FormExchange Form = "exchange" // Exchange's or Outlook's text without the part for programs
	FormText     Form = "text"     // any other text
)

// Recipient is the outcome for one recipient.
type Recipient struct {
	// Address is whom the server spoke of, Original whom the sender wrote to, where that is told
	// and not the same.
	Address, Original string
	// Action is what became of the message: failed where the report does not say otherwise.
	Action message.Action
	// Status is the enhanced status code (RFC 3463), empty where there is none.
	Status string
	// Diagnostic is the reply of the server that refused, or what the report says instead.
	Diagnostic string
	// RemoteMTA is the server that refused, Provider whose it is; empty where they are not told, as
	// when the reporting host itself refused.
	RemoteMTA, Provider string
	// Stage is where in the dialogue it refused, as far as it can be told.
	Stage dialect.Stage
	// LastAttempt is when delivery was last tried, RetryUntil when it will be given up; zero where
	// it is not told.
	LastAttempt, RetryUntil time.Time
	// Reading is what the diagnostic means.
	Reading dialect.Reading
}

// Original is what a report tells of the message that it reports on.
type Original struct {
	// MessageID is without angle brackets.
	MessageID string
	From, To  []message.Address
	Subject   string
	Date      time.Time
	// Size is its length in octets; 0 where it is not told. Returned tells that the whole message
	// came back.
	Size     int64
	Returned bool
}

// Failed tells whether any recipient did not get the message and will not.
func (b *Bounce) Failed() bool {
	for i := range b.Recipients {
		if b.Recipients[i].Action == message.ActionFailed {
			return true
		}
	}
	return false
}
