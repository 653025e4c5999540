package settings

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
)

// Errors that callers tell apart.
var (
	// ErrQuery is wrapped when what is looked up is neither address nor domain.
	ErrQuery = errors.New("settings: nothing to look up")
	// ErrGiven is wrapped when given settings cannot be read.
	ErrGiven = errors.New("settings: cannot read these settings")
)

// Given are the settings of an account as a mail program has them. Nil and
// empty mean that they are not given.
type Given struct {
	Address string       `json:"address,omitempty"`
	IMAP    *GivenServer `json:"imap,omitempty"`
	POP3    *GivenServer `json:"pop3,omitempty"`
	SMTP    *GivenServer `json:"smtp,omitempty"`
	// Complete tells that these are all the settings of the account: no SMTP
	// server given then means that there is none.
	Complete bool `json:"-"`
}

// GivenServer is one server of Given.
type GivenServer struct {
	Host     string   `json:"host,omitempty"`
	Port     int      `json:"port,omitempty"`
	Security Security `json:"security,omitempty"`
	Username string   `json:"username,omitempty"`
	Auth     Method   `json:"auth,omitempty"`
}

// server returns the settings for one protocol, or nil.
func (g *Given) server(p Protocol) *GivenServer {
	switch p {
	case IMAP:
		return g.IMAP
	case POP3:
		return g.POP3
	}
	return g.SMTP
}

// methods are all ways to sign in.
var methods = []Method{Password, AppPassword, OAuth2, CRAMMD5, NTLM, GSSAPI, Certificate, None}

// ParseMethod reads a way to sign in.
func ParseMethod(text string) (Method, error) {
	if m := Method(strings.ToLower(text)); slices.Contains(methods, m) {
		return m, nil
	}
	return "", fmt.Errorf("%w: %q is no way to sign in: password, app-password, oauth2, cram-md5, none", ErrGiven, text)
}

// ParseServer reads "HOST:PORT/SECURITY", with security tls, starttls or
// plain. Port and security can be left out: "imap.example.org" is
// imap.example.org:993/tls, and port 143 is taken to mean starttls.
func ParseServer(protocol Protocol, text string) (Server, error) {
	s := Server{Protocol: protocol}
	place, security, secured := strings.Cut(strings.TrimSpace(text), "/")
	s.Host = place
	if host, port, err := net.SplitHostPort(place); err == nil {
		s.Host = host
		if s.Port, err = strconv.Atoi(port); err != nil || s.Port < 1 {
			return Server{}, fmt.Errorf("%w: %q is no port", ErrGiven, port)
		}
	} else if strings.Contains(place, ":") {
		return Server{}, fmt.Errorf("%w: %q is not HOST:PORT/tls", ErrGiven, text)
	}
	s.Host = strings.ToLower(strings.TrimSuffix(s.Host, "."))
	s.Security = Security(strings.ToLower(security))
	switch s.Security {
	case "ssl":
		s.Security = TLS
	case "none":
		s.Security = Plain
	}
	s.fillIn(secured)
	if err := s.check(); err != nil {
		return Server{}, fmt.Errorf("%w: %q: %w", ErrGiven, text, err)
	}
	return s, nil
}

// fillIn completes port and security by what is usual.
func (s *Server) fillIn(secured bool) {
	for _, p := range ports {
		if p.protocol == s.Protocol && s.Port == 0 && (!secured || p.security == s.Security) {
			s.Port = p.port
		}
		if p.port == s.Port && !secured {
			s.Security = p.security
		}
	}
	if !secured && s.Security == "" {
		s.Security = TLS
	}
}

// stateFormat is the format of ReadGiven.
const stateFormat = "postiljon.client-state/1"

// ReadGiven reads the account of a file in the format postiljon.client-state/1:
//
//	{"format": "postiljon.client-state/1",
//	 "account": {"address": "anna@example.org",
//	   "imap": {"host": "imap.example.org", "port": 993, "security": "tls", "username": "anna@example.org", "auth": "password"},
//	   "smtp": {"host": "smtp.example.org", "port": 465, "security": "tls", "username": "anna@example.org", "auth": "password"}}}
//
// What else the file says is not for this package. It holds no passwords.
func ReadGiven(r io.Reader) (*Given, error) {
	const most = 1 << 20
	raw, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, fmt.Errorf("settings: read client state: %w", err)
	}
	if len(raw) > most {
		return nil, fmt.Errorf("%w: more than %d octets", ErrGiven, most)
	}
	var state struct {
		Format  string `json:"format"`
		Account *Given `json:"account"`
	}
	if err := json.Unmarshal(raw, &state); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrGiven, err)
	}
	if state.Format != stateFormat {
		return nil, fmt.Errorf("%w: format %q is not %s", ErrGiven, state.Format, stateFormat)
	}
	if state.Account == nil {
		return nil, fmt.Errorf("%w: no account in it", ErrGiven)
	}
	state.Account.Complete = true
	return state.Account, state.Account.check()
}

func (g *Given) check() error {
	for _, p := range Protocols() {
		s := g.server(p)
		if s == nil {
			continue
		}
		s.Host = strings.ToLower(strings.TrimSuffix(s.Host, "."))
		full := Server{Protocol: p, Host: s.Host, Port: s.Port, Security: s.Security}
		full.fillIn(s.Security != "")
		if err := full.check(); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrGiven, p, err)
		}
		s.Port, s.Security = full.Port, full.Security
		if s.Auth != "" {
			m, err := ParseMethod(string(s.Auth))
			if err != nil {
				return err
			}
			s.Auth = m
		}
	}
	return nil
}
