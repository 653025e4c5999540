package evidence

import (
	"fmt"
	"time"
)

// Answer is how a lookup ended.
type Answer string

// The answers of a resolver.
const (
	Found     Answer = "found"
	NXDomain  Answer = "nxdomain" // there is no such name
	NoData    Answer = "nodata"   // the name is there, this type is not
	ServFail  Answer = "servfail"
	DNSRefuse Answer = "refused"
	NoAnswer  Answer = "timeout" // no answer came, or none could be asked for
)

// Lookup is one question to one resolver.
type Lookup struct {
	// Resolver is 0 for the device's own, 1 for the one that it is compared with.
	Resolver int    `json:"resolver"`
	Name     string `json:"name"` // lower case, without the last dot
	Type     string `json:"type"` // A, AAAA, MX, SRV, TXT, PTR, NS, SOA, TLSA, CNAME, DS, …
	// CheckingDisabled tells that DNSSEC was to be ignored (the CD bit).
	CheckingDisabled bool          `json:"cd,omitempty"`
	Answer           Answer        `json:"answer"`
	Records          []string      `json:"records,omitempty"` // data in presentation form; names without the last dot
	Alias            string        `json:"alias,omitempty"`   // where CNAMEs led
	Authenticated    bool          `json:"ad,omitempty"`
	TTL              time.Duration `json:"ttl_ns,omitempty"` // the lowest of the records
	Took             time.Duration `json:"took_ns"`
}

// FactName implements Value.
func (l Lookup) FactName() string {
	name := fmt.Sprintf("lookup %s %s", l.Name, l.Type)
	if l.Resolver > 0 {
		name += " second"
	}
	if l.CheckingDisabled {
		name += " cd"
	}
	return name
}
