package evidence

// Web marks the provider's web site, which is looked at to compare: a ban for
// mail programs often leaves it open, a blocked country does not.
const Web Origin = "web"

// HTTPS is the protocol of the web (RFC 9110).
const HTTPS Protocol = "https"

// OtherSecurity is an endpoint tried with the other kind of encryption than
// the settings have: TLS from the first octet where they say STARTTLS, or the reverse.
type OtherSecurity struct {
	Endpoint Endpoint `json:"endpoint"` // as it was tried
	Works    bool     `json:"works"`
}

// FactName implements Value.
func (o OtherSecurity) FactName() string { return "other-security " + place(o.Endpoint) }

// OldTLS is a handshake with a version that is not safe any more (RFC 8996),
// tried where one with those of today failed. Nothing is said over it.
type OldTLS struct {
	Endpoint Endpoint `json:"endpoint"`
	Version  string   `json:"version,omitempty"` // what the server chose
	Works    bool     `json:"works"`
}

// FactName implements Value.
func (o OldTLS) FactName() string { return "old-tls " + place(o.Endpoint) }

// Published is a server that the domain publishes for mail programs, held
// against the one at which a sign-in succeeded.
type Published struct {
	Endpoint Endpoint `json:"endpoint"`
	Where    string   `json:"where"` // the URL or record that names it
	Works    string   `json:"works"` // the host at which the same sign-in succeeds
	// Outcome is how looking at the published server ended: OK where it
	// answered the sign-in, or took the connection.
	Outcome  Outcome `json:"outcome"`
	Accepted bool    `json:"accepted"`
}

// FactName implements Value.
func (p Published) FactName() string { return "published " + place(p.Endpoint) }

// OtherPort is a usual port of a given host, tried where the service does not greet at the given port.
type OtherPort struct {
	Given    Endpoint `json:"given"`
	Endpoint Endpoint `json:"endpoint"` // as it was tried
	Works    bool     `json:"works"`
}

// FactName implements Value.
func (o OtherPort) FactName() string { return "other-port " + place(o.Endpoint) }

// NearHost is a given server name that does not exist, and what was meant by it; "" is not known.
type NearHost struct {
	Host  string `json:"host"`
	Meant string `json:"meant,omitempty"`
}

// FactName implements Value.
func (n NearHost) FactName() string { return "misspelt " + n.Host }
