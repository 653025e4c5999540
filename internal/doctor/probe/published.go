package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"

	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/settings"
)

// PublishedSettings holds what the domain publishes for mail programs against
// what works: where a sign-in succeeded at another server than the published
// one, it is tried there too, as a program would.
func (r *Run) PublishedSettings() Probe {
	return Probe{Name: "published settings", Run: func(ctx context.Context) error {
		p, ok := evidence.First[*evidence.Provider](r.Evidence)
		if !ok {
			return fmt.Errorf("nothing is published: %w", ErrBlocked)
		}
		for _, choice := range append(r.ownChoices(p.Result), r.profile(ctx, p.Result)...) {
			ep := endpointOf(choice.Server, evidence.Right)
			works, ok := evidence.Find(r.Evidence, func(s evidence.SignIn) bool {
				return s.Accepted && s.Form == evidence.AsGiven && s.Endpoint.Protocol == ep.Protocol && s.Endpoint.Host != ep.Host
			})
			if ok {
				return r.tryPublished(ctx, ep, choice.Where, works.Endpoint.Host)
			}
		}
		return fmt.Errorf("what is published is what works, or nothing does: %w", ErrBlocked)
	}}
}

// ownChoices are the servers that the domain itself publishes.
func (r *Run) ownChoices(found *settings.Result) (all []settings.Choice) {
	for _, protocol := range []settings.Protocol{settings.IMAP, settings.SMTP} {
		if choice, ok := found.Server(protocol); ok && ownPublication(choice.Origin) {
			all = append(all, choice)
		}
	}
	return all
}

// profile are the servers of the configuration profile for Apple's devices, where the host that has the domain's settings for
// programs has one, too.
func (r *Run) profile(ctx context.Context, found *settings.Result) (all []settings.Choice) {
	for _, choice := range r.ownChoices(found) {
		where, err := url.Parse(choice.Where)
		if err != nil || where.Scheme != "https" {
			continue
		}
		address := "https://" + where.Host + "/connect.mobileconfig?" + url.Values{"address": {r.Evidence.Complaint.Address}}.Encode()
		look, body := r.fetch(ctx, evidence.WebFile, address)
		if look.Status != http.StatusOK || look.Type != profileType {
			return nil
		}
		servers, err := settings.ReadProfile(body)
		if err != nil {
			return nil
		}
		for _, s := range servers {
			all = append(all, settings.Choice{Server: s, Origin: choice.Origin, Where: "https://" + where.Host + "/connect.mobileconfig"})
		}
		return all
	}
	return nil
}

// profileType is what a profile comes as.
const profileType = "application/x-apple-aspen-config"

// ownPublication tells the origins that the domain's owner is answerable for.
func ownPublication(o settings.Origin) bool {
	return o == settings.FromAutoconfig || o == settings.FromWellKnown || o == settings.FromSRV || o == settings.FromAutodiscover
}

func (r *Run) tryPublished(ctx context.Context, ep evidence.Endpoint, where, works string) error {
	fact := evidence.Published{Endpoint: ep, Where: where, Works: works}
	t, err := r.openOnce(ctx, ep)
	fact.Outcome = outcomeOf(err)
	if err == nil {
		defer t.close()
		if fact.Accepted, err = t.trial(ctx, evidence.AsGiven); errors.Is(err, ErrBlocked) {
			return err
		}
	}
	r.Evidence.Add(fact, "")
	return err
}

// trial signs in as SignIn does, without a fact of its own: it is about the server, not about the account.
func (t *talk) trial(ctx context.Context, form evidence.NameForm) (accepted bool, err error) {
	mechanism := t.mechanism()
	if !t.safe() || mechanism == "" || !t.run.budget.take(ctx) {
		return false, fmt.Errorf("no sign-in is possible: %w", ErrBlocked)
	}
	name, password := t.run.credentials(form)
	last, _, err := t.authenticate(ctx, mechanism, name, password)
	accepted = err == nil && t.positive(last)
	t.run.budget.settle(accepted)
	return accepted, err
}

// openOnce makes a connection to an endpoint of its own, up to where a sign-in can follow.
func (r *Run) openOnce(ctx context.Context, ep evidence.Endpoint) (*talk, error) {
	ips := r.Addresses(ctx, ep.Host)
	if len(ips) == 0 {
		return nil, fmt.Errorf("%s has no address", ep.Host)
	}
	conn, err := r.Dialer.DialContext(ctx, "tcp", net.JoinHostPort(ips[0].String(), strconv.Itoa(ep.Port)))
	if err != nil {
		return nil, err
	}
	t := r.newTalk(ep, conn)
	if err := t.climb(ctx, ips[0]); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}
