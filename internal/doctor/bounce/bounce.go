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
	Form Form `json:"form"`
	// Reporter is the host that reports, Provider whose it is, as far as it shows.
	Reporter string `json:"reporter,omitempty"`
	Provider string `json:"provider,omitempty"`
	// Date is when the report was made; zero where it does not say.
	Date time.Time `json:"date,omitzero"`
	// Recipients are those that the report names, at most MaxRecipients.
	Recipients []Recipient `json:"recipients"`
	// Original is the message that it reports on, as far as it tells.
	Original Original `json:"original"`
	// Text is what the report says to people, at most 16 KiB of it.
	Text string `json:"text,omitempty"`
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
	Address  string `json:"address"`
	Original string `json:"original,omitempty"`
	// Action is what became of the message: failed where the report does not say otherwise.
	Action message.Action `json:"action"`
	// Status is the enhanced status code (RFC 3463), empty where there is none.
	Status string `json:"status,omitempty"`
	// Diagnostic is the reply of the server that refused, or what the report says instead.
	Diagnostic string `json:"diagnostic,omitempty"`
	// RemoteMTA is the server that refused, Provider whose it is; empty where they are not told, as
	// when the reporting host itself refused.
	RemoteMTA string `json:"remote_mta,omitempty"`
	Provider  string `json:"provider,omitempty"`
	// Stage is where in the dialogue it refused, as far as it can be told.
	Stage dialect.Stage `json:"stage"`
	// LastAttempt is when delivery was last tried, RetryUntil when it will be given up; zero where
	// it is not told.
	LastAttempt time.Time `json:"last_attempt,omitzero"`
	RetryUntil  time.Time `json:"retry_until,omitzero"`
	// Reading is what the diagnostic means.
	Reading dialect.Reading `json:"reading"`
}

// Original is what a report tells of the message that it reports on.
type Original struct {
	// MessageID is without angle brackets.
	MessageID string            `json:"message_id,omitempty"`
	From      []message.Address `json:"from,omitempty"`
	To        []message.Address `json:"to,omitempty"`
	Subject   string            `json:"subject,omitempty"`
	Date      time.Time         `json:"date,omitzero"`
	// Size is its length in octets; 0 where it is not told. Returned tells that the whole message
	// came back.
	Size     int64 `json:"size,omitempty"`
	Returned bool  `json:"returned,omitempty"`
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
