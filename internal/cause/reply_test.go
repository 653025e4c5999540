package cause

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

var half = time.Date(2026, 11, 22, 14, 32, 0, 0, time.UTC)

// wire writes a reply as it stands in a dialogue.
func (r SMTPReply) wire() string { return fmt.Sprintf("%d %s %s", r.Code, r.Enhanced, r.Text) }

// The most common refusals, word for word.
func TestSMTPGolden(t *testing.T) {
	c := load(t).WithWhyBase("https://mail.example.org/")
	tests := []struct {
		d    Decision
		want string
	}{
		{Wait(LimitAddressHourly, half, Count("limit", 300)),
			"450 4.7.1 Sending limit of 300 messages an hour reached, open again 14:32 UTC https://mail.example.org/why/limit.address-hourly"},
		{Refuse(LimitAddressHourly),
			"550 5.4.5 Sending limit reached https://mail.example.org/why/limit.address-hourly"},
		{Wait(LimitDomainHourly, half, Count("limit", 2000)),
			"450 4.7.1 Sending limit of the whole domain, 2,000 messages an hour, is reached, open again 14:32 UTC https://mail.example.org/why/limit.domain-hourly"},
		{Refuse(RecipientUnknown, Text("address", "nobody@example.org")),
			"550 5.1.1 There is no such recipient here https://mail.example.org/why/recipient.unknown"},
		{Refuse(ContentTooLargeOwn, Size("limit", 25e6)),
			"552 5.3.4 The message is too large, at most 25 MB https://mail.example.org/why/content.too-large-own"},
		{Refuse(AuthPasswordWrong),
			"535 5.7.8 User name or password is wrong https://mail.example.org/why/auth.password-wrong"},
		{Wait(ProviderAuthBackendDown, time.Time{}),
			"454 4.7.0 Sign-ins cannot be checked right now, the password is not the reason https://mail.example.org/why/provider.auth-backend-down"},
		{Refuse(ClientSMTPAuthOff),
			"530 5.7.0 Sign in before sending https://mail.example.org/why/client.smtp-auth-off"},
		{Refuse(ClientSMTPAuthOff).As("relay"),
			"554 5.7.1 Mail to that domain is not relayed without sign-in https://mail.example.org/why/client.smtp-auth-off"},
		{Refuse(ClientFromNotOwned, Text("address", "åsa@example.org")),
			`553 5.7.1 The sender address \x{E5}sa@example.org does not belong to the signed-in account https://mail.example.org/why/client.from-not-owned`},
		{Wait(QuotaMailboxFull, time.Time{}),
			"452 4.2.2 The mailbox is full https://mail.example.org/why/quota.mailbox-full"},
		{Wait(ReputationGreylisted, half),
			"451 4.7.1 First contact, please try again after 14:32 UTC https://mail.example.org/why/reputation.greylisted"},
		{Wait(NetworkClientBanned, half),
			"421 4.7.0 Too many failed attempts from this address, try again after 22 November 2026 at 14:32 UTC https://mail.example.org/why/network.client-banned"},
		{Wait(ClientIdleTimeout, time.Time{}, Span("limit", 5*time.Minute)),
			"421 4.4.2 Nothing was received for 5 minutes, closing the connection https://mail.example.org/why/client.idle-timeout"},
		{Refuse(AccountSuspendedUnpaid),
			"525 5.7.13 This account is paused until an invoice is paid https://mail.example.org/why/account.suspended-unpaid"},
		{Refuse(ReputationIPListed, Text("client", "192.0.2.1"), Text("list", "bl.example")),
			"554 5.7.1 The sending address 192.0.2.1 is on a blocklist, bl.example https://mail.example.org/why/reputation.ip-listed"},
		{Refuse(ContentMalformed).As("bare-newline"),
			"554 5.6.0 Lines must end in CR LF, the message has a bare CR or LF https://mail.example.org/why/content.malformed"},
		{Refuse(ClientProtocolError).As("sequence"),
			"503 5.5.1 Command comes at the wrong time https://mail.example.org/why/client.protocol-error"},
		{Refuse("no.such-cause"),
			"554 5.0.0 The request could not be carried out https://mail.example.org/why/unknown"},
		{Allow(),
			"451 4.0.0 The request could not be carried out https://mail.example.org/why/unknown"},
	}
	for _, tt := range tests {
		if got := c.SMTP(tt.d).wire(); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.d.Cause, got, tt.want)
		}
	}
}

