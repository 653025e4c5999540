package view

import (
	"bytes"
	"embed"
	"fmt"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/postiljon/postiljon/internal/cause"
)

//go:embed texts/*.toml
var files embed.FS

// words are the texts in one language.
type words struct {
	Words map[string]string `toml:"words"`
}

func loadWords() (map[cause.Lang]*words, error) {
	all := map[cause.Lang]*words{}
	for _, lang := range cause.Languages() {
		raw, err := files.ReadFile("texts/" + string(lang) + ".toml")
		if err != nil {
			return nil, fmt.Errorf("view: %w", err)
		}
		w := &words{}
		if err := toml.NewDecoder(bytes.NewReader(raw)).DisallowUnknownFields().Decode(w); err != nil {
			return nil, fmt.Errorf("view: texts in %s: %w", lang, err)
		}
		all[lang] = w
	}
	return all, nil
}

// say is a text with its placeholders filled, given as name and value in turn.
func (w *words) say(id string, pairs ...string) string {
	text := w.Words[id]
	for i := 0; i+1 < len(pairs); i += 2 {
		text = strings.ReplaceAll(text, "{"+pairs[i]+"}", pairs[i+1])
	}
	return text
}

// count is a text about a number of things; where there is one thing, another text.
func (w *words) count(id string, n int) string {
	if n == 1 {
		id += "-one"
	}
	return w.say(id, "count", strconv.Itoa(n))
}
