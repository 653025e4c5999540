package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"blitiri.com.ar/go/spf"
	"github.com/emersion/go-msgauth/dkim"
	"github.com/emersion/go-msgauth/dmarc"

	"github.com/postiljon/postiljon/internal/doctor/bounce"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
)

// Policies looks at the records by which the domains of the account and of its
// From address vouch for their mail.
func (r *Run) Policies() []Probe {
	domain := r.Evidence.Complaint.Domain()
	probes := []Probe{
		r.published("tlsrpt", domain, "_smtp._tls.", "v=tlsrptv1"), // RFC 8460 section 3
		r.published("bimi", domain, "default._bimi.", "v=bimi1"),
	}
	for _, from := range r.fromDomains() {
		probes = append(probes, Probe{Name: "dmarc " + from, Run: func(ctx context.Context) error { return r.dmarc(ctx, from) }})
	}
	return probes
}

// fromDomains are the domains that the account writes under, its own first.
func (r *Run) fromDomains() []string {
	c := r.Evidence.Complaint
	all := []string{c.Domain()}
	add := func(address string) {
		if d := evidence.DomainOf(address); d != "" && !slices.Contains(all, d) && len(all) < 4 {
			all = append(all, d)
		}
	}
	if c.Client != nil && c.Client.Account != nil {
		add(c.Client.Account.From)
	}
	for _, l := range evidence.All[evidence.Letter](r.Evidence) {
		for _, a := range l.From {
			if r.own(l) {
				add(a.Email)
			}
		}
	}
	for _, b := range evidence.All[evidence.Bounced](r.Evidence) {
		for _, a := range b.Original.From {
			add(a.Email)
		}
	}
	return all
}

// published looks for a TXT record that begins with a mark.
func (r *Run) published(kind, domain, prefix, mark string) Probe {
	return Probe{Name: kind + " " + domain, Run: func(ctx context.Context) error {
		l := r.Lookup(ctx, prefix+domain, "TXT")
		if !answered(l) {
			return fmt.Errorf("%s: %s", l.Name, l.Answer)
		}
		r.Evidence.Add(one(evidence.Policy{Kind: kind, Domain: domain}, matching(l, mark)), "")
		return nil
	}}
}

func answered(l evidence.Lookup) bool {
	return l.Answer == evidence.Found || l.Answer == evidence.NoData || l.Answer == evidence.NXDomain
}

// matching returns the records that begin with a mark, in any case.
func matching(l evidence.Lookup, mark string) []string {
	return slices.DeleteFunc(slices.Clone(l.Records), func(s string) bool { return !strings.HasPrefix(strings.ToLower(s), mark) })
}

// one fills in a policy of which there must be one record.
func one(p evidence.Policy, records []string) evidence.Policy {
	switch len(records) {
	case 0:
		p.State = "missing"
	case 1:
		p.State, p.Record = "ok", records[0]
	default:
		p.State, p.Record, p.Detail = "permerror", strings.Join(records, "\n"), "several records"
	}
	return p
}

// dmarc reads the policy of a From domain, or of the organisation above it (RFC 7489 section 6.6.3).
func (r *Run) dmarc(ctx context.Context, domain string) error {
	r.Lookup(ctx, domain, "MX") // tells too whether there is such a domain
	p := evidence.Policy{Kind: "dmarc", Domain: domain}
	for _, at := range slices.Compact([]string{domain, organisation(domain)}) {
		l := r.Lookup(ctx, "_dmarc."+at, "TXT")
		if !answered(l) {
			return fmt.Errorf("%s: %s", l.Name, l.Answer)
		}
		if p = one(p, matching(l, "v=dmarc1")); p.State != "missing" {
			break
		}
	}
	if p.State == "ok" {
		if record, err := dmarc.Parse(p.Record); err != nil {
			p.State, p.Detail = "permerror", err.Error()
		} else {
			p.Result = string(record.Policy)
		}
	}
	r.Evidence.Add(p, "")
	return nil
}

// SPF evaluates the domain's SPF record for the addresses that its mail is
// sent from, and for one that nobody has: so that faults behind the first match show too.
func (r *Run) SPF() Probe {
	return Probe{Name: "spf", After: []string{OutgoingName}, Timeout: 8 * r.Step, Run: func(ctx context.Context) error {
		domain := r.Evidence.Complaint.Domain()
		var wg sync.WaitGroup
		for _, o := range evidence.All[evidence.Outgoing](r.Evidence) {
			wg.Go(func() {
				p := r.evaluate(ctx, domain, o.Addr)
				p.Forwarder, p.Assumed = o.Forwarder, o.Source == "submission"
				r.Evidence.Add(p, "")
			})
		}
		whole := r.evaluate(ctx, domain, netip.AddrFrom4([4]byte{0, 0, 0, 1}))
		whole.IP = netip.Addr{}
		if whole.State != "permerror" {
			whole.Result = "" // of nobody
		}
		r.Evidence.Add(whole, "")
		wg.Wait()
		return nil
	}}
}

