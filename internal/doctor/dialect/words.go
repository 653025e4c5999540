package dialect

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// fold brings a text to the form in which words are compared: lower case, without accents and
// quotation marks, hyphens and underscores as spaces, single spaces. Mail addresses become "@",
// because names of people and domains are no words of the server.
func fold(text string) string {
	text = mailAddress.ReplaceAllString(text, "@")
	var b strings.Builder
	b.Grow(len(text))
	space := true
	for _, r := range norm.NFD.String(text) {
		switch {
		case unicode.Is(unicode.Mn, r) || strings.ContainsRune("\"'`´‘’‚“”„«»", r):
		case unicode.IsSpace(r) || r == '-' || r == '_' || r == '‑' || r == '–' || unicode.IsControl(r):
			if !space {
				b.WriteByte(' ')
			}
			space = true
		default:
			b.WriteString(plainLetter(unicode.ToLower(r)))
			space = false
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// plainLetter writes letters without an accent to take off as people without them do.
func plainLetter(r rune) string {
	switch r {
	case 'ø':
		return "o"
	case 'æ':
		return "ae"
	case 'ß':
		return "ss"
	case 'ł':
		return "l"
	}
	return string(r)
}

// transcribed takes the second letter of "ae", "oe" and "ue" away, as fold takes the dots off ä, ö and ü:
// German servers often write so.
func transcribed(folded string) string { return umlauts.Replace(folded) }

var umlauts = strings.NewReplacer("ae", "a", "oe", "o", "ue", "u")

var mailAddress = regexp.MustCompile(`[^\s<>()\[\]:;,"'=]{1,64}@[A-Za-z0-9\pL][A-Za-z0-9\pL.\-]{0,253}[A-Za-z0-9\pL]`)

// phrase is a fragment of a text: words that follow each other. A "*" stands for anything of up to
// maxGap octets, a "|" at the end for the end of a word.
type phrase struct {
	words   []string
	written string
	closed  bool
}

const maxGap = 80

func newPhrase(written string) phrase {
	text, closed := strings.CutSuffix(written, "|")
	p := phrase{written: written, closed: closed}
	for word := range strings.SplitSeq(text, "*") {
		if word = fold(word); word != "" {
			p.words = append(p.words, word)
		}
	}
	return p
}

// in tells whether a folded text has the phrase. Its first word must begin where a word begins.
func (p *phrase) in(text string) bool {
	if len(p.words) == 0 {
		return false
	}
	for from := 0; from < len(text); {
		i := strings.Index(text[from:], p.words[0])
		if i < 0 {
			return false
		}
		start := from + i
		if beginsWord(text, start) && p.follows(text, start) {
			return true
		}
		from = start + 1
	}
	return false
}

func (p *phrase) follows(text string, at int) bool {
	end := at + len(p.words[0])
	for _, word := range p.words[1:] {
		near := text[end:min(len(text), end+maxGap+len(word))]
		i := strings.Index(near, word)
		if i < 0 {
			return false
		}
		end += i + len(word)
	}
	return !p.closed || endsWord(text, end)
}

func beginsWord(text string, at int) bool {
	first, _ := utf8.DecodeRuneInString(text[at:])
	before, _ := utf8.DecodeLastRuneInString(text[:at])
	return at == 0 || !isLetter(first) || !isLetter(before)
}

func endsWord(text string, at int) bool {
	next, _ := utf8.DecodeRuneInString(text[at:])
	return at == len(text) || !isLetter(next)
}

func isLetter(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
