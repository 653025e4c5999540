// Package settings knows and finds the settings with which a mail program
// reaches an account at any provider: servers, ports, encryption, user name and
// the way to sign in. It looks in its own table of providers, in files in the
// format of Thunderbird's database, at what the domain publishes (autoconfig,
// SRV records, Exchange autodiscover), at the provider behind the MX records,
// and at last tries the usual names and believes only servers that prove who
// they are. Compare sets settings somebody has against the right ones.
//
// Clock, resolver, dialer and trust roots are injected; nothing here signs in.
package settings

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// Protocol is what a server speaks to mail programs.
type Protocol string

// The protocols.
const (
	IMAP Protocol = "imap"
	POP3 Protocol = "pop3"
	SMTP Protocol = "smtp" // submission, RFC 6409
)

// Protocols returns the protocols in the order in which people are told of them.
func Protocols() []Protocol { return []Protocol{IMAP, POP3, SMTP} }

// Security is how a connection comes to be encrypted.
type Security string

// The kinds of encryption.
const (
	TLS      Security = "tls"      // from the first octet, RFC 8314 section 3
	STARTTLS Security = "starttls" // begun in plaintext, RFC 3207, RFC 2595
	Plain    Security = "plain"    // never
)

// Method is a way to sign in.
type Method string

// The ways to sign in.
const (
	Password    Method = "password"     // the account's own password
	AppPassword Method = "app-password" // a password made for one program
	OAuth2      Method = "oauth2"       // the provider's own sign-in page, RFC 7628
	CRAMMD5     Method = "cram-md5"     // what Thunderbird calls an encrypted password
	NTLM        Method = "ntlm"
	GSSAPI      Method = "gssapi"
	Certificate Method = "certificate" // a TLS client certificate
	None        Method = "none"        // by network address, or not at all
)

// Username is the form of a user name: a pattern in which the placeholders of
// autoconfig files stand for parts of the address, or a literal name.
type Username string

// The usual forms.
const (
	WholeAddress Username = "%EMAILADDRESS%"
	LocalPart    Username = "%EMAILLOCALPART%"
)

// For returns the user name of an address. Without an address, or where the
// pattern asks for what is not known of it, it is empty.
func (u Username) For(address string) string {
	pattern := string(u)
	if !strings.Contains(pattern, "%") {
		return pattern
	}
	local, domain, ok := cutAddress(address)
	known := []string{"%EMAILADDRESS%", address, "%EMAILLOCALPART%", local, "%EMAILDOMAIN%", domain}
	if !ok || strings.Contains(blankOut(pattern, known), "%") {
		return "" // %REALNAME%, and what programs ask their user for
	}
	return strings.NewReplacer(known...).Replace(pattern)
}

// blankOut removes the placeholders of a list of pairs from a pattern.
func blankOut(pattern string, pairs []string) string {
	for i := 0; i < len(pairs); i += 2 {
		pattern = strings.ReplaceAll(pattern, pairs[i], "")
	}
	return pattern
}

// Server is one way to reach a mailbox.
type Server struct {
	Protocol Protocol `json:"protocol"`
	Host     string   `json:"host"`
	Port     int      `json:"port"`
	Security Security `json:"security"`
	// Usernames are the forms that work, the recommended one first. None
	// means that it is not known.
	Usernames []Username `json:"usernames,omitempty"`
	// Methods are the ways to sign in that work, the recommended one first.
	// None means that it is not known.
	Methods []Method `json:"methods,omitempty"`
}

// Address returns "host:port".
func (s Server) Address() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// String returns the server as people write it: "imap.example.org:993/tls".
func (s Server) String() string { return s.Address() + "/" + string(s.Security) }

// samePlace tells whether two settings lead to the same door.
func (s Server) samePlace(o Server) bool {
	return s.Protocol == o.Protocol && s.Host == o.Host && s.Port == o.Port && s.Security == o.Security
}

// The registered ports and how each is encrypted: RFC 8314 sections 3.2, 3.3
// and 7.3; RFC 9051 section 2.1; RFC 1939; RFC 6409.
var ports = []struct {
	protocol Protocol
	port     int
	security Security
}{
	{IMAP, 993, TLS}, {IMAP, 143, STARTTLS},
	{POP3, 995, TLS}, {POP3, 110, STARTTLS},
	{SMTP, 465, TLS}, {SMTP, 587, STARTTLS},
}

// usualPort returns the protocol and the encryption that a port is registered
// for. Port 25 is SMTP between servers, which no mail program should use.
func usualPort(port int) (Protocol, Security, bool) {
	for _, p := range ports {
		if p.port == port {
			return p.protocol, p.security, true
		}
	}
	return "", "", false
}

// validHost tells whether a host name can stand in settings: letters, digits
// and hyphens (RFC 1123 section 2.1), with at least one dot, or an IP address.
func validHost(host string) bool {
	if net.ParseIP(host) != nil {
		return true
	}
	if len(host) > 253 || !strings.Contains(host, ".") {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if len(label) == 0 || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-') {
				return false
			}
		}
	}
	return true
}

// check reports what is wrong with a server's settings, if anything.
func (s Server) check() error {
	switch {
	case !slices.Contains(Protocols(), s.Protocol):
		return fmt.Errorf("protocol %q is none of imap, pop3, smtp", s.Protocol)
	case !validHost(s.Host):
		return fmt.Errorf("%q is no host name", s.Host)
	case s.Port < 1 || s.Port > 65535:
		return fmt.Errorf("%d is no port", s.Port)
	case s.Security != TLS && s.Security != STARTTLS && s.Security != Plain:
		return fmt.Errorf("security %q is none of tls, starttls, plain", s.Security)
	}
	return nil
}
