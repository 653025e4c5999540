package store

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/store/kv"
)

// SubaddressSeparator parts a local part from its detail: anna+list@ is anna@
// (RFC 5233).
const SubaddressSeparator = "+"

// Domain is a domain whose mail is kept here.
type Domain struct {
	Name       string        `json:"name"` // lower-case A-labels
	Created    time.Time     `json:"created"`
	Disabled   bool          `json:"disabled,omitempty"`
	Postmaster string        `json:"postmaster,omitempty"` // who gets postmaster@ and abuse@; empty is the first account
	Plan       string        `json:"plan,omitempty"`       // of the configuration, "" for none
	Quota      int64         `json:"quota,omitempty"`      // octets of all its accounts together, 0 for no bound
	Sending    SendingLimits `json:"sending,omitzero"`
}

// SendingLimits are how much may be sent, as far as it was set for a domain or an account; 0 where it was not. A
// message counts once, however many recipients it has; those have a limit of their own.
type SendingLimits struct {
	AddressHourly    int64 `json:"address_hourly,omitempty"`    // messages an hour of one address
	DomainHourly     int64 `json:"domain_hourly,omitempty"`     // messages an hour of all addresses of one domain
	RecipientsHourly int64 `json:"recipients_hourly,omitempty"` // recipients an hour of all messages of one address
}

// Protocol is a set of ways to reach an account.
type Protocol uint16

// The protocols.
const (
	ProtocolIMAP Protocol = 1 << iota
	ProtocolPOP3
	ProtocolSubmission
	ProtocolJMAP
	ProtocolWeb

	AllProtocols = ProtocolIMAP | ProtocolPOP3 | ProtocolSubmission | ProtocolJMAP | ProtocolWeb
)

// Has reports whether all protocols of q are in p.
func (p Protocol) Has(q Protocol) bool { return p&q == q }

// Account is a person's mail.
type Account struct {
	ID        AccountID     `json:"id"`
	Address   string        `json:"address"` // the whole address, normalized; the name to sign in with
	Name      string        `json:"name,omitempty"`
	Created   time.Time     `json:"created"`
	Disabled  bool          `json:"disabled,omitempty"`  // mail is switched off
	Suspended cause.ID      `json:"suspended,omitempty"` // why the account may not be used, "" if it may
	Protocols Protocol      `json:"protocols"`           // those switched on
	Quota     int64         `json:"quota,omitempty"`     // octets, 0 for no bound
	Language  string        `json:"language,omitempty"`  // sv, nb or en
	Zone      string        `json:"zone,omitempty"`      // where its holder is, as "Europe/Stockholm"
	Plan      string        `json:"plan,omitempty"`      // of the configuration, "" for that of its domain
	Sending   SendingLimits `json:"sending,omitzero"`
	// TwoStep says that the account's own password alone signs in nowhere: on the web with a second step (SecondStep), elsewhere
	// app passwords do.
	TwoStep bool `json:"two_step,omitempty"`
	// Version rises with each change of the account or its credentials, so that
	// what was derived from them can be told to be old.
	Version uint64 `json:"version"`
}

// Domain returns the domain of the account's address.
func (a *Account) Domain() string { return domainOf(a.Address) }

// Alias is an address whose mail goes to other addresses: Targets are here, Forward elsewhere.
type Alias struct {
	Address string    `json:"address"`
	Targets []string  `json:"targets"`
	Forward []string  `json:"forward,omitempty"`
	Created time.Time `json:"created"`
}

// Credential is one password of an account: its own, an app password, or a bearer token.
type Credential struct {
	ID        string       `json:"id"`
	Name      string       `json:"name,omitempty"`
	App       bool         `json:"app,omitempty"`   // made for one program; tokens are too
	Token     bool         `json:"token,omitempty"` // no password, but a bearer token
	Protocols Protocol     `json:"protocols"`
	Hash      string       `json:"hash"` // argon2id, PHC string
	Scram     *ScramSecret `json:"scram,omitempty"`
	Created   time.Time    `json:"created"`
	LastUsed  time.Time    `json:"last_used,omitzero"`
	Expires   time.Time    `json:"expires,omitzero"`
	// Revoked is since when a token is not taken any more. It is kept for a while, so that who
	// still has it hears that.
	Revoked time.Time `json:"revoked,omitzero"`
}

