package genuine

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"

	"blitiri.com.ar/go/spf"

	"github.com/postiljon/postiljon/internal/resolver"
	"github.com/postiljon/postiljon/internal/signature"
)

// SPF is what the domain of the sender says about the client's address.
type SPF struct {
	Outcome signature.Outcome
	Reason  string // of an error
	Domain  string // that was asked, in lower case with A-labels
	Sender  string // in MAIL, empty for the null path
}

// checkSPF evaluates SPF for a sender (RFC 7208 section 4). Lookups and void lookups are limited by the
// library as section 4.6.4 wants it.
func checkSPF(ctx context.Context, r Resolver, remote netip.Addr, helo, sender string) SPF {
	result := SPF{Outcome: signature.None}
	domain := sender[strings.LastIndexByte(sender, '@')+1:]
	if !isHost(domain) || !remote.IsValid() { // RFC 7208 section 4.3
		return result
	}
	asked := &spfResolver{r: r}
	outcome, err := spf.CheckHostWithSender(remote.AsSlice(), helo, sender, spf.WithContext(ctx), spf.WithResolver(asked))
	result.Outcome = signature.Outcome(outcome)
	switch {
	case outcome == spf.TempError || ctx.Err() != nil && outcome != spf.Pass:
		result.Outcome, result.Reason = signature.TempError, "its records cannot be looked up now"
	case outcome == spf.PermError:
		if result.Reason = asked.fault; asked.fault == "" {
			result.Reason = spfReason(err)
		}
	}
	return result
}

// isHost tells whether SPF can be asked of a name: several labels of the right length, no literal address.
func isHost(name string) bool {
	return strings.Contains(name, ".") && !strings.HasPrefix(name, "[") && canExist(name)
}

// spfReason says what is wrong with a record.
func spfReason(err error) string {
	for known, text := range map[error]string{
		spf.ErrLookupLimitReached: "it needs more than 10 lookups", spf.ErrVoidLookupLimitReached: "too many of its names do not exist",
		spf.ErrMultipleRecords: "there are several records", spf.ErrNoResult: "it refers to a domain without a record",
		spf.ErrTooManyMXRecords: "it asks for too many MX records", spf.ErrUnknownField: "it has an unknown term",
		spf.ErrInvalidIP: "it has an invalid address", spf.ErrInvalidMask: "it has an invalid prefix length",
		spf.ErrInvalidMacro: "it has an invalid macro", spf.ErrInvalidDomain: "it has an invalid domain",
	} {
		if errors.Is(err, known) {
			return text
		}
	}
	return "it cannot be evaluated"
}

// spfResolver gives our resolver the form that the library wants.
type spfResolver struct {
	r     Resolver
	fault string // what is wrong with a record
}

// spfError turns an error into the library's: a name that does not exist, or trouble that may pass. That a
// name has no such records is an empty answer.
func spfError(err error) error {
	switch {
	case err == nil, errors.Is(err, resolver.ErrNoData):
		return nil
	case errors.Is(err, resolver.ErrNotExist):
		return &net.DNSError{Err: "no such name", IsNotFound: true}
	}
	return &net.DNSError{Err: "no answer", IsTemporary: true}
}

func (s *spfResolver) LookupTXT(ctx context.Context, name string) ([]string, error) {
	if !canExist(name) {
		return nil, spfError(resolver.ErrNotExist)
	}
	texts, _, err := s.r.TXT(ctx, name)
	list := make([]string, 0, len(texts))
	for _, text := range texts {
		if version, _, _ := strings.Cut(text, " "); !strings.EqualFold(version, "v=spf1") {
			continue
		}
		if fault := checkRecord(text); fault != nil {
			s.fault = fault.Error()
			text = "v=spf1 invalid" // which the library finds invalid, too
		}
		list = append(list, maskSlashes(text))
	}
	return list, spfError(err)
}

func (s *spfResolver) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	if name = strings.ReplaceAll(name, slash, "/"); !canExist(name) {
		return nil, spfError(resolver.ErrNotExist)
	}
	records, _, err := s.r.MX(ctx, name)
	list := make([]*net.MX, 0, len(records))
	for _, mx := range records {
		list = append(list, &net.MX{Host: mx.Host, Pref: mx.Preference})
	}
	return list, spfError(err)
}

func (s *spfResolver) LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error) {
	if host = strings.ReplaceAll(host, slash, "/"); !canExist(host) {
		return nil, spfError(resolver.ErrNotExist)
	}
	addrs, _, err := s.r.Addrs(ctx, host)
	list := make([]net.IPAddr, 0, len(addrs))
	for _, a := range addrs {
		list = append(list, net.IPAddr{IP: a.AsSlice()})
	}
	return list, spfError(err)
}

func (s *spfResolver) LookupAddr(ctx context.Context, addr string) ([]string, error) {
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return nil, spfError(resolver.ErrNotExist)
	}
	names, _, err := s.r.PTR(ctx, a.Unmap())
	return names, spfError(err)
}

// canExist tells whether DNS can hold a name at all; macros make others.
func canExist(name string) bool {
	name = strings.TrimSuffix(name, ".")
	return name != "" && len(name) <= 253 && !slices.ContainsFunc(strings.Split(name, "."), func(l string) bool { return l == "" || len(l) > 63 })
}

// IPRev is the reverse name of the client's address (RFC 8601 section 2.7.3).
type IPRev struct {
	Outcome signature.Outcome // pass, fail, temperror, permerror
	Reason  string
	Address netip.Addr
	Name    string // that leads back to the address; where none does, the first one
}

// maxNames is how many reverse names are looked at.
const maxNames = 10

// checkIPRev looks for a reverse name that leads back to the address.
func checkIPRev(ctx context.Context, r Resolver, remote netip.Addr) IPRev {
	result := IPRev{Outcome: signature.PermError, Reason: "there is no reverse name", Address: remote}
	if !remote.IsValid() {
		return result
	}
	names, _, err := r.PTR(ctx, remote)
	if gone(err) || err == nil && len(names) == 0 {
		return result
	}
	if err != nil {
		result.Outcome, result.Reason = signature.TempError, "the reverse name cannot be looked up now"
		return result
	}
	result.Outcome, result.Reason, result.Name = signature.Fail, "the reverse name does not lead back", names[0]
	for _, name := range names[:min(maxNames, len(names))] {
		addrs, _, err := r.Addrs(ctx, name)
		if slices.Contains(addrs, remote) {
			return IPRev{Outcome: signature.Pass, Address: remote, Name: name}
		}
		if err != nil && !gone(err) {
			result.Outcome, result.Reason = signature.TempError, "the reverse name cannot be looked up now"
		}
	}
	return result
}

func gone(err error) bool {
	return errors.Is(err, resolver.ErrNotExist) || errors.Is(err, resolver.ErrNoData)
}
