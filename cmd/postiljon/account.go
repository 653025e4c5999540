package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/control"
)

type accountCommand struct {
	Add     accountAdd     `cmd:"" help:"Add an account."`
	List    accountList    `cmd:"" help:"List the accounts, of all domains or of one."`
	Show    accountShow    `cmd:"" help:"Show an account with its mailboxes and passwords."`
	Change  accountChange  `cmd:"" help:"Change name, language, protocols or sending limits."`
	Quota   accountQuota   `cmd:"" help:"Set how much mail an account may keep."`
	Enable  accountEnable  `cmd:"" help:"Switch mail on and end a suspension."`
	Disable accountDisable `cmd:"" help:"Switch mail off; nothing is lost."`
	Suspend accountSuspend `cmd:"" help:"Suspend an account, for a cause that is told to its holder."`
	Signout accountSignout `cmd:"" help:"Sign out all mail programs and browsers of an account."`
	Remove  accountRemove  `cmd:"" help:"Remove an account with all its mail."`
}

type accountAdd struct {
	Address  string `arg:"" help:"Address of the account."`
	Name     string `help:"Name of its holder."`
	Quota    string `placeholder:"SIZE" help:"How much mail it may keep, such as 5GB (default: no bound)."`
	Language string `placeholder:"LANG" help:"Language of reports to it: sv, nb or en."`
	passwordFlags
}

// Run adds an account.
func (a *accountAdd) Run(ctx context.Context, s *streams, c *commands) error {
	quota, err := parseQuota(a.Quota)
	if err != nil {
		return err
	}
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	password, err := a.password(s)
	if err != nil {
		return err
	}
	made, err := client.AddAccount(ctx, control.NewAccount{
		Address: a.Address, Name: a.Name, Password: password, Quota: quota, Language: a.Language,
	})
	if err != nil {
		return err
	}
	if made.Password != "" {
		return s.say("Added %s with the password %s", made.Address, s.bold(made.Password))
	}
	return s.say("Added %s.", made.Address)
}

type accountList struct {
	Domain string `arg:"" optional:"" help:"Only accounts of this domain."`
	outputFlags
}

// Run lists accounts.
func (a *accountList) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	accounts, err := client.Accounts(ctx, a.Domain)
	if err != nil {
		return err
	}
	if a.JSON {
		return printJSON(s, accounts)
	}
	t := table{heading: []string{"ACCOUNT", "NAME", "EMAILS", "STORAGE", "SENT THIS HOUR", "STATE"}}
	for _, one := range accounts {
		t.add(one.Address, one.Name, strconv.FormatInt(one.Emails, 10), quotaText(one.Used, one.Quota),
			fmt.Sprintf("%d of %d", one.Sent, one.SentLimit), stateText(one.Disabled, string(one.Suspended)))
	}
	return t.write(s)
}

type accountShow struct {
	Address string `arg:"" help:"Address of the account."`
	outputFlags
}

// Run shows an account.
func (a *accountShow) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	one, err := client.Account(ctx, a.Address)
	if err != nil {
		return err
	}
	if a.JSON {
		return printJSON(s, one)
	}
	err = pairs(s.out, "Account", one.Address, "Name", one.Name, "State", stateText(one.Disabled, string(one.Suspended)),
		"Since", moment(one.Created), "Language", one.Language, "Protocols", strings.Join(one.Protocols, " "),
		"Storage", quotaText(one.Used, one.Quota), "Emails", strconv.FormatInt(one.Emails, 10),
		"Sent this hour", fmt.Sprintf("%d of %d", one.Sent, one.SentLimit), "Limits", planText(one.Plan, &one.Sending),
		"On the web", webText(&one), "Forgotten password", recoveryText(one.Recovery))
	if err != nil {
		return err
	}
	mailboxes := table{heading: []string{"MAILBOX", "EMAILS", "UNSEEN", "SIZE"}}
	for _, m := range one.Mailboxes {
		mailboxes.add(m.Name, strconv.Itoa(int(m.Messages)), strconv.Itoa(int(m.Unseen)), octets(m.Size))
	}
	if err := s.say(""); err != nil {
		return err
	}
	if err := mailboxes.write(s); err != nil {
		return err
	}
	if err := s.say(""); err != nil {
		return err
	}
	return passwordTable(one.Passwords).write(s)
}

// webText says how an account is signed in to on the web.
func webText(one *control.Account) string {
	step := "no second step"
	if one.TwoStep {
		step = "with a second step"
	}
	return fmt.Sprintf("%s, passkeys: %d, browsers signed in: %d", step, one.Passkeys, one.Browsers)
}

// recoveryText says where a link goes when the password is forgotten.
func recoveryText(r *control.Recovery) string {
	if r == nil {
		return "no address for a link"
	}
	return fmt.Sprintf("links go to %s, proven %s", r.Address, moment(r.Proven))
}

func passwordTable(all []control.Secret) *table {
	t := &table{heading: []string{"PASSWORD", "KIND", "PROTOCOLS", "MADE", "LAST USED"}}
	for _, p := range all {
		name, kind := p.Name, "of the account"
		switch {
		case p.Token && p.Revoked.IsZero():
			kind = "token"
		case p.Token:
			kind = "token, revoked"
		case p.App:
			kind = "of an app"
		}
		if name == "" {
			name = p.ID
		}
		t.add(name, kind, strings.Join(p.Protocols, " "), moment(p.Created), moment(p.LastUsed))
	}
	return t
}

