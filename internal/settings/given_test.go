package settings

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseServer(t *testing.T) {
	for _, c := range []struct {
		protocol Protocol
		text     string
		want     string // "" for an error
	}{
		{IMAP, "imap.example.org:993/tls", "imap.example.org:993/tls"},
		{IMAP, "imap.example.org", "imap.example.org:993/tls"},
		{POP3, "pop.example.org", "pop.example.org:995/tls"},
		{SMTP, "smtp.example.org", "smtp.example.org:465/tls"},
		{SMTP, "smtp.example.org:587", "smtp.example.org:587/starttls"},
		{IMAP, "imap.example.org/starttls", "imap.example.org:143/starttls"},
		{IMAP, " IMAP.Example.ORG.:143/STARTTLS ", "imap.example.org:143/starttls"},
		{IMAP, "imap.example.org:993/ssl", "imap.example.org:993/tls"},
		{SMTP, "smtp.example.org:25/none", "smtp.example.org:25/plain"},
		{SMTP, "smtp.example.org:2525", "smtp.example.org:2525/tls"},
		{IMAP, "imap.example.org:465", "imap.example.org:465/tls"},
		{IMAP, "[2001:db8::1]:993/tls", "[2001:db8::1]:993/tls"},
		{IMAP, "127.0.0.1:1143/starttls", "127.0.0.1:1143/starttls"},
		{IMAP, "", ""}, {IMAP, "imap", ""}, {IMAP, "imap.example.org:", ""}, {IMAP, "imap.example.org:x", ""}, {IMAP, "imap.example.org:0", ""},
		{IMAP, "imap.example.org:993/magic", ""}, {IMAP, "imap..org", ""}, {IMAP, "-imap.example.org", ""}, {IMAP, "im ap.example.org", ""},
		{IMAP, "imap.example.org:70000", ""}, {IMAP, "2001:db8::1", ""}, {"gopher", "imap.example.org:993/tls", ""},
	} {
		s, err := ParseServer(c.protocol, c.text)
		switch {
		case c.want == "" && !errors.Is(err, ErrGiven):
			t.Errorf("%q: %v, %v", c.text, s, err)
		case c.want != "" && (err != nil || s.String() != c.want):
			t.Errorf("%q: %v, %v", c.text, s, err)
		}
	}
}

func TestUsername(t *testing.T) {
	for _, c := range []struct {
		form    Username
		address string
		want    string
	}{
		{WholeAddress, "anna@north.example", "anna@north.example"},
		{LocalPart, "anna@north.example", "anna"},
		{"%EMAILLOCALPART%#%EMAILDOMAIN%", "anna@north.example", "anna#north.example"},
		{"NORTH\\%EMAILLOCALPART%", "anna@north.example", "NORTH\\anna"},
		{"anna17", "anna@north.example", "anna17"}, {"anna17", "", "anna17"},
		{WholeAddress, "", ""}, {WholeAddress, "north.example", ""}, {"%REALNAME%", "anna@north.example", ""}, {"%EMAILADDRESS", "anna@north.example", ""},
		{LocalPart, "50%@north.example", "50%"}, {LocalPart, "%EMAILDOMAIN%@north.example", "%EMAILDOMAIN%"}, {"", "anna@north.example", ""},
	} {
		if got := c.form.For(c.address); got != c.want {
			t.Errorf("%s of %q is %q, not %q", c.form, c.address, got, c.want)
		}
	}
}

