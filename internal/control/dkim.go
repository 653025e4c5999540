package control

import (
	"context"
	"errors"
	"time"

	"github.com/postiljon/postiljon/internal/dkim"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/store"
)

// DKIMKey is a key that messages are signed with, without what is private, and whether the DNS shows
// it.
type DKIMKey struct {
	dkim.Key
	Published *bool `json:"published,omitempty"` // nil where the DNS was not asked or did not answer
}

// DKIMName names a key of a domain by its selector, or the domain alone.
type DKIMName struct {
	Domain   string `json:"domain"`
	Selector string `json:"selector,omitempty"`
}

// lookTime bounds how long the DNS is asked for keys.
const lookTime = 10 * time.Second

// listKeys lists the keys of a domain, or of all, with what the DNS has.
func (s *Server) listKeys(ctx context.Context, r DKIMName) ([]DKIMKey, error) {
	domains := []string{address.NormalizeDomain(r.Domain)}
	if r.Domain == "" {
		var err error
		if domains, err = s.KeyDomains(ctx); err != nil {
			return nil, err
		}
	}
	all := []DKIMKey{}
	for _, domain := range domains {
		keys, err := s.Keys.Keys(ctx, domain)
		if err != nil {
			return nil, s.noKey(ctx, DKIMName{Domain: domain}, err)
		}
		all = append(all, known(keys)...)
	}
	looking, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	for i := range all {
		if all[i].Name == "" {
			continue
		}
		if there, err := s.Keys.Published(looking, all[i].Key); err == nil {
			all[i].Published = &there
		}
	}
	return all, nil
}

func known(keys []dkim.Key) []DKIMKey {
	all := make([]DKIMKey, len(keys))
	for i, k := range keys {
		all[i].Key = k
	}
	return all
}

// rotateKeys makes new keys for a domain.
func (s *Server) rotateKeys(ctx context.Context, r DKIMName) ([]DKIMKey, error) {
	keys, err := s.Keys.Rotate(ctx, address.NormalizeDomain(r.Domain))
	return known(keys), s.noKey(ctx, r, err)
}

// useKeys lets the new keys of a domain sign at once.
func (s *Server) useKeys(ctx context.Context, r DKIMName) ([]DKIMKey, error) {
	keys, err := s.Keys.Use(ctx, address.NormalizeDomain(r.Domain))
	return known(keys), s.noKey(ctx, r, err)
}

// retireKeys ends a pair of keys.
func (s *Server) retireKeys(ctx context.Context, r DKIMName) ([]DKIMKey, error) {
	keys, err := s.Keys.Retire(ctx, address.NormalizeDomain(r.Domain), r.Selector)
	return known(keys), s.noKey(ctx, r, err)
}

// DKIMSwitch switches signing of a domain's messages.
type DKIMSwitch struct {
	Domain string `json:"domain"`
	On     bool   `json:"on"`
}

// switchSigning switches signing of a domain's messages on or off, and returns its keys.
func (s *Server) switchSigning(ctx context.Context, r DKIMSwitch) ([]DKIMKey, error) {
	domain := address.NormalizeDomain(r.Domain)
	name := DKIMName{Domain: r.Domain}
	if err := s.Keys.Switch(ctx, domain, r.On); err != nil {
		return nil, s.noKey(ctx, name, err)
	}
	return s.listKeys(ctx, name)
}

// noKey explains why nothing was done.
func (s *Server) noKey(ctx context.Context, r DKIMName, err error) error {
	list := "'postiljon dkim list " + r.Domain + "' shows the keys."
	switch {
	case errors.Is(err, dkim.ErrNoDomain):
		return s.noDomain(ctx, r.Domain, "", &store.Error{Kind: store.KindNotFound, Err: err})
	case errors.Is(err, dkim.ErrUnderWay):
		return taken(list, "%s has new keys already, which wait until the DNS shows them", r.Domain)
	case errors.Is(err, dkim.ErrInUse):
		return taken("Make new ones first: 'postiljon dkim rotate "+r.Domain+"'.", "key %s of %s is in use and there is no other", r.Selector, r.Domain)
	case errors.Is(err, dkim.ErrNoKey) && r.Selector == "":
		return missing("'postiljon dkim rotate "+r.Domain+"' makes new ones.", "%s has no new keys", r.Domain)
	case errors.Is(err, dkim.ErrNoKey):
		return missing(list, "key %s of %s: no such key", r.Selector, r.Domain)
	}
	return err
}

// makeKeys makes the keys of a domain that was added. If that fails, they are made when they are needed.
func (s *Server) makeKeys(ctx context.Context, domain string) {
	if s.Keys == nil {
		return
	}
	if _, err := s.Keys.Keys(ctx, address.NormalizeDomain(domain)); err != nil {
		s.Log.Error("control: keys of a new domain", "domain", domain, "error", err)
	}
}

// forgetKeys removes the keys of a domain that was removed.
func (s *Server) forgetKeys(ctx context.Context, domain string) error {
	if s.Keys == nil {
		return nil
	}
	return s.Keys.Forget(ctx, address.NormalizeDomain(domain))
}

// KeyEvent is the event of a key that has changed.
func KeyEvent(k dkim.Key, now time.Time) store.Event {
	kind := map[dkim.State]string{
		dkim.Waiting: journal.KeyWaiting, dkim.Signing: journal.KeySigning, dkim.Old: journal.KeyOld, dkim.Retired: journal.KeyRetired,
	}[k.State]
	return store.Event{Time: now, Trace: store.NewTraceID(now), Kind: kind, Fields: []store.Field{
		{Name: "domain", Value: k.Domain}, {Name: "selector", Value: k.Selector},
	}}
}

// DKIMKeys lists the keys of a domain, or of all, with what the DNS has of them.
func (c *Client) DKIMKeys(ctx context.Context, domain string) ([]DKIMKey, error) {
	return call[[]DKIMKey](ctx, c, "dkim.list", DKIMName{Domain: domain})
}

// RotateDKIM makes new keys for a domain and returns them, to be published.
func (c *Client) RotateDKIM(ctx context.Context, domain string) ([]DKIMKey, error) {
	return call[[]DKIMKey](ctx, c, "dkim.rotate", DKIMName{Domain: domain})
}

// UseDKIM lets the new keys of a domain sign at once.
func (c *Client) UseDKIM(ctx context.Context, domain string) ([]DKIMKey, error) {
	return call[[]DKIMKey](ctx, c, "dkim.use", DKIMName{Domain: domain})
}

// SwitchDKIM switches signing of a domain's messages on or off and returns its keys.
func (c *Client) SwitchDKIM(ctx context.Context, domain string, on bool) ([]DKIMKey, error) {
	return call[[]DKIMKey](ctx, c, "dkim.switch", DKIMSwitch{domain, on})
}

// RetireDKIM ends a pair of keys and returns it.
func (c *Client) RetireDKIM(ctx context.Context, domain, selector string) ([]DKIMKey, error) {
	return call[[]DKIMKey](ctx, c, "dkim.retire", DKIMName{Domain: domain, Selector: selector})
}
