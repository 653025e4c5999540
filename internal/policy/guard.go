package policy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
)

// GuardLimits say how many wrong passwords are too many. Failures are forgotten one by one, so
// that "20 failures" means: 20 more than were forgotten since.
type GuardLimits struct {
	FreeFailures    int           // wrong passwords before the first delay
	FirstDelay      time.Duration // of the first delayed attempt; each further failure doubles it
	MaxDelay        time.Duration // longest delay of one attempt
	MaxDelayed      int           // attempts held at one time; more are told to come again
	Forget          time.Duration // after which one failure is forgotten
	AddressFailures int           // bans an IPv4 address or an IPv6 /64
	BlockFailures   int           // bans an IPv4 /24 or an IPv6 /48
	AccountFailures int           // locks an account for addresses it does not know
	Ban             time.Duration // length of a first ban; each further one within a day doubles it
	MaxBan          time.Duration // longest ban
	KnownFor        time.Duration // how long an address is known to an account after a sign-in
	LockedChecks    time.Duration // while an account is locked, strangers get one password checked in this time
	Entries         int           // addresses, blocks and accounts remembered, each
	Exempt          []netip.Prefix
}

// DefaultGuardLimits stop guessing within seconds and leave a person who mistypes alone.
func DefaultGuardLimits() GuardLimits {
	return GuardLimits{
		FreeFailures: 3, FirstDelay: 250 * time.Millisecond, MaxDelay: 4 * time.Second, MaxDelayed: 500,
		Forget: 5 * time.Minute, AddressFailures: 20, BlockFailures: 100, AccountFailures: 40,
		Ban: 15 * time.Minute, MaxBan: 24 * time.Hour, KnownFor: 30 * 24 * time.Hour,
		LockedChecks: 10 * time.Second, Entries: 100_000,
	}
}

// Ban is a block of addresses that may not connect, or an account that takes passwords only from
// addresses it knows.
type Ban struct {
	Key      string    `json:"key"`   // "192.0.2.7", "192.0.2.0/24", "2001:db8::/64" or "anna@example.org"
	Cause    cause.ID  `json:"cause"` // network.client-banned or account.locked-out
	Since    time.Time `json:"since"`
	Until    time.Time `json:"until"`
	Failures int       `json:"failures"` // wrong passwords that led to it
	Times    int       `json:"times"`    // how often in a row, from 1
	Last     string    `json:"last"`     // the last account tried from a banned address, or the last address that tried a locked account
}

// BanChange is a ban that was set or lifted before its end.
type BanChange struct {
	Ban    Ban
	Lifted bool
	Time   time.Time
}

// ErrNoBan reports that there is no such ban to lift.
var ErrNoBan = errors.New("policy: no such ban")

// Guard stands between a service and those who guess passwords. It counts failures by address, by
// block of addresses and by account; it delays, then bans. Whoever signs in well from an address
// becomes known there, and is let through there even while strangers attack the account.
//
// Its Connect is for services that people sign in to: other servers that bring mail must not be
// refused for the sign-ins of their neighbours.
type Guard struct {
	limits  atomic.Pointer[GuardLimits]
	clock   Clock
	delayed chan struct{}
	saver   *saver
	notify  func(BanChange)

	mu       sync.Mutex
	failures *recent[guardKey, failures]
	bans     map[guardKey]Ban // those that ended within a day, too: a further one is longer
	known    *recent[string, []sighting]
	good     *recent[netip.Prefix, time.Time] // addresses known to any account
	checks   *recent[string, time.Time]       // when a stranger's password was last checked for a locked account
}

// GuardOptions make a Guard.
type GuardOptions struct {
	Limits GuardLimits
	Clock  Clock           // SystemClock if nil
	Record Record          // bans and known addresses over a restart
	Notify func(BanChange) // called for each ban set or lifted; must not block; may be nil
	Log    *slog.Logger    // for a record that cannot be saved; nil is silent
}

