package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/config"
	"github.com/postiljon/postiljon/internal/control"
	"github.com/postiljon/postiljon/internal/dkim"
	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/outbound/mtasts"
)

type dnsCommand struct {
	Domain string `arg:"" help:"Name of the domain."`
	Check  bool   `help:"Look the records up and say what is missing or differs. The exit code is 1 if mail suffers from it."`
	outputFlags
}

// Run shows the records that a domain needs, or checks them.
func (d *dnsCommand) Run(ctx context.Context, s *streams, c *commands) error {
	conf, err := config.Load(c.configFile())
	if err != nil {
		return err
	}
	domain, err := domainName(d.Domain)
	if err != nil {
		return err
	}
	all := records(domain, &conf)
	keys, keysErr := c.publicKeys(ctx, domain)
	if signed := signing(&conf, keys); signed {
		all = append(all, keyRecords(keys)...)
	} else if keysErr == nil {
		keysErr = errNotSigned
	}
	switch {
	case d.Check:
		return checkRecords(ctx, s, &dnsCheck{domain: domain, conf: &conf, records: all, json: d.JSON, keysErr: keysErr})
	case d.JSON:
		return printJSON(s, all)
	}
	return writeRecords(s, domain, &conf, all, keysErr)
}

// errNotSigned says that messages of a domain are not signed here.
var errNotSigned = errors.New("signing is switched off")

// signing reports whether messages of a domain are signed here, as far as it is known.
func signing(c *config.Config, keys []control.DKIMKey) bool {
	return c.Queue.DKIM && !slices.ContainsFunc(keys, func(k control.DKIMKey) bool { return k.Off })
}

// publicKeys are the keys of a domain that the running service has.
func (c *commands) publicKeys(ctx context.Context, domain string) ([]control.DKIMKey, error) {
	client, err := c.connect()
	if err != nil {
		return nil, err
	}
	defer client.Close()
	return client.DKIMKeys(ctx, domain)
}

func domainName(text string) (string, error) {
	name, err := address.ParseDomain(strings.TrimSuffix(text, "."), address.Options{UTF8: true})
	if err != nil || strings.HasPrefix(name, "[") || !strings.Contains(name, ".") {
		return "", usagef("%q is no domain name such as example.org", text)
	}
	return address.NormalizeDomain(name), nil
}

// record is one DNS record to publish, and why.
type record struct {
	Name  string `json:"name"`
	Kind  string `json:"type"`
	Value string `json:"value"` // of TXT the whole text, without quotes
	Why   string `json:"why"`
	// Needed marks what mail suffers without; the rest only helps.
	Needed bool `json:"needed"`
}

// maxString is the longest string of a TXT record (RFC 1035 section 3.3.14).
const maxString = 255

// data is the record's data as zone files have it.
func (r *record) data() string {
	if r.Kind != "TXT" {
		return r.Value
	}
	var b strings.Builder
	for text := r.Value; ; {
		n := min(len(text), maxString)
		b.WriteString(`"` + text[:n] + `"`)
		if text = text[n:]; text == "" {
			return b.String()
		}
		b.WriteByte(' ')
	}
}

// line is the record as zone files have it.
func (r *record) line() string { return r.Name + "  IN " + r.Kind + "  " + r.data() }

// writeZone prints records so that they can be pasted into a zone file: each on a line of its own without indent,
// what they are for in comments before them.
func writeZone(s *streams, all []record) error {
	why := ""
	for i := range all {
		if all[i].Why != why {
			why = all[i].Why
			if err := s.say("%s", s.dim("; "+why)); err != nil {
				return err
			}
		}
		if err := s.say("%s", all[i].line()); err != nil {
			return err
		}
	}
	return nil
}

