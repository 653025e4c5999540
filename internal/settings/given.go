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
// empty mean that they are not known.
type Given struct {
	Address string
	IMAP    *GivenServer
	POP3    *GivenServer
	SMTP    *GivenServer
	// NoSMTP tells that the program has no server for sending.
	NoSMTP bool
}

// GivenServer is one server of Given.
type GivenServer struct {
	Host     string
	Port     int
	Security Security
	Username string
	Auth     Method
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

// stateSchema is the schema of ReadGiven.
const stateSchema = "postiljon.client-state/1"

// clientState is what ReadGiven reads of a mail program's state.
type clientState struct {
	Schema  string `json:"schema"`
	Account *struct {
		Protocol         string `json:"protocol"`
		Username         string `json:"username"`
		Incoming         string `json:"incoming"`
		Outgoing         string `json:"outgoing"`
		OutgoingSelected *bool  `json:"outgoing_selected"`
		SMTPAuth         *bool  `json:"smtp_auth"`
		AuthMethod       string `json:"auth_method"`
		From             string `json:"from"`
	} `json:"account"`
}

// ReadGiven reads the account from the state of a mail program, in the schema
// postiljon.client-state/1 that the doctor reads too:
//
//	{"schema": "postiljon.client-state/1",
//	 "account": {"protocol": "imap", "username": "anna@example.org", "auth_method": "password", "from": "anna@example.org",
//	   "incoming": "imap.example.org:993/tls", "outgoing": "smtp.example.org:465/tls"}}
//
// Everything is optional; what else the state says is not for this package.
func ReadGiven(r io.Reader) (*Given, error) {
	const most = 1 << 20
	raw, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, fmt.Errorf("settings: read client state: %w", err)
	}
	if len(raw) > most {
		return nil, fmt.Errorf("%w: more than %d octets", ErrGiven, most)
	}
	var state clientState
	if err := json.Unmarshal(raw, &state); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrGiven, err)
	}
	if state.Schema != "" && state.Schema != stateSchema {
		return nil, fmt.Errorf("%w: schema %q is not %s", ErrGiven, state.Schema, stateSchema)
	}
	if state.Account == nil {
		return nil, fmt.Errorf("%w: no account in it", ErrGiven)
	}
	return state.given()
}

func (c *clientState) given() (*Given, error) {
	a := c.Account
	g := &Given{Address: a.From, NoSMTP: a.OutgoingSelected != nil && !*a.OutgoingSelected}
	read := func(p Protocol, place string, auth Method) (*GivenServer, error) {
		s, err := ParseServer(p, place)
		if err != nil {
			return nil, err
		}
		return &GivenServer{s.Host, s.Port, s.Security, a.Username, auth}, nil
	}
	auth := saidMethod(a.AuthMethod)
	var err error
	switch protocol := Protocol(strings.ToLower(a.Protocol)); {
	case a.Incoming == "":
	case protocol == POP3:
		g.POP3, err = read(POP3, a.Incoming, auth)
	case protocol == IMAP || protocol == "":
		g.IMAP, err = read(IMAP, a.Incoming, auth)
	}
	if err == nil && a.Outgoing != "" && !g.NoSMTP {
		if a.SMTPAuth != nil && !*a.SMTPAuth {
			auth = None
		}
		g.SMTP, err = read(SMTP, a.Outgoing, auth)
	}
	if err != nil {
		return nil, err
	}
	return g, nil
}

// saidMethod reads a way to sign in as a mail program calls it; what it does not know
// is left open.
func saidMethod(text string) Method {
	if m, err := ParseMethod(text); err == nil {
		return m
	}
	var a Answer
	a.add(strings.ToUpper(text))
	if len(a.Methods) > 0 {
		return a.Methods[0]
	}
	return ""
}
