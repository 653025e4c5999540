package dkim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/resolver"
	"github.com/postiljon/postiljon/internal/signature"
)

// Records keeps what a Keeper has to remember; *store.Store does. Who can read it has the keys.
type Records interface {
	Setting(ctx context.Context, name string) ([]byte, error)
	PutSetting(ctx context.Context, name string, value []byte) error
}

// TXT looks up texts in the DNS; *resolver.Resolver does.
type TXT interface {
	TXT(ctx context.Context, name string) (texts []string, secure bool, err error)
}

// Options are what a Keeper is made of. Records, Domains, Has and DNS are required.
type Options struct {
	Records Records
	// Domains are those that sign, in A-labels; Has tells whether one is among them.
	Domains func(context.Context) ([]string, error)
	Has     func(ctx context.Context, domain string) (bool, error)
	DNS     TXT
	// Changed hears of each change of a key's state; nil means nobody does.
	Changed func(Key)
	Now     func() time.Time // nil for the clock
	Log     *slog.Logger     // nil for slog.Default
}

// Times of a change of keys.
const (
	// patience is how long a new pair may be unseen while the DNS cannot be asked. One that the
	// DNS says is not there never signs.
	patience = 14 * 24 * time.Hour
	// keepOld is how long an old pair stays published: longer than anything waits in a queue.
	keepOld = 7 * 24 * time.Hour
	// keepRetired is how long a retired pair is listed, so that its records get taken out.
	keepRetired = 30 * 24 * time.Hour
	// look is how often the DNS is asked for new pairs, and for what it lacks of the one that signs.
	look = 15 * time.Minute
	// lookAgain is when a pair that was there is looked for again.
	lookAgain = 6 * time.Hour
)

// Keeper has the keys of all domains. It is safe for concurrent use.
type Keeper struct {
	opt Options

	mu    sync.Mutex // held while keys are read, made or changed
	rings sync.Map   // by domain: *ring
}

// ring is the keys of one domain. It is not changed once others can see it.
type ring struct {
	Pairs   []*pair   `json:"pairs"`
	Off     bool      `json:"off,omitempty"` // messages of the domain are not signed
	signers []Signer  // of the pair that signs, without those that the DNS lacks
	looked  time.Time // until when it is known that it lacks none
}

// Errors of a Keeper.
var (
	// ErrNoDomain: mail of that domain is not signed here.
	ErrNoDomain = errors.New("dkim: no such domain here")
	// ErrUnderWay: a change of keys has begun and is not over.
	ErrUnderWay = errors.New("dkim: a new pair of keys waits to be used")
	// ErrNoKey: there is no such key.
	ErrNoKey = errors.New("dkim: no such key")
	// ErrInUse: the key signs, and no other could.
	ErrInUse = errors.New("dkim: the key is in use")
)

// New returns a keeper. It makes and reads keys when they are needed.
func New(o Options) *Keeper {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Changed == nil {
		o.Changed = func(Key) {}
	}
	return &Keeper{opt: o}
}

// Sign returns the signature fields of a message for the domain of its From, none for a domain that
// does not sign here. It is only for messages whose author is known to be who From says.
func (k *Keeper) Sign(ctx context.Context, r io.ReaderAt, size int64) ([]byte, error) {
	from, err := authorDomain(r, size)
	if err != nil {
		return nil, err
	}
	domain, err := k.domainFor(ctx, from)
	if err != nil || domain == "" {
		return nil, err
	}
	keys, err := k.ring(ctx, domain)
	if err != nil || keys.Off {
		return nil, err
	}
	return Sign(r, size, k.opt.Now(), keys.signers...)
}

// authorDomain returns the domain of From, "" unless all its addresses are in one field and of one
// domain.
func authorDomain(r io.ReaderAt, size int64) (domain string, err error) {
	h, _, err := signature.ReadHeader(r, size)
	if err != nil {
		return "", fmt.Errorf("dkim: %w", err)
	}
	fields := h.All("from")
	if len(fields) != 1 {
		return "", nil
	}
	authors := message.ParseAddressList(fields[0].Value())
	for i, a := range authors {
		one := address.NormalizeDomain(a.Email[strings.LastIndexByte(a.Email, '@')+1:])
		if i > 0 && one != domain {
			return "", nil
		}
		domain = one
	}
	return domain, nil
}

