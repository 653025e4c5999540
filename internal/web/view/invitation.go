package view

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/postiljon/postiljon/internal/message"
)

// invitation is what a message invites to, or answers (RFC 5546).
type invitation struct {
	PartID   string `json:"partId"`
	Summary  string `json:"summary,omitempty"`
	Location string `json:"location,omitempty"`
	// Start and End are as RFC 3339 has them, in UTC; without an offset where the calendar names no zone, or one that is not known
	// here, which is Zone then. A day alone is of what lasts all day, and End the last of those days.
	Start string `json:"start,omitempty"`
	End   string `json:"end,omitempty"`
	Zone  string `json:"zone,omitempty"`
	// Said is what else is to be known, a line each: who invites or has answered, how often it is, that it was cancelled.
	Said []string `json:"said"`
}

// maxCalendar bounds how much of a calendar is read, in octets.
const maxCalendar = 256 << 10

// aboutInvitation tells of the first event of the first calendar in a message, as far as a reader is to know it.
func (s *Server) aboutInvitation(r *request, a *about) error {
	part, text, err := s.calendar(r)
	if err != nil || part < 0 {
		return err
	}
	e := readCalendar(string(text))
	v := &invitation{PartID: partID(part), Summary: e.summary, Location: e.location, Said: e.said(r.words(s))}
	v.Start, v.End, v.Zone = e.when()
	a.Invitation = v
	again, err := s.attachedAgain(r, part, text)
	if again {
		a.Inline = append(a.Inline, v.PartID)
	}
	return err
}

// calendar finds the first calendar in a message; part is below 0 without one.
func (s *Server) calendar(r *request) (part int, text []byte, err error) {
	part = slices.IndexFunc(r.mail.parts, func(p message.Part) bool { return p.Type == "text" && p.Subtype == "calendar" })
	if part >= 0 {
		text, err = s.text(r.Context(), r.mail, part, maxCalendar)
	}
	return part, text, err
}

// attachedAgain tells whether the calendar of a part is that of a later one, too: many programs that invite attach it as a file for
// programs that know no invitations.
func (s *Server) attachedAgain(r *request, part int, calendar []byte) (bool, error) {
	lines := func(text []byte) []byte { return bytes.TrimSpace(bytes.ReplaceAll(text, []byte("\r"), nil)) }
	for i := part + 1; i < len(r.mail.parts); i++ {
		if t := r.mail.parts[i].Subtype; t != "ics" && t != "calendar" {
			continue
		}
		other, err := s.text(r.Context(), r.mail, i, maxCalendar)
		if err != nil || bytes.Equal(lines(other), lines(calendar)) {
			return err == nil, err
		}
	}
	return false, nil
}

// event is one of a calendar (RFC 5545 section 3.6.1).
type event struct {
	method            string // of the calendar, in capitals
	summary, location string
	organizer         string
	attendee, answer  string // the last one that is named, and what he answered
	repeats           string // how often, in lower case; with an interval that is not 1, "other"
	start, end        property
}

// property is a line of a calendar.
type property struct{ name, params, value string }

func readCalendar(text string) *event {
	e := &event{}
	inside := 0 // how deep in the event
	text = strings.NewReplacer("\r\n ", "", "\r\n\t", "", "\n ", "", "\n\t", "").Replace(text)
	for line := range strings.Lines(text) {
		p := readProperty(strings.TrimRight(line, "\r\n"))
		switch {
		case p.name == "METHOD" && inside == 0:
			e.method = strings.ToUpper(shorten(p.value, 20))
		case p.name == "BEGIN" && (inside > 0 || strings.EqualFold(p.value, "VEVENT")):
			inside++
		case p.name == "END" && inside > 0:
			if inside--; inside == 0 {
				return e
			}
		case inside == 1: // what is deeper is an alarm
			e.read(p)
		}
	}
	return e
}

func (e *event) read(p property) {
	switch p.name {
	case "SUMMARY":
		e.summary = calendarText(p.value)
	case "LOCATION":
		e.location = calendarText(p.value)
	case "ORGANIZER":
		e.organizer = p.person()
	case "ATTENDEE":
		e.attendee, e.answer = p.person(), strings.ToLower(p.param("PARTSTAT"))
	case "DTSTART":
		e.start = p
	case "DTEND":
		e.end = p
	case "RRULE":
		e.repeats = strings.ToLower(property{params: p.value}.param("FREQ"))
		if n := (property{params: p.value}).param("INTERVAL"); n != "" && n != "1" {
			e.repeats = "other"
		}
	}
}

// readProperty reads a line: what is in quotes ends nothing.
func readProperty(line string) (p property) {
	colon := indexUnquoted(line, ':')
	p.name = line[:colon]
	if colon < len(line) {
		p.value = line[colon+1:]
	}
	if semicolon := indexUnquoted(p.name, ';'); semicolon < len(p.name) {
		p.name, p.params = p.name[:semicolon], p.name[semicolon+1:]
	}
	p.name = strings.ToUpper(p.name)
	return p
}

// indexUnquoted is where an octet stands outside of quotes, or the end.
func indexUnquoted(s string, c byte) int {
	quoted := false
	for i := range len(s) {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == c && !quoted:
			return i
		}
	}
	return len(s)
}

