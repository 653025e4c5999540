package genuine

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// checkRecord checks the syntax of an SPF record. An error anywhere in it makes all of it void (RFC 7208
// section 4.6), which the library does not see after a term that matches.
func checkRecord(record string) error {
	seen := map[string]bool{}
	for i, term := range strings.Split(record, " ") {
		if i == 0 || term == "" { // the version; several spaces are allowed
			continue
		}
		if name := modifierName.FindString(term); name != "" {
			if err := checkModifier(strings.ToLower(name[:len(name)-1]), term[len(name):], seen); err != nil {
				return err
			}
		} else if err := checkMechanism(strings.TrimLeft(term[:1], "+-?~") + term[1:]); err != nil {
			return err
		}
	}
	return nil
}

// The grammar of RFC 7208 section 12, as far as it is regular.
var (
	modifierName = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9._-]*=`)
	macroString  = regexp.MustCompile(`^(?:` + macroExpand + `|%\{[crtCRT][0-9]*[rR]?[-.+,/_=]*\}|[!-$&-~])*$`)
	// A domain ends in a top label, which has a letter or a hyphen, or in a macro.
	domainSpec = regexp.MustCompile(`^(?:` + macroExpand + `|[!-$&-~])*(?:` + macroExpand + `|\.(?:[a-zA-Z0-9]*[a-zA-Z][a-zA-Z0-9]*|[a-zA-Z0-9]+-[a-zA-Z0-9-]*[a-zA-Z0-9])\.?)$`)
	cidrs      = regexp.MustCompile(`^(.*?)(?:/(0|[1-9][0-9]?))?(?://(0|[1-9][0-9]{0,2}))?$`)
)

// macroExpand leaves out c, r and t, which only explanations may have.
const macroExpand = `%(?:[%_-]|\{[slodiphvSLODIPHV][0-9]*[rR]?[-.+,/_=]*\})`

func checkModifier(name, value string, seen map[string]bool) error {
	if name != "redirect" && name != "exp" {
		if !macroString.MatchString(value) {
			return fmt.Errorf("the value of %.30s= is not valid", name)
		}
		return nil
	}
	if seen[name] {
		return fmt.Errorf("%s= is there twice", name)
	}
	seen[name] = true
	return checkDomain(name+"=", value)
}

func checkDomain(where, domain string) error {
	if !domainSpec.MatchString(domain) {
		return fmt.Errorf("%s has no valid domain", where)
	}
	return nil
}

func checkMechanism(term string) error {
	end := strings.IndexAny(term, ":/")
	if end < 0 {
		end = len(term)
	}
	name, rest := strings.ToLower(term[:end]), term[end:]
	value, hasValue := strings.CutPrefix(rest, ":")
	switch name {
	case "all":
		if rest == "" {
			return nil
		}
	case "include", "exists":
		return checkDomain(name, value)
	case "ptr":
		if rest == "" {
			return nil
		}
		return checkDomain(name, value)
	case "a", "mx":
		return checkHosts(name, rest, value, hasValue)
	case "ip4", "ip6":
		return checkNetwork(name, value)
	}
	return fmt.Errorf("%.40q is no term", term)
}

// slash stands for "/" in a domain on its way through the library, which takes it for a prefix length.
const slash = "\x01"

// maskSlashes replaces the slashes in the domains of a record that was found valid.
func maskSlashes(record string) string {
	terms := strings.Split(record, " ")
	for i, term := range terms {
		name, value, ok := strings.Cut(term, ":")
		if name = strings.ToLower(strings.TrimLeft(name, "+-?~")); !ok || name != "a" && name != "mx" {
			continue
		}
		domain := cidrs.FindStringSubmatch(value)[1]
		terms[i] = strings.Replace(term, domain, strings.ReplaceAll(domain, "/", slash), 1)
	}
	return strings.Join(terms, " ")
}

// checkHosts checks what follows a and mx: a domain, and one or two prefix lengths.
func checkHosts(name, rest, value string, hasValue bool) error {
	if hasValue {
		rest = value
	}
	parts := cidrs.FindStringSubmatch(rest)
	if v4, _ := strconv.Atoi(parts[2]); v4 > 32 {
		return fmt.Errorf("%s has an invalid prefix length", name)
	}
	if v6, _ := strconv.Atoi(parts[3]); v6 > 128 {
		return fmt.Errorf("%s has an invalid prefix length", name)
	}
	if !hasValue && parts[1] == "" {
		return nil
	}
	return checkDomain(name, parts[1])
}

func checkNetwork(name, value string) error {
	text, length, has := strings.Cut(value, "/")
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" || (name == "ip4") != addr.Is4() {
		return fmt.Errorf("%s has an invalid address", name)
	}
	if n, err := strconv.Atoi(length); has && (err != nil || n < 0 || n > addr.BitLen() || strconv.Itoa(n) != length) {
		return fmt.Errorf("%s has an invalid prefix length", name)
	}
	return nil
}
