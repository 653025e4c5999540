// Package phrases holds the short texts of one part of the program in one
// language: labels, headings, half sentences. Causes have texts of their own.
package phrases

import (
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/postiljon/postiljon/internal/cause"
)

// Set is the phrases of one language. Texts are found by keys such as
// "origin.srv"; what they leave open stands in braces. A word that depends on
// a count has its forms there: "{count} {count:message|messages}".
type Set struct {
	lang  cause.Lang
	words map[string]string
}

// Load reads texts/LANG.toml. An error means that the program was built wrong.
func Load(files fs.FS, lang cause.Lang) (*Set, error) {
	raw, err := fs.ReadFile(files, "texts/"+string(lang)+".toml")
	if err != nil {
		return nil, fmt.Errorf("phrases: %w", err)
	}
	s := &Set{lang: lang, words: map[string]string{}}
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
	text = s.inflect(text, pairs)
	braced := slices.Clone(pairs)
	for i := 0; i < len(braced); i += 2 {
		braced[i] = "{" + braced[i] + "}"
	}
	return strings.NewReplacer(braced...).Replace(text)
}

// choice is a word with its forms: {count:message|messages}.
var choice = regexp.MustCompile(`\{([a-z-]+):([^{}]*)\}`)

// inflect puts the forms of words that depend on counts. Where the count is not
// given, or is no number, the last form stands.
func (s *Set) inflect(text string, pairs []string) string {
	return choice.ReplaceAllStringFunc(text, func(found string) string {
		parts := choice.FindStringSubmatch(found)
		forms := strings.Split(parts[2], "|")
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i] == parts[1] {
				return s.lang.Form(countIn(pairs[i+1]), forms)
			}
		}
		return forms[len(forms)-1]
	})
}

// countIn reads a number as people write it, with its thousands apart.
func countIn(text string) int64 {
	digits := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, text)
	n, _ := strconv.ParseInt(digits, 10, 64) // what is no number is as many as 0
	return n
}
