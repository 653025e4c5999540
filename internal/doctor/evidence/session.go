package evidence

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/doctor/dialect"
)

// Handshake is one TLS handshake.
type Handshake struct {
	Endpoint Endpoint      `json:"endpoint"`
	Addr     netip.Addr    `json:"addr"`
	Outcome  Outcome       `json:"outcome"`         // OK also where the certificate is not trusted
	Alert    int           `json:"alert,omitempty"` // the TLS alert that the server sent
	First    string        `json:"first,omitempty"` // what came where TLS was expected
	Version  string        `json:"version,omitempty"`
	Chain    []Certificate `json:"chain,omitempty"`
	Trust    Trust         `json:"trust,omitempty"`
	Took     time.Duration `json:"took_ns"`
}

// FactName implements Value.
func (h Handshake) FactName() string { return "tls " + place(h.Endpoint) }

// Certificate is what matters of one.
type Certificate struct {
	Subject     string    `json:"subject"`
	Issuer      string    `json:"issuer"`
	Names       []string  `json:"names,omitempty"`
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after"`
	Fingerprint string    `json:"fingerprint"` // SHA-256 of the certificate
	KeySHA256   string    `json:"key_sha256"`  // of the public key (TLSA 3 1 1)
}

// Trust is what a check of a certificate found. A certificate that is wrong in
// several ways has the first of them in this order.
type Trust string

// What checking a chain finds.
const (
	Trusted       Trust = "trusted"
	UnknownIssuer Trust = "unknown-issuer" // no known root; Incomplete if that is why
	Incomplete    Trust = "incomplete"     // an intermediate certificate is missing
	Expired       Trust = "expired"
	NotYetValid   Trust = "not-yet-valid"
	WrongName     Trust = "wrong-name"
)

// Greeting is the first that a server says, where it should.
type Greeting struct {
	Endpoint Endpoint        `json:"endpoint"`
	Addr     netip.Addr      `json:"addr"`
	Try      int             `json:"try"`
	Outcome  Outcome         `json:"outcome"`
	Text     string          `json:"text,omitempty"`
	Speaks   Protocol        `json:"speaks,omitempty"` // which protocol the text is of, if any
	Positive bool            `json:"positive"`         // 220, * OK, +OK
	Software string          `json:"software,omitempty"`
	Provider string          `json:"provider,omitempty"` // whose server it says it is
	Reading  dialect.Reading `json:"reading"`
	Took     time.Duration   `json:"took_ns"`
}

// FactName implements Value.
func (g Greeting) FactName() string { return "greeting " + place(g.Endpoint) }

// Capabilities is what a server offers, in upper case: the keywords of EHLO, CAPABILITY or CAPA.
type Capabilities struct {
	Endpoint  Endpoint `json:"endpoint"`
	Encrypted bool     `json:"encrypted"`
	SignedIn  bool     `json:"signed_in,omitempty"`
	List      []string `json:"list"`
}

// FactName implements Value.
func (c Capabilities) FactName() string { return "capabilities " + place(c.Endpoint) }

// Has reports whether a capability is offered; SMTP's "SIZE 1000" has "SIZE".
func (c Capabilities) Has(name string) bool {
	_, ok := c.Value(name)
	return ok
}

// Value returns what follows a capability's name, as in "SIZE 1000" or "STATUS=SIZE".
func (c Capabilities) Value(name string) (string, bool) {
	for _, have := range c.List {
		if have == name {
			return "", true
		}
		for _, sep := range []string{" ", "="} {
			if rest, ok := strings.CutPrefix(have, name+sep); ok {
				return rest, true
			}
		}
	}
	return "", false
}

// Mechanisms returns the SASL mechanisms offered, in upper case.
func (c Capabilities) Mechanisms() []string {
	var mechs []string
	for _, have := range c.List {
		switch {
		case strings.HasPrefix(have, "AUTH="):
			mechs = append(mechs, have[5:])
		case strings.HasPrefix(have, "AUTH "), strings.HasPrefix(have, "SASL "):
			mechs = append(mechs, strings.Fields(have[5:])...)
		}
	}
	slices.Sort(mechs)
	return slices.Compact(mechs)
}

