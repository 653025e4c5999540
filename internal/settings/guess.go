package settings

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
)

// guessedNames are the names that servers usually have within a domain, the more
// likely first.
var guessedNames = map[Protocol][]string{
	IMAP: {"imap", "mail"},
	POP3: {"pop", "pop3", "mail"},
	SMTP: {"smtp", "mail"},
}

// guess tries the usual names and the MX host, at the usual ports, all at the same time
// (twenty at most), and takes only servers that verify.
func (l *lookup) guess(ctx context.Context) {
	tries := l.guesses(ctx)
	answers := make([]*Answer, len(tries))
	errs := make([]error, len(tries))
	var wg sync.WaitGroup
	for i, s := range tries {
		wg.Go(func() { answers[i], errs[i] = l.Verify(ctx, s) })
	}
	wg.Wait()
	c := Candidate{Origin: FromGuess}
	for i, s := range tries {
		if errs[i] != nil {
			l.failed(FromGuess, s.String(), errs[i])
			continue
		}
		l.tried(Attempt{Origin: FromGuess, Where: s.String(), Outcome: Found, Detail: answers[i].Greeting})
		s.Methods = answers[i].Methods
		c.Servers = append(c.Servers, s)
	}
	if len(c.Servers) > 0 {
		c.Where = strings.Join(c.hosts(), ", ")
		l.Candidates = append(l.Candidates, c)
	}
}

// hosts returns the names of the servers, each once.
func (c *Candidate) hosts() []string {
	var all []string
	for _, s := range c.Servers {
		if !slices.Contains(all, s.Host) {
			all = append(all, s.Host)
		}
	}
	return all
}

// guesses returns the servers to try: of each protocol all with TLS from the
// start, then those with STARTTLS. Names that do not exist are left out.
func (l *lookup) guesses(ctx context.Context) []Server {
	hosts := map[Protocol][]string{}
	var all []string
	for p, names := range guessedNames {
		for _, name := range names {
			hosts[p] = append(hosts[p], name+"."+l.domain)
		}
		// A domain that looks after its mail itself may have one host for all.
		if within(l.mxHost, l.domain) && validHost(l.mxHost) && !slices.Contains(hosts[p], l.mxHost) {
			hosts[p] = append(hosts[p], l.mxHost)
		}
		all = append(all, hosts[p]...)
	}
	there := l.existing(ctx, all)
	var tries []Server
	for _, usual := range ports {
		for _, host := range hosts[usual.protocol] {
			if there[host] {
				tries = append(tries, Server{
					Protocol: usual.protocol, Host: host, Port: usual.port, Security: usual.security,
					Usernames: []Username{WholeAddress, LocalPart},
				})
			}
		}
	}
	return tries
}

// existing tells which names have addresses.
func (l *lookup) existing(ctx context.Context, hosts []string) map[string]bool {
	slices.Sort(hosts)
	hosts = slices.Compact(hosts)
	errs := make([]error, len(hosts))
	steps := make([]func(context.Context), len(hosts))
	for i, host := range hosts {
		steps[i] = func(ctx context.Context) {
			ips, err := l.addresses(ctx, host)
			if err == nil && len(ips) == 0 {
				err = errNoAddress
			}
			errs[i] = err
		}
	}
	l.together(ctx, steps...)
	there := map[string]bool{}
	for i, host := range hosts {
		if there[host] = errs[i] == nil; !there[host] {
			l.failed(FromGuess, host, errs[i])
		}
	}
	return there
}

var errNoAddress = errors.New("no address")
