package settings

import (
	"embed"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/phrases"
)

//go:embed texts/*.toml
var textFiles embed.FS

// SpeechIn returns the words in which a lookup or a comparison is told; an error
// means that the program was built wrong.
func SpeechIn(lang cause.Lang) (*phrases.Set, error) { return phrases.Load(textFiles, lang) }
