package mtasts

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// Options are what a Keeper works with. All but Log and Now must be given.
type Options struct {
	// Resolver finds the records that announce policies.
	Resolver interface {
		TXT(ctx context.Context, name string) ([]string, bool, error)
	}
	// Client fetches. It must check certificates, follow no redirects, and not reach
	// what stands beside us.
	Client *http.Client
	// Record keeps the policies; policy.FileRecord is one.
	Record Record
	Now    func() time.Time
	Log    *slog.Logger
}

// Record is one small document that is kept durably.
type Record interface {
	Load(ctx context.Context) ([]byte, error) // nil, nil if there is none yet
	Save(ctx context.Context, doc []byte) error
}

// Keeper knows the policies of the domains that mail was sent to. Its methods may be
// called from several goroutines.
type Keeper struct {
	opt     Options
	flights singleflight.Group
	life    context.Context
	end     context.CancelFunc
	work    sync.WaitGroup
	changed chan struct{}

	mu       sync.Mutex // guards what follows
	closed   bool
	policies map[string]*entry
	failures map[string]failure
}

// entry is a policy that was fetched.
type entry struct {
	Policy  Policy    `json:"policy"`
	ID      string    `json:"id"`
	Fetched time.Time `json:"fetched"`
}

// holds reports whether the policy counts: as long as it says, and at least for the message
// that it was fetched for.
func (e *entry) holds(now time.Time) bool {
	return now.Before(e.Fetched.Add(max(e.Policy.MaxAge, minAge)))
}

// failure is why a policy could not be fetched.
type failure struct {
	id  string
	err error
	at  time.Time
}

// Found is what is known of a domain's policy.
type Found struct {
	Policy  *Policy // nil for none
	ID      string
	Fetched time.Time
	// Err tells that the domain announces a policy that could not be fetched; Policy is
	// then an older one that still holds, or nil.
	Err error
}

const (
	maxPolicies = 10_000
	fetchTime   = 30 * time.Second
	pause       = 5 * time.Minute // after a failed fetch (RFC 8461 section 3.3)
	fresh       = 24 * time.Hour  // after which a policy is fetched anew, so that it never runs out
	saveDelay   = 2 * time.Second
	minAge      = time.Minute
)

// New makes a keeper with the policies that its record holds.
func New(ctx context.Context, o Options) (*Keeper, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	k := &Keeper{opt: o, policies: map[string]*entry{}, failures: map[string]failure{}, changed: make(chan struct{}, 1)}
	doc, err := o.Record.Load(ctx)
	if err != nil {
		return nil, fmt.Errorf("mtasts: load policies: %w", err)
	}
	if doc != nil {
		if err := json.Unmarshal(doc, &k.policies); err != nil {
			return nil, fmt.Errorf("mtasts: load policies: %w", err)
		}
	}
	k.life, k.end = context.WithCancel(context.Background())
	k.work.Go(k.run)
	return k, nil
}

// Close saves what changed, ends what is under way and waits for it.
func (k *Keeper) Close(ctx context.Context) error {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	k.end()
	k.work.Wait()
	return k.save(ctx)
}

// run saves policies soon after they changed and refreshes those that are a day old.
func (k *Keeper) run() {
	often := time.NewTicker(time.Hour)
	defer often.Stop()
	for {
		select {
		case <-k.life.Done():
			return
		case <-often.C:
			k.refresh()
			continue
		case <-k.changed:
		}
		select {
		case <-k.life.Done(): // Close saves
			return
		case <-time.After(saveDelay):
		}
		if err := k.save(k.life); err != nil {
			k.opt.Log.Error("mta-sts policies not saved", "error", err)
		}
	}
}

func (k *Keeper) save(ctx context.Context) error {
	k.mu.Lock()
	doc, err := json.Marshal(k.policies)
	k.mu.Unlock()
	if err == nil {
		err = k.opt.Record.Save(ctx, doc)
	}
	if err != nil {
		return fmt.Errorf("mtasts: save policies: %w", err)
	}
	return nil
}

// refresh fetches anew what was not for a day (RFC 8461 section 3.3): a policy that
// runs out between two messages would protect neither.
func (k *Keeper) refresh() {
	k.mu.Lock()
	var due []string
	for domain, e := range k.policies {
		if k.opt.Now().Sub(e.Fetched) >= fresh {
			due = append(due, domain)
		}
	}
	k.mu.Unlock()
	for _, domain := range due {
		if k.life.Err() == nil {
			k.Find(k.life, domain)
		}
	}
}