type accountChange struct {
	Address   string   `arg:"" help:"Address of the account."`
	Name      *string  `help:"Name of its holder."`
	Language  *string  `placeholder:"LANG" help:"Language of reports to it: sv, nb or en."`
	Protocols []string `placeholder:"P,..." help:"Protocols switched on: imap, pop3, submission, jmap, web."`
	// There is no switching on: only the holder has the app.
	NoSecondStep bool `help:"Switch the second step of signing in off, for a holder who has lost app and recovery codes. Make sure who it is."`
	NoRecovery   bool `name:"no-recovery-address" help:"Send no links for a forgotten password any more to the address that is set for that; its holder can give one again."`
	limitFlags
}

// Run changes an account.
func (a *accountChange) Run(ctx context.Context, s *streams, c *commands) error {
	change := control.ChangeAccount{Address: a.Address, Name: a.Name, Language: a.Language}
	if len(a.Protocols) > 0 {
		change.Protocols = &a.Protocols
	}
	change.NoSecondStep, change.NoRecovery = a.NoSecondStep, a.NoRecovery
	change.ChangeLimits = a.change()
	if a.Name == nil && a.Language == nil && change.Protocols == nil && !a.NoSecondStep && !a.NoRecovery && !a.given() {
		return usagef("nothing to change; give --name, --language, --protocols, --no-second-step, --no-recovery-address, --plan, --hourly or --recipients")
	}
	return changeAccount(ctx, c, change, func(one control.Account) error { return s.say("Changed %s.", one.Address) })
}

func changeAccount(ctx context.Context, c *commands, change control.ChangeAccount, then func(control.Account) error) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	changed, err := client.ChangeAccount(ctx, change)
	if err != nil {
		return err
	}
	return then(changed)
}

type accountQuota struct {
	Address string `arg:"" help:"Address of the account."`
	Size    string `arg:"" help:"How much mail it may keep, such as 5GB, or none."`
}

// Run sets a quota.
func (a *accountQuota) Run(ctx context.Context, s *streams, c *commands) error {
	quota, err := parseQuota(a.Size)
	if err != nil {
		return err
	}
	return changeAccount(ctx, c, control.ChangeAccount{Address: a.Address, Quota: &quota}, func(one control.Account) error {
		if quota == 0 {
			return s.say("%s may keep as much as there is room for; it uses %s.", one.Address, octets(one.Used))
		}
		return s.say("%s uses %s.", one.Address, quotaText(one.Used, one.Quota))
	})
}

type accountEnable struct {
	Address string `arg:"" help:"Address of the account."`
}

// Run switches mail on.
func (a *accountEnable) Run(ctx context.Context, s *streams, c *commands) error {
	off, none := false, cause.ID("")
	return changeAccount(ctx, c, control.ChangeAccount{Address: a.Address, Disabled: &off, Suspended: &none},
		func(one control.Account) error { return s.say("%s is on.", one.Address) })
}

type accountDisable struct {
	Address string `arg:"" help:"Address of the account."`
}

// Run switches mail off.
func (a *accountDisable) Run(ctx context.Context, s *streams, c *commands) error {
	off := true
	return changeAccount(ctx, c, control.ChangeAccount{Address: a.Address, Disabled: &off},
		func(one control.Account) error { return s.say("%s is off; its mail is kept.", one.Address) })
}

type accountSuspend struct {
	Address string   `arg:"" help:"Address of the account."`
	Cause   cause.ID `required:"" placeholder:"CAUSE" help:"Why, such as account.suspended-unpaid or account.blocked-abuse; 'postiljon causes account' lists them."`
}

// Run suspends an account.
func (a *accountSuspend) Run(ctx context.Context, s *streams, c *commands) error {
	return changeAccount(ctx, c, control.ChangeAccount{Address: a.Address, Suspended: &a.Cause}, func(one control.Account) error {
		return s.say("%s is suspended for %s; its mail is kept. 'postiljon account enable %s' ends it.", one.Address, a.Cause, one.Address)
	})
}

type accountSignout struct {
	Address string `arg:"" help:"Address of the account."`
}

// Run ends all that is signed in to an account.
func (a *accountSignout) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.SignOut(ctx, a.Address); err != nil {
		return err
	}
	return s.say("Signed out everything of %s.", a.Address)
}

type accountRemove struct {
	Address string `arg:"" help:"Address of the account."`
	Yes     bool   `help:"Do not ask."`
}

// Run removes an account with all its mail.
func (a *accountRemove) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	one, err := client.Account(ctx, a.Address)
	if err != nil {
		return err
	}
	question := fmt.Sprintf("%s has %d emails (%s); they are lost for ever.", one.Address, one.Emails, octets(one.Used))
	if err := confirm(s, a.Yes, question); err != nil {
		return err
	}
	if err := client.RemoveAccount(ctx, a.Address); err != nil {
		return err
	}
	return s.say("Removed %s.", one.Address)
}
