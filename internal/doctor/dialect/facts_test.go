package dialect

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"pgregory.net/rapid"
)

func TestParts(t *testing.T) {
	b := load(t)
	for _, c := range []struct {
		name     string
		protocol Protocol
		reply    string
		want     Reading
	}{
		{"lines", SMTP, "550-5.1.1 The account does not\r\n550 5.1.1 exist, see https://example.org/help.\r\n",
			Reading{Class: Permanent, Code: 550, Enhanced: "5.1.1", Text: "The account does not exist, see https://example.org/help.", URL: "https://example.org/help"}},
		{"joined", SMTP, "550-5.1.1 The account does not 550-5.1.1 exist 550 5.1.1 here",
			Reading{Class: Permanent, Code: 550, Enhanced: "5.1.1", Text: "The account does not exist here"}},
		{"code at the end", SMTP, "550 sorry (#5.1.1)", Reading{Class: Permanent, Code: 550, Enhanced: "5.1.1", Text: "sorry (#5.1.1)"}},
		{"version is no code", SMTP, "451 Zimbra 8.8.15 is tired", Reading{Class: Temporary, Code: 451, Text: "Zimbra 8.8.15 is tired"}},
		{"address is no code", SMTP, "554 4.3.2.1 is listed", Reading{Class: Permanent, Code: 554, Text: "4.3.2.1 is listed"}},
		{"quoted", SMTP, "host mx.example.org[192.0.2.1] said: 452 4.2.2 full (in reply to RCPT TO command)",
			Reading{Class: Temporary, Code: 452, Enhanced: "4.2.2", Text: "host mx.example.org[192.0.2.1] said: full (in reply to RCPT TO command)"}},
		{"enhanced alone", SMTP, "5.4.7 expired", Reading{Class: Permanent, Enhanced: "5.4.7", Text: "5.4.7 expired"}},
		{"imap", IMAP, "* OK [CAPABILITY IMAP4rev1] hi\r\na1 NO [UNAVAILABLE] Not now\r\n",
			Reading{Class: Temporary, ResponseCode: "UNAVAILABLE", Text: "Not now hi"}},
		{"imap warning", IMAP, "* NO [ALERT] 95 % full\r\na1 OK done\r\n", Reading{Class: Positive, ResponseCode: "ALERT", Text: "95 % full done"}},
		{"pop3", POP3, "-ERR [SYS/TEMP] Not now", Reading{Class: Temporary, ResponseCode: "SYS/TEMP", Text: "Not now"}},
		{"windows-1252", SMTP, "550 5.1.1 Empf\xe4nger unbekannt", Reading{Class: Permanent, Code: 550, Enhanced: "5.1.1", Text: "Empfänger unbekannt"}},
		{"logout", IMAP, "* BYE Logging out\r\na9 OK Logout completed.\r\n", Reading{Class: Positive, Text: "Logging out Logout completed."}},
		{"several", SMTP, "250 2.1.0 Ok\r\n550 5.1.1 No such user\r\n354 Go on\r\n", Reading{Class: Permanent, Code: 550, Enhanced: "5.1.1", Text: "No such user Go on"}},
		{"quota in the bye", IMAP, "* BYE [UNAVAILABLE] Restarting\r\n", Reading{Class: Temporary, ResponseCode: "UNAVAILABLE", Text: "Restarting"}},
		{"nothing", SMTP, "", Reading{}},
	} {
		r := b.Read("", c.protocol, StageOther, c.reply)
		got := Reading{Class: r.Class, Code: r.Code, Enhanced: r.Enhanced, ResponseCode: r.ResponseCode, Text: r.Text, URL: r.URL}
		if got.Class != c.want.Class || got.Code != c.want.Code || got.Enhanced != c.want.Enhanced ||
			got.ResponseCode != c.want.ResponseCode || got.Text != c.want.Text || got.URL != c.want.URL {
			t.Errorf("%s:\n got %+v\nwant %+v", c.name, got, c.want)
		}
	}
}

