package outbound

import (
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/lab/names"
	"github.com/postiljon/postiljon/internal/outbound/mtasts"
	"github.com/postiljon/postiljon/internal/outbound/plan"
)

// TestPlan: what would be done is said in words, as it is done.
func TestPlan(t *testing.T) {
	s := newSecured(t, func(o *Options) {
		o.Relays = []Relay{{From: []string{"relayed.test"}, Host: "relay.test", Port: 465, TLS: RelayImplicit}}
	})
	s.in.Zone("relay.test").Add("@ A 10.0.0.9")
	s.zone.Add("@ 1 MX 20 mx2", "mx2 1 A 10.0.0.8", "mx2 1 AAAA fd00::8", tlsa(t, 3, s.cert.Certificate[0])).Sign(names.Good)
	s.in.Zone("plain.test").Add("@ MX 0 mx1.far.test.")
	s.in.Zone("null.test").Add("@ MX 0 .")
	s.in.Zone("own.test").Add("@ A 10.0.0.7")
	*s.policies.found = sts(mtasts.Enforce, "mx1.far.test")
	s.policies.found.Fetched = time.Date(2026, 3, 1, 0, 0, 0, 0, time.Local)
	for _, test := range []struct{ from, domain, want string }{
		{"", "far.test", `far.test
  Servers that take its mail, by its MX records: 2. Those of equal preference are tried in any order.
  DNSSEC vouches for this list.
  MTA-STS: mail goes only to mx1.far.test, with a valid certificate; known until 2026-03-01 01:00.

  1. mx1.far.test  preference 10  10.0.0.1
     Encrypted, with a key that the domain publishes (DANE).
     TLSA 3 1 1 KEY

  2. mx2.far.test  preference 20  fd00::8, 10.0.0.8
     Encrypted, with a certificate for the server's name (MTA-STS).
     Mail would wait: TLSA or the MTA-STS policy of far.test does not match what the MX mx2.far.test serves; senders report it by TLSRPT.
     the MTA-STS policy does not name this server
`},
		{"", "null.test", "null.test\n  Mail would come back: MX 0 “.” at null.test (RFC 7505). Refused without a delivery attempt.\n"},
		{"", "here.test", "here.test\n  The mailboxes of this domain are here; nothing goes over the network.\n"},
		{"anna@relayed.test", "far.test", "far.test\n  Mail is handed to the relay relay.test, as the configuration says.\n\n" +
			"  1. relay.test  10.0.0.9\n     Encrypted, with a certificate for the relay's name.\n"},
		{"", "own.test", `own.test
  The domain has no MX record, so its own host takes its mail.
  DNSSEC does not vouch for this list, so DANE cannot protect it.
  MTA-STS: mail goes only to mx1.far.test, with a valid certificate; known until 2026-03-01 01:00.

  1. own.test  10.0.0.7
     Encrypted, with a certificate for the server's name (MTA-STS).
     Mail would wait: TLSA or the MTA-STS policy of own.test does not match what the MX own.test serves; senders report it by TLSRPT.
     the MTA-STS policy does not name this server
`},
	} {
		p, err := s.queue.Plan(t.Context(), test.from, test.domain)
		if err != nil {
			t.Fatal(err)
		}
		speech, err := plan.SpeechIn(cause.English)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		speaker := plan.Speaker{Lang: cause.English, Speech: speech, Catalogue: s.options.Catalogue, Bold: func(s string) string { return s }}
		if err := speaker.Write(&b, p); err != nil {
			t.Fatal(err)
		}
		got := b.String()
		if i := strings.Index(got, "TLSA 3 1 1 "); i >= 0 {
			got = got[:i+len("TLSA 3 1 1 ")] + "KEY" + got[i+len("TLSA 3 1 1 ")+64:]
		}
		if got != test.want {
			t.Errorf("%s\ninstead of\n%s", got, test.want)
		}
	}
	if len(s.reports.list) > 0 {
		t.Errorf("a look is reported: %q", s.reports.list)
	}
}
