package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/probe"
)

// trip tells what became of the test message, where one was asked for.
func (v *doctorView) trip(p *printer, r *doctor.Report) {
	if t, ok := factOf[evidence.RoundTrip](r); ok {
		p.line("%s", v.bold(v.Set.Say("trip.heading")))
		for _, line := range v.tripLines(r.Subject.Address, t) {
			p.wrapped("  ", line)
		}
		return
	}
	for _, one := range r.Probes {
		if one.Name == probe.TestMessage {
			p.wrapped("", v.Set.Say("trip.not-sent"))
		}
	}
}

// tripLines is the way of the message, a line a station.
func (v *doctorView) tripLines(address string, t evidence.RoundTrip) []string {
	lines := []string{v.Set.Say("trip.sent", "address", address, "subject", t.Subject)}
	switch {
	case t.Reply == "":
		return append(lines, v.Set.Say("trip.unsure", "host", t.By.Host))
	case !t.Accepted:
		return append(lines, v.Set.Say("trip.refused", "host", t.By.Host, "reply", printable(t.Reply)))
	}
	lines = append(lines, v.Set.Say("trip.accepted", "host", t.By.Host, "seconds", v.seconds(t.AcceptedIn)))
	where := "missing"
	switch {
	case t.Arrived && (t.Role == "inbox" || t.Role == "junk"):
		where = t.Role
	case t.Arrived:
		where = "elsewhere"
	case t.Returned:
		return append(lines, v.Set.Say("trip.returned"))
	}
	took := t.ArrivedIn
	if !t.Arrived {
		took = t.Waited
	}
	lines = append(lines, v.Set.Say("trip."+where, "seconds", v.seconds(took), "mailbox", printable(t.Mailbox)))
	if t.Notice != "" {
		lines = append(lines, v.Set.Say("trip."+string(t.Notice), "seconds", v.seconds(t.NoticeIn)))
	}
	if len(t.Left) > 0 {
		return append(lines, v.Set.Say("trip.left", "mailboxes", printable(strings.Join(t.Left, ", "))))
	}
	if t.Deleted > 0 {
		lines = append(lines, v.Set.Say("trip.deleted"))
	}
	return lines
}

// seconds writes a duration as the language does: one decimal below ten, two below one, and no less than a hundredth.
func (v *doctorView) seconds(d time.Duration) string {
	d = max(d, 10*time.Millisecond)
	digits := 0
	switch s := d.Seconds(); {
	case s < 1:
		digits = 2
	case s < 10:
		digits = 1
	}
	text := strconv.FormatFloat(d.Seconds(), 'f', digits, 64)
	if v.lang != cause.English {
		text = strings.Replace(text, ".", ",", 1)
	}
	return text
}

// factOf returns the first fact of a kind in a report.
func factOf[T evidence.Value](r *doctor.Report) (T, bool) {
	for _, f := range r.Facts {
		if v, ok := f.Value.(T); ok {
			return v, true
		}
	}
	var none T
	return none, false
}
