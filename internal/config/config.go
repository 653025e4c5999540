// Package config reads the configuration: one TOML file, strict, in which every
// key stands with its default and a comment.
//
// The embedded postiljon.toml is both that file and the defaults, so that
// what is documented is what happens.
package config

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

//go:embed postiljon.toml
var documented string

// maxFile is the most octets of a configuration file.
const maxFile = 1 << 20

// Config is a whole configuration. The file postiljon.toml of this package
// explains each key.
type Config struct {
	Hostname string `toml:"hostname"`
	Data     string `toml:"data"`
	Control  string `toml:"control"`

	Listen   Listen   `toml:"listen"`
	TLS      TLS      `toml:"tls"`
	ACME     ACME     `toml:"acme"`
	Web      Web      `toml:"web"`
	Files    Files    `toml:"files"`
	Auth     Auth     `toml:"auth"`
	Guard    Guard    `toml:"guard"`
	Limits   Limits   `toml:"limits"`
	Inbound  Inbound  `toml:"inbound"`
	Junk     Junk     `toml:"junk"`
	Queue    Queue    `toml:"queue"`
	Precheck Precheck `toml:"precheck"`
	Timeouts Timeouts `toml:"timeouts"`
	Journal  Journal  `toml:"journal"`
	Doctor   Doctor   `toml:"doctor"`
	Plans    Plans    `toml:"plans"`
	Relays   Relays   `toml:"relays"`
	Log      Log      `toml:"log"`
}

// Listen says where each service listens.
type Listen struct {
	SMTP        []string `toml:"smtp"`
	Submission  []string `toml:"submission"`
	Submissions []string `toml:"submissions"`
	IMAP        []string `toml:"imap"`
	IMAPS       []string `toml:"imaps"`
	POP3        []string `toml:"pop3"`
	POP3S       []string `toml:"pop3s"`
	Sieve       []string `toml:"sieve"`
	HTTP        []string `toml:"http"`
	HTTPS       []string `toml:"https"`
}

// TLS says which certificate is shown.
type TLS struct {
	Certificate string   `toml:"certificate"`
	Key         string   `toml:"key"`
	Names       []string `toml:"names"`
}

// ACME is a public authority that certificates come from by themselves.
type ACME struct {
	Directory string `toml:"directory"`
	Email     string `toml:"email"`
	Roots     string `toml:"roots"`
}

// Web is the HTTPS server.
type Web struct {
	URL             string    `toml:"url"`
	MetricsFrom     []Network `toml:"metrics_from"`
	MTASTS          string    `toml:"mta_sts"`
	SecurityContact string    `toml:"security_contact"`
	HSTS            Duration  `toml:"hsts"`
	ImportPrivate   bool      `toml:"import_private"`
	PushPrivate     bool      `toml:"push_private"`
	DoctorPrivate   bool      `toml:"doctor_private"`
}

// Auth is about signing in.
type Auth struct {
	PlaintextLoopback bool   `toml:"plaintext_loopback"`
	DefaultDomain     string `toml:"default_domain"`
	PasswordLength    int    `toml:"password_length"`
	HashMemory        Size   `toml:"hash_memory"`
	HashPasses        int    `toml:"hash_passes"`
	HashConcurrency   int    `toml:"hash_concurrency"`

	ChannelBinding []string `toml:"channel_binding"`
	Tokens         bool     `toml:"tokens"`
	Unauthenticate bool     `toml:"unauthenticate"`
}

// Files are large files, which go as links.
type Files struct {
	MaxSize     Size     `toml:"max_size"`
	AccountSize Size     `toml:"account_size"`
	Keep        Duration `toml:"keep"`
}

// Guard is about guessed passwords.
type Guard struct {
	FreeFailures    int       `toml:"free_failures"`
	FirstDelay      Duration  `toml:"first_delay"`
	MaxDelay        Duration  `toml:"max_delay"`
	Forget          Duration  `toml:"forget"`
	AddressFailures int       `toml:"address_failures"`
	BlockFailures   int       `toml:"block_failures"`
	AccountFailures int       `toml:"account_failures"`
	Ban             Duration  `toml:"ban"`
	MaxBan          Duration  `toml:"max_ban"`
	KnownFor        Duration  `toml:"known_for"`
	Exempt          []Network `toml:"exempt"`
}

// Doctor is what the service does for postiljon doctor on other computers.
type Doctor struct {
	Vantage bool `toml:"vantage"`
}

