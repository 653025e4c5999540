// Package plan says which way mail to a domain would take, and why, for people.
package plan

import (
	"embed"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/phrases"
)

// Plan is the way that mail to a domain would take now.
type Plan struct {
	Domain   string `json:"domain"`
	Local    bool   `json:"local,omitempty"`    // its mailboxes are here
	Relay    string `json:"relay,omitempty"`    // a relay takes it, as the configuration says
	Implicit bool   `json:"implicit,omitempty"` // no MX: the domain's own host is meant
	Secure   bool   `json:"secure"`             // DNSSEC vouches for the list of servers
	// Unbelieved tells that nothing is known of DNSSEC, for the DNS server is not believed.
	Unbelieved bool `json:"dnssec_unbelieved,omitempty"`

	Cause   cause.ID `json:"cause,omitempty"` // why nothing can be sent
	Waits   bool     `json:"waits,omitempty"` // mail waits, and is not refused
	STS     *STS     `json:"mta_sts,omitempty"`
	Servers []Server `json:"servers,omitempty"`
}

// STS is the MTA-STS policy of the domain.
type STS struct {
	Mode  string    `json:"mode,omitempty"` // "" where there is none
	MX    []string  `json:"mx,omitempty"`
	ID    string    `json:"id,omitempty"`
	Until time.Time `json:"until,omitzero"`
	Error string    `json:"error,omitempty"` // why it, or a newer one, cannot be fetched
}

// Server is one of those that take the domain's mail, the first tried first.
type Server struct {
	Host       string       `json:"host"`
	Preference uint16       `json:"preference"`
	Addresses  []netip.Addr `json:"addresses,omitempty"`
	Secure     bool         `json:"secure"` // DNSSEC vouches for the addresses
	Policy     string       `json:"policy"` // as outbound.TLSPolicy
	Encrypted  bool         `json:"encrypted"`
	Proven     bool         `json:"proven"` // the certificate must prove who it is
	Keys       []string     `json:"tlsa,omitempty"`
	Cause      cause.ID     `json:"cause,omitempty"` // why it is not used
	Waits      bool         `json:"waits,omitempty"`
	Trouble    string       `json:"trouble,omitempty"`
}

//go:embed texts
var textFiles embed.FS

// SpeechIn returns the texts about ways in a language.
func SpeechIn(lang cause.Lang) (*phrases.Set, error) { return phrases.Load(textFiles, lang) }

// Speaker writes plans in a language.
type Speaker struct {
	Lang      cause.Lang
	Speech    *phrases.Set
	Catalogue *cause.Catalogue
	Bold      func(string) string // for headings on a terminal
}

// Write writes a plan for people.
func (s *Speaker) Write(w io.Writer, p *Plan) error {
	lines := []string{s.Bold(p.Domain)}
	add := func(indent, text string) {
		if text != "" {
			lines = append(lines, indent+text)
		}
	}
	switch {
	case p.Local:
		add("  ", s.Speech.Say("way.local"))
	case p.Relay != "":
		add("  ", s.Speech.Say("way.relay", "host", p.Relay))
	case p.Cause != "":
		add("  ", s.verdict(p.Cause, p.Waits, p.Domain, ""))
	case p.Implicit:
		add("  ", s.Speech.Say("way.implicit"))
	case len(p.Servers) == 1:
		add("  ", s.Speech.Say("way.mx-one"))
	default:
		add("  ", s.Speech.Say("way.mx", "count", strconv.Itoa(len(p.Servers))))
	}
	if p.Relay == "" && len(p.Servers) > 0 {
		add("  ", s.Speech.Say(either(p.Secure, "way.secure", either(p.Unbelieved, "way.unbelieved", "way.insecure"))))
		add("  ", s.policy(p.STS))
	}
	for i := range p.Servers {
		server := &p.Servers[i]
		lines = append(lines, "", fmt.Sprintf("  %d. %s  %s", i+1, s.Bold(server.Host), s.where(server)))
		add("     ", s.protection(server))
		for _, key := range server.Keys {
			add("     ", "TLSA "+key)
		}
		if server.Cause != "" {
			add("     ", s.verdict(server.Cause, server.Waits, p.Domain, server.Host))
		}
		add("     ", server.Trouble)
	}
	_, err := io.WriteString(w, strings.Join(lines, "\n")+"\n")
	return err
}

func either(yes bool, a, b string) string {
	if yes {
		return a
	}
	return b
}

// where is a server's preference and its addresses.
func (s *Speaker) where(server *Server) string {
	var addresses []string
	for _, a := range server.Addresses {
		addresses = append(addresses, a.String())
	}
	text := strings.Join(addresses, ", ")
	if server.Preference > 0 {
		text = strings.TrimSpace(s.Speech.Say("server.preference", "n", strconv.Itoa(int(server.Preference))) + "  " + text)
	}
	return text
}

// protection says how a server is talked to.
func (s *Speaker) protection(server *Server) string {
	key := "policy." + server.Policy
	if server.Policy == "dane" && !server.Proven {
		key = "policy.dane-unusable"
	}
	if server.Policy == "relay" && !server.Encrypted {
		key = "policy.relay-plain"
	}
	return s.Speech.Say(key)
}

// policy says what MTA-STS wants.
func (s *Speaker) policy(sts *STS) string {
	if sts == nil {
		return s.Speech.Say("sts.none-published")
	}
	var text string
	if sts.Mode != "" {
		text = s.Speech.Say("sts."+sts.Mode, "mx", strings.Join(sts.MX, ", "), "until", sts.Until.Local().Format("2006-01-02 15:04"))
	}
	if sts.Error != "" {
		text = strings.TrimSpace(text + " " + s.Speech.Say("sts.error", "error", sts.Error))
	}
	return text
}

// verdict says why nothing goes to a domain or a server.
func (s *Speaker) verdict(id cause.ID, waits bool, domain, host string) string {
	d := cause.Refuse(id)
	if waits {
		d = cause.Wait(id, time.Time{})
	}
	c, _ := s.Catalogue.Cause(id)
	for _, p := range c.Params {
		switch {
		case p.Name == "domain":
			d.Params = append(d.Params, cause.Text("domain", domain))
		case p.Name == "host" && host != "":
			d.Params = append(d.Params, cause.Text("host", host))
		}
	}
	key := either(waits, "way.waits", "way.refused")
	return s.Speech.Say(key, "why", s.Catalogue.Explain(d, s.Lang, cause.Operator).Text)
}
