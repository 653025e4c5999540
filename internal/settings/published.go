package settings

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// autoconfig asks the provider's own configuration server. It is told the address,
// for it may answer each with other settings; so only over https.
func (l *lookup) autoconfig(ctx context.Context) {
	l.fetchConfig(ctx, FromAutoconfig, "https://autoconfig."+l.domain+"/mail/config-v1.1.xml", l.address)
}

// wellKnown asks the domain's web server, which is told nothing.
func (l *lookup) wellKnown(ctx context.Context) {
	l.fetchConfig(ctx, FromWellKnown, "https://"+l.domain+"/.well-known/autoconfig/mail/config-v1.1.xml", "")
}

// fetchConfig reads the configuration at a URL and tells whether there is one.
func (l *lookup) fetchConfig(ctx context.Context, origin Origin, where, address string) bool {
	asked := where
	if address != "" {
		asked += "?emailaddress=" + url.QueryEscape(address)
	}
	raw, err := l.web.get(ctx, asked)
	if err != nil {
		l.failed(origin, where, err)
		return false
	}
	c, err := ParseConfig(bytes.NewReader(raw), l.domain)
	if err != nil {
		l.failed(origin, where, err)
		return false
	}
	l.found(c.candidate(origin, where))
	return true
}

// srvServices are the records of RFC 6186 section 3 and RFC 8314 section 5.1, the
// preferred one of each protocol first.
var srvServices = []struct {
	service  string
	protocol Protocol
	security Security
}{
	{"imaps", IMAP, TLS}, {"imap", IMAP, STARTTLS},
	{"pop3s", POP3, TLS}, {"pop3", POP3, STARTTLS},
	{"submissions", SMTP, TLS}, {"submission", SMTP, STARTTLS},
}

// srv reads the SRV records of the domain. They name no user name and no way to
// sign in: RFC 6186 section 4 says to try the whole address.
func (l *lookup) srv(ctx context.Context) {
	found := make([][]Server, len(srvServices))
	errs := make([]error, len(srvServices))
	no := make([]bool, len(srvServices))
	steps := make([]func(context.Context), len(srvServices))
	for i, s := range srvServices {
		steps[i] = func(ctx context.Context) {
			ctx, cancel := context.WithTimeout(ctx, l.Timeout)
			defer cancel()
			_, records, err := l.Resolver.LookupSRV(ctx, s.service, "tcp", rooted(l.domain))
			errs[i] = err
			found[i], no[i] = srvServers(records, s.protocol, s.security)
		}
	}
	l.together(ctx, steps...)
	l.noteSRV(slices.Concat(found...), no, errs)
}

// srvServers reads the records of one service, best priority first as the resolver
// gives them. A target of "." means that the service is not offered (RFC 6186
// section 3.4).
func srvServers(records []*net.SRV, protocol Protocol, security Security) (servers []Server, no bool) {
	for _, r := range records[:min(len(records), maxServers)] {
		host := strings.ToLower(strings.TrimSuffix(r.Target, "."))
		if host == "" {
			return nil, true
		}
		s := Server{Protocol: protocol, Host: host, Port: int(r.Port), Security: security, Usernames: []Username{WholeAddress, LocalPart}}
		if s.check() == nil {
			servers = append(servers, s)
		}
	}
	return servers, false
}

func (l *lookup) noteSRV(servers []Server, no []bool, errs []error) {
	for _, p := range Protocols() {
		offered := slices.ContainsFunc(servers, func(s Server) bool { return s.Protocol == p })
		denied := false
		for i, s := range srvServices {
			denied = denied || s.protocol == p && no[i]
		}
		if denied && !offered {
			l.tried(Attempt{Origin: FromSRV, Where: string(p) + " " + l.domain, Outcome: NotOffered})
			l.mu.Lock()
			l.NotOffered = append(l.NotOffered, p)
			l.mu.Unlock()
		}
	}
	where := "_imaps._tcp." + l.domain
	if len(servers) > 0 {
		l.found(Candidate{Origin: FromSRV, Where: where, Servers: servers})
		return
	}
	for _, err := range errs {
		var dns *net.DNSError
		if err != nil && !(errors.As(err, &dns) && dns.IsNotFound) {
			l.failed(FromSRV, where, err)
			return
		}
	}
	if !slices.Contains(no, true) {
		l.tried(Attempt{Origin: FromSRV, Where: where, Outcome: Nothing})
	}
}

// mx finds the provider that hosts the domain by its MX records: in the table,
// in the files, or by asking the configuration server of the MX host's domain.
func (l *lookup) mx(ctx context.Context) {
	mxCtx, cancel := context.WithTimeout(ctx, l.Timeout)
	defer cancel()
	records, err := l.Resolver.LookupMX(mxCtx, rooted(l.domain))
	if err != nil && len(records) == 0 {
		l.failed(FromMXTable, "MX "+l.domain, err)
		return
	}
	host := strings.ToLower(strings.TrimSuffix(records[0].Host, ".")) // the most preferred
	if host == "" {
		l.NullMX = true
		l.tried(Attempt{Origin: FromMXTable, Where: "MX " + l.domain, Outcome: NotOffered})
		return
	}
	l.mxHost = host
	where := "MX " + host
	if p := l.Table.ByMX(host); p != nil {
		if p != l.Table.ByDomain(l.domain) { // else the table has answered already
			l.ofProvider(FromMXTable, p)
		}
	} else {
		l.tried(Attempt{Origin: FromMXTable, Where: where, Outcome: Nothing})
	}
	for _, domain := range mxDomains(host, l.domain) {
		l.askFiles(FromMXFile, domain)
		if l.fetchConfig(ctx, FromMXAutoconfig, "https://autoconfig."+domain+"/mail/config-v1.1.xml", "") {
			return
		}
	}
}

// mxDomains returns the domains that may have settings for the domains with this MX
// host, as Thunderbird tries them: the host without its first label, and the
// part that was registered. The domain itself is asked anyway.
func mxDomains(host, domain string) []string {
	var all []string
	if _, rest, ok := strings.Cut(host, "."); ok && strings.Contains(rest, ".") {
		all = append(all, rest)
	}
	if d := registered(host); d != "" && !slices.Contains(all, d) {
		all = append(all, d)
	}
	return slices.DeleteFunc(all, func(d string) bool {
		suffix, _ := publicsuffix.PublicSuffix(d)
		return d == domain || d == suffix || !validHost(d)
	})
}

// registered returns the part of a name that somebody registered ("example.org" of
// "imap.example.org"), or "".
func registered(host string) string {
	d, err := publicsuffix.EffectiveTLDPlusOne(host)
	if err != nil {
		return ""
	}
	return d
}

var errNoMail = fmt.Errorf("%w: no server for mail programs", ErrConfig)