func (r *Run) evaluate(ctx context.Context, domain string, addr netip.Addr) evidence.Policy {
	names := &spfNames{run: r}
	result, err := spf.CheckHostWithSender(addr.AsSlice(), domain, "postmaster@"+domain, spf.WithContext(ctx), spf.WithResolver(names))
	p := evidence.Policy{Kind: "spf", Domain: domain, IP: addr, State: "ok", Result: string(result), Lookups: names.count()}
	p.Record = strings.Join(matching(r.Lookup(ctx, domain, "TXT"), "v=spf1"), "\n")
	switch result {
	case spf.PermError, spf.TempError:
		p.State, p.Detail = string(result), err.Error()
	case spf.None:
		p.State = "missing"
	}
	return p
}

// spfNames answers the questions of an SPF evaluation through the run's names,
// and counts those that RFC 7208 section 4.6.4 limits.
type spfNames struct {
	run *Run
	mu  sync.Mutex
	n   int
	mx  []string // hosts of MX records, whose addresses do not count again
}

func (n *spfNames) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return max(n.n-1, 0) // the record itself does not count
}

func (n *spfNames) ask(ctx context.Context, name, kind string) ([]string, error) {
	n.mu.Lock()
	if !slices.Contains(n.mx, name) && kind != "AAAA" {
		n.n++
	}
	n.mu.Unlock()
	l := n.run.Lookup(ctx, name, kind)
	switch l.Answer {
	case evidence.Found:
		return l.Records, nil
	case evidence.NXDomain, evidence.NoData:
		return nil, &net.DNSError{Err: string(l.Answer), Name: name, IsNotFound: true}
	}
	return nil, &net.DNSError{Err: string(l.Answer), Name: name, IsTemporary: true}
}

func (n *spfNames) LookupTXT(ctx context.Context, name string) ([]string, error) {
	return n.ask(ctx, name, "TXT")
}

func (n *spfNames) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	records, err := n.ask(ctx, name, "MX")
	var all []*net.MX
	for _, host := range MXHosts(evidence.Lookup{Records: records}) {
		all = append(all, &net.MX{Host: host})
		n.mu.Lock()
		n.mx = append(n.mx, host)
		n.mu.Unlock()
	}
	return all, err
}

func (n *spfNames) LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error) {
	var all []net.IPAddr
	v4, err := n.ask(ctx, host, "A")
	v6, err6 := n.ask(ctx, host, "AAAA")
	for _, s := range append(v4, v6...) {
		all = append(all, net.IPAddr{IP: net.ParseIP(s)})
	}
	if len(all) > 0 {
		return all, nil
	}
	if answered := new(net.DNSError); err == nil || errors.As(err, &answered) && answered.IsNotFound && err6 != nil {
		err = err6 // the package for SPF looks at the kind of one error, and a failure weighs more than a no
	}
	return nil, err
}

func (n *spfNames) LookupAddr(ctx context.Context, addr string) ([]string, error) {
	ip, err := netip.ParseAddr(addr)
	if err != nil {
		return nil, &net.DNSError{Err: err.Error(), Name: addr, IsNotFound: true}
	}
	return n.ask(ctx, reverseName(ip), "PTR")
}

// maxSignatures is how many DKIM signatures of a message are checked.
const maxSignatures = 5

// Signatures checks the DKIM signatures of a message of the account against the keys that are published.
func (r *Run) Signatures(eml []byte) Probe {
	return Probe{Name: "signatures", Needs: []string{"message"}, Run: func(ctx context.Context) error {
		signed := bounce.ReadMessage(eml).Signatures
		checked, err := dkim.VerifyWithOptions(bytes.NewReader(eml), &dkim.VerifyOptions{
			MaxVerifications: maxSignatures,
			LookupTXT:        func(name string) ([]string, error) { return (&spfNames{run: r}).LookupTXT(ctx, name) },
		})
		if err != nil && !errors.Is(err, dkim.ErrTooManySignatures) {
			return fmt.Errorf("signatures: %w", err)
		}
		for i, v := range checked {
			p := evidence.Policy{Kind: "dkim", Domain: v.Domain, State: signatureState(v.Err)}
			if i < len(signed) && signed[i].Domain == strings.ToLower(v.Domain) {
				p.Selector = signed[i].Selector
			}
			if v.Err != nil {
				p.Detail = v.Err.Error()
			}
			r.Evidence.Add(p, "")
		}
		return nil
	}}
}

// signatureState tells whether it is the key that is wrong, or what was signed
// that was changed on the way.
func signatureState(err error) string {
	switch {
	case err == nil:
		return "ok"
	case dkim.IsTempFail(err):
		return "temperror"
	case strings.Contains(err.Error(), "body hash"):
		return "altered"
	case strings.Contains(err.Error(), "no key"), strings.Contains(err.Error(), "no valid key"), strings.Contains(err.Error(), "revoked"):
		return "missing"
	case strings.Contains(err.Error(), "signature did not verify"):
		return "mismatch"
	case strings.Contains(err.Error(), "key"):
		return "permerror"
	}
	return "invalid"
}
