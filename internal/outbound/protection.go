package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/outbound/dane"
	"github.com/postiljon/postiljon/internal/outbound/mtasts"
	"github.com/postiljon/postiljon/internal/outbound/smtpc"
	"github.com/postiljon/postiljon/internal/outbound/tlsrpt"
	"github.com/postiljon/postiljon/internal/resolver"
)

// TLSPolicy says by whose word a connection was encrypted as it was.
type TLSPolicy string

// The policies.
const (
	PolicyOpportunistic TLSPolicy = "opportunistic"   // nobody's: encrypted if it can be (RFC 7435)
	PolicySTS           TLSPolicy = "mta-sts"         // the domain's, over the web (RFC 8461)
	PolicySTSTesting    TLSPolicy = "mta-sts-testing" // the same, which only wants reports as yet
	PolicyDANE          TLSPolicy = "dane"            // the domain's, with DNSSEC (RFC 7672)
	PolicyRelay         TLSPolicy = "relay"           // ours, for a server that takes all mail
	PolicyNone          TLSPolicy = "none"            // the sender's, who said that encryption does not matter (RFC 8689)
)

// protection is how a connection to one server is to be protected.
type protection struct {
	policy       TLSPolicy
	encrypt      bool // nothing is said in the clear
	authenticate bool // the server proves who it is
	implicit     bool // TLS from the first octet
	plain        bool // no TLS at all
	tlsa         []resolver.TLSA
	names        []string // whom the certificate may be for; the first is asked for
	// bound tells that the name of the server is proven, too (RFC 8689 section 4.2.1).
	bound bool
	// strict tells that the sender wants it so, and not the domain.
	strict bool
	// trouble is why a server is not used, where that needs more words than its cause.
	trouble string
	report  tlsrpt.Policy
	// missed is what the domain is told of that was found before any session.
	missed *tlsrpt.Session
}

// protect decides how a server must be reached; or why it cannot be used. DANE goes
// before MTA-STS, and that before what is merely possible (RFC 8461 section 2).
func (q *Queue) protect(ctx context.Context, r *route, at resolver.Host, host string) (protection, cause.Decision) {
	p := protection{policy: PolicyOpportunistic, names: []string{strings.Trim(host, "[]")}, bound: r.secure,
		report: tlsrpt.Policy{Type: tlsrpt.NoPolicy, Domain: r.domain}}
	if strings.HasPrefix(host, "[") {
		return p, cause.Allow()
	}
	if r.relay != nil {
		return r.relay.protection(), cause.Allow()
	}
	base, records, err := q.keys(ctx, r, at, host)
	if err != nil {
		// RFC 7672 section 2.2: whoever can make this question fail must not be able to
		// switch the protection off.
		p.missed = failed(&tlsrpt.Policy{Type: tlsrpt.TLSA, Domain: r.domain}, tlsrpt.DNSSECInvalid, host, nil, err)
		return p, unresolved(err)
	}
	if len(records) > 0 {
		p.policy, p.encrypt = PolicyDANE, true
		p.names = []string{base, r.domain, host}
		p.report.Type = tlsrpt.TLSA
		for _, t := range records {
			p.report.Strings = append(p.report.Strings, dane.String(t))
		}
		if p.tlsa = dane.Usable(records); len(p.tlsa) > 0 {
			p.authenticate = true
			return p, cause.Allow()
		}
	}
	return p.bySTS(r, host)
}

// bySTS adds what an MTA-STS policy wants (RFC 8461 section 5).
func (p protection) bySTS(r *route, host string) (protection, cause.Decision) {
	sts := r.sts.Policy
	if sts == nil || sts.Mode == mtasts.None {
		return p, cause.Allow()
	}
	report := tlsrpt.Policy{Type: tlsrpt.STS, Domain: r.domain, Strings: sts.Lines(), MX: sts.MX}
	if !sts.Matches(host) {
		p.missed = failed(&report, tlsrpt.ValidationFailure, host, nil, errNotInPolicy)
		if p.policy = PolicySTSTesting; sts.Mode == mtasts.Testing {
			return p, cause.Allow()
		}
		p.policy, p.trouble = PolicySTS, errNotInPolicy.Error()
		return p, later(cause.TLSPolicyMismatch)
	}
	p.report, p.bound, p.names = report, true, []string{host}
	if p.policy = PolicySTSTesting; sts.Mode == mtasts.Enforce {
		p.policy, p.encrypt, p.authenticate = PolicySTS, true, true
	}
	return p, cause.Allow()
}