func TestWaits(t *testing.T) {
	b := load(t)
	for _, c := range []struct {
		reply string
		after time.Duration
		until time.Time
	}{
		{"450 4.7.1 Try again in 5 minutes", 5 * time.Minute, time.Time{}},
		{"450 Greylisted, please try again in 300 seconds", 300 * time.Second, time.Time{}},
		{"450 4.2.0 Greylisted, retry after 00:04:30", 4*time.Minute + 30*time.Second, time.Time{}},
		{"421 Come back later, wait 1 hour", time.Hour, time.Time{}},
		{"450 Försök igen om 10 minuter", 10 * time.Minute, time.Time{}},
		{"450 Prøv igjen om 2 timer", 2 * time.Hour, time.Time{}},
		{"450 Bitte in 15 Minuten erneut versuchen", 15 * time.Minute, time.Time{}},
		{"450 Réessayez dans 20 minutes", 20 * time.Minute, time.Time{}},
		{"450 Повторите через 10 минут", 10 * time.Minute, time.Time{}},
		{"450 Open again 14:32 UTC", 0, time.Date(2026, 11, 22, 14, 32, 0, 0, time.UTC)},
		{"450 Open again 09:15 UTC", 0, time.Date(2026, 11, 23, 9, 15, 0, 0, time.UTC)},
		{"450 Locked until 2026-11-24 08:00 UTC", 0, time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)},
		{"550 You may send 100 messages per hour", 0, time.Time{}},
		{"450 Retry in 99999999 days", 0, time.Time{}},
		{"451 Backoff Time: 299961 milliseconds", 299961 * time.Millisecond, time.Time{}},
	} {
		r := b.Read("", Submission, StageRcpt, c.reply)
		if r.RetryAfter != c.after || !r.Until.Equal(c.until) {
			t.Errorf("%s: after %v until %v", c.reply, r.RetryAfter, r.Until)
		}
	}
}

func TestListed(t *testing.T) {
	b := load(t)
	for _, c := range []struct{ reply, list, address string }{
		{"554 5.7.1 Client host [203.0.113.9] blocked using zen.spamhaus.org; https://www.spamhaus.org/query/ip/203.0.113.9", "zen.spamhaus.org", "203.0.113.9"},
		{"554 5.7.1 2001:db8::25 is listed in bl.example.net", "bl.example.net", "2001:db8::25"},
		{"550 5.7.1 messages from [203.0.113.9] weren't sent, your network is on our block list (S3150)", "microsoft", "203.0.113.9"},
		{"554 Blocked - see https://ipcheck.proofpoint.com/?ip=203.0.113.9", "proofpoint", "203.0.113.9"},
		{"550 5.1.1 no such user", "", ""},
		{"250 2.1.5 bl.spamcop.net 203.0.113.9", "", ""},
	} {
		r := b.Read("", SMTP, StageRcpt, c.reply)
		var want netip.Addr
		if c.address != "" {
			want = netip.MustParseAddr(c.address)
		}
		if r.List != c.list || r.Address != want {
			t.Errorf("%s: %q %v", c.reply, r.List, r.Address)
		}
	}
}

func TestCauseNamed(t *testing.T) {
	b := load(t)
	r := b.Read("", Submission, StageRcpt, "450 4.7.1 Nope https://mail.example.org/why/limit.address-hourly?until=1")
	if r.Cause != cause.LimitAddressHourly || r.First().Basis != BasisCause {
		t.Errorf("cause %q, %+v", r.Cause, r.First())
	}
	r = b.Read("", Submission, StageRcpt, "450 4.7.1 Nope https://mail.example.org/why/<script>")
	if r.Cause != "" {
		t.Errorf("cause %q", r.Cause)
	}
}

// TestPostiljonsOwn reads what the catalogue says for every cause on every wire.
func TestPostiljonsOwn(t *testing.T) {
	b := load(t)
	catalogue, err := cause.Load()
	if err != nil {
		t.Fatal(err)
	}
	catalogue = catalogue.WithWhyBase("https://mail.example.org")
	for _, c := range catalogue.All() {
		d := cause.Refuse(c.ID)
		said := catalogue.SMTP(d)
		reply := fmt.Sprintf("%d %s %s", said.Code, said.Enhanced, said.Text)
		r := b.Read("", Submission, StageRcpt, reply)
		if r.Cause != c.ID && c.ID != cause.Unknown && c.ID != cause.Healthy {
			t.Errorf("%s is read as %q", reply, r.Cause)
		}
		if kind := kindOf(c.ID); kind != "" && r.First().Kind != kind {
			t.Errorf("%s is read as %s, want %s", reply, r.First().Kind, kind)
		}
	}
}

func TestKinds(t *testing.T) {
	catalogue, err := cause.Load()
	if err != nil {
		t.Fatal(err)
	}
	for kind := range kinds {
		for _, p := range protocols {
			if len(kind.Causes(p)) == 0 {
				t.Errorf("%s speaks for no cause in %s", kind, p)
			}
			for _, id := range kind.Causes(p) {
				if _, ok := catalogue.Cause(id); !ok {
					t.Errorf("%s: no cause %s", kind, id)
				}
			}
		}
	}
	for id, kind := range kindsOfCauses {
		if !kind.Known() {
			t.Errorf("%s: no meaning %s", id, kind)
		}
	}
}

