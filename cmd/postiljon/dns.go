package main

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/config"
	"github.com/postiljon/postiljon/internal/message/address"
)

type dnsCommand struct {
	Domain string `arg:"" help:"Name of the domain."`
}

// Run shows the records that a domain needs.
func (d *dnsCommand) Run(s *streams, c *commands) error {
	conf, err := config.Load(c.configFile())
	if err != nil {
		return err
	}
	domain, err := domainName(d.Domain)
	if err != nil {
		return err
	}
	return writeRecords(s, domain, &conf)
}

func domainName(text string) (string, error) {
	name, err := address.ParseDomain(strings.TrimSuffix(text, "."), address.Options{UTF8: true})
	if err != nil || strings.HasPrefix(name, "[") || !strings.Contains(name, ".") {
		return "", usagef("%q is no domain name such as example.org", text)
	}
	return address.NormalizeDomain(name), nil
}

// record is one DNS record to publish, and why.
type record struct{ name, kind, value, why string }

// records are what the DNS must say for the mail of a domain to come and to be
// believed. What is not served here is not announced.
func records(domain string, c *config.Config) []record {
	all := []record{
		{domain + ".", "MX", "10 " + c.Hostname + ".", "mail for the domain comes to this server"},
		{domain + ".", "TXT", `"v=spf1 mx -all"`, "only this server sends for the domain (RFC 7208)"},
		{"_dmarc." + domain + ".", "TXT", `"v=DMARC1; p=none; rua=mailto:postmaster@` + domain + `"`,
			"others report misuse; p=quarantine once the reports are clean (RFC 7489)"},
	}
	for _, one := range []struct {
		name      string
		addresses []string
	}{
		{"_submissions._tcp", c.Listen.Submissions}, {"_submission._tcp", c.Listen.Submission},
		{"_imaps._tcp", c.Listen.IMAPS}, {"_imap._tcp", c.Listen.IMAP},
		{"_pop3s._tcp", c.Listen.POP3S}, {"_pop3._tcp", c.Listen.POP3},
	} {
		target, why := "0 0 0 .", "this service is not offered"
		if len(one.addresses) > 0 {
			_, port, err := net.SplitHostPort(one.addresses[0])
			if err != nil {
				continue // it was checked
			}
			target, why = "0 1 "+port+" "+c.Hostname+".", "programs find the settings (RFC 6186, RFC 8314)"
		}
		all = append(all, record{one.name + "." + domain + ".", "SRV", target, why})
	}
	if slices.ContainsFunc(c.Listen.HTTPS, func(address string) bool { return strings.HasSuffix(address, ":443") }) {
		all = append(all, record{"_autodiscover._tcp." + domain + ".", "SRV", "0 1 443 " + c.Hostname + ".", "Outlook and others find the settings"})
	}
	return all
}

func writeRecords(s *streams, domain string, c *config.Config) error {
	if err := s.say("%s", s.bold("DNS records of "+domain)); err != nil {
		return err
	}
	width := 0
	all := records(domain, c)
	for _, r := range all {
		width = max(width, len(r.name))
	}
	for _, r := range all {
		if _, err := fmt.Fprintf(s.out, "  %-*s  IN %-4s %s  %s\n", width, r.name, r.kind, r.value, s.dim("; "+r.why)); err != nil {
			return err
		}
	}
	return s.say("  %s needs an A or AAAA record with the address of this machine, and that address a\n"+
		"  PTR record back to %s (whoever gave you the address sets it).", c.Hostname, c.Hostname)
}
