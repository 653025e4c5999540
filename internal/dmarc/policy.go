// Package dmarc knows DMARC (RFC 7489, with np= of RFC 9091): which policy a domain publishes, whether a
// message is aligned with it, and the aggregate reports that receivers of mail send to the domains they
// have mail of. Reports are collected, made and sent here, and those of others are read.
package dmarc

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/resolver"
	"github.com/postiljon/postiljon/internal/signature"
)

// Disposition is what a domain wants done with mail that fails.
type Disposition string

// The dispositions, the mildest first.
const (
	None       Disposition = "none"
	Quarantine Disposition = "quarantine"
	Reject     Disposition = "reject"
)

// severity orders dispositions.
func (d Disposition) severity() int {
	switch d {
	case Reject:
		return 2
	case Quarantine:
		return 1
	}
	return 0
}

// Stricter returns the stricter of two.
func Stricter(a, b Disposition) Disposition {
	if b.severity() > a.severity() {
		return b
	}
	return a
}

// Record is what a domain publishes at _dmarc (RFC 7489 section 6.3).
type Record struct {
	Policy      Disposition // p=
	Subdomains  Disposition // sp=, or p=
	Nonexistent Disposition // np=, or sp=
	StrictDKIM  bool        // adkim=s
	StrictSPF   bool        // aspf=s
	Percent     int         // pct=
	Reports     []ReportURI // rua=
}

// ReportURI is where aggregate reports are wanted.
type ReportURI struct {
	Address string // of mail
	Limit   int64  // of a report in octets, 0 for none
}

// ErrNotRecord tells that a text is no DMARC record.
var ErrNotRecord = errors.New("dmarc: not a DMARC record")

// Parse reads a record. What it does not know is left out (RFC 7489 section 6.3); without a valid p= a
// record counts as p=none if it says where reports go, and not at all otherwise (section 6.6.3).
func Parse(text string) (*Record, error) {
	if !isRecord(text) {
		return nil, ErrNotRecord
	}
	tags, err := signature.ParseTags(text)
	if err != nil {
		return nil, fmt.Errorf("dmarc: %w", err)
	}
	r := &Record{Percent: 100, Reports: parseURIs(tags)}
	r.Policy = disposition(tags, "p", "")
	if r.Policy == "" {
		if len(r.Reports) == 0 {
			return nil, errors.New("dmarc: the record has no valid p=")
		}
		r.Policy = None
	}
	r.Subdomains = disposition(tags, "sp", r.Policy)
	r.Nonexistent = disposition(tags, "np", r.Subdomains)
	r.StrictDKIM = strings.EqualFold(tags.Compact("adkim"), "s")
	r.StrictSPF = strings.EqualFold(tags.Compact("aspf"), "s")
	if n, err := strconv.Atoi(tags.Compact("pct")); err == nil && n >= 0 && n <= 100 {
		r.Percent = n
	}
	return r, nil
}

// isRecord tells by its beginning whether a text is a DMARC record.
func isRecord(text string) bool {
	first, _, _ := strings.Cut(text, ";")
	name, value, _ := strings.Cut(first, "=")
	return strings.Trim(name, " \t") == "v" && strings.Trim(value, " \t") == "DMARC1"
}

func disposition(tags signature.Tags, name string, otherwise Disposition) Disposition {
	switch d := Disposition(strings.ToLower(tags.Compact(name))); d {
	case None, Quarantine, Reject:
		return d
	}
	return otherwise
}

// maxURIs is how many addresses get a report.
const maxURIs = 10

// parseURIs reads rua= (RFC 7489 section 6.2). Only mail is in use.
func parseURIs(tags signature.Tags) (list []ReportURI) {
	value := tags.Compact("rua")
	for text := range strings.SplitSeq(value, ",") {
		text, limit, _ := strings.Cut(text, "!")
		u, err := url.Parse(text)
		if err != nil || !strings.EqualFold(u.Scheme, "mailto") || len(list) == maxURIs {
			continue
		}
		to, err := url.PathUnescape(u.Opaque)
		if err != nil {
			continue
		}
		if a, err := address.Parse(to, address.Options{}); err == nil && a.Domain != "" {
			list = append(list, ReportURI{a.String(), parseLimit(limit)})
		}
	}
	return list
}

