package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/outbound"
	"github.com/postiljon/postiljon/internal/outbound/mtasts"
	"github.com/postiljon/postiljon/internal/resolver"
)

// What stands on the web and not in the DNS, but belongs to it: the policy that an MTA-STS record announces, and whether the
// authority of the certificates may issue them.

// client reaches what others would reach. The roots are those of the system unless others are given.
func (d *dnsCheck) client(roots *x509.CertPool) *http.Client {
	return outbound.NewWebClient(outbound.WebOptions{
		Resolver: d.dns, Dialer: d.dialer, AllowPrivate: true, TLSConfig: &tls.Config{RootCAs: roots},
	})
}

// checkPolicy fetches the MTA-STS policy as others do, and compares it with ours (RFC 8461 section 3.3).
func (d *dnsCheck) checkPolicy(ctx context.Context) []finding {
	if d.conf.Web.MTASTS == "off" {
		return nil
	}
	text, _ := mtasts.Publish(mtasts.Mode(d.conf.Web.MTASTS), d.conf.Hostname)
	ours, err := mtasts.ReadPolicy(string(text))
	f := finding{record: record{
		"https://mta-sts." + d.domain + "/.well-known/mta-sts.txt", "policy", policyText(&ours), "what the record _mta-sts announces", false,
	}}
	var have mtasts.Policy
	if err == nil {
		have, err = mtasts.Fetch(ctx, d.client(d.roots), d.domain)
	}
	switch {
	case errors.Is(err, mtasts.ErrCertificate):
		f.State, f.Words = recordDiffers, "The certificate there is not valid for that name: "+lastWords(err)+"."
		f.Do = "let [acme] of the configuration get a certificate for mta-sts." + d.domain + ", or have one with that name"
	case errors.Is(err, mtasts.ErrInvalid):
		f.State, f.Words = recordDiffers, "What is served there is no policy: "+lastWords(err)+"."
		f.Do = "lead the name to this server, which serves the right one"
	case err != nil:
		f.State, f.Words = recordMissing, "It cannot be fetched: "+lastWords(err)+"."
		f.Do = "lead the name to this server, and let the web in at port 443"
	default:
		f.Found, f.State = []string{policyText(&have)}, recordOK
		d.comparePolicy(&f, &ours, &have)
	}
	return []finding{f}
}

// comparePolicy says what it means that another policy is served.
func (d *dnsCheck) comparePolicy(f *finding, ours, have *mtasts.Policy) {
	if policyText(ours) == policyText(have) {
		return
	}
	f.State, f.Words, f.Do = recordDiffers, "Another policy is served there than this server has.", "lead the name to this server, or serve this policy there"
	if have.Mode == mtasts.Enforce && !have.Matches(d.conf.Hostname) {
		f.Needed = true
		f.Words = "The policy that is served there does not name this server: others that heed it bring no mail here."
	}
}

// policyText is a policy in one line.
func policyText(p *mtasts.Policy) string { return strings.Join(p.Lines(), ", ") }

// lastWords are what the innermost error says: those around it name what is said already.
func lastWords(err error) string {
	if asked, ok := errors.AsType[*url.Error](err); ok {
		err = asked.Err
	}
	text := err.Error()
	if rest, ok := strings.CutPrefix(text, "mtasts: "); ok {
		if _, inner, ok := strings.Cut(rest, ": "); ok {
			text = inner
		}
	}
	return strings.TrimSuffix(text, ".")
}

// checkAuthorities looks whether the authority that certificates come from may issue them (RFC 8659).
func (d *dnsCheck) checkAuthorities(ctx context.Context) []finding {
	if d.conf.ACME.Directory == "" {
		return nil
	}
	identities, err := d.authority(ctx)
	names := []string{strings.ToLower(d.conf.Hostname)}
	for _, r := range d.records {
		if host := strings.TrimSuffix(r.Name, "."); r.Kind == "CNAME" && slices.ContainsFunc(webNames, func(p string) bool { return strings.HasPrefix(host, p) }) {
			names = append(names, host)
		}
	}
	var all []finding
	for _, name := range names {
		f := finding{record: record{name + ".", "CAA", "", "which authority may issue certificates for the name", true}}
		switch {
		case err != nil:
			f.State, f.Words, f.Needed = recordUnknown, "The authority does not say who it is: "+lastWords(err)+".", false
		default:
			if len(identities) > 0 {
				f.Value = fmt.Sprintf("0 issue %q", identities[0])
			}
			d.compareCAA(ctx, &f, name, identities)
		}
		all = append(all, f)
	}
	return all
}

