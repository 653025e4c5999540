package sanitize

import (
	"bytes"
	"math/bits"
	"unicode/utf8"
)

// Most of what is written as plain text is read best in the letters of the page. Tables, drawings and changes of programs are not: they
// need letters of one width, as they were written in. What is not surely one of them stays as it is, for a letter in the wrong letters is
// worse than a table in them. Sure are
//
//   - two lines on each other with three cells or more, which stand below each other,
//   - a rule of a table with marks between its columns, and a line beside it that has such marks,
//   - two lines on each other with the corners and bars that boxes and trees are drawn with,
//   - three lines on each other that are of marks and spaces, several different ones, rather than of letters and digits,
//   - and the changes of files, as of git diff.
//
// What adjoins them and looks as if it belonged to them has the same letters.

// fixedLines tells of each line whether it is set in letters of one width. Empty lines between two such lines are, too.
func fixedLines(list []line) []bool {
	fixed := make([]bool, len(list))
	var looks []look
	for i := 0; i < len(list); {
		from := i
		if startsChange(list[i:]) {
			for ; i < len(list) && continuesChange(list[i].text); i++ {
				fixed[i] = true
			}
			continue
		}
		looks = looks[:0]
		for i < len(list) && !isBlank(list[i]) && !startsChange(list[i:]) {
			looks = append(looks, lookAt(list[i].text))
			i++
		}
		fixParagraph(fixed[from:i], looks)
		for i < len(list) && isBlank(list[i]) {
			i++
		}
	}
	last := -1 // the last line that says something, if it is fixed
	for i := range list {
		switch {
		case fixed[i] && last >= 0:
			for n := last + 1; n < i; n++ {
				fixed[n] = true
			}
			last = i
		case fixed[i]:
			last = i
		case !isBlank(list[i]):
			last = -1
		}
	}
	return fixed
}

func isBlank(l line) bool { return len(bytes.TrimSpace(l.text)) == 0 }

// look is what a line looks like.
type look struct {
	starts, ends columns // of cells with three spaces or a tab between them; of a line with three cells or more
	marks        columns // which marks of ASCII it has, by their codes; a space is one, if something follows it
	is           trait
}

type trait uint8

const (
	isRule    trait = 1 << iota // of a table, with marks between the columns
	hasBar                      // a mark between columns
	hasStroke                   // a corner or bar of a drawn box
	hasCorner                   // a corner of one
	isDrawn                     // of marks more than of letters
	isLoose                     // belongs to a table or drawing beside it
	isForeign                   // has letters that have no width in common with others
)

// columns is a set of numbers below 128; others are left out.
type columns [2]uint64

func (c *columns) add(n int) {
	if n < 128 {
		c[n/64] |= 1 << (n % 64)
	}
}

func (c columns) has(n int) bool { return c[n/64]&(1<<(n%64)) != 0 }

func (c columns) count() int { return bits.OnesCount64(c[0]) + bits.OnesCount64(c[1]) }

// common is how many numbers are in both.
func (c columns) common(d columns) int { return columns{c[0] & d[0], c[1] & d[1]}.count() }

func (c columns) or(d columns) columns { return columns{c[0] | d[0], c[1] | d[1]} }

// lookAt looks at a line, once from its beginning to its end.
func lookAt(text []byte) look {
	var l look
	column, end, cells, letters, marks := 0, 0, 1, 0, 0
	tab, sentence := false, false
	for len(text) > 0 {
		r, size := rune(text[0]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(text)
		}
		text = text[size:]
		switch r {
		case ' ':
			column++
			continue
		case '\t':
			column += 8 - column%8
			tab = true
			continue
		}
		gap := column - end
		if gap > 0 {
			l.marks.add(' ')
		}
		if gap > 7 || end > 0 && (gap > 2 || gap == 2 && !sentence) {
			l.is |= isLoose
		}
		if end > 0 && (gap > 2 || tab) {
			cells++
			l.ends.add(end)
			l.starts.add(column)
		}
		column++
		end, tab = column, false
		sentence = r == '.' || r == '!' || r == '?' || r == ':' || r == ';' || r == ','
		if r < utf8.RuneSelf && !isAlnum(byte(r)) {
			marks++
			l.marks.add(int(r))
		} else {
			letters++
			l.is |= traitOf(r)
		}
	}
	l.ends.add(end)
	if cells < 3 {
		l.starts, l.ends = columns{}, columns{}
	}
	bar := l.marks.has('|')
	if bar {
		l.is |= hasBar | isLoose
	}
	if letters == 0 && marks > 2 && (bar || l.marks.has('+')) && (l.marks.has('-') || l.marks.has('=')) && l.marks.or(ofRules) == ofRules {
		l.is |= isRule
	}
	if marks > letters {
		l.is |= isDrawn | isLoose
	}
	return l
}

