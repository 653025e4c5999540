package settings

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/postiljon/postiljon/internal/cause"
)

// compared looks an address up in the table alone and compares.
func compared(t *testing.T, table *Table, query string, given *Given) []Row {
	t.Helper()
	f := &Finder{Table: table, Offline: true}
	r, err := f.Lookup(context.Background(), query)
	if err != nil {
		t.Fatal(err)
	}
	return Compare(f.Table, r, given)
}

// short writes rows as "imap port 143 -> 993 wrong client.wrong-port".
func short(rows []Row) string {
	var all []string
	for _, r := range rows {
		all = append(all, strings.TrimSpace(fmt.Sprintf("%s %s %s -> %s %s %s", r.Protocol, r.Field, r.Given, r.Right, r.Verdict, r.Cause)))
	}
	return strings.Join(all, "\n")
}

func given(t *testing.T, p Protocol, place, username string, auth Method) *Given {
	t.Helper()
	s, err := ParseServer(p, place)
	if err != nil {
		t.Fatal(err)
	}
	one := &GivenServer{s.Host, s.Port, s.Security, username, auth}
	switch p {
	case IMAP:
		return &Given{IMAP: one}
	case POP3:
		return &Given{POP3: one}
	}
	return &Given{SMTP: one}
}

func TestCompare(t *testing.T) {
	table := loadTable(t)
	for _, c := range []struct {
		query    string
		protocol Protocol
		place    string
		username string
		auth     Method
		want     string
	}{
		{"anna@gmail.com", IMAP, "imap.gmail.com:993/tls", "anna@gmail.com", OAuth2, `imap host imap.gmail.com -> imap.gmail.com right
imap port 993 -> 993 right
imap security tls -> tls right
imap username anna@gmail.com -> anna@gmail.com right
imap auth oauth2 -> oauth2 right`},
		{"anna@gmail.com", SMTP, "smtp.gmail.com:587/starttls", "Anna@Gmail.com", AppPassword, `smtp host smtp.gmail.com -> smtp.gmail.com right
smtp port 587 -> 465 works-too
smtp security starttls -> starttls right
smtp username Anna@Gmail.com -> anna@gmail.com right
smtp auth app-password -> oauth2 works-too`},
		{"anna@gmail.com", SMTP, "smtp.gmail.com:465/starttls", "anna", Password, `smtp host smtp.gmail.com -> smtp.gmail.com right
smtp port 465 -> 465 right
smtp security starttls -> tls wrong tls.mode-swapped
smtp username anna -> anna@gmail.com wrong auth.username-form
smtp auth password -> app-password wrong auth.app-password-required`},
		{"anna@gmail.com", SMTP, "smtp.gmail.com:25/plain", "anna@gmail.com ", None, `smtp host smtp.gmail.com -> smtp.gmail.com right
smtp port 25 -> 465 wrong client.wrong-port
smtp security plain -> tls wrong auth.plaintext-refused
smtp username anna@gmail.com  -> anna@gmail.com wrong auth.invisible-character
smtp auth none -> oauth2 wrong client.smtp-auth-off`},
		{"anna@gmail.com", IMAP, "imap.gmial.com:995/tls", "", CRAMMD5, `imap host imap.gmial.com -> imap.gmail.com wrong dns.host-misspelt
imap port 995 -> 993 wrong client.wrong-port
imap security tls -> tls works-too
imap auth cram-md5 -> oauth2 wrong auth.mechanism-mismatch`},
		{"anna@gmail.com", IMAP, "outlook.office365.com:993/tls", "", "", `imap host outlook.office365.com -> imap.gmail.com wrong client.wrong-host
imap port 993 -> 993 right
imap security tls -> tls right`},
		{"anna@gmail.com", IMAP, "imap.example.org:143/tls", "", "", `imap host imap.example.org -> imap.gmail.com wrong client.wrong-host
imap port 143 -> 993 unknown
imap security tls -> starttls wrong tls.mode-swapped`},
		{"anna@gmail.com", IMAP, "smtp.gmail.com:993/tls", "", "", `imap host smtp.gmail.com -> imap.gmail.com wrong dns.host-misspelt
imap port 993 -> 993 right
imap security tls -> tls right`},
		{"anna@gmail.com", IMAP, "imap-server.gmail.com:9993/tls", "", "", `imap host imap-server.gmail.com -> imap.gmail.com unknown
imap port 9993 -> 993 wrong client.wrong-port
imap security tls -> tls works-too`},
		{"anna@icloud.com", IMAP, "imap.mail.me.com:993/tls", "anna@icloud.com", Password, `imap host imap.mail.me.com -> imap.mail.me.com right
imap port 993 -> 993 right
imap security tls -> tls right
imap username anna@icloud.com -> anna works-too
imap auth password -> app-password wrong auth.app-password-required`},
		{"anna@icloud.com", SMTP, "smtp.mail.me.com:587/starttls", "anna", AppPassword, `smtp host smtp.mail.me.com -> smtp.mail.me.com right
smtp port 587 -> 587 right
smtp security starttls -> starttls right
smtp username anna -> anna@icloud.com wrong auth.username-form
smtp auth app-password -> app-password right`},
		{"anna@outlook.com", IMAP, "outlook.office365.com:993/tls", "", Password, `imap host outlook.office365.com -> outlook.office365.com right
imap port 993 -> 993 right
imap security tls -> tls right
imap auth password -> oauth2 wrong auth.oauth-required`},
		{"anna@outlook.com", SMTP, "smtp.office365.com:587/starttls", "", "", `smtp host smtp.office365.com -> smtp-mail.outlook.com works-too
smtp port 587 -> 587 right
smtp security starttls -> starttls right`},
		{"anna@icloud.com", POP3, "pop.mail.me.com:995/tls", "", "", `pop3 server pop.mail.me.com:995/tls ->  wrong pop3.unsupported`},
		{"anna@tuta.com", IMAP, "imap.tuta.com:993/tls", "", "", `imap server imap.tuta.com:993/tls ->  wrong account.protocol-disabled`},
		{"anna@telia.com", IMAP, "imap.telia.com:993/tls", "", "", `imap server imap.telia.com:993/tls ->  unknown`},
		{"anna@domeneshop.no", IMAP, "imap.domeneshop.no:993/tls", "anna17", AppPassword, `imap host imap.domeneshop.no -> imap.domeneshop.no right
imap port 993 -> 993 right
imap security tls -> tls right
imap username anna17 ->  unknown
imap auth app-password -> password unknown`},
		{"gmail.com", IMAP, "imap.gmail.com:993/tls", "anna", "", `imap host imap.gmail.com -> imap.gmail.com right
imap port 993 -> 993 right
imap security tls -> tls right
imap username anna ->  unknown`},
	} {
		if got := short(compared(t, table, c.query, given(t, c.protocol, c.place, c.username, c.auth))); got != c.want {
			t.Errorf("%s with %s %s:\n%s\nnot:\n%s", c.query, c.protocol, c.place, got, c.want)
		}
	}
}

