package names

import (
	"cmp"
	"crypto"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// Zone is what one domain publishes.
type Zone struct {
	origin  string
	in      *Internet
	sets    map[string]map[uint16][]dns.RR // by name and type
	signing Signing
	key     *dns.DNSKEY
	signer  crypto.Signer
}

func newZone(in *Internet, origin string) (*Zone, error) {
	z := &Zone{origin: origin, in: in, sets: make(map[string]map[uint16][]dns.RR)}
	var err error
	if z.key, z.signer, err = newKey(origin); err != nil {
		return nil, err
	}
	for _, line := range []string{
		fmt.Sprintf("@ 300 IN SOA %s. hostmaster.%s. 1 7200 3600 1209600 300", NameServer1, NameServer1),
		"@ 300 IN NS " + NameServer1 + ".",
		"@ 300 IN NS " + NameServer2 + ".",
	} {
		if err := z.add(line); err != nil {
			return nil, err
		}
	}
	return z, nil
}

// Origin returns the zone's name with its final dot.
func (z *Zone) Origin() string { return z.origin }

// Add adds records in the syntax of zone files, "@ MX 10 mx" or "imap 60 A 192.0.2.1";
// names without a final dot are below the zone (RFC 1035 section 5.1).
func (z *Zone) Add(records ...string) *Zone {
	z.in.change()
	defer z.in.mu.Unlock()
	for _, line := range records {
		if err := z.add(line); err != nil {
			z.in.fail(err)
		}
	}
	return z
}

// Set adds records in place of those of the same name and type.
func (z *Zone) Set(records ...string) *Zone {
	z.in.change()
	defer z.in.mu.Unlock()
	var rrs []dns.RR
	for _, line := range records {
		rr, err := z.parse(line)
		if err != nil {
			z.in.fail(err)
			continue
		}
		rrs = append(rrs, rr)
		delete(z.sets[rr.Header().Name], rr.Header().Rrtype)
	}
	for _, rr := range rrs {
		z.put(rr)
	}
	return z
}

// Remove takes away the records of a name, all or those of some types: "MX", "A".
func (z *Zone) Remove(name string, types ...string) *Zone {
	z.in.change()
	defer z.in.mu.Unlock()
	owner := z.absolute(name)
	for _, t := range types {
		delete(z.sets[owner], dns.StringToType[t])
	}
	if len(types) == 0 || len(z.sets[owner]) == 0 {
		delete(z.sets, owner)
	}
	return z
}

// Sign says how the zone is signed from now on.
func (z *Zone) Sign(s Signing) *Zone {
	z.in.change()
	defer z.in.mu.Unlock()
	z.signing = s
	return z
}

func (z *Zone) absolute(name string) string {
	switch {
	case name == "@" || name == "":
		return z.origin
	case strings.HasSuffix(name, "."):
		return strings.ToLower(name)
	case z.origin == ".":
		return strings.ToLower(name) + "."
	}
	return strings.ToLower(name) + "." + z.origin
}

func (z *Zone) parse(line string) (dns.RR, error) {
	p := dns.NewZoneParser(strings.NewReader(line+"\n"), z.origin, "")
	p.SetDefaultTTL(300)
	rr, ok := p.Next()
	if !ok || p.Err() != nil {
		return nil, fmt.Errorf("names: record %q of %s: %w", line, z.origin, cmp.Or(p.Err(), errEmpty))
	}
	rr.Header().Name = strings.ToLower(rr.Header().Name)
	if !dns.IsSubDomain(z.origin, rr.Header().Name) {
		return nil, fmt.Errorf("names: record %q does not lie in %s", line, z.origin)
	}
	return rr, nil
}

func (z *Zone) add(line string) error {
	rr, err := z.parse(line)
	if err != nil {
		return err
	}
	z.put(rr)
	return nil
}

func (z *Zone) put(rr dns.RR) {
	name, kind := rr.Header().Name, rr.Header().Rrtype
	if z.sets[name] == nil {
		z.sets[name] = make(map[uint16][]dns.RR)
	}
	for _, other := range z.sets[name][kind] {
		if dns.IsDuplicate(rr, other) {
			return
		}
	}
	z.sets[name][kind] = append(z.sets[name][kind], rr)
}

// find returns the set of a name and type; exists is false when the zone has neither
// the name nor anything below it. A wildcard's records come with the name asked for
// (RFC 4592); wildcard tells its own.
func (z *Zone) find(name string, kind uint16) (set []dns.RR, exists bool, wildcard string) {
	switch {
	case name == z.origin && kind == dns.TypeDNSKEY && z.signed():
		return []dns.RR{dns.Copy(z.key)}, true, ""
	case kind == dns.TypeDS && z.in.zones[name] != nil && name != z.origin:
		return z.in.zones[name].delegation(), true, ""
	case kind == dns.TypeNS && z.in.zones[name] != nil && name != z.origin:
		return copies(z.in.zones[name].sets[name][kind]), true, ""
	}
	if sets := z.sets[name]; sets != nil {
		return copies(sets[kind]), true, ""
	}
	if z.hasBelow(name) {
		return nil, true, ""
	}
	for off, end := dns.NextLabel(name, 0); !end && len(name)-off >= len(z.origin); off, end = dns.NextLabel(name, off) {
		wildcard = "*." + name[off:]
		if sets := z.sets[wildcard]; sets != nil {
			return copies(sets[kind]), true, wildcard
		}
		if z.sets[name[off:]] != nil {
			break // the closest encloser decides
		}
	}
	return nil, false, ""
}

// hasBelow tells whether a name is an empty non-terminal (RFC 8499 section 7).
func (z *Zone) hasBelow(name string) bool {
	for owner := range z.sets {
		if strings.HasSuffix(owner, "."+name) {
			return true
		}
	}
	for origin := range z.in.zones {
		if origin != z.origin && dns.IsSubDomain(z.origin, origin) && dns.IsSubDomain(name, origin) {
			return true
		}
	}
	return false
}

func copies(set []dns.RR) []dns.RR {
	out := make([]dns.RR, len(set))
	for i, rr := range set {
		out[i] = dns.Copy(rr)
	}
	return out
}

// owners returns the names of the zone in canonical order (RFC 4034 section 6.1).
func (z *Zone) owners() []string {
	known := make(map[string]bool)
	for name := range z.sets {
		known[name] = true
	}
	for origin := range z.in.zones {
		if origin != "." && origin != z.origin && z.in.parent(origin) == z {
			known[origin] = true
		}
	}
	return slices.SortedFunc(maps.Keys(known), compareNames)
}

func compareNames(a, b string) int {
	x, y := dns.SplitDomainName(a), dns.SplitDomainName(b)
	slices.Reverse(x)
	slices.Reverse(y)
	return slices.Compare(x, y)
}