// Plans are limits by the name of the plan that domains and accounts are on.
type Plans map[string]Plan

// Plan is what those on it may send, as far as it differs from Limits: 0 is no difference.
type Plan struct {
	AddressHourly    int `toml:"address_hourly"`
	DomainHourly     int `toml:"domain_hourly"`
	RecipientsHourly int `toml:"recipients_hourly"`
}

// Limits are how much, how many and how fast.
type Limits struct {
	MessageSize           Size      `toml:"message_size"`
	Recipients            int       `toml:"recipients"`
	AddressHourly         int       `toml:"address_hourly"`
	DomainHourly          int       `toml:"domain_hourly"`
	RecipientsHourly      int       `toml:"recipients_hourly"`
	Connections           int       `toml:"connections"`
	ConnectionsPerAddress int       `toml:"connections_per_address"`
	ConnectionsPerBlock   int       `toml:"connections_per_block"`
	ConnectionsPerMinute  int       `toml:"connections_per_minute"`
	SessionsPerAccount    int       `toml:"sessions_per_account"`
	Hops                  int       `toml:"hops"`
	IMAPMessages          int       `toml:"imap_messages"`
	Exempt                []Network `toml:"exempt"`
}

// Inbound is how mail from other servers is looked at.
type Inbound struct {
	Check          bool      `toml:"check"`
	Trusted        []Network `toml:"trusted"`
	TrustedSealers []string  `toml:"trusted_sealers"`
	Lenient        bool      `toml:"lenient"`
	RefuseSPFFail  bool      `toml:"refuse_spf_fail"`
	RequirePTR     bool      `toml:"require_ptr"`
	RequireDomain  bool      `toml:"require_domain"`
	DMARCReports   bool      `toml:"dmarc_reports"`
}

// Junk is how junk is told from what is wanted.
type Junk struct {
	Filter    bool     `toml:"filter"`
	Threshold float64  `toml:"threshold"`
	Certain   float64  `toml:"certain"`
	Lists     []string `toml:"lists"`
	Listed    float64  `toml:"listed"`
	Rspamd    string   `toml:"rspamd"`

	Greylist      float64  `toml:"greylist"`
	GreylistDelay Duration `toml:"greylist_delay"`
}

// Queue is mail on its way to other servers.
type Queue struct {
	Retry          []Duration `toml:"retry"`
	DelayReport    Duration   `toml:"delay_report"`
	Lifetime       Duration   `toml:"lifetime"`
	Concurrency    int        `toml:"concurrency"`
	PerDestination int        `toml:"per_destination"`
	Port           uint16     `toml:"port"`
	AllowPrivate   bool       `toml:"allow_private"`
	Resolver       string     `toml:"resolver"`

	ResolverTrusted bool `toml:"resolver_trusted"`
	TLSReports      bool `toml:"tls_reports"`
	DKIM            bool `toml:"dkim"`
}

// Relays are servers that mail is handed to, by a name that the operator chose.
type Relays map[string]Relay

// Relay is a server that takes mail of some domains, or for some, or all.
type Relay struct {
	From         []string `toml:"from"`
	To           []string `toml:"to"`
	Host         string   `toml:"host"`
	Port         uint16   `toml:"port"`
	TLS          string   `toml:"tls"`
	User         string   `toml:"user"`
	PasswordFile string   `toml:"password_file"`
	PerMinute    int      `toml:"per_minute"`
	Connections  int      `toml:"connections"`
}

// Precheck is what is found out before a message for others is taken.
type Precheck struct {
	Recipients bool     `toml:"recipients"`
	Sizes      bool     `toml:"sizes"`
	Senders    string   `toml:"senders"`
	Addresses  []string `toml:"addresses"`
}

// Timeouts are how long the service waits.
type Timeouts struct {
	SMTP Duration `toml:"smtp"`
	IMAP Duration `toml:"imap"`
	POP3 Duration `toml:"pop3"`
	Stop Duration `toml:"stop"`
}

// Journal is the evidence for traces.
type Journal struct {
	Keep Duration `toml:"keep"`
}

// Log says what is logged and how.
type Log struct {
	Level  string `toml:"level"`
	Format string `toml:"format"`
}

// Default is the configuration of a file without a line. An error means that
// the program was built wrong.
func Default() (Config, error) {
	var c Config
	if err := toml.Unmarshal([]byte(documented), &c); err != nil {
		return c, fmt.Errorf("config: the embedded file: %w", err)
	}
	return c, nil
}