// TestCompareUncertain: what nobody said is not held against given settings.
func TestCompareUncertain(t *testing.T) {
	server := Server{IMAP, "imap.north.example", 993, TLS, []Username{WholeAddress, LocalPart}, []Method{Password}}
	for origin, want := range map[Origin]string{
		FromGuess: `imap host mail.north.example -> imap.north.example unknown
imap port 143 -> 993 unknown
imap security starttls -> starttls works-too
imap username anna -> anna@north.example unknown`,
		FromAutoconfig: `imap host mail.north.example -> imap.north.example unknown
imap port 143 -> 993 unknown
imap security starttls -> starttls works-too
imap username anna -> anna@north.example works-too`,
	} {
		r := &Result{Address: "anna@north.example", Domain: "north.example", Chosen: []Choice{{Server: server, Origin: origin}}, Candidates: []Candidate{{Origin: origin, Servers: []Server{server}}}}
		if got := short(Compare(loadTable(t), r, given(t, IMAP, "mail.north.example:143/starttls", "anna", ""))); got != want {
			t.Errorf("%s:\n%s\nnot:\n%s", origin, got, want)
		}
	}
}

func TestCompareNoSMTP(t *testing.T) {
	g := given(t, IMAP, "imap.gmail.com", "", "")
	g.NoSMTP = true
	rows := compared(t, loadTable(t), "anna@gmail.com", g)
	if last := rows[len(rows)-1]; last.Cause != cause.ClientOutgoingServerMissing || last.Right != "smtp.gmail.com:465/tls" {
		t.Errorf("%+v", last)
	}
}

