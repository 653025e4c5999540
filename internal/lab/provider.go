package lab

import (
	"crypto/tls"

	"github.com/postiljon/postiljon/internal/lab/ca"
	"github.com/postiljon/postiljon/internal/lab/names"
	"github.com/postiljon/postiljon/internal/lab/peer"
)

// Provider is a mail provider in good order: a domain with its records, hosts for
// IMAP, POP3, submission and mail exchange, certificates that everybody trusts, and
// accounts. What is wrong with it is done to its parts.
type Provider struct {
	Domain string
	Mail   *peer.Mail
	Zone   *names.Zone

	IMAP       *peer.IMAP // at IMAPHost, ports 143 and 993
	Submission *peer.SMTP // at SMTPHost, ports 587 and 465
	MX         *peer.SMTP // at MXHost, port 25
	POP3       *peer.POP3 // at POPHost, ports 110 and 995

	IMAPHost, SMTPHost, POPHost, MXHost *Host

	w *World
}

// Provider makes a provider for a domain, "north.example". Its hosts are imap., smtp.,
// pop. and mx. of the domain.
func (w *World) Provider(domain string) *Provider {
	p := &Provider{Domain: domain, w: w, Mail: peer.NewMail(domain), Zone: w.Names.Zone(domain)}
	p.IMAPHost, p.SMTPHost = w.Host("imap."+domain), w.Host("smtp."+domain)
	p.POPHost, p.MXHost = w.Host("pop."+domain), w.Host("mx."+domain)
	p.IMAP = peer.NewIMAP(p.IMAPHost.Name, p.Mail)
	p.Submission = peer.NewSMTP(p.SMTPHost.Name, p.Mail, true)
	p.MX = peer.NewSMTP(p.MXHost.Name, p.Mail, false)
	p.POP3 = peer.NewPOP3(p.POPHost.Name, p.Mail)
	p.Zone.Add(
		"@ MX 10 mx", `@ TXT "v=spf1 mx a:smtp.`+domain+` -all"`,
		"_imaps._tcp SRV 0 1 993 imap", "_imap._tcp SRV 10 1 143 imap",
		"_submissions._tcp SRV 0 1 465 smtp", "_submission._tcp SRV 10 1 587 smtp",
		"_pop3s._tcp SRV 0 1 995 pop",
	)
	for _, s := range []struct {
		host        *Host
		certificate interface{ SetCertificate(tls.Certificate) }
	}{{p.IMAPHost, p.IMAP}, {p.SMTPHost, p.Submission}, {p.MXHost, p.MX}, {p.POPHost, p.POP3}} {
		s.certificate.SetCertificate(w.Certificate([]string{s.host.Name}))
	}
	w.check(p.IMAPHost.Serve(143, p.IMAP), p.IMAPHost.ServeTLS(993, p.IMAP))
	w.check(p.SMTPHost.Serve(587, p.Submission), p.SMTPHost.ServeTLS(465, p.Submission))
	w.check(p.MXHost.Serve(25, p.MX), p.POPHost.Serve(110, p.POP3), p.POPHost.ServeTLS(995, p.POP3))
	return p
}

// Account adds an account and returns it; Mail.Change changes it.
func (p *Provider) Account(address, password string) *peer.Account {
	return p.Mail.Add(address, password)
}

// SetDialect lets all servers of the provider speak so.
func (p *Provider) SetDialect(d peer.Dialect) {
	p.IMAP.SetDialect(d)
	p.Submission.SetDialect(d)
	p.MX.SetDialect(d)
	p.POP3.SetDialect(d)
}

// Hosts returns the provider's hosts.
func (p *Provider) Hosts() []*Host { return []*Host{p.IMAPHost, p.SMTPHost, p.POPHost, p.MXHost} }

// Certificate issues a certificate of the world's authority.
func (w *World) Certificate(names []string, options ...ca.Option) tls.Certificate {
	return w.CertificateBy(w.CA, names, options...)
}

// CertificateBy issues a certificate of another authority.
func (w *World) CertificateBy(by *ca.Authority, names []string, options ...ca.Option) tls.Certificate {
	cert, err := by.Issue(names, options...)
	w.check(err)
	return cert
}

// Authority makes a certificate authority that nobody trusts yet.
func (w *World) Authority(name string) *ca.Authority {
	a, err := ca.New(name, w.Now)
	w.check(err)
	return a
}

// check reports errors of a method that returns none.
func (w *World) check(errs ...error) {
	for _, err := range errs {
		if err != nil {
			w.fail(err)
		}
	}
}
