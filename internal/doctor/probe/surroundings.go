package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/postiljon/postiljon/internal/doctor/bounce"
	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/settings"
)

// ClientState makes a fact of what the mail program shows.
func (r *Run) ClientState() Probe {
	return Probe{Name: "client-state", Run: func(context.Context) error {
		if r.Evidence.Complaint.Client == nil {
			return fmt.Errorf("none was given: %w", ErrBlocked)
		}
		r.Evidence.Add(r.Evidence.Complaint.Client, "")
		return nil
	}}
}

// ReadBounce reads the report that the person got back.
func (r *Run) ReadBounce(eml []byte) Probe {
	return Probe{Name: "bounce", Run: func(context.Context) error {
		if eml == nil {
			return fmt.Errorf("none was given: %w", ErrBlocked)
		}
		b, err := bounce.Read(r.Book, eml)
		if err != nil {
			return err
		}
		r.Evidence.Add(evidence.Bounced{Bounce: b}, b.Text)
		return nil
	}}
}

// ReadLetter reads the message that the complaint is about.
func (r *Run) ReadLetter(eml []byte) Probe {
	return Probe{Name: "message", Run: func(context.Context) error {
		if eml == nil {
			return fmt.Errorf("none was given: %w", ErrBlocked)
		}
		r.Evidence.Add(evidence.Letter{Message: bounce.ReadMessage(eml)}, "")
		return nil
	}}
}

// Interfaces looks at how the device is connected.
func (r *Run) Interfaces() Probe {
	return Probe{Name: "interfaces", Run: func(context.Context) error {
		found, err := r.Env.Interfaces()
		if err != nil {
			return err
		}
		r.Evidence.Add(found, "")
		return nil
	}}
}

// Canary fetches a page that is known to be empty (status 204), and reads the
// clock of whoever answers.
func (r *Run) Canary() Probe {
	return Probe{Name: "canary", Run: func(ctx context.Context) error {
		if r.Env.Canary == "" {
			return fmt.Errorf("none is configured: %w", ErrBlocked)
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.Env.Canary, nil)
		if err != nil {
			return err
		}
		fact := evidence.Canary{URL: r.Env.Canary}
		resp, err := r.httpClient().Do(req)
		fact.Outcome = outcomeOf(err)
		if err != nil {
			r.Evidence.Add(fact, err.Error())
			return err
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 1000)) // what cannot be read is not shown
		fact.Status, fact.Location = resp.StatusCode, resp.Header.Get("Location")
		fact.Altered = resp.StatusCode != http.StatusNoContent
		r.Evidence.Add(fact, string(body))
		if !fact.Altered {
			r.clock(r.Env.Canary, resp.Header.Get("Date"))
		}
		return nil
	}}
}

// clock compares the device's clock with a Date header.
func (r *Run) clock(source, date string) {
	if at, err := http.ParseTime(date); err == nil {
		r.Evidence.Add(evidence.Clock{Source: source, Skew: r.Now().Sub(at)}, date)
	}
}

// Domain looks up the records of the address's domain.
func (r *Run) Domain() []Probe {
	domain := r.Evidence.Complaint.Domain()
	var probes []Probe
	for _, kind := range []string{"MX", "NS", "A", "SOA"} {
		probes = append(probes, Probe{Name: "domain " + kind, Run: func(ctx context.Context) error {
			l := r.Lookup(ctx, domain, kind)
			if l.Answer != evidence.Found && l.Answer != evidence.NoData {
				return fmt.Errorf("%s %s: %s", domain, kind, l.Answer)
			}
			return nil
		}})
	}
	return probes
}

// Inside asks the server that may host the account. One that wants the password is asked after the other
// sign-ins, and not where they were refused as wrong.
func (r *Run) Inside() Probe {
	p := Probe{Name: "inside"}
	if r.InsideSignsIn {
		p.After = []string{SignInOf(evidence.IMAP), SignInOf(evidence.Submission), SignInOf(evidence.POP3)}
	}
	p.Run = func(ctx context.Context) error {
		if r.Env.Inside == nil {
			return fmt.Errorf("no server to ask: %w", ErrBlocked)
		}
		found, err := r.askInside(ctx)
		if err != nil {
			return err
		}
		r.Evidence.Add(found, "")
		return nil
	}
	return p
}

