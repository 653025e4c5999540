package dialect

import (
	"testing"
	"time"
)

// clock is the time at which all tests read.
func clock() time.Time { return time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC) }

func load(t testing.TB) *Book {
	t.Helper()
	b, err := Load(clock)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestCodesAlone(t *testing.T) {
	b := load(t)
	for _, c := range []struct {
		protocol Protocol
		stage    Stage
		reply    string
		want     Kind
	}{
		{Submission, StageAuth, "535 5.7.8 nope", CredentialsRefused},
		{Submission, StageAuth, "535 nope", CredentialsRefused},
		{SMTP, StageRcpt, "550 5.1.1 <a@example.org> nope", RecipientUnknown},
		{SMTP, StageRcpt, "452 4.2.2 nope", RecipientFull},
		{SMTP, StageMail, "552 5.3.4 nope", MessageTooLarge},
		{SMTP, StageRcpt, "556 5.1.10 nope", NullMX},
		{IMAP, StageAuth, "a1 NO [AUTHENTICATIONFAILED] nope\r\n", CredentialsRefused},
		{IMAP, StageAuth, "a1 NO [UNAVAILABLE] nope\r\n", AuthBackendDown},
		{POP3, StageAuth, "-ERR [IN-USE] nope\r\n", LockedMailbox},
		{POP3, StageAuth, "+OK ready\r\n", Accepted},
		{Submission, StageMail, "250 2.1.0 Ok\r\n", Accepted},
		{SMTP, StageRcpt, "", Unknown},
	} {
		r := b.Read("", c.protocol, c.stage, c.reply)
		if got := r.First().Kind; got != c.want {
			t.Errorf("%s/%s %q: %s, want %s", c.protocol, c.stage, c.reply, got, c.want)
		}
	}
}

// TestCodesWithoutTag reads IMAP replies as they are kept, without the tag: their codes count all the same.
func TestCodesWithoutTag(t *testing.T) {
	b := load(t)
	for reply, want := range map[string]Kind{
		"NO [LIMIT] Nope":                     ConnectionsLimit,
		"a1 NO [LIMIT] Nope":                  ConnectionsLimit,
		"NO [EXPIRED] Nope":                   PasswordExpired,
		"BYE [UNAVAILABLE] Nope":              AuthBackendDown,
		"NO [AUTHENTICATIONFAILED] No luck":   CredentialsRefused,
		"NO [PRIVACYREQUIRED] no such luck":   EncryptionNeeded,
		"OK [CAPABILITY IMAP4rev1] signed in": Accepted,
	} {
		r := b.Read("", IMAP, StageAuth, reply)
		if got := r.First().Kind; got != want {
			t.Errorf("%q is read as %s, want %s", reply, got, want)
		}
	}
}