// parseLimit reads a size such as "10m". One that cannot be read is none.
func parseLimit(text string) int64 {
	unit := int64(1)
	if n := len(text); n > 0 {
		if i := strings.IndexByte("kmgt", text[n-1]|0x20); i >= 0 {
			unit, text = 1<<(10*(i+1)), text[:n-1]
		}
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 0 {
		return 0
	}
	return n * unit
}

// OrganizationalDomain returns the domain that whoever owns a domain registered (RFC 7489 section 3.2), by
// the list of public suffixes; a public suffix is its own.
func OrganizationalDomain(domain string) string {
	if org, err := publicsuffix.EffectiveTLDPlusOne(domain); err == nil {
		return org
	}
	return domain
}

// Aligned tells whether an authenticated domain speaks for the domain in From (RFC 7489 section 3.1).
// Both are in lower case with A-labels.
func Aligned(authenticated, from string, strict bool) bool {
	if authenticated == "" || strict || authenticated == from {
		return authenticated == from
	}
	return OrganizationalDomain(authenticated) == OrganizationalDomain(from)
}

// Resolver is what policies are looked up with; *resolver.Resolver is one.
type Resolver interface {
	TXT(ctx context.Context, name string) (texts []string, secure bool, err error)
	MX(ctx context.Context, domain string) (list []resolver.MX, secure bool, err error)
	Addrs(ctx context.Context, host string) (addrs []netip.Addr, secure bool, err error)
}

// Policy is what applies to a domain in From.
type Policy struct {
	*Record
	Domain string      // that publishes the record
	Apply  Disposition // to this From: of p=, sp= or np=
}

// ErrNoPolicy tells that a domain publishes none.
var ErrNoPolicy = errors.New("dmarc: no policy")

// Discover finds the policy for a domain (RFC 7489 section 6.6.3): its own, or that of the domain that its
// owner registered. Errors are ErrNoPolicy, those of the resolver where it could not be looked up, and
// others for records that are wrong.
func Discover(ctx context.Context, r Resolver, from string) (*Policy, error) {
	record, err := lookup(ctx, r, from)
	if err == nil {
		return &Policy{record, from, record.Policy}, nil
	}
	org := OrganizationalDomain(from)
	if !errors.Is(err, ErrNoPolicy) || org == from {
		return nil, err
	}
	if record, err = lookup(ctx, r, org); err != nil {
		return nil, err
	}
	p := &Policy{record, org, record.Subdomains}
	if record.Nonexistent != record.Subdomains && !exists(ctx, r, from) {
		p.Apply = record.Nonexistent
	}
	return p, nil
}

// lookup reads the record of a domain. Several are as good as none.
func lookup(ctx context.Context, r Resolver, domain string) (*Record, error) {
	texts, _, err := r.TXT(ctx, "_dmarc."+domain)
	if errors.Is(err, resolver.ErrNotExist) || errors.Is(err, resolver.ErrNoData) {
		return nil, ErrNoPolicy
	}
	if err != nil {
		return nil, err
	}
	var one string
	for _, text := range texts {
		if !isRecord(text) {
			continue
		}
		if one != "" {
			return nil, ErrNoPolicy
		}
		one = text
	}
	if one == "" {
		return nil, ErrNoPolicy
	}
	return Parse(one)
}

// exists tells whether a domain has addresses or takes mail (RFC 9091 section 2.7). What cannot be looked
// up exists.
func exists(ctx context.Context, r Resolver, domain string) bool {
	gone := func(err error) bool {
		return errors.Is(err, resolver.ErrNotExist) || errors.Is(err, resolver.ErrNoData)
	}
	if _, _, err := r.Addrs(ctx, domain); !gone(err) {
		return true
	}
	_, _, err := r.MX(ctx, domain)
	return !gone(err)
}
