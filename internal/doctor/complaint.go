package doctor

import (
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/settings"
)

// completed fills in what was not said by hand from what the mail program
// shows: its servers and its user name. What cannot be read is left out.
func completed(c evidence.Complaint) evidence.Complaint {
	if c.Client == nil || c.Client.Account == nil {
		return c
	}
	a := c.Client.Account
	if c.GivenUsername == "" {
		c.GivenUsername = a.Username
	}
	incoming := evidence.IMAP
	if strings.EqualFold(a.Protocol, "pop3") || strings.EqualFold(a.Protocol, "pop") {
		incoming = evidence.POP3
	}
	c.Given = slices.Clone(c.Given)
	if !slices.ContainsFunc(c.Given, func(ep evidence.Endpoint) bool { return ep.Protocol != evidence.Submission }) {
		c.Given = append(c.Given, given(incoming, a.Incoming)...)
	}
	if !slices.ContainsFunc(c.Given, func(ep evidence.Endpoint) bool { return ep.Protocol == evidence.Submission }) {
		c.Given = append(c.Given, given(evidence.Submission, a.Outgoing)...)
	}
	return c
}

// given reads "HOST:PORT/security"; none if it is empty or cannot be read.
func given(p evidence.Protocol, text string) []evidence.Endpoint {
	protocol := settings.Protocol(p)
	if p == evidence.Submission {
		protocol = settings.SMTP
	}
	s, err := settings.ParseServer(protocol, text)
	if text == "" || err != nil {
		return nil
	}
	return []evidence.Endpoint{{Protocol: p, Host: s.Host, Port: s.Port, Security: evidence.Security(s.Security), Origin: evidence.Given}}
}
