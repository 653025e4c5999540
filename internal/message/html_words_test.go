package message

import (
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// TestTextInWords holds that text of HTML is the same whether it comes in words or in characters, at any limit.
func TestTextInWords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOfN(rapid.StringOfN(rapid.RuneFrom([]rune("ab<.\x7f \t\nå\u00ad\u00a0\u200b日")), 0, 12, -1), 0, 4).Draw(t, "texts")
		limit := rapid.IntRange(0, 30).Draw(t, "limit")
		words, characters := textWriter{limit: limit}, textWriter{limit: limit}
		for _, text := range texts {
			words.text([]byte(text))
			for b := []byte(text); len(b) > 0; {
				_, n := utf8.DecodeRune(b)
				characters.text(b[:n])
				b = b[n:]
			}
			words.lineBreak()
			characters.lineBreak()
		}
		if words.String() != characters.String() {
			t.Errorf("%q in words, %q in characters", words.String(), characters.String())
		}
	})
}