func (r *Run) askInside(ctx context.Context) (*evidence.Inside, error) {
	address := r.Evidence.Complaint.Address
	if !r.InsideSignsIn {
		return r.Env.Inside.Account(ctx, address)
	}
	_, wrong := evidence.Find(r.Evidence, func(s evidence.SignIn) bool {
		return !s.Accepted && s.Reading.First().Kind == dialect.CredentialsRefused
	})
	if wrong || r.Evidence.Complaint.Password == "" {
		return nil, fmt.Errorf("it is asked only by who can sign in: %w", ErrBlocked)
	}
	// Where the service said why the account may not sign in, the password is right: this is no guess.
	_, told := evidence.Find(r.Evidence, func(s evidence.SignIn) bool {
		first := s.Reading.First()
		return !s.Accepted && (first.Kind == dialect.AccountSuspended || first.Kind == dialect.AccountDisabled || first.Kind == dialect.ProtocolDisabled) && first.Weight >= 0.8
	})
	if told {
		return r.Env.Inside.Account(ctx, address)
	}
	if !r.budget.take(ctx) {
		return nil, fmt.Errorf("two sign-ins failed already: %w", ErrBlocked)
	}
	found, err := r.Env.Inside.Account(ctx, address)
	r.budget.settle(!errors.Is(err, ErrSignInRefused))
	return found, err
}

// Settings finds out whose account it is and which servers are right. For a
// provider that the table knows, nothing needs to be asked.
func (r *Run) Settings() Probe {
	return Probe{Name: "settings", Run: func(ctx context.Context) error {
		finder := &settings.Finder{
			Table: r.Table, Files: r.Files, Resolver: r.goResolver(), Dialer: r.Dialer, Roots: r.Roots, Now: r.Now, Timeout: r.Step * 3 / 4, Patience: r.Step / 5,
			Offline: r.tableHasServers(),
		}
		asked := make(chan struct{})
		go func() { // which exchangers there are is wanted with the settings
			defer close(asked)
			r.Lookup(ctx, r.Evidence.Complaint.Domain(), "MX")
		}()
		result, err := finder.Lookup(ctx, r.Evidence.Complaint.Address)
		<-asked
		if err != nil {
			return err
		}
		fact := &evidence.Provider{Result: result}
		if result.Provider != nil {
			fact.ID, fact.Name = result.Provider.ID, result.Provider.Name
		}
		r.Evidence.Add(fact, "")
		r.Lookup(ctx, result.Domain, "MX") // asked already; the endpoints depend on the answer
		if len(result.Chosen) == 0 {
			return fmt.Errorf("no settings are known for %s", result.Domain)
		}
		return nil
	}}
}

// ownChoices are the servers to use. Where the domain itself publishes some, those of
// whoever takes its mail in do not stand in for what it leaves out: they may be another's.
func ownChoices(r *settings.Result) []settings.Choice {
	if !slices.ContainsFunc(r.Chosen, func(c settings.Choice) bool { return ownPublication(c.Origin) }) {
		return r.Chosen
	}
	return slices.DeleteFunc(slices.Clone(r.Chosen), func(c settings.Choice) bool {
		return c.Origin == settings.FromMXFile || c.Origin == settings.FromMXAutoconfig || c.Origin == settings.FromMXTable
	})
}

// unproven is the usual server for reading where the settings are guessed and none was found: one whose
// certificate does not hold, say, is not guessed, but may be the one that does not work.
func unproven(r *settings.Result) (evidence.Endpoint, bool) {
	_, reads := r.Server(settings.IMAP)
	guessed := len(r.Chosen) > 0 && !slices.ContainsFunc(r.Chosen, func(c settings.Choice) bool { return c.Origin != settings.FromGuess })
	if reads || !guessed || slices.Contains(r.NotOffered, settings.IMAP) {
		return evidence.Endpoint{}, false
	}
	return evidence.Endpoint{Protocol: evidence.IMAP, Host: "imap." + r.Domain, Port: 993, Security: evidence.TLS, Origin: evidence.Right}, true
}

// tableHasServers reports whether the table knows the servers of the account's provider: of some it has the name alone.
func (r *Run) tableHasServers() bool {
	p := r.Table.ByDomain(r.Evidence.Complaint.Domain())
	return p != nil && (len(p.Servers) > 0 || p.Webmail != "")
}

