package settings

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
)

//go:embed providers.toml
var providersFile []byte

// Provider is what is known of one provider of mailboxes. A fact that is not
// known is the zero value. Every group of facts says where it is from.
type Provider struct {
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	Domains []string `json:"domains,omitempty"` // whose addresses are its own
	// MX are the names below which the MX hosts of the domains it hosts lie.
	MX      []string `json:"mx,omitempty"`
	Servers []Server `json:"servers,omitempty"` // by protocol, the recommended one first
	// POP3 and IMAP tell whether there is such access and what it takes.
	POP3 Access `json:"pop3,omitempty"`
	IMAP Access `json:"imap,omitempty"`
	// Push tells whether the server says at once when mail comes (IMAP IDLE).
	Push Access `json:"push,omitempty"`
	// AppPassword tells when a program needs a password of its own.
	AppPassword    Need   `json:"appPassword,omitempty"`
	AppPasswordURL string `json:"appPasswordUrl,omitempty"` // where it is made
	EnableURL      string `json:"enableUrl,omitempty"`      // where access for programs is switched on
	Webmail        string `json:"webmail,omitempty"`
	Limits         Limits `json:"limits,omitzero"`
	Status         Status `json:"status,omitzero"`
	// Bridge tells that the servers run on the user's own computer, in a
	// program of the provider.
	Bridge bool `json:"bridge,omitempty"`
	// Source is where all facts are from that name no source of their own.
	Source Source `json:"source"`
	// Sources are those of single facts, by the name of the field in the
	// table: "limits", "status", "app-password", "mx", "access".
	Sources map[string]Source `json:"sources,omitempty"`
}

// Access tells whether something is there.
type Access string

// What Access can be, besides unknown.
const (
	Yes     Access = "yes"
	No      Access = "no"
	Enable  Access = "enable"   // after switching it on in the provider's settings
	PaidFor Access = "paid-for" // with a paid plan
)

// Need tells when something is needed.
type Need string

// When an app password is needed, besides unknown.
const (
	Always  Need = "always"
	TwoStep Need = "two-step" // once two-step verification is on
)

// Limits are the largest amounts that the provider takes from an account; zero
// means that it is not known.
type Limits struct {
	MessageMB     int `toml:"message_mb" json:"messageMB,omitempty"`         // of a message as sent, in millions of octets
	AttachmentsMB int `toml:"attachments_mb" json:"attachmentsMB,omitempty"` // of all files as they are, in millions of octets
	Recipients    int `toml:"recipients" json:"recipients,omitempty"`
	MessagesHour  int `toml:"messages_hour" json:"messagesHour,omitempty"`
	MessagesDay   int `toml:"messages_day" json:"messagesDay,omitempty"`
	RecipientsDay int `toml:"recipients_day" json:"recipientsDay,omitempty"`
	DomainHour    int `toml:"domain_hour" json:"domainHour,omitempty"` // messages of the whole domain
}

// Status is where the provider says how its service is.
type Status struct {
	URL     string `toml:"url" json:"url,omitempty"`
	Feed    Feed   `toml:"feed" json:"feed,omitempty"`
	FeedURL string `toml:"feed_url" json:"feedUrl,omitempty"`
}

// Feed is the format in which a machine can read a status page.
type Feed string

// The formats of status feeds.
const (
	FeedApple      Feed = "apple"      // Apple's system status
	FeedGoogle     Feed = "google"     // incidents.json of Google Workspace
	FeedStatuspage Feed = "statuspage" // /api/v2/summary.json of Atlassian Statuspage
)

// Source is where a fact was read, and the day on which it was said to hold: that
// of the source, or the day it was read if the source names none.
type Source struct {
	URL  string `json:"url"`
	Date string `json:"date"` // 2026-11-22
}

// Table is what is known of providers. It does not change and is safe for
// concurrent use.
type Table struct {
	providers []*Provider
	domains   map[string]*Provider
	hosts     map[string]*Provider
	names     []string // of domains, in table order
}

// ErrTable is wrapped by every error of Load and ReadTable.
var ErrTable = errors.New("settings: bad table of providers")

// Load reads the table that is part of the program.
func Load() (*Table, error) { return ReadTable(providersFile) }

// ReadTable reads a table in the format of providers.toml and checks it.
func ReadTable(raw []byte) (*Table, error) {
	var file tableFile
	if err := toml.NewDecoder(bytes.NewReader(raw)).DisallowUnknownFields().Decode(&file); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTable, err)
	}
	t := &Table{domains: map[string]*Provider{}, hosts: map[string]*Provider{}}
	for i := range file.Provider {
		p, err := file.Provider[i].resolve(file.Source)
		if err == nil {
			err = t.add(p)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrTable, file.Provider[i].ID, err)
		}
	}
	return t, nil
}