// TestCompareDecisions: every cause can be told, with the parameters it takes.
func TestCompareDecisions(t *testing.T) {
	catalogue, err := cause.Load()
	if err != nil {
		t.Fatal(err)
	}
	table := loadTable(t)
	for _, p := range table.Providers() {
		if len(p.Domains) == 0 {
			continue
		}
		for _, s := range []string{"imap.gmial.com:25/plain", "smtp.gmail.com:465/starttls", "imap.other.example:995/tls", "imap.gmail.com:993/starttls"} {
			for _, m := range methods {
				for _, protocol := range Protocols() {
					for _, r := range compared(t, table, "anna@"+p.Domains[0], given(t, protocol, s, "a nna", m)) {
						if (r.Verdict == Wrong) != (r.Cause != "") || r.Decision.Cause != r.Cause {
							t.Fatalf("%s %s: %+v", p.ID, s, r)
						}
						if err := catalogue.Check(r.Decision); err != nil {
							t.Fatalf("%s %s: %v", p.ID, s, err)
						}
					}
				}
			}
		}
	}
}

// TestSpeech: the languages say the same things.
func TestSpeech(t *testing.T) {
	english, err := SpeechIn(cause.English)
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range cause.Languages() {
		s, err := SpeechIn(lang)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range english.Keys() {
			text := english.Say(key)
			if other := s.Say(key); other == key || placeholders(other) != placeholders(text) {
				t.Errorf("%s in %s: %q", key, lang, other)
			}
		}
		if len(s.Keys()) != len(english.Keys()) {
			t.Errorf("%d texts in %s, %d in English", len(s.Keys()), lang, len(english.Keys()))
		}
		var keys []string
		for _, p := range Protocols() {
			keys = append(keys, "name."+string(p))
		}
		for _, o := range origins {
			keys = append(keys, "origin."+string(o))
		}
		for _, m := range methods {
			keys = append(keys, "method."+string(m))
		}
		for _, x := range []Security{TLS, STARTTLS, Plain} {
			keys = append(keys, "security."+string(x))
		}
		for _, x := range []Outcome{Found, Nothing, NotOffered, Refused, Failed, Skipped} {
			keys = append(keys, "outcome."+string(x))
		}
		for _, x := range []Verdict{Right, Wrong, WorksToo, Uncertain} {
			keys = append(keys, "verdict."+string(x))
		}
		for _, x := range []Field{FieldServer, FieldHost, FieldPort, FieldSecurity, FieldUsername, FieldAuth} {
			keys = append(keys, "name."+string(x))
		}
		for _, key := range keys {
			if s.Say(key) == key {
				t.Errorf("no %s in %s", key, lang)
			}
		}
	}
	if got := english.Say("say.limit-day", "count", "{count}5"); got != "{count}5 messages a day" {
		t.Error(got)
	}
}

// placeholders returns the words in braces of a text, sorted as they come.
func placeholders(text string) string {
	var all []string
	for _, part := range strings.Split(text, "{")[1:] {
		name, _, _ := strings.Cut(part, "}")
		all = append(all, name)
	}
	return strings.Join(all, " ")
}
