package probe

import (
	"slices"
	"testing"
	"time"
)

var feedSamples = []struct {
	name, body string
	down       []string
	title      string
	since      string
}{
	{"statuspage, all is well", `{"page":{"name":"x"},"components":[{"name":"Mail","status":"operational"}],"incidents":[]}`, nil, "", ""},
	{"statuspage, sending is down", `{"components":[{"name":"Outgoing mail (SMTP)","status":"major_outage"},{"name":"IMAP","status":"operational"},{"name":"Website","status":"major_outage"}],
		"incidents":[{"name":"Sending fails","started_at":"2026-11-22T08:00:00Z"}]}`, []string{"smtp"}, "Sending fails", "2026-11-22T08:00:00Z"},
	{"statuspage, slow is not down", `{"components":[{"name":"Mail","status":"degraded_performance"}]}`, nil, "", ""},
	{"apple, wrapped in a call", `jsonCallback({"services":[{"serviceName":"iCloud Mail","events":[{"eventStatus":"ongoing","statusType":"Outage","message":"Some users cannot use mail","epochStartDate":1795334400000,"epochEndDate":null}]}]});`,
		[]string{"mail"}, "Some users cannot use mail", "2026-11-22T08:00:00Z"},
	{"apple, over or planned", `{"services":[{"serviceName":"iCloud Mail","events":[
		{"eventStatus":"resolved","statusType":"Outage","epochStartDate":1795334400000,"epochEndDate":1795334500000},
		{"eventStatus":"ongoing","statusType":"Maintenance","epochStartDate":1795334400000},
		{"eventStatus":"ongoing","statusType":"Outage","epochStartDate":1795334400000,"epochEndDate":1795334500000}]}]}`, nil, "", ""},
	{"google", `[{"begin":"2026-11-22T08:00:00Z","service_name":"Gmail","external_desc":"Sign-in errors","status_impact":"SERVICE_OUTAGE"},
		{"begin":"2026-10-01T08:00:00Z","end":"2026-10-01T09:00:00Z","service_name":"Gmail","status_impact":"SERVICE_OUTAGE"},
		{"begin":"2026-11-22T08:00:00Z","service_name":"Google Drive","status_impact":"SERVICE_OUTAGE"}]`, []string{"mail"}, "Sign-in errors", "2026-11-22T08:00:00Z"},
}

func TestReadFeed(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, c := range feedSamples {
		s, err := readFeed([]byte(c.body), now)
		if err != nil || !slices.Equal(s.Down, c.down) || s.Title != c.title {
			t.Errorf("%s: down %v, title %q, %v", c.name, s.Down, s.Title, err)
		}
		if c.since == "" != (s.Since == nil) || s.Since != nil && s.Since.UTC().Format(time.RFC3339) != c.since {
			t.Errorf("%s: since %v, want %s", c.name, s.Since, c.since)
		}
	}
	for _, bad := range []string{"", "<html>", "{", "[{]", `{"components":3}`, `{"serviceName":`} {
		if _, err := readFeed([]byte(bad), now); err == nil {
			t.Errorf("%q is taken for a feed", bad)
		}
	}
}

func FuzzReadFeed(f *testing.F) {
	for _, c := range feedSamples {
		f.Add([]byte(c.body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := readFeed(body, time.Unix(1795334400, 0))
		if err != nil && len(s.Down) > 0 {
			t.Errorf("an error and services that are down: %v", s.Down)
		}
	})
}
