package settings

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
)

// maxReferrals is how often autodiscover may refer us to another place.
const maxReferrals = 3

// autodiscover asks in the way of Exchange (MS-OXDSCLI, plain old XML), without
// signing in: hosts of mailboxes other than Exchange answer, Exchange wants a
// password first, which we do not have.
func (l *lookup) autodiscover(ctx context.Context) {
	first := "https://autodiscover." + l.domain + "/autodiscover/autodiscover.xml"
	if l.address == "" {
		l.tried(Attempt{Origin: FromAutodiscover, Where: first, Outcome: Skipped, Detail: "needs an address"})
		return
	}
	places := []string{first, "https://" + l.domain + "/autodiscover/autodiscover.xml"}
	if host := l.autodiscoverHost(ctx); host != "" {
		places = append(places, "https://"+host+"/autodiscover/autodiscover.xml")
	}
	for _, where := range places {
		if l.askAutodiscover(ctx, where) {
			return
		}
	}
}

// autodiscoverHost reads the SRV record that names another server.
func (l *lookup) autodiscoverHost(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, l.Timeout)
	defer cancel()
	_, records, err := l.Resolver.LookupSRV(ctx, "autodiscover", "tcp", rooted(l.domain))
	if err != nil || len(records) == 0 || records[0].Port != 443 {
		return ""
	}
	if host := strings.ToLower(strings.TrimSuffix(records[0].Target, ".")); validHost(host) {
		return host
	}
	return ""
}

// askAutodiscover asks at one place, follows referrals, and tells whether it is answered.
func (l *lookup) askAutodiscover(ctx context.Context, where string) bool {
	asked := l.address
	for range maxReferrals {
		raw, err := l.web.post(ctx, where, autodiscoverRequest(asked))
		if err != nil {
			l.failed(FromAutodiscover, where, err)
			return false
		}
		answer, err := parseAutodiscover(raw, l.address)
		switch {
		case err != nil:
			l.failed(FromAutodiscover, where, err)
			return false
		case len(answer.servers) > 0:
			l.found(Candidate{Origin: FromAutodiscover, Where: where, Name: answer.name, Servers: answer.servers})
			return true
		case answer.url != "":
			where = answer.url
		default:
			_, domain, _ := cutAddress(answer.address)
			asked, where = answer.address, "https://autodiscover."+domain+"/autodiscover/autodiscover.xml"
		}
	}
	l.tried(Attempt{Origin: FromAutodiscover, Where: where, Outcome: Failed, Detail: "referred on too often"})
	return false
}

const (
	autodiscoverAsk    = "http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"
	autodiscoverAnswer = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
)

func autodiscoverRequest(address string) []byte {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="` + autodiscoverAsk + `"><Request><EMailAddress>`)
	xml.EscapeText(&b, []byte(address)) // a buffer takes everything
	b.WriteString(`</EMailAddress><AcceptableResponseSchema>` + autodiscoverAnswer + `</AcceptableResponseSchema></Request></Autodiscover>`)
	return b.Bytes()
}

// discovered is an answer of autodiscover: servers, or where else to ask.
type discovered struct {
	name    string
	servers []Server
	url     string // ask there
	address string // ask about this address
}

// parseAutodiscover reads an answer. Protocols that are not IMAP, POP or SMTP, those
// of Exchange itself, are left out.
func parseAutodiscover(raw []byte, address string) (*discovered, error) {
	root, err := readXML(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	response := root.child("Response")
	if root.name != "Autodiscover" || response == nil {
		return nil, fmt.Errorf("%w: the document is %q", ErrConfig, root.name)
	}
	account := response.child("Account")
	if account == nil {
		return nil, fmt.Errorf("%w: no account", ErrConfig)
	}
	d := &discovered{}
	if user := response.child("User"); user != nil {
		d.name = user.text("DisplayName")
	}
	for _, e := range account.children {
		if e.name != "Protocol" || len(d.servers) >= maxServers {
			continue
		}
		if s, ok := e.discoveredServer(address); ok {
			d.servers = append(d.servers, s)
		}
	}
	if len(d.servers) > 0 {
		return d, nil
	}
	if u := account.text("RedirectUrl"); strings.HasPrefix(u, "https://") && validURL(u) {
		d.url = u
		return d, nil
	}
	if _, domain, ok := cutAddress(account.text("RedirectAddr")); ok && validHost(domain) {
		d.address = account.text("RedirectAddr")
		return d, nil
	}
	return nil, errNoMail
}

// discoveredServer reads a Protocol element.
func (e *element) discoveredServer(address string) (Server, bool) {
	protocol, ok := map[string]Protocol{"IMAP": IMAP, "POP3": POP3, "POP": POP3, "SMTP": SMTP}[strings.ToUpper(e.text("Type"))]
	if !ok {
		return Server{}, false
	}
	s := Server{Protocol: protocol, Host: strings.ToLower(e.text("Server")), Usernames: []Username{WholeAddress}}
	s.Port, _ = strconv.Atoi(e.text("Port"))
	s.Security = e.discoveredSecurity(s.Port)
	if name := e.text("LoginName"); validUsername(name) && !strings.EqualFold(name, address) {
		s.Usernames = []Username{Username(name)}
		if local, _, ok := cutAddress(address); ok && name == local {
			s.Usernames = []Username{LocalPart}
		}
	}
	if !strings.EqualFold(e.text("SPA"), "on") {
		s.Methods = []Method{Password}
	}
	if protocol == SMTP && strings.EqualFold(e.text("AuthRequired"), "off") {
		s.Methods = []Method{None}
	}
	s.fillIn(s.Security != "")
	return s, s.check() == nil
}

// discoveredSecurity reads Encryption, which stands over SSL. "Auto" and what is not
// there are left to the port; "on" at a port of STARTTLS means that.
func (e *element) discoveredSecurity(port int) Security {
	switch strings.ToUpper(e.text("Encryption")) {
	case "SSL":
		return TLS
	case "TLS":
		return STARTTLS
	case "NONE":
		return Plain
	case "AUTO":
		return ""
	}
	_, usual, known := usualPort(port)
	switch strings.ToLower(e.text("SSL")) {
	case "off":
		return Plain
	case "on":
		if known {
			return usual
		}
		return TLS
	}
	return usual
}
