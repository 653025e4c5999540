package resolver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/miekg/dns"
)

// question is what is asked and remembered.
type question struct {
	name string // as on the wire
	kind uint16
}

// answer is what came of a question: records, or err.
type answer struct {
	records []dns.RR // of the kind asked for
	name    string   // whose records they are, once aliases are followed
	secure  bool
	err     error // wraps one of the errors of this package
	ttl     time.Duration
}

// flight is a question under way. Whoever asks the same waits for it; it is broken off
// when nobody does any more.
type flight struct {
	waiting int
	cancel  context.CancelFunc
	done    chan struct{}
	answer  *answer
}

// look answers from memory or asks. The answer is nil only if the context ended.
func (r *Resolver) look(ctx context.Context, name string, kind uint16) (*answer, error) {
	onWire, ok := wire(name)
	if !ok {
		err := fmt.Errorf("resolver: %.300q is no name: %w", name, ErrNotExist)
		return &answer{err: err}, err
	}
	q := question{onWire, kind}
	r.mu.Lock()
	if a := r.cache.get(q, r.opt.Now()); a != nil {
		r.mu.Unlock()
		return a, a.err
	}
	f := r.flights[q]
	if f == nil {
		f = r.takeOff(context.WithoutCancel(ctx), q)
	}
	f.waiting++
	r.mu.Unlock()
	select {
	case <-f.done:
		return f.answer, f.answer.err
	case <-ctx.Done():
		r.mu.Lock()
		defer r.mu.Unlock()
		if f.waiting--; f.waiting == 0 {
			f.cancel()
			if r.flights[q] == f {
				delete(r.flights, q)
			}
		}
		return nil, fmt.Errorf("resolver: %s %s: %w", bare(onWire), dns.TypeToString[kind], errors.Join(ErrTemporary, ctx.Err()))
	}
}

// takeOff asks a question. r.mu is held.
func (r *Resolver) takeOff(ctx context.Context, q question) *flight {
	ctx, cancel := context.WithCancel(ctx)
	f := &flight{cancel: cancel, done: make(chan struct{})}
	r.flights[q] = f
	go func() {
		defer cancel()
		a := r.ask(ctx, q)
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.flights[q] == f {
			delete(r.flights, q)
		}
		if ctx.Err() == nil {
			r.cache.put(q, a, r.opt.Now())
		}
		f.answer = a
		close(f.done)
	}()
	return f
}

// failureTTL is how long it is remembered that no server knows (RFC 9520 section 3.2).
const failureTTL = 5 * time.Second

// ask asks the servers in turn until one knows.
func (r *Resolver) ask(ctx context.Context, q question) *answer {
	failure := ErrTemporary
	for range rounds {
		for _, s := range r.inOrder() {
			if ctx.Err() != nil {
				break
			}
			m, err := r.exchange(ctx, s, q, false)
			s.note(err, r.opt.Now())
			if err == nil && m.Rcode == dns.RcodeServerFailure && r.bogus(ctx, s, q) {
				// The others would find the same, or not look.
				return failed(q, ErrBogus)
			}
			if err == nil {
				if a, known := read(q, m, s.trusted); known {
					return a
				}
				err = errors.New(dns.RcodeToString[m.Rcode])
			}
			failure = fmt.Errorf("%w: %w", ErrTemporary, err)
		}
	}
	return failed(q, failure)
}

func failed(q question, err error) *answer {
	return &answer{err: fmt.Errorf("resolver: %s %s: %w", bare(q.name), dns.TypeToString[q.kind], err), ttl: failureTTL}
}

// bogus reports whether a server that failed knows the answer when it need not check
// signatures (RFC 4035 section 3.2.2).
func (r *Resolver) bogus(ctx context.Context, s *server, q question) bool {
	m, err := r.exchange(ctx, s, q, true)
	return err == nil && (m.Rcode == dns.RcodeSuccess || m.Rcode == dns.RcodeNameError)
}

// inOrder returns the servers as they are to be asked: as configured, those that did
// not answer a moment ago last.
func (r *Resolver) inOrder() []*server {
	now := r.opt.Now()
	list := slices.Clone(r.servers)
	slices.SortStableFunc(list, func(a, b *server) int {
		switch da, db := a.down(now), b.down(now); {
		case da == db:
			return 0
		case da:
			return 1
		}
		return -1
	})
	return list
}

// Bounds of how long answers are remembered, whatever the records say (RFC 2308
// section 5, RFC 8767 section 4).
const (
	maxTTL         = 24 * time.Hour
	maxNegativeTTL = time.Hour
	maxAliases     = 16
)

// read turns a reply into an answer; known is false where the server does not know.
func read(q question, m *dns.Msg, trusted bool) (a *answer, known bool) {
	if m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
		return nil, false
	}
	a = &answer{name: q.name, ttl: maxTTL, secure: trusted && m.AuthenticatedData}
	followed := a.follow(q, m.Answer)
	for _, rr := range m.Answer {
		if h := rr.Header(); h.Rrtype == q.kind && h.Class == dns.ClassINET && dns.CanonicalName(h.Name) == a.name {
			a.records = append(a.records, rr)
			a.ttl = min(a.ttl, seconds(h.Ttl))
		}
	}
	switch {
	case len(a.records) > 0:
		return a, true
	case !followed:
		return nil, false
	case m.Rcode == dns.RcodeNameError:
		a.err = ErrNotExist
	default:
		a.err = ErrNoData
	}
	a.err = fmt.Errorf("resolver: %s %s: %w", bare(q.name), dns.TypeToString[q.kind], a.err)
	a.ttl = min(a.ttl, negativeTTL(m.Ns))
	return a, true
}

// follow goes from alias to alias (RFC 1034 section 3.6.2); false if they go in a
// circle.
func (a *answer) follow(q question, records []dns.RR) bool {
	if q.kind == dns.TypeCNAME {
		return true
	}
	for range maxAliases {
		i := slices.IndexFunc(records, func(rr dns.RR) bool {
			return rr.Header().Rrtype == dns.TypeCNAME && dns.CanonicalName(rr.Header().Name) == a.name
		})
		if i < 0 {
			return true
		}
		alias, ok := records[i].(*dns.CNAME)
		if !ok {
			return false
		}
		a.name, a.ttl = dns.CanonicalName(alias.Target), min(a.ttl, seconds(alias.Hdr.Ttl))
	}
	return false
}

// negativeTTL is how long it holds that there is nothing (RFC 2308 section 5): as the
// SOA record says, and not at all without one.
func negativeTTL(authority []dns.RR) time.Duration {
	for _, rr := range authority {
		if soa, ok := rr.(*dns.SOA); ok {
			return min(seconds(soa.Hdr.Ttl), seconds(soa.Minttl), maxNegativeTTL)
		}
	}
	return 0
}

func seconds(ttl uint32) time.Duration { return time.Duration(ttl) * time.Second }