// param is the value of a parameter, "" if there is none.
func (p property) param(name string) string {
	for rest := p.params; rest != ""; {
		n := indexUnquoted(rest, ';')
		key, value, _ := strings.Cut(rest[:n], "=")
		if strings.EqualFold(key, name) {
			return shorten(strings.Trim(value, `"`), 100)
		}
		rest = rest[min(n+1, len(rest)):]
	}
	return ""
}

// person is the name of somebody, or the address.
func (p property) person() string {
	if name := p.param("CN"); name != "" {
		return name
	}
	address := shorten(p.value, 254)
	if len(address) > 7 && strings.EqualFold(address[:7], "mailto:") {
		return address[7:]
	}
	return address
}

// said is what is to be known beside what, when and where.
func (e *event) said(w *words) (lines []string) {
	lines = []string{}
	answered := map[string]string{"accepted": "invitation-accepted", "declined": "invitation-declined", "tentative": "invitation-tentative"}[e.answer]
	switch {
	case e.method == "CANCEL":
		lines = append(lines, w.say("invitation-cancelled"))
	case e.method == "REPLY" && answered != "" && e.attendee != "":
		lines = append(lines, w.say(answered, "who", e.attendee))
	case e.method == "REQUEST" && e.organizer != "":
		lines = append(lines, w.say("invited-by", "who", e.organizer))
	}
	switch e.repeats {
	case "":
	case "daily", "weekly", "monthly", "yearly":
		lines = append(lines, w.say("repeats-"+e.repeats))
	default:
		lines = append(lines, w.say("repeats"))
	}
	return lines
}

// when is the time of an event, as invitation has it.
func (e *event) when() (start, end, zone string) {
	start, zone = e.start.time()
	end, _ = e.end.time()
	if day, err := time.Parse(time.DateOnly, end); err == nil && end > start { // the day after the last one
		end = day.AddDate(0, 0, -1).Format(time.DateOnly)
	}
	return start, end, zone
}

// time reads a time such as 20261124T090000Z, or a day such as 20261124.
func (p property) time() (at, zone string) {
	if day, err := time.Parse("20060102", p.value); err == nil {
		return day.Format(time.DateOnly), ""
	}
	if t, err := time.Parse("20060102T150405Z", p.value); err == nil {
		return t.Format(time.RFC3339), ""
	}
	name := p.param("TZID")
	place, err := time.LoadLocation(nameOfZone(name))
	unknown := name == "" || err != nil || place == time.Local // the last is the zone of this machine
	if unknown {
		place = time.UTC
	}
	t, wrong := time.ParseInLocation("20060102T150405", p.value, place)
	switch {
	case wrong != nil:
		return "", ""
	case unknown:
		return t.Format("2006-01-02T15:04:05"), name
	}
	return t.UTC().Format(time.RFC3339), ""
}

func calendarText(value string) string {
	return shorten(strings.NewReplacer(`\n`, " ", `\N`, " ", `\,`, ",", `\;`, ";", `\\`, `\`).Replace(value), 300)
}

func shorten(s string, n int) string {
	s = message.DecodeHeader(s) // takes out controls
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}

// nameOfZone is the name that the tz database has for a zone which Windows calls otherwise, as Outlook does.
func nameOfZone(name string) string {
	if zone := windowsZones[name]; zone != "" {
		return zone
	}
	return name
}

// windowsZones are the zones of Windows that are met most.
var windowsZones = map[string]string{
	"GMT Standard Time": "Europe/London", "Greenwich Standard Time": "Atlantic/Reykjavik", "W. Europe Standard Time": "Europe/Berlin",
	"Central Europe Standard Time": "Europe/Budapest", "Romance Standard Time": "Europe/Paris", "Central European Standard Time": "Europe/Warsaw",
	"E. Europe Standard Time": "Europe/Chisinau", "GTB Standard Time": "Europe/Bucharest", "FLE Standard Time": "Europe/Kiev", "Turkey Standard Time": "Europe/Istanbul",
	"Israel Standard Time": "Asia/Jerusalem", "Russian Standard Time": "Europe/Moscow", "Arabian Standard Time": "Asia/Dubai", "Pakistan Standard Time": "Asia/Karachi",
	"India Standard Time": "Asia/Calcutta", "SE Asia Standard Time": "Asia/Bangkok", "China Standard Time": "Asia/Shanghai", "Singapore Standard Time": "Asia/Singapore",
	"Tokyo Standard Time": "Asia/Tokyo", "Korea Standard Time": "Asia/Seoul", "AUS Eastern Standard Time": "Australia/Sydney", "New Zealand Standard Time": "Pacific/Auckland",
	"South Africa Standard Time": "Africa/Johannesburg", "Egypt Standard Time": "Africa/Cairo", "E. South America Standard Time": "America/Sao_Paulo",
	"Atlantic Standard Time": "America/Halifax", "Eastern Standard Time": "America/New_York", "Central Standard Time": "America/Chicago",
	"Mountain Standard Time": "America/Denver", "US Mountain Standard Time": "America/Phoenix", "Pacific Standard Time": "America/Los_Angeles", "UTC": "UTC",
}