func TestBookIsWhole(t *testing.T) {
	b := load(t)
	seen := map[string]bool{}
	for _, list := range [][]*dialect{b.providers, b.software} {
		for _, d := range list {
			for _, id := range append([]string{d.ID}, d.Names...) {
				if seen[id] {
					t.Errorf("%s stands twice", id)
				}
				seen[id] = true
			}
			if d.Source == "" || len(d.Date) != len("2026-11") {
				t.Errorf("%s has no source or date", d.ID)
			}
			if d.Uses != "" && find(b.software, d.Uses) == nil {
				t.Errorf("%s uses unknown %s", d.ID, d.Uses)
			}
		}
	}
	for _, rules := range [][]*rule{b.words} {
		for _, r := range rules {
			for _, p := range r.text {
				if len(p.words) == 0 || len(p.words[0]) < 2 {
					t.Errorf("%q is too short", p.written)
				}
			}
		}
	}
}

func TestStripTable(t *testing.T) {
	secret := `pa"ss wörd`
	plain := base64.StdEncoding.EncodeToString([]byte("\x00anna@example.org\x00" + secret))
	for _, c := range []struct{ raw, want string }{
		{"535 wrong: " + secret, "535 wrong: ***"},
		{`a1 LOGIN anna "pa\"ss wörd"`, "a1 LOGIN anna ***"},
		{"C: AUTH PLAIN " + plain + "\r\n535 no", "C: AUTH PLAIN ***\r\n535 no"},
		{"PASS hunter2 and more", "PASS ***"},
		{"a1 LOGIN anna hunter2\r\na1 NO no", "a1 LOGIN anna ***\r\na1 NO no"},
		{"auth=Bearer ya29.abcdefgh", "auth=Bearer ***"},
		{`{"access_token": "abcdef"}`, `{"access_token": "***"}`},
		{"550 a\x00b\x1b[31mc", "550 a b [31mc"},
		{"250 fine", "250 fine"},
	} {
		if got := Strip(c.raw, secret); got != c.want {
			t.Errorf("%q: %q, want %q", c.raw, got, c.want)
		}
	}
	if got := Strip(strings.Repeat("x", 100_000)); len(got) > MaxRaw {
		t.Errorf("%d octets", len(got))
	}
}

// TestStripHides checks that no secret survives, wherever it stands and however it is written.
func TestStripHides(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringMatching(`[a-zA-Z0-9!$%.#_åß-]{8,40}`).Draw(t, "secret")
		before := rapid.StringMatching(`[a-z =\r\n]{0,40}`).Draw(t, "before")
		pad := rapid.StringMatching(`[\x00a-z@.]{0,5}`).Draw(t, "pad")
		encoded := base64.StdEncoding.EncodeToString([]byte(pad + secret + pad))
		n := rapid.IntRange(1, 3).Draw(t, "times")
		got := Strip(strings.Repeat(before+secret+" "+encoded+" ", n), secret)
		if strings.Contains(got, secret) {
			t.Fatalf("%q is still in %q", secret, got)
		}
		if core := base64At(secret, len(pad)%3); len(core) > 4 && strings.Contains(got, core) {
			t.Fatalf("%q in base64 is still in %q", secret, got)
		}
	})
}

func TestIdentify(t *testing.T) {
	b := load(t)
	for _, c := range []struct{ banner, capabilities, id, software, provider string }{
		{"220 smtp.gmail.com ESMTP a640c23a62f3a-ab2 - gsmtp", "", "", "", "gmail"},
		{"* OK Gimap ready for requests from 192.0.2.1 m12mb1", "", "", "", "gmail"},
		{"* OK ready", "* CAPABILITY IMAP4rev1 X-GM-EXT-1 UIDPLUS", "", "", "gmail"},
		{"220 AM0PR04CA0001.outlook.office365.com Microsoft ESMTP MAIL Service ready at Fri, 20 Nov 2026", "", "", "exchange", "microsoft365"},
		{"* OK The Microsoft Exchange IMAP4 service is ready. [TABPADQ=]", "", "", "exchange", "microsoft365"},
		{"* OK The Microsoft Exchange IMAP4 service is ready.", "", "", "exchange", ""},
		{"220 mail.example.org ESMTP Postfix (Debian/GNU)", "", "", "postfix", ""},
		{"220 mail.example.org ESMTP Exim 4.98 Fri, 20 Nov 2026 10:00:00 +0000", "", "", "exim", ""},
		{"* OK [CAPABILITY IMAP4rev1 SASL-IR] Dovecot (Debian) ready.", "", "", "dovecot", ""},
		{"* OK IMAP4 ready", "", `* ID ("name" "Dovecot")`, "dovecot", ""},
		{"* OK [CAPABILITY IMAP4rev1] mail.example.org Cyrus IMAP 3.8.1 server ready", "", "", "cyrus", ""},
		{"* OK [CAPABILITY IMAP4rev1 UIDPLUS] Courier-IMAP ready. Copyright 1998-2026 Double Precision, Inc.", "", "", "courier", ""},
		{"220 mail.example.org ESMTP Sendmail 8.18.1/8.18.1; Fri, 20 Nov 2026", "", "", "sendmail", ""},
		{"220 gmx.net (mrgmx104) Nemesis ESMTP Service ready", "", "", "", "gmx"},
		{"220 web.de (mrweb005) Nemesis ESMTP Service ready", "", "", "", "web-de"},
		{"+OK POP server ready H miwebmail", "", "", "", ""},
		{"* OK [CAPABILITY XAPPLEPUSHSERVICE IMAP4 IMAP4rev1] (2600B10) p00-imap.mail.icloud.com", "", "", "", "icloud"},
		{"220 mail.example.org Postiljon ready", "", "", "postiljon", ""},
		{"220 mx1.messagingengine.com ESMTP . No UCE permitted.", "", "", "cyrus", "fastmail"},
		{"220 ssl0.ovh.net player ESMTP", "", "", "", "ovh"},
		{"* OK Proton Mail Bridge 03.14.00 - gluon session ID 1", "", "", "", "proton"},
		{"* OK Yandex IMAP4rev1 at abc ready to talk", "", "", "", "yandex"},
		{"220 mail.example.org ESMTP", "", "", "", ""},
		{"220 notgmail.com.example.org ESMTP", "", "", "", ""},
	} {
		software, provider := b.Identify(c.banner, c.capabilities, c.id)
		if software != c.software || provider != c.provider {
			t.Errorf("%s %s %s: software %q, provider %q", c.banner, c.capabilities, c.id, software, provider)
		}
	}
}

