package evidence

import (
	"fmt"
	"net/netip"
	"time"
)

// Outcome is how an attempt to reach something ended.
type Outcome string

// The outcomes of connections, handshakes and greetings.
const (
	OK           Outcome = "ok"
	Refused      Outcome = "refused"          // ECONNREFUSED: somebody said no
	TimedOut     Outcome = "timeout"          // nobody said anything
	Reset        Outcome = "reset"            // cut off
	Closed       Outcome = "closed"           // ended in good order, too early
	NoNetwork    Outcome = "net-unreachable"  // ENETUNREACH: no route from this device
	NoHost       Outcome = "host-unreachable" // EHOSTUNREACH
	Denied       Outcome = "denied"           // EACCES, EPERM: this device forbids it
	Garbled      Outcome = "garbled"          // an answer that is not of the protocol
	OtherFailure Outcome = "failed"
)

// Interfaces is how the device is connected.
type Interfaces struct {
	Up       int  `json:"up"` // interfaces that are up, without loopback
	Default4 bool `json:"default4"`
	Default6 bool `json:"default6"`
	// RoutesKnown is false where the system does not tell its routes.
	RoutesKnown bool `json:"routes_known"`
	VPN         bool `json:"vpn,omitempty"` // an interface of a tunnel is up
}

// FactName implements Value.
func (Interfaces) FactName() string { return "interfaces" }

// Connect is one TCP connection that was tried.
type Connect struct {
	Endpoint Endpoint      `json:"endpoint"`
	Addr     netip.Addr    `json:"addr"`
	Try      int           `json:"try"` // 0 is the first
	Outcome  Outcome       `json:"outcome"`
	Took     time.Duration `json:"took_ns"`
}

// FactName implements Value.
func (c Connect) FactName() string {
	return fmt.Sprintf("connect %s %s", place(c.Endpoint), family(c.Addr))
}

func place(e Endpoint) string { return fmt.Sprintf("%s:%d", e.Host, e.Port) }

func family(a netip.Addr) string {
	if a.Is6() && !a.Is4In6() {
		return "v6"
	}
	return "v4"
}

// Canary is what came back from a page that is known to the letter: another
// answer means that somebody in between answers.
type Canary struct {
	URL     string  `json:"url"`
	Outcome Outcome `json:"outcome"` // OK also for an altered answer
	Status  int     `json:"status,omitempty"`
	// Altered tells that something else than the known answer came: Location
	// names where a redirect leads.
	Altered  bool   `json:"altered,omitempty"`
	Location string `json:"location,omitempty"`
}

// FactName implements Value.
func (Canary) FactName() string { return "canary" }

// Clock is how far the device's clock is from that of somebody who was asked.
type Clock struct {
	Source string        `json:"source"`
	Skew   time.Duration `json:"skew_ns"` // above 0: the device is ahead
}

// FactName implements Value.
func (c Clock) FactName() string { return "clock " + c.Source }

// Vantage is what another place sees of an endpoint.
type Vantage struct {
	Place    string   `json:"place"`
	Endpoint Endpoint `json:"endpoint"`
	Outcome  Outcome  `json:"outcome"`
	Greeting string   `json:"greeting,omitempty"`
}

// FactName implements Value.
func (v Vantage) FactName() string { return "vantage " + place(v.Endpoint) }

// LargePacket is whether more than a packet's worth gets through on a connection where little does.
type LargePacket struct {
	Endpoint Endpoint `json:"endpoint"`
	Size     int      `json:"size"` // octets sent, or asked for, in one go
	Up       bool     `json:"up"`   // from here to the server
	Outcome  Outcome  `json:"outcome"`
}

// FactName implements Value.
func (l LargePacket) FactName() string { return "large-packet " + place(l.Endpoint) }
