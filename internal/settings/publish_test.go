package settings

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// anyServers draws servers as a service publishes them.
func anyServers(t *rapid.T) []Server {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Server {
		return Server{
			Protocol: rapid.SampledFrom(Protocols()).Draw(t, "protocol"), Host: rapid.StringMatching(`[a-z][a-z0-9]{0,5}\.north\.example`).Draw(t, "host"),
			Port: rapid.IntRange(1, 65535).Draw(t, "port"), Security: rapid.SampledFrom([]Security{TLS, STARTTLS}).Draw(t, "security"),
			Usernames: []Username{WholeAddress}, Methods: []Method{Password},
		}
	}), 1, maxServers).Draw(t, "servers")
}

// TestPublished: what is published is what a lookup reads.
func TestPublished(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Published{Domain: "north.example", Name: rapid.StringMatching(`[ -~åäö]{1,30}`).Draw(t, "name"), Servers: anyServers(t)}
		c, err := ParseConfig(bytes.NewReader(p.Config()), "north.example")
		if err != nil {
			t.Fatal(err)
		}
		want := &Config{Name: strings.TrimSpace(p.Name), Domains: []string{"north.example"}, Servers: p.Servers}
		if d := cmp.Diff(want, c); d != "" && !strings.Contains(p.Name, "%EMAILDOMAIN%") {
			t.Fatal(d)
		}
		answer, err := p.Autodiscover(autodiscoverRequest("anna&<b>@north.example"))
		if err != nil {
			t.Fatal(err)
		}
		d, err := parseAutodiscover(answer, "anna&<b>@north.example")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p.Servers, d.servers); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestAutodiscoverBadRequest(t *testing.T) {
	p := Published{Domain: "north.example", Servers: []Server{{Protocol: IMAP, Host: "imap.north.example", Port: 993, Security: TLS}}}
	for _, bad := range []string{
		"", "x", "<Autodiscover/>", "<x><Request><EMailAddress>anna@north.example</EMailAddress></Request></x>",
		"<Autodiscover><Request/></Autodiscover>", "<Autodiscover><Request><EMailAddress>anna</EMailAddress></Request></Autodiscover>",
		"<Autodiscover><Request><EMailAddress>north.example</EMailAddress></Request></Autodiscover>",
		`<!DOCTYPE a [<!ENTITY x "y">]><Autodiscover><Request><EMailAddress>anna@north.example</EMailAddress></Request></Autodiscover>`,
	} {
		if answer, err := p.Autodiscover([]byte(bad)); !errors.Is(err, ErrConfig) {
			t.Errorf("%q: %s, %v", bad, answer, err)
		}
	}
}

func TestProfile(t *testing.T) {
	p := Published{Domain: "north.example", Name: "North & Co", Servers: []Server{
		{Protocol: POP3, Host: "pop.north.example", Port: 995, Security: TLS},
		{Protocol: IMAP, Host: "imap.north.example", Port: 993, Security: TLS},
		{Protocol: SMTP, Host: "smtp.north.example", Port: 465, Security: TLS},
	}}
	got := string(p.Profile("anna@north.example"))
	for _, want := range []string{
		"<key>EmailAccountType</key>\n        <string>EmailTypeIMAP</string>",
		"<key>IncomingMailServerHostName</key>\n        <string>imap.north.example</string>",
		"<key>IncomingMailServerPortNumber</key>\n        <integer>993</integer>",
		"<key>OutgoingMailServerUseSSL</key>\n        <true/>",
		"<key>IncomingMailServerUsername</key>\n        <string>anna@north.example</string>",
		"<string>North &amp; Co</string>",
		"<key>PayloadType</key>\n    <string>Configuration</string>",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
	wellFormed(t, []byte(got))
	if again := string(p.Profile("anna@north.example")); again != got {
		t.Error("another profile for the same account")
	}
	if other := string(p.Profile("bo@north.example")); strings.Contains(other, profileID("account", "north.example", "anna@north.example")) {
		t.Error("two accounts have the same id")
	}
	if asking := string(p.Profile("")); strings.Contains(asking, "Username") || strings.Contains(asking, "EmailAddress<") {
		t.Error("a profile without an address has one")
	}
	p.Servers = p.Servers[:1]
	if p.Profile("") != nil {
		t.Error("a profile that cannot send")
	}
	p.Servers = append(p.Servers, Server{Protocol: SMTP, Host: "smtp.north.example", Port: 465, Security: TLS})
	if !strings.Contains(string(p.Profile("")), "EmailTypePOP") {
		t.Error("no profile for POP3")
	}
}

func wellFormed(t *testing.T, raw []byte) {
	t.Helper()
	for d := xml.NewDecoder(bytes.NewReader(raw)); ; {
		if _, err := d.Token(); err == io.EOF {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
