// Package phrases holds the short texts of one part of the program in one
// language: labels, headings, half sentences. Causes have texts of their own.
package phrases

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/postiljon/postiljon/internal/cause"
)

// Set is the phrases of one language. Texts are found by keys such as
// "origin.srv"; what they leave open stands in braces.
type Set struct {
	words map[string]string
}

// Load reads texts/LANG.toml. An error means that the program was built wrong.
func Load(files fs.FS, lang cause.Lang) (*Set, error) {
	raw, err := fs.ReadFile(files, "texts/"+string(lang)+".toml")
	if err != nil {
		return nil, fmt.Errorf("phrases: %w", err)
	}
	s := &Set{words: map[string]string{}}
	var groups map[string]map[string]string
	if err := toml.Unmarshal(raw, &groups); err != nil {
		return nil, fmt.Errorf("phrases: texts in %s: %w", lang, err)
	}
	for group, words := range groups {
		for word, text := range words {
			s.words[group+"."+word] = text
		}
	}
	return s, nil
}

// Keys returns the keys in order, for tests that compare languages.
func (s *Set) Keys() []string {
	keys := make([]string, 0, len(s.words))
	for k := range s.words {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Say returns a text with its braces filled in: Say("say.limit-day", "count", "500").
// A key that does not exist gives the key.
func (s *Set) Say(key string, pairs ...string) string {
	text, ok := s.words[key]
	if !ok {
		return key
	}
	braced := slices.Clone(pairs)
	for i := 0; i < len(braced); i += 2 {
		braced[i] = "{" + braced[i] + "}"
	}
	return strings.NewReplacer(braced...).Replace(text)
}
