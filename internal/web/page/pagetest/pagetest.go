// Package pagetest checks the texts of pages.
package pagetest

import (
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"

	"github.com/postiljon/postiljon/internal/cause"
)

// Texts holds that all languages have the same words, that the templates use no other, and that none is left over;
// fromCode are those that code uses.
func Texts(t *testing.T, part fs.FS, fromCode ...string) {
	t.Helper()
	en := words(t, part, cause.English)
	for _, lang := range cause.Languages() {
		in := words(t, part, lang)
		if !slices.Equal(slices.Sorted(maps.Keys(in)), slices.Sorted(maps.Keys(en))) {
			t.Errorf("%s has other words than English", lang)
		}
		for k, v := range in {
			if strings.TrimSpace(v) == "" {
				t.Errorf("%s: %s is empty", lang, k)
			}
		}
	}
	used := map[string]bool{}
	for _, k := range fromCode {
		used[k] = true
	}
	paths, err := fs.Glob(part, "templates/*.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(paths, layout(part)...) {
		text, err := fs.ReadFile(part, path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\.T\.([a-z_]+)`).FindAllStringSubmatch(string(text), -1) {
			used[m[1]] = true
		}
	}
	for _, k := range slices.Sorted(maps.Keys(used)) {
		if en[k] == "" {
			t.Errorf("%s is used and has no text", k)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(en)) {
		if !used[k] {
			t.Errorf("nothing uses %s", k)
		}
	}
}

func layout(part fs.FS) []string {
	found, _ := fs.Glob(part, "layout.html") // the pattern is right
	return found
}

func words(t *testing.T, part fs.FS, lang cause.Lang) map[string]string {
	t.Helper()
	raw, err := fs.ReadFile(part, "texts/"+string(lang)+".toml")
	if err != nil {
		t.Fatal(err)
	}
	var read struct {
		Words map[string]string `toml:"words"`
	}
	if err := toml.Unmarshal(raw, &read); err != nil {
		t.Fatalf("%s: %v", lang, err)
	}
	return read.Words
}
