package evidence

import "net/netip"

// Policy is the result of looking at one of the records by which a domain vouches for its mail.
type Policy struct {
	Kind     string     `json:"kind"` // spf, dkim, dmarc, mta-sts, tlsrpt, bimi, dane
	Domain   string     `json:"domain"`
	Record   string     `json:"record,omitempty"`
	State    string     `json:"state"`            // ok, missing, permerror, temperror, or what the kind says
	Result   string     `json:"result,omitempty"` // of evaluating it: pass, fail, softfail, neutral, none
	Detail   string     `json:"detail,omitempty"`
	Lookups  int        `json:"lookups,omitempty"` // DNS lookups that it took (RFC 7208 section 4.6.4)
	IP       netip.Addr `json:"ip,omitzero"`       // the sending address it was evaluated for
	Selector string     `json:"selector,omitempty"`
	// Forwarder tells that IP is a forwarder's; Assumed, that it is only a guess that it sends.
	Forwarder bool `json:"forwarder,omitempty"`
	Assumed   bool `json:"assumed,omitempty"`
}

// FactName implements Value.
func (p Policy) FactName() string { return p.Kind + " " + p.Domain }

// Listed is what a blocklist says of an address.
type Listed struct {
	List   string     `json:"list"`
	Addr   netip.Addr `json:"addr"`
	Listed bool       `json:"listed"`
	Answer string     `json:"answer,omitempty"` // such as 127.0.0.2
	// Dead tells that the list answers what no working list answers: everything, or its own error codes.
	Dead bool   `json:"dead,omitempty"`
	Role string `json:"role"` // server: the one that sends; own: the device's own address
}

// FactName implements Value.
func (l Listed) FactName() string { return "blocklist " + l.List }

// Reverse is the reverse name of a sending server.
type Reverse struct {
	Addr    netip.Addr `json:"addr"`
	Names   []string   `json:"names,omitempty"`
	Matches bool       `json:"matches"` // a name leads back to the address
	Helo    string     `json:"helo,omitempty"`
	HeloOK  bool       `json:"helo_ok"`
	Assumed bool       `json:"assumed,omitempty"` // it is only a guess that mail goes out from there
}

// FactName implements Value.
func (r Reverse) FactName() string { return "reverse " + r.Addr.String() }
