package evidence

import "strings"

// Symptom is what the person says is wrong.
type Symptom string

// The symptoms that the doctor is asked about.
const (
	AnySymptom Symptom = "any"
	Send       Symptom = "send"
	Receive    Symptom = "receive"
	SignsIn    Symptom = "signin"
	Push       Symptom = "push"
	Webmail    Symptom = "webmail"
	OneMessage Symptom = "message"
)

// Complaint is what the person came with.
type Complaint struct {
	Symptom Symptom
	// Address is the account's address, in the form user@domain.
	Address string
	// Password is empty if none was given: sign-ins are then not tried.
	Password string
	// GivenUsername is the user name as the mail program has it; empty means the address.
	GivenUsername string
	// Given are the servers as the mail program has them, at most one for a protocol.
	Given []Endpoint
	// Client is what the mail program shows; nil if nothing is known.
	Client *ClientState
	// Recipient is whom the message is for, where the symptom is about one.
	Recipient string
	// Hosted says that inside evidence is at hand.
	Hosted bool
}

// Username is what the mail program signs in as.
func (c Complaint) Username() string {
	if c.GivenUsername != "" {
		return c.GivenUsername
	}
	return c.Address
}

// LocalPart is what stands before the address's last "@".
func (c Complaint) LocalPart() string {
	return c.Address[:max(strings.LastIndexByte(c.Address, '@'), 0)]
}

// Domain is what stands behind the address's last "@", in lower case.
func (c Complaint) Domain() string { return DomainOf(c.Address) }

// DomainOf returns the domain of an address, in lower case; "" if it has none.
func DomainOf(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return ""
	}
	return strings.ToLower(strings.TrimSuffix(address[at+1:], "."))
}

// About reports whether a complaint concerns one of the symptoms. A complaint
// about anything concerns them all; what keeps mail from being received
// keeps it from being pushed, too.
func (c Complaint) About(symptoms ...Symptom) bool {
	if c.Symptom == AnySymptom || c.Symptom == "" {
		return true
	}
	for _, s := range symptoms {
		if s == c.Symptom || c.Symptom == Push && s == Receive {
			return true
		}
	}
	return false
}

// Protocol is what an endpoint speaks.
type Protocol string

// The protocols of mail. SMTP is that between servers (port 25).
const (
	IMAP       Protocol = "imap"
	POP3       Protocol = "pop3"
	Submission Protocol = "submission"
	SMTP       Protocol = "smtp"
)

// Security says how an endpoint is encrypted.
type Security string

// The ways to encrypt: from the first octet (RFC 8314), after a command, or not.
const (
	TLS      Security = "tls"
	STARTTLS Security = "starttls"
	Plain    Security = "plain"
)

// Origin says why an endpoint is looked at.
type Origin string

// Where endpoints come from.
const (
	Given       Origin = "given"       // the mail program has it
	Right       Origin = "right"       // it is the provider's
	Alternative Origin = "alternative" // another port or protocol of the same provider
	Reference   Origin = "reference"   // somebody else's, to compare with
	MX          Origin = "mx"          // the domain's server for incoming mail
)

// Endpoint is one service at a host and port.
type Endpoint struct {
	Protocol Protocol `json:"protocol"`
	Host     string   `json:"host"`
	Port     int      `json:"port"`
	Security Security `json:"security"`
	Origin   Origin   `json:"origin"`
}

// SamePlace reports whether two endpoints are the same service, wherever they come from.
func (e Endpoint) SamePlace(o Endpoint) bool {
	e.Origin, o.Origin = "", ""
	return e == o
}