// ofRules are the marks that rules of tables are of: space + - : = |
var ofRules = columns{1<<' ' | 1<<'+' | 1<<'-' | 1<<':' | 1<<'=', 1 << ('|' - 64)}

// traitOf is what a character beyond ASCII means for its line.
func traitOf(r rune) trait {
	switch {
	case r >= 0x250C && r <= 0x254B || r >= 0x2552 && r <= 0x2570:
		return hasCorner | hasStroke | isLoose
	case r == 0x2502 || r == 0x2503 || r == 0x2506 || r == 0x2507 || r == 0x250A || r == 0x250B || r == 0x2551:
		return hasStroke | isLoose
	case r >= 0x0530 && r < 0x1E00 || r > 0x2BFF: // letters of Asia and Africa, and pictures
		return isForeign
	}
	return 0
}

// fixParagraph sets what is fixed of the lines of one paragraph.
func fixParagraph(fixed []bool, looks []look) {
	drawn, marks := 0, columns{} // the lines before this one that are drawn
	for i, l := range looks {
		if l.is&isForeign != 0 {
			clear(fixed)
			return
		}
		if i > 0 && (tabular(looks[i-1], l) || tabular(l, looks[i-1])) {
			fixed[i-1], fixed[i] = true, true
		}
		if l.is&isDrawn == 0 {
			drawn, marks = 0, columns{}
			continue
		}
		drawn++
		marks = marks.or(l.marks)
		fixed[i] = fixed[i] || drawn >= 3 && marks.has(' ') && marks.count() > 4
	}
	for i := 1; i < len(looks); i++ {
		fixed[i] = fixed[i] || fixed[i-1] && looks[i].is&isLoose != 0
	}
	for i := len(looks) - 2; i >= 0; i-- {
		fixed[i] = fixed[i] || fixed[i+1] && looks[i].is&isLoose != 0
	}
}

// tabular tells of two lines on each other whether they are surely of a table or box.
func tabular(a, b look) bool {
	return a.is&isRule != 0 && b.is&hasBar != 0 || a.is&hasCorner != 0 && b.is&hasStroke != 0 ||
		a.starts.common(b.starts)+a.ends.common(b.ends) >= 2
}

// startsChange tells whether lines begin with a change of a file.
func startsChange(list []line) bool {
	first := list[0].text
	switch {
	case bytes.HasPrefix(first, []byte("diff --git ")):
		return true
	case bytes.HasPrefix(first, []byte("@@ -")):
		return bytes.Contains(first, []byte(" +")) && bytes.Contains(first[4:], []byte(" @@"))
	case bytes.HasPrefix(first, []byte("--- ")):
		return len(list) > 2 && bytes.HasPrefix(list[1].text, []byte("+++ ")) && bytes.HasPrefix(list[2].text, []byte("@@ -"))
	}
	return false
}

// headsOfChanges are how lines between the changes of files begin.
var headsOfChanges = [][]byte{
	[]byte("diff --git "), []byte("index "), []byte("new file mode "), []byte("deleted file mode "), []byte("old mode "), []byte("new mode "),
	[]byte("similarity index "), []byte("rename from "), []byte("rename to "), []byte("copy from "), []byte("copy to "), []byte("Binary files "),
}

// continuesChange tells whether a line behind another one of a change belongs to it.
func continuesChange(text []byte) bool {
	if len(text) == 0 || bytes.IndexByte([]byte(" +-@\\"), text[0]) >= 0 {
		return true
	}
	for _, head := range headsOfChanges {
		if bytes.HasPrefix(text, head) {
			return true
		}
	}
	return false
}