func (t *Table) add(p *Provider) error {
	if slices.ContainsFunc(t.providers, func(o *Provider) bool { return o.ID == p.ID }) {
		return errors.New("stands twice")
	}
	for _, d := range p.Domains {
		if t.domains[d] != nil {
			return fmt.Errorf("domain %s is also %s's", d, t.domains[d].ID)
		}
		t.domains[d] = p
		t.names = append(t.names, d)
	}
	for _, s := range p.Servers {
		if t.hosts[s.Host] == nil {
			t.hosts[s.Host] = p
		}
	}
	t.providers = append(t.providers, p)
	return nil
}

// Providers returns all providers in table order.
func (t *Table) Providers() []*Provider { return slices.Clone(t.providers) }

// ByID returns the provider of an id, or nil.
func (t *Table) ByID(id string) *Provider {
	for _, p := range t.providers {
		if p.ID == id {
			return p
		}
	}
	return nil
}

// ByDomain returns the provider that a domain's addresses belong to, or nil.
func (t *Table) ByDomain(domain string) *Provider { return t.domains[strings.ToLower(domain)] }

// ByMX returns the provider that hosts the domains with this MX host, or nil.
// Of several names below which it lies the longest decides.
func (t *Table) ByMX(host string) *Provider {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	var best *Provider
	longest := 0
	for _, p := range t.providers {
		for _, suffix := range p.MX {
			if within(host, suffix) && len(suffix) > longest {
				best, longest = p, len(suffix)
			}
		}
	}
	return best
}

// ByHost returns the provider whose server for mail programs this is, or nil.
func (t *Table) ByHost(host string) *Provider { return t.hosts[strings.ToLower(host)] }

// NearestDomain returns the provider's domain that a domain is most likely a
// misspelling of ("gmial.com" of "gmail.com"), or "". It is a guess from the
// letters alone: whoever uses it looks first whether the domain exists.
func (t *Table) NearestDomain(domain string) string {
	return nearest(strings.ToLower(domain), t.names)
}

// NearestHost returns the server name that a name is most likely a misspelling
// of, or "".
func (t *Table) NearestHost(host string) string {
	var all []string
	for _, p := range t.providers {
		for _, s := range p.Servers {
			all = append(all, s.Host)
		}
	}
	return nearest(strings.ToLower(host), all)
}

// tableFile is providers.toml.
type tableFile struct {
	Source   map[string]sourceRow `toml:"source"`
	Provider []providerRow        `toml:"provider"`
}

type sourceRow struct {
	URL  string         `toml:"url"`
	Date toml.LocalDate `toml:"date"`
}

// providerRow is a provider as the table writes it: short, with the names of
// sources instead of the sources.
type providerRow struct {
	ID             string            `toml:"id"`
	Name           string            `toml:"name"`
	Domains        []string          `toml:"domains"`
	MX             []string          `toml:"mx"`
	IMAP           []string          `toml:"imap"` // "imap.example.org:993/tls"
	POP3           []string          `toml:"pop3"`
	SMTP           []string          `toml:"smtp"`
	Usernames      []Username        `toml:"usernames"`      // "address", "local" or a pattern
	SMTPUsernames  []Username        `toml:"smtp_usernames"` // where sending differs
	Methods        []Method          `toml:"methods"`
	IMAPAccess     Access            `toml:"imap_access"`
	POP3Access     Access            `toml:"pop3_access"`
	Push           Access            `toml:"push"`
	AppPassword    Need              `toml:"app_password"`
	AppPasswordURL string            `toml:"app_password_url"`
	EnableURL      string            `toml:"enable_url"`
	Webmail        string            `toml:"webmail"`
	Bridge         bool              `toml:"bridge"`
	Limits         Limits            `toml:"limits"`
	Status         Status            `toml:"status"`
	Source         string            `toml:"source"`
	Sources        map[string]string `toml:"sources"`
}

// factGroups are what may have a source of its own.
var factGroups = []string{"mx", "limits", "status", "app-password", "access", "pop3", "smtp"}