// records are what the DNS must say for the mail of a domain to come and to be
// believed. What is not served here is not announced.
func records(domain string, c *config.Config) []record {
	all := []record{
		{domain + ".", "MX", "10 " + c.Hostname + ".", "mail for the domain comes to this server", true},
		{domain + ".", "TXT", "v=spf1 mx -all", "only this server sends for the domain (RFC 7208)", true},
		{"_dmarc." + domain + ".", "TXT", "v=DMARC1; p=none; rua=mailto:postmaster@" + domain,
			"others report misuse; p=quarantine once the reports are clean (RFC 7489)", false},
		{"_smtp._tls." + domain + ".", "TXT", "v=TLSRPTv1; rua=mailto:postmaster@" + domain,
			"others report when they cannot send to you encrypted (RFC 8460)", false},
	}
	for _, one := range []struct {
		name      string
		addresses []string
	}{
		{"_submissions._tcp", c.Listen.Submissions}, {"_submission._tcp", c.Listen.Submission},
		{"_imaps._tcp", c.Listen.IMAPS}, {"_imap._tcp", c.Listen.IMAP},
		{"_pop3s._tcp", c.Listen.POP3S}, {"_pop3._tcp", c.Listen.POP3}, {"_sieve._tcp", c.Listen.Sieve}, {"_jmap._tcp", c.Listen.HTTPS},
	} {
		target, why := "0 0 0 .", "this service is not offered"
		if len(one.addresses) > 0 {
			_, port, err := net.SplitHostPort(one.addresses[0])
			if err != nil {
				continue // it was checked
			}
			target, why = "0 1 "+port+" "+c.Hostname+".", "programs find the settings (RFC 6186, RFC 8314, RFC 8620)"
		}
		all = append(all, record{one.name + "." + domain + ".", "SRV", target, why, false})
	}
	if slices.ContainsFunc(c.Listen.HTTPS, func(address string) bool { return strings.HasSuffix(address, ":443") }) {
		all = append(all,
			record{"_autodiscover._tcp." + domain + ".", "SRV", "0 1 443 " + c.Hostname + ".", "Outlook and others find the settings", false},
			record{"autoconfig." + domain + ".", "CNAME", c.Hostname + ".", "Thunderbird and others find the settings; the certificate must have this name", false})
	}
	return append(all, mtaSTSRecords(domain, c)...)
}

// mtaSTSRecords lead others to the policy by which mail wants to be brought.
func mtaSTSRecords(domain string, c *config.Config) []record {
	if c.Web.MTASTS == "off" {
		return nil
	}
	_, announced := mtasts.Publish(mtasts.Mode(c.Web.MTASTS), c.Hostname)
	return []record{
		{"_mta-sts." + domain + ".", "TXT", announced, "others bring mail only encrypted and only to this server (RFC 8461)", false},
		{"mta-sts." + domain + ".", "CNAME", c.Hostname + ".", "where they ask for that; the certificate must have this name", false},
	}
}

// keyRecords publish the keys that messages are signed with, as long as they are needed.
func keyRecords(keys []control.DKIMKey) (all []record) {
	for _, k := range keys {
		if k.State == dkim.Retired {
			continue
		}
		why := "proves that messages are yours (RFC 6376)"
		switch {
		case k.State == dkim.Waiting:
			why = "the next key; it is used once this is published"
		case k.State == dkim.Old:
			why = "the last key, for messages that are still under way"
		case k.Algorithm == "ed25519":
			why = "the same with a modern kind of key (RFC 8463)"
		}
		all = append(all, record{k.Name + ".", "TXT", k.Record, why, k.Algorithm == "rsa" && k.State == dkim.Signing})
	}
	return all
}

// writeRecords shows all records of a domain. What is no record is a comment.
func writeRecords(s *streams, domain string, c *config.Config, all []record, keysErr error) error {
	if err := s.say("%s", s.bold("; DNS records of "+domain)); err != nil {
		return err
	}
	if err := writeZone(s, all); err != nil {
		return err
	}
	if err := s.say("; %s needs an A or AAAA record with the address of this\n"+
		"; machine, and that address a PTR record back to that name (whoever gave you\n"+
		"; the address sets it).", c.Hostname); err != nil {
		return err
	}
	return sayKeys(s, domain, keysErr, "; ")
}

// sayKeys says why the records of the keys are not among the others. Each line begins with a margin.
func sayKeys(s *streams, domain string, err error, margin string) error {
	if err == nil {
		return nil
	}
	text := "The records for signing (DKIM) are missing here, because the service cannot be asked: " + firstLine(err)
	var refused *control.Error
	switch {
	case errors.Is(err, errNotSigned):
		text = fmt.Sprintf("Messages of %s are not signed here (DKIM), so there are no records of keys: signing is switched off, with dkim in [queue] "+
			"of the configuration or with 'postiljon dkim off %s'. Who signs them instead says which records that needs; "+
			"'postiljon dkim on %s' shows those of this server.", domain, domain, domain)
	case errors.As(err, &refused) && refused.Status == http.StatusNotFound:
		text = fmt.Sprintf("%s is not among the domains here, so it has no keys for signing yet: postiljon domain add %s", domain, domain)
	}
	return s.say("%s", folded(text, margin))
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
