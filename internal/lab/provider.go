package lab

import (
	"crypto/tls"
	"sync"

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

	Web *peer.Web // at WebHost, ports 80 and 443, under several names

	IMAPHost, SMTPHost, POPHost, MXHost, WebHost *Host

	w       *World
	mu      sync.Mutex
	waiting []Waiting
}

// Provider makes a provider for a domain, "north.example". Its hosts are imap., smtp.,
// pop. and mx. of the domain; its web server is www., autoconfig., mta-sts. and status.,
// publishes settings and an MTA-STS policy, and has a webmail.
func (w *World) Provider(domain string) *Provider {
	p := &Provider{Domain: domain, w: w, Mail: peer.NewMail(domain), Zone: w.Names.Zone(domain)}
	p.IMAPHost, p.SMTPHost = w.Host("imap."+domain), w.Host("smtp."+domain)
	p.POPHost, p.MXHost = w.Host("pop."+domain), w.Host("mx."+domain)
	p.IMAP = peer.NewIMAP(p.IMAPHost.Name, p.Mail)
	p.Submission = peer.NewSMTP(p.SMTPHost.Name, p.Mail, true)
	p.Submission.Configure(func(o *peer.SMTPOptions) { o.Relay = p.relay })
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
	p.serveWeb()
	w.check(p.IMAPHost.Serve(143, p.IMAP), p.IMAPHost.ServeTLS(993, p.IMAP))
	w.check(p.SMTPHost.Serve(587, p.Submission), p.SMTPHost.ServeTLS(465, p.Submission))
	w.check(p.MXHost.Serve(25, p.MX), p.POPHost.Serve(110, p.POP3), p.POPHost.ServeTLS(995, p.POP3))
	return p
}

// StatusPath is where a provider's status page has its feed, in the form of FeedStatuspage.
const StatusPath = "/api/v2/summary.json"

// serveWeb puts up what a provider has on the web.
func (p *Provider) serveWeb() {
	w, d := p.w, p.Domain
	p.WebHost = w.Host("www." + d)
	p.Web = peer.NewWeb(p.WebHost.Name, w.Now)
	p.Zone.Add(
		"@ A "+p.WebHost.V4().String(), "@ AAAA "+p.WebHost.V6().String(),
		"autoconfig CNAME www", "mta-sts CNAME www", "status CNAME www", "webmail CNAME www", `_mta-sts TXT "v=STSv1; id=1;"`,
	)
	p.Web.SetCertificate(w.Certificate([]string{p.WebHost.Name, d, "autoconfig." + d, "mta-sts." + d, "status." + d, "webmail." + d}))
	settings, err := peer.Autoconfig(d,
		peer.MailServer{Type: "imap", Host: p.IMAPHost.Name, Port: 993, Socket: "SSL", Username: "%EMAILADDRESS%", Auth: []string{"password-cleartext"}},
		peer.MailServer{Type: "pop3", Host: p.POPHost.Name, Port: 995, Socket: "SSL", Username: "%EMAILADDRESS%", Auth: []string{"password-cleartext"}},
		peer.MailServer{Type: "smtp", Host: p.SMTPHost.Name, Port: 465, Socket: "SSL", Username: "%EMAILADDRESS%", Auth: []string{"password-cleartext"}},
	)
	p.Web.Page("autoconfig."+d+"/mail/config-v1.1.xml", peer.Text("text/xml", settings))
	p.Web.Page(d+"/.well-known/autoconfig/mail/config-v1.1.xml", peer.Text("text/xml", settings))
	p.Web.MTASTS("enforce", p.MXHost.Name)
	p.Web.Webmail(p.Mail, "1")
	w.check(err, p.Web.Status(StatusPath, peer.FeedStatuspage, []string{"Mail"}))
	w.check(p.WebHost.Serve(80, p.Web), p.WebHost.ServeTLS(443, p.Web))
}

// Canary makes a web server that answers as devices expect that look whether they are
// on the internet; it is nobody's provider.
func (w *World) Canary(host string) *peer.Web {
	h := w.Host(host)
	web := peer.NewWeb(host, w.Now)
	web.Canary()
	web.SetCertificate(w.Certificate([]string{host}))
	w.check(h.Serve(80, web), h.ServeTLS(443, web))
	return web
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
func (p *Provider) Hosts() []*Host {
	return []*Host{p.IMAPHost, p.SMTPHost, p.POPHost, p.MXHost, p.WebHost}
}

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
