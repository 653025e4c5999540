package settings

import (
	"fmt"
	"net"
	"strings"
	"unicode"

	"github.com/postiljon/postiljon/internal/message/address"
)

// cutAddress divides an address at its last "@".
func cutAddress(text string) (local, domain string, ok bool) {
	i := strings.LastIndexByte(text, '@')
	if i < 1 || i == len(text)-1 {
		return "", "", false
	}
	return text[:i], text[i+1:], true
}

// parseQuery reads what to look up, an address or a domain. The domain comes
// back in lower case with A-labels; the address is empty if only a domain was given.
func parseQuery(text string) (addr, domain string, err error) {
	text = strings.TrimSpace(text)
	local, domain, isAddress := cutAddress(text)
	if !isAddress {
		if strings.Contains(text, "@") {
			return "", "", fmt.Errorf("%w: %q is no mail address", ErrQuery, text)
		}
		domain = text
	}
	name, err := address.ParseDomain(strings.TrimSuffix(domain, "."), address.Options{UTF8: true})
	if err != nil || strings.HasPrefix(name, "[") {
		return "", "", fmt.Errorf("%w: %q is no domain name such as example.org", ErrQuery, domain)
	}
	name = address.NormalizeDomain(name)
	if !validHost(name) || net.ParseIP(name) != nil {
		return "", "", fmt.Errorf("%w: %q is no domain name such as example.org", ErrQuery, domain)
	}
	if !isAddress {
		return "", name, nil
	}
	if len(local) > address.MaxLocal || strings.ContainsFunc(local, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		return "", "", fmt.Errorf("%w: %q is no mail address", ErrQuery, text)
	}
	return local + "@" + name, name, nil
}

// DomainOf returns the domain of an address, or of a domain, in lower case with
// A-labels; ok is false if the text is neither.
func DomainOf(text string) (domain string, ok bool) {
	_, domain, err := parseQuery(text)
	return domain, err == nil
}

// within tells whether a host lies in a domain or is it.
func within(host, domain string) bool {
	return host == domain || strings.HasSuffix(host, "."+domain)
}

// distance is how many letters must be changed, added, dropped or swapped with
// their neighbour to make one word from the other; more than limit is told as limit+1.
func distance(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		least := row[0]
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
			least = min(least, row[j+1])
		}
		if least > limit {
			return limit + 1
		}
		before, last, row = last, row, before
	}
	return min(last[len(b)], limit+1)
}

// nearest returns the candidate that a name is most likely a misspelling of:
// one letter off for short names, two for those of nine letters and more. The
// first of equals wins. It is empty if none is near or the name is one of them.
func nearest(name string, candidates []string) string {
	limit := 1
	if len(name) >= 9 {
		limit = 2
	}
	best := ""
	for _, c := range candidates {
		if c == name {
			return ""
		}
		if d := distance(name, c, limit); d <= limit {
			best, limit = c, d-1 // from here on only what is nearer
		}
	}
	return best
}
