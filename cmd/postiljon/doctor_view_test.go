package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/probe"
)

// shownIn is how a report looks to somebody without a terminal.
func shownIn(t *testing.T, lang cause.Lang, r *doctor.Report) string {
	t.Helper()
	catalogue, err := cause.Load()
	if err != nil {
		t.Fatal(err)
	}
	phrases, err := doctor.SpeechIn(lang)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	v := &doctorView{streams: &streams{}, Set: phrases, catalogue: catalogue, lang: lang}
	if err := v.writeTo(&out, r); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// Whoever gets no cause told reads what was looked at, what was not and what would help, in words of the
// language and within 80 columns.
func TestUnknownShown(t *testing.T) {
	given := evidence.Endpoint{Protocol: evidence.IMAP, Host: "imap.north.example", Port: 993, Security: evidence.TLS, Origin: evidence.Given}
	key := regexp.MustCompile(`\b(area|unseen|help|unknown|trip|say)\.[a-z]|\{`)
	for name, facts := range map[string][]evidence.Value{
		"nothing was seen":     nil,
		"the server is silent": {evidence.Connect{Endpoint: given, Outcome: evidence.TimedOut}, evidence.Canary{Outcome: evidence.OK}},
		"the sign-in is refused": {evidence.Connect{Endpoint: given, Outcome: evidence.OK}, evidence.Greeting{Endpoint: given, Positive: true},
			evidence.Handshake{Endpoint: given, Outcome: evidence.OK, Trust: evidence.Trusted}, evidence.SignIn{Endpoint: given, Outcome: evidence.OK}},
	} {
		for _, lang := range cause.Languages() {
			for _, symptom := range []evidence.Symptom{evidence.AnySymptom, evidence.Send, evidence.OneMessage} {
				r := &doctor.Report{Subject: doctor.Subject{Address: "anna@north.example", Symptom: symptom}}
				r.Verdict = doctor.Verdict{State: doctor.Unknown, Possible: []cause.ID{cause.ProviderOutage, cause.NetworkProviderBlocked, cause.NetworkSubmissionPortBlocked}}
				r.Probes = []doctor.ProbeReport{{Name: "sign-in imap", State: probe.Blocked, Why: "no password was given: blocked"}}
				for _, f := range facts {
					r.Facts = append(r.Facts, evidence.Fact{Value: f})
				}
				text := shownIn(t, lang, r)
				if key.MatchString(text) {
					t.Errorf("%s, %s: a text is missing:\n%s", name, lang, text)
				}
				for line := range strings.Lines(text) {
					if utf8.RuneCountInString(line) > 81 {
						t.Errorf("%s, %s: too wide: %q", name, lang, line)
					}
				}
			}
		}
	}
}

// The way of a test message is told station by station.
func TestTripShown(t *testing.T) {
	by := evidence.Endpoint{Host: "smtp.north.example"}
	sent := evidence.RoundTrip{By: by, Subject: "Test 1a2b", Accepted: true, Reply: "250 Ok", AcceptedIn: 1230 * time.Millisecond, Waited: 20 * time.Second}
	arrived := sent
	arrived.Arrived, arrived.Mailbox, arrived.Role, arrived.ArrivedIn, arrived.Deleted = true, "INBOX", "inbox", 12*time.Second, 1
	arrived.Notice, arrived.NoticeIn = evidence.NoticeTold, 400*time.Millisecond
	junk := arrived
	junk.Role, junk.Mailbox, junk.Notice, junk.Left = "junk", "Spam", evidence.NoticeSilent, []string{"Spam"}
	moved := arrived
	moved.Role, moved.Mailbox, moved.Notice = "", "Lists", ""
	for name, c := range map[string]struct {
		trip evidence.RoundTrip
		want []string
	}{
		"arrived":   {arrived, []string{"efter 1,2 s", "inkorgen efter 12 s", "efter 0,40 s", "borttaget igen"}},
		"junk":      {junk, []string{"Skräppost (Spam)", "fick inte veta", "kunde inte tas bort från Spam"}},
		"moved":     {moved, []string{"mappen Lists"}},
		"missing":   {sent, []string{"inom 20 s"}},
		"refused":   {evidence.RoundTrip{By: by, Reply: "550 5.7.1 No"}, []string{"avvisat av smtp.north.example: 550 5.7.1 No"}},
		"no answer": {evidence.RoundTrip{By: by}, []string{"som inte svarade"}},
	} {
		r := &doctor.Report{Subject: doctor.Subject{Address: "anna@north.example"}, Verdict: doctor.Verdict{State: doctor.Healthy}, Facts: []evidence.Fact{{Value: c.trip}}}
		text := shownIn(t, cause.Swedish, r)
		for _, want := range c.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in\n%s", name, want, text)
			}
		}
		if strings.Contains(text, "trip.") || strings.Contains(text, "{") {
			t.Errorf("%s: a text is missing:\n%s", name, text)
		}
	}
	r := &doctor.Report{Verdict: doctor.Verdict{State: doctor.Unknown}, Probes: []doctor.ProbeReport{{Name: probe.TestMessage, State: probe.Blocked}}}
	if text := shownIn(t, cause.English, r); !strings.Contains(text, "No test message was sent") {
		t.Errorf("not sent, and not told:\n%s", text)
	}
}
