package names

import (
	"crypto"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/miekg/dns"
)

// Signing says how a zone is signed.
type Signing int

// The ways of signing a zone. All but Unsigned and Good are what a validating
// resolver must refuse.
const (
	Unsigned     Signing = iota
	Good                 // as it should be
	Expired              // the signatures ran out three days ago
	NotYet               // the signatures begin tomorrow
	Broken               // the signatures do not fit the records
	WrongDS              // the parent names a key that the zone does not have
	NoSignatures         // the parent says that the zone is signed, and it is not
)

var errEmpty = errors.New("no record")

const (
	signatureLife = 14 * 24 * time.Hour
	keyFlags      = 257 // zone key, secure entry point
	keyProtocol   = 3   // RFC 4034 section 2.1.2
	keyBits       = 256
)

func newKey(origin string) (*dns.DNSKEY, crypto.Signer, error) {
	key := &dns.DNSKEY{
		Hdr:   dns.RR_Header{Name: origin, Rrtype: dns.TypeDNSKEY, Class: dns.ClassINET, Ttl: 300},
		Flags: keyFlags, Protocol: keyProtocol, Algorithm: dns.ECDSAP256SHA256,
	}
	const attempts = 4 // one key in 65,536 has the tag 0, which the library takes for none and does not sign with
	for range attempts {
		private, err := key.Generate(keyBits)
		if err != nil {
			return nil, nil, fmt.Errorf("key: %w", err)
		}
		signer, ok := private.(crypto.Signer)
		if !ok {
			return nil, nil, errors.New("key cannot sign")
		}
		if key.KeyTag() != 0 {
			return key, signer, nil
		}
	}
	return nil, nil, errors.New("key: no tag but 0")
}

// signed tells whether the zone itself claims to be signed.
func (z *Zone) signed() bool { return z.signing != Unsigned && z.signing != NoSignatures }

// delegation returns the DS records that the parent has of the zone.
func (z *Zone) delegation() []dns.RR {
	switch z.signing {
	case Unsigned:
		return nil
	case WrongDS:
		other := dns.Copy(z.key).(*dns.DNSKEY)
		other.Flags ^= 1 // another key tag and digest
		return []dns.RR{other.ToDS(dns.SHA256)}
	}
	return []dns.RR{z.key.ToDS(dns.SHA256)}
}

// sign returns the signature of a set, nil where the zone is not signed.
func (z *Zone) sign(set []dns.RR) dns.RR {
	if !z.signed() || len(set) == 0 {
		return nil
	}
	now := z.in.now()
	from, to := now.Add(-24*time.Hour), now.Add(signatureLife)
	switch z.signing {
	case Expired:
		from, to = now.Add(-signatureLife), now.Add(-3*24*time.Hour)
	case NotYet:
		from = now.Add(24 * time.Hour)
	}
	sig := &dns.RRSIG{
		Hdr:        dns.RR_Header{Name: set[0].Header().Name, Rrtype: dns.TypeRRSIG, Class: dns.ClassINET, Ttl: set[0].Header().Ttl},
		Algorithm:  z.key.Algorithm,
		KeyTag:     z.key.KeyTag(),
		SignerName: z.origin,
		Inception:  uint32(from.Unix()),
		Expiration: uint32(to.Unix()),
	}
	if err := sig.Sign(z.signer, set); err != nil {
		z.in.fail(fmt.Errorf("names: sign in %s: %w", z.origin, err))
		return nil
	}
	if z.signing == Broken {
		sig.Signature = flipped(sig.Signature)
	}
	return sig
}

// flipped changes the first character of a signature in base64.
func flipped(s string) string {
	if s[0] == 'A' {
		return "B" + s[1:]
	}
	return "A" + s[1:]
}

// denial returns the NSEC record that covers or matches a name (RFC 4034 section 4).
func (z *Zone) denial(name string) *dns.NSEC {
	owners := z.owners()
	i, found := slices.BinarySearchFunc(owners, name, compareNames)
	if !found {
		i--
	}
	owner := owners[max(i, 0)]
	types := []uint16{dns.TypeRRSIG, dns.TypeNSEC}
	for kind := range z.sets[owner] {
		types = append(types, kind)
	}
	if owner == z.origin {
		types = append(types, dns.TypeDNSKEY)
	}
	if child := z.in.zones[owner]; child != nil && child != z {
		types = append(types, dns.TypeNS)
		if child.signing != Unsigned {
			types = append(types, dns.TypeDS)
		}
	}
	slices.Sort(types)
	return &dns.NSEC{
		Hdr:        dns.RR_Header{Name: owner, Rrtype: dns.TypeNSEC, Class: dns.ClassINET, Ttl: 300},
		NextDomain: owners[(i+1)%len(owners)],
		TypeBitMap: slices.Compact(types),
	}
}
