package doctor_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/lab"
	"github.com/postiljon/postiljon/internal/lab/ca"
	"github.com/postiljon/postiljon/internal/lab/real"
)

// accounts of Debian's Dovecot, which Postfix asks about them.
func accounts(domain string, names ...string) (all []real.MailAccount) {
	for _, name := range names {
		a := real.MailAccount{Address: name + "@" + domain, Password: password}
		switch name {
		case "full":
			a.Quota = "10K"
		case "off":
			a.Extra = "nologin=y" // for Dovecot's own protocols
		}
		all = append(all, a)
	}
	return all
}

// noPenalty keeps Dovecot from answering all clients of an address late once one of them was wrong.
const noPenalty = "service anvil {\n  unix_listener anvil-auth-penalty {\n    mode = 0\n  }\n}\n"

// needsDebian ends the test where the two are not to be had: they need root.
func needsDebian(t *testing.T) bool {
	t.Helper()
	if os.Geteuid() == 0 {
		return true
	}
	t.Log("Postfix and Dovecot need root")
	return false
}

// Debian's Dovecot and Postfix, with what goes wrong there.
func TestDebian(t *testing.T) {
	t.Parallel()
	if !needsDebian(t) {
		return
	}
	w := lab.New(t)
	w.Provider("south.example").Account("bo@south.example", "annat")
	d, err := w.RunPostfixDovecot("east.example", accounts("east.example", "anna", "wrong", "plain", "full", "off", "held", "many", "film", "auth", "from", "spam", "typo"), func(o *real.PostfixDovecotOptions) {
		o.Dovecot = noPenalty + "protocol pop3 {\n  pop3_lock_session = yes\n}\nprotocol imap {\n  mail_max_userip_connections = 3\n}\n"
		o.Postfix = "message_size_limit = 100000\nheader_checks = regexp:{{/^Subject: Win/ REJECT Message content rejected as spam}}\n"
	})
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, w, "east.example")
	b.look(t, []scene{
		{name: "well", account: "anna"},
		{name: "wrong password", account: "wrong", make: func(_ *testing.T, _ *bench, c *doctor.Case) { c.Password = "fjord 1999" }, want: []cause.ID{cause.AuthPasswordWrong}},
		{name: "encryption is off in the program", account: "plain", make: func(_ *testing.T, _ *bench, c *doctor.Case) {
			c.Given[0].Port, c.Given[0].Security = 143, evidence.Plain
		}, want: []cause.ID{cause.AuthPlaintextRefused}},
		{name: "full", account: "full", make: func(t *testing.T, b *bench, _ *doctor.Case) { b.put(t, "full", 9000) }, want: []cause.ID{cause.QuotaMailboxFull}, state: doctor.Likely},
		{name: "reading is switched off", account: "off", want: []cause.ID{cause.AccountProtocolDisabled}},
		{name: "POP3 is held by another device", account: "held", make: func(t *testing.T, b *bench, c *doctor.Case) {
			b.fetches(t, "held")
			c.Given[0] = evidence.Endpoint{Protocol: evidence.POP3, Host: "pop.east.example", Port: 995, Security: evidence.TLS, Origin: evidence.Given}
		}, want: []cause.ID{cause.POP3Locked}, state: doctor.Likely},
		{name: "too many programs at once", account: "many", make: func(t *testing.T, b *bench, _ *doctor.Case) {
			for range 3 {
				b.reads(t, "many")
			}
		}, want: []cause.ID{cause.LimitConnections}},
		{name: "too large", account: "film", make: func(_ *testing.T, _ *bench, c *doctor.Case) {
			c.Symptom, c.Recipient, c.Letter = evidence.OneMessage, "bo@south.example", eml(c.Address, "bo@south.example", 200<<10)
		}, want: []cause.ID{cause.ContentTooLargeOwn}},
		{name: "the program does not sign in to send", account: "auth", make: func(t *testing.T, b *bench, c *doctor.Case) {
			s := b.open(t, "smtp", 465)
			s.say(t, "", "220 ")
			s.say(t, "EHLO home.example", "250 ")
			waits(c, s.mail(t, c.Address, "bo@south.example"), "bo@south.example")
		}, want: []cause.ID{cause.ClientSMTPAuthOff}},
		{name: "the other's address as sender", account: "from", make: func(t *testing.T, b *bench, c *doctor.Case) {
			waits(c, b.sends(t, "from").mail(t, b.at("anna"), "bo@south.example"), "bo@south.example")
		}, want: []cause.ID{cause.ClientFromNotOwned}},
		{name: "refused for a header", account: "spam", make: func(t *testing.T, b *bench, c *doctor.Case) {
			waits(c, b.sends(t, "spam").mail(t, c.Address, b.at("anna"), "Subject: Win now"), b.at("anna"))
		}, want: []cause.ID{cause.ContentLooksLikeSpam}},
		{name: "the recipient is not there", account: "typo", make: func(_ *testing.T, b *bench, c *doctor.Case) {
			c.Symptom, c.Recipient = evidence.OneMessage, b.at("ana")
		}, want: []cause.ID{cause.RecipientUnknown}},
		{name: "no such account", account: "nobody", want: []cause.ID{cause.AccountGone}},
	})
	d.Host.Shut(587)
	b.look(t, []scene{{name: "port 587 is closed", account: "anna", make: func(_ *testing.T, _ *bench, c *doctor.Case) {
		c.Given[1].Port, c.Given[1].Security = 587, evidence.STARTTLS
	}, want: []cause.ID{cause.ClientWrongPort}, state: doctor.Likely}})
}

// The same two, set up badly: a certificate that ran out, no STARTTLS, slow sign-ins; and then Dovecot is stopped.
func TestDebianBadlySetUp(t *testing.T) {
	t.Parallel()
	if !needsDebian(t) {
		return
	}
	w := lab.New(t)
	w.Provider("south.example")
	var slow string
	d, err := w.RunPostfixDovecot("west.example", accounts("west.example", "anna"), func(o *real.PostfixDovecotOptions) {
		slow = filepath.Join(o.Dir, "slow.sh")
		o.Dovecot = "service imap {\n  executable = imap imap-postlogin\n}\nservice imap-postlogin {\n  executable = script-login " + slow + "\n  user = nobody\n  unix_listener imap-postlogin {\n  }\n}\n"
		o.Postfix = "smtpd_discard_ehlo_keywords = starttls\n"
		if err := os.WriteFile(slow, []byte("#!/bin/sh\nsleep 1\nexec \"$@\"\n"), 0o755); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, w, "west.example")
	b.look(t, []scene{
		{name: "sign-ins take a second", account: "anna"},
		{name: "no STARTTLS", account: "anna", make: func(_ *testing.T, _ *bench, c *doctor.Case) {
			c.Given[1].Port, c.Given[1].Security = 587, evidence.STARTTLS
		}, want: []cause.ID{cause.TLSStarttlsMissing}},
	})
	names := []string{"imap.west.example", "smtp.west.example", "pop.west.example", "mail.west.example"}
	if err := d.SetCertificate(w.Certificate(names, ca.Expired(50*time.Hour))); err != nil {
		t.Fatal(err)
	}
	b.look(t, []scene{{name: "the certificate ran out", account: "anna", want: []cause.ID{cause.TLSExpired}}})
	if err := errors.Join(d.SetCertificate(w.Certificate(names)), d.StopDovecot()); err != nil {
		t.Fatal(err)
	}
	// Postfix takes connections for sending still, and falls silent or has no way to sign in.
	b.look(t, []scene{{name: "Dovecot is stopped", account: "anna", want: []cause.ID{cause.ProviderIMAPDown}}})
}
