package plan

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
)

// TestTexts: each language says all there is to say.
func TestTexts(t *testing.T) {
	english, err := SpeechIn(cause.English)
	if err != nil {
		t.Fatal(err)
	}
	catalogue, err := cause.Load()
	if err != nil {
		t.Fatal(err)
	}
	plans := []Plan{{Domain: "a.example", Local: true}, {Domain: "b.example", Cause: cause.DNSMXNull}, {Domain: "c.example", Cause: cause.DNSResolverDead, Waits: true}}
	for _, mode := range []string{"enforce", "testing", "none", ""} {
		p := Plan{Domain: "d.example", Secure: mode == "", Unbelieved: mode == "testing", STS: &STS{Mode: mode, MX: []string{"*.d.example"}, Until: time.Unix(0, 0), Error: "gone"}}
		for _, policy := range []string{"opportunistic", "mta-sts", "mta-sts-testing", "dane", "relay"} {
			p.Servers = append(p.Servers, Server{Host: "mx.d.example", Preference: 5, Policy: policy}, Server{Host: "mx", Policy: policy, Encrypted: true, Proven: true})
		}
		plans = append(plans, p)
	}
	for _, lang := range cause.Languages() {
		speech, err := SpeechIn(lang)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(speech.Keys(), english.Keys()) {
			t.Errorf("%s has other texts than English", lang)
		}
		s := Speaker{Lang: lang, Speech: speech, Catalogue: catalogue, Bold: strings.ToUpper}
		for i := range plans {
			var b strings.Builder
			if err := s.Write(&b, &plans[i]); err != nil {
				t.Fatal(err)
			}
			if got := b.String(); strings.ContainsAny(got, "{}") || strings.Contains(got, "way.") || strings.Contains(got, "policy.") || strings.Contains(got, "sts.") {
				t.Errorf("%s: %s", lang, got)
			}
		}
	}
}
