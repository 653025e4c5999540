package internet

import (
	"encoding/base64"
	"os"
	"strings"
	"testing"

	"github.com/postiljon/postiljon/internal/lab"
	"github.com/postiljon/postiljon/test/harness"
)

// asDocumented is what an operator sets, beside that the machine of the test is a stranger as any.
const asDocumented = `tls_reports = false
[inbound]
trusted = []
`

// TestTwoServers does what the section "On the Internet" of the README says, with two services that write to each other: the records
// go into the zone as they are printed, and mail is proven genuine both ways and goes encrypted.
func TestTwoServers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("only root can make networks")
		return
	}
	t.Parallel()
	w := lab.NewReal(t)
	sides := map[string]*lab.PostiljonInstallation{}
	for _, domain := range []string{"north.example", "south.example"} {
		p, err := w.RunPostiljon(harness.Binary(t), domain, asDocumented)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("%s: %s", domain, p.Log())
			}
		})
		if err := p.AddAccount("bo@"+domain, password); err != nil {
			t.Fatal(err)
		}
		sides[domain] = p
		paste(t, p, domain)
	}
	one := &peers{World: w}
	for from, to := range map[string]string{"north.example": "south.example", "south.example": "north.example"} {
		sender, recipient := "bo@"+from, "bo@"+to
		if out := command(t, sides[from], "route", recipient); !strings.Contains(out, "One server takes its mail") {
			t.Errorf("the way from %s: %s", from, out)
		}
		plain := base64.StdEncoding.EncodeToString([]byte("\x00" + sender + "\x00" + password))
		said := one.say(t, "smtp."+from+":465", "EHLO laptop", "AUTH PLAIN "+plain, "MAIL FROM:<"+sender+">", "RCPT TO:<"+recipient+">", "DATA", letter(sender, recipient))
		if !strings.HasPrefix(said, "250 ") {
			t.Fatal(said)
		}
		fields := strings.Fields(said)
		wait(t, "handed over", func() bool {
			out := command(t, sides[from], "trace", fields[len(fields)-1])
			return strings.Contains(out, "over TLS 1.3") && strings.Contains(out, "250 2.0.0")
		})
		out := command(t, sides[to], "trace", recipient, "--with", sender)
		// SPF is looked at elsewhere: the hosts of the lab are one kernel, which connects to an address of its own from that address.
		for _, part := range []string{"dkim=pass (" + from + ")", "dmarc=pass", "INBOX"} {
			if !strings.Contains(out, part) {
				t.Errorf("%s does not know %q: %s", to, part, out)
			}
		}
	}
}

// paste puts what postiljon dns prints into the zone of a domain, line by line; the zone says if it cannot be read.
func paste(t *testing.T, p *lab.PostiljonInstallation, domain string) {
	t.Helper()
	printed := command(t, p, "dns", domain)
	for line := range strings.Lines(printed) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, ";") {
			continue
		}
		if name, _, found := strings.Cut(line, "  IN CNAME  "); found {
			p.Zone.Remove(name)
		}
		p.Zone.Set(line)
	}
	for _, kind := range []string{"  IN MX  10 ", `  IN TXT  "v=spf1 `, `  IN TXT  "v=DMARC1`, "_imaps._tcp." + domain + ".  IN SRV  ", "-rsa._domainkey." + domain + ".  IN TXT  ", "-ed25519._domainkey."} {
		if !strings.Contains(printed, kind) {
			t.Errorf("%q was not printed:\n%s", kind, printed)
		}
	}
}

// command runs a command of postiljon for an installation.
func command(t *testing.T, p *lab.PostiljonInstallation, args ...string) string {
	t.Helper()
	out, err := p.Command(args...)
	if err != nil {
		t.Fatalf("postiljon %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}
