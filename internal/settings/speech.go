package settings

import (
	"embed"
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/postiljon/postiljon/internal/cause"
)

//go:embed texts/*.toml
var textFiles embed.FS

// Speech says in one language what a lookup or a comparison found. Texts are found
// by keys such as "origin.srv"; what they leave open stands in braces.
type Speech struct {
	words map[string]string
}

// SpeechIn returns the words of a language; an error means that the program was
// built wrong.
func SpeechIn(lang cause.Lang) (*Speech, error) {
	raw, err := textFiles.ReadFile("texts/" + string(lang) + ".toml")
	if err != nil {
		return nil, fmt.Errorf("settings: texts: %w", err)
	}
	s := &Speech{words: map[string]string{}}
	var groups map[string]map[string]string
	if err := toml.Unmarshal(raw, &groups); err != nil {
		return nil, fmt.Errorf("settings: texts in %s: %w", lang, err)
	}
	for group, words := range groups {
		for word, text := range words {
			s.words[group+"."+word] = text
		}
	}
	return s, nil
}

// Say returns a text with its braces filled in: Say("say.limit-day", "count", "500").
// A key that does not exist gives the key.
func (s *Speech) Say(key string, pairs ...string) string {
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
