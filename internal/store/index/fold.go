package index

import (
	"bytes"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Fold appends text in the form in which it is compared: without case, without the accents of
// letters (é is e), without the difference between wide, narrow and composed characters, and
// without what cannot be seen (soft hyphens, joiners). Letters that are letters of their own to
// those who type them stay apart: å, ä, ö, й, が. Octets that are no UTF-8 become U+FFFD.
//
// RFC 9051 section 6.4.4 leaves the comparison beyond ASCII to the server; this is in the spirit
// of i;unicode-casemap (RFC 5051), and looser by the accents.
func Fold(dst, text []byte) []byte {
	var base rune // the last letter written, for the marks that follow
	for i := 0; i < len(text); {
		if text[i] < utf8.RuneSelf {
			end := i + 1
			for end < len(text) && text[end] < utf8.RuneSelf {
				end++
			}
			from := len(dst)
			dst = append(dst, text[i:end]...)
			for k, c := range dst[from:] {
				dst[from+k] = lowerASCII[c&(utf8.RuneSelf-1)]
			}
			base = rune(dst[len(dst)-1])
			i = end
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		if r < lastLatin && latin[r].folded != "" {
			dst, base = append(dst, latin[r].folded...), latin[r].base
			i += n
			continue
		}
		if d := norm.NFKD.Properties(text[i : i+n]).Decomposition(); d != nil && r != utf8.RuneError {
			for len(d) > 0 {
				part, m := utf8.DecodeRune(d)
				dst, base = foldRune(dst, base, part)
				d = d[m:]
			}
		} else {
			dst, base = foldRune(dst, base, r)
		}
		i += n
	}
	return dst
}

// latin has the folded form of the letters of Latin scripts, which need no look at what stands
// before them, and the letter that the marks behind them change.
var latin = func() (t [lastLatin]struct {
	folded string
	base   rune
}) {
	for r := rune(utf8.RuneSelf); r < lastLatin; r++ {
		if !unicode.IsLetter(r) {
			continue
		}
		var folded []byte
		for _, part := range norm.NFKD.String(string(r)) {
			folded, t[r].base = foldRune(folded, t[r].base, part)
		}
		t[r].folded = string(folded)
	}
	return t
}()

const lastLatin = 0x250

// foldRune appends one character that has no decomposition.
func foldRune(dst []byte, base, r rune) ([]byte, rune) {
	switch {
	case isMark(r):
		letter := letterOfItsOwn(base, r)
		if letter == 0 {
			return dst, base
		}
		return utf8.AppendRune(dst[:len(dst)-utf8.RuneLen(base)], letter), letter
	case isUnseen(r):
		return dst, base
	case r == 'ß' || r == 'ẞ':
		return append(dst, "ss"...), 's'
	}
	r = unicode.ToLower(unicode.ToUpper(r))
	return utf8.AppendRune(dst, r), r
}

// letterOfItsOwn returns the letter that a mark makes of another, 0 if it is but an accent.
func letterOfItsOwn(base, mark rune) rune {
	const ring, diaeresis, breve = 0x30a, 0x308, 0x306
	switch {
	case base == 'a' && mark == ring:
		return 'å'
	case base == 'a' && mark == diaeresis:
		return 'ä'
	case base == 'o' && mark == diaeresis:
		return 'ö'
	case base == 'и' && mark == breve:
		return 'й'
	case base != 0 && isVoicing(mark):
		r, n := utf8.DecodeRuneInString(norm.NFC.String(string([]rune{base, mark})))
		if r != base && n > 0 {
			return r
		}
	}
	return 0
}

// isVoicing tells of the marks that make other letters of kana.
func isVoicing(r rune) bool { return r == 0x3099 || r == 0x309a }

// isMark tells of combining marks that are accents: those of the blocks named Combining
// Diacritical Marks, and those of kana. Vowel signs and the like of other scripts are letters to their readers.
func isMark(r rune) bool {
	return 0x300 <= r && r <= 0x36f || 0x1ab0 <= r && r <= 0x1aff || 0x1dc0 <= r && r <= 0x1dff ||
		0x20d0 <= r && r <= 0x20ff || 0xfe20 <= r && r <= 0xfe2f || isVoicing(r)
}

// isUnseen tells of characters that a reader neither sees nor types.
func isUnseen(r rune) bool {
	return r == 0xad || 0x200b <= r && r <= 0x200f || 0x202a <= r && r <= 0x202e ||
		0x2060 <= r && r <= 0x2064 || r == 0xfeff
}

var lowerASCII = func() (t [utf8.RuneSelf]byte) {
	for c := range t {
		t[c] = byte(c)
		if 'A' <= c && c <= 'Z' {
			t[c] += 'a' - 'A'
		}
	}
	return t
}()

// Needle is text to be found.
type Needle struct{ folded []byte }

// NewNeedle makes a needle of UTF-8 text.
func NewNeedle(text string) Needle { return Needle{Fold(nil, []byte(text))} }

// Len is how many octets its folded form has. Text of no length is found everywhere.
func (n Needle) Len() int { return len(n.folded) }

// InFolded reports whether folded text has the needle.
func (n Needle) InFolded(text []byte) bool { return bytes.Contains(text, n.folded) }

// In reports whether text has the needle.
func (n Needle) In(text []byte) bool {
	if len(n.folded) == 0 {
		return true
	}
	var room [512]byte
	return n.InFolded(Fold(room[:0], text))
}