// The variants of protocol errors and the causes that are new to the table
// have the codes the standards give them.
func TestSMTPCodes(t *testing.T) {
	c := load(t)
	tests := []struct {
		d    Decision
		want string
	}{
		{Refuse(ClientProtocolError), "501 5.5.2"},
		{Refuse(ClientProtocolError).As("syntax"), "501 5.5.2"},
		{Refuse(ClientProtocolError).As("unknown-command"), "500 5.5.1"},
		{Refuse(ClientProtocolError).As("arguments"), "501 5.5.4"},
		{Refuse(ClientProtocolError).As("unimplemented"), "502 5.5.1"},
		{Refuse(ClientProtocolError).As("parameter"), "555 5.5.4"},
		{Refuse(ClientProtocolError).As("line-too-long"), "500 5.5.6"},
		{Wait(ClientProtocolError, time.Time{}).As("too-many-errors"), "421 4.7.0"},
		{Wait(ProviderMaintenanceStop, time.Time{}), "421 4.3.2"},
		{Wait(ProviderStorageFailed, time.Time{}), "452 4.3.1"},
		{Wait(LimitRecipients, time.Time{}), "452 4.5.3"},
		{Wait(AccountPasswordExpired, time.Time{}), "432 4.7.12"},
		{Refuse(SenderAddressInvalid), "553 5.1.7"},
		{Refuse(RecipientAddressInvalid), "553 5.1.3"},
		{Refuse(RecipientNone), "554 5.5.1"},
		{Refuse(ClientUTF8Required), "553 5.6.7"},
		{Refuse(ClientUTF8Required).As("message"), "554 5.6.9"},
		{Refuse(TLSRequiredBySender), "550 5.7.30"},
		{Refuse(AuthPlaintextRefused), "523 5.7.10"},
		{Refuse(AuthPlaintextRefused).As("starttls-first"), "530 5.7.0"},
		{Refuse(AuthMechanismMismatch), "504 5.5.4"},
		{Refuse(AuthAppPasswordRequired), "534 5.7.9"},
		{Refuse(DNSMXNull), "556 5.1.10"},
		{Refuse(SenderDomainMissing).As("null-mx"), "550 5.7.27"},
		{Refuse(RulesLoop), "554 5.4.6"},
		{Refuse(PushOff), "554 5.0.0"}, // never on our wire
	}
	for _, tt := range tests {
		r := c.SMTP(tt.d)
		if got := fmt.Sprintf("%d %s", r.Code, r.Enhanced); got != tt.want {
			t.Errorf("%s/%s: %s, want %s", tt.d.Cause, tt.d.Variant, got, tt.want)
		}
	}
}

