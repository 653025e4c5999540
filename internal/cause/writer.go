package cause

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// writer writes the values of a decision into a text: for people, in their
// language and zone, or for the wire, where all is English, UTC, US-ASCII and
// not longer than a line allows.
type writer struct {
	speech *speech
	zone   *time.Location
	read   time.Time // when it is read by a clock in zone; zero: that is not known, and the zone is named
	limit  int       // the length of a reply's text in octets; 0 for people
}

// fits reports whether a text of n octets may stand.
func (w *writer) fits(n int) bool { return w.limit == 0 || n <= w.limit }

// appendValue writes a value. It reports false if the value is not of the
// kind, or if the text is full.
func (w *writer) appendValue(dst []byte, kind Kind, v any) ([]byte, bool) {
	switch v := v.(type) {
	case string:
		if kind != KindText {
			return dst, false
		}
		if w.limit > 0 {
			return w.appendASCII(dst, v)
		}
		return append(dst, readable(v)...), true
	case int64:
		return w.speech.appendCount(dst, v), kind == KindCount
	case Bytes:
		return w.speech.appendSize(dst, v), kind == KindSize
	case time.Duration:
		return w.speech.appendSpan(dst, v), kind == KindSpan
	case time.Time:
		return w.appendTime(dst, kind, v)
	}
	return dst, false
}

// appendTime writes a point in time as a reader's clock shows it, without its date where that is today's.
func (w *writer) appendTime(dst []byte, kind Kind, t time.Time) ([]byte, bool) {
	t = t.In(w.zone)
	switch {
	case kind == KindClock:
		dst = w.speech.appendHour(dst, t)
	case kind == KindTime && w.isToday(t):
		dst = w.speech.appendHour(append(dst, w.speech.Today...), t)
	case kind == KindTime:
		dst = w.speech.appendHour(append(w.speech.appendDate(dst, t), w.speech.BeforeClock...), t)
	default:
		return dst, false
	}
	if w.read.IsZero() {
		dst = append(append(dst, ' '), zoneName(t)...)
	}
	return dst, true
}

// isToday reports whether a time is of the day on which it is read.
func (w *writer) isToday(t time.Time) bool {
	t = t.In(w.zone)
	return !w.read.IsZero() && t.YearDay() == w.read.YearDay() && t.Year() == w.read.Year()
}

// appendASCII writes a stranger's text as printable US-ASCII. What is not, and
// the backslash, is escaped as RFC 6533 section 3 does it (\x{E5}). It gives
// up as soon as the line is full, however long the text is.
func (w *writer) appendASCII(dst []byte, s string) ([]byte, bool) {
	for _, r := range s {
		if len(dst) > w.limit {
			return dst, false
		}
		if r >= ' ' && r <= '~' && r != '\\' {
			dst = append(dst, byte(r))
			continue
		}
		dst = append(dst, `\x{`...)
		dst = append(dst, strings.ToUpper(strconv.FormatInt(int64(r), 16))...)
		dst = append(dst, '}')
	}
	return dst, true
}

// readable makes a stranger's text fit into ours: one line of bounded length,
// without characters that are unseen or turn the direction of writing.
func readable(s string) string {
	const maxRunes = 500
	runes := 0
	return strings.Map(func(r rune) rune {
		runes++
		switch {
		case runes > maxRunes:
			return -1
		case r == '\n' || r == '\t':
			return ' '
		case !unicode.IsGraphic(r):
			return utf8.RuneError
		}
		return r
	}, s)
}