var errNotInPolicy = errors.New("the MTA-STS policy does not name this server")

// keys returns the TLSA records of a server and the name they are under; none where
// DNSSEC does not vouch for the whole way to them (RFC 7672 section 2.2).
func (q *Queue) keys(ctx context.Context, r *route, at resolver.Host, host string) (base string, records []resolver.TLSA, err error) {
	if !r.secure {
		return "", nil, nil
	}
	var bases []string
	switch {
	case at.Secure && at.Name != host:
		bases = []string{at.Name, host} // section 2.2.2: where the alias leads to first
	case at.Secure:
		bases = []string{host}
	case at.Name != host:
		// The alias may be signed where it leads is not.
		if _, secure, err := q.opt.Resolver.CNAME(ctx, host); err == nil && secure {
			bases = []string{host}
		} else if errors.Is(err, resolver.ErrTemporary) {
			return "", nil, err
		}
	}
	for _, base := range bases {
		records, secure, err := q.opt.Resolver.TLSA(ctx, dane.Name(base, q.opt.Port))
		if errors.Is(err, resolver.ErrTemporary) {
			return "", nil, err
		}
		if err == nil && secure {
			return base, records, nil
		}
	}
	return "", nil, nil
}

// require makes the protection what REQUIRETLS wants (RFC 8689 section 4.2.1): the
// server proves who it is, and its name was not just anybody's word.
func (p *protection) require() cause.Decision {
	if !p.bound {
		p.trouble = "neither DNSSEC nor MTA-STS proves that this is a server of the domain"
		return cause.Refuse(cause.TLSRequiredBySender)
	}
	p.encrypt, p.authenticate, p.strict = true, true, true
	return cause.Allow()
}

// options are what the SMTP client is told. Where nothing is required, old TLS is better
// than none (RFC 7435 section 3).
func (p *protection) options(o *Options) smtpc.Options {
	cfg := &tls.Config{}
	if o.TLSConfig != nil {
		cfg = o.TLSConfig.Clone()
	}
	if !p.authenticate && cfg.MinVersion == 0 && cfg.CipherSuites == nil {
		cfg.MinVersion = tls.VersionTLS10
		for _, suite := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
			cfg.CipherSuites = append(cfg.CipherSuites, suite.ID)
		}
	}
	return smtpc.Options{
		Hostname: o.Hostname, ServerName: p.names[0], TLSConfig: cfg, Verify: p.verify(o.TLSConfig),
		Encrypt: p.encrypt, Authenticate: p.authenticate, Implicit: p.implicit, NoTLS: p.plain,
		Timeouts: smtpc.Timeouts{Banner: o.Limits.Command, Command: o.Limits.Command, Message: o.Limits.Data},
	}
}

// verify judges by the keys published with DANE; nil where the usual authorities judge.
func (p *protection) verify(cfg *tls.Config) func(*tls.ConnectionState) error {
	if len(p.tlsa) == 0 {
		return nil
	}
	now := time.Now
	if cfg != nil && cfg.Time != nil {
		now = cfg.Time
	}
	return func(s *tls.ConnectionState) error { return dane.Verify(p.tlsa, s.PeerCertificates, p.names, now()) }
}

// violated reports whether a session failed because its protection could not be had.
func (p *protection) violated(err error) bool {
	var e *smtpc.Error
	return (p.encrypt || p.authenticate) && errors.As(err, &e) && e.Stage == smtpc.StageStartTLS && e.Reply.Code != 421
}