func TestProviderOf(t *testing.T) {
	b := load(t)
	for host, want := range map[string]string{
		"gmail-smtp-in.l.google.com.": "gmail", "example-org.mail.protection.outlook.com": "microsoft365",
		"eur.olc.protection.outlook.com": "outlook", "mx01.mail.icloud.com": "icloud", "mta5.am0.yahoodns.net": "yahoo",
		"mx00.emig.gmx.net": "gmx", "mx-ha.web.de": "web-de", "mxs.mail.ru": "mail-ru", "mx.yandex.net": "yandex",
		"mx.example.org": "", "": "", "notgmx.net": "", "mx1.loopia.se": "loopia", "mx.one.com": "one-com",
	} {
		if got := b.ProviderOf(host); got != want {
			t.Errorf("%s: %q, want %q", host, got, want)
		}
	}
}

// TestReadIsSane checks what holds for every reply.
func TestReadIsSane(t *testing.T) {
	b := load(t)
	list := samples(t)
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.SampledFrom(list).Draw(t, "sample")
		protocol := rapid.SampledFrom(protocols).Draw(t, "protocol")
		stage := rapid.SampledFrom(stages).Draw(t, "stage")
		cut := rapid.IntRange(0, len(s.reply)).Draw(t, "cut")
		sane(t, b.Read(s.provider, protocol, stage, s.reply[cut:]))
	})
}

type failer interface{ Fatalf(string, ...any) }

func sane(t failer, r Reading) {
	if len(r.Meanings) == 0 {
		t.Fatalf("no meaning")
	}
	for i, m := range r.Meanings {
		if m.Weight <= 0 || m.Weight >= 1 || !m.Kind.Known() || m.Basis == "" {
			t.Fatalf("meaning %+v", m)
		}
		if i > 0 && m.Weight > r.Meanings[i-1].Weight {
			t.Fatalf("not in order: %+v", r.Meanings)
		}
	}
	if len(r.Text) > MaxText || r.RetryAfter < 0 || r.RetryAfter > maxWait {
		t.Fatalf("reading %+v", r)
	}
}

func FuzzRead(f *testing.F) {
	b := load(f)
	for i, s := range samples(f) {
		if i%7 == 0 {
			f.Add(s.provider, string(s.protocol), string(s.stage), s.reply)
		}
	}
	f.Add("", "imap", "auth", "+ e30=\r\n")
	f.Fuzz(func(t *testing.T, provider, protocol, stage, reply string) {
		sane(t, b.Read(provider, Protocol(protocol), Stage(stage), reply))
		b.Identify(reply, stage, provider)
	})
}

func FuzzStrip(f *testing.F) {
	f.Add("535 wrong hunter22", "hunter22")
	f.Add("AUTH PLAIN AGFubmEAaHVudGVyMjI=", "hunter22")
	f.Fuzz(func(t *testing.T, raw, secret string) {
		got := Strip(raw, secret)
		if len(got) > MaxRaw {
			t.Fatalf("%d octets", len(got))
		}
	})
}

func BenchmarkRead(b *testing.B) {
	book := load(b)
	list := samples(b)
	b.ReportAllocs()
	for i := range b.N {
		s := list[i%len(list)]
		book.Read(s.provider, s.protocol, s.stage, s.reply)
	}
}