// Check returns an error if limits are out of range.
func (l GuardLimits) Check() error {
	if l.FirstDelay <= 0 || l.MaxDelay < l.FirstDelay || l.MaxDelayed < 1 || l.Forget <= 0 || l.AddressFailures < 1 ||
		l.BlockFailures < 1 || l.AccountFailures < 1 || l.Ban <= 0 || l.MaxBan < l.Ban || l.LockedChecks <= 0 || l.Entries < 1 {
		return fmt.Errorf("policy: guard limits out of range: %+v", l)
	}
	return nil
}

// SetLimits replaces the limits, which must pass Check. What was counted, and bans, stay as they are; MaxDelayed and
// Entries are those of the beginning.
func (g *Guard) SetLimits(l GuardLimits) { g.limits.Store(&l) }

// NewGuard makes a Guard with the bans of its record. Close it.
func NewGuard(ctx context.Context, o GuardOptions) (*Guard, error) {
	l := o.Limits
	if err := l.Check(); err != nil {
		return nil, err
	}
	g := &Guard{
		clock: o.Clock, notify: o.Notify,
		delayed:  make(chan struct{}, l.MaxDelayed),
		failures: newRecent[guardKey, failures](l.Entries),
		bans:     make(map[guardKey]Ban),
		known:    newRecent[string, []sighting](l.Entries),
		good:     newRecent[netip.Prefix, time.Time](l.Entries),
		checks:   newRecent[string, time.Time](l.Entries),
	}
	g.limits.Store(&l)
	if g.clock == nil {
		g.clock = SystemClock{}
	}
	if g.notify == nil {
		g.notify = func(BanChange) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if err := g.load(ctx, o.Record); err != nil {
		return nil, err
	}
	g.saver = newSaver(o.Record, time.Second, o.Log, g.snapshot)
	return g, nil
}

// Close saves the record.
func (g *Guard) Close(ctx context.Context) error { return g.saver.close(ctx) }

// Connect decides about a new connection, before anybody signs in.
func (g *Guard) Connect(remote netip.Addr) cause.Decision {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.banned(remote.Unmap(), g.clock.Now())
}

// Admission is how to treat an attempt to sign in that the Guard let through.
type Admission struct {
	// Known tells that the address is known to the account.
	Known bool
	// Lock is what to answer to a right password while the account is locked for this address; it
	// allows while it is not. A password that cannot be guessed passes all the same.
	Lock cause.Decision
	// Unchecked tells that the account is locked and the password must not even be looked at: the
	// answer is that it is wrong.
	Unchecked bool
}

// Admit decides about an attempt to sign in to an account, which may not exist, and holds it back
// if there were failures. Call it before the password is checked, so that the delay tells nothing.
// Account is empty where the attempt is for none that it names.
func (g *Guard) Admit(ctx context.Context, remote netip.Addr, account string) (Admission, cause.Decision) {
	remote = remote.Unmap()
	admission, delay, d := g.admit(remote, account)
	if !d.Allowed() || delay == 0 {
		return admission, d
	}
	select {
	case g.delayed <- struct{}{}:
		defer func() { <-g.delayed }()
	default:
		return admission, cause.Wait(cause.ProviderOverloaded, time.Time{})
	}
	if err := g.clock.Sleep(ctx, delay); err != nil {
		return admission, cause.Wait(cause.ProviderAuthBackendDown, time.Time{})
	}
	return admission, cause.Allow()
}

func (g *Guard) admit(remote netip.Addr, account string) (a Admission, delay time.Duration, d cause.Decision) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.clock.Now()
	if d := g.banned(remote, now); !d.Allowed() {
		return a, 0, d
	}
	a.Known = g.isKnown(account, remote, now)
	if g.exempt(remote) {
		return a, 0, cause.Allow()
	}
	level := g.level(addressKey(remote), now)
	if !a.Known && account != "" {
		level = max(level, g.level(accountKey(account), now))
		a.Lock, a.Unchecked = g.locked(account, now)
	}
	return a, g.delay(level), cause.Allow()
}

