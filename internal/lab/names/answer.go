package names

import "github.com/miekg/dns"

// part is what one zone says to one question.
type part struct {
	zone      *Zone
	rcode     int
	answer    []dns.RR // a set, its signature, or a CNAME in its place
	authority []dns.RR // SOA and denials where there is no answer
	alias     string   // where the CNAME leads
}

// ask asks the zone that a name lies in. in.mu is held for reading.
func (in *Internet) ask(name string, kind uint16) part {
	z := in.deepest(name)
	if kind == dns.TypeDS && name == z.origin && name != "." {
		z = in.parent(name) // RFC 4035 section 3.1.4.1
	}
	set, exists, wildcard := z.find(name, kind)
	alias := ""
	if len(set) == 0 && kind != dns.TypeCNAME {
		if cname, _, w := z.find(name, dns.TypeCNAME); len(cname) > 0 {
			set, wildcard = cname, w
			alias = canonical(cname[0].(*dns.CNAME).Target)
		}
	}
	p := part{zone: z, alias: alias}
	if len(set) > 0 {
		p.answer = z.withSignature(set, name)
		if wildcard != "" && z.signed() {
			p.authority = z.withSignature([]dns.RR{z.denial(name)}, "")
		}
		return p
	}
	if !exists {
		p.rcode = dns.RcodeNameError
	}
	p.authority = z.negative(name, exists)
	return p
}

// withSignature signs a set under its own name and then gives it the one asked for,
// which differs for a wildcard (RFC 4035 section 5.3.4).
func (z *Zone) withSignature(set []dns.RR, name string) []dns.RR {
	out := set
	if sig := z.sign(set); sig != nil {
		out = append(out, sig)
	}
	if name != "" {
		for _, rr := range out {
			rr.Header().Name = name
		}
	}
	return out
}

// negative is the authority section of an answer without records (RFC 2308, RFC 4035
// section 3.1.3).
func (z *Zone) negative(name string, exists bool) []dns.RR {
	out := z.withSignature(copies(z.sets[z.origin][dns.TypeSOA]), "")
	if !z.signed() {
		return out
	}
	cover := z.denial(name)
	out = append(out, z.withSignature([]dns.RR{cover}, "")...)
	if exists {
		return out
	}
	if wild := z.denial("*." + z.closestEncloser(name)); wild.Hdr.Name != cover.Hdr.Name {
		out = append(out, z.withSignature([]dns.RR{wild}, "")...)
	}
	return out
}

func (z *Zone) closestEncloser(name string) string {
	for off, end := dns.NextLabel(name, 0); !end; off, end = dns.NextLabel(name, off) {
		if z.sets[name[off:]] != nil || z.hasBelow(name[off:]) {
			return name[off:]
		}
	}
	return z.origin
}

// Authority returns a name server that answers for all zones, or for some.
func (in *Internet) Authority(domains ...string) Handler {
	only := make(map[string]bool, len(domains))
	for _, d := range domains {
		only[canonical(d)] = true
	}
	return handler(func(q *dns.Msg, _ bool) *dns.Msg {
		in.mu.RLock()
		defer in.mu.RUnlock()
		question := q.Question[0]
		m := new(dns.Msg).SetReply(q)
		p := in.ask(canonical(question.Name), question.Qtype)
		if len(only) > 0 && !only[p.zone.origin] {
			m.Rcode = dns.RcodeRefused
			return m
		}
		m.Authoritative, m.Rcode = true, p.rcode
		m.Answer, m.Ns = p.answer, p.authority
		return m
	})
}
