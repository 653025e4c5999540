package names

import (
	"github.com/miekg/dns"
)

// standing is what validation says of an answer (RFC 4035 section 4.3).
type standing int

const (
	insecure standing = iota
	secure
	bogus
)

// validate checks what a zone said, up to the root. The code is the extended error
// of RFC 8914. in.mu is held for reading.
func (in *Internet) validate(p part) (standing, uint16) {
	s, code := in.keys(p.zone)
	if s != secure {
		return s, code
	}
	for _, section := range [][]dns.RR{p.answer, p.authority} {
		if code, ok := in.check(section, p.zone); !ok {
			return bogus, code
		}
	}
	return secure, 0
}

// verdict is what validation says of a zone's key.
type verdict struct {
	standing standing
	code     uint16
}

// keys tells whether the key of a zone can be trusted: the root's always, another
// when its parent vouches for it. Signatures are made as they are asked for, so that
// time alone changes nothing.
func (in *Internet) keys(z *Zone) (standing, uint16) {
	if known, ok := in.trusted.Load(z.origin); ok {
		v := known.(verdict)
		return v.standing, v.code
	}
	s, code := in.vouch(z)
	in.trusted.Store(z.origin, verdict{s, code})
	return s, code
}

func (in *Internet) vouch(z *Zone) (standing, uint16) {
	if z.origin == "." {
		return secure, 0
	}
	parent := in.parent(z.origin)
	if s, code := in.keys(parent); s != secure {
		return s, code
	}
	ds := z.delegation()
	if len(ds) == 0 {
		return insecure, 0
	}
	if !z.signed() {
		return bogus, dns.ExtendedErrorCodeDNSKEYMissing
	}
	if have := z.key.ToDS(dns.SHA256); have.Digest != ds[0].(*dns.DS).Digest {
		return bogus, dns.ExtendedErrorCodeDNSKEYMissing
	}
	if code, ok := in.check(parent.withSignature(ds, ""), parent); !ok {
		return bogus, code
	}
	if code, ok := in.check(z.withSignature([]dns.RR{dns.Copy(z.key)}, ""), z); !ok {
		return bogus, code
	}
	return secure, 0
}

// check verifies the signatures of all sets of a section.
func (in *Internet) check(section []dns.RR, z *Zone) (uint16, bool) {
	for _, set := range setsOf(section) {
		if len(set.sigs) == 0 {
			return dns.ExtendedErrorCodeRRSIGsMissing, false
		}
		sig := set.sigs[0]
		switch now := uint32(in.now().Unix()); {
		case now > sig.Expiration:
			return dns.ExtendedErrorCodeSignatureExpired, false
		case now < sig.Inception:
			return dns.ExtendedErrorCodeSignatureNotYetValid, false
		case sig.Verify(z.key, set.rrs) != nil:
			return dns.ExtendedErrorCodeDNSBogus, false
		}
	}
	return 0, true
}

// signedSet is a set of records with its signatures.
type signedSet struct {
	rrs  []dns.RR
	sigs []*dns.RRSIG
}

func setsOf(section []dns.RR) []*signedSet {
	type key struct {
		name string
		kind uint16
	}
	found := make(map[key]*signedSet)
	var order []*signedSet
	at := func(name string, kind uint16) *signedSet {
		k := key{name, kind}
		if found[k] == nil {
			found[k] = new(signedSet)
			order = append(order, found[k])
		}
		return found[k]
	}
	for _, rr := range section {
		if sig, ok := rr.(*dns.RRSIG); ok {
			s := at(sig.Hdr.Name, sig.TypeCovered)
			s.sigs = append(s.sigs, sig)
			continue
		}
		s := at(rr.Header().Name, rr.Header().Rrtype)
		s.rrs = append(s.rrs, rr)
	}
	return order
}
