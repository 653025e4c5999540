package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
