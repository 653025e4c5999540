package journal

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
)

// timeFormat is read the same in every language served.
const timeFormat = "2006-01-02 15:04:05"

// Render writes the timeline for people: a line for each event with its time in loc and what
// happened; under what was refused or delayed, why and what to do. When nothing is known it says
// what was looked through.
func (t *Timeline) Render(w io.Writer, lang cause.Lang, cat *cause.Catalogue, loc *time.Location) error {
	l, ok := t.texts[lang]
	if !ok {
		l = t.texts[cause.English]
	}
	r := renderer{out: bufio.NewWriter(w), language: l, lang: lang, catalogue: cat.In(loc), loc: loc, reader: t.reader, of: t.naming()}
	if len(t.Lines) == 0 {
		r.nothing(t)
	} else {
		zone, _ := t.Lines[len(t.Lines)-1].Event.Time.In(loc).Zone()
		r.line("", r.word("heading", "query", t.Query, "zone", zone))
		for i := range t.Lines {
			r.event(&t.Lines[i])
		}
		if t.Truncated {
			r.line("", r.word("truncated", "count", strconv.Itoa(len(t.Lines))))
		}
	}
	if err := r.out.Flush(); err != nil {
		return fmt.Errorf("journal: render: %w", err)
	}
	return nil
}

// renderer writes one timeline in one language. Errors of out stay until Flush.
type renderer struct {
	out       *bufio.Writer
	language  *language
	lang      cause.Lang
	catalogue *cause.Catalogue
	loc       *time.Location
	reader    cause.Audience
	of        naming
}

func (r *renderer) nothing(t *Timeline) { r.each(t, func(text string) { r.line("", text) }) }

// each calls say with each sentence about a message that nobody knows.
func (r *renderer) each(t *Timeline, say func(text string)) {
	say(r.word("nothing", "query", t.Query))
	if r.reader == cause.Holder {
		say(r.word("looked-back", "from", r.catalogue.Moment(r.lang, t.Looked.From)))
	} else {
		say(r.word("looked", "events", strconv.Itoa(t.Looked.Events), "accounts", strconv.Itoa(t.Looked.Accounts),
			"from", r.time(t.Looked.From), "to", r.time(t.Looked.To)))
	}
	if len(t.Near) > 0 {
		say(r.word("near", "addresses", strings.Join(t.Near, ", ")))
	}
	if t.Visited != nil && t.Visited.Refused > 0 {
		say(r.word("offered", "count", strconv.Itoa(t.Visited.Refused), "domain", t.Visited.Domain))
		return
	}
	switch v := t.Visited; {
	case v == nil:
	case !v.Here:
		say(r.word("absent", "domain", v.Domain))
	case v.Count == 0: // who asks may not know more
		say(r.word("came", "domain", v.Domain))
	default:
		say(r.word("never", "domain", v.Domain, "count", strconv.Itoa(v.Count), "last", r.time(v.Last), "servers", strings.Join(v.Servers, ", ")))
	}
	if t.Visited != nil && r.reader == cause.Holder {
		say(r.word("ask-there"))
	}
}

const indent = "                     " // as wide as a time and two spaces

func (r *renderer) event(l *Line) {
	e := &l.Event
	text := r.sentence(e)
	if l.Count > 1 {
		text += " (" + r.word("repeated", "count", strconv.Itoa(l.Count), "last", r.time(l.Last)) + ")"
	}
	r.line(r.time(e.Time)+"  ", text)
	if e.Kind == MessageFiledJunk || e.Kind == MessageRefused {
		r.reasons("because", e.Field("reasons"))
		r.reasons("instead", e.Field("instead"))
	}
	if e.Cause == "" {
		return
	}
	x := r.catalogue.Explain(e.Decision(), r.lang, r.reader)
	r.line(indent, x.Text)
	if again := nextTry(e); !again.IsZero() {
		r.line(indent, r.word("again", "time", r.time(again)))
	}
	if actor, ok := r.otherActor(e.Cause); ok {
		step := r.catalogue.Explain(e.Decision(), r.lang, actor).NextStep
		r.line(indent, r.word("next-by", "actor", x.Actor, "step", step))
	} else if x.NextStep != "" {
		r.line(indent, r.word("next", "step", x.NextStep))
	}
}

