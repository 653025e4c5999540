package control

import (
	"context"
	"fmt"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/config"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/message/address"
	"github.com/postiljon/postiljon/internal/policy"
	"github.com/postiljon/postiljon/internal/store"
)

// ---- domains

func (s *Server) addDomain(ctx context.Context, r Name) (Domain, error) {
	if err := s.Store.CreateDomain(ctx, store.Domain{Name: r.Name}); err != nil {
		switch store.KindOf(err) {
		case store.KindExists:
			return Domain{}, taken("", "domain %s is here already", r.Name)
		case store.KindInvalid:
			return Domain{}, invalid("%q is no domain name", r.Name)
		}
		return Domain{}, err
	}
	s.makeKeys(ctx, r.Name)
	return s.showDomain(ctx, r)
}

func (s *Server) listDomains(ctx context.Context, _ None) ([]Domain, error) {
	domains, err := s.Store.Domains(ctx)
	if err != nil {
		return nil, err
	}
	accounts, aliases, err := s.counts(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]Domain, len(domains))
	for i, d := range domains {
		all[i] = s.domain(&d, accounts[d.Name], aliases[d.Name])
	}
	return all, nil
}

// counts are how many accounts and aliases each domain has.
func (s *Server) counts(ctx context.Context) (accounts, aliases map[string]int, err error) {
	accounts, aliases = map[string]int{}, map[string]int{}
	a, err := s.Store.Accounts(ctx, "")
	if err != nil {
		return nil, nil, err
	}
	for i := range a {
		accounts[a[i].Domain()]++
	}
	l, err := s.Store.Aliases(ctx, "")
	for _, alias := range l {
		aliases[domainOf(alias.Address)]++
	}
	return accounts, aliases, err
}

func domainOf(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }

func (s *Server) domain(d *store.Domain, accounts, aliases int) Domain {
	meter := s.Sending.DomainMeter(d)
	return Domain{
		Name: d.Name, Created: d.Created, Disabled: d.Disabled, Postmaster: d.Postmaster,
		Accounts: accounts, Aliases: aliases, Sent: meter.Used, SentLimit: meter.Limit, Plan: d.Plan, Sending: d.Sending, Quota: d.Quota,
	}
}

func (s *Server) showDomain(ctx context.Context, r Name) (Domain, error) {
	d, err := s.Store.Domain(ctx, r.Name)
	if err != nil {
		return Domain{}, s.noDomain(ctx, r.Name, "", err)
	}
	accounts, aliases, err := s.counts(ctx)
	if err != nil {
		return Domain{}, err
	}
	one := s.domain(&d, accounts[d.Name], aliases[d.Name])
	one.Used, err = s.Domains.Used(ctx, d.Name)
	return one, err
}

// noDomain explains a domain that was not found, and what was probably meant.
// About is what the domain was part of, "" for the domain itself.
func (s *Server) noDomain(ctx context.Context, name, about string, err error) error {
	if store.KindOf(err) != store.KindNotFound {
		return err
	}
	domains, err := s.Store.Domains(ctx)
	if err != nil {
		return err
	}
	names := make([]string, len(domains))
	for i, d := range domains {
		names[i] = d.Name
	}
	what := "domain " + name + ": no such domain"
	if about != "" {
		what = about + ": no such domain"
	}
	if best := config.Nearest(name, names); best != "" {
		return missing("", "%s; did you mean %s?", what, best)
	}
	return missing("'postiljon domain list' shows the domains, 'postiljon domain add' makes one.", "%s", what)
}

func (s *Server) changeDomain(ctx context.Context, r ChangeDomain) (Domain, error) {
	if r.Postmaster != nil && *r.Postmaster != "" {
		if _, err := s.Store.Resolve(ctx, *r.Postmaster); err != nil {
			return Domain{}, s.noAccount(ctx, *r.Postmaster, err)
		}
	}
	if err := s.checkLimits(&r.ChangeLimits); err != nil {
		return Domain{}, err
	}
	if r.Quota != nil && *r.Quota < 0 {
		return Domain{}, invalid("a quota of %d octets is below zero", *r.Quota)
	}
	err := s.Store.UpdateDomain(ctx, r.Name, func(d *store.Domain) error {
		set(&d.Quota, r.Quota)
		set(&d.Disabled, r.Disabled)
		set(&d.Postmaster, r.Postmaster)
		r.ChangeLimits.apply(&d.Plan, &d.Sending)
		return nil
	})
	if err != nil {
		return Domain{}, s.noDomain(ctx, r.Name, "", err)
	}
	if r.ChangeLimits.some() {
		s.Sending.Reconsider(address.NormalizeDomain(r.Name))
		if err := s.sendAll(ctx, r.Name); err != nil {
			return Domain{}, err
		}
	}
	return s.showDomain(ctx, Name{r.Name})
}

