package probe

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/postiljon/postiljon/internal/doctor/evidence"
)

// Encryption looks at how a server for incoming mail encrypts, where it offers
// to (RFC 3207). Networks of people seldom let through port 25; where no
// connection came about, nothing is known.
func (r *Run) Encryption(ep evidence.Endpoint) Probe {
	return Probe{Name: "encryption " + place(ep), Needs: []string{OfferName(ep)}, Run: func(ctx context.Context) error {
		o, err := r.sessions.get(ep)
		if err != nil {
			return err
		}
		if !o.caps.Has("STARTTLS") {
			return fmt.Errorf("it is not offered: %w", ErrBlocked)
		}
		return o.changeToTLS(ctx, o.addr)
	}}
}

// PolicyMTASTS fetches the domain's policy for the encryption of its incoming mail, where its DNS says
// that there is one. The fact's Record is the policy; redirects are not followed (RFC 8461 section 3.3).
func (r *Run) PolicyMTASTS() Probe {
	domain := r.Evidence.Complaint.Domain()
	return Probe{Name: "mta-sts policy", Run: func(ctx context.Context) error { return r.mtaSTS(ctx, domain) }}
}

// maxPolicy bounds an MTA-STS policy (RFC 8461 section 3.3 suggests 64 KiB).
const maxPolicy = 64 << 10

// MTASTSPolicy is the kind of the fact about the policy itself; that about its DNS record is "mta-sts".
const MTASTSPolicy = "mta-sts-policy"

func (r *Run) mtaSTS(ctx context.Context, domain string) error {
	record := r.Lookup(ctx, "_mta-sts."+domain, "TXT")
	if record.Answer != evidence.Found || !strings.HasPrefix(record.Records[0], "v=STSv1") {
		return fmt.Errorf("no MTA-STS: %w", ErrBlocked)
	}
	fact := evidence.Policy{Kind: MTASTSPolicy, Domain: domain, State: "ok"}
	url := "https://mta-sts." + domain + "/.well-known/mta-sts.txt"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := r.httpClient().Do(req)
	if err != nil {
		fact.State, fact.Detail = "temperror", string(outcomeOf(err))
		r.Evidence.Add(fact, err.Error())
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxPolicy))
	fact.Record = string(body)
	if err != nil || resp.StatusCode != http.StatusOK {
		fact.State, fact.Detail = "permerror", resp.Status
	}
	r.Evidence.Add(fact, string(body))
	r.clock(url, resp.Header.Get("Date"))
	return err
}

// PolicyDANE looks up the keys that the domain's exchangers are to have (RFC 7672 section 2.2).
// The fact's State is insecure where DNSSEC does not vouch for them: they are not used then.
func (r *Run) PolicyDANE() Probe {
	return Probe{Name: "dane policy", Run: func(ctx context.Context) error {
		hosts := MXHosts(r.Lookup(ctx, r.Evidence.Complaint.Domain(), "MX"))
		for _, host := range hosts[:min(len(hosts), 2)] {
			l := r.Lookup(ctx, "_25._tcp."+host, "TLSA")
			if l.Answer != evidence.Found {
				continue
			}
			p := evidence.Policy{Kind: "dane", Domain: host, State: "ok", Record: strings.ToLower(strings.Join(l.Records, "\n"))}
			if !l.Authenticated {
				p.State = "insecure"
			}
			r.Evidence.Add(p, "")
		}
		return nil
	}}
}
