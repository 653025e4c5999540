package cause

import (
	"fmt"
	"time"
)

// Value writes a parameter as it stands in texts of a language: numbers with their thousands apart, sizes
// and spans with units, times with day and hour.
func (c *Catalogue) Value(lang Lang, p Param) string {
	w := writer{speech: c.speech[lang.known()], zone: c.zone, read: c.read}
	kind := KindText
	switch p.Value.(type) {
	case int64:
		kind = KindCount
	case Bytes:
		kind = KindSize
	case time.Duration:
		kind = KindSpan
	case time.Time:
		kind = KindTime
	}
	b, ok := w.appendValue(nil, kind, p.Value)
	if !ok {
		return fmt.Sprint(p.Value)
	}
	return string(b)
}

// Clock writes the hour of a time, with the name of its zone: "14:05 CET"; without it where it is the reader's own (Here).
func (c *Catalogue) Clock(lang Lang, t time.Time) string {
	w := writer{speech: c.speech[lang.known()], zone: c.zone, read: c.read}
	b, _ := w.appendTime(nil, KindClock, t)
	return string(b)
}

// Day writes the day of a time: "22 November 2026".
func (c *Catalogue) Day(lang Lang, t time.Time) string {
	return string(c.speech[lang.known()].appendDate(nil, t.In(c.zone)))
}

// Moment writes a time: "today at 14:05" where it is read that day (Here), else with its date.
func (c *Catalogue) Moment(lang Lang, t time.Time) string {
	w := writer{speech: c.speech[lang.known()], zone: c.zone, read: c.read}
	b, _ := w.appendTime(nil, KindTime, t)
	return string(b)
}
