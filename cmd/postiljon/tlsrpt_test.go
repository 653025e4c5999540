package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const tlsReport = `{"organization-name":"South\u001b[2J","date-range":{"start-datetime":"2026-03-01T00:00:00Z","end-datetime":"2026-03-01T23:59:59Z"},
"contact-info":"tls@south.example","report-id":"x1","policies":[{"policy":{"policy-type":"sts","policy-string":["version: STSv1"],
"policy-domain":"a.test","mx-host":"*.a.test"},"summary":{"total-successful-session-count":5,"total-failure-session-count":3},
"failure-details":[{"result-type":"certificate-expired","receiving-mx-hostname":"mx.a.test","failed-session-count":2,"failure-reason-code":"X509_V_ERR_CERT_HAS_EXPIRED"},
{"result-type":"moon-phase","failed-session-count":1}]}]}`

func TestTLSReport(t *testing.T) {
	file := filepath.Join(t.TempDir(), "report.json")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(tlsReport)
	for lang, want := range map[string]string{
		"en": `Report of South·[2J about a.test, 2026-03-01 00:00 to 2026-03-01 23:59

3 of 8 connections were not encrypted as a.test wants it.

  MTA-STS: 5 well, 3 not
    2 × the certificate had run out at mx.a.test (X509_V_ERR_CERT_HAS_EXPIRED)
    1 × another failure: moon-phase

What to do: Renew the certificate, and see why it was not renewed by itself.
Questions to: tls@south.example
`,
		"sv": "  MTA-STS: 5 bra, 3 inte\n    2 × certifikatet hade gått ut hos mx.a.test",
		"nb": "  MTA-STS: 5 bra, 3 ikke\n    2 × sertifikatet var utløpt hos mx.a.test",
	} {
		if got := outputOf(t, &tlsrptReport{File: file, Lang: lang}); got != want && (lang == "en" || !strings.Contains(got, want)) {
			t.Errorf("%s:\n%s", lang, got)
		}
	}
	write(strings.Replace(strings.Split(tlsReport, `,"total-failure`)[0], "South", "S", 1) + "}}]}")
	if got := outputOf(t, &tlsrptReport{File: file, Lang: "en"}); !strings.Contains(got, "All 5 connections") || !strings.Contains(got, "Nothing to do.") {
		t.Errorf("all well:\n%s", got)
	}
	if err := (&tlsrptReport{File: os.Args[0]}).Run(&streams{}); err == nil {
		t.Error("a program is read as a report")
	}
}