func set[T any](to *T, value *T) {
	if value != nil {
		*to = *value
	}
}

func (s *Server) removeDomain(ctx context.Context, r Name) (None, error) {
	err := s.Store.DeleteDomain(ctx, r.Name)
	if store.KindOf(err) == store.KindInUse {
		return None{}, taken("Remove them first: 'postiljon account list "+r.Name+"', 'postiljon alias list "+r.Name+"'.",
			"domain %s still has accounts or aliases", r.Name)
	}
	if err != nil {
		return None{}, s.noDomain(ctx, r.Name, "", err)
	}
	return None{}, s.forgetKeys(ctx, r.Name)
}

// ---- accounts

func (s *Server) addAccount(ctx context.Context, r NewAccount) (Password, error) {
	a := store.Account{Address: r.Address, Name: r.Name, Quota: r.Quota, Language: r.Language}
	if err := checkAccount(&a); err != nil {
		return Password{}, err
	}
	answer := Password{}
	if r.Password == "" {
		r.Password = policy.GeneratePassword()
		answer.Password = r.Password
	}
	credential, err := policy.NewPassword(ctx, s.Hasher, r.Password, s.Store.Now())
	if err != nil {
		return Password{}, err
	}
	made, err := s.Store.CreateAccount(ctx, a, credential)
	switch store.KindOf(err) {
	case store.KindExists:
		return Password{}, taken("", "%s is an account or an alias already", r.Address)
	case store.KindNotFound:
		return Password{}, s.noDomain(ctx, domainOf(r.Address), "account "+r.Address, err)
	}
	if err != nil {
		return Password{}, err
	}
	s.note(ctx, journal.AccountCreated, made.ID, store.Field{Name: "to", Value: made.Address})
	answer.Address, answer.ID = made.Address, credential.ID
	return answer, nil
}

// checkAccount brings the values of an account into their form, or says what
// is wrong with them.
func checkAccount(a *store.Account) error {
	address, err := store.NormalizeAddress(a.Address)
	switch {
	case err != nil:
		return invalid("%q is no mail address", a.Address)
	case a.Quota < 0:
		return invalid("a quota of %d octets is below zero", a.Quota)
	case a.Language != "" && string(cause.ParseLang(a.Language)) != a.Language:
		return invalid("language %q is not sv, nb or en", a.Language)
	}
	a.Address = address
	return nil
}

// note leaves an event of what an operator did.
func (s *Server) note(ctx context.Context, kind string, id store.AccountID, fields ...store.Field) {
	now := s.Store.Now()
	s.Journal.Record(ctx, store.Event{Time: now, Trace: store.NewTraceID(now), Kind: kind, Account: id, Fields: fields})
}

func (s *Server) find(ctx context.Context, address string) (store.Account, error) {
	a, err := s.Store.AccountByAddress(ctx, address)
	if err != nil {
		return a, s.noAccount(ctx, address, err)
	}
	return a, nil
}

// noAccount explains an address that was not found.
func (s *Server) noAccount(ctx context.Context, address string, err error) error {
	if store.KindOf(err) != store.KindNotFound {
		return err
	}
	if !strings.Contains(address, "@") {
		return invalid("%q is no mail address", address)
	}
	domain := domainOf(address)
	if local, err := s.Store.LocalDomain(ctx, domain); err != nil || !local {
		return s.noDomain(ctx, domain, "account "+address, &store.Error{Kind: store.KindNotFound, Err: fmt.Errorf("no such domain")})
	}
	accounts, err := s.Store.Accounts(ctx, domain)
	if err != nil {
		return err
	}
	names := make([]string, len(accounts))
	for i := range accounts {
		names[i] = accounts[i].Address
	}
	if r, err := s.Store.Resolve(ctx, address); err == nil && len(r.Accounts) > 0 {
		return missing("", "account %s: no such account; it is an alias of %s", address, r.Accounts[0].Address)
	}
	if best := config.Nearest(strings.ToLower(address), names); best != "" {
		return missing("", "account %s: no such account; did you mean %s?", address, best)
	}
	return missing("'postiljon account list "+domain+"' shows the accounts.", "account %s: no such account", address)
}

