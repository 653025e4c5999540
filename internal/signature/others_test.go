package signature_test

import (
	"net"
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/dkim"
	"pgregory.net/rapid"

	"github.com/postiljon/postiljon/internal/signature/dnstest"
)

// edits are texts that stand in signatures, and what they may be changed to.
var (
	editFrom = []string{"v=1", "a=", "sha256", "c=relaxed/simple", "d=demo.test", "s=sel", "h=", "bh=", "b=", "t=", "x=", ";", ":", "From", "Subject", "\r\n", "\r\n ", " ", "test", "Hello", "\r\n\r\n"}
	editTo   = []string{"", "v=2", "a=rsa-sha1; ", "c=simple/simple", "c=relaxed", "i=@demo.test; ", "i=@x.demo.test; ", "d=Demo.Test", " ", "\r\n ", "\r\n\t \r\n ", ";;", "; x=y", "q=dns/txt; ", "q=x; ", "T", "FROM", "From: b@c.test\r\n", "X"}
)

// TestLikeAnother: whatever is done to a signed message, another implementation comes to the same verdict.
func TestLikeAnother(t *testing.T) {
	s := newSigner(t, ed25519Key(t))
	signed := map[string]string{}
	for _, forms := range []string{"simple/simple", "relaxed/relaxed", "relaxed/simple"} {
		header, body, _ := strings.Cut(forms, "/")
		signed[forms] = s.sign(t, plain, func(o *dkim.SignOptions) {
			o.HeaderCanonicalization, o.BodyCanonicalization = dkim.Canonicalization(header), dkim.Canonicalization(body)
		})
	}
	rapid.Check(t, func(t *rapid.T) {
		message := signed[rapid.SampledFrom([]string{"simple/simple", "relaxed/relaxed", "relaxed/simple"}).Draw(t, "forms")]
		for range rapid.IntRange(1, 2).Draw(t, "edits") {
			from := rapid.SampledFrom(editFrom).Draw(t, "from")
			parts := strings.Split(message, from)
			at := rapid.IntRange(0, len(parts)-1).Draw(t, "at")
			if at == len(parts)-1 {
				continue
			}
			message = strings.Join(parts[:at+1], from) + rapid.SampledFrom(editTo).Draw(t, "to") + strings.Join(parts[at+1:], from)
		}
		if ours, theirs := verdict(t, s.zone, message), theirVerdict(s.zone, message); ours != theirs {
			t.Fatalf("we say %v, another says %v, of\n%s", ours, theirs, message)
		}
	})
}

// verdict tells whether the message has a valid signature.
func verdict(t *rapid.T, zone *dnstest.Zone, message string) bool {
	for _, failure := range verify(t, zone, message) {
		if failure == nil {
			return true
		}
	}
	return false
}

func theirVerdict(zone *dnstest.Zone, message string) bool {
	list, _ := dkim.VerifyWithOptions(strings.NewReader(message), &dkim.VerifyOptions{LookupTXT: func(name string) ([]string, error) {
		if texts := zone.Texts[strings.ToLower(name)]; texts != nil {
			return texts, nil
		}
		return nil, &net.DNSError{IsNotFound: true}
	}})
	for _, v := range list {
		if v.Err == nil {
			return true
		}
	}
	return false
}
