package inbound_test

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"net/netip"
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/inbound"
	"github.com/postiljon/postiljon/internal/inbound/genuine"
	"github.com/postiljon/postiljon/internal/journal"
	"github.com/postiljon/postiljon/internal/signature/dnstest"
	"github.com/postiljon/postiljon/internal/store"
)

const unsigned = "From: bo@strict.example\r\nSubject: Hej\r\n\r\nHej\r\n"

// TestSenderCauses: mail that is not genuine is refused on the wire with what helps its sender, and the journal has
// the same in three languages.
func TestSenderCauses(t *testing.T) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	zone := &dnstest.Zone{Broken: map[string]bool{"slow.example": true}, Texts: map[string][]string{
		"strict.example": {"v=spf1 -all"}, "_dmarc.strict.example": {"v=DMARC1; p=reject"},
		"wrong.example": {"v=spf1 ip4:nonsense -all"}, "_dmarc.wrong.example": {"v=DMARC1; p=reject"},
		"_dmarc.slow.example": {"v=DMARC1; p=reject"}, "plain.example": {"v=spf1 -all"},
		"s._domainkey.strict.example": {"v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(key.Public().(ed25519.PublicKey))},
	}}
	var signed bytes.Buffer
	if err := dkim.Sign(&signed, strings.NewReader(unsigned), &dkim.SignOptions{Domain: "strict.example", Selector: "s", Signer: key, Hash: crypto.SHA256}); err != nil {
		t.Fatal(err)
	}
	named := &dnstest.Zone{Texts: zone.Texts, Broken: zone.Broken, Hosts: map[string][]netip.Addr{"mail.list.example": {netip.MustParseAddr("127.0.0.1")}},
		Names: map[netip.Addr][]string{netip.MustParseAddr("127.0.0.1"): {"mail.list.example"}}}
	for _, c := range []struct {
		id              cause.ID
		options         genuine.Options
		domain, message string
		reply           string
	}{
		{cause.SenderNotAligned, genuine.Options{Resolver: zone}, "strict.example", unsigned,
			"550 5.7.26 The mail could not be proven to come from its sender's domain strict.example (DMARC)"},
		{cause.SenderDKIMBroken, genuine.Options{Resolver: zone}, "strict.example", strings.Replace(signed.String(), "Hej\r\n\r\n", "Nej\r\n\r\n", 1),
			"550 5.7.20 No DKIM signature of the domain strict.example could be verified"},
		{cause.SenderSPFBroken, genuine.Options{Resolver: zone}, "wrong.example", strings.Replace(unsigned, "strict", "wrong", 1),
			"550 5.7.24 The SPF record of the domain wrong.example has an error"},
		{cause.SenderForwardingBreaksSPF, genuine.Options{Resolver: named}, "strict.example", "Delivered-To: list@list.example\r\n" + unsigned,
			"550 5.7.23 The message was forwarded by mail.list.example in a way that breaks the sender's SPF"},
		{cause.SenderSPFFail, genuine.Options{Resolver: zone, RefuseSPFFail: true}, "plain.example", strings.Replace(unsigned, "strict", "plain", 1),
			"550 5.7.23 SPF check failed, the domain plain.example does not allow this server to send"},
		{cause.SenderPTRMissing, genuine.Options{Resolver: zone, RequirePTR: true}, "plain.example", strings.Replace(unsigned, "strict", "plain", 1),
			"550 5.7.25 The sending server 127.0.0.1 has no valid reverse name"},
		{cause.SenderNotAligned, genuine.Options{Resolver: zone}, "slow.example", strings.Replace(unsigned, "strict", "slow", 1),
			"451 4.7.26 The mail could not be proven to come from its sender's domain slow.example (DMARC)"},
	} {
		c.options.AuthservID = "mx.demo.test"
		s := start(t, func(o *inbound.Options) { o.Genuine = genuine.New(c.options) })
		talk(t, s.mail, "MAIL FROM:<bo@"+c.domain+">", "250", "RCPT TO:<anna@demo.test>", "250", "DATA", "354", c.message+".", c.reply)
		if n := len(s.inbox(t, s.anna)); n != 0 {
			t.Errorf("%s: %d messages were taken", c.id, n)
		}
		s.told(t, c.id)
	}
}

// told looks what the journal says of the refusal, to whom it concerns and in each language.
func (s *service) told(t *testing.T, id cause.ID) {
	t.Helper()
	catalogue, err := cause.Load()
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var refused *store.Event
	for i := range s.events {
		if s.events[i].Kind == journal.MessageRefused {
			refused = &s.events[i]
		}
	}
	if refused == nil || refused.Cause != id {
		t.Errorf("%s: the journal has %+v", id, refused)
		return
	}
	for _, reader := range []cause.Audience{cause.Holder, cause.Owner, cause.Operator} {
		said := map[string]bool{}
		for _, lang := range []cause.Lang{"sv", "nb", "en"} {
			e := catalogue.Explain(refused.Decision(), lang, reader)
			said[e.Text] = true
			if e.NextStep == "" || strings.ContainsAny(e.Text, "[]{}") || !strings.Contains(e.Text, ".example") && !strings.Contains(e.Text, "127.0.0.1") {
				t.Errorf("%s in %s for %v: %q %q", id, lang, reader, e.Text, e.NextStep)
			}
		}
		if len(said) != 3 && reader != cause.Operator { // operators are told in the field's own words
			t.Errorf("%s for %v: %d texts in three languages", id, reader, len(said))
		}
	}
}
