// Package mtasts knows by which rules domains want their mail servers to be reached
// (MTA-STS, RFC 8461): it finds, fetches, remembers and refreshes their policies.
package mtasts

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/message/address"
)

// Mode is what a policy wants when a server does not fit it (RFC 8461 section 5).
type Mode string

const (
	Enforce Mode = "enforce" // nothing is delivered to it
	Testing Mode = "testing" // it is reported
	None    Mode = "none"    // nothing; the domain takes its policy back
)

// Policy is what a domain wants of its mail servers.
type Policy struct {
	Mode   Mode          `json:"mode"`
	MX     []string      `json:"mx,omitempty"` // names, or "*." and a name, in lower case
	MaxAge time.Duration `json:"max_age"`      // how long it holds once it was fetched
}

const (
	maxPolicy = 64 << 10               // octets of a policy (RFC 8461 section 3.3)
	maxAge    = 31557600 * time.Second // a year (RFC 8461 section 3.2)
	maxMX     = 200
)

// Errors of what domains publish.
var (
	ErrNoPolicy = errors.New("mtasts: the domain has no policy")
	ErrInvalid  = errors.New("mtasts: the policy is not written as it must be")
)

// ReadRecord returns the id of the policy that the TXT records of "_mta-sts." and the
// domain announce. ErrNoPolicy unless exactly one of them does (RFC 8461 section 3.1).
func ReadRecord(texts []string) (id string, err error) {
	const version = "v=STSv1;"
	var found []string
	for _, t := range texts {
		if strings.HasPrefix(strings.ReplaceAll(t, " ", ""), version) {
			found = append(found, t)
		}
	}
	if len(found) != 1 {
		return "", ErrNoPolicy
	}
	for _, field := range strings.Split(found[0], ";")[1:] {
		name, value, _ := strings.Cut(field, "=")
		if value = strings.TrimSpace(value); strings.TrimSpace(name) == "id" && isID(value) {
			return value, nil
		}
	}
	return "", ErrNoPolicy
}

// isID reports whether an id is 1 to 32 letters and digits.
func isID(s string) bool {
	return 0 < len(s) && len(s) <= 32 && !strings.ContainsFunc(s, func(c rune) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9')
	})
}

// ReadPolicy reads a policy as it is fetched (RFC 8461 section 3.2). Of what comes
// twice, the first counts; what is not known is left alone.
func ReadPolicy(text string) (p Policy, err error) {
	fields := map[string]string{}
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(line, ":")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		switch _, twice := fields[key]; {
		case !ok, value == "":
		case key == "mx":
			if len(p.MX) == maxMX {
				return Policy{}, fmt.Errorf("%w: more than %d mx", ErrInvalid, maxMX)
			}
			p.MX = append(p.MX, address.NormalizeDomain(value))
		case !twice:
			fields[key] = value
		}
	}
	if fields["version"] != "STSv1" {
		return Policy{}, fmt.Errorf("%w: version %.20q", ErrInvalid, fields["version"])
	}
	p.Mode = Mode(fields["mode"])
	if !slices.Contains([]Mode{Enforce, Testing, None}, p.Mode) {
		return Policy{}, fmt.Errorf("%w: mode %.20q", ErrInvalid, p.Mode)
	}
	seconds, err := strconv.ParseUint(fields["max_age"], 10, 32)
	if err != nil {
		return Policy{}, fmt.Errorf("%w: max_age %.20q", ErrInvalid, fields["max_age"])
	}
	p.MaxAge = min(time.Duration(seconds)*time.Second, maxAge)
	if len(p.MX) == 0 && p.Mode != None {
		return Policy{}, fmt.Errorf("%w: no mx", ErrInvalid)
	}
	return p, nil
}

// Lines returns the policy as reports show it, a field each (RFC 8460 section 4.4).
func (p *Policy) Lines() []string {
	lines := []string{"version: STSv1", "mode: " + string(p.Mode)}
	for _, mx := range p.MX {
		lines = append(lines, "mx: "+mx)
	}
	return append(lines, "max_age: "+strconv.Itoa(int(p.MaxAge/time.Second)))
}

// Matches reports whether a server is one of those the policy names (RFC 8461 section
// 4.1): "*." stands for one label.
func (p *Policy) Matches(host string) bool {
	host = address.NormalizeDomain(host)
	_, parent, _ := strings.Cut(host, ".")
	return slices.ContainsFunc(p.MX, func(mx string) bool {
		if suffix, wild := strings.CutPrefix(mx, "*."); wild {
			return suffix != "" && suffix == parent
		}
		return mx == host
	})
}
