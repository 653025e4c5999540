package main

import (
	"strings"
	"testing"

	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/settings"
)

func TestDefaultReferences(t *testing.T) {
	table, err := settings.Load()
	if err != nil {
		t.Fatal(err)
	}
	const google, apple, fastmail = "imap.gmail.com:993 smtp.gmail.com:465", "imap.mail.me.com:993 smtp.mail.me.com:587", "imap.fastmail.com:993 smtp.fastmail.com:465"
	for _, c := range []struct{ address, server, resolver, want string }{
		{"anna@example.org", "", "", google + " " + apple},
		{"anna@gmail.com", "", "", apple + " " + fastmail},
		{"anna@example.org", "imap.gmail.com", "", apple + " " + fastmail},
		{"anna@icloud.com", "", "", google + " " + fastmail},
		{"anna@example.org", "mail.example.org", "192.0.2.53:53", google + " " + apple},
		{"anna@example.org", "127.0.0.1", "", ""},
		{"anna@example.org", "localhost", "", ""},
		{"anna@example.org", "::1", "", ""},
		{"anna@example.org", "", "127.0.0.1:5353", ""},
		{"anna@example.org", "", "[::1]", ""},
	} {
		var given []evidence.Endpoint
		if c.server != "" {
			given = []evidence.Endpoint{{Protocol: evidence.IMAP, Host: c.server, Port: 993}}
		}
		if got := strings.Join(defaultReferences(table, c.address, given, c.resolver), " "); got != c.want {
			t.Errorf("%s, server %q, resolver %q: %q, want %q", c.address, c.server, c.resolver, got, c.want)
		}
	}
}