// compareCAA finds the records that hold for a name: those of the name, else of the next domain above that has some.
func (d *dnsCheck) compareCAA(ctx context.Context, f *finding, name string, identities []string) {
	for at := name; strings.Contains(at, "."); _, at, _ = strings.Cut(at, ".") {
		list, _, err := d.dns.CAA(ctx, at)
		if errors.Is(err, resolver.ErrNotExist) || errors.Is(err, resolver.ErrNoData) {
			continue
		}
		if !f.settleCAA(err) {
			return
		}
		for _, one := range list {
			f.Found = append(f.Found, fmt.Sprintf("%s CAA %s %q", at, one.Tag, one.Value))
		}
		if mayIssue(list, identities) {
			f.State = recordOK
			return
		}
		if len(identities) == 0 {
			f.State, f.Needed = recordUnknown, false
			f.Words = "There are records at " + at + ", and the authority of [acme] does not say which of them would allow it."
			return
		}
		f.State = recordDiffers
		f.Words = "The authority of [acme], " + identities[0] + ", may not issue certificates for the name: they end when they run out."
		f.Do = fmt.Sprintf("add a record  %s. IN CAA 0 issue %q", at, identities[0])
		return
	}
	f.State, f.Words = recordOK, "There is none, so any authority may issue certificates, also ours."
}

// settleCAA notes what an error of a lookup means: no authority issues while it cannot be looked up.
func (f *finding) settleCAA(err error) bool {
	if err == nil {
		return true
	}
	f.State, f.Words = recordUnknown, "The DNS did not answer; no authority issues certificates while it does not."
	return false
}

// mayIssue reads a set of CAA records as an authority does that has one of some names.
func mayIssue(list []resolver.CAA, identities []string) bool {
	restricted, allowed := false, false
	for _, one := range list {
		switch one.Tag {
		case "issue":
			restricted = true
			issuer, parameters, _ := strings.Cut(one.Value, ";")
			issuer = strings.ToLower(strings.TrimSpace(issuer))
			allowed = allowed || slices.Contains(identities, issuer) && methodAllowed(parameters)
		case "issuewild", "issuemail", "iodef", "contactemail", "contactphone", "issuevmc":
		default:
			if one.Critical {
				return false
			}
		}
	}
	return allowed || !restricted
}

// methodAllowed tells whether a way is among those that a record allows to prove that a name is ours (RFC 8657 section 4).
func methodAllowed(parameters string) bool {
	for p := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(p, "=")
		if strings.EqualFold(strings.TrimSpace(name), "validationmethods") {
			return slices.ContainsFunc(strings.Split(value, ","), func(m string) bool {
				m = strings.TrimSpace(m)
				return m == "http-01" || m == "tls-alpn-01"
			})
		}
	}
	return true
}

// maxDirectory bounds what an authority says of itself, in octets.
const maxDirectory = 64 << 10

// authority asks the authority of the configuration by which names CAA records allow it (RFC 8555 section 9.7.6).
func (d *dnsCheck) authority(ctx context.Context) (identities []string, err error) {
	roots, err := acmeRoots(d.conf)
	if err != nil {
		return nil, err
	}
	if roots == nil {
		roots = d.roots
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.conf.ACME.Directory, nil)
	if err != nil {
		return nil, err
	}
	response, err := d.client(roots).Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", request.URL.Host, response.Status)
	}
	var directory struct {
		Meta struct {
			Identities []string `json:"caaIdentities"`
		} `json:"meta"`
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxDirectory)).Decode(&directory); err != nil {
		return nil, fmt.Errorf("%s: %w", request.URL.Host, err)
	}
	for _, one := range directory.Meta.Identities {
		identities = append(identities, strings.ToLower(one))
	}
	return identities, nil
}
