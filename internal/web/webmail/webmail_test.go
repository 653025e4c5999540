package webmail

import (
	"slices"
	"strings"
	"testing"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/phrases"
)

// Where scripts are off, the page says so in every language.
func TestWithoutScript(t *testing.T) {
	var keys []string
	for _, lang := range cause.Languages() {
		set, err := phrases.Load(words, lang)
		if err != nil {
			t.Fatal(err)
		}
		if keys == nil {
			keys = set.Keys()
		}
		if !slices.Equal(keys, set.Keys()) {
			t.Errorf("%s: %v, not %v", lang, set.Keys(), keys)
		}
		var out strings.Builder
		err = shell.Execute(&out, struct {
			first
			Data string
			Say  func(string, ...string) string
		}{first{Lang: lang}, "{}", set.Say})
		if _, said, _ := strings.Cut(out.String(), "<noscript>"); err != nil || !strings.Contains(said, "JavaScript") || strings.Contains(said, "plain.") {
			t.Errorf("%s: %s, %v", lang, said, err)
		}
	}
}