// Load reads and checks a file. Errors say the line and what to write instead.
func Load(file string) (Config, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return Config{}, fmt.Errorf("there is no configuration at %s; 'postiljon init DOMAIN' makes one", file)
	}
	if err != nil {
		return Config{}, fmt.Errorf("cannot read the configuration: %w", err)
	}
	defer f.Close()
	return Read(file, f)
}

// Read is Load for a file that is open; name is told in errors.
func Read(name string, r io.Reader) (Config, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return Config{}, fmt.Errorf("cannot read %s: %w", name, err)
	}
	if len(text) > maxFile {
		return Config{}, fmt.Errorf("%s is larger than %d octets", name, maxFile)
	}
	c, err := Default()
	if err != nil {
		return Config{}, err
	}
	decoder := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields()
	if err := decoder.Decode(&c); err != nil {
		return Config{}, explain(name, err)
	}
	if err := c.Validate(); err != nil {
		return Config{}, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

// explain turns an error of the decoder into lines that a person can act on.
func explain(name string, err error) error {
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) {
		var all []error
		for _, e := range unknown.Errors {
			line, _ := e.Position()
			all = append(all, fmt.Errorf("%s:%d: there is no key %q%s", name, line, strings.Join(e.Key(), "."), suggestion(e.Key())))
		}
		return errors.Join(all...)
	}
	var bad *toml.DecodeError
	if errors.As(err, &bad) {
		line, _ := bad.Position()
		message := plain(strings.TrimPrefix(strings.TrimPrefix(bad.Error(), "toml: "), "config: "))
		if key := strings.Join(bad.Key(), "."); key != "" && !strings.Contains(message, key) {
			message = key + ": " + message
		}
		return fmt.Errorf("%s:%d: %s", name, line, message)
	}
	return fmt.Errorf("%s: %w", name, err)
}

// kinds says what a value of a key looks like, by the name that the decoder has for it.
var kinds = []struct{ goType, words string }{
	{"[]", "a list such as [\"a\", \"b\"]"}, {"config.Duration", "a duration in quotes such as \"15m\", \"4h\" or \"5d\""},
	{"config.Size", "a size in quotes such as \"50MB\" or \"512KiB\""}, {"config.Network", "an address or a network in quotes"},
	{"float", "a number such as 3.0"}, {"int", "a whole number without quotes"}, {"bool", "true or false, without quotes"}, {"string", "a text in quotes"},
	{"map", "a table of its own, [section.name]"}, {"config.", "a section of its own, [section]"},
}

// plain puts what the decoder says into words for whoever wrote the file, as far as they are not.
func plain(message string) string {
	if strings.Contains(message, "at start of value") {
		return "here should be a value: a text in quotes, a number, true, false or a list in [ ]"
	}
	_, wanted, found := strings.Cut(message, " of type ")
	if !found || !strings.Contains(message, "TOML") {
		return message
	}
	for _, kind := range kinds {
		if strings.HasPrefix(wanted, kind.goType) {
			return "the value must be " + kind.words
		}
	}
	return message
}

// Write writes the documented file with a host name and a data folder in place
// of the defaults.
func Write(w io.Writer, hostname, data string) error {
	usual, err := Default()
	if err != nil {
		return err
	}
	// Quoted as TOML's basic strings, whose escapes are those of Go for what can
	// stand in a host name and a path.
	line := func(key, value string) string { return "\n" + key + " = " + strconv.Quote(value) + "\n" }
	text := strings.Replace(documented, line("hostname", usual.Hostname), line("hostname", hostname), 1)
	text = strings.Replace(text, line("data", usual.Data), line("data", data), 1)
	_, err = io.WriteString(w, text)
	return err
}

// Socket is the file of the control socket.
func (c *Config) Socket() string {
	if c.Control != "" {
		return c.Control
	}
	return filepath.Join(c.Data, "control.sock")
}

// BaseURL is the address of the web, without a final slash.
func (c *Config) BaseURL() string {
	if c.Web.URL != "" {
		return strings.TrimRight(c.Web.URL, "/")
	}
	return "https://" + c.Hostname
}

// Prefixes are networks as the standard library has them.
func Prefixes(networks []Network) []netip.Prefix {
	all := make([]netip.Prefix, len(networks))
	for i, n := range networks {
		all[i] = netip.Prefix(n)
	}
	return all
}
