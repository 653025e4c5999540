package policy

import (
	_ "embed"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/postiljon/postiljon/internal/sasl"
)

// Weakness is why a password should not be chosen.
type Weakness string

// What is wrong with passwords. What they are made of does not matter, but that nobody guesses them.
const (
	WeakShort    Weakness = "short"    // fewer than MinPasswordRunes characters
	WeakCommon   Weakness = "common"   // among those that are tried first
	WeakAddress  Weakness = "address"  // hardly more than the address or the name of the service
	WeakRepeated Weakness = "repeated" // a few characters again and again, or a row of the keyboard
	WeakLong     Weakness = "long"     // longer than passwords may be
)

// MinPasswordRunes is the fewest characters of a password that its holder chooses on the web.
const MinPasswordRunes = 10

//go:embed common.txt
var commonList string

// isCommon tells whether a password is one of those that are chosen most, perhaps with digits or signs around it.
func isCommon(password string) bool {
	for line := range strings.Lines(commonList) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") && line == password {
			return true
		}
	}
	return false
}

// rows are those of keyboards and the alphabet: what runs along one is tried early.
var rows = []string{"1234567890", "qwertyuiopåü", "asdfghjklöä", "asdfghjkløæ", "zxcvbnm", "abcdefghijklmnopqrstuvwxyz", "qwertzuiop", "azertyuiop", "1qaz2wsx3edc4rfv5tgb6yhn7ujm"}

// WeaknessOf tells whether a password is easily guessed, "" if not. Words are what belongs to its holder: the address, the name, the
// name of the service.
func WeaknessOf(password string, words ...string) Weakness {
	password = sasl.Prepare(password)
	if utf8.RuneCountInString(password) < MinPasswordRunes {
		return WeakShort
	}
	if len(password) > maxPassword {
		return WeakLong
	}
	folded := strings.ToLower(password)
	core := strings.TrimFunc(folded, func(r rune) bool { return !unicode.IsLetter(r) })
	switch {
	case isCommon(folded) || isCommon(unleet(folded)) || len(core) > 0 && (isCommon(core) || isCommon(unleet(core))) && len(folded)-len(core) <= 4:
		return WeakCommon
	case repeated(folded):
		return WeakRepeated
	case ofWords(folded, words):
		return WeakAddress
	}
	return ""
}

// unleet reads digits and signs as the letters that they stand for.
func unleet(s string) string {
	return strings.NewReplacer("0", "o", "1", "i", "3", "e", "4", "a", "5", "s", "7", "t", "@", "a", "$", "s", "!", "i").Replace(s)
}

// repeated tells of passwords of few characters, of one part again and again, and of rows of the keyboard.
func repeated(s string) bool {
	runes := []rune(s)
	distinct := slices.Compact(slices.Sorted(slices.Values(runes)))
	if len(distinct) < 5 {
		return true
	}
	for n := 1; n <= len(runes)/2; n++ {
		part := string(runes[:n])
		if again := strings.Repeat(part, len(runes)/n+1); again[:len(s)] == s {
			return true
		}
	}
	inRows := 0 // characters that follow their neighbour in a row, in either direction
	for i := 1; i < len(runes); i++ {
		pair := string(runes[i-1 : i+1])
		back := string([]rune{runes[i], runes[i-1]})
		if slices.ContainsFunc(rows, func(row string) bool { return strings.Contains(row, pair) || strings.Contains(row, back) }) {
			inRows++
		}
	}
	return inRows*4 >= (len(runes)-1)*3
}

// ofWords tells whether fewer than six characters are left without what belongs to the holder.
func ofWords(s string, words []string) bool {
	left := s
	for _, w := range words {
		for _, part := range strings.FieldsFunc(strings.ToLower(w), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
			if utf8.RuneCountInString(part) >= 3 {
				left = strings.ReplaceAll(left, part, "")
			}
		}
	}
	return left != s && utf8.RuneCountInString(left) < 6
}