// locked tells whether an account is locked, and whether it has just had a stranger's password
// checked: as long as it is locked, checks are so few that guessing does not pay.
func (g *Guard) locked(account string, now time.Time) (lock cause.Decision, unchecked bool) {
	key := accountKey(account)
	ban, ok := g.bans[key]
	if !ok || !now.Before(ban.Until) {
		return cause.Allow(), false
	}
	lock = cause.Wait(cause.AccountLockedOut, ban.Until, cause.Text("client", ban.Last))
	if last, ok := g.checks.get(key.account); ok && now.Sub(last) < g.limits.Load().LockedChecks {
		return lock, true
	}
	g.checks.put(key.account, now)
	return lock, false
}

// delay doubles with every failure beyond those that are free.
func (g *Guard) delay(level float64) time.Duration {
	over := math.Ceil(level) - float64(g.limits.Load().FreeFailures)
	if over <= 0 {
		return 0
	}
	d := float64(g.limits.Load().FirstDelay) * math.Exp2(min(over-1, 30))
	return time.Duration(min(d, float64(g.limits.Load().MaxDelay)))
}

// Failed counts a wrong password. An address that the account knows counts a tenth and does not
// lock the account: it is a forgotten device or its owner.
func (g *Guard) Failed(remote netip.Addr, account string) {
	remote = remote.Unmap()
	if g.exempt(remote) {
		return
	}
	g.mu.Lock()
	now := g.clock.Now()
	// What was tried at once with the passwords that led to a ban learned nothing, and must not
	// lock the account: one address alone cannot do that.
	if d := g.banned(remote, now); !d.Allowed() {
		g.mu.Unlock()
		return
	}
	weight := 1.0
	if g.isKnown(account, remote, now) {
		weight = 0.1
	}
	var set []Ban
	set = g.count(set, addressKey(remote), weight, g.limits.Load().AddressFailures, account, now)
	set = g.count(set, blockKey(remote), weight, g.limits.Load().BlockFailures, account, now)
	if weight == 1 && account != "" {
		set = g.count(set, accountKey(account), weight, g.limits.Load().AccountFailures, remote.String(), now)
	}
	g.mu.Unlock()
	for _, ban := range set {
		g.saver.touch()
		g.notify(BanChange{Ban: ban, Time: now})
	}
}

// count adds a failure to a key, and the ban it leads to, if any, to set.
func (g *Guard) count(set []Ban, key guardKey, weight float64, limit int, last string, now time.Time) []Ban {
	level := min(g.level(key, now)+weight, float64(limit)) // a long attack is not remembered for ever
	g.failures.put(key, failures{level: level, at: now})
	old, again := g.bans[key]
	if level < float64(limit) || (again && now.Before(old.Until)) {
		return set
	}
	g.failures.remove(key) // the ban takes their place
	ban := Ban{
		Key: key.String(), Cause: key.cause(), Since: now, Until: now.Add(g.limits.Load().Ban),
		Failures: int(math.Round(level)), Times: 1, Last: last,
	}
	if again && now.Sub(old.Until) < banMemory {
		ban.Times = old.Times + 1
		if key.account == "" { // an account is locked no longer than it must, its owner may be anywhere
			ban.Until = now.Add(min(2*old.Until.Sub(old.Since), g.limits.Load().MaxBan))
		}
	}
	g.bans[key] = ban
	g.trimBans(now)
	return append(set, ban)
}

// banMemory is how long an ended ban makes a further one longer.
const banMemory = 24 * time.Hour

// trimBans keeps the number of bans within bounds: it drops those that are forgotten anyway, and
// if that is not enough, those that end first.
func (g *Guard) trimBans(now time.Time) {
	if len(g.bans) <= g.limits.Load().Entries {
		return
	}
	ends := make([]time.Time, 0, len(g.bans))
	for _, ban := range g.bans {
		ends = append(ends, ban.Until)
	}
	slices.SortFunc(ends, time.Time.Compare)
	before := ends[len(ends)/8] // an eighth goes at once, so that this is rarely done
	for key, ban := range g.bans {
		if !ban.Until.After(before) || now.Sub(ban.Until) >= banMemory {
			delete(g.bans, key)
		}
	}
}

