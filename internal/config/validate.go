package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/message/address"
)

// Validate checks the values against each other and against what the service
// can do. It returns every fault, each with its key.
func (c *Config) Validate() error {
	var faults faults
	c.validateService(&faults)
	c.validateListen(&faults)
	c.validateAuth(&faults)
	c.validateLimits(&faults)
	c.validateInbound(&faults)
	c.validateJunk(&faults)
	c.validateQueue(&faults)
	c.validateRelays(&faults)
	return errors.Join(faults...)
}

type faults []error

func (f *faults) check(ok bool, key, format string, args ...any) {
	if !ok {
		*f = append(*f, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
	}
}

func within[T int | int64 | time.Duration](f *faults, key string, value, least, most T, text func(T) string) {
	f.check(value >= least && value <= most, key, "%s is not between %s and %s", text(value), text(least), text(most))
}

func (f *faults) count(key string, value, least, most int) {
	within(f, key, value, least, most, strconv.Itoa)
}

func (f *faults) span(key string, value Duration, least, most time.Duration) {
	within(f, key, time.Duration(value), least, most, func(d time.Duration) string { return Duration(d).String() })
}

func (c *Config) validateService(f *faults) {
	name, err := address.ParseDomain(c.Hostname, address.Options{})
	f.check(err == nil && strings.Contains(name, ".") && !strings.HasPrefix(name, "["), "hostname",
		"%q is not a full host name such as \"mail.example.org\"", c.Hostname)
	f.check(filepath.IsAbs(c.Data), "data", "%q is not an absolute path", c.Data)
	f.check(c.Control == "" || filepath.IsAbs(c.Control), "control", "%q is not an absolute path", c.Control)
	// The kernel keeps the name of a socket in 108 octets.
	f.check(len(c.Socket()) <= 107, "control",
		"the path of the control socket, %s, is longer than 107 octets; set control to a shorter one", c.Socket())
	f.check((c.TLS.Certificate == "") == (c.TLS.Key == ""), "tls", "certificate and key are set together or not at all")
	f.check(slices.Contains([]string{"off", "none", "testing", "enforce"}, c.Web.MTASTS), "web.mta_sts",
		"%q is not off, none, testing or enforce", c.Web.MTASTS)
	f.span("web.hsts", c.Web.HSTS, 0, 2*365*24*time.Hour)
	if c.Web.URL != "" {
		u, err := url.Parse(c.Web.URL)
		f.check(err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.RawQuery == "" && u.Fragment == "",
			"web.url", "%q is not an address such as \"https://mail.example.org\"", c.Web.URL)
	}
	if c.ACME.Directory != "" {
		u, err := url.Parse(c.ACME.Directory)
		f.check(err == nil && u.Scheme == "https" && u.Host != "", "acme.directory", "%q is not an address that begins with https://", c.ACME.Directory)
		f.check(c.TLS.Certificate == "", "acme.directory", "a certificate comes either from the authority or from the files of tls.certificate and tls.key; leave one of them empty")
		f.check(len(c.Listen.HTTP)+len(c.Listen.HTTPS) > 0, "acme.directory", "the authority needs listen.http or listen.https")
	}
	within(f, "files.max_size", int64(c.Files.MaxSize), 0, 1<<40, func(n int64) string { return Size(n).String() })
	within(f, "files.account_size", int64(c.Files.AccountSize), int64(c.Files.MaxSize), 1<<50, func(n int64) string { return Size(n).String() })
	f.span("files.keep", c.Files.Keep, 24*time.Hour, 365*24*time.Hour)
	f.span("timeouts.smtp", c.Timeouts.SMTP, time.Second, 24*time.Hour)
	f.span("timeouts.imap", c.Timeouts.IMAP, time.Second, 24*time.Hour)
	f.span("timeouts.pop3", c.Timeouts.POP3, time.Second, 24*time.Hour)
	f.span("timeouts.stop", c.Timeouts.Stop, 0, time.Hour)
	f.span("journal.keep", c.Journal.Keep, 24*time.Hour, 3650*24*time.Hour)
	f.check(slices.Contains([]string{"debug", "info", "warn", "error"}, c.Log.Level), "log.level",
		"%q is not debug, info, warn or error", c.Log.Level)
	f.check(slices.Contains([]string{"auto", "text", "json"}, c.Log.Format), "log.format",
		"%q is not auto, text or json", c.Log.Format)
}

// Services lists the services by the name of their key, with where they listen.
func (l *Listen) Services() []Service {
	return []Service{
		{"smtp", l.SMTP}, {"submission", l.Submission}, {"submissions", l.Submissions},
		{"imap", l.IMAP}, {"imaps", l.IMAPS}, {"pop3", l.POP3}, {"pop3s", l.POP3S}, {"sieve", l.Sieve}, {"http", l.HTTP}, {"https", l.HTTPS},
	}
}

// Service is where one service listens.
type Service struct {
	Name      string
	Addresses []string
}

func (c *Config) validateListen(f *faults) {
	taken := map[string]string{}
	for _, service := range c.Listen.Services() {
		for _, a := range service.Addresses {
			key := "listen." + service.Name
			host, port, err := net.SplitHostPort(a)
			n, perr := strconv.ParseUint(port, 10, 16)
			_, herr := netip.ParseAddr(host)
			f.check(err == nil && perr == nil && (host == "" || host == "localhost" || herr == nil), key,
				"%q is not an address with a port such as \":25\" or \"192.0.2.1:25\"", a)
			if other, ok := taken[a]; ok && n != 0 {
				f.check(false, key, "%s is taken by listen.%s", a, other)
			}
			taken[a] = service.Name
		}
	}
}

// validatePlaintext keeps passwords without encryption on this machine: where
// they are taken at all, those services may listen on loopback only.
func (c *Config) validatePlaintext(f *faults) {
	if !c.Auth.PlaintextLoopback {
		return
	}
	for _, service := range c.Listen.Services() {
		if !slices.Contains([]string{"submission", "imap", "pop3", "sieve"}, service.Name) {
			continue
		}
		for _, a := range service.Addresses {
			host, _, err := net.SplitHostPort(a)
			ip, perr := netip.ParseAddr(host)
			f.check(err == nil && (host == "localhost" || perr == nil && ip.IsLoopback()), "auth.plaintext_loopback",
				"listen.%s has %q, which is not on loopback; passwords would pass unencrypted", service.Name, a)
		}
	}
}

func (c *Config) validateAuth(f *faults) {
	c.validatePlaintext(f)
	f.count("auth.password_length", c.Auth.PasswordLength, 1, 100)
	within(f, "auth.hash_memory", int64(c.Auth.HashMemory), 19<<20, 64<<20, func(n int64) string { return Size(n).String() })
	f.count("auth.hash_passes", c.Auth.HashPasses, 1, 16)
	f.count("auth.hash_concurrency", c.Auth.HashConcurrency, 0, 1024)
	for _, service := range c.Auth.ChannelBinding {
		f.check(slices.Contains([]string{"imap", "pop3", "submission", "sieve"}, service), "auth.channel_binding",
			"%q is not imap, pop3, submission or sieve", service)
	}
	g := &c.Guard
	f.count("guard.free_failures", g.FreeFailures, 0, 1000)
	f.count("guard.address_failures", g.AddressFailures, 1, 1_000_000)
	f.count("guard.block_failures", g.BlockFailures, 1, 1_000_000)
	f.count("guard.account_failures", g.AccountFailures, 1, 1_000_000)
	f.span("guard.first_delay", g.FirstDelay, 0, time.Minute)
	f.span("guard.max_delay", g.MaxDelay, 0, time.Minute)
	f.span("guard.forget", g.Forget, time.Second, 24*time.Hour)
	f.span("guard.ban", g.Ban, time.Second, 30*24*time.Hour)
	f.span("guard.max_ban", g.MaxBan, time.Duration(g.Ban), 365*24*time.Hour)
	f.span("guard.known_for", g.KnownFor, 0, 3650*24*time.Hour)
}

func (c *Config) validateLimits(f *faults) {
	l := &c.Limits
	within(f, "limits.message_size", int64(l.MessageSize), 64<<10, 2<<30, func(n int64) string { return Size(n).String() })
	f.count("limits.recipients", l.Recipients, 100, 100_000) // RFC 5321 section 4.5.3.1.8
	f.count("limits.address_hourly", l.AddressHourly, 1, 100_000_000)
	f.count("limits.domain_hourly", l.DomainHourly, 1, 100_000_000)
	f.count("limits.recipients_hourly", l.RecipientsHourly, 1, 100_000_000)
	for name, plan := range c.Plans {
		key := "plans." + name + "."
		f.check(name != "", "plans", "a plan has no name")
		f.count(key+"address_hourly", plan.AddressHourly, 0, 100_000_000)
		f.count(key+"domain_hourly", plan.DomainHourly, 0, 100_000_000)
		f.count(key+"recipients_hourly", plan.RecipientsHourly, 0, 100_000_000)
	}
	f.count("limits.connections", l.Connections, 10, 10_000_000)
	f.count("limits.connections_per_address", l.ConnectionsPerAddress, 1, 10_000_000)
	f.count("limits.connections_per_block", l.ConnectionsPerBlock, l.ConnectionsPerAddress, 10_000_000)
	f.count("limits.connections_per_minute", l.ConnectionsPerMinute, 1, 100_000_000)
	f.count("limits.sessions_per_account", l.SessionsPerAccount, 1, 1_000_000)
	f.count("limits.hops", l.Hops, 10, 1000)
	if l.IMAPMessages != 0 {
		f.count("limits.imap_messages", l.IMAPMessages, 1000, 1_000_000_000) // RFC 9738 section 3
	}
}

func (c *Config) validateRelays(f *faults) {
	for name, r := range c.Relays {
		key := "relays." + name + "."
		f.check(name != "", "relays", "a relay has no name")
		for _, list := range []struct {
			key     string
			domains []string
		}{{"host", []string{r.Host}}, {"from", r.From}, {"to", r.To}} {
			for _, domain := range list.domains {
				_, err := address.ParseDomain(domain, address.Options{UTF8: true})
				f.check(err == nil && !strings.HasPrefix(domain, "["), key+list.key, "%q is no domain", domain)
			}
		}
		f.check(slices.Contains([]string{"", "starttls", "tls", "plain"}, r.TLS), key+"tls", "%q is not starttls, tls or plain", r.TLS)
		f.check((r.User == "") == (r.PasswordFile == ""), key+"user", "user and password_file are set together or not at all")
		f.check(r.PasswordFile == "" || filepath.IsAbs(r.PasswordFile), key+"password_file", "%q is not an absolute path", r.PasswordFile)
		f.count(key+"per_minute", r.PerMinute, 0, 1_000_000)
		f.count(key+"connections", r.Connections, 0, 10_000)
		f.check(r.User == "" || r.TLS != "plain", key+"tls", "a password does not go over a connection without TLS")
	}
}

func (c *Config) validateInbound(f *faults) {
	for _, domain := range c.Inbound.TrustedSealers {
		_, err := address.ParseDomain(domain, address.Options{UTF8: true})
		f.check(err == nil && !strings.HasPrefix(domain, "["), "inbound.trusted_sealers", "%q is no domain", domain)
	}
}

func (c *Config) validateJunk(f *faults) {
	j := &c.Junk
	f.check(j.Threshold > 0 && j.Threshold <= 100, "junk.threshold", "%g is not between 0 and 100", j.Threshold)
	f.check(j.Certain > j.Threshold && j.Certain <= 1000, "junk.certain", "%g is not above junk.threshold", j.Certain)
	f.check(j.Listed > 0 && j.Listed <= 100, "junk.listed", "%g is not between 0 and 100", j.Listed)
	f.check(j.Greylist > 0 && j.Greylist <= 100, "junk.greylist", "%g is not between 0 and 100", j.Greylist)
	f.span("junk.greylist_delay", j.GreylistDelay, 0, 12*time.Hour)
	for _, zone := range j.Lists {
		_, err := address.ParseDomain(zone, address.Options{})
		f.check(err == nil && !strings.HasPrefix(zone, "["), "junk.lists", "%q is no domain", zone)
	}
	if j.Rspamd != "" {
		u, err := url.Parse(j.Rspamd)
		f.check(err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "", "junk.rspamd",
			"%q is not an address such as \"http://127.0.0.1:11333\"", j.Rspamd)
	}
}

func (c *Config) validateQueue(f *faults) {
	q := &c.Queue
	f.check(len(q.Retry) > 0, "queue.retry", "the list is empty")
	for _, d := range q.Retry {
		f.span("queue.retry", d, time.Second, 24*time.Hour)
	}
	f.span("queue.lifetime", q.Lifetime, 10*time.Second, 30*24*time.Hour)
	f.span("queue.delay_report", q.DelayReport, time.Minute, 30*24*time.Hour)
	f.count("queue.concurrency", q.Concurrency, 1, 10_000)
	f.count("queue.per_destination", q.PerDestination, 1, 10_000)
	f.check(slices.Contains([]string{"off", "warn", "refuse"}, c.Precheck.Senders), "precheck.senders",
		"%q is not off, warn or refuse", c.Precheck.Senders)
	for _, a := range c.Precheck.Addresses {
		_, err := netip.ParseAddr(a)
		f.check(err == nil, "precheck.addresses", "%q is not an address such as \"192.0.2.25\"", a)
	}
	f.check(q.Port > 0, "queue.port", "0 is no port")
	if q.Resolver != "" {
		_, err := netip.ParseAddrPort(q.Resolver)
		f.check(err == nil, "queue.resolver", "%q is not an address with a port such as \"192.0.2.53:53\"", q.Resolver)
	}
}
