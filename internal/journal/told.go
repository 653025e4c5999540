package journal

import (
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
)

// Told is one line of a timeline in words for people.
type Told struct {
	Time    time.Time `json:"time"`
	Trace   string    `json:"traceId,omitempty"`
	Kind    string    `json:"kind"`
	Text    string    `json:"text"` // what happened
	Count   int       `json:"count"`
	Last    time.Time `json:"last"`
	Because string    `json:"because,omitempty"` // why it was taken for junk
	Instead string    `json:"instead,omitempty"` // what would have changed that
	Cause   cause.ID  `json:"cause,omitempty"`   // why it was refused or waits
	Why     string    `json:"why,omitempty"`
	Action  string    `json:"action,omitempty"` // what to do now
	Again   time.Time `json:"again,omitzero"`   // when it is tried next, where Why does not say so
}

// Told tells a timeline in a language, for programs that show it to people. Where nothing is known, nothing says what was looked through.
func (t *Timeline) Told(lang cause.Lang, cat *cause.Catalogue) (lines []Told, nothing string) {
	l, ok := t.texts[lang]
	if !ok {
		l = t.texts[cause.English]
	}
	r := renderer{language: l, lang: lang, catalogue: cat, loc: time.UTC, reader: t.reader, of: t.naming()}
	lines = make([]Told, 0, len(t.Lines))
	for i := range t.Lines {
		lines = append(lines, r.told(&t.Lines[i]))
	}
	if len(lines) == 0 {
		nothing = r.unknown(t)
	}
	return lines, nothing
}

func (r *renderer) told(l *Line) Told {
	e := &l.Event
	one := Told{Time: e.Time.UTC(), Kind: e.Kind, Text: r.sentence(e), Count: l.Count, Last: l.Last.UTC()}
	if !e.Trace.IsZero() {
		one.Trace = e.Trace.String()
	}
	if e.Kind == MessageFiledJunk || e.Kind == MessageRefused {
		one.Because = strings.Join(r.reasonsOf(e.Field("reasons")), "; ")
		one.Instead = strings.Join(r.reasonsOf(e.Field("instead")), "; ")
	}
	if e.Cause == "" {
		return one
	}
	d := e.Decision()
	if e.Kind == MessageDeferred || e.Kind == MessageExpired {
		d = d.Sending()
	}
	one.Cause = d.Cause
	if again := nextTry(e); !again.IsZero() {
		one.Again = again.UTC()
	}
	x := r.catalogue.Explain(d, r.lang, r.reader)
	one.Why, one.Action = strings.TrimSpace(x.Text), strings.TrimSpace(x.NextStep)
	return one
}

// unknown says that nothing is known, and what was looked through.
func (r *renderer) unknown(t *Timeline) string {
	var b strings.Builder
	r.each(t, func(text string) {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(text)
	})
	return b.String()
}
