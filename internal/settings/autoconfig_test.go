package settings

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// config wraps servers into a configuration file.
func config(inside string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><clientConfig version="1.1"><emailProvider id="north.example">` + inside + `</emailProvider></clientConfig>`
}

func TestParseConfig(t *testing.T) {
	c, err := ParseConfig(strings.NewReader(config(`
		<domain>north.example</domain><domain> Mail.North.Example </domain><domain>%EMAILDOMAIN%</domain>
		<displayName>Mail of %EMAILDOMAIN%</displayName>
		<incomingServer type="imap"><hostname>imap.%EMAILDOMAIN%</hostname><port>993</port><socketType>SSL</socketType>
			<username>%EMAILADDRESS%</username><username>%EMAILLOCALPART%</username>
			<authentication>OAuth2</authentication><authentication>password-cleartext</authentication><authentication>telepathy</authentication></incomingServer>
		<incomingServer type="pop3"><hostname>POP.north.example</hostname><port>110</port><socketType>STARTTLS</socketType>
			<username>%EMAILLOCALPART%</username><authentication>password-encrypted</authentication><pop3><leaveMessagesOnServer>true</leaveMessagesOnServer></pop3></incomingServer>
		<incomingServer type="exchange"><hostname>ews.north.example</hostname><port>443</port><socketType>SSL</socketType></incomingServer>
		<incomingServer type="imap"><hostname>old.north.example</hostname><port>143</port><socketType>plain</socketType><username>%EMAILADDRESS%</username></incomingServer>
		<incomingServer type="imap"><hostname>no port</hostname></incomingServer>
		<incomingServer type="smtp"><hostname>smtp.north.example</hostname><port>465</port><socketType>SSL</socketType></incomingServer>
		<outgoingServer type="smtp"><hostname>smtp.north.example</hostname><port>465</port><socketType>SSL</socketType>
			<username>%EMAILADDRESS%</username><authentication>plain</authentication></outgoingServer>
		<enable visiturl="https://north.example/enable"><instruction>Switch it on</instruction></enable>`)), "north.example")
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Name: "Mail of north.example", Domains: []string{"north.example", "mail.north.example"}, EnableURL: "https://north.example/enable",
		Servers: []Server{
			{IMAP, "imap.north.example", 993, TLS, []Username{WholeAddress, LocalPart}, []Method{OAuth2, Password}},
			{POP3, "pop.north.example", 110, STARTTLS, []Username{LocalPart}, []Method{CRAMMD5}},
			{IMAP, "old.north.example", 143, Plain, []Username{WholeAddress}, nil},
			{SMTP, "smtp.north.example", 465, TLS, []Username{WholeAddress}, []Method{Password}},
		},
	}
	if d := cmp.Diff(want, c); d != "" {
		t.Error(d)
	}
}

const oneServer = `<incomingServer type="imap"><hostname>imap.north.example</hostname><port>993</port><socketType>SSL</socketType></incomingServer>`

// TestHostileConfig: documents that try to do harm are refused, and cost little.
func TestHostileConfig(t *testing.T) {
	for name, doc := range map[string]string{
		"empty":         "",
		"no XML":        "not found",
		"HTML":          "<html><body>" + oneServer + "</body></html>",
		"unclosed":      config(oneServer)[:200],
		"no provider":   "<clientConfig/>",
		"no server":     config("<domain>north.example</domain>"),
		"entities":      `<!DOCTYPE c [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>` + config("<domain>&b;</domain>"+oneServer),
		"external":      `<!DOCTYPE c SYSTEM "file:///etc/passwd">` + config(oneServer),
		"unknown":       config("<domain>&secret;</domain>" + oneServer),
		"deep":          strings.Repeat("<clientConfig>", 100) + strings.Repeat("</clientConfig>", 100),
		"many":          config(strings.Repeat("<domain>a.example</domain>", 6000) + oneServer),
		"long":          config("<!--" + strings.Repeat("x", 300_000) + "-->" + oneServer),
		"two documents": config(oneServer) + config(oneServer),
		"charset":       strings.Replace(config(oneServer), "UTF-8", "UTF-7", 1),
		"bad host":      config(strings.Replace(oneServer, "imap.north.example", "imap.north.example/../x", 1)),
		"port":          config(strings.Replace(oneServer, "993", "99999", 1)),
		"negative port": config(strings.Replace(oneServer, "993", "-1", 1)),
	} {
		if c, err := ParseConfig(strings.NewReader(doc), "north.example"); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
	// Text without end in one element and servers without number are cut off.
	c, err := ParseConfig(strings.NewReader(config("<displayName>"+strings.Repeat("x", 100_000)+"</displayName>"+strings.Repeat(oneServer, 100))), "")
	if err != nil || len(c.Name) != maxText || len(c.Servers) != maxServers {
		t.Errorf("much of it: %v, %d octets of name, %d servers", err, len(c.Name), len(c.Servers))
	}
}

func TestReadFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"north.example.xml": config("<domain>north.example</domain><domain>n.example</domain>" + oneServer),
		"south.example":     config(strings.ReplaceAll(oneServer, "imap.north.example", "imap.%EMAILDOMAIN%") + "<domain>south.example</domain><domain>s.example</domain>"),
		"broken.xml":        "<clientConfig>",
		".hidden":           "nothing",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files, bad, err := ReadFiles(dir)
	if err != nil || len(bad) != 1 || !strings.Contains(bad[0].Error(), "broken.xml") || files.Len() != 4 {
		t.Fatalf("%d domains, bad %v, %v", files.Len(), bad, err)
	}
	for domain, host := range map[string]string{
		"north.example": "imap.north.example", "n.example": "imap.north.example", "south.example": "imap.south.example", "s.example": "imap.s.example",
	} {
		c, path, err := files.lookup(domain)
		if err != nil || c.Servers[0].Host != host || filepath.Dir(path) != dir {
			t.Errorf("%s: %+v of %s, %v", domain, c, path, err)
		}
	}
	if c, path, err := files.lookup("west.example"); c != nil || path != "" || err != nil {
		t.Errorf("west.example: %+v of %s, %v", c, path, err)
	}
	if one, _, err := ReadFiles(filepath.Join(dir, "north.example.xml")); err != nil || one.Len() != 2 {
		t.Errorf("one file: %v", err)
	}
	for _, path := range []string{filepath.Join(dir, "broken.xml"), filepath.Join(dir, "none"), t.TempDir()} {
		if _, _, err := ReadFiles(path); err == nil {
			t.Errorf("%s can be read", path)
		}
	}
	if err := os.Remove(filepath.Join(dir, "south.example")); err != nil {
		t.Fatal(err)
	}
	if _, path, err := files.lookup("s.example"); err == nil || path == "" {
		t.Errorf("a file that has gone: %q, %v", path, err)
	}
}

const discoverAnswer = `<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006">
 <Response xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a">
  <User><DisplayName>North</DisplayName></User>
  <Account><AccountType>email</AccountType><Action>settings</Action>
   <Protocol><Type>EXCH</Type><Server>x.north.example</Server></Protocol>
   <Protocol><Type>IMAP</Type><Server>IMAP.north.example</Server><Port>993</Port><LoginName>anna@north.example</LoginName><SSL>on</SSL><SPA>off</SPA></Protocol>
   <Protocol><Type>POP3</Type><Server>pop.north.example</Server><Port>110</Port><LoginName>anna</LoginName><SSL>on</SSL></Protocol>
   <Protocol><Type>SMTP</Type><Server>smtp.north.example</Server><Port>587</Port><LoginName>id-17</LoginName><Encryption>TLS</Encryption><SPA>on</SPA></Protocol>
   <Protocol><Type>SMTP</Type><Server>relay.north.example</Server><Port>465</Port><Encryption>Auto</Encryption><AuthRequired>off</AuthRequired></Protocol>
   <Protocol><Type>IMAP</Type><Server>old.north.example</Server><Port>143</Port><SSL>off</SSL></Protocol>
   <Protocol><Type>IMAP</Type><Server>new.north.example</Server><Encryption>SSL</Encryption></Protocol>
  </Account></Response></Autodiscover>`

func TestParseAutodiscover(t *testing.T) {
	d, err := parseAutodiscover([]byte(discoverAnswer), "anna@north.example")
	if err != nil {
		t.Fatal(err)
	}
	password := []Method{Password}
	want := []Server{
		{IMAP, "imap.north.example", 993, TLS, []Username{WholeAddress}, password},
		{POP3, "pop.north.example", 110, STARTTLS, []Username{LocalPart}, password},
		{SMTP, "smtp.north.example", 587, STARTTLS, []Username{"id-17"}, nil},
		{SMTP, "relay.north.example", 465, TLS, []Username{WholeAddress}, []Method{None}},
		{IMAP, "old.north.example", 143, Plain, []Username{WholeAddress}, password},
		{IMAP, "new.north.example", 993, TLS, []Username{WholeAddress}, password},
	}
	if diff := cmp.Diff(want, d.servers); diff != "" || d.name != "North" {
		t.Error(d.name, diff)
	}
	account := func(inside string) []byte {
		return []byte("<Autodiscover><Response><Account>" + inside + "</Account></Response></Autodiscover>")
	}
	for doc, want := range map[string]discovered{
		"<RedirectUrl>https://x.north.example/a</RedirectUrl>":   {url: "https://x.north.example/a"},
		"<RedirectAddr>anna@south.example</RedirectAddr>":        {address: "anna@south.example"},
		"<RedirectUrl>http://x.north.example/a</RedirectUrl>":    {},
		"<RedirectUrl>https://169.254.0.1:x/</RedirectUrl>":      {},
		"<RedirectAddr>anna@south.example/x?</RedirectAddr>":     {},
		"<Protocol><Type>EXCH</Type></Protocol>":                 {},
		"<Protocol><Type>IMAP</Type><Port>993</Port></Protocol>": {},
	} {
		got, err := parseAutodiscover(account(doc), "anna@north.example")
		if want.url == "" && want.address == "" {
			if !errors.Is(err, ErrConfig) {
				t.Errorf("%s: %+v, %v", doc, got, err)
			}
			continue
		}
		if err != nil || got.url != want.url || got.address != want.address {
			t.Errorf("%s: %+v, %v", doc, got, err)
		}
	}
}

func TestAutodiscoverRequest(t *testing.T) {
	got := string(autodiscoverRequest(`a<b>&"@north.example`))
	if !strings.Contains(got, "<EMailAddress>a&lt;b&gt;&amp;&#34;@north.example</EMailAddress>") {
		t.Error(got)
	}
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte(config(oneServer)))
	f.Add([]byte(discoverAnswer))
	f.Add([]byte(`<?xml version="1.0" encoding="us-ascii"?><clientConfig><emailProvider><enable visiturl="https://a.example"/></emailProvider></clientConfig>`))
	f.Add([]byte(`<!DOCTYPE x [<!ENTITY e "e">]><clientConfig>&e;</clientConfig>`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var servers []Server
		if c, err := ParseConfig(strings.NewReader(string(raw)), "north.example"); err == nil {
			servers = append(servers, c.Servers...)
		}
		if d, err := parseAutodiscover(raw, "anna@north.example"); err == nil {
			servers = append(servers, d.servers...)
		}
		for _, s := range servers {
			if err := s.check(); err != nil {
				t.Errorf("%s: %v", s, err)
			}
		}
	})
}