// ScramSecret is what SCRAM-SHA-256 needs of a password (RFC 5803).
type ScramSecret struct {
	Salt       []byte `json:"salt"`
	Iterations int    `json:"iterations"`
	StoredKey  []byte `json:"stored_key"`
	ServerKey  []byte `json:"server_key"`
}

// addressRecord is what an address of the directory stands for: an account or
// an alias.
type addressRecord struct {
	Account AccountID `json:"account,omitempty"`
	Alias   *Alias    `json:"alias,omitempty"`
}

// directoryCache keeps decoded records of the directory; any change to the
// directory empties it.
type directoryCache struct {
	mu         sync.RWMutex
	generation uint64
	accounts   map[AccountID]Account
	addresses  map[string]addressRecord
	domains    map[string]Domain
	sharers    map[AccountID][]AccountID
	owned      map[AccountID][]string // addresses
}

const maxCachedEntries = 1 << 17

func (c *directoryCache) init() { c.clear() }

func (c *directoryCache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	c.accounts, c.addresses, c.domains = map[AccountID]Account{}, map[string]addressRecord{}, map[string]Domain{}
	c.sharers, c.owned = map[AccountID][]AccountID{}, map[AccountID][]string{}
}

// lookup answers from the cache, else reads and decodes the record.
func lookup[K comparable, V any](ctx context.Context, s *Store, cached func(*directoryCache) map[K]V, id K, at func(K) key, what string) (V, error) {
	c := &s.directory
	c.mu.RLock()
	v, ok := cached(c)[id]
	generation := c.generation
	c.mu.RUnlock()
	if ok {
		return v, nil
	}
	return lookUp(ctx, s, cached, generation, id, at, what)
}

