package settings

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Resolver asks the DNS. *net.Resolver is one.
type Resolver interface {
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
	LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Dialer makes connections to addresses ("192.0.2.1:993"). *net.Dialer is one.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

var (
	_ Resolver = (*net.Resolver)(nil)
	_ Dialer   = (*net.Dialer)(nil)
)

// Finder finds settings. Table is required; what else is nil means the
// computer's own: its resolver, dialer, trust roots and clock.
type Finder struct {
	Table    *Table
	Files    *Files // configurations given by whoever asks; may be nil
	Resolver Resolver
	Dialer   Dialer
	Roots    *x509.CertPool
	Now      func() time.Time
	// Timeout is for each single step; 0 means 5 seconds. What can be asked at the
	// same time is, so that a lookup takes two of them, and five if it must guess.
	Timeout time.Duration
	// Patience is how long a lookup still waits for better sources once it has
	// servers to read and to send; 0 waits for all.
	Patience time.Duration
	// Offline keeps to the table and the files.
	Offline bool
}

// Origin is where settings come from.
type Origin string

// The origins, in the order in which they are believed: that of Thunderbird (file,
// the provider's own autoconfig, database, MX, Exchange, guess), with our table
// as the database, and with SRV records (RFC 6186) before the detour over MX.
const (
	FromFile         Origin = "file"          // a file given
	FromAutoconfig   Origin = "autoconfig"    // https://autoconfig.DOMAIN/mail/config-v1.1.xml
	FromWellKnown    Origin = "well-known"    // https://DOMAIN/.well-known/autoconfig/mail/config-v1.1.xml
	FromTable        Origin = "table"         // the table of providers, by domain
	FromSRV          Origin = "srv"           // SRV records of the domain
	FromMXFile       Origin = "mx-file"       // a file given, by the domain of the MX host
	FromMXAutoconfig Origin = "mx-autoconfig" // autoconfig of the MX host's domain
	FromMXTable      Origin = "mx-table"      // the table of providers, by MX
	FromAutodiscover Origin = "autodiscover"  // Exchange autodiscover (POX)
	FromGuess        Origin = "guess"         // a usual name, whose server proved to be there
)

var origins = []Origin{
	FromFile, FromAutoconfig, FromWellKnown, FromTable, FromSRV,
	FromMXFile, FromMXAutoconfig, FromMXTable, FromAutodiscover, FromGuess,
}

// Candidate are the settings of one origin.
type Candidate struct {
	Origin  Origin   `json:"origin"`
	Where   string   `json:"where"` // the URL, record, file or provider
	Name    string   `json:"name,omitempty"`
	Servers []Server `json:"servers"`
	// EnableURL is where access for mail programs is switched on first, if it must be.
	EnableURL string `json:"enableUrl,omitempty"`
}

// Outcome is what came of looking somewhere.
type Outcome string

// The outcomes.
const (
	Found      Outcome = "found"
	Nothing    Outcome = "nothing"     // there is nothing for this domain
	NotOffered Outcome = "not-offered" // it says that there is no such service
	Refused    Outcome = "refused"     // it wants a sign-in, or answers with an error
	Failed     Outcome = "failed"      // it could not be reached or understood
	Skipped    Outcome = "skipped"     // it was not asked
)

// Attempt is one place where was looked.
type Attempt struct {
	Origin  Origin  `json:"origin"`
	Where   string  `json:"where"`
	Outcome Outcome `json:"outcome"`
	Detail  string  `json:"detail,omitempty"` // technical, in English
}

// Choice is the server to use for one protocol, and whose word it is.
type Choice struct {
	Server
	// Username is the user name of the address that was asked for, if it is known.
	Username string `json:"username,omitempty"`
	Origin   Origin `json:"origin"`
	Where    string `json:"where"`
}

// Result is what a lookup found.
type Result struct {
	Address string `json:"address,omitempty"` // empty if only a domain was asked for
	Domain  string `json:"domain"`            // with A-labels
	// Provider is whose mailboxes these are, if the table knows it.
	Provider *Provider `json:"provider,omitempty"`
	// Chosen are the servers to use, at most one a protocol.
	Chosen []Choice `json:"chosen"`
	// Candidates are all settings found, the most believed first.
	Candidates []Candidate `json:"candidates"`
	// NotOffered are the protocols that the domain or provider says it has not.
	NotOffered []Protocol `json:"notOffered,omitempty"`
	// NullMX tells that the domain takes no mail at all (RFC 7505).
	NullMX bool `json:"nullMX,omitempty"`
	// Nearest is a provider's domain that this one may be a misspelling of, judged
	// by the letters alone. It is given only if no provider of the table was found.
	Nearest string    `json:"nearest,omitempty"`
	Tried   []Attempt `json:"tried"`
}

// Server returns the chosen server for a protocol.
func (r *Result) Server(p Protocol) (Choice, bool) {
	for _, c := range r.Chosen {
		if c.Protocol == p {
			return c, true
		}
	}
	return Choice{}, false
}

// Lookup finds the settings of an address or of a domain. That nothing was found
// is no error: then nothing is chosen, and Tried says where was looked. Errors are
// those of the query (ErrQuery) and of a context that ended.
func (f *Finder) Lookup(ctx context.Context, query string) (*Result, error) {
	addr, domain, err := parseQuery(query)
	if err != nil {
		return nil, err
	}
	l := &lookup{Finder: f.complete(), address: addr, domain: domain, Result: Result{Address: addr, Domain: domain}}
	l.web = l.newWebClient()
	defer l.web.CloseIdleConnections()

	l.ownKnowledge()
	if !f.Offline {
		l.together(ctx, l.autoconfig, l.wellKnown, l.srv, l.mx, l.autodiscover)
		if !l.enough() {
			l.guess(ctx)
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("settings: lookup of %s: %w", domain, err)
	}
	l.decide()
	return &l.Result, nil
}

// complete returns the finder with the computer's own for what is nil.
func (f *Finder) complete() Finder {
	c := *f
	if c.Resolver == nil {
		c.Resolver = net.DefaultResolver
	}
	if c.Dialer == nil {
		c.Dialer = &net.Dialer{}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Timeout <= 0 {
		c.Timeout = 5 * time.Second
	}
	return c
}

// lookup is one lookup under way.
type lookup struct {
	Finder
	address, domain string
	web             *webClient
	mxHost          string // the most preferred one; the MX step writes it

	mu sync.Mutex // over Result
	Result
}

// together runs steps in parallel, each with the time of two: most look in two
// places, one after the other. With Patience, those that still look when servers
// have been found are waited for only that long.
func (l *lookup) together(ctx context.Context, steps ...func(context.Context)) {
	ctx, hurry := context.WithCancel(ctx)
	defer hurry()
	var wg sync.WaitGroup
	for _, step := range steps {
		wg.Go(func() {
			stepCtx, cancel := context.WithTimeout(ctx, 2*l.Timeout)
			defer cancel()
			step(stepCtx)
			l.mu.Lock()
			found := l.enough()
			l.mu.Unlock()
			if l.Patience > 0 && found {
				late := time.AfterFunc(l.Patience, hurry)
				context.AfterFunc(ctx, func() { late.Stop() })
			}
		})
	}
	wg.Wait()
}

// ownKnowledge looks into files and table.
func (l *lookup) ownKnowledge() {
	l.askFiles(FromFile, l.domain)
	if p := l.Table.ByDomain(l.domain); p != nil {
		l.ofProvider(FromTable, p)
	} else {
		l.tried(Attempt{Origin: FromTable, Where: l.domain, Outcome: Nothing})
	}
}

// askFiles looks into the files that were given.
func (l *lookup) askFiles(origin Origin, domain string) {
	switch c, path, err := l.Files.lookup(domain); {
	case path == "":
	case err != nil:
		l.failed(origin, path, err)
	default:
		l.found(c.candidate(origin, path))
	}
}

// ofProvider takes the settings of a provider in the table.
func (l *lookup) ofProvider(origin Origin, p *Provider) {
	l.mu.Lock()
	if l.Provider == nil {
		l.Provider = p
	}
	l.mu.Unlock()
	if len(p.Servers) == 0 {
		l.tried(Attempt{Origin: origin, Where: p.Name, Outcome: Nothing})
		return
	}
	l.found(Candidate{origin, p.Name, p.Name, p.Servers, p.EnableURL})
}

// found notes settings.
func (l *lookup) found(c Candidate) {
	l.tried(Attempt{Origin: c.Origin, Where: c.Where, Outcome: Found})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Candidates = append(l.Candidates, c)
}

func (l *lookup) tried(a Attempt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Tried = append(l.Tried, a)
}

// failed notes that looking somewhere failed, and how.
func (l *lookup) failed(origin Origin, where string, err error) {
	a := Attempt{Origin: origin, Where: where, Outcome: Failed, Detail: plainError(err)}
	var dns *net.DNSError
	var status *statusError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		a.Outcome, a.Detail = Nothing, ""
	case errors.As(err, &status) && (status.code == 404 || status.code == 410):
		a.Outcome, a.Detail = Nothing, ""
	case errors.As(err, &status):
		a.Outcome = Refused
	}
	l.tried(a)
}

// enough tells whether there are settings to read mail and to send it.
func (l *lookup) enough() bool {
	has := func(p Protocol) bool {
		return slices.ContainsFunc(l.Candidates, func(c Candidate) bool {
			return slices.ContainsFunc(c.Servers, func(s Server) bool { return s.Protocol == p && s.Security != Plain })
		})
	}
	closed := l.Provider != nil && l.Provider.IMAP == No
	return closed || has(SMTP) && (has(IMAP) || has(POP3))
}

// decide puts everything into the order of origins and chooses.
func (l *lookup) decide() {
	rank := func(o Origin) int { return slices.Index(origins, o) }
	slices.SortStableFunc(l.Candidates, func(a, b Candidate) int { return rank(a.Origin) - rank(b.Origin) })
	slices.SortStableFunc(l.Tried, func(a, b Attempt) int { return rank(a.Origin) - rank(b.Origin) })
	if l.Provider != nil {
		if l.Provider.IMAP == No {
			l.NotOffered = append(l.NotOffered, IMAP)
		}
		if l.Provider.POP3 == No {
			l.NotOffered = append(l.NotOffered, POP3)
		}
	}
	for _, p := range Protocols() {
		l.choose(p)
	}
	slices.Sort(l.NotOffered)
	l.NotOffered = slices.Compact(l.NotOffered)
	if l.Provider == nil {
		l.Nearest = l.Table.NearestDomain(l.domain)
	}
}

// choose takes the first encrypted server of the most believed origin that has one.
func (l *lookup) choose(p Protocol) {
	for _, c := range l.Candidates {
		for _, s := range c.Servers {
			if s.Protocol != p || s.Security == Plain {
				continue
			}
			choice := Choice{Server: s, Origin: c.Origin, Where: c.Where}
			if len(s.Usernames) > 0 && l.address != "" {
				choice.Username = s.Usernames[0].For(l.address)
			}
			l.Chosen = append(l.Chosen, choice)
			l.NotOffered = slices.DeleteFunc(l.NotOffered, func(o Protocol) bool { return o == p })
			return
		}
	}
}

// plainError says an error without the operation around it, which Where tells.
func plainError(err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.Is(err, context.Canceled):
		return "given up"
	}
	return err.Error()
}
