// Package dialect reads what mail servers reply.
//
// The same code means different things at different providers, many replies lack the precise
// code, and texts are written in every language. So a reply is evidence: a Book reads it through
// what is known of the provider and of the server's software, through enhanced status codes (RFC
// 3463), response codes (RFC 5530, RFC 9051, RFC 3206), words in several languages and, last,
// plain codes at the stage where they came. Where two meanings are possible, both are told, each
// with its weight.
//
// The knowledge lies in the files of book/, not in code. A Book makes no connection, needs no
// server and is safe for concurrent use.
package dialect

import (
	"net/netip"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
)

// Protocol is what was spoken when the reply came.
type Protocol string

// The protocols. SMTP is one server speaking to another, Submission a client speaking to the
// server that sends for it: the same words mean different things there.
const (
	SMTP       Protocol = "smtp"
	Submission Protocol = "submission"
	IMAP       Protocol = "imap"
	POP3       Protocol = "pop3"
)

// Stage is where in the dialogue the reply came: what it answers.
type Stage string

// The stages.
const (
	StageGreeting   Stage = "greeting"
	StageCapability Stage = "capability" // EHLO, HELO, LHLO; CAPABILITY; CAPA
	StageStartTLS   Stage = "starttls"   // STARTTLS, STLS
	StageAuth       Stage = "auth"       // AUTH; LOGIN, AUTHENTICATE; USER, PASS, APOP, AUTH
	StageMail       Stage = "mail"
	StageRcpt       Stage = "rcpt"
	StageData       Stage = "data"        // DATA, BDAT
	StageEndOfData  Stage = "end-of-data" // the reply to the message itself
	StageAppend     Stage = "append"      // APPEND, COPY, MOVE: what adds to a mailbox
	StageSelect     Stage = "select"      // SELECT, EXAMINE, STATUS; STAT, LIST
	StageNoop       Stage = "noop"        // NOOP, IDLE: a session that was there already
	StageOther      Stage = "other"       // anything else, or not known
)

// Reading is what a reply says.
type Reading struct {
	// Meanings are what the reply can mean, the likeliest first; never empty. Where nothing is
	// known of it, that is Unknown alone.
	Meanings []Meaning `json:"meanings"`
	// Class is whether the server accepted, refused for now or refused for good.
	Class Class `json:"class,omitempty"`
	// Code is the reply code of SMTP, 0 where there is none.
	Code int `json:"code,omitempty"`
	// Enhanced is the enhanced status code (RFC 3463), such as "5.1.1"; empty where there is none.
	Enhanced string `json:"enhanced,omitempty"`
	// ResponseCode is the response code of IMAP (RFC 9051 section 7.1) or POP3 (RFC 2449 section
	// 8) in upper case, such as "AUTHENTICATIONFAILED" or "SYS/TEMP"; empty where there is none.
	ResponseCode string `json:"response_code,omitempty"`
	// Text is what the server says to people, on one line, without codes; at most MaxText octets.
	Text string `json:"text,omitempty"`
	// URL is the first web address in the reply.
	URL string `json:"url,omitempty"`
	// RetryAfter is how long the server asks to wait, Until the time it names; zero where it does
	// not say.
	RetryAfter time.Duration `json:"retry_after_ns,omitempty"`
	Until      time.Time     `json:"until,omitzero"`
	// Cause is the cause that a Postiljon server named by the link at the end of its reply.
	Cause cause.ID `json:"cause,omitempty"`
	// List is the blocklist that the reply names, such as "zen.spamhaus.org", Address the address
	// that is said to be listed or without a name; unset where the reply names none.
	List    string     `json:"list,omitempty"`
	Address netip.Addr `json:"address,omitzero"`
	// Software and Provider are whose reply it seems to be, by marks in the reply itself; empty
	// where it has none.
	Software string `json:"software,omitempty"`
	Provider string `json:"provider,omitempty"`
}

// Class is the outcome that a reply tells.
type Class string

// The classes. Of IMAP and POP3, whose refusals do not tell whether they last, only a response
// code or the meaning makes one Temporary.
const (
	Positive  Class = "positive"  // 2xx, OK, +OK, and 3xx and "+", which ask to go on
	Temporary Class = "temporary" // 4xx, [UNAVAILABLE], [SYS/TEMP]
	Permanent Class = "permanent" // 5xx, NO, BAD, -ERR
	NoClass   Class = ""          // the reply does not tell
)

// Meaning is one thing that a reply can mean.
type Meaning struct {
	Kind Kind `json:"kind"`
	// Weight is how much the reply speaks for it, above 0 and below 1. Weights of different
	// meanings are evidence each for itself and do not add up to 1.
	Weight float64 `json:"weight"`
	// Basis is the strongest evidence for it.
	Basis Basis `json:"basis"`
	// Fragment is what that evidence was found in the reply, such as "over quota" or "5.2.2".
	Fragment string `json:"fragment,omitempty"`
}

// Basis names a kind of evidence, from the strongest to the weakest.
type Basis string

// The kinds of evidence.
const (
	BasisCause    Basis = "cause"    // a Postiljon server names its cause
	BasisProvider Basis = "provider" // words or codes of this provider
	BasisSoftware Basis = "software" // words or codes of this server software
	BasisResponse Basis = "response" // a response code of IMAP or POP3
	BasisEnhanced Basis = "enhanced" // an enhanced status code
	BasisWords    Basis = "words"    // words, in any language
	BasisCode     Basis = "code"     // the plain code at this stage
)

// First returns the likeliest meaning.
func (r *Reading) First() Meaning {
	if len(r.Meanings) == 0 {
		return Meaning{Kind: Unknown}
	}
	return r.Meanings[0]
}

// Weight returns how much the reply speaks for a meaning; 0 where it does not.
func (r *Reading) Weight(kind Kind) float64 {
	for _, m := range r.Meanings {
		if m.Kind == kind {
			return m.Weight
		}
	}
	return 0
}

// Says tells whether a meaning is among those that can be meant at all seriously: the first one,
// or one of at least half its weight.
func (r *Reading) Says(kind Kind) bool {
	w := r.Weight(kind)
	return w > 0 && w >= r.Meanings[0].Weight/2
}
