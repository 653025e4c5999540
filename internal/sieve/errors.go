package sieve

import (
	"embed"
	"fmt"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/phrases"
)

//go:embed texts/*.toml
var textFiles embed.FS

// Position is a place in a script. Both numbers count from 1, columns in characters.
type Position struct{ Line, Column int }

// Error is what is wrong at one place of a script. Code names the text in texts/, under which
// Pairs fill the placeholders: "command-end", {"command", "keep", "found", "}"}.
type Error struct {
	Position
	Code  string
	Pairs []string
}

// Error says it in English, with the place.
func (e *Error) Error() string { return e.Say(cause.English) }

// Say says it in a language, with the place.
func (e *Error) Say(lang cause.Lang) string {
	set, err := phrases.Load(textFiles, lang)
	if err != nil {
		return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Code)
	}
	pairs := slices.Clone(e.Pairs)
	for i := 1; i < len(pairs); i += 2 {
		if pairs[i] == "" { // a token that is none
			pairs[i] = atEnd
		}
	}
	text := set.Say("error."+e.Code, pairs...)
	end := set.Say("word.end")
	text = strings.NewReplacer("“"+atEnd+"”", end, "”"+atEnd+"”", end, "«"+atEnd+"»", end, atEnd, end).Replace(text)
	return set.Say("word.place", "line", fmt.Sprint(e.Line), "column", fmt.Sprint(e.Column), "text", text)
}

// atEnd stands for a token where there is none; what is said of it stands in no quotation marks.
const atEnd = "\x00"

// Errors are what is wrong in a script, in its order.
type Errors []*Error

// Error says all in English, each on a line of its own.
func (list Errors) Error() string { return list.Say(cause.English) }

// Say says all in a language, each on a line of its own.
func (list Errors) Say(lang cause.Lang) string {
	lines := make([]string, len(list))
	for i, e := range list {
		lines[i] = e.Say(lang)
	}
	return strings.Join(lines, "\n")
}

// orNil keeps an empty list from being an error.
func (list Errors) orNil() error {
	if len(list) == 0 {
		return nil
	}
	return list
}

func failAt(at Position, code string, pairs ...string) *Error {
	return &Error{Position: at, Code: code, Pairs: pairs}
}

// RunError is an error of a run: what the script wanted cannot be done. The message is kept then
// (RFC 5228 section 2.10.6).
type RunError struct {
	Script string // the included script that it happened in, "" for the first
	Wrong  *Error
}

// Error says it in English, with the place.
func (e *RunError) Error() string { return e.Say(cause.English) }

// Say says it in a language, with the place.
func (e *RunError) Say(lang cause.Lang) string {
	if e.Script == "" {
		return e.Wrong.Say(lang)
	}
	return e.Script + ": " + e.Wrong.Say(lang)
}