// Succeeded makes an address known to an account.
func (g *Guard) Succeeded(remote netip.Addr, account string) {
	remote = remote.Unmap()
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.clock.Now()
	prefix := addressKey(remote).prefix
	// Looked up by every sign-in: what is fresh enough stays as it is.
	if at, ok := g.good.get(prefix); !ok || now.Sub(at) > freshEnough {
		g.good.put(prefix, now)
	}
	seen, _ := g.known.get(account)
	i := slices.IndexFunc(seen, func(s sighting) bool { return s.Prefix == prefix })
	if i >= 0 && now.Sub(seen[i].At) < freshEnough {
		return
	}
	kept := []sighting{{Prefix: prefix, At: now}}
	for j, s := range seen {
		if j != i && len(kept) < maxKnown && now.Sub(s.At) < g.limits.Load().KnownFor {
			kept = append(kept, s)
		}
	}
	g.known.put(account, kept)
	g.saver.touchLater()
}

const (
	maxKnown    = 16 // addresses known to one account
	freshEnough = time.Hour
)

// Bans lists the bans that hold now, those that end first first.
func (g *Guard) Bans(context.Context) []Ban {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.clock.Now()
	var bans []Ban
	for _, ban := range g.bans {
		if now.Before(ban.Until) {
			bans = append(bans, ban)
		}
	}
	slices.SortFunc(bans, func(a, b Ban) int {
		if c := a.Until.Compare(b.Until); c != 0 {
			return c
		}
		return strings.Compare(a.Key, b.Key)
	})
	return bans
}

// Lift ends the ban of an address, a block or an account at once and forgets its failures. It is
// durable when Lift returns nil. ErrNoBan says that there is none.
func (g *Guard) Lift(ctx context.Context, key string) error {
	k, err := parseGuardKey(key)
	if err != nil {
		return err
	}
	g.mu.Lock()
	now := g.clock.Now()
	ban, ok := g.bans[k]
	delete(g.bans, k)
	g.failures.remove(k)
	g.mu.Unlock()
	if !ok || !now.Before(ban.Until) {
		return fmt.Errorf("%w: %s", ErrNoBan, key)
	}
	g.notify(BanChange{Ban: ban, Lifted: true, Time: now})
	return g.saver.save(ctx)
}

// banned decides by the bans of an address and its block. A ban of the whole block does not hit
// an address in it that is known to an account.
func (g *Guard) banned(remote netip.Addr, now time.Time) cause.Decision {
	if !remote.IsValid() {
		return cause.Allow()
	}
	key := addressKey(remote)
	ban, ok := g.bans[key]
	if !ok || !now.Before(ban.Until) {
		ban, ok = g.bans[blockKey(remote)]
		if at, known := g.good.get(key.prefix); known && now.Sub(at) < g.limits.Load().KnownFor {
			ok = false
		}
	}
	if !ok || !now.Before(ban.Until) || g.exempt(remote) {
		return cause.Allow()
	}
	return cause.Wait(cause.NetworkClientBanned, ban.Until, cause.Text("client", remote.String()))
}

func (g *Guard) exempt(remote netip.Addr) bool {
	return !remote.IsValid() || slices.ContainsFunc(g.limits.Load().Exempt, func(p netip.Prefix) bool { return p.Contains(remote) })
}

func (g *Guard) isKnown(account string, remote netip.Addr, now time.Time) bool {
	seen, _ := g.known.get(account)
	prefix := addressKey(remote).prefix
	return slices.ContainsFunc(seen, func(s sighting) bool {
		return s.Prefix == prefix && now.Sub(s.At) < g.limits.Load().KnownFor
	})
}

// failures are counted as a level that sinks by one in every GuardLimits.Forget.
type failures struct {
	level float64
	at    time.Time
}

func (g *Guard) level(key guardKey, now time.Time) float64 {
	f, ok := g.failures.get(key)
	if !ok {
		return 0
	}
	return max(0, f.level-float64(now.Sub(f.at))/float64(g.limits.Load().Forget))
}

// sighting is an address from which an account signed in.
type sighting struct {
	Prefix netip.Prefix `json:"address"`
	At     time.Time    `json:"at"`
}

// guardKey is what failures are counted by: addresses, or an account.
type guardKey struct {
	prefix  netip.Prefix
	account string
}

