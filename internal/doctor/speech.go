package doctor

import (
	"embed"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/phrases"
)

//go:embed texts/*.toml
var textFiles embed.FS

// SpeechIn returns what is said around the causes, in a language.
func SpeechIn(lang cause.Lang) (*phrases.Set, error) { return phrases.Load(textFiles, lang) }
