package security

import (
	"slices"
	"testing"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/policy"
)

// Every reason has a text, in each language.
func TestTextsAreComplete(t *testing.T) {
	s, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"all.title"}
	for _, reason := range []string{
		string(policy.WeakShort), string(policy.WeakCommon), string(policy.WeakRepeated), string(policy.WeakAddress), string(policy.WeakLong),
		"on", "off", "name", "taken", "many", "protocol", "host", "refused", "exists", "same", "address-wrong", "own", "often", "code", "late",
	} {
		want = append(want, "reason."+reason)
	}
	slices.Sort(want)
	for _, lang := range cause.Languages() {
		if got := s.texts[lang].Keys(); !slices.Equal(got, want) {
			t.Errorf("%s: %v, not %v", lang, got, want)
		}
	}
}
