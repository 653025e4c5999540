package cause

import (
	"fmt"
	"time"
)

// Value writes a parameter as it stands in texts of a language: numbers with their thousands apart, sizes
// and spans with units, times with day and hour.
func (c *Catalogue) Value(lang Lang, p Param) string {
	w := writer{speech: c.speech[lang.known()], zone: c.zone}
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

// Clock writes the hour of a time, with the name of its zone: "14:05 CET".
func (c *Catalogue) Clock(lang Lang, t time.Time) string {
	return string(c.speech[lang.known()].appendClock(nil, t.In(c.zone)))
}