func (r *providerRow) resolve(sources map[string]sourceRow) (*Provider, error) {
	p := &Provider{
		ID: r.ID, Name: r.Name, Domains: r.Domains, MX: r.MX,
		POP3: r.POP3Access, IMAP: r.IMAPAccess, Push: r.Push,
		AppPassword: r.AppPassword, AppPasswordURL: r.AppPasswordURL, EnableURL: r.EnableURL,
		Webmail: r.Webmail, Bridge: r.Bridge, Limits: r.Limits, Status: r.Status,
	}
	if err := r.resolveSources(p, sources); err != nil {
		return nil, err
	}
	for _, group := range []struct {
		protocol  Protocol
		places    []string
		usernames []Username
	}{{IMAP, r.IMAP, r.Usernames}, {POP3, r.POP3, r.Usernames}, {SMTP, r.SMTP, firstOf(r.SMTPUsernames, r.Usernames)}} {
		for _, place := range group.places {
			s, err := ParseServer(group.protocol, place)
			if err != nil {
				return nil, err
			}
			s.Usernames, s.Methods = spellOut(group.usernames), r.Methods
			p.Servers = append(p.Servers, s)
		}
	}
	if p.POP3 == "" && len(r.POP3) > 0 {
		p.POP3 = Yes
	}
	return p, p.check()
}

func (r *providerRow) resolveSources(p *Provider, sources map[string]sourceRow) error {
	look := func(name string) (Source, error) {
		row, ok := sources[name]
		if !ok {
			return Source{}, fmt.Errorf("no source %q", name)
		}
		day := row.Date.AsTime(time.UTC)
		if !validURL(row.URL) || day.Year() < 2000 {
			return Source{}, fmt.Errorf("source %q has no URL or no date", name)
		}
		return Source{URL: row.URL, Date: day.Format(time.DateOnly)}, nil
	}
	var err error
	if p.Source, err = look(r.Source); err != nil {
		return err
	}
	for group, name := range r.Sources {
		if !slices.Contains(factGroups, group) {
			return fmt.Errorf("there is no group of facts %q", group)
		}
		if p.Sources == nil {
			p.Sources = map[string]Source{}
		}
		if p.Sources[group], err = look(name); err != nil {
			return err
		}
	}
	return nil
}

// spellOut puts patterns for the short names of the usual forms.
func spellOut(forms []Username) []Username {
	all := make([]Username, len(forms))
	for i, f := range forms {
		switch f {
		case "address":
			f = WholeAddress
		case "local":
			f = LocalPart
		}
		all[i] = f
	}
	return all
}

func firstOf(a, b []Username) []Username {
	if len(a) > 0 {
		return a
	}
	return b
}

func (p *Provider) check() error {
	switch {
	case p.ID == "" || p.Name == "":
		return errors.New("no id or no name")
	case len(p.Domains) == 0 && len(p.MX) == 0:
		return errors.New("neither domains nor MX: nothing leads to it")
	case !slices.Contains([]Access{"", Yes, No, Enable, PaidFor}, p.POP3) || !slices.Contains([]Access{"", Yes, No, Enable, PaidFor}, p.IMAP) ||
		!slices.Contains([]Access{"", Yes, No}, p.Push):
		return errors.New("access that is none of yes, no, enable, paid-for")
	case !slices.Contains([]Need{"", Always, TwoStep}, p.AppPassword):
		return fmt.Errorf("need %q", p.AppPassword)
	case !slices.Contains([]Feed{"", FeedApple, FeedGoogle, FeedStatuspage}, p.Status.Feed) || (p.Status.Feed == "") != (p.Status.FeedURL == ""):
		return fmt.Errorf("feed %q without address, or the reverse", p.Status.Feed)
	}
	for _, name := range append(slices.Clone(p.Domains), p.MX...) {
		if !validHost(name) || name != strings.ToLower(name) {
			return fmt.Errorf("%q is no domain name in lower case", name)
		}
	}
	for _, u := range []string{p.AppPasswordURL, p.EnableURL, p.Webmail, p.Status.URL, p.Status.FeedURL} {
		if u != "" && !validURL(u) {
			return fmt.Errorf("%q is no https URL", u)
		}
	}
	return p.checkServers()
}

func (p *Provider) checkServers() error {
	for _, s := range p.Servers {
		if err := s.check(); err != nil {
			return err
		}
		if protocol, security, ok := usualPort(s.Port); !p.Bridge && (!ok || protocol != s.Protocol || security != s.Security) {
			return fmt.Errorf("%s: port and encryption do not belong together", s)
		}
		if len(s.Usernames) == 0 || len(s.Methods) == 0 {
			return fmt.Errorf("%s: no user name or no way to sign in", s)
		}
		for _, m := range s.Methods {
			if !slices.Contains(methods, m) {
				return fmt.Errorf("%s: way to sign in %q", s, m)
			}
		}
		if s.Protocol == POP3 && p.POP3 == No || s.Protocol == IMAP && p.IMAP == No {
			return fmt.Errorf("%s is there and is not", s)
		}
	}
	return nil
}

func validURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && validHost(u.Hostname())
}