func (s *Server) listAccounts(ctx context.Context, r Name) ([]Account, error) {
	if r.Name != "" {
		if _, err := s.Store.Domain(ctx, r.Name); err != nil {
			return nil, s.noDomain(ctx, r.Name, "", err)
		}
	}
	accounts, err := s.Store.Accounts(ctx, r.Name)
	if err != nil {
		return nil, err
	}
	all := make([]Account, len(accounts))
	for i := range accounts {
		if all[i], err = s.account(ctx, &accounts[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (s *Server) account(ctx context.Context, a *store.Account) (Account, error) {
	u, err := s.Store.Usage(ctx, a.ID)
	if err != nil {
		return Account{}, err
	}
	meters, err := s.Sending.Meters(ctx, a)
	if err != nil {
		return Account{}, err
	}
	return Account{
		Address: a.Address, Name: a.Name, Created: a.Created, Disabled: a.Disabled, Suspended: a.Suspended,
		Protocols: protocolNames(a.Protocols), Language: a.Language, Quota: a.Quota,
		Used: u.Size, Emails: u.Emails, Sent: meters[0].Used, SentLimit: meters[0].Limit,
		Plan: a.Plan, Sending: a.Sending, Meters: metersOf(meters), TwoStep: a.TwoStep,
	}, nil
}

func (s *Server) showAccount(ctx context.Context, r Name) (Account, error) {
	a, err := s.find(ctx, r.Name)
	if err != nil {
		return Account{}, err
	}
	answer, err := s.account(ctx, &a)
	if err != nil {
		return Account{}, err
	}
	mailboxes, err := s.Store.Mailboxes(ctx, a.ID)
	if err != nil {
		return Account{}, err
	}
	for _, m := range mailboxes {
		answer.Mailboxes = append(answer.Mailboxes, Mailbox{
			Name: m.Name, Role: string(m.Role), Messages: m.Messages, Unseen: m.Unseen, Size: m.Size,
		})
	}
	credentials, err := s.Store.Credentials(ctx, a.ID)
	if err != nil {
		return Account{}, err
	}
	for _, c := range credentials {
		answer.Passwords = append(answer.Passwords, secret(&c))
	}
	passkeys, err := s.Store.Passkeys(ctx, a.ID)
	if err != nil {
		return Account{}, err
	}
	browsers, err := s.Store.WebSessions(ctx, a.ID)
	if err != nil {
		return Account{}, err
	}
	beside, err := s.Store.WebSecurity(ctx, a.ID)
	answer.Passkeys, answer.Browsers = len(passkeys), len(browsers)
	if r := beside.Recovery; r.Address != "" {
		answer.Recovery = &Recovery{Address: r.Masked(), Proven: r.Since}
	}
	return answer, err
}

func (s *Server) signOut(ctx context.Context, r Name) (None, error) {
	a, err := s.find(ctx, r.Name)
	if err != nil {
		return None{}, err
	}
	s.SignOut(a.ID)
	s.note(ctx, journal.SessionEnded, a.ID)
	return None{}, nil
}

func secret(c *store.Credential) Secret {
	return Secret{
		ID: c.ID, Name: c.Name, App: c.App, Token: c.Token, Protocols: protocolNames(c.Protocols),
		Created: c.Created, LastUsed: c.LastUsed, Expires: c.Expires, Revoked: c.Revoked,
	}
}

func (s *Server) changeAccount(ctx context.Context, r ChangeAccount) (Account, error) {
	a, err := s.find(ctx, r.Address)
	if err != nil {
		return Account{}, err
	}
	var protocols *store.Protocol
	if r.Protocols != nil {
		p, err := parseProtocols(*r.Protocols)
		if err != nil {
			return Account{}, err
		}
		protocols = &p
	}
	if r.Suspended != nil && *r.Suspended != "" {
		if _, ok := s.Catalogue.Cause(*r.Suspended); !ok || !strings.HasPrefix(string(*r.Suspended), "account.") {
			return Account{}, invalid("%q is no cause to suspend an account for; 'postiljon causes account' lists them", *r.Suspended)
		}
	}
	if err := s.checkLimits(&r.ChangeLimits); err != nil {
		return Account{}, err
	}
	changed, err := s.Store.UpdateAccount(ctx, a.ID, func(a *store.Account) error {
		set(&a.Disabled, r.Disabled)
		set(&a.Suspended, r.Suspended)
		set(&a.Quota, r.Quota)
		set(&a.Name, r.Name)
		set(&a.Language, r.Language)
		set(&a.Protocols, protocols)
		a.TwoStep = a.TwoStep && !r.NoSecondStep
		r.ChangeLimits.apply(&a.Plan, &a.Sending)
		return checkAccount(a)
	})
	if err != nil {
		return Account{}, err
	}
	if err := s.Store.NameIdentities(ctx, &changed, a.Name); err != nil {
		return Account{}, err
	}
	if changed.Disabled != a.Disabled || changed.Suspended != a.Suspended || changed.Protocols != a.Protocols {
		s.SignOut(a.ID)
	}
	if a.TwoStep && r.NoSecondStep {
		if err := s.Store.DeleteSecondStep(ctx, a.ID); err != nil {
			return Account{}, err
		}
		s.note(ctx, journal.SecondStepOff, a.ID)
	}
	if r.NoRecovery {
		if _, err := s.forgetRecovery(ctx, a.ID); err != nil {
			return Account{}, err
		}
	}
	if r.ChangeLimits.some() {
		s.Sending.Reconsider(a.Address)
		s.Queue.Reopened(a.ID)
	}
	s.note(ctx, journal.AccountChanged, a.ID, store.Field{Name: "to", Value: a.Address})
	return s.account(ctx, &changed)
}

func (s *Server) removeAccount(ctx context.Context, r Name) (None, error) {
	a, err := s.find(ctx, r.Name)
	if err != nil {
		return None{}, err
	}
	if err := s.Store.DeleteAccount(ctx, a.ID); err != nil {
		return None{}, err
	}
	s.SignOut(a.ID)
	s.note(ctx, journal.AccountDeleted, 0, store.Field{Name: "to", Value: a.Address})
	return None{}, nil
}

// ---- aliases

func (s *Server) addAlias(ctx context.Context, r Alias) (Alias, error) {
	if len(r.Targets)+len(r.Forward) == 0 {
		return Alias{}, invalid("alias %s goes nowhere", r.Address)
	}
	err := s.Store.CreateAlias(ctx, store.Alias{Address: r.Address, Targets: r.Targets, Forward: r.Forward})
	switch store.KindOf(err) {
	case store.KindInvalid:
		for _, to := range r.Forward {
			if local, lerr := s.Store.LocalDomain(ctx, domainOf(to)); lerr == nil && local {
				return Alias{}, invalid("%s is an address here, so it needs no --to", to)
			}
			if _, perr := store.NormalizeAddress(to); perr != nil {
				return Alias{}, invalid("%q is no mail address", to)
			}
		}
	case store.KindExists:
		return Alias{}, taken("", "%s is an account or an alias already", r.Address)
	case store.KindNotFound:
		if local, lerr := s.Store.LocalDomain(ctx, domainOf(r.Address)); lerr == nil && !local {
			return Alias{}, s.noDomain(ctx, domainOf(r.Address), "alias "+r.Address, err)
		}
		for _, target := range r.Targets {
			if _, terr := s.Store.Resolve(ctx, target); terr != nil {
				return Alias{}, s.noAccount(ctx, target, terr)
			}
		}
	}
	return r, err
}

func (s *Server) listAliases(ctx context.Context, r Name) ([]Alias, error) {
	if r.Name != "" {
		if _, err := s.Store.Domain(ctx, r.Name); err != nil {
			return nil, s.noDomain(ctx, r.Name, "", err)
		}
	}
	aliases, err := s.Store.Aliases(ctx, r.Name)
	all := make([]Alias, len(aliases))
	for i, a := range aliases {
		all[i] = Alias(a)
	}
	return all, err
}

func (s *Server) removeAlias(ctx context.Context, r Name) (None, error) {
	err := s.Store.DeleteAlias(ctx, r.Name)
	if store.KindOf(err) == store.KindNotFound {
		return None{}, missing("'postiljon alias list' shows the aliases.", "alias %s: no such alias", r.Name)
	}
	return None{}, err
}