func TestIMAPGolden(t *testing.T) {
	c := load(t).WithWhyBase("https://mail.example.org")
	tests := []struct {
		d          Decision
		code, text string
	}{
		{Refuse(QuotaMailboxFull), "OVERQUOTA", "The mailbox is full https://mail.example.org/why/quota.mailbox-full"},
		{Refuse(AuthPasswordWrong), "AUTHENTICATIONFAILED", "User name or password is wrong https://mail.example.org/why/auth.password-wrong"},
		{Refuse(AuthPlaintextRefused), "PRIVACYREQUIRED", "Encryption is needed before sign-in https://mail.example.org/why/auth.plaintext-refused"},
		{Refuse(AccountSuspendedUnpaid), "CONTACTADMIN", "This account is paused until an invoice is paid https://mail.example.org/why/account.suspended-unpaid"},
		{Wait(ProviderBackendBroken, time.Time{}), "UNAVAILABLE", "Internal fault, the request was not carried out https://mail.example.org/why/provider.backend-broken"},
		{Refuse(MailboxNotFound, Text("mailbox", "Räkningar")), "NONEXISTENT", `There is no such mailbox: R\x{E4}kningar https://mail.example.org/why/mailbox.not-found`},
		{Refuse(MailboxNotFound).As("try-create"), "TRYCREATE", "There is no such mailbox, it can be created https://mail.example.org/why/mailbox.not-found"},
		{Refuse(MailboxLimit, Count("limit", 50)).As("depth"), "LIMIT", "Mailboxes are nested too deep, at most 50 levels https://mail.example.org/why/mailbox.limit"},
		{Refuse(MailboxSpecialUse, Text("mailbox", "B")), "USEATTR", "The mailbox cannot have that special use: B https://mail.example.org/why/mailbox.special-use"},
		{Wait(AuthSignedOut, time.Time{}), "UNAVAILABLE", "The account was changed, please sign in again https://mail.example.org/why/auth.signed-out"},
		{Refuse(MailboxHasChildren), "HASCHILDREN", "The mailbox has mailboxes below it https://mail.example.org/why/mailbox.has-children"},
		{Refuse(ContentUnreadable, Text("charset", "x-klingon")).As("charset"), "BADCHARSET", "The charset x-klingon is not known here https://mail.example.org/why/content.unreadable"},
		{Refuse(ClientProtocolError).As("arguments"), "CLIENTBUG", "Command has wrong arguments https://mail.example.org/why/client.protocol-error"},
		{Refuse(RecipientUnknown), "", "There is no such recipient here https://mail.example.org/why/recipient.unknown"},
	}
	for _, tt := range tests {
		if got := c.IMAP(tt.d); got.Code != tt.code || got.Text != tt.text {
			t.Errorf("%s/%s:\n got [%s] %s\nwant [%s] %s", tt.d.Cause, tt.d.Variant, got.Code, got.Text, tt.code, tt.text)
		}
	}
}

func TestPOP3Golden(t *testing.T) {
	c := load(t)
	tests := []struct {
		d          Decision
		code, text string
	}{
		{Refuse(POP3Locked), "IN-USE", "Another session has the mailbox locked"},
		{Refuse(AuthPasswordWrong), "AUTH", "User name or password is wrong"},
		{Wait(ProviderAuthBackendDown, time.Time{}), "SYS/TEMP", "Sign-ins cannot be checked right now, the password is not the reason"},
		{Refuse(ProviderBackendBroken).As("bug"), "SYS/PERM", "Internal fault, the request was not carried out"},
		{Wait(LimitConnections, time.Time{}).As("login-delay"), "LOGIN-DELAY", "Signed in again too soon, please wait a little"},
		{Refuse(MessageNotFound), "", "The message is no longer there"},
	}
	for _, tt := range tests {
		if got := c.POP3(tt.d); got.Code != tt.code || got.Text != tt.text {
			t.Errorf("%s: got [%s] %s, want [%s] %s", tt.d.Cause, got.Code, got.Text, tt.code, tt.text)
		}
	}
}

// Every cause in every form gives a reply of the class of its action, with
// and without parameters.
func TestEveryReply(t *testing.T) {
	c := load(t).WithWhyBase("https://mail.example.org")
	for _, row := range c.All() {
		for _, variant := range append([]string{""}, row.Variants...) {
			for _, params := range [][]Param{nil, fill(row.Params)} {
				wait := Wait(row.ID, half, params...).As(variant)
				refuse := Refuse(row.ID, params...).As(variant)
				checkReply(t, c, wait, '4')
				checkReply(t, c, refuse, '5')
			}
		}
	}
}

// fill returns a value for every placeholder.
func fill(placeholders []Placeholder) []Param {
	var params []Param
	for _, p := range placeholders {
		switch p.Kind {
		case KindText:
			params = append(params, Text(p.Name, "något"))
		case KindCount:
			params = append(params, Count(p.Name, 1234))
		case KindSize:
			params = append(params, Size(p.Name, 5<<30))
		case KindTime, KindClock:
			params = append(params, Time(p.Name, half))
		case KindSpan:
			params = append(params, Span(p.Name, 90*time.Minute))
		}
	}
	return params
}