// refusal is what it means for a message that the protection could not be had.
func (p *protection) refusal() cause.Decision {
	switch {
	case p.strict:
		return cause.Refuse(cause.TLSRequiredBySender)
	case p.policy == PolicyRelay: // which is for whoever runs this service to mend
		return later(cause.OutboxDeferred)
	}
	return later(cause.TLSPolicyMismatch)
}

// troubleOf says what was wrong with the encryption of a session.
func troubleOf(err error) string {
	var e *smtpc.Error
	if !errors.As(err, &e) || e.Err == nil {
		return err.Error()
	}
	if e.Reply.Code != 0 {
		return e.Err.Error() + ": " + e.Reply.String()
	}
	return e.Err.Error()
}

// noteSession counts a session for the domain's report.
func (q *Queue) noteSession(p *protection, l *link) {
	if p.policy == PolicyRelay || p.policy == PolicyNone {
		return
	}
	state, unproven := l.client.TLS()
	switch {
	case state == nil:
		q.noteFailure(&p.report, tlsrpt.StartTLSNotSupported, l.host, &l.way, smtpc.ErrNoStartTLS)
	case unproven != nil && p.policy == PolicySTSTesting && p.report.Type == tlsrpt.STS:
		q.noteFailure(&p.report, resultOf(unproven), l.host, &l.way, unproven)
	default:
		q.opt.Reports.Note(tlsrpt.Session{Policy: p.report})
	}
}

// noteFailed counts a session that did not come to be because of its encryption.
func (q *Queue) noteFailed(p *protection, l *link, err error) {
	var e *smtpc.Error
	if p.policy == PolicyRelay || p.policy == PolicyNone || !errors.As(err, &e) || e.Stage != smtpc.StageStartTLS {
		return
	}
	q.noteFailure(&p.report, resultOf(err), l.host, &l.way, err)
}

func (q *Queue) noteFailure(p *tlsrpt.Policy, result tlsrpt.Result, host string, w *way, err error) {
	q.opt.Reports.Note(*failed(p, result, host, w, err))
}

// failed is a session that did not keep to its policy, on its way, if it came that far.
func failed(p *tlsrpt.Policy, result tlsrpt.Result, host string, w *way, err error) *tlsrpt.Session {
	f := &tlsrpt.Failure{Result: result, Host: host, Reason: troubleOf(err)}
	if w != nil && w.ip.IsValid() {
		f.IP = w.ip.String()
	}
	if w != nil && w.from.IsValid() && !isPrivate(w.from) { // that of a private network means nothing to others
		f.SendingIP = w.from.String()
	}
	return &tlsrpt.Session{Policy: *p, Failure: f}
}

// resultOf says in the words of reports why encryption failed (RFC 8460 section 4.3).
func resultOf(err error) tlsrpt.Result {
	var (
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		unknown x509.UnknownAuthorityError
	)
	switch {
	case errors.Is(err, smtpc.ErrNoStartTLS):
		return tlsrpt.StartTLSNotSupported
	case errors.Is(err, dane.ErrMismatch):
		return tlsrpt.ValidationFailure
	case errors.As(err, &name):
		return tlsrpt.HostMismatch
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return tlsrpt.Expired
	case errors.As(err, &invalid), errors.As(err, &unknown):
		return tlsrpt.NotTrusted
	}
	return tlsrpt.ValidationFailure
}

// notePolicy counts that a domain's policy could not be had.
func (q *Queue) notePolicy(r *route) {
	if r.sts.Err == nil {
		return
	}
	result := tlsrpt.STSFetchError
	switch {
	case errors.Is(r.sts.Err, mtasts.ErrCertificate):
		result = tlsrpt.STSWebPKIInvalid
	case errors.Is(r.sts.Err, mtasts.ErrInvalid):
		result = tlsrpt.STSInvalid
	}
	q.noteFailure(&tlsrpt.Policy{Type: tlsrpt.STS, Domain: r.domain}, result, "", nil, r.sts.Err)
}
