package message

import (
	"time"
)

// ParseDate reads a date as it stands in a Date field (RFC 5322 section 3.3), with the obsolete
// forms of section 4.3 and what else is met: comments, years of two digits, zone names, no seconds,
// no weekday, the order of asctime and of ISO 8601. The time is in the zone that was written,
// UTC where none was. It is false where no day can be made out.
func ParseDate(text string) (time.Time, bool) {
	d := dateReader{day: -1, month: -1, year: -1}
	for rest := text; rest != ""; {
		var token string
		if token, rest = nextDateToken(rest, d.hasTime); token != "" && !d.take(token) {
			return time.Time{}, false
		}
	}
	if d.day < 1 || d.month < 1 || d.year < 0 || d.day > daysIn(d.month, d.year) {
		return time.Time{}, false
	}
	t := time.Date(d.year, time.Month(d.month), d.day, d.hour, d.minute, d.second, 0, time.UTC)
	return inZone(t.Unix()-int64(d.zone), d.zone), true
}

// inZone returns a time in a zone given in seconds east of Greenwich.
func inZone(unix int64, zone int) time.Time {
	t := time.Unix(unix, 0)
	if zone == 0 {
		return t.UTC()
	}
	return t.In(time.FixedZone("", zone))
}

func daysIn(month, year int) int {
	return time.Date(year, time.Month(month+1), 0, 0, 0, 0, 0, time.UTC).Day()
}

// dateReader collects what the tokens of a date say; -1 is unknown.
type dateReader struct {
	day, month, year     int
	hour, minute, second int
	zone                 int // seconds east of Greenwich
	hasTime, hasZone     bool
}

// nextDateToken takes the next word off s, skipping white space, commas and comments. Hyphens part
// words before the time of day ("21-Nov-2026") and are signs after it.
func nextDateToken(s string, afterTime bool) (token, rest string) {
	i := 0
	for i < len(s) {
		c := s[i]
		if c == '(' {
			i += commentLen(s[i:])
			continue
		}
		if isDateByte(c) || (afterTime && c == '-') {
			break
		}
		i++
	}
	start := i
	for i < len(s) && (isDateByte(s[i]) && s[i] != '+' || i == start) {
		// "2026-11-21T14:32:05Z": T parts the date from the time, a letter the time from the zone.
		if i > start && isDigit(s[i]) != isDigit(s[i-1]) && isLetter(s[i]) != isLetter(s[i-1]) {
			break
		}
		i++
	}
	return s[start:i], s[i:]
}

func isDateByte(c byte) bool {
	return isDigit(c) || isLetter(c) || c == ':' || c == '+'
}

func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// commentLen returns the length of the comment at the start of s, which begins with "(". One
// without end goes on to the end of s.
func commentLen[T string | []byte](s T) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

// take understands one token; false means that the date is nonsense.
func (d *dateReader) take(token string) bool {
	switch c := token[0]; {
	case c == '+' || c == '-':
		return d.takeOffset(token)
	case isLetter(c):
		return d.takeWord(token)
	case hasColon(token):
		return d.hasTime || d.takeTime(token)
	}
	n, ok := smallNumber(token)
	if !ok {
		return !isDigit(token[0]) // a lone colon is passed over
	}
	return d.takeNumber(n, len(token))
}

func (d *dateReader) takeNumber(n, digits int) bool {
	switch {
	case d.year >= 0 && d.month < 0 && digits <= 2: // ISO 8601
		d.month = n
		return n >= 1 && n <= 12
	case d.day < 0 && digits <= 2:
		d.day = n
		return n >= 1 && n <= 31
	case d.year < 0:
		// RFC 5322 section 4.3: two digits are 1950 to 2049, three count from 1900.
		switch {
		case digits <= 2 && n < 50:
			n += 2000
		case digits <= 3:
			n += 1900
		}
		d.year = n
		return n <= 9999
	}
	return true // fractions of a second and other excess
}

func (d *dateReader) takeTime(token string) bool {
	var part [3]int
	i, n := 0, 0
	for ; n < len(part) && i < len(token); n++ {
		start := i
		for i < len(token) && token[i] != ':' {
			i++
		}
		v, ok := smallNumber(token[start:i])
		if !ok {
			return false
		}
		part[n] = v
		i++
	}
	d.hour, d.minute, d.second, d.hasTime = part[0], part[1], part[2], true
	return n >= 2 && d.hour < 24 && d.minute < 60 && d.second <= 60
}

// takeOffset reads "+0100" and "+01:00"; anything else after a sign is passed over.
func (d *dateReader) takeOffset(token string) bool {
	digits, n := 0, 0
	for i := 1; i < len(token); i++ {
		if isDigit(token[i]) && digits < 4 {
			n, digits = n*10+int(token[i]-'0'), digits+1
		}
	}
	if digits == 2 {
		n *= 100
	}
	if !d.hasZone && d.hasTime && digits >= 2 && n%100 < 60 {
		d.zone, d.hasZone = (n/100*60+n%100)*60, true
		if token[0] == '-' {
			d.zone = -d.zone
		}
	}
	return true
}

func (d *dateReader) takeWord(token string) bool {
	if m := monthNumber(token); m > 0 && d.month < 0 {
		d.month = m
		return true
	}
	if !d.hasTime {
		return true // a weekday
	}
	switch {
	case equalFold(token, "PM") && d.hour < 12:
		d.hour += 12
	case equalFold(token, "AM") && d.hour == 12:
		d.hour = 0
	case !d.hasZone:
		// Unknown names, the military letters among them, count as UTC (RFC 5322 section 4.3).
		d.zone, d.hasZone = zoneOffset(token), true
	}
	return true
}

func monthNumber(token string) int {
	if len(token) < 3 {
		return 0
	}
	for i := 0; i < len(monthNames); i += 3 {
		if equalFold(token[:3], monthNames[i:i+3]) {
			return i/3 + 1
		}
	}
	return 0
}

const monthNames = "JanFebMarAprMayJunJulAugSepOctNovDec"

// zoneOffset knows the names of RFC 5322 section 4.3 and a few common ones of Europe, in seconds.
func zoneOffset(name string) int {
	for _, z := range zoneNames {
		if equalFold(name, z.name) {
			return z.hours * 3600
		}
	}
	return 0
}

var zoneNames = []struct {
	name  string
	hours int
}{
	{"EST", -5}, {"EDT", -4}, {"CST", -6}, {"CDT", -5}, {"MST", -7}, {"MDT", -6}, {"PST", -8}, {"PDT", -7},
	{"CET", 1}, {"CEST", 2}, {"MET", 1}, {"MEST", 2}, {"EET", 2}, {"EEST", 3}, {"BST", 1},
}

func hasColon(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] == ':' {
			return true
		}
	}
	return false
}

// smallNumber reads a number of one to five digits.
func smallNumber(s string) (int, bool) {
	if len(s) == 0 || len(s) > 5 {
		return 0, false
	}
	n := 0
	for i := 0; i < len(s); i++ {
		if !isDigit(s[i]) {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}

// equalFold compares ASCII text without regard to case.
func equalFold[A, B string | []byte](a A, b B) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}