func checkReply(t *testing.T, c *Catalogue, d Decision, class byte) {
	t.Helper()
	smtp := c.SMTP(d)
	line := smtp.wire()
	if line[0] != class || smtp.Enhanced[0] != class {
		t.Errorf("%s/%s: %q is not of class %c", d.Cause, d.Variant, line, class)
	}
	imap, pop3 := c.IMAP(d), c.POP3(d)
	for _, line := range []string{line, imap.Code + imap.Text, "-ERR [" + pop3.Code + "] " + pop3.Text} {
		checkLine(t, line)
	}
	if !strings.HasSuffix(smtp.Text, " https://mail.example.org/why/"+string(c.lookup(d.Cause).ID)) {
		t.Errorf("%q does not end in its link", smtp.Text)
	}
}

// checkLine checks what must hold for every line of a reply.
func checkLine(t *testing.T, line string) {
	t.Helper()
	if len(line) > 510 || !printable(line) {
		t.Errorf("%d octets, or not printable: %q", len(line), line)
	}
}

// A part that would make the line too long is left out; the link never is.
func TestReplyDropsWhatDoesNotFit(t *testing.T) {
	c := load(t).WithWhyBase("https://mail.example.org")
	long := strings.Repeat("ö", 5000)
	got := c.SMTP(Refuse(ReputationIPListed, Text("client", "192.0.2.1"), Text("list", long))).wire()
	want := "554 5.7.1 The sending address 192.0.2.1 is on a blocklist https://mail.example.org/why/reputation.ip-listed"
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// No parameter, whatever it holds, can break the line of a reply.
func FuzzReplyLine(f *testing.F) {
	f.Add("a@example.org", int64(300), "https://mail.example.org")
	f.Add("x\r\n250 OK\r\n", int64(-1<<63), "https://mail.example.org\r\n250 OK")
	f.Add(strings.Repeat("\U0001F4A9", 200), int64(1)<<62, strings.Repeat("u", 300))
	f.Add("\x00\xff]\\{}[", int64(0), "////")
	c := load(f)
	all := c.All()
	f.Fuzz(func(t *testing.T, text string, n int64, base string) {
		linked := c.WithWhyBase(base)
		row := all[uint64(n)%uint64(len(all))]
		var params []Param
		for _, p := range row.Params {
			params = append(params, Text(p.Name, text), Count(p.Name, n), Param{p.Name, half})
			if p.Kind != KindText {
				params = []Param{Count(p.Name, n), Size(p.Name, n), Span(p.Name, time.Duration(n)), Time(p.Name, time.Unix(n, 0))}
			}
		}
		for i := range params {
			d := Wait(row.ID, time.Unix(n, 0), params[i:]...)
			checkLine(t, linked.SMTP(d).wire())
			checkLine(t, linked.IMAP(d).Code+linked.IMAP(d).Text)
			checkLine(t, "-ERR [SYS/TEMP] "+linked.POP3(d).Text)
			linked.Explain(d, Swedish, Holder)
		}
	})
}

func TestWhyBase(t *testing.T) {
	c := load(t)
	tests := []struct{ base, want string }{
		{"https://mail.example.org", "Everything works https://mail.example.org/why/healthy"},
		{"https://mail.example.org///", "Everything works https://mail.example.org/why/healthy"},
		{"", "Everything works"},
		{"https://post.exämple", "Everything works"},
		{"https://a b", "Everything works"},
		{"https://" + strings.Repeat("a", 200), "Everything works"},
	}
	for _, tt := range tests {
		if got := c.WithWhyBase(tt.base).SMTP(Refuse(Healthy)).Text; got != tt.want {
			t.Errorf("base %q: %q, want %q", tt.base, got, tt.want)
		}
	}
	if got := c.SMTP(Refuse(Healthy)).Text; got != "Everything works" {
		t.Errorf("WithWhyBase changed its receiver: %q", got)
	}
}

func BenchmarkSMTPPlain(b *testing.B) {
	c := load(b).WithWhyBase("https://mail.example.org")
	d := Refuse(RecipientUnknown)
	b.ReportAllocs()
	for b.Loop() {
		c.SMTP(d)
	}
}

func BenchmarkSMTPWithParams(b *testing.B) {
	c := load(b).WithWhyBase("https://mail.example.org")
	d := Wait(LimitAddressHourly, half, Count("limit", 300), Text("address", "a@example.org"))
	b.ReportAllocs()
	for b.Loop() {
		c.SMTP(d)
	}
}

func BenchmarkLoad(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		load(b)
	}
}
