package settings

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
)

// Config is what a file in the format of Thunderbird's autoconfig says
// (clientConfig version 1.1), as far as it is about mail.
type Config struct {
	Name    string   `json:"name,omitempty"`
	Domains []string `json:"domains,omitempty"` // whose addresses it is for, MX domains among them
	Servers []Server `json:"servers"`           // the preferred ones first
	// EnableURL is where access for mail programs is switched on, if it must be.
	EnableURL string `json:"enableUrl,omitempty"`
}

// ErrConfig is wrapped when a file is no usable configuration.
var ErrConfig = errors.New("settings: no usable configuration")

// How much a configuration may be; the largest known one names some 200 domains.
const (
	maxConfig   = 256 << 10 // octets
	maxDepth    = 16        // elements within each other
	maxElements = 5000
	maxServers  = 32
	maxText     = 1000 // octets of one element
)

// ParseConfig reads an autoconfig file. Servers with what is not understood
// (another protocol, no port) are left out, as Thunderbird does. Placeholders in
// host names are filled in from the domain; those of user names stay. The domain
// may be empty.
func ParseConfig(r io.Reader, domain string) (*Config, error) {
	root, err := readXML(r)
	if err != nil {
		return nil, err
	}
	if root.name != "clientConfig" {
		return nil, fmt.Errorf("%w: the document is %q", ErrConfig, root.name)
	}
	provider := root.child("emailProvider")
	if provider == nil {
		return nil, fmt.Errorf("%w: no emailProvider", ErrConfig)
	}
	c := &Config{Name: fillDomain(provider.text("displayName"), domain)}
	for _, e := range provider.children {
		switch e.name {
		case "domain":
			if d := strings.ToLower(e.content); validHost(d) {
				c.Domains = append(c.Domains, d)
			}
		case "incomingServer", "outgoingServer":
			if s, ok := e.server(domain); ok && len(c.Servers) < maxServers {
				c.Servers = append(c.Servers, s)
			}
		}
	}
	c.EnableURL = firstEnable(provider, root)
	if len(c.Servers) == 0 {
		return nil, fmt.Errorf("%w: it names no server", ErrConfig)
	}
	return c, nil
}

func (c *Config) candidate(origin Origin, where string) Candidate {
	return Candidate{origin, where, c.Name, c.Servers, c.EnableURL}
}

func firstEnable(places ...*element) string {
	for _, place := range places {
		if e := place.child("enable"); e != nil && validURL(e.attributes["visiturl"]) {
			return e.attributes["visiturl"]
		}
	}
	return ""
}

// The words of the format. Those with "cleartext" and "plain" are older spellings.
var (
	socketTypes = map[string]Security{"SSL": TLS, "STARTTLS": STARTTLS, "plain": Plain}
	authMethods = map[string]Method{
		"password-cleartext": Password, "plain": Password,
		"password-encrypted": CRAMMD5, "secure": CRAMMD5,
		"NTLM": NTLM, "GSSAPI": GSSAPI, "OAuth2": OAuth2,
		"client-IP-address": None, "none": None, "TLS-client-cert": Certificate,
	}
)

// server reads an incomingServer or outgoingServer.
func (e *element) server(domain string) (Server, bool) {
	s := Server{
		Protocol: Protocol(e.attributes["type"]),
		Host:     strings.ToLower(fillDomain(e.text("hostname"), domain)),
		Security: socketTypes[e.text("socketType")],
	}
	if (e.name == "outgoingServer") != (s.Protocol == SMTP) {
		return Server{}, false
	}
	s.Port, _ = strconv.Atoi(e.text("port")) // 0 is refused below
	for _, c := range e.children {
		switch c.name {
		case "username":
			if validUsername(c.content) {
				s.Usernames = append(s.Usernames, Username(c.content))
			}
		case "authentication":
			if m := authMethods[c.content]; m != "" {
				s.Methods = append(s.Methods, m)
			}
		}
	}
	return s, s.check() == nil
}

// validUsername tells whether a user name can be shown to people and typed by them.
func validUsername(name string) bool {
	return name != "" && len(name) <= 255 && !strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) })
}

// fillDomain puts the domain for its placeholder.
func fillDomain(text, domain string) string {
	return strings.ReplaceAll(text, "%EMAILDOMAIN%", domain)
}

// element is one element of a small XML document.
type element struct {
	name       string
	content    string // its text, trimmed
	attributes map[string]string
	children   []*element
}

func (e *element) child(name string) *element {
	for _, c := range e.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

// text returns the text of the first child of that name, or "".
func (e *element) text(name string) string {
	if c := e.child(name); c != nil {
		return c.content
	}
	return ""
}

// readXML reads a document that a stranger wrote. Its size, depth and number of
// elements are limited; a document type declaration, with which entities are
// defined, is refused. Namespaces are ignored.
func readXML(r io.Reader) (*element, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxConfig+1))
	if err != nil {
		return nil, fmt.Errorf("settings: read configuration: %w", err)
	}
	if len(raw) > maxConfig {
		return nil, fmt.Errorf("%w: more than %d octets", ErrConfig, maxConfig)
	}
	d := xml.NewDecoder(bytes.NewReader(raw))
	d.CharsetReader = readCharset
	var open []*element
	var root *element
	for elements := 0; ; {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrConfig, err)
		}
		switch t := token.(type) {
		case xml.Directive:
			return nil, fmt.Errorf("%w: it has a document type declaration", ErrConfig)
		case xml.StartElement:
			if elements++; elements > maxElements || len(open) >= maxDepth || root != nil && len(open) == 0 {
				return nil, fmt.Errorf("%w: too many elements", ErrConfig)
			}
			e := newElement(t)
			if len(open) > 0 {
				parent := open[len(open)-1]
				parent.children = append(parent.children, e)
			} else {
				root = e
			}
			open = append(open, e)
		case xml.EndElement:
			e := open[len(open)-1]
			e.content = strings.TrimSpace(e.content)
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 {
				e := open[len(open)-1]
				e.content += string(t[:min(len(t), max(0, maxText-len(e.content)))])
			}
		}
	}
	if root == nil {
		return nil, fmt.Errorf("%w: it is empty", ErrConfig)
	}
	return root, nil
}

func newElement(t xml.StartElement) *element {
	e := &element{name: t.Name.Local, attributes: make(map[string]string, len(t.Attr))}
	for _, a := range t.Attr {
		e.attributes[a.Name.Local] = a.Value
	}
	return e
}

// readCharset reads documents that say they are in another charset than UTF-8:
// US-ASCII is the same, the others are refused.
func readCharset(charset string, r io.Reader) (io.Reader, error) {
	if strings.EqualFold(charset, "us-ascii") {
		return r, nil
	}
	return nil, fmt.Errorf("charset %q", charset)
}
