package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/config"
	"github.com/postiljon/postiljon/internal/dkim"
	"github.com/postiljon/postiljon/internal/dmarc"
	"github.com/postiljon/postiljon/internal/outbound"
	"github.com/postiljon/postiljon/internal/outbound/precheck"
	"github.com/postiljon/postiljon/internal/outbound/tlsrpt"
	"github.com/postiljon/postiljon/internal/resolver"
)

// dnsCheck compares what the DNS says with what it should.
type dnsCheck struct {
	domain  string
	conf    *config.Config
	records []record
	json    bool
	keysErr error

	dns       *resolver.Resolver
	addresses []netip.Addr // of this server

	// How the web is reached: nil for the network, and for the system's roots.
	dialer outbound.Dialer
	roots  *x509.CertPool
}

// finding is what the DNS has in place of a record.
type finding struct {
	record
	State string   `json:"state"` // ok, missing, differs or unknown
	Found []string `json:"found,omitempty"`
	Words string   `json:"words,omitempty"` // what it means
	Do    string   `json:"do,omitempty"`    // what to do, where that is not to publish the record
}

// States of findings.
const (
	recordOK      = "ok"
	recordMissing = "missing"
	recordDiffers = "differs"
	recordUnknown = "unknown"
)

// checkTime bounds the whole check.
const checkTime = time.Minute

// checkRecords looks all records up and says what is wrong with them.
func checkRecords(ctx context.Context, s *streams, d *dnsCheck) (err error) {
	if d.dns, err = newResolver(d.conf.Queue.Resolver, d.conf.Queue.ResolverTrusted); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	found := d.checkHost(ctx)
	for _, r := range d.records {
		found = append(found, d.check(ctx, r))
	}
	if answered(found) {
		found = append(append(found, d.checkPolicy(ctx)...), d.checkAuthorities(ctx)...)
	}
	if d.json {
		err = printJSON(s, found)
	} else {
		err = d.report(s, found)
	}
	if err == nil && slices.ContainsFunc(found, func(f finding) bool { return f.Needed && f.State != recordOK }) {
		return exitWith{exitFailure, nil}
	}
	return err
}

// answered tells whether the DNS said anything.
func answered(found []finding) bool {
	return slices.ContainsFunc(found, func(f finding) bool { return f.State != recordUnknown })
}

// report tells the findings, and then what to do.
func (d *dnsCheck) report(s *streams, found []finding) error {
	if err := s.say("%s", s.bold("DNS records of "+d.domain)); err != nil {
		return err
	}
	if !answered(found) {
		return s.say("  No name server answers, so nothing could be checked. Which one is asked says\n" +
			"  the key resolver in [queue] of the configuration, or /etc/resolv.conf.")
	}
	colours := map[string]string{recordOK: "32", recordMissing: "33", recordDiffers: "33", recordUnknown: "33"}
	wrong := 0
	for i := range found {
		f := &found[i]
		colour := colours[f.State]
		if f.State != recordOK {
			wrong++
			if f.Needed {
				colour = "31"
			}
		}
		if err := s.say("  %s  %s %s", s.style(colour, fmt.Sprintf("%-7s", f.State)), f.Name, f.Kind); err != nil {
			return err
		}
		if err := d.detail(s, f); err != nil {
			return err
		}
	}
	if err := sayKeys(s, d.domain, d.keysErr, "  "); err != nil {
		return err
	}
	if wrong == 0 {
		return s.say("All %d records are right.", len(found))
	}
	return s.say("%d of %d records want a look. Changes can take as long to show as the old record\nmay be kept (its TTL).", wrong, len(found))
}

// margin is where details of a finding begin.
const margin = "           "