// Endpoints returns the services to look at: what the mail program has, what
// is right, the other submission port, and the domain's MX.
func (r *Run) Endpoints() []evidence.Endpoint {
	c := r.Evidence.Complaint
	var list []evidence.Endpoint
	for _, ep := range c.Given {
		if !slices.ContainsFunc(list, func(o evidence.Endpoint) bool { return o.Host == ep.Host && o.Port == ep.Port }) { // see Twice
			list = append(list, ep)
		}
	}
	add := func(ep evidence.Endpoint) {
		if !slices.ContainsFunc(list, ep.SamePlace) && !slices.ContainsFunc(list, func(o evidence.Endpoint) bool { return o.Host == ep.Host && o.Port == ep.Port }) {
			list = append(list, ep)
		}
	}
	if p, ok := evidence.First[*evidence.Provider](r.Evidence); ok {
		for _, choice := range ownChoices(p.Result) {
			right := endpointOf(choice.Server, evidence.Right)
			if i := slices.IndexFunc(list, right.SamePlace); i >= 0 {
				list[i].Origin = evidence.Right // what the mail program has is right
			}
			add(right)
		}
		if ep, ok := unproven(p.Result); ok {
			add(ep)
		}
		if s, ok := p.Result.Server(settings.SMTP); ok {
			add(otherSubmission(s.Server))
		}
		for _, s := range otherServers(p.Result) {
			add(endpointOf(s, evidence.Alternative))
		}
	}
	for i, mx := range r.mailExchangers() {
		if i < 2 {
			add(evidence.Endpoint{Protocol: evidence.SMTP, Host: mx, Port: 25, Security: evidence.Plain, Origin: evidence.MX})
		}
	}
	return list
}

// otherServers returns servers at other hosts than the chosen ones, one for each
// protocol: where sources contradict each other, another one may be right.
func otherServers(result *settings.Result) []settings.Server {
	var others []settings.Server
	for _, choice := range result.Chosen {
		for _, c := range result.Candidates {
			i := slices.IndexFunc(c.Servers, func(s settings.Server) bool {
				return s.Protocol == choice.Protocol && s.Host != choice.Host && s.Security != settings.Plain
			})
			if i >= 0 {
				others = append(others, c.Servers[i])
				break
			}
		}
	}
	return others
}

func endpointOf(s settings.Server, origin evidence.Origin) evidence.Endpoint {
	ep := evidence.Endpoint{Protocol: evidence.Protocol(s.Protocol), Host: s.Host, Port: s.Port, Security: evidence.Security(s.Security), Origin: origin}
	if s.Protocol == settings.SMTP {
		ep.Protocol = evidence.Submission
	}
	return ep
}

// otherSubmission is the other of the two ports for sending (RFC 8314 section 3.3).
func otherSubmission(s settings.Server) evidence.Endpoint {
	ep := endpointOf(s, evidence.Alternative)
	if ep.Port == 465 {
		ep.Port, ep.Security = 587, evidence.STARTTLS
	} else {
		ep.Port, ep.Security = 465, evidence.TLS
	}
	return ep
}

// mailExchangers returns the hosts of the MX records of the account's domain, as far as they are known.
func (r *Run) mailExchangers() []string {
	l, ok := evidence.Find(r.Evidence, func(l evidence.Lookup) bool {
		return l.Type == "MX" && l.Name == r.Evidence.Complaint.Domain() && l.Resolver == 0
	})
	switch {
	case !ok:
		return nil
	case l.Answer == evidence.NoData: // the host of that name takes it (RFC 5321 section 5.1)
		return []string{l.Name}
	}
	return MXHosts(l)
}

// MXHosts returns the hosts of an MX lookup, the most preferred first; none for a null MX (RFC 7505).
func MXHosts(l evidence.Lookup) []string {
	type mx struct {
		pref int
		host string
	}
	var all []mx
	for _, record := range l.Records {
		var m mx
		if n, err := fmt.Sscanf(record, "%d %s", &m.pref, &m.host); err == nil && n == 2 && m.host != "." {
			all = append(all, m)
		}
	}
	slices.SortStableFunc(all, func(a, b mx) int { return a.pref - b.pref })
	hosts := make([]string, len(all))
	for i, m := range all {
		hosts[i] = m.host
	}
	return hosts
}

// Hosts returns the different hosts of endpoints.
func Hosts(endpoints []evidence.Endpoint) []string {
	var hosts []string
	for _, ep := range endpoints {
		if !slices.Contains(hosts, ep.Host) {
			hosts = append(hosts, ep.Host)
		}
	}
	return hosts
}
