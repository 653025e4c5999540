package probe

import (
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/doctor/dialect"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
)

// An error that a program shows is read as the reply of the server that it came from.
func TestClientErrorsAreRead(t *testing.T) {
	book, err := dialect.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		where, text string
		protocol    evidence.Protocol
		kind        dialect.Kind
	}{
		{"outbox", "535 5.7.8 Authentication failed", evidence.Submission, dialect.CredentialsRefused},
		{"outbox", "530 5.7.0 Authentication required", evidence.Submission, dialect.AuthRequired},
		{"outbox", "554 5.7.1 Relay access denied", evidence.Submission, dialect.RelayDenied},
		{"outbox", "553 5.7.1 Sender address rejected: not owned by user anna", evidence.Submission, dialect.FromNotOwned},
		{"outbox", "452 4.5.3 Too many recipients", evidence.Submission, dialect.TooManyRecipients},
		{"outbox", "NO [OVERQUOTA] Quota exceeded", evidence.IMAP, dialect.MailboxFull},
		{"last-error", "-ERR [IN-USE] The mailbox is locked by another session", evidence.POP3, dialect.LockedMailbox},
		{"last-error", "a1 NO [AUTHENTICATIONFAILED] Invalid credentials", evidence.IMAP, dialect.CredentialsRefused},
		{"last-error", "invalid_grant: Token has been expired or revoked.", "", dialect.TokenRefused},
	} {
		e := evidence.New(evidence.Complaint{Address: "anna@north.example"}, time.Now)
		r := NewRun(Env{Book: book, Resolvers: []string{"127.0.0.1:1"}}, e)
		r.addClientError(c.where, c.text)
		r.Close()
		got, ok := evidence.First[evidence.ClientError](e)
		if !ok || got.Protocol != c.protocol || got.Reading.First().Kind != c.kind {
			t.Errorf("%s: read as %q %v, wants %q %s", c.text, got.Protocol, got.Reading.Meanings, c.protocol, c.kind)
		}
	}
}

// The second try is spent on what is odd about name or password.
func TestOtherForm(t *testing.T) {
	for _, c := range []struct {
		name, password string
		want           evidence.NameForm
	}{
		{"", "secret", ""},
		{"anna@north.example", "secret", ""},
		{"anna", "secret", evidence.WholeAddress},
		{"", "secret ", evidence.Trimmed},
		{"", "\u200bsecret", evidence.Trimmed},
		{"anna@north.example\u00a0", "secret", evidence.Trimmed},
	} {
		e := evidence.New(evidence.Complaint{Address: "anna@north.example", GivenUsername: c.name, Password: c.password}, time.Now)
		r := NewRun(Env{Resolvers: []string{"127.0.0.1:1"}}, e)
		if got := r.otherForm(); got != c.want {
			t.Errorf("%q, %q: tries %q, wants %q", c.name, c.password, got, c.want)
		}
		r.Close()
	}
}

// A quota in units of 1024 octets, and a STATUS with its items in any order.
func TestMailboxReplies(t *testing.T) {
	if n := statusItem([]string{`* STATUS "Archive" (UNSEEN 3 MESSAGES 17)`}, "UNSEEN"); n != 3 {
		t.Errorf("UNSEEN is %d", n)
	}
	if n := statusItem([]string{"* LIST () \"/\" Archive"}, "UNSEEN"); n != -1 {
		t.Errorf("UNSEEN without STATUS is %d", n)
	}
	q := quotas([]string{`* QUOTA "domain north.example" (STORAGE 10 512 MESSAGE 4 5)`})
	if len(q) != 2 || q[0].Used != 10240 || q[0].Limit != 524288 || q[1].Limit != 5 || q[0].Root != "domain north.example" {
		t.Errorf("quotas are %+v", q)
	}
}
