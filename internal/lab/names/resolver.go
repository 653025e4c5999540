package names

import (
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// maxAliases bounds how many CNAMEs are followed.
const maxAliases = 8

// maxQueries bounds what a resolver remembers of what it was asked.
const maxQueries = 10000

// Resolver answers for all zones, as the resolver of a provider does. It validates
// and knows the CD, DO and AD bits (RFC 4035 section 3.2), unless told otherwise.
type Resolver struct {
	in        *Internet
	mu        sync.Mutex
	validates bool
	latency   time.Duration
	quirks    []quirk
	queries   []Query
}

// Query is a question that was asked.
type Query struct {
	Name string // without the final dot
	Type string
	TCP  bool
}

// quirk is a name that the resolver does not answer as the zones say.
type quirk struct {
	name   string // "" is every name, "*.x" all below x
	answer func(q *dns.Msg, tcp bool) (m *dns.Msg, ok bool)
}

// SetValidate says whether the resolver validates.
func (r *Resolver) SetValidate(on bool) { r.set(func() { r.validates = on }) }

// SetLatency makes every answer wait.
func (r *Resolver) SetLatency(d time.Duration) { r.set(func() { r.latency = d }) }

// Honest forgets all quirks.
func (r *Resolver) Honest() { r.set(func() { r.quirks = nil }) }

func (r *Resolver) set(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

func (r *Resolver) quirk(name string, answer func(q *dns.Msg, tcp bool) (*dns.Msg, bool)) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	r.set(func() { r.quirks = append([]quirk{{name, answer}}, r.quirks...) })
}

// Fail answers with an error, such as dns.RcodeServerFailure, for a name, for
// "*.example.net" or, with "", always.
func (r *Resolver) Fail(name string, rcode int) {
	r.quirk(name, func(q *dns.Msg, _ bool) (*dns.Msg, bool) {
		return new(dns.Msg).SetRcode(q, rcode), true
	})
}

// Silence does not answer at all for a name or, with "", for any.
func (r *Resolver) Silence(name string) {
	r.quirk(name, func(*dns.Msg, bool) (*dns.Msg, bool) { return nil, true })
}

// Lie gives addresses that the zones do not have, as filtering resolvers do:
// "0.0.0.0". Families without an address are answered empty.
func (r *Resolver) Lie(name string, addrs ...string) {
	r.quirk(name, func(q *dns.Msg, _ bool) (*dns.Msg, bool) {
		m := new(dns.Msg).SetReply(q)
		for _, s := range addrs {
			if rr := addressRecord(q.Question[0], s); rr != nil {
				m.Answer = append(m.Answer, rr)
			}
		}
		return m, true
	})
}

func addressRecord(q dns.Question, s string) dns.RR {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return nil
	}
	h := dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: dns.ClassINET, Ttl: 60}
	switch {
	case a.Is4() && q.Qtype == dns.TypeA:
		return &dns.A{Hdr: h, A: a.AsSlice()}
	case a.Is6() && q.Qtype == dns.TypeAAAA:
		return &dns.AAAA{Hdr: h, AAAA: a.AsSlice()}
	}
	return nil
}

// Remember keeps records as they once were, with the time that they are still kept:
// "imap.north.example. 86400 A 192.0.2.99". Other types of the name are as ever.
func (r *Resolver) Remember(record string) {
	rr, err := dns.NewRR(record)
	if err != nil || rr == nil {
		r.in.fail(err)
		return
	}
	r.quirk(rr.Header().Name, func(q *dns.Msg, _ bool) (*dns.Msg, bool) {
		if q.Question[0].Qtype != rr.Header().Rrtype {
			return nil, false
		}
		m := new(dns.Msg).SetReply(q)
		m.Answer = []dns.RR{dns.Copy(rr)}
		return m, true
	})
}

// Truncate answers over UDP with the TC bit alone, so that TCP must be used.
func (r *Resolver) Truncate(name string) {
	r.quirk(name, func(q *dns.Msg, tcp bool) (*dns.Msg, bool) {
		m := new(dns.Msg).SetReply(q)
		m.Truncated = true
		return m, !tcp
	})
}

// Queries returns what was asked, oldest first.
func (r *Resolver) Queries() []Query {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Query(nil), r.queries...)
}

// answer is the resolver as a Handler.
func (r *Resolver) answer(q *dns.Msg, tcp bool) *dns.Msg {
	question := q.Question[0]
	name := strings.TrimSuffix(canonical(question.Name), ".")
	r.mu.Lock()
	if len(r.queries) < maxQueries {
		r.queries = append(r.queries, Query{name, dns.TypeToString[question.Qtype], tcp})
	}
	latency, quirks := r.latency, r.quirks
	r.mu.Unlock()
	r.in.wait(latency)
	for _, k := range quirks {
		if !k.matches(name) {
			continue
		}
		if m, ok := k.answer(q, tcp); ok {
			if m != nil {
				m.RecursionAvailable = true
			}
			return m
		}
	}
	return r.resolve(q)
}

func (in *Internet) wait(d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-in.over:
	}
}

func (k *quirk) matches(name string) bool {
	if suffix, below := strings.CutPrefix(k.name, "*"); below {
		return strings.HasSuffix(name, suffix)
	}
	return k.name == "" || k.name == name
}

func (r *Resolver) resolve(q *dns.Msg) *dns.Msg {
	in := r.in
	in.mu.RLock()
	defer in.mu.RUnlock()
	r.mu.Lock()
	validates := r.validates
	r.mu.Unlock()
	m := new(dns.Msg).SetReply(q)
	m.RecursionAvailable = true
	m.CheckingDisabled = q.CheckingDisabled
	name, all := canonical(q.Question[0].Name), secure
	for range maxAliases {
		p := in.ask(name, q.Question[0].Qtype)
		if validates {
			s, code := in.validate(p)
			if s == bogus && !q.CheckingDisabled {
				return failed(q, code)
			}
			if s != secure {
				all = insecure
			}
		}
		m.Rcode = p.rcode
		m.Answer = append(m.Answer, p.answer...)
		m.Ns = p.authority
		if p.alias == "" {
			break
		}
		name = p.alias
	}
	opt := q.IsEdns0()
	do := opt != nil && opt.Do()
	m.AuthenticatedData = validates && all == secure && !q.CheckingDisabled && (do || q.AuthenticatedData)
	if !do {
		m.Answer, m.Ns = withoutProofs(m.Answer, q.Question[0].Qtype), withoutProofs(m.Ns, 0)
	}
	if opt != nil {
		m.SetEdns0(1232, do)
	}
	return m
}

// failed is SERVFAIL with the reason (RFC 8914) for who understands it.
func failed(q *dns.Msg, code uint16) *dns.Msg {
	m := new(dns.Msg).SetRcode(q, dns.RcodeServerFailure)
	m.RecursionAvailable = true
	if opt := q.IsEdns0(); opt != nil {
		m.SetEdns0(1232, opt.Do())
		m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_EDE{InfoCode: code, ExtraText: dns.ExtendedErrorCodeToString[code]}}
	}
	return m
}

// withoutProofs leaves out what only validators want (RFC 4035 section 3.2.1).
func withoutProofs(section []dns.RR, asked uint16) []dns.RR {
	var out []dns.RR
	for _, rr := range section {
		switch kind := rr.Header().Rrtype; kind {
		case dns.TypeRRSIG, dns.TypeNSEC:
			if kind != asked {
				continue
			}
		}
		out = append(out, rr)
	}
	return out
}