// nextTry is when a message that waits is tried again, where its cause does not say so.
func nextTry(e *store.Event) time.Time {
	if e.Kind != MessageDeferred || e.Action != cause.ActionWait || slices.ContainsFunc(e.Params, func(p cause.Param) bool {
		at, ok := p.Value.(time.Time)
		return ok && at.Equal(e.Until)
	}) {
		return time.Time{}
	}
	return e.Until
}

// reasons says why a message is taken for junk: names with their weights, "dmarc-fail +1.5, listed +3.0". What speaks against
// it is left out.
func (r *renderer) reasons(word, list string) {
	if all := r.reasonsOf(list); len(all) > 0 {
		r.line(indent, r.word(word, "reasons", strings.Join(all, "; ")))
	}
}

func (r *renderer) reasonsOf(list string) (all []string) {
	for one := range strings.SplitSeq(list, ", ") {
		name, weight, _ := strings.Cut(one, " ")
		if text := r.language.Reasons[name]; text != "" && !strings.HasPrefix(weight, "-") {
			all = append(all, text)
		}
	}
	return all
}

// otherActor tells for whom the next step is written, where that is somebody
// here other than the reader: an operator wants to know what to tell them.
func (r *renderer) otherActor(id cause.ID) (cause.Audience, bool) {
	c, _ := r.catalogue.Cause(id)
	switch c.Actor {
	case cause.ActorUser:
		return cause.Holder, r.reader != cause.Holder
	case cause.ActorAdmin:
		return cause.Owner, r.reader == cause.Operator
	}
	return r.reader, false
}

// sentence says an event in words, with what it concerns where more than one message or account is told of.
func (r *renderer) sentence(e *store.Event) string {
	text := r.happened(e)
	if about := r.of.subjects(e); about != nil {
		for i, subject := range about {
			about[i] = r.word("about", "subject", subject)
		}
		text += " (" + strings.Join(about, ", ") + ")"
	}
	if address := r.of.account(e); address != "" {
		text += ", " + r.word("account", "address", address)
	}
	return text
}

// happened says an event in words; of a kind that is not known, its name.
func (r *renderer) happened(e *store.Event) string {
	p, ok := r.language.events[e.Kind]
	if !ok {
		return r.word("other", "kind", e.Kind)
	}
	return p.fill(func(name string) string {
		value := values(e, name)
		if text := r.language.Reasons["rule-"+value]; name == "reason" && text != "" { // why rules did not do what they wanted
			return text
		}
		if r.reader == cause.Holder && (name == "mailbox" || name == "from-mailbox") && r.language.Mailboxes[value] != "" {
			return r.language.Mailboxes[value]
		}
		return printable(value)
	})
}

// maxValues is how many values of one field are shown, such as the recipients of a message.
const maxValues = 5

func values(e *store.Event, name string) string {
	var all []string
	for _, f := range e.Fields {
		if f.Name == name && f.Value != "" {
			all = append(all, f.Value)
		}
	}
	if more := len(all) - maxValues; more > 0 {
		all = append(all[:maxValues], "+"+strconv.Itoa(more))
	}
	return strings.Join(all, ", ")
}

// printable takes out what could play tricks with a terminal or the order of the letters: fields
// come from strangers.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c) || c == unicode.ReplacementChar {
			return -1
		}
		return c
	}, s)
}

// word fills a phrase with names and their values in turn.
func (r *renderer) word(name string, pairs ...string) string {
	return r.language.words[name].fill(func(placeholder string) string {
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i] == placeholder {
				return printable(pairs[i+1])
			}
		}
		return ""
	})
}

func (r *renderer) time(t time.Time) string { return t.In(r.loc).Format(timeFormat) }

func (r *renderer) line(before, text string) {
	r.out.WriteString(before)
	r.out.WriteString(text)
	r.out.WriteByte('\n')
}