// addressKey is one IPv4 address or the /64 that one IPv6 customer has.
func addressKey(a netip.Addr) guardKey { return prefixKey(a, 32, 64) }

// NetworkOf names what one customer of the network has, to count by: an IPv4 address, or an IPv6 /64.
func NetworkOf(a netip.Addr) string { return addressKey(a.Unmap()).prefix.String() }

// blockKey is what one network can easily have: an IPv4 /24, an IPv6 /48.
func blockKey(a netip.Addr) guardKey { return prefixKey(a, 24, 48) }

// accountKey has an "@" in it whatever the user name, so that nobody can get an address banned by
// signing in with it as user name.
func accountKey(account string) guardKey {
	account = account[:min(len(account), maxUsername)]
	if !strings.Contains(account, "@") {
		account += "@"
	}
	return guardKey{account: account}
}

// maxUsername is the most octets of a user name that are remembered: those of the longest address.
const maxUsername = 320

func prefixKey(a netip.Addr, bits4, bits6 int) guardKey {
	bits := bits6
	if a.Is4() {
		bits = bits4
	}
	prefix, err := a.WithZone("").Prefix(bits)
	if err != nil { // an invalid address
		return guardKey{}
	}
	return guardKey{prefix: prefix}
}

func (k guardKey) String() string {
	switch {
	case k.account != "":
		return k.account
	case k.prefix.IsSingleIP():
		return k.prefix.Addr().String()
	}
	return k.prefix.String()
}

func (k guardKey) cause() cause.ID {
	if k.account != "" {
		return cause.AccountLockedOut
	}
	return cause.NetworkClientBanned
}

func parseGuardKey(s string) (guardKey, error) {
	if strings.Contains(s, "@") {
		return accountKey(s), nil
	}
	if addr, err := netip.ParseAddr(s); err == nil {
		return addressKey(addr.Unmap()), nil
	}
	prefix, err := netip.ParsePrefix(s)
	if err != nil {
		return guardKey{}, fmt.Errorf("%w: %q is no address, block or account", ErrNoBan, s)
	}
	return guardKey{prefix: prefix.Masked()}, nil
}

// guardRecord is what a Guard remembers over a restart.
type guardRecord struct {
	Bans  []Ban                 `json:"bans"`
	Known map[string][]sighting `json:"known"`
}

func (g *Guard) load(ctx context.Context, r Record) error {
	var doc guardRecord
	if err := loadJSON(ctx, r, &doc); err != nil {
		return err
	}
	for _, ban := range doc.Bans {
		key, err := parseGuardKey(ban.Key)
		if err != nil {
			return fmt.Errorf("policy: load bans: %w", err)
		}
		g.bans[key] = ban
	}
	for account, seen := range doc.Known {
		g.known.put(account, seen)
		for _, s := range seen {
			if at, ok := g.good.get(s.Prefix); !ok || at.Before(s.At) {
				g.good.put(s.Prefix, s.At)
			}
		}
	}
	return nil
}

// snapshot is the record, with the part of the bans that last longest and of the addresses that
// were seen last.
func (g *Guard) snapshot(part float64) any {
	g.mu.Lock()
	now := g.clock.Now()
	doc := guardRecord{Bans: []Ban{}, Known: make(map[string][]sighting)}
	for _, ban := range g.bans {
		if now.Sub(ban.Until) < banMemory {
			doc.Bans = append(doc.Bans, ban)
		}
	}
	var seen []knownAddress
	g.known.each(func(account string, sightings []sighting) {
		for _, s := range sightings {
			seen = append(seen, knownAddress{account, s})
		}
	})
	g.mu.Unlock()

	slices.SortFunc(doc.Bans, func(a, b Ban) int { return b.Until.Compare(a.Until) })
	doc.Bans = doc.Bans[:int(part*float64(len(doc.Bans)))]
	slices.SortFunc(seen, func(a, b knownAddress) int { return b.At.Compare(a.At) })
	for _, k := range seen[:int(part*float64(len(seen)))] {
		doc.Known[k.account] = append(doc.Known[k.account], k.sighting)
	}
	return doc
}

type knownAddress struct {
	account string
	sighting
}