// detail says what was found in place of a record.
func (d *dnsCheck) detail(s *streams, f *finding) error {
	var lines []string
	if f.Words != "" {
		lines = append(lines, folded(f.Words, margin))
	}
	if f.State != recordOK && f.State != recordUnknown {
		lines = append(lines, folded(f.Why, margin+"what for      "))
		says := "the DNS says  "
		if f.Kind == "policy" {
			says = "served there  "
		}
		for _, have := range f.Found {
			lines = append(lines, margin+says+have)
		}
		if f.Do == "" {
			lines = append(lines, margin+"publish       "+f.data())
		} else {
			do := margin + "to do         " + f.Do
			if !strings.Contains(f.Do, " IN ") { // a record stays on its line, to be copied
				do = folded(f.Do, margin+"to do         ")
			}
			lines = append(lines, margin+"wanted        "+f.data(), do)
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return s.say("%s", strings.Join(lines, "\n"))
}

// check compares one record.
func (d *dnsCheck) check(ctx context.Context, r record) finding {
	name := strings.TrimSuffix(r.Name, ".")
	f := finding{record: r}
	var err error
	right := func(have string) bool { return strings.EqualFold(have, r.Value) }
	switch r.Kind {
	case "MX":
		f.Found, err = d.mx(ctx, name)
	case "SRV":
		f.Found, err = d.srv(ctx, name)
	case "CNAME":
		return d.alias(ctx, f, name)
	default:
		f.Found, err = d.text(ctx, name, r.Value)
		right = func(have string) bool { return sameText(have, r.Value) }
	}
	if !f.settle(err) {
		return f
	}
	f.State = recordDiffers
	if slices.ContainsFunc(f.Found, right) {
		f.State = recordOK
	}
	d.judge(ctx, &f)
	return f
}

// settle notes what an error of a lookup means; true if there was an answer.
func (f *finding) settle(err error) bool {
	switch {
	case errors.Is(err, resolver.ErrNotExist), errors.Is(err, resolver.ErrNoData), err == nil && len(f.Found) == 0:
		f.State = recordMissing
	case errors.Is(err, resolver.ErrBogus):
		f.State, f.Words = recordUnknown, "The signatures of the zone are not valid (DNSSEC), so nobody believes what it says."
	case err != nil:
		f.State, f.Words = recordUnknown, "The DNS did not answer."
	}
	return f.State == ""
}

// sameText compares two texts, but for how they are spaced.
func sameText(a, b string) bool {
	return strings.Join(strings.Fields(a), " ") == strings.Join(strings.Fields(b), " ") || strings.HasPrefix(b, "v=DKIM1") && dkim.Publishes(a, b)
}

// judge says what a difference means. Not each is a fault.
func (d *dnsCheck) judge(ctx context.Context, f *finding) {
	switch {
	case f.Kind == "MX":
		d.judgeMX(f)
	case strings.HasPrefix(f.Value, "v=spf1"):
		d.judgeSPF(ctx, f)
	case strings.HasPrefix(f.Value, "v=DMARC1"), strings.HasPrefix(f.Value, "v=TLSRPTv1"):
		if f.State = recordOK; len(f.Found) > 1 {
			f.State, f.Words = recordDiffers, "There are several, so none counts. Leave one."
		} else {
			d.judgeReports(ctx, f)
		}
	case strings.HasPrefix(f.Value, "v=DKIM1") && f.State == recordDiffers:
		f.Words = "This is another key, or a part of it is missing: signatures made here cannot be verified."
	}
}

// judgeReports reads an own record as others do.
func (d *dnsCheck) judgeReports(ctx context.Context, f *finding) {
	if strings.HasPrefix(f.Value, "v=TLSRPTv1") {
		if _, err := tlsrpt.ReadRecord(f.Found); err != nil {
			f.State, f.Words = recordDiffers, "It names no place that reports can be sent to."
		}
		return
	}
	r, err := dmarc.Parse(f.Found[0])
	if err != nil {
		f.State, f.Words = recordDiffers, "It cannot be read, so it does not count."
		return
	}
	for _, to := range r.Reports {
		takes, err := dmarc.Takes(ctx, d.dns, to.Address, d.domain)
		if err != nil || takes {
			continue
		}
		where := to.Address[strings.LastIndexByte(to.Address, '@')+1:]
		f.State, f.Words = recordDiffers, "Nobody sends reports to "+to.Address+": its domain does not say that it takes those about "+d.domain+"."
		f.Do = fmt.Sprintf("have %s publish  %s._report._dmarc.%s. IN TXT \"v=DMARC1\", or name an address of your own", where, d.domain, where)
	}
}

func (d *dnsCheck) judgeMX(f *finding) {
	host := " " + strings.ToLower(d.conf.Hostname) + "."
	ours := slices.ContainsFunc(f.Found, func(have string) bool { return strings.HasSuffix(have, host) })
	switch {
	case len(f.Found) == 1 && strings.HasSuffix(f.Found[0], " ."):
		f.Words = "The domain says that it takes no mail."
	case !ours:
		f.Words = "Mail for the domain goes to other servers."
	case len(f.Found) > 1:
		f.State, f.Words = recordOK, "Other servers take mail for the domain, too: "+strings.Join(f.Found, ", ")
	default:
		f.State = recordOK
	}
}

// judgeSPF asks whether the record lets this server send, however it is written.
func (d *dnsCheck) judgeSPF(ctx context.Context, f *finding) {
	if len(f.Found) > 1 {
		f.State, f.Words = recordDiffers, "There are several, so none counts (RFC 7208 section 3.2). Leave one."
		return
	}
	if f.State == recordOK || len(d.addresses) == 0 {
		return
	}
	f.State = recordOK
	for _, ip := range d.addresses {
		switch outcome := precheck.SPF(ctx, d.dns, ip, d.domain); outcome {
		case precheck.Pass:
		case precheck.Trouble:
			f.State, f.Words = recordUnknown, "The DNS did not answer all that the record asks for."
			return
		default:
			f.State = recordDiffers
			f.Words = fmt.Sprintf("It does not let this server send: for %s the outcome is %q.", ip, outcome)
			return
		}
	}
}

// mx are the MX records as zone files have them.
func (d *dnsCheck) mx(ctx context.Context, name string) (all []string, err error) {
	list, _, err := d.dns.MX(ctx, name)
	for _, mx := range list {
		all = append(all, fmt.Sprintf("%d %s.", mx.Preference, mx.Host))
	}
	slices.Sort(all)
	return all, err
}

// srv are the SRV records as zone files have them.
func (d *dnsCheck) srv(ctx context.Context, name string) (all []string, err error) {
	list, _, err := d.dns.SRV(ctx, name)
	for _, one := range list {
		all = append(all, fmt.Sprintf("%d %d %d %s.", one.Priority, one.Weight, one.Port, one.Target))
	}
	slices.Sort(all)
	return all, err
}

// text are the TXT records that are of the same kind as the one wanted: others may stand there, too.
func (d *dnsCheck) text(ctx context.Context, name, wanted string) (all []string, err error) {
	texts, _, err := d.dns.TXT(ctx, name)
	version, _, _ := strings.Cut(wanted, ";")
	version, _, _ = strings.Cut(version, " ")
	for _, t := range texts {
		if strings.HasPrefix(strings.ToLower(t), strings.ToLower(version)) || version == "v=DKIM1" {
			all = append(all, t)
		}
	}
	return all, err
}

// alias compares a name that shall lead to this server, by alias or by address.
func (d *dnsCheck) alias(ctx context.Context, f finding, name string) finding {
	found, _, err := d.dns.Addrs(ctx, name)
	for _, ip := range found {
		f.Found = append(f.Found, ip.String())
	}
	if !f.settle(err) {
		return f
	}
	f.State = recordDiffers
	if slices.ContainsFunc(found, func(ip netip.Addr) bool { return slices.Contains(d.addresses, ip) }) {
		f.State = recordOK
	}
	return f
}

// checkHost looks at the name of this server: its addresses, and whether their names lead back.
func (d *dnsCheck) checkHost(ctx context.Context) []finding {
	host := strings.ToLower(d.conf.Hostname)
	f := finding{record: record{host + ".", "A or AAAA", "the address of this machine", "others find this server", true}}
	var err error
	d.addresses, _, err = d.dns.Addrs(ctx, host)
	for _, ip := range d.addresses {
		f.Found = append(f.Found, ip.String())
	}
	if f.settle(err) {
		f.State, f.Words = recordOK, "This server is at "+strings.Join(f.Found, " and ")+"."
	}
	all := []finding{f}
	for _, ip := range d.addresses {
		f := finding{record: record{ip.String(), "PTR", host + ".", "whoever gave you the address sets it", true}}
		names, _, err := d.dns.PTR(ctx, ip)
		for _, name := range names {
			f.Found = append(f.Found, name+".")
		}
		if f.settle(err) {
			f.State = recordDiffers
			if slices.Contains(names, host) {
				f.State = recordOK
			}
		}
		all = append(all, f)
	}
	return all
}
