package cause

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
)

// Lang is a language the texts are written in.
type Lang string

// The languages.
const (
	English   Lang = "en"
	Swedish   Lang = "sv"
	Norwegian Lang = "nb" // bokmål
)

// Languages returns the languages; the first is the fallback.
func Languages() []Lang { return []Lang{English, Swedish, Norwegian} }

// known returns the language itself if there are texts in it, else English.
func (l Lang) known() Lang {
	switch l {
	case Swedish, Norwegian:
		return l
	}
	return English
}

// matcher knows which languages readers of others understand: bokmål for
// nynorsk, say. Its order is that of Languages.
var matcher = language.NewMatcher([]language.Tag{
	language.English, language.Swedish, language.MustParse("nb"),
})

// ParseLang chooses the language for a reader from a language tag or an
// Accept-Language header (RFC 9110 section 12.5.4), such as "nn,en;q=0.8".
// What it cannot read or match means English.
func ParseLang(accept string) Lang {
	const maxHeader = 1000
	if len(accept) > maxHeader {
		return English
	}
	wanted, _, err := language.ParseAcceptLanguage(accept)
	if err != nil {
		return English
	}
	_, i, confidence := matcher.Match(wanted...)
	if confidence == language.No {
		return English
	}
	return Languages()[i]
}

// speech is how a language writes numbers, sizes, times and actors: the
// [format] and [actor] tables of a text file.
type speech struct {
	Group       string               `toml:"group"`        // between thousands
	Decimal     string               `toml:"decimal"`      // before the fraction
	UnitSpace   string               `toml:"unit_space"`   // between a number and its unit
	ClockSep    string               `toml:"clock_sep"`    // between hours and minutes
	DaySuffix   string               `toml:"day_suffix"`   // after the day of the month
	BeforeClock string               `toml:"before_clock"` // between date and hour
	Today       string               `toml:"today"`        // before the hour of a time today
	Advise      string               `toml:"advise"`       // before what an owner is to tell a person
	Months      []string             `toml:"months"`       // twelve
	Plural      []string             `toml:"plural"`       // the plural categories of the language, in the order of all lists of forms
	Byte        []string             `toml:"byte"`         // its forms
	Sizes       []string             `toml:"sizes"`        // 1000 octets, then by 1000
	Second      []string             `toml:"second"`
	Minute      []string             `toml:"minute"`
	Hour        []string             `toml:"hour"`
	Day         []string             `toml:"day"`
	lang        language.Tag         // whose plural rules hold
	actors      map[Actor]actorNames // from the file's [actor] tables
	groups      map[string]string    // from its [group] table
}

// categories are the names of the plural categories (Unicode TR 35, part 3).
var categories = map[plural.Form]string{
	plural.Zero: "zero", plural.One: "one", plural.Two: "two", plural.Few: "few", plural.Many: "many", plural.Other: "other",
}

// Form chooses among the forms of a word, as one and other, the one that a whole
// number takes, by the rules of CLDR.
func (l Lang) Form(n int64, forms []string) string {
	s := speech{Plural: []string{"one", "other"}, lang: language.Make(string(l.known()))}
	return s.form(n, forms)
}

// Number writes a whole number as the language does: "2 000".
func (c *Catalogue) Number(lang Lang, n int64) string {
	return string(c.speech[lang.known()].appendCount(nil, n))
}

// form chooses among the forms of a word the one that a whole number takes, by
// the rules of CLDR: "1 meddelande", "21 meddelanden".
func (s *speech) form(n int64, forms []string) string {
	const million = 1_000_000 // the rules look at no more digits
	digits := uint64(n)
	if n < 0 {
		digits = -digits
	}
	if digits > million {
		digits = million + digits%million
	}
	i := slices.Index(s.Plural, categories[plural.Cardinal.MatchPlural(s.lang, int(digits), 0, 0, 0, 0)])
	if i < 0 || i >= len(forms) {
		i = len(forms) - 1
	}
	return forms[i]
}

// actorNames is how each audience calls an actor; the last is for anyone.
type actorNames struct {
	Holder   string `toml:"holder"`
	Owner    string `toml:"owner"`
	Operator string `toml:"operator"`
	Anyone   string `toml:"anyone"`
}