func TestReadGiven(t *testing.T) {
	account := func(inside string) string {
		return `{"schema":"postiljon.client-state/1","os":"x","account":{` + inside + `}}`
	}
	for state, want := range map[string]Given{
		account(`"username":"anna","auth_method":"Password","from":"anna@north.example","incoming":"IMAP.north.example.","outgoing":"smtp.north.example:587","outgoing_selected":true`): {
			Address: "anna@north.example",
			IMAP:    &GivenServer{"imap.north.example", 993, TLS, "anna", Password},
			SMTP:    &GivenServer{"smtp.north.example", 587, STARTTLS, "anna", Password},
		},
		account(`"protocol":"pop3","auth_method":"XOAUTH2","smtp_auth":false,"incoming":"pop.north.example:110/plain","outgoing":"smtp.north.example:25/plain"`): {
			POP3: &GivenServer{"pop.north.example", 110, Plain, "", OAuth2},
			SMTP: &GivenServer{"smtp.north.example", 25, Plain, "", None},
		},
		account(`"protocol":"exchange","incoming":"ex.north.example","auth_method":"something"`): {},
		account(`"outgoing":"smtp.north.example","outgoing_selected":false`):                     {NoSMTP: true},
		`{"account":{}}`: {},
	} {
		g, err := ReadGiven(strings.NewReader(state))
		if err != nil {
			t.Errorf("%s: %v", state, err)
			continue
		}
		if d := cmp.Diff(&want, g); d != "" {
			t.Errorf("%s: %s", state, d)
		}
	}
	for _, bad := range []string{
		``, `[]`, `{}`, `{"schema":"postiljon.client-state/2","account":{}}`, `{"schema":"postiljon.client-state/1"}`,
		account(`"incoming":"imap"`), account(`"incoming":"imap.north.example:-1"`), account(`"outgoing":"smtp.north.example:465/magic"`),
		account(`"username":"` + strings.Repeat("x", 1<<20) + `"`),
	} {
		if g, err := ReadGiven(strings.NewReader(bad)); !errors.Is(err, ErrGiven) {
			t.Errorf("%.100s: %+v, %v", bad, g, err)
		}
	}
}

func FuzzGiven(f *testing.F) {
	f.Add("imap.example.org:993/tls", `{"schema":"postiljon.client-state/1","account":{"incoming":"imap.example.org"}}`)
	f.Add("[2001:db8::1]:143", `{"account":{"protocol":"pop3","incoming":"p.example.org:110","outgoing":"s.example.org:25/plain","smtp_auth":false}}`)
	f.Fuzz(func(t *testing.T, server, state string) {
		for _, p := range Protocols() {
			s, err := ParseServer(p, server)
			if err != nil {
				continue
			}
			if again, err := ParseServer(p, s.String()); err != nil || again.String() != s.String() {
				t.Errorf("%q is %s, and that is %s, %v", server, s, again, err)
			}
		}
		g, err := ReadGiven(strings.NewReader(state))
		if err != nil {
			return
		}
		for _, p := range Protocols() {
			if one := g.server(p); one != nil {
				if err := (Server{Protocol: p, Host: one.Host, Port: one.Port, Security: one.Security}).check(); err != nil {
					t.Errorf("%s: %v", state, err)
				}
			}
		}
	})
}

func TestParseQuery(t *testing.T) {
	for text, want := range map[string][2]string{
		"anna@North.Example":     {"anna@north.example", "north.example"},
		" north.example. ":       {"", "north.example"},
		"Anna.B+c@räksmörgås.se": {"Anna.B+c@xn--rksmrgs-5wao1o.se", "xn--rksmrgs-5wao1o.se"},
		"a@b@north.example":      {"a@b@north.example", "north.example"},
	} {
		addr, domain, err := parseQuery(text)
		if err != nil || addr != want[0] || domain != want[1] {
			t.Errorf("%q: %q, %q, %v", text, addr, domain, err)
		}
	}
	for _, text := range []string{
		"", "@", "anna", "anna@", "@north.example", "anna@north", "anna@[192.0.2.1]", "192.0.2.1", "anna@192.0.2.1", "north example", "an na@north.example", "anna@-x.example",
		"anna@x_y.example", "../../etc/passwd", "https://north.example", "anna@north.example/x", strings.Repeat("a", 65) + "@north.example", "a\n@north.example",
	} {
		if addr, domain, err := parseQuery(text); !errors.Is(err, ErrQuery) {
			t.Errorf("%q: %q, %q, %v", text, addr, domain, err)
		}
	}
}
