package doctor

import (
	"regexp"
	"slices"
	"testing"

	"github.com/postiljon/postiljon/internal/cause"
)

// The languages say the same things, with the same gaps to fill.
func TestSpeech(t *testing.T) {
	gaps := regexp.MustCompile(`\{[a-z]+\}`)
	english, err := SpeechIn(cause.English)
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range cause.Languages() {
		other, err := SpeechIn(lang)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(other.Keys(), english.Keys()) {
			t.Errorf("%s has other texts than English", lang)
		}
		for _, key := range english.Keys() {
			a, b := gaps.FindAllString(english.Say(key), -1), gaps.FindAllString(other.Say(key), -1)
			slices.Sort(a)
			slices.Sort(b)
			if !slices.Equal(a, b) {
				t.Errorf("%s in %s: %q", key, lang, other.Say(key))
			}
		}
	}
}