// actor returns the name of an actor; an audience beyond the last is anyone.
func (s *speech) actor(a Actor, audience Audience) string {
	names := s.actors[a]
	switch audience {
	case Holder:
		return names.Holder
	case Owner:
		return names.Owner
	case Operator:
		return names.Operator
	}
	return names.Anyone
}

// appendCount writes a whole number with its thousands apart: 2 000.
func (s *speech) appendCount(dst []byte, n int64) []byte {
	var room [24]byte
	digits := strconv.AppendInt(room[:0], n, 10)
	if digits[0] == '-' {
		dst = append(dst, '-')
		digits = digits[1:]
	}
	for i, digit := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			dst = append(dst, s.Group...)
		}
		dst = append(dst, digit)
	}
	return dst
}

// appendSize writes an amount of storage in the largest unit it fills, rounded, with
// one decimal below ten. A MB is a million octets, as in the configuration and in the webmail.
func (s *speech) appendSize(dst []byte, n Bytes) []byte {
	if n < 0 {
		n = 0
	}
	if n < 1000 {
		return s.appendUnit(dst, int64(n), s.Byte)
	}
	unit, size := 0, Bytes(1000)
	for unit+1 < len(s.Sizes) && n >= size*1000-size/2 {
		unit, size = unit+1, size*1000
	}
	whole, rest := int64(n/size), n%size
	tenths := int64((rest*10 + size/2) / size)
	if tenths == 10 || whole >= 10 && rest >= size/2 {
		whole, tenths = whole+1, 0
	}
	dst = s.appendCount(dst, whole)
	if whole < 10 && tenths > 0 {
		dst = append(dst, s.Decimal...)
		dst = strconv.AppendInt(dst, tenths, 10)
	}
	dst = append(dst, s.UnitSpace...)
	return append(dst, s.Sizes[unit]...)
}

// appendSpan writes a length of time in its two largest units: "1 hour 30 minutes".
func (s *speech) appendSpan(dst []byte, d time.Duration) []byte {
	if d < 0 {
		d = 0
	}
	if d >= time.Minute {
		d = d.Round(time.Minute)
	} else {
		d = d.Round(time.Second)
	}
	units := [...]struct {
		length time.Duration
		names  []string
	}{{24 * time.Hour, s.Day}, {time.Hour, s.Hour}, {time.Minute, s.Minute}, {time.Second, s.Second}}
	for i, u := range units {
		if d < u.length && i < len(units)-1 {
			continue
		}
		dst = s.appendUnit(dst, int64(d/u.length), u.names)
		if rest := d % u.length; i+1 < len(units) && rest >= units[i+1].length {
			dst = append(dst, ' ')
			dst = s.appendUnit(dst, int64(rest/units[i+1].length), units[i+1].names)
		}
		break
	}
	return dst
}

func (s *speech) appendUnit(dst []byte, n int64, names []string) []byte {
	dst = s.appendCount(dst, n)
	dst = append(dst, s.UnitSpace...)
	return append(dst, s.form(n, names)...)
}

// appendHour writes the hour: "14:32".
func (s *speech) appendHour(dst []byte, t time.Time) []byte {
	hour, minute, _ := t.Clock()
	dst = append(dst, byte('0'+hour/10), byte('0'+hour%10))
	dst = append(dst, s.ClockSep...)
	return append(dst, byte('0'+minute/10), byte('0'+minute%10))
}

// zoneName names the time zone, as "CET"; where it has no name of letters, by
// its distance: "UTC+5:30".
func zoneName(t time.Time) string {
	name, offset := t.Zone()
	if name != "" && name[0] != '+' && name[0] != '-' {
		return name
	}
	if offset == 0 {
		return "UTC"
	}
	sign := "+"
	if offset < 0 {
		sign, offset = "-", -offset
	}
	const minutes, hours = 60, 3600
	if rest := offset % hours / minutes; rest > 0 {
		return fmt.Sprintf("UTC%s%d:%02d", sign, offset/hours, rest)
	}
	return "UTC" + sign + strconv.Itoa(offset/hours)
}

// appendDate writes the day: "22 november 2026".
func (s *speech) appendDate(dst []byte, t time.Time) []byte {
	year, month, day := t.Date()
	dst = strconv.AppendInt(dst, int64(day), 10)
	dst = append(dst, s.DaySuffix...)
	dst = append(dst, ' ')
	dst = append(dst, s.Months[month-1]...)
	dst = append(dst, ' ')
	return strconv.AppendInt(dst, int64(year), 10)
}