// domainFor returns what signs for an author's domain: itself or the nearest above it, to which
// DMARC aligns it (RFC 7489 section 3.1.1); "" for none.
func (k *Keeper) domainFor(ctx context.Context, domain string) (string, error) {
	for name := domain; strings.Contains(name, "."); {
		has, err := k.opt.Has(ctx, name)
		if err != nil {
			return "", fmt.Errorf("dkim: look up %s: %w", name, err)
		}
		if has {
			return name, nil
		}
		_, name, _ = strings.Cut(name, ".")
	}
	return "", nil
}

// Signers returns what signs for a domain, RSA first; never none. Keys are made where there are none.
// Error: ErrNoDomain.
func (k *Keeper) Signers(ctx context.Context, domain string) ([]Signer, error) {
	r, err := k.ring(ctx, domain)
	if err != nil {
		return nil, err
	}
	return r.signers, nil
}

// Switch switches signing of a domain's messages on or off. Its keys, and their changes, go on either way. Error:
// ErrNoDomain.
func (k *Keeper) Switch(ctx context.Context, domain string, on bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	r, err := k.locked(ctx, domain)
	if err != nil || r.Off == !on {
		return err
	}
	after := r.clone()
	after.Off = !on
	_, err = k.put(ctx, domain, after)
	return err
}

// Keys returns the keys of a domain, those in use first. Keys are made where there are none.
// Error: ErrNoDomain.
func (k *Keeper) Keys(ctx context.Context, domain string) (all []Key, err error) {
	r, err := k.ring(ctx, domain)
	if err != nil {
		return nil, err
	}
	for _, state := range []State{Signing, Waiting, Old, Retired} {
		for _, p := range r.Pairs {
			if p.State == state {
				all = append(all, p.keys(domain)...)
			}
		}
	}
	for i := range all {
		all[i].Off = r.Off
	}
	return all, nil
}

// ring returns the keys of a domain.
func (k *Keeper) ring(ctx context.Context, domain string) (*ring, error) {
	if r, ok := k.rings.Load(domain); ok {
		return r.(*ring), nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.locked(ctx, domain)
}

// locked is ring for who holds the lock.
func (k *Keeper) locked(ctx context.Context, domain string) (*ring, error) {
	if r, ok := k.rings.Load(domain); ok {
		return r.(*ring), nil
	}
	has, err := k.opt.Has(ctx, domain)
	if err != nil {
		return nil, fmt.Errorf("dkim: look up %s: %w", domain, err)
	}
	if !has {
		return nil, fmt.Errorf("%w: %s", ErrNoDomain, domain)
	}
	r, err := k.read(ctx, domain)
	if err != nil {
		return nil, err
	}
	if len(r.Pairs) > 0 {
		k.rings.Store(domain, r)
		return r, nil
	}
	// The first pair signs at once: until it is published, a signature is as good as none.
	p, err := newPair(selectorName(nil, k.opt.Now()), k.opt.Now())
	if err != nil {
		return nil, err
	}
	p.State = Signing
	return k.put(ctx, domain, &ring{Pairs: []*pair{p}})
}

func setting(domain string) string { return "dkim/" + domain }

func (k *Keeper) read(ctx context.Context, domain string) (*ring, error) {
	b, err := k.opt.Records.Setting(ctx, setting(domain))
	if err != nil {
		return nil, fmt.Errorf("dkim: read keys of %s: %w", domain, err)
	}
	r := &ring{}
	if len(b) == 0 {
		return r, nil
	}
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("dkim: keys of %s: %w", domain, errors.New("the record is damaged"))
	}
	for _, p := range r.Pairs {
		if err := p.parse(); err != nil {
			return nil, fmt.Errorf("dkim: keys of %s: %w", domain, err)
		}
	}
	r.choose(domain)
	return r, nil
}

// choose finds what signs.
func (r *ring) choose(domain string) {
	r.signers = nil
	if p := r.in(Signing); p != nil {
		r.signers = p.signers(domain)
	}
}

func (r *ring) in(s State) *pair {
	for _, p := range r.Pairs {
		if p.State == s {
			return p
		}
	}
	return nil
}

// put keeps the keys of a domain durably, and then uses them.
func (k *Keeper) put(ctx context.Context, domain string, r *ring) (*ring, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("dkim: keep keys of %s: %w", domain, err)
	}
	if err := k.opt.Records.PutSetting(ctx, setting(domain), b); err != nil {
		return nil, fmt.Errorf("dkim: keep keys of %s: %w", domain, err)
	}
	r.choose(domain)
	k.rings.Store(domain, r)
	return r, nil
}

