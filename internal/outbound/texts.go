package outbound

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"strings"

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
	About     string                       `toml:"about"`     // which message it is: {subject}
	Next      string                       `toml:"next"`      // what to do: {next}
	Answer    string                       `toml:"answer"`    // what the server said: {host} {reply}
	Placed    string                       `toml:"placed"`    // of one recipient
	Relayed   string                       `toml:"relayed"`   // of one recipient: {host}
	Signature string                       `toml:"signature"` // {host} {trace}
	Kinds     map[ReportKind]reportOpening `toml:"kind"`
}

// reportOpening begins a report of one kind.
type reportOpening struct {
	Subject string `toml:"subject"` // {address}, for one recipient
	Several string `toml:"several"` // subject for more than one
	Opening string `toml:"opening"`
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
		needed := []string{f.From, f.About, f.Next, f.Answer, f.Placed, f.Relayed, f.Signature}
		for _, kind := range []ReportKind{ReportFailed, ReportDelayed, ReportRelayed, ReportDelivered} {
			k := f.Kinds[kind]
			needed = append(needed, k.Subject, k.Several, k.Opening)
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

// words are the subject and the text of a report.
func (q *Queue) words(lang cause.Lang, sub *store.Submission, kind ReportKind, about []int, title string) (subject, text string) {
	t := q.texts.in(lang)
	k := t.Kinds[kind]
	subject = fill(k.Subject, "address", sub.Recipients[about[0]].Address)
	if len(about) > 1 {
		subject = k.Several
	}
	paragraphs := []string{k.Opening}
	for _, i := range about {
		paragraphs = append(paragraphs, q.recipientWords(lang, sub, &sub.Recipients[i]))
	}
	if title != "" {
		paragraphs = append(paragraphs, fill(t.About, "subject", title))
	}
	paragraphs = append(paragraphs, "-- \n"+fill(t.Signature, "host", q.opt.Hostname, "trace", sub.ID.String()))
	return subject, strings.Join(paragraphs, "\n\n") + "\n"
}

// recipientWords tell of one recipient what happened and what to do.
func (q *Queue) recipientWords(lang cause.Lang, sub *store.Submission, r *store.SubmissionRecipient) string {
	t := q.texts.in(lang)
	lines := []string{r.Address}
	switch r.State {
	case store.Placed:
		return strings.Join(append(lines, t.Placed), "\n")
	case store.Relayed:
		return strings.Join(append(lines, fill(t.Relayed, "host", r.Host)), "\n")
	}
	told := q.opt.Catalogue.Explain(q.decision(sub, r), lang, cause.Holder)
	lines = append(lines, told.Text)
	if r.State == store.Expired && r.Cause != cause.OutboxDeferred {
		why := q.opt.Catalogue.Explain(q.explained(sub, r, r.Cause), lang, cause.Holder)
		lines = append(lines, why.Text)
	}
	lines = append(lines, fill(t.Next, "next", told.NextStep))
	if r.Reply != "" && !strings.Contains(told.Text, r.Reply) {
		lines = append(lines, fill(t.Answer, "host", r.Host, "reply", r.Reply))
	}
	return strings.Join(lines, "\n")
}
