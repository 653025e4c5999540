package doctor_test

import (
	"strings"
	"testing"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/lab"
	"github.com/postiljon/postiljon/test/harness"
)

// configuration lets limits be reached soon, and nobody wait.
const configuration = `
[auth]
tokens = true
[guard]
free_failures = 100
address_failures = 1000
block_failures = 1000
account_failures = 5
[limits]
message_size = "1MB"
exempt = ["127.0.0.0/8"]
`

// Postiljon's own accounts, in every state that they can have.
func TestPostiljon(t *testing.T) {
	t.Parallel()
	w := lab.New(t)
	w.Provider("south.example").Account("bo@south.example", "annat")
	p, err := w.RunPostiljon(harness.Binary(t), "north.example", configuration)
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, w, "north.example")
	command := func(t *testing.T, args ...string) {
		t.Helper()
		if _, err := p.Command(args...); err != nil {
			t.Error(err)
		}
	}
	does := func(args ...string) func(*testing.T, *bench, *doctor.Case) {
		return func(t *testing.T, _ *bench, c *doctor.Case) {
			for i := range args {
				if args[i] == "@" {
					args[i] = c.Address
				}
			}
			command(t, args...)
		}
	}
	scenes := []scene{
		{name: "well", account: "anna"},
		{name: "unpaid", account: "unpaid", make: does("account", "suspend", "@", "--cause", "account.suspended-unpaid"), want: []cause.ID{cause.AccountSuspendedUnpaid}},
		{name: "being moved", account: "moved", make: does("account", "suspend", "@", "--cause", "account.maintenance"), want: []cause.ID{cause.AccountMaintenance}},
		{name: "mail off", account: "off", make: does("account", "disable", "@"), want: []cause.ID{cause.AccountMailDisabled}},
		{name: "IMAP off", account: "noimap", make: does("account", "change", "@", "--protocols", "pop3,submission"), want: []cause.ID{cause.AccountProtocolDisabled}},
		{name: "sending off", account: "nosend", make: does("account", "change", "@", "--protocols", "imap,pop3"), want: []cause.ID{cause.AccountProtocolDisabled}},
		{name: "wrong password", account: "wrong", make: func(_ *testing.T, _ *bench, c *doctor.Case) { c.Password = "fjord 1999" }, want: []cause.ID{cause.AuthPasswordWrong}},
		{name: "a space behind the password", account: "space", make: func(_ *testing.T, _ *bench, c *doctor.Case) { c.Password += " " }, want: []cause.ID{cause.AuthInvisibleCharacter}},
		{name: "full", account: "full", make: func(t *testing.T, b *bench, c *doctor.Case) {
			b.put(t, "full", 30<<10)
			command(t, "account", "quota", c.Address, "30KB")
		}, want: []cause.ID{cause.QuotaMailboxFull}},
		{name: "locked after wrong passwords", account: "locked", make: func(t *testing.T, b *bench, c *doctor.Case) {
			for _, wrong := range strings.Fields("en to tre fire fem seks") {
				s := b.open(t, "imap", 993)
				s.say(t, "", "* OK")
				s.say(t, "a LOGIN "+c.Address+" "+wrong, "a NO")
			}
		}, want: []cause.ID{cause.AccountLockedOut}},
		{name: "the hour's limit", account: "busy", make: func(t *testing.T, b *bench, c *doctor.Case) {
			command(t, "account", "change", c.Address, "--hourly", "2")
			s := b.sends(t, "busy")
			for range 3 {
				s.mail(t, c.Address, c.Address)
			}
		}, want: []cause.ID{cause.LimitAddressHourly}},
		{name: "too large", account: "film", make: func(_ *testing.T, _ *bench, c *doctor.Case) {
			c.Symptom, c.Recipient, c.Letter = evidence.OneMessage, "bo@south.example", eml(c.Address, "bo@south.example", 2<<20)
		}, want: []cause.ID{cause.ContentTooLargeOwn}},
		{name: "POP3 is held by another device", account: "held", make: func(t *testing.T, b *bench, c *doctor.Case) {
			b.fetches(t, "held")
			c.Given[0] = evidence.Endpoint{Protocol: evidence.POP3, Host: "pop.north.example", Port: 995, Security: evidence.TLS, Origin: evidence.Given}
		}, want: []cause.ID{cause.POP3Locked}},
		{name: "a token that was revoked", account: "token", make: func(t *testing.T, _ *bench, c *doctor.Case) {
			out, err := p.Command("token", "add", c.Address, "phone")
			if err != nil {
				t.Error(err)
				return
			}
			for _, word := range strings.Fields(out) {
				if len(word) > len(c.Password) {
					c.Password = word
				}
			}
			command(t, "token", "revoke", c.Address, "phone")
			c.Client = &evidence.ClientState{Account: &evidence.ClientAccount{AuthMethod: "oauth2"}}
		}, want: []cause.ID{cause.AuthTokenRevoked}},
		{name: "no such account", account: "nobody", want: []cause.ID{cause.AccountGone}},
		{name: "the other's address as sender", account: "from", make: func(t *testing.T, b *bench, c *doctor.Case) {
			waits(c, b.sends(t, "from").mail(t, "anna@north.example", "bo@south.example"), "bo@south.example")
		}, want: []cause.ID{cause.ClientFromNotOwned}},
		{name: "the recipient is not there", account: "typo", make: func(_ *testing.T, _ *bench, c *doctor.Case) {
			c.Symptom, c.Recipient = evidence.OneMessage, "ana@north.example"
		}, want: []cause.ID{cause.RecipientUnknown}},
	}
	for _, s := range scenes {
		if s.account == "nobody" {
			continue
		}
		if err := p.AddAccount(b.at(s.account), password); err != nil {
			t.Fatal(err)
		}
	}
	b.look(t, scenes)
}
