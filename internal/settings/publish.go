package settings

import (
	"bytes"
	"crypto/sha256"
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
)

// Published are the settings that a server tells programs which look for them: of its
// own mailboxes, whose user name is the whole address.
type Published struct {
	Domain  string // whose mailboxes
	Name    string // what people know the service by
	Servers []Server
}

// Config writes the settings as an autoconfig file (clientConfig version 1.1), which
// Thunderbird, K-9 and others ask for.
func (p *Published) Config() []byte {
	w := newXML()
	w.open("clientConfig", "version", "1.1")
	w.open("emailProvider", "id", p.Domain)
	w.text("domain", p.Domain)
	w.text("displayName", p.Name)
	w.text("displayShortName", p.Name)
	for _, s := range p.Servers {
		name := "incomingServer"
		if s.Protocol == SMTP {
			name = "outgoingServer"
		}
		w.open(name, "type", string(s.Protocol))
		w.text("hostname", s.Host)
		w.text("port", strconv.Itoa(s.Port))
		w.text("socketType", map[Security]string{TLS: "SSL", STARTTLS: "STARTTLS", Plain: "plain"}[s.Security])
		w.text("username", string(WholeAddress))
		w.text("authentication", "password-cleartext") // inside TLS
		w.close(name)
	}
	w.close("emailProvider")
	w.close("clientConfig")
	return w.bytes()
}

// Autodiscover answers a request of Exchange autodiscover (plain old XML), which
// Outlook and others send. The error is that the request is none.
func (p *Published) Autodiscover(request []byte) ([]byte, error) {
	root, err := readXML(bytes.NewReader(request))
	if err != nil {
		return nil, err
	}
	asked := root.child("Request")
	if root.name != "Autodiscover" || asked == nil {
		return nil, fmt.Errorf("%w: the document is %q", ErrConfig, root.name)
	}
	address := asked.text("EMailAddress")
	if _, _, err := parseQuery(address); err != nil || !strings.Contains(address, "@") {
		return nil, fmt.Errorf("%w: no address", ErrConfig)
	}
	w := newXML()
	w.open("Autodiscover", "xmlns", "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006")
	w.open("Response", "xmlns", autodiscoverAnswer)
	w.open("User")
	w.text("DisplayName", p.Name)
	w.close("User")
	w.open("Account")
	w.text("AccountType", "email")
	w.text("Action", "settings")
	for _, s := range p.Servers {
		w.discovered(s, address)
	}
	w.close("Account")
	w.close("Response")
	w.close("Autodiscover")
	return w.bytes(), nil
}

func (w *xmlWriter) discovered(s Server, address string) {
	w.open("Protocol")
	w.text("Type", strings.ToUpper(string(s.Protocol)))
	w.text("Server", s.Host)
	w.text("Port", strconv.Itoa(s.Port))
	w.text("LoginName", address)
	w.text("SPA", "off")
	w.text("SSL", "on")
	w.text("Encryption", map[Security]string{TLS: "SSL", STARTTLS: "TLS", Plain: "None"}[s.Security])
	w.text("AuthRequired", "on")
	w.close("Protocol")
}

// Profile writes a configuration profile (mobileconfig) for Apple's devices, with IMAP
// or, without it, POP3. Without an address the device asks for it. It is nil if there
// is no server to read from or to send through.
func (p *Published) Profile(address string) []byte {
	in, out := p.first(IMAP), p.first(SMTP)
	kind := "EmailTypeIMAP"
	if in == nil {
		in, kind = p.first(POP3), "EmailTypePOP"
	}
	if in == nil || out == nil {
		return nil
	}
	account := []any{
		"PayloadType", "com.apple.mail.managed", "PayloadVersion", 1,
		"PayloadIdentifier", "mail." + p.Domain, "PayloadUUID", profileID("account", p.Domain, address), "PayloadDisplayName", p.Name,
		"EmailAccountDescription", p.Name, "EmailAccountType", kind,
		"IncomingMailServerHostName", in.Host, "IncomingMailServerPortNumber", in.Port, "IncomingMailServerUseSSL", true,
		"IncomingMailServerAuthentication", "EmailAuthPassword",
		"OutgoingMailServerHostName", out.Host, "OutgoingMailServerPortNumber", out.Port, "OutgoingMailServerUseSSL", true,
		"OutgoingMailServerAuthentication", "EmailAuthPassword", "OutgoingPasswordSameAsIncomingPassword", true,
	}
	if address != "" {
		account = append(account, "EmailAddress", address, "IncomingMailServerUsername", address, "OutgoingMailServerUsername", address)
	}
	w := newXML()
	w.b.WriteString(`<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">` + "\n")
	w.open("plist", "version", "1.0")
	w.open("dict")
	w.text("key", "PayloadContent")
	w.open("array")
	w.open("dict")
	w.pairs(account)
	w.close("dict")
	w.close("array")
	w.pairs([]any{
		"PayloadType", "Configuration", "PayloadVersion", 1,
		"PayloadIdentifier", "profile." + p.Domain, "PayloadUUID", profileID("profile", p.Domain, address), "PayloadDisplayName", p.Name,
	})
	w.close("dict")
	w.close("plist")
	return w.bytes()
}

// first returns the first server of a protocol, or nil.
func (p *Published) first(protocol Protocol) *Server {
	for i, s := range p.Servers {
		if s.Protocol == protocol {
			return &p.Servers[i]
		}
	}
	return nil
}

// profileID makes a UUID (RFC 9562 section 5.8) that is always the same for the same
// account, so that a profile installed again replaces the former one.
func profileID(parts ...string) string {
	h := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	h[6] = h[6]&0x0f | 0x80
	h[8] = h[8]&0x3f | 0x80
	return strings.ToUpper(fmt.Sprintf("%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16]))
}

// xmlWriter writes small documents, indented.
type xmlWriter struct {
	b     bytes.Buffer
	depth int
}

func newXML() *xmlWriter {
	w := &xmlWriter{}
	w.b.WriteString(xml.Header)
	return w
}

func (w *xmlWriter) indent() { w.b.WriteString(strings.Repeat("  ", w.depth)) }

// open begins an element, with names and values of attributes.
func (w *xmlWriter) open(name string, attributes ...string) {
	w.indent()
	w.b.WriteString("<" + name)
	for i := 0; i+1 < len(attributes); i += 2 {
		w.b.WriteString(" " + attributes[i] + `="`)
		w.escape(attributes[i+1])
		w.b.WriteString(`"`)
	}
	w.b.WriteString(">\n")
	w.depth++
}

func (w *xmlWriter) close(name string) {
	w.depth--
	w.indent()
	w.b.WriteString("</" + name + ">\n")
}

// text writes an element that holds only text.
func (w *xmlWriter) text(name, value string) {
	w.indent()
	w.b.WriteString("<" + name + ">")
	w.escape(value)
	w.b.WriteString("</" + name + ">\n")
}

// pairs writes keys and values of a property list.
func (w *xmlWriter) pairs(all []any) {
	for i := 0; i+1 < len(all); i += 2 {
		w.text("key", fmt.Sprint(all[i]))
		switch v := all[i+1].(type) {
		case bool:
			w.indent()
			fmt.Fprintf(&w.b, "<%t/>\n", v)
		case int:
			w.text("integer", strconv.Itoa(v))
		default:
			w.text("string", fmt.Sprint(v))
		}
	}
}

func (w *xmlWriter) escape(text string) { xml.EscapeText(&w.b, []byte(text)) } // a buffer takes everything

func (w *xmlWriter) bytes() []byte { return w.b.Bytes() }