// lookUp reads a record that is not in the cache. What was read is not kept if the directory changed since a generation.
func lookUp[K comparable, V any](ctx context.Context, s *Store, cached func(*directoryCache) map[K]V, generation uint64, id K, at func(K) key, what string) (v V, err error) {
	c := &s.directory
	err = s.view(ctx, "find "+what, AccountID(kv.System), func(r kv.Reader) error {
		return getJSON(r, at(id), &v, what, id)
	})
	if err != nil {
		return v, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.generation == generation && len(cached(c)) < maxCachedEntries {
		cached(c)[id] = v
	}
	return v, nil
}

func getJSON(r kv.Reader, k key, v any, what string, id any) error {
	b, ok, err := r.Get(k)
	if err != nil {
		return err
	}
	if !ok {
		return fail("find "+what, KindNotFound, "%s %v", what, id)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%s %v: %w: %w", what, id, errDamaged, err)
	}
	return nil
}

func setJSON(tx kv.Tx, k key, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return tx.Set(k, b)
}

// updateDirectory runs fn in a transaction of the system's key space.
func (s *Store) updateDirectory(ctx context.Context, op string, fn func(tx kv.Tx) error) error {
	err := s.records.Update(ctx, kv.System, fn)
	s.directory.clear()
	return wrap(op, err)
}

func accountKey(id AccountID) key  { return table(tableAccount).number(uint64(id)) }
func addressKey(addr string) key   { return table(tableAddress).text(addr) }
func domainKey(name string) key    { return table(tableDomain).text(name) }
func credentialKey(id string) key  { return table(tableCredential).text(id) }
func domainOf(addr string) string  { return addr[strings.LastIndexByte(addr, '@')+1:] }
func localPart(addr string) string { return addr[:max(strings.LastIndexByte(addr, '@'), 0)] }
func exists(r kv.Reader, k key) (bool, error) {
	_, ok, err := r.Get(k)
	return ok, err
}

// NormalizeAddress brings an address into the form of the directory. Kind:
// KindInvalid.
func NormalizeAddress(text string) (string, error) {
	a, err := address.Parse(strings.TrimSpace(text), address.Options{UTF8: true})
	if err != nil || a.Domain == "" || a.IsLiteral() {
		return "", fail("check address", KindInvalid, "%q is no address", text)
	}
	return a.Normalize().String(), nil
}

// CreateDomain adds a domain. Kinds: KindExists, KindInvalid.
func (s *Store) CreateDomain(ctx context.Context, d Domain) error {
	const op = "create domain"
	name, err := address.ParseDomain(d.Name, address.Options{UTF8: true})
	if err != nil || strings.HasPrefix(name, "[") {
		return fail(op, KindInvalid, "%q is no domain", d.Name)
	}
	d.Name = address.NormalizeDomain(name)
	if d.Created.IsZero() {
		d.Created = s.now().UTC()
	}
	return s.updateDirectory(ctx, op, func(tx kv.Tx) error {
		if taken, err := exists(tx, domainKey(d.Name)); err != nil || taken {
			return orExists(op, err, "domain %s", d.Name)
		}
		return setJSON(tx, domainKey(d.Name), d)
	})
}

// Domain returns a domain. Kind: KindNotFound.
func (s *Store) Domain(ctx context.Context, name string) (Domain, error) {
	name = address.NormalizeDomain(name)
	return lookup(ctx, s, func(c *directoryCache) map[string]Domain { return c.domains }, name, domainKey, "domain")
}

// Domains returns all domains by name.
func (s *Store) Domains(ctx context.Context) ([]Domain, error) {
	return list[Domain](ctx, s, tableDomain, "domains")
}

func list[V any](ctx context.Context, s *Store, t byte, what string) (all []V, err error) {
	err = s.view(ctx, "list "+what, AccountID(kv.System), func(r kv.Reader) error {
		return scan(r, table(t), table(t).after(), func(k, b []byte) error {
			var v V
			if err := json.Unmarshal(b, &v); err != nil {
				return fmt.Errorf("%s at %q: %w: %w", what, k, errDamaged, err)
			}
			all = append(all, v)
			return nil
		})
	})
	return all, err
}

// UpdateDomain changes a domain; its name stays. Kind: KindNotFound.
func (s *Store) UpdateDomain(ctx context.Context, name string, fn func(*Domain) error) error {
	name = address.NormalizeDomain(name)
	return s.updateDirectory(ctx, "update domain", func(tx kv.Tx) error {
		var d Domain
		if err := getJSON(tx, domainKey(name), &d, "domain", name); err != nil {
			return err
		}
		if err := fn(&d); err != nil {
			return err
		}
		d.Name = name
		return setJSON(tx, domainKey(name), d)
	})
}

// DeleteDomain removes a domain. Kinds: KindNotFound, KindInUse while it has
// accounts or aliases.
func (s *Store) DeleteDomain(ctx context.Context, name string) error {
	const op = "delete domain"
	name = address.NormalizeDomain(name)
	return s.updateDirectory(ctx, op, func(tx kv.Tx) error {
		if there, err := exists(tx, domainKey(name)); err != nil || !there {
			return orMissing(op, err, "domain %s", name)
		}
		err := scan(tx, table(tableAddress), table(tableAddress).after(), func(k, _ []byte) error {
			if domainOf(string(k[1:])) == name {
				return fail(op, KindInUse, "%s still has %s", name, k[1:])
			}
			return nil
		})
		if err != nil {
			return err
		}
		return tx.Delete(domainKey(name))
	})
}

func orMissing(op string, err error, format string, args ...any) error {
	if err == nil {
		return fail(op, KindNotFound, format, args...)
	}
	return err
}

// CreateAccount adds an account with its first mailboxes: INBOX, Drafts, Sent,
// Archive, Junk and Trash. ID, Created and Version are given by the store;
// Protocols of zero means all. Kinds: KindExists, KindInvalid, KindNotFound (the
// domain).
func (s *Store) CreateAccount(ctx context.Context, a Account, credentials ...Credential) (Account, error) {
	const op = "create account"
	s.creating.Lock()
	defer s.creating.Unlock()
	var err error
	if a.Address, err = NormalizeAddress(a.Address); err != nil {
		return a, err
	}
	if _, err := s.Domain(ctx, a.Domain()); err != nil {
		return a, err
	}
	if _, err := s.addressRecord(ctx, a.Address); KindOf(err) != KindNotFound {
		return a, orExists(op, err, "address %s", a.Address)
	}
	if a.ID, err = s.newAccountID(ctx); err != nil {
		return a, err
	}
	a.Created, a.Version = s.now().UTC(), 1
	if a.Protocols == 0 {
		a.Protocols = AllProtocols
	}
	// The account's own space first: an account that can be found is whole.
	if err := s.createMailboxes(ctx, a.ID, credentials); err != nil {
		return a, err
	}
	return a, s.updateDirectory(ctx, op, func(tx kv.Tx) error {
		if err := setJSON(tx, accountKey(a.ID), a); err != nil {
			return err
		}
		return setJSON(tx, addressKey(a.Address), addressRecord{Account: a.ID})
	})
}

func (s *Store) newAccountID(ctx context.Context) (id AccountID, err error) {
	err = s.updateDirectory(ctx, "number account", func(tx kv.Tx) error {
		b, _, err := tx.Get([]byte{tableCounter})
		if err != nil {
			return err
		}
		last := uint64(0)
		if len(b) == 8 {
			last = binary.BigEndian.Uint64(b)
		}
		id = AccountID(last + 1)
		return tx.Set([]byte{tableCounter}, binary.BigEndian.AppendUint64(nil, uint64(id)))
	})
	return id, err
}

func (s *Store) createMailboxes(ctx context.Context, a AccountID, credentials []Credential) error {
	err := s.records.Update(ctx, kv.Account(a), func(tx kv.Tx) error {
		c := &change{
			tx: tx, now: s.now(), mailboxes: map[MailboxID]*mailboxRecord{},
			head: head{nextMailbox: InboxID, nextEmail: 1},
		}
		for _, m := range defaultMailboxes {
			if _, err := c.createMailbox(m.name, m.role); err != nil {
				return err
			}
			if err := tx.Set(table(tableSubscription).text(m.name), nil); err != nil {
				return err
			}
		}
		for _, cr := range credentials {
			if err := setJSON(tx, credentialKey(cr.ID), cr); err != nil {
				return err
			}
		}
		return c.finish()
	})
	return wrap("create mailboxes", err)
}

// Account returns an account. Kind: KindNotFound.
func (s *Store) Account(ctx context.Context, id AccountID) (Account, error) {
	return lookup(ctx, s, func(c *directoryCache) map[AccountID]Account { return c.accounts }, id, accountKey, "account")
}

func (s *Store) addressRecord(ctx context.Context, addr string) (addressRecord, error) {
	return lookup(ctx, s, func(c *directoryCache) map[string]addressRecord { return c.addresses }, addr, addressKey, "address")
}

// AccountByAddress returns the account with an address of its own. Kind:
// KindNotFound, also for aliases and anything that is no address.
func (s *Store) AccountByAddress(ctx context.Context, addr string) (Account, error) {
	addr, err := NormalizeAddress(addr)
	if err != nil {
		return Account{}, &Error{Op: "find account", Kind: KindNotFound, Err: err}
	}
	rec, err := s.addressRecord(ctx, addr)
	if err != nil {
		return Account{}, err
	}
	if rec.Alias != nil {
		return Account{}, fail("find account", KindNotFound, "%s is an alias", addr)
	}
	return s.Account(ctx, rec.Account)
}

// Accounts returns the accounts of a domain in the order of their creation, or
// all where domain is empty.
func (s *Store) Accounts(ctx context.Context, domain string) ([]Account, error) {
	all, err := list[Account](ctx, s, tableAccount, "accounts")
	if domain != "" {
		domain = address.NormalizeDomain(domain)
		all = slices.DeleteFunc(all, func(a Account) bool { return a.Domain() != domain })
	}
	return all, err
}

// UpdateAccount changes an account; ID and Address stay. Kind: KindNotFound.
func (s *Store) UpdateAccount(ctx context.Context, id AccountID, fn func(*Account) error) (a Account, err error) {
	err = s.updateDirectory(ctx, "update account", func(tx kv.Tx) error {
		a = Account{}
		if err := getJSON(tx, accountKey(id), &a, "account", id); err != nil {
			return err
		}
		addr := a.Address
		if err := fn(&a); err != nil {
			return err
		}
		a.ID, a.Address, a.Version = id, addr, a.Version+1
		return setJSON(tx, accountKey(id), a)
	})
	return a, err
}

// DeleteAccount removes an account with all its mail. It works on a full volume. Once the account is out of the directory its
// records go, whatever happens: FinishDeletions goes on after a crash.
// Kind: KindNotFound.
func (s *Store) DeleteAccount(ctx context.Context, id AccountID) error {
	ctx = kv.WithReserve(ctx)
	s.creating.Lock()
	defer s.creating.Unlock()
	a, err := s.Account(ctx, id)
	if err != nil {
		return err
	}
	if err := s.revoke(ctx, a.Address); err != nil {
		return err
	}
	err = s.updateDirectory(ctx, "delete account", func(tx kv.Tx) error {
		if err := deleteHints(tx, a.Address, id); err != nil {
			return err
		}
		if err := s.deleteFileTokens(ctx, tx, id); err != nil {
			return err
		}
		if err := tx.Delete(addressKey(a.Address)); err != nil {
			return err
		}
		if err := tx.Delete(accountKey(id)); err != nil {
			return err
		}
		return tx.Set(leavingKey(id), nil)
	})
	if err != nil {
		return err
	}
	err = s.finishDeletion(ctx, id)
	s.hub.notify(id)
	s.tellDomain(a.Domain())
	return wrap("delete account's mail", err)
}

// CreateAlias adds an alias. Kinds: KindExists, KindInvalid, KindNotFound (the
// domain, or a target that is no address here).
func (s *Store) CreateAlias(ctx context.Context, a Alias) (err error) {
	const op = "create alias"
	s.creating.Lock()
	defer s.creating.Unlock()
	if a.Address, err = NormalizeAddress(a.Address); err != nil {
		return err
	}
	if n := len(a.Targets) + len(a.Forward); n == 0 || n > maxAliasTargets {
		return fail(op, KindInvalid, "an alias has 1 to %d targets", maxAliasTargets)
	}
	if a.Forward, err = s.forwardTargets(ctx, a.Forward); err != nil {
		return err
	}
	targets := slices.Clone(a.Targets)
	for i := range targets {
		if targets[i], err = NormalizeAddress(targets[i]); err != nil {
			return err
		}
		if res, err := s.Resolve(ctx, targets[i]); err != nil || len(res.Accounts)+len(res.Forward) == 0 {
			return orMissing(op, err, "target %s", targets[i])
		}
	}
	a.Targets, a.Created = targets, s.now().UTC()
	err = s.updateDirectory(ctx, op, func(tx kv.Tx) error {
		if there, err := exists(tx, domainKey(domainOf(a.Address))); err != nil || !there {
			return orMissing(op, err, "domain %s", domainOf(a.Address))
		}
		if taken, err := exists(tx, addressKey(a.Address)); err != nil || taken {
			return orExists(op, err, "address %s", a.Address)
		}
		return setJSON(tx, addressKey(a.Address), addressRecord{Alias: &a})
	})
	if err == nil {
		s.tellMembers(s.members(ctx, a.Address))
	}
	return err
}

// forwardTargets checks addresses elsewhere that an alias forwards to.
func (s *Store) forwardTargets(ctx context.Context, addresses []string) (all []string, err error) {
	const op = "create alias"
	for _, text := range addresses {
		a, err := address.Parse(strings.TrimSpace(text), address.Options{UTF8: true, LongLocal: true})
		if err != nil || a.Domain == "" || a.IsLiteral() {
			return nil, fail(op, KindInvalid, "%q is no address", text)
		}
		a.Domain = address.NormalizeDomain(a.Domain)
		if _, err := s.Domain(ctx, a.Domain); KindOf(err) != KindNotFound {
			if err == nil {
				err = fail(op, KindInvalid, "%s is an address here", a)
			}
			return nil, err
		}
		all = append(all, a.String())
	}
	return all, nil
}

const (
	maxAliasTargets = 1000
	maxAliasDepth   = 8
)

// DeleteAlias removes an alias. Kind: KindNotFound.
func (s *Store) DeleteAlias(ctx context.Context, addr string) error {
	const op = "delete alias"
	s.creating.Lock()
	defer s.creating.Unlock()
	addr, err := NormalizeAddress(addr)
	if err != nil {
		return err
	}
	rec, err := s.addressRecord(ctx, addr)
	if err != nil || rec.Alias == nil {
		return orMissing(op, err, "alias %s", addr)
	}
	members := s.members(ctx, addr)
	if err := s.revoke(ctx, addr); err != nil {
		return err
	}
	err = s.updateDirectory(ctx, op, func(tx kv.Tx) error {
		if err := deleteHints(tx, addr, 0); err != nil {
			return err
		}
		return tx.Delete(addressKey(addr))
	})
	if err == nil {
		s.tellMembers(members)
	}
	return err
}

// Aliases returns the aliases of a domain, or all where domain is empty.
func (s *Store) Aliases(ctx context.Context, domain string) (aliases []Alias, err error) {
	records, err := list[addressRecord](ctx, s, tableAddress, "aliases")
	domain = address.NormalizeDomain(domain)
	for _, r := range records {
		if r.Alias != nil && (domain == "" || domainOf(r.Alias.Address) == domain) {
			aliases = append(aliases, *r.Alias)
		}
	}
	return aliases, err
}

// Resolution is what a recipient address means here.
type Resolution struct {
	Local    bool      // its domain is kept here
	Accounts []Account // whose mail it is, each once
	Forward  []string  // addresses elsewhere that it goes on to, each once
	Detail   string    // of a subaddress: "list" of anna+list@
}

// LocalDomain reports whether a domain's mail is kept here.
func (s *Store) LocalDomain(ctx context.Context, name string) (bool, error) {
	d, err := s.Domain(ctx, name)
	if KindOf(err) == KindNotFound {
		return false, nil
	}
	return err == nil && !d.Disabled, err
}

// Resolve returns whose mail a recipient address is. The whole address is
// looked up first, then without its detail; postmaster@ and abuse@ of a domain
// always exist (RFC 5321 section 4.5.1, RFC 2142). With KindNotFound,
// Resolution.Local tells whether the domain is kept here.
func (s *Store) Resolve(ctx context.Context, addr string) (res Resolution, err error) {
	const op = "resolve address"
	if addr, err = NormalizeAddress(addr); err != nil {
		return res, &Error{Op: op, Kind: KindNotFound, Err: err}
	}
	d, err := s.Domain(ctx, domainOf(addr))
	if err != nil || d.Disabled {
		return res, orMissing(op, err, "domain of %s", addr)
	}
	res.Local = true
	err = s.resolve(ctx, addr, &res, 0)
	if KindOf(err) != KindNotFound {
		return res, err
	}
	local := localPart(addr)
	if user, detail, ok := address.SplitSubaddress(local, SubaddressSeparator); ok {
		res.Detail, local = detail, user
		if err = s.resolve(ctx, user+"@"+d.Name, &res, 0); KindOf(err) != KindNotFound {
			return res, err
		}
	}
	if local == "postmaster" || local == "abuse" {
		return res, s.resolvePostmaster(ctx, d, &res)
	}
	return res, err
}

func (s *Store) resolve(ctx context.Context, addr string, res *Resolution, depth int) error {
	rec, err := s.addressRecord(ctx, addr)
	if err != nil {
		return err
	}
	if rec.Alias == nil {
		account, err := s.Account(ctx, rec.Account)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(res.Accounts, func(a Account) bool { return a.ID == account.ID }) {
			res.Accounts = append(res.Accounts, account)
		}
		return nil
	}
	if depth >= maxAliasDepth {
		return fail("resolve address", KindLimit, "aliases point in a circle at %s", addr)
	}
	found := false
	for _, target := range rec.Alias.Targets {
		err := s.resolve(ctx, target, res, depth+1)
		if err != nil && KindOf(err) != KindNotFound {
			return err
		}
		found = found || err == nil
	}
	forward, err := s.forward(ctx, rec.Alias.Forward, res, depth)
	if err != nil {
		return err
	}
	if !found && !forward {
		return fail("resolve address", KindNotFound, "alias %s leads nowhere", addr)
	}
	return nil
}

// forward adds the addresses that an alias forwards to; one whose domain has come here since is
// resolved as any.
func (s *Store) forward(ctx context.Context, addresses []string, res *Resolution, depth int) (found bool, err error) {
	for _, to := range addresses {
		here, err := s.LocalDomain(ctx, domainOf(to))
		if err != nil {
			return false, err
		}
		if here {
			if to, err = NormalizeAddress(to); err == nil {
				err = s.resolve(ctx, to, res, depth+1)
			}
			if err != nil && KindOf(err) != KindNotFound {
				return false, err
			}
			found = found || err == nil
			continue
		}
		if found = true; !slices.Contains(res.Forward, to) {
			res.Forward = append(res.Forward, to)
		}
	}
	return found, nil
}

func (s *Store) resolvePostmaster(ctx context.Context, d Domain, res *Resolution) error {
	if d.Postmaster != "" {
		if err := s.resolve(ctx, d.Postmaster, res, 1); KindOf(err) != KindNotFound {
			return err
		}
	}
	accounts, err := s.Accounts(ctx, d.Name)
	if err != nil {
		return err
	}
	if len(accounts) == 0 {
		return fail("resolve address", KindNotFound, "%s has no account", d.Name)
	}
	res.Accounts = accounts[:1]
	return nil
}

// Credentials returns the passwords of an account.
func (s *Store) Credentials(ctx context.Context, a AccountID) (all []Credential, err error) {
	t := table(tableCredential)
	err = s.view(ctx, "list credentials", a, func(r kv.Reader) error {
		return scan(r, t, t.after(), func(_, b []byte) error {
			var c Credential
			if err := json.Unmarshal(b, &c); err != nil {
				return fmt.Errorf("credential: %w: %w", errDamaged, err)
			}
			all = append(all, c)
			return nil
		})
	})
	return all, err
}

// PutCredential adds a password to an account or changes it. Kind: KindNotFound.
func (s *Store) PutCredential(ctx context.Context, a AccountID, c Credential) error {
	return s.updateCredential(ctx, "store credential", a, func(tx kv.Tx) error {
		return setJSON(tx, credentialKey(c.ID), c)
	})
}

// DeleteCredential removes a password. Kind: KindNotFound.
func (s *Store) DeleteCredential(ctx context.Context, a AccountID, id string) error {
	return s.updateCredential(ctx, "delete credential", a, func(tx kv.Tx) error {
		if there, err := exists(tx, credentialKey(id)); err != nil || !there {
			return orMissing("delete credential", err, "credential %q", id)
		}
		return tx.Delete(credentialKey(id))
	})
}

// TouchCredential notes when a password was last used, without a new version
// of the account.
func (s *Store) TouchCredential(ctx context.Context, a AccountID, id string, at time.Time) error {
	err := s.records.Write(ctx, kv.Account(a), func(tx kv.Tx) error {
		var c Credential
		if err := getJSON(tx, credentialKey(id), &c, "credential", id); err != nil {
			return err
		}
		c.LastUsed = at.UTC()
		return setJSON(tx, credentialKey(id), c)
	})
	return wrap("touch credential", err)
}

// RehashCredential puts a hash of the same password, made with other costs, in the place of old, without a new version of the account.
// Nothing happens where the hash is not old any more: the password was changed meanwhile. Kind: KindNotFound.
func (s *Store) RehashCredential(ctx context.Context, a AccountID, id, old, hash string) error {
	err := s.records.Update(ctx, kv.Account(a), func(tx kv.Tx) error {
		var c Credential
		if err := getJSON(tx, credentialKey(id), &c, "credential", id); err != nil {
			return err
		}
		if c.Hash != old {
			return nil
		}
		c.Hash = hash
		return setJSON(tx, credentialKey(id), c)
	})
	return wrap("rehash credential", err)
}

// updateCredential changes the account's version before and after, so that
// nothing derived from the old password outlives it.
func (s *Store) updateCredential(ctx context.Context, op string, a AccountID, fn func(tx kv.Tx) error) error {
	if _, err := s.Account(ctx, a); err != nil {
		return err
	}
	if err := s.records.Update(ctx, kv.Account(a), fn); err != nil {
		return wrap(op, err)
	}
	_, err := s.UpdateAccount(ctx, a, func(*Account) error { return nil })
	return err
}

// Setting reads a small record that another package keeps, such as a list of
// bans; nil if there is none.
func (s *Store) Setting(ctx context.Context, name string) (value []byte, err error) {
	err = s.view(ctx, "read setting", AccountID(kv.System), func(r kv.Reader) error {
		b, _, err := r.Get(table(tableSetting).text(name))
		value = slices.Clone(b)
		return err
	})
	return value, err
}

// PutSetting keeps a small record, at most 1 MiB, for another package.
func (s *Store) PutSetting(ctx context.Context, name string, value []byte) error {
	if len(value) > 1<<20 {
		return fail("store setting", KindLimit, "%s has %d octets", name, len(value))
	}
	err := s.records.Update(ctx, kv.System, func(tx kv.Tx) error { return tx.Set(table(tableSetting).text(name), value) })
	return wrap("store setting", err)
}
