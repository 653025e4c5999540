package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/outbound/tlsrpt"
	"github.com/postiljon/postiljon/internal/phrases"
)

type tlsrptCommand struct {
	Report tlsrptReport `cmd:"" help:"Read a report that another service sent on how it could encrypt mail to a domain (TLSRPT)."`
}

type tlsrptReport struct {
	File string `arg:"" help:"The report, as JSON or gz, or the message it came in; - is standard input."`
	Lang string `enum:"sv,nb,en" default:"en" help:"Language: ${enum} (default: ${default})."`
	outputFlags
}

// Run reads a report and says what it means.
func (t *tlsrptReport) Run(s *streams) error {
	r, err := t.read(s)
	if err != nil {
		return err
	}
	if t.JSON {
		return printJSON(s, r)
	}
	speech, err := tlsrpt.SpeechIn(cause.Lang(t.Lang))
	if err != nil {
		return err
	}
	for _, line := range tlsrptLines(s, r, speech) {
		if err := s.say("%s", line); err != nil {
			return err
		}
	}
	return nil
}

func (t *tlsrptReport) read(s *streams) (*tlsrpt.Report, error) {
	if t.File == "-" {
		return tlsrpt.Read(s.in)
	}
	f, err := os.Open(t.File)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := tlsrpt.Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.File, err)
	}
	return r, nil
}

// maxShown bounds the failures of one policy that are shown.
const maxShown = 30

// tlsrptLines says what a report tells: how much went well, what did not, what to do.
func tlsrptLines(s *streams, r *tlsrpt.Report, speech *phrases.Set) (lines []string) {
	count := func(n int64) string { return strconv.FormatInt(n, 10) }
	domain, total := ofStranger(r.Domain()), r.Total()
	moment := func(at time.Time) string { return at.UTC().Format("2006-01-02 15:04") }
	lines = append(lines, s.bold(speech.Say("say.title", "who", ofStranger(r.Organization), "domain", domain,
		"from", moment(r.Range.Start), "to", moment(r.Range.End))), "")
	verdict := "say.total-good"
	if total.Failed > 0 {
		verdict = "say.total-bad"
	}
	lines = append(lines, speech.Say(verdict, "good", count(total.Successful), "bad", count(total.Failed),
		"all", count(total.Successful+total.Failed), "domain", domain))
	var steps []string
	said := map[tlsrpt.Result]bool{}
	for i := range r.Policies {
		p := &r.Policies[i]
		name := speech.Say("policy." + string(p.Policy.Type))
		lines = append(lines, "", "  "+speech.Say("say.policy", "policy", ofStranger(name), "good", count(p.Summary.Successful), "bad", count(p.Summary.Failed)))
		for _, f := range p.Failures[:min(len(p.Failures), maxShown)] {
			lines = append(lines, "    "+tlsrptFailure(&f, speech))
			if key := "step." + string(f.Result); !said[f.Result] && speech.Say(key) != key {
				steps = append(steps, speech.Say("say.act", "step", speech.Say(key)))
			}
			said[f.Result] = true
		}
	}
	lines = append(lines, "")
	if total.Failed == 0 {
		return append(lines, speech.Say("say.quiet"))
	}
	lines = append(lines, steps...)
	if r.Contact != "" {
		lines = append(lines, speech.Say("say.contact", "contact", ofStranger(r.Contact)))
	}
	return lines
}

// tlsrptFailure says one way of failing: how often, what, where.
func tlsrptFailure(f *tlsrpt.Failure, speech *phrases.Set) string {
	key := "result." + string(f.Result)
	what := speech.Say(key)
	if what == key {
		what = speech.Say("result.other", "result", ofStranger(string(f.Result)))
	}
	line := speech.Say("say.failure", "count", strconv.FormatInt(f.Sessions, 10), "result", what)
	if f.Host != "" {
		line += " " + speech.Say("say.at", "host", ofStranger(f.Host))
	}
	if f.Reason != "" {
		line += " " + speech.Say("say.detail", "detail", ofStranger(f.Reason))
	}
	return line
}