// selectorName is that of a pair made now: year and month, and a letter if there was one before.
func selectorName(r *ring, now time.Time) string {
	month := now.UTC().Format("200601")
	for n := 0; ; n++ {
		name := month
		if n > 0 {
			name += letters(n)
		}
		if r == nil || !slices.ContainsFunc(r.Pairs, func(p *pair) bool { return p.Name == name }) {
			return name
		}
	}
}

// letters counts b, c ... z, ba ...
func letters(n int) string {
	if n < 26 {
		return string(rune('a' + n))
	}
	return letters(n/26) + string(rune('a'+n%26))
}

// Rotate makes a new pair of keys for a domain and returns it, to be published. It signs once the
// DNS shows it. Errors: ErrNoDomain, ErrUnderWay.
func (k *Keeper) Rotate(ctx context.Context, domain string) ([]Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	r, err := k.locked(ctx, domain)
	if err != nil {
		return nil, err
	}
	if r.in(Waiting) != nil {
		return nil, fmt.Errorf("%w: %s", ErrUnderWay, domain)
	}
	p, err := newPair(selectorName(r, k.opt.Now()), k.opt.Now())
	if err != nil {
		return nil, err
	}
	if _, err := k.put(ctx, domain, &ring{Off: r.Off, Pairs: append(slices.Clone(r.Pairs), p)}); err != nil {
		return nil, err
	}
	return k.changed(domain, p), nil
}

// Use lets the new pair of a domain sign at once, whatever the DNS shows. Errors: ErrNoDomain,
// ErrNoKey.
func (k *Keeper) Use(ctx context.Context, domain string) ([]Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	r, err := k.locked(ctx, domain)
	if err != nil {
		return nil, err
	}
	if r.in(Waiting) == nil {
		return nil, fmt.Errorf("%w: %s has no new one", ErrNoKey, domain)
	}
	return k.use(ctx, domain, r)
}

// use makes the new pair the one that signs, and the one that signed old.
func (k *Keeper) use(ctx context.Context, domain string, r *ring) ([]Key, error) {
	after := r.clone()
	now := k.opt.Now().UTC()
	old, next := after.in(Signing), after.in(Waiting)
	if old != nil {
		old.State, old.Since = Old, now
	}
	next.State, next.Since = Signing, now
	if _, err := k.put(ctx, domain, after); err != nil {
		return nil, err
	}
	if old != nil {
		k.changed(domain, old)
	}
	return k.changed(domain, next), nil
}

// clone copies the pairs, so that those others see stay as they are.
func (r *ring) clone() *ring {
	c := &ring{Off: r.Off}
	for _, p := range r.Pairs {
		copied := *p
		c.Pairs = append(c.Pairs, &copied)
	}
	return c
}

func (k *Keeper) changed(domain string, p *pair) []Key {
	keys := p.keys(domain)
	for _, key := range keys {
		k.opt.Changed(key)
	}
	return keys
}

// Retire ends a pair of keys, named by one of its selectors: its private keys are removed. A pair
// that signs is ended only if a new one takes over. Errors: ErrNoDomain, ErrNoKey, ErrInUse.
func (k *Keeper) Retire(ctx context.Context, domain, selector string) ([]Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	r, err := k.locked(ctx, domain)
	if err != nil {
		return nil, err
	}
	after := r.clone()
	i := slices.IndexFunc(after.Pairs, func(p *pair) bool { return p.State != Retired && p.has(selector) })
	if i < 0 {
		return nil, fmt.Errorf("%w: %s of %s", ErrNoKey, selector, domain)
	}
	p := after.Pairs[i]
	if p.State == Signing {
		next := after.in(Waiting)
		if next == nil {
			return nil, fmt.Errorf("%w: %s of %s", ErrInUse, selector, domain)
		}
		next.State, next.Since = Signing, k.opt.Now().UTC()
	}
	p.retire(k.opt.Now())
	if _, err := k.put(ctx, domain, after); err != nil {
		return nil, err
	}
	return k.changed(domain, p), nil
}

func (p *pair) retire(now time.Time) {
	p.State, p.Since = Retired, now.UTC()
	p.RSA, p.Ed25519, p.rsa, p.ed25519 = nil, nil, nil, nil
}

