package main

import (
	"io"
	"net/netip"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/config"
	"github.com/postiljon/postiljon/internal/dmarc"
	"github.com/postiljon/postiljon/internal/lab/names"
	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
	"github.com/postiljon/postiljon/internal/store/uid"
)

const aggregateReport = `<feedback><report_metadata><org_name>Big` + "\x1b[2J" + `</org_name><email>d@big.test</email><date_range><begin>1763683200</begin><end>1763769599</end></date_range></report_metadata>
<policy_published><domain>a.test</domain><p>quarantine</p></policy_published>
<record><row><source_ip>192.0.2.7</source_ip><count>12</count><policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated></row><identifiers><header_from>a.test</header_from></identifiers></record>
<record><row><source_ip>198.51.100.1</source_ip><count>3</count><policy_evaluated><disposition>quarantine</disposition><dkim>fail</dkim><spf>fail</spf></policy_evaluated></row><identifiers><header_from>a.test</header_from></identifiers></record>
</feedback>`

func TestDMARCReport(t *testing.T) {
	file := filepath.Join(t.TempDir(), "report.xml")
	// A control character is no XML, so this is how one gets there.
	if err := os.WriteFile(file, []byte(strings.Replace(aggregateReport, "\x1b", "\u009b", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	for lang, want := range map[string]string{
		"en": `Report of Big·[2J about a.test, 2025-11-21

3 of 15 messages in the name of a.test could not be proven to come from there.
3 were put in Junk.
The policy of a.test: put what is not proven in Junk (p=quarantine)

MESSAGES  SERVER        FROM    SPF  DKIM    WHAT WAS DONE
12        192.0.2.7     a.test  no   proven  delivered
3         198.51.100.1  a.test  no   no      put in Junk

Is one of these servers yours, although its mail is not proven? Add it to the SPF record of a.test, or let it sign with a DKIM key of a.test.
Others are forwarders, which DKIM signatures survive, or forgers.
When only forgers are left, ask receivers to refuse them: p=reject in the DMARC record.
Questions to: d@big.test
`,
		"sv": "För 3 av 15 meddelanden i namnet a.test gick det inte att bevisa att de kom därifrån.\n3 lades i skräpposten.",
		"nb": "For 3 av 15 meldinger i navnet a.test kunne det ikke bevises at de kom derfra.\n3 ble lagt i søppelposten.",
	} {
		if got := outputOf(t, &dmarcReport{File: file, Limit: 30, Lang: lang}); got != want && (lang == "en" || !strings.Contains(got, want)) {
			t.Errorf("%s:\n%s", lang, got)
		}
	}
	if got := outputOf(t, &dmarcReport{File: file, Limit: 1, Lang: "en"}); strings.Contains(got, "198.51.100.1") || !strings.Contains(got, "more lines") {
		t.Errorf("one line:\n%s", got)
	}
	if err := (&dmarcReport{File: os.Args[0]}).Run(&streams{}); err == nil {
		t.Error("a program is read as a report")
	}
}

func outputOf(t *testing.T, command interface{ Run(*streams) error }) string {
	t.Helper()
	out, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := command.Run(&streams{out: out}); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestDMARCReported: what comes in a domain's name is checked, counted, and reported to whom the domain names; here to
// an account of our own, in whose inbox the report lies.
func TestDMARCReported(t *testing.T) {
	in, err := names.New(time.Now, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	server, err := names.Serve(in.Resolver("r"))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	in.Zone("far.example").Set("_dmarc TXT \"v=DMARC1; p=none; rua=mailto:anna@example.org\"", "@ TXT \"v=spf1 -all\"")
	in.Zone("example.org").Set("far.example._report._dmarc TXT \"v=DMARC1\"")
	if err := in.AddHost("mail.example.org", netip.MustParseAddr("192.0.2.25")); err != nil {
		t.Fatal(err)
	}
	s := serveMail(t, func(c *config.Config) { c.Queue.Resolver, c.Inbound.Trusted, c.Junk.GreylistDelay = server.UDP, nil, 0 })
	anna := storetest.Account(t, s.store, "anna@example.org")
	c := textproto.NewConn(s.dial("smtp"))
	for _, step := range []struct {
		send string
		code int
	}{
		{"", 220}, {"EHLO client.test", 250}, {"MAIL FROM:<bo@far.example>", 250}, {"RCPT TO:<anna@example.org>", 250}, {"DATA", 354},
		{"From: bo@far.example\r\nSubject: Hej\r\n\r\nHej\r\n.", 250},
	} {
		if step.send != "" {
			if err := c.PrintfLine("%s", step.send); err != nil {
				t.Fatal(err)
			}
		}
		if _, text, err := c.ReadResponse(step.code); err != nil {
			t.Fatalf("%q: %v %s", step.send, err, text)
		}
	}
	s.dmarc.Send(t.Context(), time.Now().Add(48*time.Hour))
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		for _, text := range inboxOf(t, s.store, anna) {
			if !strings.Contains(text, "Report Domain: far.example") {
				continue
			}
			r, err := dmarc.Read(strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			if row := r.Records[0]; row.Count != 1 || row.Source != "127.0.0.1" || row.SPF != "fail" || row.Senders[0].Result != "fail" || r.Published.Policy != "none" {
				t.Errorf("%+v", r)
			}
			if !strings.Contains(text, "From: postmaster@example.org\r\n") {
				t.Errorf("%.600s", text)
			}
			return
		}
	}
	t.Error("the report did not come")
}

func inboxOf(t *testing.T, s *store.Store, a store.Account) (texts []string) {
	t.Helper()
	err := s.Messages(t.Context(), a.ID, store.InboxID, uid.All(), func(m *store.Message) error {
		b, err := s.ReadBody(t.Context(), nil, &m.Email, 0, m.Email.Size)
		texts = append(texts, string(b))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}
