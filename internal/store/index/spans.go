package index

import (
	"bytes"
	"slices"
	"unicode/utf8"
)

// Span is a part of a text, in octets.
type Span struct{ From, To int }

// Spans finds where a text has any of some needles, as it stands there: with the letters whole that a match touches. Those that
// overlap or touch are one.
func Spans(text []byte, needles []Needle) []Span {
	folded, starts := foldLetters(text)
	var found []Span
	for _, n := range needles {
		if len(n.folded) == 0 {
			continue
		}
		for at := 0; ; {
			i := bytes.Index(folded[at:], n.folded)
			if i < 0 {
				break
			}
			at += i
			found = append(found, original(text, starts, at, at+len(n.folded)))
			at += len(n.folded)
		}
	}
	slices.SortFunc(found, func(a, b Span) int { return a.From - b.From })
	merged := found[:0]
	for _, s := range found {
		if last := len(merged) - 1; last >= 0 && s.From <= merged[last].To {
			merged[last].To = max(merged[last].To, s.To)
			continue
		}
		merged = append(merged, s)
	}
	return merged
}

// letter is where a letter with its marks begins in a text, and where its folded form does.
type letter struct{ in, folded int }

// foldLetters folds a text and keeps where each letter went.
func foldLetters(text []byte) (folded []byte, starts []letter) {
	for from := 0; from < len(text); {
		to := from
		for to < len(text) {
			r, n := utf8.DecodeRune(text[to:])
			if to > from && !isMark(r) && !isUnseen(r) {
				break
			}
			to += n
		}
		starts = append(starts, letter{from, len(folded)})
		folded = Fold(folded, text[from:to])
		from = to
	}
	return folded, starts
}

// original is where a part of the folded text came from.
func original(text []byte, starts []letter, from, to int) Span {
	first, exact := slices.BinarySearchFunc(starts, from, func(l letter, at int) int { return l.folded - at })
	if !exact {
		first--
	}
	next, _ := slices.BinarySearchFunc(starts, to, func(l letter, at int) int { return l.folded - at })
	end := len(text)
	if next < len(starts) {
		end = starts[next].in
	}
	return Span{starts[max(first, 0)].in, end}
}
