package outbound

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/store"
)

//go:embed texts/*.toml
var textFiles embed.FS

// texts are the words of reports in each language.
type texts struct{ all map[cause.Lang]*reportTexts }

// reportTexts is one file of texts/. What happened and what to do is the
// catalogue's to say; here is what stands around it.
type reportTexts struct {
	From      string                       `toml:"from"`      // who reports, as a name
	Titled    string                       `toml:"titled"`    // how the message is called: {subject}
	Untitled  string                       `toml:"untitled"`  // and one without subject
	Recipient string                       `toml:"recipient"` // of one of several: {address} {title}
	Expired   string                       `toml:"expired"`   // title of what was given up
	Answer    string                       `toml:"answer"`    // what the server said: {host} {reply}
	Signature string                       `toml:"signature"` // {host} {trace}
	Who       map[cause.Actor]string       `toml:"who"`       // who acts, and how: {next}
	Kinds     map[ReportKind]reportOpening `toml:"kind"`
}

// reportOpening begins a report of one kind: the first sentence says what
// happened, the second who acts and how.
type reportOpening struct {
	Subject string `toml:"subject"` // {address}, for one recipient
	Several string `toml:"several"` // subject for more than one
	One     string `toml:"one"`     // first sentence: {message} {address} {title} {host}
	Many    string `toml:"many"`    // the same for several: {message} {count}
	Rest    string `toml:"rest"`    // what else is to say; may be empty
}

var errTexts = errors.New("outbound: bad texts of reports")

// loadTexts reads the embedded files; every text must be there.
func loadTexts() (*texts, error) {
	t := &texts{all: map[cause.Lang]*reportTexts{}}
	for _, lang := range cause.Languages() {
		b, err := textFiles.ReadFile("texts/" + string(lang) + ".toml")
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errTexts, err)
		}
		f := &reportTexts{}
		if err := toml.NewDecoder(bytes.NewReader(b)).DisallowUnknownFields().Decode(f); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", errTexts, lang, err)
		}
		needed := []string{f.From, f.Titled, f.Untitled, f.Recipient, f.Expired, f.Answer, f.Signature}
		for _, kind := range []ReportKind{ReportFailed, ReportDelayed, ReportRelayed, ReportDelivered} {
			k := f.Kinds[kind]
			needed = append(needed, k.Subject, k.Several, k.One, k.Many)
		}
		for _, actor := range []cause.Actor{cause.ActorUser, cause.ActorAdmin, cause.ActorProvider, cause.ActorNetwork, cause.ActorRecipient, cause.ActorNobody} {
			needed = append(needed, f.Who[actor])
		}
		for _, s := range needed {
			if s == "" {
				return nil, fmt.Errorf("%w: %s: a text is missing", errTexts, lang)
			}
		}
		t.all[lang] = f
	}
	return t, nil
}

func (t *texts) in(lang cause.Lang) *reportTexts {
	if f := t.all[lang]; f != nil {
		return f
	}
	return t.all[cause.English]
}

// fill puts values into the places of a text: names and values in turn.
func fill(text string, values ...string) string {
	for i := 0; i+1 < len(values); i += 2 {
		values[i] = "{" + values[i] + "}"
	}
	return strings.NewReplacer(values...).Replace(text)
}

// words are the subject and the text of a report: first what happened, then who
// acts and how, then what is known beyond that.
func (q *Queue) words(lang cause.Lang, sub *store.Submission, kind ReportKind, about []int, title string) (subject, text string) {
	t := q.texts.in(lang)
	k := t.Kinds[kind]
	message := t.Untitled
	if title != "" {
		message = fill(t.Titled, "subject", title)
	}
	var paragraphs []string
	if len(about) == 1 {
		r := &sub.Recipients[about[0]]
		subject = fill(k.Subject, "address", r.Address)
		what := fill(k.One, "message", message, "address", r.Address, "host", r.Host, "title", q.title(lang, sub, r))
		paragraphs = append(paragraphs, join(" ", what, q.who(lang, sub, r), k.Rest), q.details(lang, sub, r))
	} else {
		subject = k.Several
		what := fill(k.Many, "message", message, "count", strconv.Itoa(len(about)))
		paragraphs = append(paragraphs, join(" ", what, k.Rest))
		for _, i := range about {
			r := &sub.Recipients[i]
			one := r.Address
			if who := q.who(lang, sub, r); who != "" {
				one = fill(t.Recipient, "address", r.Address, "title", q.title(lang, sub, r)) + " " + who
			}
			paragraphs = append(paragraphs, join("\n", one, q.details(lang, sub, r)))
		}
	}
	paragraphs = append(paragraphs, "-- \n"+fill(t.Signature, "host", q.opt.Hostname, "trace", sub.ID.String()))
	return subject, join("\n\n", paragraphs...) + "\n"
}

// join joins what is not empty.
func join(between string, parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), between)
}

// title says in some words why a message waits or failed, to stand within a
// sentence.
func (q *Queue) title(lang cause.Lang, sub *store.Submission, r *store.SubmissionRecipient) string {
	if r.State == store.Expired {
		return q.texts.in(lang).Expired
	}
	title := q.opt.Catalogue.Explain(q.decision(sub, r), lang, cause.Holder).Title
	// "DNS ..." stays as it is.
	first, size := utf8.DecodeRuneInString(title)
	if second, _ := utf8.DecodeRuneInString(title[size:]); unicode.IsLower(second) {
		title = string(unicode.ToLower(first)) + title[size:]
	}
	return title
}

// who says who acts and how, "" where all is well.
func (q *Queue) who(lang cause.Lang, sub *store.Submission, r *store.SubmissionRecipient) string {
	if r.State == store.Placed || r.State == store.Relayed {
		return ""
	}
	d := q.decision(sub, r)
	c, _ := q.opt.Catalogue.Cause(d.Cause)
	return fill(q.texts.in(lang).Who[c.Actor], "next", q.opt.Catalogue.Explain(d, lang, cause.Holder).NextStep)
}

// details are what is known of one recipient beyond that.
func (q *Queue) details(lang cause.Lang, sub *store.Submission, r *store.SubmissionRecipient) string {
	if r.State == store.Placed || r.State == store.Relayed {
		return ""
	}
	lines := []string{q.opt.Catalogue.Explain(q.decision(sub, r), lang, cause.Holder).Text}
	if r.State == store.Expired && r.Cause != cause.OutboxDeferred {
		lines = append(lines, q.opt.Catalogue.Explain(q.explained(sub, r, r.Cause), lang, cause.Holder).Text)
	}
	if r.Reply != "" && !strings.Contains(lines[0], r.Reply) {
		lines = append(lines, fill(q.texts.in(lang).Answer, "host", r.Host, "reply", r.Reply))
	}
	return strings.Join(lines, "\n")
}