// Find returns the policy of a domain given in A-labels: the one remembered while the
// domain announces no other, else the one it publishes. It waits for the look-up and
// the fetch, at most half a minute.
func (k *Keeper) Find(ctx context.Context, domain string) Found {
	texts, _, err := k.opt.Resolver.TXT(ctx, "_mta-sts."+domain)
	id := ""
	if err == nil {
		id, err = ReadRecord(texts)
	}
	if err != nil {
		// RFC 8461 section 3.1: what is remembered counts, else there is none.
		return k.remembered(domain, nil)
	}
	found := k.remembered(domain, nil)
	now := k.opt.Now()
	if found.Policy != nil && found.ID == id && now.Sub(found.Fetched) < fresh {
		return found
	}
	k.mu.Lock()
	f, failed := k.failures[domain]
	k.mu.Unlock()
	if failed && f.id == id && now.Sub(f.at) < pause {
		return k.remembered(domain, f.err)
	}
	result := k.flights.DoChan(domain, func() (any, error) { return nil, k.fetchAndKeep(domain, id) })
	select {
	case r := <-result:
		return k.remembered(domain, r.Err)
	case <-ctx.Done():
		return k.remembered(domain, ctx.Err())
	}
}

// remembered returns what is known of a domain without asking, and why asking failed.
func (k *Keeper) remembered(domain string, err error) Found {
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.policies[domain]
	if e == nil || !e.holds(k.opt.Now()) {
		return Found{Err: err}
	}
	return Found{Policy: &e.Policy, ID: e.ID, Fetched: e.Fetched, Err: err}
}

// fetchAndKeep fetches a policy and remembers it, or that it failed.
func (k *Keeper) fetchAndKeep(domain, id string) error {
	if !k.begin() {
		return fmt.Errorf("%w: the service stops", ErrFetch)
	}
	defer k.work.Done()
	ctx, cancel := context.WithTimeout(k.life, fetchTime)
	defer cancel()
	p, err := Fetch(ctx, k.opt.Client, domain)
	now := k.opt.Now()
	k.mu.Lock()
	defer k.mu.Unlock()
	if err != nil {
		k.noteFailure(domain, failure{id, err, now})
		return err
	}
	delete(k.failures, domain)
	k.makeRoom(domain, now)
	k.policies[domain] = &entry{Policy: p, ID: id, Fetched: now}
	select {
	case k.changed <- struct{}{}:
	default:
	}
	return nil
}

// begin reports whether work may begin, which ends with k.work.Done.
func (k *Keeper) begin() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.closed {
		k.work.Add(1)
	}
	return !k.closed
}

// noteFailure remembers a failure, and forgets those that matter no more.
func (k *Keeper) noteFailure(domain string, f failure) {
	for d, old := range k.failures {
		if f.at.Sub(old.at) >= pause {
			delete(k.failures, d)
		}
	}
	if len(k.failures) < maxPolicies {
		k.failures[domain] = f
	}
}

// makeRoom forgets the policies that no longer hold and, if that is not enough, the one
// that would run out first.
func (k *Keeper) makeRoom(domain string, now time.Time) {
	if k.policies[domain] != nil || len(k.policies) < maxPolicies {
		return
	}
	first := ""
	var until time.Time
	for d, e := range k.policies {
		end := e.Fetched.Add(e.Policy.MaxAge)
		if !e.holds(now) {
			delete(k.policies, d)
		} else if first == "" || end.Before(until) {
			first, until = d, end
		}
	}
	if len(k.policies) >= maxPolicies {
		delete(k.policies, first)
	}
}

// Errors of a fetch, beside ErrInvalid.
var (
	ErrCertificate = errors.New("mtasts: the web server of the policy shows no valid certificate")
	ErrFetch       = errors.New("mtasts: the policy cannot be fetched")
)

// Fetch gets a policy from the web (RFC 8461 section 3.3). Errors: ErrCertificate, ErrFetch, ErrInvalid.
func Fetch(ctx context.Context, client *http.Client, domain string) (Policy, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://mta-sts."+domain+"/.well-known/mta-sts.txt", nil)
	if err != nil {
		return Policy{}, fmt.Errorf("%w: %w", ErrFetch, err)
	}
	response, err := client.Do(request)
	if err != nil {
		var bad *tls.CertificateVerificationError
		if errors.As(err, &bad) {
			return Policy{}, fmt.Errorf("%w: %w", ErrCertificate, bad.Err)
		}
		return Policy{}, fmt.Errorf("%w: %w", ErrFetch, err)
	}
	defer response.Body.Close()
	// A redirect is an answer like another that is not 200.
	if response.StatusCode != http.StatusOK {
		return Policy{}, fmt.Errorf("%w: %s answers %s", ErrFetch, request.URL.Host, response.Status)
	}
	kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if err != nil || kind != "text/plain" {
		return Policy{}, fmt.Errorf("%w: it comes as %.40q, not as text/plain", ErrInvalid, response.Header.Get("Content-Type"))
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxPolicy+1))
	if err != nil {
		return Policy{}, fmt.Errorf("%w: %w", ErrFetch, err)
	}
	if len(text) > maxPolicy {
		return Policy{}, fmt.Errorf("%w: more than %d octets", ErrInvalid, maxPolicy)
	}
	return ReadPolicy(string(text))
}