// StartTLS is how the change to TLS went on a connection that began without.
type StartTLS struct {
	Endpoint Endpoint        `json:"endpoint"`
	Offered  bool            `json:"offered"`
	Accepted bool            `json:"accepted"` // the server said "go ahead"
	Reply    string          `json:"reply,omitempty"`
	Reading  dialect.Reading `json:"reading"`
}

// FactName implements Value.
func (s StartTLS) FactName() string { return "starttls " + place(s.Endpoint) }

// NameForm is which form of the user name or password was used.
type NameForm string

// The forms in which a sign-in was tried.
const (
	AsGiven      NameForm = "as-given"
	WholeAddress NameForm = "whole-address"
	LocalPart    NameForm = "local-part"
	Trimmed      NameForm = "trimmed" // without invisible characters in name and password
)

// SignIn is one sign-in that was tried.
type SignIn struct {
	Endpoint  Endpoint        `json:"endpoint"`
	Mechanism string          `json:"mechanism"` // SASL's name; LOGIN and USER are the commands of IMAP and POP3
	Form      NameForm        `json:"form"`
	Accepted  bool            `json:"accepted"`
	Outcome   Outcome         `json:"outcome"` // OK where the server replied
	Reply     string          `json:"reply,omitempty"`
	Reading   dialect.Reading `json:"reading"`
	Took      time.Duration   `json:"took_ns"`
}

// FactName implements Value.
func (s SignIn) FactName() string {
	return fmt.Sprintf("sign-in %s %s", s.Endpoint.Protocol, s.Form)
}

// NoCommonMechanism tells that no sign-in could be tried for want of a way that both sides know.
type NoCommonMechanism struct {
	Endpoint Endpoint `json:"endpoint"`
	Offered  []string `json:"offered"`
	// LoginDisabled tells that the server forbids LOGIN (RFC 9051 section 6.2.3).
	LoginDisabled bool `json:"login_disabled"`
	Encrypted     bool `json:"encrypted"`
}

// FactName implements Value.
func (n NoCommonMechanism) FactName() string { return "mechanisms " + place(n.Endpoint) }

// Command is one exchange after the sign-in, or instead of one.
type Command struct {
	Endpoint Endpoint        `json:"endpoint"`
	Stage    dialect.Stage   `json:"stage"`
	Command  string          `json:"command"` // its name and what distinguishes it, such as "RCPT kari@north.example"
	SignedIn bool            `json:"signed_in"`
	Outcome  Outcome         `json:"outcome"`
	Positive bool            `json:"positive"`
	Reply    string          `json:"reply,omitempty"`
	Reading  dialect.Reading `json:"reading"`
	Took     time.Duration   `json:"took_ns"`
}

// FactName implements Value.
func (c Command) FactName() string { return "command " + string(c.Endpoint.Protocol) + " " + c.Command }

// Quota is how full the account is, in octets.
type Quota struct {
	Resource string `json:"resource"` // STORAGE, MESSAGE
	Root     string `json:"root"`
	Used     int64  `json:"used"`
	Limit    int64  `json:"limit"`
}

// FactName implements Value.
func (q Quota) FactName() string { return "quota " + q.Resource }

// Mailbox is a mailbox of the account.
type Mailbox struct {
	Name       string `json:"name"`
	Role       string `json:"role,omitempty"` // inbox, sent, drafts, junk, trash, archive
	Subscribed bool   `json:"subscribed"`
	Messages   int64  `json:"messages"` // -1 is not known
	Unseen     int64  `json:"unseen"`   // -1 is not known
}

// FactName implements Value.
func (m Mailbox) FactName() string { return "mailbox " + m.Name }