// Forget removes the keys of a domain that is not here any more.
func (k *Keeper) Forget(ctx context.Context, domain string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.rings.Delete(domain)
	if err := k.opt.Records.PutSetting(ctx, setting(domain), nil); err != nil {
		return fmt.Errorf("dkim: forget keys of %s: %w", domain, err)
	}
	return nil
}

// Run makes the keys that are missing, and carries changes of keys on, until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	const first = 10 * time.Second // the service has other things to do when it starts
	timer := time.NewTimer(first)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if err := k.Advance(ctx); err != nil && ctx.Err() == nil {
			k.opt.Log.Error("keys for signing not looked after", "error", err)
		}
		timer.Reset(look)
	}
}

// Advance does once what Run does.
func (k *Keeper) Advance(ctx context.Context) error {
	domains, err := k.opt.Domains(ctx)
	if err != nil {
		return fmt.Errorf("dkim: list domains: %w", err)
	}
	var failed []error
	for _, domain := range domains {
		if ctx.Err() != nil {
			break
		}
		if err := errors.Join(k.advance(ctx, domain), k.leaveOut(ctx, domain)); err != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

func (k *Keeper) advance(ctx context.Context, domain string) error {
	r, err := k.ring(ctx, domain)
	if err != nil {
		return err
	}
	ready := false
	if p := r.in(Waiting); p != nil {
		ready = k.ready(ctx, domain, p)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if r, err = k.locked(ctx, domain); err != nil {
		return err
	}
	if ready && r.in(Waiting) != nil {
		if _, err := k.use(ctx, domain, r); err != nil {
			return err
		}
		if r, err = k.locked(ctx, domain); err != nil {
			return err
		}
	}
	return k.expire(ctx, domain, r)
}

// leaveOut stops signing with a key that the DNS says is not there while it shows the other of its
// pair: such signatures fail, and some filters hold that against a message.
func (k *Keeper) leaveOut(ctx context.Context, domain string) error {
	r, err := k.ring(ctx, domain)
	if err != nil {
		return err
	}
	p := r.in(Signing)
	if p == nil || k.opt.Now().Before(r.looked) {
		return nil
	}
	var shown []Signer
	for i, key := range p.keys(domain) {
		there, err := k.Published(ctx, key)
		if err != nil {
			return nil // not known now
		}
		if there {
			shown = append(shown, p.signers(domain)[i])
		}
	}
	looked := &ring{Pairs: r.Pairs, Off: r.Off, signers: shown, looked: k.opt.Now().Add(lookAgain)}
	if len(shown) < len(p.signers(domain)) {
		looked.looked = time.Time{}
	}
	if len(shown) == 0 {
		looked.signers = p.signers(domain)
	}
	k.rings.CompareAndSwap(domain, r, looked) // unless the keys have changed meanwhile
	return nil
}

// ready reports whether a new pair may sign: the DNS shows its RSA key, which all verifiers know;
// or it could not be asked for so long that whoever wanted the change has published it.
func (k *Keeper) ready(ctx context.Context, domain string, p *pair) bool {
	seen, err := k.Published(ctx, p.keys(domain)[0])
	if err != nil {
		return k.opt.Now().Sub(p.Since) > patience
	}
	return seen
}

// Published reports whether the DNS shows a key. An error means that it could not be asked.
func (k *Keeper) Published(ctx context.Context, key Key) (bool, error) {
	texts, _, err := k.opt.DNS.TXT(ctx, key.Name)
	if errors.Is(err, resolver.ErrNotExist) || errors.Is(err, resolver.ErrNoData) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("dkim: look up %s: %w", key.Name, err)
	}
	return slices.ContainsFunc(texts, func(text string) bool { return Publishes(text, key.Record) }), nil
}

// expire retires what is old, and forgets what was retired long ago.
func (k *Keeper) expire(ctx context.Context, domain string, r *ring) error {
	after, now := r.clone(), k.opt.Now()
	var ended []*pair
	for _, p := range after.Pairs {
		if p.State == Old && now.Sub(p.Since) > keepOld {
			p.retire(now)
			ended = append(ended, p)
		}
	}
	after.Pairs = slices.DeleteFunc(after.Pairs, func(p *pair) bool {
		return p.State == Retired && now.Sub(p.Since) > keepRetired
	})
	if len(ended) == 0 && len(after.Pairs) == len(r.Pairs) {
		return nil
	}
	if _, err := k.put(ctx, domain, after); err != nil {
		return err
	}
	for _, p := range ended {
		k.changed(domain, p)
	}
	return nil
}
