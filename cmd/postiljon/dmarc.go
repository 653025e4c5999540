package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/dmarc"
	"github.com/postiljon/postiljon/internal/phrases"
	"github.com/postiljon/postiljon/internal/policy"
)

// openDMARC opens the counts of messages that their domains are told of once a day, in dmarc-reports.json of
// the data folder.
func (s *service) openDMARC(ctx context.Context) (err error) {
	s.dmarc, err = dmarc.New(ctx, dmarc.Options{
		Organization: s.config.Hostname, From: s.dmarcReportsFrom, Resolver: s.resolver, Mail: s.mailReport,
		Record: policy.FileRecord(s.path("dmarc-reports.json")), Log: s.log,
	})
	if err != nil {
		return err
	}
	s.onClose("DMARC reports", s.dmarc.Close)
	return nil
}

// dmarcReportsFrom is the address that DMARC reports come from; "" where they are switched off.
func (s *service) dmarcReportsFrom() string {
	if !s.config.Inbound.DMARCReports {
		return ""
	}
	return s.reportAddress()
}

type dmarcCommand struct {
	Report dmarcReport `cmd:"" help:"Read a report that another service sent on mail in the name of a domain (DMARC aggregate report)."`
}

type dmarcReport struct {
	File  string `arg:"" help:"The report, as XML, zip or gz, or the message it came in; - is standard input."`
	Limit int    `default:"30" help:"At most so many servers, those that sent most (default: ${default})."`
	Lang  string `enum:"sv,nb,en" default:"en" help:"Language: ${enum} (default: ${default})."`
	outputFlags
}

// Run reads a report and says what it means.
func (d *dmarcReport) Run(s *streams) error {
	r, err := d.read(s)
	if err != nil {
		return err
	}
	if d.JSON {
		return printJSON(s, r)
	}
	speech, err := dmarc.SpeechIn(cause.Lang(d.Lang))
	if err != nil {
		return err
	}
	say := func(key string, pairs ...string) string {
		return speech.Say(key, append(pairs, "domain", ofStranger(r.Published.Domain))...)
	}
	if err := d.head(s, r, say); err != nil {
		return err
	}
	if err := d.rows(s, r, speech); err != nil {
		return err
	}
	return d.advice(s, r, say)
}

func (d *dmarcReport) read(s *streams) (*dmarc.Report, error) {
	if d.File == "-" {
		return dmarc.Read(s.in)
	}
	f, err := os.Open(d.File)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := dmarc.Read(io.Reader(f))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.File, err)
	}
	return r, nil
}

type sayFunc func(key string, pairs ...string) string

// head says in words what the report comes to.
func (d *dmarcReport) head(s *streams, r *dmarc.Report, say sayFunc) error {
	day := func(t time.Time) string { return t.Format(time.DateOnly) }
	all, failed, refused, junk := r.Total()
	from, to, title := day(r.Metadata.Begin.Time()), day(r.Metadata.End.Time()), "say.title"
	if from == to {
		title = "say.title-day"
	}
	lines := []string{s.bold(say(title, "who", ofStranger(r.Metadata.Organization), "from", from, "to", to)), ""}
	count := func(key string, n int64) {
		if n > 0 {
			lines = append(lines, say(key, "count", strconv.FormatInt(n, 10)))
		}
	}
	switch {
	case all == 0:
		lines = append(lines, say("say.none"))
	case failed == 0:
		lines = append(lines, say("say.all-good", "all", strconv.FormatInt(all, 10)))
	default:
		lines = append(lines, say("say.some-bad", "all", strconv.FormatInt(all, 10), "failed", strconv.FormatInt(failed, 10)))
	}
	count("say.refused", refused)
	count("say.junk", junk)
	if policy := "policy." + r.Published.Policy; say(policy) != policy {
		lines = append(lines, say("say.policy", "policy", say(policy)))
	}
	if len(r.Records) > 0 {
		lines = append(lines, "")
	}
	for _, line := range lines {
		if err := s.say("%s", line); err != nil {
			return err
		}
	}
	return nil
}

// rows shows the servers, those that sent most first.
func (d *dmarcReport) rows(s *streams, r *dmarc.Report, speech *phrases.Set) error {
	if len(r.Records) == 0 {
		return nil
	}
	t := table{colour: func(row []string, line string) string {
		if row[3] == speech.Say("result.pass") || row[4] == speech.Say("result.pass") {
			return line
		}
		return s.bold(line)
	}}
	for _, column := range []string{"count", "source", "from", "spf", "dkim", "done"} {
		t.heading = append(t.heading, speech.Say("column."+column))
	}
	word := func(group, text string) string {
		if said := speech.Say(group + "." + text); said != group+"."+text {
			return said
		}
		return ofStranger(text)
	}
	for _, row := range r.Largest(d.Limit) {
		t.add(strconv.FormatInt(row.Count, 10), ofStranger(row.Source), ofStranger(row.From), word("result", row.SPF), word("result", row.DKIM), word("done", row.Disposition))
	}
	return t.write(s)
}

// advice says what the domain's owner can do.
func (d *dmarcReport) advice(s *streams, r *dmarc.Report, say sayFunc) error {
	_, failed, _, _ := r.Total()
	lines := []string{""}
	switch {
	case failed == 0:
		lines = append(lines, say("say.act-none"))
	default:
		lines = append(lines, say("say.act-known"), say("say.act-unknown"))
		if dmarc.Disposition(r.Published.Policy) != dmarc.Reject {
			lines = append(lines, say("say.act-strict"))
		}
	}
	if r.Truncated || len(r.Records) > d.Limit {
		lines = append(lines, say("say.truncated"))
	}
	if r.Metadata.Email != "" && failed > 0 {
		lines = append(lines, say("say.contact", "contact", ofStranger(r.Metadata.Email)))
	}
	for _, line := range lines {
		if err := s.say("%s", line); err != nil {
			return err
		}
	}
	return nil
}

// ofStranger is a text of strangers for a terminal, not too long.
func ofStranger(text string) string {
	if text = printable(text); utf8.RuneCountInString(text) > 60 {
		return string([]rune(text)[:59]) + "…"
	}
	return text
}
