package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/config"
	"github.com/postiljon/postiljon/internal/control"
)

type traceCommand struct {
	What  string `arg:"" name:"address|message-id|trace-id|words" help:"An address, a Message-ID, the id that came with an acknowledgement, or words of the subject."`
	With  string `placeholder:"ADDRESS" help:"Only what is also from or to this address: the other side."`
	Lang  string `enum:"sv,nb,en" default:"en" help:"Language: ${enum} (default: ${default})."`
	Since string `placeholder:"TIME" help:"Only what happened since: a span such as 2h or 3d, today, yesterday, a date or a time of day such as 2026-11-20, 14:30 or both."`
	Until string `placeholder:"TIME" help:"Only what happened until then, likewise; a day with all of it."`
	Limit int    `default:"1000" help:"At most so many lines, the last ones (default: ${default})."`
	outputFlags
}

// Run tells what became of something.
func (t *traceCommand) Run(ctx context.Context, s *streams, c *commands) error {
	query := control.TraceQuery{Text: t.What, With: t.With, Lang: t.Lang, Limit: t.Limit, JSON: t.JSON, Zone: time.Local.String()}
	var err error
	if query.From, err = parseMoment(t.Since, time.Now(), false); err != nil {
		return usagef("--since %w", err)
	}
	if query.To, err = parseMoment(t.Until, time.Now(), true); err != nil {
		return usagef("--until %w", err)
	}
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	answer, err := client.Trace(ctx, query)
	if err != nil {
		return err
	}
	if t.JSON {
		return printJSON(s, answer.JSON)
	}
	_, err = fmt.Fprint(s.out, answer.Text)
	return err
}

// parseMoment reads a time as people say it, by the clock of now: a span before it, a day, a time of day, which is the last one, or both. Of a
// day it is the beginning, or with end the end; of "" it is none.
func parseMoment(text string, now time.Time, end bool) (time.Time, error) {
	text = strings.ToLower(strings.TrimSpace(text))
	if text == "" {
		return time.Time{}, nil
	}
	if span, err := config.ParseDuration(text); err == nil {
		return now.Add(-span), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04", "2006-01-02T15:04:05"} { // as programs write it
		if at, err := time.ParseInLocation(layout, strings.ToUpper(text), now.Location()); err == nil {
			return at, nil
		}
	}
	day := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())
	name, clock, _ := strings.Cut(text, " ")
	if other, err := time.ParseInLocation(time.DateOnly, name, now.Location()); err == nil {
		day = other
	} else if name == "yesterday" {
		day = day.AddDate(0, 0, -1)
	} else if name != "today" {
		name, clock = "", text
	}
	if clock == "" && end {
		return day.AddDate(0, 0, 1), nil
	} else if clock == "" {
		return day, nil
	}
	hour, err := time.Parse("15:04", clock)
	if err != nil {
		return hour, fmt.Errorf("%q is no time: a span such as 2h or 3d, today, yesterday, 2026-11-20, 14:30, or \"yesterday 14:30\"", text)
	}
	at := time.Date(day.Year(), day.Month(), day.Day(), hour.Hour(), hour.Minute(), 0, 0, now.Location())
	if name == "" && at.After(now) {
		at = at.AddDate(0, 0, -1)
	}
	return at, nil
}
