package sieve

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/message"
)

// dateParts are the parts of a date that tests can compare (RFC 5260 section 4.2).
var dateParts = []string{
	"year", "month", "day", "date", "julian", "hour", "minute", "second", "time", "iso8601", "std11", "zone", "weekday",
}

// part checks the name of a date part, unless variables make it.
func (c *compiler) part(a *Argument) {
	for _, s := range a.Strings {
		if !slices.Contains(dateParts, strings.ToLower(s.Value)) && !(c.has("variables") && strings.Contains(s.Value, "${")) {
			c.fail(s.Position, "date-part", "found", shorten(s.Value))
		}
	}
}

// zone reads :zone: an offset such as "+0100" (RFC 5260 section 4.1); nil is that of the account.
func (c *compiler) zone(u *call) *time.Location {
	a := u.tags["zone"]
	if a == nil {
		return nil
	}
	text := c.constant(a.Strings[0])
	sign, digits := 1, strings.TrimPrefix(text, "+")
	if strings.HasPrefix(text, "-") {
		sign, digits = -1, text[1:]
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || len(digits) != 4 || len(text) != 5 || n%100 > 59 || n > 2359 {
		c.fail(a.Position, "zone", "found", shorten(text))
		return nil
	}
	return time.FixedZone(text, sign*int(n/100*3600+n%100*60))
}

// dateTest is date (RFC 5260 section 4).
type dateTest struct {
	index    index
	zone     *time.Location
	original bool
	field    text
	part     text
	match    matcher
}

func (t *dateTest) holds(m *machine) (bool, error) {
	name, err := m.fill(&t.field)
	if err != nil {
		return false, err
	}
	part, err := m.fill(&t.part)
	if err != nil {
		return false, err
	}
	x := t.index
	if x.number == 0 { // without :index it is the first field
		x.number = 1
	}
	var values []string
	for _, value := range pick(m.env.Header(name), x) { // at most one
		if at, ok := dateOf(value); ok {
			if v, ok := datePart(t.shift(at, m.env.Now()), part); ok {
				values = append(values, v)
			}
		}
	}
	return m.match(&t.match, values)
}

// shift brings a date into the zone that the test is about.
func (t *dateTest) shift(at, now time.Time) time.Time {
	switch {
	case t.original:
		return at
	case t.zone != nil:
		return at.In(t.zone)
	}
	return at.In(now.Location())
}

// currentDateTest is currentdate (RFC 5260 section 5).
type currentDateTest struct {
	zone  *time.Location
	parts texts
	match matcher
}

func (t *currentDateTest) holds(m *machine) (bool, error) {
	now := m.env.Now()
	if t.zone != nil {
		now = now.In(t.zone)
	}
	parts, err := m.fillAll(t.parts)
	if err != nil {
		return false, err
	}
	var values []string
	for _, part := range parts {
		if v, ok := datePart(now, part); ok {
			values = append(values, v)
		}
	}
	return m.match(&t.match, values)
}

// datePart returns a part of a date as tests compare it.
func datePart(at time.Time, part string) (string, bool) {
	switch strings.ToLower(part) {
	case "year":
		return fmt.Sprintf("%04d", at.Year()), true
	case "month":
		return at.Format("01"), true
	case "day":
		return at.Format("02"), true
	case "date":
		return at.Format("2006-01-02"), true
	case "julian":
		return strconv.Itoa(julian(at)), true
	case "hour":
		return at.Format("15"), true
	case "minute":
		return at.Format("04"), true
	case "second":
		return at.Format("05"), true
	case "time":
		return at.Format("15:04:05"), true
	case "iso8601":
		return at.Format("2006-01-02T15:04:05Z07:00"), true
	case "std11":
		return message.FormatDate(at), true
	case "zone":
		return at.Format("-0700"), true
	case "weekday":
		return strconv.Itoa(int(at.Weekday())), true
	}
	return "", false
}

// julian is the Modified Julian Day: days since 17 November 1858 (RFC 5260 appendix A).
func julian(at time.Time) int {
	y, month, d := at.Date()
	const epoch = 40587 // the day of 1 January 1970
	return epoch + int(time.Date(y, month, d, 0, 0, 0, 0, time.UTC).Unix()/86400)
}
