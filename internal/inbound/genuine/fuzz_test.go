package genuine_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/inbound/genuine"
	"github.com/postiljon/postiljon/internal/signature"
	"github.com/postiljon/postiljon/internal/signature/dnstest"
)

// FuzzCheck: whatever comes, the field says what was found out and nothing else, and forged mail of a domain that
// wants it refused does not pass.
func FuzzCheck(f *testing.F) {
	f.Add("a@reject.test", "client.test", text("a@reject.test"))
	f.Add(`"a; dmarc=pass"@x.test`, "[192.0.2.1]", "DKIM-Signature: v=1; a=ed25519-sha256; d=reject.test; s=s; h=from; bh=YQ==; b=YQ==\r\n"+text("a@reject.test"))
	f.Add("", "", "ARC-Seal: i=1; cv=none; a=rsa-sha256; d=a.test; s=b; b=\r\nFrom: a@reject.test\r\nfrom : b@c.test\r\n\r\n")
	zone := &dnstest.Zone{Texts: map[string][]string{
		"reject.test": {common}, "_dmarc.reject.test": {"v=DMARC1; p=reject"},
		"s._domainkey.reject.test": {"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="},
	}}
	c := genuine.New(genuine.Options{Resolver: zone, AuthservID: "mx.demo.test"})
	f.Fuzz(func(t *testing.T, sender, helo, message string) {
		if len(message) > 1<<16 {
			return
		}
		early := c.Begin(context.Background(), genuine.Envelope{Remote: netip.MustParseAddr("198.51.100.9"), HELO: helo, From: sender})
		defer early.Close()
		r := c.Check(context.Background(), genuine.Input{Early: early, Message: strings.NewReader(message), Size: int64(len(message))})
		if r.DMARC.Outcome == signature.Pass || r.DMARC.From == "reject.test" && r.Decision.Action != cause.ActionRefuse {
			t.Errorf("%+v, %+v", r.DMARC, r.Decision)
		}
		id, stated, err := genuine.ReadResults(r.Value())
		if err != nil || id != "mx.demo.test" || len(stated) < 4 {
			t.Errorf("%s %v %v of %q", id, stated, err, r.Field())
		}
		for _, s := range stated {
			if s.Outcome == signature.Pass || s.Method == "dmarc" && s.Properties["header.from"] != r.DMARC.From {
				t.Errorf("%+v of %q", s, r.Field())
			}
		}
		if strings.ContainsFunc(r.Value(), func(c rune) bool { return c >= 0x7f || c < ' ' && c != '\r' && c != '\n' && c != '\t' }) {
			t.Errorf("%q", r.Field())
		}
	})
}
