package config

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Size is an amount of octets, written "50MB", "512KiB" or "1024".
type Size int64

// units are from long to short suffixes, so that "MiB" is not read as "B".
var units = []struct {
	suffix string
	octets int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}, {"", 1},
}

// ParseSize reads a size.
func ParseSize(text string) (Size, error) {
	text = strings.TrimSpace(text)
	for _, u := range units {
		number, ok := strings.CutSuffix(text, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		octets := n * float64(u.octets)
		if err != nil || n < 0 || octets > 1<<62 || strings.ContainsAny(number, "eExXnN") {
			break
		}
		return Size(octets), nil
	}
	return 0, fmt.Errorf("config: %q is not a size such as \"50MB\" or \"512KiB\"", text)
}

// UnmarshalText reads a size.
func (s *Size) UnmarshalText(text []byte) (err error) {
	*s, err = ParseSize(string(text))
	return err
}

// String writes the size with the largest unit that leaves no remainder.
func (s Size) String() string {
	best := strconv.FormatInt(int64(s), 10) + "B"
	for _, u := range units[:9] {
		if s != 0 && int64(s)%u.octets == 0 && u.suffix != "KB" {
			if text := strconv.FormatInt(int64(s)/u.octets, 10) + u.suffix; len(text) < len(best) {
				best = text
			}
		}
	}
	return best
}

// Duration is a time span, written "30s", "15m", "4h" or "5d".
type Duration time.Duration

// ParseDuration reads a duration; beside Go's units it knows days.
func ParseDuration(text string) (time.Duration, error) {
	text = strings.TrimSpace(text)
	d, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n int
		n, err = strconv.Atoi(days)
		d = time.Duration(n) * 24 * time.Hour
		if n > 100_000 {
			err = errors.New("too long")
		}
	}
	if err != nil || d < 0 {
		return 0, fmt.Errorf("config: %q is not a duration such as \"15m\", \"4h\" or \"5d\"", text)
	}
	return d, nil
}

// UnmarshalText reads a duration.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := ParseDuration(string(text))
	*d = Duration(v)
	return err
}

// String writes the duration.
func (d Duration) String() string {
	if v := time.Duration(d); v >= 24*time.Hour && v%(24*time.Hour) == 0 {
		return strconv.Itoa(int(v/(24*time.Hour))) + "d"
	}
	return time.Duration(d).String()
}

// Network is a network, or one address: "192.0.2.0/24", "::1".
type Network netip.Prefix

// UnmarshalText reads a network.
func (n *Network) UnmarshalText(text []byte) error {
	if a, err := netip.ParseAddr(string(text)); err == nil {
		*n = Network(netip.PrefixFrom(a, a.BitLen()))
		return nil
	}
	p, err := netip.ParsePrefix(string(text))
	if err != nil {
		return fmt.Errorf("config: %q is not an address or a network such as \"192.0.2.0/24\"", text)
	}
	*n = Network(p.Masked())
	return nil
}

// String writes the network.
func (n Network) String() string { return netip.Prefix(n).String() }
